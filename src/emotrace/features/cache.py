"""Features on disk: computed once, checked as they are opened, memory-mapped, so that a corpus need not fit in memory.

An entry is ``KEY.npy`` (frames, size) with its statistics, ``KEY.statistics.npy``, and ``KEY.json``, which is written
last. The key is made of the content of the sound and of every other sound that takes part, the front end and its
version, and what was done to the sound. Two processes that compute one entry write the same bytes, each file whole, so
it does not matter who is last.

The content of a sound is hashed once and remembered in ``sounds/`` beside the file's size and time of change (mtime, in
nanoseconds): a start does not read 70 hours of audio. A file that is changed without either of these changing goes
unnoticed; one that changed less than two seconds before it was hashed is hashed again.
"""

import hashlib
import json
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import IO, Any

import numpy as np

from emotrace import audio, features
from emotrace.errors import AudioError
from emotrace.features.normalisation import Statistics
from emotrace.output import write_atomically
from emotrace.trace import FRAME_S

STRETCH_S = 360.0
"""Sound in memory at a time; recordings of five minutes are worked on whole, to the same bits as by ``extract``."""

_FORMAT = 1
_FRAME_SAMPLES = round(FRAME_S * audio.RATE_HZ)
_PAGE = 4096
_PAGES_CHECKED = 64
_SETTLED_NS = 2_000_000_000

Change = Callable[[np.ndarray, Sequence[np.ndarray]], tuple[np.ndarray, float]]


@dataclass(frozen=True)
class Sound:
    """A sound as the front end is to hear it.

    Attributes:
        source: its file.
        change: what is done to it: samples (n,) and the ``others`` to samples and the speed they now have. It is asked
            for every `STRETCH_S` on its own, always of the same length, and has to draw the same each time.
        recipe: plain values that tell this change from every other.
        others: sounds that the change takes; it is given the first stretch of each.
    """

    source: Path
    change: Change | None = None
    recipe: Any = None
    others: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Entry:
    """Features of a sound.

    Attributes:
        features: (frames, size), not normalised, memory-mapped.
        statistics: of their rows.
        speed: what was at t seconds in the source is at t / speed.
    """

    features: np.ndarray
    statistics: Statistics
    speed: float


def entries(
    folder: Path,
    front_end: str,
    sounds: Sequence[Sound],
    jobs: int = 1,
    progress: Callable[[Sequence[Sound]], Iterable[Sound]] = iter,
) -> list[Entry]:
    """Find or compute the features of sounds.

    Args:
        folder: of the cache, made if absent.
        front_end: a module of :mod:`emotrace.features`.
        sounds: whose features.
        jobs: processes.
        progress: wraps the list of sounds as they are worked through.

    Raises:
        AudioError: a sound cannot be read, or is shorter than a frame.
        EmotraceError: the cache cannot be written.
    """
    import joblib

    # Workers may have been started in another folder, where a relative path means something else.
    folder = Path(folder).absolute()
    work = (joblib.delayed(_ensure)(folder, front_end, _absolute(sound)) for sound in sounds)
    keys = joblib.Parallel(n_jobs=jobs, return_as="generator")(work)
    return [_open(folder, next(keys)) for _ in progress(sounds)]


def _absolute(sound: Sound) -> Sound:
    return replace(sound, source=sound.source.absolute(), others=tuple(other.absolute() for other in sound.others))


def _ensure(folder: Path, front_end: str, sound: Sound) -> str:
    module = features.get(front_end)
    note = [_FORMAT, front_end, module.VERSION, _content(folder, sound.source), sound.recipe]
    note.append([_content(folder, other) for other in sound.others])
    key = hashlib.sha256(json.dumps(note, sort_keys=True).encode()).hexdigest()[:32]
    try:
        _open(folder, key)
    except (OSError, EOFError, ValueError, KeyError, TypeError):
        _compute(folder, key, module, sound)
    return key


def _content(folder: Path, file: Path) -> str:
    """SHA-256 of a file, remembered by its place, size and time of change."""
    place = hashlib.sha256(str(file.absolute()).encode()).hexdigest()[:32]
    memory = folder / "sounds" / f"{place}.json"
    try:
        status = file.stat()
        state = [status.st_size, status.st_mtime_ns]
        known = _json(memory)
        if isinstance(known, list) and len(known) == 3 and known[:2] == state:
            return str(known[2])
        began_ns = time.time_ns()
        with file.open("rb") as stream:
            content = hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise AudioError(f"{file}: cannot be read ({error.strerror}); check the path and its rights") from None
    if began_ns - status.st_mtime_ns > _SETTLED_NS:
        _write_json(memory, [*state, content])
    return content


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _write_json(path: Path, values: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, lambda file: json.dump(values, file), force=True)


def _paths(folder: Path, key: str) -> tuple[Path, Path, Path]:
    return folder / f"{key}.npy", folder / f"{key}.statistics.npy", folder / f"{key}.json"


