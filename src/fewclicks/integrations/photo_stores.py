"""Photos that lie elsewhere than in a folder: in an object store, in the tars of WebDataset, in Parquet.

| what is named                              | what it is                                                            |
|--------------------------------------------|-----------------------------------------------------------------------|
| photos/, s3://bucket/photos                | a folder, here or where fsspec reaches (s3, gs, az, hdfs, http ...)   |
| photos-*.tar, s3://bucket/photos-0001.tar  | tars of photos, as WebDataset has them; the members' names count      |
| photos.parquet, s3://bucket/part-*.parquet | a column of names (`NAMES`) and one of the files' bytes (`BYTES`)     |

`FileStore.read` and `ArchiveStore.read` run wherever a task runs. What cannot be read is told, and costs no other.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import IO, NamedTuple, TypeAlias

from fewclicks.errors import InputError, MissingExtra, one_line
from fewclicks.files.remote import filesystem_at, open_remote, reaching
from fewclicks.formats.annotations import AnnotatedPhoto
from fewclicks.formats.matching import Photos
from fewclicks.images.raster_formats import SUFFIXES

ARCHIVES = (".tar", ".tar.gz", ".tgz", ".parquet", ".pq")
NAMES = ("file_name", "path", "name", "__key__")
"""Columns of Parquet that name a photo; in a column of structs (as of Hugging Face) its `path` does."""
BYTES = ("image", "bytes", "data", "jpg", "png", "content")
"""Columns of Parquet that hold the file of a photo, as bytes or as a struct with `bytes`."""
ROWS = 16
"""Of Parquet, read at once."""
MAX_BYTES = 2**30
"""Larger files are no photos."""
EXTRA = "ray"


class Found(NamedTuple):
    """The file of a photo, or why it cannot be read."""

    name: str
    data: bytes
    problem: str = ""


class Unlisted:
    """Photos whose names are known only when they are read: each is called what a document calls it."""

    def find(self, name: object) -> AnnotatedPhoto | None:
        """Take a document at its word."""
        return AnnotatedPhoto(name, (0, 0)) if isinstance(name, str) and name else None

    def by_stem(self, stem: str) -> AnnotatedPhoto | None:
        """Take a document at its word."""
        return self.find(stem)


@dataclass(frozen=True, slots=True)
class FileStore:
    """Photos that are files, in a folder `url` that fsspec reaches."""

    url: str
    names: tuple[str, ...]

    def known(self) -> Photos:
        """Find the photos by the names in documents."""
        return Photos([AnnotatedPhoto(name, (0, 0)) for name in self.names])

    def units(self, wanted: Sequence[str]) -> list[str]:
        """Name what tasks read one after another: the photos themselves."""
        return list(dict.fromkeys(wanted))

    def read(self, unit: str) -> Iterator[Found]:
        """Read one photo."""
        try:
            with open_remote(f"{self.url.rstrip('/')}/{unit}", EXTRA) as file:
                yield Found(unit, _bounded(file, unit))
        except Exception as error:  # each store of fsspec has errors of its own
            yield Found(unit, b"", f"the photo cannot be read ({one_line(error)})")


@dataclass(frozen=True, slots=True)
class ArchiveStore:
    """Photos in tars or in files of Parquet, `urls`, in the order in which they were named."""

    urls: tuple[str, ...]

    def known(self) -> Unlisted:
        """Find all that documents name: what is missing shows when all is read."""
        return Unlisted()

    def units(self, wanted: Sequence[str]) -> list[str]:
        """Name what tasks read one after another: the archives."""
        return list(self.urls)

    def read(self, unit: str) -> Iterator[Found]:
        """Read the photos of an archive; one that is damaged gives those before the damage, and says so."""
        try:
            with open_remote(unit, EXTRA) as file:
                yield from _parquet(file) if unit.endswith((".parquet", ".pq")) else _tar(file)
        except MissingExtra:
            raise
        except Exception as error:  # each store and each archive has errors of its own
            yield Found("", b"", f"the archive '{unit}' cannot be read to its end ({one_line(error)})")


Store: TypeAlias = FileStore | ArchiveStore


def is_elsewhere(place: str) -> bool:
    """Tell whether a place is no folder of this machine: an address, an archive, or a pattern."""
    return "://" in place or place.endswith(ARCHIVES)


def store_at(place: str) -> Store:
    """Find out what lies at a place (see the table at the top). InputError where nothing does."""
    if place.endswith(ARCHIVES):
        urls = tuple(_listed(place, pattern=True))
        if not urls:
            raise InputError(f"no archive is at '{place}'; check the address, and quote patterns as 'photos-*.tar'")
        return ArchiveStore(urls)
    names = tuple(name for name in _listed(place) if name.lower().endswith(tuple(SUFFIXES)))
    if not names:
        raise InputError(f"there are no photos at '{place}'; check the address")
    return FileStore(place, names)


def _listed(place: str, pattern: bool = False) -> list[str]:
    """The files at a place: of a folder their names in it, of a pattern their addresses."""
    with reaching(place, EXTRA, "listed"):
        system, path = filesystem_at(place, EXTRA)
        if not pattern:
            root = path.rstrip("/") + "/"
            return sorted(str(found)[len(root) :] for found in system.find(path) if str(found).startswith(root))
        found = system.glob(path) if any(sign in path for sign in "*?[") else [path] if system.exists(path) else []
        return sorted(str(system.unstrip_protocol(name)) for name in found)


def _bounded(file: IO[bytes], name: str) -> bytes:
    data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise ValueError(f"'{name}' has more than {MAX_BYTES // 2**20} MiB")
    return data


def _tar(file: IO[bytes]) -> Iterator[Found]:
    with tarfile.open(fileobj=file, mode="r|*") as archive:
        for member in archive:
            if member.isfile() and member.name.lower().endswith(tuple(SUFFIXES)):
                content = archive.extractfile(member)
                assert content is not None, "a plain file has content"
                yield Found(member.name.removeprefix("./"), _bounded(content, member.name))


def _parquet(file: IO[bytes]) -> Iterator[Found]:
    try:
        from pyarrow import parquet
    except ImportError:
        raise MissingExtra("Parquet is read by pyarrow; run: pip install 'fewclicks[ray]'") from None
    table = parquet.ParquetFile(file)
    columns = table.schema_arrow.names
    holds = next((name for name in BYTES if name in columns), None)
    named = next((name for name in NAMES if name in columns), None)
    if holds is None:
        raise ValueError(f"it has none of the columns {', '.join(BYTES)}, but {', '.join(columns)}")
    for batch in table.iter_batches(ROWS, columns=[holds] + ([named] if named else [])):
        for row in batch.to_pylist():
            value = row[holds]
            inner = value if isinstance(value, dict) else {"bytes": value}
            name = row[named] if named else inner.get("path")
            if isinstance(name, str) and name and isinstance(inner.get("bytes"), bytes):
                yield Found(name, inner["bytes"])
