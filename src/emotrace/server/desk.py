"""The desk: lets in as many recordings as there is room for, and has worker processes do the work."""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from tempfile import SpooledTemporaryFile, TemporaryFile
from typing import IO

from anyio import BrokenWorkerProcess, CapacityLimiter, to_process
from starlette.datastructures import UploadFile
from starlette.requests import ClientDisconnect, Request
from starlette.types import Message, Receive

from emotrace.server import work
from emotrace.server.counts import Counts
from emotrace.server.limits import Limits
from emotrace.server.work import RefusalError

_FORM_SLACK = 65536
_NAME_LETTERS = 120
_DESCRIPTORS = "/proc/{pid}/fd/{fd}"


class BusyError(Exception):
    """No room for another recording; `retry_after_s` says when to come back."""

    def __init__(self, retry_after_s: int) -> None:
        super().__init__(retry_after_s)
        self.retry_after_s = retry_after_s


class Desk:
    """Bounded work: so many processes, so many waiting, so long each."""

    def __init__(self, limits: Limits, counts: Counts) -> None:
        self.limits = limits
        self.counts = counts
        self.inside = 0
        self._workers = CapacityLimiter(limits.workers)
        self._processes = CapacityLimiter(limits.workers)
        self._usual_s = 1.0

    async def start(self, model: str) -> None:
        """Start the workers and have them load the model, so that the first recording does not wait for that."""
        each = [
            to_process.run_sync(work.prepare, model, cancellable=True, limiter=self._processes)
            for _ in range(self.limits.workers)
        ]
        await asyncio.gather(*each)

    @contextlib.contextmanager
    def place(self) -> Iterator[None]:
        """Room for one recording from its first byte on.

        Raises:
            BusyError: There is none.
        """
        if self.inside >= self.limits.workers + self.limits.queue:
            raise BusyError(max(1, math.ceil(self.inside / self.limits.workers * self._usual_s)))
        self.inside += 1
        self.counts.inside.set(self.inside)
        try:
            yield
        finally:
            self.inside -= 1
            self.counts.inside.set(self.inside)

    async def answer(
        self, file: IO[bytes], name: str, kind: str, model: str, bins: int, gone: Callable[[], Awaitable[None]]
    ) -> bytes:
        """Have a worker answer, unless the client leaves first.

        Args:
            file: The recording.
            name: How its sender calls it.
            kind: Form of the answer.
            model: Name or folder.
            bins: Parts of the waveform.
            gone: Returns when the client has left.

        Raises:
            RefusalError: No trace can be made of it.
            ClientDisconnect: Nobody waits for the answer any more.
        """
        job = asyncio.ensure_future(self._worked(file, name, kind, model, bins))
        leaving = asyncio.ensure_future(gone())
        try:
            await asyncio.wait({job, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if not job.done():
                raise ClientDisconnect
            return job.result()
        finally:
            for task in (job, leaving):
                task.cancel()
            await asyncio.gather(job, leaving, return_exceptions=True)

    async def _worked(self, file: IO[bytes], name: str, kind: str, model: str, bins: int) -> bytes:
        async with self._workers:
            began = time.monotonic()
            arguments = _source(file), name, kind, model, self.limits.max_s, bins
            try:
                async with asyncio.timeout(self.limits.timeout_s):
                    answer = await to_process.run_sync(work.work, *arguments, cancellable=True, limiter=self._processes)
            except TimeoutError:
                raise RefusalError(
                    503, f"{name}: took longer than {self.limits.timeout_s:g} s; give a shorter one"
                ) from None
            except BrokenWorkerProcess:
                raise RefusalError(422, f"{name}: its decoder crashed; convert it to WAV or FLAC") from None
        took_s = time.monotonic() - began
        self._usual_s += 0.2 * (took_s - self._usual_s)
        self.counts.work_s.observe(took_s)
        if isinstance(answer[0], int):
            raise RefusalError(answer[0], str(answer[1]))
        self.counts.audio_s.inc(float(answer[1]))
        return answer[0]


def _source(file: IO[bytes]) -> str | bytes:
    """Let a worker read a file that has no name: through its descriptor where the system shows it, else as bytes."""
    file.flush()
    path = Path(_DESCRIPTORS.format(pid=os.getpid(), fd=file.fileno()))
    if path.exists():
        return str(path)
    file.seek(0)
    return file.read()


@contextlib.asynccontextmanager
async def upload(request: Request, limits: Limits) -> AsyncIterator[tuple[IO[bytes], str | None]]:
    """Receive a recording into an anonymous temporary file: the body as it is, or the part ``file`` of a form.

    Args:
        request: Not read yet.
        limits: How large and how slow it may be.

    Yields:
        The file, and its name where the form states one.

    Raises:
        RefusalError: Too large (413), too slow (408), or a form without a file (422).
        starlette.exceptions.HTTPException: A malformed form (400).
        ClientDisconnect: The client left in the middle.
    """
    stated = request.headers.get("content-length", "")
    if stated.isdigit() and int(stated) > limits.max_bytes + _FORM_SLACK:
        raise _too_large(limits)
    bounded = Request(request.scope, _bounded(request.receive, limits))
    if request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        async with bounded.form(max_files=1, max_fields=8) as form:
            part = form.get("file")
            if not isinstance(part, UploadFile):
                raise RefusalError(422, "the form has no file; send the recording as its part 'file'")
            if isinstance(part.file, SpooledTemporaryFile):
                part.file.rollover()
            yield part.file, part.filename
        return
    with TemporaryFile() as file:
        async for chunk in bounded.stream():
            file.write(chunk)
        yield file, None


def _bounded(receive: Receive, limits: Limits) -> Receive:
    total, deadline = 0, time.monotonic() + limits.upload_s

    async def bounded() -> Message:
        nonlocal total
        try:
            async with asyncio.timeout(max(0.0, min(limits.idle_s, deadline - time.monotonic()))):
                message = await receive()
        except TimeoutError:
            raise RefusalError(408, "the recording came too slowly; send it again") from None
        total += len(message.get("body", b""))
        if total > limits.max_bytes + _FORM_SLACK:
            raise _too_large(limits)
        return message

    return bounded


def _too_large(limits: Limits) -> RefusalError:
    return RefusalError(
        413, f"the recording is larger than {limits.max_mb:g} MB, the most that is taken; compress or cut it"
    )


def plain_name(name: str | None) -> str:
    """A sender's name for a recording as one short line without folders or control characters."""
    last = (name or "").replace("\\", "/").rsplit("/", 1)[-1]
    last = "".join(letter for letter in last if letter.isprintable()).strip()
    return last[-_NAME_LETTERS:] or "recording"
