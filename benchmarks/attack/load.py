"""64 annotators at once on one server, with all that their pages ask for: errors, losses, fairness, memory.

Each annotator has an address of its own, a stream of events, and works through the photos as the page does: the list,
the thumbnails in sight, the photo or its tiles, its masks; then clicks on objects, and the next photo. Two runs:

- "at work": a click every four seconds, the thinking time of each drawn at random;
- "as fast as answers come": each clicks again at once, so that the queue always holds all of them.

What the queue must take: the worker computes one job at a time, so a click must wait for the jobs that were asked for
before it. From the moments at which the clicks were sent and the time that each job took in this very run, the ideal
answer follows by Lindley's recursion: end = max(sent, end of the job before) + job. The 95th percentile of
(end - sent) is what the queue must take; measured round trips, HTTP included, may be 1.5 times that.
"""

from __future__ import annotations

import contextlib
import random
import selectors
import shutil
import socket
import tempfile
import threading
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from annotate_server import memory_mb

from attack.clients import GONE, TOKEN, Client, Refused
from attack.record import Entry, Limits, Record
from attack.servers import make_photos, started

ANNOTATORS = 64
SECONDS = 300
PACE_S = 4.0
SMALL, LARGE = 24, 2
"""Photos of 854x480, and of 12 megapixels, which are shown in tiles."""
CLICKS_AN_OBJECT, OBJECTS_A_PHOTO, THUMBNAILS = 6, 2, 8
RUNS = {"at work": PACE_S, "as fast as answers come": 0.0}
FLAT_MB = 32
"""What memory may grow by over the second half of a run."""


def wanted() -> Limits:
    """What is wanted of each run."""
    found: dict[str, tuple[str, float]] = {}
    for name in RUNS:
        found |= {
            f"{name}: seconds": ("at least", SECONDS),
            f"{name}: errors": ("at most", 0),
            f"{name}: lost": ("at most", 0),
            f"{name}: slowest over fastest": ("at most", 2.0),
            f"{name}: slowest over the queue": ("at most", 1.5),
            f"{name}: memory growth MB": ("at most", FLAT_MB),
        }
    return found


class Streams:
    """The event streams of all annotators, read by one thread."""

    def __init__(self) -> None:
        self.events = 0
        self._selector = selectors.DefaultSelector()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def open(self, port: int, address: str, photo_id: int) -> socket.socket:
        """Listen to the events of a photo."""
        stream = socket.create_connection(("127.0.0.1", port), 60, (address, 0))
        stream.sendall(
            f"GET /api/v1/photos/{photo_id}/events HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
            f"Authorization: Bearer {TOKEN}\r\n\r\n".encode()
        )
        self._selector.register(stream, selectors.EVENT_READ)
        return stream

    def leave(self, stream: socket.socket) -> None:
        """Listen no more."""
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(stream)
        stream.close()

    def close(self) -> None:
        """End the thread."""
        self._closed.set()
        self._thread.join()

    def _read(self) -> None:
        while not self._closed.is_set():
            if not self._selector.get_map():
                time.sleep(0.05)
                continue
            for key, _ in self._selector.select(0.2):
                stream = key.fileobj
                assert isinstance(stream, socket.socket)
                try:
                    data = stream.recv(2**16)
                except OSError:
                    data = b""
                self.events += data.count(b"event: ")
                if not data:
                    self.leave(stream)


@dataclass(slots=True)
class Found:
    """What one annotator saw."""

    clicks: list[tuple[float, float, float]] = field(default_factory=list)
    """Of each click when it was sent, how long its answer took, and how long its job, in seconds."""
    pages: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    made: dict[str, set[str]] = field(default_factory=dict)
    """Object -> its answered actions."""


class Annotator(threading.Thread):
    """One person with a page."""

    def __init__(
        self, number: int, port: int, photos: list[dict[str, Any]], streams: Streams, until: float, pace_s: float
    ) -> None:
        super().__init__(daemon=True)
        self.found = Found()
        self._address = f"127.0.3.{number + 1}"
        self._client = Client(port, self._address, timeout_s=120)
        self._port, self._photos, self._streams = port, photos, streams
        self._until, self._pace_s = until, pace_s
        self._rng = random.Random(number)
        self._at = number

    def run(self) -> None:
        """Work until the time is over."""
        stream = None
        while not self._is_over():
            photo = self._photos[self._at % len(self._photos)]
            self._at += 7
            try:
                if stream is not None:
                    self._streams.leave(stream)
                stream = self._streams.open(self._port, self._address, photo["id"])
                self._open(photo)
                for _ in range(OBJECTS_A_PHOTO):
                    self._annotate(photo)
            except (*GONE, Refused) as error:
                self.found.errors.append(repr(error)[:200])
                time.sleep(0.5)
        if stream is not None:
            self._streams.leave(stream)
        self._client.close()

    def _is_over(self) -> bool:
        """Tell whether the time is over; who was never answered yet waits for a minute more, as on a busy machine."""
        late_s = time.perf_counter() - self._until
        return late_s > 0 and (bool(self.found.clicks) or late_s > 60)

    def _open(self, photo: dict[str, Any]) -> None:
        """What the page asks for when a photo is opened."""
        number = photo["id"]
        paths = [
            "/photos?limit=200",
            *(f"/photos/{1 + (number + n) % len(self._photos)}/thumb" for n in range(THUMBNAILS)),
        ]
        paths += [f"/photos/{number}", f"/photos/{number}/masks"]
        if photo["width"] * photo["height"] > 6_000_000:
            paths += [f"/photos/{number}/tiles/2/{column}/{row}" for column in range(2) for row in range(2)]
        else:
            paths.append(f"/photos/{number}/view?side=2048")
        for path in paths:
            began = time.perf_counter()
            self._client.ask("GET", path)
            self.found.pages.append(time.perf_counter() - began)

    def _annotate(self, photo: dict[str, Any]) -> None:
        object_id = self._client.new(photo["id"], 1)
        self.found.made[object_id] = set()
        for number in range(CLICKS_AN_OBJECT):
            if self._pace_s:
                time.sleep(self._rng.uniform(0.5, 1.5) * self._pace_s)
            if self._is_over():
                return
            x, y = (side * self._rng.uniform(0.3, 0.7) for side in (photo["width"], photo["height"]))
            action_id = str(uuid.uuid4())
            body = {"action_id": action_id, "kind": "click", "x": x, "y": y, "positive": number % 3 != 2}
            began = time.perf_counter()
            change = self._client.ask("POST", f"/objects/{object_id}/actions", body)
            took = time.perf_counter() - began
            self.found.made[object_id].add(action_id)
            self.found.clicks.append((began, took, change["ms"]["model"] / 1000))


