"""The child of `Decoder`: answers questions on stdin with arrays on stdout until there are no more."""

from __future__ import annotations

import io
import json
import os
import signal
import sys
from typing import IO, Any

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from fewclicks.arrays import Image
from fewclicks.errors import FewClicksError, InputError
from fewclicks.images import read_image, read_mask
from fewclicks.raster_formats import open_raster

MEMORY_BYTES = 4 * 2**30
"""Address space."""
CPU_SECONDS = 60
"""For one file; ends a child that lost its parent in the middle of one."""

ORIENTATION = 0x0112
"""The EXIF tag; 5 to 8 are quarter turns."""


def main() -> None:
    """Until stdin ends."""
    questions, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)  # what a library prints must not get between the answers
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which then ends this one
    PIL.Image.MAX_IMAGE_PIXELS = None  # our own limit holds instead
    _limit("AS", MEMORY_BYTES)
    while line := questions.readline():
        question = json.loads(line)
        payload = questions.read(question["bytes"])
        _limit("CPU", CPU_SECONDS + sum(os.times()[:2]))
        try:
            array = np.ascontiguousarray(_answer(question, payload))
        except (FewClicksError, OSError, MemoryError) as error:
            answers.write(json.dumps({"error": _words(error)}).encode() + b"\n")
        else:
            answers.write(json.dumps({"shape": array.shape, "dtype": str(array.dtype)}).encode() + b"\n")
            answers.write(array.data)
            del array
        answers.flush()


def _limit(what: str, amount: float) -> None:
    """Limit a resource of this process, where the system can."""
    try:
        import resource
    except ImportError:  # Windows: the parent's clock remains
        return
    kind = getattr(resource, f"RLIMIT_{what}")
    _, most = resource.getrlimit(kind)
    soft = int(amount) if most == resource.RLIM_INFINITY else min(int(amount), most)
    resource.setrlimit(kind, (soft, most))


def _words(error: Exception) -> str:
    if isinstance(error, FewClicksError):
        return str(error).replace("the image", "the file", 1).replace(", or allow more by max_pixels", "")
    if isinstance(error, OSError):
        return f"the file cannot be read ({error.strerror or error}); check that it is there, and its permissions"
    return "the file needs too much memory; make it smaller"


def _answer(question: dict[str, Any], payload: bytes) -> NDArray[Any]:
    kind, max_pixels = question["kind"], question["max_pixels"]
    if kind == "masks":
        return _masks_among(question["path"], json.loads(payload))
    with io.BytesIO(payload) if question["path"] is None else open(question["path"], "rb") as source:
        if kind == "image":
            return read_image(source, max_pixels)
        if kind == "mask":
            return read_mask(source, tuple(question["hw"]), max_pixels)
        if kind == "hw":
            return np.array(_displayed_hw(source, max_pixels), np.int64)
        return _thumbnail(source, question["side_px"], max_pixels)


def _masks_among(root: str, names: list[str]) -> NDArray[Any]:
    """The names of photos that are masks of others, as JSON, as bytes."""
    from fewclicks.exports import detect

    masks = sorted({name for found in detect(root, names) for name in found.masks})
    return np.frombuffer(json.dumps(masks).encode(), np.uint8)


def _displayed_hw(source: IO[bytes], max_pixels: int) -> tuple[int, int]:
    """Height and width after EXIF orientation."""
    with _opened(source, max_pixels) as picture:
        try:
            turned = picture.getexif().get(ORIENTATION) in (5, 6, 7, 8)
        except Exception:  # damaged EXIF: reading the pixels will say so, or not mind
            turned = False
        return (picture.width, picture.height) if turned else (picture.height, picture.width)


def _thumbnail(source: IO[bytes], side_px: int, max_pixels: int) -> Image:
    """hxwx3; of a JPEG only as much is decoded as the size needs."""
    with _opened(source, max_pixels) as picture:
        reduced = picture.format == "JPEG" and picture.draft(None, (side_px, side_px))
        if reduced:
            try:
                image = read_image(picture)
            except FewClicksError:
                raise
            except Exception as error:
                raise InputError(f"the image is damaged or cut short ({error}); fetch or save it again") from error
    if not reduced:
        source.seek(0)
        image = read_image(source, max_pixels)
    small = PIL.Image.fromarray(image)
    small.thumbnail((side_px, side_px), PIL.Image.Resampling.BOX, reducing_gap=None)
    return np.asarray(small)


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
