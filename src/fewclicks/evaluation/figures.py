"""The figures of the paper from our own runs: photos with known objects, clicked by the robot, drawn by matplotlib.

figure1.png  photo with clicks and mask, truth, probability            (paper, Figure 1)
figure3.png  the mask after each pass of the cascade                   (paper, Figure 3)
figure4.png  the four modes of SUEM copy-paste on these objects        (paper, Figure 4)
clicks.png   mean IoU against clicks, with and without refinement
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fewclicks.clicks import Clicks
from fewclicks.errors import InputError, counted
from fewclicks.evaluation.metrics import iou
from fewclicks.evaluation.plots import blank_figure, plot
from fewclicks.evaluation.robot import robot_of
from fewclicks.files.replace import replace_file
from fewclicks.geometry import Box, Frame
from fewclicks.predictor import Predictor, State
from fewclicks.refinement import CFR
from fewclicks.types import Dataset, Image, Mask, Sample, Truth
from fewclicks.visualization import outlined, overlay

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PASSES = 4
"""Refinements that Figure 3 shows: CFR-4."""
SIDE_PX = 300
"""Side of the crops of Figure 4."""


def draw(predictor: Predictor, samples: Sequence[Sample], reports: Mapping[str, Any], out: Path) -> list[Path]:
    """Draw all figures into the folder `out`; at least two samples. `reports` (see `plots.plot`) become clicks.png."""
    if len(samples) < 2:
        raise InputError(f"the figures need two objects or more, got {len(samples)}; Figure 4 pastes one onto another")
    out.mkdir(parents=True, exist_ok=True)
    made = {
        "figure1.png": figure1(predictor, samples),
        "figure3.png": figure3(predictor, samples),
        "figure4.png": figure4(samples),
    }
    paths = [_save(figure, out / name) for name, figure in made.items()]
    return [*paths, plot(reports, out / "clicks.png")]


def figure1(predictor: Predictor, samples: Sequence[Sample]) -> Figure:
    """A row for each object: photo with clicks and mask, truth, probability; clicked to an IoU of 0.90."""
    figure, rows = _grid([sample.image for sample in samples], 3)
    for cells, sample in zip(rows, samples, strict=True):
        state, clicks = clicked(predictor, sample, enough=0.9, most=10)
        titles = (counted(len(clicks), "click") + f", IoU {iou(state.mask, sample.truth):.3f}", "truth", "probability")
        cells[0].imshow(overlay(sample.image, state.mask, clicks))
        cells[1].imshow(outlined(sample.image, sample.truth == 1))
        cells[2].imshow(state.prob, cmap="viridis", vmin=0, vmax=1)
        for cell, title in zip(cells, titles, strict=True):
            cell.set_title(title, fontsize=8)
    return figure


def figure3(predictor: Predictor, samples: Sequence[Sample], passes: int = PASSES) -> Figure:
    """A row for each object: the mask after the first click's coarse pass and after each refinement."""
    figure, rows = _grid([sample.image for sample in samples], passes + 1)
    for cells, sample in zip(rows, samples, strict=True):
        state = predictor.start(sample.image)
        clicks = Clicks() + robot_of(predictor)(sample.truth, state.mask, Clicks())
        before: Mask | None = None
        for i, after in enumerate(CFR(predictor, passes).passes(state, clicks)):
            changed = "coarse" if before is None else f"{i}: {np.count_nonzero(before != after.mask):,} px changed"
            cells[i].imshow(overlay(sample.image, after.mask, clicks))
            cells[i].set_title(f"{changed}\nIoU {iou(after.mask, sample.truth):.3f}", fontsize=8)
            before = after.mask
    return figure


def figure4(samples: Sequence[Sample]) -> Figure:
    """A row for each pair of objects: the two, then what Simple, Union, Exclusion and Mixing make of them."""
    from fewclicks.training import suem

    pairs = [(samples[i], samples[(i + 1) % len(samples)]) for i in range(min(len(samples), 3))]
    figure, rows = _grid([square(one)[0] for one, _ in pairs], 6)
    for cells, (one, other) in zip(rows, pairs, strict=True):
        (image, truth), (extra, extra_truth) = square(one), square(other)
        aside = _aside(extra, extra_truth)
        made = {
            "image": (image, truth),
            "extra image": (extra, extra_truth),
            "Simple": suem.simple(image, truth, extra),
            "Union": suem.union(image, truth, *aside),
            "Exclusion": suem.exclusion(image, truth, *aside),
            "Mixing": suem.mixing(image, truth, extra, 0.6),
        }
        for cell, (title, (picture, target)) in zip(cells, made.items(), strict=True):
            cell.imshow(outlined(picture, target == 1, opacity=0.2))
            cell.set_title(title, fontsize=8)
    return figure


def clicked(predictor: Predictor, sample: Sample, enough: float, most: int) -> tuple[State, Clicks]:
    """The robot clicks until the mask comes to an IoU of `enough`, or `most` times."""
    state, clicks, robot = predictor.start(sample.image), Clicks(), robot_of(predictor)
    while len(clicks) < most and (not clicks or iou(state.mask, sample.truth) < enough):
        clicks = clicks + robot(sample.truth, state.mask, clicks)
        state = predictor.step(state, clicks)
    return state, clicks


def square(sample: Sample, side_px: int = SIDE_PX) -> tuple[Image, Truth]:
    """A square crop around the object, as far as the photo reaches, resized."""
    box = Box.around(sample.truth == 1)
    if box is None:
        raise InputError(f"the sample '{sample.name}' has no object pixel; nothing can be pasted")
    height, width = sample.truth.shape
    side = min(height, width, round(1.25 * max(box.hw)))
    x0 = min(max(0, (box.x0 + box.x1 - side) // 2), width - side)
    y0 = min(max(0, (box.y0 + box.y1 - side) // 2), height - side)
    frame = Frame(Box(x0, y0, x0 + side, y0 + side), (side_px, side_px))
    return frame.image(sample.image), (frame.prob((sample.truth == 1).astype(np.float32)) > 0.5).astype(np.int8)


def curves(predictors: Mapping[str, Predictor], dataset: Dataset) -> dict[str, dict[str, Any]]:
    """Reports for clicks.png where none were measured before: every object of the dataset, 20 clicks."""
    from fewclicks.evaluation.rollout import Report, evaluate

    return {
        label: Report({}, (evaluate(predictor, dataset, stop_iou=None),)).to_json()
        for label, predictor in predictors.items()
    }


def _aside(image: Image, truth: Truth) -> tuple[Image, Truth]:
    """The object moved to the right by three tenths of the width: laid over the middle, it would hide the other one."""
    shift = round(0.3 * image.shape[1])
    moved = np.roll(truth, shift, 1)
    moved[:, :shift] = 0
    return np.roll(image, shift, 1), moved


def _grid(pictures: Sequence[Image], columns: int) -> tuple[Figure, Any]:
    """A figure with a row of cells without axes for each picture, of the picture's shape. Sizes are in inches."""
    figure, width = blank_figure(), 10.0
    heights = [width / columns * picture.shape[0] / picture.shape[1] + 0.35 for picture in pictures]
    figure.set_size_inches(width, sum(heights))
    cells = figure.subplots(len(pictures), columns, squeeze=False, height_ratios=heights)
    for cell in cells.flat:
        cell.set_axis_off()
    return figure, cells


def _save(figure: Figure, path: Path) -> Path:
    replace_file(path, lambda file: figure.savefig(file, format="png", dpi=100, metadata={"Software": None}))
    return path
