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

Read are the files of ultralytics, its predictions among them, Roboflow, CVAT, Label Studio and darknet: data.yaml with
a list or a map of names, classes.txt, and labels anywhere below the folder. Lines of four numbers are boxes and left
out; a last number that has no partner is a score.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from fewclicks.errors import InputError, counted, one_line
from fewclicks.formats import polygon_masks, polygons
from fewclicks.formats.annotations import AnnotatedPhoto, Label
from fewclicks.formats.data_yaml import text_of, values_in
from fewclicks.formats.matching import Photos
from fewclicks.formats.notes import Notes
from fewclicks.formats.reading import (
    Imported,
    Maker,
    blame,
    coloured,
    files_in,
    label_of,
    nothing_for,
    read_text,
    score_of,
    stored,
)
from fewclicks.formats.structure import NO_LABELS, SEPARATORS, is_label_file
from fewclicks.formats.writing import Classes, Names, copy_photo, solid, tolerance_of
from fewclicks.types import Mask

TITLE = "YOLO segmentation"
LOSES = "names, scores and soft edges; parts of an object are joined by thin bridges"
CENTRE = 0.49
"""Added to pixel coordinates: a hair less than half, so that both cutting off and rounding give the pixel back."""
YAMLS = ("data.yaml", "data.yml", "dataset.yaml", "dataset.yml")
LISTS = ("classes.txt", "obj.names", "classes.names", "_darknet.labels", "predefined_classes.txt")
"""The names of the classes, one a line."""

SPLIT_FOLDERS = ("labels", "images")
"""Folders of a data set that hold train/, val/ ...; the names of the classes lie beside them."""


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


def join_parts(out: Path, parts: Sequence[str]) -> None:
    """Write the data.yaml of a set whose parts lie in folders of their own."""
    names = (out / parts[0] / "data.yaml").read_text("utf-8").split("\n", 2)[2]
    places = "".join(f"{part}: {part}/images\n" for part in parts)
    (out / "data.yaml").write_text(places + names, "utf-8")


def _outline(mask: Mask, tolerance_px: float, notes: Notes) -> polygons.Ring:
    """The polygon of a mask; notes how many pixels it changes."""
    parts = polygons.parts(mask, edges=False)
    ring = polygons.straightened(polygons.in_one(parts), tolerance_px)
    changed = int(np.count_nonzero(mask ^ polygon_masks.by_pixels([ring.astype(np.float64)], mask.shape)))
    if changed and len(parts) > 1:
        notes.add("{n} of several parts, joined by bridges: this changes up to {most}, {sum} in all", changed)
    elif changed:
        notes.add("{n} changed as polygons: up to {most}, {sum} in all", changed)
    return polygons.at_least_three(ring)


def _write_names(out: Path, names: Sequence[str]) -> None:
    rows = [f"  {index}: {text_of(name)}\n" for index, name in enumerate(names)]
    listed = "names:\n" + "".join(rows) if rows else "names: {}\n"
    (out / "data.yaml").write_text(f"train: images\nval: images\nnc: {len(names)}\n{listed}", "utf-8")
    (out / "classes.txt").write_text("".join(f"{one_line(name, None)}\n" for name in names), "utf-8")


@dataclass(frozen=True, slots=True)
class ClassNames:
    """Names by number; `source` is the file that says them, "" for none. `posed`: the lines hold keypoints."""

    source: str
    names: Mapping[int, str]
    posed: bool = False


def read(source: Path, photos: Sequence[AnnotatedPhoto]) -> Imported:
    """The objects in the label files below a folder."""
    root = source if source.is_dir() else source.parent
    classes, known = _classes(root), Photos(photos)
    files, strangers = _files(source, root, known)
    if not files:
        raise nothing_for(source, photos, "labels/STEM.txt for a photo STEM.jpg", strangers)

    def load(photo: AnnotatedPhoto, said: Notes) -> list[Maker]:
        makers = []
        for path in files[photo.file]:
            with blame(path, "it should hold lines of `class x1 y1 x2 y2 ...` from 0 to 1"):
                lines = _lines(path)
            for number, line in lines:
                try:
                    maker = _object(line, photo, classes, said)
                except (InputError, ValueError, OverflowError) as error:
                    said.refuse(f"line {number} of '{path.name}'", error)
                    continue
                if maker is not None:
                    makers.append(maker)
        return makers

    def count(photo: AnnotatedPhoto) -> int:
        return sum(map(_count, files[photo.file]))

    lost = sum(_count(root / file) for file in strangers)
    notes = (*known.notes, *_of_strangers(strangers, lost))
    named = [classes.names[number] for number in sorted(classes.names)]
    annotated = tuple(photo for photo in photos if photo.file in files)
    return Imported(coloured(named), annotated, load, notes, lost, count)


def _of_strangers(files: Sequence[str], lines: int) -> Iterator[str]:
    """Tell what is said of label files whose photos are not there."""
    if files:
        gone = f"{counted(len(files), 'file')} of photos that are not in the folder, as '{files[0][:80]}'"
        yield f"{gone}: {counted(lines, 'line')} left out"


def _files(source: Path, root: Path, known: Photos) -> tuple[dict[str, list[Path]], list[str]]:
    """The label files of each photo, and those of photos that are not there."""
    if source.is_file() and len(known.photos) == 1:
        return {known.photos[0].file: [source]}, []
    files: dict[str, list[Path]] = {}
    strangers = list[str]()
    for file in files_in(source, [".txt"]) if source.is_dir() else [source.name]:
        photo = _photo_of(PurePosixPath(file), known)
        listed = PurePosixPath(file).stem.lower() in NO_LABELS
        if photo is not None and (not listed or is_label_file(root / file)):
            files.setdefault(photo.file, []).append(root / file)
        elif is_label_file(root / file):
            strangers.append(file)
    return files, strangers


