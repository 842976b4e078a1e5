"""The audio baseline of AVEC 2016: eGeMAPS functionals, a delay, a linear SVR, post-processing.

Functionals over a window around every frame (4 s for arousal, 6 s for valence, which the organisers chose from 4 to
14 s), standardised by the training part; the gold standard shifted back by 2.8 s (arousal) or 3.6 s (valence), chosen
from 0 to 8 s in steps of 0.4 s; liblinear's L2-regularised L2-loss SVR with a bias of 1, C in {1, 2, 5} x 10^-5 ... 1;
then the chain of median filter, centring, scaling and shift.

Unstated in the source: the width of the SVR's tube (0.1, liblinear's own default); windows and delay for other targets
(arousal's are taken); which score chooses C (see :mod:`emotrace.systems.regression`).
"""

from dataclasses import dataclass

import numpy as np

from emotrace.features import egemaps
from emotrace.systems import Choice, Predict, Range, Task, regression, windows
from emotrace.systems.materials import Material

TITLE = "AVEC 2016 SVR"
SOURCE = "Valstar et al. 2016, audio baseline"
SEEDED = False


@dataclass(frozen=True)
class Settings:
    """What the organisers chose, unless told otherwise.

    Attributes:
        front_end: ``egemaps``, or ``given`` for what a corpus distributes: where these are 88 values, as in AVEC's
            packages, they are functionals and have their window; of others, mean and SD over the window are taken, and
            of other front ends' too.
        window_s: of the functionals; None takes the source's for the target.
        delay_s: None takes the source's for the target.
        search: choose window and delay on the development part, from the source's grids; a window costs a pass of
            openSMILE.
        search_step_frames: while C (and window, and delay) are searched, learn from one in so many frames; functionals
            over seconds change little in 0.2 s, and the SVR that is chosen learns from all frames.
        epsilon: half the width of the SVR's tube.
    """

    front_end: str = "egemaps"
    window_s: float | None = None
    delay_s: float | None = None
    search: bool = False
    search_step_frames: int = 5
    epsilon: float = 0.1


SPACE = {
    "window_s": Choice(egemaps.WINDOWS_S),
    "delay_s": Range(0.0, 8.0),
    "epsilon": Choice((0.0, 0.05, 0.1)),
}


@dataclass(frozen=True)
class Functionals:
    """Of a window around every frame."""

    front_end: str
    window_s: float

    def __call__(self, material: Material) -> np.ndarray:
        """(frames, size)."""
        if self.front_end == "egemaps":
            return material.features(egemaps.name(self.window_s))
        values = material.features(self.front_end)
        return values if values.shape[1] == egemaps.size else windows.statistics(values, [self.window_s])


def fit(task: Task, settings: Settings) -> Predict:
    """Fit the SVR for every C and keep the best.

    Raises:
        ConfigError: openSMILE is not installed, or a window has no frame in its middle.
        CorpusError: the corpus lacks what the front end needs, or ratings.
    """
    delays_s = regression.DELAYS_S if settings.search else [regression.delay_s(task.target, settings.delay_s)]
    lengths_s = egemaps.WINDOWS_S if settings.search else [regression.window_s(task.target, settings.window_s)]
    represents = [Functionals(settings.front_end, window_s) for window_s in lengths_s]
    return regression.fit_svr(
        task, represents, delays_s, epsilon=settings.epsilon, search_step_frames=settings.search_step_frames
    )
