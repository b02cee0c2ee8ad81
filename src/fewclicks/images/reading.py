"""Photos and masks in, masks and cut-outs out: any mode of the formats of `raster_formats` becomes HxWx3 uint8.

| what is read                  | becomes                                                      |
|-------------------------------|--------------------------------------------------------------|
| EXIF orientation              | applied: pixels as one sees them                             |
| transparency                  | laid on white, as a page shows it; hidden colors stay hidden |
| 1-bit, grey, palette          | their colors                                                 |
| CMYK, YCbCr, HSV, LAB         | RGB                                                          |
| 16 and 32 bits, float, any of | by the rule of `levels`, grey and color alike                |
| several frames                | the first                                                    |
| damaged metadata              | ignored, and told in a note                                  |
"""

from __future__ import annotations

import io
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import IO, Any, TypeAlias, cast

import numpy as np
import PIL.Image
from numpy.typing import NDArray
from PIL import ImageCms

from fewclicks.errors import InputError
from fewclicks.images.decoding import Pixels, Samples, TooLarge, decode, orientation_of, turned
from fewclicks.images.levels import Levels, require_levels, to_eight_bits
from fewclicks.images.mask_meaning import MaskIs, Meant, meant_by_picture, meant_by_values, require_mask_is
from fewclicks.types import Image, Prob

Source: TypeAlias = str | os.PathLike[str] | IO[bytes] | PIL.Image.Image | NDArray[Any]
"""A path, an open binary file, a Pillow image, or an array."""

MAX_PIXELS = 300_000_000
"""Images of more pixels are refused before they are decoded: a small file can unpack to any size."""

log = logging.getLogger(__name__)


def read_image(
    source: Source, max_pixels: int = MAX_PIXELS, *, levels: Levels | None = None, notes: list[str] | None = None
) -> Image:
    """Read HxWx3 uint8 RGB from a file or an array; InputError for anything else.

    HxWx3 uint8 arrays are returned as they are, HxW are grey, HxWx4 are RGBA. What becomes of the modes of files is in
    the table at the top of this module. `levels`: the stored values that become black and white, by hand (see
    `images.levels`); then arrays may be of any number type. What had to be ignored is appended to `notes`, one sentence
    each; without a list it is logged as a warning.
    """
    levels = levels if levels is None else require_levels(levels)
    if isinstance(source, np.ndarray):
        return _from_array(source, levels)
    with _told(source, notes) as said:
        pixels = _read(source, "image", max_pixels, said)
    if isinstance(pixels, Samples):
        counted = None if pixels.alpha is None else pixels.alpha > 0
        colors = to_eight_bits(pixels.values, levels, counted)
        colors = colors if colors.ndim == 3 else _stacked(colors)
        return colors if pixels.alpha is None else _on_white(np.dstack([colors, _opacity(pixels.alpha)]))
    return _rgb(pixels, levels)


def _rgb(picture: PIL.Image.Image, levels: Levels | None) -> Image:
    """HxWx3 of a Pillow picture of any mode."""
    if picture.mode.startswith("I") or picture.mode == "F":
        return _stacked(to_eight_bits(np.asarray(picture), levels))
    if picture.has_transparency_data:
        rgba = np.asarray(picture.convert("RGBA"))
        return _on_white(np.dstack([to_eight_bits(rgba[..., :3], levels), rgba[..., 3]]))
    if picture.mode == "LAB":
        lab, rgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        picture = cast(PIL.Image.Image, ImageCms.profileToProfile(picture, lab, rgb, outputMode="RGB"))
    return to_eight_bits(np.asarray(picture.convert("RGB")), levels)


def _opacity(alpha: NDArray[np.float32]) -> NDArray[np.uint8]:
    return np.rint(alpha * 255).astype(np.uint8)


@contextmanager
def _told(source: Source, notes: list[str] | None) -> Iterator[list[str]]:
    """A list for notes; what is in it afterwards is handed on, or logged."""
    said: list[str] = []
    yield said
    if notes is not None:
        notes += said
        return
    name = os.fspath(source) if isinstance(source, str | os.PathLike) else "an image"
    for note in said:
        log.warning("%s: %s", name, note)


def read_mask(
    source: Source,
    hw: tuple[int, int],
    max_pixels: int = MAX_PIXELS,
    *,
    mask_is: MaskIs | None = None,
    notes: list[str] | None = None,
) -> Prob:
    """Read the HxW prob of one object from a mask file or array of size `hw` (height, width); InputError for others.

    What the values mean is in the table of `images.mask_meaning`; `mask_is` ("ids", "levels" or "probability") says
    it by hand. Several object ids are refused: choose one by `ids == 3`. `notes` as in `read_image`.
    """
    require_mask_is(mask_is)
    if isinstance(source, np.ndarray):
        values = source[..., 0] if source.ndim == 3 and source.shape[2] == 1 else source
        if values.ndim != 2:
            raise InputError(f"a mask is one HxW array, got the shape {values.shape}; pass a single channel")
        _require_mask_size(values.shape, hw)
        return meant_by_values(values, mask_is).prob()
    with _told(source, notes) as said:
        pixels = read_stored_mask(source, max_pixels, said)
    _require_mask_size(hw_of_mask(pixels), hw)
    return meant_by(pixels, mask_is).prob()


StoredMask: TypeAlias = PIL.Image.Image | NDArray[Any]
"""A mask as a file has it: a picture of 8 bits, or HxW values of more."""