def must_take(clicks: list[tuple[float, float, float]]) -> float:
    """The 95th percentile of the ideal answers, in seconds: see the top of this module."""
    end, ideal = 0.0, []
    for sent, _, job in sorted(clicks):
        end = max(sent, end) + job
        ideal.append(end - sent)
    return p95(ideal)


def p95(times: list[float]) -> float:
    """The 95th percentile."""
    return quantiles(times, n=20)[-1] if len(times) > 1 else (times or [0.0])[0]


def run(port: int, pid: int, photos: list[dict[str, Any]], pace_s: float, seconds: float, count: int) -> dict[str, Any]:
    """One run; its figures."""
    streams, memory = Streams(), []
    until = time.perf_counter() + seconds
    annotators = [Annotator(number, port, photos, streams, until, pace_s) for number in range(count)]
    began = time.perf_counter()
    for annotator in annotators:
        annotator.start()
        time.sleep(min(0.05, seconds / count / 4))
    while any(annotator.is_alive() for annotator in annotators):
        memory.append(memory_mb(pid))
        time.sleep(1)
    took = time.perf_counter() - began
    streams.close()
    everything = [click for annotator in annotators for click in annotator.found.clicks]
    each = [p95([took for _, took, _ in annotator.found.clicks]) for annotator in annotators if annotator.found.clicks]
    pages = [page for annotator in annotators for page in annotator.found.pages]
    ideal, half = must_take(everything), len(memory) // 2
    client = Client(port, "127.0.3.200")
    lost = sum(_lost(client, object_id, actions) for one in annotators for object_id, actions in one.found.made.items())
    jobs = [job for _, _, job in everything]
    errors = [error for annotator in annotators for error in annotator.found.errors]
    return {
        "seconds": round(took),
        "annotators": count,
        "clicks": len(everything),
        "requests of pages": len(pages),
        "events": streams.events,
        "errors": len(errors),
        "lost": lost,
        "median ms": round(1000 * median(took for _, took, _ in everything)),
        "p95 ms": round(1000 * p95([took for _, took, _ in everything])),
        "fastest p95 ms": round(1000 * min(each)),
        "slowest p95 ms": round(1000 * max(each)),
        "slowest over fastest": round(max(each) / min(each), 2),
        "job ms": round(1000 * sum(jobs) / len(jobs), 1),
        "worker busy": round(sum(jobs) / took, 2),
        "queue must take ms": round(1000 * ideal),
        "slowest over the queue": round(max(each) / ideal, 2),
        "page p95 ms": round(1000 * p95(pages)),
        "memory MB": max(memory),
        "memory growth MB": max(0, max(memory[half:]) - max(memory[: half + 1])),
        "first errors": errors[:3],
    }


def _lost(client: Client, object_id: str, actions: set[str]) -> int:
    """How many of the answered actions of an object are not there: its version counts them."""
    there = int(client.ask("GET", f"/objects/{object_id}")["version"]) - 1
    return max(0, len(actions) - there)


def attack(record: Record, seed: int, until: float, quick: bool = False) -> Entry:
    """Both runs, each of five minutes on a machine that does nothing else; shorter ones where time is short."""
    settings = {"method": "default", "annotators": ANNOTATORS, "pace s": PACE_S, "photos": SMALL + LARGE}
    entry = record.entry("load", settings, wanted())
    folder = Path(tempfile.mkdtemp(prefix="attack-load-"))
    make_photos(folder, [f"small{n:02}.jpg" for n in range(SMALL)], 854, 480)
    make_photos(folder, [f"large{n}.jpg" for n in range(LARGE)], 4000, 3000)
    seconds = 6.0 if quick else min(SECONDS, max(20.0, (until - time.monotonic() - 20) / len(RUNS)))
    try:
        for name, pace_s in RUNS.items():
            with started(folder, "--no-import", method="default") as server:
                photos = _photos(server.port)
                found = run(server.port, server.process.pid, photos, pace_s, seconds, ANNOTATORS)
                for error in found.pop("first errors"):
                    print(f"  error: {error}", flush=True)
                entry.put(**{f"{name}: {key}": value for key, value in found.items()})
            shutil.rmtree(folder / ".fewclicks")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return entry


def _photos(port: int) -> list[dict[str, Any]]:
    """The photos, once their sizes are known and the model is loaded."""
    client = Client(port, "127.0.3.201")
    while True:
        items: list[dict[str, Any]] = client.ask("GET", "/photos")["items"]
        if all(item["width"] for item in items) and client.ask("GET", "/folder")["ready"]:
            client.close()
            return items
        time.sleep(0.2)
