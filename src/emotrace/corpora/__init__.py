"""Corpora as they are distributed: one module each, discovered by being in this folder.

A module that defines `INFO` (an `Info`), `survey(root)` and `load(root)` is a reader, under the module's own
name. Modules without these help readers or write corpora. `survey` lists what is on disk and what is missing;
`load` gives the recordings of a survey that misses nothing, and fails on any other. Label files are read when
`Recording.ratings` asks for them.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Protocol, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from emotrace.annotation import Ratings, fusion
from emotrace.annotation.resampling import MAX_GAP_S
from emotrace.errors import CorpusError, UnratedError
from emotrace.trace import FRAME_S

if TYPE_CHECKING:
    from emotrace.corpora.layout import Survey

__all__ = ["PARTITIONS", "Info", "Reader", "Recording", "get", "match_length", "names", "on_frames", "targets_of"]

PARTITIONS = ("train", "dev", "test")

_OFFERS = ("INFO", "survey", "load")
_COMPLETE = "check that both are complete and of the same recording"
_PARTLY = f"{_COMPLETE}; where labels leave parts out, a manifest says partly_rated=yes"

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
        load_ratings: target -> every rater's `Ratings` in the corpus's own unit; None where raters are not distributed.
            Neither this nor `load_gold`: the labels are kept back, as those of a challenge's test part are.
        unit_range: lowest and highest rating in that unit.
        load_gold: target -> the gold standard that the corpus distributes, as `Ratings` of one column; None where it
            distributes none, and `gold` fuses the raters.
        label_rate_hz: label rows for each second.
        partly_rated: labels are known to leave parts of the recording out (an unrated beginning, say).
        targets: what is rated in this recording, where it is not what the corpus's `INFO` says.
        load_features: () -> (rows, size) features as the corpus distributes them, at `label_rate_hz`, or None.
    """

    id: str
    audio: Path | None
    partition: str | None
    speaker: str | None
    load_ratings: Callable[[str], Ratings] | None
    unit_range: tuple[float, float] = (-1.0, 1.0)
    load_gold: Callable[[str], Ratings] | None = None
    label_rate_hz: float = 1.0 / FRAME_S
    partly_rated: bool = False
    load_features: Callable[[], NDArray[np.float64]] | None = None
    targets: tuple[str, ...] | None = None

    @property
    def kept_back(self) -> bool:
        """Whether its labels are, as those of a challenge's test part: there is no way to load any."""
        return self.load_ratings is None and self.load_gold is None

    def ratings(self, target: str) -> Ratings:
        """Every rater's trace of one target, mapped linearly from `unit_range` onto [-1, 1].

        Raises:
            CorpusError: raters are not distributed, the labels are missing or malformed, or a value lies outside of
                `unit_range`.
        """
        if self.load_ratings is None:
            there = "a gold standard and no raters' traces" if self.load_gold else "no labels"
            raise CorpusError(f"{self.id}: the corpus distributes {there} of {target} for this recording")
        return self._mapped(self.load_ratings(target))

    def gold(self, target: str) -> Ratings:
        """The gold standard, one column: the corpus's own in [-1, 1], else AVEC 2016's fusion of its raters.

        Centring can move a fused one a little past -1 or 1, where raters of different levels reach the end together.

        Raises:
            CorpusError: see `ratings`.
        """
        if self.load_gold is not None:
            return self._mapped(self.load_gold(target))
        ratings = self.ratings(target)
        fused = fusion.gold_standard_avec2016(ratings.values)
        return Ratings(ratings.time_s, fused[:, None], ("gold standard",), target)

    def gold_frames(self, target: str, frames: int) -> NDArray[np.float64]:
        """The gold standard at the frames of a trace, by the rules of `match_length` and `on_frames`.

        Returns:
            (frames,), NaN where a frame is not rated.

        Raises:
            CorpusError: the labels are malformed, do not fit so many frames, or begin elsewhere than the sound.
        """
        gold, what = self.gold(target), f"{self.id}, {target}"
        if self.label_rate_hz * FRAME_S == 1.0 and not self.partly_rated:
            if (start_s := gold.time_s[0]) > FRAME_S + 1e-6:
                raise CorpusError(f"{what}: labels begin at {start_s:.2f} s, not with the sound; {_PARTLY}")
            return match_length(gold.values[:, 0], frames, what, _PARTLY if len(gold.values) < frames else _COMPLETE)
        return on_frames(gold, frames, self.label_rate_hz, self.partly_rated, what)

    def known_gold(self, target: str, frames: int) -> NDArray[np.float64] | None:
        """`gold_frames`, or None where no frame is rated: the labels are kept back (a test part), all are missing, or
        this recording is rated for other targets than the corpus's others.

        Raises:
            CorpusError: the labels are malformed, or do not fit so many frames.
        """
        if self.kept_back or target not in (self.targets or (target,)):
            return None
        try:
            gold = self.gold_frames(target, frames)
        except UnratedError:
            return None
        return None if np.isnan(gold).all() else gold

    def _mapped(self, ratings: Ratings) -> Ratings:
        low, high = self.unit_range
        values = (2.0 * ratings.values - (low + high)) / (high - low)
        if np.nanmax(np.abs(values)) > 1.0 + 1e-9:
            raise CorpusError(
                f"{self.id}: {ratings.target} goes from {np.nanmin(ratings.values):g} to {np.nanmax(ratings.values):g},"
                f" but ratings of this corpus lie between {low:g} and {high:g}; check its label files' unit"
            )
        return replace(ratings, values=np.clip(values, -1.0, 1.0))


