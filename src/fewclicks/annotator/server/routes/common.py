"""What the routes share: the annotator, waiting for its worker and its threads, pictures that may be unchanged."""

from __future__ import annotations

import asyncio
import binascii
import pathlib
import re
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Annotated, Any, TypeAlias, TypeVar

from fastapi import Depends, Path, Request, Response
from pydantic import BaseModel

from fewclicks.annotator.server.requests import UUID
from fewclicks.annotator.server.schemas import Milliseconds
from fewclicks.annotator.services.annotator import Annotator
from fewclicks.annotator.services.worker import Timed
from fewclicks.errors import InputError

Result = TypeVar("Result")

ObjectId = Annotated[str, Path(pattern=UUID, description="A UUID, made by the client.")]
PhotoId = Annotated[int, Path(ge=1, lt=2**31)]
FILE_NAME = re.compile(r"[^\w .()+-]", re.ASCII)
"""What stands in no name of a file that is written here."""


async def _annotator(request: Request) -> Annotator:
    annotator: Annotator = request.app.state.annotator
    return annotator


AnnotatorDep = Annotated[Annotator, Depends(_annotator)]
"""The annotator of this server."""


async def _person(request: Request) -> str:
    return _named(request)


Person = Annotated[str, Depends(_person)]
"""The name of who asks, as the token or the session tells it; "" where nobody has to say."""


async def _asker(request: Request) -> str:
    browser = getattr(request.state, "session", None)
    return f"browser {id(browser)}" if browser else f"{request.client.host if request.client else ''} {_named(request)}"


def _named(request: Request) -> str:
    person: str = getattr(request.state, "person", "")
    return person


Asker = Annotated[str, Depends(_asker)]
"""Whose turn a job of the worker is: a browser that is signed in, else an address and the name that comes with it."""


async def received(request: Request, name: str, place: pathlib.Path) -> pathlib.Path:
    """Keep the file that a request brings under its name, in a folder of its own within `place`: what a reader looks
    for beside a file is looked for in there.
    """
    folder = place / "upload"
    folder.mkdir()
    upload = folder / (FILE_NAME.sub("_", pathlib.Path(name.replace("\\", "/")).name).lstrip(".") or "upload")
    with open(upload, "xb") as file:
        async for part in request.stream():
            file.write(part)
    return upload


async def done(future: Future[Timed[Result]]) -> Timed[Result]:
    """Wait for the worker. What was submitted is done even if nobody waits for it any more."""
    return await asyncio.shield(asyncio.wrap_future(future))


async def in_thread(pool: Executor, work: Callable[[], Result]) -> Result:
    """Do it in a thread, so that others are answered meanwhile."""
    return await asyncio.get_running_loop().run_in_executor(pool, work)


def milliseconds(timed: Timed[Any]) -> Milliseconds:
    """How long the worker took."""
    queue, work = round(timed.queue_ms, 1), round(timed.work_ms, 1)
    return Milliseconds(queue=queue, model=work, total=round(timed.queue_ms + timed.work_ms, 1))


def as_json(model: BaseModel) -> Response:
    """The model as it is: it need not be validated again."""
    return Response(model.model_dump_json(), media_type="application/json")


Found: TypeAlias = tuple[str, Callable[[], bytes]]
"""A tag that changes when the bytes do, and what makes them."""


async def unless_known(request: Request, pool: Executor, media_type: str, find: Callable[[], Found]) -> Response:
    """Bytes with an ETag, or 304 if the client has them. `find` and what it gives run in the pool."""
    known = request.headers.get("if-none-match", "")

    def work() -> tuple[str, bytes | None]:
        tag, make = find()
        return f'"{tag}"', None if f'"{tag}"' in known else make()

    tag, data = await in_thread(pool, work)
    headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
    if data is None:
        return Response(status_code=304, headers=headers)
    return Response(data, media_type=media_type, headers=headers)


def unpacked(text: str) -> bytes:
    """Base64 as bytes; InputError if it is none."""
    try:
        return binascii.a2b_base64(text, strict_mode=True)  # b64decode would copy the text first
    except (binascii.Error, ValueError):
        raise InputError("an image is sent as base64 without line breaks or a data: prefix") from None


def gives(media_type: str) -> dict[str, Any]:
    """For a route that gives bytes: how OpenAPI tells of it."""
    content = {media_type: {"schema": {"type": "string", "format": "binary"}}}
    return {"response_class": Response, "responses": {200: {"content": content}}}
