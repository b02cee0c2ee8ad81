"""Between a store and files: its annotations for `exports`, and those of files as objects of the store."""

from __future__ import annotations

import hashlib
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from fewclicks.annotate.actions import Replaced
from fewclicks.annotate.history import Entry
from fewclicks.annotate.packed import PackedMask
from fewclicks.annotate.records import ObjectInfo, PhotoInfo
from fewclicks.annotate.store import NewObject, Store
from fewclicks.annotations import AnnotatedFolder, AnnotatedPhoto, Annotation, Label, LazyObjects
from fewclicks.errors import FewClicksError

IMPORTED = uuid.UUID("6f3d1f0e-5a53-4b7e-9a44-0c8f6d1f9b52")
"""The namespace of the ids of imported objects: the same object of the same photo gets the same id each time."""

UNLABELLED = "object"
"""The class of objects whose label is empty."""

MAX_LABELS = 200
"""Labels that become classes though no object has them."""

MAX_NOTES = 200


class StoredFolder:
    """The photos of a store that have been opened, as an `AnnotatedFolder`. `root`: where the photos themselves lie.

    Photos are listed when it is made; the objects of each are read when it is asked for, their masks one by one.
    """

    def __init__(self, store: Store, root: Path | None = None) -> None:
        self._store = store
        self._root = root
        self._photos = [photo for photo in store.photos() if photo.hw is not None]

    @property
    def labels(self) -> Sequence[Label]:
        """The classes, in the order they were made."""
        return [Label(found.name, _rgb(found.colour)) for found in self._store.classes()]

    def __len__(self) -> int:
        return len(self._photos)

    def __getitem__(self, index: int) -> AnnotatedPhoto:
        return self._annotated(self._photos[index])

    def __iter__(self) -> Iterator[AnnotatedPhoto]:
        return map(self._annotated, self._photos)

    def _annotated(self, photo: PhotoInfo) -> AnnotatedPhoto:
        names = {found.id: found.name for found in self._store.classes()}
        infos = [info for info in self._store.objects(photo.id) if info.box is not None]
        makers = [self._maker(info, names[info.class_id]) for info in infos]
        path = self._root / photo.name if self._root else None
        return AnnotatedPhoto(photo.name, photo.hw or (0, 0), LazyObjects(makers), photo.state, path=path)

    def _maker(self, info: ObjectInfo, label: str) -> Callable[[], Annotation]:
        return lambda: Annotation(
            mask=self._store.mask(info.id).mask(), label=label, name=info.name, id=info.id, person=info.person
        )


@dataclass(frozen=True, slots=True)
class TakenIn:
    """What an import brought: new objects, the photos they are on, and what could not be taken over."""

    objects: int
    photos: int
    notes: tuple[str, ...]


def take_in(
    store: Store,
    folder: AnnotatedFolder,
    seen: Callable[[int, int], None] = lambda done, total: None,
    person: str = "",
) -> TakenIn:
    """Make objects of annotations, each with a `mask` action that clicks then correct; their order is kept.

    What was taken in before, even if it was changed or deleted since, is not taken in again. A photo that cannot be
    read is a note; the others are taken in. `seen` is told (done, total) after each photo; `person` is who brings them.
    """
    classes = {found.name: found.id for found in store.classes()}
    colours = {label.name: "#{:02x}{:02x}{:02x}".format(*label.colour) for label in folder.labels}
    for label in folder.labels[:MAX_LABELS]:
        _class_of(store, label.name, classes, colours)
    counts, notes = [], list(getattr(folder, "notes", ()))
    for index in range(len(folder)):
        try:
            photo = folder[index]
            notes += [f"{photo.file}: {note}" for note in photo.notes]
            counts.append(_take_in_photo(store, photo, classes, colours, person))
        except FewClicksError as error:
            notes.append(str(error))
        seen(index + 1, len(folder))
    if len(notes) > MAX_NOTES:
        notes[MAX_NOTES:] = [f"and {len(notes) - MAX_NOTES} more notes like these"]
    return TakenIn(sum(counts), sum(count > 0 for count in counts), tuple(notes))


def _take_in_photo(
    store: Store, photo: AnnotatedPhoto, classes: dict[str, int], colours: dict[str, str], person: str
) -> int:
    """The number of new objects. New classes are added to `classes`."""
    store.add_photos([photo.file])
    known = store.change_photo(store.photo_named(photo.file).id, hw=photo.hw)
    new, seen = [], Counter[str]()
    for found in photo.objects:
        mask = PackedMask.pack(found.mask)
        if mask.box is None:
            continue
        class_id = _class_of(store, found.label, classes, colours)
        digest = hashlib.sha256(mask.data).hexdigest()
        what = f"{photo.file}\n{found.label}\n{found.name}\n{mask.box}\n{digest}"
        seen[what] += 1
        object_id = str(uuid.uuid5(IMPORTED, f"{what}\n{seen[what]}"))
        entry = Entry(Replaced(mask), mask, changed_px=(mask.area_px,))
        new.append(NewObject(id=object_id, class_id=class_id, entry=entry, name=_one_line(found.name)))
    return store.add_objects(known.id, new, person) if new else 0


def _class_of(store: Store, name: str, classes: dict[str, int], colours: dict[str, str]) -> int:
    """The id of the class of a label; it is made if it is not there."""
    wanted = _one_line(name) or UNLABELLED
    if wanted not in classes:
        classes[wanted] = store.add_class(wanted, colours.get(name)).id
    return classes[wanted]


def _one_line(text: str) -> str:
    """A name as the store takes it."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())[:200]


def _rgb(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)
