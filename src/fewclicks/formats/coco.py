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
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fewclicks.formats import polygon_masks, rle
from fewclicks.formats import polygons as polygons_module
from fewclicks.formats.annotations import AnnotatedPhoto, Annotation, Label
from fewclicks.formats.coco_reader import read
from fewclicks.formats.notes import Notes
from fewclicks.formats.writing import Classes, Names, chosen, copy_photo, solid, tolerance_of
from fewclicks.geometry import Box
from fewclicks.types import Mask

__all__ = ["read", "write"]

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


def segmentation_like(mask: Mask, model: Any) -> Any:
    """The `segmentation` of an HxW mask, in the shape that `model`, another one, has: polygons or one of the RLEs."""
    if isinstance(model, dict):
        runs = rle.runs(mask)
        counts = runs.tolist() if isinstance(model.get("counts"), list) else rle.text(runs)
        return {**model, "size": list(mask.shape), "counts": counts}
    return _segmenter("polygons", 0.0, Notes())(mask)


def _segmenter(shapes: str, tolerance_px: float, notes: Notes) -> Callable[[Mask], Any]:
    """What makes the `segmentation` of a mask, and notes what it loses."""

    def as_rle(mask: Mask) -> Any:
        return {"size": list(mask.shape), "counts": rle.text(rle.runs(mask))}

    def as_polygons(mask: Mask) -> Any:
        parts = polygons_module.parts(mask, edges=True)
        holes = any(part.holes for part in parts)
        cuts = shapes == "polygons"
        rings = [polygons_module.with_cuts(part) if cuts else part.outer for part in parts]
        polygons = [polygons_module.straightened(ring, tolerance_px) for ring in rings]
        if holes and cuts:
            notes.add("{n} with holes, kept by cuts of no width: some programs draw the cuts or fill the holes")
        _note_change(mask, polygon_masks.by_edges([p.astype(np.float64) for p in polygons], mask.shape), holes, notes)
        return [polygon.ravel().tolist() for polygon in polygons]

    return as_rle if shapes == "rle" else as_polygons


def _note_change(mask: Mask, drawn: Mask, holes: bool, notes: Notes) -> None:
    changed = int(np.count_nonzero(mask ^ drawn))
    if changed and holes:
        notes.add("{n} with holes, which polygons fill: up to {most} pixels are changed, {sum} in all", changed)
    elif changed:
        notes.add("{n} changed as polygons: up to {most} pixels, {sum} in all", changed)
