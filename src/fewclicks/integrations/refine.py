"""Correct the masks of any tool in batch: each goes through the cascade, with clicks where there are any.

f(X, P, Y) with Y the mask that is there and P empty: the model says what it would have drawn. How much that differs is
also a check of the set: what changes most is what is most wrong. A set is done in shards, each of which is written
whole or not at all; one that is done is skipped, so that any scheduler may start it again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, TypeAlias

import numpy as np

from fewclicks.clicks import Click, Clicks
from fewclicks.engines.interruption import check
from fewclicks.errors import FewClicksError, InputError, one_line
from fewclicks.files import bounded
from fewclicks.files.replace import require_folder, write_text
from fewclicks.formats.reading import key_of
from fewclicks.formats.reading import read_json as read_annotations
from fewclicks.images.reading import read_image
from fewclicks.integrations.mask_sets import (
    FORMATS,
    CocoDocument,
    Entry,
    Known,
    LabelmeDocument,
    MaskedPhoto,
    checked_hw,
    json_text,
    labelme_files,
    photos_in,
    shards_of_images,
)
from fewclicks.integrations.shards import WHOLE, Shard, ShardedJob, named
from fewclicks.predictor import Predictor, State
from fewclicks.types import Image, Mask

UNREADABLE = (FewClicksError, ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError)
"""What a damaged mask or photo causes."""

Masks: TypeAlias = tuple[Image, Mask, Mask]
"""A photo, and an object's mask as it was and as the cascade has it."""

MARK = ".fewclicks-refine"
"""In a folder that refining writes into: what it is made of."""


