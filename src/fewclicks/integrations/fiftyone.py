"""FiftyOne: objects as `fo.Detections` with instance masks, and back (`pip install fiftyone`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fewclicks.errors import InputError, MissingExtra
from fewclicks.formats.annotations import Annotation
from fewclicks.geometry import Box


def to_fiftyone(objects: Sequence[Annotation]) -> Any:
    """The objects of a photo as `fo.Detections`: relative boxes, and masks within them. Empty ones are left out."""
    fo = _fiftyone()
    found = []
    for one in objects:
        box = Box.around(np.ascontiguousarray(one.mask))
        if box is not None:
            height, width = one.mask.shape
            place = [box.x0 / width, box.y0 / height, box.hw[1] / width, box.hw[0] / height]
            mask = np.ascontiguousarray(one.mask[box.slices])
            more = {"confidence": one.score} if one.score is not None else {}
            found.append(fo.Detection(label=one.label or "object", bounding_box=place, mask=mask, **more))
    return fo.Detections(detections=found)


def from_fiftyone(detections: Any, hw: tuple[int, int]) -> list[Annotation]:
    """The objects of `fo.Detections` in a photo of size `hw`; InputError for one without a mask."""
    return [_annotation(one, hw) for one in detections.detections]


def _annotation(detection: Any, hw: tuple[int, int]) -> Annotation:
    if detection.mask is None:
        raise InputError(f"the detection '{detection.label}' has a box only; pass ones with masks")
    x, y, _, _ = detection.bounding_box
    crop = np.asarray(detection.mask) > 0
    y0, x0 = round(y * hw[0]), round(x * hw[1])
    mask = np.zeros(hw, np.bool_)
    place = mask[max(0, y0) : y0 + crop.shape[0], max(0, x0) : x0 + crop.shape[1]]
    place[:] = crop[max(0, -y0) :, max(0, -x0) :][: place.shape[0], : place.shape[1]]
    score = detection.confidence
    return Annotation(mask=mask, label=detection.label or "", score=None if score is None else float(score))


def _fiftyone() -> Any:
    try:
        import fiftyone
    except ImportError:
        raise MissingExtra("this needs FiftyOne, which is not installed; run: pip install fiftyone") from None
    return fiftyone
