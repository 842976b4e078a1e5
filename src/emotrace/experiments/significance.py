"""Whether two systems differ, recordings being the unit: frames of one recording are not independent of each other.

The statistic is the mean over recordings of the difference of their CCCs. Were both systems as good, each difference
could as well have the other sign: the p-value is the share of all 2^n sign patterns whose mean is at least as far from
zero (Fisher's randomisation test; Dror et al. 2018 recommend it for scores without a known distribution). Recordings of
one speaker count as independent, which makes p-values small where a corpus has several of each.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

EXACT_UP_TO = 16
DRAWS = 100_000


def sign_flip(differences: ArrayLike, seed: int = 0) -> float:
    """Two-sided p-value of differences that are zero on average.

    All sign patterns of up to `EXACT_UP_TO` differences, `DRAWS` random ones and the one that was found above.

    Args:
        differences: (n,), one a recording.
        seed: of the draws.

    Raises:
        ValueError: there is no difference, or one is not finite.
    """
    values = np.asarray(differences, dtype=np.float64)
    if values.ndim != 1 or not len(values) or not np.isfinite(values).all():
        raise ValueError("differences must be (n,), n at least 1, and finite")
    exact = len(values) <= EXACT_UP_TO
    signs = _all_signs(len(values)) if exact else np.random.default_rng(seed).choice((-1.0, 1.0), (DRAWS, len(values)))
    found = abs(values.sum())
    # Sums of the same numbers in another order round differently.
    as_far = np.count_nonzero(np.abs(signs @ values) >= found - 1e-9 * np.abs(values).sum())
    return as_far / len(signs) if exact else (as_far + 1) / (len(signs) + 1)


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """P-values of several comparisons, raised so that any false finding among them is as unlikely as one alone (Holm).

    Args:
        p_values: by comparison.
    """
    adjusted: dict[str, float] = {}
    highest = 0.0
    for rank, name in enumerate(sorted(p_values, key=lambda name: p_values[name])):
        highest = max(highest, min(1.0, p_values[name] * (len(p_values) - rank)))
        adjusted[name] = highest
    return {name: adjusted[name] for name in p_values}


def compared(scores: Sequence[float], reference: Sequence[float]) -> dict[str, float]:
    """One system against another.

    Args:
        scores: one a recording.
        reference: the other's, in the same order.

    Returns:
        ``difference`` (mean, positive where it is better than the reference) and ``p``.
    """
    differences = np.asarray(scores) - np.asarray(reference)
    return {"difference": float(differences.mean()), "p": sign_flip(differences)}


def _all_signs(count: int) -> NDArray[np.float64]:
    patterns = np.arange(2**count)[:, None] >> np.arange(count) & 1
    return np.where(patterns, -1.0, 1.0)
