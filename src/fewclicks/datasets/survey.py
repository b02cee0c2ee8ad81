"""What can be said of every dataset: what it is, where it should lie, whether it does, and whether it is whole."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any, TypeAlias

from fewclicks.datasets import places
from fewclicks.datasets.pairs import tree_of
from fewclicks.datasets.sources import CATALOGUE
from fewclicks.errors import FewClicksError, counted
from fewclicks.plugins import find, names

Progress: TypeAlias = Callable[[str, int, int], object]
"""Called with (what is counted, masks read, masks in all)."""


@dataclass(frozen=True, slots=True)
class Split:
    """A part of a dataset: what is published of it, and what was found."""

    split: str | None
    published_photos: int | None
    published_objects: int | None
    photos: int | None = None
    objects: int | None = None
    error: str = ""

    @property
    def state(self) -> str:
        """ "ok", "differs: 3417 of 3427 objects", "unusable: ...", or "" where nothing was looked at."""
        if self.error:
            return f"unusable: {self.error}"
        if self.photos is None:
            return ""
        if self.published_photos is None and self.published_objects is None:
            return f"{counted(self.photos, 'photo')}, and no published count"
        counts = (self.photos, self.published_photos, "photos"), (self.objects, self.published_objects, "objects")
        wrong = [f"{n} of {of} {what}" for n, of, what in counts if None not in (n, of) and n != of]
        return f"differs: {', '.join(wrong)}" if wrong else "ok"


@dataclass(frozen=True, slots=True)
class Finding:
    """A dataset. `found` is its folder, None where it is in none of the places `looked_in`."""

    name: str
    summary: str
    tree: str
    terms: str
    looked_in: tuple[Path, ...]
    found: Path | None
    splits: tuple[Split, ...]
    download_bytes: int | None
    """What there is to fetch, as far as its size is known; None where `get` does not know the dataset."""

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        plain = asdict(self)
        plain["looked_in"] = [str(place) for place in self.looked_in]
        plain["found"] = str(self.found) if self.found else None
        plain["splits"] = [asdict(split) | {"state": split.state} for split in self.splits]
        return plain


def survey(data_root: Path | None = None, count: bool = False, progress: Progress | None = None) -> list[Finding]:
    """Every dataset that has a file. Objects that only decoding tells are counted where `count` says so."""
    return [_examine(name, data_root, count, progress) for name in names("datasets")]


def _examine(name: str, data_root: Path | None, count: bool, progress: Progress | None) -> Finding:
    module = find("datasets", name)
    folder: str | None = getattr(module, "FOLDER", None)  # `folder` has none: its place is always given
    looked = places(folder, data_root) if folder else []
    found = next((place for place in looked if place.is_dir()), None)
    splits = [Split(split, *published) for split, published in getattr(module, "COUNTS", {}).items()]
    if found is not None:
        splits = [_count(module, found, split, count, progress) for split in splits]
    sources = CATALOGUE.get(name)
    return Finding(
        name=name,
        summary=(module.__doc__ or "").partition("\n")[0],
        tree=tree_of(module.__doc__),
        terms=getattr(module, "TERMS", "unknown"),
        looked_in=tuple(looked),
        found=found,
        splits=tuple(splits),
        download_bytes=sum(source.size or 0 for source in sources) if sources else None,
    )


def _count(module: ModuleType, root: Path, split: Split, count: bool, progress: Progress | None) -> Split:
    """The split with its photos, and its objects where they are known without decoding or `count` asks for them."""
    decodes = "progress" in inspect.signature(module.open).parameters
    options: dict[str, Any] = {}
    if decodes and progress:
        title = f"{module.__name__.rpartition('.')[2]} {split.split or ''}".strip()
        options["progress"] = lambda done, total: progress(title, done, total)
    try:
        scenes = getattr(module, "scenes", module.open)
        found = scenes(root, split.split)
        photos = getattr(found, "photo_count", len(found))
        objects = len(module.open(root, split.split, **options)) if count or not decodes else None
    except FewClicksError as error:
        return replace(split, error=str(error).partition("\n")[0].removesuffix("; expected this layout:"))
    return replace(split, photos=photos, objects=objects)
