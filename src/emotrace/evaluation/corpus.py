"""A model on a corpus: every recording that has sound predicted, and scored where it is rated; bad ones are listed.

A model that was trained on gold standards moved earlier answers in time with the voice, raters some seconds later. Its
traces are therefore moved later by the lag that the model states, their first value duplicated, and scored against the
gold standard as it is (AVEC 2016). Where every recording has one rating throughout, as utterances have, there is
nothing for a trace to follow in time: it is not moved, and its mean is scored.
"""

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from emotrace import corpora, evaluation, metrics, provenance, running
from emotrace.annotation import lag
from emotrace.corpora import PARTITIONS, Recording
from emotrace.errors import CorpusError, EmotraceError
from emotrace.inference import model as saved
from emotrace.inference import predictor
from emotrace.trace import FRAME_S, Trace

_loaded_once = lru_cache(maxsize=1)(saved.load)


@dataclass(frozen=True)
class Heard:
    """A recording, and what a model makes of it.

    Attributes:
        id: the recording's.
        partition: train, dev, test, or None.
        trace: in time with the voice.
        golds: by target, (T,) gold standard with NaN where it is not rated; a target that is not rated at all is not
            in it.
        notes: in what the recording is unlike the speech that the model knows.
    """

    id: str
    partition: str | None
    trace: Trace
    golds: dict[str, np.ndarray]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Failure:
    """A recording that is missing from scores, since its sound or its labels cannot be used.

    Attributes:
        id: the recording's.
        partition: train, dev, test, or None.
        reasons: by target that is not scored, one line.
        predicted: whether there is a trace of it all the same.
    """

    id: str
    partition: str | None
    reasons: Mapping[str, str]
    predicted: bool

    @property
    def lines(self) -> tuple[str, ...]:
        """The reasons, each once, for people."""
        each = dict.fromkeys(self.reasons.values())
        return tuple(reason if self.id in reason else f"{self.id}: {reason}" for reason in each)


@dataclass(frozen=True)
class Lag:
    """By how much a target's traces are moved later to be scored, in seconds, and why."""

    seconds: float
    reason: str


