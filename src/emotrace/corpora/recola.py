"""RECOLA, full release (Ringeval et al. 2013), and simulated corpora written in the same layout."""

import csv
import io
import math
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emotrace.annotation import Ratings
from emotrace.corpora import PARTITIONS, Info, Recording
from emotrace.corpora.delimited import read_text, shortened
from emotrace.corpora.layout import Owner, Survey, absent, owned
from emotrace.errors import CorpusError

INFO = Info(
    name="recola",
    title="RECOLA, Remote Collaborative and Affective Interactions",
    citation=(
        "F. Ringeval, A. Sonderegger, J. Sauer, D. Lalanne: Introducing the RECOLA multimodal corpus of "
        "remote collaborative and affective interactions. EmoSPACE workshop, IEEE FG 2013."
    ),
    licence="Free for academic research under a signed end-user licence agreement; not for redistribution.",
    access="Ask its authors for the full release; the agreement is signed by a member of permanent staff.",
    layout=(
        "RECOLA-Annotation/emotional_behaviour/{arousal,valence}/P16.csv\n"
        "RECOLA-Audio-recordings/P16.wav (or .flac)\n"
        "partition.csv (optional: id,partition[,speaker], partitions train, dev and test)"
    ),
    quirks=(
        "Rater names carry a trailing space in every label header; names are compared without it.",
        "7501 label rows for 300 s: the last row labels the end instant and `match_length` drops it.",
        "Without partition.csv, partitions are AVEC 2016's, by participant number; the others have none.",
        "AVEC 2016's own package renumbers its recordings train_1, dev_1, ...; which is which is not public.",
        "A test recording without a label file of any target has its labels kept back, as a challenge does it.",
    ),
    label_rate_hz=25.0,
    unit_range=(-1.0, 1.0),
    targets=("arousal", "valence"),
)

RATERS = ("FM1", "FM2", "FM3", "FF1", "FF2", "FF3")

LABELS_FOLDER = "RECOLA-Annotation/emotional_behaviour"
AUDIO_FOLDER = "RECOLA-Audio-recordings"
PARTITION_FILE = "partition.csv"

AVEC2016_PARTICIPANTS = {
    "train": (16, 21, 23, 25, 37, 39, 41, 46, 56),
    "dev": (19, 26, 28, 30, 34, 42, 45, 64, 65),
    "test": (13, 20, 32, 38, 47, 49, 53, 59, 63),
}

_COLUMNS = ("time", *RATERS)
_TIME_TOLERANCE_S = 1e-3
_COPY_AGAIN = "copy it again from the release"


def load(root: Path) -> list[Recording]:
    """The recordings below `root`, sorted by id.

    Args:
        root: the folder that holds `RECOLA-Annotation` and `RECOLA-Audio-recordings`.

    Raises:
        CorpusError: a folder is missing, a recording lacks its audio or its labels, or partition.csv is
            malformed.
    """
    return survey(root).complete()


def survey(root: Path) -> Survey:
    """All recordings that any file speaks of, complete or not.

    Raises:
        CorpusError: a folder is missing, or partition.csv is malformed.
    """
    root = Path(root)
    audio, labels = _all_files(root)
    names = sorted(audio.keys() | set().union(*labels.values()))
    assigned = _partition_file(root / PARTITION_FILE, names) if (root / PARTITION_FILE).exists() else None
    recordings: list[Recording] = []
    missing: dict[Path, str] = {}
    owners: dict[Path | str, Owner] = {}
    for recording in names:
        if assigned is None:
            partition, speaker = _avec2016_partition(recording), recording
        else:
            partition, speaker = assigned.get(recording, (None, recording))
        sound = audio.get(recording, root / AUDIO_FOLDER / f"{recording}.wav")
        there = {target: found[recording] for target, found in labels.items() if recording in found}
        kept_back = partition == "test" and not there
        files = {target: root / LABELS_FOLDER / target / f"{recording}.csv" for target in INFO.targets} | there
        missing |= absent([sound] if kept_back else [sound, *files.values()])
        owners |= owned(recording, [sound], files)
        load_ratings = None if kept_back else partial(_load_ratings, files)
        recordings.append(Recording(recording, sound, partition, speaker, load_ratings, INFO.unit_range))
    return Survey(recordings, missing, owners=owners)


