"""Le & Provost: a hidden Markov model over levels of emotion, its frames judged by a deep network.

The gold standard, shifted back by a delay, falls into levels that hold as many training frames each. A network tells
how probable each level is from the features around a frame; a hidden Markov model, whose states are the levels and
whose moves are counted in the training part, makes one course of all frames: divided by how frequent levels are, the
network's probabilities are likelihoods up to a factor. The trace is the mean of the levels' values under the model's
posteriors (forward-backward), or the values of the likeliest course (Viterbi), followed by the AVEC 2016 chain.

Le & Provost 2013 classify recordings with models of this kind, whose networks were pre-trained as deep belief networks.
Unstated in the source, which has no traces: the features (log mel here, as for all networks), number of levels, their
decoding, the network's size and training (two rectified layers, by Adam, which do without pre-training), the places and
the length of what it sees, the delay (AVEC 2016's), the chain, and the exponent of the likelihoods, which makes up for
neighbouring frames saying the same and is chosen on the development part.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from emotrace.annotation import lag
from emotrace.errors import CorpusError
from emotrace.postprocessing import Chain
from emotrace.systems import Choice, Predict, Range, Task, extra, materials, regression, windows
from emotrace.systems.bottleneck import unfinished
from emotrace.systems.materials import Material
from emotrace.trace import FRAME_S

TITLE = "Le & Provost"
SOURCE = "Le & Mower Provost 2013"
SEEDED = True

EXPONENTS = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
_CONTEXT_FRAMES = 9

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Settings:
    """The levels, the network, the decoding.

    Attributes:
        front_end: any, or ``given`` for features that a corpus distributes.
        levels: that the gold standard is divided into.
        context_s: from the first to the last of the nine frames that the network sees side by side, each the mean of
            a step's width around it.
        width: of its two hidden layers.
        examples: training frames it learns from, drawn from all recordings.
        epochs: passes over them.
        l2: penalty on its weights.
        decoding: the mean under the posteriors, or the likeliest course.
        delay_s: None takes 2.8 s, for valence 3.6 s.
    """

    front_end: str = "logmel"
    levels: int = 10
    context_s: float = 4.0
    width: int = 128
    examples: int = 60000
    epochs: int = 8
    l2: float = 1e-3
    decoding: Literal["mean", "viterbi"] = "mean"
    delay_s: float | None = None


SPACE = {
    "levels": Choice((5, 10, 20)),
    "context_s": Choice((1.0, 2.0, 4.0, 8.0)),
    "width": Choice((64, 128, 256)),
    "epochs": Choice((2, 4, 8, 16)),
    "decoding": Choice(("mean", "viterbi")),
    "delay_s": Range(0.0, 8.0),
}


@dataclass(frozen=True)
class Markov:
    """Levels and how they follow one another.

    Attributes:
        values: (levels,) the mean gold standard of each.
        share: (levels,) of the training frames.
        moves: (levels, levels) probabilities from row to column.
    """

    values: Floats
    share: Floats
    moves: Floats

    @classmethod
    def of(cls, courses: Sequence[NDArray[np.intp]], golds: Sequence[Floats], levels: int) -> "Markov":
        """Counted in (frames,) courses of levels, -1 where a frame is not rated; every move has been seen once more."""
        counts = np.ones((levels, levels))
        for course in courses:
            rated = [pair for pair in pairwise(course.tolist()) if min(pair) >= 0]
            pairs = np.array(rated, dtype=np.intp).reshape(-1, 2)
            np.add.at(counts, (pairs[:, 0], pairs[:, 1]), 1)
        course, gold = np.concatenate(list(courses)), np.concatenate(list(golds))
        share = np.array([np.mean(course[course >= 0] == level) for level in range(levels)])
        values = np.array([gold[course == level].mean() for level in range(levels)])
        return cls(values, share, counts / counts.sum(axis=1, keepdims=True))

    def trace(self, posteriors: Floats, exponent: float, decoding: str) -> Floats:
        """(frames,) from the network's (frames, levels) probabilities."""
        likelihoods = exponent * np.log(np.maximum(posteriors, 1e-10) / self.share)
        model = self._model()
        if decoding == "viterbi":
            return self.values[model.predict(likelihoods)]
        smoothed: Floats = model.predict_proba(likelihoods) @ self.values
        return smoothed

    def _model(self) -> Any:
        base = extra.package("hmmlearn.base")

        class Model(base.BaseHMM):  # type: ignore[name-defined]
            """Its observations are the states' log likelihoods."""

            def _compute_log_likelihood(self, likelihoods: Floats) -> Floats:
                return likelihoods

        model = Model(len(self.share))
        model.startprob_, model.transmat_ = self.share, self.moves
        return model


