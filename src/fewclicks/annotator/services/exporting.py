"""The annotations of a store, as `formats` take them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from fewclicks.annotator.store.objects import Store
from fewclicks.annotator.store.records import ObjectInfo, PhotoInfo
from fewclicks.formats.annotations import AnnotatedPhoto, Annotation, Label, LazyObjects


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


def _rgb(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)
