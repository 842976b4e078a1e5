"""Several raters' traces of one recording made into one gold standard.

NaN is a frame that a rater did not rate. Every method fuses, frame by frame, those who rated it; a frame that nobody
rated stays NaN. Where raters come and go, their different levels show as steps: centre them first.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from emotrace import metrics
from emotrace.annotation.agreement import pairwise_ccc
from emotrace.errors import TraceError

SPREAD_COLUMNS = ("sd", "standard_error", "effective_raters")
"""Of a gold standard's file, beside its time and value: what `Uncertainty` holds."""

_UNDOUBTED_Z = 2.0
_OUTLIER_Z = 3.5
_LEAST_SCALE = 0.2
_SWEEPS = 20


def mean(values: ArrayLike) -> NDArray[np.float64]:
    """Plain mean over raters.

    Args:
        values: (T, raters).

    Returns:
        (T,), in the unit of `values`.

    Raises:
        TraceError: the shape is another, there is nothing in it, nobody rated a frame, or a value is infinite.
    """
    ratings = _ratings(values)
    if np.isfinite(ratings).all():
        return ratings.mean(axis=1)
    return weighted_mean(ratings, np.ones(ratings.shape[1]))


def weighted_mean(values: ArrayLike, weights: ArrayLike) -> NDArray[np.float64]:
    """Mean over those who rated a frame, each with their weight.

    Args:
        values: (T, raters).
        weights: (raters,), none negative, at least one positive.

    Returns:
        (T,), in the unit of `values`; NaN where nobody of a positive weight rated.

    Raises:
        TraceError: see `mean`, or the weights are not as above.
    """
    ratings = _ratings(values)
    own = np.asarray(weights, dtype=np.float64)
    if own.shape != ratings.shape[1:] or not np.isfinite(own).all() or (own < 0).any() or not own.any():
        raise TraceError(f"weights are {own.tolist()}; give one of 0 or more to each of {ratings.shape[1]} raters")
    rated = np.isfinite(ratings)
    total = rated @ own
    with np.errstate(invalid="ignore"):
        return np.where(total > 0, np.where(rated, ratings, 0.0) @ own, np.nan) / total


def ewe(values: ArrayLike) -> NDArray[np.float64]:
    """The evaluator weighted estimator of Grimm and Kroschel (2005): `weighted_mean` by `rater_weights_ewe`.

    Arguments, result and errors are those of `mean`.
    """
    return weighted_mean(values, rater_weights_ewe(values))


def rater_weights_ewe(values: ArrayLike) -> NDArray[np.float64]:
    """Each rater's Pearson correlation with the plain mean over all raters, over the frames that they rated.

    The rater's own trace is in that mean, as in the paper. A negative correlation counts as 0, for the reason given
    in `rater_weights_avec2016`; if none is positive, or there is one rater, all weigh 1.

    Args:
        values: (T, raters).

    Returns:
        (raters,), none negative, at least one positive; not normalised.

    Raises:
        TraceError: see `mean`.
    """
    ratings = _ratings(values)
    if ratings.shape[1] == 1:
        return np.ones(1)
    return _positive(_correlations(ratings, np.repeat(mean(ratings)[:, None], ratings.shape[1], axis=1)))


@dataclass(frozen=True, eq=False)
class RobustWeights:
    """What `robust_weights` found.

    Attributes:
        weights: (raters,), none negative, summing to 1.
        agreement: (raters,), Pearson correlation of each with the weighted fusion of the others; 0.0 where undefined.
        outlier: bool (raters,).
    """

    weights: NDArray[np.float64]
    agreement: NDArray[np.float64]
    outlier: NDArray[np.bool_]


