"""`emotrace predict`: recordings to traces."""

import glob
import os
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import click

from emotrace.cli.batch import STDIO, Job, Settings, run
from emotrace.cli.failing import end_with, fail
from emotrace.errors import EmotraceError

_FORMATS = ("csv", "json", "png", "html", "textgrid", "eaf")
_BACKENDS = ("processes", "ray")
_INTERRUPTED = 130


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
    help="Who speaks when: RTTM, or CSV with start_s,end_s,speaker. Each is then normalised on their own. For several "
    "recordings, one RTTM that names each.",
)
@click.option("--jobs", type=click.IntRange(min=1), default=1, show_default=True, help="Recordings worked on at once.")
@click.option(
    "--backend",
    type=click.Choice(_BACKENDS),
    default="processes",
    show_default=True,
    help="Where they are: on this machine, or on Ray, at the cluster that RAY_ADDRESS names (it must see these files).",
)
@click.option(
    "--resume",
    is_flag=True,
    help="Keep outputs that exist, whatever they were made from, and write the missing ones. Files appear whole or not "
    "at all, so one that exists is complete.",
)
@click.option("--force", is_flag=True, help="Write over files that exist.")
def predict(
    audio: tuple[Path, ...],
    out: str | None,
    formats: tuple[str, ...],
    model_name: str,
    speakers: Path | None,
    jobs: int,
    backend: str,
    resume: bool,
    force: bool,
) -> None:
    """Turn recordings into traces.

    AUDIO are files, folders (searched through) or patterns, or - for standard input; the trace of talk.wav is talk.csv,
    in the current folder unless -o says otherwise. Where talk.mp3 lies beside it, they are talk.wav.csv and
    talk.mp3.csv.
    """
    from emotrace.inference import model

    if force and resume:
        raise click.UsageError("--force writes existing files anew and --resume keeps them; give one of the two")
    if STDIO in audio and len(audio) > 1:
        raise click.UsageError("- is one recording from standard input; give the others to a separate call")
    found, failed = _found(audio)
    attempted = len(found) + len(failed)
    if failed and len(audio) == 1:
        fail(failed[0])
    planned = _jobs(found, audio, out, formats)
    alone = len(audio) == len(planned) == 1
    if speakers is not None and len(planned) > 1:
        planned, undescribed = _described(planned, speakers)
        failed += undescribed
    model.load(model_name)
    # Of standard streams, other processes have their own.
    apart = min(jobs, len(planned)) > 1 or (backend == "ray" and STDIO not in audio and out != "-")
    if backend == "ray" and apart:
        planned = [job.absolute() for job in planned]
        speakers = speakers and speakers.absolute()
    settings = Settings(model_name, speakers, force, resume, threads=1 if apart else None)
    try:
        failed += run(planned, settings, min(jobs, len(planned)) or 1, backend if apart else "processes")
    except KeyboardInterrupt:
        click.echo("\nstopped; what is written is whole, and the same command with --resume goes on", err=True)
        sys.exit(_INTERRUPTED)
    if failed and alone:
        fail(failed[0])
    end_with(failed, attempted)


def _found(given: Sequence[Path]) -> tuple[dict[Path, Path], list[str]]:
    """Recordings and the names of their outputs, each recording once, and what is wrong with the rest."""
    from emotrace import audio

    if STDIO in given:
        return {STDIO: Path("stdin")}, []
    found: dict[Path, tuple[Path, Path]] = {}
    failed = []
    for path in given:
        try:
            for file in audio.find([path]):
                found.setdefault(file.resolve(), (file, _below(file, path)))
        except EmotraceError as error:
            failed.append(str(error))
    return dict(found.values()), failed


