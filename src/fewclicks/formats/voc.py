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
label), pictures in the colours of labelmap.txt, and VOC itself, whose 20 classes are known: trees of VOC, CVAT,
labelme2voc and converters.

What the numbers or colours of SegmentationClass are called is said by labelmap.txt (colours), else by class_names.txt
(numbers), else by VOC's palette in a tree that is VOC's. Where nothing says it, nothing is guessed: the class is called
class_N, or by its colour, and a note says so.
"""

from __future__ import annotations

import re
import unicodedata
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fewclicks.errors import FewClicksError, InputError, counted
from fewclicks.formats.annotations import AnnotatedPhoto, Annotation, Label
from fewclicks.formats.id_pictures import opened
from fewclicks.formats.matching import Photos
from fewclicks.formats.naming import exact_names
from fewclicks.formats.notes import Notes
from fewclicks.formats.palette import voc_palette
from fewclicks.formats.reading import (
    Imported,
    Maker,
    blame,
    coloured,
    files_in,
    label_of,
    nothing_for,
    read_bytes,
    read_text,
    require_hw,
)
from fewclicks.formats.structure import VOC_FOLDERS, folders_in, voc_root
from fewclicks.formats.writing import (
    UNLABELLED,
    Classes,
    Flat,
    Names,
    copy_photo,
    flattened,
    ids_without_ignore,
    save_ids,
)
from fewclicks.images.mask_meaning import MAX_COLORS
from fewclicks.images.reading import read_picture
from fewclicks.types import IGNORE_ID

TITLE = "Pascal VOC"
LOSES = "what lies under other objects, names, scores and soft edges"
OBJECTS, CLASSES, BOXES, LABELS = "SegmentationObject", "SegmentationClass", "Annotations", "labelmap.txt"
# fmt: off
NAMES_2012 = [
    "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow",
    "diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
]
# fmt: on
LISTS = ("class_names.txt", "classes.txt", "labels.txt")
"""Names alone, one a line, from number 0 on where the first is the background."""
BACKGROUNDS = ("_background_", "background", "__background__")
SAMPLES = 200
"""Pictures and XML files that are looked into to see whether a tree without names is VOC's."""
MAX_XML_BYTES = 2**20

Colour: TypeAlias = tuple[int, int, int]
VOID: Colour = (224, 224, 192)
"""VOC's colour of what is not counted: the contours."""
_NUMBERS: dict[Colour, int] = {(int(r), int(g), int(b)): i for i, (r, g, b) in enumerate(voc_palette())}
_ROW = re.compile(r"(.*):\s*(\d{1,3})\s*,\s*(\d{1,3})\s*,\s*(\d{1,3})\s*(:.*)?", re.DOTALL)


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


@dataclass(frozen=True, slots=True)
class Code:
    """Holds what a pixel says: a number, a colour, or both with a palette. `white`: of a black-and-white picture."""

    number: int | None
    colour: Colour | None
    white: bool = False

    @property
    def is_nothing(self) -> bool:
        """Tell whether it is background, or not counted."""
        if self.white:
            return False
        return self.number in (0, IGNORE_ID) if self.number is not None else self.colour in ((0, 0, 0), VOID)

    def __str__(self) -> str:
        return f"class {self.number}" if self.number is not None else f"colour {self.colour}"


@dataclass(frozen=True, slots=True)
class Coded:
    """A mask picture: HxW places in the list `codes`."""

    places: NDArray[np.int32]
    codes: tuple[Code, ...]

    def masks(self) -> Iterator[tuple[int, Code]]:
        """(place, code) of what is an object or a class, by number, or VOC's number of the colour."""
        there = [(place, code) for place, code in enumerate(self.codes) if not code.is_nothing]
        return iter(sorted(there, key=lambda item: _rank(item[1])))