def _photo_of(path: PurePosixPath, known: Photos) -> AnnotatedPhoto | None:
    """The photo that a label file is named as, in the folders below labels/."""
    below = path.parts[path.parts.index("labels") + 1 : -1] if "labels" in path.parts else path.parts[:-1]
    return known.by_stem("/".join([*below, path.stem]))


def _lines(path: Path) -> list[tuple[int, str]]:
    """(number, line) of the lines of a file that hold more than a comment."""
    lines = ((i, line.partition("#")[0]) for i, line in enumerate(read_text(path).splitlines(), start=1))
    return [(i, line) for i, line in lines if line.strip(" \t,;\ufeff\0")]


def _count(path: Path) -> int:
    """How many objects a file has; 1 for one that cannot be read."""
    try:
        return len(_lines(path))
    except (InputError, OSError, ValueError):
        return 1


def _object(line: str, photo: AnnotatedPhoto, classes: ClassNames, notes: Notes) -> Maker | None:
    number, values = _numbers(line)
    if classes.source and number not in classes.names:
        most = f"0 to {max(classes.names)}" if classes.names else "none"
        raise ValueError(f"class {number}, but the classes of {classes.source} are {most}")
    if values.size in (4, 5):
        notes.left("{n} given as a box only: left out")
        return None
    if classes.posed:
        notes.left("{n} given as a box with keypoints: left out")
        return None
    values, score = _without_score(values)
    points = values.reshape(-1, 2)
    if len(points) < 3 or not np.isfinite(points).all():
        raise ValueError(f"'{line[:40]}' is no polygon: a class and three pairs x y or more")
    if points.min() < -1 or points.max() > 2:
        raise ValueError(f"coordinates from {points.min():g} to {points.max():g}, not from 0 to 1")
    pixels = polygon_masks.checked(points * np.array([photo.hw[1], photo.hw[0]]))
    if polygon_masks.box_of([pixels], photo.hw) is None:
        raise ValueError("the polygon lies outside of the photo")
    within = np.clip(pixels, 0, np.array([photo.hw[1] - 1, photo.hw[0] - 1]))
    mask = polygon_masks.by_pixels([within], photo.hw)
    if not classes.source:
        notes.add("{n} of a class without a name (add data.yaml or classes.txt): called class_ and its number")
    return stored(mask, classes.names.get(number, f"class_{number}"), score=score)


def _numbers(line: str) -> tuple[int, NDArray[np.float64]]:
    """The class and the values of a line; ValueError in words."""
    words = [word for word in SEPARATORS.split(line.strip("\ufeff\0")) if word]
    try:
        number = float(words[0])
        values = np.array([float(word) for word in words[1:]], np.float64)
        if number != int(number) or number < 0:
            raise ValueError
    except (ValueError, OverflowError):
        raise ValueError(f"'{line[:40]}' is not a whole number of a class and coordinates") from None
    return int(number), values


def _without_score(
    values: NDArray[np.float64],
) -> tuple[NDArray[np.float64], float | None]:
    """The coordinates, and the score that ultralytics puts behind them; behind that the number of a track may stand."""
    if values.size % 2:
        return values[:-1], score_of(float(values[-1]))
    tracked = values.size > 8 and values[-1] > 1 and values[-1] % 1 == 0 and values[:-1].max() <= 1
    if tracked:
        return values[:-2], score_of(float(values[-2]))
    return values, None


def _classes(root: Path) -> ClassNames:
    """The names of the classes, of the folder or beside its labels/; none where no file has them."""
    for folder in _folders_of_names(root):
        for file in YAMLS:
            if (folder / file).is_file():
                with blame(folder / file, "it should hold `names:`, a list or a map"):
                    return _of_yaml(folder / file)
        for file in LISTS:
            if (folder / file).is_file():
                with blame(folder / file, "it should hold the name of a class on each line"):
                    rows = read_text(folder / file).rstrip().splitlines()
                    return ClassNames(file, {number: label_of(row.strip()) for number, row in enumerate(rows)})
    return ClassNames("", {})


def _folders_of_names(root: Path) -> list[Path]:
    """List where names may lie: here; beside labels/ (or images/), for that folder or one in it, nowhere else above;
    in labels/, where LabelImg writes them."""
    above = [root, root.parent, root.parent.parent]
    steps = next((step for step, folder in enumerate(above[:2], start=1) if folder.name.lower() in SPLIT_FOLDERS), 0)
    return [*above[: steps + 1], root / "labels"]


def _of_yaml(path: Path) -> ClassNames:
    values = values_in(read_text(path))
    names = values.get("names")
    if isinstance(names, str) and (path.parent / PurePosixPath(names).name).is_file():  # names: obj.names
        names = read_text(path.parent / PurePosixPath(names).name).rstrip().splitlines()
    if not isinstance(names, list):
        raise ValueError("no list or map `names`")
    pairs = [row if isinstance(row, tuple) else (str(number), row) for number, row in enumerate(names)]
    found: dict[int, str] = {}
    for key, name in pairs:
        if not re.fullmatch(r"\d{1,6}", key):
            raise ValueError(f"a name has the key '{key[:40]}', which is no number of a class")
        if int(key) in found:
            raise ValueError(f"the class {int(key)} has two names")
        found[int(key)] = label_of(name)
    return ClassNames(path.name, found, "kpt_shape" in values)
