"""objects.json beside mask pictures: which label and name each object has. What pictures cannot say.

{"ids": "objects", "labels": [{"name": "cat", "colour": [230, 60, 60]}],
 "photos": [{"file": "a.jpg", "mask": "masks/a.png", "objects": [{"id": 1, "label": "cat", "name": "", ...}]}]}
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from fewclicks.annotations import AnnotatedPhoto, Annotation, Label
from fewclicks.exports._read import Photos, coloured, files_in, label_of, read_json, score_of
from fewclicks.exports._write import UNLABELLED, Seen

FILE = "objects.json"
SUFFIXES = (".png", ".bmp", ".tif", ".tiff", ".gif")
MARKS = ("", "_mask", "-mask", "_gt", "_seg", ".mask")
"""What is found behind the stem of a photo in the names of its mask."""


def entry(found: Annotation | Seen, **where: Any) -> dict[str, Any]:
    """What is written of an object: `where` its pixels are, its label, and its name and score if it has them."""
    row = {**where, "label": found.label or UNLABELLED}
    if found.name:
        row["name"] = found.name
    if found.score is not None:
        row["score"] = float(found.score)
    return row


def save(out: Path, known: Sequence[Label], photos: Sequence[dict[str, Any]], **more: Any) -> None:
    """Write objects.json."""
    colours = [{"name": label.name, "colour": list(label.colour)} for label in known]
    content = {**more, "labels": colours, "photos": photos}
    (out / FILE).write_text(json.dumps(content, ensure_ascii=False, indent=1), "utf-8")


def load(source: Path) -> dict[str, Any] | None:
    """The content of objects.json, None where there is none; ValueError where it is something else."""
    if not (source / FILE).is_file():
        return None
    content = read_json(source / FILE)
    if not isinstance(content, dict) or not isinstance(content.get("photos"), list):
        raise ValueError("no list of photos")
    return content


def labels(content: dict[str, Any]) -> tuple[Label, ...]:
    """The labels in the content of objects.json."""
    rows = content.get("labels") or []
    return coloured([label_of(row["name"]) for row in rows], [row.get("colour") for row in rows])


def fields(row: dict[str, Any]) -> tuple[str, str, float | None]:
    """Label, own name and score of an object."""
    label, name = row.get("label"), row.get("name", "")
    if not isinstance(label, str) or not isinstance(name, str):
        raise ValueError("an object whose label or name is no text")
    return label or UNLABELLED, name, score_of(row.get("score"))


def inside(source: Path, file: Any) -> Path:
    """The file of this relative name; ValueError if that leads out of the folder."""
    path = source / str(file)
    root = os.path.realpath(source)
    if not isinstance(file, str) or not Path(os.path.realpath(path)).is_relative_to(root):
        raise ValueError(f"the file {str(file)[:60]} is not in the folder")
    return path


def masks_beside(source: Path, photos: Sequence[AnnotatedPhoto]) -> dict[str, list[str]]:
    """The mask pictures under a folder by photo: named as it, or in a folder named as it. Photos are no masks."""
    known, found = Photos(photos), dict[str, list[str]]()
    stems = {PurePosixPath(photo.file).stem for photo in photos}
    paths = {photo.path.resolve() for photo in photos if photo.path is not None}
    for file in files_in(source, SUFFIXES):
        path = PurePosixPath(file)
        marked = [path.stem.removesuffix(mark) for mark in MARKS if path.stem.endswith(mark)]
        stem = next((stem for stem in marked if stem in stems), path.parent.name)
        photo = known.by_stem(str(path.parent / stem)) or known.by_stem(stem)
        if photo is not None and (source / file).resolve() not in paths:
            found.setdefault(photo.file, []).append(file)
    return found