def _rank(code: Code) -> tuple[int, Colour]:
    number = code.number if code.number is not None else _NUMBERS.get(code.colour or VOID, 2**16)
    return number, code.colour or (0, 0, 0)


@dataclass(frozen=True, slots=True)
class ClassNames:
    """Holds what classes are called: by colour, by number; `source` is the file that says it, "" for none."""

    source: str
    labels: tuple[Label, ...]
    numbers: Mapping[int, str]
    colours: Mapping[Colour, str]
    is_voc: bool = False
    """Whether numbers without a palette are VOC's too."""

    def of(self, code: Code, by_colour: bool, notes: Notes) -> str | None:
        """The name of a class; None for the background. ValueError where the list says nothing of it."""
        if code.white:
            notes.add("{n} whose class is not said: called 'object'")
            return UNLABELLED
        number, colour = code.number, code.colour
        if by_colour and colour in self.colours and colour is not None:
            return self.colours[colour] or None
        if code.is_nothing:
            return None
        if number is None and not self.colours and colour is not None:
            number = _NUMBERS.get(colour)
        if number is not None and number in self.numbers and (self.source or self.is_voc or colour is not None):
            return self.numbers[number]
        if self.source:
            count = len(self.numbers) or len(self.colours)
            raise ValueError(f"its {code} is none of the {count} that {self.source} has")
        notes.add(f"{{n}} of a class without a name (add {LABELS} or {LISTS[0]}): called by its number or colour")
        return f"class_{number}" if number is not None else "color_{:02x}{:02x}{:02x}".format(*code.colour or VOID)


def read(source: Path, photos: Sequence[AnnotatedPhoto]) -> Imported:
    """The objects in SegmentationObject and SegmentationClass of a folder."""
    root, known = voc_root(source) or source, Photos(photos)
    files, strangers = dict[str, dict[str, Path]](), list[str]()
    folders = [folder for folder in folders_in(root) if VOC_FOLDERS.fullmatch(folder.name)]
    for folder in folders:
        kind = OBJECTS if "object" in folder.name.lower() else CLASSES
        for file in files_in(folder, [".png"]):
            photo = known.by_stem(str(PurePosixPath(file).with_suffix("")))
            if photo is not None:
                files.setdefault(photo.file, {}).setdefault(kind, folder / file)
            else:
                strangers.append(file)
    if not files:
        raise nothing_for(source, photos, f"{OBJECTS}/STEM.png for a photo STEM.jpg", strangers)
    names = _names_of(root, [pictures[CLASSES] for pictures in files.values() if CLASSES in pictures])

    def load(photo: AnnotatedPhoto, said: Notes) -> list[Maker]:
        pictures = {}
        for kind, path in files[photo.file].items():
            with blame(path, "save it as an index PNG"):
                pictures[kind] = _coded(path, photo)
        return list(_objects(pictures.get(OBJECTS), pictures.get(CLASSES), names, said))

    notes = list(known.notes)
    if strangers:
        gone = len({PurePosixPath(file).stem for file in strangers})
        notes.append(
            f"the masks of {counted(gone, 'photo')} outside of the folder, as '{strangers[0][:80]}', are left out"
        )
    annotated = tuple(photo for photo in photos if photo.file in files)
    return Imported(names.labels, annotated, load, tuple(notes), len(strangers))


def _objects(objects: Coded | None, classes: Coded | None, names: ClassNames, notes: Notes) -> Iterator[Maker]:
    """An object for each code of SegmentationObject; without that picture, for each class."""
    shown = objects or classes
    assert shown is not None, "a photo is listed with a picture"
    colours = [code.colour for _, code in classes.masks()] if classes is not None else []
    by_colour = bool(names.colours) and all(c is None or c in names.colours or c == VOID for c in colours)
    by_colour = by_colour or any(code.number is None for code in (classes.codes if classes else ()))
    for place, code in shown.masks():
        try:
            said = code if objects is None else _class_of(shown.places == place, classes)
            label = UNLABELLED if said is None else names.of(said, by_colour, notes)
        except ValueError as error:
            notes.refuse(f"object {code.number or code.colour}" if objects is not None else str(code), error)
            continue
        if said is None:
            notes.add(f"{{n}} whose class is not said: called '{UNLABELLED}'")
        if label is not None:
            yield _maker(shown.places, place, label)


