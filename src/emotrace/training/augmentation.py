"""Speech as the world delivers it: noise, babble, rooms, telephones, moving microphones, other rates.

Each function takes and gives (n,) float32 samples at 16 kHz; :func:`augment` draws a chain of them. Only
``change_speed`` moves things in time: it says by how much, for the labels to follow.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import soxr
from scipy import ndimage, signal

from emotrace.audio import RATE_HZ

Samples = np.ndarray

_RESPONSE_POINTS = 257

VERSION = 3
"""Of the chain: to be raised when it does something else with the same draws and settings."""


@dataclass(frozen=True)
class Strength:
    """Odds and ranges of the chain; an odds of 0 leaves a step out."""

    speed: float = 0.5
    speed_range: tuple[float, float] = (0.9, 1.1)
    levelling: float = 0.5
    gain_drift: float = 0.5
    gain_drift_db: float = 4.0
    room: float = 0.4
    room_s: tuple[float, float] = (0.1, 0.7)
    tilt: float = 0.5
    tilt_db: float = 4.0
    noise: float = 0.6
    noise_snr_db: tuple[float, float] = (5.0, 35.0)
    babble: float = 0.2
    babble_snr_db: tuple[float, float] = (8.0, 25.0)
    band: float = 0.6
    gate: float = 0.2
    gate_db: tuple[float, float] = (25.0, 45.0)


def augment(
    samples: Samples, others: Sequence[Samples], strength: Strength, rng: np.random.Generator
) -> tuple[Samples, float]:
    """Draw and apply a chain.

    Args:
        samples: one recording.
        others: recordings of other speakers, for babble; none, no babble.
        strength: odds and ranges.
        rng: of every draw.

    Returns:
        The samples and the speed they now have: what was at t seconds is at t / speed.
    """
    speed = 1.0
    if rng.random() < strength.speed:
        speed = float(rng.uniform(*strength.speed_range))
        samples = change_speed(samples, speed)
    if rng.random() < strength.levelling:
        samples = level(samples, rng.uniform(0.5, 1.0))
    if rng.random() < strength.gain_drift:
        samples = samples * drifting_gain(len(samples), strength.gain_drift_db, rng)
    if rng.random() < strength.room:
        samples = room(samples, rng.uniform(*strength.room_s), rng)
    if rng.random() < strength.tilt:
        samples = tilt(samples, rng.uniform(-1, 1) * strength.tilt_db)
    if others and rng.random() < strength.babble:
        samples = mix(samples, babble(others, len(samples), rng), rng.uniform(*strength.babble_snr_db))
    if rng.random() < strength.noise:
        samples = mix(samples, coloured_noise(len(samples), rng), rng.uniform(*strength.noise_snr_db))
    if rng.random() < strength.band:
        low_hz, high_hz = _BANDS[rng.integers(len(_BANDS))]
        samples = band_limit(samples, low_hz, high_hz, _ORDERS[rng.integers(len(_ORDERS))])
    if rng.random() < strength.gate:
        samples = gate(samples, rng.uniform(*strength.gate_db))
    gain = 10 ** (rng.uniform(-20, 6) / 20)
    return np.clip(gain * samples, -1, 1).astype(np.float32), speed


_BANDS: list[tuple[float, float]] = [(300, 3400), (300, 3400), (300, 3400), (200, 3800), (100, 5500), (50, 7000)]
# What a channel leaves in the bins that it stops differs by its filter: a network that met one slope reads meaning into
# what another leaves.
_ORDERS = (2, 4, 4, 8, 8, 12)


def change_speed(samples: Samples, speed: float) -> Samples:
    """Play faster or slower, pitch with it, as a tape does."""
    return soxr.resample(samples, RATE_HZ * speed, RATE_HZ)


def level(samples: Samples, share: float) -> Samples:
    """Take out a share of how loud each passage is, in dB, as automatic gain control and editors do.

    Loudness is the highest 20 ms RMS within a second or so, held up in pauses at 30 dB under the loudest passage.
    """
    pieces = np.resize(samples, -(-len(samples) // 320) * 320).reshape(-1, 320)
    rms = np.sqrt(np.mean(pieces**2, axis=1))
    passage = ndimage.maximum_filter1d(rms, 75)
    passage = np.maximum(ndimage.gaussian_filter1d(passage, 15), 10 ** (-30 / 20) * passage.max() + 1e-9)
    return samples * np.repeat((passage.max() / passage) ** share, 320)[: len(samples)].astype(np.float32)


def gate(samples: Samples, under_db: float) -> Samples:
    """Silence what lies further than this under the loudest 20 ms, as noise gates of calls and editors do."""
    pieces = np.resize(samples, -(-len(samples) // 320) * 320).reshape(-1, 320)
    power = ndimage.maximum_filter1d(np.mean(pieces**2, axis=1), 5)
    is_open = power >= power.max() * 10 ** (-under_db / 10)
    return samples * np.repeat(is_open, 320)[: len(samples)].astype(np.float32)


def drifting_gain(count: int, range_db: float, rng: np.random.Generator) -> Samples:
    """A gain that wanders as a speaker's distance does: knots every 4 s or so, SD ``range_db``, joined in dB."""
    knots = max(2, round(count / (4 * RATE_HZ)))
    level_db = rng.normal(0, range_db, knots)
    at = np.interp(np.arange(0, count, 160), np.linspace(0, count, knots), level_db)
    return np.repeat(10 ** (at / 20), 160)[:count].astype(np.float32)


