"""How far several raters agree, with the measures of Table 1 of the AVEC 2016 paper (Valstar et al. 2016).

Every function takes the ratings of one recording, or of several joined end to end: which one it was
belongs beside the number.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from emotrace import metrics
from emotrace.errors import TraceError


@dataclass(frozen=True)
class Agreement:
    """The columns of AVEC 2016's Table 1.

    Attributes:
        rmse: mean over all pairs of raters, in the unit of the ratings.
        ccc: mean over all pairs, population convention.
        pearson: mean over all pairs.
        icc_2k: intraclass correlation ICC(2,k), see `icc_2k`.
        cronbach_alpha: see `cronbach_alpha`.
    """

    rmse: float
    ccc: float
    pearson: float
    icc_2k: float
    cronbach_alpha: float


def agreement(values: ArrayLike) -> Agreement:
    """Agreement among raters by all the measures at once.

    Args:
        values: (T, raters), T >= 2.

    Raises:
        TraceError: there are fewer than two raters or two frames, or a value is not finite.
    """
    ratings = _comparable(values)
    return Agreement(
        rmse=_mean_of_pairs(_pairwise(metrics.rmse, ratings)),
        ccc=_mean_of_pairs(_pairwise(metrics.ccc_population, ratings)),
        pearson=_mean_of_pairs(_pairwise(metrics.pearson, ratings)),
        icc_2k=icc_2k(ratings),
        cronbach_alpha=cronbach_alpha(ratings),
    )


def pairwise_ccc(values: ArrayLike) -> NDArray[np.float64]:
    """CCC of every rater with every other, population convention.

    Args:
        values: (T, raters).

    Returns:
        (raters, raters), symmetric; 1.0 on the diagonal, but 0.0 for a rater who never moved.

    Raises:
        TraceError: see `agreement`.
    """
    return _pairwise(metrics.ccc_population, _comparable(values))


def mean_pairwise_ccc(values: ArrayLike) -> float:
    """Mean of `pairwise_ccc` over the R (R - 1) / 2 pairs of different raters."""
    return _mean_of_pairs(pairwise_ccc(values))


def icc_2k(values: ArrayLike) -> float:
    """ICC(2,k): absolute agreement of the mean of k raters, frames and raters both random.

    (MSR - MSE) / (MSR + (MSC - MSE) / T) of Shrout and Fleiss (1979), with MSR, MSC and MSE the mean squares
    between frames, between raters and of the rest. The consistency form ICC(3,k) is algebraically
    `cronbach_alpha`. Table 1 of AVEC 2016 does not say its form; the form for a single rater would be far
    below the figures printed there.

    Args:
        values: (T, raters).

    Returns:
        At most 1; 0.0 where the denominator is not positive.

    Raises:
        TraceError: see `agreement`.
    """
    ratings = _comparable(values)
    frames, raters = ratings.shape
    anchored = ratings - ratings[0, 0]
    centred = anchored - anchored.mean()
    of_frames, of_raters = centred.mean(axis=1, keepdims=True), centred.mean(axis=0, keepdims=True)
    between_frames = raters * np.sum(np.square(of_frames)) / (frames - 1)
    between_raters = frames * np.sum(np.square(of_raters)) / (raters - 1)
    rest = np.sum(np.square(centred - of_frames - of_raters)) / ((frames - 1) * (raters - 1))
    return _ratio(between_frames - rest, between_frames + (between_raters - rest) / frames)


def cronbach_alpha(values: ArrayLike) -> float:
    """Cronbach's alpha, k / (k - 1) * (1 - sum of the raters' variances / variance of the raters' sum).

    Args:
        values: (T, raters).

    Returns:
        At most 1; 0.0 where the sum of the raters does not vary.

    Raises:
        TraceError: see `agreement`.
    """
    ratings = _comparable(values)
    raters = ratings.shape[1]
    # Measured from the first frame, a rater who never moved deviates by 0, not by what the mean rounds away.
    anchored = ratings - ratings[0]
    deviation = anchored - anchored.mean(axis=0)
    of_sum = np.sum(np.square(deviation.sum(axis=1)))
    return raters / (raters - 1) * _ratio(of_sum - np.sum(np.square(deviation)), of_sum)


def _pairwise(metric: Callable[[ArrayLike, ArrayLike], float], ratings: NDArray[np.float64]) -> NDArray[np.float64]:
    raters = ratings.shape[1]
    scores = np.empty((raters, raters))
    for first in range(raters):
        for second in range(first, raters):
            scores[first, second] = metric(ratings[:, first], ratings[:, second])
            scores[second, first] = scores[first, second]
    return scores


def _mean_of_pairs(scores: NDArray[np.float64]) -> float:
    return float(scores[np.triu_indices_from(scores, k=1)].mean())


def _ratio(numerator: float, denominator: float) -> float:
    return float(numerator / denominator) if denominator > 0.0 else 0.0


def _comparable(values: ArrayLike) -> NDArray[np.float64]:
    ratings = np.asarray(values, dtype=np.float64)
    if ratings.ndim != 2 or min(ratings.shape) < 2:
        raise TraceError(f"agreement takes at least 2 frames of at least 2 raters, not shape {ratings.shape}")
    if not np.isfinite(ratings).all():
        raise TraceError("a rating is NaN or infinite; leave out such frames before comparing raters")
    return ratings
