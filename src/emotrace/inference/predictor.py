"""A recording to its trace: features in blocks, normalised by the whole recording, networks piece by piece.

What the normalisation needs is known only when the last block has been heard, so the rows of the front end are kept
until then: up to 16 MiB of them in memory (17 minutes of log mel), more in a temporary file, at 58 MB an hour. Making
them again in a second pass would cost thirty times what writing and reading them does. Beside the trace, a recording
of any length takes the same memory.
"""

import warnings
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from os import PathLike
from pathlib import Path
from typing import BinaryIO

import numpy as np

from emotrace import audio, features, running
from emotrace.errors import AudioError
from emotrace.inference import familiarity
from emotrace.inference import model as saved
from emotrace.inference import speakers as speaking
from emotrace.inference.speakers import Segment, Turns
from emotrace.output import spooled
from emotrace.trace import FRAME_S, Trace

Source = str | PathLike[str] | bytes | BinaryIO | np.ndarray
Speakers = Sequence[Segment] | str | PathLike[str]

# Each holds a piece with its context, and the front end is the narrow place from here on.
_MOST_THREADS = 4


class FamiliarityWarning(UserWarning):
    """The input is unlike the speech that the model knows; the text says how."""


class SpeakersWarning(UserWarning):
    """Who speaks when seems to be told of another recording; the text says why."""


def predict(
    source: Source,
    rate_hz: float | None = None,
    model: str | Path | saved.Model = saved.DEFAULT,
    speakers: Speakers | None = None,
    *,
    threads: int | None = None,
    listen: Callable[[np.ndarray], object] | None = None,
) -> Trace:
    """Arousal and valence of a recording of any length, every 40 ms.

    Args:
        source: path, bytes or open file of audio, or samples of shape (n,) or (n, channels).
        rate_hz: sample rate of samples; read from the file otherwise.
        model: a shipped model's name, a model's folder, or a loaded model.
        speakers: who speaks when, as segments, or as a file of them (RTTM or CSV); each speaker is then normalised on
            their own, and the trace names them.
        threads: how many to work in; by default as many as there are cores, four at most.
        listen: called with every block of (n,) samples at 16 kHz as it is read, for what else wants to hear them.

    Returns:
        A trace of floor(n / 640) frames, n the samples at 16 kHz; its spread is the SD over the model's members, its
        warnings say what is unlike the speech that the model knows, and what of the speakers does not fit.

    Raises:
        AudioError: the audio cannot be read, or is shorter than a frame.
        ModelError: there is no such model.
        EmotraceError: the file of speakers is malformed, or the folder for temporary files is full.

    Warns:
        FamiliarityWarning: the recording is unlike the speech that the model knows.
        SpeakersWarning: no frame has a speaker, segments begin after the recording's end, or leave out most of what is
            said, or they are of a recording of another name.
    """
    chosen = model if isinstance(model, saved.Model) else saved.load(model)
    segments = _segments(speakers, source)
    with _Features(chosen, _heard(source, rate_hz, listen), segments, _threads(threads)) as heard:
        if not heard.frames:
            raise AudioError(f"{_name(source)}: is {heard.duration_s * 1000:.0f} ms long; a trace needs at least 40 ms")
        speaker = heard.speaker()
        said = [*map(FamiliarityWarning, heard.warnings), *_misfits(segments, heard, speaker, source)]
        for warning in said:
            # By name: Python shows a warning of one text and place once.
            text = f"{_name(source)}: {warning}" if _is_path(source) else str(warning)
            warnings.warn(text, type(warning), stacklevel=2)
        values = np.empty((heard.frames, len(chosen.targets)), dtype=np.float32)
        spread = np.empty_like(values)
        with closing(heard.members()) as stretches:
            for at, members in stretches:
                values[at] = np.clip(members.mean(axis=0), -1, 1)
                spread[at] = members.std(axis=0, ddof=min(1, len(members) - 1))
    return Trace(
        np.arange(heard.frames) * FRAME_S,
        values,
        targets=tuple(target.name for target in chosen.targets),
        spread=spread,
        speaker=speaker,
        warnings=tuple(map(str, said)),
    )


def predict_members(source: Source, rate_hz: float | None, chosen: saved.Model) -> np.ndarray:
    """Every member's own trace of a recording, (members, frames, targets), not yet held in [-1, 1]."""
    with (
        _Features(chosen, _heard(source, rate_hz, None), None, _threads(None)) as heard,
        closing(heard.members()) as stretches,
    ):
        return np.concatenate([members for _, members in stretches], axis=1)


def _threads(asked: int | None) -> int:
    return min(running.cores(), _MOST_THREADS) if asked is None else max(asked, 1)


def _name(source: Source) -> str:
    return str(source) if _is_path(source) else "the audio"


def _is_path(source: Source) -> bool:
    return isinstance(source, str | PathLike)


def _segments(speakers: Speakers | None, source: Source) -> Sequence[Segment] | None:
    if not isinstance(speakers, str | PathLike):
        return speakers
    return speaking.read(speakers, _stem(source))


def _stem(source: Source) -> str | None:
    return Path(str(source)).stem if _is_path(source) else None


def _misfits(
    segments: Sequence[Segment] | None, heard: "_Features", speaker: list[str | None] | None, source: Source
) -> list[SpeakersWarning]:
    if segments is None or speaker is None:
        return []
    told = speaking.misfits(segments, heard.duration_s, any(speaker), _stem(source), heard.covered)
    return [SpeakersWarning(text) for text in told]


