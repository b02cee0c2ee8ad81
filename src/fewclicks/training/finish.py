"""The end of a run: its weights as one file that needs no torch, and what they are worth on photos it has not seen."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import torch

from fewclicks import api
from fewclicks.checkpoints import checkpoint
from fewclicks.datasets import Subset
from fewclicks.errors import FewClicksError
from fewclicks.evaluation.rollout import evaluate
from fewclicks.files.replace import replace_file
from fewclicks.training.export import export_onnx
from fewclicks.training.recipe import Recipe
from fewclicks.training.resume import LAST
from fewclicks.training.unseen import unseen
from fewclicks.training.validation import figures, measured_on

log = logging.getLogger(__name__)

EXPORTED, MEASURED = "model.onnx", "evaluation.json"
OBJECTS = 64
"""On so many a run is measured where nothing is said."""


def at_the_end(folder: Path, objects: int | None = None, on: str | None = None) -> dict[str, Any] | None:
    """`finish` a run that has come to its end; None for one that was stopped before, or that shall not be measured.

    `objects` is by default 64 for runs that go by time, and otherwise none.
    """
    timed = "for_s" in checkpoint.read_config(folder)
    count = (OBJECTS if timed else 0) if objects is None else objects
    return finish(folder, count, on) if count and is_over(folder) else None


def is_over(folder: Path) -> bool:
    """Tell whether the run of a checkpoint has come to its end."""
    config = checkpoint.read_config(folder)
    if "for_s" in config:
        return bool(config["elapsed_s"] >= config["for_s"])
    return bool(config["step"] >= config["recipe"]["steps"])


def measured(run: Path, objects: int, on: str | None = None) -> dict[str, Any] | None:
    """Tell what a run was found to be worth at its end; None where it was not measured so, or has gone on since."""
    try:
        found: dict[str, Any] = json.loads((run / MEASURED).read_text("utf-8"))
    except FileNotFoundError:
        return None
    asked = {"step": checkpoint.read_config(run / LAST)["step"], "limit": objects, "on": on}
    return found if all(found.get(key) == value for key, value in asked.items()) else None


def finish(folder: Path, objects: int, on: str | None = None) -> dict[str, Any] | None:
    """Export the checkpoint `folder` of a run and measure it; files beside it -> the figures, None without any.

    Measured with CFR-1 on `objects` objects, evenly spread: of the dataset or folder `on`, else of the validation split
    where it is here and the run trained on its sets, else of the photos that the recipe holds out. What fails here
    costs nothing that was trained: it is told, and the checkpoint stays.
    """
    recipe = Recipe.from_json(json.dumps(checkpoint.read_config(folder)["recipe"]))
    exported: Path | None = None
    try:
        exported = export_onnx(folder, folder.parent / EXPORTED, half=True)
    except (FewClicksError, RuntimeError, torch.onnx.OnnxExporterError) as error:
        log.warning("not exported: %s", str(error).partition("\n")[0])
    try:
        dataset = measured_on(on) if on else unseen(recipe)
        if dataset is None:
            log.warning("not measured: no photo is held out of training; set holdout=20")
            return None
        on_gpu = torch.cuda.is_available()
        predictor = api.load(folder if on_gpu or exported is None else exported, cfr=1)
        found = figures(evaluate(predictor, Subset(dataset, objects)))
    except FewClicksError as error:
        log.warning("not measured: %s", str(error).partition("\n")[0])
        return None
    asked = {"step": checkpoint.read_config(folder)["step"], "limit": objects, "on": on}
    text = json.dumps({**asked, **found}, indent=1)
    replace_file(folder.parent / MEASURED, lambda file: file.write(text.encode()))
    return found
