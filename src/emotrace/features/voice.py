"""Log mel energies, and beside them how high and how clear the voice is: 40 bins, pitch, voicing.

Forty bins on the mel scale lie too far apart to show a fundamental frequency, and valence is heard by that too.
Pitch and voicing are of a Hann window of 64 ms around every frame of 40 ms, the same for its four rows. Pitch is where
the autocorrelation, divided by the window's own, is highest between 60 and 500 Hz (Boersma 1993, "Accurate short-term
analysis of the fundamental frequency"), high candidates favoured a little; the height of that peak is the voicing.
Pitch is in semitones above 27.5 Hz, the median of the last three voiced frames, and held where there is no voice, so
that it needs nothing of what comes later. :mod:`emotrace.features.prosody` tells more, from whole recordings.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy import fft
from numpy.typing import NDArray

from emotrace import audio, features
from emotrace.features import logmel

VERSION = 1
"""Of the numbers: to be raised with any change of them, since features are kept on disk."""
VOICE = 2
"""Values at the end of a row that are no energies."""
LOWEST_HZ, HIGHEST_HZ = 60.0, 500.0
REFERENCE_HZ = 27.5
VOICED = 0.45
"""A frame is voiced from this peak on (Boersma's recommendation)."""
START_SEMITONES = 32.0
"""The pitch before anybody spoke, 175 Hz: between the voices of men and women."""

STACK = logmel.STACK
HOP_RATE_HZ = logmel.HOP_RATE_HZ
rate_hz = logmel.rate_hz
bins = logmel.BINS + VOICE
size = STACK * bins
trace_frames = logmel.trace_frames

# The harmonics that pitch is heard by lie under 1.25 kHz: every four samples are made one, and what their mean lets
# through from above 2.75 kHz is little.
_REDUCED = 4
_HIGHEST_HARMONIC_HZ = 1250.0
_RATE_HZ = audio.RATE_HZ / _REDUCED
_FRAME = round(audio.RATE_HZ / rate_hz)
_WINDOW = 1024
_BEFORE = (_WINDOW - _FRAME) // 2
_POINTS = 512
_LINES = 1 + round(_HIGHEST_HARMONIC_HZ * _POINTS / _RATE_HZ)
_STEPS_AN_OCTAVE = 32
_OCTAVE_COST = 0.02
_SILENCE = 5e-6
"""Energy of a window 100 dB under full scale, in which rounding has a pitch."""
_CHUNK_FRAMES = 512
# A larger product is spread over threads by BLAS, which on a busy machine makes it twenty times slower.
_BLAS_ROWS = 16

Floats = NDArray[np.float32]


def extract(samples: np.ndarray) -> Floats:
    """Samples at 16 kHz to (floor(n / 640), 168): four rows of 40 log mel energies, pitch and voicing a frame."""
    stream = Stream()
    return stack(np.concatenate([stream.push(samples), stream.finish()]))


def stack(rows: Floats) -> Floats:
    """Four successive rows side by side: (4 * frames, 42) to (frames, 168)."""
    return rows.reshape(-1, size)


class Stream(features.Stream):
    """The rows of a signal that arrives in pieces: the same rows, whatever the pieces, a frame's four at once."""

    def __init__(self) -> None:
        self._energies = logmel.Stream()
        self._waiting: Floats = np.empty((0, logmel.BINS), dtype=np.float32)
        # A window stands around the middle of its frame; before the signal begins there is silence.
        self._tail: Floats = np.zeros(_BEFORE, dtype=np.float32)
        self._contour = _Contour()
        self._frames = 0
        self.samples = 0

    def cut(self, samples: np.ndarray) -> tuple[Floats, Floats]:
        """What the log mel rows, and what the pitch of the frames is worked out from that the samples complete."""
        self.samples += len(samples)
        piece = self._energies.cut(samples)
        # A frame's last log mel window ends after its window of pitch does.
        return piece, self._begun(samples, self._energies.rows // STACK)

    def work(self, piece: tuple[Floats, Floats]) -> tuple[Floats, Floats, Floats]:
        """Log mel rows; pitch and voicing of frames."""
        signal, heard = piece
        return (self._energies.work(signal), *analysed(heard))

    def join(self, worked: tuple[Floats, Floats, Floats]) -> Floats:
        """The (m, 42) rows of whole frames."""
        energies, pitch, voicing = worked
        return self._rows(self._energies.join(energies), pitch, voicing)

    def finish(self) -> Floats:
        """Give the rows of the frames that the end of the signal cut off, silence after it."""
        energies = self._energies.finish()
        silence = np.zeros(_WINDOW, dtype=np.float32)
        return self._rows(energies, *analysed(self._begun(silence, trace_frames(self.samples))))

    def _begun(self, samples: np.ndarray, frames: int) -> Floats:
        """The windows of pitch up to a frame, from where the last ones were taken; samples come behind what is kept."""
        self._tail = np.concatenate([self._tail, np.asarray(samples, dtype=np.float32)])
        new, self._frames = frames - self._frames, frames
        heard = self._tail[: (new - 1) * _FRAME + _WINDOW if new else 0]
        self._tail = self._tail[new * _FRAME :].copy()
        return heard

    def _rows(self, energies: Floats, pitch: Floats, voicing: Floats) -> Floats:
        waiting = np.concatenate([self._waiting, energies])
        energies, self._waiting = np.split(waiting, [len(pitch) * STACK])
        rows = np.empty((len(energies), bins), dtype=np.float32)
        rows[:, : logmel.BINS] = energies
        rows[:, logmel.BINS :] = np.repeat(self._contour.push(pitch, voicing), STACK, axis=0)
        return rows


class _Contour:
    """Pitch that is held through pauses, from frames as they come."""

    def __init__(self) -> None:
        self._last: Floats | None = None
        self._held = START_SEMITONES

    def push(self, pitch: Floats, voicing: Floats) -> Floats:
        """(frames,) pitch and voicing to (frames, 2), the pitch smooth and held."""
        at = np.flatnonzero(voicing >= VOICED)
        held = np.full(len(pitch) + 1, self._held, dtype=np.float32)
        if len(at):
            last = np.repeat(pitch[at[:1]], 2) if self._last is None else self._last
            known = np.concatenate([last, pitch[at]])
            held[at + 1] = np.median(np.lib.stride_tricks.sliding_window_view(known, 3), axis=1)
            self._last = known[-2:].copy()
        spoken = np.zeros(len(held), dtype=np.intp)
        spoken[at + 1] = at + 1
        held = held[np.maximum.accumulate(spoken)]
        self._held = float(held[-1])
        return np.column_stack([held[1:], voicing])


def analysed(samples: Floats) -> tuple[Floats, Floats]:
    """Pitch in semitones and voicing in [0, 1] of windows of 1024 samples, 640 apart, of a signal at 16 kHz.

    Returns:
        (frames,) each; the pitch of what is not voiced means nothing.
    """
    if len(samples) < _WINDOW:
        return np.empty(0, dtype=np.float32), np.empty(0, dtype=np.float32)
    whole = len(samples) // _REDUCED * _REDUCED
    # Not the sum over a short axis, which NumPy takes eight times as long for.
    reduced = sum(samples[at:whole:_REDUCED] for at in range(_REDUCED)) * np.float32(1 / _REDUCED)
    windows = np.lib.stride_tricks.sliding_window_view(reduced, _WINDOW // _REDUCED)[:: _FRAME // _REDUCED]
    parts = [_peaks(windows[start : start + _CHUNK_FRAMES]) for start in range(0, len(windows), _CHUNK_FRAMES)]
    pitch, voicing = np.concatenate(parts, axis=1)
    return pitch, voicing


def _peaks(windows: Floats) -> Floats:
    """Pitch and voicing of (n, 256) windows: (2, n)."""
    scale = _geometry()
    # In single precision rounding, which depends on how many windows come at once, would decide between equal peaks.
    centred = (windows - windows.mean(axis=1, keepdims=True)) * scale.taper
    spectra = fft.rfft(centred, _POINTS, axis=1)[:, :_LINES]
    power = spectra.real**2 + spectra.imag**2
    energy = power @ scale.weights
    correlation = np.empty((len(power), len(scale.candidates)))
    for start in range(0, len(power), _BLAS_ROWS):
        np.matmul(power[start : start + _BLAS_ROWS], scale.waves, out=correlation[start : start + _BLAS_ROWS])
    correlation /= np.maximum(energy, _SILENCE)[:, None]
    # The ends of the range are slopes of peaks outside of it.
    peak = 1 + (correlation + scale.favour)[:, 1:-1].argmax(axis=1)
    part, top = summit(correlation, peak)
    pitch = scale.candidates[peak] + part * 12 / _STEPS_AN_OCTAVE
    return np.stack([pitch, np.where(energy > _SILENCE, top.clip(0.0, 1.0), 0.0)]).astype(np.float32)


def summit(curves: np.ndarray, peak: NDArray[np.intp]) -> tuple[np.ndarray, np.ndarray]:
    """Where the parabola through a curve's peak and its neighbours is highest, and the height of the peak itself.

    Args:
        curves: (n, points).
        peak: (n,) the highest point of each, not its first or last.

    Returns:
        (n,) points from the peak, at most half a one, and (n,) heights.
    """
    each = np.arange(len(peak))
    left, top, right = (curves[each, peak + step] for step in (-1, 0, 1))
    curve = left - 2 * top + right
    return np.where(curve < 0, 0.5 * (left - right) / np.where(curve < 0, curve, 1.0), 0.0).clip(-0.5, 0.5), top


@dataclass(frozen=True)
class _Geometry:
    """Of the autocorrelation at candidates for the pitch, from a power spectrum (lines,).

    Attributes:
        taper: (256,).
        candidates: (candidates,) semitones, evenly spaced.
        waves: (lines, candidates), what a power spectrum is multiplied by, the window's own autocorrelation divided
            out.
        weights: (lines,), the same at lag 0.
        favour: (candidates,), added to choose.
    """

    taper: np.ndarray
    candidates: np.ndarray
    waves: np.ndarray
    weights: np.ndarray
    favour: np.ndarray


@cache
def _geometry() -> _Geometry:
    taper = np.hanning(_WINDOW // _REDUCED + 2)[1:-1]
    octaves = np.arange(np.ceil(_STEPS_AN_OCTAVE * np.log2(HIGHEST_HZ / LOWEST_HZ)) + 1) / _STEPS_AN_OCTAVE
    lags = _RATE_HZ / (LOWEST_HZ * 2**octaves)
    weights = np.full(_LINES, 2.0)
    weights[0] = 1.0
    waves = weights[:, None] * np.cos(2 * np.pi / _POINTS * np.outer(np.arange(_LINES), lags))
    own = np.square(np.abs(fft.rfft(taper, _POINTS)))[:_LINES]
    candidates = 12 * (np.log2(LOWEST_HZ / REFERENCE_HZ) + octaves)
    return _Geometry(taper, candidates, waves * (own @ weights) / (own @ waves), weights, _OCTAVE_COST * octaves)
