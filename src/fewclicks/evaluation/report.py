"""What a benchmark leaves behind: a JSON file, a Markdown table, pictures of the worst cases."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from fewclicks import visualization
from fewclicks.clicks import Click, Clicks
from fewclicks.errors import InputError, counted
from fewclicks.evaluation.metrics import noc, reached
from fewclicks.evaluation.rollout import WORST, ObjectResult, Report, Result
from fewclicks.files import bounded
from fewclicks.files.replace import replace_file
from fewclicks.types import Dataset, Image, Sample

PANEL_PX = 900
"""The longer side that small photos are enlarged to in the gallery."""


def title(settings: Mapping[str, Any]) -> str:
    """Name what was measured: the method, or where weights were named their network; the preset, CFR, options given.

    Where it is not the protocol of the field, also who clicked, how often, and until which IoU. A method that tells its
    own settings need not tell of CFR.
    """
    network = settings.get("network")
    named = network["name"] if network else settings["method"]
    refinement = ""
    if "cfr" in settings:
        refinement = f"{'A-' if settings['adaptive'] else ''}CFR-{settings['cfr']}" if settings["cfr"] else "no CFR"
    said = [f"{key}={str(value).lower()}" for key, value in settings.get("set", {}).items()]
    robot, most, stop = (
        settings.get("robot", "deepest_error"),
        settings.get("max_clicks", 20),
        settings.get("stop_iou", 0.95),
    )
    clicked = f"by {robot}" if robot != "deepest_error" else ""
    every = f"all {counted(most, 'click')}" if stop is None else ""
    limit = every or (f"{counted(most, 'click')} at most" if most != 20 else "")
    end = f"until IoU {stop:g}" if stop not in (None, 0.95) else ""
    return ", ".join(filter(None, (named, settings["preset"], refinement, *said, clicked, limit, end)))


def write_json(report: Report, path: str | Path, full: bool = False) -> Path:
    """Write the report's figures (`full`: and every object's course); the file appears whole or not at all."""
    path = Path(path)
    text = json.dumps(report.to_json(full), indent=None if full else 2, allow_nan=False) + "\n"
    replace_file(path, lambda file: file.write(text.encode()))
    return path


def write_csv(report: Report, path: str | Path) -> Path:
    """Write a row per object: its clicks to each IoU level, whether it got there, and its IoU after each click.

    With the boundary IoU and the user's own metrics after each click, and the IoU of the mask to begin with, where
    there are such. Cells of clicks that were not made are empty. The file appears whole or not at all.
    """
    most = max((result.max_clicks for result in report.results), default=0)
    levels = sorted({level for result in report.results for level in result.levels})
    heads = [f"{what}_{level * 100:.0f}" for level in levels for what in ("noc", "reached")]
    rows: list[list[Any]] = [["dataset", "object", "group", "clicks", "seconds", *heads]]
    rows[0] += [f"iou_{i}" for i in range(1, most + 1)]
    edges = any(turn.boundary_iou is not None for result in report.results for t in result.traces for turn in t.turns)
    rows[0] += [f"boundary_iou_{i}" for i in range(1, most + 1)] if edges else []
    own = list({name: None for result in report.results for name in result.own_at_click()})
    rows[0] += [f"{name}_{i}" for name in own for i in range(1, most + 1)]
    begun = any(trace.initial_iou is not None for result in report.results for trace in result.traces)
    rows[0] += ["initial_iou"] if begun else []
    for result in report.results:
        for trace in result.traces:
            seconds = trace.start_s + sum(turn.step_s for turn in trace.turns)
            cells: list[Any] = [result.dataset, trace.name, trace.group, len(trace.turns), f"{seconds:.4f}"]
            for level in levels:
                there = level in result.levels
                cells.append(noc(trace.ious, level, result.max_clicks) if there else "")
                cells.append(int(reached(trace.ious, level, result.max_clicks)) if there else "")
            columns: list[list[float | None]] = [[turn.iou for turn in trace.turns]]
            columns += [[turn.boundary_iou for turn in trace.turns]] if edges else []
            columns += [[_or_none(turn.own.get(name)) for turn in trace.turns] for name in own]
            for values in columns:
                cells += ["" if value is None else f"{value:.5f}" for value in values] + [""] * (most - len(values))
            if begun:
                cells.append("" if trace.initial_iou is None else f"{trace.initial_iou:.5f}")
            rows.append(cells)
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    replace_file(Path(path), lambda file: file.write(text.getvalue().encode()))
    return Path(path)


def _or_none(value: float | None) -> float | None:
    """A value of a metric for a cell; None where it means nothing."""
    return None if value is None or math.isnan(value) else value


def read_json(path: str | Path) -> dict[str, Any]:
    """The figures of a report written by `write_json`; InputError for any other file."""
    try:
        figures = bounded.read_json(path)
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read the report '{path}' ({error}); pass a file that `bench --json` wrote") from None
    if not isinstance(figures, dict) or not {"settings", "datasets"} <= figures.keys():
        raise InputError(f"'{path}' is no benchmark report; pass a file that `bench --json` wrote")
    return figures


def gallery(result: Result, dataset: Dataset, folder: str | Path, count: int = WORST) -> list[Path]:
    """Write the worst cases (at most 10) as pictures, the worst first; returns their paths.

    Left the last mask with the clicks in their order, right the truth. `dataset` is the one that was evaluated.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for rank, index in enumerate(result.worst(min(count, WORST)), start=1):
        trace = result.traces[index]
        name = "".join(letter if letter.isalnum() or letter in "-_#@" else "_" for letter in trace.name)
        file = f"{result.dataset}_{rank:02d}_{name}_iou{trace.ious[-1] * 100:.0f}_clicks{len(trace.turns)}.png"
        paths.append(visualization.save(case(dataset[index], trace), folder / file))
    return paths


def case(sample: Sample, trace: ObjectResult) -> Image:
    """Two panels, enlarged if small: photo with the trace's last mask and numbered clicks; photo with the truth."""
    if trace.mask is None:
        raise InputError(f"the trace of '{trace.name}' kept no mask; only those of the {WORST} worst cases do")
    height, width = trace.mask.shape
    scale = max(1.0, PANEL_PX / max(height, width))
    wh = round(width * scale), round(height * scale)
    photo = np.asarray(cv2.resize(sample.image, wh, interpolation=cv2.INTER_CUBIC), np.uint8)
    found, wanted = (
        cv2.resize(mask.astype(np.uint8), wh, interpolation=cv2.INTER_NEAREST) > 0
        for mask in (trace.mask, sample.truth == 1)
    )
    clicks = Clicks(
        tuple(Click((c.x + 0.5) * scale - 0.5, (c.y + 0.5) * scale - 0.5, c.positive) for c in trace.clicks)
    )
    drawn = _numbered(visualization.overlay(photo, np.asarray(found), clicks), clicks)
    return visualization.side_by_side(drawn, visualization.outlined(photo, np.asarray(wanted)))


def _numbered(image: Image, clicks: Clicks) -> Image:
    """The image with 1, 2, 3 ... on the dots of the clicks."""
    canvas = image.copy()
    size = 0.0006 * float(np.sqrt(canvas.shape[0] * canvas.shape[1]))
    for number, click in enumerate(clicks, start=1):
        (width, height), _ = cv2.getTextSize(str(number), cv2.FONT_HERSHEY_SIMPLEX, size, 1)
        place = round(click.x - width / 2), round(click.y + height / 2)
        cv2.putText(canvas, str(number), place, cv2.FONT_HERSHEY_SIMPLEX, size, (255, 255, 255), 1, cv2.LINE_AA)
    return canvas
