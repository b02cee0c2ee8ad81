"""Errors as the API tells them: application/problem+json (RFC 9457), one plain sentence in `detail`."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from starlette.responses import JSONResponse

from fewclicks.errors import sentence

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"


def problem(status: int, detail: str, headers: Mapping[str, str] | None = None, **more: Any) -> JSONResponse:
    """The response. `more`: further members, such as `current`."""
    content = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": sentence(detail),
        **more,
    }
    return JSONResponse(content, status, headers, MEDIA_TYPE)


def internal_problem(error: BaseException) -> JSONResponse:
    """The response to an error of our own: the log has the stack trace, and both have the same id."""
    name = secrets.token_hex(4)
    log.error("error %s", name, exc_info=error)
    return problem(500, f"something went wrong in the server; its log tells more under the id {name}", id=name)
