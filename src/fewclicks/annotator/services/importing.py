"""Annotations of files as objects of a store: what is new comes in, what is there already is not doubled.

Everything that a source holds is accounted for: it is a new object, identical to one that is there, taken in before, or
left out, and each of these but the first is counted in a note.
"""

from __future__ import annotations

import hashlib
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias, get_args

from fewclicks.annotator.editing.actions import Replaced
from fewclicks.annotator.editing.history import Entry
from fewclicks.annotator.editing.mask_codec import EncodedMask, count_changed
from fewclicks.annotator.services.import_reviews import take_review
from fewclicks.annotator.store.objects import NewObject, Store
from fewclicks.annotator.store.records import MAX_NAME, PROPOSED, ObjectState, printable
from fewclicks.errors import FewClicksError, InputError, counted
from fewclicks.formats import alike, quoted
from fewclicks.formats.annotations import AnnotatedFolder, AnnotatedPhoto
from fewclicks.geometry import Box
from fewclicks.images.mask_meaning import MaskIs

Mode: TypeAlias = Literal["skip", "add", "replace"]
"""What becomes of objects that are there: identical ones are not taken in again; all are added to them; or those of
each photo that has some in the source make room for these."""

IMPORTED = uuid.UUID("6f3d1f0e-5a53-4b7e-9a44-0c8f6d1f9b52")
"""The namespace of the ids of imported objects: the same object of the same photo gets the same id each time."""

UNLABELLED = "object"
"""The class of objects whose label is empty."""

MAX_LABELS = 200
"""Labels that become classes though no object has them."""

MAX_NOTES = 200
"""Notes that are told one by one; of the others it is said how many annotations they leave out."""

MAX_ALIKE = 3
"""Photos that a note is told of which many have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportOptions:
    """How annotations are taken in. `id`: by which the import can be undone; `dry_run`: nothing is changed."""

    mode: Mode = "skip"
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    person: str = ""
    dry_run: bool = False
    only: frozenset[str] | None = None
    """Names of the photos that are meant; None: all."""
    proposals: bool = False
    """They are to be accepted or corrected."""
    mask_is: MaskIs | None = None
    """What mask pictures hold, where that is ambiguous (see `mask_meaning`)."""

    def __post_init__(self) -> None:
        if self.mode not in get_args(Mode):
            raise InputError(f"the mode of an import is one of {', '.join(get_args(Mode))}, got '{self.mode}'")
        try:
            object.__setattr__(self, "id", str(uuid.UUID(self.id)))
        except ValueError:
            raise InputError(f"the id of an import is a UUID, got '{self.id[:80]}'") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class PhotoTakenIn:
    """What an import brought to a photo. `classes`: how many of each; `left_out`: what could not be used."""

    file: str
    objects: int = 0
    classes: dict[str, int] = field(default_factory=dict)
    identical: int = 0
    known: int = 0
    replaced: int = 0
    left_out: int = 0
    notes: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()
    """Of its objects in the order of the source, as they are if they are new."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenIn:
    """What an import brought: `objects` new ones on so many `photos`.

    `identical`: annotations that were there already; `known`: those that were taken in before and changed or deleted
    since; `left_out`: those that could not be used. With `objects` they are all that the source holds. `replaced`:
    objects that made room. `id` undoes the import.
    """

    objects: int = 0
    photos: int = 0
    notes: tuple[str, ...] = ()
    identical: int = 0
    known: int = 0
    replaced: int = 0
    left_out: int = 0
    id: str = ""
    per_photo: tuple[PhotoTakenIn, ...] = ()

    def __add__(self, other: TakenIn) -> TakenIn:
        return TakenIn(
            objects=self.objects + other.objects,
            photos=self.photos + other.photos,
            notes=self.notes + other.notes,
            identical=self.identical + other.identical,
            known=self.known + other.known,
            replaced=self.replaced + other.replaced,
            left_out=self.left_out + other.left_out,
            id=self.id or other.id,
            per_photo=self.per_photo + other.per_photo,
        )


