"""Photos to try the annotator on, which are copied into a folder that has none when its user asks for it."""

from __future__ import annotations

import shutil
from pathlib import Path

import fewclicks
from fewclicks.annotator.services.photos import PhotoFolder
from fewclicks.errors import InputError
from fewclicks.files.replace import replace_file
from fewclicks.images.raster_formats import SUFFIXES

PLACE = "fewclicks-examples"
"""The folder within the user's that they are copied into."""
SOURCES = "SOURCES.md"
"""Says where they come from, and goes with them."""


def find_examples() -> list[Path]:
    """The example photos: those in the package, or in a clone those beside it. Empty where there are none."""
    package = Path(fewclicks.__file__).resolve().parent
    for folder in (package / "examples", package.parents[1] / "examples" / "images"):
        found = sorted(path for path in folder.glob("*") if path.suffix.lower() in SUFFIXES)
        if found:
            return found
    return []


def count_examples(folder: PhotoFolder) -> int:
    """How many can be copied into the folder: none into one that has photos, or that is elsewhere."""
    return 0 if folder.is_remote or folder.names() else len(find_examples())


def add_examples(folder: PhotoFolder) -> list[str]:
    """Copy the example photos into a folder of their own within one that has no photos. Gives their names in it.

    Raises:
        InputError: it has photos, is elsewhere, or may not be written.
    """
    if folder.is_remote:
        raise InputError("the photos of this folder are elsewhere; put example photos there yourself")
    if folder.names():
        raise InputError("the folder has photos already; example photos are only put into one without any")
    examples = find_examples()
    if not examples:
        raise InputError("this installation has no example photos; put photos of your own into the folder")
    place = folder.root / PLACE
    try:
        place.mkdir(exist_ok=True)
        if place.is_symlink():
            raise InputError(f"'{PLACE}' in the folder is a link; remove it, and try again")
        for path in [*examples, *_sources(examples[0])]:
            _copy(path, place / path.name)
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise InputError(f"'{PLACE}' cannot be written in the folder: {why}; check its permissions") from None
    return [f"{PLACE}/{path.name}" for path in examples]


def _sources(example: Path) -> list[Path]:
    """What says where the photos come from: beside them in the package, above them in a clone."""
    return [path for path in (example.parent / SOURCES, example.parents[1] / SOURCES) if path.is_file()][:1]


def _copy(source: Path, target: Path) -> None:
    with source.open("rb") as file:
        replace_file(target, lambda out: shutil.copyfileobj(file, out))
