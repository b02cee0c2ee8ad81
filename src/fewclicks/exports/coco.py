"""COCO instances: one JSON file with all photos and objects. Whole masks, overlaps kept, as run lengths or polygons.

    OUT/
      annotations.json       images, annotations, categories (ids from 1 on)
      images/NAME            the photos, with copy=True

OUT may also be named `something.json`: then that one file is written. Objects are in their order, bottom to top, which
COCO itself does not know. Own names are in `attributes.name`, who worked on an object last is in `attributes.person`,
scores are in `score`. `iscrowd` is 0.

shapes="rle" (compressed run lengths) keeps every pixel. shapes="polygons" keeps them too, in programs that fill
polygons as pycocotools does: a hole is joined to the outline by a cut of no width. shapes="filled_polygons" has no
cuts: holes are filled. `tolerance_px` leaves out points that the outline can do without at that price.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from fewclicks import rle
from fewclicks.annotations import AnnotatedPhoto, Annotation, Label
from fewclicks.arrays import Mask
from fewclicks.errors import InputError
from fewclicks.exports import _polygons, _raster
from fewclicks.exports._notes import Notes
from fewclicks.exports._read import (
    Imported,
    Maker,
    Photos,
    blame,
    coloured,
    files_in,
    label_of,
    nothing_for,
    read_json,
    require_hw,
    score_of,
    stored,
    stored_runs,
)
from fewclicks.exports._write import Classes, Names, chosen, copy_photo, solid, tolerance_of
from fewclicks.geometry import Box

TITLE = "COCO JSON"
LOSES = "soft edges; with filled_polygons the holes, with tolerance_px some pixels of the edge"
FILE = "annotations.json"
SHAPES = ("rle", "polygons", "filled_polygons")


def write(
    photos: Iterable[AnnotatedPhoto],
    labels: Sequence[Label],
    out: Path,
    *,
    shapes: str = "rle",
    tolerance_px: float = 0.0,
    copy: bool = False,
) -> tuple[str, ...]:
    """Write into the folder `out`; what was lost. Holds one photo's objects at a time."""
    chosen("shapes", shapes, SHAPES)
    notes, classes, images, written = Notes(), Classes(labels), [], 0
    names, segment = Names(notes), _segmenter(shapes, tolerance_of(tolerance_px), notes)
    with open(out / FILE, "w", encoding="utf-8") as file:
        file.write(
            '{"info": {"description": "written by fewclicks", "version": "1.0"}, "licenses": [],\n"annotations": ['
        )
        for image_id, photo in enumerate(photos, start=1):
            place = names.path(photo.file)
            images.append({"id": image_id, "file_name": photo.file, "width": photo.hw[1], "height": photo.hw[0]})
            if copy:
                copy_photo(photo, out / "images" / place)
            for _, found, box in solid(photo, notes):
                written += 1
                where = {"id": written, "image_id": image_id, "category_id": classes[found.label] + 1}
                file.write(",\n" if written > 1 else "\n")
                json.dump(where | _annotation(found, box, segment(found.mask)), file, ensure_ascii=False)
        categories = [
            {"id": i, "name": label.name, "supercategory": "", "color": list(label.colour)}
            for i, label in enumerate(classes.labels, start=1)
        ]
        file.write(f'],\n"images": {json.dumps(images)},\n"categories": {json.dumps(categories)}}}\n')
    return notes.sentences()


def _annotation(found: Annotation, box: Box, segmentation: Any) -> dict[str, Any]:
    height, width = box.hw
    entry = {
        "segmentation": segmentation,
        "area": int(np.count_nonzero(found.mask[box.slices])),
        "bbox": [box.x0, box.y0, width, height],
        "iscrowd": 0,
    }
    if found.score is not None:
        entry["score"] = float(found.score)
    attributes = {"name": found.name, "person": found.person}
    if any(attributes.values()):
        entry["attributes"] = {key: value for key, value in attributes.items() if value}
    return entry


def _segmenter(shapes: str, tolerance_px: float, notes: Notes) -> Callable[[Mask], Any]:
    """What makes the `segmentation` of a mask, and notes what it loses."""

    def as_rle(mask: Mask) -> Any:
        return {"size": list(mask.shape), "counts": rle.text(rle.runs(mask))}

    def as_polygons(mask: Mask) -> Any:
        parts = _polygons.parts(mask, edges=True)
        holes = any(part.holes for part in parts)
        cuts = shapes == "polygons"
        rings = [_polygons.with_cuts(part) if cuts else part.outer for part in parts]
        polygons = [_polygons.straightened(ring, tolerance_px) for ring in rings]
        if holes and cuts:
            notes.add("{n} with holes, kept by cuts of no width: some programs draw the cuts or fill the holes")
        _note_change(mask, _raster.by_edges([p.astype(np.float64) for p in polygons], mask.shape), holes, notes)
        return [polygon.ravel().tolist() for polygon in polygons]

    return as_rle if shapes == "rle" else as_polygons


def _note_change(mask: Mask, drawn: Mask, holes: bool, notes: Notes) -> None:
    changed = int(np.count_nonzero(mask ^ drawn))
    if changed and holes:
        notes.add("{n} with holes, which polygons fill: up to {most} pixels are changed, {sum} in all", changed)
    elif changed:
        notes.add("{n} changed as polygons: up to {most} pixels, {sum} in all", changed)


