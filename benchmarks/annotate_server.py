"""The annotator's server as its clients feel it: a click over HTTP, large photos, eight annotators, 2,000 clicks.

    python benchmarks/annotate_server.py [--json results/annotate_server.json] [--method default]

Run it on a machine that does nothing else. `job` is the worker's: the model, the history of the mask, the database;
`besides` is the rest of the round trip: HTTP and JSON, without the time in the queue.
"""

from __future__ import annotations

import argparse
import json
import os
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

EXAMPLE = Path(__file__).parents[1] / "examples" / "images" / "astronaut.png"
SIZES = {"480x854": (854, 480), "12 megapixels": (4000, 3000), "next": (4000, 3000)}
ANNOTATORS = 8
CLICKS_A_SECOND = 2.0
"""Of each annotator."""
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
        command = [sys.executable, "-m", "fewclicks", "annotate", folder, "--no-browser", "--method", method]
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


def together(address: str, photo: Answer, seconds: float) -> dict[str, Any]:
    """Eight annotators at once, each with an even pace: nothing is lost, and nobody waits for more than all others."""
    trips: list[float] = []
    jobs: list[float] = []
    errors: list[str] = []

    def annotate(start: float) -> None:
        client, object_id = Client(address), ""
        for number in range(int(seconds * CLICKS_A_SECOND)):
            time.sleep(max(0.0, start + number / CLICKS_A_SECOND - time.perf_counter()))
            try:
                if number % CLICKS_AN_OBJECT == 0:
                    object_id = client.new(photo["id"])
                times = client.click(object_id, (photo["height"], photo["width"]), number)
                trips.append(times["trip"])
                jobs.append(times["job"])
            except httpx2.HTTPError as error:
                errors.append(str(error))

    now = time.perf_counter()
    starts = [now + n / ANNOTATORS / CLICKS_A_SECOND for n in range(ANNOTATORS)]
    in_threads(annotate, starts)
    bound = ANNOTATORS * summary(jobs)["p95"]
    return {"clicks": len(trips), "errors": errors, "trip": summary(trips), "bound_ms": round(bound, 1)}


def in_threads(work: Callable[[float], None], starts: list[float]) -> None:
    """Do it for each start at the same time."""
    threads = [threading.Thread(target=work, args=(start,)) for start in starts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def memory_mb(pid: int) -> int:
    """Memory of a process now."""
    with open(f"/proc/{pid}/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 2**20


def endurance(client: Client, photo: Answer, pid: int, count: int) -> dict[str, Any]:
    """Memory over many clicks on many objects."""
    samples, object_id = [], ""
    for number in range(count):
        if number % CLICKS_AN_OBJECT == 0:
            object_id = client.new(photo["id"])
        client.click(object_id, (photo["height"], photo["width"]), number)
        if number % (count // 20) == 0:
            samples.append(memory_mb(pid))
    return {"clicks": count, "memory_mb": samples}


def main() -> None:
    """Measure and print; write the figures if asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--method", default="default")
    parser.add_argument("--clicks", type=int, default=2000, help="of the endurance run")
    parser.add_argument("--seconds", type=float, default=30, help="of the run of eight annotators")
    asked = parser.parse_args()
    with served(asked.method) as (address, pid, seconds):
        client, found = Client(address), {"method": asked.method, "first_photo_s": round(seconds, 2)}
        photos = {item["name"].removesuffix(".jpg"): item for item in client.ask("GET", "/photos")["items"]}
        while any(item["width"] is None for item in photos.values()):
            time.sleep(0.2)
            photos = {item["name"].removesuffix(".jpg"): item for item in client.ask("GET", "/photos")["items"]}
        clicks(client, photos["480x854"], 3)  # once the model is loaded
        found["480x854"] = clicks(client, photos["480x854"], 60)
        found["open_ms"] = opening(client, photos["12 megapixels"])
        client.ask("POST", f"/photos/{photos['next']['id']}/prepare")
        found["open_prepared_ms"] = opening(client, photos["next"])
        found["12 megapixels"] = clicks(client, photos["12 megapixels"], 36)
        found["together"] = together(address, photos["480x854"], asked.seconds)
        found["endurance"] = endurance(client, photos["480x854"], pid, asked.clicks)
    text = json.dumps(found, indent=1) + "\n"
    print(text, end="")
    if asked.json:
        asked.json.write_text(text)


if __name__ == "__main__":
    main()
