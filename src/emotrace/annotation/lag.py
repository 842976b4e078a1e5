"""Raters answer some seconds after what they hear; traces are shifted to make up for it.

AVEC 2016 trains on gold standards shifted back, shifts predictions forward by as much, and scores them
against the gold standard as it was (Valstar et al. 2016).

How long a rater takes can be estimated, in seconds and finer than a frame: `between` by cross-correlation of two
traces, `among_raters` of every rater with the others, `to_driver` of every rater with what they reacted to. Raters
alone tell who is slower than whom. If all were a second slower, their traces would agree just as well: the part that
is common to all can only come from a driver or from prior knowledge, and `among_raters` leaves it at zero.
"""

import operator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import signal

from emotrace.annotation import fusion
from emotrace.errors import TraceError

MAX_LAG_S = 8.0
"""How far lags are searched by default; the grid of AVEC 2016's baseline ends here, too."""

LEAST_CORRELATION = 0.15
LEAST_CORRELATION_PER_S = 0.075
"""What a rater's correlation with the others must reach for a lag to be believed, and by how much for every second.

Traces are slow, so that some shift of eight seconds or less lets any two of them go together a little. Raters of one
recording differ by a second or so: who is found to be four seconds later than the others has to go with them well.
"""

_DROP = 0.05
_LEAST_OVERLAP = 0.5
_SWEEPS = 15
_SETTLED_FRAMES = 0.1
_STILL = 1e-9  # of a variance of one; below it stands only what the FFT rounds


def shift_back(trace: ArrayLike, lag_frames: int) -> NDArray[np.float64]:
    """The trace made earlier, its last value duplicated to fill the end.

    Args:
        trace: (T,) or (T, columns).
        lag_frames: how many frames earlier, >= 0; from T - 1 on, only the last value is left.

    Returns:
        The shape of `trace`.

    Raises:
        ValueError: the lag is negative or the trace is empty.
    """
    values, lag = _shiftable(trace, lag_frames)
    last = len(values) - 1
    return values[np.minimum(np.arange(len(values)) + lag, last)]


def shift_forward(trace: ArrayLike, lag_frames: int) -> NDArray[np.float64]:
    """The trace made later, its first value duplicated to fill the start.

    Arguments, result and errors are those of `shift_back`.
    """
    values, lag = _shiftable(trace, lag_frames)
    return values[np.maximum(np.arange(len(values)) - lag, 0)]


@dataclass(frozen=True)
class Lag:
    """Where the cross-correlation of two traces is largest.

    Attributes:
        lag_s: how much later the trace is than its reference; negative where it is earlier.
        correlation: Pearson correlation there; 0.0 where either trace never moves.
        half_width_s: how sharp the maximum is: the distance at which the correlation has fallen by 5 % of the maximum,
            mean over the sides where it does so within the range; infinite where it does on neither.
        at_edge: the largest correlation lies at an end of the range that was searched, or is not positive: then it is
            no maximum, and the lag is not known.
    """

    lag_s: float
    correlation: float
    half_width_s: float
    at_edge: bool

    @property
    def known(self) -> bool:
        """Whether there is a maximum, and correlation enough for so long a lag; of a rater among others."""
        least = max(LEAST_CORRELATION, LEAST_CORRELATION_PER_S * abs(self.lag_s))
        return not self.at_edge and self.correlation >= least


def between(
    reference: ArrayLike, trace: ArrayLike, rate_hz: float, range_s: tuple[float, float] = (-MAX_LAG_S, MAX_LAG_S)
) -> Lag:
    """How much later a trace is than a reference, finer than a frame.

    Pearson's correlation over the frames that both have, at every shift by whole frames; a parabola through the largest
    and its two neighbours gives the rest. Shifts that leave less than half of the shorter trace are not tried.

    Args:
        reference: (T,), NaN where unknown.
        trace: (T,), on the same frames, NaN where unknown.
        rate_hz: frames for each second.
        range_s: least and largest lag, in seconds.

    Raises:
        TraceError: the shapes differ, nothing moves together anywhere in the range, or the range holds no frame.
    """
    first, second = np.asarray(reference, np.float64), np.asarray(trace, np.float64)
    if first.ndim != 1 or first.shape != second.shape:
        raise TraceError(f"a lag takes two traces of one length, not the shapes {first.shape} and {second.shape}")
    lags = np.arange(np.ceil(range_s[0] * rate_hz - 1e-9), np.floor(range_s[1] * rate_hz + 1e-9) + 1).astype(int)
    scores = _cross_correlation(first, second, lags)
    if not np.isfinite(scores).any():
        raise TraceError(
            f"no shift from {range_s[0]:g} to {range_s[1]:g} s leaves half of the rated frames in common; "
            "give longer traces or search a smaller range"
        )
    return _maximum(scores, lags, rate_hz)


