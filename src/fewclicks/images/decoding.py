"""From a file to its pixels, upright. Metadata costs at most its own information: what was ignored is told in `notes`.

Pillow decodes. It cuts 16-bit and float color to 8 bits or refuses it; there OpenCV (PNG, JPEG 2000, PPM) and tifffile
(TIFF) give the values as they are stored.
"""

from __future__ import annotations

import contextlib
import io
import logging
import lzma
import math
import threading
import warnings
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import IO, Any, TypeAlias

import cv2
import numpy as np
import PIL.Image
from numpy.typing import NDArray

from fewclicks.errors import counted, one_line
from fewclicks.images.raster_formats import open_raster
from fewclicks.images.salvage import ORIENTATION, Bare, bare, has_sound_pixels, orientation_in

MISSING_SHARE = 0.02
"""Of the rows of a JPEG that is cut short, this share may be missing at the end; at least one row of blocks."""
BLOCK_PX = 16
FAINT = 24
"""Differences up to this are what the last scans of a progressive JPEG bring."""

HOLLOW_PIXELS, PIXELS_A_BYTE = 2**25, 10_000
"""Of larger pictures a byte holds at most so many pixels: that is an empty 1-bit mask as PNG."""

TILE_RATIO, TILE_SAMPLES = 4, 2**24
"""What a tile of a TIFF may have: so many times the samples of the picture, and some."""
_UNPACKERS: dict[int, Callable[[], Any]] = {
    8: zlib.decompressobj,
    32946: zlib.decompressobj,
    34925: lambda: lzma.LZMADecompressor(memlimit=2**28),
}
"""TIFF's numbers of the packings that have no bound on how much they unpack to."""

_pillow = threading.Lock()

_TURNS = {
    2: PIL.Image.Transpose.FLIP_LEFT_RIGHT,
    3: PIL.Image.Transpose.ROTATE_180,
    4: PIL.Image.Transpose.FLIP_TOP_BOTTOM,
    5: PIL.Image.Transpose.TRANSPOSE,
    6: PIL.Image.Transpose.ROTATE_270,
    7: PIL.Image.Transpose.TRANSVERSE,
    8: PIL.Image.Transpose.ROTATE_90,
}


class TooLarge(Exception):
    """More pixels than are allowed."""


@dataclass(frozen=True, slots=True)
class Samples:
    """Pixels of more than 8 bits as they are stored: HxW grey or HxWx3 color; `alpha` is HxW in [0, 1]."""

    values: NDArray[Any]
    alpha: NDArray[np.float32] | None = None

    def turned(self, orientation: int) -> Samples:
        """The same with an EXIF orientation applied."""
        alpha = None if self.alpha is None else _turned_array(self.alpha, orientation)
        return Samples(_turned_array(self.values, orientation), alpha)


Pixels: TypeAlias = PIL.Image.Image | Samples


def decode(source: IO[bytes], max_pixels: int, notes: list[str], deep: bool = True) -> Pixels:
    """Decode the first frame, upright. Without `deep` always as Pillow has it, in 8 bits a channel of color.

    Raises TooLarge, PIL.UnidentifiedImageError, or whatever a decoder raises for damaged files.
    """
    if not source.seekable():
        source = io.BytesIO(source.read())
    start = source.tell()
    head = source.read(2**16)
    source.seek(start)
    if deep and (found := _deep(head, source, max_pixels, notes)) is not None:
        return found
    source.seek(start)
    try:
        picture = _loaded(source, max_pixels, notes)
    except TooLarge:
        raise
    except Exception as error:
        source.seek(start)
        without = bare(source.read())
        if without is None:
            raise
        try:
            return _salvaged(without, max_pixels, notes, error)
        except TooLarge:
            raise
        except Exception:
            raise error from None
    return turned(picture, orientation_of(picture, notes))


