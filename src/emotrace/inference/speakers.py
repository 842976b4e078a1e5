"""Who speaks when: segments from RTTM, as diarisers write it, or from a CSV, and the speaker at any time."""

import csv
import io
import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from emotrace.errors import EmotraceError

COLUMNS = ("start_s", "end_s", "speaker")

_RTTM_FIELDS = (8, 10)
_REMEDY = "give RTTM, or a CSV with the header start_s,end_s,speaker"


@dataclass(frozen=True)
class Segment:
    """One turn: ``speaker`` is heard from ``start_s`` until ``end_s``, seconds from the recording's start."""

    start_s: float
    end_s: float
    speaker: str


def read(path: str | os.PathLike[str], recording: str | None = None) -> list[Segment]:
    """Read RTTM or CSV, told apart by what is in the file.

    Of RTTM only the ``SPEAKER`` lines count. The CSV needs the columns ``start_s,end_s,speaker`` in any order, parted
    by commas, semicolons or tabs; other columns are ignored.

    Args:
        path: the file.
        recording: name, without folder and suffix, of the recording; an RTTM that holds several recordings gives
            only the segments of this one, an RTTM of one recording gives all whatever its name.

    Returns:
        The segments in order of their start, at least one.

    Raises:
        EmotraceError: the file cannot be read, is neither RTTM nor such a CSV, holds no segment (of this recording),
            or a time is no number, negative, or an end before its start; the message names file, line and remedy.
    """
    name = os.fspath(path)
    text = _text(name)
    if any(fields[0] == "SPEAKER" for _, fields in _rttm_lines(text)):
        segments = _of_recording(list(_rttm(name, text)), name, recording)
    else:
        segments = list(_csv(name, text))
    if not segments:
        raise EmotraceError(f"{name}: holds no segment of any speaker; {_REMEDY}, a row a segment")
    return sorted(segments, key=lambda segment: segment.start_s)


def at(segments: Sequence[Segment], times_s: ArrayLike) -> NDArray[np.str_]:
    """Name who speaks at each time: (T,) strings, empty where nobody does.

    Where turns overlap, the one that started last counts (of two that start together, the later one of the list);
    when it ends, the turn that it broke into goes on. A turn holds its start, not its end.

    Args:
        segments: in any order.
        times_s: (T,) seconds, in any order.
    """
    times = np.asarray(times_s, dtype=np.float64)
    if not segments:
        return np.full(times.shape, "", dtype=np.str_)
    edges, owners = _timeline(segments)
    names = np.array(["", *(segment.speaker for segment in segments)])
    return names[owners[np.searchsorted(edges, times, side="right")]]


@dataclass(frozen=True, eq=False)
class Turns:
    """Who speaks in every row of a recording, as runs of rows: no more of them than there are segments and pauses.

    Attributes:
        starts: (K,) the first row of each run, from 0.
        voices: (K,) number of who speaks in it, -1 for nobody.
        owners: (K,) whose statistics it is normalised by: in a pause, of who spoke last (at the start, of who will);
            0 where nobody ever speaks.
        names: of the numbers, in order of their first turn.
    """

    starts: NDArray[np.intp]
    voices: NDArray[np.intp]
    owners: NDArray[np.intp]
    names: tuple[str, ...]

    def owner(self, first: int, stop: int) -> NDArray[np.intp]:
        """Owners of rows ``first`` to ``stop``."""
        return self.owners[self._runs(np.arange(first, stop))]

    def speaker(self, rows: NDArray[np.intp]) -> list[str | None]:
        """Name who speaks in each of (n,) rows."""
        names = (*self.names, None)  # -1 is the last
        return [names[voice] for voice in self.voices[self._runs(rows)].tolist()]

    def _runs(self, rows: np.ndarray) -> np.ndarray:
        return np.searchsorted(self.starts, rows, side="right") - 1


def turns(segments: Sequence[Segment], rate_hz: float) -> Turns:
    """The turns in rows that start ``rate_hz`` times a second, as :func:`at` tells them at those times."""
    edges_s, owners = _timeline(segments) if segments else (np.empty(0), np.zeros(1, dtype=np.intp))
    starts = np.concatenate([[0], _row_from(edges_s, rate_hz)])
    # Of runs without a row, the last to start in the same place counts.
    kept = np.append(starts[1:] > starts[:-1], True)
    starts, said = starts[kept], np.array(["", *(segment.speaker for segment in segments)])[owners[kept]]
    names = tuple(dict.fromkeys(said[said != ""].tolist()))
    numbers = {"": -1, **{name: number for number, name in enumerate(names)}}
    voices = np.array([numbers[name] for name in said.tolist()], dtype=np.intp)
    return Turns(starts, voices, _filled(voices), names)


def _row_from(edges_s: np.ndarray, rate_hz: float) -> NDArray[np.intp]:
    """The first row that starts at or after each edge."""
    rows = np.ceil(edges_s * rate_hz)
    rows -= (rows - 1) / rate_hz >= edges_s  # what the product's rounding put one too far
    rows += rows / rate_hz < edges_s
    return rows.astype(np.intp)


def _filled(voices: NDArray[np.intp]) -> NDArray[np.intp]:
    voiced = np.flatnonzero(voices >= 0)
    if not len(voiced):
        return np.zeros_like(voices)
    last = np.searchsorted(voiced, np.arange(len(voices)), side="right") - 1
    return voices[voiced[np.maximum(last, 0)]]


