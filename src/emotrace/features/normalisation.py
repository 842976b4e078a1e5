"""Z-normalisation of log mel rows per speaker or per recording, from statistics that can be gathered in pieces.

The paper normalises each speaker to zero mean and unit variance (section 3). That holds for five minutes of one voice;
a recording of ten seconds, mostly silent, or all of it shouted, has no such statistics. Two settings, both off by
default, make the rule fit for any recording: rows far under the loud ones (pauses) may be left out of the statistics,
and the statistics may be drawn towards those of the training speech, the less so the more speech there is.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from emotrace.features.logmel import BINS, FLOOR, Floats

SD_FLOOR = 1e-2
"""Below this a bin is constant, and dividing by its SD would only blow up rounding."""

_STEP = 0.5
_LOWEST = float(np.log(FLOOR))
_STEPS = 120
_LOUD_SHARE = 0.02


class Statistics:
    """Counts, sums and sums of squares of log mel rows, kept apart by level in steps of half a neper.

    The level of a row is the mean of its bins. Keeping levels apart lets the threshold under which a row counts as a
    pause be set when all rows have been seen, in one pass and constant memory; two statistics add.
    """

    def __init__(self, bins: int = BINS) -> None:
        self.counts = np.zeros(_STEPS)
        self.sums = np.zeros((_STEPS, bins))
        self.squares = np.zeros((_STEPS, bins))

    def update(self, rows: Floats) -> Self:
        """Add (m, bins) rows."""
        if not len(rows):
            return self
        levels = ((rows.mean(axis=1) - _LOWEST) / _STEP).astype(np.intp).clip(0, _STEPS - 1)
        order = np.argsort(levels, kind="stable")
        ordered = rows[order]
        present, starts = np.unique(levels[order], return_index=True)
        for step, start, stop in zip(present, starts, [*starts[1:], len(rows)], strict=True):
            alike = ordered[start:stop].astype(np.float64)
            self.counts[step] += stop - start
            self.sums[step] += alike.sum(axis=0)
            self.squares[step] += np.einsum("ij,ij->j", alike, alike)
        return self

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
        first = 0 if range_db is None else self._first_step(range_db)
        count = self.counts[first:].sum()
        if not count:
            return 0.0, np.zeros(self.sums.shape[1]), np.ones(self.sums.shape[1])
        mean = self.sums[first:].sum(axis=0) / count
        variance = self.squares[first:].sum(axis=0) / count - mean**2
        return float(count), mean, np.maximum(variance, 0.0)

    def _first_step(self, range_db: float) -> int:
        sounding = self.counts.copy()
        sounding[0] = 0
        if not sounding.any():
            return 0
        from_top = np.cumsum(sounding[::-1])
        loud = _STEPS - 1 - int(np.searchsorted(from_top, _LOUD_SHARE * from_top[-1]))
        nepers = range_db * np.log(10) / 10
        return max(1, loud - round(nepers / _STEP))


@dataclass(frozen=True)
class Normalisation:
    """How rows are normalised; the default is the paper's plain z-normalisation.

    Attributes:
        range_db: see :meth:`Statistics.moments`.
        clip: normalised values are held within plus or minus this.
        prior_s: seconds of training speech that the recording's own statistics are weighed against.
        prior_mean: (40,) mean of the training speech; only its shape counts, its level is the recording's own.
        prior_sd: (40,) SD of the training speech.
    """

    range_db: float | None = None
    clip: float | None = None
    prior_s: float = 0.0
    prior_mean: tuple[float, ...] = ()
    prior_sd: tuple[float, ...] = ()

    def scale(self, statistics: Statistics) -> tuple[Floats, Floats]:
        """Mean (40,) and SD (40,) to normalise with, given what is known of the speaker or recording."""
        count, mean, variance = statistics.moments(self.range_db)
        if self.prior_s and self.prior_mean:
            mean, variance = self._drawn_to_prior(count, mean, variance)
        sd = np.sqrt(variance)
        return mean.astype(np.float32), np.where(sd < SD_FLOOR, 1.0, sd).astype(np.float32)

    def _drawn_to_prior(self, count: float, mean: np.ndarray, variance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        prior_mean, prior_sd = np.array(self.prior_mean), np.array(self.prior_sd)
        own = count / (count + 100.0 * self.prior_s)
        # The median: of a telephone's bins nearly half are empty, and tell nothing of how loud the recording is.
        level = np.median(mean - prior_mean) if count else 0.0
        return own * mean + (1 - own) * (prior_mean + level), own * variance + (1 - own) * prior_sd**2

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
        mean = np.mean([mean - np.median(mean) for _, mean, _ in moments], axis=0)
        sd = np.sqrt(np.mean([variance for _, _, variance in moments], axis=0))
        return replace(self, prior_mean=tuple(mean.round(4).tolist()), prior_sd=tuple(sd.round(4).tolist()))

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)


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
        return rule.apply(rows, Statistics(rows.shape[1]).update(rows))
    result = np.empty_like(rows)
    for speaker in np.unique(speakers):
        own = speakers == speaker
        result[own] = rule.apply(rows[own], Statistics(rows.shape[1]).update(rows[own]))
    return result
