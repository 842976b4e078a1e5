"""The work of `emotrace predict`: recordings one by one or side by side, a line about each, what failed at the end."""

import sys
import time
import warnings
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from emotrace.cli.failing import standard_output
from emotrace.errors import EmotraceError
from emotrace.output import check_free, shown

if TYPE_CHECKING:
    from emotrace.running import Done
    from emotrace.trace import Trace

STDIO = Path("-")
_OPENING_BYTES = 1 << 20


@dataclass(frozen=True)
class Job:
    """One recording, and the files that its trace goes to, by format."""

    audio: Path
    outputs: dict[str, Path]

    @property
    def name(self) -> str:
        """For people."""
        return "stdin" if self.audio == STDIO else shown(self.audio.name)

    def absolute(self) -> "Job":
        """The same for a process that stands in another folder."""
        return Job(self.audio.absolute(), {kind: path.absolute() for kind, path in self.outputs.items()})

    @property
    def size(self) -> int:
        """Bytes that its work is about proportional to: those of the recording, and some for opening and closing."""
        return _OPENING_BYTES + (self.audio.stat().st_size if self.audio.exists() else 0)


@dataclass(frozen=True)
class Settings:
    """What holds for all recordings of a call."""

    model: str
    speakers: Path | None = None
    force: bool = False
    resume: bool = False
    threads: int | None = None


@dataclass(frozen=True)
class Report:
    """What a person is told of one recording that was done."""

    line: str
    warnings: tuple[str, ...]
    duration_s: float


def run(jobs: Sequence[Job], settings: Settings, workers: int, backend: str) -> list[str]:
    """Predict every recording, and tell of each as it is done.

    Returns:
        What went wrong, a line a recording.
    """
    from emotrace import running

    todo = [job for job in jobs if not (settings.resume and all(map(_is_whole, job.outputs.values())))]
    if len(todo) < len(jobs):
        click.echo(f"{len(jobs) - len(todo)} of {len(jobs)} recordings were done before and are kept", err=True)
    failed = []
    with (
        closing(running.each(partial(_work, settings), todo, workers, backend)) as results,
        _Progress(todo) as progress,
    ):
        for done in results:
            progress.clear()
            if done.result is None:
                failed.append(_complaint(done, alone=len(jobs) == 1))
            else:
                _tell(done.result, to_stdout=STDIO in done.item.outputs.values())
            progress.advance(done.item, done.result)
    return failed


def _is_whole(path: Path) -> bool:
    """Whether it is an output: files appear whole, but something else may have left an empty one."""
    return path.is_file() and path.stat().st_size > 0


def _tell(report: Report, to_stdout: bool) -> None:
    for text in report.warnings:
        click.echo(f"warning: {text}", err=True)
    if to_stdout:
        click.echo(report.line, err=True)
    elif sys.stdout is not None:
        with standard_output() as out:
            click.echo(report.line, file=out)


def _complaint(done: "Done[Job, Report]", alone: bool) -> str:
    from emotrace.running import WorkerLostError

    error, audio = done.error, done.item.audio
    if isinstance(error, WorkerLostError):
        return f"{audio}: {error}, then --resume"
    if isinstance(error, EmotraceError):
        return str(error)
    if isinstance(error, OSError) and not isinstance(error, BrokenPipeError):
        return f"{error.filename or audio}: {error.strerror or error}; check the path and its rights"
    assert error is not None
    if alone or isinstance(error, BrokenPipeError):
        raise error
    return f"{audio}: fails unexpectedly ({type(error).__name__}: {error}); predict it alone to see where"