def orientation_of(picture: PIL.Image.Image, notes: list[str]) -> int:
    """The EXIF orientation of a picture, 1 to 8; 1 where it has none."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            value = picture.getexif().get(ORIENTATION, 1)
        exif = picture.info.get("exif")
        if isinstance(exif, bytes) and exif.removeprefix(b"Exif\0\0")[:2] not in (b"", b"II", b"MM"):
            notes.append("Its EXIF data is damaged (it is no EXIF block): ignored")  # Pillow says nothing of it
    except Exception as error:  # other tags are damaged, or all of it
        exif = picture.info.get("exif")
        value = orientation_in(exif) if isinstance(exif, bytes) else 1
        notes.append(f"Its EXIF data is damaged ({_line(error)}): ignored{_but_turned(value)}")
    return value if isinstance(value, int) and value in _TURNS else 1


def turned(picture: PIL.Image.Image, orientation: int) -> PIL.Image.Image:
    """The picture with an EXIF orientation applied."""
    return picture.transpose(_TURNS[orientation]) if orientation in _TURNS else picture


def _turned_array(array: NDArray[Any], orientation: int) -> NDArray[Any]:
    if orientation >= 5:
        array = array.swapaxes(0, 1)
    rows = slice(None, None, -1) if orientation in (3, 4, 7, 8) else slice(None)
    columns = slice(None, None, -1) if orientation in (2, 3, 6, 7) else slice(None)
    return np.ascontiguousarray(array[rows, columns])


def _loaded(source: IO[bytes], max_pixels: int, notes: list[str]) -> PIL.Image.Image:
    """The decoded picture, under our limit instead of Pillow's, which is a module variable."""
    with _pillow, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        theirs, PIL.Image.MAX_IMAGE_PIXELS = PIL.Image.MAX_IMAGE_PIXELS, None
        try:
            with open_raster(source) as picture:
                _require_plausible(picture.width * picture.height, source, max_pixels)
                PIL.Image.MAX_IMAGE_PIXELS = max_pixels  # pictures within the picture (icons)
                picture.load()
        except (PIL.Image.DecompressionBombError, PIL.Image.DecompressionBombWarning):
            raise TooLarge from None
        finally:
            PIL.Image.MAX_IMAGE_PIXELS = theirs
    if picture.mode in ("P", "PA") and picture.palette is None:
        raise ValueError("it has no palette")
    said = dict.fromkeys(_line(entry.message) for entry in caught if not issubclass(entry.category, DeprecationWarning))
    notes += [f"The decoder says: {text}" for text in said]
    return picture


def _require_plausible(pixels: int, source: IO[bytes], max_pixels: int) -> None:
    """TooLarge for too many pixels; ValueError for so many in so few bytes that they would only fill memory."""
    if pixels > max_pixels:
        raise TooLarge
    at = source.tell()
    size = source.seek(0, io.SEEK_END)
    source.seek(at)
    if pixels > HOLLOW_PIXELS and pixels > PIXELS_A_BYTE * size:
        raise ValueError(f"it claims {pixels:,} pixels in {size:,} bytes, which no photo does")


def _salvaged(without: Bare, max_pixels: int, notes: list[str], error: Exception) -> PIL.Image.Image:
    """The picture of a file without its metadata, if its pixels are whole; `error` is what was wrong with all of it."""
    picture = _loaded(io.BytesIO(without.content), max_pixels, notes)
    if without.probe is not None and (missing := _missing_rows(picture, without.probe)):
        if missing > max(BLOCK_PX, MISSING_SHARE * picture.height):
            raise error
        notes.append(f"The file is cut short: about {missing} of its {picture.height} rows must be taken as lost")
    else:
        orientation = orientation_in(without.exif)
        why = "its end is missing" if "truncated" in str(error) else error
        notes.append(_ignored(why, orientation))
    return turned(picture, orientation_in(without.exif))


def _missing_rows(picture: PIL.Image.Image, probe: bytes) -> int:
    """How many rows at the end of a JPEG depend on what follows its data: they are made up."""
    other = np.asarray(_loaded(io.BytesIO(probe), picture.width * picture.height, []).convert("RGB"), np.int16)
    changed = np.abs(np.asarray(picture.convert("RGB"), np.int16) - other).max(axis=(1, 2)) > FAINT
    return picture.height - int(changed.argmax()) if changed.any() else 0


def _ignored(why: object, orientation: int) -> str:
    return f"The file is damaged beside its pixels ({_line(why)}): ignored{_but_turned(orientation)}"


def _but_turned(orientation: object) -> str:
    return ", but for the orientation" if orientation in _TURNS else ""


def _line(error: object) -> str:
    if isinstance(error, PIL.UnidentifiedImageError):  # it names an object in memory
        return "its metadata cannot be read"
    return one_line(error, 160)


# More than 8 bits


def _deep(head: bytes, source: IO[bytes], max_pixels: int, notes: list[str]) -> Samples | None:
    """The samples of a file of more than 8 bits that Pillow would cut or refuse; None for all others."""
    if head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return _tiff(source, max_pixels, notes)
    is_png = head.startswith(b"\x89PNG\r\n\x1a\n") and head[24:26] in (b"\x10\2", b"\x10\4", b"\x10\6")
    if head[:2] == b"PF" and head[2:3].isspace():
        return _color_pfm(head, source, max_pixels)
    if is_png or _jpeg2000_bits(head) > 8 or _ppm_is_deep(head):
        return _by_opencv(source, max_pixels, notes, grey_alpha=head[24:26] == b"\x10\4")
    return None