def shift(trace: ArrayLike, lag_s: float, rate_hz: float, *, hold_ends: bool = False) -> NDArray[np.float64]:
    """The trace made earlier by any number of seconds, linear between frames.

    Args:
        trace: (T,), NaN where unknown.
        lag_s: how much earlier; negative makes it later.
        rate_hz: frames for each second.
        hold_ends: fill the end that the shift leaves empty with the last value (or the start with the first), as
            AVEC 2016 does.

    Returns:
        (T,), NaN where the shifted trace has no frame, and beside frames that are unknown.
    """
    values = np.asarray(trace, dtype=np.float64)
    frames = len(values)
    at = np.arange(frames) + lag_s * rate_hz
    at = np.clip(at, 0, frames - 1) if hold_ends else at
    # A shift by whole frames must not touch its neighbours, one of which may be unknown.
    at = np.where(np.abs(at - np.round(at)) < 1e-6, np.round(at), at)
    inside = (at >= 0) & (at <= frames - 1)
    below = np.floor(np.where(inside, at, 0)).astype(int)
    part = np.where(inside, at - below, 0.0)
    low, high = values[below], values[np.minimum(below + 1, frames - 1)]
    shifted = np.where(part > 0, low * (1 - part) + high * part, low)
    return np.where(inside, shifted, np.nan)


def shift_raters(
    values: ArrayLike, lags_s: ArrayLike, rate_hz: float, *, hold_ends: bool = False
) -> NDArray[np.float64]:
    """`shift` of every rater by their own lag: (T, raters) and (raters,) to (T, raters)."""
    ratings = np.asarray(values, dtype=np.float64)
    each = np.broadcast_to(np.asarray(lags_s, dtype=np.float64), ratings.shape[1:])
    return np.column_stack(
        [shift(column, lag_s, rate_hz, hold_ends=hold_ends) for column, lag_s in zip(ratings.T, each, strict=True)]
    )


def among_raters(values: ArrayLike, rate_hz: float, max_lag_s: float = MAX_LAG_S) -> list[Lag]:
    """How much later every rater is than the panel, by the raters alone.

    Each rater is compared with the fusion of the others (`fusion.robust_weights`), all moved by the lags found so far,
    until no lag changes any more. The lags' mean, by the same weights, is set to zero: what all raters share cannot be
    known from them, and an outlier's lag, which may be anything, is not to move the others. Who has no maximum, or goes
    with the others too little for the lag found (`Lag.known`), is not moved and has no part in that mean.

    Args:
        values: (T, raters), NaN where not rated.
        rate_hz: frames for each second.
        max_lag_s: how far a rater may be from the panel, either way.

    Returns:
        One `Lag` a rater; all zero for a single rater, and zero and `at_edge` where a lag is not known.

    Raises:
        TraceError: a rater shares too few frames with the others; see also `fusion.mean`.
    """
    ratings = standardised(values)
    raters = ratings.shape[1]
    lags_s, found = np.zeros(raters), [Lag(0.0, 1.0, float("inf"), False)] * raters
    for _ in range(_SWEEPS if raters > 1 else 0):
        moved = shift_raters(ratings, lags_s, rate_hz)
        weights = fusion.robust_weights(moved).weights
        found = [_to_others(ratings, moved, weights, rater, rate_hz, max_lag_s) for rater in range(raters)]
        fresh = _around_their_mean(found, weights)
        settled = np.abs(fresh - lags_s).max() * rate_hz < _SETTLED_FRAMES
        lags_s = fresh
        if settled:
            break
    return [_moved(each, lag_s) for each, lag_s in zip(found, lags_s, strict=True)]


def to_driver(
    values: ArrayLike, driver: ArrayLike, rate_hz: float, range_s: tuple[float, float] = (0.0, MAX_LAG_S)
) -> list[Lag]:
    """How long every rater takes to follow what they react to.

    Args:
        values: (T, raters), NaN where not rated.
        driver: (T,), what the raters react to, such as the loudness of a recording (`activity`), in any unit. It has to
            go up where ratings go up.
        rate_hz: frames for each second, of both.
        range_s: least and largest lag; nobody reacts to what is still to come.

    Returns:
        One `Lag` a rater. Look at `correlation` and `at_edge` before believing it.

    Raises:
        TraceError: see `between`.
    """
    return [between(driver, rater, rate_hz, range_s) for rater in np.asarray(values, dtype=np.float64).T]