@dataclass(frozen=True, slots=True)
class Refined:
    """Holds what became of one mask. `changed`: pixels that changed side, over those that were or are of the object.

    `taken`: whether the new mask was written. `problem`: why the mask was left as it is, else "".
    """

    key: str
    photo: str
    label: str = ""
    changed: float = 0.0
    taken: bool = False
    area_px: int = 0
    new_area_px: int = 0
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Holds which masks are exchanged."""

    clicks: Mapping[str, Clicks] = field(default_factory=dict)
    """By the key of the mask: the id of an annotation (COCO), FILE#NUMBER of a shape, counted from 1 (LabelMe)."""
    least: float = 0.1
    """A mask that changes less stays as it is: it was as good as the model's."""
    most: float = 0.7
    """As does one that changes more: the model means another object."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job(Rules, ShardedJob[Refined]):
    """Holds what is refined, and where it goes. The shards of a folder share it: each has its own files in it."""

    KIND: ClassVar = "refine"
    TABLE: ClassVar = "masks"
    ROW: ClassVar = Refined
    COMMAND: ClassVar = "fewclicks refine"

    source: Path
    out: Path
    format: str
    images: Path | str
    """The folder of the photos; as text, where else they lie (see `photo_stores`), which `refine_ray` reads."""
    shard: Shard = WHOLE
    settings: Mapping[str, Any] = field(default_factory=dict)
    """What else the result depends on, as plain data."""

    def __post_init__(self) -> None:
        if self.format not in FORMATS:
            raise InputError(f"masks are refined in the formats {', '.join(FORMATS)}, not '{self.format}'")
        if not self.source.exists():
            raise InputError(f"nothing is at '{self.source}'; check the path")
        if self.format == "coco":
            require_folder(self.out)
            if self.source.is_dir():
                raise InputError(f"'{self.source}' is a folder; name a file of COCO instances, or add --format labelme")
        if self.out.exists() and self.out.samefile(self.source):
            raise InputError(f"'{self.out}' is what is refined; choose another place, so that nothing is lost")
        if self.source.is_dir() and self.out.resolve().is_relative_to(self.source.resolve()):
            raise InputError(
                f"'{self.out}' lies in '{self.source}', where the next run would refine it too; choose another place"
            )
        if not 0 <= self.least <= self.most <= 1:
            raise InputError(f"shares are 0 <= least <= most <= 1, got least={self.least:g}, most={self.most:g}")

    @property
    def target(self) -> Path:
        """Tell where this shard goes: OUT-1-of-8.json for OUT.json; a folder is shared by its shards."""
        return named(self.out, self.shard) if self.format == "coco" else self.out

    @property
    def report(self) -> Path:
        """Tell where its report goes, beside the output: a folder and a file of one name have one each."""
        place = named(self.out, self.shard)
        name = place.stem if self.format == "coco" else f"{place.name}.{self.format}"
        return place.with_name(f"{name}.{self.KIND}.json")

    def is_ours(self) -> bool:
        """Tell whether refining made what is at the target, or may write there: a folder that is marked, or empty."""
        if self.format == "coco":
            return self.has_report()
        return (self.out / MARK).is_file() or (self.out.is_dir() and not any(self.out.iterdir()))

    def forget(self) -> None:
        """Do as every `ShardedJob`; a folder is marked anew, and its files are written over."""
        ShardedJob.forget(self)
        if (self.out / MARK).is_file():
            write_text(self.out / MARK, self.fingerprint() + "\n")

    def fingerprint(self) -> str:
        """Name what the result depends on: the same for the same input, clicks and settings."""
        digest = hashlib.sha256()
        if self.source.is_dir():
            for name in labelme_files(self.source):
                digest.update(f"{name} {(self.source / name).stat().st_size}\n".encode())
        else:
            with open(self.source, "rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
        said = {key: clicks.to_array().tolist() for key, clicks in sorted(self.clicks.items())}
        rest = [self.format, self.least, self.most, said, dict(self.settings)]
        digest.update(json.dumps(rest, default=str, sort_keys=True).encode())
        return digest.hexdigest()[:16]


def refine_mask(predictor: Predictor, start: State, mask: Mask, clicks: Clicks) -> tuple[Mask, float]:
    """The mask as `predictor` corrects it, and which share of the pixels in either of the two has changed.

    `start`: the predictor's state of the photo, which serves for all of its masks.
    """
    state = predictor.step(replace(start, prob=mask.astype(np.float32)), clicks)
    either = int(np.count_nonzero(mask | state.mask))
    return state.mask, int(np.count_nonzero(mask != state.mask)) / max(either, 1)


def refine(
    predictor: Predictor,
    job: Job,
    progress: Callable[[MaskedPhoto], object] = lambda _: None,
) -> list[Refined]:
    """Refine the masks of a shard and write it; what became of each mask. A shard that is done is not done again.

    `progress` is told each photo that is done. InputError where the output is there and was made of something else.
    """
    print_of = job.fingerprint()
    done = job.finished(print_of)
    if done is not None:
        return done
    claim(job, print_of)
    rows: list[Refined] = []
    whole: list[CocoDocument | LabelmeDocument] = []
    for document in documents(job, rows):
        for photo in document:
            check()
            rows += [row for row, _ in refine_photo(predictor, photo, job)]
            progress(photo)
        if isinstance(document, CocoDocument):
            whole.append(document)
        else:
            write_document(job, document)
    rows += unknown_clicks(job, rows)
    write_shard(job, print_of, rows, whole)
    return rows


def unknown_clicks(job: Job, rows: list[Refined]) -> list[Refined]:
    """Name the masks that are clicked on and do not exist; a shard alone cannot tell."""
    unknown = sorted(job.clicks.keys() - {row.key for row in rows}) if job.shard == WHOLE else []
    return [Refined(key, "", problem="the clicks name it, but there is no such mask") for key in unknown]


def join(job: Job, count: int) -> list[Refined]:
    """Put the outputs of all shards together as if there had been one, and their reports, and remove the shards.

    InputError where one is not done yet.
    """

    def write(shards: Sequence[Job], rows: list[Refined]) -> list[Refined]:
        rows = rows + unknown_clicks(job, rows)
        job.write_report(job.fingerprint(), rows)
        if job.format == "coco":
            write_text(job.target, _joined(job.source, [shard.target for shard in shards]))
        return rows

    return job.join(count, write)


def read_clicks(path: Path) -> dict[str, Clicks]:
    """The clicks of a file {"KEY": [[x, y, 1], [x, y, 0]]}: pixels, 1 on the object, 0 off it."""
    try:
        content = bounded.read_json(path, bounded.JSON_BYTES)
        found = {}
        for key, rows in content.items():
            for _, _, label in rows:
                if label not in (0, 1):
                    raise ValueError(f"the label {label!r} is neither 1 nor 0")
            found[key] = Clicks(tuple(Click(float(x), float(y), bool(label)) for x, y, label in rows))
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise InputError(
            f"no clicks can be read from '{path}' ({error}); write " + '{"KEY": [[x, y, 1], [x, y, 0]]}'
        ) from None
    return found


def documents(
    job: Job, problems: list[Refined] | None = None, known: Known | None = None, content: object = None
) -> Iterator[CocoDocument | LabelmeDocument]:
    """The documents of a shard, one at a time. `problems` is told of each file that cannot be read, one of many.

    `known`: the photos, where they do not lie in a folder; `content`: of a COCO file, where it has been read.
    """
    if known is None:
        if isinstance(job.images, str):
            raise InputError(f"photos at '{job.images}' are read by Ray; add --engine ray, or name a folder")
        known = photos_in(job.images)
    if job.format == "coco":
        yield CocoDocument(job.source, known, job.shard, content)
        return
    files = labelme_files(job.source) if job.source.is_dir() else [job.source.name]
    root = job.source if job.source.is_dir() else job.source.parent
    for number, name in enumerate(files):
        if job.shard.holds(number):
            try:
                yield LabelmeDocument(root / name, name, known)
            except InputError as error:
                if not job.source.is_dir():
                    raise
                if problems is not None:
                    problems.append(Refined(name, name, problem=one_line(error)))


def write_shard(
    job: Job, print_of: str, rows: list[Refined], documents: Sequence[CocoDocument | LabelmeDocument]
) -> None:
    """Write what is left of a shard, and last what says that it is done: a COCO file itself, of a folder the report.

    Killed in between, a shard is not done, and is done again.
    """
    if job.format == "coco":
        job.write_report(print_of, rows)
    for document in documents:
        write_document(job, document)
    if job.format != "coco":
        job.write_report(print_of, rows)


def write_document(job: Job, document: CocoDocument | LabelmeDocument) -> None:
    """Write a document of a shard to where it goes, whole."""
    place = job.target if isinstance(document, CocoDocument) else job.out / document.name
    place.parent.mkdir(parents=True, exist_ok=True)
    write_text(place, document.text())


def claim(job: Job, print_of: str) -> None:
    """Make the folder of the output, if it is one, and mark whose it is; InputError where something else made it."""
    if job.format == "coco":
        return
    mark = job.out / MARK
    if mark.is_file():
        if mark.read_text("utf-8").strip() != print_of:
            raise InputError(
                f"'{job.out}' was made of another input or with other settings; name another place by -o, or pass "
                "--overwrite"
            )
        return
    job.out.mkdir(parents=True, exist_ok=True)
    write_text(mark, print_of + "\n")


def refine_photo(predictor: Predictor, photo: MaskedPhoto, job: Job) -> Iterator[tuple[Refined, Masks | None]]:
    """Tell what becomes of the masks of a photo, and the photo with the old and the new one; exchanges what is taken.

    A mask that cannot be read costs no other.
    """

    def read() -> Image:
        if photo.file is None:
            raise InputError(f"the photo is not in '{job.images}'")
        return read_image(Path(job.images) / photo.file)

    return refine_masks(predictor, photo, job, read)


def refine_masks(
    predictor: Predictor, photo: MaskedPhoto, rules: Rules, read: Callable[[], Image]
) -> Iterator[tuple[Refined, Masks | None]]:
    """Do as `refine_photo`, with the photo that `read` gives."""
    blank = [Refined(entry.key, photo.name, entry.label) for entry in photo.entries]
    try:
        image = read()
        checked_hw(photo.hw, (image.shape[0], image.shape[1]))
        start = predictor.start(image)
    except UNREADABLE as error:
        yield from ((replace(row, problem=one_line(error)), None) for row in blank)
        return
    for row, entry in zip(blank, photo.entries, strict=True):
        check()
        try:
            yield _refine_entry(predictor, start, entry, row, rules)
        except UNREADABLE as error:
            yield replace(row, problem=one_line(error)), None


def _refine_entry(
    predictor: Predictor, start: State, entry: Entry, row: Refined, rules: Rules
) -> tuple[Refined, Masks | None]:
    hw = (start.image.shape[0], start.image.shape[1])
    mask = entry.read(hw)
    if not mask.any():
        raise InputError("the mask has no pixels")
    clicks = rules.clicks.get(entry.key, Clicks())
    clicks.require_inside(hw)
    new, changed = refine_mask(predictor, start, mask, clicks)
    taken = bool(new.any()) and changed > 0 and (len(clicks) > 0 or rules.least <= changed <= rules.most)
    if taken:
        entry.put(new)
    areas = (int(np.count_nonzero(mask)), int(np.count_nonzero(new)))
    row = replace(row, changed=round(changed, 5), taken=taken, area_px=areas[0], new_area_px=areas[1])
    return row, (start.image, mask, new)


def _joined(source: Path, shards: list[Path]) -> str:
    """The COCO file of its shards, its rows in the order of the source."""
    whole = read_annotations(source)
    ours = [iter(read_annotations(path)["annotations"]) for path in shards]
    shard_of = shards_of_images(whole["images"], len(shards))

    def refined(row: Any) -> Any:
        shard = shard_of.get(key_of(row.get("image_id"))) if isinstance(row, dict) else None
        return row if shard is None else next(ours[shard - 1])

    whole["annotations"] = [refined(row) for row in whole["annotations"]]
    return json_text(whole)
