"""Index PNGs: one picture for each photo, in which each pixel has the id of the object (or label) on top.

    OUT/
      masks/STEM.png         0 background, 1, 2 ... bottom to top, never 255, which means "not counted"
      objects.json           label, name and score of each id

8-bit with the palette of Pascal VOC, 16-bit grey for photos with ids above 254. ids="objects": each object has its own;
ids="labels": that of its label, 1 for the first. Where objects overlap, the pixel belongs to the upper one.

Read are also pictures without objects.json: beside the photos, in a folder `masks`, or anywhere in the folder given, by
the name of the photo (or with _mask, _gt, _seg behind it). Grey levels and palette indices are ids; a picture of black
and one other value is one object; of a colour picture each colour is one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fewclicks.errors import InputError
from fewclicks.formats import object_list
from fewclicks.formats.annotations import AnnotatedPhoto, Annotation, Label
from fewclicks.formats.id_pictures import Ids, objects_of, read_ids
from fewclicks.formats.matching import Photos
from fewclicks.formats.notes import Notes
from fewclicks.formats.object_list import Facts
from fewclicks.formats.reading import Imported, Maker, blame, nothing_for
from fewclicks.formats.writing import UNLABELLED, Classes, Flat, Names, chosen, flattened, ids_without_ignore, save_ids
from fewclicks.images.mask_meaning import MaskIs
from fewclicks.types import IGNORE_ID

TITLE = "Index PNG"
LOSES = "what lies under other objects, and soft edges; with ids=labels also which object is which"
IDS = ("objects", "labels")


def write(
    photos: Iterable[AnnotatedPhoto], labels: Sequence[Label], out: Path, *, ids: str = "objects"
) -> tuple[str, ...]:
    """Write into the folder `out`; what was lost."""
    chosen("ids", ids, IDS)
    notes, classes, rows = Notes(), Classes(labels), []
    names = Names(notes)
    for photo in photos:
        file = f"masks/{names.stem(photo.file)}.png"
        flat = flattened(photo, notes)
        if ids == "objects":
            table = ids_without_ignore(len(photo.objects))
            for seen in flat.seen.values():
                classes[seen.label]  # numbered, so that it is listed
            objects = [object_list.entry(seen, id=int(table[number])) for number, seen in flat.seen.items()]
        else:
            table, objects = _by_label(flat, classes, len(photo.objects), notes)
        if save_ids(table[flat.ids], out / file) == 16:
            notes.add("{n} with ids above 254: written as 16-bit PNG, which some programs do not read", thing="photo")
        rows.append({"file": photo.file, "mask": file, "objects": objects, **photo.about})
    object_list.save(out, classes.labels, rows, ids=ids)
    return notes.sentences()


def _by_label(
    flat: Flat, classes: Classes, count: int, notes: Notes
) -> tuple[NDArray[np.uint16], list[dict[str, Any]]]:
    """`table[number]`, the id of the label of each object, and the ids that there are."""
    table = np.zeros(count + 1, np.uint16)
    listed: dict[int, str] = {}
    for number, seen in flat.seen.items():
        index = classes[seen.label] + 1
        table[number] = index + (index >= IGNORE_ID)
        if int(table[number]) in listed:
            notes.add("{n} with the same id as another of the label: they become one")
        listed[int(table[number])] = seen.label
    return table, [{"id": index, "label": label} for index, label in listed.items()]


def read(source: Path, photos: Sequence[AnnotatedPhoto], *, mask_is: MaskIs | None = None) -> Imported:
    """The objects in the index masks of a folder, or in one picture if there is one photo, or one of its name."""
    known, notes = Photos(photos), Notes()
    masks: dict[str, str] = {}
    facts: dict[str, dict[int, Facts]] = {}
    labels: tuple[Label, ...] = ()
    if source.is_file():
        named = object_list.masks_beside(source.parent, known, source.name)
        masks = dict.fromkeys(named or ([photos[0].file] if len(photos) == 1 else []), source.name)
        return _imported(source.parent, masks, facts, labels, known, notes, mask_is)
    source = object_list.root_of(source)
    with blame(source / object_list.FILE):
        content = object_list.load(source)
        if content is not None:
            masks, facts = _listed(content, known, notes)
            labels = object_list.labels(content)
    if content is None:
        strangers: list[str] = []
        beside = object_list.masks_beside(source, known, strangers=strangers)
        object_list.note_strangers(strangers, notes)
        for file, found in beside.items():
            if len(found) > 1:
                several = f"{len(found)} masks in '{source}', as {found[0]} and {found[1]}"
                raise InputError(
                    f"the photo '{file}' has {several}; pass the folder with one, or read them as binary_png"
                )
            masks[file] = found[0]
    return _imported(source, masks, facts, labels, known, notes, mask_is)


def _listed(content: dict[str, Any], known: Photos, notes: Notes) -> tuple[dict[str, str], dict[str, dict[int, Facts]]]:
    """Of objects.json: the mask of each photo, and what is known of its ids."""
    rows = object_list.photos_of(content, known, lambda row, entry, facts: (int(entry["id"]), facts), notes)
    masks: dict[str, str] = {}
    for row in content["photos"]:
        photo = known.find(row.get("file")) if isinstance(row, dict) else None
        if photo is not None and "mask" in row and photo.file in rows:
            masks[photo.file] = str(row["mask"])
        elif photo is not None and rows.get(photo.file):
            notes.refuse(f"those of '{photo.file}'", "its row names no mask", len(rows[photo.file]))
    return masks, {file: dict(found) for file, found in rows.items()}


def _imported(
    source: Path,
    masks: dict[str, str],
    facts: dict[str, dict[int, Facts]],
    labels: tuple[Label, ...],
    known: Photos,
    notes: Notes,
    mask_is: MaskIs | None,
) -> Imported:
    """The photos that have a mask. `facts`: what is known of their ids; an id that is not there is an object."""

    def load(photo: AnnotatedPhoto, said: Notes) -> list[Maker]:
        with blame(source / masks[photo.file], "save it as an index PNG"):
            about: list[str] = []
            is_listed = photo.file in facts
            what: MaskIs | None = "ids" if is_listed else mask_is
            ids = read_ids(object_list.inside(source, masks[photo.file]), photo, mask_is=what, notes=about)
        for note in about:
            said.add(note)
        there, listed = list(objects_of(ids)), facts.get(photo.file)
        if listed is None:
            return [_maker(ids, i, (UNLABELLED, "", None)) for i in there]
        for i in there:
            if i not in listed:
                said.refuse(f"id {i}", f"it is not in {object_list.FILE}")
        for i in listed:
            if i not in there:
                said.left("{n} without pixels: left out")
        return [_maker(ids, i, listed[i]) for i in there if i in listed]

    if not masks:
        raise nothing_for(source, known.photos, "masks/STEM.png for a photo STEM.jpg")
    annotated = tuple(photo for photo in known.photos if photo.file in masks)
    sentences = (*known.notes, *notes.sentences())
    return Imported(
        labels, annotated, load, sentences, notes.left_out, lambda photo: max(1, len(facts.get(photo.file, ())))
    )


def _maker(ids: Ids, index: int, fact: Facts) -> Maker:
    label, name, score = fact
    return lambda: Annotation(mask=np.asarray(ids == index), label=label, name=name, score=score)
