"""LabelMe: one JSON file for each photo, to lie beside it.

    OUT/
      STEM.json              shapes bottom to top; imageData is null, imagePath the name of the photo
      NAME                   the photo, with copy=True

shapes="auto": polygons, whose parts share a `group_id`; an object with holes is a `mask` (which LabelMe knows since
5.3). So nothing is lost. shapes="mask": all are masks. shapes="polygon": all are polygons, and holes are filled.
Polygons go through the centres of the outermost pixels, as LabelMe itself draws them. The own name of an object is its
`description`. `tolerance_px` leaves out points of polygons that can be done without at that price.

Read are polygons (parts of one group_id and label become one object), masks, rectangles and circles.
"""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import PIL.Image

from fewclicks.formats import polygon_masks, polygons
from fewclicks.formats.annotations import AnnotatedPhoto, Annotation, Label
from fewclicks.formats.labelme_reader import read
from fewclicks.formats.notes import Notes
from fewclicks.formats.writing import UNLABELLED, Names, chosen, copy_photo, solid, tolerance_of
from fewclicks.geometry import Box
from fewclicks.types import Mask

__all__ = ["read", "write"]

TITLE = "LabelMe"
LOSES = "soft edges; with shapes=polygon the holes, with tolerance_px some pixels of the edge"
SHAPES = ("auto", "polygon", "mask")
VERSION = "5.5.0"
"""The version of LabelMe whose format this is."""


def write(
    photos: Iterable[AnnotatedPhoto],
    labels: Sequence[Label],
    out: Path,
    *,
    shapes: str = "auto",
    tolerance_px: float = 0.0,
    copy: bool = False,
) -> tuple[str, ...]:
    """Write into the folder `out`; what was lost. LabelMe keeps no list of labels: `labels` is not written."""
    chosen("shapes", shapes, SHAPES)
    notes, tolerance_px = Notes(), tolerance_of(tolerance_px)
    names = Names(notes)
    for photo in photos:
        stem, rows, group = names.stem(photo.file), [], 0
        for _, found, box in solid(photo, notes):
            points = [] if shapes == "mask" else _rings(found.mask, shapes == "auto", tolerance_px, notes)
            group += len(points) > 1
            several = group if len(points) > 1 else None
            rows += [_shape(found, "polygon", ring, several) for ring in points] or [_mask_shape(found, box)]
        content: dict[str, Any] = {
            "version": VERSION,
            "flags": {},
            "shapes": rows,
            "imagePath": PurePosixPath(photo.file).name,
            "imageData": None,
            "imageHeight": photo.hw[0],
            "imageWidth": photo.hw[1],
        }
        file = out / f"{stem}.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(content, ensure_ascii=False, indent=1), "utf-8")
        if copy:
            copy_photo(photo, out / photo.file)
    return notes.sentences()


def _rings(mask: Mask, exact: bool, tolerance_px: float, notes: Notes) -> list[list[list[float]]]:
    """The polygons of a mask; none where, to be `exact`, it cannot be polygons."""
    parts = polygons.parts(mask, edges=False)
    holes = any(part.holes for part in parts)
    rings = [polygons.straightened(part.outer, tolerance_px) for part in parts]
    if exact and (holes or min(len(ring) for ring in rings) < 3):
        return []
    rings = [polygons.at_least_three(ring) for ring in rings]
    changed = int(np.count_nonzero(mask ^ polygon_masks.by_centres([r.astype(np.float64) for r in rings], mask.shape)))
    if changed and holes:
        notes.add("{n} with holes, which polygons fill: up to {most} pixels are changed, {sum} in all", changed)
    elif changed:
        notes.add("{n} changed as polygons: up to {most} pixels, {sum} in all", changed)
    return [ring.astype(float).tolist() for ring in rings]


def _shape(found: Annotation, kind: str, points: list[list[float]], group: int | None) -> dict[str, Any]:
    row: dict[str, Any] = {
        "label": found.label or UNLABELLED,
        "points": points,
        "group_id": group,
        "description": found.name,
        "shape_type": kind,
        "flags": {},
        "mask": None,
    }
    return row if found.score is None else {**row, "score": float(found.score)}


def _mask_shape(found: Annotation, box: Box) -> dict[str, Any]:
    """A shape with the pixels of the box as a picture."""
    return {**_shape(found, "mask", [], None), **mask_fields(found.mask, box)}


def mask_fields(mask: Mask, box: Box) -> dict[str, Any]:
    """Fields of a shape of the type `mask`: the pixels of the box as a picture, and the first and last pixel of it."""
    file = io.BytesIO()
    PIL.Image.fromarray(mask[box.slices]).save(file, format="PNG")
    corners = [[float(box.x0), float(box.y0)], [float(box.x1 - 1), float(box.y1 - 1)]]
    return {"shape_type": "mask", "points": corners, "mask": base64.b64encode(file.getvalue()).decode("ascii")}
