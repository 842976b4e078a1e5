"""Reading tables of delimited text, with faults that name file, line and remedy; for the readers of this folder."""

import csv
import gzip
import io
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emotrace.errors import CorpusError

COPY_AGAIN = "copy it again from the release"

_TIME_TOLERANCE_S = 1e-3
# What counts as "no value" where a reader allows for one.
_NOTHING = ("", "nan", "na", "n/a", "null", "none")


@dataclass(frozen=True, eq=False)
class Table:
    """The cells of a delimited file, as text, and where each row stands in it.

    Attributes:
        path: the file.
        columns: name -> cells, all as long; without spaces around them.
        lines: the line of the file that each row stands on, counted from 1.
        remedy: what a person is told to do about a fault.
    """

    path: Path
    columns: dict[str, tuple[str, ...]]
    lines: tuple[int, ...]
    remedy: str = COPY_AGAIN

    def __len__(self) -> int:
        return len(self.lines)

    def text(self, column: str) -> tuple[str, ...]:
        """The cells of a column as they are.

        Raises:
            CorpusError: there is no such column.
        """
        if column not in self.columns:
            raise CorpusError(f"{self.path}: no column {column}, only {', '.join(self.columns)}; {self.remedy}")
        return self.columns[column]

    def numbers(self, column: str, *, missing: bool = False) -> NDArray[np.float64]:
        """A column as numbers, shape (rows,).

        Args:
            column: its name.
            missing: allow for cells without a value (empty, NaN, NA, null), which become NaN.

        Raises:
            CorpusError: a cell is no finite number; the message names its line.
        """
        cells = self.text(column)
        try:
            numbers = np.array(cells, dtype=np.float64)
        except ValueError:
            numbers = np.array([_number(cell) for cell in cells])
        for row in np.flatnonzero(~np.isfinite(numbers)).tolist():
            if not (missing and cells[row].lower() in _NOTHING):
                what = "a number" if _is_text(cells[row]) else "a finite number"
                raise self.fault(row, f"{column} is {shortened(cells[row])}, not {what}")
        for row, cell in enumerate(cells):
            if "_" in cell:  # Python takes 1_0 for 10, nobody who writes label files does
                raise self.fault(row, f"{column} is {shortened(cell)}, not a number")
        return numbers

    def steady_times(self, column: str, rate_hz: float, *, start_s: float | None = None) -> NDArray[np.float64]:
        """A column of times in seconds, shape (rows,), one every 1 / `rate_hz` within a millisecond.

        Args:
            column: its name.
            rate_hz: rows for each second.
            start_s: the first time, or None where it may be any.

        Raises:
            CorpusError: a cell is no finite number, or not the time that should follow; the message names its line.
        """
        times_s = self.numbers(column)
        expected_s = (times_s[0] if start_s is None else start_s) + np.arange(len(self)) / rate_hz
        for row in np.flatnonzero(np.abs(times_s - expected_s) > _TIME_TOLERANCE_S).tolist():
            raise self.fault(
                row,
                f"{column} is {times_s[row]:g} s where {expected_s[row]:.2f} s should follow, a row every "
                f"{1 / rate_hz:g} s",
            )
        return times_s

    def times(self, column: str, unit_s: float = 1.0) -> NDArray[np.float64]:
        """A column of times in seconds, shape (rows,), strictly increasing.

        Args:
            column: its name.
            unit_s: how many seconds the file's unit is: 0.001 for milliseconds.

        Raises:
            CorpusError: a cell is no finite number, or a time does not come after the one before; the message names
                its line.
        """
        numbers = self.numbers(column)
        stuck = np.flatnonzero(np.diff(numbers) <= 0)
        if len(stuck):
            row = int(stuck[0]) + 1
            raise self.fault(row, f"{column} {numbers[row]:g} does not come after {numbers[row - 1]:g}")
        return numbers * unit_s

    def reject_gaps(self) -> None:
        """Refuse blank lines between rows, for files whose rows are timed by their place.

        Raises:
            CorpusError: there is one; the message names its line.
        """
        gaps = np.flatnonzero(np.diff(self.lines) != 1)
        if len(gaps):
            line = self.lines[int(gaps[0])] + 1
            raise CorpusError(f"{self.path}, line {line}: is blank, and rows after it would be early; {self.remedy}")

    def fault(self, row: int, what: str) -> CorpusError:
        """The error to raise for a row (counted from 0): file, line, what is wrong, remedy."""
        return CorpusError(f"{self.path}, line {self.lines[row]}: {what}; {self.remedy}")


