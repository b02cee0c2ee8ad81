"""The photos of a folder: which there are, where they lie, and what the page shows of them."""

from __future__ import annotations

import io
import os
import threading
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import PIL.Image

from fewclicks.annotator.services.decoder import Decoder, Urgency
from fewclicks.annotator.store.photos import in_counting_order
from fewclicks.errors import InputError
from fewclicks.files.safe_open import resolve_inside, walk_real
from fewclicks.images.raster_formats import SUFFIXES
from fewclicks.types import Image

_ASIDE = """
annotation annotations cutouts export exports groundtruth ground_truth gt label labels mask masks out results
segmentationclass segmentationobject
"""
ASIDE = frozenset(_ASIDE.split())
"""Subfolders that hold masks and not photos, in small letters."""

TILE_PX = 512
TILED_ABOVE_PX = 6_000_000
"""Photos of more pixels are shown in tiles."""
THUMBNAIL_PX = 256
QUALITY, THUMBNAIL_QUALITY = 92, 80
CACHE_BYTES = 72 * 2**20
"""Decoded photos that are kept: two of 12 megapixels, this one and the next; the last one in any case."""
THUMBNAILS_BYTES = 32 * 2**20


@dataclass(frozen=True, slots=True)
class Stamp:
    """Which file a photo was read from: another time or size is another photo."""

    path: Path
    mtime_ns: int
    size: int

    @property
    def tag(self) -> str:
        """Short text for ETags."""
        return f"{self.mtime_ns:x}-{self.size:x}"


class PhotoFolder:
    """A folder and the photos in it and in its subfolders. Nothing outside of it is ever read."""

    is_remote = False
    """Whether the photos are elsewhere, and the folder holds those that were needed."""

    def __init__(self, root: str | os.PathLike[str]) -> None:
        path = Path(root)
        if not path.exists():
            raise InputError(f"no folder at '{path}'; check the path")
        if not path.is_dir():
            raise InputError(f"'{path}' is a file; name the folder that it lies in: '{path.parent}'")
        if not os.access(path, os.R_OK | os.X_OK):
            raise InputError(f"the folder '{path}' may not be read; check its permissions")
        self.said = path
        """The folder as it was named, for messages."""
        self.root = path.resolve()
        self.address = os.fspath(self.root)
        """What commands are told the folder by."""

    def names(self) -> list[str]:
        """The photos' paths within the folder, with forward slashes, in the order that people count in."""
        found: list[str] = []
        for folder, subfolders, files in walk_real(self.root):
            subfolders[:] = [name for name in subfolders if not name.startswith(".") and name.lower() not in ASIDE]
            place = folder.relative_to(self.root)
            found += [
                (place / name).as_posix()
                for name in files
                if os.path.splitext(name)[1].lower() in SUFFIXES and not name.startswith(".") and _is_text(name)
            ]
        return sorted((name for name in found if _is_text(name)), key=in_counting_order)

    def locate(self, name: str) -> Stamp:
        """The file of a photo; InputError if it is gone, is no plain file, or lies outside of the folder.

        Its path is real: whoever opens it follows no link (`safe_open.open_real`), so that it stays this file.
        """
        path = resolve_inside(self.root, name, "photo")
        try:
            about = path.stat(follow_symlinks=False)
        except OSError:
            raise InputError(f"the photo '{name}' is not there any more; put it back") from None
        return Stamp(path, about.st_mtime_ns, about.st_size)


