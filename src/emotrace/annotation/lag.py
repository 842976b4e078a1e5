"""Raters answer some seconds after what they hear; traces are shifted to make up for it.

AVEC 2016 trains on gold standards shifted back, shifts predictions forward by as much, and scores them
against the gold standard as it was (Valstar et al. 2016).
"""

import operator

import numpy as np
from numpy.typing import ArrayLike, NDArray


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


def _shiftable(trace: ArrayLike, lag_frames: int) -> tuple[NDArray[np.float64], int]:
    values = np.asarray(trace, dtype=np.float64)
    if values.ndim == 0 or len(values) == 0:
        raise ValueError(f"trace must have at least one frame, not shape {values.shape}")
    if lag_frames < 0:
        raise ValueError(f"lag_frames must be 0 or more, not {lag_frames}; shift the other way instead")
    return values, min(operator.index(lag_frames), len(values))
