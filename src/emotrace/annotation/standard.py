"""One recording's ratings to its gold standard, by a method's name.

| method | levels | weights | lags |
|---|---|---|---|
| `mean` | as rated | equal | as given, else none |
| `avec2016` | common (Valstar et al. 2016) | equal | as given, else none |
| `ewe` | as rated | correlation with the mean (Grimm and Kroschel 2005) | as given, else none |
| `aligned` | common | correlation with the others, outliers out (`fusion.robust_weights`) | found among the raters |

None of them can know by how much all raters are late together: give `common_lag_s`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

from emotrace.annotation import Ratings, fusion, lag
from emotrace.annotation.agreement import AgreementTable
from emotrace.annotation.lag import Lag
from emotrace.errors import TraceError

METHODS = ("mean", "avec2016", "ewe", "aligned")

LEAST_ALPHA = 0.7
"""Cronbach's alpha, raters centred, below which a gold standard is hardly worth training on.

Nunnally's (1978) limit for measures in early research. The fused trace correlates with what the raters have in common
by the square root of alpha: at .7 the best of models is held to .84.
"""

SLIDER_STEPS = 100
"""Steps of a slider, where nothing else is known: how finely its ends are told apart by `opened`."""


@dataclass(frozen=True, eq=False)
class GoldStandard:
    """A fused trace, and what it was made of.

    Attributes:
        time_s: (T,), as in the ratings.
        values: (T,), in the unit of the ratings; NaN where nobody rated.
        spread: SD over raters and standard error of `values`, see `fusion.uncertainty`. On a scale that was opened, the
            SD of the opened ratings.
        raters: names.
        weights: (raters,), summing to 1.
        agreement: (raters,), Pearson correlation of each with the equally weighted others, lags taken out.
        outliers: names of those who move and do not go with the others, whatever the method made of them.
        still: names of those who gave one value throughout.
        lags_s: (raters,), what was taken out, the common part included.
        lags: what was found among the raters, or None where lags were given or not asked for.
        method: one of `METHODS`.
    """

    time_s: NDArray[np.float64]
    values: NDArray[np.float64]
    spread: fusion.Uncertainty
    raters: tuple[str, ...]
    weights: NDArray[np.float64]
    agreement: NDArray[np.float64]
    outliers: tuple[str, ...]
    still: tuple[str, ...]
    lags_s: NDArray[np.float64]
    lags: Sequence[Lag] | None
    method: str


def gold_standard(
    ratings: Ratings,
    method: str = "aligned",
    *,
    lags_s: ArrayLike | None = None,
    common_lag_s: float = 0.0,
    unit_range: tuple[float, float] | None = None,
) -> GoldStandard:
    """Fuse the raters of one recording.

    Ends that a shift leaves empty hold the last (or first) value, as in AVEC 2016.

    Args:
        ratings: on a regular grid.
        method: one of `METHODS`.
        lags_s: (raters,) or one number: how late they are. None: `aligned` finds them among the raters, the others
            take none.
        common_lag_s: how late all are together, added to the lags; what raters alone cannot tell.
        unit_range: lowest and highest value of the slider: fuse on the scale that `opened` makes of it.

    Raises:
        TraceError: there is no such method, the grid is not regular, a value lies outside of `unit_range`, or a lag
            cannot be found.
    """
    if method not in METHODS:
        raise TraceError(f"no method is called {method!r}; choose one of {', '.join(METHODS)}")
    rate_hz = rate_of(ratings)
    values = ratings.values if unit_range is None else opened(ratings.values, unit_range)
    found = lag.among_raters(values, rate_hz) if lags_s is None and method == "aligned" else None
    relative = np.array([each.lag_s for each in found]) if found else (0.0 if lags_s is None else lags_s)
    total = np.broadcast_to(np.asarray(relative, dtype=np.float64), (len(ratings.raters),)) + common_lag_s
    moved = lag.shift_raters(values, total, rate_hz, hold_ends=True)
    robust = fusion.robust_weights(fusion.centre_avec2016(moved))
    levelled = fusion.centre_avec2016(moved) if method in ("avec2016", "aligned") else moved
    weights = _weights(method, moved, robust)
    fused = fusion.gold_standard_avec2016(moved) if method == "avec2016" else fusion.weighted_mean(levelled, weights)
    fused = fusion.mean(moved) if method == "mean" else fused
    still = _never_move(ratings.values)
    return GoldStandard(
        time_s=ratings.time_s,
        values=fused if unit_range is None else np.clip(fused, *unit_range),
        spread=fusion.uncertainty(levelled, weights),
        raters=ratings.raters,
        weights=weights / weights.sum(),
        agreement=robust.agreement,
        outliers=tuple(np.array(ratings.raters)[robust.outlier & ~still].tolist()),
        still=tuple(np.array(ratings.raters)[still].tolist()),
        lags_s=total,
        lags=found,
        method=method,
    )


def opened(values: ArrayLike, unit_range: tuple[float, float], steps: int = SLIDER_STEPS) -> NDArray[np.float64]:
    """Ratings on a scale that does not end, at which raters can be averaged.

    A slider has ends: who has put it there cannot go further while others still do, and means of such ratings are
    drawn together near the ends and not in the middle. The inverse of the normal distribution's function (a probit)
    undoes that, half a step from the ends at most; a line then brings the ends back to where they were.

    Args:
        values: in `unit_range`; NaN stays.
        unit_range: lowest and highest value of the slider.
        steps: how many steps the slider has.

    Returns:
        The shape of `values`, in `unit_range`.

    Raises:
        TraceError: a value lies outside of `unit_range`.
    """
    low, high = unit_range
    ratings = np.asarray(values, dtype=np.float64)
    share = (ratings - low) / (high - low)
    if (share[np.isfinite(share)] < -1e-6).any() or (share[np.isfinite(share)] > 1 + 1e-6).any():
        raise TraceError(
            f"ratings go from {np.nanmin(ratings):g} to {np.nanmax(ratings):g}, the scale from {low:g} to {high:g}; "
            "give the ends that the slider had"
        )
    end = 0.5 / steps
    scaled = ndtri(np.clip(share, end, 1 - end)) / ndtri(1 - end)
    return low + (high - low) * (scaled + 1) / 2


def rate_of(ratings: Ratings) -> float:
    """Frames for each second.

    Raises:
        TraceError: there is one frame, or frames do not come at equal steps.
    """
    steps = np.diff(ratings.time_s)
    if not len(steps):
        raise TraceError(f"{ratings.target}: one frame alone has no rate; give ratings of two times or more")
    if np.abs(steps - steps.mean()).max() > 0.01 * steps.mean():
        raise TraceError(f"{ratings.target}: frames do not come at equal steps; resample the ratings first")
    return float(round(1.0 / steps.mean(), 6))


def too_low(table: AgreementTable) -> str | None:
    """Why the raters agree too little to train on their fusion, or None where they agree enough.

    Where fewer than two frames were rated by all, and there is no alpha of all, pairs are judged by theirs.
    """
    alpha, of_whom = table.centred.cronbach_alpha, "the centred raters"
    if np.isnan(alpha):
        alpha, of_whom = _alpha_of_pairs(table), "pairs of raters (no two frames were rated by all)"
    if alpha >= LEAST_ALPHA:
        return None
    return (
        f"Cronbach's alpha of {of_whom} is {alpha:.2f}, below {LEAST_ALPHA} (Nunnally 1978): their fusion is "
        "hardly worth training on; look at outliers and lags, or add raters"
    )


def _alpha_of_pairs(table: AgreementTable) -> float:
    """Alpha of two raters of one spread who correlate as pairs do in the mean (Spearman and Brown)."""
    correlation = table.centred.pearson
    return 2 * correlation / (1 + correlation) if correlation > 0 else 0.0


def _never_move(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """(raters,): who gave one value wherever they rated."""
    moves = np.nan_to_num(lag.standardised(values)).any(axis=0)
    return np.asarray(np.isfinite(values).any(axis=0) & ~moves)


def _weights(method: str, moved: NDArray[np.float64], robust: fusion.RobustWeights) -> NDArray[np.float64]:
    if method == "ewe":
        return fusion.rater_weights_ewe(moved)
    return robust.weights if method == "aligned" else np.ones(moved.shape[1])