def take_in(
    store: Store | None,
    folder: AnnotatedFolder,
    seen: Callable[[int, int], None] = lambda done, total: None,
    person: str = "",
    options: ImportOptions | None = None,
) -> TakenIn:
    """Make objects of annotations, each with a `mask` action that clicks then correct; their order is kept.

    Objects of the same class with the same pixels are not taken in again, nor is what was taken in before and changed
    or deleted since: `options` say otherwise. A photo that cannot be read is a note; the others are taken in. `seen` is
    told (done, total) after each photo; `person` is who brings them. `store`: None where there is none yet, for a dry
    run.
    """
    options = options or ImportOptions(person=person)
    names = _Names(store, options.dry_run)
    for label in folder.labels[:MAX_LABELS]:
        names.colours.setdefault(label.name, "#{:02x}{:02x}{:02x}".format(*label.colour))
        names.id_of(label.name)
    photos, errors = list[PhotoTakenIn](), list[str]()
    for index in range(len(folder)):
        try:
            photo = folder[index]
            if options.only is None or photo.file in options.only:
                photos.append(_take_in_photo(store, photo, names, options))
                if store is not None and not options.dry_run and not options.proposals:
                    faults = take_review(store, photo, photos[-1].ids, options.person)
                    photos[-1] = replace(photos[-1], notes=(*photos[-1].notes, *faults))
        except FewClicksError as error:
            errors.append(str(error))
        seen(index + 1, len(folder))
    total = _total(photos, folder)
    said = (*getattr(folder, "notes", ()), *names.notes, *_notes_of(photos), *errors)
    notes = (*said, *_why_so_few(total, bool(said)))
    return replace(total, notes=notes, id=options.id)


def _total(photos: Sequence[PhotoTakenIn], folder: AnnotatedFolder) -> TakenIn:
    return TakenIn(
        objects=sum(photo.objects for photo in photos),
        photos=sum(photo.objects > 0 for photo in photos),
        identical=sum(photo.identical for photo in photos),
        known=sum(photo.known for photo in photos),
        replaced=sum(photo.replaced for photo in photos),
        left_out=getattr(folder, "left_out", 0) + sum(photo.left_out for photo in photos),
        per_photo=tuple(photos),
    )


def _why_so_few(total: TakenIn, said: bool) -> list[str]:
    """Sentences on what was not taken in although it can be read."""
    notes = []
    if total.identical:
        notes.append(
            f"{counted(total.identical, 'object')} identical to what is there: skipped (mode add takes them in again)"
        )
    if total.known:
        which = f"{counted(total.known, 'object')} taken in before and changed or deleted since"
        notes.append(f"{which}: skipped (mode add takes them in again)")
    if total.replaced:
        notes.append(f"{counted(total.replaced, 'object')} made room for those of the source; undo brings them back")
    if not (total.objects or total.identical or total.known or total.left_out or said):
        notes.append("the source has no objects on the photos of this folder")
    return notes


def _notes_of(photos: Sequence[PhotoTakenIn]) -> list[str]:
    """The notes of the photos with their names; of what many photos have, the first ones."""
    told, more = list[str](), dict[str, list[int]]()
    counts = Counter[str]()
    for photo in photos:
        for number, note in enumerate(photo.notes):
            left_out = photo.left_out if number == 0 else 0
            kind = _kind(note)
            counts[kind] += 1
            if counts[kind] > MAX_ALIKE or len(told) >= MAX_NOTES:
                more.setdefault(kind, []).append(left_out)
            else:
                told.append(f"{photo.file}: {note}")
    if more:
        rest = [count for found in more.values() for count in found]
        lost = counted(sum(rest), "annotation", "is")
        told.append(f"and {counted(len(rest), 'more note')} like these, on which {lost} left out")
    return told


def _kind(note: str) -> str:
    """What notes have in common that differ only in numbers and names."""
    return alike("'".join(note.split("'")[::2]))


class _Names:
    """The classes of the labels, made when they are needed."""

    def __init__(self, store: Store | None, dry_run: bool) -> None:
        self._store, self._dry_run = store, dry_run
        self._ids = {found.name: found.id for found in store.classes()} if store else {}
        self._given: dict[str, str] = {}
        self.colours: dict[str, str] = {}
        self.notes: list[str] = []

    def name_of(self, label: str) -> str:
        """What the class of a label is called here; a note where that is another name."""
        if label not in self._given:
            name = printable(label) or UNLABELLED
            if len(name) > MAX_NAME:
                name = self._free(name)
            if name != label:
                self.notes.append(f"the class {quoted(label)} is called {quoted(name)} here")
            self._given[label] = name
        return self._given[label]

    def id_of(self, label: str) -> int:
        """The id of the class of a label; it is made if it is not there, but for a dry run."""
        name = self.name_of(label)
        if name not in self._ids:
            if self._dry_run or self._store is None:
                self._ids[name] = -len(self._ids) - 1
            else:
                self._ids[name] = self._store.add_class(name, self.colours.get(label)).id
        return self._ids[name]

    def _free(self, name: str) -> str:
        """The name shortened to one that no other label has got."""
        taken, number = set(self._given.values()), 1
        short = name[:MAX_NAME].strip()
        while short in taken:
            number += 1
            short = f"{name[: MAX_NAME - 8].strip()} ({number})"
        return short


