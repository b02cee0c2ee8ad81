"""Photos in an object store, or wherever fsspec reaches: each is fetched when it is first needed, and kept on the disk.

A photo on the disk has the time of the one in the store, so that it is the same photo for every server, and after it
was fetched again. Nothing is ever written to the store.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path, PurePosixPath
from time import monotonic
from typing import IO, Any

from fewclicks.annotator.services.photos import ASIDE, PhotoFolder, Stamp
from fewclicks.annotator.store.photos import in_counting_order
from fewclicks.errors import InputError
from fewclicks.files.remote import filesystem_at, reaching
from fewclicks.files.replace import replace_file
from fewclicks.images.raster_formats import SUFFIXES

RELIST_S = 60.0
"""The store is not listed more often than this: there may be millions of photos."""
PHOTO_BYTES = 2**30
"""Larger files are not fetched."""
CACHE_VARIABLE = "FEWCLICKS_CACHE"
"""The folder that photos are kept in; ~/.cache/fewclicks if unset."""
CACHE_BYTES = 20 * 2**30
"""Photos that are kept on the disk; those not used for longest go first."""
EXTRA = "s3"
AT_ONCE = 64
"""Locks by which a photo is fetched once, however many ask for it."""


class RemotePhotos(PhotoFolder):
    """The photos at an address such as s3://bucket/photos, as a `PhotoFolder` that holds those fetched so far."""

    is_remote = True

    def __init__(self, url: str, cache: Path | None = None, room_bytes: int = CACHE_BYTES) -> None:
        self.url = url
        self._room_bytes = room_bytes
        with reaching(url, EXTRA):
            self._system, place = filesystem_at(url, EXTRA)
        self._place = place.rstrip("/")
        self._listed: dict[str, tuple[int, int]] = {}
        self._at = -RELIST_S
        self._lock = threading.Lock()
        self._locks = [threading.Lock() for _ in range(AT_ONCE)]
        base = cache or Path(os.environ.get(CACHE_VARIABLE) or Path.home() / ".cache" / "fewclicks")
        name = PurePosixPath(self._place).name or "photos"
        root = base / hashlib.sha256(url.encode()).hexdigest()[:16] / name
        root.mkdir(parents=True, exist_ok=True)
        super().__init__(root)
        self.address = url
        self._used = sum(file.stat().st_size for file in self.root.rglob("*") if file.is_file())

    def names(self) -> list[str]:
        """The photos' paths in the store, as of at most a minute ago."""
        with self._lock:
            if monotonic() - self._at >= RELIST_S:
                self._listed = dict(self._list())
                self._at = monotonic()
            return sorted(self._listed, key=in_counting_order)

    def locate(self, name: str) -> Stamp:
        """The file of a photo on the disk, fetched if it is not there, or not as the store has it now."""
        self.names()
        with self._lock:
            about = self._listed.get(name)
        if about is None:
            raise InputError(f"the photo '{name}' is not there any more; put it back")
        with self._locks[hash(name) % AT_ONCE]:
            place = self.root / name
            if not _is(place, about):
                self._fetch(name, about)
        return super().locate(name)

    def _fetch(self, name: str, about: tuple[int, int]) -> None:
        size, time_ns = about
        if size > PHOTO_BYTES:
            raise InputError(f"the photo '{name}' has more than {PHOTO_BYTES // 2**20} MiB; make it smaller")
        self._make_room(size)
        place = self.root / name
        place.parent.mkdir(parents=True, exist_ok=True)
        try:
            with reaching(name, EXTRA):
                replace_file(place, lambda file: self._copy(name, file), durable=False)
        except OSError as error:
            raise InputError(f"the photo '{name}' cannot be kept in '{self.root}' ({error.strerror})") from None
        os.utime(place, ns=(time_ns, time_ns))
        with self._lock:
            self._used += size

    def _copy(self, name: str, file: IO[bytes]) -> None:
        with self._system.open(f"{self._place}/{name}", "rb") as source:
            shutil.copyfileobj(source, file)

    def _make_room(self, size: int) -> None:
        """Remove what was fetched first, where there would be too much."""
        with self._lock:
            if self._used + size <= self._room_bytes:
                return
            files = [(file.stat().st_ctime_ns, file) for file in self.root.rglob("*") if file.is_file()]
            self._used = sum(file.stat().st_size for _, file in files)
            for _, file in sorted(files):
                if self._used + size <= self._room_bytes * 0.9:
                    return
                with suppress(OSError):
                    self._used -= file.stat().st_size
                    file.unlink()

    def _list(self) -> Iterator[tuple[str, tuple[int, int]]]:
        """Name, size and time of each photo; names that would lead out of the folder are none."""
        with reaching(self.url, EXTRA):
            self._system.invalidate_cache()
            found = self._system.find(self._place, detail=True)
        before = self._place.rstrip("/") + "/"
        for path, about in found.items():
            name = str(path).removeprefix(before)
            parts = name.split("/")
            fine = not any(part in ("", "..") or part.startswith(".") or "\\" in part for part in parts)
            aside = any(part.lower() in ASIDE for part in parts[:-1])
            if fine and not aside and os.path.splitext(name)[1].lower() in SUFFIXES:
                yield name, (int(about.get("size") or 0), _time_ns(about))


def photos_at(place: str | os.PathLike[str]) -> PhotoFolder:
    """The photos of a folder, or of an address. InputError where there is neither."""
    text = os.fspath(place)
    return RemotePhotos(text) if "://" in text else PhotoFolder(text)


def _time_ns(about: dict[str, Any]) -> int:
    """When a file was changed; from its tag, where the store says no time."""
    for key in ("LastModified", "mtime", "last_modified", "updated", "created"):
        value = about.get(key)
        if isinstance(value, datetime):
            return int(value.timestamp()) * 10**9
        if isinstance(value, int | float):
            return int(value) * 10**9
    tag = str(about.get("ETag") or about.get("etag") or "")
    return int(hashlib.sha256(tag.encode()).hexdigest()[:7], 16) * 10**9


def _is(file: Path, about: tuple[int, int]) -> bool:
    """Tell whether a file on the disk is as the store has it."""
    try:
        found = file.stat()
    except OSError:
        return False
    return (found.st_size, found.st_mtime_ns) == about
