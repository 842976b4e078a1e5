"""The command line: parse, import what the command needs, call, print."""

import glob
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from emotrace.errors import EmotraceError

if TYPE_CHECKING:
    from emotrace.inference.model import Model
    from emotrace.trace import Trace


class _Commands(click.Group):
    """Errors that a user can cause end a command with one line and exit code 2; help lists commands as written."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except EmotraceError as error:
            _fail(str(error))
        except BrokenPipeError:
            raise
        except OSError as error:
            _fail(f"{error.filename or 'output'}: {error.strerror or error}; check the path, its rights and free space")
        except ModuleNotFoundError as error:
            if error.name is None or error.name.split(".")[0] == "emotrace":
                raise
            _fail(f'this command needs the package {error.name}; install it with: pip install "emotrace[train]"')


def _fail(text: str) -> None:
    click.echo(f"emotrace: {text}", err=True)
    sys.exit(2)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="emotrace")
def main() -> None:
    """Speech in, arousal and valence traces out, every 40 ms.

    Everything runs on this machine; no recording leaves it.
    """


_FORMATS = ("csv", "json", "png")
_STDOUT = Path("-")


@main.command()
@click.argument("audio", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--out",
    help="A file for one input, a folder (made if absent) for several, - for standard output.",
)
@click.option(
    "--format",
    "formats",
    multiple=True,
    type=click.Choice(_FORMATS),
    help="What to write; may be given several times. By default what -o ends in, else csv.",
)
@click.option(
    "--model", "model_name", default="downup", show_default=True, help="A shipped model, or a model's folder."
)
@click.option(
    "--speakers",
    type=click.Path(path_type=Path),
    help="Who speaks when: RTTM, or CSV with start_s,end_s,speaker. Each is then normalised on their own.",
)
@click.option("--force", is_flag=True, help="Write over files that exist.")
def predict(
    audio: tuple[Path, ...],
    out: str | None,
    formats: tuple[str, ...],
    model_name: str,
    speakers: Path | None,
    force: bool,
) -> None:
    """Turn recordings into traces.

    AUDIO are files, folders (searched through) or patterns; the trace of talk.wav is talk.csv, in the current folder
    unless -o says otherwise.
    """
    from emotrace.inference import model

    found, failed = _found(audio)
    attempted = len(found) + len(failed)
    if failed and len(audio) == 1:
        _fail(failed[0])
    jobs = _jobs(found, audio, out, formats)
    if speakers is not None and len(jobs) > 1:
        raise EmotraceError(f"{speakers}: --speakers describes one recording; give one at a time")
    chosen = model.load(model_name)
    for job in jobs:
        try:
            _predict_one(job, chosen, speakers, force)
        except EmotraceError as error:
            failed.append(str(error))
        except OSError as error:
            failed.append(f"{error.filename or job.audio}: {error.strerror or error}; check the path and its rights")
    if not failed:
        return
    if len(audio) == len(jobs) == 1:
        _fail(failed[0])
    click.echo(f"\n{len(failed)} of {attempted} recordings failed:", err=True)
    for text in failed:
        click.echo(f"  {text}", err=True)
    sys.exit(1)


@dataclass(frozen=True)
class _Job:
    """One recording, and the files that its trace goes to, by format."""

    audio: Path
    outputs: dict[str, Path]


def _found(given: Sequence[Path]) -> tuple[dict[Path, Path], list[str]]:
    """Recordings and the names of their outputs, each recording once, and what is wrong with the rest."""
    from emotrace import audio

    found: dict[Path, tuple[Path, Path]] = {}
    failed = []
    for path in given:
        try:
            for file in audio.find([path]):
                found.setdefault(file.resolve(), (file, _below(file, path)))
        except EmotraceError as error:
            failed.append(str(error))
    return dict(found.values()), failed


def _jobs(found: dict[Path, Path], given: Sequence[Path], out: str | None, formats: Sequence[str]) -> list[_Job]:
    inputs = list(found.items())
    several = len(inputs) > 1 or len(given) > 1 or any(path.is_dir() or glob.has_magic(str(path)) for path in given)
    in_folder = out is None or several or out.endswith(("/", os.sep)) or Path(out).is_dir()
    folder = Path(out or "")
    wanted = list(dict.fromkeys(formats)) or ["csv" if in_folder else _format_of(folder)]
    if out == "-" and (several or wanted not in (["csv"], ["json"])):
        raise click.UsageError("-o - takes one recording, as csv or json")
    if not in_folder:
        return [_Job(inputs[0][0], _named(folder, wanted))]
    jobs = [_Job(file, {kind: folder / name.with_suffix(f".{kind}") for kind in wanted}) for file, name in inputs]
    _reject_same_outputs(jobs)
    return jobs


def _below(file: Path, given: Path) -> Path:
    """An output's name: the tree of a folder that was given is kept."""
    return file.relative_to(given) if given.is_dir() else Path(file.name)


