"""The trace: values of emotion over time, frame by frame, and its CSV and JSON."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from emotrace.errors import EmotraceError, TraceError
from emotrace.output import write_atomically

if TYPE_CHECKING:
    import pandas  # type: ignore[import-not-found, import-untyped, unused-ignore]

FRAME_S = 0.04
"""Seconds a frame of a trace covers, in everything that this package makes."""

PathLike = str | os.PathLike[str]

_COLUMNS = "time_s,arousal,valence[,arousal_sd,valence_sd][,speaker]"
_NOT_TARGETS = {"time_s", "frame_s", "unit_range", "targets", "speaker", "warnings"}
_ROWS_A_WRITE = 8192


@dataclass(frozen=True, eq=False)
class Trace:
    """Values of one or more targets over time.

    Attributes:
        time_s: Start of each frame in seconds, shape (T,), increasing; T is 0 where a stream has nothing new to say.
        values: Shape (T, targets), float32 or float64, finite, in ``unit_range``'s units.
        targets: Name of each column of ``values``.
        spread: Standard deviation of each value, shape (T, targets), or None where unknown.
        speaker: Who speaks in each frame, T names with None for nobody, or None where unknown.
        unit_range: Lowest and highest value of the scale.
        frame_s: Length of a frame in seconds.
        warnings: What to know before believing it, a sentence each; JSON and pictures show them, CSV has no place.

    Raises:
        TraceError: Shapes that do not fit, values that are not finite, time that does not increase.
    """

    time_s: np.ndarray
    values: np.ndarray
    targets: tuple[str, ...] = ("arousal", "valence")
    spread: np.ndarray | None = None
    speaker: Sequence[str | None] | np.ndarray | None = None
    unit_range: tuple[float, float] = (-1.0, 1.0)
    frame_s: float = FRAME_S
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self._set("time_s", np.asarray(self.time_s, np.float64))
        self._set("values", _floats(self.values, "values"))
        self._set("targets", _target_names(self.targets))
        self._set("unit_range", _unit_range(self.unit_range))
        self._set("frame_s", float(self.frame_s))
        self._set("warnings", _sentences(self.warnings))
        if self.spread is not None:
            self._set("spread", _floats(self.spread, "spread"))
        if self.speaker is not None:
            names: dict[str | None, str | None] = {}  # each is one string, however many frames it has
            self._set("speaker", tuple(names.setdefault(n, str(n)) if n else None for n in self.speaker))
        self._check_shapes()
        self._check_contents()

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)  # the way to normalise a field of a frozen dataclass

    def _check_shapes(self) -> None:
        if self.time_s.ndim != 1:
            raise TraceError(f"time_s has shape {self.time_s.shape}; it must be (T,)")
        expected = (len(self.time_s), len(self.targets))
        for name, table in (("values", self.values), ("spread", self.spread)):
            if table is not None and table.shape != expected:
                raise TraceError(f"{name} has shape {table.shape}; time and targets make it {expected}")
        if self.speaker is not None and len(self.speaker) != expected[0]:
            raise TraceError(f"speaker has {len(self.speaker)} names; there are {expected[0]} frames")

    def _check_contents(self) -> None:
        if not (np.isfinite(self.frame_s) and self.frame_s > 0):
            raise TraceError(f"frame_s is {self.frame_s}; it must be positive")
        for name, table in (("time_s", self.time_s), ("values", self.values), ("spread", self.spread)):
            if table is not None and not np.isfinite(table).all():
                frame = int(np.argwhere(~np.isfinite(table))[0][0])
                raise TraceError(f"{name} is not finite in frame {frame}; mask or interpolate it first")
        stuck = np.flatnonzero(np.diff(self.time_s) <= 0)
        if len(stuck):
            raise TraceError(f"time_s does not increase at frame {stuck[0] + 1}; sort the frames, each once")
        if self.spread is not None and (self.spread < 0).any():
            raise TraceError("spread holds negative values; it is a standard deviation")
        if any("\n" in name or "\r" in name for name in set(self.speaker or ()) if name):
            raise TraceError("a speaker's name holds a line break; rename the speaker")

    def __len__(self) -> int:
        return len(self.time_s)

    def __getitem__(self, target: str) -> np.ndarray:
        """Return one target's values, shape (T,).

        Raises:
            TraceError: The trace has no such target.
        """
        return self.values[:, self._column(target)]

    def _column(self, target: str) -> int:
        if target not in self.targets:
            raise TraceError(f"no target {target!r} in this trace; it has {', '.join(self.targets)}")
        return self.targets.index(target)

    @property
    def duration_s(self) -> float:
        """Seconds from the start of the first frame to the end of the last; 0 without frames."""
        return 0.0 if not len(self) else float(self.time_s[-1] - self.time_s[0] + self.frame_s)

    @property
    def _time_digits(self) -> int:
        # A frame that is no whole number of hundredths would collapse onto its neighbour with two decimals.
        parts = (self.time_s[start : start + _ROWS_A_WRITE] for start in range(0, len(self), _ROWS_A_WRITE))
        return 2 if all(np.abs(part - part.round(2)).max() < 1e-6 for part in parts) else 6

    def summary(self) -> dict[str, dict[str, float]]:
        """Describe each target by its mean, standard deviation (N), minimum and maximum over the frames.

        Raises:
            TraceError: There are no frames.
        """
        if not len(self):
            raise TraceError("a trace without frames has no summary; ask for it once there are some")
        return {
            target: {
                "mean": float(values.mean(dtype=np.float64)),
                "sd": float(values.std(dtype=np.float64)),
                "min": float(values.min()),
                "max": float(values.max()),
            }
            for target, values in zip(self.targets, self.values.T, strict=True)
        }

    def columns(self) -> dict[str, list[Any]]:
        """Return the table that CSV, JSON and data frame show: lists of T Python values, rounded."""
        return self._columns(slice(None), self._time_digits)

    def _columns(self, rows: slice, time_digits: int) -> dict[str, list[Any]]:
        table: dict[str, list[Any]] = {"time_s": _rounded(self.time_s[rows], time_digits)}
        for suffix, values in (("", self.values), ("_sd", self.spread)):
            if values is not None:
                table |= {t + suffix: _rounded(values[rows, i], 4) for i, t in enumerate(self.targets)}
        if self.speaker is not None:
            table["speaker"] = list(self.speaker[rows])
        return table

    def _parts(self) -> Iterator[dict[str, list[Any]]]:
        """The columns, some thousand frames at a time: as Python values a whole day would fill gigabytes."""
        digits = self._time_digits
        for start in range(0, len(self), _ROWS_A_WRITE):
            yield self._columns(slice(start, start + _ROWS_A_WRITE), digits)

    def to_csv(self, path_or_file: PathLike | IO[str], *, force: bool = False) -> None:
        """Write ``time_s,arousal,valence,arousal_sd,valence_sd`` (and ``speaker``), a row a frame.

        Args:
            path_or_file: A path, written whole or not at all, or a file open for text.
            force: Replace an existing file.

        Raises:
            EmotraceError: The file exists and ``force`` is not given, or it cannot be written.
        """
        _write(path_or_file, self._csv_parts(), force)

    def _csv_parts(self) -> Iterator[str]:
        header = list(self._columns(slice(0), 2))
        yield ",".join(header) + "\n"
        formats = {"time_s": f"%.{self._time_digits}f", "speaker": "%s"}
        row = ",".join(formats.get(name, "%.4f") for name in header) + "\n"
        for table in self._parts():
            if "speaker" in table:
                table["speaker"] = _quoted(table["speaker"])
            part = list(table.values())
            cells: list[Any] = [None] * (len(part) * len(part[0]))
            for i, column in enumerate(part):
                cells[i :: len(part)] = column
            yield row * len(part[0]) % tuple(cells)

    @classmethod
    def from_csv(cls, path_or_file: PathLike | IO[str], *, unit_range: tuple[float, float] = (-1.0, 1.0)) -> Trace:
        """Read what `to_csv` writes; targets are the columns that are neither time, ``*_sd`` nor speaker.

        Args:
            path_or_file: A path or a file open for text.
            unit_range: Lowest and highest value of the scale, which CSV does not state.

        Raises:
            TraceError: The file is missing or malformed; the message names its line.
        """
        name, text = _read(path_or_file)
        header, columns = _csv_columns(name, text)
        targets = _csv_targets(name, header)
        numbers = {c: _numbers(name, c, columns[c]) for c in header if c != "speaker"}
        time_s = numbers["time_s"]
        stuck = np.flatnonzero(np.diff(time_s) <= 0)
        if len(stuck):
            raise TraceError(f"{name}, line {stuck[0] + 3}: time_s does not increase; sort the rows, each time once")
        has_spread = f"{targets[0]}_sd" in header
        return cls(
            time_s=time_s,
            values=np.column_stack([numbers[t] for t in targets]),
            targets=targets,
            spread=np.column_stack([numbers[f"{t}_sd"] for t in targets]) if has_spread else None,
            speaker=columns.get("speaker"),
            unit_range=unit_range,
            frame_s=round(float(np.median(np.diff(time_s))), 6) if len(time_s) > 1 else cls.frame_s,
        )

    def to_json(self, path_or_file: PathLike | IO[str], *, force: bool = False) -> None:
        """Write one object: ``frame_s``, ``unit_range``, ``targets``, and each column of the CSV as a list.

        ``warnings``, a list, is there where there are some.

        Args:
            path_or_file: A path, written whole or not at all, or a file open for text.
            force: Replace an existing file.

        Raises:
            EmotraceError: The file exists and ``force`` is not given, or it cannot be written.
        """
        head: dict[str, Any] = {"frame_s": self.frame_s, "unit_range": self.unit_range, "targets": self.targets}
        if self.warnings:
            head["warnings"] = self.warnings
        _write(path_or_file, self._json_parts(head), force)

    def _json_parts(self, head: dict[str, Any]) -> Iterator[str]:
        yield json.dumps(head)[:-1]
        for name in self._columns(slice(0), 2):
            yield f", {json.dumps(name)}: ["
            comma = ""
            for table in self._parts():
                yield comma + json.dumps(table[name])[1:-1]
                comma = ", "
            yield "]"
        yield "}\n"

    @classmethod
    def from_json(cls, path_or_file: PathLike | IO[str]) -> Trace:
        """Read what `to_json` writes.

        Args:
            path_or_file: A path or a file open for text.

        Raises:
            TraceError: The file is missing or malformed.
        """
        name, text = _read(path_or_file)
        try:
            data = json.loads(text)
            targets = tuple(data["targets"])
            has_spread = f"{targets[0]}_sd" in data
            return cls(
                time_s=data["time_s"],
                values=np.array([data[t] for t in targets], np.float64).T,
                targets=targets,
                spread=np.array([data[f"{t}_sd"] for t in targets], np.float64).T if has_spread else None,
                speaker=data.get("speaker"),
                unit_range=data["unit_range"],
                frame_s=data["frame_s"],
                warnings=data.get("warnings", ()),
            )
        except json.JSONDecodeError as error:
            raise TraceError(
                f"{name}, line {error.lineno}: not JSON, or cut off ({error.msg}); write it again"
            ) from None
        except KeyError as error:
            raise TraceError(f"{name}: lacks {error}; write it again with Trace.to_json") from None
        except (TraceError, TypeError, ValueError, IndexError, AttributeError, RecursionError) as error:
            raise TraceError(f"{name}: not a trace ({error}); write it again with Trace.to_json") from None

    def to_dataframe(self) -> pandas.DataFrame:
        """Return the columns of the CSV as a pandas DataFrame, a row a frame.

        Raises:
            EmotraceError: pandas is not installed.
        """
        try:
            import pandas
        except ImportError:
            raise EmotraceError("to_dataframe needs pandas, which is not installed; run: pip install pandas") from None
        return pandas.DataFrame(self.columns())


def _floats(table: np.ndarray, name: str) -> np.ndarray:
    try:
        array = np.asarray(table)
        return array if array.dtype in (np.float32, np.float64) else array.astype(np.float64)
    except (TypeError, ValueError):
        raise TraceError(f"{name} is not a table of numbers; give an array of shape (T, targets)") from None


def _target_names(names: Sequence[str]) -> tuple[str, ...]:
    names = (names,) if isinstance(names, str) else tuple(names)
    if not names or len(set(names)) < len(names):
        raise TraceError(f"targets are {names}; name at least one, each once")
    for name in names:
        if not str(name).isidentifier() or name in _NOT_TARGETS or name.endswith("_sd"):
            raise TraceError(f"{name!r} cannot name a target; use letters, digits and _, no _sd at the end")
    return names


def _unit_range(limits: Sequence[float]) -> tuple[float, float]:
    low, high = (float(limit) for limit in limits)
    if not (np.isfinite([low, high]).all() and low < high):
        raise TraceError(f"unit_range is {limits}; it must be the lowest and the highest value")
    return low, high


def _sentences(told: Sequence[str]) -> tuple[str, ...]:
    if isinstance(told, str) or not all(isinstance(each, str) for each in told):
        raise TraceError(f"warnings are {told!r}; give a list of sentences")
    return tuple(told)


def _rounded(values: np.ndarray, digits: int) -> list[float]:
    # Adding zero turns -0.0 into 0.0, so that no file says -0.0000.
    return (values.astype(np.float64).round(digits) + 0.0).tolist()


def _quoted(names: list[str | None]) -> list[str]:
    cells = {name: name or "" for name in set(names)}
    for name in filter(None, set(names)):
        if "," in name or '"' in name:
            cells[name] = '"' + name.replace('"', '""') + '"'
    return [cells[name] for name in names]


def _write(path_or_file: PathLike | IO[str], parts: Sequence[str] | Iterator[str], force: bool) -> None:
    if isinstance(path_or_file, (str, os.PathLike)):
        write_atomically(path_or_file, lambda file: file.writelines(parts), force=force)
    else:
        path_or_file.writelines(parts)


def _read(path_or_file: PathLike | IO[str]) -> tuple[str, str]:
    if not isinstance(path_or_file, (str, os.PathLike)):
        return getattr(path_or_file, "name", "trace"), path_or_file.read()
    name = os.fspath(path_or_file)
    try:
        with open(name, encoding="utf-8-sig", newline="") as file:
            text = file.read()
    except UnicodeDecodeError:
        raise TraceError(f"{name}: is not a text file; give a trace as CSV or JSON") from None
    except (OSError, ValueError) as error:
        raise TraceError(f"{name}: cannot be read ({getattr(error, 'strerror', error)}); check the path") from None
    if "\0" in text:
        raise TraceError(f"{name}: is not a text file; give a trace as CSV or JSON")
    return name, text


def _csv_columns(name: str, text: str) -> tuple[list[str], dict[str, tuple[str, ...]]]:
    """Split CSV into its header and its columns of text, every row as wide as the header."""
    if not text.strip():
        raise TraceError(f"{name}: is empty; its first line must be {_COLUMNS}")
    if not text.endswith("\n"):
        # Half a number reads as a number: only the line end shows that the last row is whole.
        line = text.count("\n") + 1
        raise TraceError(f"{name}, line {line}: has no line end, the file was cut off; write it again")
    reader = csv.reader(io.StringIO(text, newline=""))
    try:
        header, *rows = reader
    except csv.Error as error:
        raise TraceError(f"{name}, line {reader.line_num}: not CSV ({error}); write it again") from None
    for line, row in enumerate(rows, start=2):
        if len(row) != len(header):
            raise TraceError(f"{name}, line {line}: has {len(row)} fields, the header {len(header)}; repair the row")
    if len(set(header)) < len(header):
        raise TraceError(f"{name}, line 1: names a column twice; rename or remove one")
    if not rows and "time_s" in header:
        raise TraceError(f"{name}: has a header and no rows; write it again")
    return header, dict(zip(header, zip(*rows, strict=True), strict=False))


def _csv_targets(name: str, header: list[str]) -> tuple[str, ...]:
    targets = [c for c in header if c not in ("time_s", "speaker") and not c.endswith("_sd")]
    if "time_s" not in header or not targets:
        lacking = "time_s" if "time_s" not in header else "target such as arousal"
        raise TraceError(f"{name}, line 1: no column {lacking}; the columns are {_COLUMNS}")
    spreads = {c for c in header if c.endswith("_sd")}
    odd = sorted(spreads ^ {f"{t}_sd" for t in targets}) if spreads else []
    if odd:
        raise TraceError(f"{name}, line 1: {odd[0]} has no partner; give every target its _sd column, or none")
    try:
        return _target_names(targets)
    except TraceError as error:
        raise TraceError(f"{name}, line 1: {error}") from None


def _numbers(name: str, column: str, cells: tuple[str, ...]) -> np.ndarray:
    try:
        numbers = np.array(cells, dtype=np.float64)
    except ValueError:
        numbers = np.array([_number(cell) for cell in cells])
    bad = np.flatnonzero(~np.isfinite(numbers))
    if len(bad):
        cell = cells[bad[0]]
        raise TraceError(f"{name}, line {bad[0] + 2}: {column} is {cell!r}, not a finite number; repair or remove it")
    return numbers


def _number(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return float("nan")
