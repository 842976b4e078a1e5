"""Reaction times that change within a recording: raters aligned by a lag that moves slowly.

A rater follows a sudden change sooner than a creeping one, and is slower when tired. `local_lags` finds the course of a
lag over time; it is a dynamic time warping, held down in two ways that a free one is not: the lag is known only at
knots some seconds apart and moves linearly between them, and every change of it costs. So time never runs backwards
and a plateau is not stretched to fit noise.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import uniform_filter1d

from emotrace.annotation import fusion, lag

KNOT_S = 5.0
REACH_S = 1.5
STIFFNESS = 2.0
_SWEEPS = 3
_CANDIDATE_S = 0.1


def warp(trace: ArrayLike, lags_s: ArrayLike, rate_hz: float) -> NDArray[np.float64]:
    """The trace made earlier by a lag for every frame, linear between frames.

    Args:
        trace: (T,), NaN where unknown.
        lags_s: (T,), in seconds.
        rate_hz: frames for each second.

    Returns:
        (T,), NaN where the trace has no frame.
    """
    values = np.asarray(trace, dtype=np.float64)
    at = np.arange(len(values)) + np.asarray(lags_s, dtype=np.float64) * rate_hz
    return np.interp(at, np.arange(len(values)), values, left=np.nan, right=np.nan)


def local_lags(
    reference: ArrayLike, trace: ArrayLike, rate_hz: float, reach_s: float = REACH_S, stiffness: float = STIFFNESS
) -> NDArray[np.float64]:
    """How much later a trace is than its reference, frame by frame.

    Args:
        reference: (T,), NaN where unknown.
        trace: (T,), NaN where unknown, at the level and scale of `reference`; its constant lag taken out before.
        rate_hz: frames for each second.
        reach_s: the largest lag, either way.
        stiffness: cost of a lag that changes by one second in one second, for as long as it does, in squared units of
            the traces. Infinite: the lag is constant.

    Returns:
        (T,), in seconds, never changing by one second a second or more.
    """
    first, second = np.asarray(reference, np.float64), np.asarray(trace, np.float64)
    candidates_s = np.arange(-round(reach_s / _CANDIDATE_S), round(reach_s / _CANDIDATE_S) + 1) * _CANDIDATE_S
    knots = np.arange(0, len(first), max(1, round(KNOT_S * rate_hz)))
    costs = np.column_stack([_mismatch(first, lag.shift(second, c, rate_hz), rate_hz)[knots] for c in candidates_s])
    steps = (candidates_s[:, None] - candidates_s[None, :]) / KNOT_S
    change = np.where(np.abs(steps) < 1, stiffness * np.square(steps), np.inf)
    return np.interp(np.arange(len(first)), knots, candidates_s[_cheapest_path(costs, change)])


def align(values: ArrayLike, rate_hz: float, stiffness: float = STIFFNESS) -> NDArray[np.float64]:
    """The local lags of all raters, each against the fusion of the others.

    Args:
        values: (T, raters), moved by their constant lags before, at one level and scale, NaN where not rated.
        rate_hz: frames for each second.
        stiffness: see `local_lags`.

    Returns:
        (T, raters), in seconds; their mean over raters is zero at every frame, for what all have in common is not
        known from the raters.
    """
    ratings = np.asarray(values, dtype=np.float64)
    raters = ratings.shape[1]
    lags_s = np.zeros(ratings.shape)
    for _ in range(_SWEEPS if raters > 1 else 0):
        moved = np.column_stack([warp(column, own, rate_hz) for column, own in zip(ratings.T, lags_s.T, strict=True)])
        for rater in range(raters):
            others = fusion.mean(np.delete(moved, rater, axis=1))
            lags_s[:, rater] = local_lags(others, ratings[:, rater], rate_hz, stiffness=stiffness)
        lags_s -= lags_s.mean(axis=1, keepdims=True)
    return lags_s


def _mismatch(reference: NDArray[np.float64], trace: NDArray[np.float64], rate_hz: float) -> NDArray[np.float64]:
    """(T,) mean squared difference over the knot's own stretch; 0 where nothing is known."""
    both = np.isfinite(reference) & np.isfinite(trace)
    square = np.where(both, np.square(np.where(both, reference - trace, 0.0)), 0.0)
    window = max(1, round(KNOT_S * rate_hz))
    share = uniform_filter1d(both.astype(np.float64), window, mode="constant")
    total = uniform_filter1d(square, window, mode="constant")
    return np.where(share > 1e-9, total / np.maximum(share, 1e-9), 0.0)


def _cheapest_path(costs: NDArray[np.float64], change: NDArray[np.float64]) -> NDArray[np.int_]:
    """For (knots, candidates) costs and (from, to) costs of change, the candidate at every knot (Viterbi)."""
    # Of lags that cost the same, none: where nothing moves, all do.
    candidates = costs.shape[1]
    costs = costs + 1e-12 * np.abs(np.arange(candidates) - candidates // 2)
    best = costs[0]
    came_from = []
    for cost in costs[1:]:
        total = best[:, None] + change
        came_from.append(total.argmin(axis=0))
        best = total.min(axis=0) + cost
    path = [int(best.argmin())]
    for back in reversed(came_from):
        path.append(int(back[path[-1]]))
    return np.array(path[::-1])
