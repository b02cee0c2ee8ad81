"""Pascal VOC: for each photo two index PNGs and an XML file with boxes.

    OUT/
      SegmentationObject/STEM.png    0 background, 1, 2 ... the objects bottom to top, 255 not counted (never written)
      SegmentationClass/STEM.png     the same pixels with the number of the label
      Annotations/STEM.xml           the objects in the order of their ids, with boxes of what is visible (1 is the
                                     first pixel)
      ImageSets/Segmentation/trainval.txt
      labelmap.txt                   the numbers of the labels are its lines: background, then labels; names that
                                     other programs cannot read there are changed with a note, and come back exact
      JPEGImages/NAME                the photos: put there by you, or with copy=True

Where objects overlap, the pixel belongs to the upper one. Read are also SegmentationClass alone (an object for each
label), pictures in the colours of labelmap.txt, and VOC itself, whose 20 classes are known.
"""

from __future__ import annotations

import unicodedata
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from fewclicks.formats.annotations import AnnotatedPhoto, Label
from fewclicks.formats.notes import Notes
from fewclicks.formats.palette import voc_palette
from fewclicks.formats.voc_reader import BOXES, CLASSES, LABELS, OBJECTS, number_of_class, read
from fewclicks.formats.writing import Classes, Flat, Names, copy_photo, flattened, ids_without_ignore, save_ids

__all__ = ["read", "write"]

TITLE = "Pascal VOC"
LOSES = "what lies under other objects, names, scores and soft edges"


def held(name: str) -> str:
    """The name as a line of labelmap.txt and XML hold it, for the programs that read them."""
    lines = "".join(" " if unicodedata.category(c) in ("Cc", "Zl", "Zp") else c for c in name)
    text = _printable(lines).replace(":", "_").strip()
    if text.startswith("#"):
        text = f"_{text}"
    return f"{text}_" if text.lower() == "background" else text


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
            label_of[number] = number_of_class(classes[seen.label])
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
        red, green, blue = palette[number_of_class(index) % 256].tolist()
        rows.append(f"{label.name}:{red},{green},{blue}::\n")
    (out / LABELS).write_text("".join(rows), "utf-8")
