"""Who may speak to the server at all: the right host name, no other site's page, the token where there is one."""

from __future__ import annotations

import ipaddress
import secrets
from collections.abc import Iterable
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket

COOKIE = "emotrace_token"
_OPEN = ("/health",)

# Style and script come from files of this server alone; plotly's own style sheet is inserted by script, which counts as
# inline. Sound and pictures are made in the page (blob:).
_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
        "media-src 'self' blob:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "microphone=(self), camera=(), geolocation=()",
}


class Guard:
    """ASGI middleware that refuses strangers and adds the security headers.

    - A ``Host`` that is neither an address nor a known name is a page that had its own name resolve to this machine
      (DNS rebinding): 421.
    - An ``Origin`` other than the host that is spoken to is another site's page, which browsers let open WebSockets and
      post forms: 403. Programs send none.
    - Where there is a token it must come as ``Authorization: Bearer``, or as the cookie that ``/?token=`` sets: 401.
    """

    def __init__(self, app: ASGIApp, token: str | None, hosts: Iterable[str]) -> None:
        self.app = app
        self.token = token
        self.hosts = {"localhost", *(host.lower() for host in hosts)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer for the application, or let it answer."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("cache-control", "no-store")
            await send(message)

        answer = self._answer(scope)
        if answer is None:
            await self.app(scope, receive, send_with_headers)
        elif scope["type"] == "http":
            await answer(scope, receive, send_with_headers)
        else:
            await WebSocket(scope, receive, send_with_headers).send_denial_response(answer)

    def _answer(self, scope: Scope) -> Response | None:
        """What to say instead of letting the request through; None lets it through."""
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if not self._known(host):
            return _refusal(421, f"this server does not go by the name {host[:80]!r}; use its address, or --allow-host")
        origin = headers.get("origin")
        if origin is not None and _netloc(origin) != host.lower():
            return _refusal(403, "requests from other sites' pages are refused")
        if self.token is None or scope["path"] in _OPEN or self._is_token(_given(headers)):
            return None
        asked = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        if scope["path"] == "/" and scope["type"] == "http" and self._is_token(asked):
            welcome = RedirectResponse("/", 303)
            welcome.set_cookie(COOKIE, asked, httponly=True, samesite="strict", path="/")
            return welcome
        text = "a token is needed: open the address that emotrace serve printed, or send Authorization: Bearer TOKEN"
        return _refusal(401, text, {"www-authenticate": "Bearer"})

    def _known(self, host: str) -> bool:
        name = _without_port(host.lower())
        if name in self.hosts:
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True

    def _is_token(self, given: str) -> bool:
        # In constant time: how much of a guess was right must not show.
        return self.token is not None and secrets.compare_digest(given.encode(), self.token.encode())


def _netloc(origin: str) -> str | None:
    """Host and port of an ``Origin``, or None where it names none (``null``, nonsense)."""
    try:
        return urlsplit(origin).netloc.lower() or None
    except ValueError:
        return None


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host[1:].split("]")[0]
    return host.rsplit(":", 1)[0] if host.count(":") == 1 else host


def _given(headers: Headers) -> str:
    kind, _, credentials = headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer":
        return credentials.strip()
    try:
        cookie = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    return cookie.value if cookie else ""


def _refusal(status: int, text: str, headers: dict[str, str] | None = None) -> Response:
    return JSONResponse({"detail": text}, status, headers)
