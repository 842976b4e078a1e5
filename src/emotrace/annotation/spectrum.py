"""How slow ratings are: their power below a frequency, and what is lost by keeping few of their frames.

Section 5.2 of Khorram et al. (2017) finds more than 95 % of the power of RECOLA's gold standard below 1 Hz, and a CCC
within 5 % of the original after downsampling by up to 64 and spline interpolation (their Figure 4).
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import interpolate, signal

from emotrace import metrics
from emotrace.errors import TraceError

FACTORS = (2, 4, 8, 16, 32, 64, 128)
SEGMENT_S = 60.0


def power_below(trace: ArrayLike, rate_hz: float, limit_hz: float = 1.0) -> float:
    """The share of a trace's power, its mean left out, that lies below a frequency.

    Welch's method: segments of a minute (the whole trace where it is shorter), half overlapping, under a Hann window,
    each less its own mean.

    Args:
        trace: (T,), finite; fill or cut out what is not rated (`resampling.fill_gaps`).
        rate_hz: frames for each second.
        limit_hz: the limit, inclusive.

    Returns:
        A share in [0, 1]; 1.0 for a trace that never moves.

    Raises:
        TraceError: fewer than two frames, or one is not rated.
    """
    values = _whole(trace)
    if values.min() == values.max():
        return 1.0
    segment = min(len(values), round(SEGMENT_S * rate_hz))
    hz, density = signal.welch(values, rate_hz, nperseg=max(segment, 2), detrend="constant")
    return float(density[hz <= limit_hz].sum() / density.sum()) if density.sum() > 0 else 1.0


def resampled(trace: ArrayLike, factor: int) -> NDArray[np.float64]:
    """Every `factor`-th frame kept from the first on, and the rest put back by a cubic spline through them.

    The spline has SciPy's not-a-knot ends. After the last frame kept, its value is held: a cubic polynomial without a
    frame to hold on to runs away. Where fewer than four frames are kept, lines take the spline's place.

    Args:
        trace: (T,), finite.
        factor: 1 or more.

    Returns:
        (T,).

    Raises:
        TraceError: see `power_below`, or the factor is below 1.
    """
    values = _whole(trace)
    if factor < 1:
        raise TraceError(f"a downsampling factor of {factor} is not possible; give a whole number from 1 on")
    frames = np.arange(len(values))
    kept = frames[::factor]
    inside = np.minimum(frames, kept[-1])
    if len(kept) < 4:
        return np.interp(inside, kept, values[kept])
    return interpolate.CubicSpline(kept, values[kept])(inside)


def downsampling_study(trace: ArrayLike, factors: Sequence[int] = FACTORS) -> dict[int, float]:
    """For every factor, the CCC (population) of `resampled` with the trace itself: the paper's Figure 4.

    Raises:
        TraceError: see `resampled`.
    """
    return {factor: metrics.ccc_population(_whole(trace), resampled(trace, factor)) for factor in factors}


def _whole(trace: ArrayLike) -> NDArray[np.float64]:
    values = np.asarray(trace, dtype=np.float64)
    if values.ndim != 1 or len(values) < 2:
        raise TraceError(f"a spectrum takes a trace of at least 2 frames, not shape {values.shape}")
    if not np.isfinite(values).all():
        raise TraceError("a frame is not rated; fill short gaps, or take a stretch that is rated throughout")
    return values
