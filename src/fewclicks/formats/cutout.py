"""Cut-outs: one RGBA PNG for each object, transparent around it (straight alpha; cut-away pixels are black).

    OUT/
      STEM/0001-LABEL.png

Where an object has probabilities its edge is soft, but a pixel of the mask that was painted against them is opaque,
and one that was erased is clear. `crop`: cut to the object, with `margin_px` around it; else of the size of the photo.
Where objects overlap each has the pixels of the photo there, also those that show the other; `visible` of `export`
leaves them to the upper one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import PIL.Image

from fewclicks.errors import InputError
from fewclicks.formats.annotations import AnnotatedPhoto, Annotation, Label
from fewclicks.formats.notes import Notes
from fewclicks.formats.writing import Classes, Names, open_photo, slug, solid
from fewclicks.geometry import Box
from fewclicks.images.reading import read_image
from fewclicks.types import Image, Mask, Prob
from fewclicks.visualization import cutout

TITLE = "Cut-outs (RGBA)"
LOSES = "names and scores, colours deeper than 8 bits, with crop also the place in the photo; it cannot be read back"
MAX_MARGIN_PX = 10_000


def write(
    photos: Iterable[AnnotatedPhoto], labels: Sequence[Label], out: Path, *, crop: bool = False, margin_px: int = 0
) -> tuple[str, ...]:
    """Write into the folder `out`; what was lost. The photos' files are needed: `AnnotatedPhoto.path`."""
    if not isinstance(margin_px, int) or not 0 <= margin_px <= MAX_MARGIN_PX:
        raise InputError(f"margin_px is a whole number from 0 to {MAX_MARGIN_PX}, got '{margin_px}'")
    notes, classes = Notes(), Classes(labels)
    names = Names(notes)
    for photo in photos:
        stem, image = names.stem(photo.file), None
        for number, found, _ in solid(photo, notes):
            image = _pixels(photo) if image is None else image
            label = classes.labels[classes[found.label]].name
            (out / stem).mkdir(parents=True, exist_ok=True)
            opacity = _opacity(found, photo)
            part = _grown(opacity, margin_px) if crop else Box.whole(photo.hw)
            pixels = cutout(image[part.slices], opacity[part.slices])
            PIL.Image.fromarray(pixels).save(out / stem / f"{number:04d}-{slug(label)}.png")
    return notes.sentences()


def _pixels(photo: AnnotatedPhoto) -> Image:
    if photo.path is None:
        raise InputError(f"where '{photo.file}' lies is not known, and cut-outs need its pixels; pass its path")
    with open_photo(photo) as file:
        image = read_image(file)
    if image.shape[:2] != photo.hw:
        got, need = f"{image.shape[1]}x{image.shape[0]}", f"{photo.hw[1]}x{photo.hw[0]}"
        raise InputError(f"'{photo.path}' is {got} pixels, its masks are {need}; was the photo changed?")
    return image


def _opacity(found: Annotation, photo: AnnotatedPhoto) -> Prob | Mask:
    """The mask, or the probabilities where they agree with it."""
    prob = found.prob
    if prob is None:
        return found.mask
    if prob.shape != photo.hw:
        raise InputError(f"the prob of an object of '{photo.file}' is {prob.shape}, not {photo.hw}; pass it whole")
    return np.where((prob > 0.5) == found.mask, prob, found.mask).astype(np.float32)


def _grown(opacity: Prob | Mask, margin_px: int) -> Box:
    """The box of what is not wholly transparent, with a margin."""
    box = Box.around(np.asarray(opacity > 0.25))
    assert box is not None, "an object has pixels"
    height, width = opacity.shape
    x0, y0 = max(0, box.x0 - margin_px), max(0, box.y0 - margin_px)
    return Box(x0, y0, min(width, box.x1 + margin_px), min(height, box.y1 + margin_px))
