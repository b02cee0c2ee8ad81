"""What labels are called in files: every name comes back; where a format cannot hold it, it is renamed with a note.

A format says by `held(name)` how it would write a name; without that it holds any text. Names that are changed stay
different from one another, and stand in the listing of the export, from which our own readers give them back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from fewclicks.files.bounded import parse_json
from fewclicks.formats.annotations import AnnotatedPhoto, Annotation, Label, LazyObjects
from fewclicks.formats.notes import Notes, quoted
from fewclicks.formats.reading import MAX_TEXT_BYTES, read_bytes
from fewclicks.formats.staging import LISTING
from fewclicks.formats.writing import UNLABELLED


class Naming:
    """Gives each label the name that it has in the files of a format."""

    def __init__(self, labels: Sequence[Label], held: Callable[[str], str] = lambda name: name) -> None:
        self._held = held
        self._names: dict[str, str] = {}
        self._notes = Notes()
        kept = [label.name for label in labels if self._written(label.name) == label.name]
        self._names = {name: name for name in kept}
        self.labels = [replace(label, name=self.of(label.name)) for label in labels if label.name.strip()]

    @property
    def exact(self) -> dict[str, str]:
        """Name in the files -> exact name, of those that were changed."""
        return {name: label for label, name in self._names.items() if name != label and label.strip()}

    @property
    def notes(self) -> tuple[str, ...]:
        """Tell what was renamed."""
        changed = [
            f"the class {quoted(label)} is called {quoted(name)} in these files, which cannot hold its name"
            for name, label in self.exact.items()
        ]
        return (*changed, *self._notes.sentences())

    def of(self, label: str) -> str:
        """The name of a label."""
        if not label.strip():
            return UNLABELLED
        if label not in self._names:
            self._names[label] = self._free(self._written(label))
        return self._names[label]

    def photo(self, photo: AnnotatedPhoto) -> AnnotatedPhoto:
        """The photo with its objects called so; lazily, as they are."""

        def maker(index: int) -> Callable[[], Annotation]:
            return lambda: self._named(photo.objects[index])

        return replace(photo, objects=LazyObjects([maker(index) for index in range(len(photo.objects))]))

    def _named(self, found: Annotation) -> Annotation:
        if not found.label.strip():
            self._notes.add(f"{{n}} without a label: called '{UNLABELLED}'")
        return replace(found, label=self.of(found.label), name=_whole(found.name))

    def _written(self, label: str) -> str:
        return self._held(_whole(label)).strip() and self._held(_whole(label))

    def _free(self, name: str) -> str:
        """The name, or one like it that no other label has."""
        taken, free, number = set(self._names.values()), name or "_", 1
        while free in taken:
            number += 1
            free = f"{name or '_'}_{number}"
        return free


def exact_names(folder: Path) -> dict[str, str]:
    """Name in the files -> exact name, as an export wrote them down; nothing where none did."""
    try:
        names = parse_json(read_bytes(folder / LISTING, MAX_TEXT_BYTES)).get("names", {})
        return {name: exact for name, exact in names.items() if isinstance(exact, str)}
    except (OSError, ValueError, AttributeError, RecursionError):
        return {}


def _whole(text: str) -> str:
    """The text without halves of characters (lone surrogates), which no file holds."""
    return text.encode("utf-8", "replace").decode("utf-8") if any("\ud800" <= c <= "\udfff" for c in text) else text
