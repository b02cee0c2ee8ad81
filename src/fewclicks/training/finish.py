"""The end of a run: its weights as one file that needs no torch, and what they are worth on photos it has not seen."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fewclicks import api
from fewclicks.checkpoints import checkpoint
from fewclicks.datasets import Subset, open_benchmark
from fewclicks.errors import FewClicksError
from fewclicks.evaluation.rollout import Result, evaluate
from fewclicks.files.replace import replace_file
from fewclicks.training import sets
from fewclicks.training.export import export_onnx
from fewclicks.training.recipe import Recipe
from fewclicks.training.samples import held_out
from fewclicks.types import Dataset, Sample, Scenes

log = logging.getLogger(__name__)

EXPORTED, MEASURED = "model.onnx", "evaluation.json"


def at_the_end(folder: Path, objects: int | None = None) -> dict[str, Any] | None:
    """`finish` a run that has come to its end; None for one that was stopped before, or that shall not be measured.

    `objects` is by default 64 for runs that go by time, and otherwise none.
    """
    config = checkpoint.read_config(folder)
    timed = "for_s" in config
    over = config["elapsed_s"] >= config["for_s"] if timed else config["step"] >= config["recipe"]["steps"]
    count = (64 if timed else 0) if objects is None else objects
    return finish(folder, count) if over and count else None


def finish(folder: Path, objects: int) -> dict[str, Any] | None:
    """Export the checkpoint `folder` of a run and measure it; files beside it -> the figures, None without any.

    Measured with CFR-1 on `objects` objects, evenly spread: of the validation split where it is here and the run
    trained on its sets, else of the photos that the recipe holds out. What fails here costs nothing that was trained:
    it is told, and the checkpoint stays.
    """
    recipe = Recipe.from_json(json.dumps(checkpoint.read_config(folder)["recipe"]))
    exported: Path | None = None
    try:
        exported = export_onnx(folder, folder.parent / EXPORTED)
    except (FewClicksError, RuntimeError, torch.onnx.OnnxExporterError) as error:
        log.warning("not exported: %s", str(error).partition("\n")[0])
    try:
        dataset = unseen(recipe)
        if dataset is None:
            log.warning("not measured: no photo is held out of training; set holdout=20")
            return None
        on_gpu = torch.cuda.is_available()
        predictor = api.load(folder if on_gpu or exported is None else exported, cfr=1)
        found = figures(evaluate(predictor, Subset(dataset, objects)))
    except FewClicksError as error:
        log.warning("not measured: %s", str(error).partition("\n")[0])
        return None
    text = json.dumps({"step": checkpoint.read_config(folder)["step"], **found}, indent=1)
    replace_file(folder.parent / MEASURED, lambda file: file.write(text.encode()))
    return found


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


def unseen(recipe: Recipe) -> Dataset | None:
    """Objects of photos that the recipe does not train on; None if it holds none out."""
    standard = next(field.default for field in fields(Recipe) if field.name == "holdout")
    if recipe.holdout == standard:
        try:
            validation = open_benchmark("validation")
            if set(recipe.sets) & set(getattr(validation, "sets", ())):
                return validation
        except FewClicksError:
            pass  # its sets are not here
    found = HeldOut.of([sets.scenes(name) for name in recipe.sets], recipe)
    return found if len(found) else None


def _has_objects(scenes: Scenes, index: int) -> bool:
    """Whether a photo has an object; False and a warning for one that cannot be used."""
    try:
        return bool(scenes[index].roots())
    except FewClicksError as error:
        log.warning("a photo of %s is left out: %s", scenes.name, " ".join(str(error).split()))
        return False


@dataclass(frozen=True, slots=True)
class HeldOut:
    """One object of each held-out photo: the first of at least `min_area_px` pixels, else the largest."""

    photos: tuple[tuple[Scenes, int], ...]
    min_area_px: int
    name: str = "held out"

    @classmethod
    def of(cls, scenes: list[Scenes], recipe: Recipe) -> HeldOut:
        """The held-out photos of the sets of a recipe; those without an object, or that cannot be used, are left out
        as they are met, the latter with a warning."""
        photos = ((one, i) for one in scenes for i in range(len(one)) if held_out(one, i, recipe.holdout))
        return cls(tuple((one, i) for one, i in photos if _has_objects(one, i)), recipe.min_area_px)

    def __len__(self) -> int:
        return len(self.photos)

    def __getitem__(self, index: int) -> Sample:
        one, i = self.photos[index]
        scene = one[i]
        areas = np.bincount(scene.ids.ravel())
        ids = scene.roots()
        chosen = next((k for k in ids if areas[k] >= self.min_area_px), max(ids, key=lambda k: int(areas[k])))
        return Sample(scene.image, scene.truth(chosen), f"{one.name}/{scene.name}#{chosen}")
