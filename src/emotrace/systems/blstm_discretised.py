"""The multi-task BLSTM on discretised labels, its levels put where the training labels are.

Unstated in the source as far as it is public: how levels are found (here k-means in one dimension on all training
labels, from quantiles), what a mistake costs (here the share of a cell in the labels, to the power ``-balance``, so
that rare extremes are not given up), and network and learning rate.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emotrace.systems import Choice, Range, Task, network

TITLE = "BLSTM, discretised"
SOURCE = "Le, Aldeneh and Mower Provost 2017"
SEEDED = True
SPACE = {
    "learning_rate": Range(3e-4, 1e-2, log=True),
    "l2": Range(1e-5, 1e-2, log=True),
    "balance": Choice((0.0, 0.5, 1.0)),
    "resolutions": Choice(((4, 6, 8, 10), (8, 12, 16, 20), (16, 24, 32, 40))),
    "arguments.layers": Choice((1, 2, 3)),
    "arguments.width": Choice((16, 32, 64)),
}
_ROUNDS = 100


@dataclass(frozen=True)
class Settings(network.Settings):
    """How it is trained.

    Attributes:
        resolutions: cells of each.
        balance: 1 gives every cell of a resolution the same weight in the loss, 0 every frame.
    """

    resolutions: tuple[int, int, int, int] = (4, 6, 8, 10)
    balance: float = 0.5


def fit(task: Task, settings: Settings) -> network.Fitted:
    """Find levels and costs, train; see :mod:`emotrace.systems`."""
    labels = np.concatenate([m.aims(0) for m in task.train])
    labels = labels[~np.isnan(labels)]
    found = [levels(labels, cells) for cells in settings.resolutions]
    costs = [_costs(labels, each, settings.balance) for each in found]
    arguments: dict[str, Any] = {"levels": [each.tolist() for each in found], "costs": costs}
    return network.fit("blstm_discretised", task, replace(settings, arguments={**arguments, **settings.arguments}))


def levels(labels: NDArray[np.float64], cells: int) -> NDArray[np.float64]:
    """The means of k-means, ascending; fewer than asked for where labels have fewer values.

    Args:
        labels: (n,) from one trace or several, none missing.
        cells: how many.
    """
    means = np.unique(np.quantile(labels, (np.arange(cells) + 0.5) / cells))
    ordered = np.sort(labels)
    for _ in range(_ROUNDS):
        edges = np.searchsorted(ordered, (means[1:] + means[:-1]) / 2)
        moved = np.array([part.mean() for part in np.split(ordered, edges) if len(part)])
        if np.array_equal(moved, means):
            break
        means = moved
    return means


def _costs(labels: NDArray[np.float64], means: NDArray[np.float64], balance: float) -> Sequence[float]:
    cells = np.digitize(labels, (means[1:] + means[:-1]) / 2)
    shares = np.bincount(cells, minlength=len(means)) / len(labels)
    costs: list[float] = (shares**-balance).tolist()
    return costs
