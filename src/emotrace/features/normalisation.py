"""Z-normalisation of log mel rows per speaker or per recording, from statistics that can be gathered in pieces.

The paper normalises each speaker to zero mean and unit variance (section 3). That holds for five minutes of one voice;
a recording of ten seconds, mostly silent, or all of it shouted, has no such statistics, and what a telephone stops
would be blown up to unit variance. Three settings, all off by default, make the rule fit for any recording: rows far
under the loud ones (pauses) may be left out of the statistics, the statistics may be drawn towards those of the
training speech, the less so the more speech there is, and bins that a channel stopped may be faded out.

Where pitch and voicing stand beside the energies (:mod:`emotrace.features.voice`), they tell nothing of a row's level,
a microphone does not change them, and an octave lies between two people's pitch: their mean is soon the recording's
own, their SD always that of the training speech, since how far a voice moves is what they are there to tell.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from emotrace.features.logmel import BINS, FLOOR, HOP_RATE_HZ, STACK, Floats

SD_FLOOR = 1e-2
"""Below this a bin is constant, and dividing by its SD would only blow up rounding."""

MEMORY_S = 300.0
"""How far back running statistics reach: five minutes, the length of the recordings that networks are trained on."""

VOICE_PRIOR_S = 2.0
"""Seconds of training speech that the mean of what is no energy is weighed against."""

_STEP = 0.5
_LOWEST = float(np.log(FLOOR))
_STEPS = 120
_LOUD_SHARE = 0.02


class Statistics:
    """Counts, sums and sums of squares of log mel rows, kept apart by level in steps of half a neper.

    The level of a row is the mean of its bins, or the strongest of them. Keeping levels apart lets the threshold under
    which a row counts as a pause be set when all rows have been seen, in one pass and constant memory; two statistics
    add.

    Args:
        bins: values a row.
        strongest: take the strongest bin for a row's level. Where a channel stopped many bins, the mean of all falls
            too little in a pause to tell it from speech.
        voice: how many values at the end of a row are no energies.
    """

    def __init__(self, bins: int = BINS, strongest: bool = False, voice: int = 0) -> None:
        self.strongest, self.voice = strongest, voice
        self.counts = np.zeros(_STEPS)
        self.sums = np.zeros((_STEPS, bins))
        self.squares = np.zeros((_STEPS, bins))

    def update(self, rows: Floats) -> Self:
        """Add (m, bins) rows."""
        if not len(rows):
            return self
        levels = self.levels(rows)
        order = np.argsort(levels, kind="stable")
        ordered = rows[order]
        present, starts = np.unique(levels[order], return_index=True)
        for step, start, stop in zip(present, starts, [*starts[1:], len(rows)], strict=True):
            alike = ordered[start:stop].astype(np.float64)
            self.counts[step] += stop - start
            self.sums[step] += alike.sum(axis=0)
            self.squares[step] += np.einsum("ij,ij->j", alike, alike)
        return self

    def levels(self, rows: Floats) -> NDArray[np.intp]:
        """The step of level of each of (m, bins) rows, (m,)."""
        energies = rows[:, : rows.shape[1] - self.voice]
        level = energies.max(axis=1) if self.strongest else energies.mean(axis=1)
        return ((level - _LOWEST) / _STEP).astype(np.intp).clip(0, _STEPS - 1)

    def merge(self, other: "Statistics") -> Self:
        """Add what another has seen."""
        self.counts += other.counts
        self.sums += other.sums
        self.squares += other.squares
        return self

    def moments(self, range_db: float | None = None) -> tuple[float, np.ndarray, np.ndarray]:
        """Number of rows counted, mean (bins,) and variance (bins,).

        Args:
            range_db: leave out rows whose level lies further than this under the loud level (the one that 2 % of the
                sounding rows exceed); None counts every row.
        """
        first = self.first_step(range_db)
        count = self.counts[first:].sum()
        if not count:
            return 0.0, np.zeros(self.sums.shape[1]), np.ones(self.sums.shape[1])
        mean = self.sums[first:].sum(axis=0) / count
        variance = self.squares[first:].sum(axis=0) / count - mean**2
        return float(count), mean, np.maximum(variance, 0.0)

    def first_step(self, range_db: float | None) -> int:
        """The lowest step of level that counts, as `moments` does it."""
        return 0 if range_db is None else int(_first_steps(self.counts[None], range_db)[0])


def _first_steps(counts: np.ndarray, range_db: float) -> NDArray[np.intp]:
    """Lowest level that is no pause, (n,), for n histograms of levels, (n, steps)."""
    sounding = counts[:, 1:]
    up_to = np.cumsum(sounding, axis=1)
    number = up_to[:, -1]
    louder = (number[:, None] - up_to + sounding < _LOUD_SHARE * number[:, None]).sum(axis=1)
    first = np.maximum(1, _STEPS - 1 - louder - round(range_db * np.log(10) / 10 / _STEP))
    return np.where(number > 0, first, 0)


@dataclass(frozen=True)
class Normalisation:
    """How rows are normalised; the default is the paper's plain z-normalisation.

    Attributes:
        range_db: see :meth:`Statistics.moments`.
        clip: normalised values are held within plus or minus this.
        prior_s: seconds of training speech that the recording's own statistics are weighed against.
        prior_mean: (40,) mean of the training speech; only its shape counts, its level is the recording's own.
        prior_sd: (40,) SD of the training speech.
        running: each frame by what was heard up to it, as live, and not by the whole recording.
        memory_s: what was heard this long ago has 1/e of its weight in running statistics; 0 forgets nothing.
        stopped_db: how far under the training speech's shape a bin begins to fade out, and where it is gone, as if it
            were always at its mean; a row's level is then that of its strongest bin.
        voice: how many values at the end of a row are no energies but tell of the voice.
        steady_sd: divide by the SD of the training speech whatever the recording's own is: how far a voice moves is
            then still to be seen, and how far noise hides it.
    """

    range_db: float | None = None
    clip: float | None = None
    prior_s: float = 0.0
    prior_mean: tuple[float, ...] = ()
    prior_sd: tuple[float, ...] = ()
    running: bool = False
    memory_s: float = MEMORY_S
    stopped_db: tuple[float, float] | None = None
    voice: int = 0
    steady_sd: bool = False

    def statistics(self, bins: int = BINS) -> Statistics:
        """Empty statistics that this rule can be applied with."""
        return Statistics(bins, strongest=self.stopped_db is not None, voice=self.voice)

    def scale(self, statistics: Statistics) -> tuple[Floats, Floats]:
        """Mean (40,) and SD (40,) to normalise with, given what is known of the speaker or recording.

        The SD of a bin that a channel stopped is infinite.
        """
        count, mean, variance = statistics.moments(self.range_db)
        return self.scale_of(np.array([count]), mean, variance)

    def scale_of(self, count: np.ndarray, mean: np.ndarray, variance: np.ndarray) -> tuple[Floats, Floats]:
        """The same from numbers of rows (..., 1), means (..., 40) and variances (..., 40)."""
        heard = self._heard(count, mean)
        if self.prior_s and self.prior_mean:
            mean, variance = self._drawn_to_prior(count, mean, variance)
        sd = np.sqrt(variance)
        with np.errstate(divide="ignore"):
            return mean.astype(np.float32), (np.where(sd < SD_FLOOR, 1.0, sd) / heard).astype(np.float32)

    def _heard(self, count: np.ndarray, mean: np.ndarray) -> np.ndarray:
        """How much of each bin a channel left, (..., bins): 1 for all, 0 for nothing."""
        heard = np.ones_like(mean)
        if self.stopped_db is None or not self.prior_mean:
            return heard
        fades, gone = (decibels * np.log(10) / 10 for decibels in self.stopped_db)
        louder = self._energies(mean - np.array(self.prior_mean))
        # The upper quartile: a telephone stops nearly half of the bins.
        under = np.quantile(louder, 0.75, axis=-1, keepdims=True) - louder
        self._energies(heard)[:] = np.where(count > 0, np.clip((gone - under) / (gone - fades), 0.0, 1.0), 1.0)
        return heard

    def _energies(self, values: np.ndarray) -> np.ndarray:
        """A view of (..., bins) without what tells of the voice."""
        return values[..., : values.shape[-1] - self.voice]

    def _drawn_to_prior(
        self, count: np.ndarray, mean: np.ndarray, variance: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        prior_mean, prior_sd = np.array(self.prior_mean), np.array(self.prior_sd)
        prior_s = np.full(len(prior_mean), VOICE_PRIOR_S)
        self._energies(prior_s)[:] = self.prior_s
        own = count / (count + 100.0 * prior_s)
        own_variance = np.zeros_like(own)
        if not self.steady_sd:
            self._energies(own_variance)[:] = self._energies(own)
        # The median: of a telephone's bins nearly half are empty, and tell nothing of how loud the recording is.
        level = np.zeros_like(mean)
        above = np.median(self._energies(mean - prior_mean), axis=-1, keepdims=True)
        self._energies(level)[:] = np.where(count > 0, above, 0.0)
        drawn = own_variance * variance + (1 - own_variance) * prior_sd**2
        return own * mean + (1 - own) * (prior_mean + level), drawn

    def apply(self, rows: Floats, statistics: Statistics) -> Floats:
        """Normalised copy of (m, bins) rows."""
        return self.scaled(rows, *self.scale(statistics))

    def scaled(self, rows: Floats, mean: Floats, sd: Floats) -> Floats:
        """Normalised copy of (m, bins) rows, given the mean and SD (bins,), or (m, bins) where speakers change."""
        normal = (rows - mean) / sd
        return normal if self.clip is None else np.clip(normal, -self.clip, self.clip, out=normal)

    def with_prior(self, recordings: Sequence[Statistics]) -> "Normalisation":
        """The same settings, with the mean over training recordings of their shape and variance as the prior."""
        moments = [statistics.moments(self.range_db) for statistics in recordings]
        shapes = [mean.copy() for _, mean, _ in moments]
        for shape in shapes:
            self._energies(shape)[:] -= np.median(self._energies(shape))
        mean = np.mean(shapes, axis=0)
        sd = np.sqrt(np.mean([variance for _, _, variance in moments], axis=0))
        return replace(self, prior_mean=tuple(mean.round(4).tolist()), prior_sd=tuple(sd.round(4).tolist()))

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)


class Running:
    """Normalises rows as they arrive, every frame by what was heard up to its end: the same, whatever the pieces.

    Statistics start from the rule's prior and fade with its ``memory_s``, so that after hours they still follow a
    speaker who takes over, and no sum grows without bound.

    Args:
        rule: how; its ``running`` is not asked.
        rows_a_frame: rows that share a scale.
        bins: values a row.
    """

    def __init__(self, rule: Normalisation, rows_a_frame: int = STACK, bins: int = BINS) -> None:
        # Takes longer to import than a clip to predict, which does without; and longer than a push may last.
        from scipy.signal import lfilter

        self._lfilter = lfilter
        self.rule, self.rows_a_frame = rule, rows_a_frame
        frame_s = rows_a_frame / HOP_RATE_HZ
        self._fade = float(np.exp(-frame_s / rule.memory_s)) if rule.memory_s else 1.0
        self._known = rule.statistics(bins)

    def push(self, rows: Floats) -> Floats:
        """Normalised copy of the (rows_a_frame * n, bins) rows of the next n frames."""
        if not len(rows):
            return rows.copy()
        mean, sd = self.rule.scale_of(*self._moments(rows))
        return self.rule.scaled(rows, *(np.repeat(part, self.rows_a_frame, axis=0) for part in (mean, sd)))

    def _moments(self, rows: Floats) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Number of rows (n, 1), mean and variance (n, bins) of all that is known at each frame; learns the rows."""
        steps = self._known.levels(rows).reshape(-1, self.rows_a_frame)
        values = rows.reshape(*steps.shape, -1).astype(np.float64)
        counts = self._faded(_histograms(steps), self._known.counts)
        range_db = self.rule.range_db
        first = np.zeros(len(steps), np.intp) if range_db is None else _first_steps(counts, range_db)
        number = np.empty((len(steps), 1))
        sums, squares = (np.empty((len(steps), values.shape[2])) for _ in range(2))
        for step in np.unique(first):
            at = np.flatnonzero(first == step)
            seen = values[: at[-1] + 1]
            loud = (steps[: at[-1] + 1] >= step).astype(np.float64)
            number[at] = counts[at, step:].sum(axis=1, keepdims=True)
            sums[at] = self._faded(np.einsum("fri,fr->fi", seen, loud), self._known.sums[step:].sum(axis=0))[at]
            power = np.einsum("fri,fri,fr->fi", seen, seen, loud)
            squares[at] = self._faded(power, self._known.squares[step:].sum(axis=0))[at]
        self._learn(values, steps)
        mean = sums / number
        return number, mean, np.maximum(squares / number - mean**2, 0.0)

    def _faded(self, by_frame: np.ndarray, start: np.ndarray) -> np.ndarray:
        """What has come up to each frame, (n, ...), faded; ``start`` is what came before the first."""
        return self._lfilter([1.0], [1.0, -self._fade], by_frame, axis=0, zi=self._fade * start[None])[0]

    def _learn(self, values: np.ndarray, steps: NDArray[np.intp]) -> None:
        order = np.argsort(steps, axis=None, kind="stable")
        present, starts = np.unique(steps.ravel()[order], return_index=True)
        weights = self._fade ** (len(steps) - 1 - order // self.rows_a_frame)
        ordered = values.reshape(-1, values.shape[2])[order]
        weighted = weights[:, None] * ordered
        known = self._known
        for table, new in ((known.counts, weights), (known.sums, weighted), (known.squares, weighted * ordered)):
            table *= self._fade ** len(steps)
            table[present] += np.add.reduceat(new, starts, axis=0)


def _histograms(steps: NDArray[np.intp]) -> np.ndarray:
    """How many rows of each frame have which level: (n, rows) to (n, steps)."""
    places = steps + _STEPS * np.arange(len(steps))[:, None]
    return np.bincount(places.ravel(), minlength=_STEPS * len(steps)).reshape(-1, _STEPS).astype(np.float64)


def normalise(rows: Floats, speakers: NDArray[np.str_] | None = None, rule: Normalisation | None = None) -> Floats:
    """Normalise the rows of one recording, each speaker on their own where speakers are known.

    Args:
        rows: (m, 40) log mel rows.
        speakers: (m,) a name a row, or None for one speaker.
        rule: how; the paper's plain z-normalisation by default.

    Returns:
        (m, 40), SD 1 and mean 0 in each bin of each speaker under the default rule.
    """
    rule = rule or Normalisation()
    if speakers is None:
        return rule.apply(rows, rule.statistics(rows.shape[1]).update(rows))
    result = np.empty_like(rows)
    for speaker in np.unique(speakers):
        own = speakers == speaker
        result[own] = rule.apply(rows[own], rule.statistics(rows.shape[1]).update(rows[own]))
    return result
