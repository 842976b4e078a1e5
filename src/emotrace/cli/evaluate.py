"""`emotrace evaluate`: a model against the ratings of a corpus."""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from emotrace.cli import options
from emotrace.cli.failing import tell

if TYPE_CHECKING:
    from emotrace.corpora import Recording
    from emotrace.evaluation.corpus import Evaluation

_WARNINGS_SHOWN = 5
_NAMED = 5


@click.command()
@click.argument("model")
@click.argument("corpus")
@click.argument("root", type=click.Path(path_type=Path))
@click.option("--target", "targets", multiple=True, help="What to score; may be repeated. By default all that can be.")
@click.option(
    "--partition", type=click.Choice(["train", "dev", "test", "all"]), default="all", show_default=True, help="Which."
)
@click.option(
    "--lag", "lag_s", type=click.FloatRange(0), help="Seconds that ratings lag behind; by default as the model states."
)
@click.option("--per-recording", is_flag=True, help="A row for every recording too.")
@click.option("-o", "--out", type=click.Path(path_type=Path), help="Write everything to this JSON file.")
@click.option(
    "--predictions",
    type=click.Path(path_type=Path),
    help="Write every trace into this folder as CSV, in time with the voice, as predict does.",
)
@click.option(
    "--submission",
    type=click.Path(path_type=Path),
    help="Write the test recordings' traces into this folder as ARFF for AVEC 2016, moved by the lag.",
)
@click.option("--force", is_flag=True, help="Write over files that exist.")
@options.jobs
def evaluate(
    model: str,
    corpus: str,
    root: Path,
    targets: tuple[str, ...],
    partition: str,
    lag_s: float | None,
    per_recording: bool,
    out: Path | None,
    predictions: Path | None,
    submission: Path | None,
    force: bool,
    jobs: int,
) -> None:
    """Score MODEL on the CORPUS that lies in ROOT.

    MODEL is a shipped model's name or a model's folder, CORPUS one of 'emotrace corpora'. Only rated frames are scored;
    recordings without ratings are predicted all the same, for --predictions and --submission. Recordings of which
    something is wrong are left out and listed at the end, with exit code 1.
    """
    from emotrace.evaluation import corpus as evaluation

    if not force:
        _reject_existing(out, predictions, submission)
    part = None if partition == "all" else partition
    done = evaluation.evaluate(model, corpus, root, targets, part, lag_s, jobs, _progress)
    _warn(done)
    for line in _table(done):
        click.echo(line)
    if per_recording:
        click.echo("\n" + "\n".join(_recordings(done)))
    _write(done, out, predictions, force)
    tell(["\n  ".join(failure.lines) for failure in done.failed], done.attempted)
    if submission is not None:
        _submit(done, submission, force)
    if done.failed:
        sys.exit(1)


def _progress(recordings: "Sequence[Recording]") -> "Iterator[Recording]":
    with click.progressbar(recordings, label="recordings", file=sys.stderr) as bar:
        yield from bar


def _reject_existing(*outputs: Path | None) -> None:
    """Before the work and not after it."""
    from emotrace.errors import EmotraceError

    for path in outputs:
        if path is not None and (any(path.iterdir()) if path.is_dir() else path.exists()):
            raise EmotraceError(f"{path}: exists already; choose another name or give --force")


def _warn(done: "Evaluation") -> None:
    noted = [f"{name}: has no sound; it is left out" for name in done.silent]
    noted += [f"{heard.id}: {note}" for heard in done.heard for note in heard.notes]
    for text in noted[:_WARNINGS_SHOWN]:
        click.echo(f"warning: {text}", err=True)
    if len(noted) > _WARNINGS_SHOWN:
        click.echo(f"warning: and {len(noted) - _WARNINGS_SHOWN} more; -o writes them all", err=True)


_HEAD = f"{'target':10} {'part':5} {'rec.':>5} {'hours':>7}"
_JOINED = "ccc_population_concatenated", "ccc_avec2016_concatenated"
_MEAN = "ccc_population_per_recording", "ccc_avec2016_per_recording"


