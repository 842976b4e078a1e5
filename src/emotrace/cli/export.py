"""`emotrace export`: trained networks to a model for predict."""

from pathlib import Path

import click

from emotrace.cli import options
from emotrace.cli.failing import plain_warnings


@click.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("-o", "--out", required=True, type=click.Path(path_type=Path), help="The model's folder.")
@click.option("--name", help="The model's name; the folder's by default.")
@click.option("--data", default="unstated", help="What it was trained on, for the model card.")
@click.option("--licence", default="unstated", help="Under which licence, for the model card.")
@click.option("--force", is_flag=True, help="Replace a model that is there.")
@options.jobs
def export(
    runs: tuple[Path, ...], out: Path, name: str | None, data: str, licence: str, force: bool, jobs: int
) -> None:
    """Make a model for predict out of finished RUNS, one folder a target."""
    from emotrace.training import export

    card = {"summary": data, "licence": licence}
    with plain_warnings():
        saved = export.export(runs, out, name or out.name, card, jobs=jobs, force=force)
    for target, origin in saved.card["calibration"].items():
        click.echo(f"{target}: gain and offset {origin}")
    click.echo(
        f"{out}: {', '.join(target.name for target in saved.targets)}; use it with: emotrace predict --model {out}"
    )
