"""Mel-frequency cepstral coefficients: the first 13 every 10 ms, of Kaldi's log mel filter bank.

The orthonormal cosine transform (DCT-II) of the 40 log energies of :mod:`emotrace.features.logmel`. There is no
liftering: it only scales coefficients, which normalisation takes off again.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from emotrace import features
from emotrace.features import logmel

VERSION = 1
"""Of the numbers: to be raised with any change of them, since features are kept on disk."""
COEFFICIENTS = 13

HOP_RATE_HZ = logmel.HOP_RATE_HZ
STACK = logmel.STACK
rate_hz = logmel.rate_hz
size = STACK * COEFFICIENTS
bins = COEFFICIENTS

Floats = NDArray[np.float32]
trace_frames = logmel.trace_frames


def extract(samples: np.ndarray) -> Floats:
    """Samples at 16 kHz to (floor(n / 640), 52): four rows of 13 coefficients a frame."""
    return stack(_cepstra(logmel.fill(logmel.log_mel(samples), trace_frames(len(samples)))))


def stack(rows: Floats) -> Floats:
    """Four successive rows side by side: (4 * frames, 13) to (frames, 52)."""
    return rows.reshape(-1, size)


class Stream(features.Stream):
    """The rows of a signal that arrives in pieces, (m, 13) at a time; see :class:`emotrace.features.logmel.Stream`."""

    def __init__(self) -> None:
        self._mel = logmel.Stream()
        self.samples = 0

    def cut(self, samples: np.ndarray) -> Floats:
        """As log mel."""
        self.samples += len(samples)
        return self._mel.cut(samples)

    def work(self, piece: Floats) -> Floats:
        """Its (m, 40) log mel rows."""
        return self._mel.work(piece)

    def join(self, worked: Floats) -> Floats:
        """Their (m, 13) coefficients."""
        return _cepstra(self._mel.join(worked))

    def finish(self) -> Floats:
        """Give the rows that stand in for the windows that the end of the signal cut off."""
        return _cepstra(self._mel.finish())


def _cepstra(rows: Floats) -> Floats:
    # Not a matrix product, whose rounding depends on how many rows there are: the same rows, whatever the pieces.
    cepstra: Floats = np.einsum("ij,kj->ik", rows, _transform())
    return cepstra


@cache
def _transform() -> Floats:
    rows: Floats = fft.dct(np.eye(logmel.BINS), norm="ortho", axis=0)[:COEFFICIENTS].astype(np.float32)
    return rows
