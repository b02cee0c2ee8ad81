"""What the writers share: names of files, numbers of labels, the objects that can be written."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from fewclicks.errors import InputError
from fewclicks.files.safe_open import open_inside
from fewclicks.formats.annotations import AnnotatedPhoto, Annotation, Label
from fewclicks.formats.notes import Notes
from fewclicks.formats.palette import colour_of, voc_palette
from fewclicks.geometry import Box
from fewclicks.types import IGNORE_ID

UNLABELLED = "object"
"""What an object without label is called in a file."""
MAX_IDS = 2**16 - 2
"""Objects that 16-bit ids can tell apart in a photo, 0 and 255 left out."""


class Names:
    """The file names of an export: those of the photos, with another ending, each once."""

    def __init__(self, notes: Notes) -> None:
        self._taken: set[str] = set()
        self._photos: set[str] = set()
        self._notes = notes

    def path(self, file: str) -> PurePosixPath:
        """The relative path of a photo; InputError if it leads out of its folder or comes for the second time."""
        path = safe(file)
        if file in self._photos:
            raise InputError(f"the photo '{file}' comes twice; export each photo once")
        self._photos.add(file)
        return path

    def stem(self, file: str) -> str:
        """`path` without its ending, "sub/a" of "sub/a.jpg"; with it if another photo has that name already."""
        path = self.path(file)
        stem = path.with_suffix("").as_posix()
        if stem.casefold() in self._taken:
            stem = path.as_posix()
            self._notes.add("{n} named like another but for the ending: the files are named with it", thing="photo")
        while stem.casefold() in self._taken:
            stem += "_"
        self._taken.add(stem.casefold())
        return stem


def safe(file: str) -> PurePosixPath:
    """The relative path of a photo; InputError if it leads out of its folder."""
    path = PurePosixPath(file)
    foreign = os.name == "nt" and ("\\" in file or ":" in file)
    if not path.name or path.is_absolute() or ".." in path.parts or "\0" in file or foreign:
        raise InputError(f"'{file}' is no name of a photo within its folder; pass it relative to that, with slashes")
    return path


class Classes:
    """Labels numbered from 0 on in their order; a label that is not in the list follows at the end."""

    def __init__(self, labels: Sequence[Label]) -> None:
        self._index: dict[str, int] = {}
        self.labels: list[Label] = []
        for label in labels:
            if label.name not in self._index:
                self._append(label)

    def __getitem__(self, name: str) -> int:
        name = name or UNLABELLED
        if name not in self._index:
            self._append(Label(name, colour_of(len(self.labels))))
        return self._index[name]

    def _append(self, label: Label) -> None:
        self._index[label.name] = len(self.labels)
        self.labels.append(label)


def solid(photo: AnnotatedPhoto, notes: Notes) -> Iterator[tuple[int, Annotation, Box]]:
    """(number from 1 on, object, box of its pixels), bottom to top; what has no pixels is left out and noted."""
    for number, found in enumerate(photo.objects, start=1):
        if found.mask.shape != photo.hw or found.mask.dtype != np.bool_:
            got = f"{found.mask.dtype} {found.mask.shape}"
            raise InputError(f"a mask of '{photo.file}' is {got}, not bool {photo.hw}; pass one of the photo's size")
        box = Box.around(np.ascontiguousarray(found.mask))
        if box is None:
            notes.add("{n} without pixels: left out")
        else:
            yield number, found, box


@dataclass(frozen=True, slots=True)
class Seen:
    """Holds what there is to say of an object besides its pixels. `box`: of what is visible of it."""

    label: str
    name: str
    score: float | None
    box: Box
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Flat:
    """A photo's objects laid on one another. `ids`: HxW, at each pixel the number (from 1 on) of the object on top."""

    ids: NDArray[np.uint16]
    seen: dict[int, Seen]


