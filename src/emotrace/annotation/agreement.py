"""How far several raters agree, with the measures of Table 1 of the AVEC 2016 paper (Valstar et al. 2016).

Every function takes the ratings of one recording, or of several joined end to end: which one it was
belongs beside the number. NaN is a frame that a rater did not rate: measures of pairs take the frames that both of
a pair rated, measures of the whole panel the frames that all rated.
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
        rmse: mean over all pairs of raters who share two frames or more, in the unit of the ratings.
        ccc: mean over these pairs, population convention.
        pearson: mean over these pairs.
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
        values: (T, raters), T >= 2; NaN where not rated.

    Raises:
        TraceError: there are fewer than two raters or two frames, a value is infinite, or no two raters share two
            frames.
    """
    ratings = _comparable(values)
    return Agreement(
        rmse=_mean_of_pairs(_pairwise(metrics.rmse, ratings)),
        ccc=_mean_of_pairs(_pairwise(metrics.ccc_population, ratings)),
        pearson=_mean_of_pairs(_pairwise(metrics.pearson, ratings)),
        icc_2k=icc_2k(ratings),
        cronbach_alpha=cronbach_alpha(ratings),
    )


@dataclass(frozen=True)
class AgreementTable:
    """Both halves of AVEC 2016's Table 1.

    Attributes:
        raw: ratings as they were given.
        centred: every rater's mean over what they rated taken out, that of one recording: joined ones would be centred
            together. The common level that AVEC 2016 then adds to all (`fusion.centre_avec2016`) changes no measure.
    """

    raw: Agreement
    centred: Agreement


def agreement_table(values: ArrayLike) -> AgreementTable:
    """Agreement raw and centred; arguments and errors are those of `agreement`."""
    ratings = _comparable(values)
    rated = np.isfinite(ratings).any(axis=0)
    centred = ratings.copy()
    centred[:, rated] -= np.nanmean(ratings[:, rated], axis=0)
    return AgreementTable(agreement(ratings), agreement(centred))


def pairwise_ccc(values: ArrayLike) -> NDArray[np.float64]:
    """CCC of every rater with every other, population convention.

    Args:
        values: (T, raters).

    Returns:
        (raters, raters), symmetric; 1.0 on the diagonal, but 0.0 for a rater who never moved; NaN for two who share
        fewer than two frames.

    Raises:
        TraceError: see `agreement`.
    """
    return _pairwise(metrics.ccc_population, _comparable(values))


def mean_pairwise_ccc(values: ArrayLike) -> float:
    """Mean of `pairwise_ccc` over the R (R - 1) / 2 pairs of different raters, less those that are NaN."""
    return _mean_of_pairs(pairwise_ccc(values))


def icc_2k(values: ArrayLike) -> float:
    """ICC(2,k): absolute agreement of the mean of k raters, frames and raters both random.

    (MSR - MSE) / (MSR + (MSC - MSE) / T) of Shrout and Fleiss (1979), with MSR, MSC and MSE the mean squares
    between frames, between raters and of the rest. The consistency form ICC(3,k) is algebraically
    `cronbach_alpha`. Table 1 of AVEC 2016 does not say its form; the form for a single rater would be far
    below the figures printed there.

    Args:
        values: (T, raters); only the frames that everyone rated count.

    Returns:
        At most 1; 0.0 where the denominator is not positive; NaN where fewer than two frames were rated by all.

    Raises:
        TraceError: see `agreement`.
    """
    ratings = _rated_by_all(_comparable(values))
    frames, raters = ratings.shape
    if frames < 2:
        return float("nan")
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
        values: (T, raters); only the frames that everyone rated count.

    Returns:
        At most 1; 0.0 where the sum of the raters does not vary; NaN where fewer than two frames were rated by all.

    Raises:
        TraceError: see `agreement`.
    """
    ratings = _rated_by_all(_comparable(values))
    frames, raters = ratings.shape
    if frames < 2:
        return float("nan")
    # Measured from the first frame, a rater who never moved deviates by 0, not by what the mean rounds away.
    anchored = ratings - ratings[0]
    deviation = anchored - anchored.mean(axis=0)
    of_sum = np.sum(np.square(deviation.sum(axis=1)))
    return raters / (raters - 1) * _ratio(of_sum - np.sum(np.square(deviation)), of_sum)


def _pairwise(metric: Callable[..., float], ratings: NDArray[np.float64]) -> NDArray[np.float64]:
    raters = ratings.shape[1]
    rated = np.isfinite(ratings)
    scores = np.full((raters, raters), np.nan)
    for first in range(raters):
        for second in range(first, raters):
            both = rated[:, first] & rated[:, second]
            if np.count_nonzero(both) > 1:
                scores[first, second] = metric(ratings[:, first], ratings[:, second], both)
                scores[second, first] = scores[first, second]
    return scores


def _mean_of_pairs(scores: NDArray[np.float64]) -> float:
    pairs = scores[np.triu_indices_from(scores, k=1)]
    known = pairs[np.isfinite(pairs)]
    if not len(known):
        raise TraceError(
            "no two raters rated the same two frames, so nothing can be compared; give ratings that overlap"
        )
    return float(known.mean())


def _ratio(numerator: float, denominator: float) -> float:
    return float(numerator / denominator) if denominator > 0.0 else 0.0


def _rated_by_all(ratings: NDArray[np.float64]) -> NDArray[np.float64]:
    return ratings[np.isfinite(ratings).all(axis=1)]


def _comparable(values: ArrayLike) -> NDArray[np.float64]:
    ratings = np.asarray(values, dtype=np.float64)
    if ratings.ndim != 2 or min(ratings.shape) < 2:
        raise TraceError(f"agreement takes at least 2 frames of at least 2 raters, not shape {ratings.shape}")
    if np.isinf(ratings).any():
        raise TraceError("a rating is infinite; repair it, or make it NaN where there is no rating")
    return ratings
