"""What ICL, SUEM and CFR are worth at our scale: the paper's Tables 1 and 3 with the compact network.

    python benchmarks/ablation.py

Trains the four recipes of recipes/ablation.py and measures each with four refinements on GrabCut, Berkeley and DAVIS:
hours on two cores. What is finished is kept in runs/ablation, so that the command can be stopped and called again.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tables

from fewclicks.evaluation.metrics import interval
from fewclicks.files.replace import write_json

ROOT = Path(__file__).resolve().parents[1]
RUNS = ROOT / "runs" / "ablation"
RESULT = ROOT / "results" / "ablation.json"

CELLS = {"last_click": "last click", "icl": "ICL", "last_click_suem": "last click + SUEM", "icl_suem": "ICL + SUEM"}
CASCADES = {
    "no CFR": [], "CFR-1": ["--cfr", "1"], "CFR-4": ["--cfr", "4"], "A-CFR-4": ["--cfr", "4", "--adaptive"],
}  # fmt: skip
DATASETS = ("GrabCut", "Berkeley", "DAVIS")
LEVELS = ("0.90", "0.95")
ZOOM = 256
"""The networks see crops of this size, as in their training."""
OBJECTS = 115
"""At most, evenly spread: all of GrabCut and Berkeley, every third frame of DAVIS (neighbours hardly differ)."""


def fewclicks(*arguments: str | Path) -> None:
    """Run a command of the package; stop if it fails."""
    done = subprocess.run([sys.executable, "-m", "fewclicks", *map(str, arguments)], check=False)
    if done.returncode:
        sys.exit(f"stopped at: fewclicks {' '.join(map(str, arguments))}; call again to go on")


def train(cell: str) -> Path:
    """The ONNX file of a cell; trains what is missing of its steps."""
    out = RUNS / cell
    last, model = out / "last", out / "model.onnx"
    config = json.loads((last / "config.json").read_text()) if (last / "config.json").is_file() else None
    if config is None or config["step"] < config["recipe"]["steps"]:
        fewclicks("train", f"ablation:{cell}", "--out", out, *(["--resume"] if config else []))
        model.unlink(missing_ok=True)
    if not model.is_file():
        fewclicks("export-onnx", last, model)
    return model


def measure(cell: str, cascade: str, model: Path) -> dict[str, Any]:
    """The benchmark's report of a cell with a cascade, every object in it."""
    report = RUNS / cell / f"{cascade}.json"
    if not report.is_file():
        names = [name.lower() for name in DATASETS]
        options = [
            "--method",
            model,
            "--set",
            f"zoom={ZOOM}",
            *CASCADES[cascade],
            "--processes",
            "2",
            "--limit",
            str(OBJECTS),
        ]
        fewclicks("bench", *names, *options, "--full", "--json", report)
    found: dict[str, Any] = json.loads(report.read_text())
    return found


def cost(cell: str) -> dict[str, float]:
    """What the training of a cell took."""
    lines = [json.loads(line) for line in (RUNS / cell / "metrics.jsonl").read_text().splitlines()]
    config = json.loads((RUNS / cell / "last" / "config.json").read_text())
    recipe = config["recipe"]
    forwards = sum(int(line["terms"]) for line in lines)
    return {
        "steps": len(lines),
        "samples": len(lines) * recipe["batch"],
        "forwards": forwards,
        "backwards": forwards if recipe["objective"] == "icl" else len(lines),
        "minutes": round(sum(line["seconds"] for line in lines) / 60, 1),
    }


def summary(reports: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """All figures: NoC with intervals, and paired differences to the baseline of each question."""
    cells = {
        cell: {
            "training": cost(cell),
            "cascades": {cascade: noc(report) for cascade, report in reports[cell].items()},
        }
        for cell in CELLS
    }
    return {
        "command": "python benchmarks/ablation.py",
        "settings": {
            "zoom": ZOOM,
            "objects": objects(reports),
            "max_clicks": 20,
            "stop_iou": 0.95,
            "intervals": "bootstrap over objects, 95 %",
        },
        "cells": cells,
        "differences": {name: difference(reports, *sides) for name, sides in questions()},
    }


def objects(reports: dict[str, dict[str, Any]]) -> dict[str, int]:
    """How many objects of each dataset were clicked."""
    return {name: row["objects"] for name, row in reports["icl"]["no CFR"]["datasets"].items()}


def noc(report: dict[str, Any]) -> dict[str, Any]:
    """Dataset -> NoC at both levels, each with its interval."""
    return {
        name: {level: [row["noc"][level], *row["noc_interval"][level]] for level in LEVELS}
        for name, row in report["datasets"].items()
    }


Side = tuple[str, str]


def questions() -> Iterator[tuple[str, tuple[Side, Side]]]:
    """What is compared: (cell, cascade) against the baseline (cell, cascade)."""
    for cascade in ("no CFR", "CFR-1"):
        yield f"ICL, {cascade}", (("icl", cascade), ("last_click", cascade))
        yield f"ICL under SUEM, {cascade}", (("icl_suem", cascade), ("last_click_suem", cascade))
        yield f"SUEM, {cascade}", (("last_click_suem", cascade), ("last_click", cascade))
        yield f"SUEM under ICL, {cascade}", (("icl_suem", cascade), ("icl", cascade))
    for cell in CELLS:
        for cascade in list(CASCADES)[1:]:
            yield f"{cascade}, {CELLS[cell]}", ((cell, cascade), (cell, "no CFR"))


def difference(reports: dict[str, dict[str, Any]], new: Side, old: Side) -> dict[str, Any]:
    """Mean change of NoC, object by object, with its interval; below zero is better."""
    found: dict[str, Any] = {}
    for name in DATASETS:
        sides = [reports[cell][cascade]["datasets"][name]["per_object"]["noc"] for cell, cascade in (new, old)]
        found[name] = {}
        for level in LEVELS:
            changes = [after - before for after, before in zip(sides[0][level], sides[1][level], strict=True)]
            mean = sum(changes) / len(changes)
            found[name][level] = [round(value, 3) for value in (mean, *interval(changes))]
    return found


def main() -> None:
    """Train, measure, sum up, write the page."""
    RUNS.mkdir(parents=True, exist_ok=True)
    models = {cell: train(cell) for cell in CELLS}
    reports = {cell: {cascade: measure(cell, cascade, models[cell]) for cascade in CASCADES} for cell in CELLS}
    write_json(RESULT, summary(reports))
    tables.renew("docs/ablation.md")


if __name__ == "__main__":
    main()
