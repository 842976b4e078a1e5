"""Recordings as systems see them: features by the name of a front end, and the gold standard of one target."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emotrace import corpora, features
from emotrace.annotation import lag
from emotrace.corpora import Recording
from emotrace.errors import CorpusError, SoundlessError
from emotrace.features import cache as kept

GIVEN = "given"
"""The front end's name of features that a corpus distributes."""


@dataclass(frozen=True)
class Material:
    """One recording, rated for one target.

    Attributes:
        id: unique within the corpus.
        speaker: the same name for the same person, or None where unknown.
        partition: one of ``corpora.PARTITIONS``, or None where the corpus assigns none.
        gold: (frames,) float64, NaN where a frame is not rated; not moved by any lag.
        recording: where it comes from.
        folder: where features are kept.
        hidden: stretches of frames [begin, end) that are not learned from, neither what is heard nor how it is rated.
    """

    id: str
    speaker: str | None
    partition: str | None
    gold: NDArray[np.float64]
    recording: Recording
    folder: Path
    hidden: tuple[tuple[int, int], ...] = ()

    @property
    def frames(self) -> int:
        """How long it is."""
        return len(self.gold)

    @property
    def rated(self) -> NDArray[np.bool_]:
        """(frames,) which frames count in losses and scores."""
        return ~np.isnan(self.gold)

    @property
    def shown(self) -> NDArray[np.intp]:
        """Which frames may be learned from without their ratings."""
        seen = np.ones(self.frames, dtype=bool)
        for begin, end in self.hidden:
            seen[begin:end] = False
        return np.flatnonzero(seen)

    def aims(self, lag_frames: int) -> NDArray[np.float64]:
        """(frames,) what is learned: the gold standard made earlier by a lag, NaN where a frame does not count."""
        shown = self.gold.copy()
        for begin, end in self.hidden:
            shown[begin:end] = np.nan
        earlier = lag.shift_back(shown, lag_frames)
        for begin, end in self.hidden:
            earlier[begin:end] = np.nan
        return earlier

    def features(self, front_end: str) -> NDArray[np.float32]:
        """(frames, size), not normalised, memory-mapped where they come from the recording's sound.

        Args:
            front_end: a module of :mod:`emotrace.features`, or `GIVEN`: what the corpus distributes.

        Raises:
            SoundlessError: the recording has no sound.
            CorpusError: it has no distributed features.
        """
        if front_end == GIVEN:
            if self.recording.load_features is None:
                raise CorpusError(f"{self.id}: the corpus distributes no features; choose a front end that reads sound")
            given = self.recording.load_features().astype(np.float32)
            return corpora.match_length(given, self.frames, f"{self.id}, distributed features")
        if self.recording.audio is None:
            raise SoundlessError(
                f"{self.id}: has no sound, which {front_end} needs; systems with a front_end can have {GIVEN}"
            )
        (entry,) = kept.entries(self.folder, front_end, [kept.Sound(self.recording.audio)])
        return entry.features


def load(corpus: str, root: Path, target: str, folder: Path) -> list[Material]:
    """The rated recordings of a corpus.

    Args:
        corpus: a reader of :mod:`emotrace.corpora`.
        root: where the corpus lies.
        target: what is predicted.
        folder: where features are kept, made if absent.

    Raises:
        CorpusError: what the target needs of the corpus is missing or malformed, or nothing in it is rated for it.
    """
    recordings = corpora.get(corpus).survey(root).complete(target=target)
    made = [_material(recording, target, Path(folder)) for recording in recordings]
    rated = [material for material in made if material is not None]
    if not rated:
        raise CorpusError(f"{root}: no recording is rated for {target}")
    return rated


def compute(materials: Sequence[Material], front_end: str, jobs: int) -> None:
    """Fill the store of features for all recordings at once, `jobs` processes at a time."""
    sounds = [kept.Sound(m.recording.audio) for m in materials if m.recording.audio is not None]
    if front_end != GIVEN and sounds:
        kept.entries(materials[0].folder, front_end, sounds, jobs)


def silent(materials: Iterable[Material]) -> bool:
    """Whether none of them has sound."""
    return all(material.recording.audio is None for material in materials)


def size(materials: Sequence[Material], front_end: str) -> int:
    """Values a frame."""
    return materials[0].features(front_end).shape[1] if front_end == GIVEN else int(features.get(front_end).size)


def bins(materials: Sequence[Material], front_end: str) -> int:
    """Values of a frame with a scale of their own (see :mod:`emotrace.features`)."""
    return size(materials, GIVEN) if front_end == GIVEN else int(features.get(front_end).bins)


def voice_values(front_end: str) -> int:
    """Values at the end of a row that are no energies; of distributed features nobody knows."""
    return 0 if front_end == GIVEN else features.voice_values(features.get(front_end))


def frame_means(material: Material, front_end: str) -> NDArray[np.float64]:
    """(frames, bins): the mean of each frame's rows."""
    values = np.asarray(material.features(front_end), dtype=np.float64)
    return values.reshape(len(values), -1, bins([material], front_end)).mean(axis=1)


def _material(recording: Recording, target: str, folder: Path) -> Material | None:
    if recording.load_features is not None:
        # Distributed as text they take longer to read than many a network takes to train; a run reads them often.
        recording = replace(recording, load_features=cache(recording.load_features))
    gold = recording.known_gold(target, _frames(recording, folder))
    if gold is None:
        return None
    return Material(recording.id, recording.speaker, recording.partition, gold.astype(np.float64), recording, folder)


def _frames(recording: Recording, folder: Path) -> int:
    if recording.audio is not None:
        (entry,) = kept.entries(folder, "logmel", [kept.Sound(recording.audio)])
        return len(entry.features)
    if recording.load_features is not None:
        return len(recording.load_features())
    raise CorpusError(f"{recording.id}: has neither sound nor distributed features")
