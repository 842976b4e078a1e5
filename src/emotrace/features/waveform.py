"""The waveform itself, for networks that learn their own front end: 640 samples at 16 kHz a frame.

Samples are at the scale of 16-bit integers, as Kaldi's tools read them: a quiet recording in [-1, 1] would lie under
the floor that normalisation holds for constant features. Mean and SD are one for all samples.

Source of the frame: Trigeorgis et al. 2016.
"""

import numpy as np
from numpy.typing import NDArray

from emotrace import audio, features
from emotrace.features import logmel

VERSION = 1
"""Of the numbers: to be raised with any change of them, since features are kept on disk."""
SCALE = np.float32(32768)

rate_hz = logmel.rate_hz
STACK = round(audio.RATE_HZ / rate_hz)
"""Rows, which are samples, to a frame."""
HOP_RATE_HZ = float(audio.RATE_HZ)
size = STACK
bins = 1

Floats = NDArray[np.float32]
trace_frames = logmel.trace_frames


def extract(samples: np.ndarray) -> Floats:
    """Samples at 16 kHz to (floor(n / 640), 640)."""
    signal = np.asarray(samples, dtype=np.float32)
    return stack(SCALE * signal[: STACK * trace_frames(len(signal))])


def stack(rows: Floats) -> Floats:
    """Samples (640 * frames, 1) to (frames, 640)."""
    return rows.reshape(-1, size)


class Stream(features.Stream):
    """The samples of a signal that arrives in pieces, as rows (m, 1)."""

    def __init__(self) -> None:
        self.samples = 0

    def cut(self, samples: np.ndarray) -> Floats:
        """The samples."""
        self.samples += len(samples)
        return np.array(samples, dtype=np.float32)

    def work(self, piece: Floats) -> Floats:
        """The same (n, 1) samples, at the front end's scale."""
        return SCALE * piece[:, None]

    def finish(self) -> Floats:
        """Nothing is missing at the end."""
        return np.empty((0, 1), dtype=np.float32)
