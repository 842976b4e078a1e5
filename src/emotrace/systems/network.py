"""What systems that are one network of :mod:`emotrace.models` share: settings, training, predicting."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import partial
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from emotrace import models, postprocessing
from emotrace.annotation import lag
from emotrace.features.normalisation import Normalisation
from emotrace.systems import materials, regression, windows
from emotrace.systems.materials import Material
from emotrace.trace import FRAME_S
from emotrace.training import loop
from emotrace.training.config import Config, Normalising
from emotrace.training.dataset import Dataset, Example

View = Callable[[Material], NDArray[np.float32]]


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
class Late(Settings):
    """Of systems that see no more than a few seconds around a frame, or that select what goes with its rating.

    Attributes:
        delay_s: what ``lag_s`` becomes; None takes AVEC 2016's, 2.8 s, for valence 3.6 s.
    """

    delay_s: float | None = None

    def resolved(self, target: str) -> Self:
        """The same, its ``lag_s`` known."""
        return replace(self, lag_s=regression.delay_s(target, self.delay_s))


@dataclass(frozen=True)
class Fitted:
    """A trained network, to predict with."""

    config: Config
    weights: loop.Tensors
    rule: Normalisation
    view: View | None = None
    device: str = "cpu"

    def __call__(self, material: Material) -> NDArray[np.float64]:
        """The (frames,) trace, made later by the lag that training took out, as AVEC 2016 does it."""
        network = loop.build(self.config).to(self.device)
        network.load_state_dict(self.weights)
        example = _example(material, self.config, self.view, np.zeros(material.frames))
        return lag.shift_forward(loop.predict(network, example.normalised(self.rule)), _lag_frames(self.config))


@dataclass(frozen=True)
class Finished:
    """What is predicted, and then done to it."""

    predict: Fitted
    finish: postprocessing.Chain | postprocessing.Gaussian

    @property
    def device(self) -> str:
        """Where the network is."""
        return self.predict.device

    def __call__(self, material: Material) -> NDArray[np.float64]:
        """The (frames,) trace."""
        return self.finish(self.predict(material))


def fit(network: str, task: Any, settings: Settings, view: View | None = None) -> Fitted:
    """Train a network of :mod:`emotrace.models` on a task.

    Args:
        network: its module's name.
        task: a :class:`emotrace.systems.Task`.
        settings: how.
        view: what the network sees of a recording, (frames, size); by default its features by the front end.

    Raises:
        ModelError: the loss is not finite, or a checkpoint in the task's folder cannot be gone on from.
    """
    arguments = {**models.stated(network, task.target), **settings.arguments}
    config = _config(network, task, replace(settings, arguments=arguments), view)
    data = _dataset(task, config, view)
    run = loop.fit(config, task.seed, data, task.folder / "checkpoint.npz", partial(_report, task), device=task.device)
    return Fitted(config, run.best, data.rule, view, task.device)


def finished(predict: Fitted, task: Any, rule: type[postprocessing.Chain] | type[postprocessing.Gaussian]) -> Finished:
    """Post-processing fitted on a task's development recordings, after prediction."""
    return Finished(predict, rule.fit([m.gold for m in task.dev], [predict(m) for m in task.dev]))


def dataset(task: Any, settings: Settings) -> Dataset:
    """A task's recordings as networks are trained on them."""
    return _dataset(task, _config("", task, settings, None), None)


def _dataset(task: Any, config: Config, view: View | None) -> Dataset:
    train, dev = ([_example(m, config, view) for m in part] for part in (task.train, task.dev))
    rule = config.normalising(0 if view else materials.voice_values(config.front_end))
    rule = rule.with_prior([example.statistics(rule) for example in train])
    return Dataset([[example] for example in train], dev, rule)


def _report(task: Any, epoch: Mapping[str, Any]) -> None:
    task.report(epoch["epoch"], epoch["dev_ccc"])


def _config(network: str, task: Any, settings: Settings, view: View | None) -> Config:
    size = view(task.train[0]).shape[1] if view else materials.size(task.train, settings.front_end)
    arguments = {"size": size, **settings.arguments}
    # What a system knows beyond training a network is no part of a network's configuration.
    told = {f.name: getattr(settings, f.name) for f in fields(Settings)}
    return replace(Config(target=task.target, network=network), **{**told, "arguments": arguments})


def _example(material: Material, config: Config, view: View | None, gold: NDArray[np.float64] | None = None) -> Example:
    if gold is None:
        gold = material.aims(_lag_frames(config))
    values = view(material) if view else _heard(material, config.front_end)
    bins = values.shape[1] if view else materials.bins([material], config.front_end)
    return Example(material.id, values, gold.astype(np.float32), bins)


def _heard(material: Material, front_end: str) -> NDArray[np.float32]:
    values = material.features(front_end)
    # Of distributed features any scale may be small; that of a front end which is small is a constant's.
    return windows.normalised(values).astype(np.float32) if front_end == materials.GIVEN else values


def _lag_frames(config: Config) -> int:
    return round(config.lag_s / FRAME_S)
