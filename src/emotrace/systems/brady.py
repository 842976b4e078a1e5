"""Brady et al.: cepstra, shifted delta cepstra and prosody, sparsely coded, linear SVR.

Every frame is described by 13 cepstra, 49 shifted delta cepstra (7-1-3-7) and pitch, voicing and level, the means of
its 10 ms rows, normalised over the recording. A dictionary of atoms is learned from training frames, and every frame
becomes the few atoms that add up to it (lasso). Their positive and negative weights are averaged over a window around
each frame: that is what the SVR sees, after a delay, and what the AVEC 2016 chain follows.

Unstated in the source: the number of cepstra, of atoms and their penalty, the shifts, normalisation by the recording,
the pooling and its window, the SVR's settings and delay (those of the AVEC 2016 baseline), and the chain.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emotrace.features import mfcc, prosody
from emotrace.systems import Choice, Predict, Range, Task, extra, regression, windows
from emotrace.systems.bottleneck import unfinished
from emotrace.systems.materials import Material

TITLE = "Brady et al."
SOURCE = "Brady et al. 2016"
SEEDED = True

_SDC_COEFFICIENTS, _SDC_SPREAD, _SDC_SHIFT, _SDC_BLOCKS = 7, 1, 3, 7
_EXAMPLES = 20000

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Settings:
    """How frames are coded and pooled.

    Attributes:
        atoms: of the dictionary.
        penalty: on the weights of atoms.
        window_s: over which codes are averaged; None takes 4 s, for valence 6 s.
        delay_s: None takes 2.8 s, for valence 3.6 s.
        step_frames: the SVR learns from one in so many frames; averages over seconds change little in 0.2 s.
        epochs: over the frames that the dictionary is learned from.
        epsilon: half the width of the SVR's tube.
    """

    atoms: int = 100
    penalty: float = 1.0
    window_s: float | None = None
    delay_s: float | None = None
    step_frames: int = 5
    epochs: int = 2
    epsilon: float = 0.1


SPACE = {
    "atoms": Choice((50, 100, 200)),
    "penalty": Range(0.3, 3.0, log=True),
    "window_s": Choice((2.0, 4.0, 6.0, 8.0, 12.0)),
    "delay_s": Range(0.0, 8.0),
    "epsilon": Choice((0.0, 0.05, 0.1)),
}


@dataclass(frozen=True)
class Coded:
    """Pooled codes of a recording.

    Attributes:
        atoms: (atoms, size) of the dictionary.
        penalty: on their weights.
        window_s: over which codes are averaged.
    """

    atoms: Floats
    penalty: float
    window_s: float

    def __call__(self, material: Material) -> Floats:
        """(frames, 2 * atoms)."""
        sparse_encode = extra.package("sklearn.decomposition").sparse_encode
        with unfinished():
            codes = sparse_encode(
                describe(material), self.atoms, algorithm="lasso_cd", alpha=self.penalty, max_iter=100
            )
        signed = np.concatenate([np.maximum(codes, 0.0), np.maximum(-codes, 0.0)], axis=1)
        return windows.statistics(signed, [self.window_s])[:, : signed.shape[1]]


def fit(task: Task, settings: Settings) -> Predict:
    """Learn the dictionary from training frames, then the SVR for every C.

    Raises:
        ConfigError: scikit-learn is not installed.
        CorpusError: a recording has no sound, or none is rated.
    """
    atoms = _dictionary(task, settings)
    represent = Coded(atoms, settings.penalty, regression.window_s(task.target, settings.window_s))
    delay_s = regression.delay_s(task.target, settings.delay_s)
    return regression.fit_svr(task, [represent], [delay_s], epsilon=settings.epsilon, step_frames=settings.step_frames)


def describe(material: Material) -> Floats:
    """(frames, 65): cepstra, shifted delta cepstra and prosody, normalised over the recording."""
    cepstra = material.features("mfcc").reshape(-1, mfcc.COEFFICIENTS)
    rows = [cepstra, shifted_deltas(cepstra), material.features("prosody").reshape(-1, prosody.bins)]
    frames = [row.reshape(material.frames, -1, row.shape[1]).mean(axis=1) for row in rows]
    return windows.normalised(np.concatenate(frames, axis=1))


def shifted_deltas(cepstra: NDArray[Any]) -> NDArray[Any]:
    """Shifted delta cepstra 7-1-3-7 (Torres-Carrasquillo et al. 2002): (rows, 13) to (rows, 49).

    Of the first 7 coefficients, the differences over one row to each side, at 0, 3, ... 18 rows later; ends are held.
    """
    rows = cepstra[:, :_SDC_COEFFICIENTS]
    at = np.arange(len(rows))
    last = len(rows) - 1

    def held(shift: int) -> NDArray[Any]:
        return rows[np.clip(at + shift, 0, last)]

    shifts = [_SDC_SHIFT * block for block in range(_SDC_BLOCKS)]
    return np.concatenate([held(shift + _SDC_SPREAD) - held(shift - _SDC_SPREAD) for shift in shifts], axis=1)


def _dictionary(task: Task, settings: Settings) -> Floats:
    rng = np.random.default_rng(task.seed)
    share = -(-_EXAMPLES // len(task.train))
    examples = np.concatenate([describe(m)[rng.permutation(m.shown)[:share]] for m in task.train])
    learner = extra.package("sklearn.decomposition").MiniBatchDictionaryLearning(
        settings.atoms,
        alpha=settings.penalty,
        max_iter=settings.epochs,
        fit_algorithm="cd",
        batch_size=256,
        random_state=task.seed,
    )
    atoms: Floats = learner.fit(examples).components_
    return atoms
