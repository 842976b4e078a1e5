"""Independent runs of systems, spread over processes or a Ray cluster; each leaves its record at once.

A run is one system on one target with one seed, one setting and one fold. Its folder holds ``traces.npz`` (the traces
of the development and test recordings) and, written last, ``record.json``; a run with a record is not run again, so
that a sweep that was killed goes on where it stood. A folder's name says what is run by a digest of the settings, the
fold and the gold standards: other settings or other labels are another folder. Neither code that changed is noticed nor
sound or distributed features that changed under the same labels; records say which commit made them, and a folder that
is deleted is run anew.

Every run works with one thread, so that its numbers depend neither on how many run at once nor on where. On a graphics
processor sums have no fixed order: there a run that is made again differs in what it is rounded to.
"""

import hashlib
import json
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emotrace import evaluation, running, systems
from emotrace.errors import EmotraceError, ModelError, SoundlessError
from emotrace.experiments.folds import Fold
from emotrace.output import write_atomically, write_text
from emotrace.systems import Material, Predict, Task, materials
from emotrace.training import loop
from emotrace.training.run import made_with, read_record

ATTEMPTS = 3
"""How often a run is begun whose process is killed on the way."""

Traces = dict[str, NDArray[np.float32]]


@dataclass(frozen=True)
class Source:
    """The data of a run, as any machine that sees the same files can load it."""

    corpus: str
    root: Path
    target: str
    features: Path


@dataclass(frozen=True)
class Job:
    """One run.

    Attributes:
        source: its data.
        system: a module of :mod:`emotrace.systems`.
        seed: of everything random.
        settings: plain values laid over the system's defaults; keys with dots reach inside.
        fold: what is learned from, chosen on and predicted.
        folder: where it leaves its record.
        device: where networks are, in PyTorch's words; sums are rounded differently there, which is no part of a run's
            name.
    """

    source: Source
    system: str
    seed: int
    settings: Mapping[str, Any]
    fold: Fold
    folder: Path
    device: str = "cpu"

    def __str__(self) -> str:
        return f"{self.system}, {self.source.target}, {self.fold.name}, seed {self.seed}"

    @property
    def record(self) -> dict[str, Any] | None:
        """What it left, or None where it is still to be run; ModelError where that is damaged."""
        return read_record(self.folder)

    def traces(self, part: str) -> Traces:
        """Its traces of ``dev`` or ``test`` by recording.

        Raises:
            ModelError: the file is missing or damaged.
        """
        path = self.folder / "traces.npz"
        try:
            with np.load(path, allow_pickle=False) as arrays:
                return {key.removeprefix(f"{part}/"): arrays[key] for key in arrays.files if key.startswith(f"{part}/")}
        except loop.UNREADABLE as error:
            raise ModelError(f"{path}: cannot be read ({error}); delete its folder to run it anew") from None


def plan(
    source: Source,
    known: Mapping[str, Material],
    system: str,
    values: Mapping[str, Any],
    runs: Path,
    device: str = "cpu",
) -> Callable[[Fold, int], Job]:
    """What makes the jobs of one system under one setting.

    Args:
        source: the data.
        known: its recordings by id.
        system: its name.
        values: laid over the system's defaults.
        runs: folder of all runs.
        device: where networks are.

    Raises:
        ConfigError: an unknown system, or a setting that it does not know.
    """
    complete = plain(asdict(systems.settings(system, values)))

    def job(fold: Fold, seed: int) -> Job:
        told = [source.corpus, source.target, system, complete, plain(asdict(fold)), digest_of_golds(fold, known)]
        folder = runs / f"{system}-{source.target}" / digest(told) / f"{fold.name}-seed-{seed}"
        return Job(source, system, seed, values, fold, folder.absolute(), device)

    return job


def sweep(jobs: Sequence[Job], workers: int = 1, backend: str = "processes", show: bool = True) -> dict[Path, str]:
    """Run every job that has no record yet.

    Args:
        jobs: what to run.
        workers: runs at once.
        backend: see :func:`emotrace.running.each`.
        show: the progress, on standard error.

    Returns:
        What went wrong, by the run's folder; the others are done.
    """
    todo = {job.folder: job for job in jobs if job.record is None}
    failed: dict[Path, str] = {}
    with _Progress(len({job.folder for job in jobs}), len(todo), workers, show) as progress:
        for attempt in range(1, ATTEMPTS + 1):
            lost = []
            with closing(running.each(run, list(todo.values()), workers, backend)) as results:
                for done in results:
                    if isinstance(done.error, running.WorkerLostError) and attempt < ATTEMPTS:
                        lost.append(done.item)
                        continue
                    if done.error is not None:
                        failed[done.item.folder] = said(done.error)
                        progress.complain(f"{done.item}: {failed[done.item.folder]}")
                    progress.advance(done.error is not None)
            todo = {job.folder: job for job in lost}
            if not todo:
                break
    return failed


