"""Traces of sound while it arrives: every frame as soon as what the networks look ahead to has been heard.

All parts keep a state and work frame by frame, so that how the sound was cut into pieces does not show in the trace:
the resampler, the filter bank, the running normalisation (:class:`emotrace.features.normalisation.Running`), the
networks, and what is said of sound that is unlike speech (:mod:`emotrace.inference.watch`).
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import numpy as np

from emotrace import audio, features
from emotrace.errors import EmotraceError, ModelError
from emotrace.features import logmel
from emotrace.features.logmel import HOP_S, STACK, WINDOW_S
from emotrace.features.normalisation import Running
from emotrace.inference import model as saved
from emotrace.inference.watch import Change, Watch
from emotrace.trace import FRAME_S, Trace

MODEL = "live"
"""What streams where nothing is named."""
_FRAMES_A_RUN = 25


class Stream:
    """Arousal and valence of sound that arrives in pieces of any size.

    Every frame of 40 ms is normalised by what was heard up to it, and given once, when it is final. The frame that
    starts at ``time_s`` is given at the latest by the push that completes the sound up to ``time_s + latency_s``.

    Args:
        model: a shipped model's name, a model's folder, or a loaded model. Any model works; one that looks far ahead
            answers late, and says so.
        rate_hz: sample rate of the sound; what is not 16 kHz is resampled.
        channels: columns of the samples; they are averaged.

    Attributes:
        model: the loaded model.
        latency_s: from the start of a frame to the sound that must have been heard for it: the network's look-ahead,
            the frame itself, the overlap of its last window, and what resampling holds back at most. Computing comes
            on top.
        frames: given so far.
        changes: of :attr:`warnings` in the last push, or at the end, in order and with their times.

    Raises:
        AudioError: a rate that is not read, or no channel.
        ModelError: there is no such model, or its front end knows no streams.
    """

    def __init__(
        self, model: str | Path | saved.Model = MODEL, rate_hz: float = audio.RATE_HZ, channels: int = 1
    ) -> None:
        self.model = model if isinstance(model, saved.Model) else saved.load(model)
        self._sound = audio.Stream(rate_hz, channels)
        self._rows = _front_end(self.model)
        bins = features.get(self.model.front_end).bins
        self._normalise = Running(self.model.rule, bins=bins)
        self._watch = Watch(self.model)
        self._networks: _Networks = _Stepping(self.model) if self.model.ages else _Sliding(self.model)
        self._waiting = np.empty((0, bins), np.float32)
        self._finished = False
        self.frames = 0
        self.changes: list[Change] = []
        self.latency_s = latency_s(self.model) + self._sound.delay_s

    @property
    def time_s(self) -> float:
        """Where the next frame starts."""
        return self.frames * FRAME_S

    @property
    def warnings(self) -> tuple[str, ...]:
        """What to know now before believing the trace: what holds of the last 10 s, a sentence or none."""
        return self._watch.warnings

    def push(self, samples: np.ndarray) -> Trace:
        """Take sound, give the frames that are now final.

        Args:
            samples: (n,) or (n, channels): floats in [-1, 1], or int16, int32 or uint8, which are scaled; n may be 0.

        Returns:
            The next frames, often none: a trace may have no frames. Its times go on from those of the last trace. Its
            warnings are those that begin to hold with ``samples``; :attr:`warnings` says which still do.

        Raises:
            AudioError: samples of another shape or type, or one that is NaN or infinite, with its time; nothing of
                ``samples`` is then taken, and the stream goes on with the next push.
            EmotraceError: the stream is finished.
        """
        self._check_open()
        rows = self._rows.push(self._sound.push(samples))
        self.changes = self._watch.update(rows)
        return self._trace(list(self._networks.push(self._normalised(rows))))

    def finish(self) -> Trace:
        """End the stream: give the frames that waited for what was to come.

        Returns:
            The rest; together with all before, floor(n / 640) frames, n the samples at 16 kHz. Of a sound of up to 10 s
            the warnings are those of :func:`emotrace.predict`.

        Raises:
            EmotraceError: the stream is finished already.
        """
        self._check_open()
        self._finished = True
        rows = np.concatenate([self._rows.push(self._sound.finish()), self._rows.finish()])
        self.changes = [*self._watch.update(rows), *self._watch.finish()]
        return self._trace([*self._networks.push(self._normalised(rows)), *self._networks.finish()])

    def _check_open(self) -> None:
        if self._finished:
            raise EmotraceError("this stream is finished; start a new one")

    def _normalised(self, rows: np.ndarray) -> np.ndarray:
        """Normalised features (m, size) of the frames that these rows complete."""
        rows = np.concatenate([self._waiting, rows])
        whole = len(rows) // STACK * STACK
        self._waiting = rows[whole:].copy()
        return self._normalise.push(rows[:whole]).reshape(whole // STACK, STACK * rows.shape[1])

    def _trace(self, members: list[np.ndarray]) -> Trace:
        """The next frames, of traces (members, n, targets) that follow each other."""
        targets = tuple(target.name for target in self.model.targets)
        table = np.concatenate(members or [np.empty((2, 0, len(targets)), np.float32)], axis=1)
        first, self.frames = self.frames, self.frames + table.shape[1]
        return Trace(
            np.arange(first, self.frames) * FRAME_S,
            np.clip(table.mean(axis=0), -1, 1),
            targets=targets,
            spread=table.std(axis=0, ddof=min(1, len(table) - 1)),
            warnings=tuple(text for change in self.changes for text in change.warnings),
        )


def _front_end(model: saved.Model) -> logmel.Stream:
    module = features.get(model.front_end)
    if not hasattr(module, "Stream"):
        raise ModelError(f"model {model.name}: its front end {model.front_end} knows no streams; choose another model")
    stream: logmel.Stream = module.Stream()
    return stream


def latency_s(model: saved.Model) -> float:
    """From the start of a frame to the sound at 16 kHz that a stream must have heard for it, at most."""
    frames = 1 if model.ages else _run_frames(model)
    return (frames + model.reach[1]) * FRAME_S + WINDOW_S - HOP_S


def _run_frames(model: saved.Model) -> int:
    """Frames that networks which cannot go on by one are run for at a time: a second of them, on their grid."""
    return -(-_FRAMES_A_RUN // model.grid_frames) * model.grid_frames


class _Networks(Protocol):
    """The networks of a model, fed bit by bit."""

    def push(self, normalised: np.ndarray) -> Iterator[np.ndarray]:
        """Take (m, size) features, give every member's trace of what is now final, (members, n, targets) in parts."""

    def finish(self) -> Iterator[np.ndarray]:
        """Give the rest, with nothing after it."""


