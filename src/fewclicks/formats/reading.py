"""What the readers share: photos by name, files within bounds, errors that name the file."""

from __future__ import annotations

import codecs
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

from fewclicks.errors import FewClicksError, InputError, counted, one_line
from fewclicks.files.bounded import parse_json
from fewclicks.files.safe_open import open_real, walk_real
from fewclicks.formats import rle
from fewclicks.formats.annotations import AnnotatedPhoto, Annotation, Label, LazyObjects, PhotoState
from fewclicks.formats.notes import Notes
from fewclicks.formats.palette import colour_of
from fewclicks.formats.reviews import read_about
from fewclicks.formats.writing import UNLABELLED
from fewclicks.types import Mask

Maker: TypeAlias = Callable[[], Annotation]
Load: TypeAlias = Callable[[AnnotatedPhoto, Notes], Sequence[Maker]]
"""The objects of a photo, ready to be made; what could not be taken over goes to the notes."""

MAX_JSON_BYTES = 512 * 2**20
MAX_PICTURE_BYTES = 512 * 2**20
MAX_TEXT_BYTES = 64 * 2**20
MAX_FILES = 1_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Imported:
    """An AnnotatedFolder: the photos of the list that have annotations, each read when it is asked for.

    `labels`: those that the format lists; an object may bring another. `notes`: what was passed over in all, and
    `left_out` how many annotations those are. A photo whose annotations are damaged has none, and a note that says why.
    """

    labels: tuple[Label, ...]
    photos: tuple[AnnotatedPhoto, ...]
    load: Load
    notes: tuple[str, ...] = ()
    left_out: int = 0
    count: Callable[[AnnotatedPhoto], int] = lambda photo: 1
    """How many annotations a photo has that cannot be read at all."""
    thing: str = "object"
    """What the format calls them."""
    about: Callable[[AnnotatedPhoto], object] = lambda photo: None
    """What the source says of a photo itself, as `AnnotatedPhoto.about` writes it."""

    def __len__(self) -> int:
        return len(self.photos)

    def __getitem__(self, index: int) -> AnnotatedPhoto:
        photo, notes = self.photos[index], Notes(self.thing)
        try:
            if photo.problem:
                raise InputError(f"'{photo.file}' cannot be read: {photo.problem}")
            makers = self.load(photo, notes)
        except FewClicksError as error:
            left_out = self._counted(photo)
            said = f"{error}: {counted(left_out, self.thing)} left out"
            return replace(photo, objects=(), notes=(said,), left_out=left_out)
        about = read_about(self.about(photo))
        state: PhotoState = about.pop("state", "begun" if makers else photo.state)
        return replace(
            photo,
            objects=LazyObjects(makers),
            notes=notes.sentences(),
            left_out=notes.left_out,
            state=state,
            said=about,
        )

    def __iter__(self) -> Iterator[AnnotatedPhoto]:
        return (self[i] for i in range(len(self)))

    def _counted(self, photo: AnnotatedPhoto) -> int:
        try:
            return self.count(photo)
        except Exception:  # the file is damaged: how many annotations it was meant to hold nobody knows
            return 1


@contextmanager
def blame(path: Path, cure: str = "export it again") -> Iterator[None]:
    """Turns what a damaged file causes into an InputError that names it; one line."""
    name = f"'{one_line(path, 300)}'"
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
        raise InputError(f"{name} is damaged or of another format ({one_line(error)}); {cure}") from None


def read_bytes(path: Path, limit: int) -> bytes:
    """The content of a file, behind no link; ValueError if it is larger than the limit."""
    with open_real(path) as file:
        content = file.read(min(os.fstat(file.fileno()).st_size, limit) + 1)  # not `limit`: that much is set aside
    if len(content) > limit:
        raise ValueError(f"more than {limit // 2**20} MiB")
    return content


def read_json(path: Path, hook: Callable[[dict[str, Any]], Any] | None = None) -> Any:
    """The content of a JSON file; `hook` is applied to each object in it, the inner first."""
    return parse_json(as_utf8(read_bytes(path, MAX_JSON_BYTES)), hook)


def read_text(path: Path) -> str:
    """The content of a text file."""
    return as_utf8(read_bytes(path, MAX_TEXT_BYTES)).decode("utf-8-sig")


def as_utf8(content: bytes, errors: str = "strict") -> bytes:
    """A text as UTF-8 where its mark says that it is UTF-16, which PowerShell and Excel write; others as they are."""
    is_wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return content.decode("utf-16", errors).encode() if is_wide else content


