"""Any recordings with traces, listed in one CSV: your own corpus without writing a reader."""

from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emotrace.annotation import Ratings
from emotrace.annotation.fusion import SPREAD_COLUMNS
from emotrace.annotation.resampling import MAX_GAP_S, is_regular, onto_grid
from emotrace.corpora import PARTITIONS, Info, Recording, delimited
from emotrace.corpora.layout import Owner, Survey, owned, refusing
from emotrace.errors import CorpusError

INFO = Info(
    name="manifest",
    title="your own recordings and their traces, listed in a CSV; any targets",
    citation="None of its own: cite those who made the recordings.",
    licence="That of the recordings.",
    access="Write manifest.csv; the root is that file, or the folder that holds it under this name.",
    layout=(
        "manifest.csv: id,audio,partition,speaker,arousal,valence, a row a recording\n"
        "  id         required, a name of its own for every row\n"
        "  audio      the sound file, or empty\n"
        "  partition  train, dev, test or empty\n"
        "  speaker    the same name for the same person, or empty\n"
        "  unit_low, unit_high  lowest and highest rating of this row's traces; -1 and 1 where not given\n"
        "  partly_rated         yes where traces leave parts of the recording out, else no or empty\n"
        "  any other column is a target (arousal, valence, dominance, ...): the trace file, or empty if not rated\n"
        "trace file: time_s (or time), then a column a rater, a row a moment; cells may be empty where nobody rated"
    ),
    quirks=(
        "Paths are relative to the CSV's folder. Columns may come in any order; the optional ones may be left out.",
        "Comma, semicolon or tab: whichever the first line of a file holds most of. Decimals have a point.",
        "A trace file with one column beside the time holds a gold standard, and so does one with a column of the "
        "target's name (as `emotrace predict` writes them) and what `emotrace gold --spread` writes, of which "
        "only value is used; any other holds raters.",
        "Times are seconds of the recording. Any label rate will do, the same for all targets of a recording: it is "
        "taken from the median step of a file's first 100 rows.",
        f"Rows may be missing. A line is drawn over up to {MAX_GAP_S:g} s without a row; what lies in a longer hole is "
        "not rated, and `emotrace check` names it unless partly_rated says yes.",
    ),
    label_rate_hz=25.0,
    unit_range=(-1.0, 1.0),
    targets=("arousal", "valence"),
)

MANIFEST_FILE = "manifest.csv"
COLUMNS = ("id", "audio", "partition", "speaker", "unit_low", "unit_high", "partly_rated")

_TIMES = ("time_s", "time")
_ANSWERS = {"": False, "no": False, "false": False, "0": False, "yes": True, "true": True, "1": True}
_HEAD_ROWS = 100
_REMEDY = "correct the file"


# The file that a cell names -> the line that says that it is not there.
_Missing = dict[Path, str]


def load(root: Path) -> list[Recording]:
    """The recordings that the CSV lists, sorted by id.

    Args:
        root: the CSV, or a folder that holds it as `manifest.csv`.

    Raises:
        CorpusError: the CSV is missing or malformed, lists a file that is not there, or the traces of a recording
            differ in kind or rate; the message names the line.
    """
    return survey(root).complete()


def survey(root: Path) -> Survey:
    """All recordings that the CSV lists; one whose traces cannot be read or differ has labels that refuse to load.

    Raises:
        CorpusError: the CSV is missing or malformed; the message names the line.
    """
    path = Path(root)
    path = path / MANIFEST_FILE if path.is_dir() else path
    if not path.is_file():
        raise CorpusError(f"{path}: no such file; write it, or give the CSV that lists your recordings")
    table = _table(path, ("id",))
    targets = [column for column in table.columns if column not in COLUMNS]
    if not targets:
        raise CorpusError(f"{path}, line 1: no target; add a column such as arousal that names the trace files")
    recordings: dict[str, Recording] = {}
    missing: _Missing = {}
    faults: list[str] = []
    owners: dict[Path | str, Owner] = {}
    named: Counter[Path | str] = Counter()
    for row, line in enumerate(table.lines):
        cells = {column: table.text(column)[row] for column in table.columns}
        where = f"{path}, line {line}"
        files = {column: path.parent / cells[column] for column in ("audio", *targets) if cells.get(column)}
        missing |= _absent(where, files)
        recording, wrong = _recording(where, path.parent, cells, targets)
        faults += wrong
        named.update([*files.values(), *wrong])
        labels = {target: files[target] for target in targets if target in files}
        owners |= owned(recording.id, files.values(), labels) | dict.fromkeys(wrong, (recording.id, None))
        if recording.id in recordings:
            raise table.fault(row, f"{recording.id} is listed before; every row needs an id of its own")
        recordings[recording.id] = recording
    alone = {key: owner for key, owner in owners.items() if named[key] < 2}
    return Survey([recordings[name] for name in sorted(recordings)], missing, faults, alone)


def read_trace(path: Path, target: str) -> Ratings:
    """One trace file: its raters, or its gold standard (see `INFO.quirks`), a row a step where steps are equal.

    Args:
        path: of the file.
        target: what it holds ratings of.

    Raises:
        CorpusError: the file is malformed; names the line.
        TraceError: nobody rated anything.
    """
    table = _table(path)
    columns, _ = _columns(table, target)
    values = np.column_stack([table.numbers(column, missing=True) for column in columns])
    return Ratings(*_without_holes(table.times(_time(table)), values), columns, target)


