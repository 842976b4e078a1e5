"""Recordings as networks are trained on them: features on disk, gold standards in memory."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from emotrace import audio, corpora, features
from emotrace.annotation import fusion, lag
from emotrace.corpora import Recording
from emotrace.errors import CorpusError
from emotrace.features.normalisation import Normalisation, Running, Statistics
from emotrace.output import write_atomically
from emotrace.trace import FRAME_S
from emotrace.training.augmentation import augment
from emotrace.training.config import Config

_OTHERS = 3


@dataclass(frozen=True)
class Example:
    """One recording, in one variant.

    Attributes:
        recording: its id.
        features: (frames, size), not normalised, memory-mapped.
        gold: (frames,) the gold standard, moved earlier by the lag that is compensated.
        bins: values that share a scale (see :mod:`emotrace.features`).
    """

    recording: str
    features: np.ndarray
    gold: np.ndarray
    bins: int

    def rows(self) -> np.ndarray:
        """Rows as they are normalised: (..., bins)."""
        return self.features.reshape(-1, self.bins)

    def normalised(self, rule: Normalisation) -> np.ndarray:
        """(frames, size) features, by the recording's own statistics, or by those up to each frame as live."""
        if rule.running:
            rows_a_frame = self.features.shape[1] // self.bins
            return Running(rule, rows_a_frame, self.bins).push(self.rows()).reshape(self.features.shape)
        return rule.apply(self.rows(), self.statistics).reshape(self.features.shape)

    @cached_property
    def statistics(self) -> Statistics:
        """Of all rows; kept, since every epoch asks for them."""
        return Statistics(self.bins).update(self.rows())

    def cut(self, length_s: tuple[float, float], rng: np.random.Generator) -> list["Example"]:
        """Pieces one after another, their lengths drawn from a range, short ones as likely as long ones by ratio."""
        shortest, longest = (length / FRAME_S for length in length_s)
        edges = [0]
        while edges[-1] < len(self.gold):
            edges.append(edges[-1] + round(shortest * (longest / shortest) ** rng.random()))
        # What is left over at the end belongs to the last piece: it may be too short to be normalised on its own.
        edges = [*edges[:-2], len(self.gold)] if len(edges) > 2 else [0, len(self.gold)]
        return [
            replace(self, features=self.features[start:stop], gold=self.gold[start:stop])
            for start, stop in pairwise(edges)
        ]


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

    @cached_property
    def dev_normalised(self) -> list[np.ndarray]:
        """Normalised features of the development recordings; kept, since every epoch asks for them."""
        return [example.normalised(self.rule) for example in self.dev]


def prepare(config: Config, cache: Path, jobs: int = 1, progress: Any = iter) -> Dataset:
    """Read a corpus, compute or find its features, fuse and shift its ratings.

    Args:
        config: names corpus, front end, target, variants.
        cache: folder for features, made if absent; entries are keyed by the sound's content and what was done to it.
        jobs: processes.
        progress: wraps the list of recordings as they are worked through.

    Raises:
        CorpusError: the corpus is malformed, has no sound, or no recording in a partition that is needed.
    """
    import joblib

    recordings = corpora.get(config.corpus).load(config.root)
    parts = {name: [r for r in recordings if r.partition == name] for name in corpora.PARTITIONS}
    training = [r for r in recordings if r.partition] if config.fit_all else parts["train"]
    if not training or not parts["dev"]:
        raise CorpusError(f"{config.root}: no recording in the train or dev partition; both are needed to train")
    work = [(r, variant) for r in training for variant in range(config.variants + 1)]
    work += [] if config.fit_all else [(r, 0) for r in parts["dev"]]
    made = joblib.Parallel(n_jobs=jobs, return_as="generator")(
        joblib.delayed(_example)(config, cache, recording, variant, training) for recording, variant in work
    )
    examples = dict(zip([(r.id, v) for r, v in work], progress(made), strict=True))
    train = [[examples[r.id, variant] for variant in range(config.variants + 1)] for r in training]
    plain = [variants[0] for variants in train]
    rule = config.normalising().with_prior([e.statistics for e in plain])
    return Dataset(train, [examples[r.id, 0] for r in parts["dev"]], rule)


def _example(config: Config, cache: Path, recording: Recording, variant: int, training: Sequence[Recording]) -> Example:
    front_end = features.get(config.front_end)
    values, speed = _features(config, cache, recording, variant, training)
    return Example(recording.id, values, _gold(config, recording, len(values), speed), front_end.bins)


def _gold(config: Config, recording: Recording, frames: int, speed: float) -> np.ndarray:
    """The gold standard at the frames of a variant: shifted back, then played at the variant's speed."""
    ratings = recording.ratings(config.target)
    gold = fusion.gold_standard_avec2016(ratings.values)
    gold = lag.shift_back(gold, round(config.lag_s / FRAME_S))
    if speed == 1.0:
        return corpora.match_length(gold, frames, f"{recording.id}, {config.target}").astype(np.float32)
    return np.interp(np.arange(frames) * speed, np.arange(len(gold)), gold).astype(np.float32)


def _features(
    config: Config, cache: Path, recording: Recording, variant: int, training: Sequence[Recording]
) -> tuple[np.ndarray, float]:
    """Features of a variant, memory-mapped, and its speed; computed where the cache has none or a damaged entry."""
    if recording.audio is None:
        raise CorpusError(f"{config.root}: recording {recording.id} has no sound, and {config.front_end} needs it")
    key = _key(config, recording.audio, variant, training)
    path, note = cache / f"{key}.npy", cache / f"{key}.json"
    try:
        return _entry(path, note)
    except (OSError, EOFError, ValueError, KeyError, TypeError):
        samples, speed = _sound(config, recording, variant, training)
    values = features.get(config.front_end).extract(samples)
    cache.mkdir(parents=True, exist_ok=True)
    write_atomically(path, lambda file: np.save(file, values, allow_pickle=False), force=True, mode="wb")
    write_atomically(note, lambda file: json.dump({"speed": speed}, file), force=True)
    return _entry(path, note)


def _entry(path: Path, note: Path) -> tuple[np.ndarray, float]:
    return np.load(path, mmap_mode="r", allow_pickle=False), float(json.loads(note.read_text())["speed"])


def _sound(
    config: Config, recording: Recording, variant: int, training: Sequence[Recording]
) -> tuple[np.ndarray, float]:
    assert recording.audio is not None
    samples = audio.load(recording.audio)
    if variant == 0:
        return samples, 1.0
    rng = np.random.default_rng([variant, *recording.id.encode()])
    strangers = [r.audio for r in training if r.speaker != recording.speaker and r.audio is not None]
    chosen = rng.permutation(len(strangers))[:_OTHERS]
    return augment(samples, [audio.load(strangers[i]) for i in chosen], config.augmentation, rng)


def _key(config: Config, sound: Path, variant: int, training: Sequence[Recording]) -> str:
    digest = hashlib.sha256(sound.read_bytes())
    digest.update(json.dumps([config.front_end, variant]).encode())
    if variant:
        # The babble is drawn from the training recordings.
        drawn_from = [r.id for r in training]
        digest.update(json.dumps([asdict(config.augmentation), drawn_from], sort_keys=True).encode())
    return digest.hexdigest()[:32]
