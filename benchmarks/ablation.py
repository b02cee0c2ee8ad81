"""What ICL, SUEM and CFR are worth at our scale: the paper's Tables 1 and 3 with the compact network.

    python benchmarks/ablation.py

Trains the four recipes of recipes/ablation.py with three seeds each, and measures all twelve networks on GrabCut,
Berkeley and DAVIS: hours on one core. What is finished is kept in runs/ablation (or --runs DIR), so that the command
can be stopped and called again. `--summary` writes the page from what there is.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import tables

from fewclicks.cli import main as main_of_package
from fewclicks.evaluation.metrics import interval_over_runs, noc
from fewclicks.files.replace import write_json

ROOT = Path(__file__).resolve().parents[1]
RESULT = ROOT / "results" / "ablation.json"

CELLS = {"last_click": "last click", "icl": "ICL", "last_click_suem": "last click + SUEM", "icl_suem": "ICL + SUEM"}
CASCADES = {
    "no CFR": [], "CFR-1": ["--cfr", "1"], "CFR-4": ["--cfr", "4"], "A-CFR-4": ["--cfr", "4", "--adaptive"],
}  # fmt: skip
SEEDS = (1, 2, 3)
DATASETS = ("GrabCut", "Berkeley", "DAVIS")
LEVELS = ("0.90", "0.95")
FIRST_CLICKS = 5
"""IoU@1 ... IoU@5 are in the result."""
ZOOM = 192
"""The networks see crops of this size, as in their training."""
OBJECTS = 115
"""At most, evenly spread: all of GrabCut and Berkeley, every third frame of DAVIS (neighbours hardly differ)."""
CLICKS = 10
"""At most on an object, and what a failure counts: half of the usual, for what a click takes."""
START = "default-0.1"
"""The network that all of them start from; measured too."""

Reports = dict[tuple[str, int], dict[str, Any]]
"""(cell, seed) -> the benchmark's report, with every object in it."""


def fewclicks(*arguments: str | Path) -> None:
    """Run a command of the package, in this process: to load torch once is enough. Stop if it fails."""
    try:
        main_of_package(list(map(str, arguments)))
    except SystemExit as end:
        if end.code:
            sys.exit(f"stopped at: fewclicks {' '.join(map(str, arguments))}; call again to go on")


def train(runs: Path, cell: str, seed: int) -> Path:
    """The ONNX file of a cell and a seed; trains what is missing of its steps."""
    out = runs / f"{cell}-{seed}"
    last, model = out / "last", out / "model.onnx"
    config = json.loads((last / "config.json").read_text()) if (last / "config.json").is_file() else None
    if config is None:
        fewclicks("train", f"ablation:{cell}", f"seed={seed}", "--out", out)
    elif config["step"] < config["recipe"]["steps"]:
        fewclicks("train", "--resume", "--out", out)
        model.unlink(missing_ok=True)
    if not model.is_file():
        fewclicks("export-onnx", last, model)
    return model


def measure(report: Path, cascade: str, method: str | Path) -> None:
    """Let the robot click on every object with a network and a cascade; a run that was stopped goes on."""
    if report.is_file():
        return
    report.parent.mkdir(parents=True, exist_ok=True)
    options = ["--method", method, "--set", f"zoom={ZOOM}", *CASCADES[cascade]]
    options += ["--limit", str(OBJECTS), "--threads", "1", "--max-clicks", str(CLICKS)]
    begun = report.with_name(report.name + ".partial").is_file()
    fewclicks(
        "bench", *map(str.lower, DATASETS), *options, "--full", "--json", report, *(["--resume"] if begun else [])
    )


def work(runs: Path) -> None:
    """Train and measure all: seed by seed, so that what is there at any time is whole; the costly cascades last."""
    measure(runs / "start" / "no CFR.json", "no CFR", START)
    for cascade in CASCADES:
        for seed in SEEDS:
            for cell in CELLS:
                model = train(runs, cell, seed)
                measure(runs / f"{cell}-{seed}" / f"{cascade}.json", cascade, model)
        measure(runs / "start" / f"{cascade}.json", cascade, START)


def finished(runs: Path) -> dict[str, Reports]:
    """Cascade -> the reports of all cells; of those seeds and cascades that are there for every cell."""
    found: dict[str, Reports] = {}
    for cascade in CASCADES:
        files = {(cell, seed): runs / f"{cell}-{seed}" / f"{cascade}.json" for seed in SEEDS for cell in CELLS}
        whole = [seed for seed in SEEDS if all(files[cell, seed].is_file() for cell in CELLS)]
        if whole:
            found[cascade] = {key: json.loads(file.read_text()) for key, file in files.items() if key[1] in whole}
    return found


def cost(runs: Path, cell: str, seeds: Sequence[int]) -> dict[str, float]:
    """What the training of a cell took, in the mean over its seeds."""
    each = []
    for seed in seeds:
        out = runs / f"{cell}-{seed}"
        lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
        recipe = json.loads((out / "last" / "config.json").read_text())["recipe"]
        forwards = sum(int(line["terms"]) for line in lines)
        counted = sum(weight != 0 for weight in recipe["click_weights"]) if recipe["objective"] == "icl" else 1
        each.append({
            "steps": len(lines),
            "samples": len(lines) * recipe["batch"],
            "forwards": forwards,
            "backwards": counted * len(lines),
            "minutes": sum(line["seconds"] for line in lines) / 60,
        })  # fmt: skip
    return {key: round(fmean(one[key] for one in each), 1) for key in each[0]}


