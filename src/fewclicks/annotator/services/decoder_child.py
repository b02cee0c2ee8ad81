"""The child of `Decoder`: answers questions on stdin with arrays on stdout until there are no more."""

from __future__ import annotations

import io
import json
from typing import IO, Any

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from fewclicks.annotator.services.child import answer_questions, as_array
from fewclicks.child_process import limit
from fewclicks.errors import InputError
from fewclicks.files.safe_open import open_real
from fewclicks.images.decoding import orientation_of
from fewclicks.images.levels import Levels
from fewclicks.images.raster_formats import open_raster
from fewclicks.images.reading import read_image, read_mask
from fewclicks.types import Image

MEMORY_BYTES = 4 * 2**30
"""Address space."""
CPU_SECONDS = 60
"""For one file; ends a child that lost its parent in the middle of one."""


def main() -> None:
    """Until stdin ends."""
    PIL.Image.MAX_IMAGE_PIXELS = None  # our own limit holds instead
    limit("AS", MEMORY_BYTES)
    answer_questions(_answer, CPU_SECONDS)


def _answer(question: dict[str, Any], payload: bytes, notes: list[str]) -> NDArray[Any]:
    """The array that was asked for; what had to be ignored is appended to `notes`."""
    kind, max_pixels, levels = question["kind"], question["max_pixels"], question["levels"]
    if kind == "masks":
        return _masks_among(question["path"], json.loads(payload))
    with io.BytesIO(payload) if question["path"] is None else open_real(question["path"]) as source:
        if kind == "image":
            return read_image(source, max_pixels, levels=levels, notes=notes)
        if kind == "mask":
            return read_mask(source, tuple(question["hw"]), max_pixels)
        if kind == "hw":
            return np.array(_displayed_hw(source, max_pixels), np.int64)
        return _thumbnail(source, question["side_px"], max_pixels, levels)


def _masks_among(root: str, names: list[str]) -> NDArray[Any]:
    """The names of photos that are masks of others, as JSON, as bytes."""
    from fewclicks.formats import detect

    masks = sorted({name for found in detect(root, names) for name in found.masks})
    return as_array(masks)


def _displayed_hw(source: IO[bytes], max_pixels: int) -> tuple[int, int]:
    """Height and width after EXIF orientation."""
    try:
        with _opened(source, max_pixels) as picture:
            turned = orientation_of(picture, []) in (5, 6, 7, 8)
            return (picture.width, picture.height) if turned else (picture.height, picture.width)
    except InputError:  # its metadata is damaged, or Pillow does not know its kind of pixels
        source.seek(0)
        image = read_image(source, max_pixels, notes=[])
        return image.shape[0], image.shape[1]


def _thumbnail(source: IO[bytes], side_px: int, max_pixels: int, levels: Levels | None) -> Image:
    """hxwx3; of a JPEG only as much is decoded as the size needs."""
    image = _reduced_jpeg(source, side_px, max_pixels, levels)
    if image is None:
        source.seek(0)
        image = read_image(source, max_pixels, levels=levels, notes=[])
    small = PIL.Image.fromarray(image)
    small.thumbnail((side_px, side_px), PIL.Image.Resampling.BOX, reducing_gap=None)
    return np.asarray(small)


def _reduced_jpeg(source: IO[bytes], side_px: int, max_pixels: int, levels: Levels | None) -> Image | None:
    """A sound JPEG at no less than this size; None for anything else."""
    try:
        with _opened(source, max_pixels) as picture:
            if picture.format == "JPEG" and picture.draft(None, (side_px, side_px)):
                return read_image(picture, levels=levels, notes=[])
    except Exception:  # read whole, it may be readable after all; if not, that says why
        return None
    return None


def _opened(source: IO[bytes], max_pixels: int) -> PIL.Image.Image:
    """The picture before its pixels are decoded."""
    try:
        picture = open_raster(source)
    except Exception:  # decoders fail in many ways on damaged files
        raise InputError("the image is not an image that can be read; save it as PNG or JPEG") from None
    if picture.width * picture.height > max_pixels:
        raise InputError(f"the image has more than {max_pixels:,} pixels; make it smaller")
    return picture


if __name__ == "__main__":
    main()
