"""Recordings as networks are trained on them: features on disk, gold standards in memory, NaN where nobody rated."""

import warnings
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import cache, cached_property, partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from emotrace import corpora, features
from emotrace.annotation import lag
from emotrace.corpora import Recording, stitched
from emotrace.errors import CorpusError
from emotrace.features import cache as kept
from emotrace.features.normalisation import Normalisation, Running, Statistics
from emotrace.trace import FRAME_S
from emotrace.training import augmentation
from emotrace.training.augmentation import Strength
from emotrace.training.config import Config

_OTHERS = 3
_BLOCK_FRAMES = 15000


@dataclass(frozen=True)
class Example:
    """One recording, in one variant.

    Attributes:
        recording: its id.
        features: (frames, size), not normalised, memory-mapped.
        gold: (frames,) the gold standard, moved earlier by the lag that is compensated; NaN where it is not rated.
        bins: values that share a scale (see :mod:`emotrace.features`).
        known: statistics of all rows, kept with the features.
        utterances: of a stitched recording, which can be put in another order; None where that is not asked for.
    """

    recording: str
    features: np.ndarray
    gold: np.ndarray
    bins: int
    known: Statistics | None = None
    utterances: "Utterances | None" = None

    def rows(self) -> np.ndarray:
        """Rows as they are normalised: (..., bins)."""
        return self.features.reshape(-1, self.bins)

    @property
    def rated(self) -> np.ndarray:
        """(frames,) bool: which frames count in the loss and in scores."""
        return ~np.isnan(self.gold)

    def normalised(self, rule: Normalisation) -> np.ndarray:
        """(frames, size) features, by the recording's own statistics, or by those up to each frame as live."""
        if rule.running:
            rows_a_frame = self.features.shape[1] // self.bins
            return Running(rule, rows_a_frame, self.bins).push(self.rows()).reshape(self.features.shape)
        scale = rule.scale(self.statistics(rule))
        normal = np.empty(self.features.shape, self.features.dtype)
        for start in range(0, len(normal), _BLOCK_FRAMES):
            block = self.features[start : start + _BLOCK_FRAMES]
            normal[start : start + len(block)] = rule.scaled(block.reshape(-1, self.bins), *scale).reshape(block.shape)
        return normal

    def statistics(self, rule: Normalisation) -> Statistics:
        """Of all rows, as a rule wants them; kept, since every epoch asks for them."""
        wanted = rule.statistics(self.bins)
        if wanted.strongest not in self._kept:
            known = None if wanted.strongest else self.known
            self._kept[wanted.strongest] = known or wanted.update(self.rows())
        return self._kept[wanted.strongest]

    @cached_property
    def _kept(self) -> dict[bool, Statistics]:
        return {}

    def shuffled(self, rng: np.random.Generator) -> "Example":
        """The utterances in another order, each with the pause after it, and with its rating for a target."""
        assert self.utterances is not None
        edges, ratings = self.utterances.edges, self.utterances.ratings
        order = rng.permutation(len(ratings))
        frames = np.concatenate([np.arange(edges[index], edges[index + 1]) for index in order])
        gold = np.repeat(ratings[order], np.diff(edges)[order])
        return replace(self, features=self.features[frames], gold=gold, utterances=None)

    def cut(self, length_s: tuple[float, float], rng: np.random.Generator) -> list["Example"]:
        """Pieces one after another, their lengths drawn from a range, short ones as likely as long ones by ratio."""
        shortest, longest = (length / FRAME_S for length in length_s)
        edges = [0]
        while edges[-1] < len(self.gold):
            edges.append(edges[-1] + round(shortest * (longest / shortest) ** rng.random()))
        # What is left over at the end belongs to the last piece: it may be too short to be normalised on its own.
        edges = [*edges[:-2], len(self.gold)] if len(edges) > 2 else [0, len(self.gold)]
        return [
            replace(self, features=self.features[start:stop], gold=self.gold[start:stop], known=None, utterances=None)
            for start, stop in pairwise(edges)
        ]


@dataclass(frozen=True)
class Utterances:
    """Where the utterances of a recording lie.

    Attributes:
        edges: (n + 1,) frames, each utterance's first and the recording's end; what is before the first goes with it.
        ratings: (n,) float32.
    """

    edges: np.ndarray
    ratings: np.ndarray


@dataclass(frozen=True)
class Dataset:
    """What one configuration trains and chooses on.

    Attributes:
        train: for every training recording its variants, the recording as it is first.
        dev: development recordings, as they are.
        rule: the normalisation, with its prior.
    """

    train: list[list[Example]]
    dev: list[Example]
    rule: Normalisation


def prepare(config: Config, folder: Path, jobs: int = 1, progress: Any = iter) -> Dataset:
    """Read a corpus, compute or find its features, take its gold standard and shift it.

    Args:
        config: names corpus, front end, target, variants.
        folder: where features are kept (see :mod:`emotrace.features.cache`), made if absent.
        jobs: processes.
        progress: wraps the list of sounds as they are worked through.

    Raises:
        CorpusError: what is needed of the corpus is missing or malformed, it has no sound, is not rated for the target,
            or has no rated recording in a partition that is needed.

    Warns:
        UserWarning: a recording has no rated frame and is left out.
    """
    reader = corpora.get(config.corpus)
    asked = corpora.PARTITIONS if config.fit_all else ("train", "dev")
    recordings = reader.survey(config.root).complete(asked, config.target)
    if config.target not in (rated := corpora.targets_of(reader.INFO, recordings)):
        # Features take hours, and would be computed for nothing.
        raise CorpusError(f"{config.root}: is not rated for {config.target}; set target to {' or '.join(rated)}")
    parts = {name: [r for r in recordings if r.partition == name] for name in corpora.PARTITIONS}
    training = [r for r in recordings if r.partition] if config.fit_all else parts["train"]
    if not training or not parts["dev"]:
        raise CorpusError(f"{config.root}: no recording in the train or dev partition; both are needed to train")
    work = [(r, variant) for r in training for variant in range(config.variants + 1)]
    work += [] if config.fit_all else [(r, 0) for r in parts["dev"]]
    sounds = [_sound(config, recording, variant, training) for recording, variant in work]
    made = kept.entries(folder, config.front_end, sounds, jobs, progress)
    examples = _examples(config, [r for r, _ in work], made)
    train = [examples[r.id] for r in training if r.id in examples]
    dev = [examples[r.id][0] for r in parts["dev"] if r.id in examples]
    if not train or not dev:
        raise CorpusError(
            f"{config.root}: no {config.target} ratings in the train or dev partition; both are needed to train"
        )
    rule = config.normalising(features.voice_values(features.get(config.front_end)))
    return Dataset(train, dev, rule.with_prior([variants[0].statistics(rule) for variants in train]))