def _format_of(out: Path) -> str:
    kind = out.suffix.lower().removeprefix(".")
    if kind and kind not in _FORMATS:
        raise click.UsageError(f"-o {out}: the endings are {', '.join('.' + kind for kind in _FORMATS)}")
    return kind or "csv"


def _named(out: Path, kinds: list[str]) -> dict[str, Path]:
    """One file is named as asked; further ones differ in the ending."""
    if len(kinds) == 1:
        return {kinds[0]: out}
    return {kind: out.with_suffix(f".{kind}") for kind in kinds}


def _reject_same_outputs(jobs: list[_Job]) -> None:
    taken: dict[Path, Path] = {}
    for job in jobs:
        for path in job.outputs.values():
            if path in taken:
                raise click.UsageError(
                    f"{taken[path]} and {job.audio} would both be written to {path}; give them to separate calls"
                )
            taken[path] = job.audio


def _predict_one(job: _Job, chosen: "Model", speakers: Path | None, force: bool) -> None:
    from emotrace.inference import predictor
    from emotrace.inference import speakers as speaker_files

    for path in job.outputs.values():
        if path.exists() and path.samefile(job.audio):
            raise EmotraceError(f"{path}: is the recording itself; choose another name with -o")
        if path.is_file() and not force:
            raise EmotraceError(f"{path}: exists already; choose another name with -o or give --force")
        _make_folder(path.parent)
    segments = None if speakers is None else speaker_files.read(speakers, recording=job.audio.stem)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        trace = predictor.predict(job.audio, model=chosen, speakers=segments)
        for kind, path in job.outputs.items():
            _WRITERS[kind](trace, sys.stdout if path == _STDOUT else path, job.audio, force)
    for warning in caught:
        if issubclass(warning.category, UserWarning):
            click.echo(f"warning: {job.audio}: {str(warning.message).removeprefix(f'{job.audio}: ')}", err=True)
    _summarise(job, trace)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EmotraceError(f"{folder}: cannot be made a folder ({error.strerror}); choose another with -o") from None


def _write_png(trace: "Trace", path: Any, source: Path, force: bool) -> None:
    from emotrace import audio, plots

    waveform = plots.envelope(audio.blocks(source), trace.duration_s)
    plots.save(plots.plot_trace(trace, waveform, source.name), path, force=force, suffix=".png")


_WRITERS: dict[str, Callable[["Trace", Any, Path, bool], None]] = {
    "csv": lambda trace, path, source, force: trace.to_csv(path, force=force),
    "json": lambda trace, path, source, force: trace.to_json(path, force=force),
    "png": _write_png,
}


def _summarise(job: _Job, trace: "Trace") -> None:
    minutes, seconds = divmod(round(trace.duration_s), 60)
    parts = [f"{job.audio.name}  {minutes}:{seconds:02d}"]
    for target, numbers in trace.summary().items():
        parts.append(f"{target} {numbers['mean']:+.2f} ({numbers['min']:+.2f} to {numbers['max']:+.2f})")
    written = ", ".join(str(path) for path in job.outputs.values())
    to_stdout = _STDOUT in job.outputs.values()
    click.echo("  ".join(parts) + ("" if to_stdout else f"  -> {written}"), err=to_stdout)


@main.command()
def models() -> None:
    """The models that come with the package: what they were trained on, and under which licence."""
    from emotrace.inference import model
    from emotrace.trace import FRAME_S

    for name in model.names():
        saved = model.load(name)
        before_s, after_s = (frames * FRAME_S for frames in saved.reach)
        click.echo(f"{name}: {', '.join(target.name for target in saved.targets)}; {saved.card.get('summary', '')}")
        click.echo(
            f"  sees {before_s:.1f} s back and {after_s:.1f} s ahead; licence: {saved.card.get('licence', 'unknown')}"
        )


@main.command()
@click.argument("name", required=False)
def corpora(name: str | None) -> None:
    """The corpora that can be read; NAME tells one's licence, citation, layout and quirks."""
    from emotrace import corpora

    for each in corpora.names() if name is None else [name]:
        info = corpora.get(each).INFO
        click.echo(f"{each}: {info.title}; {', '.join(info.targets)}; {info.licence}")
        if name is not None:
            lines = [f"citation: {info.citation}", f"where to get it: {info.access}", f"layout:\n{info.layout}"]
            click.echo("\n".join([*lines, *(f"quirk: {quirk}" for quirk in info.quirks)]))


@main.command()
def features() -> None:
    """The front ends that networks can be trained on."""
    from emotrace import features

    for name in features.names():
        front_end = features.get(name)
        first_line = (front_end.__doc__ or "").strip().splitlines()[0]
        click.echo(f"{name}: {front_end.size} values at {front_end.rate_hz:g} Hz. {first_line}")


