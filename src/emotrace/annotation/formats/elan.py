"""ELAN (.eaf): a tier a trace, an annotation a frame, its value as text.

ELAN counts whole milliseconds, so frames of 40 ms are exact; other times are refused, not rounded. An annotation lasts
until the next frame, the last one as long as the one before it. A frame that was not rated is an annotation ``NaN``.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from emotrace.annotation import Ratings
from emotrace.annotation.formats import PathLike, Tier, joined, library, load_by, named, number, save_by, tiers
from emotrace.errors import TraceError

_MS = 1000
_LAST_MS = 40


def write(path: PathLike, ratings: Sequence[Ratings], *, force: bool = False) -> None:
    """Write one file for ELAN.

    Raises:
        TraceError: a time is not a whole millisecond, or negative.
        EmotraceError: pympi-ling is missing, the file exists and `force` is not given, or it cannot be written.
    """
    pympi = library("pympi")
    document = pympi.Elan.Eaf(author="emotrace")
    document.remove_tier("default")
    for target, rater, time_s, values in tiers(path, ratings):
        edges = _edges_ms(path, time_s)
        tier = f"{target}/{rater}"
        document.add_tier(tier, part=rater)
        for start, end, value in zip(edges[:-1].tolist(), edges[1:].tolist(), values.tolist(), strict=True):
            document.add_annotation(tier, start, end, "NaN" if np.isnan(value) else repr(value))
    save_by(lambda file: pympi.Elan.to_eaf(file, document), path, force)


def read(path: PathLike) -> list[Ratings]:
    """Read the tiers of an .eaf file that hold numbers; empty tiers are left out.

    Raises:
        TraceError: the file is missing or malformed, or a tier holds words.
        EmotraceError: pympi-ling is missing.
    """
    pympi = library("pympi")
    document = load_by(pympi.Elan.Eaf, path, "an ELAN file")
    found: list[Tier] = []
    for tier in document.get_tier_names():
        spans = load_by(partial(_spans, document, tier), path, "an ELAN file")
        if spans:
            time_s = np.array([span[0] for span in spans], dtype=np.float64) / _MS
            values = np.array([number(path, span[2] or "", f"tier {tier} at {span[0]} ms") for span in spans])
            found.append((*named(path, tier), time_s, values))
    return joined(path, found)


def _spans(document: Any, tier: str, path: str) -> list[tuple[Any, ...]]:
    return sorted(document.get_annotation_data_for_tier(tier))


def _edges_ms(path: PathLike, time_s: np.ndarray) -> np.ndarray:
    """(N + 1,) whole milliseconds: starts of the frames and the end of the last."""
    exact = time_s * _MS
    starts = np.round(exact).astype(np.int64)
    if np.abs(exact - starts).max() > 1e-6 or starts[0] < 0:
        raise TraceError(f"{path}: ELAN takes times of whole milliseconds from 0 on; resample the ratings to 25 Hz")
    return np.r_[starts, starts[-1] + (starts[-1] - starts[-2] if len(starts) > 1 else _LAST_MS)]