def _examples(config: Config, recordings: Iterable[Recording], made: Iterable[kept.Entry]) -> dict[str, list[Example]]:
    """The variants of every recording that is rated; its first entry is that of the recording as it is."""
    bins = features.get(config.front_end).bins
    golds: dict[str, np.ndarray | None] = {}
    spoken: dict[str, list[stitched.Span]] = {}
    examples: dict[str, list[Example]] = {}
    for recording, entry in zip(recordings, made, strict=True):
        if recording.id not in golds:
            golds[recording.id] = gold = _gold(config, recording, len(entry.features))
            if config.shuffled_share:
                spoken[recording.id] = _spoken(config, recording)
            if gold is None:
                warnings.warn(f"{recording.id}: no frame is rated for {config.target}; it is left out", stacklevel=3)
        gold = golds[recording.id]
        if gold is not None:
            played = _played(gold, len(entry.features), entry.speed)
            utterances = _utterances(spoken[recording.id], entry) if config.shuffled_share else None
            example = Example(recording.id, entry.features, played, bins, entry.statistics, utterances)
            examples.setdefault(recording.id, []).append(example)
    return examples


def _gold(config: Config, recording: Recording, frames: int) -> np.ndarray | None:
    """The gold standard from the recording's first frame on, moved earlier by the lag; None where nothing is rated.

    What moves in at the end is the last value, as AVEC 2016 does it: that of the end instant where there is one, and
    NaN where the end is not rated.
    """
    recording = _read_once(recording)
    gold = recording.known_gold(config.target, frames)
    if gold is None:
        return None
    with suppress(CorpusError):
        longer = recording.gold_frames(config.target, frames + 1)
        gold = gold if np.isnan(longer[-1]) else longer
    gold = lag.shift_back(gold, round(config.lag_s / FRAME_S))
    if config.ratings_share and (config.fit_all or recording.partition == "train"):
        held = stitched.held(_spoken(config, recording), len(gold))
        gold = (1 - config.ratings_share) * gold + config.ratings_share * held
    return None if np.isnan(gold[:frames]).all() else gold


def _read_once(recording: Recording) -> Recording:
    """The recording, its label files kept from the first time they are asked for."""
    load_ratings, load_gold = (load and cache(load) for load in (recording.load_ratings, recording.load_gold))
    return replace(recording, load_ratings=load_ratings, load_gold=load_gold)


def _played(gold: np.ndarray, frames: int, speed: float) -> np.ndarray:
    """The gold standard at the frames of a variant; a frame is rated where both that it lies between are."""
    if speed == 1.0:
        return gold[:frames].astype(np.float32)
    return np.interp(np.arange(frames) * speed, np.arange(len(gold)), gold).astype(np.float32)


def _utterances(spoken: Sequence[stitched.Span], entry: kept.Entry) -> Utterances:
    frames = len(entry.features)
    starts = [round(start_s / entry.speed / FRAME_S) for _, _, start_s, _, _ in spoken[1:]]
    ratings = np.array([rating for *_, rating in spoken], dtype=np.float32)
    return Utterances(np.minimum([0, *starts, frames], frames), ratings)


def _spoken(config: Config, recording: Recording) -> list[stitched.Span]:
    spoken = [span for span in stitched.spans(config.root, config.target) if span[0] == recording.id]
    if not spoken:
        raise CorpusError(
            f"{config.root}: does not say what {recording.id} was stitched from, which ratings_share "
            "and shuffled_share need; set them to 0"
        )
    return spoken


def _sound(config: Config, recording: Recording, variant: int, training: Sequence[Recording]) -> kept.Sound:
    if recording.audio is None:
        raise CorpusError(f"{config.root}: recording {recording.id} has no sound, and {config.front_end} needs it")
    if variant == 0:
        return kept.Sound(recording.audio)
    strangers = [r.audio for r in training if r.speaker != recording.speaker and r.audio is not None]
    seed = [variant, *recording.id.encode()]
    chosen = np.random.default_rng(seed).permutation(len(strangers))[:_OTHERS]
    recipe = [seed, asdict(config.augmentation), augmentation.VERSION, len(strangers)]
    change = partial(_augmented, strangers=len(strangers), strength=config.augmentation, seed=seed)
    return kept.Sound(recording.audio, change, recipe, tuple(strangers[index] for index in chosen))


def _augmented(
    samples: np.ndarray, others: Sequence[np.ndarray], strangers: int, strength: Strength, seed: Sequence[int]
) -> tuple[np.ndarray, float]:
    """The variant of a seed, whatever was drawn before; its first draw was who babbles."""
    rng = np.random.default_rng(seed)
    rng.permutation(strangers)
    return augmentation.augment(samples, others, strength, rng)
