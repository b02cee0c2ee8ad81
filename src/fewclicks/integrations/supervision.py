"""Roboflow's supervision: objects as `sv.Detections` and back (`pip install supervision`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fewclicks.errors import InputError, MissingExtra
from fewclicks.formats.annotations import Annotation
from fewclicks.geometry import Box
from fewclicks.types import Mask


def to_supervision(objects: Sequence[Annotation | Mask], labels: Sequence[str] = ()) -> Any:
    """The objects of a photo as `sv.Detections`: boxes, masks, classes (numbered as in `labels`), confidences.

    A plain HxW mask is an object without a class. Classes that are not in `labels` are numbered after them. Objects
    without pixels have no box, and are left out. `data["class_name"]` has the names.
    """
    sv = _supervision()
    found = [
        one if isinstance(one, Annotation) else Annotation(mask=np.asarray(one, bool), label="") for one in objects
    ]
    boxes = [Box.around(np.ascontiguousarray(one.mask)) for one in found]
    kept = [(one, box) for one, box in zip(found, boxes, strict=True) if box is not None]
    if not kept:
        return sv.Detections.empty()
    names = list(dict.fromkeys([*labels, *(one.label for one, _ in kept)]))
    scores = [one.score for one, _ in kept]
    return sv.Detections(
        xyxy=np.array([(box.x0, box.y0, box.x1, box.y1) for _, box in kept], np.float32),
        mask=np.stack([one.mask for one, _ in kept]),
        class_id=np.array([names.index(one.label) for one, _ in kept]),
        confidence=np.array(scores, np.float32) if None not in scores else None,
        data={"class_name": np.array([one.label for one, _ in kept])},
    )


def from_supervision(detections: Any, labels: Sequence[str] = ()) -> list[Annotation]:
    """The objects of `sv.Detections` with masks; InputError where they have none. Classes are named by `labels`."""
    if detections.mask is None:
        raise InputError("these detections have boxes only; pass ones with masks, or each box to Session.box")
    names = detections.data.get("class_name") if detections.data else None
    found = []
    for i, mask in enumerate(detections.mask):
        number = None if detections.class_id is None else int(detections.class_id[i])
        known = str(labels[number]) if number is not None and number < len(labels) else f"class_{number}"
        label = str(names[i]) if names is not None else known if number is not None else ""
        score = None if detections.confidence is None else float(detections.confidence[i])
        found.append(Annotation(mask=np.asarray(mask, bool), label=label, score=score))
    return found


def _supervision() -> Any:
    try:
        import supervision
    except ImportError:
        raise MissingExtra("this needs supervision, which is not installed; run: pip install supervision") from None
    return supervision
