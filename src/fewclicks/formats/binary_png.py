"""Binary PNGs: one black-and-white picture (0 and 255) for each object, of the size of the photo. Overlaps are kept.

    OUT/
      STEM/0001-LABEL.png    bottom to top; characters that do not suit a file name become _
      objects.json           label, name and score of each file

Read are also pictures without objects.json: in a folder named as the photo (the label is what follows the number and a
dash), or named as the photo themselves, one object each. Grey of 128 or more is the object.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import TypeAlias

import PIL.Image

from fewclicks.errors import InputError
from fewclicks.formats import object_list
from fewclicks.formats.annotations import AnnotatedPhoto, Label
from fewclicks.formats.id_pictures import opened
from fewclicks.formats.matching import Photos
from fewclicks.formats.notes import Notes
from fewclicks.formats.reading import Imported, Maker, blame, nothing_for, stored
from fewclicks.formats.writing import UNLABELLED, Classes, Names, slug, solid
from fewclicks.images.mask_meaning import MaskIs
from fewclicks.images.reading import read_mask

TITLE = "Binary PNGs"
LOSES = "soft edges"
File: TypeAlias = tuple[str, str, str, float | None]
"""Path, label, own name and score."""


def write(photos: Iterable[AnnotatedPhoto], labels: Sequence[Label], out: Path) -> tuple[str, ...]:
    """Write into the folder `out`; what was lost."""
    notes, classes, rows = Notes(), Classes(labels), []
    names = Names(notes)
    for photo in photos:
        stem, objects = names.stem(photo.file), []
        for number, found, _ in solid(photo, notes):
            label = classes.labels[classes[found.label]].name
            file = f"{stem}/{number:04d}-{slug(label)}.png"
            (out / stem).mkdir(parents=True, exist_ok=True)
            PIL.Image.fromarray(found.mask).convert("L").save(out / file)
            objects.append(object_list.entry(found, mask=file))
        rows.append({"file": photo.file, "objects": objects, **photo.about})
    object_list.save(out, classes.labels, rows)
    return notes.sentences()


def read(source: Path, photos: Sequence[AnnotatedPhoto], *, mask_is: MaskIs | None = None) -> Imported:
    """The objects in the binary masks of a folder."""
    labels: tuple[Label, ...] = ()
    source, known, notes = object_list.root_of(source), Photos(photos), Notes()
    with blame(source / object_list.FILE):
        content = object_list.load(source)
        if content is None:
            strangers: list[str] = []
            found = object_list.masks_beside(source, known, strangers=strangers)
            object_list.note_strangers(strangers, notes)
            files = {file: [_named(mask) for mask in sorted(masks, key=_natural)] for file, masks in found.items()}
        else:
            files = object_list.photos_of(content, known, lambda row, entry, facts: (str(entry["mask"]), *facts), notes)
            labels = object_list.labels(content)
    if not files:
        raise nothing_for(source, photos, "STEM/0001-LABEL.png for a photo STEM.jpg")

    def load(photo: AnnotatedPhoto, said: Notes) -> list[Maker]:
        makers = []
        for file, label, name, score in files[photo.file]:
            try:
                with blame(source / file, "save it in black and white"):
                    picture = opened(object_list.inside(source, file), photo)
                    mask = read_mask(picture, photo.hw, photo.hw[0] * photo.hw[1], mask_is=mask_is, notes=[]) >= 0.5
            except InputError as error:
                said.refuse(f"'{file[:80]}'", error)
                continue
            if mask.any():
                makers.append(stored(mask, label, name, score))
            else:
                said.left("{n} without pixels: left out")
        return makers

    annotated = tuple(photo for photo in photos if photo.file in files)
    sentences = (*known.notes, *notes.sentences())
    return Imported(labels, annotated, load, sentences, notes.left_out, lambda photo: len(files[photo.file]))


def _named(file: str) -> File:
    """The label that follows a number and a dash in the name of a file."""
    label = re.fullmatch(r"\d+-(.+)", PurePosixPath(file).stem)
    return file, label[1] if label else UNLABELLED, "", None


def _natural(file: str) -> list[tuple[int, str]]:
    """Sorts 2.png before 10.png."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", file)]
