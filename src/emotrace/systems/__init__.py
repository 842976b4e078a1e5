"""The systems that the paper's tables compare: one file each, discovered by being there, one contract for all.

A module is a system where it defines

- ``TITLE``: what a table calls it; ``SOURCE``: whose system it is, and where it is described;
- ``SEEDED``: False where every seed gives the same traces, so that one run is enough;
- ``Settings``: a frozen dataclass, its defaults what the source states, what it leaves open marked in the docstring as
  "unstated in the source";
- ``SPACE``: what is tuned: key of ``Settings`` (dots reach inside) to a :class:`Choice` or a :class:`Range`;
- ``fit(task, settings) -> predict``: learns from ``task.train``, chooses on ``task.dev``, looks at nothing else;
  ``predict(material)`` gives the (frames,) trace of any material, never reads its gold standard and pickles; it has a
  ``device`` where it was learned on the task's.

What several systems share (:mod:`emotrace.systems.network`) stands in modules without ``fit`` of that kind.
"""

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from emotrace.errors import ConfigError
from emotrace.systems.materials import Material
from emotrace.training import config

__all__ = ["Choice", "Material", "Predict", "Range", "System", "Task", "get", "names", "settings"]

Predict = Callable[[Material], NDArray[np.float64]]


def _unheard(epoch: int, dev_ccc: float) -> None:
    """Nobody follows the epochs."""


@dataclass(frozen=True)
class Task:
    """One run of a system.

    Attributes:
        target: what is predicted.
        train: what is learned from.
        dev: what is chosen on: epochs, delays, post-processing.
        seed: of everything random.
        folder: for checkpoints; the run's own, made if absent.
        report: told of every epoch, counted from 0, and the development CCC after it, by systems that have such; what
            it raises ends the fit.
        device: where a system that is one network has it, in PyTorch's words.
    """

    target: str
    train: tuple[Material, ...]
    dev: tuple[Material, ...]
    seed: int
    folder: Path
    report: Callable[[int, float], None] = _unheard
    device: str = "cpu"


@dataclass(frozen=True)
class Choice:
    """One of several values."""

    values: tuple[Any, ...]


@dataclass(frozen=True)
class Range:
    """A number from a range, by ratio where ``log`` is set; a whole one where both ends are."""

    low: float
    high: float
    log: bool = False


class System(Protocol):
    """What a system's module offers; see the package's text."""

    TITLE: str
    SOURCE: str
    SEEDED: bool
    Settings: type
    SPACE: Mapping[str, Choice | Range]

    def fit(self, task: Task, settings: Any) -> Predict:
        """Learn, and return what predicts."""


def names() -> list[str]:
    """The systems there are, sorted."""
    return sorted(_systems())


def get(name: str) -> System:
    """The system of that name.

    Raises:
        ConfigError: there is none; the message lists those there are.
    """
    systems = _systems()
    if name not in systems:
        raise ConfigError(f"no system is called {name!r}; there are: {', '.join(sorted(systems))}")
    return systems[name]


def settings(name: str, values: Mapping[str, Any], where: str = "settings") -> Any:
    """A system's settings from plain values, such as a YAML file's.

    Args:
        name: of the system.
        values: laid over the defaults; keys with dots reach inside.
        where: what they are from, for messages.

    Raises:
        ConfigError: a key is unknown, or a value of the wrong type or out of range.
    """
    return config.build(get(name).Settings, values, where)


def _systems() -> dict[str, System]:
    found = [module.name for module in pkgutil.iter_modules(__path__)]
    modules = {name: importlib.import_module(f"{__name__}.{name}") for name in found}
    return {name: cast(System, module) for name, module in modules.items() if hasattr(module, "SPACE")}