def _table(done: "Evaluation") -> Iterator[str]:
    trained_on = f", trained on {done.model.card['summary']}" if "summary" in done.model.card else ""
    yield f"model {done.model.name}{trained_on}"
    yield f"on {done.corpus} ({done.root}); values in [-1, 1], rated frames only"
    for target, lag in done.lags.items():
        yield f"{target}: traces moved {lag.seconds:.2f} s later ({lag.reason})"
        yield from _still(target, done.still(target))
    if done.unrated:
        yield f"without ratings, predicted only: {len(done.unrated)} of {done.attempted} recordings"
    if done.failed:
        yield f"failed and not in the scores: {len(done.failed)} of {done.attempted} recordings ({_missing(done)})"
    rated = [target for target in done.targets if any(target in heard.golds for heard in done.heard)]
    over_time = [target for target in rated if target not in done.as_wholes]
    as_wholes = [target for target in rated if target in done.as_wholes]
    if over_time:
        yield "\njoined: all recordings end to end, as AVEC 2016 scores; mean: of the recordings' own scores"
        yield f"{'':31}{'CCC population':>15} {'CCC avec2016':>15} {'Pearson':>8} {'RMSE':>6} {'roughness':>15}"
        yield (
            f"{_HEAD} {'joined':>8} {'mean':>6} {'joined':>8} {'mean':>6} {'joined':>8} {'joined':>6} "
            f"{'trace':>8} {'gold':>6}"
        )
        yield from _rows(done, over_time, _over_time)
    if as_wholes:
        yield "\nrecordings rated as wholes: the mean of each trace against its one rating"
        yield f"{_HEAD} {'CCC population':>15} {'CCC avec2016':>13} {'Pearson':>8} {'RMSE':>6}"
        yield from _rows(done, as_wholes, _as_wholes)


def _still(target: str, never_moves: Mapping[str, Sequence[str]]) -> Iterator[str]:
    for what, title in (("gold", "gold standard"), ("trace", "trace")):
        if names := never_moves[what]:
            some = ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")
            yield f"{target}: the {title} of {some} never moves, which makes a CCC of 0 that tells nothing"


def _missing(done: "Evaluation") -> str:
    """Which recordings are in no score, or not in those of the targets that are named."""
    named = []
    for each in done.failed:
        some = () if len(each.reasons) == len(done.targets) else each.reasons
        named.append(" ".join([each.id, *filter(None, [each.partition]), *some]))
    return ", ".join(named)


def _rows(done: "Evaluation", targets: "Sequence[str]", numbers: Any) -> Iterator[str]:
    for target in targets:
        for partition in done.partitions:
            scores = done.scores(target, partition)
            if scores is not None:
                head = f"{target:10} {partition or '-':5} {scores['recordings']:5} {scores['hours']:7.2f}"
                yield f"{head} {numbers(scores)}"


def _over_time(scores: dict[str, Any]) -> str:
    ccc = " ".join(f"{scores[joined]:8.3f} {scores[mean]:6.3f}" for joined, mean in zip(_JOINED, _MEAN, strict=True))
    return (
        f"{ccc} {scores['pearson_concatenated']:8.3f} {scores['rmse_concatenated']:6.3f} "
        f"{scores['roughness']:8.4f} {scores['roughness_gold']:6.4f}"
    )


def _as_wholes(scores: dict[str, Any]) -> str:
    means = scores["recording_means"]
    return f"{means['ccc_population']:15.3f} {means['ccc_avec2016']:13.3f} {means['pearson']:8.3f} {means['rmse']:6.3f}"


_COLUMNS = ("ccc_population", "ccc_avec2016", "pearson", "rmse", "roughness", "mean", "mean_gold")
_TITLES = ("CCC pop.", "CCC avec", "Pearson", "RMSE", "rough.", "mean", "gold")


def _recordings(done: "Evaluation") -> Iterator[str]:
    width = max(9, *(len(heard.id) for heard in done.heard))
    failed = {(failure.id, target) for failure in done.failed for target in failure.reasons}
    titles = " ".join(f"{title:>8}" for title in _TITLES)
    yield f"{'recording':{width}} {'part':5} {'target':10} {'rated':>8} {titles}"
    for heard in done.heard:
        for target in done.targets:
            scores = done.of_recording(heard, target)
            if scores is None:
                cells = "failed" if (heard.id, target) in failed else "not rated"
            else:
                numbers = [f"{scores[name]:8.3f}" if name in scores else f"{'-':>8}" for name in _COLUMNS]
                cells = f"{scores['rated_s']:6.1f} s {' '.join(numbers)}"
            yield f"{heard.id:{width}} {heard.partition or '-':5} {target:10} {cells}"


def _write(done: "Evaluation", out: Path | None, predictions: Path | None, force: bool) -> None:
    from emotrace.output import file_names, write_atomically

    if out is not None:
        text = json.dumps(done.as_dict(), indent=1, allow_nan=False) + "\n"
        out.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(out, lambda file: file.write(text), force=force)
    if predictions is not None:
        predictions.mkdir(parents=True, exist_ok=True)
        named = file_names(heard.id for heard in done.heard)
        for heard in done.heard:
            heard.trace.to_csv(predictions / f"{named[heard.id]}.csv", force=force)
    for path in (out, predictions):
        if path is not None:
            click.echo(f"-> {path}")


def _submit(done: "Evaluation", folder: Path, force: bool) -> None:
    from emotrace.evaluation import submission as challenge

    challenge.write(done, folder, force=force)
    click.echo(f"-> {folder}")
