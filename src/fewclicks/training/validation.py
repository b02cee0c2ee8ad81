"""What a run is worth while it runs: clicks and IoU on objects that it does not train on, and its best checkpoint."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fewclicks import api
from fewclicks.checkpoints import checkpoint
from fewclicks.datasets import Subset, open_benchmark
from fewclicks.errors import InputError
from fewclicks.evaluation.rollout import Result, evaluate
from fewclicks.files.replace import replace_folder
from fewclicks.training.recipe import Recipe
from fewclicks.training.resume import LAST
from fewclicks.training.unseen import unseen
from fewclicks.types import Dataset

BEST = "best"
"""The checkpoint, in the folder of a run, with which the fewest clicks were needed."""
VALIDATION = "validation"
"""The entry of its config.json with what was found."""


@dataclass(frozen=True, slots=True)
class Validation:
    """How a run is validated: every so many minutes of training, and at its end."""

    minutes: float
    objects: int = 32
    dataset: str | None = None
    """A benchmark dataset, or a folder of images/ and masks/; None: photos of the recipe that it holds out."""

    def open(self, recipe: Recipe) -> Dataset:
        """The objects. InputError where there are none, DatasetError where the dataset is not there."""
        found = unseen(recipe) if self.dataset is None else measured_on(self.dataset)
        if found is None:
            raise InputError("no photo is held out to validate on; set holdout=20, or --validate-on NAME")
        return Subset(found, self.objects)

    def measure(self, run: Path, dataset: Dataset, device: str) -> tuple[dict[str, Any], bool]:
        """Measure the last checkpoint of a run -> its figures, and whether it is the best, which is then kept."""
        last = run / LAST
        found = figures(evaluate(api.load(last, cfr=1, device=device), dataset))
        best = better(found, best_of(run))
        if best:
            replace_folder(run / BEST, lambda fresh: _copied(last, fresh, found))
        return found, best


def measured_on(name: str) -> Dataset:
    """Open a benchmark dataset (NAME, NAME/SPLIT), or a folder of images/ and masks/. DatasetError if it is absent."""
    if Path(name).is_dir():
        return open_benchmark("folder", name)
    word, _, split = name.partition("/")
    return open_benchmark(word, split=split or None, trusted=True)


def figures(result: Result) -> dict[str, Any]:
    """Clicks to IoU 0.90 and 0.95, failures, and the mean IoU after each click."""
    return {
        "dataset": result.dataset,
        "objects": len(result.traces),
        "noc_90": round(result.noc(0.9), 3),
        "noc_95": round(result.noc(0.95), 3),
        "failures_90": result.failures(0.9),
        "iou_at_click": [round(value, 4) for value in result.iou_at_click()],
    }


def best_of(run: Path) -> Mapping[str, Any] | None:
    """Tell what the best checkpoint of a run was found to be worth; None where none was kept yet."""
    if not (run / BEST).is_dir():
        return None
    found: Mapping[str, Any] | None = checkpoint.read_config(run / BEST).get(VALIDATION)
    return found


def better(found: Mapping[str, Any], than: Mapping[str, Any] | None) -> bool:
    """Tell whether figures are better than others, or the first: fewer clicks to IoU 0.90, then a higher IoU in all."""
    if than is None or (than["dataset"], than["objects"]) != (found["dataset"], found["objects"]):
        return True
    return _rank(found) < _rank(than)


def _rank(found: Mapping[str, Any]) -> tuple[float, float]:
    return found["noc_90"], -sum(found["iou_at_click"])


def _copied(last: Path, fresh: Path, found: Mapping[str, Any]) -> None:
    shutil.copytree(last, fresh, dirs_exist_ok=True)
    config = checkpoint.read_config(last)
    (fresh / checkpoint.CONFIG).write_text(json.dumps({**config, VALIDATION: found}, indent=1), "utf-8")
