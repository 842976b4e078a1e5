"""Povolny et al.: eGeMAPS functionals and bottleneck features with seconds of context, linear regression.

Functionals over 4 s (arousal; 6 s for valence, as the AVEC 2016 baseline), and bottleneck features of a network that
sees mel energies and pitch (:mod:`emotrace.systems.bottleneck`, which says what it is trained on in place of the
source's speech corpus). Context of at most 8 s comes by frame stacking or by statistics of local windows. Linear
regression after a delay, then the AVEC 2016 chain.

Other than in the source: the regression is a ridge, its weight chosen on the development part from next to none up to
real shrinkage; plain least squares explodes on features this alike. Unstated there: which frames are stacked (a second
apart over 8 s), and which windows are taken (1, 2, 4 and 8 s).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from emotrace.features import egemaps
from emotrace.systems import Choice, Predict, Task, regression, windows
from emotrace.systems.bottleneck import Bottleneck, Shape, train
from emotrace.systems.materials import Material

TITLE = "Povolny et al."
SOURCE = "Povolny et al. 2016"
SEEDED = True

CONTEXT_S = 8.0
_WINDOWS_S = (1.0, 2.0, 4.0, 8.0)


@dataclass(frozen=True)
class Settings:
    """How features get their context.

    Attributes:
        context: of the bottleneck features: frames stacked, or statistics of windows.
        window_s: of the functionals, which are stacked as far as 8 s of context allow; None takes 4 s, for valence 6 s.
        bottleneck: the network.
        delays_s: the first and the last delay that is tried, in steps of 0.4 s.
    """

    context: Literal["stacking", "statistics"] = "statistics"
    window_s: float | None = None
    bottleneck: Shape = field(default_factory=Shape)
    delays_s: tuple[float, float] = (0.0, 8.0)


SPACE: Mapping[str, Any] = {
    "context": Choice(("stacking", "statistics")),
    "window_s": Choice((4.0, 6.0, 8.0)),
    "bottleneck.units": Choice((12, 24, 48)),
    "bottleneck.clusters": Choice((32, 64, 128)),
}


@dataclass(frozen=True)
class Represented:
    """Functionals and bottleneck features with their context."""

    bottleneck: Bottleneck
    window_s: float
    context: str

    def __call__(self, material: Material) -> np.ndarray:
        """(frames, size)."""
        functionals = material.features(egemaps.name(self.window_s))
        reach_s = (CONTEXT_S - self.window_s) / 2
        beside = windows.stacked(functionals, [-reach_s, 0.0, reach_s] if reach_s > 0 else [0.0])
        units = self.bottleneck(material)
        if self.context == "statistics":
            return np.concatenate([beside, windows.statistics(units, _WINDOWS_S)], axis=1)
        return np.concatenate([beside, windows.stacked(units, np.arange(-4.0, 4.5).tolist())], axis=1)


def fit(task: Task, settings: Settings) -> Predict:
    """Train the bottleneck network on the training recordings, then the regression for every delay.

    Raises:
        ConfigError: openSMILE is not installed, or a window has no frame in its middle.
        CorpusError: a recording has no sound, or none is rated.
    """
    window_s = regression.window_s(task.target, settings.window_s)
    bottleneck = train(task.train, settings.bottleneck, task.seed)
    represent = Represented(bottleneck, window_s, settings.context)
    return regression.fit_ridge(task, [represent], regression.delays_between(*settings.delays_s))
