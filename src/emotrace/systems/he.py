"""He et al.: functionals of windows, those that go with the gold standard, a BLSTM, Gaussian smoothing.

The source describes a frame by 4,684 functionals of low-level descriptors, takes out the raters' delay, selects
features, lets a deep bidirectional LSTM network answer and smooths its answer with a Gaussian. Its feature set is
replaced here: descriptors are log mel energies, cepstra and prosody every 40 ms and their differences, their
functionals over a centred window are mean, SD, minimum, maximum and slope (560 in all).

Unstated in the source as far as it is public: window, number of selected features and how they are selected (here by
the mean over training recordings of the correlation with the gold standard, whatever its sign), delay (AVEC 2016's),
normalisation by the recording, loss (the CCC's, as for all networks), layers and width. The Gaussian is chosen on the
development part.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from emotrace import postprocessing
from emotrace.systems import Choice, Range, Task, materials, network, windows
from emotrace.systems.materials import Material
from emotrace.trace import FRAME_S

TITLE = "He et al."
SOURCE = "He et al. 2015"
SEEDED = True
SPACE = {
    "learning_rate": Range(3e-4, 1e-2, log=True),
    "l2": Range(1e-5, 1e-2, log=True),
    "features": Choice((50, 100, 200)),
    "window_s": Choice((2.0, 4.0, 6.0, 8.0)),
    "delay_s": Range(0.0, 8.0),
    "arguments.layers": Choice((1, 2, 3)),
    "arguments.width": Choice((16, 32, 64)),
}

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Settings(network.Late):
    """How recordings are described; the rest as :class:`emotrace.systems.network.Late`.

    Attributes:
        front_end: of the descriptors; several with "+" between.
        window_s: that functionals are of.
        features: how many are selected.
    """

    front_end: str = "logmel+mfcc+prosody"
    window_s: float = 4.0
    features: int = 100


@dataclass(frozen=True)
class Functionals:
    """What the network sees of a recording.

    Attributes:
        front_ends: of the descriptors.
        window_s: that functionals are of.
        selected: columns; None for all.
    """

    front_ends: tuple[str, ...]
    window_s: float
    selected: tuple[int, ...] | None

    def __call__(self, material: Material) -> NDArray[np.float32]:
        """(frames, features), of zero mean and unit SD over the recording."""
        found = functionals(self._descriptors(material), self.window_s, self.selected)
        return windows.normalised(found).astype(np.float32)

    def _descriptors(self, material: Material) -> Floats:
        """Means of a frame's rows, and how they change from frame to frame."""
        parts = [materials.frame_means(material, front_end) for front_end in self.front_ends]
        values = windows.filled(np.concatenate(parts, axis=1))
        changes = np.gradient(values, axis=0) if len(values) > 1 else np.zeros_like(values)
        return np.concatenate([values, changes], axis=1)


def fit(task: Task, settings: Settings) -> network.Finished:
    """Select features, train, choose the smoothing; see :mod:`emotrace.systems`."""
    settings = settings.resolved(task.target)
    fitted = network.fit("blstm", task, settings, select(task, settings))
    return network.finished(fitted, task, postprocessing.Gaussian)


def select(task: Task, settings: Settings) -> Functionals:
    """The functionals of the training part that go with its gold standard, the delay taken out."""
    everything = Functionals(tuple(settings.front_end.split("+")), settings.window_s, None)
    lag_frames = round(settings.lag_s / FRAME_S)
    found = [correlations(everything(m), m.aims(lag_frames)) for m in task.train]
    strongest = np.argsort(-np.abs(np.mean(found, axis=0)), kind="stable")[: settings.features]
    return Functionals(everything.front_ends, settings.window_s, tuple(sorted(strongest.tolist())))


def functionals(values: ArrayLike, window_s: float, selected: Sequence[int] | None = None) -> Floats:
    """Mean, SD, minimum, maximum and slope a frame of every column over windows centred on every frame.

    Args:
        values: (frames, size); values at the ends are held beyond them.
        window_s: length of the window, made an odd number of frames.
        selected: which of the result's columns are wanted, in rising order; all by default.

    Returns:
        (frames, 5 * size), all means first.
    """
    table = np.asarray(values, dtype=np.float64)
    size, length = table.shape[1], 2 * max(1, round(window_s / FRAME_S) // 2) + 1
    wanted = np.arange(len(_KINDS) * size) if selected is None else np.asarray(selected)
    of_kind = [wanted[wanted // size == kind] % size for kind in range(len(_KINDS))]
    return np.concatenate([kind(table[:, at], length) for kind, at in zip(_KINDS, of_kind, strict=True)], axis=1)


def _mean(table: Floats, length: int) -> Floats:
    offset = table.mean(axis=0)
    mean: Floats = ndimage.uniform_filter1d(table - offset, length, axis=0, mode="nearest")
    return mean + offset


def _sd(table: Floats, length: int) -> Floats:
    # Squares lose digits to a large offset.
    centred = table - table.mean(axis=0)
    mean = ndimage.uniform_filter1d(centred, length, axis=0, mode="nearest")
    square = ndimage.uniform_filter1d(np.square(centred), length, axis=0, mode="nearest")
    return np.sqrt(np.maximum(square - np.square(mean), 0.0))


def _slope(table: Floats, length: int) -> Floats:
    at = np.arange(length) - length // 2
    slope: Floats = ndimage.correlate1d(table - table.mean(axis=0), at / np.square(at).sum(), axis=0, mode="nearest")
    return slope


_KINDS: tuple[Callable[[Floats, int], Floats], ...] = (
    _mean,
    _sd,
    partial(ndimage.minimum_filter1d, axis=0, mode="nearest"),
    partial(ndimage.maximum_filter1d, axis=0, mode="nearest"),
    _slope,
)


def correlations(values: ArrayLike, gold: ArrayLike) -> Floats:
    """Pearson's r of every column with a gold standard on its rated frames; 0 where either does not move.

    Args:
        values: (frames, size).
        gold: (frames,), NaN where it is not rated.
    """
    rated = ~np.isnan(np.asarray(gold))
    if not rated.any():
        return np.zeros(np.shape(values)[1])
    table, trace = (np.asarray(each, np.float64)[rated] for each in (values, gold))
    table, trace = table - table.mean(axis=0), trace - trace.mean()
    scale = np.sqrt(np.square(table).sum(axis=0) * np.square(trace).sum())
    return np.where(scale > 0, trace @ table / np.where(scale > 0, scale, 1.0), 0.0)
