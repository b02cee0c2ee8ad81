"""objects.json beside mask pictures: which label and name each object has. What pictures cannot say.

{"ids": "objects", "labels": [{"name": "cat", "colour": [230, 60, 60]}],
 "photos": [{"file": "a.jpg", "mask": "masks/a.png", "objects": [{"id": 1, "label": "cat", "name": "", ...}]}]}
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, TypeAlias, TypeVar

from fewclicks.formats.annotations import Annotation, Label
from fewclicks.formats.matching import Photos
from fewclicks.formats.notes import Notes
from fewclicks.formats.reading import coloured, files_in, label_of, read_json, score_of
from fewclicks.formats.writing import UNLABELLED, Seen

FILE = "objects.json"
SUFFIXES = (".png", ".bmp", ".tif", ".tiff", ".gif")
MARKS = ("", "_mask", "-mask", "_gt", "_seg", ".mask")
"""What is found behind the stem of a photo in the names of its mask."""


Facts: TypeAlias = tuple[str, str, float | None]
"""Label, own name and score."""
Value = TypeVar("Value")


def entry(found: Annotation | Seen, **where: Any) -> dict[str, Any]:
    """Tell what is written of an object: `where` its pixels are, its label, and its name and score if it has them."""
    row = {**where, "label": found.label or UNLABELLED}
    if found.name:
        row["name"] = found.name
    if found.score is not None:
        row["score"] = float(found.score)
    if found.attributes:
        row["attributes"] = dict(found.attributes)
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


def photos_of(
    content: dict[str, Any], known: Photos, take: Callable[[dict[str, Any], dict[str, Any], Facts], Value], notes: Notes
) -> dict[str, list[Value]]:
    """Collect what `take` makes of (row of a photo, row of an object, its facts), by photo; the rest is noted."""
    found: dict[str, list[Value]] = {}
    for row in content["photos"]:
        name = row.get("file") if isinstance(row, dict) else None
        photo = known.find(name)
        objects = row.get("objects") if isinstance(row, dict) else None
        if photo is None or not isinstance(objects, list):
            count = len(objects) if isinstance(objects, list) else 1
            notes.refuse(f"those of '{str(name)[:80]}'", "the photo is not in the folder", count)
            continue
        taken = found.setdefault(photo.file, [])
        for number, entry in enumerate(objects, start=1):
            try:
                taken.append(take(row, entry, _facts(entry)))
            except (ValueError, TypeError, AttributeError, KeyError) as error:
                reason = f"it lacks {error}" if isinstance(error, KeyError) else error
                notes.refuse(f"object {number} of '{photo.file}'", reason)
    return found


def _facts(row: dict[str, Any]) -> Facts:
    """Label, own name and score of an object."""
    name = row.get("name", "")
    return label_of(row.get("label")), name if isinstance(name, str) else "", score_of(row.get("score"))


def inside(source: Path, file: Any) -> Path:
    """The file of this relative name, which is then opened behind no link; ValueError if it leads out of the folder."""
    path = Path(os.path.abspath(source / str(file)))
    if not isinstance(file, str) or "\0" in file or not path.is_relative_to(source):
        raise ValueError(f"the file {str(file)[:60]} is not in the folder")
    return path


def root_of(source: Path) -> Path:
    """The folder that objects.json is in: the source, or the one folder in it that has one."""
    if (source / FILE).is_file() or not source.is_dir():
        return source
    below = [folder for folder in sorted(source.iterdir()) if (folder / FILE).is_file() and not folder.is_symlink()]
    return below[0] if len(below) == 1 else source


def masks_beside(
    source: Path, known: Photos, only: str | None = None, strangers: list[str] | None = None
) -> dict[str, list[str]]:
    """The mask pictures under a folder by photo: named as it, or in a folder named as it. Photos are no masks.

    `strangers` takes the pictures that are named as no photo.
    """
    found: dict[str, list[str]] = {}
    paths = {photo.path.resolve() for photo in known.photos if photo.path is not None}
    for file in files_in(source, SUFFIXES) if only is None else [only]:
        if (source / file).resolve() in paths:
            continue
        path = PurePosixPath(file)
        marked = [path.stem.removesuffix(mark) for mark in MARKS if path.stem.endswith(mark)]
        named = (known.by_stem(str(path.parent / stem)) for stem in marked)
        photo = next((item for item in named if item is not None), None) or known.by_stem(str(path.parent))
        if photo is not None:
            found.setdefault(photo.file, []).append(file)
        elif strangers is not None:
            strangers.append(file)
    return found


def note_strangers(strangers: Sequence[str], notes: Notes) -> None:
    """Say that mask pictures belong to no photo."""
    for file in strangers:
        notes.refuse(f"'{file[:80]}'", "the picture is named as no photo of the folder")
