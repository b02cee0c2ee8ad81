"""CVAT: the function of an agent (Enterprise, Cloud), and what a Nuclio function answers (Community).

    cvat-cli function create-native fewclicks --function-file cvat.py
    cvat-cli function run-agent ID --function-file cvat.py

`--function-file` is a copy of this file, or one line: `from fewclicks.integrations.cvat import *`. No mask crosses the
protocol: all clicks come with each request, and what was answered before the last one is kept.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fewclicks.api import load
from fewclicks.clicks import Clicks
from fewclicks.errors import FewClicksError, InputError, MissingExtra, one_line
from fewclicks.formats import polygons
from fewclicks.images.reading import read_image
from fewclicks.integrations.photo_sources import decoded
from fewclicks.integrations.replay import Replay, Replays, click_inside
from fewclicks.integrations.requests import body_of, named
from fewclicks.predictor import Predictor
from fewclicks.prompts import BoxPrompt

if TYPE_CHECKING:
    import PIL.Image

__all__ = ["detect", "preprocess_image", "spec"]  # noqa: F822

TOLERANCE_PX = 1.0

_predictors: list[Predictor] = []


def __getattr__(name: str) -> Any:
    """`spec`: what an agent says of itself; made when it is asked for, as cvat-sdk is needed for it."""
    if name != "spec":
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return _sdk().InteractionFunctionSpec(min_pos_points=0, min_neg_points=0, min_bounding_boxes=0)


def preprocess_image(context: Any, image: PIL.Image.Image) -> Replay:
    """Begin a photo."""
    return Replay(_predictor(), read_image(image))


def detect(context: Any, pp_image: Replay, prompts: Any) -> list[Any]:
    """The object that the prompts mean, as one mask; none where nothing is found."""
    from cvat_sdk.masks import encode_mask

    clicks, box = said(prompts.pos_points, prompts.neg_points, prompts.bounding_box, pp_image.hw)
    if not clicks and box is None:
        return []
    mask = pp_image.state(clicks, box).mask
    return [_sdk().InteractionResultShape(type="mask", points=encode_mask(mask))] if mask.any() else []


def respond(replays: Replays, body: Any) -> tuple[str, int]:
    """Answer the body of a request, an object or the text of one, by the text of an answer and its HTTP status."""
    try:
        return json.dumps(answer(replays, body_of(body))), 200
    except FewClicksError as error:
        return json.dumps({"message": one_line(error)}), 400


def answer(replays: Replays, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Answer the body of a Nuclio interactor as RITM's function does: the outline, and the mask as rows of 0 and 1."""
    text = asked.get("image")
    replay = replays.of(hash(str(text)), lambda: decoded(text))
    clicks, box = said(
        asked.get("pos_points") or (), asked.get("neg_points") or (), asked.get("obj_bbox") or None, replay.hw
    )
    if not clicks and box is None:
        raise InputError("there is no point and no box; click on the object")
    mask = replay.state(clicks, box).mask
    parts = sorted(polygons.parts(mask, edges=False), key=lambda part: -len(part.outer))
    points = polygons.straightened(parts[0].outer, TOLERANCE_PX).tolist() if parts else []
    return {"points": points, "mask": mask.astype(np.uint8).tolist()}


def said(
    positive: Sequence[Sequence[float]], negative: Sequence[Sequence[float]], corners: Any, hw: tuple[int, int]
) -> tuple[Clicks, BoxPrompt | None]:
    """The clicks, those on the object first, since CVAT does not tell their order; and the box."""
    clicks = Clicks()
    with named("the points are not as CVAT sends them"):
        for points, sign in ((positive, True), (negative, False)):
            for x, y in points:
                clicks += click_inside(x, y, sign, hw)
        box = BoxPrompt(*map(float, (*corners[0], *corners[1]))) if corners else None
    return clicks, box


def _predictor() -> Predictor:
    """The default model, loaded once."""
    if not _predictors:
        _predictors.append(load())
    return _predictors[0]


def _sdk() -> Any:
    try:
        from cvat_sdk import auto_annotation
    except ImportError:
        raise MissingExtra("an agent of CVAT needs cvat-sdk; run: pip install cvat-cli") from None
    return auto_annotation
