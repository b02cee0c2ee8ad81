"""Fetch a dataset from the places that `sources` names: resumed where it broke off, checked, never half there.

urllib of the standard library is enough, and saves a dependency: one connection, headers and a stream are all it takes.
Beside an archive lies NAME.json: its address, size, sha256, and the published checksum that it was held against.
"""

from __future__ import annotations

import hashlib
import http.client
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

from fewclicks.datasets.sources import Source
from fewclicks.errors import DatasetError
from fewclicks.files import bounded
from fewclicks.files.archives import CHUNK_BYTES, require_room, unpack
from fewclicks.files.replace import move_file, write_json

Report: TypeAlias = Callable[[Source, str, int, int | None], object]
"""Called with (source, "fetch" | "check" | "unpack" ..., bytes done, bytes in all or None), for a progress bar."""

TRIES = 5
"""Attempts in a row that brought no byte, before giving up."""

TIMEOUT_S = 60
AGENT = "fewclicks (dataset download)"
LATER = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Answers that may be others a little later."""


class _BrokenOffError(Exception):
    """The connection failed in a way that may be another next time."""


@dataclass(frozen=True, slots=True)
class _Partial:
    """A file on its way: NAME.partial, and NAME.partial.json with what the server said of it."""

    target: Path

    @property
    def file(self) -> Path:
        return self.target.with_name(self.target.name + ".partial")

    @property
    def note(self) -> Path:
        return self.target.with_name(self.target.name + ".partial.json")

    @property
    def size(self) -> int:
        """The bytes that are there."""
        return self.file.stat().st_size if self.file.is_file() else 0

    def resumable(self, url: str) -> tuple[int, str]:
        """(bytes that are there, the validator of their version); (0, "") when there is nothing to go on with."""
        note = read_note(self.note)
        validator = note.get("validator") if note.get("url") == url else None
        return (self.size, validator) if self.size and isinstance(validator, str) and validator else (0, "")

    def discard(self) -> None:
        self.file.unlink(missing_ok=True)
        self.note.unlink(missing_ok=True)


def get(sources: tuple[Source, ...], root: Path, report: Report, *, keep_archives: bool = False) -> None:
    """Fetch and unpack the files of a dataset under `root`; what is there already is not fetched again.

    Archives lie in `root`/downloads/ until they are unpacked, or for good. DatasetError when a file cannot be fetched,
    is not the published one, or cannot be unpacked.
    """
    folder = root / "downloads"
    folder.mkdir(parents=True, exist_ok=True)
    for source in sources:
        target, into = folder / source.file, root / source.into
        record = folder / f"{source.file}.json"
        note = read_note(record)
        same = note.get("url") == source.url
        if same and source.into in note.get("unpacked", []) and into.is_dir():
            continue
        if not (same and target.is_file() and note.get("bytes") == target.stat().st_size):
            sha256 = download(source, target, report)
            size, unpacked = target.stat().st_size, note.get("unpacked", []) if same else []
            note = {"url": source.url, "bytes": size, "sha256": sha256, "checked_against": source.digest or None}
            write_note(record, note | {"unpacked": unpacked})
        unpack(target, into, source.keep, partial(report, source, "unpack"))
        for inner in source.inner:
            unpack(into / inner, (into / inner).parent, progress=partial(report, source, f"unpack {inner} of"))
            (into / inner).unlink()
        write_note(record, read_note(record) | {"unpacked": [*read_note(record).get("unpacked", []), source.into]})
        if not keep_archives:
            target.unlink()


def download(source: Source, target: Path, report: Report) -> str:
    """Fetch one file to `target` and return its sha256; DatasetError when it cannot be had or is another one."""
    part, failures = _Partial(target), 0
    most = part.size
    while True:
        try:
            _receive(source, part, report)
            break
        except _BrokenOffError as error:
            failures = 1 if part.size > most else failures + 1
            most = max(most, part.size)
            if failures >= TRIES:
                raise DatasetError(
                    f"cannot fetch {source.url} ({error}); try again later, it goes on from here"
                ) from None
            time.sleep(2**failures)
    sha256, found = _digests(source, part.file, report)
    if source.digest and found != source.digest:
        part.discard()
        raise DatasetError(
            f"{source.url} came with the checksum {found}, published is {source.digest}; "
            "the file was removed: try again, and if it stays so, do not trust the source"
        )
    move_file(part.file, target)
    part.note.unlink(missing_ok=True)
    return sha256


def _receive(source: Source, part: _Partial, report: Report) -> None:
    """Take what the server sends, from where the partial file ends if it is of the same version."""
    have, validator = part.resumable(source.url)
    headers = {"User-Agent": AGENT, "Accept-Encoding": "identity"}
    if have:  # If-Range: the rest if the file is still the same one, the whole of it otherwise (RFC 9110, 13.1.5)
        headers |= {"Range": f"bytes={have}-", "If-Range": validator}
    try:
        answer = urllib.request.urlopen(urllib.request.Request(source.url, headers=headers), timeout=TIMEOUT_S)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416:  # the partial file is longer than the file: it is of no use
            part.discard()
        elif error.code not in LATER:
            raise DatasetError(f"{source.url} answers {error.code} {error.reason}; see whether it has moved") from None
        raise _BrokenOffError(f"it answers {error.code} {error.reason}") from None
    except (OSError, http.client.HTTPException) as error:
        raise _BrokenOffError(getattr(error, "reason", error)) from None
    with answer:
        begin, total = _extent(answer, have)
        if source.size is not None and total not in (None, source.size):
            raise DatasetError(f"{source.url} has {total} bytes, {source.size} are known of it; it has been changed")
        require_room(part.file.parent, (total or 0) - begin)
        if not begin:
            part.discard()
            write_note(part.note, {"url": source.url, "validator": _validator(answer)})
        _save(answer, part.file, begin, total, partial(report, source, "fetch"))


def _save(
    answer: http.client.HTTPResponse,
    file: Path,
    begin: int,
    total: int | None,
    tick: Callable[[int, int | None], object],
) -> None:
    """Write the body of an answer from `begin` on."""
    done = begin
    try:
        with file.open("ab" if begin else "wb") as out:
            while chunk := _read(answer):
                out.write(chunk)
                done += len(chunk)
                tick(done, total)
    except OSError as error:
        raise DatasetError(f"{file} cannot be written ({error.strerror}); make room or choose --to") from None
    if file.stat().st_size != done:  # two runs at once
        raise DatasetError(f"{file} is written by someone else too; let one of them end, then try again")
    if total is not None and done < total:
        raise _BrokenOffError(f"the connection ended after {done} of {total} bytes")


def _read(answer: http.client.HTTPResponse) -> bytes:
    """Some bytes; a broken connection is told apart from a full disk."""
    try:
        return answer.read(CHUNK_BYTES)
    except (OSError, http.client.HTTPException) as error:
        raise _BrokenOffError(str(error) or type(error).__name__) from None


def _extent(answer: http.client.HTTPResponse, have: int) -> tuple[int, int | None]:
    """(the first byte that comes, the bytes of the whole file or None)."""
    if answer.status != 206:
        length = answer.headers.get("Content-Length", "")
        return 0, int(length) if length.isdecimal() else None
    begin, _, rest = answer.headers.get("Content-Range", "").removeprefix("bytes ").partition("-")
    total = rest.partition("/")[2]
    if begin != str(have):
        raise _BrokenOffError("it sends another part of the file than was asked for")
    return have, int(total) if total.isdecimal() else None


def _validator(answer: http.client.HTTPResponse) -> str:
    """Tell this version of the file from others: a strong ETag, or the date; "" when the server says neither."""
    tag = answer.headers.get("ETag", "")
    return tag if tag.startswith('"') else answer.headers.get("Last-Modified", "")


def _digests(source: Source, file: Path, report: Report) -> tuple[str, str]:
    """(sha256, "KIND:HEX" in the kind of the published checksum) of a file, read once."""
    kind = source.digest.partition(":")[0] or "sha256"
    sha256, other = hashlib.sha256(), hashlib.new(kind, usedforsecurity=False)
    size, done = file.stat().st_size, 0
    with file.open("rb") as content:
        while chunk := content.read(CHUNK_BYTES):
            sha256.update(chunk)
            other.update(chunk)
            done += len(chunk)
            report(source, "check", done, size)
    return sha256.hexdigest(), f"{kind}:{other.hexdigest()}"


def read_note(file: Path) -> dict[str, Any]:
    """A small JSON file; empty when there is none, or a damaged one."""
    try:
        note = bounded.read_json(file, 2**20)
    except (OSError, ValueError):
        return {}
    return note if isinstance(note, dict) else {}


def write_note(file: Path, note: dict[str, Any]) -> None:
    """Write a small JSON file whole."""
    write_json(file, note)
