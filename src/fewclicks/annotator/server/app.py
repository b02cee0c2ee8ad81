"""The web application: the routes, the page, and how errors are answered."""

from __future__ import annotations

import errno
import functools
import hashlib
import json
import mimetypes
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from fastapi.staticfiles import StaticFiles
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute
from starlette.staticfiles import NotModifiedResponse

from fewclicks.annotator.server.errors import MEDIA_TYPE, internal_problem, problem
from fewclicks.annotator.server.requests import UUID
from fewclicks.annotator.server.routes import (
    classes,
    comments,
    files,
    folder,
    methods,
    objects,
    people,
    photos,
    preannotations,
    predict,
    sequences,
    session,
    statistics,
)
from fewclicks.annotator.server.schemas import ConflictOut, ObjectOut, ProblemOut
from fewclicks.annotator.server.security import RateLimiter, SecurityMiddleware, SecurityPolicy
from fewclicks.annotator.server.sessions import Sessions
from fewclicks.annotator.server.signin import SignIn
from fewclicks.annotator.server.telling import told
from fewclicks.annotator.services.annotator import Annotator
from fewclicks.annotator.services.worker import Busy
from fewclicks.annotator.store.records import NO_UUID, ObjectInfo
from fewclicks.errors import Conflict, FewClicksError, StoreError, UnknownName, one_line

STATIC = Path(__file__).parents[1] / "web"
NO_MODULES = ("js/main.js", "js/theme.js", "js/docs.js", "js/types.js")
"""Files that the page names itself, or does not run."""

ABOUT = """Cut objects out of the photos of a folder by clicks. Everything is saved before it is answered.

Coordinates are pixels of the photo as it is displayed, x to the right, y down, whole numbers at pixel centres; boxes
are half-open, [x0, y0, x1, y1]. Errors are application/problem+json with one sentence in `detail`."""

PROBLEMS = {
    "400": "What was asked makes no sense here, or the file cannot be read.",
    "404": "There is no such thing.",
    "409": "It has changed meanwhile, and nothing has happened.",
    "422": "The request is not as described here.",
    "default": "401 without the token, 403 from other pages, 411 and 413 for bodies, 429 and 503 where it is too much, "
    "507 where the disk is full.",
}

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)

mimetypes.add_type("text/javascript", ".js")  # some systems say text/plain, which browsers then refuse


class _Page(StaticFiles):
    """The page's files, which stay in memory; browsers ask each time whether they have changed."""

    def file_response(self, full_path: Any, stat_result: Any, scope: Any, status_code: int = 200) -> Response:
        is_page = Path(full_path).resolve() == (STATIC / "index.html").resolve()
        body = page().encode() if is_page else _read(os.fspath(full_path), stat_result.st_mtime_ns)
        headers = {"ETag": f'"{hashlib.sha256(body).hexdigest()[:32]}"', "Cache-Control": "no-cache"}
        if self.is_not_modified(Headers(headers), Headers(scope=scope)):
            return NotModifiedResponse(Headers(headers))
        return Response(body, status_code, headers, mimetypes.guess_type(full_path)[0] or "application/octet-stream")


@functools.lru_cache(maxsize=256)
def _read(file: str, changed_ns: int) -> bytes:
    """What a file of the page holds. `changed_ns`: when it was changed."""
    return Path(file).read_bytes()


def page() -> str:
    """Give index.html with the modules of js/ named in it: a browser fetches them at once, and finds shortcuts so."""
    files = (file.relative_to(STATIC).as_posix() for file in sorted((STATIC / "js").rglob("*.js")))
    links = (f'<link rel="modulepreload" href="{file}" />' for file in files if file not in NO_MODULES)
    return (STATIC / "index.html").read_text("utf-8").replace("<!-- modules -->", "\n    ".join(links))


def application(
    annotator: Annotator,
    policy: SecurityPolicy | None = None,
    rates: RateLimiter | None = None,
    sessions: Sessions | None = None,
) -> FastAPI:
    """The application of one annotator, which it starts and closes."""
    policy = policy or SecurityPolicy()
    sessions = sessions or policy.sessions()
    sessions.directory = annotator.people

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        annotator.start()
        yield
        annotator.hub.close()
        annotator.close()

    app = bare()
    app.router.lifespan_context = lifespan
    app.state.annotator = annotator
    annotator.hub.told = told
    app.state.sign_in = SignIn(sessions if policy.needs_token else None, policy.cookie)
    app.add_middleware(SecurityMiddleware, policy=policy, rates=rates, sign_in=app.state.sign_in)
    return app


