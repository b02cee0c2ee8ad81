"""Which photo a file of annotations means: names are compared as people mean them, not byte for byte.

Programs write names with folders of another machine in front, with backslashes, URL-encoded, composed (NFC) where the
disk has them decomposed (NFD), in other letters' case, with another ending, or with something of their own added.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from urllib.parse import unquote

from fewclicks.errors import one_line
from fewclicks.formats.annotations import AnnotatedPhoto

UPLOADED = re.compile(r"[0-9a-f]{8}-(?=.)")
"""What Label Studio puts in front of the name of an uploaded photo."""
ROBOFLOW = re.compile(r"(.+)_(jpe?g|png|bmp|webp|tiff?)\.rf\.[0-9A-Za-z]+(\.\w+)?")
"""a_jpg.rf.0123456789abcdef.jpg was a.jpg before Roboflow made a version of it."""
MAX_ENCODED = 3
"""How often a name may be URL-encoded."""
_Table = dict[str, list[AnnotatedPhoto]]


class Photos:
    """Finds the photo that a file of annotations means: by its path, else by its name, if only one has that."""

    def __init__(self, photos: Sequence[AnnotatedPhoto]) -> None:
        self.photos = tuple(photos)
        self._exact = {photo.file: photo for photo in photos}
        self._tables: dict[tuple[bool, bool], _Table] = {}
        for photo in photos:
            path = _path(photo.file)
            for stems in (False, True):
                key = path.stem if stems else path.name
                self._tables.setdefault((stems, False), {}).setdefault(key, []).append(photo)
                self._tables.setdefault((stems, True), {}).setdefault(key.casefold(), []).append(photo)
        self._said: dict[str, None] = {}

    @property
    def notes(self) -> tuple[str, ...]:
        """Names that could mean several photos, and those that were only nearly a photo's."""
        return tuple(self._said)

    def find(self, name: object) -> AnnotatedPhoto | None:
        """The photo of the file name `name`, with or without folders, whatever its ending; None if there is none."""
        if not isinstance(name, str) or not name:
            return None
        return self._exact.get(name) or self._look(name, list(_writings(name)), whole=True)

    def by_stem(self, stem: str) -> AnnotatedPhoto | None:
        """The photo that is named `stem` but for its ending, with or without folders; or wholly, ending included."""
        return self._exact.get(stem) or self._look(stem, list(_writings(stem)), whole=False)

    def named_alike(self, photo: AnnotatedPhoto) -> list[AnnotatedPhoto]:
        """All photos in its folder that differ from it by their endings only, itself included."""
        path = _path(photo.file)
        alike = self._tables[True, False].get(path.stem, [])
        return [other for other in alike if _path(other.file).parent == path.parent]

    def _look(self, name: str, written: Sequence[str], whole: bool) -> AnnotatedPhoto | None:
        """The photo of the first writing that finds one: as it is, then in any case, then as tools rename it."""
        for stems in (False, True):
            for folded in (False, True):
                for text in written:
                    found = self._pick(name, _path(text), stems, folded, whole)
                    if found is not None:
                        return found[0]
        for text in (before for writing in written for before in _renamed(_path(writing).name)):
            found = self._pick(name, _path(text), not PurePosixPath(text).suffix, False, True)
            if found is not None and found[0] is not None:
                self._said[f"'{text}' is taken for what '{_short(name)}' was before a program renamed it"] = None
                return found[0]
        return None

    def _pick(
        self, name: str, path: PurePosixPath, stems: bool, folded: bool, whole: bool
    ) -> tuple[AnnotatedPhoto | None] | None:
        """The photo of a table; (None,) where several could be meant, None where there is none."""
        last = path.stem if stems and whole else path.name
        found = self._tables.get((stems, folded), {}).get(last.casefold() if folded else last, [])
        if not found:
            return None
        common = [_in_common(path, _path(photo.file), folded) for photo in found]
        best = [photo for photo, count in zip(found, common, strict=True) if count == max(common)]
        if len({_path(photo.file).with_suffix("") for photo in best}) > 1 or (len(best) > 1 and not stems):
            how = ", which differ only in case" if folded else ""
            named = " or ".join(f"'{_short(photo.file)}'" for photo in best[:3])
            self._said[f"'{_short(name)}' could be {named}{how}: not taken for any of them"] = None
            return (None,)
        if len(best) > 1:
            named = " or ".join(f"'{_short(photo.file)}'" for photo in best[:3])
            self._said[f"'{_short(name)}' could be {named}: taken for the first"] = None
        return (best[0],)


def plain(name: str) -> str:
    """A name without the differences that do not count: letters composed, of one case, slashes forward."""
    return str(_path(name)).casefold()


def _path(text: str) -> PurePosixPath:
    """The path in one writing: composed letters, forward slashes."""
    return PurePosixPath(unicodedata.normalize("NFC", text).replace("\\", "/"))


def _writings(name: str) -> Iterator[str]:
    """The name as it is, and without what URLs add."""
    yield name
    if "?d=" in name:  # Label Studio's local files
        name = name.partition("?d=")[2]
        yield name
    elif "://" in name:
        name = re.split(r"[?#]", name, maxsplit=1)[0]
        yield name
    for _ in range(MAX_ENCODED):
        if unquote(name) == name:
            break
        name = unquote(name)
        yield name
    if "+" in name:  # a space, as forms encode it
        yield name.replace("+", " ")


def _renamed(name: str) -> Iterator[str]:
    """Tell what a photo may have been called before a program renamed it."""
    if UPLOADED.match(name):
        yield UPLOADED.sub("", name, count=1)
    roboflow = ROBOFLOW.fullmatch(name)
    if roboflow:
        yield f"{roboflow[1]}.{roboflow[2]}"
        yield roboflow[1]


def _in_common(written: PurePosixPath, photo: PurePosixPath, folded: bool) -> tuple[int, bool]:
    """How many folders, from the last on, two paths have in common, and whether those are all of the photo's."""
    count, folders = 0, photo.parent.parts
    for a, b in zip(reversed(written.parent.parts), reversed(folders), strict=False):
        if (a.casefold() if folded else a) != (b.casefold() if folded else b):
            break
        count += 1
    return count, count == len(folders)


def _short(text: str) -> str:
    return one_line(text, 120)
