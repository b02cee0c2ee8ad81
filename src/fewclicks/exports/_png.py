"""Mask pictures as ids."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from fewclicks.annotations import AnnotatedPhoto
from fewclicks.exports._read import MAX_PICTURE_BYTES, read_bytes, require_hw
from fewclicks.exports._write import areas_px
from fewclicks.images import read_picture
from fewclicks.sample import IGNORE_ID

MAX_COLOURS = 2000
"""A colour picture with more colours than this is a photo and no mask."""

Ids = NDArray[np.uint8] | NDArray[np.uint16] | NDArray[np.int32]


def read_ids(path: Path, photo: AnnotatedPhoto, colours: Mapping[tuple[int, int, int], int] | None = None) -> Ids:
    """HxW ids of a mask picture of the photo's size: palette indices, grey levels, or a number for each colour.

    Id 255 (not counted) becomes 0, but not where it is the only one: then it is white. `colours`: the ids of the
    colours of a picture without palette, where they are known. ValueError for a picture of another size.
    """
    picture = read_picture(opened(path, photo), "mask", max_pixels=photo.hw[0] * photo.hw[1])
    require_hw(photo, *picture.size)
    ids = _ids(picture, colours)
    low, high = int(ids.min()), int(ids.max())
    if low < 0 or high >= 2**16:
        raise ValueError(f"ids from {low} to {high}, which is no index mask")
    white = picture.mode != "P" and bool(((ids == 0) | (ids == IGNORE_ID)).all())
    if white:
        return (ids > 0).astype(np.uint8)
    return np.where(ids == IGNORE_ID, np.zeros((), ids.dtype), ids)


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


def _ids(picture: PIL.Image.Image, colours: Mapping[tuple[int, int, int], int] | None) -> Ids:
    if picture.mode in ("1", "L", "P") or picture.mode.startswith("I"):
        values: NDArray[Any] = np.asarray(picture)
        return values.astype(np.uint8) if values.dtype == np.bool_ else values
    if picture.mode == "LA":
        return np.asarray(picture.getchannel("L"))
    if picture.mode not in ("RGB", "RGBA"):
        raise ValueError(f"a picture of mode {picture.mode}; save it as an index PNG")
    return _by_colour(np.asarray(picture.convert("RGB")), colours)


def _by_colour(rgb: NDArray[np.uint8], known: Mapping[tuple[int, int, int], int] | None) -> NDArray[np.int32]:
    """HxW: black 0, the other colours 1, 2 ... in the order of their codes, or as `known` says."""
    packed = rgb.astype(np.int32) @ np.array([65536, 256, 1], np.int32)
    codes, index = np.unique(packed, return_inverse=True)
    if len(codes) > MAX_COLOURS:
        raise ValueError(f"{len(codes)} colours, so it is a photo; save the mask as an index PNG")
    table = np.cumsum(codes > 0) if known is None else np.array([_known(int(code), known) for code in codes])
    return np.asarray(table[index].reshape(packed.shape), np.int32)


def _known(code: int, known: Mapping[tuple[int, int, int], int]) -> int:
    colour = (code >> 16, code >> 8 & 255, code & 255)
    if colour not in known:
        raise ValueError(f"the colour {colour} is of no label")
    return known[colour]
