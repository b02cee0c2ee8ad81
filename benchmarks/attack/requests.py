"""20,000 requests that no one wrote by hand: schemathesis makes them from the server's own OpenAPI document.

Half of them are as the document says, half are not. So that they get far, many are sent for photos and objects that
exist, and with bodies whose values are replaced by odd ones: numbers beyond 64 bits, NUL, lone surrogates, deep
nesting.
"""

from __future__ import annotations

import contextlib
import copy
import http.client
import json
import random
import shutil
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from annotate_server import memory_mb

from attack.clients import GONE, TOKEN, Client
from attack.mutations import ODD_VALUES, json_changed
from attack.record import Entry, Limits, Record
from attack.servers import NoServer, Started, make_photos
from fewclicks.annotator.server.app import document

EXAMPLES = 40
"""Requests of one kind and one operation before the next."""
SLOW = ("/export", "/import")
"""Each starts a process: of these there are fewer."""
HANG_S = 10.0
MEMORY_MB = 1024
WANTED: Limits = {
    "requests": ("at least", 20_000),
    "answers of 500": ("at most", 0),
    "crashes": ("at most", 0),
    "hangs over 10 s": ("at most", 0),
    "over 1 GB": ("at most", 0),
}
PATHS = (
    "0",
    "-1",
    str(2**31),
    str(2**63),
    str(2**64),
    "9" * 40,
    "1e9",
    "%00",
    "%ED%A0%80",
    "..%2F..%2Fetc",
    "%",
    "NaN",
)


def fields(document: dict[str, Any], case: Any) -> set[str]:
    """The names of all that the body of an operation may have."""
    found: set[str] = set()
    todo: list[Any] = [document["paths"][case.path][case.method.lower()].get("requestBody", {})]
    while todo:
        item = todo.pop()
        if isinstance(item, dict):
            if isinstance(item.get("properties"), dict):
                found |= item["properties"].keys()
            todo += [value for key, value in item.items() if key not in ("discriminator", "$ref")]
            if "$ref" in item:
                todo.append(document["components"]["schemas"][item["$ref"].rpartition("/")[2]])
        elif isinstance(item, list):
            todo += item
    return found


