"""Annotations that lie beside photos, found by themselves."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import PIL.Image

from fewclicks.errors import InputError
from fewclicks.files.safe_open import list_real, open_inside, open_real
from fewclicks.formats import object_list
from fewclicks.formats.annotations import AnnotatedPhoto
from fewclicks.formats.matching import Photos
from fewclicks.formats.reading import files_in
from fewclicks.formats.structure import json_format
from fewclicks.images.reading import read_picture

PHOTO_FOLDERS = frozenset({"images", "img", "imgs", "jpegimages", "photos"})
"""A folder of such a name has its annotations beside it."""
MASK_FOLDERS = ("masks", "mask", "gt", "ground_truth", "groundtruth", "labels", "annotations")
VOC_FOLDERS = ("SegmentationObject", "SegmentationClass")
SNIFFED_BYTES = 2**16
SAMPLES = 3
MAX_VALUES = 64
"""A grey picture with more values than this is taken for a photo and no mask."""
MIN_FLAT = 0.7
"""As is one in which fewer pixels than this equal their neighbour, such as a photo of a hundred colours."""


@dataclass(frozen=True, slots=True)
class Found:
    """Annotations: `read(format, source, photos)` reads them. `masks`: names of the list that are masks, no photos."""

    format: str
    source: Path
    masks: tuple[str, ...] = ()


def detect(folder: str | Path, files: Sequence[str]) -> tuple[Found, ...]:
    """The annotations of the photos `files` (names within the folder) in it or, if it is called images/, beside it.

    COCO and LabelMe JSON, Pascal VOC, index and binary PNGs (in masks/ or the like, or named as the photo, also with
    _mask behind it), YOLO. Files are looked into, not read: what is found may still turn out to be unusable. Where the
    same objects are there in several formats, the one that loses least comes first. Links are not followed, but for
    photos that are links to others of the folder.
    """
    folder = Path(os.path.realpath(folder))
    photos = [AnnotatedPhoto(file, (0, 0)) for file in files]
    known, found = Photos(photos), list[Found]()
    places = [folder, folder.parent] if folder.name.lower() in PHOTO_FOLDERS else [folder]
    for place in places:
        jsons = _json_files(place, deep=place is folder)
        found += [Found("coco", file) for file in jsons if _is_coco(file)]
        named = [file for file in jsons if known.by_stem(_stem(file, place))]
        if any(_holds(file, b'"shapes"', b'"imagePath"') for file in named[:SAMPLES]):
            found.append(Found("labelme", named[0].parent if place is not folder else folder))
        if any((place / name).is_dir() and not (place / name).is_symlink() for name in VOC_FOLDERS):
            found.append(Found("voc", place))
        found += _mask_folders(place, known)
    found += _masks_beside(folder, files)
    found += [Found("yolo", place) for place in _label_folders(folder) if _has_yolo(place, known)][:1]
    rank = {name: i for i, name in enumerate(("coco", "labelme", "binary_png", "index_png", "voc", "yolo"))}
    return tuple(sorted(dict.fromkeys(found), key=lambda item: rank[item.format]))


def _json_files(place: Path, deep: bool) -> list[Path]:
    """The JSON files of a folder of photos (`deep`: and below), or of the one above it."""
    if deep:
        return [place / file for file in files_in(place, [".json"])]
    above = [place, *(place / name for name in MASK_FOLDERS)]
    return [base / file for base in above for file in sorted(_files_of(base)) if file.endswith(".json")]


def _files_of(folder: Path) -> list[str]:
    """The names of the files in a folder; none where it is not there, or is a link."""
    try:
        return list_real(folder)[1]
    except OSError:
        return []


def _stem(file: Path, place: Path) -> str:
    return file.relative_to(place).with_suffix("").as_posix()


def _is_coco(file: Path) -> bool:
    """Tell whether a file has COCO's keys; of a large one they may lie anywhere."""
    if _holds(file, b'"images"', b'"annotations"'):
        return True
    return (_holds(file, b'"images"') or _holds(file, b'"annotations"')) and json_format(file) == "coco"


def _holds(file: Path, *words: bytes) -> bool:
    """Tell whether the first or last part of a file has all these words."""
    try:
        with open_real(file) as opened:
            text = opened.read(SNIFFED_BYTES)
            opened.seek(max(opened.tell(), os.fstat(opened.fileno()).st_size - SNIFFED_BYTES))
            text += opened.read(SNIFFED_BYTES)
    except (OSError, InputError):
        return False
    return all(word in text for word in words)


def _mask_folders(place: Path, known: Photos) -> Iterator[Found]:
    """Folders of mask pictures, one for each photo or several."""
    if (place / object_list.FILE).is_file():
        yield Found("index_png" if _holds(place / object_list.FILE, b'"ids"') else "binary_png", place)
        return
    for name in MASK_FOLDERS:
        masks = object_list.masks_beside(place / name, known) if (place / name).is_dir() else {}
        if masks:
            yield Found("binary_png" if max(map(len, masks.values())) > 1 else "index_png", place / name)


def _masks_beside(folder: Path, files: Sequence[str]) -> Iterator[Found]:
    """Masks among the photos: a.png or a_mask.png beside a.jpg."""
    stems: dict[str, list[str]] = {}
    for file in files:
        stems.setdefault(str(PurePosixPath(file).with_suffix("")), []).append(file)
    masks = []
    for file in files:
        path = PurePosixPath(file)
        whole = str(path.with_suffix(""))
        own = [other for other in stems[whole] if other != file and not other.lower().endswith(object_list.SUFFIXES)]
        marked = any(mark and whole.endswith(mark) and whole.removesuffix(mark) in stems for mark in object_list.MARKS)
        if path.suffix.lower() in object_list.SUFFIXES and (own or marked):
            masks.append(file)
    if masks and all(_is_mask(folder, file) for file in masks[:SAMPLES]):
        yield Found("index_png", folder, tuple(masks))


def _is_mask(folder: Path, file: str) -> bool:
    try:
        with open_inside(folder, file) as opened:
            picture: PIL.Image.Image = read_picture(opened, "mask", max_pixels=2**28)
    except InputError:
        return False
    if picture.mode not in ("1", "P", "L", "I", "I;16"):
        return False
    values = np.asarray(picture)
    flat = float(np.mean(values[:, 1:] == values[:, :-1])) if values.shape[1] > 1 else 1.0
    return flat >= MIN_FLAT and (picture.mode in ("1", "P") or len(np.unique(values)) <= MAX_VALUES)


def _label_folders(folder: Path) -> Iterator[Path]:
    """List where YOLO's label files lie: labels/ in or beside the folder, labels/train for images/train, the folder."""
    parts = list(folder.absolute().parts)
    for i in range(len(parts) - 1, max(0, len(parts) - 3), -1):
        if parts[i].lower() in PHOTO_FOLDERS:
            yield Path(*parts[:i], "labels", *parts[i + 1 :])
    yield folder / "labels"
    yield folder


def _has_yolo(place: Path, known: Photos) -> bool:
    files = files_in(place, [".txt"]) if place.is_dir() else []
    named = [file for file in files if known.by_stem(str(PurePosixPath(file).with_suffix("")))]
    return any(_is_yolo(place / file) for file in named[:SAMPLES])


def _is_yolo(path: Path) -> bool:
    try:
        with open_real(path) as file:
            first = file.readline(SNIFFED_BYTES).decode("ascii").split()
        return len(first) > 4 and int(first[0]) >= 0 and all(-1 <= float(v) <= 2 for v in first[1:-1])
    except (OSError, ValueError, InputError):
        return False