def _open(folder: Path, key: str) -> Entry:
    """Map an entry into memory; ValueError, OSError and their like where it is not whole."""
    path, statistics, note_path = _paths(folder, key)
    note = json.loads(note_path.read_text(encoding="utf-8"))
    if [_check(path), _check(statistics)] != note["checks"]:
        raise ValueError(f"{path}: damaged")
    values = np.load(path, mmap_mode="r", allow_pickle=False)
    return Entry(values, _statistics(np.load(statistics, allow_pickle=False)), float(note["speed"]))


def _check(path: Path) -> list[int]:
    """Size and CRC-32 of 64 pages: the first, the last, and others spread evenly; of a smaller file, all of it.

    A file that was cut off or overwritten differs in size or header, one that lost pages in a crash holds runs of
    zeros, which some page of 64 meets unless they are few: a quarter of a megabyte is read however long the file is.
    """
    size = path.stat().st_size
    starts = np.linspace(0, max(size - _PAGE, 0), _PAGES_CHECKED).astype(int)
    checksum = 0
    with path.open("rb") as file:
        if size <= _PAGE * _PAGES_CHECKED:
            return [size, zlib.crc32(file.read())]
        for start in starts.tolist():
            file.seek(start)
            checksum = zlib.crc32(file.read(_PAGE), checksum)
    return [size, checksum]


def _compute(folder: Path, key: str, front_end: ModuleType, sound: Sound) -> None:
    path, statistics_path, note_path = _paths(folder, key)
    folder.mkdir(parents=True, exist_ok=True)
    speeds: list[float] = []
    write_atomically(path, lambda file: speeds.append(_write_rows(file, front_end, sound)), force=True, mode="wb")
    table = _table(_gathered(np.load(path, mmap_mode="r", allow_pickle=False), front_end))
    write_atomically(statistics_path, lambda file: np.save(file, table, allow_pickle=False), force=True, mode="wb")
    _write_json(note_path, {"checks": [_check(path), _check(statistics_path)], "speed": speeds[0]})


def _write_rows(file: IO[bytes], front_end: ModuleType, sound: Sound) -> float:
    """Write an array file of (frames, size), its header once the frames are counted; returns the speed."""
    _write_header(file, 0, front_end.size)
    begin = file.tell()
    stream, count, speed = front_end.Stream(), 0, 1.0
    for samples, played in _changed(sound):
        count, speed = count + len(samples), played
        file.write(np.ascontiguousarray(stream.push(samples), "<f4").tobytes())
    file.write(np.ascontiguousarray(stream.finish(), "<f4").tobytes())
    frames = count // _FRAME_SAMPLES
    if not frames:
        raise AudioError(f"{sound.source}: is shorter than a frame of 40 ms; leave it out")
    file.truncate(begin + 4 * frames * front_end.size)
    file.seek(0)
    _write_header(file, frames, front_end.size)
    return speed


def _write_header(file: IO[bytes], frames: int, size: int) -> None:
    # Always as long: NumPy leaves room in it for the first axis to grow.
    shape = {"descr": "<f4", "fortran_order": False, "shape": (frames, size)}
    np.lib.format.write_array_header_1_0(file, shape)


def _changed(sound: Sound) -> Iterator[tuple[np.ndarray, float]]:
    """The sound in stretches, changed, and their speed.

    The last stretch reaches back into the one before, to be as long: a change that draws as many random numbers as
    there are samples then draws the same for both.
    """
    if sound.change is None:
        yield from ((stretch, 1.0) for stretch in _stretches(sound.source))
        return
    others = [next(_stretches(other)) for other in sound.others]
    before = np.empty(0, np.float32)
    for stretch in _stretches(sound.source):
        reach = max(0, len(before) - len(stretch))
        changed, speed = sound.change(np.concatenate([before[len(before) - reach :], stretch]), others)
        yield changed[round(reach / speed) :], speed
        before = stretch


def _stretches(source: Path) -> Iterator[np.ndarray]:
    """The samples of a file in pieces of `STRETCH_S`; the last, or only, one is what there is."""
    length = round(STRETCH_S * audio.RATE_HZ)
    waiting: list[np.ndarray] = []
    for block in audio.blocks(source):
        waiting.append(block)
        while sum(map(len, waiting)) > length:
            joined = np.concatenate(waiting)
            yield joined[:length]
            waiting = [joined[length:]]
    yield np.concatenate(waiting)


def _gathered(values: np.ndarray, front_end: ModuleType) -> Statistics:
    """Statistics of (frames, size) features, a stretch at a time."""
    statistics = Statistics(front_end.bins, voice=features.voice_values(front_end))
    step = round(STRETCH_S / FRAME_S)
    for start in range(0, len(values), step):
        statistics.update(values[start : start + step].reshape(-1, front_end.bins))
    return statistics


def _table(statistics: Statistics) -> np.ndarray:
    """Statistics as one array: counts, sums, squares side by side."""
    return np.column_stack([statistics.counts, statistics.sums, statistics.squares])


def _statistics(table: np.ndarray) -> Statistics:
    bins = (table.shape[1] - 1) // 2
    statistics = Statistics(bins)
    statistics.counts, statistics.sums, statistics.squares = (
        np.ascontiguousarray(part) for part in (table[:, 0], table[:, 1 : bins + 1], table[:, bins + 1 :])
    )
    return statistics
