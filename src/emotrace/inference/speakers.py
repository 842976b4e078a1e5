"""Who speaks when: segments from RTTM, as diarisers write it, or from a CSV, and the speaker at any time."""

import csv
import io
import math
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from emotrace.annotation.files import decimal
from emotrace.errors import EmotraceError

COLUMNS = ("start_s", "end_s", "speaker")

_RTTM_FIELDS = (8, 10)
_NOT_NAMED = "<NA>"
_LEAST_COVERED = 0.25
_LATEST_S = 1e9  # beyond any recording, and its rows can still be counted
_REMEDY = "give RTTM, or a CSV with the header start_s,end_s,speaker"


@dataclass(frozen=True)
class Segment:
    """One turn: ``speaker`` is heard from ``start_s`` until ``end_s``, seconds from the recording's start.

    Attributes:
        recording: what an RTTM calls the recording, None where nothing names it; it takes no part in comparisons.

    Raises:
        EmotraceError: a time is NaN, negative or beyond any recording, or the end lies before the start.
    """

    start_s: float
    end_s: float
    speaker: str
    recording: str | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        if not 0 <= self.start_s <= self.end_s <= _LATEST_S:  # nor where a time is NaN
            raise EmotraceError(
                f"a segment of {self.speaker!r} from {self.start_s:g} to {self.end_s:g} s is not possible; "
                "give seconds, a start from 0 up and an end that is no earlier"
            )


def read(path: str | os.PathLike[str], recording: str | None = None) -> list[Segment]:
    """Read RTTM or CSV, told apart by what is in the file.

    Of RTTM only the ``SPEAKER`` lines count. The CSV needs the columns ``start_s,end_s,speaker`` in any order, parted
    by commas, semicolons or tabs (decimal commas are read where no comma parts the columns); other columns are ignored.

    Args:
        path: the file.
        recording: name, without folder and suffix, of the recording; an RTTM that holds several recordings gives
            only the segments of this one, an RTTM of one recording gives all whatever its name (which
            :func:`misfits` tells of).

    Returns:
        The segments in order of their start, at least one.

    Raises:
        EmotraceError: the file cannot be read, is neither RTTM nor such a CSV, holds no segment (of this recording),
            or a time is no number, negative, or an end before its start; the message names file, line and remedy.
    """
    name = os.fspath(path)
    segments = _of_recording(_all(name), name, recording)
    return sorted(segments, key=lambda segment: segment.start_s)


def recordings(path: str | os.PathLike[str]) -> list[str]:
    """What an RTTM calls the recordings that it describes, sorted; nothing for a CSV, which describes one without name.

    Raises:
        EmotraceError: as :func:`read` does.
    """
    return _names(_all(os.fspath(path)))


def called(names: Iterable[str]) -> set[str]:
    """The names, without folder and suffix, of recordings that an RTTM calls by these: some write the suffix too."""
    return {known for name in names for known in (name, Path(name).stem)}


def misfits(
    segments: Sequence[Segment], duration_s: float, spoken: bool, recording: str | None, covered: float = 1.0
) -> list[str]:
    """Say in plain words what looks as if the segments were of another recording, or of a part of it.

    Args:
        segments: of the speakers, as they were given.
        duration_s: of the recording.
        spoken: whether any frame of it has a speaker.
        recording: its name, without folder and suffix, where it has one.
        covered: share of what is heard beside pauses that has a speaker.

    Returns:
        At most one sentence about times and one about names.
    """
    return [*_misfit_times(segments, duration_s, spoken, covered), *_misfit_names(segments, recording)]


def _misfit_times(segments: Sequence[Segment], duration_s: float, spoken: bool, covered: float) -> Iterator[str]:
    late_s = [segment.start_s for segment in segments if segment.start_s >= duration_s]
    if not segments:
        yield "no frame has a speaker: no segments were given"
    elif not spoken:
        first_s, last_s = min(each.start_s for each in segments), max(each.end_s for each in segments)
        yield (
            f"no frame has a speaker: the segments lie between {first_s:.1f} and {last_s:.1f} s, the recording lasts "
            f"{duration_s:.1f} s; check that they are of this recording"
        )
    elif late_s:
        yield (
            f"{len(late_s)} of {len(segments)} segments of speakers begin after the recording's end at "
            f"{duration_s:.1f} s (the first at {min(late_s):.1f} s); check that they are of this recording"
        )
    elif covered < _LEAST_COVERED:
        yield (
            f"{covered:.0%} of what is said has a speaker, and the rest is normalised with whoever spoke before; check "
            "that the segments are of this recording, and of the whole of it"
        )


