"""Prosody: pitch, how voiced, and level, every 10 ms.

Pitch is where the autocorrelation of a Hann window of 40 ms, divided by the window's own, is highest between 60 and
500 Hz (Boersma 1993, "Accurate short-term analysis of the fundamental frequency"), high candidates favoured a little;
the height of that peak is how voiced a row is. Pitch is in semitones above 27.5 Hz, a line through what is not voiced,
so that its statistics are of speech. Level is 20 log10 of the window's root mean square.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

from emotrace import audio
from emotrace.features import logmel, voice, whole
from emotrace.features.voice import HIGHEST_HZ, LOWEST_HZ, REFERENCE_HZ, VOICED

VERSION = 1
"""Of the numbers: to be raised with any change of them, since features are kept on disk."""
VALUES = ("pitch", "voicing", "level")
LEVEL_FLOOR_DB = -100.0

STACK = 4
rate_hz = logmel.rate_hz
size = STACK * len(VALUES)
bins = len(VALUES)

_WINDOW = round(0.04 * audio.RATE_HZ)
_HOP = round(audio.RATE_HZ / logmel.HOP_RATE_HZ)
_POINTS = 1024
_OCTAVE_COST = 0.01
_SMOOTHING_ROWS = 5
_CHUNK_ROWS = 2048
_TAPER = np.hanning(_WINDOW + 2)[1:-1]
_LAGS = np.arange(int(audio.RATE_HZ / HIGHEST_HZ), int(np.ceil(audio.RATE_HZ / LOWEST_HZ)) + 1)

Floats = NDArray[np.float32]


def extract(samples: np.ndarray) -> Floats:
    """Samples at 16 kHz to (floor(n / 640), 12): four rows of pitch, voicing and level a frame.

    A window stands around the middle of its 10 ms; beyond the ends of the signal there is silence.
    """
    signal = np.asarray(samples, dtype=np.float64)
    rows = STACK * logmel.trace_frames(len(signal))
    if not rows:
        return np.empty((0, size), dtype=np.float32)
    before = (_WINDOW - _HOP) // 2
    padded = np.concatenate([np.zeros(before), signal, np.zeros(_WINDOW)])
    windows = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[::_HOP][:rows]
    parts = [_analysed(windows[start : start + _CHUNK_ROWS]) for start in range(0, rows, _CHUNK_ROWS)]
    pitch, voicing, level = np.concatenate(parts, axis=1)
    return np.column_stack([_through_pauses(pitch, voicing), voicing, level]).astype(np.float32).reshape(-1, size)


def Stream() -> whole.Stream:  # noqa: N802
    """A fresh stream, whose rows all come at the end: a pause's pitch needs the voice after it."""
    return whole.Stream(extract, bins)


def _analysed(windows: np.ndarray) -> np.ndarray:
    """Pitch in semitones, voicing and level of (m, 640) windows: (3, m)."""
    mean_square = np.mean(np.square(windows), axis=1)
    level = np.maximum(10 * np.log10(np.maximum(mean_square, 1e-30)), LEVEL_FLOOR_DB)
    correlation = _autocorrelation(windows - windows.mean(axis=1, keepdims=True))
    high = correlation - _OCTAVE_COST * np.log2(_LAGS * LOWEST_HZ / audio.RATE_HZ)
    # The ends of the range are slopes of peaks outside of it.
    peak = 1 + high[:, 1:-1].argmax(axis=1)
    part, top = voice.summit(correlation, peak)
    semitones = 12 * np.log2(audio.RATE_HZ / (_LAGS[peak] + part) / REFERENCE_HZ)
    voicing = np.where(level > LEVEL_FLOOR_DB, top, 0.0)
    return np.stack([semitones, voicing.clip(0.0, 1.0), level])


def _autocorrelation(windows: np.ndarray) -> np.ndarray:
    """Of (m, 640) windows at the lags of the range, 1 at lag 0 and for what repeats itself: (m, lags)."""
    spectra = fft.rfft(windows * _TAPER, _POINTS, axis=1)
    products = fft.irfft(np.square(np.abs(spectra)), _POINTS, axis=1)
    own = fft.irfft(np.square(np.abs(fft.rfft(_TAPER, _POINTS))), _POINTS)
    power = np.maximum(products[:, :1], 1e-30)
    return (products[:, _LAGS] / power) / (own[_LAGS] / own[0])


def _through_pauses(pitch: np.ndarray, voicing: np.ndarray) -> np.ndarray:
    """The pitch, smoothed where it is voiced and a line between voiced rows; 0 where nothing is voiced."""
    # A row that is voiced between two that are not is chance, or the edge of a voice.
    voiced = np.flatnonzero(ndimage.binary_opening(voicing >= VOICED, np.ones(3)))
    if not len(voiced):
        return np.zeros_like(pitch)
    smooth = ndimage.median_filter(pitch[voiced], _SMOOTHING_ROWS, mode="nearest")
    return np.interp(np.arange(len(pitch)), voiced, smooth)
