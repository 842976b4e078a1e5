"""What is learned from, chosen on and tested on: a corpus's own partitions, or a rotation where it has none.

studyforrest assigns none. Its runs rotate: in fold k run k is tested, the next one is for development, the others are
learned from, both audiences of a run together, so that every run is tested once by a system that never met it.
Runs overlap by some 17 s of film; what a training run shares with a tested or a development run is not learned from,
and what a development run shares with a tested one is not chosen on.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from emotrace.corpora import studyforrest
from emotrace.errors import CorpusError
from emotrace.systems import Material
from emotrace.trace import FRAME_S

Stretch = tuple[int, int]

PARTITIONS = "partitions"
"""The one fold of a corpus that has partitions."""


@dataclass(frozen=True)
class Fold:
    """One division of a corpus, by the recordings' ids.

    Attributes:
        name: of the fold.
        train: learned from.
        dev: chosen on.
        test: looked at when a table is made; empty where a corpus keeps those labels back.
        hidden: for training and development recordings, stretches of frames [begin, end) that do not count.
    """

    name: str
    train: tuple[str, ...]
    dev: tuple[str, ...]
    test: tuple[str, ...]
    hidden: Mapping[str, tuple[Stretch, ...]] = field(default_factory=dict)

    def part(self, name: str, materials: Mapping[str, Material]) -> tuple[Material, ...]:
        """The recordings of ``train``, ``dev`` or ``test``, what is hidden not learned from, or not rated."""
        hide = {"train": _not_learned, "dev": _not_rated}.get(name, lambda material, _: material)
        return tuple(hide(materials[i], self.hidden.get(i, ())) for i in getattr(self, name))


@dataclass(frozen=True)
class Design:
    """How a corpus is divided.

    Attributes:
        folds: one, or as many as rotate.
        statement: one sentence for readers of a table.
        groups: sets of tested recordings that are scored on their own as well.
    """

    folds: tuple[Fold, ...]
    statement: str
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def design(corpus: str, root: Path, materials: Sequence[Material]) -> Design:
    """Divide a corpus.

    Args:
        corpus: a reader of :mod:`emotrace.corpora`.
        root: where it lies.
        materials: its rated recordings.

    Raises:
        CorpusError: it has no partitions and no rotation is defined for it, or nothing to learn from or choose on.
    """
    if any(m.partition for m in materials):
        return _partitions(root, materials)
    if corpus not in _ROTATIONS:
        raise CorpusError(f"{root}: {corpus} has no partitions; list it as a manifest with a column partition")
    return _ROTATIONS[corpus](root, materials)


def smaller(whole: Design, train: int, dev: int, test: int, folds: int) -> Design:
    """The same with at most so many recordings a part, taken evenly, and so many folds: a reduced budget."""
    cut = [
        replace(f, train=_evenly(f.train, train), dev=_evenly(f.dev, dev), test=_evenly(f.test, test))
        for f in whole.folds[:folds]
    ]
    tested = {name for fold in cut for name in fold.test}
    groups = {name: tuple(i for i in ids if i in tested) for name, ids in whole.groups.items()}
    kept = {name: ids for name, ids in groups.items() if ids}
    return Design(tuple(cut), f"{whole.statement} Reduced to {train}/{dev}/{test} recordings a fold.", kept)


def _partitions(root: Path, materials: Sequence[Material]) -> Design:
    parts = {part: tuple(m.id for m in materials if m.partition == part) for part in ("train", "dev", "test")}
    for part in ("train", "dev"):
        if not parts[part]:
            raise CorpusError(f"{root}: no rated recording in the {part} partition; learning needs train and dev")
    counts = "/".join(str(len(ids)) for ids in parts.values())
    fold = Fold(PARTITIONS, parts["train"], parts["dev"], parts["test"])
    return Design((fold,), f"The corpus's partitions, train/dev/test {counts} recordings.")


def _by_run(root: Path, materials: Sequence[Material]) -> Design:
    starts_s = studyforrest.film_starts_s(root)
    spans = {m.id: _span(m, starts_s) for m in materials}
    runs = sorted({_run(m.id) for m in materials})
    if len(runs) < 3:
        raise CorpusError(f"{root}: {len(runs)} runs; a rotation needs at least three")
    folds = tuple(_fold(runs, k, spans) for k in range(len(runs)))
    audiences = {each: tuple(m.id for m in materials if m.id.startswith(each)) for each in studyforrest.OBSERVERS}
    statement = (
        f"Leave one run out, {len(runs)} folds: a run for testing, the next one for development, the others to learn "
        "from; both audiences of a run stay together, and film that runs share is not learned from."
    )
    return Design(folds, statement, {name: ids for name, ids in audiences.items() if ids})


def _fold(runs: Sequence[str], k: int, spans: Mapping[str, Stretch]) -> Fold:
    test, dev = runs[k], runs[(k + 1) % len(runs)]
    train = tuple(name for name in spans if _run(name) not in (test, dev))
    held = {run: tuple(name for name in spans if _run(name) == run) for run in (dev, test)}
    from_whom = dict.fromkeys(train, (*held[dev], *held[test])) | dict.fromkeys(held[dev], held[test])
    shared = {name: [_shared(spans[name], spans[other]) for other in others] for name, others in from_whom.items()}
    return Fold(test, train, held[dev], held[test], {name: _filled(each) for name, each in shared.items()})


def _not_learned(material: Material, stretches: Sequence[Stretch]) -> Material:
    return replace(material, hidden=tuple(stretches))


def _not_rated(material: Material, stretches: Sequence[Stretch]) -> Material:
    gold = material.gold.copy()
    for begin, end in stretches:
        gold[begin:end] = np.nan
    return replace(material, gold=gold)


def _run(name: str) -> str:
    return name.partition("_")[2]


def _span(material: Material, starts_s: Mapping[str, float]) -> Stretch:
    begin = round(starts_s[_run(material.id)] / FRAME_S)
    return begin, begin + material.frames


def _shared(own: Stretch, other: Stretch) -> Stretch:
    return max(own[0], other[0]) - own[0], min(own[1], other[1]) - own[0]


def _filled(stretches: Sequence[Stretch]) -> tuple[Stretch, ...]:
    return tuple(sorted({(begin, end) for begin, end in stretches if begin < end}))


def _evenly(ids: tuple[str, ...], count: int) -> tuple[str, ...]:
    if len(ids) <= count:
        return ids
    return tuple(ids[place] for place in np.linspace(0, len(ids) - 1, count).round().astype(int))


_ROTATIONS: Mapping[str, Callable[[Path, Sequence[Material]], Design]] = {"studyforrest": _by_run}
