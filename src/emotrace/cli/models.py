"""`emotrace models`: what can predict."""

import click


@click.command()
def models() -> None:
    """The models that come with the package: what they were trained on, and under which licence."""
    from emotrace.inference import model, streaming
    from emotrace.trace import FRAME_S

    for name in model.names():
        saved = model.load(name)
        before_s, after_s = (frames * FRAME_S for frames in saved.reach)
        behind_s, licence = streaming.latency_s(saved), saved.card.get("licence", "unknown")
        click.echo(f"{name}: {', '.join(target.name for target in saved.targets)}; {saved.card.get('summary', '')}")
        click.echo(
            f"  sees {before_s:.1f} s back and {after_s:.1f} s ahead, streams {behind_s:.2f} s behind; "
            f"licence: {licence}"
        )