class _Sliding:
    """Any networks, evaluated a second or a grid step at a time with all around that they see."""

    def __init__(self, model: saved.Model) -> None:
        self._model = model
        self._step = _run_frames(model)
        before, self._after = model.reach
        self._before = -(-before // model.grid_frames) * model.grid_frames
        self._known = np.empty((0, features.get(model.front_end).size), np.float32)
        self._given = 0

    def push(self, normalised: np.ndarray) -> Iterator[np.ndarray]:
        self._known = np.concatenate([self._known, normalised])
        while len(self._known) >= self._given + self._step + self._after:
            yield self._run(self._given + self._step)

    def finish(self) -> Iterator[np.ndarray]:
        if len(self._known) > self._given:
            yield self._run(len(self._known))

    def _run(self, stop: int) -> np.ndarray:
        """The trace from what is given up to ``stop``; forgets the frames that nothing after it sees."""
        members = self._model.members(self._known[: stop + self._after])[:, self._given : stop]
        forgotten = max(0, stop - self._before)
        self._known, self._given = self._known[forgotten:], stop - forgotten
        return members


class _Stepping:
    """Networks that go on by one frame, at the cost of one frame, from the inputs that their layers remember."""

    def __init__(self, model: saved.Model) -> None:
        self._targets = model.targets
        self._steps = [_Steps(target, model.ages) for target in model.targets]
        self._size = features.get(model.front_end).size
        self._ahead = model.reach[1]
        self._behind = self._ahead

    def push(self, normalised: np.ndarray) -> Iterator[np.ndarray]:
        members = [self._step(frame[None]) for frame in normalised]
        # What the networks say of the time before the first frame.
        early = min(self._behind, len(members))
        self._behind -= early
        if members[early:]:
            yield np.stack(members[early:], axis=1)

    def finish(self) -> Iterator[np.ndarray]:
        yield from self.push(np.zeros((self._ahead, self._size), np.float32))

    def _step(self, frame: np.ndarray) -> np.ndarray:
        """Every member's calibrated trace of the frame that is now final, (members, targets)."""
        values = [t.gain * steps(frame) + t.offset for t, steps in zip(self._targets, self._steps, strict=True)]
        return np.stack(values, axis=1)


class _Steps:
    """One target's networks: their graph for one frame, and for every layer a ring of its latest inputs."""

    def __init__(self, target: saved.Target, ages: tuple[tuple[int, ...], ...]) -> None:
        assert target.live is not None
        self._session = saved.session(target.live)
        shapes = {given.name: given.shape for given in self._session.get_inputs()}
        self._ages = np.array(ages)
        self._length = self._ages.max(axis=1)
        self._start = np.cumsum([0, *self._length[1:-1]])
        self._first = np.zeros((self._length[0], *shapes["first"][1:]), np.float32)
        self._inputs = np.zeros((self._length[1:].sum(), *shapes["past"][2:]), np.float32)
        self._frame = 0

    def __call__(self, frame: np.ndarray) -> np.ndarray:
        """Every member's trace, (members,), of the frame that ``frame``, (1, size), makes final."""
        at = (self._frame - self._ages) % self._length[:, None]
        past = self._inputs[self._start[:, None] + at[1:]]
        given = {"features": frame, "first": self._first[at[0]], "past": past}
        trace, inputs = self._session.run(["trace", "inputs"], given)
        now = self._frame % self._length
        self._first[now[0]] = frame[0]
        self._inputs[self._start + now[1:]] = inputs
        self._frame += 1
        return np.asarray(trace)
