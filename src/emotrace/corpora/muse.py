"""The layout of the MuSe challenges' packages (Stappen et al. 2020, 2021), which two readers share."""

from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emotrace.annotation import Ratings
from emotrace.annotation.resampling import MILLISECONDS_FROM
from emotrace.corpora import Info, Recording, layout
from emotrace.corpora.delimited import COPY_AGAIN, Table, read_table
from emotrace.errors import CorpusError

LAYOUT = (
    "metadata/partition.csv (id,partition; train, devel, test)\n"
    "label_segments/{arousal,valence}/1.csv (timestamp,value[,segment_id])\n"
    "feature_segments/egemaps/1.csv (optional: timestamp,segment_id, then the features)\n"
    "raw_annotations/{arousal,valence}/1.csv (optional: timestamp, then a column a rater)\n"
    "audio/1.wav (optional; wav or audio_norm, each also below raw or raw_data, will do)"
)

QUIRKS = (
    "Official partition: metadata/partition.csv; devel is read as dev.",
    "Labels cover the segments in which the challenge was rated, so recordings are partly rated; between two segments "
    "nothing is interpolated.",
    "Labels of the test part are NaN in the package, or not there; such recordings have none.",
    "Timestamps are milliseconds. Some files of raters hold seconds: steps of 5 and more are milliseconds, smaller "
    "ones seconds; no rate in use makes this ambiguous.",
    "Where sound and raters' files lie is unstated in the package's description; the folders named in the layout are "
    "looked at. The package without sound has recordings without audio.",
    "The unit of the raters' files is unstated; values beyond [-1, 1] are refused.",
    "Features of a recording are those in feature_segments/egemaps, at the labels' timestamps.",
    "Further targets in label_segments are read by their folder's name.",
)

_AUDIO = tuple(f"{above}{name}" for above in ("", "raw/", "raw_data/") for name in ("audio", "wav", "audio_norm"))
_RAW = tuple(f"{above}raw_annotations" for above in ("", "label_segments/", "raw/", "raw_data/"))
_PARTITIONS = {"train": "train", "devel": "dev", "dev": "dev", "test": "test"}
_STEP_TOLERANCE = 0.02


def survey(root: Path, info: Info, own_speakers: bool) -> layout.Survey:
    """All recordings that partition.csv lists.

    Args:
        root: the folder that holds `label_segments` and `metadata`.
        info: the corpus's.
        own_speakers: every recording is a person of its own.

    Raises:
        CorpusError: a folder or partition.csv is missing or malformed, or labels are of a recording that is not listed.
    """
    root = Path(root)
    labels = layout.folder(root, "label_segments")
    for target in info.targets:
        layout.folder(labels, target)
    partitions = _partitions(root)
    sounds_folder = layout.optional_folder(root, *_AUDIO)
    sounds = layout.files(sounds_folder, r".+", layout.SOUND) if sounds_folder else {}
    raw = layout.optional_folder(root, *_RAW)
    features = layout.optional_folder(root, "feature_segments/egemaps", "feature_segments/label_aligned/egemaps")
    _reject_unlisted(labels, info, partitions)
    recordings: list[Recording] = []
    missing: dict[Path, str] = {}
    owners: dict[Path | str, layout.Owner] = {}
    for name, partition in sorted(partitions.items()):
        own = {target: labels / target / f"{name}.csv" for target in info.targets}
        kept_back = partition == "test" and all(map(_without_values, own.values()))
        audio = sounds.get(name, sounds_folder / f"{name}.wav") if sounds_folder else None
        raters = _rater_files(raw, name, info)
        described = features / f"{name}.csv" if features else None
        others = [path for path in (audio, described) if path is not None]
        missing |= layout.absent(others)
        missing |= {} if kept_back else layout.absent([*own.values(), *raters.values()])
        owners |= layout.owned(name, others, own) | layout.owned(name, [], raters)
        recordings.append(
            Recording(
                id=name,
                audio=audio,
                partition=partition,
                speaker=name if own_speakers else None,
                load_ratings=partial(_load_ratings, raw, name) if raw and raters and not kept_back else None,
                unit_range=info.unit_range,
                load_gold=None if kept_back else partial(_load_gold, labels, name, info.label_rate_hz),
                label_rate_hz=info.label_rate_hz,
                partly_rated=True,
                load_features=partial(read_features, described) if described else None,
            )
        )
    return layout.Survey(recordings, missing, owners=owners)


def read_features(path: Path) -> NDArray[np.float64]:
    """One file of `feature_segments`.

    Returns:
        (rows, size), a row a timestamp; NaN where a value is missing.

    Raises:
        CorpusError: the file is missing or malformed.
    """
    table = read_table(path, header=("timestamp",))
    columns = [name for name in table.columns if name.casefold() not in ("timestamp", "segment_id")]
    if not columns:
        raise CorpusError(f"{path}, line 1: no column beside timestamp and segment_id; {COPY_AGAIN}")
    return np.column_stack([table.numbers(column, missing=True) for column in columns])


