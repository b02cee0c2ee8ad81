"""COCO instances: one JSON file with all photos and objects. Whole masks, overlaps kept, as run lengths or polygons.

    OUT/
      annotations.json       images, annotations, categories (ids from 1 on)
      images/NAME            the photos, with copy=True

OUT may also be named `something.json`: then that one file is written. Objects are in their order, bottom to top, which
COCO itself does not know. `attributes` has what is said of an object, its own name in `name` and who worked on it last
in `person`; scores are in `score`. `iscrowd` is 0. Each image that was begun has its `state` (begun, done,
accepted, returned), and where there are some its `assignee`, `tags`, `note` and `comments`.

shapes="rle" (compressed run lengths) keeps every pixel. shapes="polygons" keeps them too, in programs that fill
polygons as pycocotools does: a hole is joined to the outline by a cut of no width. shapes="filled_polygons" has no
cuts: holes are filled. `tolerance_px` leaves out points that the outline can do without at that price.

Read are the files of COCO itself, CVAT, Roboflow, Label Studio and supervision, and merged files.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from fewclicks.errors import InputError, counted
from fewclicks.formats import polygon_masks, rle
from fewclicks.formats import polygons as polygons_module
from fewclicks.formats.annotations import AnnotatedPhoto, Annotation, Label
from fewclicks.formats.matching import Photos, plain
from fewclicks.formats.notes import Notes
from fewclicks.formats.reading import (
    Imported,
    Maker,
    blame,
    coloured,
    files_in,
    key_of,
    label_of,
    nothing_for,
    number_of,
    once,
    read_json,
    require_hw,
    score_of,
    stored,
    stored_runs,
)
from fewclicks.formats.structure import json_format
from fewclicks.formats.writing import UNLABELLED, Classes, Names, chosen, copy_photo, solid, tolerance_of
from fewclicks.geometry import Box
from fewclicks.types import Mask

TITLE = "COCO JSON"
LOSES = "soft edges; with filled_polygons the holes, with tolerance_px some pixels of the edge"
FILE = "annotations.json"
SHAPES = ("rle", "polygons", "filled_polygons")
UNUSABLE = (ValueError, TypeError, AttributeError, KeyError, IndexError, OverflowError)
"""What a damaged row causes."""

UNNAMED = "of a class without a name: called class_ and its number"
MAX_PARTS = 100
"""RLEs of one object."""


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
            size = {"width": photo.hw[1], "height": photo.hw[0]}
            images.append({"id": image_id, "file_name": photo.file, **size, **photo.about})
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
    own = {"name": found.name, "person": found.person}
    attributes = {**found.attributes, **{key: value for key, value in own.items() if value}}
    if attributes:
        entry["attributes"] = attributes
    return entry


def segmentation_like(mask: Mask, model: Any) -> Any:
    """The `segmentation` of an HxW mask, in the shape that `model`, another one, has: polygons or one of the RLEs."""
    if isinstance(model, dict):
        runs = rle.runs(mask)
        counts = runs.tolist() if isinstance(model.get("counts"), list) else rle.text(runs)
        return {**model, "size": list(mask.shape), "counts": counts}
    return _segmenter("polygons", 0.0, Notes())(mask)


def _segmenter(shapes: str, tolerance_px: float, notes: Notes) -> Callable[[Mask], Any]:
    """Tell what makes the `segmentation` of a mask, and notes what it loses."""

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
        notes.add("{n} with holes, which polygons fill: this changes up to {most}, {sum} in all", changed)
    elif changed:
        notes.add("{n} changed as polygons: up to {most}, {sum} in all", changed)


@dataclass(slots=True)
class _Document:
    """One file: its rows by the photo that they belong to. `sizes`: width and height as each image of the file says."""

    path: Path
    categories: dict[str, str]
    rows: dict[str, list[tuple[str, dict[str, Any]]]] = field(default_factory=lambda: defaultdict(list))
    sizes: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    files: set[str] = field(default_factory=set)
    about: dict[str, Any] = field(default_factory=dict)
    """What an image says of the photo itself."""


def read(source: Path, photos: Sequence[AnnotatedPhoto]) -> Imported:
    """The objects in a COCO file, or of the COCO files in a folder. Photos are matched by path, else by name."""
    paths = [source] if not source.is_dir() else _files(source)
    known, notes, labels = Photos(photos), Notes("annotation"), list[Label]()
    documents, names, faults = [], list[object](), list[InputError]()
    for path in paths:
        try:
            with blame(path, "pass a file of COCO instances"):
                content = _content(path)
                categories, found = _categories(content.get("categories") or (), notes)
                labels += found
                documents.append(_sorted(path, content, categories, known, notes))
                names += [_name_of(row) for row in content["images"] if isinstance(row, dict)]
        except InputError as error:
            faults.append(error)
            notes.refuse("a file", error)  # how many annotations it was meant to hold nobody knows
    if not documents:
        raise faults[0]
    found_files = set().union(*(document.files for document in documents))
    if not found_files:
        raise nothing_for(source, photos, "file_name to be the name of one of them", names)

    def load(photo: AnnotatedPhoto, said: Notes) -> list[Maker]:
        makers: list[Maker] = []
        for document in documents:
            with blame(document.path):
                makers += _objects(photo, document, said)
        return makers

    def count(photo: AnnotatedPhoto) -> int:
        return sum(len(document.rows.get(photo.file, ())) for document in documents)

    return Imported(
        once(labels),
        tuple(photo for photo in photos if photo.file in found_files),
        load,
        (*known.notes, *notes.sentences()),
        notes.left_out,
        count,
        about=lambda photo: next((one.about[photo.file] for one in documents if photo.file in one.about), None),
    )


def _content(path: Path) -> dict[str, Any]:
    """A file with its lists of images and annotations; ValueError where it lacks one."""
    content = read_json(path, hook=_compact)
    if not isinstance(content, dict) or not isinstance(content.get("images"), list):
        raise ValueError("there is no list of images")
    if "annotations" in content and content["annotations"] is None:
        content["annotations"] = []
    if not isinstance(content.get("annotations"), list):
        raise ValueError("there is no list of annotations")
    if content["images"] and not any(isinstance(row, dict) and "id" in row for row in content["images"]):
        raise ValueError("none of its images has an id, by which annotations would name it")
    return content


def _name_of(row: Mapping[str, Any]) -> str:
    """Tell what the photo of an entry of images[] is called, "" where it does not say so."""
    keys = ("file_name", "path", "coco_url", "filename", "name")
    return next((row[key] for key in keys if isinstance(row.get(key), str)), "")


def _files(source: Path) -> list[Path]:
    """The COCO files in a folder; InputError if there is none."""
    files = [source / file for file in files_in(source, [".json"])]
    found = [file for file in files if json_format(file) == "coco"] or files[:1]
    if not found:
        raise InputError(f"'{source}' holds no JSON file; pass the COCO file itself")
    return found


def _compact(row: dict[str, Any]) -> dict[str, Any]:
    """Coordinates as arrays, which take a quarter of the memory of lists of numbers."""
    polygons = row.get("segmentation")
    if isinstance(polygons, list) and polygons and all(isinstance(polygon, list) for polygon in polygons):
        with suppress(ValueError, TypeError, OverflowError):  # said when the photo is asked for
            row["segmentation"] = [np.array(polygon, np.float64) for polygon in polygons]
    return row


def _categories(rows: Iterable[Any], notes: Notes) -> tuple[dict[str, str], tuple[Label, ...]]:
    """Name of each category by its id, and the labels."""
    names, colours = dict[str, str](), list[Any]()
    if isinstance(rows, Mapping):  # {"1": "cat"}
        rows = [{"id": key, "name": name} for key, name in rows.items()]
    for row in rows:
        if not isinstance(row, dict) or "id" not in row:
            notes.add("{n} that cannot be used (it lacks id or name)", thing="category")
            continue
        key, name = key_of(row["id"]), row.get("name")
        try:
            label = label_of(name) if name is not None else f"class_{key}"
        except ValueError:
            notes.add("{n} whose name is no text: called class_ and its number", thing="category")
            label = f"class_{key}"
        if key not in names:
            names[key] = label
            colours.append(row.get("color"))
    return names, coloured(names.values(), colours)


def _sorted(
    path: Path, content: Mapping[str, Any], categories: dict[str, str], known: Photos, notes: Notes
) -> _Document:
    """The annotations of a file by photo; what belongs to no photo is noted."""
    document = _Document(path, categories)
    images = _images(document, content["images"], known)
    elsewhere: dict[str, int] = {}
    rows = 0
    for number, row in enumerate(content["annotations"], start=1):
        if not isinstance(row, dict) or "image_id" not in row:
            notes.refuse(_which(row, number), "it does not say to which image it belongs (image_id)")
            continue
        key = key_of(row["image_id"])
        if key not in images:
            notes.refuse(_which(row, number), f"the file has no image with its image_id {str(row['image_id'])[:40]}")
            continue
        photo, name = images[key]
        if photo is None:
            elsewhere[name] = elsewhere.get(name, 0) + 1
            rows += 1
        else:
            document.rows[photo.file].append((key, row))
    missing = {name for photo, name in images.values() if photo is None}
    if missing:
        first = f"'{min(missing)[:120]}'"
        text = f"{counted(len(missing), 'photo')} of '{path.name}' are not in the folder, as {first}"
        if len(missing) == 1:
            text = f"1 photo of '{path.name}' is not in the folder: {first}"
        notes.add(f"{_literal(text)}: {counted(rows, 'annotation')} left out")
        notes.left_out += rows
    return document


def _images(document: _Document, rows: Sequence[Any], known: Photos) -> dict[str, tuple[AnnotatedPhoto | None, str]]:
    """Image id -> the photo, and the name in the file. None: no photo is meant, or not for sure.

    A photo may be there several times; but where only its last name is the same, the nearest name is meant.
    """
    found: dict[str, tuple[AnnotatedPhoto | None, str]] = {}
    for row in rows:
        if not isinstance(row, dict) or "id" not in row:
            continue
        name = _name_of(row)
        key, photo = key_of(row["id"]), known.find(name)
        before = found.get(key)
        if before is not None and before[1] != name:
            photo, name = None, f"{before[1]} and {name}, which have the same id"
        found[key] = (photo, name)
        if photo is not None:
            document.about.setdefault(photo.file, row)
        document.sizes[key] = (row.get("width"), row.get("height"))
    written: dict[str, set[str]] = {}
    for photo, name in found.values():
        if photo is not None:
            written.setdefault(photo.file, set()).add(plain(name))
    for key, (photo, name) in found.items():
        if photo is None:
            continue
        names = written[photo.file]
        if len(names) > 1 and plain(name) != plain(photo.file):  # train/a.jpg and val/a.jpg are two photos
            found[key] = (None, name)
        else:
            document.files.add(photo.file)
    return found


def _which(row: Any, number: int) -> str:
    """How an annotation is named: by its id, else by its place in the file."""
    named = row.get("id") if isinstance(row, dict) else None
    return f"annotation {str(named)[:40]}" if named is not None else f"annotation no. {number}"


def _literal(text: str) -> str:
    """A text as a sentence of notes, in which braces have no meaning."""
    return text.replace("{", "{{").replace("}", "}}")


def _objects(photo: AnnotatedPhoto, document: _Document, notes: Notes) -> Iterator[Maker]:
    for number, (image, row) in enumerate(document.rows.get(photo.file, ()), start=1):
        try:
            require_hw(photo, *document.sizes[image])
            maker = _object(photo, row, document.categories, notes)
        except (InputError, *UNUSABLE) as error:
            notes.refuse(f"{_which(row, number)} of '{document.path.name}'", error)
            continue
        if maker is not None:
            yield maker


def _object(photo: AnnotatedPhoto, row: dict[str, Any], categories: dict[str, str], notes: Notes) -> Maker | None:
    category = row.get("category_id")
    label = categories.get(key_of(category))
    if label is None and categories:
        raise ValueError(f"its category {str(category)[:40]} is not in categories")
    said = ""
    if label is None:
        said = f"whose class is not said: called '{UNLABELLED}'" if category is None else UNNAMED
        label = UNLABELLED if category is None else f"class_{key_of(category)}"
    attributes = row.get("attributes")
    name = attributes.get("name") if isinstance(attributes, dict) else None
    maker = _shaped(
        photo, row.get("segmentation"), notes, label, name if isinstance(name, str) else "", row.get("score")
    )
    if maker is not None and said:
        notes.add(f"{{n}} {said}")
    if maker is not None and (row.get("iscrowd") is True or number_of(row.get("iscrowd"))):
        notes.add("{n} marked as crowds (iscrowd): each is taken in as one object")
    if maker is not None and row.get("keypoints"):
        notes.add("{n} with keypoints, which are left out")
    return maker


def _shaped(photo: AnnotatedPhoto, shape: Any, notes: Notes, label: str, name: str, score: Any) -> Maker | None:
    """An object of a `segmentation`; None and a note where that has no pixels."""
    if isinstance(shape, list) and shape and all(isinstance(part, dict) for part in shape):  # several RLEs
        whole = np.any([rle.mask_of(_runs(part, photo.hw), photo.hw) for part in shape[:MAX_PARTS]], axis=0)
        shape = {"counts": rle.runs(whole).tolist()}
    if isinstance(shape, dict):
        runs = _runs(shape, photo.hw)
        if not runs[1::2].any():
            notes.left("{n} without pixels: left out")
            return None
        return stored_runs(runs, photo.hw, label, name, score_of(score))
    polygons = _polygons_of(shape)
    if not polygons:
        notes.left("{n} without outline (a box only): left out")
        return None
    mask = polygon_masks.by_edges(polygons, photo.hw)
    if not mask.any():
        if polygon_masks.box_of(polygons, photo.hw) is None:
            raise ValueError(f"its polygon lies outside of the photo, {photo.hw[1]}x{photo.hw[0]} pixels")
        notes.left("{n} smaller than a pixel: left out")
        return None
    return stored(mask, label, name, score_of(score))


def mask_of_segmentation(shape: Any, hw: tuple[int, int]) -> Mask:
    """The HxW mask of a `segmentation`: an RLE, or polygons. ValueError (InputError too) where it cannot be one."""
    if isinstance(shape, dict):
        return rle.mask_of(_runs(shape, hw), hw)
    return polygon_masks.by_edges(_polygons_of(shape), hw)


def _runs(shape: Mapping[str, Any], hw: tuple[int, int]) -> rle.Runs:
    """The checked run lengths of an RLE."""
    size = shape.get("size")
    if size is not None and [number_of(side) for side in size] != list(hw):
        raise ValueError(f"its RLE has the size {str(size)[:40]}, not {list(hw)}")
    counts = shape.get("counts")
    if not isinstance(counts, str | list):
        raise ValueError("its RLE has no counts")
    if isinstance(counts, list) and any(isinstance(count, float | str) for count in counts):
        numbers = [number_of(count) for count in counts]
        counts = [int(count) if count is not None and count % 1 == 0 else -1 for count in numbers]
    return rle.checked_runs(rle.runs_of_text(counts) if isinstance(counts, str) else counts, hw)


def _polygons_of(shape: Any) -> list[polygon_masks.Polygon]:
    """The polygons of a `segmentation`; a flat list of numbers, or of pairs, is taken as one polygon."""
    if not isinstance(shape, list) or not shape:
        return []
    rows = shape if isinstance(shape[0], list | np.ndarray) else [shape]
    if len(rows) > 2 and all(np.size(row) == 2 for row in rows):
        rows = [rows]
    polygons = []
    for row in rows:
        numbers = np.asarray(row, np.float64).ravel()
        if numbers.size % 2:
            raise ValueError(f"a polygon of {numbers.size} numbers, which are no pairs x, y")
        if numbers.size:
            polygons.append(polygon_masks.checked(numbers.reshape(-1, 2)))
    return polygons
