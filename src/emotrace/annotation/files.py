"""Rater traces from the files of whoever wrote them.

Two shapes of delimited text are read: a file with a time column and a column a rater, and a file a rater with time and
value. Delimiter (semicolon, tab, comma, spaces), header and decimal commas are told from the file; RECOLA's label files
work as they are, and so do CARMA's and DARMA's, whose header has lines above it. An empty cell, ``nan`` or ``NA`` is a
frame that was not rated. The endings of other formats (`formats.SUFFIXES`) are read by these, a tier like a column.
"""

import csv
import math
import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emotrace.annotation import Ratings, columns, formats
from emotrace.annotation.resampling import MAX_GAP_S, MILLISECONDS_FROM, How, fill_gaps, grid, onto_grid, own_step_s
from emotrace.errors import TraceError

_DELIMITERS = (";", "\t", ",", " ")
_IN_MS = {"ms", "msec", "millisecond", "milliseconds"}
_IN_S = {"s", "sec", "second", "seconds"}
_TIMES = {"time", "times", "timestamp", "t", "frametime"} | _IN_MS | _IN_S
_RULE = re.compile(r'^[,;\t "]*%[%,;\t "]*$', re.MULTILINE)  # below the header of CARMA's files and DARMA's
_NOT_RATED = {"", "nan", "na", "n/a", "null", "none"}
_LONGEST_CELL = 20
_MOST_NAMES = 6
_LARGEST = 1e9  # beyond, squares lose digits and no scale of ratings ends there
_Choose = Callable[[str, list[str]], list[int]]  # where they stand and the columns' names -> those to read
_SHAPE = "give a time column and a column a rater, or a file a rater with time and value"


@dataclass(frozen=True, eq=False)
class RaterTrace:
    """One rater's entries as they were logged.

    Attributes:
        name: of the rater: the column's, or the file's.
        time_s: (N,), strictly increasing.
        values: (N,), NaN where not rated; at least one is rated.
        source: the file that it was read from.
        guessed_ms: no unit was named, and the times were taken as milliseconds for their steps.
    """

    name: str
    time_s: NDArray[np.float64]
    values: NDArray[np.float64]
    source: Path | None = None
    guessed_ms: bool = False


@dataclass(frozen=True)
class _Table:
    """The cells of a file as text: where its header is, its columns' names, and every row with its line."""

    where: str
    names: list[str]
    rows: list[tuple[int, list[str]]]
    delimiter: str


def read(paths: Sequence[str | os.PathLike[str]], target: str | None = None) -> list[RaterTrace]:
    """The raters of one target in one or several files.

    A header names the time: ``time``, ``t``, ``time_s``, ``Time [ms]`` and the like. Without a header the first column
    is the time. Times of no named unit are seconds, but milliseconds where they come in equal steps of
    `resampling.MILLISECONDS_FROM` or more. Where a time is there several times, as in the logs of sliders, its last row
    counts.

    Args:
        paths: of the files.
        target: what was rated: the columns to take where they are called by that, see `columns.of_target`.

    Raises:
        TraceError: a file is missing or malformed, times may as well be seconds as milliseconds, two raters have one
            name, or the files hold ratings of something else than the target, or of several; the message names file
            and line.
    """
    given = [Path(path) for path in paths]
    if not given:
        raise TraceError(f"no file of ratings was given; {_SHAPE}")
    found = [_read_one(path, partial(columns.of_target, target=target)) for path in given]
    if target is None:
        every = [trace for own in found for trace in own]
        columns.reject_several(_sources(every), [trace.name for trace in every])
    named = [_by_rater(path, own, len(given) == 1) for path, own in zip(given, found, strict=True)]
    return _distinct([trace for own in named for trace in own])


def read_columns(path: str | os.PathLike[str]) -> list[RaterTrace]:
    """Every column of one file, whatever it is of; see `read`."""
    return _distinct(_read_one(Path(path), lambda where, names: list(range(len(names)))))


