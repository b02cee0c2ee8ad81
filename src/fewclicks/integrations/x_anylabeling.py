"""X-AnyLabeling's remote server: `/v1/models` says what there is, `/v1/predict` answers marks by polygons."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from fewclicks.clicks import Clicks
from fewclicks.formats import polygons
from fewclicks.integrations.photo_sources import decoded
from fewclicks.integrations.replay import Replays, click_inside
from fewclicks.integrations.requests import fields, named
from fewclicks.prompts import BoxPrompt

MODEL = "fewclicks"
TOLERANCE_PX = 1.0
SMALLEST = 0.001
"""Parts of a mask that are a smaller share of it are left out."""


def models() -> dict[str, Any]:
    """Tell what the program lists: one model, with the tools that it offers for it."""
    widgets = [
        {"name": name, "value": None}
        for name in (
            "button_add_point",
            "button_remove_point",
            "button_add_rect",
            "button_clear",
            "button_finish_object",
        )
    ]
    about = {
        "display_name": "fewclicks",
        "type": "interactive_segmentation",
        "widgets": widgets,
        "params": {"output_mode": "polygon"},
        "batch_processing_mode": None,
    }
    return {"data": {MODEL: about}}


def predict(replays: Replays, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Answer `params.marks`: points (label 1 or 0) and rectangles, all of one object."""
    marks = fields(asked.get("params")).get("marks")
    text = asked.get("image")
    key = hashlib.sha256(str(text).encode()).digest()
    replay = replays.of(key, lambda: decoded(text))
    clicks, box = said(marks or [], replay.hw)
    if not clicks and box is None:
        return _answer([])
    state = replay.state(clicks, box)
    area = int(state.mask.sum())
    shapes = []
    for part in polygons.parts(state.mask, edges=False):
        ring = polygons.straightened(part.outer, TOLERANCE_PX)
        if len(ring) > 2 and len(part.outer) >= SMALLEST * area**0.5:
            points = [[float(x), float(y)] for x, y in ring]
            score = round(float(state.prob[state.mask].mean()), 4)
            shape = {"label": "AUTOLABEL_OBJECT", "shape_type": "polygon", "points": points, "score": score}
            shapes.append({**shape, "attributes": {}, "description": None, "difficult": False, "direction": 0,
                           "flags": None, "group_id": None, "kie_linking": []})  # fmt: skip
    return _answer(shapes)


def _answer(shapes: list[dict[str, Any]]) -> dict[str, Any]:
    """What is answered: the object that is underway, and nothing else of the photo, gives way to the shapes.

    Told to replace, or not told at all, the program removes every shape of the photo first.
    """
    return {"data": {"shapes": shapes, "description": "", "replace": False}}


def said(marks: Any, hw: tuple[int, int]) -> tuple[Clicks, BoxPrompt | None]:
    """The clicks and the last box of marks: {"type": "point", "data": [x, y], "label": 1} and "rectangle"."""
    clicks, box = Clicks(), None
    with named("the marks are not points and rectangles"):
        for mark in marks:
            numbers = [float(value) for value in mark["data"]]
            if mark["type"] == "rectangle":
                box = BoxPrompt(*numbers)
            elif mark["type"] == "point":
                x, y = numbers
                clicks += click_inside(x, y, mark.get("label", 1) not in (0, "0", False), hw)
    return clicks, box