def _without_holes(
    time_s: NDArray[np.float64], values: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Rows put in where some are missing: on a line over up to `MAX_GAP_S`, NaN in longer holes.

    Rows at irregular times are left as they are: there is no telling how many are missing.
    """
    steps_s = np.diff(time_s)
    if not len(steps_s) or not is_regular(time_s) or steps_s.max() < 1.5 * np.median(steps_s):
        return time_s, values
    numbers = np.r_[0, np.cumsum(np.round(steps_s / np.median(steps_s)))]
    whole_s = np.interp(np.arange(numbers[-1] + 1), numbers, time_s)
    return whole_s, np.column_stack([onto_grid(time_s, column, whole_s, "linear") for column in values.T])


def _recording(where: str, folder: Path, row: Mapping[str, str], targets: list[str]) -> tuple[Recording, list[str]]:
    """A row's recording, and what is wrong with its traces."""
    if not row["id"]:
        raise CorpusError(f"{where}: id is empty; name the recording")
    partition = row.get("partition") or None
    if partition not in (None, *PARTITIONS):
        raise CorpusError(f"{where}: partition {partition!r}; write one of {', '.join(PARTITIONS)}, or leave it empty")
    files = {target: folder / row[target] for target in targets if row[target]}
    load_traces: Callable[[str], Ratings] | None = partial(_load_traces, row["id"], files) if files else None
    faults: list[str] = []
    try:
        raters, rate_hz = _kind_and_rate(where, {target: path for target, path in files.items() if path.is_file()})
    except CorpusError as error:
        faults = [str(error)]
        load_traces, raters, rate_hz = refusing(str(error)), False, INFO.label_rate_hz
    recording = Recording(
        id=row["id"],
        audio=folder / row["audio"] if row.get("audio") else None,
        partition=partition,
        speaker=row.get("speaker") or None,
        load_ratings=load_traces if raters else None,
        unit_range=_unit_range(where, row),
        load_gold=None if raters else load_traces,
        label_rate_hz=rate_hz,
        partly_rated=_yes(where, row.get("partly_rated", "")),
        targets=tuple(files),
    )
    return recording, faults


def _absent(where: str, files: Mapping[str, Path]) -> _Missing:
    """Those of the files that a row names, by column, that are not there."""
    return {
        path: f"{where}: no {column} file {path}; paths are relative to the CSV's folder"
        for column, path in files.items()
        if not path.is_file()
    }


def _kind_and_rate(where: str, files: Mapping[str, Path]) -> tuple[bool, float]:
    """Whether a recording's traces are those of raters, and how many labels they have a second."""
    kinds: dict[str, tuple[bool, float]] = {}
    for target, path in files.items():
        head = _table(path, head=_HEAD_ROWS)
        steps_s = np.diff(head.times(_time(head)))
        if not len(steps_s):
            raise CorpusError(f"{path}: one row alone tells no label rate; give two or more")
        kinds[target] = (_columns(head, target)[1], float(1.0 / np.median(steps_s)))
    (first, (raters, rate_hz)), *others = kinds.items() if kinds else [("", (True, INFO.label_rate_hz))]
    for target, (its_raters, its_rate_hz) in others:
        if its_raters != raters:
            raise CorpusError(
                f"{where}: of {first} and {target}, one has raters and one a gold standard; give one kind"
            )
        if abs(its_rate_hz - rate_hz) > 0.01 * rate_hz:
            raise CorpusError(
                f"{where}: {first} has {rate_hz:g} labels a second and {target} {its_rate_hz:g}; resample one of them"
            )
    # Times are often written with few digits; 24.999999 would keep labels from being taken as they are.
    return raters, round(rate_hz, 6)


def _table(path: Path, header: tuple[str, ...] = (), head: int | None = None) -> delimited.Table:
    first = delimited.read_text(path).lstrip("\n").partition("\n")[0]
    return delimited.read_table(path, max(",;\t", key=first.count), header=header, head=head, remedy=_REMEDY)


def _time(table: delimited.Table) -> str:
    for name in _TIMES:
        if name in table.columns:
            return name
    raise CorpusError(f"{table.path}, line 1: no column {' or '.join(_TIMES)}; add the labels' times in seconds")


def _columns(table: delimited.Table, target: str) -> tuple[tuple[str, ...], bool]:
    """The columns to read, and whether they are raters rather than a gold standard."""
    columns = tuple(column for column in table.columns if column != _time(table))
    if not columns:
        raise CorpusError(f"{table.path}, line 1: no column beside the time; add the ratings")
    if target in columns:
        return (target,), False
    if set(columns) == {"value", *SPREAD_COLUMNS}:
        return ("value",), False
    return columns, len(columns) > 1


def _unit_range(where: str, row: Mapping[str, str]) -> tuple[float, float]:
    limits = (row.get("unit_low") or INFO.unit_range[0], row.get("unit_high") or INFO.unit_range[1])
    try:
        low, high = (float(limit) for limit in limits)
    except ValueError:
        low = high = np.nan
    if not (np.isfinite([low, high]).all() and low < high):
        raise CorpusError(
            f"{where}: unit_low {limits[0]} and unit_high {limits[1]}; give the lowest and highest rating"
        )
    return low, high


def _yes(where: str, answer: str) -> bool:
    if answer.lower() not in _ANSWERS:
        raise CorpusError(f"{where}: partly_rated is {delimited.shortened(answer)}; write yes or no")
    return _ANSWERS[answer.lower()]


def _load_traces(name: str, files: Mapping[str, Path], target: str) -> Ratings:
    if target not in files:
        raise CorpusError(f"{name}: no {target}; the manifest lists {', '.join(files)} for it")
    return read_trace(files[target], target)