def read(source: Path, photos: Sequence[AnnotatedPhoto]) -> Imported:
    """The objects in a COCO file, or of the one COCO file in a folder. Photos are matched by path, else by name."""
    path = _file_of(source)
    with blame(path, "pass a file of COCO instances"):
        content = read_json(path, hook=_compact)
        categories = {row["id"]: label_of(row["name"]) for row in content.get("categories") or ()}
        colours = [row.get("color") for row in content.get("categories") or ()]
        known, unknown = Photos(photos), 0
        images: dict[Any, AnnotatedPhoto] = {}
        sizes: dict[str, tuple[Any, Any]] = {}
        for row in content["images"]:
            photo = known.find(row["file_name"])
            if row["id"] in images:
                raise ValueError(f"two images have the id {str(row['id'])[:20]}")
            if photo is None or photo.file in sizes:
                unknown += 1
            else:
                images[row["id"]], sizes[photo.file] = photo, (row["width"], row["height"])
        rows: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for row in content["annotations"]:
            if row["image_id"] in images:
                rows[images[row["image_id"]].file].append(row)
    if not images:
        raise nothing_for(path, photos, "file_name to be the name of one of them")

    def load(photo: AnnotatedPhoto) -> tuple[list[Maker], tuple[str, ...]]:
        with blame(path):
            require_hw(photo, *sizes[photo.file])
            return _objects(photo, rows[photo.file], categories)

    notes = (f"{unknown} photos of '{path.name}' are not in the folder",) if unknown else ()
    found = tuple(photo for photo in photos if photo.file in sizes)
    return Imported(coloured(categories.values(), colours), found, load, notes)


def _file_of(source: Path) -> Path:
    if not source.is_dir():
        return source
    files = files_in(source, [".json"])
    if FILE in files:
        return source / FILE
    if len(files) != 1:
        raise InputError(f"'{source}' holds {len(files)} JSON files; pass the COCO file itself")
    return source / files[0]


def _compact(row: dict[str, Any]) -> dict[str, Any]:
    """Coordinates as arrays, which take a quarter of the memory of lists of numbers."""
    polygons = row.get("segmentation")
    if isinstance(polygons, list) and polygons and all(isinstance(polygon, list) for polygon in polygons):
        with suppress(ValueError, TypeError, OverflowError):  # said when the photo is asked for
            row["segmentation"] = [np.array(polygon, np.float64) for polygon in polygons]
    return row


def _objects(
    photo: AnnotatedPhoto, rows: Sequence[dict[str, Any]], categories: dict[Any, str]
) -> tuple[list[Maker], tuple[str, ...]]:
    notes = Notes()
    makers = []
    for row in rows:
        try:
            maker = _object(photo, row, categories, notes)
        except (ValueError, TypeError, AttributeError, OverflowError) as error:
            raise ValueError(f"annotation {str(row.get('id'))[:20]} of '{photo.file}': {error}") from None
        if maker is not None:
            makers.append(maker)
    return makers, notes.sentences()


def _object(photo: AnnotatedPhoto, row: dict[str, Any], categories: dict[Any, str], notes: Notes) -> Maker | None:
    category = row.get("category_id")
    if categories and category not in categories:
        raise ValueError(f"its category {str(category)[:20]} is not in categories")
    label = categories.get(category) or f"class_{category}"
    attributes = row.get("attributes")
    name = attributes.get("name") if isinstance(attributes, dict) else None
    fields = (label, name if isinstance(name, str) else "", score_of(row.get("score")))
    shape = row.get("segmentation")
    if isinstance(shape, dict):
        if list(shape.get("size", ())) != list(photo.hw):
            raise ValueError(f"its RLE has the size {str(shape.get('size'))[:40]}, not {list(photo.hw)}")
        counts = shape.get("counts")
        if not isinstance(counts, str | list):
            raise ValueError("its RLE has no counts")
        runs = rle.runs_of_text(counts) if isinstance(counts, str) else counts
        return stored_runs(rle.checked_runs(runs, photo.hw), photo.hw, *fields)
    polygons = _polygons_of(shape)
    if not polygons:
        notes.add("{n} without outline (a box only): left out")
        return None
    mask = _raster.by_edges(polygons, photo.hw)
    if not mask.any():
        if _raster.box_of(polygons, photo.hw) is None:
            raise ValueError(f"its polygon lies outside of the photo, {photo.hw[1]}x{photo.hw[0]} pixels")
        notes.add("{n} smaller than a pixel: left out")
        return None
    return stored(mask, *fields)


def _polygons_of(shape: Any) -> list[_raster.Polygon]:
    """The polygons of a `segmentation`; one flat list of numbers is taken as one polygon."""
    if not isinstance(shape, list) or not shape:
        return []
    rows = shape if isinstance(shape[0], list | np.ndarray) else [shape]
    polygons = []
    for row in rows:
        numbers = np.asarray(row, np.float64).ravel()
        if numbers.size % 2:
            raise ValueError(f"a polygon of {numbers.size} numbers, which are no pairs x, y")
        if numbers.size:
            polygons.append(_raster.checked(numbers.reshape(-1, 2)))
    return polygons
