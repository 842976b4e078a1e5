"""Databases in audEERING's audformat: values over time, in tables of segments or of files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import soundfile

from emotrace.annotation import Ratings, fusion
from emotrace.corpora import PARTITIONS, Info, Recording
from emotrace.corpora.layout import Survey, absent
from emotrace.errors import CorpusError
from emotrace.trace import FRAME_S

if TYPE_CHECKING:
    import pandas  # type: ignore[import-not-found, import-untyped, unused-ignore]

INFO = Info(
    name="audformat",
    title="a database in audformat (db.yaml and its tables); any targets",
    citation="That of the database; audformat itself is by audEERING, audeering.github.io/audformat.",
    licence="That of the database; db.yaml states it.",
    access='Publish or load a database with audb or audformat; needs: pip install "emotrace[corpora]".',
    layout=(
        "db.yaml: schemes, raters, splits, tables\n"
        "db.TABLE.parquet or db.TABLE.csv: a table each; the sound files where the tables say, relative to the root"
    ),
    quirks=(
        "Targets are the schemes of dtype float that have both a minimum and a maximum, under the schemes' names; "
        "values are mapped from there onto [-1, 1]. A float scheme without the two is left out: its unit is not "
        "known.",
        "A column whose rater is of type human holds that rater's values; any other column a gold standard. A target "
        "that has only the one gets the other from it: raters are fused, and a gold standard is its own only rater.",
        "Segments that follow one another in equal steps, without gaps, are labels at that rate. Any others, and files "
        "rated as a whole, hold their value from start to end, at a label every 40 ms: what lies between is not rated, "
        "and of segments that overlap the later one counts.",
        "Partitions are those of a table's split_id: train, dev or test. A file in two of them is refused.",
        "The speaker is a file's value in any column of a scheme called speaker.",
        "Tables stored as .pkl are refused, since to read them is to run whatever code they hold: save the database "
        "again as parquet or csv.",
        "A database without any sound on disk makes recordings without audio; where some is, all of it should be.",
    ),
    label_rate_hz=25.0,
    unit_range=(-1.0, 1.0),
    targets=("arousal", "valence"),
)

HEADER_FILE = "db.yaml"

_STEP_TOLERANCE = 0.01
_HUMAN = "human"
_GOLD = "gold standard"
_LONGEST_S = 24 * 3600.0
_SPEAKER = "speaker"


@dataclass(frozen=True)
class _Track:
    """One column's values for one file."""

    rater: str | None
    start_s: np.ndarray
    end_s: np.ndarray
    values: np.ndarray

    def step_s(self) -> float | None:
        """The time from one segment to the next; None where steps differ, or segments do not follow one another."""
        if len(self.start_s) < 2:
            return None
        step_s = float(self.start_s[-1] - self.start_s[0]) / (len(self.start_s) - 1)
        beside_s = np.abs([np.diff(self.start_s) - step_s, self.end_s[:-1] - self.start_s[1:]])
        return step_s if step_s > 0 and beside_s.max() <= _STEP_TOLERANCE * step_s else None

    def at(self, time_s: np.ndarray) -> np.ndarray:
        """The values of the segments that the times lie in, NaN beside them."""
        values = np.full(len(time_s), np.nan)
        for start_s, end_s, value in zip(self.start_s, self.end_s, self.values, strict=True):
            values[(time_s >= start_s - 1e-6) & (time_s < end_s - 1e-6)] = value
        return values


def load(root: Path) -> list[Recording]:
    """The files that any target has values for, sorted by name.

    Args:
        root: the folder that holds `db.yaml`.

    Raises:
        CorpusError: audformat is not installed, the database is malformed or pickled, has no target, or puts a file
            into two partitions.
    """
    return survey(root).complete()


def survey(root: Path) -> Survey:
    """The files that any target has values for in those tables that can be read.

    Raises:
        CorpusError: audformat is not installed, the header is malformed or a table pickled, no target has values, or a
            file is in two partitions.
    """
    root = Path(root)
    database = _database(root)
    targets = _targets(root, database)
    tables, missing, faults = _tables(root, database)
    tracks = _tracks(root, database, tables, targets, faults)
    if not tracks:
        Survey([], missing, faults).complete()
        raise CorpusError(f"{root / HEADER_FILE}: no table has a column of {', '.join(targets)}; add the ratings")
    partitions = _partitions(root, database, tables)
    speakers = _speakers(tables)
    sounds = {file: root / file for file in tracks}
    has_sound = any(path.is_file() for path in sounds.values())
    recordings = [
        _recording(root, file, has_sound, by_target, partitions.get(file), speakers.get(file))
        for file, by_target in sorted(tracks.items())
    ]
    return Survey(recordings, missing | (absent(sounds.values()) if has_sound else {}), faults)