def _class_of(mask: NDArray[np.bool_], classes: Coded | None) -> Code | None:
    """The class that most pixels of an object have; None where they have none."""
    if classes is None:
        return None
    counts = np.bincount(classes.places[mask], minlength=len(classes.codes))
    for place, code in enumerate(classes.codes):
        if code.is_nothing:
            counts[place] = 0
    return classes.codes[int(counts.argmax())] if counts.any() else None


def _maker(places: NDArray[np.int32], place: int, label: str) -> Maker:
    return lambda: Annotation(mask=np.asarray(places == place), label=label)


def _coded(path: Path, photo: AnnotatedPhoto) -> Coded:
    """A mask picture of the photo's size."""
    picture = read_picture(opened(path, photo), "mask", max_pixels=photo.hw[0] * photo.hw[1])
    require_hw(photo, *picture.size)
    if picture.mode in ("1", "L", "P", "LA") or picture.mode.startswith("I"):
        values = np.asarray(picture.getchannel("L") if picture.mode == "LA" else picture).astype(np.int64)
        numbers, places = np.unique(values, return_inverse=True)
        if numbers[0] < 0 or numbers[-1] >= 2**16:
            raise ValueError(f"ids from {numbers[0]} to {numbers[-1]}, which is no index mask")
        white = picture.mode == "1" or (picture.mode != "P" and set(numbers.tolist()) == {0, IGNORE_ID})
        palette = picture.getpalette("RGB") or [] if picture.mode == "P" else []
        codes = tuple(_code(int(number), palette, white) for number in numbers)
    elif picture.mode in ("RGB", "RGBA"):
        packed = np.asarray(picture.convert("RGB")).astype(np.int32) @ np.array([65536, 256, 1], np.int32)
        numbers, places = np.unique(packed, return_inverse=True)
        if len(numbers) > MAX_COLORS:
            raise ValueError(f"{len(numbers)} colours, so it is a photo; save the mask as an index PNG")
        codes = tuple(Code(None, (int(c) >> 16, int(c) >> 8 & 255, int(c) & 255)) for c in numbers)
    else:
        raise ValueError(f"a picture of mode {picture.mode}; save it as an index PNG")
    return Coded(places.reshape(photo.hw).astype(np.int32), codes)


def _code(number: int, palette: Sequence[int], white: bool) -> Code:
    colour = palette[3 * number : 3 * number + 3]
    return Code(number, (colour[0], colour[1], colour[2]) if len(colour) == 3 else None, white and number > 0)


def _names_of(root: Path, pictures: Sequence[Path]) -> ClassNames:
    """Tell what the classes of a tree are called."""
    if (root / LABELS).is_file():
        return _exact(_labelmap(root / LABELS), exact_names(root))
    for name in LISTS:
        if (root / name).is_file():
            return _list(root / name)
    numbered = dict(enumerate(NAMES_2012, start=1))
    by_boxes = _boxes_are_voc(root)
    if by_boxes is not False and all(_may_be_voc(path) for path in pictures[:SAMPLES]):
        return ClassNames("", coloured(NAMES_2012), numbered, {}, by_boxes is True)
    return ClassNames("", (), {}, {})


