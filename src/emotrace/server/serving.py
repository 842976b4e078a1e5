"""Runs the application: a port, a token where strangers can reach it, and little patience with slow senders."""

from __future__ import annotations

import asyncio
import ipaddress
import secrets
import socket
from collections.abc import Callable, Iterable
from contextlib import suppress

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from emotrace.errors import EmotraceError
from emotrace.server.app import create
from emotrace.server.limits import Limits

_MOST_CONNECTIONS = 512
_PATIENCE_S = 60.0
_WS_MESSAGE_BYTES = 1 << 20


class Patient(H11Protocol):
    """HTTP that drops a connection which has nothing going on, neither a request nor its answer, for a minute.

    uvicorn limits the time between requests; this limits that of a request's head, and of a refused body's rest.
    """

    _due: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Drop a connection beyond the most that are held."""
        super().connection_made(transport)
        if len(self.connections) > _MOST_CONNECTIONS:
            transport.abort()
        self._watch()

    def data_received(self, data: bytes) -> None:
        """See whether a request is under way now."""
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock."""
        self._forget()
        super().connection_lost(exc)

    def _watch(self) -> None:
        busy = self.cycle is not None and not self.cycle.response_complete
        if busy or self.transport.get_protocol() is not self:
            self._forget()
        elif self._due is None:
            self._due = self.loop.call_later(_PATIENCE_S, self.transport.abort)

    def _forget(self) -> None:
        if self._due is not None:
            self._due.cancel()
            self._due = None


def serve(
    host: str,
    port: int,
    limits: Limits,
    model: str,
    token: str | None,
    hosts: Iterable[str],
    announce: Callable[[str], object],
) -> None:
    """Serve until interrupted.

    Args:
        host: Address or name to listen at.
        port: Port, 0 for any free one.
        limits: How much to take on.
        model: What predicts by default.
        token: What requests must bring; where ``host`` is not this machine alone, one is made up if none is given.
        hosts: Further names of this server.
        announce: Called with the address to open, once the port is taken.

    Raises:
        EmotraceError: The port or host cannot be had.
        ModelError: There is no such model.
    """
    if token is None and not is_loopback(host):
        token = secrets.token_urlsafe(24)
    app = create(limits, model, token, {host, socket.gethostname(), *hosts})
    listening = _listen(host, port)
    shown = f"[{host}]" if ":" in host else host
    announce(f"http://{shown}:{listening.getsockname()[1]}/" + (f"?token={token}" if token else ""))
    # Ctrl-C is how it ends: uvicorn closes down in good order, and then raises it once more.
    with suppress(KeyboardInterrupt):
        uvicorn.Server(configuration(app)).run(sockets=[listening])


def configuration(app: FastAPI) -> uvicorn.Config:
    """How uvicorn runs the application."""
    return uvicorn.Config(
        app,
        http=Patient,
        ws_max_size=_WS_MESSAGE_BYTES,
        ws_per_message_deflate=False,
        log_level="warning",
        access_log=False,  # names of recordings stand in its lines
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=5,
    )


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        reason = error.strerror or str(error)
        raise EmotraceError(
            f"{host}:{port}: cannot be listened at ({reason}); choose another --port or --host"
        ) from None
