"""Traces as sliders log them, irregular and with gaps, onto a regular grid."""

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from emotrace.errors import TraceError

How = Literal["auto", "hold", "linear"]

MAX_GAP_S = 1.0
"""Up to how long a gap is filled by default."""

MILLISECONDS_FROM = 5.0
"""From which median step on times without a unit are milliseconds.

In seconds, a steady rate would be less than one rating in five seconds; below, in milliseconds, more than 200 a second.
"""

_ON_GRID_S = 1e-6
_MOST_FRAMES = 10_000_000


def grid(start_s: float, end_s: float, rate_hz: float) -> NDArray[np.float64]:
    """The multiples of 1 / `rate_hz` from `start_s` to `end_s`, both included where they are such.

    Raises:
        TraceError: the rate is not positive, no frame lies in between, or there are more than ten million.
    """
    if not (np.isfinite(rate_hz) and rate_hz > 0):
        raise TraceError(f"a rate of {rate_hz:g} Hz is not possible; give a positive one, such as 25")
    first, last = np.ceil((start_s - _ON_GRID_S) * rate_hz), np.floor((end_s + _ON_GRID_S) * rate_hz)
    if last < first:
        raise TraceError(f"no frame at {rate_hz:g} Hz lies between {start_s:g} and {end_s:g} s; give a higher rate")
    if last - first >= _MOST_FRAMES or max(abs(first), abs(last)) > _MOST_FRAMES * 100:
        raise TraceError(
            f"times go from {start_s:g} to {end_s:g} s, too much at {rate_hz:g} Hz; check that they are seconds"
        )
    return np.arange(first, last + 1) / rate_hz + 0.0


def is_regular(time_s: ArrayLike) -> bool:
    """Whether samples come at equal steps, a hundredth of a step aside; gaps of whole steps are allowed."""
    steps = np.diff(np.asarray(time_s, dtype=np.float64))
    if not len(steps):
        return True
    in_steps = steps / np.median(steps)
    return bool((np.abs(in_steps - np.round(in_steps)) < 0.01).all() and (in_steps > 0.5).all())


def own_step_s(time_s: ArrayLike) -> float:
    """The step of samples at a steady rate, for which the last of them holds as well; 0 where there is no such rate.

    Two samples are one step, and say nothing of a rate.
    """
    at = np.asarray(time_s, dtype=np.float64)
    return float(np.median(np.diff(at))) if len(at) > 2 and is_regular(at) else 0.0


def onto_grid(
    time_s: ArrayLike, values: ArrayLike, grid_s: ArrayLike, how: How = "auto", max_gap_s: float = MAX_GAP_S
) -> NDArray[np.float64]:
    """The values of one trace at the times of a grid.

    ``hold``: the last value before, or at, a time. A slider that logs when it is moved stands still in between, however
    long; after the very last entry it is believed for `max_gap_s`, or its own step (`own_step_s`). ``linear``: between
    neighbours no more than `max_gap_s` apart; this is for samples taken at a steady rate. ``auto``: linear where there
    is such a rate (`own_step_s`), else hold. Nothing is said before the first entry.

    Args:
        time_s: (N,), strictly increasing.
        values: (N,), NaN for "not rated from here on".
        grid_s: (T,), increasing.
        how: see above.
        max_gap_s: the longest gap that is bridged, in seconds. Steps of the trace's own are no gaps.

    Returns:
        (T,), NaN where nothing is known.
    """
    at, given, wanted = (np.asarray(array, dtype=np.float64) for array in (time_s, values, grid_s))
    linear = own_step_s(at) > 0.0 if how == "auto" else how == "linear"
    before = np.searchsorted(at, wanted + _ON_GRID_S, side="right") - 1
    last = np.clip(before, 0, len(at) - 1)
    found = _linear(at, given, wanted, last, max_gap_s) if linear else given[last].copy()
    median_s = float(np.median(np.diff(at))) if len(at) > 1 else 0.0
    believed_s = median_s if linear else max(max_gap_s, own_step_s(at))
    found[(before < 0) | (wanted > at[-1] + believed_s + _ON_GRID_S)] = np.nan
    return found


def fill_gaps(values: ArrayLike, rate_hz: float, max_gap_s: float = MAX_GAP_S) -> NDArray[np.float64]:
    """Straight lines over frames that are not rated, where a gap is no longer than `max_gap_s`.

    Args:
        values: (T,) or (T, raters); each column on its own. Ends are never filled.
        rate_hz: frames for each second.
        max_gap_s: the longest gap that is filled, in seconds.
    """
    table = np.array(values, dtype=np.float64)
    for column in table.reshape(len(table), -1).T:
        rated = np.flatnonzero(np.isfinite(column))
        missing = np.diff(rated) - 1
        for gap in np.flatnonzero((missing > 0) & (missing <= max_gap_s * rate_hz + _ON_GRID_S)):
            left, right = rated[gap], rated[gap + 1]
            column[left : right + 1] = np.linspace(column[left], column[right], right - left + 1)
    return table


def _linear(
    at: NDArray[np.float64],
    given: NDArray[np.float64],
    wanted: NDArray[np.float64],
    last: NDArray[np.int_],
    max_gap_s: float,
) -> NDArray[np.float64]:
    following = np.minimum(last + 1, len(at) - 1)
    step = at[following] - at[last]
    median_s = float(np.median(np.diff(at))) if len(at) > 1 else 0.0
    with np.errstate(invalid="ignore", divide="ignore"):
        part = np.where(step > 0, (wanted - at[last]) / step, 0.0)
    on_sample = np.abs(wanted - at[last]) <= _ON_GRID_S
    on_next = np.abs(at[following] - wanted) <= _ON_GRID_S
    blend = given[last] * (1 - part) + given[following] * part
    bridged = np.where(step <= max(max_gap_s, 1.5 * median_s), blend, np.nan)
    return np.where(on_sample | (last == following), given[last], np.where(on_next, given[following], bridged))
