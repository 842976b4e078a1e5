"""Live traces over a WebSocket: sound in, frames out, as one speaks.

The client's first message is JSON: ``{"rate_hz": 48000, "format": "s16le", "channels": 1, "model": "downup"}``
(``format`` may be ``f32le``; all but ``rate_hz`` may be left out). The server answers ``{"type": "ready", ...}`` with
targets, scale and latency. Then binary messages are samples, little-endian, those of several channels interleaved; each
answer ``{"type": "trace", "time_s": [...], ...}`` holds the frames that are new. ``{"type": "warning", "time_s": 10.0,
"warnings": [...]}`` says, where it changes, how the 10 s before ``time_s`` are unlike speech; an empty list, that they
no longer are. ``{"type": "finish"}`` asks for the rest; it ends with ``{"type": "end"}`` and close code 1000.
What goes wrong is ``{"type": "error", "detail": ...}`` and a close code: 1003 for what is no such message, 1007 for bad
sound, 1008 for silence or a client that does not read, 1009 for too long a stream, 1013 where there is no room.
"""

from __future__ import annotations

import asyncio
import json
from functools import partial
from typing import Any

import numpy as np
from anyio import CapacityLimiter, to_thread
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.websockets import WebSocket, WebSocketDisconnect

from emotrace.errors import EmotraceError
from emotrace.inference import model as saved
from emotrace.inference.streaming import MODEL as MODEL
from emotrace.inference.streaming import Stream
from emotrace.server.counts import Counts
from emotrace.server.limits import Limits
from emotrace.trace import FRAME_S, Trace

_FORMATS: dict[str, np.dtype[Any]] = {"s16le": np.dtype("<i2"), "f32le": np.dtype("<f4")}
_START_S = 10.0


class Start(BaseModel):
    """A stream's first message."""

    # A field that is passed over may be one that says how to read the sound.
    model_config = ConfigDict(extra="forbid")

    rate_hz: float = Field(ge=1000, le=1_000_000)
    format: str = Field("s16le", pattern="^(s16le|f32le)$")
    channels: int = Field(1, ge=1, le=256)
    model: str | None = None


