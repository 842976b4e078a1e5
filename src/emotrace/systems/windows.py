"""What systems make of the frames around a frame: statistics of windows, and frames side by side."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from emotrace.trace import FRAME_S

Floats = NDArray[np.float64]


def filled(values: ArrayLike) -> Floats:
    """(frames, size), what is missing (NaN) as the mean of its column; 0 where a column has nothing."""
    table = np.asarray(values, dtype=np.float64)
    missing = np.isnan(table)
    if not missing.any():
        return table
    mean = np.where(missing, 0.0, table).sum(axis=0) / np.maximum((~missing).sum(axis=0), 1)
    return np.where(missing, mean, table)


def normalised(values: ArrayLike) -> Floats:
    """(frames, size) to zero mean and unit SD over the recording; 0 where a column does not move or a value is NaN."""
    table = filled(values)
    centred = table - table.mean(axis=0)
    sd = centred.std(axis=0)
    moves = sd > 1e-6 * np.maximum(np.abs(table).max(axis=0), 1e-6)
    return np.where(moves, centred / np.where(moves, sd, 1.0), 0.0)


def statistics(values: ArrayLike, windows_s: Sequence[float]) -> Floats:
    """Mean and SD of every column over windows centred on every frame.

    Args:
        values: (frames, size); NaN counts as the mean of its column.
        windows_s: lengths; windows are cut off where the recording ends.

    Returns:
        (frames, 2 * size * windows), every window's means before its SDs.
    """
    table = filled(values)
    # Sums that grow along the recording lose digits to a large offset.
    offset = table.mean(axis=0)
    centred = table - offset
    zero = np.zeros((1, table.shape[1]))
    sums = np.concatenate([zero, np.cumsum(centred, axis=0)])
    squares = np.concatenate([zero, np.cumsum(np.square(centred), axis=0)])
    parts: list[Floats] = []
    for window_s in windows_s:
        first, stop = _edges(len(table), window_s)
        count = (stop - first)[:, None]
        mean = (sums[stop] - sums[first]) / count
        variance = (squares[stop] - squares[first]) / count - np.square(mean)
        parts += [mean + offset, np.sqrt(np.maximum(variance, 0.0))]
    return np.concatenate(parts, axis=1)


def stacked(values: ArrayLike, offsets_s: Sequence[float]) -> NDArray[Any]:
    """The frames so many seconds later (or earlier, where negative) side by side; the ends are held.

    Args:
        values: (frames, size).
        offsets_s: where the frames stand that are put side by side.

    Returns:
        (frames, size * offsets).
    """
    table = np.asarray(values)
    at = np.arange(len(table))
    shifts = [round(offset_s / FRAME_S) for offset_s in offsets_s]
    return np.concatenate([table[np.clip(at + shift, 0, len(table) - 1)] for shift in shifts], axis=1)


def _edges(frames: int, window_s: float) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """First frame of the window around every frame, and the first one behind it."""
    length = max(1, round(window_s / FRAME_S))
    first = np.arange(frames) - length // 2
    return first.clip(0), (first + length).clip(1, frames)
