"""What systems share that weigh features into a trace: scale, delay, linear SVR, ridge, the AVEC 2016 chain.

All follow AVEC 2016 (Valstar et al. 2016): features by the training part's mean and SD, gold standards shifted back by
a delay to learn from, predictions shifted forward by it and scored against the gold standard as it is. Settings are
chosen by the CCC on the joined development recordings that is left when predictions were centred and scaled by the
chain: regularised predictions are too flat, which the chain makes up for. That this is the score is unstated in the
source.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from emotrace import metrics
from emotrace.annotation import lag
from emotrace.errors import CorpusError
from emotrace.postprocessing import Chain
from emotrace.systems.materials import Material
from emotrace.trace import FRAME_S

DELAYS_S = tuple(round(0.4 * step, 1) for step in range(21))
"""Those that AVEC 2016 searches, 0 to 8 s."""
COSTS = tuple(float(f"{factor}e{power}") for power in range(-5, 1) for factor in (1, 2, 5) if factor * 10**power <= 1)
"""C of AVEC 2016's SVR: {1, 2, 5} x 10^-5 ... 1."""
ALPHAS = tuple(10.0**power for power in range(-6, 2))
"""Of ridge, against a mean squared error of standardised features."""

_CHOSEN_DELAY_S = {"arousal": 2.8, "valence": 3.6}
_CHOSEN_WINDOW_S = {"arousal": 4.0, "valence": 6.0}
_BLOCK_ROWS = 8192
_STEPS, _HALVINGS, _TOLERANCE = 50, 20, 1e-6

Floats = NDArray[np.float64]
Represent = Callable[[Material], NDArray[Any]]
"""(frames, size) features of any material; it pickles."""


def delay_s(target: str, setting: float | None) -> float:
    """The delay set, or AVEC 2016's: 2.8 s, for valence 3.6 s; other targets are unstated in the source."""
    return _CHOSEN_DELAY_S.get(target, 2.8) if setting is None else setting


def window_s(target: str, setting: float | None) -> float:
    """The functionals' window set, or AVEC 2016's: 4 s, for valence 6 s; other targets are unstated in the source."""
    return setting or _CHOSEN_WINDOW_S.get(target, 4.0)


def delays_between(low_s: float, high_s: float) -> list[float]:
    """Those of AVEC 2016's grid from one to the other, or the first where none is."""
    return [late_s for late_s in DELAYS_S if low_s <= late_s <= high_s] or [low_s]


@dataclass(frozen=True)
class FrontEnd:
    """Features as a front end gives them."""

    name: str

    def __call__(self, material: Material) -> NDArray[Any]:
        """(frames, size)."""
        return material.features(self.name)


@dataclass(frozen=True)
class Scale:
    """The training part's mean and SD, (size,) each; the SD of what does not move is NaN."""

    mean: Floats
    sd: Floats

    @classmethod
    def of(cls, tables: Iterable[ArrayLike]) -> "Scale":
        """Of what is not NaN in (frames, size) tables, one by one: they need not be in memory together."""
        sums: Any = 0.0
        for table in tables:
            values = np.asarray(table, np.float64)
            powers = np.stack([np.ones_like(values), values, np.square(values)])
            sums = sums + np.where(np.isnan(values), 0.0, powers).sum(axis=1)
        count, total, squares = sums
        mean = total / np.maximum(count, 1)
        sd = np.sqrt(np.maximum(squares / np.maximum(count, 1) - mean**2, 0.0))
        return cls(mean, np.where(sd > 1e-6 * np.abs(mean), sd, np.nan))

    def __call__(self, table: ArrayLike) -> Floats:
        """Standardise; NaN, and so what does not move in training, becomes 0 (AVEC 2016)."""
        return np.nan_to_num((np.asarray(table, np.float64) - self.mean) / self.sd, nan=0.0, posinf=0.0, neginf=0.0)


@dataclass(frozen=True)
class Weighted:
    """A fitted system: standardised features, weighed, made later, post-processed.

    Attributes:
        represent: features of a material.
        scale: of the features.
        weights: (size,).
        bias: added.
        delay_frames: taken out of the gold standard in training, given back here.
        chain: fitted on the development part.
    """

    represent: Represent
    scale: Scale
    weights: Floats
    bias: float
    delay_frames: int
    chain: Chain = field(default_factory=Chain)

    def __call__(self, material: Material) -> Floats:
        """The (frames,) trace."""
        values = self.scale(self.represent(material)) @ self.weights + self.bias
        return self.chain(lag.shift_forward(values, self.delay_frames))

    def with_chain(self, dev: Sequence[Material]) -> "Weighted":
        """The same, followed by the AVEC 2016 chain fitted on its traces of the development part."""
        return replace(self, chain=Chain.fit([m.gold for m in dev], [self(m) for m in dev]))


