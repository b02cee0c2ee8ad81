"""Pascal VOC: for each photo two index PNGs and an XML file with boxes.

    OUT/
      SegmentationObject/STEM.png    0 background, 1, 2 ... the objects bottom to top, 255 not counted (never written)
      SegmentationClass/STEM.png     the same pixels with the number of the label
      Annotations/STEM.xml           the objects in the order of their ids, with boxes of what is visible (1 is the
                                     first pixel)
      ImageSets/Segmentation/trainval.txt
      labelmap.txt                   the numbers of the labels are its lines: background, then labels
      JPEGImages/NAME                the photos: put there by you, or with copy=True

Where objects overlap, the pixel belongs to the upper one. Read are also SegmentationClass alone (an object for each
label), pictures in the colours of labelmap.txt, and VOC itself, whose 20 classes are known.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from fewclicks.annotations import AnnotatedPhoto, Annotation, Label
from fewclicks.exports._notes import Notes
from fewclicks.exports._palette import voc_palette
from fewclicks.exports._png import Ids, read_ids
from fewclicks.exports._read import Imported, Maker, Photos, blame, coloured, files_in, nothing_for, read_text
from fewclicks.exports._write import (
    UNLABELLED,
    Classes,
    Flat,
    Names,
    copy_photo,
    flattened,
    ids_without_ignore,
    save_ids,
)
from fewclicks.sample import IGNORE_ID

TITLE = "Pascal VOC"
LOSES = "what lies under other objects, names, scores and soft edges"
OBJECTS, CLASSES, BOXES, LABELS = "SegmentationObject", "SegmentationClass", "Annotations", "labelmap.txt"
# fmt: off
NAMES_2012 = [
    "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow",
    "diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
]
# fmt: on


def write(
    photos: Iterable[AnnotatedPhoto], labels: Sequence[Label], out: Path, *, copy: bool = False
) -> tuple[str, ...]:
    """Write into the folder `out`; what was lost."""
    notes, classes, stems = Notes(), Classes(labels), []
    names = Names(notes)
    for photo in photos:
        stem = names.stem(photo.file)
        stems.append(stem)
        flat = flattened(photo, notes)
        number_of = ids_without_ignore(len(photo.objects))
        label_of = np.zeros_like(number_of)
        for number, seen in flat.seen.items():
            label_of[number] = _number(classes[seen.label])
            if seen.name or seen.score is not None:
                notes.add("{n} whose name or score is left out")
        bits = [save_ids(number_of[flat.ids], out / OBJECTS / f"{stem}.png")]
        bits.append(save_ids(label_of[flat.ids], out / CLASSES / f"{stem}.png"))
        if 16 in bits:
            notes.add("{n} with ids above 254: written as 16-bit PNG, which VOC's programs do not read", thing="photo")
        file = out / BOXES / f"{stem}.xml"
        file.parent.mkdir(parents=True, exist_ok=True)
        image = stem + PurePosixPath(photo.file).suffix
        file.write_bytes(_boxes(photo, image, flat))
        if copy:
            copy_photo(photo, out / "JPEGImages" / image)
    _write_lists(out, stems, classes)
    return notes.sentences()


def _number(index: int) -> int:
    """The number of a label, from its index: 1, 2 ... without 255."""
    return index + 1 if index + 1 < IGNORE_ID else index + 2


def _boxes(photo: AnnotatedPhoto, image: str, flat: Flat) -> bytes:
    """The XML of a photo."""
    root = ET.Element("annotation")
    for tag, text in (("folder", "JPEGImages"), ("filename", image)):
        ET.SubElement(root, tag).text = _printable(text)
    size = ET.SubElement(root, "size")
    for tag, value in (("width", photo.hw[1]), ("height", photo.hw[0]), ("depth", 3)):
        ET.SubElement(size, tag).text = str(value)
    ET.SubElement(root, "segmented").text = "1"
    for seen in flat.seen.values():
        found = ET.SubElement(root, "object")
        for tag, text in (("name", seen.label), ("pose", "Unspecified"), ("truncated", "0"), ("difficult", "0")):
            ET.SubElement(found, tag).text = _printable(text)
        box = ET.SubElement(found, "bndbox")
        corners = (seen.box.x0 + 1, seen.box.y0 + 1, seen.box.x1, seen.box.y1)
        for tag, value in zip(("xmin", "ymin", "xmax", "ymax"), corners, strict=True):
            ET.SubElement(box, tag).text = str(value)
    ET.indent(root)
    content: bytes = ET.tostring(root, encoding="utf-8")
    return content + b"\n"


def _printable(text: str) -> str:
    """The text without characters that XML cannot hold."""
    return "".join(c for c in text if c >= " " and c not in "\ufffe\uffff" and not "\ud800" <= c <= "\udfff")


def _write_lists(out: Path, stems: Sequence[str], classes: Classes) -> None:
    sets = out / "ImageSets" / "Segmentation"
    sets.mkdir(parents=True)
    (sets / "trainval.txt").write_text("".join(f"{stem}\n" for stem in stems), "utf-8")
    palette = voc_palette()
    rows = ["# label:color_rgb:parts:actions\n", "background:0,0,0::\n"]
    for index, label in enumerate(classes.labels):
        red, green, blue = palette[_number(index) % 256].tolist()
        rows.append(f"{' '.join(label.name.split())}:{red},{green},{blue}::\n")
    (out / LABELS).write_text("".join(rows), "utf-8")


def read(source: Path, photos: Sequence[AnnotatedPhoto]) -> Imported:
    """The objects in SegmentationObject and SegmentationClass of a folder."""
    known, files = Photos(photos), dict[str, dict[str, Path]]()
    for folder in (OBJECTS, CLASSES):
        for file in files_in(source / folder, [".png"]):
            photo = known.by_stem(str(PurePosixPath(file).with_suffix("")))
            if photo is not None:
                files.setdefault(photo.file, {}).setdefault(folder, source / folder / file)
    if not files:
        raise nothing_for(source, photos, f"{OBJECTS}/STEM.png for a photo STEM.jpg")
    labels, colours = _read_labels(source / LABELS)

    def load(photo: AnnotatedPhoto) -> tuple[list[Maker], tuple[str, ...]]:
        pictures = {}
        for folder, path in files[photo.file].items():
            with blame(path, "save it as an index PNG"):
                pictures[folder] = read_ids(path, photo, colours if folder == CLASSES else None)
        with blame(files[photo.file].get(CLASSES, source), f"name its classes in {LABELS}"):
            ids = pictures.get(OBJECTS, pictures.get(CLASSES))
            assert ids is not None, "a photo is listed with a picture"
            numbers = _label_numbers(ids, pictures.get(CLASSES))
            return [_maker(ids, i, _name(labels, number)) for i, number in numbers.items()], ()

    return Imported(labels, tuple(photo for photo in photos if photo.file in files), load)


def _label_numbers(ids: Ids, classes: Ids | None) -> dict[int, int]:
    """The number of the label that most of each object has; 0 where nothing is said."""
    classes = np.zeros_like(ids) if classes is None else classes
    inside = ids > 0
    pairs = ids[inside].astype(np.uint32) << 16 | classes[inside].astype(np.uint32)
    found, counts = np.unique(pairs, return_counts=True)
    best: dict[int, tuple[int, int]] = {}
    for pair, count in zip(found.tolist(), counts.tolist(), strict=True):
        number = pair & 0xFFFF
        best[pair >> 16] = max(best.get(pair >> 16, (0, 0)), (count if number else 0, number))
    return {i: number for i, (_, number) in best.items()}


def _name(labels: Sequence[Label], number: int) -> str:
    if not number:
        return UNLABELLED
    index = number - 1 if number < IGNORE_ID else number - 2
    if index >= len(labels):
        raise ValueError(f"the class {number} is none of the {len(labels)} that are known")
    return labels[index].name


def _maker(ids: Ids, index: int, label: str) -> Maker:
    return lambda: Annotation(mask=np.asarray(ids == index), label=label)


def _read_labels(path: Path) -> tuple[tuple[Label, ...], dict[tuple[int, int, int], int] | None]:
    """The labels of labelmap.txt and the number of each colour; those of VOC where there is no such file."""
    if not path.is_file():
        return coloured(NAMES_2012), None
    labels, numbers = list[Label](), dict[tuple[int, int, int], int]()
    with blame(path, "its lines are `label:red,green,blue::`"):
        rows = [line for line in read_text(path).splitlines() if line.strip() and not line.startswith("#")]
        for row in rows:
            name, colour, _, _ = row.rsplit(":", 3)
            red, green, blue = (int(v) for v in colour.split(",")) if colour else (0, 0, 0)
            if name.strip() == "background":
                numbers[red, green, blue] = 0
                continue
            numbers.setdefault((red, green, blue), _number(len(labels)))
            labels.append(Label(name.strip() or UNLABELLED, (red & 255, green & 255, blue & 255)))
    return tuple(labels), numbers
