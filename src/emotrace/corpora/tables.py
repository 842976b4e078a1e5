"""Small tables of text as corpora distribute them; every fault with its file, its line and what to do."""

import csv
import gzip
import io
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emotrace.errors import CorpusError

COPY_AGAIN = "copy it again from the release"

_MISSING = {"": "nan", "na": "nan", "n/a": "nan"}


@dataclass(frozen=True)
class Table:
    """The cells of a file below its header.

    Attributes:
        path: of the file.
        header: the names of its columns, without blanks around them.
        lines: each row's line number.
        cells: each row's cells, without blanks around them; as many as columns, unless rows may be ragged.
        remedy: what to do about a fault.
    """

    path: Path
    header: tuple[str, ...]
    lines: tuple[int, ...]
    cells: tuple[tuple[str, ...], ...]
    remedy: str = COPY_AGAIN

    def where(self, row: int) -> str:
        """A row as messages name it: file and line."""
        return f"{self.path}, line {self.lines[row]}"

    def texts(self, column: str) -> list[str]:
        """One column as it stands."""
        index = self.header.index(column)
        return [cells[index] for cells in self.cells]

    def numbers(self, columns: Sequence[str], missing: bool = False) -> NDArray[np.float64]:
        """Several columns as numbers.

        Args:
            columns: their names.
            missing: an empty cell or `nan` is NaN rather than a fault.

        Returns:
            (rows, columns).

        Raises:
            CorpusError: a cell holds no finite number; names the line.
        """
        indices = [self.header.index(column) for column in columns]
        chosen = [[cells[index] for index in indices] for cells in self.cells]
        if missing:
            chosen = [[_MISSING.get(cell.lower(), cell) for cell in cells] for cells in chosen]
        try:
            numbers = np.array(chosen, dtype=np.float64)
            good = np.isfinite(numbers) | (missing & np.isnan(numbers))
        except ValueError:
            good = np.array([[_is_number(cell, missing) for cell in cells] for cells in chosen])
        if not good.all():
            row, column = (int(index) for index in np.argwhere(~good)[0])
            cell = shortened(chosen[row][column])
            raise CorpusError(f"{self.where(row)}: {columns[column]} is {cell}, not a finite number; {self.remedy}")
        return numbers


def read(
    path: Path,
    required: Sequence[str],
    delimiter: str | None = ",",
    ragged: bool = False,
    remedy: str = COPY_AGAIN,
    rows: int | None = None,
) -> Table:
    """A table with a header line.

    Args:
        path: of the file; one in `.gz` is decompressed.
        required: columns that there must be, whatever others there are.
        delimiter: between cells; None takes the one of comma, semicolon and tab that the first line holds most of.
        ragged: rows may hold fewer cells than the header; never more.
        remedy: what messages say to do about a fault.
        rows: read no more than so many; all of them by default.

    Raises:
        CorpusError: the file cannot be read, lacks a column or every row, or a row is cut off.
    """
    content = text(path)
    delimiter = delimiter or _delimiter(content)
    reader = csv.reader(io.StringIO(content), delimiter=delimiter, skipinitialspace=True)
    listed = ((reader.line_num, tuple(cell.strip() for cell in cells)) for cells in reader)
    try:
        filled = list(islice(((line, cells) for line, cells in listed if any(cells)), rows and rows + 1))
    except csv.Error as error:
        raise CorpusError(f"{path}, line {reader.line_num}: {_one_line(error)}; {remedy}") from None
    if not filled:
        raise CorpusError(f"{path}: is empty; {remedy}")
    (line, header), *body = filled
    if fault := _header_fault(header, required, delimiter):
        raise CorpusError(f"{path}, line {line}: {fault}; {remedy}")
    if not body:
        raise CorpusError(f"{path}: no rows below the header; {remedy}")
    table = Table(path, header, tuple(line for line, _ in body), tuple(cells for _, cells in body), remedy)
    for row, cells in enumerate(table.cells):
        if len(cells) > len(header) or (len(cells) < len(header) and not ragged):
            raise CorpusError(f"{table.where(row)}: {len(cells)} cells under {len(header)} columns; {remedy}")
    return table


def text(path: Path) -> str:
    """A whole file of UTF-8 text, line ends as `\\n`.

    Raises:
        CorpusError: it cannot be read or is no UTF-8 text; names the line.
    """
    try:
        raw = path.read_bytes()
        raw = gzip.decompress(raw) if path.suffix == ".gz" else raw
    except (OSError, EOFError, ValueError) as error:
        reason = getattr(error, "strerror", None) or _one_line(error)
        raise CorpusError(f"{path}: cannot be read ({reason}); {COPY_AGAIN}") from None
    try:
        decoded = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise CorpusError(f"{path}, line {line}: not UTF-8 text; save it as UTF-8 or copy it again") from None
    if "\0" in decoded:
        raise CorpusError(f"{path}: not a text file; {COPY_AGAIN}")
    return decoded.replace("\r\n", "\n").replace("\r", "\n")


def folder(root: Path, name: str) -> Path:
    """A folder that must be there.

    Raises:
        CorpusError: it is not.
    """
    where = Path(root) / name
    if not where.is_dir():
        raise CorpusError(f"{where}: no such folder; give the root that holds {name.split('/')[0]}")
    return where


def shortened(cell: str) -> str:
    """A cell as messages quote it."""
    return repr(cell if len(cell) <= 20 else cell[:20] + "...")


def _delimiter(content: str) -> str:
    first = content.lstrip("\n").partition("\n")[0]
    return max(",;\t", key=first.count)


def _header_fault(header: Sequence[str], required: Sequence[str], delimiter: str) -> str | None:
    missing = [column for column in required if column not in header]
    if missing and len(header) == 1 and len(required) > 1:
        return f"the header is not separated by {delimiter!r}"
    if missing:
        return f"no column {', '.join(missing)} in the header, which must have {', '.join(required)}"
    return "the header names a column twice" if len(set(header)) < len(header) else None


def _is_number(cell: str, missing: bool) -> bool:
    try:
        value = float(cell)
    except ValueError:
        return False
    return bool(np.isfinite(value)) or (missing and value != value)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(".")
