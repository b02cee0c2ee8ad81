"""What a training cost and how it went: the metrics.jsonl and recipe.json of its runs -> a small JSON file.

    python benchmarks/training_summary.py RUN [RUN ...] results/training.json

Several runs are the phases of one training, in their order: each begins with the weights of the one before it. Where a
RUN is such a JSON file, its phases come first.
"""

from __future__ import annotations

import json
import sys
from math import prod
from pathlib import Path
from statistics import fmean
from typing import Any

from fewclicks.files.replace import write_json

EVERY = 200
"""Steps of a window, over which loss and IoU are averaged."""
SUEM = (("simple_prob",), ("union_prob", "exclusion_prob", "blend_prob"), ("mixing_prob",))
"""The stages of copy-paste that a sample goes through, each with the chances of its modes."""


def summary(runs: list[Path]) -> dict[str, Any]:
    """Totals, and each phase with its course."""
    phases = [one for run in runs for one in phases_of(run)]
    totals = {key: sum(one[key] for one in phases) for key in ("steps", "samples", "forwards")}
    return {
        "recipe": phases[-1]["recipe"],
        **totals,
        "hours": round(sum(one["hours"] for one in phases), 2),
        "phases": phases,
    }


def phases_of(run: Path) -> list[dict[str, Any]]:
    """The phases that an earlier summary holds, or the one that a run is."""
    if run.suffix != ".json":
        return [phase(run)]
    found: list[dict[str, Any]] = json.loads(run.read_text("utf-8"))["phases"]
    return found


def phase(run: Path) -> dict[str, Any]:
    """One run: what of its recipe differs between phases, its totals, and its course."""
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text("utf-8").splitlines()]
    recipe = json.loads((run / "recipe.json").read_text("utf-8"))
    return {
        "recipe": recipe["name"],
        "crop_hw": recipe.get("crop_hw") or [recipe["crop_px"]] * 2,  # crop_px: runs of version 0.1
        "batch": recipe["batch"],
        "lr": recipe["lr"],
        "objective": recipe["objective"],
        "click_weights": recipe["click_weights"],
        "suem_prob": round(1 - prod(1 - sum(recipe[key] for key in stage) for stage in SUEM), 4),
        "foreign_prob": recipe.get("foreign_prob", 0.0),
        "steps": len(rows),
        "samples": len(rows) * recipe["batch"],
        "forwards": int(sum(row["terms"] for row in rows)) * recipe["batch"],
        "size": recipe.get("size", ""),
        "sets": len(recipe.get("sets", ())),
        "hours": round((rows[-1].get("elapsed") or sum(row["seconds"] for row in rows)) / 3600, 2),
        "windows": windows(rows, recipe["click_weights"]),
    }


def windows(rows: list[dict[str, Any]], weights: list[float]) -> list[dict[str, Any]]:
    """Means of loss (over the sum of its terms' weights) and IoU."""
    found = []
    for begin in range(0, len(rows), EVERY):
        part = rows[begin : begin + EVERY]
        loss = fmean(row["loss"] / sum(weights[: int(row["terms"])]) for row in part)
        found.append(
            {"to_step": part[-1]["step"], "loss": round(loss, 4), "iou": round(fmean(r["iou"] for r in part), 4)}
        )
    return found


if __name__ == "__main__":
    *runs, out = map(Path, sys.argv[1:] or ["-"])
    absent = [str(run) for run in runs if run.suffix != ".json" and not (run / "metrics.jsonl").is_file()]
    if not runs or absent or out.suffix != ".json":
        sys.exit(f"no run in {', '.join(absent)}" if absent else str(__doc__))
    write_json(out, summary(runs))