def ratings(
    traces: Sequence[RaterTrace],
    target: str,
    rate_hz: float = 25.0,
    how: How = "auto",
    max_gap_s: float = MAX_GAP_S,
) -> Ratings:
    """Traces of one recording on one grid.

    Traces that have the very times of the grid are taken as they are. Others are resampled (`resampling.onto_grid`).
    Then gaps of up to `max_gap_s` are filled with lines (`resampling.fill_gaps`).

    Args:
        traces: see `read`.
        target: what was rated.
        rate_hz: frames for each second.
        how: see `resampling.onto_grid`.
        max_gap_s: see there.

    Returns:
        Ratings from the earliest entry of anybody to the last, which holds for its rater's own step (100 ms at 10 Hz)
        where there is one; NaN where a rater gave none.

    Raises:
        TraceError: see `resampling.grid`, or the entries make less than two frames.
    """
    start_s, end_s = min(t.time_s[0] for t in traces), max(_end_s(t) for t in traces)
    grid_s = grid(float(start_s), float(end_s), rate_hz)
    if len(grid_s) < 2:
        last_s = max(t.time_s[-1] for t in traces)
        raise TraceError(
            f"{_sources(traces)}: entries from {start_s:g} to {last_s:g} s make one frame at {rate_hz:g} Hz; "
            "give ratings of two times or more, in the unit that the header says"
        )
    on_grid = [_on(grid_s, trace, how, max_gap_s) for trace in traces]
    values = fill_gaps(np.column_stack(on_grid), rate_hz, max_gap_s)
    return Ratings(grid_s, values, tuple(trace.name for trace in traces), target)


def logged(traces: Sequence[RaterTrace]) -> bool:
    """Whether any trace lacks a steady rate, as sliders do, so that ``auto`` holds values instead of joining them."""
    return not all(own_step_s(trace.time_s) for trace in traces)


def in_guessed_ms(traces: Sequence[RaterTrace]) -> str:
    """The files whose times were taken as milliseconds though nothing says so; empty where there are none."""
    return _sources([trace for trace in traces if trace.guessed_ms])


def _sources(traces: Sequence[RaterTrace]) -> str:
    """The files of these traces, or the raters' names where they come from none."""
    return " and ".join(dict.fromkeys(str(trace.source or trace.name) for trace in traces))


def _end_s(trace: RaterTrace) -> float:
    """Up to where the last entry holds; where the next one would be is no part of it, were it a hundredth early."""
    return float(trace.time_s[-1]) + 0.99 * own_step_s(trace.time_s)


def _on(grid_s: NDArray[np.float64], trace: RaterTrace, how: How, max_gap_s: float) -> NDArray[np.float64]:
    if len(trace.time_s) == len(grid_s) and np.abs(trace.time_s - grid_s).max() < 1e-3:
        return trace.values
    return onto_grid(trace.time_s, trace.values, grid_s, how, max_gap_s)


def _distinct(traces: list[RaterTrace]) -> list[RaterTrace]:
    names = [trace.name for trace in traces]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        sources = _sources([trace for trace in traces if trace.name == twice[0]])
        raise TraceError(f"{sources}: two raters are called {_short(twice[0])}; rename a column or a file")
    return traces


def _by_rater(path: Path, own: list[RaterTrace], alone: bool) -> list[RaterTrace]:
    """The traces of one file by their raters' names: where there are several files, one column is that file's rater."""
    if alone:
        return [replace(trace, name=columns.rater_of(trace.name)) for trace in own]
    if len(own) == 1:
        return [replace(own[0], name=path.stem)]
    return [replace(trace, name=f"{path.stem} {columns.rater_of(trace.name)}") for trace in own]


def _read_one(path: Path, choose: _Choose) -> list[RaterTrace]:
    """The chosen columns, called as in the file."""
    if path.suffix.lower() in formats.SUFFIXES and path.suffix.lower() != ".csv":
        return _tiers(path, choose)
    table = _table(path)
    at = _time_column(table.names)
    others = [place for place in range(len(table.names)) if place != at]
    own = choose(table.where, [table.names[other] for other in others])
    chosen = [at, *(others[place] for place in own)]
    rows = [(line, [cells[place] for place in chosen]) for line, cells in table.rows]
    numbers = _numbers(path, rows, table.delimiter)
    return _traces(path, [table.names[place] for place in chosen], numbers, [line for line, _ in rows])


def _tiers(path: Path, choose: _Choose) -> list[RaterTrace]:
    found = [(r.target, name, r.time_s, r.values[:, i]) for r in formats.read(path) for i, name in enumerate(r.raters)]
    names = [target if rater == formats.UNNAMED else f"{target}/{rater}" for target, rater, *_ in found]
    return [_trace(path, names[place], *found[place][2:]) for place in choose(str(path), names)]


