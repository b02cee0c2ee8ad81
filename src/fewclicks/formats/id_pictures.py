"""Mask pictures as ids."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fewclicks.formats.annotations import AnnotatedPhoto
from fewclicks.formats.reading import MAX_PICTURE_BYTES, read_bytes, require_hw
from fewclicks.formats.writing import areas_px
from fewclicks.images.mask_meaning import MaskIs
from fewclicks.images.reading import hw_of_mask, meant_by, read_picture, read_stored_mask

Ids = NDArray[np.uint8] | NDArray[np.uint16] | NDArray[np.int32]


def read_ids(
    path: Path,
    photo: AnnotatedPhoto,
    mask_is: MaskIs | None = None,
    notes: list[str] | None = None,
) -> Ids:
    """Read HxW ids of a mask picture of the photo's size, by the rule of `mask_meaning`; `mask_is` says it by hand.

    `notes` are told what was not counted. ValueError for a picture of another size.
    """
    said: list[str] = []
    stored = read_stored_mask(opened(path, photo), photo.hw[0] * photo.hw[1], said)
    require_hw(photo, *reversed(hw_of_mask(stored)))
    ids: Ids = meant_by(stored, mask_is).ids(said)
    if notes is not None:
        notes += said
    low, high = int(ids.min()), int(ids.max())
    if low < 0 or high >= 2**16:
        raise ValueError(f"ids from {low} to {high}, which is no index mask")
    return ids


def read_pixels(content: bytes, max_pixels: int) -> NDArray[np.bool_]:
    """HxW: the pixels above 0 of a picture in memory; InputError if it has more than so many."""
    picture = read_picture(io.BytesIO(content), "mask", max_pixels=max_pixels)
    return np.asarray(picture.convert("L")) > 0


def objects_of(ids: Ids) -> Iterator[int]:
    """The ids in the picture, ascending, without 0."""
    return (int(i) for i in np.flatnonzero(areas_px(ids)) if i)


def opened(path: Path, photo: AnnotatedPhoto) -> io.BytesIO:
    """A mask picture as it is stored; ValueError where a PNG says that it is of another size than the photo.

    In memory, because a decoder would set aside as much as a damaged file says that it has.
    """
    content = read_bytes(path, MAX_PICTURE_BYTES)
    _require_size(content, {photo.hw, photo.hw[::-1]})  # it may lie on its side, as its EXIF says
    return io.BytesIO(content)


def _require_size(content: bytes, sizes: set[tuple[int, int]]) -> None:
    if len(content) >= 24 and content[12:16] == b"IHDR":
        width, height = struct.unpack(">II", content[16:24])
        if (height, width) not in sizes:
            need = " or ".join(f"{w}x{h}" for h, w in sorted(sizes))
            raise ValueError(f"the picture is {width}x{height} pixels, not {need}")
