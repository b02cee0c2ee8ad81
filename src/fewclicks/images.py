"""Photos and masks in, masks and cut-outs out: any mode of the formats of `raster_formats` becomes HxWx3 uint8.

| what is read           | becomes                                                                              |
|------------------------|--------------------------------------------------------------------------------------|
| EXIF orientation       | applied: pixels as one sees them                                                     |
| transparency           | laid on white, as a page shows it; hidden colours stay hidden                        |
| 1-bit, grey, palette   | their colours                                                                        |
| CMYK, YCbCr, HSV, LAB  | RGB                                                                                  |
| 16-bit and 32-bit grey | v / 257 if the values span half of 16 bits or more; else smallest..largest -> 0..255 |
| float grey             | v * 255 if all lie in [0, 1]; else smallest..largest -> 0..255; NaN and inf -> black |
| several frames         | the first                                                                            |
"""

from __future__ import annotations

import os
import secrets
import threading
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, TypeAlias

import numpy as np
import PIL.Image
from numpy.typing import NDArray
from PIL import ImageCms, ImageOps

from fewclicks.arrays import Image, Prob
from fewclicks.errors import InputError
from fewclicks.raster_formats import open_raster

Source: TypeAlias = str | os.PathLike[str] | IO[bytes] | PIL.Image.Image | NDArray[Any]
"""A path, an open binary file, a Pillow image, or an array."""

MAX_PIXELS = 300_000_000
"""Images of more pixels are refused before they are decoded: a small file can unpack to any size."""

_pillow = threading.Lock()


def read_image(source: Source, max_pixels: int = MAX_PIXELS) -> Image:
    """HxWx3 uint8 RGB from a file or an array; InputError for anything else.

    HxWx3 uint8 arrays are returned as they are, HxW are grey, HxWx4 are RGBA. What becomes of the modes of files is in
    the table at the top of this module.
    """
    if isinstance(source, np.ndarray):
        return _from_array(source)
    picture = read_picture(source, "image", max_pixels)
    if picture.mode.startswith("I") or picture.mode == "F":
        return _stacked(_grey_levels(np.asarray(picture)))
    if picture.has_transparency_data:
        return _on_white(np.asarray(picture.convert("RGBA")))
    if picture.mode == "LAB":
        lab, rgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        converted = ImageCms.profileToProfile(picture, lab, rgb, outputMode="RGB")
        return np.asarray(converted)
    return np.asarray(picture.convert("RGB"))


def read_mask(source: Source, hw: tuple[int, int], max_pixels: int = MAX_PIXELS) -> Prob:
    """HxW prob from a mask file or array of size `hw` (height, width); InputError for anything else.

    Booleans and two-valued integers (0 and 1, 0 and 255, 0 and an object's id) become 0 and 1 exactly; floats must lie
    in [0, 1] and are taken as they are; other grey levels are read as probabilities, white = 1. Of a picture with
    transparency (a cut-out) the opacity is the mask. Several object ids are refused: choose one by `ids == 3`.
    """
    if isinstance(source, np.ndarray):
        values = source[..., 0] if source.ndim == 3 and source.shape[2] == 1 else source
    else:
        values = _mask_levels(read_picture(source, "mask", max_pixels))
    if values.ndim != 2:
        raise InputError(f"a mask is one HxW array, got the shape {values.shape}; pass a single channel")
    if values.shape != tuple(hw):
        got, need = f"{values.shape[1]}x{values.shape[0]}", f"{hw[1]}x{hw[0]}"
        raise InputError(f"the mask is {got} pixels but the image is {need}; resize the mask to {need}")
    return _prob(values)


def read_picture(source: Source, what: str, max_pixels: int) -> PIL.Image.Image:
    """The first frame of a picture as it is stored (palette indices stay), upright; InputError if it cannot be read."""
    if isinstance(source, PIL.Image.Image):
        return ImageOps.exif_transpose(source)
    if isinstance(source, str | os.PathLike):
        _require_file(Path(source), what)
        name = f"'{os.fspath(source)}'"
    elif not isinstance(source, np.ndarray) and hasattr(source, "read"):
        name = f"the {what}"
    else:
        raise InputError(f"the {what} is a {type(source).__name__}; pass a path, an open binary file or a numpy array")
    try:
        return ImageOps.exif_transpose(_decode(source, max_pixels))
    except (PIL.Image.DecompressionBombError, PIL.Image.DecompressionBombWarning):
        cure = "make it smaller, or allow more by max_pixels"
        raise InputError(f"{name} has more than {max_pixels:,} pixels; {cure}") from None
    except PIL.UnidentifiedImageError:
        raise InputError(f"{name} is not an image that can be read; save it as PNG or JPEG") from None
    except Exception as error:  # decoders fail in many ways on damaged files
        raise InputError(f"{name} is damaged or cut short ({error}); fetch or save it again") from error


