"""Photos as other tools name them: an address of their server, a file of theirs, or the file itself in the request.

Only one server is ever asked, the one that the user named: a request cannot have any other address fetched.
"""

from __future__ import annotations

import base64
import binascii
import io
import json
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, unquote, urljoin, urlsplit

from fewclicks.errors import FewClicksError, InputError
from fewclicks.files.safe_open import open_inside
from fewclicks.images.reading import read_image
from fewclicks.types import Image

MAX_BYTES = 256 * 2**20
TIMEOUT_S = 30.0
ACCESS_S = 240.0
"""For so long an access token is used, which Label Studio gives for five minutes."""


def decoded(text: object) -> Image:
    """The pixels of a photo in base64, with or without `data:image/...;base64,` before it."""
    if not isinstance(text, str) or not text:
        raise InputError("the request has no image; send the file in base64")
    head, comma, body = text.partition(",")
    try:
        content = base64.b64decode(body if comma and head.startswith("data:") else text, validate=False)
    except (binascii.Error, ValueError):
        raise InputError("the image is no base64; send the file of the photo in base64") from None
    return read_image(io.BytesIO(content))


@dataclass(slots=True)
class PhotoSource:
    """The server of another tool, and a folder in which its photos may lie too."""

    url: str | None = None
    token: str | None = None
    folder: Path | None = None
    _access: tuple[str, float] = field(default=("", 0.0))

    def __post_init__(self) -> None:
        if self.url is not None and urlsplit(self.url).scheme not in ("http", "https"):
            raise InputError(f"'{self.url}' is no address of a server; write it as http://localhost:8080")

    def read(self, address: str) -> Image:
        """The pixels of the photo that a tool calls `address`. InputError where it is not there, or may not be read."""
        if address.startswith("data:"):
            return decoded(address)
        if self.folder is not None and (found := self._in_folder(address)) is not None:
            return found
        return read_image(io.BytesIO(self._fetched(address)))

    def _in_folder(self, address: str) -> Image | None:
        """The photo of the folder that is named as the last parts of an address; None if there is none."""
        assert self.folder is not None
        parts = urlsplit(address)
        named = parse_qs(parts.query).get("d", [unquote(parts.path)])[0]
        pieces = [piece for piece in named.replace("\\", "/").split("/") if piece not in ("", ".", "..")]
        for first in range(len(pieces)):
            try:
                with open_inside(self.folder, "/".join(pieces[first:])) as file:
                    return read_image(file)
            except (OSError, FewClicksError):
                continue
        return None

    def _fetched(self, address: str) -> bytes:
        if self.url is None:
            raise InputError(
                f"'{address[:120]}' lies on another server; name it by --tool-url, or a folder by --images"
            )
        whole = urljoin(self.url.rstrip("/") + "/", address)
        if _place(whole) != _place(self.url):
            raise InputError(f"'{address[:120]}' is not on {self.url}, the only server that is asked for photos")
        headers = {"Authorization": self._authorization()} if self.token else {}
        return self._asked(urllib.request.Request(whole, headers=headers))

    def _authorization(self) -> str:
        """The header of the token. A token of three parts is exchanged for one that is good for some minutes."""
        assert self.token is not None
        assert self.url is not None
        if self.token.count(".") != 2:
            return f"Token {self.token}"
        access, until = self._access
        if time.monotonic() > until:
            body = json.dumps({"refresh": self.token}).encode()
            where = urljoin(self.url.rstrip("/") + "/", "api/token/refresh")
            request = urllib.request.Request(where, body, {"Content-Type": "application/json"})
            try:
                access = str(json.loads(self._asked(request))["access"])
            except (ValueError, KeyError, TypeError):
                raise InputError(f"{self.url} does not take the token; make a new one there") from None
            self._access = access, time.monotonic() + ACCESS_S
        return f"Bearer {access}"

    def _asked(self, request: urllib.request.Request) -> bytes:
        opener = urllib.request.build_opener(_SameServer())
        try:
            with opener.open(request, timeout=TIMEOUT_S) as answer:
                content: bytes = answer.read(MAX_BYTES + 1)
        except (urllib.error.URLError, OSError, ValueError) as error:
            reason = getattr(error, "reason", error)
            raise InputError(f"{self.url} does not give the photo ({reason}); check --tool-url and its token") from None
        if len(content) > MAX_BYTES:
            raise InputError(f"a photo of more than {MAX_BYTES // 2**20} MiB is not read")
        return content


class _SameServer(urllib.request.HTTPRedirectHandler):
    """Follows redirects on the same server only, so that the token goes nowhere else."""

    def redirect_request(self, req, fp, code, msg, headers, newurl):  # type: ignore[no-untyped-def]
        """Refuse what leads elsewhere."""
        if _place(newurl) != _place(req.full_url):
            raise ValueError("it leads to another server")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _place(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)
