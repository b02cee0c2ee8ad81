"""What every request must be before a route sees it: text without NUL, numbers of 64 bits, JSON of bounded size.

Databases, file systems and C libraries cannot take other values, each in its own way: refused here, no route need care.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Coroutine
from typing import Any
from urllib.parse import unquote_to_bytes

from fastapi import Request, Response
from fastapi.routing import APIRoute
from pydantic_core import from_json
from starlette.exceptions import HTTPException
from starlette.types import Scope

JSON_PARTS = 200_000
"""Commas and brackets of a JSON body: a stroke of the most points has 60,000, and each value takes a hundred bytes."""
LARGEST = 2**63


def address_fault(scope: Scope) -> str:
    """Tell what is wrong with the path and query of a request; "" if nothing is."""
    path: bytes = scope.get("raw_path") or scope["path"].encode("utf-8", "surrogatepass")
    for what, raw in (("path", path), ("query", scope.get("query_string", b""))):
        text = unquote_to_bytes(raw)
        if b"\0" in text:
            return f"the {what} of the address has a NUL character in it; leave it out"
        try:
            text.decode("utf-8")
        except UnicodeDecodeError:
            return f"the {what} of the address is no percent-encoded UTF-8; encode it so"
    return ""


def value_fault(value: Any) -> str:
    """Tell what no route can take in a JSON value: NUL, a number that is not finite or too large. "" if it can."""
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, list):
            waiting.extend(item)
        elif isinstance(item, dict):
            waiting.extend((*item, *item.values()))
        elif isinstance(item, str):
            if "\0" in item:
                return "a text has a NUL character in it; leave it out"
        elif isinstance(item, int):
            if not -LARGEST <= item < LARGEST:
                return "a number has more than 64 bits; send a smaller one"
        elif isinstance(item, float) and not math.isfinite(item):
            return "a number is too large; send a smaller one"
    return ""


class CheckedRequest(Request):
    """A request whose JSON is bounded and checked. Its body is let go of once it is read."""

    _text: bytearray | None = None

    async def body(self) -> bytes:
        """Read the body into one buffer, so that it is never there twice."""
        if self._text is None:
            text = bytearray()
            async for part in self.stream():
                text += part
            self._text = text
        return self._text  # type: ignore[return-value]

    async def json(self) -> Any:
        """Parse the body; 422 with a sentence for what is no JSON, or too much, or has values that nobody can take."""
        await self.body()
        text = self._text or bytearray()
        if sum(text.count(sign) for sign in b",[{") > JSON_PARTS:
            raise HTTPException(422, f"the JSON has more than {JSON_PARTS:,} parts; send less at a time")
        try:
            value = from_json(text, allow_inf_nan=False)
        except ValueError as error:
            raise HTTPException(422, f"the body is no JSON: {error}") from None
        text.clear()
        if fault := value_fault(value):
            raise HTTPException(422, fault)
        return value


class CheckedRoute(APIRoute):
    """A route that takes `CheckedRequest`s: all routes of the API are."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Give the handler that FastAPI makes, behind the checks."""
        handle = super().get_route_handler()

        async def checked(request: Request) -> Response:
            return await handle(CheckedRequest(request.scope, request.receive))

        return checked
