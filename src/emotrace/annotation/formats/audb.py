"""audformat: a database in a folder, one table of segments, a column a tier.

A segment begins with a frame and ends with the next. audformat keeps times as whole nanoseconds. A frame that was not
rated is a missing value.
"""

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from emotrace.annotation import Ratings
from emotrace.annotation.formats import PathLike, Tier, joined, library, load_by, named, tiers
from emotrace.errors import EmotraceError, TraceError

TABLE = "ratings"


def write(path: PathLike, ratings: Sequence[Ratings], *, force: bool = False, media: str = "recording.wav") -> None:
    """Write a database of one table.

    Args:
        path: the folder.
        ratings: all targets with the same times.
        force: replace a folder that is there.
        media: the sound file that was rated, as the table names it.

    Raises:
        TraceError: the targets have different times, or one is negative.
        EmotraceError: audformat is missing, the folder exists and `force` is not given, or it cannot be written.
    """
    audformat, pandas = library("audformat"), library("pandas")
    found = tiers(path, ratings)
    time_s = found[0][2]
    if time_s[0] < 0 or any(len(tier[2]) != len(time_s) or (tier[2] != time_s).any() for tier in found):
        raise TraceError(f"{path}: an audformat table takes the same times from 0 on for all targets; write them apart")
    if Path(path).exists() and not force:
        raise EmotraceError(f"{path}: exists already; choose another name or give --force")
    ends = np.r_[time_s[1:], time_s[-1] + (time_s[-1] - time_s[-2] if len(time_s) > 1 else 0.04)]
    starts_ends = [pandas.to_timedelta(np.round(edge * 1e9).astype(np.int64), unit="ns") for edge in (time_s, ends)]
    database = audformat.Database("ratings", description="Time-continuous ratings, a column a target and rater.")
    database.schemes["rating"] = audformat.Scheme(audformat.define.DataType.FLOAT)
    index = audformat.segmented_index([media] * len(time_s), *starts_ends)
    database[TABLE] = audformat.Table(index)
    for target, rater, _, values in found:
        column = f"{target}/{rater}"
        database[TABLE][column] = audformat.Column(scheme_id="rating")
        database[TABLE][column].set(values)
    _save(database, Path(path))


def read(path: PathLike) -> list[Ratings]:
    """Read the table ``ratings`` of one file's segments.

    Raises:
        TraceError: the folder is missing or no such database, or the table is of several files.
        EmotraceError: audformat is missing.
    """
    audformat = library("audformat")
    found: list[Tier] = load_by(lambda folder: _tiers_of(audformat.Database.load(folder), path), path, "audformat")
    return joined(path, found)


def _tiers_of(database: Any, path: PathLike) -> list[Tier]:
    frame = database[TABLE].get()
    if len(set(frame.index.get_level_values("file"))) > 1:
        raise TraceError(f"{path}: its table is of several recordings; export one at a time")
    time_s = frame.index.get_level_values("start").as_unit("ns").asi8 / 1e9
    return [(*named(path, str(name)), time_s, frame[name].to_numpy(np.float64, na_value=np.nan)) for name in frame]


def _save(database: Any, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".audformat-") as folder:
        whole = Path(folder) / "database"
        database.save(str(whole), storage_format="csv")
        if path.is_dir():
            shutil.rmtree(path)
        whole.replace(path)
