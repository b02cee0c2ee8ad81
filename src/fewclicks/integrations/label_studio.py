"""Label Studio's ML backend: smart keypoints and boxes in, brush masks and polygons out.

The brush mask of the task that the click is meant for is Y: a click corrects what is there. What a browser sends is the
whole prompt; the photo and the states before the last click are kept.
"""

from __future__ import annotations

import uuid
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from fewclicks.clicks import Click, Clicks
from fewclicks.errors import FewClicksError, InputError, one_line
from fewclicks.formats import polygons
from fewclicks.geometry import Box
from fewclicks.integrations import brush_rle
from fewclicks.integrations.replay import Replay, Replays, click_inside
from fewclicks.integrations.requests import fields, named, objects
from fewclicks.prompts import BoxPrompt
from fewclicks.types import Image, Mask

NEAR = 0.5
"""A click is meant for a mask that is this near, in parts of the sides of its box."""
TOLERANCE_PX = 1.0
"""How far off the polygons may be."""
PROMPTS = ("keypointlabels", "rectanglelabels", "keypoint", "rectangle")


class Photos(Protocol):
    """Tells where the photos of tasks come from."""

    def read(self, address: str) -> Image:
        """The pixels at an address as tasks have it; InputError where it cannot be read."""
        ...


@dataclass(frozen=True, slots=True)
class Controls:
    """Holds what matters of a labeling configuration: the name of the image, of the brush and of the polygons."""

    image: str
    value: str
    """The field of a task's data that is the image's address."""
    brush: str | None
    polygon: str | None

    @classmethod
    def of(cls, config: str) -> Controls:
        """Those of a configuration; InputError where it is no XML, or has no image or nothing to answer with."""
        if "<!" in config.replace("<!--", ""):
            raise InputError("a labeling configuration has no document type; leave it out")
        try:
            tags = list(ElementTree.fromstring(config).iter())
        except ElementTree.ParseError as error:
            raise InputError(f"the labeling configuration is no XML ({error}); save it again in Label Studio") from None
        image = next((tag for tag in tags if tag.tag == "Image"), None)
        named = {tag.tag: tag.get("name") for tag in reversed(tags) if tag.get("name")}
        brush, polygon = named.get("BrushLabels"), named.get("PolygonLabels")
        if image is None or not image.get("name"):
            raise InputError("the labeling configuration has no <Image>; this backend is for photos")
        if not brush and not polygon:
            raise InputError("the labeling configuration has no <BrushLabels> or <PolygonLabels> to answer with")
        value = str(image.get("value", "$image")).lstrip("$")
        return cls(str(image.get("name")), value, brush, polygon)


