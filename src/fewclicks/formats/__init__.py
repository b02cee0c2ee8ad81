"""Annotations to files and back. One file per format, found by its name (`fewclicks.plugins`):

- `TITLE`, `LOSES`: what it is called, and what it does not keep
- `write(photos, labels, out, **options)`: into the empty folder `out`; sentences on what was lost
- `read(source, photos)`, where the format can come back: an AnnotatedFolder of those photos that it has
- `FILE`: the name of its one file, where it is one
- `held(name)`, where it cannot hold every name of a label: the name that it holds instead

The options of a format are the keyword-only parameters of its `write`.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from fewclicks.errors import InputError
from fewclicks.formats.annotations import AnnotatedPhoto, Annotation, Exported, Label, LazyObjects
from fewclicks.formats.detection import Found, detect
from fewclicks.formats.naming import Naming
from fewclicks.formats.notes import Notes, alike, quoted
from fewclicks.formats.reading import Imported
from fewclicks.formats.splitting import parts_of, shares_of
from fewclicks.formats.staging import staged
from fewclicks.formats.structure import recognized
from fewclicks.formats.writing import flattened
from fewclicks.images.mask_meaning import MaskIs
from fewclicks.plugins import find, names

__all__ = ["Format", "Found", "Imported", "alike", "detect", "export", "formats", "quoted", "read", "recognized"]


@dataclass(frozen=True, slots=True)
class Format:
    """Holds what there is to know of a format: for menus, help and documentation."""

    name: str
    title: str
    loses: str
    options: dict[str, Any]


def formats() -> list[Format]:
    """The formats that there are, sorted by name, with the defaults of their options."""
    found = ((name, find("formats", name)) for name in names("formats"))
    return [Format(name, m.TITLE, m.LOSES, _options(m)) for name, m in found]


def export(
    name: str,
    photos: Iterable[AnnotatedPhoto],
    labels: Sequence[Label],
    out: str | Path,
    *,
    overwrite: bool = False,
    visible: bool = False,
    split: str = "",
    **options: Any,
) -> Exported:
    """Write the photos in the format `name` to the folder `out` (COCO also: to a .json file), whole or not at all.

    Photos are taken one at a time; those that are untouched and without objects are left out. `visible`: objects
    without what lies under others. `split`: shares such as "80/10/10", each part in a folder of its own: train, val and
    test (see `splitting`). `overwrite` replaces an export, never a folder with other files in it.
    InputError for an option that the format does not have.
    """
    module, out = find("formats", name), Path(out)
    known = _options(module)
    for option in options:
        if option not in known:
            raise InputError(f"the format {name} has no option '{option}'; it has: {', '.join(known) or 'none'}")
    single = getattr(module, "FILE", None)
    single = single if single and out.suffix == Path(single).suffix else None
    if single and options.get("copy"):
        raise InputError(f"photos cannot be copied into the file '{out.name}'; name a folder")
    shares = shares_of(split)
    if single and shares:
        raise InputError(f"parts cannot be written into the file '{out.name}'; name a folder")
    notes = Notes("photo")
    naming = Naming(labels, getattr(module, "held", lambda name: name))
    kept = map(naming.photo, _touched(photos, visible, notes))

    def fill(fresh: Path) -> tuple[str, ...]:
        if shares:
            return _in_parts(module, photos, naming, visible, fresh, shares, options)
        lost = tuple(module.write(kept, naming.labels, fresh, **options))
        return (*lost, *naming.notes)

    files, lost = staged(out, name, single, overwrite, fill, lambda: {"names": naming.exact})
    return Exported(files, notes.sentences() + lost)


def read(
    name: str,
    source: str | Path,
    photos: Sequence[AnnotatedPhoto],
    *,
    mask_is: MaskIs | None = None,
    linked: bool = True,
) -> Imported:
    """The annotations that lie at `source`, a file or a folder, in the format `name`.

    `photos`: those that there are, with their sizes as displayed. The result has those of them that are annotated and
    reads each when it is asked for. `mask_is` says what mask pictures hold where it is ambiguous (see `mask_meaning`).
    Links below `source` are not followed, and with `linked=False` it must be none itself, nor lie behind one.
    InputError where nothing fits, naming what was expected.
    """
    module, named = find("formats", name), Path(os.path.abspath(source))
    source = Path(os.path.realpath(named))
    if not linked and source != named:
        raise InputError(f"'{named}' is a link, or lies behind one; name what it leads to: '{source}'")
    if not hasattr(module, "read"):
        raise InputError(f"the format {name} cannot be read; {module.LOSES}")
    if not source.exists():
        raise InputError(f"nothing is at '{source}'; check the path")
    takes = "mask_is" in inspect.signature(module.read).parameters
    found: Imported = module.read(source, photos, **({"mask_is": mask_is} if takes else {}))
    return found


def _in_parts(
    module: ModuleType,
    photos: Iterable[AnnotatedPhoto],
    naming: Naming,
    visible: bool,
    fresh: Path,
    shares: Mapping[str, float],
    options: Mapping[str, Any],
) -> tuple[str, ...]:
    """Write each part as the format writes a folder; what was lost."""
    notes, lost = Notes("photo"), list[str]()
    parts = parts_of([photo.file for photo in _touched(photos, False, notes)], shares)
    for part in shares:
        mine = (naming.photo(one) for one in _touched(photos, visible, Notes("photo")) if parts[one.file] == part)
        (fresh / part).mkdir()
        lost += [f"{part}: {note}" for note in module.write(mine, naming.labels, fresh / part, **options)]
    if hasattr(module, "join_parts"):
        module.join_parts(fresh, list(shares))
    counts = ", ".join(f"{sum(found == part for found in parts.values()):,} in {part}" for part in shares)
    return (*notes.sentences(), *lost, *naming.notes, f"photos: {counts}")


def _options(module: ModuleType) -> dict[str, Any]:
    parameters = inspect.signature(module.write).parameters.values()
    return {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}


def _touched(photos: Iterable[AnnotatedPhoto], visible: bool, notes: Notes) -> Iterator[AnnotatedPhoto]:
    for photo in photos:
        if photo.state == "untouched" and not photo.objects:
            notes.add("{n} untouched: left out")
        else:
            yield _as_seen(photo) if visible else photo


def _as_seen(photo: AnnotatedPhoto) -> AnnotatedPhoto:
    """The photo with each mask cut down to what is visible of it."""
    top = flattened(photo, Notes()).ids

    def maker(index: int) -> Annotation:
        return replace(photo.objects[index], mask=np.asarray(top == index + 1))

    return replace(photo, objects=LazyObjects([lambda i=i: maker(i) for i in range(len(photo.objects))]))  # type: ignore[misc]