def read_ratings(path: Path, target: str) -> Ratings:
    """One label file: the traces of all six raters.

    Args:
        path: a file as `RECOLA-Annotation/emotional_behaviour/arousal/P16.csv`.
        target: what it holds ratings of.

    Returns:
        Ratings in [-1, 1], times from 0 in steps of 0.04 s.

    Raises:
        CorpusError: the file cannot be read or breaks the format; the message names the line.
    """
    path = Path(path)
    header, _, body = read_text(path).partition("\n")
    _check_header(path, header)
    if not body.strip():
        raise CorpusError(f"{path}: no rows below the header; {_COPY_AGAIN}")
    try:
        rows = np.loadtxt(io.StringIO(body), delimiter=";", comments=None, ndmin=2)
    except ValueError as error:
        raise CorpusError(_first_fault(path, body) or f"{path}: {_one_line(error)}; {_COPY_AGAIN}") from None
    if not _plausible(rows):
        raise CorpusError(_first_fault(path, body) or f"{path}: not a RECOLA label file; {_COPY_AGAIN}")
    return Ratings(rows[:, 0], rows[:, 1:], RATERS, target)


def write_ratings(path: Path, ratings: Ratings) -> None:
    """Writes a label file in the release's format, folders above it made as needed.

    Times get two decimals and values four, so values come back within 5e-5.

    Args:
        path: where to; an existing file is replaced.
        ratings: of the six raters in `RATERS`, in [-1, 1], times from 0 in steps of 0.04 s.

    Raises:
        CorpusError: the ratings do not fit the format.
    """
    path = Path(path)
    if ratings.raters != RATERS:
        raise CorpusError(f"{path}: the format takes the raters {', '.join(RATERS)}, not {', '.join(ratings.raters)}")
    # Adding 0.0 turns the -0.0 of rounded values into 0.0.
    rows = np.column_stack([ratings.time_s, np.round(ratings.values, 4) + 0.0])
    if not _plausible(rows):
        raise CorpusError(f"{path}: the format takes values in [-1, 1] and times from 0 in steps of 0.04 s")
    path.parent.mkdir(parents=True, exist_ok=True)
    header = ";".join(["time", *(f"{rater} " for rater in RATERS[:-1]), RATERS[-1]])
    np.savetxt(
        path,
        rows,
        fmt=["%.2f"] + ["%.4f"] * len(RATERS),
        delimiter=";",
        header=header,
        comments="",
        newline="\n",
    )


def _load_ratings(files: dict[str, Path], target: str) -> Ratings:
    if target not in files:
        raise CorpusError(f"RECOLA has no ratings of {target!r} here; choose one of: {', '.join(files)}")
    return read_ratings(files[target], target)


def _all_files(root: Path) -> tuple[dict[str, Path], dict[str, dict[str, Path]]]:
    """Sound files, and label files of each target, by recording."""
    audio = _files(root, AUDIO_FOLDER, (".wav", ".flac"))
    return audio, {target: _files(root, f"{LABELS_FOLDER}/{target}", (".csv",)) for target in INFO.targets}


def _files(root: Path, folder: str, suffixes: tuple[str, ...]) -> dict[str, Path]:
    where = root / folder
    if not where.is_dir():
        raise CorpusError(f"{where}: no such folder; give the root that holds {folder.split('/')[0]}")
    files: dict[str, Path] = {}
    for path in sorted(where.glob("P*")):
        if path.suffix.lower() not in suffixes:
            continue
        if path.stem in files:
            raise CorpusError(f"{path}: {files[path.stem].name} is the same recording; remove one of the two")
        files[path.stem] = path
    if not files:
        raise CorpusError(f"{where}: no file P*{' or P*'.join(suffixes)}; copy the release's files there")
    return files