def read_stored_mask(source: Source, max_pixels: int, notes: list[str]) -> StoredMask:
    """The values of a mask file as they are stored, upright; InputError if it cannot be read."""
    start = source.tell() if isinstance(source, io.IOBase) and source.seekable() else None
    pixels = _read(source, "mask", max_pixels, notes)
    if not isinstance(pixels, Samples):
        return pixels
    if pixels.values.ndim == 2:
        return pixels.values
    if start is not None:
        cast(IO[bytes], source).seek(start)
    return read_picture(source, "mask", max_pixels, [])


def hw_of_mask(mask: StoredMask) -> tuple[int, int]:
    """The height and width of a mask."""
    return (mask.height, mask.width) if isinstance(mask, PIL.Image.Image) else (mask.shape[0], mask.shape[1])


def meant_by(mask: StoredMask, mask_is: MaskIs | None = None) -> Meant:
    """Tell what a mask means, by the rule of `mask_meaning`; InputError where it is ambiguous."""
    return meant_by_picture(mask, mask_is) if isinstance(mask, PIL.Image.Image) else meant_by_values(mask, mask_is)


def _require_mask_size(got: tuple[int, ...], hw: tuple[int, int]) -> None:
    if tuple(got) != tuple(hw):
        is_now, need = f"{got[1]}x{got[0]}", f"{hw[1]}x{hw[0]}"
        raise InputError(f"the mask is {is_now} pixels but the image is {need}; resize the mask to {need}")


def read_picture(source: Source, what: str, max_pixels: int, notes: list[str] | None = None) -> PIL.Image.Image:
    """The first frame of a picture as it is stored (palette indices stay), upright; InputError if it cannot be read."""
    with _told(source, notes) as said:
        picture = _read(source, what, max_pixels, said, deep=False)
    assert isinstance(picture, PIL.Image.Image)
    return picture


def _read(source: Source, what: str, max_pixels: int, notes: list[str], deep: bool = True) -> Pixels:
    """The pixels as they are stored, upright; InputError if they cannot be read."""
    if isinstance(source, PIL.Image.Image):
        return turned(source, orientation_of(source, notes))
    if isinstance(source, str | os.PathLike):
        _require_file(Path(source), what)
        name = f"'{os.fspath(source)}'"
    elif not isinstance(source, np.ndarray) and hasattr(source, "read"):
        name = f"the {what}"
    else:
        raise InputError(f"the {what} is a {type(source).__name__}; pass a path, an open binary file or a numpy array")
    try:
        with open(source, "rb") if isinstance(source, str | os.PathLike) else nullcontext(source) as file:
            return decode(file, max_pixels, notes, deep)
    except TooLarge:
        cure = "make it smaller, or allow more by max_pixels"
        raise InputError(f"{name} has more than {max_pixels:,} pixels; {cure}") from None
    except PIL.UnidentifiedImageError:
        raise InputError(f"{name} is not an image that can be read; save it as PNG or JPEG") from None
    except Exception as error:  # decoders fail in many ways on damaged files
        raise InputError(f"{name} is damaged or cut short ({error}); fetch or save it again") from error


def _require_file(path: Path, what: str) -> None:
    if os.path.isdir(path):
        raise InputError(f"'{path}' is a folder; pass the {what} file itself")
    if not os.path.exists(path):  # as is a name that is too long, or has a null character
        raise InputError(f"no {what} at '{str(path)[:300]}'; check the path")
    if not os.access(path, os.R_OK):
        raise InputError(f"'{path}' may not be read; check its permissions")
    if path.stat().st_size == 0:
        raise InputError(f"'{path}' is an empty file; fetch or save it again")


def _from_array(array: NDArray[Any], levels: Levels | None = None) -> Image:
    if array.ndim == 3 and array.shape[0] in (3, 4) and array.shape[2] not in (1, 3, 4):
        raise InputError(f"an image is HxWx3, got channels first {array.shape}; pass array.transpose(1, 2, 0)")
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 3, 4)):
        raise InputError(f"an image is HxWx3 uint8 RGB, got the shape {array.shape}; pass one photo")
    if array.size == 0:
        raise InputError(f"the image has no pixels, its shape is {array.shape}; pass at least 1x1")
    if array.dtype != np.uint8 and (levels is None or array.dtype.kind not in "uif"):
        cure = "pass (image * 255).round().astype('uint8') if it lies in [0, 1], or else levels=(LOW, HIGH)"
        raise InputError(f"an image is uint8 with values 0..255, got {array.dtype}; {cure}")
    if levels is not None and array.ndim == 3 and array.shape[2] == 4 and array.dtype != np.uint8:
        raise InputError(f"RGBA arrays are uint8, got {array.dtype}; pass the three colors")
    if array.ndim == 3 and array.shape[2] == 4:
        return _on_white(np.dstack([to_eight_bits(array[..., :3], levels), array[..., 3]]))
    array = to_eight_bits(array, levels)
    if array.ndim == 3 and array.shape[2] == 3:
        return np.ascontiguousarray(array)
    return _stacked(array.reshape(array.shape[:2]))


def _stacked(grey: NDArray[np.uint8]) -> Image:
    return np.repeat(grey[:, :, None], 3, axis=2)


def _on_white(rgba: NDArray[np.uint8]) -> Image:
    """HxWx4 with straight alpha over white, HxWx3."""
    opacity = rgba[..., 3:].astype(np.uint16)
    return ((rgba[..., :3] * opacity + 255 * (255 - opacity) + 127) // 255).astype(np.uint8)
