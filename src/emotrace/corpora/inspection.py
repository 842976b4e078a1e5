"""What is there of a corpus, what is missing, and by which rule its labels meet its sound."""

import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import soundfile

from emotrace import audio
from emotrace.annotation import Ratings
from emotrace.annotation.resampling import MAX_GAP_S
from emotrace.corpora import Recording
from emotrace.corpora.layout import Survey
from emotrace.errors import EmotraceError
from emotrace.trace import FRAME_S


@dataclass(frozen=True)
class Sound:
    """A recording's audio, as a whole decoding of it shows.

    Attributes:
        duration_s: of what can be decoded.
        frames: of a trace of it.
        rate_hz: as the file is; None where only its decoder knows.
        channels: the same.
        problems: damage that decoding met.
    """

    duration_s: float
    frames: int
    rate_hz: int | None
    channels: int | None
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class Labels:
    """One target's labels of a recording.

    Attributes:
        target: what was rated.
        rows: of the gold standard.
        raters: how many; 0 where only a gold standard is distributed.
        span_s: time of its first and its last row.
        rated: share of its rows that hold a value.
        rule: how rows meet the frames of a trace; empty where they do not.
        moves: whether the gold standard ever does.
        still: raters who never move.
    """

    target: str
    rows: int
    raters: int
    span_s: tuple[float, float]
    rated: float
    rule: str
    moves: bool
    still: tuple[str, ...]


@dataclass(frozen=True)
class Report:
    """What a look at one recording found.

    Attributes:
        recording: what was looked at.
        sound: its audio, or None where there is none or it cannot be read.
        labels: of every target that has any.
        problems: one line each.
    """

    recording: Recording
    sound: Sound | None
    labels: tuple[Labels, ...] = ()
    problems: tuple[str, ...] = field(default=())


def inspect(recordings: Iterable[Recording], targets: Sequence[str]) -> Iterator[Report]:
    """Look at recordings one by one; whatever is wrong with one is in its report, and the next one follows.

    Args:
        recordings: as a reader's `survey` or `load` gives them.
        targets: of the corpus; a recording that names its own goes first.

    Yields:
        A report a recording, in their order.
    """
    for recording in recordings:
        problems: list[str] = []
        sound = _sound(recording.audio, problems)
        rated = () if recording.kept_back else targets if recording.targets is None else recording.targets
        labels = [_labels(recording, target, sound, problems) for target in rated]
        _check_features(recording, problems)
        # A file that holds several targets is wrong once.
        yield Report(recording, sound, tuple(each for each in labels if each), tuple(dict.fromkeys(problems)))


def untold(survey: Survey, reports: Iterable[Report]) -> list[str]:
    """What a survey found wrong that no report tells: files that no recording asks for, rows that a list lacks."""
    told = "\n".join(problem for report in reports for problem in report.problems)
    missing = [line for path, line in survey.missing.items() if f"{path}:" not in told]
    return missing + [fault for fault in survey.faults if fault not in told]


def to_look_at(reports: Iterable[Report]) -> list[str]:
    """What need not be wrong and spoils scores, a line a recording and target: labels that never move.

    Nothing of a target of which every recording has one rating: its gold standards are not to move.
    """
    every = [(report.recording.id, labels) for report in reports for labels in report.labels]
    over_time = {labels.target for _, labels in every if labels.moves}
    lines = []
    for name, labels in every:
        if labels.target in over_time and not labels.moves:
            said = "the gold standard never moves; whatever is predicted has a CCC of 0 with it"
            lines.append(f"{name}, {labels.target}: {said}")
        elif labels.target in over_time and labels.still:
            lines.append(f"{name}, {labels.target}: rated without ever moving by {', '.join(labels.still)}")
    return lines


def _sound(path: Path | None, problems: list[str]) -> Sound | None:
    if path is None:
        return None
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            # Headers lie of damaged files and of compressed ones: only decoding tells how many frames predict sees.
            samples = sum(len(block) for block in audio.blocks(path))
        except EmotraceError as error:
            problems.append(str(error))
            return None
    damage = [str(each.message) for each in caught if issubclass(each.category, UserWarning)]
    problems.extend(damage)
    frames = samples // round(FRAME_S * audio.RATE_HZ)
    return Sound(samples / audio.RATE_HZ, frames, *_format(path), tuple(damage))


def _format(path: Path) -> tuple[int | None, int | None]:
    try:
        info = soundfile.info(path)
    except soundfile.SoundFileError:
        return None, None
    return info.samplerate, info.channels


def _labels(recording: Recording, target: str, sound: Sound | None, problems: list[str]) -> Labels | None:
    try:
        gold = recording.gold(target)
        ratings = None if recording.load_ratings is None else recording.ratings(target)
    except EmotraceError as error:
        problems.append(_named(error, recording, target))
        return None
    rule = ""
    try:
        rule = _rule(recording, target, gold, sound)
        problems += _holes(recording, target, sound)
    except EmotraceError as error:
        problems.append(_named(error, recording, target))
    return Labels(
        target,
        rows=len(gold.time_s),
        raters=0 if ratings is None else len(ratings.raters),
        span_s=(float(gold.time_s[0]), float(gold.time_s[-1])),
        rated=float(np.isfinite(gold.values).mean()),
        rule=rule,
        moves=not _still(gold),
        still=() if ratings is None else _still(ratings),
    )


def _still(ratings: Ratings) -> tuple[str, ...]:
    """The raters who give one value throughout."""
    known = [values[np.isfinite(values)] for values in ratings.values.T]
    return tuple(
        name for name, each in zip(ratings.raters, known, strict=True) if len(each) and each.min() == each.max()
    )


def _holes(recording: Recording, target: str, sound: Sound | None) -> Iterator[str]:
    """Where a recording that is to be rated throughout is not, a line each."""
    if sound is None or recording.partly_rated:
        return
    unrated = np.isnan(recording.gold_frames(target, sound.frames))
    edges = np.flatnonzero(np.diff(np.r_[0, unrated.astype(int), 0]))
    for first, end in edges.reshape(-1, 2) * FRAME_S:
        if end - first > MAX_GAP_S:
            yield (
                f"{recording.id}, {target}: nothing is rated from {first:.2f} to {end:.2f} s; complete the labels, or "
                "say that the recording is rated in part"
            )


def _check_features(recording: Recording, problems: list[str]) -> None:
    if recording.load_features is None:
        return
    try:
        recording.load_features()
    except EmotraceError as error:
        problems.append(_named(error, recording, "features"))


def _named(error: EmotraceError, recording: Recording, what: str) -> str:
    text = str(error)
    return text if recording.id in text else f"{recording.id}, {what}: {text}"


def _rule(recording: Recording, target: str, gold: Ratings, sound: Sound | None) -> str:
    """How the gold standard meets the frames, in words; CorpusError where it does not."""
    if sound is None:
        return "no sound to match"
    known = np.isfinite(recording.gold_frames(target, sound.frames)).mean()
    part = "" if known == 1 else f", {known:.0%} of the frames rated"
    if recording.label_rate_hz * FRAME_S != 1.0 or recording.partly_rated:
        return f"interpolated from {recording.label_rate_hz:g} Hz{part}"
    return ("as they are" if len(gold.time_s) == sound.frames else "last row, at the end instant, dropped") + part