def said(error: BaseException) -> str:
    """An error in one line."""
    text = " ".join(str(error).split())
    return text if isinstance(error, EmotraceError) else f"{type(error).__name__}: {text}"


def run(job: Job) -> None:
    """Do one run and leave its record; nothing where there is one."""
    if job.record is not None:
        return
    with one_thread():
        _run(job)


def _run(job: Job) -> None:
    known = load(job.source)
    train, dev, test = (job.fold.part(part, known) for part in ("train", "dev", "test"))
    began = time.perf_counter()
    settings = systems.settings(job.system, job.settings)
    job.folder.mkdir(parents=True, exist_ok=True)
    try:
        task = Task(job.source.target, train, dev, job.seed, job.folder, device=job.device)
        predict = systems.get(job.system).fit(task, settings)
        traces = {part: {m.id: _trace(predict, m) for m in each} for part, each in (("dev", dev), ("test", test))}
    except SoundlessError as error:
        if not materials.silent(train):
            raise
        _write_record(job, {"unsuited": said(error)})
        return
    seconds = time.perf_counter() - began
    arrays: dict[str, Any] = {f"{part}/{name}": trace for part, each in traces.items() for name, trace in each.items()}
    write_atomically(job.folder / "traces.npz", lambda file: np.savez(file, **arrays), force=True, mode="wb")
    scored = evaluation.scores([m.gold for m in dev], [traces["dev"][m.id] for m in dev])
    # Only systems that are one network work on a task's device.
    device = loop.device_name(getattr(predict, "device", "cpu"))
    told = {"dev": scored, "seconds": round(seconds, 2), "settings": plain(asdict(settings)), "device": device}
    _write_record(job, told)
    (job.folder / "checkpoint.npz").unlink(missing_ok=True)


def _trace(predict: Predict, material: Material) -> NDArray[np.float32]:
    trace = np.asarray(predict(material), dtype=np.float32)
    if trace.shape != (material.frames,) or not np.isfinite(trace).all():
        raise ModelError(f"{material.id}: the trace has shape {trace.shape} or a value that is not finite")
    return trace


def _write_record(job: Job, told: Mapping[str, Any]) -> None:
    record = {
        "system": job.system,
        "target": job.source.target,
        "corpus": job.source.corpus,
        "fold": job.fold.name,
        "seed": job.seed,
        **told,
        "made_with": made_with(),
    }
    write_text(job.folder / "record.json", json.dumps(record, indent=1))


@lru_cache(maxsize=4)
def load(source: Source) -> dict[str, Material]:
    """The rated recordings by id; kept by a process from run to run."""
    found = materials.load(source.corpus, source.root, source.target, source.features)
    return {material.id: material for material in found}


def plain(value: Any) -> Any:
    """The same in JSON's own kinds."""
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, str):
        return [plain(inner) for inner in value]
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def digest(told: Any) -> str:
    """What plain values are known by in names."""
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]


def digest_of_golds(fold: Fold, known: Mapping[str, Material]) -> str:
    """What the gold standards of a fold are known by in names."""
    golds = hashlib.sha256()
    for name in (*fold.train, *fold.dev, *fold.test):
        golds.update(name.encode() + known[name].gold.tobytes())
    return golds.hexdigest()


def one_thread() -> Any:
    """A context in which libraries use one thread; PyTorch keeps to it afterwards."""
    import torch
    from threadpoolctl import threadpool_limits

    torch.set_num_threads(1)
    return threadpool_limits(1)


class _Progress:
    """Runs done, running and failed, and the time left; failures above it, as they come."""

    def __init__(self, total: int, todo: int, workers: int, show: bool) -> None:
        from tqdm import tqdm

        self._failed, self._left, self._workers = 0, todo, workers
        self._bar = tqdm(
            total=total, initial=total - todo, desc="runs", unit="run", disable=not show, dynamic_ncols=True
        )
        self._say()

    def __enter__(self) -> "_Progress":
        return self

    def __exit__(self, *error: Any) -> None:
        self._bar.close()

    def complain(self, line: str) -> None:
        self._bar.write(f"failed: {line}", file=sys.stderr)

    def advance(self, failed: bool) -> None:
        self._failed += failed
        self._left -= 1
        self._bar.update()
        self._say()

    def _say(self) -> None:
        self._bar.set_postfix(running=min(self._workers, self._left), failed=self._failed)
