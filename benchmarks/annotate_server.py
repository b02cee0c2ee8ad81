"""The annotator's server as its clients feel it: a click over HTTP, large photos, eight annotators, 2,000 clicks.

    python benchmarks/annotate_server.py [--json results/annotator_server.json] [--method default]

Some five minutes, on a machine that does nothing else. `job` is the worker's: the model, the history of the mask, the
database; `besides` is the rest of the round trip: HTTP and JSON, without the time in the queue.

The queueing bound of eight annotators: the worker takes the annotators in turn, so a click waits for at most one job of
each of the others and the one under way. Its round trip is then at most nine jobs and what is besides.
"""

from __future__ import annotations

import argparse
import json
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import httpx2
import PIL.Image

from fewclicks.files.replace import write_text

EXAMPLE = Path(__file__).parents[1] / "examples" / "images" / "astronaut.png"
SIZES = {
    "480x854": (854, 480),
    "500 objects": (854, 480),
    "12 megapixels": (4000, 3000),
    "next": (4000, 3000),
    "100 megapixels": (10000, 10000),
}
ANNOTATORS = 8
RATES = {"2 clicks a second in all": 0.25, "2 clicks a second each": 2.0}
"""Clicks a second of each annotator."""
FLAT_MB = 16
"""What memory may grow by over the second half of the clicks."""
CLICKS_AN_OBJECT = 12
Answer = dict[str, Any]


class Client:
    """One annotator."""

    def __init__(self, address: str) -> None:
        self.http = httpx2.Client(base_url=f"{address}api/v1", timeout=120)

    def ask(self, method: str, path: str, body: Any = None) -> Answer:
        """The answer as JSON; an error for any but 2xx."""
        answer = self.http.request(method, path, json=body)
        answer.raise_for_status()
        return answer.json() if answer.content[:1] in (b"{", b"[") else {}

    def new(self, photo_id: int) -> str:
        """A new object."""
        return str(self.ask("PUT", f"/objects/{uuid.uuid4()}", {"photo_id": photo_id, "class_id": 1})["id"])

    def click(self, object_id: str, hw: tuple[int, int], number: int) -> dict[str, float]:
        """Milliseconds of one click: the round trip, the worker's job, what is besides."""
        x = hw[1] * (0.4 + 0.02 * (number * 7 % 12))
        y = hw[0] * (0.2 + 0.03 * (number * 5 % 12))
        body = {"action_id": str(uuid.uuid4()), "kind": "click", "x": x, "y": y, "positive": number % 3 != 2}
        began = time.perf_counter()
        change = self.ask("POST", f"/objects/{object_id}/actions", body)
        trip = 1000 * (time.perf_counter() - began)
        job, queue = change["ms"]["model"], change["ms"]["queue"]
        return {"trip": trip, "job": job, "besides": trip - job - queue}


@contextmanager
def served(method: str) -> Iterator[tuple[str, int, float]]:
    """A server on photos of all sizes: its address, its process, the seconds until it answered."""
    with tempfile.TemporaryDirectory() as folder:
        example = PIL.Image.open(EXAMPLE).convert("RGB")
        for name, size in SIZES.items():
            example.resize(size, PIL.Image.Resampling.BICUBIC).save(Path(folder) / f"{name}.jpg", quality=92)
        began = time.perf_counter()
        command = [
            sys.executable,
            "-m",
            "fewclicks",
            "annotate",
            folder,
            "--no-browser",
            "--no-token",
            "--method",
            method,
        ]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            address = ""
            while not address:
                found = re.search(r"http://\S+", process.stdout.readline())
                address = found.group() if found else ""
            photo = Client(address).http.get("/photos/1/view")
            photo.raise_for_status()
            try:
                yield address, process.pid, time.perf_counter() - began
            finally:
                process.send_signal(signal.SIGINT)


def summary(times: list[float]) -> dict[str, float]:
    """Median and 95th percentile."""
    return {"median": round(median(times), 1), "p95": round(quantiles(times, n=20)[-1], 1)}


def clicks(client: Client, photo: Answer, count: int) -> dict[str, Any]:
    """A click on one photo, by one annotator."""
    hw, object_id, found = (photo["height"], photo["width"]), "", []
    for number in range(count):
        if number % CLICKS_AN_OBJECT == 0:
            object_id = client.new(photo["id"])
        found.append(client.click(object_id, hw, number))
    return {key: summary([times[key] for times in found]) for key in ("trip", "job", "besides")}