def _jpeg2000_bits(head: bytes) -> int:
    """Bits a channel of a JPEG 2000 file of several channels; else 0."""
    at = head.find(b"\xff\x4f\xff\x51")
    if at < 0 or not (at == 0 or head[4:8] == b"jP  ") or len(head) < at + 44:
        return 0
    channels = int.from_bytes(head[at + 40 : at + 42], "big")
    return (head[at + 42] & 127) + 1 if channels > 1 else 0


def _ppm_is_deep(head: bytes) -> bool:
    """Tell whether this is a color PPM with more than 255 levels."""
    words = b" ".join(line.partition(b"#")[0] for line in head[:512].split(b"\n")).split()
    return head[:2] == b"P6" and len(words) > 3 and words[3].isdigit() and int(words[3]) > 255


def _color_pfm(head: bytes, source: IO[bytes], max_pixels: int) -> Samples | None:
    """Float color of a portable float map, of which Pillow knows the grey ones only."""
    words = head[:128].split(maxsplit=3)
    if len(words) < 4 or not (words[1].isdigit() and words[2].isdigit()):
        return None
    _require_plausible(int(words[1]) * int(words[2]), source, max_pixels)
    values = _opencv(source.read())
    return None if values is None or values.ndim != 3 else Samples(values[..., ::-1])


def _by_opencv(source: IO[bytes], max_pixels: int, notes: list[str], grey_alpha: bool) -> Samples | None:
    """16-bit color as OpenCV reads it; None where it cannot, so that Pillow says what is wrong."""
    start, ignored = source.tell(), list[str]()
    try:
        picture = open_raster(source)
        orientation = orientation_of(picture, ignored)
        content = _seek(source, start).read()
    except Exception as error:
        found = bare(_seek(source, start).read())
        if found is None:
            return None
        content, orientation = found.content, orientation_in(found.exif)
        picture = open_raster(io.BytesIO(content))
        ignored.append(_ignored(error, orientation))
    _require_plausible(picture.width * picture.height, source, max_pixels)
    values = _opencv(content) if has_sound_pixels(content) else None
    if values is None and (found := bare(content)) is not None:
        values = _opencv(found.content)
    if values is None or values.dtype == np.uint8:
        return None
    notes += ignored
    if values.ndim == 3:
        values = values[..., [2, 1, 0, 3][: values.shape[2]]]
    samples = _split(values, 2 if values.ndim == 3 and values.shape[2] in (2, 4) else 0)
    if grey_alpha and samples.values.ndim == 3:
        samples = replace(samples, values=samples.values[..., 0])
    return samples.turned(orientation)


def _opencv(content: bytes) -> NDArray[Any] | None:
    with _silent_opencv():
        try:
            return cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
        except cv2.error:
            return None


@contextlib.contextmanager
def _silent_opencv() -> Iterator[None]:
    """Keep from stderr what OpenCV thinks of a file: that is our business."""
    log = cv2.utils.logging
    before = log.setLogLevel(log.LOG_LEVEL_SILENT)
    try:
        yield
    finally:
        log.setLogLevel(before)


def _seek(source: IO[bytes], start: int) -> IO[bytes]:
    source.seek(start)
    return source


def _tiff(source: IO[bytes], max_pixels: int, notes: list[str]) -> Samples | None:
    """The first page of a TIFF of more than 8 bits; None for others, and for those that Pillow must judge."""
    import tifffile

    start = source.tell()
    try:
        logging.getLogger("tifffile").disabled = True  # what it thinks of a file is our business, not that of stderr
        page = tifffile.TiffFile(source).pages.first
        kind = page.photometric
    except Exception:
        return None
    if kind is None or int(kind) > 2 or page.dtype is None or page.dtype.kind not in "uif":
        return None
    if page.dtype == np.uint8 and page.samplesperpixel <= 4:  # Pillow knows these
        return None
    _require_plausible(page.imagewidth * page.imagelength * max(1, page.imagedepth), source, max_pixels)
    _require_honest(page, source)
    try:
        values = page.asarray()
    except Exception:  # a compression that it does not know, such as LZW
        if int(page.planarconfig or 1) != 1 or page.samplesperpixel not in (1, 3, 4):
            return None
        read = _opencv(_seek(source, start).read())
        if read is None or read.dtype != page.dtype:
            return None
        values = read[..., [2, 1, 0, 3][: read.shape[2]]] if read.ndim == 3 else read
    else:
        values = _first_plane(values, page.axes)
    return _tiff_samples(page, values, notes)


