"""LabelMe: one JSON file for each photo, to lie beside it.

    OUT/
      STEM.json              shapes bottom to top; imageData is null, imagePath the name of the photo
      NAME                   the photo, with copy=True

shapes="auto": polygons, whose parts share a `group_id`; an object with holes is a `mask` (which LabelMe knows since
5.3). So nothing is lost. shapes="mask": all are masks. shapes="polygon": all are polygons, and holes are filled.
Polygons go through the centres of the outermost pixels, as LabelMe itself draws them. The own name of an object is its
`description`. `tolerance_px` leaves out points of polygons that can be done without at that price.

Read are the files of LabelMe of all ages, X-AnyLabeling and converters: polygons (parts of one group_id and label
become one object), masks, rectangles and circles.
"""

from __future__ import annotations

import base64
import binascii
import io
import json
import math
import re
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import PIL.Image

from fewclicks.errors import InputError, counted
from fewclicks.formats import polygon_masks, polygons
from fewclicks.formats.annotations import AnnotatedPhoto, Annotation, Label
from fewclicks.formats.id_pictures import read_pixels
from fewclicks.formats.matching import Photos
from fewclicks.formats.notes import Notes
from fewclicks.formats.reading import (
    Imported,
    Maker,
    blame,
    files_in,
    label_of,
    nothing_for,
    number_of,
    read_json,
    require_hw,
    score_of,
    stored,
)
from fewclicks.formats.structure import json_format
from fewclicks.formats.writing import UNLABELLED, Names, chosen, copy_photo, solid, tolerance_of
from fewclicks.geometry import Box
from fewclicks.types import Mask

TITLE = "LabelMe"
LOSES = "soft edges; with shapes=polygon the holes, with tolerance_px some pixels of the edge"
SHAPES = ("auto", "polygon", "mask")
VERSION = "5.5.0"
"""The version of LabelMe whose format this is."""
UNUSABLE = (InputError, ValueError, TypeError, AttributeError, KeyError, IndexError, OverflowError)
"""What a damaged shape causes."""
DATA_URL = re.compile(r"data:[\w/+.-]*;base64,")
"""What browsers put in front of an encoded picture."""
AREAS = ("polygon", "rectangle", "rotation", "oriented_rectangle", "quadrilateral", "circle", "mask")
"""Kinds of shapes that have an area."""


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
            "flags": _flags(photo),
            "shapes": rows,
            "imagePath": PurePosixPath(photo.file).name,
            "imageData": None,
            "imageHeight": photo.hw[0],
            "imageWidth": photo.hw[1],
            **({"review": photo.about} if photo.about else {}),
        }
        file = out / f"{stem}.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(content, ensure_ascii=False, indent=1), "utf-8")
        if copy:
            copy_photo(photo, out / photo.file)
    return notes.sentences()


def _flags(photo: AnnotatedPhoto) -> dict[str, bool]:
    """What LabelMe shows as ticks of the photo: what its review said, and its tags."""
    verdict = [photo.state] if photo.state in ("accepted", "returned") else []
    return dict.fromkeys([*verdict, *map(str, photo.said.get("tags", ()))], True)


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
        notes.add("{n} with holes, which polygons fill: this changes up to {most}, {sum} in all", changed)
    elif changed:
        notes.add("{n} changed as polygons: up to {most}, {sum} in all", changed)
    return [ring.astype(float).tolist() for ring in rings]


def _shape(found: Annotation, kind: str, points: list[list[float]], group: int | None) -> dict[str, Any]:
    row: dict[str, Any] = {
        "label": found.label or UNLABELLED,
        "points": points,
        "group_id": group,
        "description": found.name,
        "shape_type": kind,
        "flags": {name: value for name, value in found.attributes.items() if isinstance(value, bool)},
        "mask": None,
    }
    if found.attributes:
        row["attributes"] = dict(found.attributes)
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


