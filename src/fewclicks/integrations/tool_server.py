"""The routes of other tools, as one Starlette application; who may ask is decided in front of it.

| tool           | routes                                  |
|----------------|-----------------------------------------|
| label-studio   | /, /health, /setup, /predict, /webhook  |
| x-anylabeling  | /v1/models, /v1/predict                 |
| osam           | /api/generate                           |
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fewclicks.engines.interruption import Interrupted, Interruption, interruptible
from fewclicks.errors import FewClicksError, InputError, one_line
from fewclicks.integrations import osam_http, x_anylabeling
from fewclicks.integrations.label_studio import Backend
from fewclicks.integrations.photo_sources import PhotoSource
from fewclicks.integrations.replay import MOST_CLICKS, Replays
from fewclicks.integrations.requests import body_of
from fewclicks.predictor import Predictor

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.types import ASGIApp, Receive, Scope, Send

TOOLS = ("label-studio", "x-anylabeling", "osam")

Answer = Callable[[Mapping[str, Any]], dict[str, Any]]


def application(
    predictor: Predictor,
    tools: Sequence[str],
    source: PhotoSource,
    version: str,
    interruption: Interruption | None = None,
) -> Starlette:
    """The application of these tools (all of `TOOLS` if empty). InputError for one that there is not.

    `interruption`: ends what is computed when the server is told to stop.
    """
    from starlette.applications import Starlette
    from starlette.concurrency import run_in_threadpool
    from starlette.requests import Request
    from starlette.responses import JSONResponse, Response
    from starlette.routing import Route

    for tool in tools:
        if tool not in TOOLS:
            raise InputError(f"there is no '{tool}' to serve; there are: {', '.join(TOOLS)}")
    replays = Replays(predictor, most_clicks=MOST_CLICKS)

    def refusal(detail: str, status: int) -> Response:
        return JSONResponse({"status": status, "detail": detail, "error": detail}, status)

    def route(path: str, answer: Answer, method: str = "POST", status: int = 200) -> Route:
        def computed(asked: Mapping[str, Any]) -> dict[str, Any]:
            with interruptible(interruption):
                return answer(asked)

        async def handle(request: Request) -> Response:
            try:
                asked = body_of(await request.body()) if method == "POST" else {}
                return JSONResponse(await run_in_threadpool(computed, asked), status)
            except (FewClicksError, ValueError) as error:
                return refusal(one_line(error, 500), 400)
            except (Interrupted, asyncio.CancelledError):  # the second: what cannot be interrupted took too long
                if interruption is None or not interruption.requested:
                    raise
                return refusal("the server is stopping; ask again when it runs", 503)

        return Route(path, handle, methods=[method])

    backend = Backend(replays, source, version)
    routes = {
        "label-studio": [
            route("/", lambda _: backend.health(), "GET"),
            route("/health", lambda _: backend.health(), "GET"),
            route("/setup", backend.setup),
            route("/predict", backend.predict),
            route("/webhook", backend.webhook, status=201),
        ],
        "x-anylabeling": [
            route("/health", lambda _: backend.health(), "GET"),
            route("/v1/models", lambda _: x_anylabeling.models(), "GET"),
            route("/v1/predict", lambda asked: x_anylabeling.predict(replays, asked)),
        ],
        "osam": [
            route("/health", lambda _: backend.health(), "GET"),
            route("/api/generate", lambda asked: osam_http.generate(replays, asked)),
        ],
    }
    return Starlette(routes=[one for tool in tools or TOOLS for one in routes[tool]])


class Credentials:
    """Passes the token on as a bearer, however a tool sends it: as the password of basic auth, or in `Token:`."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] == "http":
            headers = dict(scope["headers"])
            token = _password(headers.get(b"authorization", b"")) or headers.get(b"token")
            if token:
                kept = [(name, value) for name, value in scope["headers"] if name != b"authorization"]
                scope = {**scope, "headers": [*kept, (b"authorization", b"Bearer " + token)]}
        await self._app(scope, receive, send)


def _password(header: bytes) -> bytes | None:
    """The password of basic auth; the name does not matter."""
    scheme, _, encoded = header.partition(b" ")
    if scheme.lower() != b"basic":
        return None
    try:
        return base64.b64decode(encoded, validate=True).partition(b":")[2] or None
    except binascii.Error:
        return None