def _avec2016_partition(recording: str) -> str | None:
    for partition, participants in AVEC2016_PARTICIPANTS.items():
        if recording in {f"P{number}" for number in participants}:
            return partition
    return None


def _partition_file(path: Path, names: Sequence[str]) -> dict[str, tuple[str, str]]:
    """`id -> (partition, speaker)`; who has no speaker in the file is their own."""
    lines = _partition_lines(path)
    _, header = next(lines, (1, []))
    if header not in (["id", "partition"], ["id", "partition", "speaker"]):
        raise CorpusError(f"{path}, line 1: the header must be id,partition or id,partition,speaker")
    assigned: dict[str, tuple[str, str]] = {}
    for line, cells in lines:
        if len(cells) != len(header):
            raise CorpusError(f"{path}, line {line}: {len(cells)} cells under {len(header)} columns; complete the row")
        recording, partition, speaker = (*cells, "")[:3]
        if partition not in PARTITIONS:
            raise CorpusError(f"{path}, line {line}: partition {partition!r}; write one of {', '.join(PARTITIONS)}")
        if recording in assigned:
            raise CorpusError(f"{path}, line {line}: {recording} is listed before; keep one of the rows")
        if recording not in names:
            raise CorpusError(f"{path}, line {line}: {recording!r} has no files; add them or remove the row")
        assigned[recording] = (partition, speaker or recording)
    return assigned


def _partition_lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    rows = csv.reader(io.StringIO(read_text(path)))
    try:
        for cells in rows:
            if cells:
                yield rows.line_num, [cell.strip() for cell in cells]
    except csv.Error as error:
        raise CorpusError(f"{path}, line {rows.line_num}: {_one_line(error)}; write it as plain CSV") from None


def _check_header(path: Path, header: str) -> None:
    columns = [cell.strip() for cell in header.split(";")]
    if columns == list(_COLUMNS):
        return
    if len(columns) == 1:
        fault = "the header is not separated by ';'"
    elif missing := [column for column in _COLUMNS if column not in columns]:
        fault = f"the header lacks {', '.join(missing)}"
    else:
        fault = f"the header must be {';'.join(_COLUMNS)} and nothing else"
    raise CorpusError(f"{path}, line 1: {fault}; {_COPY_AGAIN}")


def _plausible(rows: NDArray[np.float64]) -> bool:
    """Whether every row is what `_row_fault` finds no fault with, decided for all rows at once."""
    if rows.shape[1] != len(_COLUMNS) or not np.isfinite(rows).all():
        return False
    grid_s = np.arange(len(rows)) / INFO.label_rate_hz
    on_time = np.abs(rows[:, 0] - grid_s).max() <= _TIME_TOLERANCE_S
    return bool(on_time and np.abs(rows[:, 1:]).max() <= 1.0)


def _first_fault(path: Path, body: str) -> str | None:
    row = 0
    for line, text in enumerate(body.split("\n"), start=2):
        if not text:
            continue
        if fault := _row_fault(text.split(";"), row / INFO.label_rate_hz):
            return f"{path}, line {line}: {fault}; {_COPY_AGAIN}"
        row += 1
    return None


def _row_fault(cells: list[str], expected_s: float) -> str | None:
    if len(cells) != len(_COLUMNS):
        return f"{len(cells)} cells rather than {len(_COLUMNS)}, separated by ';'"
    for column, cell in zip(_COLUMNS, cells, strict=True):
        try:
            value = float(cell)
        except ValueError:
            return f"{column} is {shortened(cell)}, not a number"
        if not math.isfinite(value):
            return f"{column} is {shortened(cell)}, not a finite number"
        if column == "time" and abs(value - expected_s) > _TIME_TOLERANCE_S:
            return f"the time is {value:g} s where {expected_s:.2f} s should follow, a row every 0.04 s from 0"
        if column != "time" and abs(value) > 1.0:
            return f"{column} is {value:g}, outside of [-1, 1]"
    return None


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(".")