def read_table(
    path: Path,
    delimiter: str = ",",
    *,
    header: Sequence[str] = (),
    names: Sequence[str] | None = None,
    preamble: int = 0,
    ragged: bool = False,
    quote: str | None = '"',
    remedy: str = COPY_AGAIN,
    head: int | None = None,
) -> Table:
    """A text file of rows and cells.

    A byte order mark, Windows line ends, blank lines, a missing last line end, spaces around cells and delimiters at
    the end of the header are of no consequence. Everything else that does not fit is refused.

    Args:
        path: the file, UTF-8.
        delimiter: one character between cells.
        header: columns that the header has to have, in any order, their case aside; they get these names, further
            columns keep their own.
        names: the columns of a file without a header, in order; `header` is then not looked at.
        preamble: how many lines to leave out before the header, or before the rows where there is none.
        ragged: rows may be shorter than the header; the cells that they lack are empty.
        quote: the character around cells that may hold the delimiter, or None where no character is special.
        remedy: what a person is told to do about a fault.
        head: how many rows to read at most; all by default.

    Returns:
        At least one row.

    Raises:
        CorpusError: the file cannot be read, is no UTF-8 text, is empty, or a row or the header does not fit.
    """
    path = Path(path)
    rows = _rows(path, read_text(path), delimiter, quote, preamble, remedy)
    if names is None:
        line, first = next(rows, (preamble + 1, []))
        columns = _header(first, header, delimiter, f"{path}, line {line}", remedy)
    else:
        columns = list(names)
    lines, cells = [], []
    for line, row in islice(rows, head):
        cells.append(_fitted(row, len(columns), delimiter, ragged, f"{path}, line {line}", remedy))
        lines.append(line)
    if not cells:
        raise CorpusError(f"{path}: no rows{' below the header' if names is None else ''}; {remedy}")
    return Table(path, dict(zip(columns, zip(*cells, strict=True), strict=True)), tuple(lines), remedy)


def read_text(path: Path) -> str:
    r"""The text of a file, without byte order mark, lines ended by \n; one that ends in .gz is unpacked.

    Raises:
        CorpusError: it cannot be read, or is not UTF-8 text; the message names the line.
    """
    try:
        raw = Path(path).read_bytes()
    except (OSError, ValueError) as error:
        fault = getattr(error, "strerror", None) or str(error)
        raise CorpusError(f"{path}: {fault}; check the file and its permissions") from None
    if Path(path).suffix == ".gz":
        raw = _unpacked(path, raw)
    try:
        text = raw.decode("utf-8-sig")
        strange = text.find("\0")
    except UnicodeDecodeError as error:
        text, strange = raw[: error.start].decode("latin-1"), error.start
    if strange >= 0:
        line = text.count("\n", 0, strange) + 1
        raise CorpusError(f"{path}, line {line}: not UTF-8 text; save it as UTF-8 or copy it again")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _unpacked(path: Path, raw: bytes) -> bytes:
    try:
        return gzip.decompress(raw)
    except (OSError, EOFError, zlib.error):
        raise CorpusError(f"{path}: not a gzip file, or cut off; {COPY_AGAIN}") from None


def shortened(cell: str) -> str:
    """A cell as a message may quote it."""
    return repr(cell if len(cell) <= 20 else cell[:20] + "...")


def _rows(
    path: Path, text: str, delimiter: str, quote: str | None, preamble: int, remedy: str
) -> Iterator[tuple[int, list[str]]]:
    body = text.split("\n", preamble)[preamble:]
    lines = io.StringIO(body[0] if body else "")
    if quote is None:
        rows = csv.reader(lines, delimiter=delimiter, quoting=csv.QUOTE_NONE, skipinitialspace=True)
    else:
        rows = csv.reader(lines, delimiter=delimiter, quotechar=quote, skipinitialspace=True)
    while True:
        before = preamble + rows.line_num
        try:
            cells = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            raise CorpusError(f"{path}, line {before + 1}: {' '.join(str(error).split())}; {remedy}") from None
        if preamble + rows.line_num > before + 1:
            raise CorpusError(f"{path}, line {before + 1}: a quote {quote} is not closed on its line; {remedy}")
        if any(cell.strip() for cell in cells):
            yield before + 1, [cell.strip() for cell in cells]


def _header(cells: list[str], wanted: Sequence[str], delimiter: str, where: str, remedy: str) -> list[str]:
    while cells and not cells[-1]:
        cells = cells[:-1]
    known = {name.casefold(): name for name in wanted}
    columns = [known.get(cell.casefold(), cell) for cell in cells]
    absent = [name for name in wanted if name not in columns]
    if absent and len(cells) <= 1:
        raise CorpusError(f"{where}: the header is not {', '.join(wanted)} separated by {delimiter!r}; {remedy}")
    if absent:
        raise CorpusError(f"{where}: the header lacks {', '.join(absent)}; {remedy}")
    if not columns:
        raise CorpusError(f"{where}: no header; {remedy}")
    if len(set(columns)) < len(columns):
        raise CorpusError(f"{where}: the header names a column twice; {remedy}")
    return columns


def _fitted(cells: list[str], width: int, delimiter: str, ragged: bool, where: str, remedy: str) -> list[str]:
    """The row as wide as its header: what is empty beyond it is dropped, what a ragged row lacks is empty."""
    while len(cells) > width and not cells[-1]:
        cells = cells[:-1]
    if ragged and len(cells) < width:
        cells = cells + [""] * (width - len(cells))
    if len(cells) != width:
        raise CorpusError(f"{where}: {len(cells)} cells rather than {width}, separated by {delimiter!r}; {remedy}")
    return cells


def _number(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return float("nan")


def _is_text(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return True
    return False
