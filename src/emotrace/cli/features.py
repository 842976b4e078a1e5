"""`emotrace features`: what networks can be trained on."""

import click


@click.command()
def features() -> None:
    """The front ends that networks can be trained on."""
    from emotrace import features

    for name in features.names():
        front_end = features.get(name)
        first_line = (front_end.__doc__ or "").strip().splitlines()[0]
        click.echo(f"{name}: {front_end.size} values at {front_end.rate_hz:g} Hz. {first_line}")