def _jobs(found: dict[Path, Path], given: Sequence[Path], out: str | None, formats: Sequence[str]) -> list[Job]:
    inputs = list(found.items())
    several = len(inputs) > 1 or len(given) > 1 or any(_names_many(path) for path in given)
    in_folder = out is None or several or out.endswith(("/", os.sep)) or Path(out).is_dir()
    folder = Path(out or "")
    wanted = list(dict.fromkeys(formats)) or ["csv" if in_folder else _format_of(folder)]
    if several and out and _ending(folder) and not folder.is_dir() and not out.endswith(("/", os.sep)):
        raise click.UsageError(f"-o {out}: names a file, and these go into a folder; name one, such as -o traces")
    if out == "-" and (several or wanted not in (["csv"], ["json"])):
        raise click.UsageError("-o - takes one recording, as csv or json")
    if STDIO in found and "html" in wanted:
        raise click.UsageError("a page holds the sound, which standard input gives once only; save the recording first")
    if not in_folder:
        return [Job(inputs[0][0], _named(folder, wanted))]
    alike = Counter(name.with_suffix("") for _, name in inputs)
    jobs = [
        Job(file, {kind: folder / _output(name, kind, alike[name.with_suffix("")] > 1) for kind in wanted})
        for file, name in inputs
    ]
    _reject_same_outputs(jobs)
    return jobs


def _described(jobs: list[Job], speakers: Path) -> tuple[list[Job], list[str]]:
    """The recordings that an RTTM of several names, and what is wrong with the rest."""
    from emotrace.inference import speakers as speaking

    names = speaking.recordings(speakers)
    if not names:
        raise EmotraceError(
            f"{speakers}: a CSV describes one recording; give one at a time, or an RTTM that names each of them"
        )
    known, taken = speaking.called(names), dict[str, Path]()
    described = [job for job in jobs if job.audio.stem in known]
    for job in described:
        other = taken.setdefault(job.audio.stem, job.audio)
        if other != job.audio:
            raise EmotraceError(f"{speakers}: {job.audio.stem} may be {other} or {job.audio}; give one at a time")
    undescribed = [
        f"{job.audio}: {speakers} has no segment of a recording called {job.audio.stem}; rename the file or the field"
        for job in jobs
        if job.audio.stem not in known
    ]
    return described, undescribed


def _names_many(given: Path) -> bool:
    """A folder or a pattern; a recording's name may hold brackets, too."""
    return given.is_dir() or (not given.exists() and glob.has_magic(str(given)))


def _output(name: Path, kind: str, alike: bool) -> Path:
    """The recording's own ending stays where another differs in nothing else."""
    return name.with_name(f"{name.name}.{kind}") if alike else name.with_suffix(f".{kind}")


def _below(file: Path, given: Path) -> Path:
    """An output's name: the tree of a folder that was given is kept."""
    return file.relative_to(given) if given.is_dir() else Path(file.name)


def _format_of(out: Path) -> str:
    if out.suffix and not _ending(out):
        raise click.UsageError(f"-o {out}: the endings are {', '.join('.' + kind for kind in _FORMATS)}")
    return _ending(out) or "csv"


def _ending(out: Path) -> str | None:
    """The format that a name ends in."""
    kind = out.suffix.lower().removeprefix(".")
    return kind if kind in _FORMATS else None


def _named(out: Path, kinds: list[str]) -> dict[str, Path]:
    """One file is named as asked; further ones differ in the ending."""
    if len(kinds) > 1:
        stem = out.name.removesuffix(out.suffix) if _ending(out) else out.name
        return {kind: out.with_name(f"{stem}.{kind}") for kind in kinds}
    if _ending(out) not in (None, kinds[0]):
        raise click.UsageError(f"-o {out}: its ending and --format {kinds[0]} differ; leave one of them out")
    return {kinds[0]: out}


def _reject_same_outputs(jobs: list[Job]) -> None:
    taken: dict[Path, Path] = {}
    for job in jobs:
        for path in job.outputs.values():
            if path in taken:
                raise click.UsageError(
                    f"{taken[path]} and {job.audio} would both be written to {path}; "
                    "give them to separate calls, with a folder each"
                )
            taken[path] = job.audio
