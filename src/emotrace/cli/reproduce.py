"""`emotrace reproduce`: figures and tables."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from emotrace import running
from emotrace.cli import options
from emotrace.cli.failing import plain_warnings

if TYPE_CHECKING:
    from emotrace.experiments.study import Study


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


_QUICK_RESULTS = "quick-results"


_STUDY = [
    click.option("--corpus", required=True, metavar="NAME", help="A reader; emotrace corpora lists them."),
    click.option("--root", required=True, type=click.Path(path_type=Path), help="Where the corpus lies."),
    click.option("--jobs", default=1, show_default=True, type=click.IntRange(1), help="Runs at once, a core each."),
    click.option(
        "--runs", default="runs", show_default=True, type=click.Path(path_type=Path), help="Runs and features."
    ),
    click.option(
        "--results",
        type=click.Path(path_type=Path),
        help="For the JSON; experiments/results by default, quick-results in the runs' folder with --quick.",
    ),
]
_QUICK = click.option("--quick", is_flag=True, help="A reduced budget that shows that all runs; no result.")
_RUNS = [
    click.option(
        "--seeds", type=click.IntRange(1), help="Runs a system; 5 by default, and 10 in figure 1, as the paper."
    ),
    _QUICK,
    click.option(
        "--backend", default="processes", show_default=True, type=click.Choice(running.BACKENDS), help="Of --jobs."
    ),
    options.device,
]
_SYSTEMS = [
    click.option("--systems", default="", metavar="A,B", help="Only these; all there are by default."),
    click.option("--configs", type=click.Path(path_type=Path), help="Tuned settings; the package's own by default."),
]
_GREEN = click.option(
    "--green", type=click.Path(path_type=Path), help="Folder of the green intensity tasks, for figure 4."
)
_ADD = click.option("--add", is_flag=True, help="Keep what the result file has of other systems.")


def _of_the_paper(*more: Callable[..., Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """A command with the options that it uses, all but ``--green`` handed to it as one study."""

    def decorated(command: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(command)
        def told(results: Path | None, systems: str = "", configs: Path | None = None, **given: Any) -> None:
            from emotrace.experiments import study

            beside = {"green": given.pop("green")} if "green" in given else {}
            only = tuple(name.strip() for name in systems.split(",") if name.strip())
            results = results or (given["runs"] / _QUICK_RESULTS if given.get("quick") else Path("experiments/results"))
            with plain_warnings():
                command(study.Study(only=only, results=results, configs=configs or study.CONFIGS, **given), **beside)

        for option in reversed([*_STUDY, *more]):
            told = option(told)
        return told

    return decorated


@reproduce.command()
@_of_the_paper(*_SYSTEMS, *_RUNS, _ADD)
def table1(study: "Study") -> None:
    """Arousal: RMSE and CCC of every system."""
    _make(study, "table1")


@reproduce.command()
@_of_the_paper(*_SYSTEMS, *_RUNS, _ADD)
def table2(study: "Study") -> None:
    """Valence: RMSE and CCC of every system."""
    _make(study, "table2")


@reproduce.command()
@_of_the_paper(*_RUNS)
def figure1(study: "Study") -> None:
    """CCC by the receptive field of one filter, 2 to 2048 frames, ten runs each."""
    _make(study, "figure1")


@reproduce.command()
@_of_the_paper(_GREEN)
def figure4(study: "Study", green: Path | None) -> None:
    """How slow ratings are: power below 1 Hz, and CCC after downsampling."""
    _make(study, "figure4", green)


@reproduce.command()
@_of_the_paper(*_SYSTEMS, *_RUNS, _ADD)
def figure5(study: "Study") -> None:
    """Forty seconds of dilated, down/up and gold standard; the roughness of every system."""
    _make(study, "figure5")


@reproduce.command()
@_of_the_paper(_QUICK)
def timing(study: "Study") -> None:
    """Seconds an epoch, convolutional beside recurrent, as many parameters."""
    _make(study, "timing")


@reproduce.command("all")
@_of_the_paper(*_SYSTEMS, *_RUNS, _GREEN)
def everything(study: "Study", green: Path | None) -> None:
    """All of the above, and a page that shows it."""
    from emotrace.experiments import paper

    results, page = paper.reproduce_all(study, green)
    for name, result in results.items():
        _show(name, result)
    click.echo(str(page))


def _make(study: "Study", name: str, green: Path | None = None) -> None:
    from emotrace.experiments import paper

    _show(name, paper.reproduce(study, name, green))


def _show(name: str, result: dict[str, Any]) -> None:
    from emotrace.experiments import paper

    click.echo("\n".join([f"\n{paper.TITLES[name]}\n", *paper.lines(name, result)]))