def read(source: Path, photos: Sequence[AnnotatedPhoto]) -> Imported:
    """The objects in the JSON files of a folder that are named as a photo or name one, or in one file."""
    known = Photos(photos)
    paths = [source / file for file in files_in(source, [".json"])] if source.is_dir() else [source]
    files: dict[str, list[Path]] = {}
    missing: dict[str, int] = {}
    for path in paths:
        photo = _photo_of(path, path.relative_to(source).as_posix() if source.is_dir() else path.name, known)
        if photo is None and not source.is_dir() and len(photos) == 1:
            photo = photos[0]
        if photo is not None:
            files.setdefault(photo.file, []).append(path)
        elif json_format(path) == "labelme":
            missing[path.name] = _count(path)
    if not files:
        raise nothing_for(source, photos, "STEM.json for a photo STEM.jpg", missing)

    def load(photo: AnnotatedPhoto, said: Notes) -> list[Maker]:
        makers: list[Maker] = []
        for path in files[photo.file]:
            with blame(path, "it should be a file of LabelMe"):
                content = read_json(path)
                shapes = content["shapes"] or []
                require_hw(photo, content.get("imageWidth"), content.get("imageHeight"))
                makers += _objects(photo, shapes, said)
        return makers

    found = tuple(photo for photo in photos if photo.file in files)
    sentences = (*known.notes, *_missing(missing))
    return Imported(
        (), found, load, sentences, sum(missing.values()), lambda photo: sum(map(_count, files[photo.file])), "shape",
        about=lambda photo: _about(files[photo.file][0]),
    )  # fmt: skip


def _about(path: Path) -> object:
    """What our export has said of the photo; nothing where another program wrote the file."""
    try:
        return read_json(path).get("review")
    except (OSError, *UNUSABLE, RecursionError):
        return None


def _missing(missing: dict[str, int]) -> tuple[str, ...]:
    """Tell what is said of the files whose photos are not there."""
    if not missing:
        return ()
    gone = f"{counted(len(missing), 'file')} of photos that are not in the folder, as '{min(missing)[:80]}'"
    return (f"{gone}: {counted(sum(missing.values()), 'shape')} left out",)


def _photo_of(path: Path, name: str, known: Photos) -> AnnotatedPhoto | None:
    """The photo that a file is named as; the one that it names, where there are several of that name, or none."""
    photo = known.by_stem(str(PurePosixPath(name).with_suffix("")))
    if photo is not None and len(known.named_alike(photo)) == 1:
        return photo
    try:
        content = read_json(path)
        written = content["imagePath"]
        inside = (PurePosixPath(name).parent / str(written).replace("\\", "/")).as_posix()
        named = known.find(inside) or known.find(written) if "shapes" in content else None
    except (OSError, *UNUSABLE, RecursionError):
        return photo
    return named if photo is None or named in known.named_alike(photo) else photo


def _count(path: Path) -> int:
    return len(read_json(path)["shapes"] or ())


def _objects(photo: AnnotatedPhoto, shapes: Sequence[Any], notes: Notes) -> list[Maker]:
    """Objects of the shapes; those of one group and label are one."""
    groups: dict[Any, list[tuple[int, dict[str, Any], str]]] = {}
    for number, shape in enumerate(shapes, start=1):
        try:
            if not isinstance(shape, dict):
                raise ValueError(f"a shape has a label and points, but this is {str(shape)[:40]}")
            label, group = label_of(shape.get("label")), shape.get("group_id")
        except UNUSABLE as error:
            notes.refuse(f"shape {number}", error)
            continue
        key = ("alone", number) if group in (None, "") else (label, str(group))
        groups.setdefault(key, []).append((number, shape, label))
    makers = []
    for members in groups.values():
        mask, drawn = np.zeros(photo.hw, np.bool_), list[dict[str, Any]]()
        for number, shape, label in members:
            try:
                if draw_shape(shape, mask, notes):
                    drawn.append(shape)
            except UNUSABLE as error:
                reason = f"it lacks {error}" if isinstance(error, KeyError) else error
                notes.refuse(f"shape {number} ('{label[:40]}')", reason)
        if drawn:
            name = drawn[0].get("description")
            label = members[0][2]
            if not str(drawn[0].get("label") or "").strip():
                notes.add(f"{{n}} without a label: called '{label}'")
            makers.append(stored(mask, label, name if isinstance(name, str) else "", score_of(drawn[0].get("score"))))
    return makers


