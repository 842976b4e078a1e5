"""A recording to its trace: features in blocks, normalised by the whole recording, networks piece by piece."""

import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from os import PathLike
from pathlib import Path
from typing import BinaryIO

import numpy as np

from emotrace import audio
from emotrace.errors import AudioError
from emotrace.features import logmel
from emotrace.features.normalisation import Normalisation, Statistics
from emotrace.inference import familiarity
from emotrace.inference import model as saved
from emotrace.inference.speakers import Segment, at
from emotrace.trace import FRAME_S, Trace

ROW_RATE_HZ = 100.0

Source = str | PathLike[str] | bytes | BinaryIO | np.ndarray


class FamiliarityWarning(UserWarning):
    """The input is unlike the speech that the model knows; the text says how."""


def predict(
    source: Source,
    rate_hz: float | None = None,
    model: str | Path | saved.Model = saved.DEFAULT,
    speakers: Sequence[Segment] | None = None,
) -> Trace:
    """Arousal and valence of a recording, every 40 ms.

    Args:
        source: path, bytes or open file of audio, or samples of shape (n,) or (n, channels).
        rate_hz: sample rate of samples; read from the file otherwise.
        model: a shipped model's name, a model's folder, or a loaded model.
        speakers: who speaks when; each speaker is then normalised on their own, and the trace names them.

    Returns:
        A trace of floor(n / 640) frames, n the samples at 16 kHz; its spread is the SD over the model's members.

    Raises:
        AudioError: the audio cannot be read, or is shorter than a frame.
        ModelError: there is no such model.

    Warns:
        FamiliarityWarning: the recording is unlike the speech that the model knows.
    """
    chosen = model if isinstance(model, saved.Model) else saved.load(model)
    rows, profile = _rows(source, rate_hz)
    for text in familiarity.warnings(profile.measures(chosen.rule), chosen.ranges):
        warnings.warn(text, FamiliarityWarning, stacklevel=2)
    spoken = None if speakers is None else at(speakers, np.arange(len(rows)) / ROW_RATE_HZ)
    members = _members(chosen, len(rows) // logmel.STACK, _normaliser(chosen.rule, rows, profile.statistics, spoken))
    return Trace(
        np.arange(members.shape[1]) * FRAME_S,
        np.clip(members.mean(axis=0), -1, 1),
        targets=tuple(target.name for target in chosen.targets),
        spread=members.std(axis=0, ddof=min(1, len(members) - 1)),
        speaker=None if spoken is None else spoken[:: logmel.STACK],
    )


def predict_members(source: Source, rate_hz: float | None, chosen: saved.Model) -> np.ndarray:
    """Every member's own trace of a recording, (members, frames, targets), not yet held in [-1, 1]."""
    rows, profile = _rows(source, rate_hz)
    normalised = _normaliser(chosen.rule, rows, profile.statistics, None)
    return _members(chosen, len(rows) // logmel.STACK, normalised)


def _rows(source: Source, rate_hz: float | None) -> tuple[np.ndarray, familiarity.Profile]:
    """Log mel rows (4 * frames, 40) of a recording, read in blocks, and what it is like."""
    stream, profile = logmel.Stream(), familiarity.Profile()
    parts, described = [], []
    # The second core looks at rows while the first makes the next ones; one worker keeps them in order.
    with ThreadPoolExecutor(1) as aside:
        for block in audio.blocks(source, rate_hz):
            parts.append(stream.push(block))
            described.append(aside.submit(profile.update, parts[-1]))
        parts.append(stream.finish())
        described.append(aside.submit(profile.update, parts[-1]))
    for each in described:
        each.result()
    rows = np.concatenate(parts)[: logmel.STACK * logmel.trace_frames(stream.samples)]
    if not len(rows):
        name = source if isinstance(source, str | PathLike) else "the audio"
        raise AudioError(
            f"{name}: is {stream.samples / audio.RATE_HZ * 1000:.0f} ms long; a trace needs at least 40 ms"
        )
    return rows, profile


def _normaliser(
    rule: Normalisation, rows: np.ndarray, whole: Statistics, spoken: np.ndarray | None
) -> Callable[[slice], np.ndarray]:
    """A function from frames to their normalised features, by recording or, where speakers are known, by speaker."""
    owner = None if spoken is None else np.unique(_owner(spoken), return_inverse=True)[1]
    if owner is None:
        scales = [rule.scale(whole)]
    else:
        scales = [rule.scale(Statistics().update(rows[owner == index])) for index in range(owner.max() + 1)]
    mean, sd = (np.array(part) for part in zip(*scales, strict=True))

    def normalised(frames: slice) -> np.ndarray:
        piece = slice(frames.start * logmel.STACK, frames.stop * logmel.STACK)
        who = 0 if owner is None else owner[piece]
        return logmel.stack(rule.scaled(rows[piece], mean[who], sd[who]))

    return normalised


def _owner(spoken: np.ndarray) -> np.ndarray:
    """Whose statistics a row is normalised by: in a pause, those of who spoke last (at the start, of who will)."""
    voiced = np.flatnonzero(spoken != "")
    if not len(voiced):
        return spoken
    last = np.searchsorted(voiced, np.arange(len(spoken)), side="right") - 1
    return spoken[voiced[np.maximum(last, 0)]]


def _members(chosen: saved.Model, frames: int, normalised: Callable[[slice], np.ndarray]) -> np.ndarray:
    pieces = [chosen.members(normalised(read))[:, keep] for read, keep in chosen.pieces(frames)]
    return np.concatenate(pieces, axis=1)
