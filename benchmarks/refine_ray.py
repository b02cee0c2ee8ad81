"""Measure `fewclicks refine --engine ray`: rows per second beside the plain loop, and what a row costs more.

    out/environments/ray/bin/python benchmarks/refine_ray.py --json results/refine_ray.json

A row is a photo with one mask. The plain loop (1 and 2 processes, a shard each) and Ray (1 and 2 actors) take turns,
round after round, so that all have the same neighbors on a machine that is not at rest: what counts are ratios within a
round. The first rows (`WARM`) are not counted, so that no start is. `cpu_ms` is processor time of all processes that
take part, over the rows. `simulate` says from these parts what ten million photos take on N machines.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from math import ceil
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import PIL.Image

from fewclicks.config import resolve
from fewclicks.files.replace import write_json
from fewclicks.integrations.refine import Job, refine
from fewclicks.integrations.refine_ray import Cluster, refine_on_ray
from fewclicks.integrations.shards import Shard

ROOT = Path(__file__).resolve().parents[1]
HW = (480, 640)
WARM = 0.2
"""Of the rows, those at the beginning that are not counted."""
PHOTOS = 10_000_000
CORES = 16
"""Of each machine of the simulation."""
LOST_AN_HOUR = 0.05
"""Of the machines of the simulation: as of those that are cheap because they may be taken away."""
BACK_S = 300
"""Until a machine that is lost is replaced."""


def make(folder: Path, photos: int) -> Path:
    """Write a COCO file of squares on example photos."""
    (folder / "images").mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    names = ("coffee.png", "chelsea.png", "astronaut.png")
    sources = [
        PIL.Image.open(ROOT / "examples" / "images" / name).convert("RGB").resize((HW[1], HW[0])) for name in names
    ]
    images, rows = [], []
    for i in range(photos):
        sources[i % len(sources)].save(folder / "images" / f"{i:05}.jpg")
        images.append({"id": i + 1, "file_name": f"{i:05}.jpg", "width": HW[1], "height": HW[0]})
        x, y = rng.integers(20, 200, 2).tolist()
        ring = [[x, y, x + 200, y, x + 200, y + 200, x, y + 200]]
        rows.append({"id": i + 1, "image_id": i + 1, "category_id": 1, "iscrowd": 0, "segmentation": ring})
    write_json(folder / "set.json", {"images": images, "annotations": rows, "categories": [{"id": 1, "name": "a"}]})
    return folder / "set.json"


def cpu_s() -> float:
    """Processor time of this process and of all that descend from it."""
    ticks, parents = {}, {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            parents[int(entry.name)] = int(fields[1])
            ticks[int(entry.name)] = sum(map(int, fields[11:15]))  # its own, and of children that ended
    ours, grown = {os.getpid()}, True
    while grown:
        more = {pid for pid, parent in parents.items() if parent in ours} - ours
        ours |= more
        grown = bool(more)
    return sum(ticks.get(pid, 0) for pid in ours) / os.sysconf("SC_CLK_TCK")


class Clock:
    """The times at which rows were done, and the processor time until then."""

    def __init__(self, rows: int) -> None:
        self.began, self.rows = time.monotonic(), rows
        self.at: list[float] = []
        self._first: tuple[float, float] | None = None
        self.found: dict[str, float] = {}

    def __call__(self, *_: object) -> None:
        self.at.append(time.monotonic())
        if len(self.at) == max(1, round(WARM * self.rows)):
            self._first = cpu_s(), time.process_time()
        if len(self.at) == self.rows and self._first is not None:
            counted = self.rows - round(WARM * self.rows)
            seconds = self.at[-1] - self.at[-1 - counted]
            self.found = {
                "rows_per_s": round(counted / seconds, 3),
                "cpu_ms": round(1000 * (cpu_s() - self._first[0]) / counted, 1),
                "driver_cpu_ms": round(1000 * (time.process_time() - self._first[1]) / counted, 2),
                "first_row_s": round(self.at[0] - self.began, 1),
            }


def job_of(source: Path, name: str, shard: Shard | None = None) -> Job:
    return Job(
        source=source, out=source.with_name(f"{name}.json"), format="coco", images=source.parent / "images",
        shard=shard or Shard(),
    )  # fmt: skip


def clean(source: Path) -> None:
    for file in source.parent.glob("out*"):
        file.unlink()


def plain(source: Path, photos: int, processes: int) -> dict[str, float]:
    """Measure the plain loop in so many processes, which begin at the same time."""
    clean(source)
    command = [sys.executable, __file__, "--folder", str(source.parent), "--photos", str(photos)]
    running = [
        subprocess.Popen([*command, "--worker", f"{i}/{processes}"], stdout=subprocess.PIPE, text=True)
        for i in range(1, processes + 1)
    ]
    found = [json.loads(process.communicate()[0]) for process in running]
    return {
        "rows_per_s": round(sum(each["rows_per_s"] for each in found), 3),
        "cpu_ms": round(sum(each["cpu_ms"] for each in found) / processes, 1),
        "first_row_s": max(each["first_row_s"] for each in found),
    }


def worker(source: Path, photos: int, text: str) -> None:
    """Do one shard by the plain loop, and print its figures."""
    index, count = map(int, text.split("/"))
    rows = len(range(index - 1, photos, count))
    clock = Clock(rows)
    refine(resolve(cfr=1, threads=1).build(), job_of(source, "out", Shard(index, count)), clock)
    print(json.dumps(clock.found))


def on_ray(source: Path, photos: int, actors: int) -> dict[str, float]:
    """Measure Ray with so many actors."""
    clean(source)
    clock = Clock(photos)
    refine_on_ray(resolve(cfr=1, threads=1), job_of(source, "out"), Cluster(actors=actors), 1, clock)
    return clock.found


def simulate(row_s: float, overhead: float, driver_s: float, start_s: float, machines: int) -> dict[str, float]:
    """Hours of ten million rows on so many machines, of which some are lost and come back.

    Every core but one of a machine computes. A driver takes in one row every `driver_s`: for more there are several,
    each with a shard of its own (`--shard I/N --engine ray`).
    """
    lost = LOST_AN_HOUR * BACK_S / 3600  # the share of the time that a machine is away
    rate = machines * (CORES - 1) * (1 - overhead) / row_s * (1 - lost)
    hours = (start_s + PHOTOS / rate) / 3600
    return {
        "machines": machines,
        "rows_per_s": round(rate, 1),
        "hours": round(hours, 2),
        "core_hours": round(hours * machines * CORES),
        "drivers": ceil(rate * driver_s),
    }


def measure(folder: Path, photos: int, rounds: int) -> dict[str, Any]:
    """Measure all that there is, a few times in turn."""
    source = make(folder, photos)
    runs: dict[str, list[dict[str, float]]] = {"loop 1": [], "ray 1": [], "loop 2": [], "ray 2": []}
    for number in range(rounds):
        for name in runs if number % 2 == 0 else reversed(runs):
            kind, count = name.split()
            found = (plain if kind == "loop" else on_ray)(source, photos, int(count))
            print(f"round {number + 1}, {name}: {found}", file=sys.stderr, flush=True)
            runs[name].append(found)
    clean(source)

    def middle(name: str, key: str) -> float:
        return median(run[key] for run in runs[name])

    def more(key: str, count: int) -> float:
        pairs = zip(runs[f"ray {count}"], runs[f"loop {count}"], strict=True)
        return round(median(ray[key] / loop[key] for ray, loop in pairs), 3)

    overhead = max(0.0, 1 - more("rows_per_s", 2))  # what it is where the cores are all taken
    row_s = middle("loop 1", "cpu_ms") / 1000
    driver_s = middle("ray 2", "driver_cpu_ms") / 1000
    parts = (row_s, overhead, driver_s, middle("ray 2", "first_row_s"))
    return {
        "photos": photos,
        "hw": HW,
        "cores": os.cpu_count(),
        "load_average": os.getloadavg()[1],
        "runs": runs,
        "ray_over_loop": {
            "rows_per_s_1": more("rows_per_s", 1),
            "rows_per_s_2": more("rows_per_s", 2),
            "cpu_1": more("cpu_ms", 1),
            "cpu_2": more("cpu_ms", 2),
        },
        "simulated": {
            "photos": PHOTOS,
            "cores_a_machine": CORES,
            "lost_an_hour": LOST_AN_HOUR,
            "row_cpu_s": row_s,
            "driver_s": driver_s,
            "machines": [simulate(*parts, machines) for machines in (1, 4, 16, 64, 256)],
        },
    }


def main() -> None:
    """Measure and print; write the figures if asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=ROOT / "out" / "refine_ray")
    parser.add_argument("--photos", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.worker:
        worker(asked.folder / "set.json", asked.photos, asked.worker)
        return
    found = measure(asked.folder, asked.photos, asked.rounds)
    print(json.dumps(found, indent=1))
    if asked.json:
        write_json(asked.json, found)


if __name__ == "__main__":
    main()