def _labelmap(path: Path) -> ClassNames:
    """labelmap.txt: `label:red,green,blue:parts:actions`, numbered from 0 on with the background first."""
    labels, numbers, colours = list[Label](), dict[int, str](), dict[Colour, str]()
    with blame(path, "its lines are `label:red,green,blue::`"):
        for line, row in enumerate(read_text(path).split("\n"), start=1):
            found = _ROW.fullmatch(row.rstrip("\r"))
            plain = row.split(":")[0].strip()
            if found is None and (not plain or row.lstrip().startswith("#")):
                continue
            if found is None and row.count(":") < 2:
                raise ValueError(f"line {line}: '{row[:60]}'")
            name = found[1].strip() if found else plain
            colour = (int(found[2]), int(found[3]), int(found[4])) if found else None
            if colour is not None and max(colour) > 255:
                raise ValueError(f"line {line}: '{row[:60]}', a colour has values from 0 to 255")
            if name == "background":
                colours[colour or (0, 0, 0)] = ""
                continue
            number = number_of_class(len(labels))
            numbers[number] = label_of(name)
            labels.append(Label(label_of(name), colour or (0, 0, 0)))
            if colour is not None:
                colours.setdefault(colour, label_of(name))
    return ClassNames(LABELS, tuple(labels), numbers, colours)


def _exact(names: ClassNames, exact: Mapping[str, str]) -> ClassNames:
    """The names as they were before the export changed them."""
    return replace(
        names,
        labels=tuple(replace(label, name=exact.get(label.name, label.name)) for label in names.labels),
        numbers={number: exact.get(name, name) for number, name in names.numbers.items()},
        colours={colour: exact.get(name, name) for colour, name in names.colours.items()},
    )


def number_of_class(index: int) -> int:
    """The number of a label, from its index: 1, 2 ... without 255."""
    return index + 1 if index + 1 < IGNORE_ID else index + 2


def _list(path: Path) -> ClassNames:
    """class_names.txt of labelme2voc and the like: names alone."""
    with blame(path, "it should hold the name of a class on each line"):
        rows = [row.strip() for row in read_text(path).splitlines()]
        while rows and not rows[-1]:
            rows.pop()
        if rows and rows[0] == "__ignore__":
            rows.pop(0)
        start = 0 if rows and rows[0].lower() in BACKGROUNDS else 1
        named = {number: label_of(name) for number, name in enumerate(rows, start=start) if number > 0}
    return ClassNames(path.name, coloured(named.values()), named, {})


def _may_be_voc(path: Path) -> bool:
    """Tell whether a picture has no other classes, and no other colours, than VOC."""
    try:
        picture = read_picture(path, "mask", max_pixels=2**28)
    except (FewClicksError, OSError):
        return True
    if picture.mode == "P":
        there = np.unique(np.asarray(picture))
        palette = np.array(picture.getpalette("RGB") or [], np.uint8).reshape(-1, 3)
        known = there[there < len(palette)]
        return bool(np.array_equal(palette[known], voc_palette()[known])) and _voc_numbers(there)
    if picture.mode in ("RGB", "RGBA"):
        colours = np.unique(np.asarray(picture.convert("RGB")).reshape(-1, 3), axis=0)
        found = [_NUMBERS.get((int(r), int(g), int(b)), 2**16) for r, g, b in colours[:MAX_COLORS]]
        return _voc_numbers(np.array(found))
    return _voc_numbers(np.unique(np.asarray(picture.convert("I"))))


def _voc_numbers(numbers: NDArray[Any]) -> bool:
    return bool(np.all((numbers <= len(NAMES_2012)) | (numbers == IGNORE_ID)))


def _boxes_are_voc(root: Path) -> bool | None:
    """Tell whether the names in Annotations/*.xml are VOC's; None where none are there."""
    folder, names = root / BOXES, set[str]()
    for file in files_in(folder, [".xml"])[:SAMPLES] if folder.is_dir() else []:
        try:
            content = read_bytes(folder / file, MAX_XML_BYTES)
            if b"<!" not in content:  # no entities
                names |= {str(found.text) for found in ET.fromstring(content).findall("object/name")}
        except (OSError, ValueError, ET.ParseError, InputError):
            continue
    return names <= set(NAMES_2012) if names else None
