"""Corpora as they are distributed: one module each, discovered by being in this folder.

A module that defines `INFO` (an `Info`) and `load(root)` (a list of `Recording`) is a reader, under the
module's own name. Modules without these two help readers or write corpora. `load` lists what is on disk
and fails on what is missing; label files are read when `Recording.ratings` asks for them.
"""

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from emotrace.annotation import Ratings
from emotrace.errors import CorpusError

__all__ = ["PARTITIONS", "Info", "Reader", "Recording", "get", "match_length", "names"]

PARTITIONS = ("train", "dev", "test")

Scalar = TypeVar("Scalar", bound=np.generic)


@dataclass(frozen=True)
class Info:
    """What a person has to know of a corpus before using it.

    Attributes:
        name: the reader's module name.
        title: what the corpus calls itself.
        citation: the paper to cite.
        licence: under which terms it may be used.
        access: where and how to get it.
        layout: the folders and files below the root, as text.
        quirks: what is odd in its files, and what the reader makes of it.
        label_rate_hz: label rows for each second.
        unit_range: lowest and highest value of a rating in the label files.
        targets: what was rated, such as ("arousal", "valence").
    """

    name: str
    title: str
    citation: str
    licence: str
    access: str
    layout: str
    quirks: tuple[str, ...]
    label_rate_hz: float
    unit_range: tuple[float, float]
    targets: tuple[str, ...]


@dataclass(frozen=True)
class Recording:
    """One recording of a corpus; its labels stay on disk until asked for.

    Attributes:
        id: unique within the corpus.
        audio: the sound file, or None where the corpus does not hold it.
        partition: one of `PARTITIONS`, or None where the corpus assigns none.
        speaker: who speaks, the same name for the same person, or None where unknown.
        load_ratings: target -> `Ratings` in the corpus's own unit.
        unit_range: lowest and highest rating in that unit.
    """

    id: str
    audio: Path | None
    partition: str | None
    speaker: str | None
    load_ratings: Callable[[str], Ratings]
    unit_range: tuple[float, float] = (-1.0, 1.0)

    def ratings(self, target: str) -> Ratings:
        """Every rater's trace of one target, mapped linearly from `unit_range` onto [-1, 1].

        Raises:
            CorpusError: the labels are missing or malformed, or a value lies outside of `unit_range`.
        """
        ratings = self.load_ratings(target)
        low, high = self.unit_range
        values = (2.0 * ratings.values - (low + high)) / (high - low)
        if np.abs(values).max() > 1.0 + 1e-9:
            raise CorpusError(
                f"{self.id}: {target} goes from {ratings.values.min():g} to {ratings.values.max():g}, but "
                f"ratings of this corpus lie between {low:g} and {high:g}; check its label files' unit"
            )
        return replace(ratings, values=np.clip(values, -1.0, 1.0))


class Reader(Protocol):
    """What a reader module offers."""

    INFO: Info

    def load(self, root: Path) -> list[Recording]:
        """The recordings below `root`, sorted by id; CorpusError where it is not laid out as `INFO` says."""


def names() -> list[str]:
    """The names of all readers, sorted."""
    return sorted(_readers())


def get(name: str) -> Reader:
    """The reader of that name.

    Raises:
        CorpusError: there is none; the message lists those there are.
    """
    readers = _readers()
    if name not in readers:
        raise CorpusError(f"no corpus is called {name!r}; choose one of: {', '.join(sorted(readers))}")
    return readers[name]


def match_length(values: NDArray[Scalar], frames: int, what: str) -> NDArray[Scalar]:
    """The written rule by which label rows are matched to frames of audio.

    Rows as many as frames are taken as they are. One row more is a file that also labels the instant at
    which the recording ends (7501 rows for the 7500 frames of 300 s): its last row is dropped. Nothing
    else is cut or padded.

    Args:
        values: (rows, ...), labels.
        frames: how many frames the audio has.
        what: what these labels are, for the message: a file name, or a recording and target.

    Returns:
        (frames, ...), a view of `values`.

    Raises:
        CorpusError: any other difference; the message names both lengths and `what`.
    """
    if len(values) not in (frames, frames + 1):
        raise CorpusError(
            f"{what}: {len(values)} label rows do not fit {frames} frames of audio "
            f"({frames} or {frames + 1} would); check that both are complete and of the same recording"
        )
    return values[:frames]


def _readers() -> dict[str, Reader]:
    found = [module.name for module in pkgutil.iter_modules(__path__)]
    modules = {name: importlib.import_module(f"{__name__}.{name}") for name in found}
    return {
        name: cast(Reader, module)
        for name, module in modules.items()
        if hasattr(module, "INFO") and hasattr(module, "load")
    }
