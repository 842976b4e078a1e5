"""Praat (.TextGrid): a point tier a trace, a point at the start of every frame, its value as the mark.

Times are decimal seconds and come back within a microsecond, up to an hour. A frame that was not rated is a point
marked ``--undefined--``, Praat's own word for it.
"""

from collections.abc import Sequence

import numpy as np

from emotrace.annotation import Ratings
from emotrace.annotation.formats import PathLike, Tier, joined, library, load_by, named, number, save_by, tiers
from emotrace.errors import TraceError


def write(path: PathLike, ratings: Sequence[Ratings], *, force: bool = False) -> None:
    """Write one TextGrid in the long format.

    Raises:
        TraceError: a time is negative, or two are within a microsecond.
        EmotraceError: praatio is missing, the file exists and `force` is not given, or it cannot be written.
    """
    textgrid = library("praatio.textgrid")
    found = tiers(path, ratings)
    for _, _, time_s, _ in found:
        if time_s[0] < 0 or (len(time_s) > 1 and np.diff(time_s).min() < 1e-6):
            raise TraceError(f"{path}: Praat takes times from 0 on, a microsecond apart; resample the ratings")
    end_s = max(float(time_s[-1] + _step(time_s)) for _, _, time_s, _ in found)
    grid = textgrid.Textgrid(0.0, end_s)
    for target, rater, time_s, values in found:
        marks = ["--undefined--" if np.isnan(value) else repr(value) for value in values.tolist()]
        points = list(zip(time_s.tolist(), marks, strict=True))
        grid.addTier(textgrid.PointTier(f"{target}/{rater}", points, 0.0, end_s))
    save_by(lambda file: grid.save(file, "long_textgrid", includeBlankSpaces=False), path, force)


def read(path: PathLike) -> list[Ratings]:
    """Read the tiers of a TextGrid: points as they are, intervals by their start.

    Raises:
        TraceError: the file is missing or malformed, or a tier holds words.
        EmotraceError: praatio is missing.
    """
    textgrid = library("praatio.textgrid")
    grid = load_by(lambda file: textgrid.openTextgrid(file, includeEmptyIntervals=True), path, "a TextGrid")
    found: list[Tier] = []
    for tier in grid.tiers:
        if tier.entries:
            time_s = np.array([entry[0] for entry in tier.entries], dtype=np.float64)
            values = np.array([number(path, e[-1], f"tier {tier.name} at {e[0]:g} s") for e in tier.entries])
            found.append((*named(path, tier.name), time_s, values))
    return joined(path, found)


def _step(time_s: np.ndarray) -> float:
    return float(np.median(np.diff(time_s))) if len(time_s) > 1 else 0.04