def _database(root: Path) -> Any:
    header = root / HEADER_FILE
    if not header.is_file():
        raise CorpusError(f"{header}: no such file; give the folder of a database in audformat")
    if pickled := sorted(root.glob("db.*.pkl")):
        raise CorpusError(
            f"{pickled[0]}: a pickled table is not read; save the database as parquet or csv, without .pkl"
        )
    try:
        import audformat
        import yaml
    except ImportError:
        raise CorpusError(f'{header}: audformat is needed to read it; run: pip install "emotrace[corpora]"') from None
    try:
        # audformat reads its header with a loader that runs code; one that the safe loader takes holds none.
        yaml.safe_load(header.read_text(encoding="utf-8"))
        return audformat.Database.load(str(root), load_data=False)
    except Exception as error:  # audformat raises whatever pandas, PyArrow and PyYAML do
        reason = " ".join(str(error).split())
        raise CorpusError(f"{header}: audformat cannot read this database ({reason}); save it again") from None


def _tables(root: Path, database: Any) -> tuple[dict[str, Any], dict[Path, str], list[str]]:
    """The tables of segments or files that can be read, the files of those that are missing, and what else is wrong."""
    tables: dict[str, Any] = {}
    missing: dict[Path, str] = {}
    faults: list[str] = []
    ending = "parquet" if any(root.glob("db.*.parquet")) else "csv"
    # Tables without files hold the labels of schemes and have to be there before the others are.
    for table_id in (*database.misc_tables, *database.tables):
        path = root / f"db.{table_id}"
        stored = [file for file in (Path(f"{path}.parquet"), Path(f"{path}.csv")) if file.is_file()]
        if not stored:
            missing |= absent([Path(f"{path}.{ending}")])
            continue
        try:
            database[table_id].load(str(path))
        except Exception as error:  # audformat raises whatever pandas and PyArrow do
            reason = " ".join(str(error).split())
            faults.append(f"{stored[0]}: audformat cannot read this table ({reason}); save it again")
            continue
        if table_id in database.tables:
            tables[table_id] = database[table_id]
    return tables, missing, faults


def _targets(root: Path, database: Any) -> dict[str, tuple[float, float]]:
    """Scheme -> its lowest and highest value."""
    limits = {
        name: (float(scheme.minimum), float(scheme.maximum))
        for name, scheme in database.schemes.items()
        if scheme.dtype == "float" and scheme.minimum is not None and scheme.maximum is not None
    }
    found = {name: (low, high) for name, (low, high) in limits.items() if low < high}
    if not found:
        raise CorpusError(
            f"{root / HEADER_FILE}: no float scheme has a minimum and a maximum; state those of the ratings"
        )
    return found


def _tracks(
    root: Path,
    database: Any,
    tables: Mapping[str, Any],
    targets: Mapping[str, tuple[float, float]],
    faults: list[str],
) -> dict[str, dict[str, list[_Track]]]:
    """File -> target -> the tracks of all columns of all tables, mapped onto [-1, 1]; those with faults left out."""
    found: dict[str, dict[str, list[_Track]]] = {}
    for table_id, table in tables.items():
        for column_id, column in table.columns.items():
            if column.scheme_id not in targets:
                continue
            rater = database.raters[column.rater_id] if column.rater_id is not None else None
            name = column.rater_id if rater is not None and rater.type == _HUMAN else None
            what = f"{root / HEADER_FILE}: table {table_id}, column {column_id}"
            try:
                mapped = _mapped(table.df[column_id], targets[column.scheme_id], what)
                own = list(_by_file(mapped, name, what))
            except CorpusError as error:
                faults.append(str(error))
                continue
            for file, track in own:
                found.setdefault(file, {}).setdefault(column.scheme_id, []).append(track)
    return found


def _mapped(series: pandas.Series, limits: tuple[float, float], what: str) -> pandas.Series:
    low, high = limits
    outside = series[(series < low) | (series > high)]
    if len(outside):
        raise CorpusError(
            f"{what}: {outside.iloc[0]:g} is outside of the scheme's [{low:g}, {high:g}]; correct one of the two"
        )
    return (2.0 * series - (low + high)) / (high - low)


def _by_file(series: pandas.Series, rater: str | None, what: str) -> Iterator[tuple[str, _Track]]:
    for file, part in series.groupby(level="file", sort=False):
        values = part.to_numpy(dtype=np.float64)
        if "start" not in series.index.names:
            yield str(file), _Track(rater, np.zeros(1), np.full(1, np.nan), values[:1])
            continue
        start_s = part.index.get_level_values("start").total_seconds().to_numpy()
        end_s = part.index.get_level_values("end").total_seconds().to_numpy()
        if np.isnan(start_s).any():
            raise CorpusError(f"{what}: a segment of {file} has no start; correct the table")
        order = np.argsort(start_s, kind="stable")
        yield str(file), _Track(rater, start_s[order], end_s[order], values[order])


