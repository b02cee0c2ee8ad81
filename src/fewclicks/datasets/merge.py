"""COCO+LVIS from COCO and LVIS, by the rules of its publication (Sofiiuk, Petrov and Konushin, RITM, 2021).

    things of COCO (crowds too) and objects of LVIS    at least 80 px
    a thing of COCO is dropped                         for an object of LVIS with box IoU > .7 and mask IoU > .7
    an object of LVIS is dropped                       for a later one of the photo with box IoU > .7 and mask IoU > .85
    order                                              things of COCO, objects of LVIS, stuff; each as annotated
    j is a part of the larger i                        if > .8 of its area is in i, and >= .7 of its box in the box of i
    stuff                                              what no object covers, where that is more than 500 px
    photos                                             in COCO, with an object in LVIS, and with one left in the end

Box IoU is the IoU of the rows times that of the columns. Each part gets as parent the deepest mask it is a part of.
One thing differs: polygons of LVIS become masks by pycocotools, as LVIS defines them; the publication filled them with
corners rounded and outlines included, which makes its masks about half a pixel larger.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fewclicks.types import Mask

MIN_AREA_PX, MIN_STUFF_PX = 80, 500
BOX_IOU, SAME_IOU, DUPLICATE_IOU = 0.7, 0.7, 0.85
PART_OF_BOX, PART_OF_MASK = 0.7, 0.8


@dataclass(frozen=True, slots=True)
class Merged:
    """The masks of a photo, objects before stuff; `parents`: index of a part -> index of what it is a part of."""

    masks: list[Mask]
    objects: int
    parents: dict[int, int]


def merge(things: Sequence[Mask], lvis: Sequence[Mask], stuff: Sequence[Mask]) -> Merged | None:
    """The masks that are kept; None when no object is."""
    things = [mask for mask in things if mask.sum() >= MIN_AREA_PX]
    lvis = [mask for mask in lvis if mask.sum() >= MIN_AREA_PX]
    boxes, others = _boxes(things), _boxes(lvis)
    known = _box_iou(boxes, others) > BOX_IOU  # things x lvis
    again = np.triu(_box_iou(others, others) > BOX_IOU, 1)  # lvis x later lvis
    masks = [m for m, row in zip(things, known, strict=True) if not _any_like(m, lvis, row, SAME_IOU)]
    masks += [m for m, row in zip(lvis, again, strict=True) if not _any_like(m, lvis, row, DUPLICATE_IOU)]
    if not masks:
        return None
    covered = np.logical_or.reduce(masks)
    open_stuff = [mask & ~covered for mask in stuff]
    parents = hierarchy(masks)
    return Merged(masks + [m for m in open_stuff if m.sum() > MIN_STUFF_PX], len(masks), parents)


def hierarchy(masks: Sequence[Mask]) -> dict[int, int]:
    """Index of each part -> index of the mask that it is a part of, by containment."""
    areas = [int(mask.sum()) for mask in masks]
    order = sorted(range(len(masks)), key=lambda k: (areas[k], k), reverse=True)  # of equal ones the later first
    inside = _inside(masks, areas)
    children: list[list[int]] = [[] for _ in masks]
    parents: dict[int, int] = {}

    def deepest(whole: int, part: int) -> int | None:
        for child in children[whole]:
            if (found := deepest(child, part)) is not None:
                return found
        return whole if inside[whole, part] else None

    for place, whole in enumerate(order):
        for part in order[place + 1 :]:
            if part not in parents and inside[whole, part]:
                found = deepest(whole, part)
                assert found is not None, "`whole` holds `part`"
                parents[part] = found
                children[found].append(part)
    return parents


def _inside(masks: Sequence[Mask], areas: Sequence[int]) -> NDArray[np.bool_]:
    """NxN: whether mask i holds mask j, whatever their sizes."""
    boxes = _boxes(masks)
    shared = _shared(boxes, boxes)
    size = (boxes[:, 1] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 2])
    near: NDArray[np.bool_] = shared.prod(axis=2) >= PART_OF_BOX * size
    for i, j in np.argwhere(near).tolist():
        top, bottom, left, right = boxes[j]
        common = masks[i][top:bottom, left:right] & masks[j][top:bottom, left:right]
        near[i, j] = common.sum() > PART_OF_MASK * areas[j]
    return near


def _any_like(mask: Mask, others: Sequence[Mask], candidates: NDArray[np.bool_], iou: float) -> bool:
    """Tell whether one of the candidates among `others` has more than this IoU with the mask."""
    return any((mask & others[k]).sum() > iou * (mask | others[k]).sum() for k in np.flatnonzero(candidates).tolist())


def _boxes(masks: Sequence[Mask]) -> NDArray[np.int64]:
    """Nx4 half-open boxes of masks that are not empty: first row, end row, first column, end column."""
    boxes = np.zeros((len(masks), 4), np.int64)
    for box, mask in zip(boxes, masks, strict=True):
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        box[:] = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    return boxes


def _shared(a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.int64]:
    """NxMx2: the rows and the columns that boxes share."""
    ends = np.minimum(a[:, None, 1::2], b[None, :, 1::2])
    return (ends - np.maximum(a[:, None, ::2], b[None, :, ::2])).clip(min=0)


def _box_iou(a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.float64]:
    """NxM: IoU of the rows times IoU of the columns."""
    spans = np.maximum(a[:, None, 1::2], b[None, :, 1::2]) - np.minimum(a[:, None, ::2], b[None, :, ::2])
    return np.asarray((_shared(a, b) / spans).prod(axis=2), np.float64)