def values(report: dict[str, Any], name: str, figure: str) -> list[float]:
    """A figure of each object of a dataset: clicks to a level ("0.90"), or the IoU after a click ("IoU@1").

    After the last click that was made (the object was finished) the IoU stays as it is.
    """
    objects = report["datasets"][name]["per_object"]
    if figure in LEVELS:
        return [float(noc(ious, float(figure), CLICKS)) for ious in objects["ious"]]
    click = int(figure.removeprefix("IoU@"))
    return [ious[min(click, len(ious)) - 1] for ious in objects["ious"]]


FIGURES = (*LEVELS, *(f"IoU@{i}" for i in range(1, FIRST_CLICKS + 1)))


def bounded(runs: list[list[float]], groups: list[str]) -> list[float]:
    """The mean, and its interval over both runs and objects."""
    return [round(value, 4) for value in (fmean(map(fmean, runs)), *interval_over_runs(runs, groups))]


def mean_of(reports: Reports, cell: str, name: str, figure: str) -> list[float]:
    """The mean of a cell over its seeds, its interval, and the standard deviation of the seeds' means."""
    runs = [values(report, name, figure) for (other, _), report in reports.items() if other == cell]
    spread = stdev(map(fmean, runs)) if len(runs) > 1 else 0.0
    return [*bounded(runs, groups(reports, name)), round(spread, 4)]


def groups(reports: Reports, name: str) -> list[str]:
    """The video or photo of each object."""
    found: list[str] = next(iter(reports.values()))["datasets"][name]["per_object"]["group"]
    return found


Side = tuple[str, str]


def questions(found: dict[str, Reports]) -> Iterator[tuple[str, list[tuple[Side, Side]]]]:
    """What is compared: (cell, cascade) against the baseline (cell, cascade); several pairs are averaged.

    Trainings are compared where there are two of each kind or more: one cannot be told from luck.
    """
    cascades = list(found)
    for cascade in (name for name, reports in found.items() if len({seed for _, seed in reports}) > 1):
        plain, both = (
            [(name, cascade) for name in ("last_click", "icl")],
            [(name, cascade) for name in ("last_click_suem", "icl_suem")],
        )
        yield f"ICL, {cascade}", [(plain[1], plain[0])]
        yield f"ICL under SUEM, {cascade}", [(both[1], both[0])]
        yield f"ICL, with and without SUEM, {cascade}", [(plain[1], plain[0]), (both[1], both[0])]
        yield f"SUEM, {cascade}", [(both[0], plain[0])]
        yield f"SUEM under ICL, {cascade}", [(both[1], plain[1])]
        yield f"SUEM, with and without ICL, {cascade}", [(both[0], plain[0]), (both[1], plain[1])]
    for cascade in cascades[1:]:
        for cell, label in CELLS.items():
            yield f"{cascade}, {label}", [((cell, cascade), (cell, "no CFR"))]


def difference(found: dict[str, Reports], pairs: list[tuple[Side, Side]], name: str, figure: str) -> list[float]:
    """Mean change of a figure, object by object and seed by seed, with its interval."""
    runs = []
    for seed in sorted({seed for (_, seed) in found[pairs[0][0][1]]}):
        if any((cell, seed) not in found[cascade] for pair in pairs for cell, cascade in pair):
            continue
        changes = []
        for (cell, cascade), (base, base_cascade) in pairs:
            after = values(found[cascade][cell, seed], name, figure)
            before = values(found[base_cascade][base, seed], name, figure)
            changes.append([new - old for new, old in zip(after, before, strict=True)])
        runs.append([fmean(of_object) for of_object in zip(*changes, strict=True)])
    return bounded(runs, groups(found[pairs[0][0][1]], name))


def summary(runs: Path) -> dict[str, Any]:
    """All figures: means over seeds with intervals, and paired differences to the baseline of each question."""
    found = finished(runs)
    if "no CFR" not in found:
        sys.exit("no seed is finished in all four cells yet; call without --summary to go on")
    plain = found["no CFR"]
    seeds = sorted({seed for _, seed in plain})
    one = next(iter(plain.values()))
    cells = {
        cell: {
            "training": cost(runs, cell, seeds),
            "cascades": {
                cascade: {name: {f: mean_of(reports, cell, name, f) for f in FIGURES} for name in DATASETS}
                for cascade, reports in found.items()
            },
        }
        for cell in CELLS
    }
    begun = {cascade: runs / "start" / f"{cascade}.json" for cascade in CASCADES}
    started = {cascade: json.loads(file.read_text()) for cascade, file in begun.items() if file.is_file()}
    return {
        "command": "python benchmarks/ablation.py",
        "settings": {
            "init": START,
            "zoom": ZOOM,
            "seeds": {cascade: sorted({seed for _, seed in reports}) for cascade, reports in found.items()},
            "objects": {name: row["objects"] for name, row in one["datasets"].items()},
            "groups": {name: row["groups"] for name, row in one["datasets"].items()},
            "max_clicks": CLICKS,
            "stop_iou": 0.95,
            "intervals": "95 %, bootstrap over seeds and over videos or photos at once",
        },
        "start": {
            cascade: {name: {f: round(fmean(values(report, name, f)), 4) for f in FIGURES} for name in DATASETS}
            for cascade, report in started.items()
        },
        "cells": cells,
        "differences": {
            question: {name: {f: difference(found, pairs, name, f) for f in FIGURES} for name in DATASETS}
            for question, pairs in questions(found)
        },
    }


def main() -> None:
    """Train, measure, sum up, write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=Path, default=ROOT / "runs" / "ablation", help="where what is finished is kept")
    parser.add_argument("--summary", action="store_true", help="only sum up what is finished")
    options = parser.parse_args()
    options.runs.mkdir(parents=True, exist_ok=True)
    if not options.summary:
        work(options.runs)
    write_json(RESULT, summary(options.runs))
    tables.renew("docs/ablation.md")


if __name__ == "__main__":
    main()
