"""Whether sound that goes on coming is like speech: its last ten seconds, judged over and over.

They are judged as :mod:`emotrace.inference.familiarity` judges a recording of ten seconds: after the first ten, then
every 2.56 s, and at the end. Where a pause or a laugh lies within them is chance, so that only two judgements in a row
that deny what holds put an end to it, and what the second of them found takes its place. The first one counts at once.
"""

from typing import NamedTuple

import numpy as np

from emotrace.features.logmel import HOP_RATE_HZ
from emotrace.inference import familiarity
from emotrace.inference import model as saved
from emotrace.inference.familiarity import Doubt

_EVERY_ROWS = 256


class Change(NamedTuple):
    """What holds of the 10 s before ``time_s``, and from there on: sentences, none where nothing does any more."""

    time_s: float
    warnings: tuple[str, ...]


class Watch:
    """Rows in, as they come; out, where it changes, what is unlike speech.

    Where rows are judged is counted from the first one: how they are cut does not show.

    Args:
        chosen: the model whose training speech to compare with; without ranges only the lack of sound is noticed, and
            nothing with a front end that is not in :data:`emotrace.inference.familiarity.FRONT_ENDS`.
    """

    def __init__(self, chosen: saved.Model) -> None:
        self._ranges = chosen.ranges
        self._latest = familiarity.Latest(chosen.rule) if chosen.front_end in familiarity.FRONT_ENDS else None
        self._count, self._due = 0, familiarity.LATEST_ROWS
        self._holds: Doubt | None = None
        self._denied = True

    @property
    def warnings(self) -> tuple[str, ...]:
        """What holds now, at most one sentence, in the words that it began with."""
        return () if self._holds is None else (self._holds.text,)

    def update(self, rows: np.ndarray) -> list[Change]:
        """Take (m, bins) rows at 100 Hz, m may be 0; give what changes in them, in order."""
        if self._latest is None:
            return []
        changes = []
        while self._count + len(rows) >= self._due:
            fitting = self._due - self._count
            changes += self._judged(self._taken(self._latest, rows[:fitting]))
            rows, self._due = rows[fitting:], self._due + _EVERY_ROWS
        if len(rows):
            self._taken(self._latest, rows)
        return changes

    def finish(self) -> list[Change]:
        """Judge once more, with the rows since the last time, if there are any."""
        judged = self._due - _EVERY_ROWS == self._count
        return [] if self._latest is None or judged else self._judged(self._latest)

    def _taken(self, latest: familiarity.Latest, rows: np.ndarray) -> familiarity.Latest:
        self._count += len(rows)
        return latest.update(rows)

    def _judged(self, latest: familiarity.Latest) -> list[Change]:
        found = familiarity.doubt(latest.measures(), self._ranges)
        before, self._denied = self._denied, found != self._holds
        if not (before and self._denied):
            return []
        self._holds, self._denied = found, False
        return [Change(self._count / HOP_RATE_HZ, self.warnings)]
