"""The annotations of a store, as `formats` take them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from fewclicks.annotator.services.finding import find
from fewclicks.annotator.store.objects import Store
from fewclicks.annotator.store.records import ObjectInfo, PhotoInfo
from fewclicks.errors import InputError
from fewclicks.formats.annotations import AnnotatedPhoto, Annotation, Label, LazyObjects


class StoredFolder:
    """The photos of a store that have been opened, as an `AnnotatedFolder`. `root`: where the photos themselves lie,
    or what gives the file of one.

    Photos are listed when it is made; the objects of each are read when it is asked for, their masks one by one.
    `where`: only the photos that this query finds (`finding`); `classes`: only objects of these. InputError for a query
    or a class that makes no sense.
    """

    def __init__(
        self,
        store: Store,
        root: Path | Callable[[str], Path] | None = None,
        where: str = "",
        classes: Sequence[str] = (),
    ) -> None:
        self._store = store
        self._root = root
        self._photos = [photo for photo in store.photos() if photo.hw is not None]
        if where.strip():
            found = set(find(store, self._photos, where))
            self._photos = [photo for photo in self._photos if photo.id in found]
        known = [one.name for one in store.classes()]
        for name in classes:
            if name not in known:
                raise InputError(f"no class is named '{name:.60}'; there are: {', '.join(known[:20])}")
        self._classes = set(classes or known)

    @property
    def labels(self) -> Sequence[Label]:
        """The classes, in the order they were made."""
        wanted = [found for found in self._store.classes() if found.name in self._classes]
        return [Label(found.name, _rgb(found.colour)) for found in wanted]

    def count(self) -> tuple[int, int]:
        """How many photos and objects an export holds: without photos that are untouched. No mask is read."""
        ids = {found.id for found in self._store.classes() if found.name in self._classes}
        counts = self._store.statistics.masks_by_photo()
        objects = [sum(counts[photo.id][one] for one in ids) if photo.id in counts else 0 for photo in self._photos]
        photos = [n for n, photo in zip(objects, self._photos, strict=True) if n or photo.state != "untouched"]
        return len(photos), sum(objects)

    def __len__(self) -> int:
        return len(self._photos)

    def __getitem__(self, index: int) -> AnnotatedPhoto:
        return self._annotated(self._photos[index])

    def __iter__(self) -> Iterator[AnnotatedPhoto]:
        return map(self._annotated, self._photos)

    def _annotated(self, photo: PhotoInfo) -> AnnotatedPhoto:
        names = {found.id: found.name for found in self._store.classes()}
        there = (info for info in self._store.objects(photo.id) if info.box is not None)
        infos = [info for info in there if names[info.class_id] in self._classes]
        makers = [self._maker(info, names[info.class_id]) for info in infos]
        path = self._root(photo.name) if callable(self._root) else self._root and self._root / photo.name
        said = self._said(photo, infos)
        return AnnotatedPhoto(photo.name, photo.hw or (0, 0), LazyObjects(makers), photo.state, path=path, said=said)

    def _said(self, photo: PhotoInfo, infos: Sequence[ObjectInfo]) -> dict[str, Any]:
        """What is said of a photo, as plain data; an object by its number among those of the photo, from 1."""
        numbers = {info.id: number for number, info in enumerate(infos, 1)}
        comments = [
            {
                "text": one.text,
                **({"x": one.x, "y": one.y} if one.x is not None else {}),
                **({"object": numbers[one.object_id]} if one.object_id in numbers else {}),
                "person": one.person,
                "resolved": one.resolved,
            }
            for one in self._store.comments.of_photo(photo.id)
        ]
        said = {"assignee": photo.assignee, "tags": list(photo.tags), "note": photo.note, "comments": comments}
        return {name: value for name, value in said.items() if value}

    def _maker(self, info: ObjectInfo, label: str) -> Callable[[], Annotation]:
        return lambda: Annotation(
            mask=self._store.mask(info.id).mask(),
            label=label,
            name=info.name,
            id=info.id,
            person=info.person,
            attributes=info.attributes,
        )


def _rgb(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)
