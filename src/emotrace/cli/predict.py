"""`emotrace predict`: recordings to traces."""

import glob
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from emotrace.cli.failing import fail
from emotrace.errors import EmotraceError

if TYPE_CHECKING:
    from emotrace.inference.model import Model
    from emotrace.trace import Trace


_FORMATS = ("csv", "json", "png", "textgrid", "eaf")
_STDOUT = Path("-")


@click.command()
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
        fail(failed[0])
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
        fail(failed[0])
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


def _write_tiers(trace: "Trace", path: Any, source: Path, force: bool) -> None:
    from emotrace.annotation import formats

    formats.write(path, formats.of_trace(trace), force=force)


_WRITERS: dict[str, Callable[["Trace", Any, Path, bool], None]] = {
    "csv": lambda trace, path, source, force: trace.to_csv(path, force=force),
    "json": lambda trace, path, source, force: trace.to_json(path, force=force),
    "png": _write_png,
    "textgrid": _write_tiers,
    "eaf": _write_tiers,
}


def _summarise(job: _Job, trace: "Trace") -> None:
    minutes, seconds = divmod(round(trace.duration_s), 60)
    parts = [f"{job.audio.name}  {minutes}:{seconds:02d}"]
    for target, numbers in trace.summary().items():
        parts.append(f"{target} {numbers['mean']:+.2f} ({numbers['min']:+.2f} to {numbers['max']:+.2f})")
    written = ", ".join(str(path) for path in job.outputs.values())
    to_stdout = _STDOUT in job.outputs.values()
    click.echo("  ".join(parts) + ("" if to_stdout else f"  -> {written}"), err=to_stdout)