def _timeline(segments: Sequence[Segment]) -> tuple[np.ndarray, np.ndarray]:
    """Edges (E,) in seconds, and who speaks before, between and after them: (E + 1,) numbers from 1, 0 for nobody."""
    starts = np.array([segment.start_s for segment in segments])
    ends = np.array([segment.end_s for segment in segments])
    edges = np.unique(np.concatenate([starts, ends]))
    owners = np.zeros(len(edges) + 1, dtype=np.intp)
    first, last = np.searchsorted(edges, starts), np.searchsorted(edges, ends)
    # Painted in order of their starts, so that a later turn covers an earlier one.
    for index in np.argsort(starts, kind="stable"):
        owners[first[index] + 1 : last[index] + 1] = index + 1
    return edges, owners


def _text(name: str) -> str:
    try:
        content = Path(name).read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise EmotraceError(f"{name}: cannot be read ({reason}); check the path") from None
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise EmotraceError(f"{name}, line {line}: is not text in UTF-8; save it as UTF-8, as RTTM or CSV") from None
    if "\0" in text:
        raise EmotraceError(f"{name}: is not a text file of speakers; {_REMEDY}")
    if not text.strip():
        raise EmotraceError(f"{name}: is empty; {_REMEDY}")
    return text


def _rttm_lines(text: str) -> Iterator[tuple[int, list[str]]]:
    """Number and fields of each line that is neither blank nor a comment."""
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip() and not line.lstrip().startswith(";;"):
            yield number, line.split()


def _rttm(name: str, text: str) -> Iterator[tuple[str, Segment]]:
    """The recording and the segment of each ``SPEAKER`` line: type, file, channel, start, duration, two more, name."""
    fewest, most = _RTTM_FIELDS
    for number, fields in _rttm_lines(text):
        if fields[0] != "SPEAKER":
            continue
        where = f"{name}, line {number}"
        if not fewest <= len(fields) <= most:
            # A space in a name moves the fields behind it: start and duration would be read from the wrong ones.
            raise EmotraceError(
                f"{where}: has {len(fields)} fields, a SPEAKER line {fewest} to {most}, the 8th the speaker; "
                "mend the line, without spaces in names"
            )
        start_s, length_s = _seconds(fields[3], "start", where), _seconds(fields[4], "duration", where)
        yield fields[1], Segment(start_s, start_s + length_s, fields[7])


def _of_recording(found: list[tuple[str, Segment]], name: str, recording: str | None) -> list[Segment]:
    files = sorted({file for file, _ in found})
    if len(files) <= 1:
        return [segment for _, segment in found]
    own = [segment for file, segment in found if recording in (file, Path(file).stem)]
    if not own:
        asked = "no recording was named" if recording is None else f"none is {recording!r}"
        listed = ", ".join(files[:5]) + (", ..." if len(files) > 5 else "")
        raise EmotraceError(
            f"{name}: holds {len(files)} recordings ({listed}) and {asked}; rename the audio file or the field"
        )
    return own


def _csv(name: str, text: str) -> Iterator[Segment]:
    header = next(line for line in text.splitlines() if line.strip())
    parted_by = max(",;\t", key=header.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=parted_by, strict=True)
    places: list[int] | None = None
    try:
        for row in reader:
            if not any(cell.strip() for cell in row):
                continue
            if places is None:
                places = _places([cell.strip() for cell in row], f"{name}, line {reader.line_num}")
            else:
                yield _segment(row, places, f"{name}, line {reader.line_num}")
    except csv.Error as error:
        raise EmotraceError(f"{name}, line {reader.line_num}: is no CSV ({error}); {_REMEDY}") from None


def _places(header: list[str], where: str) -> list[int]:
    missing = [column for column in COLUMNS if column not in header]
    if len(missing) == len(COLUMNS):
        raise EmotraceError(f"{where}: this is neither RTTM nor a table of speakers; {_REMEDY}")
    if missing:
        raise EmotraceError(f"{where}: no column {', '.join(missing)}; {_REMEDY}")
    return [header.index(column) for column in COLUMNS]


def _segment(row: list[str], places: list[int], where: str) -> Segment:
    if len(row) <= max(places):
        raise EmotraceError(f"{where}: has {len(row)} cells, fewer than the header; mend or drop the row")
    start, end, speaker = (row[place].strip() for place in places)
    start_s, end_s = _seconds(start, "start_s", where), _seconds(end, "end_s", where)
    if end_s < start_s:
        raise EmotraceError(f"{where}: ends at {end} s, before its start at {start} s; swap or correct the times")
    if not speaker:
        raise EmotraceError(f"{where}: the speaker is empty; name the speaker or drop the row")
    if "\n" in speaker or "\r" in speaker:
        raise EmotraceError(f"{where}: the speaker's name holds a line break; rename the speaker")
    return Segment(start_s, end_s, speaker)


def _seconds(cell: str, column: str, where: str) -> float:
    try:
        seconds = float(cell)
    except ValueError:
        seconds = math.nan
    if not (math.isfinite(seconds) and seconds >= 0):
        raise EmotraceError(f"{where}: {column} is {cell[:40]!r}; it must be seconds, a number from 0 up")
    return seconds