def _misfit_names(segments: Sequence[Segment], recording: str | None) -> Iterator[str]:
    named = [name for name in _names(segments) if name != _NOT_NAMED]
    if recording is not None and named and recording not in called(named):
        yield f"the speakers are of a recording called {_listed(named)}; check that they are of this one"


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

    def spoken(self, first: int, stop: int) -> NDArray[np.bool_]:
        """Whether somebody speaks in rows ``first`` to ``stop``."""
        return self.voices[self._runs(np.arange(first, stop))] >= 0

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


def _all(name: str) -> list[Segment]:
    """The segments of all recordings of a file, as they stand in it; at least one."""
    text = _text(name)
    rttm = any(fields[0] == "SPEAKER" for _, fields in _rttm_lines(text))
    segments = list(_rttm(name, text) if rttm else _csv(name, text))
    if not segments:
        raise EmotraceError(f"{name}: holds no segment of any speaker; {_REMEDY}, a row a segment")
    return segments


def _rttm(name: str, text: str) -> Iterator[Segment]:
    """The segment of each ``SPEAKER`` line: type, file, channel, start, duration, two more, name."""
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
        yield _checked(where, start_s, start_s + length_s, fields[7], fields[1])


def _of_recording(found: list[Segment], name: str, recording: str | None) -> list[Segment]:
    files = _names(found)
    if len(files) <= 1:
        return found
    own = {file for file in files if recording in called([file])}
    if not own:
        asked = "no recording was named" if recording is None else f"none is {recording!r}"
        raise EmotraceError(
            f"{name}: holds {len(files)} recordings ({_listed(files)}) and {asked}; rename the audio file or the field"
        )
    return [segment for segment in found if segment.recording in own]


def _names(segments: Sequence[Segment]) -> list[str]:
    return sorted({segment.recording for segment in segments if segment.recording is not None})


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")


def _csv(name: str, text: str) -> Iterator[Segment]:
    first = next(line for line in text.splitlines() if line.strip())
    parted_by = max(",;\t", key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=parted_by, strict=True)
    header: list[str] | None = None
    try:
        for row in reader:
            cells, where = [cell.strip() for cell in row], f"{name}, line {reader.line_num}"
            if not any(cells):
                continue
            if header is None:
                header, places = cells, _places(cells, where)
            else:
                yield _segment(_fitted(cells, len(header), max(places), where), places, parted_by, where)
    except csv.Error as error:
        raise EmotraceError(f"{name}, line {reader.line_num}: is no CSV ({error}); {_REMEDY}") from None


def _places(header: list[str], where: str) -> list[int]:
    missing = [column for column in COLUMNS if column not in header]
    if len(missing) == len(COLUMNS):
        raise EmotraceError(f"{where}: this is neither RTTM nor a table of speakers; {_REMEDY}")
    if missing:
        raise EmotraceError(f"{where}: no column {', '.join(missing)}; {_REMEDY}")
    return [header.index(column) for column in COLUMNS]


def _fitted(cells: list[str], width: int, last: int, where: str) -> list[str]:
    if len(cells) <= last:
        raise EmotraceError(f"{where}: has {len(cells)} cells, fewer than the header; mend or drop the row")
    if any(cells[width:]):
        # Between commas a decimal comma is one more cell: the columns behind it would be read from the wrong ones.
        raise EmotraceError(
            f"{where}: has {len(cells)} cells, the header {width}; mend the row, with points or semicolons where "
            "commas are decimal"
        )
    return cells


def _segment(cells: list[str], places: list[int], delimiter: str, where: str) -> Segment:
    start, end, speaker = (cells[place] for place in places)
    start_s, end_s = _seconds(start, "start_s", where, delimiter), _seconds(end, "end_s", where, delimiter)
    if end_s < start_s:
        raise EmotraceError(f"{where}: ends at {end} s, before its start at {start} s; swap or correct the times")
    if not speaker:
        raise EmotraceError(f"{where}: the speaker is empty; name the speaker or drop the row")
    if "\n" in speaker or "\r" in speaker:
        raise EmotraceError(f"{where}: the speaker's name holds a line break; rename the speaker")
    return _checked(where, start_s, end_s, speaker)


def _checked(where: str, start_s: float, end_s: float, speaker: str, recording: str | None = None) -> Segment:
    try:
        return Segment(start_s, end_s, speaker, recording)
    except EmotraceError as error:
        raise EmotraceError(f"{where}: {error}") from None


def _seconds(cell: str, column: str, where: str, delimiter: str = ",") -> float:
    seconds = decimal(cell, delimiter)
    if seconds is None or not (math.isfinite(seconds) and seconds >= 0):
        raise EmotraceError(f"{where}: {column} is {cell[:40]!r}; it must be seconds, a number from 0 up")
    return seconds