def _table(path: Path) -> _Table:
    text = _from_header(_text(path))
    first = next((line for line in text.split("\n") if line.strip()), "")
    delimiter = _delimiter(first)
    if delimiter is None:
        raise TraceError(
            f"{path}, line 1: one column, or an unknown delimiter; {_SHAPE}, with , ; tab or spaces between"
        )
    rows = list(_rows(path, text, delimiter))
    if not rows:
        raise TraceError(f"{path}: no cell holds anything; {_SHAPE}")
    where = f"{path}, line {rows[0][0]}"
    header = _header(rows[0][1], delimiter)
    if header is not None:
        _reject_timeless(where, header)
        rows = rows[1:]
    if not rows:
        raise TraceError(f"{path}: a header and no rows; write it again")
    names = _names(path, header, len(rows[0][1]))
    _reject_other_widths(path, rows, len(names), header is not None)
    return _Table(where, names, rows, delimiter)


def _names(path: Path, header: list[str] | None, width: int) -> list[str]:
    if header is not None:
        return [name or f"rater {place}" for place, name in enumerate(header)]
    return ["time", path.stem] if width == 2 else ["time", *(f"rater {place}" for place in range(1, width))]


def _traces(path: Path, names: list[str], numbers: NDArray[np.float64], lines: list[int]) -> list[RaterTrace]:
    times = numbers[:, 0]
    back = np.flatnonzero(np.diff(times) < 0)
    if len(back):
        row = int(back[0]) + 1
        raise TraceError(
            f"{path}, line {lines[row]}: time goes back from {times[row - 1]:g} to {times[row]:g}; sort the rows"
        )
    last_of_its_time = np.r_[np.diff(times) > 0, True]
    times = times[last_of_its_time]
    guessed_ms = not _has_unit(names[0]) and _like_ms(path, times)
    time_s = times / 1000 if guessed_ms or _in_ms(names[0]) else times
    values = numbers[last_of_its_time, 1:].T
    return [_trace(path, name, time_s, own, guessed_ms) for name, own in zip(names[1:], values, strict=True)]


def _trace(
    path: Path, name: str, time_s: NDArray[np.float64], values: NDArray[np.float64], guessed_ms: bool = False
) -> RaterTrace:
    if not np.isfinite(values).any():
        raise TraceError(f"{path}: {_short(name)} rated nothing; remove this column or file")
    return RaterTrace(name, time_s, values, path, guessed_ms)


def _text(path: Path) -> str:
    try:
        raw = path.read_bytes()
    except (OSError, ValueError) as error:
        raise TraceError(f"{path}: cannot be read ({getattr(error, 'strerror', error)}); check the path") from None
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise TraceError(f"{path}, line {line}: not UTF-8 text; save it as CSV in UTF-8") from None
    if "\0" in text:
        raise TraceError(f"{path}: not a text file; give ratings as CSV in UTF-8")
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if not text.strip():
        raise TraceError(f"{path}: is empty; {_SHAPE}")
    if not text.endswith("\n") and not _RULE.search(text):
        # Half a number reads as a number: only the line end shows that the last row is whole. CARMA never writes it.
        line = text.count("\n") + 1
        raise TraceError(
            f"{path}, line {line}: has no line end, so the file may be cut off; copy it again, or add the line end"
        )
    return text


