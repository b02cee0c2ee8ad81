"""YOLO segmentation: a text file for each photo, a line for each object, `class x1 y1 x2 y2 ...` from 0 to 1.

    OUT/
      data.yaml              names of the classes; train and val both are images/
      classes.txt            the names alone, one a line
      labels/STEM.txt        empty for a photo without objects
      images/NAME            the photos: put there by you, or with copy=True

A line is one polygon. It goes through the centres of the outermost pixels, and fills those exactly in programs that
draw as OpenCV does. Holes are joined to the outline by a cut along a row; parts by bridges one pixel wide, which become
object. Read back, it is the same: the bridges stay. `tolerance_px` leaves out points that can be done without at that
price; ultralytics takes 1000 points along any polygon.

Read are also data.yaml with a list or a map of names, classes.txt, and labels anywhere below the folder. Lines of four
numbers are boxes and left out; a last number that has no partner is a score.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from fewclicks.annotations import AnnotatedPhoto, Label
from fewclicks.arrays import Mask
from fewclicks.exports import _polygons, _raster
from fewclicks.exports._notes import Notes
from fewclicks.exports._read import (
    Imported,
    Maker,
    Photos,
    blame,
    coloured,
    files_in,
    nothing_for,
    read_text,
    score_of,
    stored,
)
from fewclicks.exports._write import UNLABELLED, Classes, Names, copy_photo, solid, tolerance_of
from fewclicks.exports._yaml import names_in

TITLE = "YOLO segmentation"
LOSES = "names, scores and soft edges; parts of an object are joined by thin bridges"
CENTRE = 0.49
"""Added to pixel coordinates: a hair less than half, so that both cutting off and rounding give the pixel back."""


def write(
    photos: Iterable[AnnotatedPhoto],
    labels: Sequence[Label],
    out: Path,
    *,
    tolerance_px: float = 0.0,
    copy: bool = False,
) -> tuple[str, ...]:
    """Write into the folder `out`; what was lost."""
    notes, classes, tolerance_px = Notes(), Classes(labels), tolerance_of(tolerance_px)
    names = Names(notes)
    for photo in photos:
        stem, lines = names.stem(photo.file), []
        for _, found, _ in solid(photo, notes):
            ring = _outline(found.mask, tolerance_px, notes)
            numbers = (ring + CENTRE) / np.array([photo.hw[1], photo.hw[0]])
            lines.append(f"{classes[found.label]} {' '.join(f'{v:.6f}' for v in numbers.ravel())}\n")
            if found.name or found.score is not None:
                notes.add("{n} whose name or score is left out")
        file = out / "labels" / f"{stem}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("".join(lines), "ascii")
        if copy:
            copy_photo(photo, out / "images" / (stem + PurePosixPath(photo.file).suffix))
    _write_names(out, [label.name for label in classes.labels])
    return notes.sentences()


def _outline(mask: Mask, tolerance_px: float, notes: Notes) -> _polygons.Ring:
    """The polygon of a mask; notes how many pixels it changes."""
    parts = _polygons.parts(mask, edges=False)
    ring = _polygons.straightened(_polygons.in_one(parts), tolerance_px)
    changed = int(np.count_nonzero(mask ^ _raster.by_pixels([ring.astype(np.float64)], mask.shape)))
    if changed and len(parts) > 1:
        notes.add("{n} of several parts, joined by bridges: up to {most} pixels are changed, {sum} in all", changed)
    elif changed:
        notes.add("{n} changed as polygons: up to {most} pixels, {sum} in all", changed)
    return _polygons.at_least_three(ring)


def _write_names(out: Path, names: Sequence[str]) -> None:
    rows = [f"  {index}: {json.dumps(name, ensure_ascii=False)}\n" for index, name in enumerate(names)]
    listed = "names:\n" + "".join(rows) if rows else "names: {}\n"
    (out / "data.yaml").write_text(f"train: images\nval: images\nnc: {len(names)}\n{listed}", "utf-8")
    (out / "classes.txt").write_text("".join(f"{' '.join(name.split())}\n" for name in names), "utf-8")


def read(source: Path, photos: Sequence[AnnotatedPhoto]) -> Imported:
    """The objects in the label files below a folder."""
    root = source if source.is_dir() else source.parent
    names = _read_names(root)
    known, files = Photos(photos), dict[str, Path]()
    for file in files_in(source, [".txt"]) if source.is_dir() else [source.name]:
        path = PurePosixPath(file)
        below = path.parts[path.parts.index("labels") + 1 : -1] if "labels" in path.parts else path.parts[:-1]
        photo = known.by_stem("/".join([*below, path.stem]))
        if photo is not None and path.name != "classes.txt":
            files.setdefault(photo.file, root / file)
    if source.is_file() and len(photos) == 1:
        files[photos[0].file] = source
    if not files:
        raise nothing_for(source, photos, "labels/STEM.txt for a photo STEM.jpg")

    def load(photo: AnnotatedPhoto) -> tuple[list[Maker], tuple[str, ...]]:
        notes = Notes()
        with blame(files[photo.file], "it should hold lines of `class x1 y1 x2 y2 ...` from 0 to 1"):
            lines = read_text(files[photo.file]).splitlines()
            makers = [_object(line, i, photo, names, notes) for i, line in enumerate(lines, start=1) if line.strip()]
        return [maker for maker in makers if maker is not None], notes.sentences()

    return Imported(coloured(names), tuple(photo for photo in photos if photo.file in files), load)


def _object(line: str, number: int, photo: AnnotatedPhoto, names: Sequence[str], notes: Notes) -> Maker | None:
    try:
        index, *values = line.split()
        numbers = np.array(values, np.float64)
        if not 0 <= int(index) < (len(names) or 2**31):
            raise ValueError
        label = names[int(index)] if names else f"class_{int(index)}"
    except ValueError:
        known = f"; the classes are 0 to {len(names) - 1}" if names else ""
        raise ValueError(f"line {number}: '{line[:40]}'{known}") from None
    if numbers.size in (4, 5):
        notes.add("{n} given as a box only: left out")
        return None
    score = float(numbers[-1]) if numbers.size % 2 else None
    points = numbers[: numbers.size - numbers.size % 2].reshape(-1, 2)
    if len(points) < 3 or not np.isfinite(points).all():
        raise ValueError(f"line {number}: no polygon")
    if points.min() < -1 or points.max() > 2:
        raise ValueError(f"line {number}: coordinates from {points.min():g} to {points.max():g}, not from 0 to 1")
    pixels = _raster.checked(points * np.array([photo.hw[1], photo.hw[0]]))
    if _raster.box_of([pixels], photo.hw) is None:
        raise ValueError(f"line {number}: the polygon lies outside of the photo")
    within = np.clip(pixels, 0, np.array([photo.hw[1] - 1, photo.hw[0] - 1]))
    return stored(_raster.by_pixels([within], photo.hw), label, score=score_of(score))


def _read_names(root: Path) -> list[str]:
    """The names of the classes, of data.yaml or classes.txt in the folder or one above; none where neither is."""
    for folder in (root, root.parent, root.parent.parent):
        for file in ("data.yaml", "data.yml", "dataset.yaml", "classes.txt"):
            if (folder / file).is_file():
                with blame(folder / file, "it should hold `names:`, a list or a map"):
                    text = read_text(folder / file)
                    names = text.rstrip().splitlines() if file == "classes.txt" else names_in(text)
                    return [name.strip() or UNLABELLED for name in names]
    return []
