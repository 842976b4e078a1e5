"""How active a recording is, frame by frame: a signal that raters' lags can be measured against."""

import os

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d

from emotrace import audio
from emotrace.errors import AudioError
from emotrace.trace import FRAME_S

SMOOTHING_S = 1.0
_RANGE_DB = 40.0


def loudness(source: str | os.PathLike[str]) -> NDArray[np.float64]:
    """The level of a recording's sound in dB, 40 dB under its loudest frame at least, smoothed over a second.

    Pauses count as much as shouts do, for raters react to both. Whether it goes up where a rating does depends on what
    was rated: with arousal it usually does, with valence not.

    Args:
        source: an audio file.

    Returns:
        (T,), a value every 40 ms.

    Raises:
        AudioError: it cannot be read, or is shorter than a frame.
    """
    size = round(FRAME_S * audio.RATE_HZ)
    powers, rest = [], np.zeros(0, dtype=np.float32)
    for block in audio.blocks(source):
        samples = np.concatenate([rest, block])
        whole = len(samples) // size * size
        powers.append(np.square(samples[:whole], dtype=np.float64).reshape(-1, size).mean(axis=1))
        rest = samples[whole:]
    power = np.concatenate(powers)
    if not len(power):
        raise AudioError(f"{os.fspath(source)}: is shorter than {FRAME_S:g} s; give the sound that was rated")
    level = 10 * np.log10(np.maximum(power, 1e-12))
    floored = np.maximum(level, level.max() - _RANGE_DB)
    return uniform_filter1d(floored, max(1, round(SMOOTHING_S / FRAME_S)), mode="nearest")