class Backend:
    """Holds what the routes of an ML backend answer."""

    def __init__(self, replays: Replays, photos: Photos, version: str) -> None:
        self._replays = replays
        self._photos = photos
        self.version = version

    def health(self) -> dict[str, Any]:
        """That it runs."""
        return {"status": "UP", "model_class": "fewclicks"}

    def setup(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Take a project's configuration, and refuse one that cannot be served."""
        if asked.get("schema"):
            Controls.of(str(asked["schema"]))
        return {"model_version": self.version}

    def webhook(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Take note of an event: nothing is trained here, so nothing is to be done."""
        return {"status": "ok", "action": str(asked.get("action", ""))[:80]}

    def predict(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Answer the prompts of `params.context`, for each task.

        Without a context somebody opens a task, or asks for predictions of many: there are none, and an empty one would
        be shown as one. A task that is opened has its photo fetched.
        """
        tasks = asked.get("tasks") or []
        context = fields(asked.get("params")).get("context") or asked.get("context") or {}
        if not isinstance(tasks, list) or not isinstance(context, dict):
            raise InputError("tasks is a list and params.context an object; this is not as Label Studio asks")
        regions = objects(context.get("result"))
        controls = Controls.of(str(asked.get("label_config", "")))
        if context:
            answers: list[Any] = [self._answered(task, regions, controls, alone=len(tasks) == 1) for task in tasks]
        else:
            answers = [[] for _ in tasks]
            if len(tasks) == 1:
                self._photo(tasks[0], controls)
        return {"results": answers, "model_version": self.version}

    def _photo(self, task: Any, controls: Controls) -> Replay:
        """The photo of a task and what was said of it so far; InputError where it has none that can be read."""
        address = fields(fields(task).get("data")).get(controls.value)
        if not isinstance(address, str):
            raise InputError(f"the task has no field '{controls.value}' with the address of its photo")
        return self._replays.of((str(task.get("id")), address), lambda: self._photos.read(address))

    def _empty(self) -> dict[str, Any]:
        return {"result": [], "score": 0.0, "model_version": self.version}

    def _answered(
        self, task: Any, regions: Sequence[Mapping[str, Any]], controls: Controls, alone: bool
    ) -> dict[str, Any]:
        """The prediction of one task; of one of many that cannot be answered an empty one, which says why."""
        try:
            return self._answer(task, regions, controls)
        except FewClicksError as error:
            if alone:
                raise
            return {**self._empty(), "error": one_line(error)}

    def _answer(self, task: Any, regions: Sequence[Mapping[str, Any]], controls: Controls) -> dict[str, Any]:
        """The prediction of one task; an empty one where nothing was asked."""
        empty = self._empty()
        prompts = [row for row in regions if row.get("type") in PROMPTS]
        replay = self._photo(task, controls)
        if not prompts:
            return empty
        clicks, box, label = _said(prompts, replay.hw)
        if not clicks and box is None:
            return empty
        mask = stored_mask(task, label, clicks, box, replay.hw)
        state = replay.state(clicks, box, mask.astype(np.float32) if mask is not None else None)
        found = state.mask
        if not found.any():
            return empty
        score = round(float(state.prob[found].mean()), 4)
        rows = list(_regions(found, label, controls, score))
        return {"result": rows, "score": score, "model_version": self.version}


def stored_mask(
    task: Mapping[str, Any], label: str, clicks: Clicks, box: BoxPrompt | None, hw: tuple[int, int]
) -> Mask | None:
    """The brush mask of the task that the prompts are meant for: the newest of the label that a click is in or near.

    None where there is none, so that a new object begins. A box always begins one.
    """
    if box is not None:
        return None
    for row in reversed(list(_stored(task))):
        value = fields(row.get("value"))
        if row.get("type") != "brushlabels" or not value.get("rle"):
            continue
        labels = value.get("brushlabels")
        if label and isinstance(labels, list) and labels and label not in labels:
            continue
        try:
            mask = brush_rle.decode(value["rle"], hw)
        except InputError:  # of another photo, or damaged: the others may be good
            continue
        place = Box.around(np.ascontiguousarray(mask))
        if place is not None and any(_is_near(place, click, hw) for click in clicks):
            return mask
    return None


def _stored(task: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The regions that a task has, the oldest first: predictions, annotations, drafts."""
    for kind in ("predictions", "annotations", "drafts"):
        for holder in objects(task.get(kind)):
            yield from objects(holder.get("result"))


def _is_near(box: Box, click: Click, hw: tuple[int, int]) -> bool:
    row, column = click.pixel(hw)
    dy, dx = (NEAR * side for side in box.hw)
    return box.y0 - dy <= row < box.y1 + dy and box.x0 - dx <= column < box.x1 + dx


def _said(prompts: Sequence[Mapping[str, Any]], hw: tuple[int, int]) -> tuple[Clicks, BoxPrompt | None, str]:
    """The clicks in pixels, the last box, and the label of the prompts. InputError for a damaged one."""
    clicks, box, label = Clicks(), None, ""
    for row in prompts:
        with named("a prompt is not as Label Studio sends it"):
            value = row["value"]
            x, y = (float(value[key]) / 100 * side for key, side in (("x", hw[1]), ("y", hw[0])))
            names = value.get(str(row["type"])) or value.get("labels") or row.get("labels") or [label]
            label = str(names[0] if isinstance(names, list) else names)
            if str(row["type"]).startswith("rectangle"):
                width, height = float(value["width"]) / 100 * hw[1], float(value["height"]) / 100 * hw[0]
                box = BoxPrompt(x, y, x + width, y + height)
            else:
                clicks += click_inside(x - 0.5, y - 0.5, _is_positive(row, value), hw)
    return clicks, box, label


def _is_positive(row: Mapping[str, Any], value: Mapping[str, Any]) -> bool:
    """The sign of a keypoint, in either dialect: `is_positive` of the region (0, 1 or a truth), or `value.positive`."""
    said = row.get("is_positive", value.get("is_positive", value.get("positive", True)))
    return said not in (0, False, "0", "false")


def _regions(mask: Mask, label: str, controls: Controls, score: float) -> Iterator[dict[str, Any]]:
    """The mask as regions: a brush where the configuration has one, else polygons, one for each part."""
    height, width = mask.shape
    common = {
        "original_width": width,
        "original_height": height,
        "image_rotation": 0,
        "to_name": controls.image,
        "score": score,
        "readonly": False,
    }
    if controls.brush:
        value = {"format": "rle", "rle": brush_rle.encode(mask), "brushlabels": [label]}
        yield {"id": _name(), "from_name": controls.brush, "type": "brushlabels", "value": value, **common}
        return
    for part in polygons.parts(mask, edges=True):
        ring = polygons.straightened(polygons.with_cuts(part), TOLERANCE_PX)
        if len(ring) > 2:
            points = [[100 * float(x) / width, 100 * float(y) / height] for x, y in ring]
            outline = {"points": points, "closed": True, "polygonlabels": [label]}
            yield {"id": _name(), "from_name": controls.polygon, "type": "polygonlabels", "value": outline, **common}


def _name() -> str:
    return uuid.uuid4().hex[:10]
