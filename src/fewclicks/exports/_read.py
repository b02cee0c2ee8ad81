"""What the readers share: photos by name, files within bounds, errors that name the file."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any, TypeAlias

from fewclicks import rle
from fewclicks.annotations import AnnotatedPhoto, Annotation, Label, LazyObjects
from fewclicks.arrays import Mask
from fewclicks.errors import InputError
from fewclicks.exports._palette import colour_of
from fewclicks.exports._write import UNLABELLED

Maker: TypeAlias = Callable[[], Annotation]
Load: TypeAlias = Callable[[AnnotatedPhoto], tuple[Sequence[Maker], Iterable[str]]]
"""The objects of a photo, ready to be made, and what could not be taken over."""

MAX_JSON_BYTES = 512 * 2**20
MAX_PICTURE_BYTES = 512 * 2**20
MAX_TEXT_BYTES = 64 * 2**20
MAX_FILES = 1_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Imported:
    """An AnnotatedFolder: the photos of the list that have annotations, each read when it is asked for.

    `labels`: those that the format lists; an object may bring another. `notes`: what was passed over in all. Asking for
    a photo whose annotation is damaged raises InputError; the others can still be asked for.
    """

    labels: tuple[Label, ...]
    photos: tuple[AnnotatedPhoto, ...]
    load: Load
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.photos)

    def __getitem__(self, index: int) -> AnnotatedPhoto:
        photo = self.photos[index]
        makers, notes = self.load(photo)
        state = "begun" if makers else photo.state
        return replace(photo, objects=LazyObjects(makers), notes=tuple(notes), state=state)

    def __iter__(self) -> Iterator[AnnotatedPhoto]:
        return (self[i] for i in range(len(self)))


class Photos:
    """Finds the photo that a file of annotations means: by its path, else by its name, if only one has that."""

    def __init__(self, photos: Sequence[AnnotatedPhoto]) -> None:
        self._paths = {photo.file: photo for photo in photos}
        self._names = _unique((PurePosixPath(photo.file).name, photo) for photo in photos)
        self._stem_paths: dict[str, AnnotatedPhoto] = {}
        for photo in photos:  # of a.jpg and a.png, the first is meant by a.txt
            self._stem_paths.setdefault(str(PurePosixPath(photo.file).with_suffix("")), photo)
        self._stems = _unique((PurePosixPath(path).name, photo) for path, photo in self._stem_paths.items())

    def find(self, name: str) -> AnnotatedPhoto | None:
        """The photo of the file name `name`, with or without folders, whatever its ending; None if there is none."""
        path = PurePosixPath(name.replace("\\", "/"))
        exact = self._paths.get(name) or self._paths.get(str(path))
        return exact or self._names.get(path.name) or self._stems.get(path.stem)

    def by_stem(self, stem: str) -> AnnotatedPhoto | None:
        """The photo that is named `stem` but for its ending, with or without folders; or wholly, ending included."""
        name = PurePosixPath(stem).name
        exact = self._paths.get(stem) or self._stem_paths.get(stem)
        return exact or self._names.get(name) or self._stems.get(name)


def _unique(pairs: Iterable[tuple[str, AnnotatedPhoto]]) -> dict[str, AnnotatedPhoto | None]:
    found: dict[str, AnnotatedPhoto | None] = {}
    for key, photo in pairs:
        found[key] = None if key in found else photo
    return found


@contextmanager
def blame(path: Path, cure: str = "export it again") -> Iterator[None]:
    """Turns what a damaged file causes into an InputError that names it; one line."""
    name = f"'{' '.join(str(path).split())[:300]}'"
    try:
        yield
    except InputError as error:
        if name in str(error):
            raise
        raise InputError(f"{name}: {error}") from None
    except KeyError as error:
        raise InputError(f"{name} lacks {str(error)[:60]}; {cure}") from None
    except OSError as error:
        raise InputError(f"{name} cannot be read ({error.strerror or error}); check the path") from None
    except (ValueError, TypeError, AttributeError, IndexError, OverflowError, RecursionError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{name} is damaged or of another format ({reason}); {cure}") from None


def read_bytes(path: Path, limit: int) -> bytes:
    """The content of a file; ValueError if it is larger than the limit."""
    with open(path, "rb") as file:
        content = file.read(min(os.fstat(file.fileno()).st_size, limit) + 1)  # not `limit`: that much is set aside
    if len(content) > limit:
        raise ValueError(f"more than {limit // 2**20} MiB")
    return content


def read_json(path: Path, hook: Callable[[dict[str, Any]], Any] | None = None) -> Any:
    """The content of a JSON file; `hook` is applied to each object in it, the inner first."""
    return json.loads(read_bytes(path, MAX_JSON_BYTES), object_hook=hook)


def read_text(path: Path) -> str:
    """The content of a text file, UTF-8."""
    return read_bytes(path, MAX_TEXT_BYTES).decode("utf-8-sig")


def stored(mask: Mask, label: str, name: str = "", score: float | None = None) -> Maker:
    """An object that is kept as run lengths until it is asked for."""
    return stored_runs(rle.runs(mask), (mask.shape[0], mask.shape[1]), label, name, score)


def stored_runs(runs: rle.Runs, hw: tuple[int, int], label: str, name: str = "", score: float | None = None) -> Maker:
    """As `stored`, of checked run lengths."""
    return lambda: Annotation(mask=rle.mask_of(runs, hw), label=label, name=name, score=score)


def score_of(value: Any) -> float | None:
    """A score in [0, 1], or None for anything else: scores are no reason to refuse a file."""
    usable = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1
    return float(value) if usable else None


def label_of(value: Any) -> str:
    """The name of a label; ValueError unless it is a text."""
    if not isinstance(value, str):
        raise ValueError(f"a label is a text, got {str(value)[:40]}")
    return value.strip() or UNLABELLED


def coloured(names: Iterable[str], colours: Sequence[Any] = ()) -> tuple[Label, ...]:
    """Labels of the names, each once, with the given colours where they are usable and ours where not."""
    labels: dict[str, Label] = {}
    for index, name in enumerate(names):
        if name not in labels:
            given = colours[index] if index < len(colours) else None
            labels[name] = Label(name, _colour(given) or colour_of(index))
    return tuple(labels.values())


def _colour(value: Any) -> tuple[int, int, int] | None:
    whole = isinstance(value, list | tuple) and len(value) == 3 and all(type(v) is int and 0 <= v < 256 for v in value)
    return (value[0], value[1], value[2]) if whole else None


def require_hw(photo: AnnotatedPhoto, width: Any, height: Any) -> None:
    """ValueError unless a file was made for a photo of this size."""
    if (height, width) != photo.hw:
        need, got = f"{photo.hw[1]}x{photo.hw[0]}", f"{str(width)[:12]}x{str(height)[:12]}"
        raise ValueError(f"it is for a photo of {got} pixels, but '{photo.file}' is {need} as displayed")


def files_in(folder: Path, suffixes: Sequence[str]) -> list[str]:
    """The files of a folder and its folders with these endings, sorted, as paths with slashes; none that is hidden,
    or that a link leads to outside."""
    root = os.path.realpath(folder)
    found: list[str] = []
    for base, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in files:
            path = os.path.join(base, name)
            if name.startswith(".") or os.path.splitext(name)[1].lower() not in suffixes:
                continue
            if not os.path.islink(path) or Path(os.path.realpath(path)).is_relative_to(root):
                found.append(Path(path).relative_to(root).as_posix())
        if len(found) > MAX_FILES:
            raise InputError(f"'{folder}' holds more than {MAX_FILES:,} files; pass the folder of the annotations")
    return sorted(found)


def nothing_for(source: Path, photos: Sequence[AnnotatedPhoto], expected: str) -> InputError:
    """The error where no annotation belongs to a photo."""
    return InputError(f"'{source}' has no annotation for any of the {len(photos)} photos; expected {expected}")