@dataclass(frozen=True)
class Fitted:
    """The network, the model, the delay and the chain."""

    settings: Settings
    network: Any
    markov: Markov
    delay_frames: int
    exponent: float = 1.0
    chain: Chain | None = None

    def posteriors(self, material: Material) -> Floats:
        """(frames, levels)."""
        given: Floats = self.network.predict_proba(_inputs(material, self.settings))
        # A level that no example was drawn of has no output; where there is but one level, there are two outputs.
        levels = self.network.classes_
        posteriors = np.zeros((len(given), len(self.markov.share)), given.dtype)
        posteriors[:, levels] = given[:, : len(levels)]
        return posteriors

    def late(self, posteriors: Floats, exponent: float) -> Floats:
        """The (frames,) trace before the chain, made later by the delay."""
        trace = self.markov.trace(posteriors, exponent, self.settings.decoding)
        return lag.shift_forward(trace, self.delay_frames)

    def __call__(self, material: Material) -> Floats:
        """The (frames,) trace."""
        trace = self.late(self.posteriors(material), self.exponent)
        return self.chain(trace) if self.chain else trace


def fit(task: Task, settings: Settings) -> Predict:
    """Train the network, count the moves, choose the exponent.

    Raises:
        ConfigError: scikit-learn or hmmlearn is not installed.
        CorpusError: the corpus lacks what the front end needs, or ratings.
    """
    delay = round(regression.delay_s(task.target, settings.delay_s) / FRAME_S)
    golds = [m.aims(delay) for m in task.train]
    courses, levels = _courses(golds, settings.levels)
    markov = Markov.of(courses, golds, levels)
    fitted = Fitted(settings, _network(task, courses, settings), markov, delay)
    heard = [fitted.posteriors(m) for m in task.dev]
    traces = {exponent: [fitted.late(each, exponent) for each in heard] for exponent in EXPONENTS}
    best = max(EXPONENTS, key=lambda exponent: regression.score(task.dev, traces[exponent]))
    chain = Chain.fit([m.gold for m in task.dev], traces[best])
    return Fitted(settings, fitted.network, markov, delay, best, chain)


def _courses(golds: Sequence[Floats], levels: int) -> tuple[list[NDArray[np.intp]], int]:
    """The level of every frame, -1 where it is not rated, and how many levels there are: fewer where values repeat."""
    rated = np.concatenate([gold[~np.isnan(gold)] for gold in golds])
    if not len(rated):
        raise CorpusError("no frame of the training part is rated; check its labels")
    edges = np.unique(np.quantile(rated, np.arange(1, levels) / levels))
    found = [np.searchsorted(edges, gold, side="right") for gold in golds]
    # Where values repeat, an edge may have nothing on one side of it.
    present = np.unique(np.searchsorted(edges, rated, side="right"))
    return [
        np.where(np.isnan(gold), -1, np.searchsorted(present, course))
        for gold, course in zip(golds, found, strict=True)
    ], len(present)


def _network(task: Task, courses: Sequence[NDArray[np.intp]], settings: Settings) -> Any:
    rng = np.random.default_rng(task.seed)
    share = -(-settings.examples // len(task.train))
    chosen = [rng.permutation(np.flatnonzero(course >= 0))[:share] for course in courses]
    inputs = [_inputs(m, settings)[frames] for m, frames in zip(task.train, chosen, strict=True)]
    levels = [course[frames] for course, frames in zip(courses, chosen, strict=True)]
    network = extra.package("sklearn.neural_network").MLPClassifier(
        (settings.width, settings.width),
        alpha=settings.l2,
        max_iter=settings.epochs,
        n_iter_no_change=settings.epochs,
        random_state=task.seed,
    )
    with unfinished():
        return network.fit(np.concatenate(inputs), np.concatenate(levels))


def _inputs(material: Material, settings: Settings) -> NDArray[np.float32]:
    """(frames, 9 * bins): means of the features at nine places around every frame, normalised over the recording."""
    rows = materials.frame_means(material, settings.front_end)
    step_s = settings.context_s / (_CONTEXT_FRAMES - 1)
    means = windows.statistics(windows.normalised(rows), [step_s])[:, : rows.shape[1]]
    places = [step_s * (place - _CONTEXT_FRAMES // 2) for place in range(_CONTEXT_FRAMES)]
    return windows.stacked(means.astype(np.float32), places)