def opening(client: Client, photo: Answer) -> float:
    """Milliseconds until a large photo and the tiles of its first view are there."""
    began = time.perf_counter()
    opened = client.ask("GET", f"/photos/{photo['id']}")
    level = opened["tiles"]["levels"] - 2
    columns, rows = (-(-side // (512 * 2**level)) for side in (photo["width"], photo["height"]))
    for column in range(columns):
        for row in range(rows):
            client.ask("GET", f"/photos/{photo['id']}/tiles/{level}/{column}/{row}")
    return round(1000 * (time.perf_counter() - began), 1)


def together(address: str, photo: Answer, seconds: float, rate: float) -> dict[str, Any]:
    """Eight annotators at once, each at an even pace: nothing is lost, and nobody waits for more than all others."""
    found: list[dict[str, float]] = []
    errors: list[str] = []
    made: list[str] = []

    def annotate(start: float) -> None:
        client, object_id = Client(address), ""
        for number in range(max(2, round(seconds * rate))):
            time.sleep(max(0.0, start + number / rate - time.perf_counter()))
            try:
                if number % CLICKS_AN_OBJECT == 0:
                    object_id = client.new(photo["id"])
                    made.append(object_id)
                found.append(client.click(object_id, (photo["height"], photo["width"]), number))
            except httpx2.HTTPError as error:
                errors.append(str(error))

    now = time.perf_counter()
    in_threads(annotate, [now + n / ANNOTATORS / rate for n in range(ANNOTATORS)])
    client = Client(address)
    kept = sum(len(client.ask("GET", f"/objects/{object_id}")["clicks"]) for object_id in made)
    trips, jobs, besides = (summary([times[key] for times in found]) for key in ("trip", "job", "besides"))
    bound = (ANNOTATORS + 1) * jobs["p95"] + besides["p95"]
    return {
        "clicks": len(found), "errors": errors, "lost": len(found) - kept, "trip": trips, "job": jobs,
        "bound_ms": round(bound, 1), "within_bound": trips["p95"] <= bound,
    }  # fmt: skip


def in_threads(work: Callable[[float], None], starts: list[float]) -> None:
    """Do it for each start at the same time."""
    threads = [threading.Thread(target=work, args=(start,)) for start in starts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def memory_mb(pid: int, what: str = "VmRSS") -> int:
    """Memory of a process now, or at its most (VmHWM)."""
    found = re.search(rf"{what}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found[1]) // 1024


def endurance(client: Client, photo: Answer, pid: int, count: int) -> dict[str, Any]:
    """Memory over many clicks on many objects: flat if the second half takes no more than the first."""
    samples, object_id, jobs = [], "", []
    for number in range(count):
        if number % CLICKS_AN_OBJECT == 0:
            object_id = client.new(photo["id"])
        jobs.append(client.click(object_id, (photo["height"], photo["width"]), number)["trip"])
        if number % max(1, count // 40) == 0:
            samples.append(memory_mb(pid))
    half = len(samples) // 2
    growth = max(samples[half:]) - max(samples[:half])
    times = {"trip_first_tenth": summary(jobs[: count // 10]), "trip_last_tenth": summary(jobs[-count // 10 :])}
    return {"clicks": count, "memory_mb": samples, "growth_mb": growth, "flat": growth <= FLAT_MB, **times}


def crowded(client: Client, photo: Answer, pid: int) -> dict[str, Any]:
    """A photo with 500 objects: how long it takes to open, to click on it, and the memory."""
    for number in range(500):
        x, y = 20 + 34 * (number % 25), 12 + 23 * (number // 25)
        body = {"action_id": str(uuid.uuid4()), "kind": "brush", "points": [[x, y]], "radius_px": 9}
        client.ask("POST", f"/objects/{client.new(photo['id'])}/actions", body)
        time.sleep(0.005)
    began = time.perf_counter()
    opened = client.ask("GET", f"/photos/{photo['id']}")
    client.http.get(f"/photos/{photo['id']}/masks").raise_for_status()
    taken = 1000 * (time.perf_counter() - began)
    clicked = clicks(client, photo, CLICKS_AN_OBJECT)
    objects = len(opened["objects"])
    return {"objects": objects, "open_ms": round(taken, 1), **clicked, "memory_mb": memory_mb(pid)}


def measured(asked: argparse.Namespace) -> Answer:
    """All figures, from one server; each is said when it is there."""
    found: Answer = {"method": asked.method}

    def keep(name: str, value: Any) -> None:
        found[name] = value
        print(f"{name}: {json.dumps(value)}", file=sys.stderr, flush=True)

    with served(asked.method) as (address, pid, seconds):
        client = Client(address)
        keep("first_photo_s", round(seconds, 2))
        photos: Answer = {}
        while not photos or any(item["width"] is None for item in photos.values()):
            time.sleep(0.2)
            photos = {item["name"].removesuffix(".jpg"): item for item in client.ask("GET", "/photos")["items"]}
        clicks(client, photos["480x854"], 3)  # once the model is loaded
        keep("480x854", clicks(client, photos["480x854"], 60))
        keep("open_ms", opening(client, photos["12 megapixels"]))
        client.ask("POST", f"/photos/{photos['next']['id']}/prepare")
        keep("open_prepared_ms", opening(client, photos["next"]))
        keep("12 megapixels", clicks(client, photos["12 megapixels"], 36))
        for name, rate in RATES.items():
            keep(f"{ANNOTATORS} annotators, {name}", together(address, photos["480x854"], asked.seconds, rate))
        keep("500 objects", crowded(client, photos["500 objects"], pid))
        keep("endurance", endurance(client, photos["480x854"], pid, asked.clicks))
        keep("peak_mb", memory_mb(pid, "VmHWM"))
        keep("100 megapixels", clicks(client, photos["100 megapixels"], CLICKS_AN_OBJECT))
        keep("peak_with_100_megapixels_mb", memory_mb(pid, "VmHWM"))
    return found


def main() -> None:
    """Measure and print; write the figures if asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--method", default="default")
    parser.add_argument("--clicks", type=int, default=2000, help="of the endurance run")
    parser.add_argument("--seconds", type=float, default=30, help="of each run of eight annotators")
    asked = parser.parse_args()
    text = json.dumps(measured(asked), indent=1) + "\n"
    print(text, end="")
    if asked.json:
        write_text(asked.json, text)


if __name__ == "__main__":
    main()