def flattened(photo: AnnotatedPhoto, notes: Notes) -> Flat:
    """The objects of a photo, laid on one another bottom to top; objects of which nothing is visible are not `seen`."""
    if len(photo.objects) > MAX_IDS:
        raise InputError(f"'{photo.file}' has {len(photo.objects)} objects; ids of 16 bits hold {MAX_IDS}, use coco")
    top = np.zeros(photo.hw, np.uint16)
    areas = np.zeros(len(photo.objects) + 1, np.int64)
    there = {}
    for number, found, box in solid(photo, notes):
        crop = found.mask[box.slices]
        top[box.slices][crop] = number
        areas[number] = np.count_nonzero(crop)
        there[number] = Seen(found.label or UNLABELLED, found.name, found.score, box, found.attributes)
    hidden = areas - areas_px(top, len(areas))
    for lost in hidden[1:][hidden[1:] > 0]:
        notes.add("{n} partly or wholly under others: hidden pixels are lost, {sum} in all", int(lost))
    seen = {n: replace(there[n], box=_visible_box(top, n, there[n].box)) for n in there if hidden[n] < areas[n]}
    return Flat(top, seen)


def _visible_box(top: NDArray[np.uint16], number: int, box: Box) -> Box:
    inner = Box.around(top[box.slices] == number)
    assert inner is not None, "only of what is visible"
    return Box(box.x0 + inner.x0, box.y0 + inner.y0, box.x0 + inner.x1, box.y0 + inner.y1)


def areas_px(ids: NDArray[Any], minlength: int = 1) -> NDArray[np.int64]:
    """How many pixels each id has."""
    areas = np.zeros(max(minlength, int(ids.max(initial=0)) + 1), np.int64)
    for rows in np.array_split(ids, max(1, ids.size // 2**22)):  # np.bincount turns its argument into 64-bit integers
        areas += np.bincount(rows.ravel(), minlength=len(areas))
    return areas


def ids_without_ignore(count: int) -> NDArray[np.uint16]:
    """`table[number]` is the id of object `number`: 0, 1, 2 ... without 255."""
    table = np.arange(count + 1)
    table[table >= IGNORE_ID] += 1
    return table.astype(np.uint16)


def save_ids(ids: NDArray[np.uint16], path: Path) -> int:
    """Write ids as a palette PNG in VOC's colours, or as 16-bit grey where 8 bits do not hold them; the bits."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if int(ids.max(initial=0)) <= IGNORE_ID:
        picture = PIL.Image.fromarray(ids.astype(np.uint8))
        picture.putpalette(voc_palette().tobytes())
        picture.save(path)
        return 8
    PIL.Image.fromarray(ids).save(path)
    return 16


def open_photo(photo: AnnotatedPhoto) -> BinaryIO:
    """Open the file of a photo; InputError where it is not known, not there, or a link out of the folder of the photos.

    That folder is what comes before `photo.file` in its path.
    """
    path = photo.path
    if path is None:
        raise InputError(f"where '{photo.file}' lies is not known; pass its path, or export without the photos")
    parts = PurePosixPath(photo.file).parts
    within = len(path.parts) > len(parts) and path.parts[-len(parts) :] == parts
    return open_inside(Path(*path.parts[: -len(parts)]), photo.file) if within else open_inside(path.parent, path.name)


def copy_photo(photo: AnnotatedPhoto, target: Path) -> None:
    """Copy the photo's file as it is; InputError where it is not known or not there."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with open_photo(photo) as source, open(target, "xb") as file:
            shutil.copyfileobj(source, file, 2**20)
    except OSError as error:
        raise InputError(f"'{photo.file}' cannot be copied ({error.strerror}); is the photo still there?") from None


def chosen(option: str, value: Any, choices: Sequence[str]) -> None:
    """InputError unless the value of an option is one of the choices."""
    if value not in choices:
        raise InputError(f"{option} is one of {', '.join(choices)}, got '{value}'")


def tolerance_of(value: float) -> float:
    """The option `tolerance_px`; InputError unless it is a number from 0 to 100."""
    if not isinstance(value, int | float) or not 0 <= value <= 100:
        raise InputError(f"tolerance_px is a number of pixels from 0 to 100, got '{value}'")
    return float(value)


def slug(text: str) -> str:
    """A text as a part of a file name: letters, digits, - and _ stay; at most 60 characters."""
    return "".join(c if c.isalnum() or c in "-_" else "_" for c in text)[:60]