def bare() -> FastAPI:
    """The application without an annotator: enough for its OpenAPI document."""
    app = FastAPI(
        title="fewclicks annotator",
        version="1",
        description=ABOUT,
        docs_url=None,
        redoc_url=None,
        generate_unique_id_function=_operation_id,
    )
    app.router.routes.extend(_routes())
    app.mount("/", _Page(directory=STATIC, html=True))
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(FewClicksError, _failed)
    app.add_exception_handler(OSError, _unwritten)
    documented = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            _tell_problems(documented())
        return documented()

    app.openapi = openapi  # type: ignore[method-assign]
    return app


@functools.cache
def _routes() -> Sequence[BaseRoute]:
    """The routes of the API. An application looks through them at its first request, which takes a while."""
    router = APIRouter(generate_unique_id_function=_operation_id)
    for part in (
        folder,
        methods,
        classes,
        photos,
        sequences,
        objects,
        comments,
        people,
        files,
        predict,
        preannotations,
        session,
        statistics,
    ):
        router.include_router(part.router, prefix="/api/v1")
    return router.routes


def document() -> str:
    """The OpenAPI document as it is checked in, docs/openapi.json."""
    return json.dumps(bare().openapi(), indent=1, ensure_ascii=False) + "\n"


def _operation_id(route: APIRoute) -> str:
    return route.name


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    found = [{"at": ".".join(map(str, item["loc"])), "what": item["msg"]} for item in error.errors()]
    first = found[0] if found else {"at": "body", "what": "it is not as described"}
    if known := next(filter(None, map(_known, error.errors())), ""):  # not that it is no number either
        return problem(422, known, errors=found[:20])
    return problem(422, f"What was sent is not as described, at {first['at']}: {first['what']}", errors=found[:20])


def _known(item: Mapping[str, Any]) -> str:
    """Say what is wrong with an id, or name the limit of a text or a list that is too long; "" for other faults."""
    if item["type"] == "string_pattern_mismatch" and item["ctx"]["pattern"] == UUID:
        return NO_UUID.format(item["input"])
    if item["type"] not in ("string_too_long", "too_long"):
        return ""
    most, got = item["ctx"]["max_length"], len(item["input"])
    names = [part for part in item["loc"] if isinstance(part, str) and part not in ("constrained-str", "[key]")]
    if item["type"] == "too_long":
        return f"'{names[-1]:.60}' has at most {most:,} entries, got {got:,}; leave some out"
    return f"a text of '{names[-1]:.60}' has at most {most:,} letters, got {got:,}; shorten it"


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    texts = {404: f"there is nothing at {request.url.path}", 405: f"{request.method} is not possible here"}
    return problem(error.status_code, texts.get(error.status_code, str(error.detail)), error.headers)


async def _failed(request: Request, error: Exception) -> Response:
    detail = one_line(error, None)
    if isinstance(error, Conflict):
        current = error.current
        current = ObjectOut.of(current).model_dump(mode="json") if isinstance(current, ObjectInfo) else None
        return problem(409, detail, current=current)
    if isinstance(error, Busy | StoreError):
        return problem(503, detail, {"Retry-After": "1"})
    return problem(404 if isinstance(error, UnknownName) else 400, detail)


async def _unwritten(request: Request, error: Exception) -> Response:
    """A disk that takes no more is for the people at the machine; any other error of the system is ours."""
    assert isinstance(error, OSError)
    if error.errno in FULL:
        reason = "is read-only" if error.errno == errno.EROFS else "is full"
        return problem(507, f"the server cannot write because its disk {reason}; make room there, and try again")
    return internal_problem(error)


def _tell_problems(document: dict[str, Any]) -> None:
    """Write into the OpenAPI document how errors look, in place of FastAPI's own."""
    schemas = document["components"]["schemas"]
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    for model in (ProblemOut, ConflictOut):
        schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
        schema.pop("$defs", None)
        schemas[model.__name__] = schema
    for operation in (operation for path in document["paths"].values() for operation in path.values()):
        operation["responses"].pop("422", None)
        for status, text in PROBLEMS.items():
            name = "ConflictOut" if status == "409" else "ProblemOut"
            content = {MEDIA_TYPE: {"schema": {"$ref": f"#/components/schemas/{name}"}}}
            operation["responses"][status] = {"description": text, "content": content}
