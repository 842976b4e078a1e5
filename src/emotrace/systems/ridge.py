"""Ridge regression on statistics of windows: the simplest system there is, which needs no sound.

Means and SDs of every feature over windows of 1, 5, 15 and 45 s around a frame, ridge regression, its alpha and the
delay chosen on the development part, and the AVEC 2016 chain.
"""

from dataclasses import dataclass

import numpy as np

from emotrace.systems import Choice, Predict, Task, materials, regression, windows
from emotrace.systems.materials import Material

TITLE = "Ridge on windows"
SOURCE = "this package: a reference to be beaten"
SEEDED = False


@dataclass(frozen=True)
class Settings:
    """How features are summed up.

    Attributes:
        front_end: any, or ``given`` for features that a corpus distributes.
        windows_s: lengths of the windows.
        normalise: every recording to zero mean and unit SD first, as the paper does with speakers.
        delays_s: the first and the last delay that is tried, in steps of 0.4 s.
    """

    front_end: str = "logmel"
    windows_s: tuple[float, float, float, float] = (1.0, 5.0, 15.0, 45.0)
    normalise: bool = True
    delays_s: tuple[float, float] = (0.0, 8.0)


SPACE = {
    "windows_s": Choice(
        ((1.0, 5.0, 15.0, 45.0), (0.4, 1.0, 4.0, 15.0), (2.0, 6.0, 20.0, 60.0), (4.0, 8.0, 30.0, 90.0))
    ),
    "normalise": Choice((False, True)),
}


@dataclass(frozen=True)
class Summed:
    """Statistics of windows of a front end's features."""

    front_end: str
    windows_s: tuple[float, ...]
    normalise: bool

    def __call__(self, material: Material) -> np.ndarray:
        """(frames, 2 * bins * windows): rows of a frame that share a scale count as one, their mean."""
        values = np.asarray(material.features(self.front_end), np.float64)
        rows = values.reshape(len(values), -1, materials.bins([material], self.front_end)).mean(axis=1)
        return windows.statistics(windows.normalised(rows) if self.normalise else rows, self.windows_s)


def fit(task: Task, settings: Settings) -> Predict:
    """Fit ridge regressions for every delay and alpha and keep the best.

    Raises:
        CorpusError: the corpus lacks what the front end needs, or ratings.
    """
    represent = Summed(settings.front_end, settings.windows_s, settings.normalise)
    return regression.fit_ridge(task, [represent], regression.delays_between(*settings.delays_s))