class Attack:
    """A server with a few objects, the operations of its document, and the counts."""

    def __init__(self, entry: Entry, seed: int, document: dict[str, Any]) -> None:
        self.document = document
        self.folder = Path(tempfile.mkdtemp(prefix="attack-requests-"))
        make_photos(self.folder, ["a.png", "b.png"], 96, 72)
        self._entry, self._seed = entry, seed
        self._rng = random.Random(seed)
        self._counts: Counter[str] = Counter()
        self._objects = [str(uuid.UUID(int=self._rng.getrandbits(128), version=4)) for _ in range(6)]
        self.server = self._served()

    def close(self) -> None:
        """Stop the server."""
        self.server.end()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _served(self) -> Started:
        server = Started(self.folder, "--no-import")
        client = Client(server.port, "127.0.2.1")
        for number, object_id in enumerate(self._objects):
            client.new(1 + number % 2, 1, object_id)
            body = {"action_id": str(uuid.uuid4()), "kind": "click", "x": 20 + number, "y": 30}
            client.ask("POST", f"/objects/{object_id}/actions", body)
        client.close()
        return server

    def operation(self, operation: Any, mode: Any, round_number: int) -> None:
        """Some requests of one operation."""
        from hypothesis import HealthCheck, Phase, given, seed, settings
        from hypothesis.errors import Unsatisfiable

        examples = 4 if operation.path.endswith(SLOW) else EXAMPLES
        left = [2 * examples]

        @seed(f"{self._seed} {round_number} {operation.label} {mode}")
        @settings(
            max_examples=examples,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(operation.as_strategy(generation_mode=mode))
        def sent(case: Any) -> None:
            left[0] -= 1
            if left[0] >= 0:
                self._send(case)

        with contextlib.suppress(Unsatisfiable):  # there is no wrong request to what takes nothing
            sent()

    def _send(self, case: Any) -> None:
        path, body = self._path(case), self._body(case)
        headers = {str(k): str(v) for k, v in (case.headers or {}).items()} if self._rng.random() < 0.5 else {}
        kind = case.media_type or "application/json"
        client = Client(self.server.port, f"127.0.2.{2 + self._rng.randrange(200)}", timeout_s=HANG_S)
        began, status = time.monotonic(), 0
        try:
            status = self._asked(client.http, case.method, path, body, {**headers, "Content-Type": kind})
        except TimeoutError:
            self._fault("hangs over 10 s", case, path, body, "no answer")
        except (ValueError, UnicodeError, http.client.InvalidURL):  # not even http.client would send it
            return
        except GONE as error:
            if self.server.process.poll() is not None:
                self._fault("crashes", case, path, body, f"{error!r}; {self.server.said()[-200:]}")
                self.server = self._served()
            else:
                self._counts["connections that ended early"] += 1
        finally:
            client.close()
        if status == 500:
            self._fault("answers of 500", case, path, body, self.server.said()[-300:])
        if time.monotonic() - began > HANG_S and status:
            self._fault("hangs over 10 s", case, path, body, f"{time.monotonic() - began:.1f} s")
        self._counts["requests"] += 1
        self._counts[f"answers of {status // 100}xx" if status else "no answer"] += 1

    def _asked(
        self,
        connection: http.client.HTTPConnection,
        method: str,
        path: str,
        body: bytes | None,
        headers: dict[str, str],
    ) -> int:
        given = {"Authorization": f"Bearer {TOKEN}", **headers}
        connection.request(method, path, body, given)
        answer = connection.getresponse()
        if not path.partition("?")[0].endswith("/events") or answer.status != 200:
            answer.read()
        return answer.status

    def _path(self, case: Any) -> str:
        """The path and query, often of what exists, at times of what cannot."""
        rng, path = self._rng, case.path
        for name, value in (case.path_parameters or {}).items():
            what = rng.random()
            if what < 0.6 and name == "object_id":
                value = rng.choice(self._objects)
            elif what < 0.6 and name in ("photo_id", "class_id"):
                value = rng.choice((1, 2))
            elif what < 0.7:
                path = path.replace(f"{{{name}}}", rng.choice(PATHS))
            path = path.replace(f"{{{name}}}", str(value) if "%" in str(value) else quote(str(value), safe=""))
        query = dict(case.query or {})
        about = self.document["paths"][case.path][case.method.lower()].get("parameters", [])
        names = sorted({*query, *(item["name"] for item in about if item["in"] == "query")})
        if names and rng.random() < 0.3:
            query[rng.choice(names)] = rng.choice(
                (2**31, 2**63, 2**64, -1, "\0", "NaN", "", "a" * 400, "\ud800", "../x")
            )
        found = path + ("?" + urlencode(query, doseq=True, errors="surrogatepass") if query else "")
        return str(found)

    def _body(self, case: Any) -> bytes | None:
        """The body, at times with odd values in it."""
        body, rng = case.body, self._rng
        if body is None or type(body).__name__ == "NotSet":
            return None
        if isinstance(body, bytes):
            return body
        data = json.dumps(body).encode()
        what = rng.random()
        if what < 0.7:
            data = self._fitting(case, data, odd=what < 0.4)
        if what > 0.6:
            data = json_changed(data, rng)
        return data

    def _fitting(self, case: Any, data: bytes, odd: bool) -> bytes:
        """A body whose values fit what there is; `odd`: all but one."""
        body, rng = json.loads(data), self._rng
        if isinstance(body, dict):
            fit: dict[str, Callable[[], Any]] = {
                "photo_id": lambda: rng.choice((1, 2)),
                "class_id": lambda: 1,
                "action_id": lambda: str(uuid.uuid4()),
                "x": lambda: rng.uniform(0, 95),
                "y": lambda: rng.uniform(0, 71),
                "radius_px": lambda: 3.5,
                "format": lambda: rng.choice(("coco", "yolo", "voc")),
                "options": dict,
                "points": lambda: [[rng.uniform(0, 95), rng.uniform(0, 71)] for _ in range(3)],
            }
            for key in sorted(body.keys() & fit.keys()):
                body[key] = fit[key]()
            if odd:
                names = sorted({*fields(self.document, case), *body})
                body[rng.choice(names or ["x"])] = copy.deepcopy(rng.choice(ODD_VALUES))
        return json.dumps(body).encode()

    def _fault(self, count: str, case: Any, path: str, body: bytes | None, what: str) -> None:
        how = f"{case.method} {path[:200]} {(body or b'')[:400]!r}; seed {self._seed}"
        self._entry.fault(count, f"{case.method} {case.path}: {what}", how)

    def tell(self) -> None:
        """Add the counts to the entry, and look at the server."""
        self._entry.add(**self._counts)
        self._counts.clear()
        try:
            peak = memory_mb(self.server.process.pid, "VmHWM")
        except OSError:
            return
        if peak > MEMORY_MB:
            self._entry.fault("over 1 GB", f"the server took {peak} MB", f"seed {self._seed}")
        self._entry.counts["server MB at most"] = max(peak, self._entry.counts.get("server MB at most", 0))


def attack(record: Record, seed: int, until: float, quick: bool = False) -> Entry:
    """Requests of all operations in turn, until as many are counted as are wanted, or the time is over."""
    import schemathesis
    from schemathesis import GenerationMode

    entry = record.entry("requests", {"seconds": HANG_S, "memory MB": MEMORY_MB}, WANTED)
    under = Attack(entry, seed, json.loads(document()))
    try:
        schema = schemathesis.openapi.from_dict(under.document)
        operations = [found.ok() for found in schema.get_all_operations()]
        number = 0
        while entry.counts.get("requests", 0) < WANTED["requests"][1] and time.monotonic() < until:
            for operation in operations:
                for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
                    if time.monotonic() < until:
                        under.operation(operation, mode, number)
                under.tell()
            number += 1
            if quick:
                break
    except NoServer as error:
        entry.fault("crashes", f"the server does not come up again: {error}", f"seed {seed}")
    finally:
        under.tell()
        under.close()
    return entry
