"""`emotrace train`: a configuration to trained networks."""

from pathlib import Path

import click

from emotrace.cli import options
from emotrace.cli.failing import plain_warnings


@click.command()
@click.argument("config", type=click.Path(path_type=Path))
@options.settings
@click.option("-o", "--out", required=True, type=click.Path(path_type=Path), help="Folder of the runs.")
@options.jobs
@options.device
def train(config: Path, settings: tuple[str, ...], out: Path, jobs: int, device: str) -> None:
    """Train every seed of a configuration; called again, it goes on where it stood.

    Under torchrun all processes together train one seed after another, each on its share of batch_recordings.
    """
    from emotrace.training import config as configuration
    from emotrace.training import parallel, run

    with plain_warnings(), parallel.group():
        records = run.train(configuration.read(config, settings), out, jobs, device=device)
        shown = records if parallel.first() else []
    for record in shown:
        reached = "" if record["dev_ccc"] is None else f": development CCC {record['dev_ccc']:.3f}"
        click.echo(f"seed {record['seed']}{reached} (epoch {record['best_epoch'] + 1}, {record['seconds']:.0f} s)")