@dataclass(frozen=True)
class Evaluation:
    """A model on a corpus.

    Attributes:
        model: which was asked.
        corpus: name of the reader.
        root: name of the corpus's folder, without what is above it.
        heard: every recording whose sound can be read.
        silent: recordings that have none.
        lags: by target, in the order of the targets.
        failed: recordings that are missing from scores, since something is wrong with them.
    """

    model: saved.Model
    corpus: str
    root: str
    heard: tuple[Heard, ...]
    silent: tuple[str, ...]
    lags: dict[str, Lag]
    failed: tuple[Failure, ...] = ()

    @property
    def targets(self) -> tuple[str, ...]:
        """What is scored."""
        return tuple(self.lags)

    @property
    def partitions(self) -> tuple[str | None, ...]:
        """Those that there are, in order; None for recordings that are in none."""
        there = {h.partition for h in self.heard} | {f.partition for f in self.failed}
        return tuple(partition for partition in (*PARTITIONS, None) if partition in there)

    @property
    def attempted(self) -> int:
        """How many recordings have sound."""
        return len(self.heard) + sum(not failure.predicted for failure in self.failed)

    @property
    def unrated(self) -> tuple[str, ...]:
        """Recordings that are predicted and cannot be scored: none of the targets is rated."""
        failed = {failure.id for failure in self.failed}
        return tuple(h.id for h in self.heard if not set(h.golds) & set(self.targets) and h.id not in failed)

    @cached_property
    def as_wholes(self) -> frozenset[str]:
        """Targets for which every recording has one rating throughout."""
        return frozenset(target for target in self.targets if _as_wholes(self.heard, target))

    def missing(self, target: str, partition: str | None) -> tuple[str, ...]:
        """Recordings of a partition that failed and are not in its scores."""
        return tuple(f.id for f in self.failed if f.partition == partition and target in f.reasons)

    def still(self, target: str) -> dict[str, list[str]]:
        """Recordings over time of which something never moves where it is rated: their CCC is 0 and tells nothing.

        Returns:
            ``gold`` and ``trace``: those whose gold standard, and whose trace as it is scored, does not move.
        """
        rated = [] if target in self.as_wholes else [h for h in self.heard if target in h.golds]
        return {
            "gold": [h.id for h in rated if _constant(h.golds[target])],
            "trace": [h.id for h in rated if _constant(self.moved(h, target)[~np.isnan(h.golds[target])])],
        }

    def moved(self, heard: Heard, target: str) -> np.ndarray:
        """A recording's trace (T,) as it is scored."""
        return lag.shift_forward(heard.trace[target], round(self.lags[target].seconds / FRAME_S))

    def scores(self, target: str, partition: str | None) -> dict[str, Any] | None:
        """Scores of a partition's rated recordings, or None where there are none.

        Returns:
            ``recordings``, ``missing`` (those that failed), ``hours`` (rated ones), ``lag_s``, ``recording_means``
            (:func:`emotrace.evaluation.recording_mean_scores`), and, unless recordings are rated as wholes, what
            :func:`emotrace.evaluation.scores` gives.
        """
        rated = [h for h in self.heard if h.partition == partition and target in h.golds]
        if not rated:
            return None
        golds, traces = [h.golds[target] for h in rated], [self.moved(h, target) for h in rated]
        over_time = {} if target in self.as_wholes else evaluation.scores(golds, traces)
        return {
            "recordings": len(rated),
            "missing": list(self.missing(target, partition)),
            "hours": round(sum(_rated_s(gold) for gold in golds) / 3600, 4),
            "lag_s": self.lags[target].seconds,
            "recording_means": _rounded(evaluation.recording_mean_scores(golds, traces)),
            **_rounded(over_time),
        }

    def of_recording(self, heard: Heard, target: str) -> dict[str, float] | None:
        """Scores of one recording on its own, or None where it is not rated."""
        if target not in heard.golds:
            return None
        gold, trace = heard.golds[target], self.moved(heard, target)
        rated = ~np.isnan(gold)
        scores = {
            "rated_s": _rated_s(gold),
            "mean": float(trace[rated].mean()),
            "mean_gold": float(gold[rated].mean()),
            "rmse": metrics.rmse(gold, trace, rated),
        }
        if target not in self.as_wholes:
            scores |= {
                "ccc_population": metrics.ccc_population(gold, trace, rated),
                "ccc_avec2016": metrics.ccc_avec2016(gold, trace, rated),
                "pearson": metrics.pearson(gold, trace, rated),
                "roughness": metrics.roughness(trace, rated),
                "roughness_gold": metrics.roughness(gold, rated),
            }
        return _rounded(scores)

    def as_dict(self) -> dict[str, Any]:
        """Everything, as plain values for JSON; no path of the machine is in it."""
        card = self.model.card
        return {
            "model": {
                "name": self.model.name,
                "targets": [target.name for target in self.model.targets],
                **{key: card[key] for key in ("summary", "licence", "calibration") if key in card},
            },
            "corpus": {"name": self.corpus, "title": corpora.get(self.corpus).INFO.title, "folder": self.root},
            "made_with": provenance.made_with("numpy", "scipy", "onnxruntime"),
            "targets": {target: self._of_target(target) for target in self.targets},
            "recordings": [self._of_recording(heard) for heard in self.heard],
            "without_sound": list(self.silent),
            "without_ratings": list(self.unrated),
            "failed": [_of_failure(failure) for failure in self.failed],
        }

    def _of_target(self, target: str) -> dict[str, Any]:
        return {
            "lag_s": self.lags[target].seconds,
            "lag_reason": self.lags[target].reason,
            "rated": "as wholes" if target in self.as_wholes else "over time",
            "never_moves": self.still(target),
            "partitions": {partition or "none": self.scores(target, partition) for partition in self.partitions},
        }

    def _of_recording(self, heard: Heard) -> dict[str, Any]:
        return {
            "id": heard.id,
            "partition": heard.partition,
            "seconds": round(heard.trace.duration_s, 2),
            "notes": list(heard.notes),
            "targets": {target: self.of_recording(heard, target) for target in self.targets},
        }


def evaluate(
    name_or_folder: str | Path,
    corpus: str,
    root: Path,
    targets: Sequence[str] = (),
    partition: str | None = None,
    lag_s: float | None = None,
    jobs: int = 1,
    progress: Callable[[Sequence[Recording]], Iterable[Recording]] = iter,
) -> Evaluation:
    """Predict the recordings of a corpus and take their gold standards; one that cannot be used stops no other.

    Args:
        name_or_folder: a shipped model's name, or a model's folder.
        corpus: a reader of :mod:`emotrace.corpora`.
        root: where the corpus lies.
        targets: what to score; by default all that the model predicts and the corpus rates.
        partition: train, dev or test; by default every recording.
        lag_s: how far behind the voice the gold standards are, less than the longest recording lasts; by default what
            the model states for each target.
        jobs: processes.
        progress: wraps the list of recordings as they are worked through.

    Raises:
        ModelError: there is no such model.
        CorpusError: the corpus is malformed, has no sound, or no sound that can be read, or the model predicts nothing
            that it rates; or no recording is longer than the lag that is given.
    """
    chosen = saved.load(name_or_folder)
    reader = corpora.get(corpus)
    everything = reader.survey(root).apart()
    wanted = _targets(chosen, corpora.targets_of(reader.INFO, everything), targets)
    listed = [r for r in everything if partition in (None, r.partition)]
    recordings = [r for r in listed if r.audio is not None]
    if not recordings:
        where = "" if partition is None else f" in its {partition} partition"
        raise CorpusError(f"{root}: {'no sound' if listed else 'no recording'}{where}; see: emotrace check")
    listen = partial(_listen, name_or_folder if jobs > 1 else chosen)
    heard, failed = _each(listen, recordings, wanted, jobs, progress)
    if not heard:
        more = f" ({len(failed) - 1} more fail too: emotrace check lists them)" if len(failed) > 1 else ""
        raise CorpusError(failed[0].lines[0] + more)
    _reject_beyond(lag_s or 0.0, max(h.trace.duration_s for h in heard))
    return Evaluation(
        chosen,
        corpus,
        Path(root).absolute().name,
        heard,
        tuple(r.id for r in listed if r.audio is None),
        {target: _lag(chosen, target, heard, lag_s) for target in wanted},
        failed,
    )


