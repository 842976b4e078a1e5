"""The application: routes, their description, and what an error looks like."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable
from enum import StrEnum
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import FastAPI, Query, Request, Response, WebSocket
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.staticfiles import StaticFiles

from emotrace import report
from emotrace.inference import model as saved
from emotrace.server import desk, live
from emotrace.server.counts import Counts
from emotrace.server.guard import Guard
from emotrace.server.limits import Limits
from emotrace.server.work import MEDIA_TYPES, RefusalError

PAGES = Path(__file__).parent / "pages"


class Kind(StrEnum):
    """The forms of an answer, the keys of `MEDIA_TYPES`."""

    JSON = "json"
    CSV = "csv"
    PNG = "png"
    HTML = "html"


class Problem(BaseModel):
    """What every error says: one line on what was wrong and what to do."""

    detail: str


_WRONG = {
    400: "The request is malformed",
    401: "No or a wrong token",
    403: "From another site's page",
    406: "None of the forms that are accepted is one of this server's",
    408: "The recording came too slowly",
    413: "The recording is too large or too long",
    415: "No kind of audio that can be decoded",
    421: "A host name that is not this server's",
    422: "No trace can be made of this recording, or a parameter is impossible",
    429: "No room now; Retry-After says when",
    503: "The recording took too long to work on",
}
_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {"file": {"type": "string", "format": "binary"}},
                }
            },
            "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
        },
    }
}


def create(
    limits: Limits | None = None,
    model: str = saved.DEFAULT,
    token: str | None = None,
    hosts: Iterable[str] = (),
) -> FastAPI:
    """Build the application.

    Args:
        limits: How much it takes on.
        model: What predicts where a request names nothing: a shipped model, or a model's folder.
        token: What every request must bring; None lets everyone in who reaches the port.
        hosts: Names that the server goes by, beside ``localhost`` and addresses.

    Raises:
        ModelError: There is no such model.
    """
    limits = limits or Limits()
    default = saved.load(model).name
    # A request names models by this table alone: it must not reach for folders.
    models = {name: name for name in saved.names()} | {default: model}
    speaking = live.MODEL if model == saved.DEFAULT and live.MODEL in models else default
    counts = Counts()
    office = desk.Desk(limits, counts)

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        # Aside, so that the page is there at once.
        warming = asyncio.create_task(office.start(model))
        yield
        warming.cancel()
        await asyncio.gather(warming, return_exceptions=True)

    app = FastAPI(
        title="emotrace",
        version=metadata.version("emotrace"),
        summary="Speech in, arousal and valence traces out, every 40 ms.",
        docs_url=None,  # its page would load scripts from elsewhere
        redoc_url=None,
        lifespan=lifespan,
        responses={
            code: {"model": Problem, "description": text} for code, text in _WRONG.items() if code in (401, 403, 421)
        },
    )
    app.add_middleware(Guard, token=token, hosts=tuple(hosts))
    _handle_errors(app)
    _add_pages(app, limits, models, default)
    _add_trace(app, office, models, default)
    talks = live.Talks(limits, counts)

    @app.websocket("/v1/stream")
    async def stream(socket: WebSocket) -> None:
        await talks.talk(socket, models, speaking)

    @app.get("/health", summary="Whether the server is up")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/metrics", summary="Counters for Prometheus", response_class=Response)
    async def metrics() -> Response:
        return Response(counts.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    return app


def _add_pages(app: FastAPI, limits: Limits, models: dict[str, str], default: str) -> None:
    @app.get("/", include_in_schema=False)
    async def page() -> FileResponse:
        return FileResponse(PAGES / "index.html", headers={"cache-control": "no-cache"})

    @app.get("/static/plotly.js", include_in_schema=False)
    async def plotting() -> Response:
        return Response(_plotting(), media_type="text/javascript", headers={"cache-control": "max-age=86400"})

    app.mount("/static/report", StaticFiles(directory=report.PAGES))
    app.mount("/static", StaticFiles(directory=PAGES))
    cards = [report.card(saved.load(path)) for path in models.values()]

    @app.get("/v1/about", summary="The models, and the limits of this server")
    async def about() -> dict[str, Any]:
        kept = ("max_mb", "max_minutes", "streams")
        return {"default": default, "models": cards, "limits": {name: getattr(limits, name) for name in kept}}


@cache
def _plotting() -> bytes:
    return report.plotting_code()


def _add_trace(app: FastAPI, office: desk.Desk, models: dict[str, str], default: str) -> None:
    forms: dict[int | str, dict[str, Any]] = {
        200: {"content": {media: {} for media in MEDIA_TYPES.values()}, "description": "The trace"}
    }
    wrong: dict[int | str, dict[str, Any]] = {
        code: {"model": Problem, "description": text} for code, text in _WRONG.items()
    }

    @app.post(
        "/v1/trace",
        summary="A recording to its trace",
        openapi_extra=_BODY,
        responses=forms | wrong,
        response_class=Response,
    )
    async def trace(
        request: Request,
        kind: Annotated[Kind | None, Query(alias="format", description="Wins over the Accept header")] = None,
        model: Annotated[str, Query(description="One of those that /v1/about lists")] = default,
        name: Annotated[
            str | None, Query(max_length=400, description="The recording's, for a body that states none")
        ] = None,
        waveform: Annotated[int, Query(ge=0, le=10_000, description="Parts of the sound's envelope in JSON")] = 0,
    ) -> Response:
        """Send audio of any common kind, as the body or as the part `file` of a form; nothing of it is kept."""
        form = kind.value if kind else accepted(request.headers.get("accept", "*/*"))
        if form is None:
            raise RefusalError(406, f"the forms of an answer are {', '.join(MEDIA_TYPES.values())}")
        if model not in models:
            raise RefusalError(422, f"{model[:80]!r}: no model of that name; there is {', '.join(models)}")
        status = 500
        try:
            with office.place():
                async with desk.upload(request, office.limits) as (file, stated):
                    called = desk.plain_name(name or stated)
                    body = await office.answer(file, called, form, models[model], waveform, _leaving(request))
            status = 200
        except (RefusalError, HTTPException, desk.BusyError) as refused:
            status = getattr(refused, "status", getattr(refused, "status_code", 429))
            raise
        finally:
            office.counts.answers.labels(form, status).inc()
        return Response(body, media_type=MEDIA_TYPES[form], headers=_as_file(called, form))


def _leaving(request: Request) -> Any:
    async def leaving() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    return leaving


def _as_file(name: str, form: str) -> dict[str, str]:
    """Have browsers save an answer, never show it: a page inside it must not run as one of this server's."""
    file = quote(f"{Path(name).stem or name}.{form}", safe="")
    return {"content-disposition": f"attachment; filename*=UTF-8''{file}"}