def _work(settings: Settings, job: Job) -> Report:
    """Predict one recording and write its files; runs in a process of its own where there are several jobs."""
    from emotrace.annotation import formats
    from emotrace.inference import predictor
    from emotrace.inference import speakers as speaker_files

    outputs = {kind: path for kind, path in job.outputs.items() if not (settings.resume and _is_whole(path))}
    # What is left of these to resume is empty.
    settings = replace(settings, force=settings.force or settings.resume)
    for path in outputs.values():
        _check(path, job.audio, settings.force)
    source: Any = sys.stdin.buffer if job.audio == STDIO else job.audio
    segments = None if settings.speakers is None else speaker_files.read(settings.speakers, Path(job.name).stem)
    picture = _Picture(job.name) if "png" in outputs else None
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        trace = predictor.predict(
            source,
            model=settings.model,
            speakers=segments,
            threads=settings.threads,
            listen=None if picture is None else picture.listen,
        )
    # Audio's own warnings name the file already.
    said = [str(w.message).removeprefix(f"{job.audio}: ") for w in caught if issubclass(w.category, UserWarning)]
    trace = replace(trace, warnings=tuple(said))
    for kind, path in outputs.items():
        if kind == "html":
            _write_page(trace, job, path, settings)
        elif kind in ("textgrid", "eaf"):
            formats.write(path, formats.of_trace(trace), force=settings.force)
        elif kind == "png" and picture is not None:
            picture.write(trace, path, settings.force)
        else:
            _write(getattr(trace, f"to_{kind}"), path, settings.force)
    named = job.name if job.audio == STDIO else shown(str(job.audio))
    about = tuple(f"{named}: {text}" for text in said)
    return Report(_summary(job, outputs, trace), about, trace.duration_s)


def _write_page(trace: "Trace", job: Job, path: Path, settings: Settings) -> None:
    from emotrace import report
    from emotrace.inference import model

    report.write(trace, job.audio, path, model.load(settings.model), force=settings.force)


def _check(path: Path, audio: Path, force: bool) -> None:
    if path.exists() and audio.exists() and path.samefile(audio):
        raise EmotraceError(f"{path}: is the recording itself; choose another name with -o")
    check_free(path, force)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EmotraceError(
            f"{path.parent}: cannot be made a folder ({error.strerror}); choose another with -o"
        ) from None


def _write(write: Callable[..., None], path: Path, force: bool) -> None:
    if path != STDIO:
        write(path, force=force)
        return
    with standard_output() as out:
        write(out)


class _Picture:
    """The trace with its sound, heard while it is predicted: a pipe cannot be read twice, and a long file need not."""

    def __init__(self, title: str) -> None:
        from emotrace import plots

        self._title, self._envelope = title, plots.Envelope()
        self.listen = self._envelope.add

    def write(self, trace: "Trace", path: Path, force: bool) -> None:
        from emotrace import plots

        figure = plots.plot_trace(trace, self._envelope.table(), self._title)
        plots.save(figure, path, force=force, suffix=".png")


def _summary(job: Job, outputs: dict[str, Path], trace: "Trace") -> str:
    minutes, seconds = divmod(round(trace.duration_s), 60)
    parts = [f"{job.name}  {minutes}:{seconds:02d}"]
    for target, numbers in trace.summary().items():
        parts.append(f"{target} {numbers['mean']:+.2f} ({numbers['min']:+.2f} to {numbers['max']:+.2f})")
    written = ", ".join(shown(str(path)) for path in outputs.values() if path != STDIO)
    return "  ".join(parts) + (f"  -> {written}" if written else "")


class _Progress:
    """A bar on a terminal, weighed by the size of the files; nothing where there is one file or no terminal."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        self._shown = len(jobs) > 1 and sys.stderr is not None and sys.stderr.isatty()
        self._count, self._done, self._sound_s = len(jobs), 0, 0.0
        self._began_s = time.monotonic()
        self._bar: Any = None
        if self._shown:
            total = sum(job.size for job in jobs)
            self._bar = click.progressbar(length=total, file=sys.stderr, item_show_func=lambda text: text)

    def __enter__(self) -> "_Progress":
        if self._shown:
            self._bar.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        if self._shown:
            self._bar.__exit__(*error)

    def clear(self) -> None:
        """Make room for lines above the bar, which the next `advance` draws again."""
        if self._shown:
            click.echo("\r\x1b[K", err=True, nl=False)

    def advance(self, job: Job, report: Report | None) -> None:
        """One more is done."""
        self._done += 1
        self._sound_s += report.duration_s if report else 0.0
        if self._shown:
            factor = self._sound_s / max(time.monotonic() - self._began_s, 1e-3)
            self._bar.update(job.size, f"{self._done} of {self._count} files, {factor:,.0f} times real time")