def fit_svr(
    task: Any,
    represents: Sequence[Represent],
    delays_s: Sequence[float],
    costs: Sequence[float] = COSTS,
    epsilon: float = 0.1,
    step_frames: int = 1,
    search_step_frames: int = 1,
) -> Weighted:
    """The linear SVR of the best development CCC over representations, delays and C, with its chain.

    Args:
        task: a :class:`emotrace.systems.Task`.
        represents: representations to choose from.
        delays_s: delays to choose from.
        costs: C to choose from.
        epsilon: half the width of the tube in which errors are free.
        step_frames: the SVR learns from one in so many frames, C as many times as large, which leaves the balance
            between loss and weights as it is.
        search_step_frames: the same while settings are searched; the SVR that is chosen is fitted again.

    Raises:
        CorpusError: the training or development part has no rated frame.
    """
    found: tuple[float, Weighted, float] | None = None
    step = max(step_frames, search_step_frames)
    for represent in represents:
        scale, tables = _scaled(task.train, represent, step)
        heard = [scale(represent(m)).astype(np.float32) for m in task.dev]
        for late_s in delays_s:
            delay = round(late_s / FRAME_S)
            x, y = _rated(tables, [m.aims(delay)[::step] for m in task.train])
            weights: Floats | None = None
            for cost in costs:
                weights = svr(x, y, cost * step, epsilon, weights)
                reached = _late_score(task.dev, [table @ weights[:-1] + weights[-1] for table in heard], delay)
                if found is None or reached > found[0]:
                    found = reached, Weighted(represent, scale, weights[:-1], float(weights[-1]), delay), cost
    assert found is not None, "nothing to choose from"
    _, chosen, cost = found
    if step > step_frames:
        chosen = _refitted(task, chosen, cost, epsilon, step_frames)
    return chosen.with_chain(task.dev)


def _scaled(train: Sequence[Material], represent: Represent, step: int) -> tuple[Scale, list[NDArray[np.float32]]]:
    """The scale of all frames that are shown, and one in so many of all, scaled."""
    tables = [np.asarray(represent(m), np.float32) for m in train]
    scale = Scale.of(table[m.shown] for m, table in zip(train, tables, strict=True))
    return scale, [scale(table[::step]).astype(np.float32) for table in tables]


def _refitted(task: Any, chosen: Weighted, cost: float, epsilon: float, step: int) -> Weighted:
    tables = [chosen.scale(chosen.represent(m)[::step]).astype(np.float32) for m in task.train]
    x, y = _rated(tables, [m.aims(chosen.delay_frames)[::step] for m in task.train])
    weights = svr(x, y, cost * step, epsilon, np.append(chosen.weights, chosen.bias))
    return replace(chosen, weights=weights[:-1], bias=float(weights[-1]))


def svr(x: ArrayLike, y: ArrayLike, cost: float, epsilon: float, start: Floats | None = None) -> Floats:
    """Linear support vector regression, L2-regularised, L2 loss, the bias a weight of a column of ones.

    Minimises ``|w|^2 / 2 + cost * sum(max(0, |y - x w| - epsilon)^2)``, which has one minimum: the one that liblinear's
    solvers 11 and 12 go towards. Newton's method (Mangasarian 2002, "A finite Newton method for classification") gets
    there in the time of a few linear regressions, whatever C is.

    Args:
        x: (n, size).
        y: (n,).
        cost: C.
        epsilon: half the width of the tube in which errors are free.
        start: (size + 1,) where to begin.

    Returns:
        (size + 1,), the bias last.
    """
    table, aims = np.asarray(x), np.asarray(y, np.float64)
    weights = np.zeros(table.shape[1] + 1) if start is None else np.array(start)
    value, gradient = _svr_slope(table, aims, weights, cost, epsilon)
    goal = _TOLERANCE * max(1.0, float(np.linalg.norm(gradient)))
    for _ in range(_STEPS):
        if np.linalg.norm(gradient) <= goal:
            break
        step = np.linalg.solve(_svr_curvature(table, aims, weights, cost, epsilon), -gradient)
        slope, length = float(gradient @ step), 1.0
        for _ in range(_HALVINGS):
            reached = _svr_slope(table, aims, weights + length * step, cost, epsilon)
            if reached[0] <= value + 1e-4 * length * slope:
                break
            length /= 2
        weights = weights + length * step
        value, gradient = reached
    return weights


def _svr_slope(table: NDArray[Any], aims: Floats, weights: Floats, cost: float, epsilon: float) -> tuple[float, Floats]:
    """Objective and gradient."""
    value, gradient = 0.5 * float(weights @ weights), weights.copy()
    for block, beyond in _svr_blocks(table, aims, weights, epsilon):
        value += cost * float(beyond @ beyond)
        gradient -= 2 * cost * (block.T @ beyond)
    return value, gradient


def _svr_curvature(table: NDArray[Any], aims: Floats, weights: Floats, cost: float, epsilon: float) -> Floats:
    """The (generalised) Hessian."""
    hessian = np.eye(len(weights))
    for block, beyond in _svr_blocks(table, aims, weights, epsilon):
        outside = block[beyond != 0]
        hessian += 2 * cost * (outside.T @ outside)
    return hessian


