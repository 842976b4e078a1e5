"""`emotrace reproduce`: figures and tables."""

from collections.abc import Callable
from pathlib import Path

import click

from emotrace.cli import options


@click.group()
def reproduce() -> None:
    """The figures and tables, one command each."""


def _reproduces(command: Callable[..., None]) -> click.Command:
    """A command with the options that all that train share."""
    for option in reversed(_FOLDERS):
        command = option(command)
    return reproduce.command()(options.jobs(command))


_FOLDERS = [
    click.option("--root", required=True, type=click.Path(path_type=Path), help="Folder with tava/ and emodb47/."),
    click.option("--runs", default="runs", show_default=True, type=click.Path(path_type=Path), help="Of the runs."),
    click.option(
        "--results",
        default="experiments/results",
        show_default=True,
        type=click.Path(path_type=Path),
        help="For the JSON.",
    ),
    click.option(
        "--weights", default="runs/weights", show_default=True, type=click.Path(path_type=Path), help="For the models."
    ),
]


@_reproduces
def shipped(root: Path, runs: Path, results: Path, weights: Path, jobs: int) -> None:
    """Train the shipped weights and measure them; resumes where it stood."""
    from emotrace.experiments import shipped

    shipped.reproduce(shipped.Folders(root, runs, results, weights), jobs, click.echo)


@_reproduces
def live(root: Path, runs: Path, results: Path, weights: Path, jobs: int) -> None:
    """Train the network for live use, compare look-aheads and measure it; resumes where it stood."""
    from emotrace.experiments import live, shipped

    live.reproduce(shipped.Folders(root, runs, results, weights), jobs, click.echo)


@reproduce.command()
@click.option(
    "--root", required=True, type=click.Path(path_type=Path), help="Folder with green/, studyforrest/ and tava/."
)
@click.option(
    "--results", default="experiments/results", show_default=True, type=click.Path(path_type=Path), help="For the JSON."
)
def gold(root: Path, results: Path) -> None:
    """Fuse raters by every method and score them where the truth is known."""
    from emotrace.experiments import gold

    gold.reproduce(root, results, click.echo)
