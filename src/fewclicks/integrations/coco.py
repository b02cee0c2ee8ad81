"""Objects as plain COCO, in memory: what `json.dump` writes, pycocotools reads, and every tool takes."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from fewclicks.formats import export
from fewclicks.formats.annotations import AnnotatedPhoto, Annotation, Label
from fewclicks.formats.palette import colour_of
from fewclicks.types import Mask


def to_coco(
    photos: Iterable[AnnotatedPhoto] | Sequence[tuple[str, Sequence[Annotation | Mask]]],
    labels: Sequence[str] = (),
    **options: Any,
) -> dict[str, Any]:
    """Photos as a COCO dict: `AnnotatedPhoto`s, or pairs of a file name and the masks or annotations of the photo.

    `labels` are the categories, in this order; others follow as they come. `options` are those of the format: shapes
    ("rle", "polygons", "filled_polygons") and tolerance_px.
    """
    rows = [photo if isinstance(photo, AnnotatedPhoto) else _photo(*photo) for photo in photos]
    names = dict.fromkeys([*labels, *(found.label for photo in rows for found in photo.objects)])
    categories = [Label(name, colour_of(number)) for number, name in enumerate(names)]
    with tempfile.TemporaryDirectory(prefix="fewclicks-") as folder:
        file = Path(folder) / "annotations.json"
        export("coco", rows, categories, file, **options)
        content: dict[str, Any] = json.loads(file.read_text("utf-8"))
    return content


def _photo(file: str, objects: Sequence[Annotation | Mask]) -> AnnotatedPhoto:
    found = [one if isinstance(one, Annotation) else Annotation(mask=one, label="object") for one in objects]
    shape = found[0].mask.shape if found else (0, 0)
    return AnnotatedPhoto(file, (shape[0], shape[1]), found, state="done")