def draw_shape(shape: dict[str, Any], mask: Mask, notes: Notes) -> bool:
    """Set the pixels of a shape in HxW `mask`; False and a note where it has none."""
    hw, kind = (mask.shape[0], mask.shape[1]), shape.get("shape_type") or "polygon"
    if kind not in AREAS:
        notes.left("{n} without area (points and lines): left out")
        return False
    points = _points(shape["points"])
    if kind == "mask":
        if _paste(str(shape["mask"]), points, mask, notes):
            return True
        notes.left("{n} without pixels: left out")
        return False
    if kind == "circle" and len(points) != 2:
        raise ValueError(f"a circle has its center and a point on it, but this has {counted(len(points), 'point')}")
    radius = math.dist(points[0], points[1]) if kind == "circle" else 0.0
    if kind == "circle":
        points = np.array([points[0] - radius, points[0] + radius])
    elif kind == "rectangle" and len(points) == 2:
        (x0, y0), (x1, y1) = points
        points = np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)])
    box = polygon_masks.box_of([points], hw)
    if box is None:
        raise ValueError(f"it lies outside of the photo, {hw[1]}x{hw[0]} pixels")
    if kind == "circle":
        (x, y), (rows, columns) = points.mean(axis=0), np.ogrid[box.slices]
        inside = (columns - x) ** 2 + (rows - y) ** 2 <= radius**2
        mask[box.slices] |= inside
        found = bool(inside.any())
    else:
        pixels = polygon_masks.by_centres([points], hw)
        mask |= pixels
        found = bool(pixels.any())
    if not found:
        notes.left("{n} without pixels: left out")
    return found


def _points(rows: Any) -> polygon_masks.Polygon:
    """Nx2 of [[x, y], ...], of numbers or their texts; ValueError for anything else."""
    pairs = isinstance(rows, list) and all(isinstance(row, list) and len(row) == 2 for row in rows)
    numbers = [[number_of(value) for value in row] for row in rows] if pairs else [[None]]
    if any(None in row for row in numbers):
        raise ValueError("its points are no pairs of numbers x, y")
    return polygon_masks.checked(np.array(numbers, np.float64))


def _paste(encoded: str, points: polygon_masks.Polygon, mask: Mask, notes: Notes) -> bool:
    """Set the pixels of an encoded picture; the points are the corners of its place. False where none is set.

    The picture says how large it is: LabelMe itself writes corners that are some pixels off. What lies over the edge of
    the photo is cut.
    """
    if len(points) != 2:
        raise ValueError(f"a mask has two corners, not {len(points)}")
    (x0, y0), (x1, y1) = np.floor(points.min(axis=0)).astype(int), np.floor(points.max(axis=0)).astype(int)
    try:
        picture = read_pixels(base64.b64decode(DATA_URL.sub("", encoded)), 4 * mask.size)
    except binascii.Error:
        raise ValueError("its picture is no base64 text") from None
    height, width = picture.shape
    if (height, width) != (y1 - y0 + 1, x1 - x0 + 1):
        notes.add("{n} whose picture is of another size than its corners say: laid at the upper left one")
    rows, columns = mask.shape
    if x0 >= columns or y0 >= rows or x0 + width <= 0 or y0 + height <= 0:
        raise ValueError(f"its box {points.ravel().tolist()} lies outside of the photo, {columns}x{rows} pixels")
    top, left = max(0, -y0), max(0, -x0)
    part = picture[top : rows - y0, left : columns - x0]
    if part.shape != picture.shape:
        notes.add("{n} over the edge of the photo: cut there")
    y, x = max(0, y0), max(0, x0)
    mask[y : y + part.shape[0], x : x + part.shape[1]] |= part
    return bool(part.any())