def _rows(path: Path, text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Line number and cells of every row that is not blank."""
    reader = csv.reader(text.split("\n"), delimiter=delimiter, skipinitialspace=True)
    try:
        for cells in reader:
            cells = [cell.strip() for cell in cells]
            if delimiter == " ":
                cells = [cell for cell in cells if cell]
            if any(cells):
                yield reader.line_num, cells
    except csv.Error as error:
        raise TraceError(f"{path}, line {reader.line_num}: not delimited text ({error}); write it again") from None


def _from_header(text: str) -> str:
    """The text with blank lines in the place of what tools write above their header, and of the rule below it.

    The header is the last line before the numbers that calls a column the time, if any does.
    """
    lines = _RULE.sub("", text).split("\n")
    header = 0
    for place, line in enumerate(lines):
        delimiter = _delimiter(line)
        cells = [cell.strip(' "') for cell in line.split(delimiter or "\n")]
        if _is_finite(cells[0], delimiter):
            break
        header = place if len(cells) > 1 and any(map(_is_time, cells)) else header
    return "\n".join(["" for _ in lines[:header]] + lines[header:])


def _is_finite(cell: str, delimiter: str | None) -> bool:
    number = decimal(cell, delimiter or "")
    return number is not None and math.isfinite(number)


def _delimiter(line: str) -> str | None:
    return next((each for each in _DELIMITERS if each in line.strip()), None)


def _header(cells: list[str], delimiter: str) -> list[str] | None:
    """The cells, if they are names: the first row of a file without a header starts with a number.

    An index without a name, which pandas writes, is followed by names.
    """
    numbers = [decimal(cell, delimiter) for cell in cells]
    unnamed = not cells[0] and None in numbers
    return cells if numbers[0] is None or unnamed else None


def _reject_timeless(where: str, header: list[str]) -> None:
    """Taking some other column for the time would go unnoticed: numbers of frames and ratings increase as well."""
    if len(header) > 1 and not any(map(_is_time, header)):
        names = ", ".join(map(_short, header[:_MOST_NAMES])) + (", ..." if len(header) > _MOST_NAMES else "")
        raise TraceError(f"{where}: no column is called time, only {names}; call it time or time_s, or time_ms")


def _time_column(names: list[str]) -> int:
    """The first column called time, whatever its unit is written like; the first of all where there is no header."""
    return next((number for number, name in enumerate(names) if _is_time(name)), 0)


def _is_time(name: str) -> bool:
    words = _words(name)
    return words[:1] != [] and words[0] in _TIMES and set(words[1:]) <= _IN_S | _IN_MS | {"in"}


def _like_ms(path: Path, times: NDArray[np.float64]) -> bool:
    """Whether times without a unit come in steps that only milliseconds have.

    A slider that was left alone logs as rarely in seconds, but at no steady rate.
    """
    step = float(np.median(np.diff(times))) if len(times) > 1 else 0.0
    if step >= MILLISECONDS_FROM and not own_step_s(times):
        raise TraceError(
            f"{path}: times come in steps of {step:g} (median) and may be seconds or milliseconds; "
            "call their column time_s or time_ms"
        )
    return step >= MILLISECONDS_FROM


def _has_unit(name: str) -> bool:
    return not (_IN_S | _IN_MS).isdisjoint(_words(name))


def _in_ms(name: str) -> bool:
    return not _IN_MS.isdisjoint(_words(name))


def _words(name: str) -> list[str]:
    """`Time [ms]`, `time_ms` and `Time(ms)` alike."""
    return re.split(r"[\W_]+", name.lower().strip(" ()[]{}<>"))


def _reject_other_widths(path: Path, rows: list[tuple[int, list[str]]], width: int, named: bool) -> None:
    if width < 2:
        raise TraceError(f"{path}, line {rows[0][0]}: one column; {_SHAPE}")
    for line, cells in rows:
        if len(cells) != width:
            above = "the header" if named else "the first row"
            raise TraceError(
                f"{path}, line {line}: {len(cells)} cells, {above} has {width}; complete or repair the row"
            )


def _numbers(path: Path, rows: list[tuple[int, list[str]]], delimiter: str) -> NDArray[np.float64]:
    """(rows, columns), the time first."""
    plain = _plain(rows)
    if plain is not None:
        return plain
    table = np.empty((len(rows), len(rows[0][1])))
    for row, (line, cells) in enumerate(rows):
        for column, cell in enumerate(cells):
            table[row, column] = _cell(path, line, cell, delimiter, column == 0)
    return table


def _plain(rows: list[tuple[int, list[str]]]) -> NDArray[np.float64] | None:
    """All cells at once, where each is a finite number; None where one has to be looked at."""
    try:
        table = np.array([cells for _, cells in rows], dtype=np.float64)
    except ValueError:
        return None
    return table if np.isfinite(table).all() and np.abs(table).max() <= _LARGEST else None


def _cell(path: Path, line: int, cell: str, delimiter: str, is_time: bool) -> float:
    number = decimal(cell, delimiter)
    if number is None or abs(number) > _LARGEST or (is_time and math.isnan(number)):
        wanted = "a time in seconds" if is_time else "a number, nor empty or NaN for a frame that was not rated"
        raise TraceError(f"{path}, line {line}: {_short(cell)} is not {wanted}; repair the cell")
    return number


def decimal(cell: str, delimiter: str) -> float | None:
    """The number in a cell, with a decimal comma where that is not the delimiter; NaN for no value, None for text."""
    if cell.lower() in _NOT_RATED:
        return math.nan
    try:
        return float(cell if delimiter == "," else cell.replace(",", "."))
    except ValueError:
        return None


def _short(cell: str) -> str:
    return repr(cell if len(cell) <= _LONGEST_CELL else cell[:_LONGEST_CELL] + "...")
