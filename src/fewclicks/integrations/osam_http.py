"""osam's HTTP: `/api/generate` answers points by the box and the mask of an object, a PNG cropped to the box."""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Mapping
from typing import Any

import numpy as np
import PIL.Image

from fewclicks.clicks import Click, Clicks
from fewclicks.errors import InputError
from fewclicks.integrations.photo_sources import decoded
from fewclicks.integrations.replay import Replays, click_inside
from fewclicks.integrations.requests import named
from fewclicks.prompts import BoxPrompt

PAD, BACKGROUND, OBJECT, CORNER, OTHER_CORNER = -1, 0, 1, 2, 3
"""Labels of points, as SAM's ONNX files have them: two points may be the corners of a box."""


def generate(replays: Replays, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Answer `prompt.points` and `prompt.point_labels`; without a prompt the middle of the photo is meant, as there."""
    text = asked.get("image")
    replay = replays.of(hashlib.sha256(str(text).encode()).digest(), lambda: decoded(text))
    clicks, box = said(asked.get("prompt"), replay.hw)
    state = replay.state(clicks, box)
    model = str(asked.get("model") or "fewclicks")
    place = state.box
    if place is None:
        return {"model": model, "annotations": []}
    file = io.BytesIO()
    PIL.Image.fromarray(state.mask[place.slices].astype(np.uint8) * 255).save(file, "PNG")
    corners = {"xmin": place.x0, "ymin": place.y0, "xmax": place.x1 - 1, "ymax": place.y1 - 1}
    score = round(float(state.prob[state.mask].mean()), 4)
    found = {"bounding_box": corners, "mask": base64.b64encode(file.getvalue()).decode("ascii"), "score": score}
    return {"model": model, "annotations": [{**found, "text": None}]}


def said(prompt: Any, hw: tuple[int, int]) -> tuple[Clicks, BoxPrompt | None]:
    """The clicks and the box of a prompt {"points": [[x, y], ...], "point_labels": [1, ...]}."""
    if prompt is None:
        return Clicks((Click(hw[1] // 2, hw[0] // 2),)), None
    clicks = Clicks()
    corners: list[tuple[float, float]] = []
    with named("the prompt is not points and point_labels"):
        for (x, y), label in zip(prompt["points"], prompt["point_labels"], strict=True):
            if label in (CORNER, OTHER_CORNER):
                corners.append((float(x), float(y)))
            elif label in (BACKGROUND, OBJECT):
                clicks += click_inside(x, y, label == OBJECT, hw)
            elif label != PAD:
                raise ValueError(f"the label {label!r} is none of -1, 0, 1, 2, 3")
    box = BoxPrompt(*corners[0], *corners[1]) if len(corners) == 2 else None
    if not clicks and box is None:
        raise InputError("the prompt has no point; send points with the labels 1 and 0")
    return clicks, box
