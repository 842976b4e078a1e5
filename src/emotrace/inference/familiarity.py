"""Whether a recording is like the speech that a model knows; if not, what to tell the person who gave it.

A network gives a trace of anything: of an empty room, a drum loop, a fan. Log mel rows are enough to notice: a
:class:`Profile` takes them in one pass, cuts them into windows of 2.56 s and keeps a few numbers of each (under 30 a
second in all), out of which come a handful of measures. :func:`fit` learns from training speech between which bounds
each of them lies, and :func:`warnings` puts into words what lies outside.

Songs, several voices at once and speech synthesis are near enough to speech to pass.
"""

from collections import deque
from collections.abc import Iterator, Mapping, MutableSequence, Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np
from numpy import fft

from emotrace.features.logmel import BINS, HOP_RATE_HZ, Floats
from emotrace.features.normalisation import Normalisation

FRONT_ENDS = ("logmel", "voice")
"""Those whose rows can be judged here: 40 log mel energies, and what may stand beside them."""

EXCERPTS_S = (5, 10, 20, 60)
"""Lengths that training recordings are cut to: short recordings scatter more than the long ones of a corpus."""

LATEST_ROWS = 1000
"""What :class:`Latest` remembers: 10 s, one of the lengths that the bounds are fitted on."""

_WINDOW = 256
_STEP = 128
_WINDOWS_AT_ONCE = 32
_LATEST_WINDOWS = (LATEST_ROWS - _WINDOW) // _STEP + 1
_SHORTEST_WINDOW = 50
_POOL = 4
_POOL_RATE_HZ = HOP_RATE_HZ / _POOL

# Levels are means over the bins of natural-log energies: 1 neper is 4.34 dB.
_DB = 10 / np.log(10)
_SILENCE = -14.5
_ABOVE_BACKGROUND = 0.6
_PAUSE = 6.9
_LOUD_WINDOWS = 4.0
_LEAST_S = 0.5

_STRETCHES_AT_ONCE = 256
_BEAT_S = 8.0
_BEAT_LAGS_S = (0.25, 3.0)

_PERCENTILES = (0.5, 99.5)
_MARGIN = 0.15
_MARGIN_DB = 10.0
_MEASURES = ("loud_db", "rhythm", "movement", "change", "beat", "shape")

# Measure, the side on which it lies outside (-1 under, 1 over), and what that means.
_NO_SPEECH = (
    ("rhythm", -1, "no rhythm of syllables, as in noise"),
    ("movement", -1, "its spectrum hardly changes, as in noise"),
    ("change", -1, "held tones, as in music"),
    ("beat", 1, "a strict beat, as in music"),
)
_ODD = (
    ("shape", 1, "another balance of low and high tones"),
    ("loud_db", -1, "very quiet"),
)


