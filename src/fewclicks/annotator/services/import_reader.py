"""Annotations of others are read in a process of their own: a hostile file can crash, stall or fill only that one.

ImportReader ── questions ──▶ _import.py      unpacks, looks into files, reads formats; within limits of memory and time
             ◀── JSON, masks ──               nothing that it answers is run here
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from fewclicks.annotator.services.child_pipe import ChildDied, ChildPipe
from fewclicks.errors import InputError
from fewclicks.formats import Found
from fewclicks.formats.annotations import AnnotatedPhoto, Annotation, Label, LazyObjects
from fewclicks.formats.reviews import read_about
from fewclicks.images.mask_meaning import MaskIs
from fewclicks.types import Mask

TIMEOUT_S = 900.0
"""For one question: looking through a folder or reading a file of many photos."""
DEATHS = 10
"""After so many photos that took the process down, the others are not tried."""


class ImportReader:
    """Reads imports in a child. Every method raises InputError for what cannot be read, or takes the child down."""

    def __init__(self, timeout_s: float = TIMEOUT_S) -> None:
        self._child = ChildPipe("fewclicks.annotator.services.import_child", timeout_s)
        self._packed_bytes: int | None = None
        self._unpacked: Path | None = None
        self.deaths = 0
        """How many children died; what is open in one is not in the next."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._child.close()

    def detect(self, root: Path, names: Sequence[str]) -> list[Found]:
        """As `formats.detect`, without the masks among the photos."""
        rows = self.value({"kind": "detect", "path": os.fspath(root)}, json.dumps(names).encode())
        return [Found(name, Path(source)) for name, source in rows]

    def unzip(self, source: Path, folder: Path, max_bytes: int, max_files: int) -> None:
        """As `unzip.unzip`."""
        self._packed_bytes, self._unpacked = source.stat().st_size, folder
        bounds = {"max_bytes": max_bytes, "max_files": max_files}
        self.value({"kind": "unzip", "path": os.fspath(source), "into": os.fspath(folder), **bounds})

    def read(
        self,
        source: Path,
        photos: Sequence[AnnotatedPhoto],
        name: str | None,
        linked: bool = True,
        mask_is: MaskIs | None = None,
    ) -> ReadElsewhere:
        """As `formats.read`; `name` None is for the format that the structure of the source says."""
        how = {"format": name, "linked": linked, "mask_is": mask_is, "packed_bytes": self._packed_bytes}
        return ReadElsewhere(self, photos, {"kind": "open", "path": os.fspath(source), **how})

    def value(self, question: Mapping[str, Any], payload: bytes = b"") -> Any:
        """The answer to a question as plain data."""
        return json.loads(self.array(question, payload).tobytes())

    def array(self, question: Mapping[str, Any], payload: bytes = b"") -> NDArray[Any]:
        """The answer to a question."""
        if self.deaths >= DEATHS:
            raise InputError(f"{DEATHS} photos could not be read; the others are not tried, look at the notes")
        try:
            answer, array = self._child.ask(question, payload)
        except ChildDied:
            self.deaths += 1
            cure = "take it in by smaller parts, or export it again"
            raise InputError(f"reading it takes too long or too much memory, or crashes; {cure}") from None
        if array is None:
            raise InputError(self.shown(answer["error"]))
        return array

    def shown(self, text: object) -> str:
        """What the child says, with the names in a .zip instead of the places that it was unpacked to."""
        place = self._unpacked
        return str(text) if place is None else str(text).replace(f"{place}{os.sep}", "").replace(str(place), "the .zip")


class ReadElsewhere:
    """An AnnotatedFolder whose photos and masks are read by the child of an ImportReader when they are asked for.

    A photo that takes the child down raises InputError; the next one gets a new child, which opens the source again.
    """

    def __init__(self, reader: ImportReader, photos: Sequence[AnnotatedPhoto], question: Mapping[str, Any]) -> None:
        self._reader = reader
        rows = [(photo.file, photo.hw, os.fspath(photo.path or ""), photo.problem) for photo in photos]
        self._photos_sent = json.dumps(rows).encode()
        self._question = question
        about = self._open()
        self._photos = [photos[int(number)] for number in about["photos"]]
        self.labels = [Label(str(label), (int(r), int(g), int(b))) for label, (r, g, b) in about["labels"]]
        self.notes = tuple(map(reader.shown, about["notes"]))
        self.left_out = int(about["left_out"])

    def __len__(self) -> int:
        return len(self._photos)

    def __getitem__(self, index: int) -> AnnotatedPhoto:
        photo = self._photos[index]
        try:
            if self._deaths != self._reader.deaths:
                self._open()
            about = self._reader.value({"kind": "photo", "photo": index})
        except InputError as error:
            raise InputError(f"the annotations of '{photo.file}': {error}") from None
        said = read_about(about.get("about"))
        makers = [lambda number=number: self._object(photo, index, number) for number in range(about["objects"])]
        return replace(
            photo,
            objects=LazyObjects(makers),
            notes=tuple(map(self._reader.shown, about["notes"])),
            left_out=int(about["left_out"]),
            state=said.pop("state", "begun" if makers else photo.state),
            said=said,
        )

    def __iter__(self) -> Iterator[AnnotatedPhoto]:
        return (self[index] for index in range(len(self)))

    def _open(self) -> Any:
        self._deaths = self._reader.deaths
        return self._reader.value(self._question, self._photos_sent)

    def _object(self, photo: AnnotatedPhoto, index: int, number: int) -> Annotation:
        """An object of a photo; quickest for the photo that was asked for last."""
        which = {"photo": index, "index": number}
        try:
            if self._deaths != self._reader.deaths:
                self._open()
            words = self._reader.value({"kind": "words", **which})
            mask: Mask = self._reader.array({"kind": "mask", **which})
        except InputError as error:
            raise InputError(f"the annotations of '{photo.file}': {error}") from None
        if mask.dtype != np.bool_ or mask.shape != photo.hw:
            raise InputError(f"the annotations of '{photo.file}': a mask of another size")
        score = words["score"]
        return Annotation(
            mask=mask,
            label=str(words["label"]),
            name=str(words["name"]),
            score=float(score) if score is not None else None,
        )
