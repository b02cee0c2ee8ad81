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
import math
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import PIL.Image

from fewclicks.annotations import AnnotatedPhoto, Annotation, Label
from fewclicks.arrays import Mask
from fewclicks.errors import InputError
from fewclicks.exports import _polygons, _raster
from fewclicks.exports._notes import Notes
from fewclicks.exports._png import read_pixels
from fewclicks.exports._read import (
    Imported,
    Maker,
    Photos,
    blame,
    files_in,
    label_of,
    nothing_for,
    read_json,
    require_hw,
    score_of,
    stored,
)
from fewclicks.exports._write import UNLABELLED, Names, chosen, copy_photo, solid, tolerance_of
from fewclicks.geometry import Box

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
    parts = _polygons.parts(mask, edges=False)
    holes = any(part.holes for part in parts)
    rings = [_polygons.straightened(part.outer, tolerance_px) for part in parts]
    if exact and (holes or min(len(ring) for ring in rings) < 3):
        return []
    rings = [_polygons.at_least_three(ring) for ring in rings]
    changed = int(np.count_nonzero(mask ^ _raster.by_centres([r.astype(np.float64) for r in rings], mask.shape)))
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
    """A shape with the pixels of the box as a picture; its two points are the first and the last pixel of the box."""
    file = io.BytesIO()
    PIL.Image.fromarray(found.mask[box.slices]).save(file, format="PNG")
    corners = [[float(box.x0), float(box.y0)], [float(box.x1 - 1), float(box.y1 - 1)]]
    return {**_shape(found, "mask", corners, None), "mask": base64.b64encode(file.getvalue()).decode("ascii")}


def read(source: Path, photos: Sequence[AnnotatedPhoto]) -> Imported:
    """The objects in the JSON files of a folder that are named as a photo, or in one file."""
    known, files = Photos(photos), dict[str, Path]()
    for file in files_in(source, [".json"]) if source.is_dir() else [source.name]:
        photo = known.by_stem(str(PurePosixPath(file).with_suffix("")))
        if photo is not None:
            files.setdefault(photo.file, source / file if source.is_dir() else source)
    if source.is_file() and len(photos) == 1:
        files[photos[0].file] = source
    if not files:
        raise nothing_for(source, photos, "STEM.json for a photo STEM.jpg")

    def load(photo: AnnotatedPhoto) -> tuple[list[Maker], tuple[str, ...]]:
        with blame(files[photo.file], "it should be a file of LabelMe"):
            content = read_json(files[photo.file])
            require_hw(photo, content["imageWidth"], content["imageHeight"])
            return _objects(photo, content["shapes"])

    return Imported((), tuple(photo for photo in photos if photo.file in files), load)


def _objects(photo: AnnotatedPhoto, shapes: Sequence[dict[str, Any]]) -> tuple[list[Maker], tuple[str, ...]]:
    notes, groups = Notes("shape"), dict[Any, list[dict[str, Any]]]()
    for number, shape in enumerate(shapes):
        group = shape.get("group_id")
        groups.setdefault(("alone", number) if group is None else (label_of(shape["label"]), group), []).append(shape)
    makers = []
    for members in groups.values():
        mask = np.zeros(photo.hw, np.bool_)
        for shape in members:
            try:
                _draw(shape, mask, notes)
            except (InputError, ValueError, TypeError, KeyError, IndexError, OverflowError) as error:
                raise ValueError(f"the shape '{str(shape.get('label'))[:40]}': {error}") from None
        first = members[0]
        name = first.get("description")
        if mask.any():
            fields = (label_of(first["label"]), name if isinstance(name, str) else "", score_of(first.get("score")))
            makers.append(stored(mask, *fields))
    return makers, notes.sentences()


def _draw(shape: dict[str, Any], mask: Mask, notes: Notes) -> None:
    """Set the pixels of a shape in HxW `mask`; shapes without area are noted."""
    hw, kind = (mask.shape[0], mask.shape[1]), shape.get("shape_type") or "polygon"
    if kind not in ("polygon", "rectangle", "rotation", "oriented_rectangle", "circle", "mask"):
        notes.add("{n} without area (points and lines): left out")
        return
    points = _raster.checked(np.array(shape["points"], np.float64))
    if kind == "mask":
        _paste(str(shape["mask"]), points, mask)
        return
    radius = math.dist(points[0], points[1]) if kind == "circle" else 0.0
    if kind == "circle":
        points = np.array([points[0] - radius, points[0] + radius])
    elif kind == "rectangle" and len(points) == 2:
        (x0, y0), (x1, y1) = points
        points = np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)])
    box = _raster.box_of([points], hw)
    if box is None:
        raise ValueError(f"it lies outside of the photo, {hw[1]}x{hw[0]} pixels")
    if kind == "circle":
        (x, y), (rows, columns) = points.mean(axis=0), np.ogrid[box.slices]
        mask[box.slices] |= (columns - x) ** 2 + (rows - y) ** 2 <= radius**2
    else:
        mask |= _raster.by_centres([points], hw)


def _paste(encoded: str, points: _raster.Polygon, mask: Mask) -> None:
    """Set the pixels of an encoded picture; the points are the corners of its place."""
    (x0, y0), (x1, y1) = (int(x) for x in points[0]), (int(x) for x in points[1])
    height, width = y1 - y0 + 1, x1 - x0 + 1
    if len(points) != 2 or min(x0, y0) < 0 or min(width, height) < 1 or x1 >= mask.shape[1] or y1 >= mask.shape[0]:
        raise ValueError(f"its box {points.ravel()[:4].tolist()} lies outside of the photo")
    picture = read_pixels(base64.b64decode(encoded), (height, width))
    mask[y0 : y1 + 1, x0 : x1 + 1] |= picture > 0
