"""Front ends: waveform in, (frames, size) out, one file each, discovered by being there.

A front end is a module with ``rate_hz`` (rows a second), ``size`` (values a row) and
``extract(samples at 16 kHz) -> (floor(n / 640), size)``, not normalised. ``bins`` values share a scale with those that
stand a multiple of ``bins`` further in a row: normalisation works on the rows reshaped to ``(..., bins)``. ``Stream``
gives these rows for a signal that arrives in pieces (``push``, ``finish``; rows of an unfinished frame may come last).
``VERSION`` counts up whenever the numbers change: features that are kept on disk are known by it.
"""

import importlib
import pkgutil
from types import ModuleType

from emotrace.errors import ConfigError

_NOT_FRONT_ENDS = {"cache", "normalisation"}


def names() -> list[str]:
    """The front ends there are."""
    return sorted(m.name for m in pkgutil.iter_modules(__path__) if m.name not in _NOT_FRONT_ENDS)


def get(name: str) -> ModuleType:
    """The front end of that name.

    Raises:
        ConfigError: there is none; the message lists those there are.
    """
    if name not in names():
        raise ConfigError(f"no front end is called {name!r}; there are: {', '.join(names())}")
    return importlib.import_module(f"{__name__}.{name}")