class _EndingError(Exception):
    """A stream that must end, with what to tell its client."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(code, text)
        self.code = code
        self.text = text


class Talks:
    """The live streams of a server."""

    def __init__(self, limits: Limits, counts: Counts) -> None:
        self._limits = limits
        self._counts = counts
        self._open = 0
        # Not the workers of the recordings: somebody who speaks must not wait for an hour of file.
        self._threads = CapacityLimiter(limits.workers)
        self._loaded: dict[str, saved.Model] = {}

    async def talk(self, socket: WebSocket, models: dict[str, str], default: str) -> None:
        """Serve one client from its handshake to its end, whichever way it ends."""
        await socket.accept()
        code = 1006
        try:
            code = await self._admitted(socket, models, default)
        except _EndingError as ending:
            code = ending.code
            await self._close(socket, ending)
        except WebSocketDisconnect:
            pass  # vanished, while we listened or while we spoke
        except Exception:
            code = 1011
            await self._close(socket, _EndingError(code, "the server failed on this stream; its log says how"))
            raise
        finally:
            self._counts.stream_ends.labels(code).inc()

    async def _admitted(self, socket: WebSocket, models: dict[str, str], default: str) -> int:
        if self._open >= self._limits.streams:
            raise _EndingError(
                1013, f"no room for another live stream ({self._limits.streams} are open); try again later"
            )
        self._open += 1
        self._counts.streams.set(self._open)
        try:
            return await self._served(socket, models, default)
        finally:
            self._open -= 1
            self._counts.streams.set(self._open)

    async def _served(self, socket: WebSocket, models: dict[str, str], default: str) -> int:
        start = _start(await self._received(socket, _START_S))
        name = start.model or default
        if name not in models:
            raise _EndingError(1003, f"{name[:80]!r}: no model of that name; there is {', '.join(models)}")
        stream = await self._thread(self._stream, name, models[name], start)
        await self._send(socket, _ready(stream))
        heard_s = 0.0
        while (message := await self._received(socket, self._limits.stream_idle_s)).get("bytes") is not None:
            samples = _samples(message["bytes"], start)
            heard_s += len(samples) / start.rate_hz
            if heard_s > self._limits.max_s:
                raise _EndingError(
                    1009, f"a stream lasts {self._limits.max_minutes:g} minutes at most; start a new one"
                )
            self._counts.stream_audio_s.inc(len(samples) / start.rate_hz)
            await self._send_new(socket, stream, await self._thread(stream.push, samples))
        _check_finish(message)
        await self._send_new(socket, stream, await self._thread(stream.finish))
        await self._send(socket, {"type": "end"})
        await socket.close(1000)
        return 1000

    def _stream(self, name: str, path: str, start: Start) -> Stream:
        if name not in self._loaded:
            self._loaded[name] = saved.load(path)
        return Stream(self._loaded[name], start.rate_hz, start.channels)

    async def _thread(self, act: Any, *arguments: Any) -> Any:
        try:
            return await to_thread.run_sync(partial(act, *arguments), limiter=self._threads)
        except EmotraceError as error:
            raise _EndingError(1007, str(error)) from None

    async def _received(self, socket: WebSocket, patience_s: float) -> Any:
        try:
            async with asyncio.timeout(patience_s):
                message = await socket.receive()
        except TimeoutError:
            raise _EndingError(1008, f"nothing was heard for {patience_s:g} s; start a new stream") from None
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", 1006))
        return message

    async def _send_new(self, socket: WebSocket, stream: Stream, trace: Trace) -> None:
        """The frames of a piece that was taken, and what changed with it."""
        if len(trace):
            await self._send(socket, {"type": "trace", **trace.columns()})
        for change in stream.changes:
            await self._send(socket, {"type": "warning", **change._asdict()})

    async def _send(self, socket: WebSocket, answer: dict[str, Any]) -> None:
        # A client that does not read fills its connection's buffer; from then on sending waits.
        try:
            async with asyncio.timeout(self._limits.idle_s):
                await socket.send_text(json.dumps(answer))
        except TimeoutError:
            raise _EndingError(1008, "answers are not being read; start a new stream") from None

    async def _close(self, socket: WebSocket, ending: _EndingError) -> None:
        try:
            async with asyncio.timeout(1):
                await socket.send_text(json.dumps({"type": "error", "detail": ending.text}))
                await socket.close(ending.code, _reason(ending.text))
        except (TimeoutError, WebSocketDisconnect, RuntimeError):
            pass  # it is not there to be told


def _start(message: dict[str, Any]) -> Start:
    try:
        return Start.model_validate_json(message.get("text") or "")
    except ValidationError as error:
        raise _EndingError(1003, _complaint(error)) from None


def _complaint(error: ValidationError) -> str:
    first = error.errors()[0]
    where = ".".join(map(str, first["loc"])) or "first message"
    if first["type"] == "extra_forbidden":
        return f"{where[:80]!r}: no field of that name; there is {', '.join(Start.model_fields)}"
    return f'{where}: {first["msg"]}; a stream begins with JSON such as {{"rate_hz": 48000, "format": "s16le"}}'


def _check_finish(message: dict[str, Any]) -> None:
    try:
        finish = json.loads(message.get("text") or "") == {"type": "finish"}
    except ValueError:
        finish = False
    if not finish:
        raise _EndingError(1003, 'a message is samples, or {"type": "finish"} at the end')


def _samples(data: bytes, start: Start) -> np.ndarray:
    """Samples (n, channels) of a message."""
    kind = _FORMATS[start.format]
    if len(data) % (kind.itemsize * start.channels):
        text = f"{len(data)} bytes are no whole number of {start.format} samples of {start.channels} channel(s)"
        raise _EndingError(1007, f"{text}; send whole ones")
    samples = np.frombuffer(data, kind).reshape(-1, start.channels)
    return samples.astype(kind.newbyteorder("="))


def _ready(stream: Stream) -> dict[str, Any]:
    targets = [target.name for target in stream.model.targets]
    return {
        "type": "ready",
        "model": stream.model.name,
        "targets": targets,
        "frame_s": FRAME_S,
        "unit_range": [-1.0, 1.0],
        "latency_s": round(stream.latency_s, 3),
    }


def _reason(text: str) -> str:
    """As much of a text as a close frame holds."""
    return text.encode()[:120].decode(errors="ignore")