def _is_text(name: str) -> bool:
    """Whether a file name can be written as text; those that are not UTF-8 cannot."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


class Picture:
    """A decoded photo, and it at half the size, a quarter ... down to one tile.

    Level k has ceil(side / 2**k) pixels a side: to be drawn at the width of the photo, not at 2**k times its own.
    """

    def __init__(self, image: Image, notes: Sequence[str] = ()) -> None:
        self.image = image
        self.notes = tuple(notes)
        """What had to be ignored of the file, one sentence each."""
        self._levels = [image]
        self._lock = threading.Lock()

    @property
    def hw(self) -> tuple[int, int]:
        """Height and width of the photo."""
        return self.image.shape[0], self.image.shape[1]

    @property
    def nbytes(self) -> int:
        """Memory, with all levels."""
        return self.image.nbytes * 4 // 3

    def tile(self, level: int, column: int, row: int) -> bytes:
        """A JPEG of at most 512x512 pixels; InputError if there is no such tile."""
        if not 0 <= level < levels(self.hw):
            raise InputError(f"this photo has the levels 0 to {levels(self.hw) - 1}, not {level}")
        image = self._level(level)
        part = image[row * TILE_PX : (row + 1) * TILE_PX, column * TILE_PX : (column + 1) * TILE_PX]
        if min(row, column) < 0 or part.size == 0:
            raise InputError(f"level {level} has no tile in column {column}, row {row}")
        return jpeg(part)

    def view(self, side_px: int, quality: int = QUALITY) -> bytes:
        """A JPEG of the whole photo, its longest side at most `side_px`."""
        level = 0
        while level + 1 < levels(self.hw) and max(self.hw) >> (level + 1) >= side_px:
            level += 1
        image = self._level(level)
        scale = side_px / max(image.shape)
        if scale >= 1:
            return jpeg(image, quality)
        size = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
        return jpeg(np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8), quality)

    def _level(self, level: int) -> Image:
        with self._lock:
            while len(self._levels) <= level:
                height, width = self._levels[-1].shape[:2]
                half = (width + 1) // 2, (height + 1) // 2
                small = cv2.resize(self._levels[-1], half, interpolation=cv2.INTER_AREA)
                self._levels.append(np.asarray(small, np.uint8))
            return self._levels[level]


def levels(hw: tuple[int, int]) -> int:
    """How many sizes a photo has, the last of one tile."""
    return max(0, (max(hw) - 1) // TILE_PX).bit_length() + 1


def jpeg(image: Image, quality: int = QUALITY) -> bytes:
    """HxWx3 as a JPEG whose colours are as sharp as its greys."""
    file = io.BytesIO()
    PIL.Image.fromarray(image).save(file, "JPEG", quality=quality, subsampling=0)
    return file.getvalue()


class Pictures:
    """Decoded photos and thumbnails, each decoded once and kept while there is room. Threads may share it."""

    def __init__(self, folder: PhotoFolder, decoder: Decoder, room_bytes: int = CACHE_BYTES) -> None:
        self._folder = folder
        self._decoder = decoder
        self._room_bytes = room_bytes
        self._kept: OrderedDict[Stamp, Future[Picture]] = OrderedDict()
        self._thumbnails: OrderedDict[Stamp, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, name: str, urgency: Urgency = Urgency.NOW) -> Picture:
        """The photo; InputError if it cannot be read. Waits for a decoding that is under way."""
        stamp = self._folder.locate(name)
        with self._lock:
            kept = self._kept.get(stamp)
            if kept is None:
                promise: Future[Picture] = Future()
                self._kept[stamp] = promise
            else:
                self._kept.move_to_end(stamp)
        if kept is not None:
            return kept.result()
        try:
            notes: list[str] = []
            image = self._decoder.image(stamp.path, urgency, notes)
            promise.set_result(Picture(image, notes))
        except BaseException as error:
            with self._lock:
                del self._kept[stamp]
            promise.set_exception(error)
            raise
        self._make_room()
        return promise.result()

    def thumbnail(self, name: str) -> bytes:
        """A JPEG with the longest side at most 256 pixels."""
        stamp = self._folder.locate(name)
        with self._lock:
            if stamp in self._thumbnails:
                self._thumbnails.move_to_end(stamp)
                return self._thumbnails[stamp]
            kept = self._kept.get(stamp)
        if kept is not None and kept.done() and kept.exception() is None:
            data = kept.result().view(THUMBNAIL_PX, THUMBNAIL_QUALITY)
        else:
            data = jpeg(self._decoder.thumbnail(stamp.path, THUMBNAIL_PX), THUMBNAIL_QUALITY)
        with self._lock:
            self._thumbnails[stamp] = data
            while sum(map(len, self._thumbnails.values())) > THUMBNAILS_BYTES:
                self._thumbnails.popitem(last=False)
        return data

    def _make_room(self) -> None:
        """Let go of the photos not used for longest."""
        with self._lock:
            done = [stamp for stamp, kept in self._kept.items() if kept.done()]
            total = sum(self._kept[stamp].result().nbytes for stamp in done)
            for stamp in done[:-1]:
                if total <= self._room_bytes:
                    return
                total -= self._kept.pop(stamp).result().nbytes