def _partitions(root: Path, database: Any, tables: Mapping[str, Any]) -> dict[str, str]:
    found: dict[str, str] = {}
    for table_id, table in tables.items():
        kind = database.splits[table.split_id].type if table.split_id is not None else None
        if kind not in PARTITIONS:
            continue
        for file in map(str, table.files):
            if found.setdefault(file, kind) != kind:
                raise CorpusError(
                    f"{root / HEADER_FILE}: table {table_id} puts {file} into {kind}, another into {found[file]}; "
                    "correct the splits"
                )
    return found


def _speakers(tables: Mapping[str, Any]) -> dict[str, str]:
    found: dict[str, str] = {}
    for table in tables.values():
        for column_id, column in table.columns.items():
            if column.scheme_id == _SPEAKER:
                named = table.df[column_id].dropna()
                found |= {str(f): str(s) for f, s in zip(named.index.get_level_values("file"), named, strict=True)}
    return found


def _recording(
    root: Path,
    file: str,
    has_sound: bool,
    tracks: dict[str, list[_Track]],
    partition: str | None,
    speaker: str | None,
) -> Recording:
    raters = {t: chosen for t, own in tracks.items() if (chosen := [track for track in own if track.rater])}
    gold = {t: chosen for t, own in tracks.items() if (chosen := [track for track in own if not track.rater])}
    step_s = _common_step_s([track for own in tracks.values() for track in own])
    return Recording(
        id=file,
        audio=root / file if has_sound else None,
        partition=partition,
        speaker=speaker,
        load_ratings=partial(_load, root / file, {**gold, **raters}, step_s) if raters else None,
        unit_range=INFO.unit_range,
        load_gold=partial(_load_gold, root / file, gold, raters, step_s) if gold else None,
        label_rate_hz=round(1.0 / (step_s or FRAME_S), 6),
        partly_rated=True,
        targets=tuple(sorted(tracks)),
    )


def _common_step_s(tracks: Sequence[_Track]) -> float | None:
    steps_s = [step_s for track in tracks if (step_s := track.step_s()) is not None]
    if len(steps_s) < len(tracks) or max(steps_s) - min(steps_s) > _STEP_TOLERANCE * max(steps_s):
        return None
    return float(np.median(steps_s))


def _load_gold(
    path: Path,
    gold: Mapping[str, list[_Track]],
    raters: Mapping[str, list[_Track]],
    step_s: float | None,
    target: str,
) -> Ratings:
    ratings = _load(path, {**raters, **gold}, step_s, target)
    if target in gold:
        return ratings
    fused = np.clip(fusion.gold_standard_avec2016(ratings.values), -1.0, 1.0)
    return Ratings(ratings.time_s, fused[:, None], (_GOLD,), target)


def _load(path: Path, tracks: Mapping[str, list[_Track]], step_s: float | None, target: str) -> Ratings:
    if target not in tracks:
        raise CorpusError(f"{path}: no {target}; the database has {', '.join(tracks)} of it")
    own = tracks[target]
    names = [track.rater or _GOLD for track in own]
    if len(set(names)) < len(names):
        raise CorpusError(f"{path}: two columns hold {target} of the same rater; keep one of them")
    time_s, values = _steady(own, step_s) if step_s else _held(path, [_ended(path, track) for track in own])
    return Ratings(time_s, values, tuple(names), target)


def _steady(tracks: Sequence[_Track], step_s: float) -> tuple[np.ndarray, np.ndarray]:
    """Times and values of segments that come in equal steps: a row a step."""
    first_s = min(track.start_s[0] for track in tracks)
    rows = [np.rint((track.start_s - first_s) / step_s).astype(int) for track in tracks]
    values = np.full((max(each[-1] for each in rows) + 1, len(tracks)), np.nan)
    for column, track in enumerate(tracks):
        values[rows[column], column] = track.values
    return first_s + np.arange(len(values)) * step_s, values


def _held(path: Path, tracks: Sequence[_Track]) -> tuple[np.ndarray, np.ndarray]:
    """Times and values of other segments: a row every 40 ms, from 0 to the last segment's end."""
    end_s = max(track.end_s.max() for track in tracks)
    if end_s > _LONGEST_S:
        raise CorpusError(f"{path}: a segment ends at {end_s:g} s, after more than a day; correct its times")
    rows = max(1, int(end_s / FRAME_S + 1e-6))
    time_s = np.arange(rows) * FRAME_S
    return time_s, np.column_stack([track.at(time_s) for track in tracks])


def _ended(path: Path, track: _Track) -> _Track:
    """The track with the end of the sound where its segments name no end."""
    if not np.isnan(track.end_s).any():
        return track
    try:
        duration_s = soundfile.info(path).duration
    except (soundfile.SoundFileError, OSError):
        raise CorpusError(f"{path}: its length is needed, for its ratings state no end; add the sound file") from None
    return _Track(track.rater, track.start_s, np.where(np.isnan(track.end_s), duration_s, track.end_s), track.values)