def standardised(values: ArrayLike) -> NDArray[np.float64]:
    """Every rater at mean 0 and SD 1, so that who uses the whole scale does not decide when all of them react.

    Args:
        values: (T, raters), NaN where not rated.

    Returns:
        (T, raters), 0.0 for a rater who never moved.
    """
    ratings = np.array(values, dtype=np.float64)
    for column in ratings.T:
        rated = np.isfinite(column)
        if rated.any():
            column[rated] -= column[rated].mean()
            spread = column[rated].std()
            column[rated] = column[rated] / spread if spread > 1e-12 else 0.0
    return ratings


def _cross_correlation(
    first: NDArray[np.float64], second: NDArray[np.float64], lags: NDArray[np.int_]
) -> NDArray[np.float64]:
    """Pearson's correlation of `first[t]` with `second[t + lag]`, NaN where too few frames are left."""
    one, two = standardised(np.column_stack([first, second])).T
    knows_one, knows_two = np.isfinite(one).astype(np.float64), np.isfinite(two).astype(np.float64)
    one, two = np.nan_to_num(one), np.nan_to_num(two)

    def summed(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
        # Entry T - 1 + lag is the sum over t of a[t] b[t + lag].
        every = signal.correlate(b, a, mode="full", method="fft")
        inside = np.abs(lags) < len(first)
        return np.where(inside, every[np.where(inside, len(first) - 1 + lags, 0)], 0.0)

    frames = np.round(summed(knows_one, knows_two))
    enough = frames >= max(2.0, _LEAST_OVERLAP * min(knows_one.sum(), knows_two.sum()))
    frames = np.maximum(frames, 1.0)
    mean_one, mean_two = summed(one, knows_two) / frames, summed(knows_one, two) / frames
    covariance = summed(one, two) / frames - mean_one * mean_two
    variance_one = summed(np.square(one), knows_two) / frames - np.square(mean_one)
    variance_two = summed(knows_one, np.square(two)) / frames - np.square(mean_two)
    moves = (variance_one > _STILL) & (variance_two > _STILL)
    norm = np.sqrt(np.where(moves, variance_one * variance_two, 1.0))
    return np.where(enough, np.where(moves, np.clip(covariance / norm, -1.0, 1.0), 0.0), np.nan)


def _maximum(scores: NDArray[np.float64], lags: NDArray[np.int_], rate_hz: float) -> Lag:
    best = int(np.nanargmax(scores))
    around = scores[max(best - 1, 0) : best + 2]
    inside = len(around) == 3 and bool(np.isfinite(around).all())
    part, peak = _parabola(around) if inside else (0.0, float(scores[best]))
    low = scores < peak - _DROP * abs(peak)
    left, right = np.flatnonzero(low[:best]), np.flatnonzero(low[best:])
    fell = [*(best - left[-1:]), *right[:1]]
    width = np.mean(fell) / rate_hz if fell else float("inf")
    return Lag(float((lags[best] + part) / rate_hz), peak, float(width), not inside or peak <= 0.0)


def _parabola(around: NDArray[np.float64]) -> tuple[float, float]:
    """Place and height of the top of the parabola through three neighbours, the middle one the largest."""
    before, middle, after = (float(score) for score in around)
    bend = before - 2 * middle + after
    if bend >= 0.0:
        return 0.0, middle
    part = 0.5 * (before - after) / bend
    return part, min(middle - 0.25 * (before - after) * part, 1.0)


def _to_others(
    ratings: NDArray[np.float64],
    moved: NDArray[np.float64],
    weights: NDArray[np.float64],
    rater: int,
    rate_hz: float,
    max_lag_s: float,
) -> Lag:
    others = np.delete(np.arange(ratings.shape[1]), rater)
    if not np.isfinite(ratings[:, rater]).any():
        return Lag(0.0, 0.0, float("inf"), True)
    own = weights[others] if weights[others].any() else np.ones(len(others))
    reference = fusion.weighted_mean(moved[:, others], own)
    return between(reference, ratings[:, rater], rate_hz, (-max_lag_s, max_lag_s))


def _around_their_mean(found: list[Lag], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """The lags that are known less their weighted mean; 0 for the others, who stay where they are."""
    known = np.array([each.known for each in found])
    lags_s = np.where(known, [each.lag_s for each in found], 0.0)
    if (own := known * weights).any():
        lags_s[known] -= np.average(lags_s, weights=own)
    return lags_s


def _moved(found: Lag, lag_s: float) -> Lag:
    return Lag(float(lag_s), found.correlation, found.half_width_s, not found.known)


def _shiftable(trace: ArrayLike, lag_frames: int) -> tuple[NDArray[np.float64], int]:
    values = np.asarray(trace, dtype=np.float64)
    if values.ndim == 0 or len(values) == 0:
        raise ValueError(f"trace must have at least one frame, not shape {values.shape}")
    if lag_frames < 0:
        raise ValueError(f"lag_frames must be 0 or more, not {lag_frames}; shift the other way instead")
    return values, min(operator.index(lag_frames), len(values))