def _svr_blocks(table: NDArray[Any], aims: Floats, weights: Floats, epsilon: float) -> Iterator[tuple[Floats, Floats]]:
    """Rows with a one at their end, and their errors beyond the tube, some at a time."""
    for start in range(0, len(table), _BLOCK_ROWS):
        block = _with_ones(table[start : start + _BLOCK_ROWS])
        error = aims[start : start + _BLOCK_ROWS] - block @ weights
        yield block, np.sign(error) * np.maximum(np.abs(error) - epsilon, 0.0)


def fit_ridge(
    task: Any, represents: Sequence[Represent], delays_s: Sequence[float], alphas: Sequence[float] = ALPHAS
) -> Weighted:
    """The ridge regression of the best development CCC over representations, delays and alpha, with its chain.

    Only sums over frames are kept, so that neither the number of features nor that of delays costs much memory; a frame
    counts in them if it is rated at every delay that is tried. Arguments and errors are those of :func:`fit_svr`.
    """
    found: tuple[float, Weighted] | None = None
    delays = [round(late_s / FRAME_S) for late_s in delays_s]
    for represent in represents:
        scale = Scale.of(represent(m)[m.shown] for m in task.train)
        squares, products = _sums(task.train, represent, scale, delays)
        settings = list(product(range(len(delays)), alphas))
        weights = np.column_stack(_ridges(squares, products, settings))
        outputs = [_with_ones(scale(represent(m))) @ weights for m in task.dev]
        for column, (number, _) in enumerate(settings):
            reached = _late_score(task.dev, [output[:, column] for output in outputs], delays[number])
            if found is None or reached > found[0]:
                *parts, bias = weights[:, column]
                found = reached, Weighted(represent, scale, np.array(parts), float(bias), delays[number])
    assert found is not None, "nothing to choose from"
    return found[1].with_chain(task.dev)


def _sums(
    train: Sequence[Material], represent: Represent, scale: Scale, delays: Sequence[int]
) -> tuple[Floats, Floats]:
    """Mean products of features and a one: with each other (size + 1, size + 1), with aims (size + 1, delays)."""
    squares: Any = 0.0
    products: Any = 0.0
    count = 0
    for material in train:
        golds = np.column_stack([material.aims(delay) for delay in delays])
        rated = ~np.isnan(golds).any(axis=1)
        table = _with_ones(scale(represent(material))[rated])
        squares, products = squares + table.T @ table, products + table.T @ golds[rated]
        count += len(table)
    if not count:
        raise CorpusError("no frame of the training part is rated at every delay; search shorter delays")
    return squares / count, products / count


def _ridges(squares: Floats, products: Floats, settings: Sequence[tuple[int, float]]) -> list[Floats]:
    """Weights (size + 1,) for every delay and alpha; the bias is not held back."""
    mean, target = squares[:-1, -1], products[-1]
    values, vectors = np.linalg.eigh(squares[:-1, :-1] - np.outer(mean, mean))
    turned = vectors.T @ (products[:-1] - np.outer(mean, target))
    weights = [vectors @ (turned[:, number] / (values.clip(0.0) + alpha)) for number, alpha in settings]
    return [np.append(each, target[number] - mean @ each) for each, (number, _) in zip(weights, settings, strict=True)]


def _with_ones(table: ArrayLike) -> Floats:
    values = np.asarray(table, np.float64)
    return np.column_stack([values, np.ones(len(values))])


def _rated(tables: Sequence[NDArray[Any]], golds: Sequence[Floats]) -> tuple[NDArray[Any], Floats]:
    """The rated frames of all recordings."""
    rated = [~np.isnan(gold) for gold in golds]
    if not any(mask.any() for mask in rated):
        raise CorpusError("no frame of the training part is rated; check its labels")
    pairs = [(table[mask], gold[mask]) for table, gold, mask in zip(tables, golds, rated, strict=True)]
    return np.concatenate([x for x, _ in pairs]), np.concatenate([y for _, y in pairs])


def score(dev: Sequence[Material], traces: Sequence[Floats]) -> float:
    """The CCC of traces of the joined development recordings once they are centred and scaled.

    Raises:
        CorpusError: none of them has a rated frame.
    """
    if not any(m.rated.any() for m in dev):
        raise CorpusError("no frame of the development part is rated; check its labels")
    golds = [m.gold for m in dev]
    chain = Chain.fit(golds, traces, median_frames=(), shift_frames=())
    return metrics.concatenated(metrics.ccc_avec2016, golds, [chain(trace) for trace in traces], [m.rated for m in dev])


def _late_score(dev: Sequence[Material], outputs: Sequence[Floats], delay: int) -> float:
    return score(dev, [lag.shift_forward(output, delay) for output in outputs])