def _decode(source: str | os.PathLike[str] | IO[bytes], max_pixels: int) -> PIL.Image.Image:
    """The decoded picture, under our limit instead of Pillow's, which is a module variable."""
    with _pillow:
        theirs, PIL.Image.MAX_IMAGE_PIXELS = PIL.Image.MAX_IMAGE_PIXELS, None
        try:
            with open_raster(source) as picture:
                if picture.width * picture.height > max_pixels:
                    raise PIL.Image.DecompressionBombError
                PIL.Image.MAX_IMAGE_PIXELS = max_pixels  # pictures within the picture (icons)
                picture.load()
                return picture
        finally:
            PIL.Image.MAX_IMAGE_PIXELS = theirs


def _require_file(path: Path, what: str) -> None:
    if path.is_dir():
        raise InputError(f"'{path}' is a folder; pass the {what} file itself")
    if not path.exists():
        raise InputError(f"no {what} at '{path}'; check the path")
    if not os.access(path, os.R_OK):
        raise InputError(f"'{path}' may not be read; check its permissions")
    if path.stat().st_size == 0:
        raise InputError(f"'{path}' is an empty file; fetch or save it again")


def _from_array(array: NDArray[Any]) -> Image:
    if array.ndim == 3 and array.shape[0] in (3, 4) and array.shape[2] not in (1, 3, 4):
        raise InputError(f"an image is HxWx3, got channels first {array.shape}; pass array.transpose(1, 2, 0)")
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 3, 4)):
        raise InputError(f"an image is HxWx3 uint8 RGB, got the shape {array.shape}; pass one photo")
    if array.size == 0:
        raise InputError(f"the image has no pixels, its shape is {array.shape}; pass at least 1x1")
    if array.dtype != np.uint8:
        cure = "pass (image * 255).round().astype('uint8') if it lies in [0, 1]"
        raise InputError(f"an image is uint8 with values 0..255, got {array.dtype}; {cure}")
    if array.ndim == 3 and array.shape[2] == 4:
        return _on_white(array)
    if array.ndim == 3 and array.shape[2] == 3:
        return np.ascontiguousarray(array)
    return _stacked(array.reshape(array.shape[:2]))


def _stacked(grey: NDArray[np.uint8]) -> Image:
    return np.repeat(grey[:, :, None], 3, axis=2)


def _on_white(rgba: NDArray[np.uint8]) -> Image:
    """HxWx4 with straight alpha over white, HxWx3."""
    opacity = rgba[..., 3:].astype(np.uint16)
    return ((rgba[..., :3] * opacity + 255 * (255 - opacity) + 127) // 255).astype(np.uint8)


def _grey_levels(values: NDArray[Any]) -> NDArray[np.uint8]:
    """16-bit, 32-bit or float grey levels as 0..255, by the rule in the table at the top."""
    finite = np.isfinite(values)
    levels = np.where(finite, values, 0).astype(np.float64)
    low, high = float(levels.min(where=finite, initial=np.inf)), float(levels.max(where=finite, initial=-np.inf))
    unit = values.dtype.kind == "f" and 0 <= low <= high <= 1
    if unit:
        levels *= 255
    elif low >= 0 and high <= 65535 and high - low >= 32768:
        levels /= 257
    elif high > low:
        levels = (levels - low) * (255 / (high - low))
    levels[~finite] = 0
    return np.rint(np.clip(levels, 0, 255)).astype(np.uint8)


def _mask_levels(picture: PIL.Image.Image) -> NDArray[Any]:
    """The channel of a picture that is the mask."""
    if picture.mode in ("RGBA", "LA"):
        alpha = np.asarray(picture.getchannel("A"))
        if alpha.min() < 255:
            return alpha
        picture = picture.convert("RGB")
    if picture.mode in ("1", "L", "P", "F") or picture.mode.startswith("I"):
        return np.asarray(picture)  # of a palette picture the ids, not the colours
    levels: NDArray[np.uint8] = np.asarray(picture.convert("RGB")).max(axis=2)
    return levels


def _prob(values: NDArray[Any]) -> Prob:
    """Mask levels of any type as prob."""
    if values.dtype == np.bool_:
        return values.astype(np.float32)
    if values.dtype.kind == "f":
        if not (values.size and values.min() >= 0 and values.max() <= 1):  # false for NaN too
            raise InputError("a float mask is a probability in [0, 1]; pass 1 / (1 + exp(-logits)) if it holds logits")
        return values.astype(np.float32)
    if values.dtype.kind not in "iu":
        raise InputError(f"a mask is bool, integer or float, got {values.dtype}; pass mask.astype(bool)")
    low, high = int(values.min()), int(values.max())
    if low < 0:
        raise InputError("the mask has negative values; pass truth == 1 to take the object alone")
    if bool(((values == 0) | (values == high)).all()):
        return (values > 0).astype(np.float32)
    if high < 128 or high > 65535:
        raise InputError(f"the mask holds several ids up to {high}; choose one object, for example by ids == {high}")
    return values.astype(np.float32) / np.float32(255 if high <= 255 else 65535)


def replace_file(target: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Have `write` fill a file beside `target`, then put it in its place: `target` is never half written."""
    if not target.parent.is_dir():
        raise InputError(f"the folder '{target.parent}' does not exist; create it first")
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
    try:
        with open(temporary, "xb") as file:
            write(file)
        os.replace(temporary, target)
    except OSError as error:
        raise InputError(f"'{target}' cannot be written ({error.strerror}); choose another place") from error
    finally:
        temporary.unlink(missing_ok=True)