def _require_honest(page: Any, source: IO[bytes]) -> None:
    """ValueError for tiles that are much larger than the picture, and for data that unpack to more than their part of
    it: tifffile would take the memory for all of that first.
    """
    whole = int(page.imagewidth * page.imagelength * max(1, page.imagedepth) * page.samplesperpixel)
    part = math.prod(map(int, page.chunks))
    if part > TILE_RATIO * whole + TILE_SAMPLES:
        raise ValueError(f"a picture of {whole:,} samples in tiles of {part:,}")
    unpacker = _UNPACKERS.get(int(page.compression))
    if unpacker is None:
        return
    size = part * page.dtype.itemsize
    end = source.seek(0, io.SEEK_END)
    with contextlib.suppress(zlib.error):  # damaged data are told by who decodes them
        for offset, count in zip(page.dataoffsets, page.databytecounts, strict=False):
            source.seek(offset)
            try:
                found = unpacker().decompress(source.read(min(count, end)), size + 1)
            except lzma.LZMAError as error:  # it wants too much memory, or is damaged
                raise ValueError(str(error)) from None
            if len(found) > size:
                raise ValueError(f"a part of {counted(size, 'byte')} unpacks to more")


def _first_plane(values: NDArray[Any], axes: str) -> NDArray[Any]:
    """HxW or HxWxS of an array with the axes of a TIFF page: samples last, the first of all others."""
    if "S" in axes:
        values, axes = np.moveaxis(values, axes.index("S"), -1), axes.replace("S", "") + "S"
    while values.ndim > 2 + ("S" in axes):
        values = values[0]
    return values


def _tiff_samples(page: Any, values: NDArray[Any], notes: list[str]) -> Samples:
    """Tell what the tags of a page say of its samples: which is opacity, whether white is 0, which value is none."""
    count = values.shape[2] if values.ndim == 3 else 1
    extra = [int(kind) for kind in page.extrasamples or ()]
    colors = 3 if int(page.photometric) == 2 or count - len(extra) >= 3 or (count in (3, 5) or count > 4) else 1
    alpha = extra[0] if extra and extra[0] in (1, 2) and count > colors else 0
    if count > colors + bool(alpha):
        notes.append(f"The file has {count} channels: the first {colors} {'is' if colors == 1 else 'are'} shown")
        values = values[..., : colors + bool(alpha)]
    samples = _split(values, alpha)
    values = samples.values
    if int(page.photometric) == 0:  # white is 0
        top = np.iinfo(values.dtype).max if values.dtype.kind == "u" else values.max()
        values = top - values
    nodata = page.tags.get(42113)  # GDAL_NODATA
    if nodata is not None:
        with contextlib.suppress(ValueError):
            none = float(str(nodata.value).strip("\0 "))
            values = np.where(values == none, np.nan, values.astype(np.float64))
    tag = page.tags.get(274)
    return replace(samples, values=values).turned(int(tag.value) if tag is not None and tag.value in range(1, 9) else 1)


def _opaque(alpha: NDArray[Any]) -> float:
    """The value that is fully opaque: as with colors (see `levels`), fewer bits than the file has may be used."""
    most = float(np.nanmax(alpha, initial=0))
    if alpha.dtype.kind not in "iu":
        return max(1.0, most)
    top = float(np.iinfo(alpha.dtype).max)
    return most if 0 < most < top / 2 and alpha.dtype.itemsize > 1 else top


def _split(values: NDArray[Any], alpha: int) -> Samples:
    """Colors and opacity. `alpha`, as TIFF counts: 0 none, 1 the colors are multiplied by it, 2 they are not."""
    if values.ndim == 2:
        return Samples(values)
    if not alpha:
        return Samples(values[..., 0] if values.shape[2] == 1 else values)
    colors, last = values[..., :-1], values[..., -1]
    top = _opaque(last)
    opacity = np.clip(np.nan_to_num(last.astype(np.float32) / top), 0, 1).astype(np.float32)
    if alpha == 1:
        colors = np.divide(colors, opacity[..., None], out=np.zeros(colors.shape), where=opacity[..., None] > 0)
    return Samples(colors[..., 0] if colors.shape[2] == 1 else colors, opacity)