def room(samples: Samples, reverberation_s: float, rng: np.random.Generator) -> Samples:
    """Reverberate in a room made of the direct sound and noise that falls by 60 dB in the time given."""
    length = round(reverberation_s * RATE_HZ)
    tail = rng.normal(size=length) * 10 ** (-3 * np.arange(length) / length)
    tail *= 10 ** (rng.uniform(-12, 3) / 20) / np.sqrt(np.sum(tail**2))
    tail[0] = 1.0
    return signal.oaconvolve(samples, tail.astype(np.float32))[: len(samples)]


def tilt(samples: Samples, slope_db: float) -> Samples:
    """Tip the spectrum, as microphones do: towards ``slope_db`` more well above 1.5 kHz than well below."""
    gain = 10 ** (slope_db / 20)
    corner = np.exp(-2 * np.pi * 1500 / RATE_HZ)
    low = signal.lfilter([1 - corner], [1, -corner], samples).astype(np.float32)
    return low + np.float32(gain) * (samples - low)


def coloured_noise(count: int, rng: np.random.Generator) -> Samples:
    """Steady noise of RMS 1: between white and brown, and unevenly so, as fans, engines and rooms are."""
    octaves = np.arange(8)
    response_db = -rng.uniform(0.0, 6.0) * octaves + np.cumsum(rng.normal(0.0, 2.0, len(octaves)))
    grid_hz = np.linspace(0.0, RATE_HZ / 2, _RESPONSE_POINTS)
    gain_db = np.interp(np.log2(np.maximum(grid_hz, 1.0)), np.log2(62.5) + octaves, response_db)
    taps = signal.firwin2(2 * _RESPONSE_POINTS - 1, grid_hz, 10 ** (gain_db / 20), fs=RATE_HZ).astype(np.float32)
    noise = signal.oaconvolve(rng.normal(size=count).astype(np.float32), taps, "same")
    return (noise / np.std(noise)).astype(np.float32)


def babble(others: Sequence[Samples], count: int, rng: np.random.Generator) -> Samples:
    """Three to six other voices at once, RMS 1."""
    total = np.zeros(count, dtype=np.float32)
    for _ in range(rng.integers(3, 7)):
        voice = others[int(rng.integers(len(others)))]
        total += np.resize(np.roll(voice, rng.integers(len(voice))), count)
    return total / (np.std(total) + 1e-9)


def mix(samples: Samples, noise: Samples, snr_db: float) -> Samples:
    """Add noise of RMS 1 at a ratio to the level of the speech, pauses left out."""
    return samples + (speech_rms(samples) * 10 ** (-snr_db / 20)) * noise


def speech_rms(samples: Samples) -> float:
    """RMS over the 20 ms pieces within 30 dB of the loudest ones; of a shorter sound, over all of it."""
    whole = len(samples) // 320 * 320
    power = np.mean((samples[:whole].reshape(-1, 320) if whole else samples[None]) ** 2, axis=1)
    loud = np.quantile(power, 0.98)
    return float(np.sqrt(np.mean(power[power >= loud * 1e-3])))


def band_limit(samples: Samples, low_hz: float, high_hz: float, order: int = 4) -> Samples:
    """A telephone's or codec's band, by a Butterworth filter that falls by 6 dB an octave for each order."""
    sections = signal.butter(order, [low_hz, high_hz], "bandpass", fs=RATE_HZ, output="sos")
    return signal.sosfilt(sections, samples).astype(np.float32)
