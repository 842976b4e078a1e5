"""Several raters' traces of one recording made into one gold standard."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from emotrace.annotation.agreement import pairwise_ccc
from emotrace.errors import TraceError


def mean(values: ArrayLike) -> NDArray[np.float64]:
    """Plain mean over raters.

    Args:
        values: (T, raters).

    Returns:
        (T,), in the unit of `values`.

    Raises:
        TraceError: the shape is another, there is nothing in it, or a value is not finite.
    """
    return _ratings(values).mean(axis=1)


def gold_standard_avec2016(values: ArrayLike) -> NDArray[np.float64]:
    """The gold standard of AVEC 2016 (Valstar et al. 2016): the mean of `centre_avec2016` over raters.

    Arguments, result and errors are those of `mean`.
    """
    return centre_avec2016(values).mean(axis=1)


def centre_avec2016(values: ArrayLike) -> NDArray[np.float64]:
    """Every rater's trace moved to a common level, as AVEC 2016 does before taking the mean.

    Each trace r becomes r - mean(r) + c, where c is the mean of the raters' means, weighted by
    `rater_weights_avec2016`. To be called once for each recording.

    Args:
        values: (T, raters), one recording.

    Returns:
        (T, raters), every column's mean the same.

    Raises:
        TraceError: see `mean`.
    """
    ratings = _ratings(values)
    levels = ratings.mean(axis=0)
    return ratings - levels + np.average(levels, weights=rater_weights_avec2016(ratings))


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
    np.fill_diagonal(scores, 0.0)
    weights = np.maximum(scores.sum(axis=1) / (raters - 1), 0.0)
    return weights if weights.any() else np.ones(raters)


def _ratings(values: ArrayLike) -> NDArray[np.float64]:
    ratings = np.asarray(values, dtype=np.float64)
    if ratings.ndim != 2 or ratings.size == 0:
        raise TraceError(f"ratings must have the shape (frames, raters), not {ratings.shape}")
    if not np.isfinite(ratings).all():
        raise TraceError("a rating is NaN or infinite; leave out such frames before fusing raters")
    return ratings
