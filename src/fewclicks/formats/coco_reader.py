"""Reading COCO instances, as COCO itself, CVAT, Roboflow, Label Studio, supervision and merged files have them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from fewclicks.errors import InputError
from fewclicks.formats import polygon_masks, rle
from fewclicks.formats.annotations import AnnotatedPhoto, Label
from fewclicks.formats.matching import Photos, plain
from fewclicks.formats.notes import Notes, counted
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
from fewclicks.formats.writing import UNLABELLED
from fewclicks.types import Mask

UNUSABLE = (ValueError, TypeError, AttributeError, KeyError, IndexError, OverflowError)
"""What a damaged row causes."""

UNNAMED = "of a class without a name: called class_ and its number"
MAX_PARTS = 100
"""RLEs of one object."""


@dataclass(slots=True)
class _Document:
    """One file: its rows by the photo that they belong to. `sizes`: width and height as each image of the file says."""

    path: Path
    categories: dict[str, str]
    rows: dict[str, list[tuple[str, dict[str, Any]]]] = field(default_factory=lambda: defaultdict(list))
    sizes: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    files: set[str] = field(default_factory=set)


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
    """What the photo of an entry of images[] is called, "" where it does not say so."""
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