@main.command()
@click.argument("ratings", type=click.Path(path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--seed", default=1, show_default=True, help="One seed gives one corpus, bit for bit.")
@click.option("--recordings", default=1, show_default=True, type=click.IntRange(1), help="Recordings a speaker.")
@click.option("--duration", default=300.0, show_default=True, type=click.FloatRange(5), help="Seconds a recording.")
@click.option("--split", default="10/4/4", show_default=True, help="Speakers for training/development/test, as shares.")
def stitch(ratings: Path, out: Path, seed: int, recordings: int, duration: float, split: str) -> None:
    """Join rated utterances into long recordings with simulated raters, in RECOLA's layout.

    RATINGS is a CSV with the columns file,speaker,arousal_mean,valence_mean: files relative to it, ratings in [-1, 1].
    """
    from emotrace.corpora import stitched

    try:
        shares = [int(part) for part in split.split("/")]
        if len(shares) != 3 or min(shares) < 0 or not sum(shares):
            raise ValueError
    except ValueError:
        raise click.UsageError(f"--split {split}: wants three whole numbers, as in 10/4/4") from None
    settings = stitched.Settings(duration_s=duration, recordings_per_speaker=recordings)

    def progress(names: Sequence[str]) -> Iterator[str]:
        with click.progressbar(names, label="recordings", file=sys.stderr) as bar:
            yield from bar

    reached = stitched.stitch(ratings, out, seed, settings, shares, progress)
    for target, numbers in reached.items():
        aim = settings.raters[target].ccc_raw
        click.echo(
            f"{target}: mean pairwise CCC of the simulated raters {numbers['ccc_raw']:.3f} "
            f"(RECOLA's: {aim:.3f}), centred {numbers['ccc_centred']:.3f}"
        )


_SETTINGS = click.option(
    "--set", "settings", multiple=True, metavar="KEY=VALUE", help="Lay a value over the configuration; may be repeated."
)
_JOBS = click.option("--jobs", default=1, show_default=True, type=click.IntRange(1), help="Processes.")


@main.command()
@click.argument("config", type=click.Path(path_type=Path))
@_SETTINGS
@click.option("-o", "--out", required=True, type=click.Path(path_type=Path), help="Folder of the runs.")
@_JOBS
def train(config: Path, settings: tuple[str, ...], out: Path, jobs: int) -> None:
    """Train every seed of a configuration; called again, it goes on where it stood."""
    from emotrace.training import config as configuration
    from emotrace.training import run

    for record in run.train(configuration.read(config, settings), out, jobs):
        reached = "" if record["dev_ccc"] is None else f": development CCC {record['dev_ccc']:.3f}"
        click.echo(f"seed {record['seed']}{reached} (epoch {record['best_epoch'] + 1}, {record['seconds']:.0f} s)")


@main.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("-o", "--out", required=True, type=click.Path(path_type=Path), help="The model's folder.")
@click.option("--name", help="The model's name; the folder's by default.")
@click.option("--data", default="unstated", help="What it was trained on, for the model card.")
@click.option("--licence", default="unstated", help="Under which licence, for the model card.")
@click.option("--force", is_flag=True, help="Replace a model that is there.")
@_JOBS
def export(
    runs: tuple[Path, ...], out: Path, name: str | None, data: str, licence: str, force: bool, jobs: int
) -> None:
    """Make a model for predict out of finished RUNS, one folder a target."""
    from emotrace.training import export

    card = {"summary": data, "licence": licence}
    saved = export.export(runs, out, name or out.name, card, jobs=jobs, force=force)
    click.echo(
        f"{out}: {', '.join(target.name for target in saved.targets)}; use it with: emotrace predict --model {out}"
    )


@main.group()
def reproduce() -> None:
    """The figures and tables, one command each."""


@reproduce.command()
@click.option("--root", required=True, type=click.Path(path_type=Path), help="Folder with tava/ and emodb47/.")
@click.option("--runs", default="runs", show_default=True, type=click.Path(path_type=Path), help="Where runs are kept.")
@click.option(
    "--results", default="experiments/results", show_default=True, type=click.Path(path_type=Path), help="For the JSON."
)
@click.option(
    "--weights", default="runs/weights", show_default=True, type=click.Path(path_type=Path), help="For the models."
)
@_JOBS
def shipped(root: Path, runs: Path, results: Path, weights: Path, jobs: int) -> None:
    """Train the shipped weights and measure them; resumes where it stood."""
    from emotrace.experiments import shipped

    shipped.reproduce(shipped.Folders(root, runs, results, weights), jobs, click.echo)


if __name__ == "__main__":
    main()