def robust_weights(values: ArrayLike) -> RobustWeights:
    """EWE's idea with every rater judged by the others alone, and with outliers left without a say.

    A rater's agreement is the correlation with the weighted mean of the others. In Fisher's z, where the sampling error
    of a correlation does not depend on its size, the distance below the median over raters is taken in units of the
    scaled median absolute deviation (Iglewicz and Hoaglin 1993), which is taken to be 0.2 at least. From 3.5 of them
    on, or if the agreement is not positive, a rater is an outlier. The weight is the agreement; it falls linearly from
    a distance of 2 on and is zero for outliers (the last part of Hampel's function). Both are iterated. Fewer than
    three raters all weigh the same, for there is no majority.

    Args:
        values: (T, raters), raters centred beforehand if their levels differ and they rated different frames.

    Raises:
        TraceError: see `mean`.
    """
    ratings = _ratings(values)
    raters = ratings.shape[1]
    weights = np.full(raters, 1.0 / raters)
    agreement = _correlations(ratings, _others(ratings, weights)) if raters > 1 else np.ones(1)
    if raters < 3:
        return RobustWeights(weights, agreement, np.zeros(raters, dtype=bool))
    for _ in range(_SWEEPS):
        fresh = _trusted(agreement)
        if not fresh.any():
            break
        fresh /= fresh.sum()
        settled = np.abs(fresh - weights).max() < 1e-9
        weights, agreement = fresh, _correlations(ratings, _others(ratings, fresh))
        if settled:
            break
    return RobustWeights(weights, agreement, (agreement <= 0.0) | (_distance_below(agreement) >= _OUTLIER_Z))


@dataclass(frozen=True, eq=False)
class Uncertainty:
    """How far raters are apart, frame by frame; NaN where fewer than two rated.

    Attributes:
        sd: (T,), weighted SD over raters, unbiased for reliability weights: what another rater would differ by.
        standard_error: (T,), `sd` over the root of `effective_raters`: what another panel's fusion differs by.
        effective_raters: (T,), Kish's (sum of weights)^2 / sum of squared weights, over those who rated.
    """

    sd: NDArray[np.float64]
    standard_error: NDArray[np.float64]
    effective_raters: NDArray[np.float64]


def uncertainty(values: ArrayLike, weights: ArrayLike) -> Uncertainty:
    """Spread of raters around `weighted_mean`, and the standard error of it.

    Raters count as independent of each other: what all of them share (a lag, an illusion) is not in these numbers.
    They hold frame by frame. Since ratings move slowly, a mean over a stretch of time is hardly surer than one frame:
    do not divide by the root of the number of frames.

    Args:
        values: (T, raters).
        weights: (raters,), see `weighted_mean`.

    Raises:
        TraceError: see `weighted_mean`.
    """
    ratings = _ratings(values)
    fused = weighted_mean(ratings, weights)
    own = np.where(np.isfinite(ratings), np.asarray(weights, dtype=np.float64), 0.0)
    deviation = np.where(own > 0, ratings - fused[:, None], 0.0)
    total, squares = own.sum(axis=1), np.square(own).sum(axis=1)
    enough = np.count_nonzero(own, axis=1) > 1
    with np.errstate(invalid="ignore", divide="ignore"):
        variance = (own * np.square(deviation)).sum(axis=1) / (total - squares / total)
        effective = np.where(total > 0, np.square(total) / squares, 0.0)
        sd = np.where(enough, np.sqrt(variance), np.nan)
        return Uncertainty(sd, sd / np.sqrt(effective), effective)


def gold_standard_avec2016(values: ArrayLike) -> NDArray[np.float64]:
    """The gold standard of AVEC 2016 (Valstar et al. 2016): the mean of `centre_avec2016` over raters.

    Arguments, result and errors are those of `mean`.
    """
    return mean(centre_avec2016(values))


def centre_avec2016(values: ArrayLike) -> NDArray[np.float64]:
    """Every rater's trace moved to a common level, as AVEC 2016 does before taking the mean.

    Each trace r becomes r - mean(r) + c, where c is the mean of the raters' means, weighted by
    `rater_weights_avec2016`. To be called once for each recording. Means are over the frames that a rater rated; who
    rated none has no part.

    Args:
        values: (T, raters), one recording.

    Returns:
        (T, raters), every column's mean the same; NaN where it was.

    Raises:
        TraceError: see `mean`.
    """
    ratings = _ratings(values)
    if np.isfinite(ratings).all():
        levels = ratings.mean(axis=0)
        return ratings - levels + np.average(levels, weights=rater_weights_avec2016(ratings))
    took_part = np.isfinite(ratings).any(axis=0)
    levels = np.nanmean(ratings[:, took_part], axis=0)
    weights = _positive(rater_weights_avec2016(ratings)[took_part])
    centred = ratings.copy()
    centred[:, took_part] += np.average(levels, weights=weights) - levels
    return centred


