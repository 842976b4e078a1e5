"""What systems that are one network of :mod:`emotrace.models` share: settings, training, predicting."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from emotrace.annotation import lag
from emotrace.features.normalisation import Normalisation
from emotrace.systems import materials
from emotrace.systems.materials import Material
from emotrace.trace import FRAME_S
from emotrace.training import loop
from emotrace.training.config import Config, Normalising
from emotrace.training.dataset import Dataset, Example


@dataclass(frozen=True)
class Settings:
    """How a network is trained; see :class:`emotrace.training.config.Config`, whose words these are."""

    arguments: dict[str, Any] = field(default_factory=dict)
    front_end: str = "logmel"
    normalisation: Normalising = field(default_factory=Normalising)
    lag_s: float = 0.0
    epochs: int = 100
    patience: int = 20
    learning_rate: float = 1e-3
    schedule: Literal["constant", "cosine"] = "constant"
    l2: float = 0.0
    averaging: float = 0.0


@dataclass(frozen=True)
class Fitted:
    """A trained network, to predict with."""

    config: Config
    weights: loop.Tensors
    rule: Normalisation

    def __call__(self, material: Material) -> NDArray[np.float64]:
        """The (frames,) trace, made later by the lag that training took out, as AVEC 2016 does it."""
        network = loop.build(self.config)
        network.load_state_dict(self.weights)
        example = _example(material, self.config, np.zeros(material.frames))
        return lag.shift_forward(loop.predict(network, example.normalised(self.rule)), _lag_frames(self.config))


def fit(network: str, task: Any, settings: Settings) -> Fitted:
    """Train a network of :mod:`emotrace.models` on a task.

    Args:
        network: its module's name.
        task: a :class:`emotrace.systems.Task`.
        settings: how.

    Raises:
        ModelError: the loss is not finite, or a checkpoint in the task's folder cannot be gone on from.
    """
    config = _config(network, task, settings)
    data = _dataset(task, config)
    run = loop.fit(config, task.seed, data, task.folder / "checkpoint.npz", partial(_report, task))
    return Fitted(config, run.best, data.rule)


def dataset(task: Any, settings: Settings) -> Dataset:
    """A task's recordings as networks are trained on them."""
    return _dataset(task, _config("", task, settings))


def _dataset(task: Any, config: Config) -> Dataset:
    return Dataset(
        [[_example(m, config)] for m in task.train],
        [_example(m, config) for m in task.dev],
        _rule(task.train, config),
    )


def _report(task: Any, epoch: Mapping[str, Any]) -> None:
    task.report(epoch["epoch"], epoch["dev_ccc"])


def _config(network: str, task: Any, settings: Settings) -> Config:
    size = materials.size(task.train, settings.front_end)
    arguments = {"size": size, **settings.arguments}
    return replace(Config(target=task.target, network=network), **{**vars(settings), "arguments": arguments})


def _rule(train: Sequence[Material], config: Config) -> Normalisation:
    return config.normalising().with_prior([_example(m, config).statistics for m in train])


def _example(material: Material, config: Config, gold: NDArray[np.float64] | None = None) -> Example:
    if gold is None:
        gold = lag.shift_back(material.gold, _lag_frames(config))
    bins = materials.bins([material], config.front_end)
    return Example(material.id, material.features(config.front_end), gold.astype(np.float32), bins)


def _lag_frames(config: Config) -> int:
    return round(config.lag_s / FRAME_S)
