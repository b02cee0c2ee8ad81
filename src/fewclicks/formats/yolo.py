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

from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from fewclicks.formats import polygon_masks, polygons
from fewclicks.formats.annotations import AnnotatedPhoto, Label
from fewclicks.formats.data_yaml import text_of
from fewclicks.formats.notes import Notes
from fewclicks.formats.writing import Classes, Names, copy_photo, solid, tolerance_of
from fewclicks.formats.yolo_reader import read
from fewclicks.types import Mask

__all__ = ["read", "write"]

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


def _outline(mask: Mask, tolerance_px: float, notes: Notes) -> polygons.Ring:
    """The polygon of a mask; notes how many pixels it changes."""
    parts = polygons.parts(mask, edges=False)
    ring = polygons.straightened(polygons.in_one(parts), tolerance_px)
    changed = int(np.count_nonzero(mask ^ polygon_masks.by_pixels([ring.astype(np.float64)], mask.shape)))
    if changed and len(parts) > 1:
        notes.add("{n} of several parts, joined by bridges: up to {most} pixels are changed, {sum} in all", changed)
    elif changed:
        notes.add("{n} changed as polygons: up to {most} pixels, {sum} in all", changed)
    return polygons.at_least_three(ring)


def _write_names(out: Path, names: Sequence[str]) -> None:
    rows = [f"  {index}: {text_of(name)}\n" for index, name in enumerate(names)]
    listed = "names:\n" + "".join(rows) if rows else "names: {}\n"
    (out / "data.yaml").write_text(f"train: images\nval: images\nnc: {len(names)}\n{listed}", "utf-8")
    (out / "classes.txt").write_text("".join(f"{' '.join(name.split())}\n" for name in names), "utf-8")