class Profile:
    """What a recording is like, gathered from its log mel rows in pieces of any size.

    Args:
        rule: the model's; the first 40 of its ``prior_mean`` and ``prior_sd`` are the spectrum to compare with.

    Attributes:
        statistics: of all rows, for normalisation by the rule.
    """

    def __init__(self, rule: Normalisation | None = None) -> None:
        self.rule = rule or Normalisation()
        self.statistics = self.rule.statistics(BINS + self.rule.voice)
        self._rest: Floats = np.empty((0, BINS), dtype=np.float32)
        self._levels: MutableSequence[np.ndarray] = []
        self._windows: MutableSequence[np.ndarray] = []

    def update(self, rows: Floats) -> Self:
        """Add (m, bins) rows at 100 Hz of samples in [-1, 1].

        Their first 40 values are those of :func:`emotrace.features.logmel.log_mel`, and all that is judged; the
        statistics are of all of them.
        """
        self.statistics.update(rows)
        self._look(rows, _WINDOWS_AT_ONCE)
        return self

    def _look(self, rows: Floats, at_once: int) -> None:
        """Describe the windows that these rows complete, so many in an entry."""
        rows = np.concatenate([self._rest, rows[:, :BINS]])
        count = max(0, (len(rows) - _WINDOW) // _STEP + 1)
        for first in range(0, count, at_once):
            some = min(at_once, count - first)
            piece = rows[first * _STEP : (first + some - 1) * _STEP + _WINDOW]
            self._windows.append(_describe(piece, _WINDOW))
            self._levels.append(_pooled(piece[: some * _STEP]))
        self._rest = rows[count * _STEP :].copy()

    def merge(self, other: "Profile") -> Self:
        """Add what another has seen, as if it came after a cut."""
        self.statistics.merge(other.statistics)
        self._levels, self._windows = (
            [*own, *others] for own, others in zip(self._complete(), other._complete(), strict=True)
        )
        self._rest = self._rest[:0]
        return self

    def _complete(self) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Levels and windows, with those of the rows that fill no window; a short recording is one short window."""
        levels, windows = list(self._levels), list(self._windows)
        if not windows and len(self._rest) >= _SHORTEST_WINDOW:
            windows.append(_describe(self._rest, len(self._rest)))
        if len(self._rest) >= _POOL:
            levels.append(_pooled(self._rest))
        return levels, windows

    def measures(self) -> dict[str, float]:
        """Describe all that was added.

        Returns:
            Plain numbers for :func:`warnings` and :func:`fit`. What the recording is too short or too silent for is
            left out.

            - ``duration_s``, ``audible_s`` (louder than digital silence), ``sounding_s`` (above the background too);
            - ``loud_db``: level of the louder passages, dB;
            - ``rhythm``: share of level changes slower than 8 Hz, in eight bands, 0.5 to 20 Hz being all of them;
            - ``movement``: SD of the spectral shape within 2.56 s, nepers;
            - ``change``: from one row to the next, nepers;
            - ``beat``: how exactly the level repeats after 0.25 to 3 s, 1 being exactly;
            - ``shape``: distance of the mean spectrum from that of the training speech, in SDs.
        """
        levels, windows = (np.concatenate(parts) if parts else np.empty(0) for parts in self._complete())
        audible = levels > _SILENCE
        background = np.quantile(levels[audible], 0.1) if audible.any() else 0.0
        result = {
            "duration_s": len(levels) / _POOL_RATE_HZ,
            "audible_s": float(audible.sum()) / _POOL_RATE_HZ,
            "sounding_s": float((levels[audible] > background + _ABOVE_BACKGROUND).sum()) / _POOL_RATE_HZ,
        }
        if len(windows) and audible.any():
            result |= _typical(windows) | _beat(levels) | self._shape()
        return result

    def _shape(self) -> dict[str, float]:
        if not self.rule.prior_mean:
            return {}
        _, mean, _ = self.statistics.moments(self.rule.range_db)
        mean, prior, sd = (np.array(each)[:BINS] for each in (mean, self.rule.prior_mean, self.rule.prior_sd))
        distance = (mean - mean.mean()) - (prior - prior.mean())
        return {"shape": float(np.mean(np.abs(distance) / sd))}


class Latest(Profile):
    """What the last 10 s of rows that go on coming are like, in constant memory.

    Up to 10 s it is what a :class:`Profile` is. Then it is of 10 s wherever ``LATEST_ROWS`` and a multiple of 128 rows
    have come, elsewhere of 9 to 10.2 s. ``statistics`` are those of the last :meth:`measures`. It does not merge.
    """

    def __init__(self, rule: Normalisation | None = None) -> None:
        super().__init__(rule)
        self._levels, self._windows = deque(maxlen=_LATEST_WINDOWS), deque(maxlen=_LATEST_WINDOWS)
        self._bins = BINS + self.rule.voice
        self._ring = np.empty((LATEST_ROWS, self._bins), np.float32)
        self._count = 0
        self._waiting: list[Floats] = []
        self._waits = 0

    def update(self, rows: Floats) -> Self:
        """Add (m, bins) rows, which stay as they are, as to a :class:`Profile`."""
        self._waiting.append(rows)
        self._waits += len(rows)
        # Rows of 40 ms at a time are cheaper to look at together.
        if len(self._rest) + self._waits >= _WINDOW:
            self._look_at_waiting()
        return self

    def _look_at_waiting(self) -> None:
        rows = np.concatenate(self._waiting)
        self._waiting, self._waits = [], 0
        latest = rows[-LATEST_ROWS:]
        self._count += len(rows)
        self._ring[np.arange(self._count - len(latest), self._count) % LATEST_ROWS] = latest
        self._look(rows, 1)

    def measures(self) -> dict[str, float]:
        """Describe the last 10 s."""
        if self._waiting:
            self._look_at_waiting()
        self.statistics = self.rule.statistics(self._bins).update(self._ring[: self._count])
        return super().measures()


def _pooled(rows: Floats) -> np.ndarray:
    """Level of every 40 ms: (m, 40) to (m // 4,)."""
    return rows.mean(axis=1)[: len(rows) // _POOL * _POOL].reshape(-1, _POOL).mean(axis=1)


def _describe(rows: Floats, length: int) -> np.ndarray:
    """Loud level, rhythm, movement and change of the windows of (m, 40) rows: (n, 4)."""
    level = _windowed(rows.mean(axis=1), length)
    loud = np.quantile(level, 0.95, axis=1)
    sounds = level > loud[:, None] - _PAUSE
    # Windows overlap: what can be told of a row is told once.
    bands = _windowed(_bands(rows), length)
    steps = _windowed(np.abs(np.diff(rows, axis=0)).mean(axis=1), length - 1)
    return np.column_stack([loud, _rhythm(bands), _movement(_windowed(rows, length), sounds), _change(steps, sounds)])


def _bands(rows: Floats) -> Floats:
    """Means of five neighbouring bins: (m, 40) to (m, 8). Sums of columns, as NumPy is slow on so short an axis."""
    fives = rows.reshape(len(rows), 8, BINS // 8)
    return np.add.reduce([fives[:, :, place] for place in range(BINS // 8)]) / np.float32(BINS // 8)


def _windowed(rows: np.ndarray, length: int) -> np.ndarray:
    """Windows of (m, ...) rows, a step apart, without a copy: (n, ..., length)."""
    return np.lib.stride_tricks.sliding_window_view(rows, length, axis=0)[::_STEP]


def _rhythm(bands: Floats) -> np.ndarray:
    """Share of the modulation of (n, 8, length) bands from 0.5 to 20 Hz that is slower than 8 Hz: (n,).

    Steady noise spreads it evenly.
    """
    bands = np.maximum(bands, bands.max(axis=2, keepdims=True) - _PAUSE)
    taper = np.hanning(bands.shape[2]).astype(np.float32)
    hz = fft.rfftfreq(bands.shape[2], 1 / HOP_RATE_HZ)
    lowest, middle, highest = np.searchsorted(hz, (0.5, 8.0, 20.001))
    spectrum = fft.rfft((bands - bands.mean(axis=2, keepdims=True)) * taper, axis=2)[..., lowest:highest]
    power = (spectrum.real**2 + spectrum.imag**2).sum(axis=1)
    # What does not move at all has no rhythm either: the constant keeps rounding from looking like one.
    return power[:, : middle - lowest].sum(axis=1) / (power.sum(axis=1) + 1e-2)


def _movement(windows: Floats, sounds: np.ndarray) -> np.ndarray:
    """SD over time of the bins against each other, over 50 ms, while there is sound; mean over the bins."""
    count = windows.shape[2] // 5 * 5
    slow = windows[:, :, :count].reshape(*windows.shape[:2], -1, 5).mean(axis=3)
    weights = sounds[:, :count].reshape(len(sounds), 1, -1, 5).mean(axis=3)
    weights = weights / np.maximum(weights.sum(axis=2, keepdims=True), 1e-9)
    shape = slow - slow.mean(axis=1, keepdims=True)
    centred = shape - (weights * shape).sum(axis=2, keepdims=True)
    return np.sqrt((weights * centred**2).sum(axis=2)).mean(axis=1)


def _change(steps: Floats, sounds: np.ndarray) -> np.ndarray:
    """Median over the sounding rows of how far the bins are from those of the row before; (n, length - 1) steps."""
    steps = np.where(sounds[:, 1:], steps, np.inf)
    middle = (np.isfinite(steps).sum(axis=1) - 1) // 2
    return np.sort(steps, axis=1)[np.arange(len(steps)), middle]


def _typical(windows: np.ndarray) -> dict[str, float]:
    """Medians of what :func:`_describe` gives, (n, 4), over the windows that are not pauses."""
    loud = float(np.quantile(windows[:, 0], 0.98))
    rhythm, movement, change = np.median(windows[windows[:, 0] > loud - _LOUD_WINDOWS, 1:], axis=0)
    return {
        "loud_db": loud * float(_DB),
        "rhythm": float(rhythm),
        "movement": float(movement),
        "change": float(change),
    }


def _beat(levels: np.ndarray) -> dict[str, float]:
    """The highest autocorrelation of (m,) levels at lags of a beat or a bar, median over stretches of 8 s."""
    count = round(_BEAT_S * _POOL_RATE_HZ)
    if len(levels) < count:
        return {}
    audible = np.maximum(levels, max(np.quantile(levels, 0.98) - 5.0, _SILENCE))
    level = audible - _smoothed(audible, round(2 * _POOL_RATE_HZ))
    stretches = np.lib.stride_tricks.sliding_window_view(level, count)[:: count // 2]
    pieces = range(0, len(stretches), _STRETCHES_AT_ONCE)
    peaks = [_repetition(stretches[first : first + _STRETCHES_AT_ONCE]) for first in pieces]
    return {"beat": float(np.median(np.concatenate(peaks)))}


def _smoothed(level: np.ndarray, width: int) -> np.ndarray:
    """Mean over ``width`` (even) neighbours of (m,) levels, the ends repeated beyond themselves."""
    sums = np.cumsum(np.pad(level, (width // 2 + 1, width // 2 - 1), mode="edge"), dtype=np.float64)
    return ((sums[width:] - sums[:-width]) / width).astype(level.dtype)


def _repetition(stretches: np.ndarray) -> np.ndarray:
    """The highest autocorrelation of each of (n, count) stretches at lags of a beat or a bar: (n,)."""
    count = stretches.shape[1]
    stretches = stretches - stretches.mean(axis=1, keepdims=True)
    lags = np.arange(*(round(lag_s * _POOL_RATE_HZ) for lag_s in _BEAT_LAGS_S))
    products = fft.irfft(np.abs(fft.rfft(stretches, 2 * count, axis=1)) ** 2, axis=1)
    # A stretch whose level hardly moves has no beat; rounding and the noise of a steady sound are not to look like one.
    unbiased = products[:, lags] / (products[:, :1] + 1e-2 * count) * (count / (count - lags))
    return unbiased.max(axis=1)


def excerpts(rows: Floats, rule: Normalisation) -> Iterator[dict[str, float]]:
    """Measures of cuts of a training recording, of the lengths that people give; what :func:`fit` wants.

    Args:
        rows: (m, bins) rows of the recording, the first 40 values of each log mel energies.
        rule: the model's.
    """
    for length_s in (*EXCERPTS_S, len(rows) / HOP_RATE_HZ):
        length = round(length_s * HOP_RATE_HZ)
        # A few cuts of each length, spread over the recording, tell as much as all of them.
        for first in np.unique(np.linspace(0, max(0, len(rows) - length), 4).astype(int)):
            yield Profile(rule).update(rows[first : first + length]).measures()


def fit(measures: Sequence[Mapping[str, float]]) -> dict[str, tuple[float, float]]:
    """Learn the bounds of training speech.

    Args:
        measures: of many recordings or excerpts, as :meth:`Profile.measures` gives them.

    Returns:
        Lowest and highest value of each measure: percentiles 0.5 and 99.5, on either side 15 % (of their distance
        in logarithms) further apart; for dB, 10 dB. A measure that no recording has is left out.
    """
    ranges = {}
    for name in _MEASURES:
        values = np.array([m[name] for m in measures if name in m])
        if len(values):
            ranges[name] = _bounds_db(values) if name.endswith("_db") else _bounds(values)
    return ranges


def _bounds(values: np.ndarray) -> tuple[float, float]:
    low, high = np.percentile(np.log(np.maximum(values, 1e-3)), _PERCENTILES)
    margin = _MARGIN * (high - low)
    return round(float(np.exp(low - margin)), 4), round(float(np.exp(high + margin)), 4)


def _bounds_db(values: np.ndarray) -> tuple[float, float]:
    # Normalisation takes the level off: only speech that sinks into digital silence is another thing.
    low, high = np.percentile(values, _PERCENTILES)
    return round(float(low) - _MARGIN_DB, 2), round(float(high) + _MARGIN_DB, 2)


@dataclass(frozen=True)
class Doubt:
    """What is unlike speech. Two are equal that differ in figures or reasons alone."""

    kind: str
    text: str = field(compare=False)


def warnings(measures: Mapping[str, float], ranges: Mapping[str, tuple[float, float]]) -> list[str]:
    """Say in plain words what is unlike speech, the gravest only.

    Args:
        measures: as :meth:`Profile.measures` gives them.
        ranges: as :func:`fit` gives them; without any, only the lack of sound is noticed.

    Returns:
        At most one sentence on what makes the trace meaningless, or else at most one on what makes it doubtful.
    """
    found = doubt(measures, ranges)
    return [] if found is None else [found.text]


def doubt(measures: Mapping[str, float], ranges: Mapping[str, tuple[float, float]]) -> Doubt | None:
    """The same as :func:`warnings`, of a kind that can be compared."""
    duration_s = measures["duration_s"]
    least_s = min(_LEAST_S, duration_s / 3)
    if measures["audible_s"] < least_s:
        why = f"{measures['audible_s']:.1f} s of {duration_s:.1f} s are louder than silence; the trace means nothing"
        return _doubt("almost no sound", f": {why}")
    if measures["sounding_s"] < least_s:
        why = f"{measures['sounding_s']:.1f} s of {duration_s:.1f} s are louder than the steady sound behind them"
        return _doubt("no speech found", f": {why}; the trace means nothing")
    no_speech = [text for name, side, text in _NO_SPEECH if _outside(measures, ranges, name) == side]
    if no_speech:
        return _doubt("this does not sound like speech", f" ({', '.join(no_speech)}): do not trust the trace")
    odd = [text for name, side, text in _ODD if _outside(measures, ranges, name) == side]
    if odd:
        advice = "trust the shape of the trace more than its level"
        return _doubt("recording or voice unlike the training speech", f" ({', '.join(odd)}): {advice}")
    return None


def _doubt(kind: str, more: str) -> Doubt:
    return Doubt(kind, kind + more)


def _outside(measures: Mapping[str, float], ranges: Mapping[str, tuple[float, float]], name: str) -> int:
    """-1 under the bounds of a measure, 1 over them, 0 between them or where either is unknown."""
    if name not in measures or name not in ranges:
        return 0
    low, high = ranges[name]
    return int(measures[name] > high) - int(measures[name] < low)
