"""A client of the annotator's API: one connection, its own address on loopback, nothing kept from the server."""

from __future__ import annotations

import base64
import http.client
import io
import json
import time
import uuid
from typing import Any

import numpy as np
import PIL.Image
from numpy.typing import NDArray

TOKEN = "reliability-under-attack-0123456789"
"""What servers are started with as FEWCLICKS_TOKEN, wherever one is wanted."""
IDLE_S = 2.0
"""A connection that was idle for so long is not used again."""
GONE = (OSError, http.client.HTTPException)
"""What a client sees of a server that was killed."""


class Refused(Exception):
    """An answer that is no 2xx."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"{status}: {text[:300]}")
        self.status, self.text = status, text


class Client:
    """One user. `address`: 127.0.0.0/8 has room for as many users as one likes."""

    def __init__(self, port: int, address: str = "127.0.0.1", timeout_s: float = 60) -> None:
        self.http = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_s, source_address=(address, 0))
        self._used = 0.0

    def raw(
        self, method: str, path: str, body: bytes | None = None, kind: str = "application/json"
    ) -> tuple[int, bytes]:
        """Status and body of an answer, whatever it is."""
        headers = {"Authorization": f"Bearer {TOKEN}"} | ({"Content-Type": kind} if body is not None else {})
        if time.monotonic() - self._used > IDLE_S:
            self.http.close()  # the server is about to; browsers open another too
        self._used = time.monotonic()
        try:
            self.http.request(method, f"/api/v1{path}", body, headers)
            answer = self.http.getresponse()
            return answer.status, answer.read()
        except BaseException:
            self.http.close()
            raise

    def ask(self, method: str, path: str, body: Any = None, kind: str = "application/json") -> Any:
        """The answer as JSON, or its bytes if it is none; Refused for any but 2xx."""
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        status, found = self.raw(method, path, data, kind)
        if status >= 300:
            raise Refused(status, found.decode("utf-8", "replace"))
        return json.loads(found) if found[:1] in (b"{", b"[") else found

    def new(self, photo_id: int, class_id: int, object_id: str | None = None) -> str:
        """A new object on a photo."""
        path = f"/objects/{object_id or uuid.uuid4()}"
        return str(self.ask("PUT", path, {"photo_id": photo_id, "class_id": class_id})["id"])

    def close(self) -> None:
        """Close the connection."""
        self.http.close()


def pixels(png: bytes) -> NDArray[np.bool_]:
    """The pixels of a mask PNG."""
    with PIL.Image.open(io.BytesIO(png)) as picture:
        return np.asarray(picture) > 0


def patched(mask: NDArray[np.bool_], patch: dict[str, Any] | None) -> NDArray[np.bool_]:
    """A mask after the patch that an answer brought."""
    if patch is None:
        return mask
    mask = mask.copy()
    x0, y0, x1, y1 = patch["box"]
    mask[y0:y1, x0:x1] = pixels(base64.b64decode(patch["png"]))
    return mask
