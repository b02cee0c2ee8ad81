"""One recipe trained several times, each with a seed of its own: what of a figure is the recipe, and what is luck."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from fewclicks.errors import InputError, TrainingError, counted
from fewclicks.files.replace import recover, write_text
from fewclicks.training.recipe import Recipe
from fewclicks.training.resume import LAST

SUMMARY = "seeds.json"
T_975 = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131,
         2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045)  # fmt: skip
"""The 97.5 % quantile of Student's t of 1, 2, 3 ... degrees of freedom."""
MOST = len(T_975) + 1


def variants(recipe: Recipe, out: Path, count: int) -> list[tuple[Recipe, Path]]:
    """The recipe with `count` seeds, counted from its own, and the folder of each run. InputError beyond 2 to MOST."""
    if not 2 <= count <= MOST:
        raise InputError(f"seeds are 2 to {MOST}, got {count}; leave --seeds out for one run")
    seeds = range(recipe.seed, recipe.seed + count)
    return [(replace(recipe, seed=seed), out / f"seed{seed}") for seed in seeds]


def first_run(out: Path) -> Path:
    """The run of the lowest seed of those in a folder. TrainingError if there is none."""
    for place in out.glob(f"seed*/{LAST}*"):
        recover(place.with_name(LAST))
    found = {int(place.parent.name[4:]): place.parent for place in out.glob(f"seed*/{LAST}")
             if place.parent.name[4:].isdecimal()}  # fmt: skip
    if not found:
        raise TrainingError(f"nothing to resume: there is no run seed0, seed1 ... in {out}; start without --resume")
    return found[min(found)]


def interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Mean, and the 95 % interval of the mean by Student's t, of a figure of two runs or more."""
    mean = fmean(values)
    half = T_975[len(values) - 2] * stdev(values) / math.sqrt(len(values))
    return mean, mean - half, mean + half


def summary(found: Mapping[int, Mapping[str, Any]], out: Path) -> dict[str, Any]:
    """Write seeds.json: of each figure the mean over the runs, its interval, and the value of each seed."""
    values: dict[str, list[float]] = {name: [one[name] for one in found.values()] for name in ("noc_90", "noc_95")}
    values |= {f"iou_{k}": [one["iou_at_click"][k - 1] for one in found.values()] for k in (1, 3, 5)}
    told: dict[str, Any] = {"seeds": list(found)}
    told |= {name: next(iter(found.values()))[name] for name in ("dataset", "objects")}
    for name, each in values.items():
        mean, low, high = interval(each)
        told[name] = {"mean": round(mean, 4), "interval": [round(low, 4), round(high, 4)], "each": each}
    write_text(out / SUMMARY, json.dumps(told, indent=1))
    return told


def lines(told: Mapping[str, Any]) -> list[str]:
    """A summary for the terminal, a line a figure."""
    names = {"noc_90": "clicks to IoU 0.90", "noc_95": "clicks to IoU 0.95"}
    names |= {f"iou_{k}": f"IoU after {counted(k, 'click')}" for k in (1, 3, 5)}
    on = f"{told['dataset']}, {counted(told['objects'], 'object')}, {counted(len(told['seeds']), 'seed')}"
    found = [f"{on}: mean and its 95 % interval"]
    for name, words in names.items():
        low, high = told[name]["interval"]
        found.append(f"{words:<20}{told[name]['mean']:8.3f}  [{low:.3f}, {high:.3f}]")
    return found
