"""500 idle and 240 slow connections beside one honest user, who must not wait more than twice as long as without them.

The idle ones say nothing. Of the slow ones a third send the head of a request, a third its body, a byte a second; a
third ask for a picture and take nothing of the answer. Whatever the server ends comes again at once. They come from
many addresses, or from the honest user's own (as behind one router); the honest user opens a connection for every
request.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median, quantiles

from annotate_server import memory_mb

from attack.clients import GONE, TOKEN, Client, Refused
from attack.record import Entry, Limits, Record
from attack.servers import make_photos, started

IDLE, SLOW = 500, 240
ROUNDS = 150
"""Rounds of requests of the honest user; each is a list, an object, a click."""
COMES_AGAIN = 100
"""Connections a second that come again."""
HONEST = "127.0.0.1"
PLACES: dict[str, Callable[[int], str]] = {
    "other addresses": lambda number: f"127.0.4.{1 + number % 60}",
    "the same address": lambda number: HONEST,
}


def wanted() -> Limits:
    """What is wanted of each place."""
    found: dict[str, tuple[str, float]] = {}
    for name in PLACES:
        found |= {
            f"{name}: times as long": ("at most", 2.0),
            f"{name}: refused": ("at most", 0),
            f"{name}: connections": ("at least", IDLE + SLOW),
        }
    return found


class Crowd:
    """Connections that do little, kept up by one thread of a process of their own."""

    def __init__(self, port: int, address: Callable[[int], str]) -> None:
        self._port, self._address = port, address
        self._selector = selectors.DefaultSelector()
        self._closed = threading.Event()
        self.opened = self.ended = 0
        self._due: list[tuple[float, int]] = [(0.0, number) for number in range(IDLE + SLOW)]
        self._slow: dict[socket.socket, tuple[int, int]] = {}
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def wait(self, seconds: float) -> None:
        """Return when all have been opened, or the time is over."""
        end = time.monotonic() + seconds
        while self.opened < IDLE + SLOW and time.monotonic() < end:
            time.sleep(0.1)

    def close(self) -> None:
        """End them all."""
        self._closed.set()
        self._thread.join()
        for key in list(self._selector.get_map().values()):
            assert isinstance(key.fileobj, socket.socket)
            key.fileobj.close()
        self._selector.close()

    def _run(self) -> None:
        pulse = time.monotonic()
        while not self._closed.is_set():
            now = time.monotonic()
            due = [number for when, number in self._due if when <= now][: COMES_AGAIN // 20]
            self._due = [(when, number) for when, number in self._due if number not in due]
            for number in due:
                self._open(number)
            for key, _ in self._selector.select(0.05):
                self._hear(key)
            if now - pulse >= 1:
                pulse = now
                self._drip()

    def _open(self, number: int) -> None:
        try:
            stream = socket.create_connection(("127.0.0.1", self._port), 2, (self._address(number), 0))
        except OSError:
            self._due.append((time.monotonic() + 1, number))
            return
        stream.setblocking(False)
        self.opened += 1
        kind = number % 3 if number >= IDLE else 3
        if kind < 3:
            self._slow[stream] = kind, 0
        if kind == 2:  # takes nothing: it is not listened to, and its buffers are small
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            self._say(stream, self._request("GET", "/api/v1/photos/1/view?side=4096") + b"\r\n")
        else:
            self._selector.register(stream, selectors.EVENT_READ, number)
        if kind == 1:
            head = self._request("POST", f"/api/v1/objects/{uuid.uuid4()}/undo")
            self._say(stream, head + b"Content-Type: application/json\r\nContent-Length: 5000\r\n\r\n")

    def _request(self, method: str, path: str) -> bytes:
        host = f"Host: 127.0.0.1:{self._port}\r\nAuthorization: Bearer {TOKEN}\r\n"
        return f"{method} {path} HTTP/1.1\r\n{host}".encode()

    def _say(self, stream: socket.socket, data: bytes) -> None:
        with contextlib.suppress(OSError):
            stream.send(data)

    def _hear(self, key: selectors.SelectorKey) -> None:
        """What was said does not matter; one that was ended comes again."""
        stream = key.fileobj
        assert isinstance(stream, socket.socket)
        try:
            if stream.recv(2**16):
                return
        except BlockingIOError:
            return
        except OSError:
            pass
        self._selector.unregister(stream)
        self._slow.pop(stream, None)
        stream.close()
        self.ended += 1
        self._due.append((time.monotonic(), key.data))

    def _drip(self) -> None:
        """A byte of each that is slow."""
        for stream, (kind, said) in list(self._slow.items()):
            if kind == 2:
                continue
            text = b"GET / HTTP/1.1\r\nX-Slow: " + b"a" * 10_000 if kind == 0 else b"{" + b" " * 5000
            self._say(stream, text[said : said + 1])
            self._slow[stream] = kind, said + 1


@contextlib.contextmanager
def crowded(port: int, place: str) -> Iterator[dict[str, int]]:
    """A crowd while the block runs; afterwards how many connections there were, and how many the server ended."""
    command = [sys.executable, "-m", "attack.connections", str(port), place]
    variables = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    found: dict[str, int] = {}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=variables) as process:
        assert process.stdout
        process.stdout.readline()
        try:
            yield found
        finally:
            found.update(json.loads(process.communicate("")[0]))


def crowd(port: int, place: str) -> None:
    """Be a crowd until stdin ends."""
    found = Crowd(port, PLACES[place])
    found.wait(30)
    print("there", flush=True)
    sys.stdin.read()
    found.close()
    print(json.dumps({"connections": found.opened, "ended by the server": found.ended}))


def honest(port: int, rounds: int) -> tuple[list[float], int]:
    """How long each round of an honest user takes, in milliseconds, and how many requests were refused."""
    times, refused = [], 0
    for number in range(rounds):
        began = time.perf_counter()
        object_id = str(uuid.uuid4())
        click = {"action_id": str(uuid.uuid4()), "kind": "click", "x": 40 + number, "y": 60}
        for method, path, body in (
            ("GET", "/photos", None),
            ("PUT", f"/objects/{object_id}", {"photo_id": 1, "class_id": 1}),
            ("POST", f"/objects/{object_id}/actions", click),
        ):
            client = Client(port, HONEST, timeout_s=20)
            try:
                client.ask(method, path, body)
            except (*GONE, Refused):
                refused += 1
            finally:
                client.close()
        times.append(1000 * (time.perf_counter() - began))
        time.sleep(0.02)
    return times, refused


def attack(record: Record, seed: int, until: float, quick: bool = False) -> Entry:
    """The honest user alone, then beside the crowd, for each place that the crowd may come from."""
    entry = record.entry("connections", {"idle": IDLE, "slow": SLOW, "method": "grow"}, wanted())
    folder, rounds = Path(tempfile.mkdtemp(prefix="attack-connections-")), 30 if quick else ROUNDS
    make_photos(folder, ["photo.jpg"], 854, 480)
    try:
        for name in PLACES:
            with started(folder, "--no-import") as server:
                honest(server.port, 10)
                alone, _ = honest(server.port, rounds)
                with crowded(server.port, name) as there:
                    time.sleep(3)  # what they asked for at first is done
                    beside, refused = honest(server.port, rounds)
                figures = {
                    **there,
                    "alone, median ms": round(median(alone), 1),
                    "alone, p95 ms": round(quantiles(alone, n=20)[-1], 1),
                    "beside, median ms": round(median(beside), 1),
                    "beside, p95 ms": round(quantiles(beside, n=20)[-1], 1),
                    "times as long": round(
                        max(median(beside) / median(alone), quantiles(beside, n=20)[-1] / quantiles(alone, n=20)[-1]), 2
                    ),
                    "refused": refused,
                    "server MB": memory_mb(server.process.pid, "VmHWM"),
                }
                entry.put(**{f"{name}: {key}": value for key, value in figures.items()})
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return entry


if __name__ == "__main__":
    crowd(int(sys.argv[1]), sys.argv[2])