def accepted(header: str) -> str | None:
    """The form that an ``Accept`` header likes best, JSON where it likes several alike, None where it likes none."""
    best, most = None, 0.0
    for form, media in MEDIA_TYPES.items():
        likes = [_quality(part, media) for part in header.split(",")]
        # The most specific part of the header speaks for a form, as RFC 9110 has it.
        _, quality = max(likes, default=(0, 0.0))
        if quality > most:
            best, most = form, quality
    return best


def _quality(part: str, media: str) -> tuple[int, float]:
    pattern, *parameters = (piece.strip().lower() for piece in part.split(";"))
    family = media.split("/")[0]
    specific = {media: 3, f"{family}/*": 2, "*/*": 1}.get(pattern, 0)
    if not specific:
        return 0, 0.0
    stated = [value[2:] for value in parameters if value.startswith("q=")]
    try:
        return specific, float(stated[0]) if stated else 1.0
    except ValueError:
        return specific, 0.0


def _handle_errors(app: FastAPI) -> None:
    @app.exception_handler(RefusalError)
    async def refused(request: Request, refusal: RefusalError) -> JSONResponse:
        return _problem(refusal.status, str(refusal))

    @app.exception_handler(desk.BusyError)
    async def busy(request: Request, error: desk.BusyError) -> JSONResponse:
        text = f"no room for another recording now; try again in {error.retry_after_s} s"
        return _problem(429, text, {"retry-after": str(error.retry_after_s)})

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        told = [f"{'.'.join(map(str, each['loc'][1:])) or 'request'}: {each['msg']}" for each in error.errors()]
        return _problem(422, "; ".join(told))

    @app.exception_handler(HTTPException)
    async def stated(request: Request, error: HTTPException) -> JSONResponse:
        return _problem(error.status_code, str(error.detail), dict(error.headers or {}))

    @app.exception_handler(Exception)
    async def failed(request: Request, error: Exception) -> JSONResponse:
        return _problem(500, "the server failed on this request; its log says how")

    @app.exception_handler(ClientDisconnect)
    async def left(request: Request, error: ClientDisconnect) -> JSONResponse:
        return _problem(400, "the recording broke off; send it again")


def _problem(status: int, text: str, headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"detail": text}, status, headers)
