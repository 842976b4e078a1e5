"""`emotrace search`: tune the systems of the tables."""

import sys
from pathlib import Path

import click

from emotrace import running
from emotrace.cli import options
from emotrace.cli.failing import plain_warnings


@click.command()
@click.option("--corpus", required=True, metavar="NAME", help="A reader; emotrace corpora lists them.")
@click.option("--root", required=True, type=click.Path(path_type=Path), help="Where the corpus lies.")
@click.option("--systems", default="", metavar="A,B", help="Only these; all there are by default.")
@click.option("--target", multiple=True, help="Only this one; may be repeated.")
@click.option("--trials", default=20, show_default=True, type=click.IntRange(1), help="Budget of each search.")
@click.option("--epochs", type=click.IntRange(1), help="Most that a trial trains; as many as a run by default.")
@click.option("--storage", metavar="URL", help="A database that Optuna takes; SQLite beside the runs by default.")
@click.option("--quick", is_flag=True, help="Few recordings, two epochs: shows that all runs; no result.")
@click.option("--jobs", default=1, show_default=True, type=click.IntRange(1), help="Searches at once, a core each.")
@click.option(
    "--backend", default="processes", show_default=True, type=click.Choice(running.BACKENDS), help="Of --jobs."
)
@options.device
@click.option("--runs", default="runs", show_default=True, type=click.Path(path_type=Path), help="Study and features.")
@click.option("--configs", type=click.Path(path_type=Path), help="For the winners; the package's own by default.")
def search(
    corpus: str,
    root: Path,
    systems: str,
    trials: int,
    epochs: int | None,
    storage: str | None,
    quick: bool,
    jobs: int,
    backend: str,
    device: str,
    runs: Path,
    configs: Path | None,
    target: tuple[str, ...],
) -> None:
    """Tune systems on the development part, the same budget for each; goes on where it stood.

    Winners are written as CONFIGS/CORPUS/SYSTEM-TARGET.yaml, which emotrace reproduce reads.
    """
    from emotrace.experiments import search as searching
    from emotrace.experiments import study

    only = tuple(name.strip() for name in systems.split(",") if name.strip())
    folder = configs or (runs / "quick-configs" if quick else study.CONFIGS)
    given = study.Study(corpus, root, runs, runs, folder, only, jobs=jobs, backend=backend, quick=quick, device=device)
    with plain_warnings():
        found, failed = searching.search(given, trials, storage, target, epochs)
    for name, winner in found.items():
        if winner.unsuited:
            click.echo(f"{name}: not searched, {winner.unsuited}")
            continue
        own = "failed" if winner.defaults_ccc is None else f"{winner.defaults_ccc:.3f}"
        click.echo(f"{name}: development CCC {winner.dev_ccc:.3f} (own settings {own}, {winner.trials} trials)")
    for name, error in failed.items():
        click.echo(f"{name}: {error}", err=True)
    sys.exit(1 if failed else 0)
