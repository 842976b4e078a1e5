"""Networks of the paper, one file each, discovered by being there.

A network module defines ``Network``, a ``torch.nn.Module`` built from keyword arguments alone, with

- ``forward(features (batch, frames, size), lengths (batch,) | None) -> (batch, frames)``, any number of frames; the
  first ``lengths`` frames of a recording that is filled up with zeros are what they are without;
- ``grid_frames``: the output on a piece of a recording equals that on the whole only where the piece starts at a
  multiple of it (1 for a network without downsampling);
- ``unpenalised``, where it has one: names of parameters that the L2 penalty leaves alone;
- ``core(features)``: ``forward`` for lengths that are multiples of ``grid_frames``, within 1e-5; what is exported;
- ``reach() -> (before_frames, after_frames)``: how far into the past and the future any output frame sees, or None
  where nothing bounds it; such a network trains and predicts whole recordings and cannot be exported.

A network that is trained on something else than the CCC of its trace also has ``loss(answer, gold, rated, ccc_loss)``,
and may answer (batch, frames, values) in training mode; ``gold`` and ``rated`` are (batch, frames), and ``ccc_loss``
is what a network without a loss of its own is trained on, a function of trace, gold standard and mask. Where the source
has other arguments for a target, the module says so in ``BY_TARGET``.

A network that can go on frame by frame also has ``ages()``, which earlier inputs its layers need for that, and its
module a class ``Live`` (see :mod:`emotrace.models.dilated`), which is exported beside it. A module whose networks are
faster side by side than one after the other has a class ``Ensemble`` (see :mod:`emotrace.models.downup`) for that.
"""

import importlib
import pkgutil
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from emotrace.errors import ConfigError

_NOT_NETWORKS = {"convolution", "initialisation"}


def names() -> list[str]:
    """The networks there are."""
    return sorted(m.name for m in pkgutil.iter_modules(__path__) if m.name not in _NOT_NETWORKS)


def get(name: str) -> ModuleType:
    """The module of the network of that name.

    Raises:
        ConfigError: there is none; the message lists those there are.
    """
    if name not in names():
        raise ConfigError(f"no network is called {name!r}; there are: {', '.join(names())}")
    return importlib.import_module(f"{__name__}.{name}")


def stated(name: str, target: str) -> Mapping[str, Any]:
    """The arguments that a network's source has for a target and not for others."""
    return getattr(get(name), "BY_TARGET", {}).get(target, {})