def _rater_files(raw: Path | None, name: str, info: Info) -> dict[str, Path]:
    """The raters' files of every target, where there is that of any."""
    files = {target: raw / target / f"{name}.csv" for target in info.targets} if raw else {}
    return files if any(path.is_file() for path in files.values()) else {}


def _partitions(root: Path) -> dict[str, str]:
    """Id -> partition."""
    path = root / "metadata" / "partition.csv"
    if not path.is_file() and (root / "partition.csv").is_file():
        path = root / "partition.csv"
    table = read_table(path, header=("id", "partition"))
    found: dict[str, str] = {}
    for row, (name, partition) in enumerate(zip(table.text("id"), table.text("partition"), strict=True)):
        if not name or Path(name).name != name:
            raise table.fault(row, f"the id is {name!r}")
        if name in found:
            raise table.fault(row, f"{name} is listed before")
        if partition.casefold() not in _PARTITIONS:
            raise table.fault(row, f"the partition is {partition!r}, none of {', '.join(_PARTITIONS)}")
        found[name] = _PARTITIONS[partition.casefold()]
    return found


def _reject_unlisted(labels: Path, info: Info, partitions: dict[str, str]) -> None:
    for target in info.targets:
        where = layout.folder(labels, target)
        if unlisted := sorted(layout.files(where, r"[^.].*", (".csv",)).keys() - partitions.keys()):
            raise CorpusError(
                f"{where / unlisted[0]}.csv: partition.csv does not list {unlisted[0]}; list it or remove the file"
            )


def _without_values(path: Path) -> bool:
    """No file, or one that says of every row that its value is not given."""
    if not path.is_file():
        return True
    try:
        return bool(np.isnan(read_table(path, header=("value",)).numbers("value", missing=True)).all())
    except CorpusError:
        return False  # whoever asks for the labels is told


def _load_gold(labels: Path, name: str, rate_hz: float, target: str) -> Ratings:
    folder = layout.optional_folder(labels, target)
    if folder is None:
        there = ", ".join(sorted(path.name for path in labels.iterdir() if path.is_dir()))
        raise CorpusError(f"{labels}: no labels of {target!r}; choose one of: {there}")
    path = folder / f"{name}.csv"
    table = read_table(path, header=("timestamp", "value"))
    values = table.numbers("value", missing=True)
    if np.isnan(values).all():
        raise CorpusError(f"{path}: no row holds a value; labels of the test part are not distributed")
    time_s = _times_s(table)
    _check_rate(path, time_s, rate_hz)
    time_s, columns = _with_gaps(time_s, values[:, None], 1 / rate_hz)
    return Ratings(time_s, columns, ("gold standard",), target)


def _load_ratings(raw: Path, name: str, target: str) -> Ratings:
    path = raw / target / f"{name}.csv"
    table = read_table(path, header=("timestamp",))
    raters = [column for column in table.columns if column.casefold() not in ("timestamp", "segment_id")]
    if not raters:
        raise CorpusError(f"{path}, line 1: no column of a rater; {COPY_AGAIN}")
    values = np.column_stack([table.numbers(rater, missing=True) for rater in raters])
    if np.isnan(values).all():
        raise CorpusError(f"{path}: no row holds a value; {COPY_AGAIN}")
    time_s = _times_s(table)
    time_s, values = _with_gaps(time_s, values, _step(time_s))
    return Ratings(time_s, values, tuple(raters), target)


def _times_s(table: Table) -> NDArray[np.float64]:
    times = table.times("timestamp")
    return times / 1000 if _step(times) >= MILLISECONDS_FROM else times


def _step(times: NDArray[np.float64]) -> float:
    return float(np.median(np.diff(times))) if len(times) > 1 else np.inf


def _check_rate(path: Path, time_s: NDArray[np.float64], rate_hz: float) -> None:
    step_s = _step(time_s)
    if len(time_s) > 1 and abs(step_s * rate_hz - 1) > _STEP_TOLERANCE:
        raise CorpusError(
            f"{path}: a label every {step_s:g} s, but those of this corpus come every {1 / rate_hz:g} s; "
            "check that it is of this corpus"
        )


def _with_gaps(
    time_s: NDArray[np.float64], values: NDArray[np.float64], step_s: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """A row of NaN one step after every row that the next one does not follow: nothing is drawn between them."""
    after = np.flatnonzero(np.diff(time_s) > 1.5 * step_s) + 1
    return np.insert(time_s, after, time_s[after - 1] + step_s), np.insert(values, after, np.nan, axis=0)
