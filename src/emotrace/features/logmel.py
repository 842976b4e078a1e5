"""Kaldi's log mel filter bank (40 bins, 25 ms window, 10 ms hop), number for number.

Kaldi cuts 400 samples every 160, takes off their mean, applies a pre-emphasis of 0.97 and the "povey" window (a Hann
window to the power .85), and sums the power spectrum of 512 points in triangles on the mel scale between 20 Hz and
8 kHz. Only whole windows give a frame (``snip_edges``), there is no dither, and the numbers are those of the samples as
they are given: Kaldi's own tools read 16-bit integers, so multiply samples in [-1, 1] by 32768 for the figures that
they print (a constant 20.79 that normalisation takes off again).

Source of the feature: Khorram et al. 2017, section 3. Oracle of the tests: kaldi-native-fbank.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy import fft
from numpy.typing import NDArray

from emotrace import features

VERSION = 1
"""Of the numbers: to be raised with any change of them, since features are kept on disk."""
WINDOW_S = 0.025
HOP_S = 0.01
_PREEMPHASIS = np.float32(0.97)
LOW_HZ = 20.0
BINS = 40
FLOOR = float(np.finfo(np.float32).eps)
"""The energy below which Kaldi takes the logarithm of the floor instead."""

HOP_RATE_HZ = 100.0
STACK = 4
"""Log mel frames to one frame of the trace (paper, section 3)."""
rate_hz = HOP_RATE_HZ / STACK
size = STACK * BINS
bins = BINS

# Frames in flight at once: their spectra (512 kB) stay in a core's cache.
_CHUNK_FRAMES = 128
# A larger product is spread over threads by BLAS, which on a busy machine makes it twenty times slower.
_BLAS_ROWS = 24

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class _Geometry:
    window: int
    hop: int
    fft: int
    taper: Floats
    triangles: Floats


def log_mel(samples: np.ndarray, rate_hz: int = 16000) -> Floats:
    """Log mel energies of a whole signal.

    Args:
        samples: (n,) mono samples, used at the scale they are given in.
        rate_hz: their sample rate.

    Returns:
        (frames, 40) with ``frames = 1 + (n - 400) // 160`` at 16 kHz, none when there is no whole window.

    Raises:
        ValueError: the samples are not one-dimensional.
    """
    signal = np.ascontiguousarray(samples, dtype=np.float32)
    if signal.ndim != 1:
        raise ValueError(f"log_mel wants mono samples of shape (n,), not {signal.shape}")
    scale = _geometry(rate_hz)
    frames = _windows(len(signal), scale)
    result = np.empty((frames, BINS), dtype=np.float32)
    if not frames:
        return result
    windows = np.lib.stride_tricks.sliding_window_view(signal, scale.window)[:: scale.hop]
    # In single precision the transform's rounding shows at 1e-3 where a bin lies 85 dB under the loudest.
    padded = np.zeros((min(_CHUNK_FRAMES, frames), scale.fft))
    for start in range(0, frames, _CHUNK_FRAMES):
        chunk = windows[start : start + _CHUNK_FRAMES]
        result[start : start + len(chunk)] = _energies(chunk, padded[: len(chunk)], scale)
    np.maximum(result, FLOOR, out=result)
    return np.log(result, out=result)


def _windows(samples: int, scale: _Geometry) -> int:
    """How many whole windows there are."""
    return max(0, 1 + (samples - scale.window) // scale.hop)


def _energies(windows: Floats, padded: np.ndarray, scale: _Geometry) -> Floats:
    centred = windows - windows.mean(axis=1, keepdims=True)
    emphasised = centred[:, :-1] * -_PREEMPHASIS
    emphasised += centred[:, 1:]
    emphasised *= scale.taper[1:]
    padded[:, 1 : scale.window] = emphasised
    # The window starts at zero: what pre-emphasis makes of the first sample, which has no predecessor, does not matter.
    spectrum = fft.rfft(padded, axis=1)
    parts = spectrum.view(np.float64).astype(np.float32)
    parts *= parts
    power = parts[:, ::2] + parts[:, 1::2]
    energies = np.empty((len(power), BINS), dtype=np.float32)
    for start in range(0, len(power), _BLAS_ROWS):
        np.matmul(power[start : start + _BLAS_ROWS], scale.triangles, out=energies[start : start + _BLAS_ROWS])
    return energies


def trace_frames(samples: int, rate_hz: int = 16000) -> int:
    """Frames of 40 ms in a signal of so many samples; a shorter rest is none."""
    return samples // (STACK * _geometry(rate_hz).hop)


def fill(rows: Floats, frames: int) -> Floats:
    """Make log mel rows of a whole signal the four rows a frame of its trace.

    The last window of a signal ends before its last frame does: the last row is repeated for what is missing (as the
    paper's authors do in their later code). Rows of an unfinished frame are left off.

    Args:
        rows: (m, 40) rows as :func:`log_mel` gives them.
        frames: the signal's :func:`trace_frames`.

    Returns:
        (4 * frames, 40).
    """
    wanted = STACK * frames
    if len(rows) >= wanted:
        return rows[:wanted]
    return np.concatenate([rows, np.repeat(rows[-1:], wanted - len(rows), axis=0)])


def stack(rows: Floats) -> Floats:
    """Four successive rows side by side: (4 * frames, 40) to (frames, 160) (paper, section 3)."""
    return rows.reshape(-1, size)


def extract(samples: np.ndarray) -> Floats:
    """The front end of the paper before normalisation: samples at 16 kHz to (frames, 160), a row every 40 ms."""
    return stack(fill(log_mel(samples), trace_frames(len(samples))))


class Stream(features.Stream):
    """The log mel rows of a signal that arrives in pieces: the same rows, whatever the pieces.

    ``push`` gives the rows that are complete; ``finish`` the rest, filled up to four rows a frame.

    Attributes:
        rows: complete in the pieces that were cut so far.
    """

    def __init__(self) -> None:
        self._tail = np.empty(0, dtype=np.float32)
        self._last: Floats = np.empty((0, BINS), dtype=np.float32)
        self.samples = 0
        self.rows = 0

    def cut(self, samples: np.ndarray) -> Floats:
        """The samples with those that windows begin in which they complete."""
        self.samples += len(samples)
        signal = np.concatenate([self._tail, np.asarray(samples, dtype=np.float32)])
        rows = _windows(len(signal), _geometry(16000))
        self._tail = signal[rows * _geometry(16000).hop :].copy()
        self.rows += rows
        return signal

    def work(self, piece: Floats) -> Floats:
        """Its (m, 40) rows."""
        return log_mel(piece)

    def join(self, worked: Floats) -> Floats:
        """The same rows."""
        if len(worked):
            self._last = worked[-1:].copy()
        return worked

    def finish(self) -> Floats:
        """Give the rows that stand in for the windows that the end of the signal cut off: at most two."""
        missing = STACK * trace_frames(self.samples) - self.rows
        return np.repeat(self._last, max(missing, 0), axis=0)


@cache
def _geometry(rate_hz: int) -> _Geometry:
    window = round(rate_hz * WINDOW_S)
    points = 1 << (window - 1).bit_length()
    phase = 2 * np.pi * np.arange(window) / (window - 1)
    povey = (0.5 - 0.5 * np.cos(phase)) ** 0.85
    return _Geometry(
        window=window,
        hop=round(rate_hz * HOP_S),
        fft=points,
        taper=povey.astype(np.float32),
        triangles=_triangles(rate_hz, points),
    )


def _triangles(rate_hz: int, points: int) -> Floats:
    """Weights (points // 2 + 1, bins), triangular on the mel scale; the Nyquist bin has none, as in Kaldi."""
    edges = np.linspace(_mel(LOW_HZ), _mel(rate_hz / 2), BINS + 2)
    left, centre, right = edges[:-2], edges[1:-1], edges[2:]
    mel = _mel(np.arange(points // 2 + 1) * rate_hz / points)[:, None]
    weights = np.minimum((mel - left) / (centre - left), (right - mel) / (right - centre))
    weights[-1] = 0
    return np.maximum(weights, 0).astype(np.float32)


def _mel(hz: np.ndarray | float) -> np.ndarray:
    return 1127.0 * np.log1p(np.asarray(hz) / 700.0)