def _targets(chosen: saved.Model, rated: Sequence[str], asked: Sequence[str]) -> tuple[str, ...]:
    known = [target.name for target in chosen.targets]
    if unknown := [target for target in asked if target not in known]:
        raise CorpusError(f"model {chosen.name} does not predict {unknown[0]}; it predicts {', '.join(known)}")
    both = tuple(target for target in dict.fromkeys(asked or known) if target in rated)
    if len(both) < len(dict.fromkeys(asked)) or not both:
        raise CorpusError(
            f"model {chosen.name} predicts {', '.join(known)}, and this corpus rates {', '.join(rated)}; "
            "name with --target what both have, or take another model"
        )
    return both


def _reject_beyond(lag_s: float, longest_s: float) -> None:
    """Moved by its whole length, a trace is its first value throughout."""
    if lag_s >= longest_s:
        raise CorpusError(
            f"--lag {lag_s:g}: no recording is longer (the longest lasts {longest_s:.1f} s); give the seconds that "
            "ratings lag behind the voice"
        )


def _lag(chosen: saved.Model, target: str, heard: Sequence[Heard], given: float | None) -> Lag:
    if given is not None:
        return Lag(given, "given")
    if _as_wholes(heard, target):
        return Lag(0.0, "recordings are rated as wholes")
    try:
        stated = float(chosen.card["configuration"][target]["lag_s"])
    except (KeyError, TypeError, ValueError):
        return Lag(0.0, "the model states none")
    return Lag(stated, "stated by the model")


def _as_wholes(heard: Sequence[Heard], target: str) -> bool:
    golds = [h.golds[target] for h in heard if target in h.golds]
    return bool(golds) and all(map(_constant, golds))


def _constant(values: np.ndarray) -> bool:
    return bool(np.nanmin(values) == np.nanmax(values))


def _rated_s(gold: np.ndarray) -> float:
    return float(np.count_nonzero(~np.isnan(gold)) * FRAME_S)


def _rounded(scores: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 4) for name, value in scores.items()}


def _of_failure(failure: Failure) -> dict[str, Any]:
    return {
        "id": failure.id,
        "partition": failure.partition,
        "predicted": failure.predicted,
        "targets": {target: _without_folders(reason) for target, reason in failure.reasons.items()},
    }


def _without_folders(reason: str) -> str:
    """An error begins with the file that it is of."""
    file, colon, rest = reason.partition(": ")
    return f"{Path(file).name}{colon}{rest}"


_Listened = tuple[Trace, tuple[str, ...]]


def _each(
    listen: Callable[[tuple[int, Path]], _Listened],
    recordings: Sequence[Recording],
    targets: Sequence[str],
    jobs: int,
    progress: Callable[[Sequence[Recording]], Iterable[Recording]],
) -> tuple[tuple[Heard, ...], tuple[Failure, ...]]:
    """What is heard and what fails, in the order of the recordings."""
    files = [(number, r.audio) for number, r in enumerate(recordings) if r.audio is not None]
    heard: dict[int, Heard] = {}
    failed: dict[int, Failure] = {}
    with closing(running.each(listen, files, jobs)) as results:
        for _, done in zip(progress(recordings), results, strict=True):
            number = done.item[0]
            recording = recordings[number]
            if done.result is not None:
                heard[number], reasons = _rated(recording, targets, *done.result)
            elif isinstance(done.error, EmotraceError):
                reasons = dict.fromkeys(targets, str(done.error))
            else:
                assert done.error is not None
                raise done.error
            if reasons:
                failed[number] = Failure(recording.id, recording.partition, reasons, number in heard)
    return tuple(heard[n] for n in sorted(heard)), tuple(failed[n] for n in sorted(failed))


def _rated(
    recording: Recording, targets: Sequence[str], trace: Trace, notes: tuple[str, ...]
) -> tuple[Heard, dict[str, str]]:
    """A trace with its gold standards, and by target what is wrong with the others."""
    golds: dict[str, np.ndarray] = {}
    reasons: dict[str, str] = {}
    for target in targets:
        try:
            gold = recording.known_gold(target, len(trace))
        except EmotraceError as error:
            reasons[target] = str(error)
        else:
            golds |= {} if gold is None else {target: gold}
    return Heard(recording.id, recording.partition, trace, golds, notes), reasons


def _listen(chosen: saved.Model | str | Path, item: tuple[int, Path]) -> _Listened:
    """A recording's trace, and what the user would have been warned of."""
    _, file = item
    loaded = chosen if isinstance(chosen, saved.Model) else _loaded_once(chosen)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        trace = predictor.predict(file, model=loaded)
    said = [str(w.message).removeprefix(f"{file}: ") for w in caught if issubclass(w.category, UserWarning)]
    return trace, tuple(said)