def _heard(
    source: Source, rate_hz: float | None, listen: Callable[[np.ndarray], object] | None
) -> Iterator[np.ndarray]:
    for block in audio.blocks(source, rate_hz):
        if listen is not None:
            listen(block)
        yield block


class _Features:
    """The front end's rows of a recording, kept until all is known that their normalisation needs.

    Attributes:
        front_end: the model's.
        frames: of the trace.
        duration_s: of the sound.
        turns: who speaks in which row, where that is known.
        warnings: what is unlike the speech that the model knows.
        covered: share of the rows that are no pause in which somebody is said to speak.
    """

    def __init__(
        self,
        chosen: saved.Model,
        blocks: Iterator[np.ndarray],
        segments: Sequence[Segment] | None,
        threads: int,
    ) -> None:
        self._model, self._threads = chosen, threads
        self.front_end = features.streaming(chosen.front_end)
        self.turns = None if segments is None else speaking.turns(segments, self.front_end.HOP_RATE_HZ)
        # Damaged graphs are noticed here, not after an hour of sound.
        _ = chosen.sessions
        stream, seen = self.front_end.Stream(), _Seen(chosen, self.front_end.bins, self.turns)
        with closing(_rows(stream, blocks, threads)) as rows:
            self._rows = spooled(seen.all(rows))
        self.duration_s = stream.samples / audio.RATE_HZ
        self.frames = self.front_end.trace_frames(stream.samples)
        self.warnings = seen.warnings() if self.frames else []
        self.covered = seen.covered()
        self._mean, self._sd = seen.scales()

    def __enter__(self) -> "_Features":
        return self

    def __exit__(self, *_: object) -> None:
        self._rows.close()

    def speaker(self) -> list[str | None] | None:
        """Who speaks in each frame, where that is known."""
        return None if self.turns is None else self.turns.speaker(np.arange(self.frames) * self.front_end.STACK)

    def members(self) -> Generator[tuple[slice, np.ndarray], None, None]:
        """Stretches of frames, in order, and the (members, frames, targets) traces of each."""
        workers = self._threads if self._threads > 1 else 0
        at = 0
        with closing(running.ahead(self._predicted, self._pieces(), workers)) as made:
            for members in made:
                yield slice(at, at + members.shape[1]), members
                at += members.shape[1]

    def _pieces(self) -> Iterator[tuple[int, np.ndarray, slice]]:
        """The first row of each piece, its rows, and which of its frames to keep."""
        bins, rows_a_frame = self.front_end.bins, self.front_end.STACK
        row_bytes = bins * np.dtype(np.float32).itemsize
        for read, keep in self._model.pieces(self.frames):
            first, stop = read.start * rows_a_frame, read.stop * rows_a_frame
            self._rows.seek(first * row_bytes)
            data = self._rows.read((stop - first) * row_bytes)
            yield first, np.frombuffer(data, dtype=np.float32).reshape(-1, bins), keep

    def _predicted(self, piece: tuple[int, np.ndarray, slice]) -> np.ndarray:
        first, rows, keep = piece
        who = 0 if self.turns is None else self.turns.owner(first, first + len(rows))
        normalised = self._model.rule.scaled(rows, self._mean[who], self._sd[who])
        return self._model.members(self.front_end.stack(normalised))[:, keep]


def _rows(stream: features.Stream, blocks: Iterator[np.ndarray], threads: int) -> Generator[np.ndarray, None, None]:
    """The rows of each block; made aside, since the caller decodes the next block and looks at the last one's."""
    with closing(running.ahead(stream.work, map(stream.cut, blocks), threads if threads > 1 else 0)) as made:
        yield from map(stream.join, made)
    yield stream.finish()


class _Seen:
    """What is learnt from rows as they pass: how to normalise them, and whether they are like speech."""

    def __init__(self, chosen: saved.Model, bins: int, turns: Turns | None) -> None:
        self._model, self._turns = chosen, turns
        self._profile = familiarity.Profile(chosen.rule) if chosen.front_end in familiarity.FRONT_ENDS else None
        self._whole = chosen.rule.statistics(bins) if self._profile is None else self._profile.statistics
        self._own = [chosen.rule.statistics(bins) for _ in turns.names] if turns is not None else []
        self._said = np.zeros_like(self._whole.counts)
        self._count = 0

    def all(self, parts: Iterator[np.ndarray]) -> Iterator[memoryview]:
        """Look at all rows, and pass them on as bytes."""
        for rows in parts:
            (self._profile or self._whole).update(rows)
            if self._turns is not None and self._own:
                who = self._turns.owner(self._count, self._count + len(rows))
                for number in np.unique(who):
                    self._own[number].update(rows[who == number])
                spoken = rows[self._turns.spoken(self._count, self._count + len(rows))]
                self._said += np.bincount(self._whole.levels(spoken), minlength=len(self._said))
            self._count += len(rows)
            if len(rows):
                yield np.ascontiguousarray(rows, dtype=np.float32).data.cast("B")

    def covered(self) -> float:
        """Share of the rows that are no pause in which somebody speaks, by the turns."""
        first = self._whole.first_step(self._model.rule.range_db)
        return float(self._said[first:].sum() / max(self._whole.counts[first:].sum(), 1))

    def warnings(self) -> list[str]:
        """Sentences about what is unlike the model's speech."""
        if self._profile is None:
            return []
        return familiarity.warnings(self._profile.measures(), self._model.ranges)

    def scales(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean and SD to normalise with, (owners, bins) each."""
        scales = [self._model.rule.scale(statistics) for statistics in self._own or [self._whole]]
        mean, sd = zip(*scales, strict=True)
        return np.array(mean), np.array(sd)
