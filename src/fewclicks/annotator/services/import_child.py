"""The child of `ImportReader`: reads annotations of others, within limits, and gives them over one object at a time."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from fewclicks import formats
from fewclicks.annotator.services.child import answer_questions, as_array
from fewclicks.child_process import address_space, limit
from fewclicks.files.archives import unzip
from fewclicks.files.safe_open import walk_real
from fewclicks.formats.annotations import AnnotatedPhoto

MEMORY_BYTES = 3 * 2**28
MEMORY_PER_BYTE, MEMORY_PER_PACKED_BYTE = 16, 64
MEMORY_PER_PIXEL = 32
MOST_MEMORY_BYTES = 8 * 2**30
"""What reading may take besides the program: so much, and so much for each byte of text in the source (but no more than
for each byte of the .zip that it came in) and each pixel of the largest photo, and never more than the last."""
TEXTS = frozenset({".json", ".txt", ".xml", ".yaml", ".yml", ".zip"})
CPU_SECONDS = 600
"""For one question."""


def main() -> None:
    """Until stdin ends."""
    PIL.Image.MAX_IMAGE_PIXELS = None  # our own limit holds instead
    answer_questions(_Reading(address_space()).answer, CPU_SECONDS)


class _Reading:
    """What was opened, and the photo that is being given over."""

    def __init__(self, program_bytes: int) -> None:
        self._program_bytes = program_bytes
        self._found: formats.Imported | None = None
        self._photo: AnnotatedPhoto | None = None
        self._at: int | None = None
        self._packed_bytes: int | None = None

    def answer(self, question: dict[str, Any], payload: bytes, notes: list[str]) -> NDArray[Any]:
        """The array that was asked for."""
        kind = question["kind"]
        if kind in ("detect", "unzip", "open"):
            return self._of_files(kind, question, payload)
        assert self._found is not None, "a source was opened before"
        if self._at != question["photo"]:
            self._photo, self._at = self._found[question["photo"]], question["photo"]
        assert self._photo is not None
        if kind == "photo":
            about = {"notes": self._photo.notes, "left_out": self._photo.left_out, "about": self._photo.about}
            return as_array({**about, "objects": len(self._photo.objects)})
        found = self._photo.objects[question["index"]]
        if kind == "words":
            return as_array({"label": found.label, "name": found.name, "score": found.score})
        return np.asarray(found.mask, np.bool_)

    def _of_files(self, kind: str, question: dict[str, Any], payload: bytes) -> NDArray[Any]:
        place = Path(question["path"])
        if kind == "unzip":
            self._packed_bytes = place.stat().st_size
            self._limit(place, 0)
            unzip(place, Path(question["into"]), question["max_bytes"], question["max_files"])
            return as_array(None)
        if kind == "detect":
            self._limit(place, 2**27)
            return as_array([(item.format, str(item.source)) for item in formats.detect(place, json.loads(payload))])
        photos = [_photo(row) for row in json.loads(payload)]
        self._packed_bytes = question["packed_bytes"]
        self._limit(place, max((photo.hw[0] * photo.hw[1] for photo in photos), default=0))
        self._photo = self._found = self._at = None
        name = question["format"] or formats.recognized(place, photos)
        self._found = formats.read(name, place, photos, mask_is=question["mask_is"], linked=question["linked"])
        numbers = {photo.file: number for number, photo in enumerate(photos)}
        return as_array(
            {
                "photos": [numbers[photo.file] for photo in self._found.photos],
                "labels": [(label.name, label.colour) for label in self._found.labels],
                "notes": self._found.notes,
                "left_out": self._found.left_out,
            }
        )

    def _limit(self, place: Path, pixels: int) -> None:
        """Set how much memory this process may have, by what it is to read."""
        texts = MEMORY_PER_BYTE * _text_bytes(place)
        if self._packed_bytes is not None:
            texts = min(texts, MEMORY_PER_PACKED_BYTE * self._packed_bytes)
        needed = MEMORY_BYTES + texts + MEMORY_PER_PIXEL * pixels
        limit("AS", self._program_bytes + min(needed, MOST_MEMORY_BYTES))


def _photo(row: Sequence[Any]) -> AnnotatedPhoto:
    file, hw, path, problem = row
    return AnnotatedPhoto(file, (hw[0], hw[1]), path=Path(path) if path else None, problem=problem)


def _text_bytes(source: Path) -> int:
    """The size of a file, or of the texts in a folder."""
    source = Path(os.path.realpath(source))
    if source.is_file():
        return source.stat().st_size
    total = 0
    for place, _, files in walk_real(source):
        texts = (place / name for name in files if os.path.splitext(name)[1].lower() in TEXTS)
        total += sum(path.lstat().st_size for path in texts if path.exists())
    return total


if __name__ == "__main__":
    main()