def rater_weights_avec2016(values: ArrayLike) -> NDArray[np.float64]:
    """Each rater's say in the common level: the mean of their CCC with every other rater.

    A negative mean counts as 0: with weights of both signs the weighted mean can land outside of all
    raters' means, and anywhere at all where the weights cancel. The paper does not name this case; where
    every rater agrees with the others on average, nothing changes. If nobody agrees with anybody, or
    there is one rater, all weigh 1.

    Args:
        values: (T, raters).

    Returns:
        (raters,), none negative, at least one positive; not normalised.

    Raises:
        TraceError: see `mean`.
    """
    ratings = _ratings(values)
    frames, raters = ratings.shape
    if raters == 1 or frames == 1:
        return np.ones(raters)
    scores = pairwise_ccc(ratings)
    # Two who share no frames say nothing of each other; who shares none with anybody has no weight.
    compared = np.maximum(np.isfinite(scores).sum(axis=1) - np.isfinite(scores.diagonal()), 1)
    np.fill_diagonal(scores, 0.0)
    return _positive(np.where(np.isfinite(scores), scores, 0.0).sum(axis=1) / compared)


def _positive(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    weights = np.maximum(weights, 0.0)
    return weights if weights.any() else np.ones(len(weights))


def _others(ratings: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """(T, raters): for each rater, the weighted mean of all the others."""
    own = np.where(np.isfinite(ratings), weights, 0.0)
    weighted = own * np.where(np.isfinite(ratings), ratings, 0.0)
    # Summed without the rater, not the sum less the rater: nothing of them may be left over from rounding.
    without = 1.0 - np.eye(len(weights))
    with np.errstate(invalid="ignore", divide="ignore"):
        return (weighted @ without) / (own @ without)


def _correlations(ratings: NDArray[np.float64], references: NDArray[np.float64]) -> NDArray[np.float64]:
    found = np.zeros(ratings.shape[1])
    for rater, (own, reference) in enumerate(zip(ratings.T, references.T, strict=True)):
        both = np.isfinite(own) & np.isfinite(reference)
        if np.count_nonzero(both) > 1:
            found[rater] = metrics.pearson(reference, own, both)
    return found


def _distance_below(agreement: NDArray[np.float64]) -> NDArray[np.float64]:
    fisher = np.arctanh(np.clip(agreement, -0.9999, 0.9999))
    middle = np.median(fisher)
    # Where all agree alike, any difference is many deviations of nearly nothing. But minutes of slow ratings are worth
    # about 30 independent ones, and the sampling error of Fisher's z is then 1 / sqrt(27).
    scale = max(1.4826 * float(np.median(np.abs(fisher - middle))), _LEAST_SCALE)
    return np.maximum(middle - fisher, 0.0) / scale


def _trusted(agreement: NDArray[np.float64]) -> NDArray[np.float64]:
    trust = (_OUTLIER_Z - _distance_below(agreement)) / (_OUTLIER_Z - _UNDOUBTED_Z)
    return np.maximum(agreement, 0.0) * np.clip(trust, 0.0, 1.0)


def _ratings(values: ArrayLike) -> NDArray[np.float64]:
    ratings = np.asarray(values, dtype=np.float64)
    if ratings.ndim != 2 or ratings.size == 0:
        raise TraceError(f"ratings must have the shape (frames, raters), not {ratings.shape}")
    if np.isinf(ratings).any():
        raise TraceError("a rating is infinite; repair it, or make it NaN where there is no rating")
    if not np.isfinite(ratings).any():
        raise TraceError("no frame is rated; give at least one rating")
    return ratings