@dataclass(frozen=True, slots=True)
class _Candidate:
    """An object of a source that has pixels. `id`: the same each time that it is taken in."""

    label: str
    name: str
    mask: EncodedMask
    id: str


def _candidates(photo: AnnotatedPhoto, options: ImportOptions) -> tuple[list[_Candidate], int]:
    """The objects of a photo that have pixels, and how many have none."""
    found, empty, seen = list[_Candidate](), 0, Counter[str]()
    space = IMPORTED if options.mode == "skip" else uuid.UUID(options.id)
    for one in photo.objects:
        mask = EncodedMask.pack(one.mask)
        if mask.box is None:
            empty += 1
            continue
        digest = hashlib.sha256(mask.data).hexdigest()
        what = f"{photo.file}\n{one.label}\n{one.name}\n{mask.box}\n{digest}"
        what = what.encode("utf-8", "backslashreplace").decode()  # halves of characters have no bytes
        seen[what] += 1
        found.append(_Candidate(one.label, one.name, mask, str(uuid.uuid5(space, f"{what}\n{seen[what]}"))))
    return found, empty


def _take_in_photo(store: Store | None, photo: AnnotatedPhoto, names: _Names, options: ImportOptions) -> PhotoTakenIn:
    """What came to a photo: nothing is written in a dry run."""
    found, empty = _candidates(photo, options)
    notes, left_out = list(photo.notes), photo.left_out + empty
    if empty:
        notes.append(f"{counted(empty, 'object')} without pixels: left out")
    if not found:
        return PhotoTakenIn(file=photo.file, left_out=left_out, notes=tuple(notes))
    try:
        photo_id = _photo_id(store, photo, options) if store is not None else None
        new, identical = found, 0
        if store is not None and photo_id is not None and options.mode == "skip":
            new, identical = _new_ones(store, photo_id, found, names)
        replaced = len(store.objects(photo_id)) if store and photo_id and new and options.mode == "replace" else 0
        if store is not None and photo_id is not None and new and not options.dry_run:
            state: ObjectState = "open" if options.proposals else "done"
            rows = [replace(_row(one, names.id_of(one.label)), state=state) for one in new]
            by = f"{PROPOSED if options.proposals else 'import '}{options.id}"
            store.add_objects(photo_id, rows, options.person, by=by, replace=options.mode == "replace")
    except FewClicksError as error:
        lost = f"{error}: {counted(len(found), 'object')} left out"
        return PhotoTakenIn(file=photo.file, left_out=left_out + len(found), notes=(*notes, lost))
    return PhotoTakenIn(
        file=photo.file,
        objects=len(new),
        classes=dict(Counter(names.name_of(one.label) for one in new)),
        identical=identical,
        known=len(found) - len(new) - identical,
        replaced=replaced,
        left_out=left_out,
        notes=tuple(notes),
        ids=tuple(one.id for one in found),
    )


def _photo_id(store: Store, photo: AnnotatedPhoto, options: ImportOptions) -> int | None:
    """The photo in the store, where it is added, but for a dry run."""
    if options.dry_run:
        known = {info.name: info for info in store.photos()}.get(photo.file)
        if known is not None and known.hw not in (None, photo.hw) and known.objects:
            raise InputError(f"the photo '{photo.file}' has another size than before, and objects")
        return known.id if known else None
    store.add_photos([photo.file])
    return store.change_photo(store.photo_named(photo.file).id, hw=photo.hw).id


def _new_ones(store: Store, photo_id: int, found: Sequence[_Candidate], names: _Names) -> tuple[list[_Candidate], int]:
    """Those that are not there and were not taken in before, and the number of those that are there."""
    there: dict[tuple[int, Box | None, int], list[EncodedMask]] = {}
    for info, mask in store.masks(photo_id):
        there.setdefault((info.class_id, mask.box, mask.area_px), []).append(mask)
    rest, identical = list[_Candidate](), 0
    for one in found:
        alike = there.get((names.id_of(one.label), one.mask.box, one.mask.area_px), [])
        same = next((mask for mask in alike if not count_changed(mask, one.mask)), None)
        if same is None:
            rest.append(one)
        else:
            alike.remove(same)
            identical += 1
    before = store.taken_in_before([one.id for one in rest])
    return [one for one in rest if one.id not in before], identical


def _row(one: _Candidate, class_id: int) -> NewObject:
    entry = Entry(Replaced(one.mask), one.mask, changed_px=(one.mask.area_px,))
    return NewObject(id=one.id, class_id=class_id, entry=entry, name=printable(one.name)[:MAX_NAME])
