"""Front ends: waveform in, (frames, size) out, one file each, discovered by being there.

A front end is a module with ``rate_hz`` (rows a second), ``size`` (values a row) and
``extract(samples at 16 kHz) -> (floor(n / 640), size)``, not normalised. ``bins`` values share a scale with those that
stand a multiple of ``bins`` further in a row: normalisation works on the rows reshaped to ``(..., bins)``. ``Stream``
is a :class:`Stream` that gives these rows for a signal that arrives in pieces.
``VERSION`` counts up whenever the numbers change: features that are kept on disk are known by it. ``VOICE``, where it
is given, says how many values at the end of a row are no energies (:mod:`emotrace.features.normalisation`).

That is enough to train with. A model predicts with a front end that also works on sound as it comes, and then offers
what :class:`Streaming` lists: the same numbers as ``extract``, from blocks of any size.

A module with ``windowed(window_s)`` is a family of front ends, ``NAME@6s`` the one with windows of 6 s; the module
itself is one of them.
"""

import importlib
import pkgutil
from types import ModuleType
from typing import Any, Protocol, cast

import numpy as np

from emotrace.errors import ConfigError

_NOT_FRONT_ENDS = {"cache", "normalisation", "whole"}


class Stream(Protocol):
    """The rows of a signal that arrives in pieces.

    A piece goes through ``cut``, ``work`` and ``join``. What takes time is ``work``, which threads may do for several
    pieces at once; what one piece must know of those before it is in the other two. ``push`` is all three.
    """

    samples: int
    """Samples pushed so far."""

    def push(self, samples: np.ndarray) -> np.ndarray:
        """Take (n,) samples at 16 kHz, give the (m, bins) float32 rows that they complete."""
        rows: np.ndarray = self.join(self.work(self.cut(samples)))
        return rows

    def cut(self, samples: np.ndarray) -> Any:
        """Take the (n,) samples of a piece, which may be overwritten afterwards; pieces come in order."""

    def work(self, piece: Any) -> Any:
        """What can be worked out from a piece that was cut, in any thread and any order."""

    def join(self, worked: Any) -> np.ndarray:
        """The (m, bins) float32 rows that a piece completes; pieces come in order."""
        rows: np.ndarray = worked
        return rows

    def finish(self) -> np.ndarray:
        """Give the rows that are missing at the end, perhaps those of an unfinished frame too.

        In all at least ``STACK * trace_frames(samples)``; all pieces are joined before.
        """


class Streaming(Protocol):
    """What a front end's module offers to predict with, beside ``rate_hz``, ``size``, ``bins`` and ``extract``."""

    bins: int
    size: int
    STACK: int
    """Rows to one frame of the trace."""
    HOP_RATE_HZ: float
    """Rows a second: ``STACK * rate_hz``."""

    def Stream(self) -> Stream:  # noqa: N802
        """A fresh stream."""

    def trace_frames(self, samples: int) -> int:
        """Frames of 40 ms in so many samples."""

    def stack(self, rows: np.ndarray) -> np.ndarray:
        """(STACK * frames, bins) rows to (frames, size) features."""


def names() -> list[str]:
    """The front ends there are."""
    return sorted(m.name for m in pkgutil.iter_modules(__path__) if m.name not in _NOT_FRONT_ENDS)


def get(name: str) -> ModuleType:
    """The front end of that name, or what stands in for its module where the name says how long its windows are.

    Raises:
        ConfigError: there is none, the message lists those there are; or none with such windows.
    """
    family, at, window = name.partition("@")
    if family not in names():
        raise ConfigError(f"no front end is called {family!r}; there are: {', '.join(names())}")
    module = importlib.import_module(f"{__name__}.{family}")
    if not at:
        return module
    if not hasattr(module, "windowed"):
        raise ConfigError(f"front end {name}: {family} has no windows to choose; take {family}")
    return cast(ModuleType, module.windowed(_seconds(name, window)))


def _seconds(name: str, window: str) -> float:
    try:
        return float(window.removesuffix("s"))
    except ValueError:
        raise ConfigError(f"front end {name}: {window!r} is no length; write it as in @6s") from None


def voice_values(front_end: ModuleType) -> int:
    """How many values at the end of its rows are no energies."""
    count: int = getattr(front_end, "VOICE", 0)
    return count


def streaming(name: str) -> Streaming:
    """The front end of that name, to predict with.

    Raises:
        ConfigError: there is none, or it only knows whole signals.
    """
    module = get(name)
    lacking = [
        part for part in ("Stream", "STACK", "HOP_RATE_HZ", "trace_frames", "stack") if not hasattr(module, part)
    ]
    if lacking:
        raise ConfigError(
            f"front end {name} cannot predict, it lacks {', '.join(lacking)}; add what features.Streaming lists"
        )
    return cast(Streaming, module)