class Reader(Protocol):
    """What a reader module offers."""

    INFO: Info

    def survey(self, root: Path) -> Survey:
        """All recordings that any file below `root` speaks of, and what is missing; CorpusError where `root` holds no
        such corpus."""

    def load(self, root: Path) -> list[Recording]:
        """The recordings below `root`, sorted by id; CorpusError where it is not laid out as `INFO` says."""


def names() -> list[str]:
    """The names of all readers, sorted."""
    return sorted(_readers())


def get(name: str) -> Reader:
    """The reader of that name.

    Raises:
        CorpusError: there is none; the message lists those there are, or says what a module of that name lacks.
    """
    readers = _readers()
    if name in readers:
        return readers[name]
    unfinished = _modules().get(name)
    # Modules that help readers have nothing of what makes one.
    if lacks := [own for own in _OFFERS if not hasattr(unfinished, own)] if hasattr(unfinished, "INFO") else []:
        raise CorpusError(f"corpora/{name}.py lacks {' and '.join(lacks)}; see CONTRIBUTING.md, A new corpus")
    raise CorpusError(f"no corpus is called {name!r}; choose one of: {', '.join(sorted(readers))}")


def targets_of(info: Info, recordings: Sequence[Recording]) -> tuple[str, ...]:
    """What is rated in a corpus: what its recordings say, where they say it, else what its `INFO` says."""
    found = {target for recording in recordings for target in recording.targets or ()}
    unsaid = info.targets if not found or any(recording.targets is None for recording in recordings) else ()
    named = tuple(target for target in info.targets if target in {*found, *unsaid})
    return named + tuple(sorted(found - {*named}))


def match_length(values: NDArray[Scalar], frames: int, what: str, remedy: str = _COMPLETE) -> NDArray[Scalar]:
    """The written rule by which label rows are matched to frames of audio.

    Rows as many as frames are taken as they are. One row more is a file that also labels the instant at
    which the recording ends (7501 rows for the 7500 frames of 300 s): its last row is dropped. Nothing
    else is cut or padded.

    Args:
        values: (rows, ...), labels.
        frames: how many frames the audio has.
        what: what these labels are, for the message: a file name, or a recording and target.
        remedy: what the message says to do.

    Returns:
        (frames, ...), a view of `values`.

    Raises:
        CorpusError: any other difference; the message names both lengths and `what`.
    """
    if len(values) not in (frames, frames + 1):
        raise CorpusError(
            f"{what}: {len(values)} label rows do not fit {frames} frames of audio "
            f"({frames} or {frames + 1} would); {remedy}"
        )
    return values[:frames]


def on_frames(ratings: Ratings, frames: int, label_rate_hz: float, partly: bool, what: str) -> NDArray[np.float64]:
    """The written rule for labels that do not come every 40 ms from the start of the recording.

    A label holds for one label step (1 / `label_rate_hz`) from its time on. Frames that begin within the labels' span
    get their value by linear interpolation, those beside it are not rated. Nor are those between two labels that are
    more than `resampling.MAX_GAP_S` apart, and more than one and a half label steps. Where labels are to cover the
    whole recording, they may begin or end one label step and one frame beside it; they may never go on past its end by
    more.

    Args:
        ratings: of one column.
        frames: how many frames the audio has.
        label_rate_hz: label rows for each second.
        partly: labels may leave parts of the recording out.
        what: as for `match_length`.

    Returns:
        (frames,), NaN where a frame is not rated: outside of the labels' span, in a hole or beside a missing label.

    Raises:
        CorpusError: labels and audio differ by more; the message names both lengths and `what`.
    """
    step_s = 1.0 / label_rate_hz
    start_s, end_s, audio_s = ratings.time_s[0], ratings.time_s[-1] + step_s, frames * FRAME_S
    slack_s = step_s + FRAME_S + 1e-6
    beyond = end_s > audio_s + slack_s or start_s < -1e-6
    if beyond or (not partly and max(start_s, audio_s - end_s) > slack_s):
        raise CorpusError(
            f"{what}: labels from {start_s:.2f} to {end_s:.2f} s do not fit {audio_s:.2f} s of audio; "
            f"{_COMPLETE if beyond else _PARTLY}"
        )
    time_s = np.arange(frames, dtype=np.float64) * FRAME_S
    values = np.interp(time_s, ratings.time_s, ratings.values[:, 0])
    beside = (time_s < start_s - 1e-6) | (time_s > end_s - 1e-6)
    values[beside | _in_hole(time_s, ratings.time_s, max(MAX_GAP_S, 1.5 * step_s))] = np.nan
    return values


def _in_hole(time_s: NDArray[np.float64], labels_s: NDArray[np.float64], longest_s: float) -> NDArray[np.bool_]:
    """Which instants lie between two labels that are too far apart for a line from one to the other."""
    gaps_s = np.r_[0.0, np.diff(labels_s), 0.0]
    following = np.searchsorted(labels_s, time_s - 1e-6)
    on_label = following < np.searchsorted(labels_s, time_s + 1e-6, side="right")
    return (gaps_s[following] > longest_s + 1e-6) & ~on_label


def _modules() -> dict[str, ModuleType]:
    return {each.name: importlib.import_module(f"{__name__}.{each.name}") for each in pkgutil.iter_modules(__path__)}


def _readers() -> dict[str, Reader]:
    return {
        name: cast(Reader, module)
        for name, module in _modules().items()
        if all(hasattr(module, own) for own in _OFFERS)
    }