def stored(mask: Mask, label: str, name: str = "", score: float | None = None) -> Maker:
    """An object that is kept as run lengths until it is asked for."""
    return stored_runs(rle.runs(mask), (mask.shape[0], mask.shape[1]), label, name, score)


def stored_runs(runs: rle.Runs, hw: tuple[int, int], label: str, name: str = "", score: float | None = None) -> Maker:
    """Store as `stored` does, of checked run lengths."""
    return lambda: Annotation(mask=rle.mask_of(runs, hw), label=label, name=name, score=score)


def number_of(value: Any) -> float | None:
    """A number, also where it is written as text; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None


def score_of(value: Any) -> float | None:
    """A score in [0, 1], or None for anything else: scores are no reason to refuse a file."""
    number = number_of(value)
    return number if number is not None and 0 <= number <= 1 else None


def key_of(value: Any) -> str:
    """An id to be compared: 1, 1.0 and "1" are the same."""
    number = number_of(value)
    whole = number is not None and abs(number) < 2**53 and number == int(number)
    return str(int(number or 0)) if whole else str(value).strip()


def label_of(value: Any) -> str:
    """The name of a label; a number is taken as text, nothing as `object`. ValueError for anything else."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return UNLABELLED
    if not isinstance(value, str | int | float):
        raise ValueError(f"a label is a text, got {str(value)[:40]}")
    return value if isinstance(value, str) else str(value)


def coloured(names: Iterable[str], colours: Sequence[Any] = ()) -> tuple[Label, ...]:
    """Labels of the names, each once, with the given colours where they are usable and ours where not."""
    labels: dict[str, Label] = {}
    for index, name in enumerate(names):
        if name not in labels:
            given = colours[index] if index < len(colours) else None
            labels[name] = Label(name, _colour(given) or colour_of(index))
    return tuple(labels.values())


def once(labels: Iterable[Label]) -> tuple[Label, ...]:
    """The labels, of those of one name the first."""
    found: dict[str, Label] = {}
    for label in labels:
        found.setdefault(label.name, label)
    return tuple(found.values())


def _colour(value: Any) -> tuple[int, int, int] | None:
    whole = isinstance(value, list | tuple) and len(value) == 3 and all(type(v) is int and 0 <= v < 256 for v in value)
    return (value[0], value[1], value[2]) if whole else None


def require_hw(photo: AnnotatedPhoto, width: Any, height: Any) -> None:
    """ValueError if a file was made for a photo of another size. It need not say the size; 0 and less say nothing."""
    given = [side if side is not None and side > 0 else None for side in (number_of(height), number_of(width))]
    if any(got is not None and got != size for got, size in zip(given, photo.hw, strict=True)):
        need, got = f"{photo.hw[1]}x{photo.hw[0]}", f"{str(width)[:12]}x{str(height)[:12]}"
        raise ValueError(f"it is for a photo of {got} pixels, but '{photo.file}' is {need} as displayed")


def files_in(folder: Path, suffixes: Sequence[str]) -> list[str]:
    """The files of a folder and its folders with these endings, sorted, as paths with slashes; none that is hidden or a
    link. Nothing of a folder that is a link itself.
    """
    found: list[str] = []
    folder = Path(os.path.abspath(folder))
    for place, folders, files in walk_real(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            path = place / name
            if not name.startswith(".") and path.suffix.lower() in suffixes and not path.is_symlink():
                found.append(path.relative_to(folder).as_posix())
        if len(found) > MAX_FILES:
            raise InputError(f"'{folder}' holds more than {MAX_FILES:,} files; pass the folder of the annotations")
    return sorted(found)


def nothing_for(
    source: Path, photos: Sequence[AnnotatedPhoto], expected: str, names: Iterable[object] = ()
) -> InputError:
    """The error where no annotation belongs to a photo. `names`: what the photos of the annotations are called."""
    theirs = [f"'{one_line(name, 80)}'" for name in names]
    ours = f"the folder has '{one_line(photos[0].file, 80)}'" if photos else "the folder has none"
    compared = f"; it has {counted(len(theirs), 'photo')}, as {theirs[0]}, and {ours}" if theirs else ""
    count = counted(len(photos), "photo")
    return InputError(f"'{source}' has no annotation for any of the {count}{compared}; expected {expected}")
