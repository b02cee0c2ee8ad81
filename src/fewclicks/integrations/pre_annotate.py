"""Annotate photos before anybody sits down to them, on as many machines as there are.

photos ── every n-th ── a grid of clicks (`proposals`) ── OUT-i-of-n.json, COCO ── join ── OUT.json ── the annotator

Objects are of the class `object`: a model of clicks knows no others. A shard is written whole or not at all, after its
report; one that is done is skipped, so that any scheduler may start it again, or twice.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from fewclicks.engines.interruption import check
from fewclicks.errors import InputError, one_line
from fewclicks.files import bounded
from fewclicks.files.replace import move_file, require_folder, staging
from fewclicks.formats import coco
from fewclicks.formats.annotations import AnnotatedPhoto, Annotation, Label, LazyObjects
from fewclicks.formats.palette import colour_of
from fewclicks.formats.writing import UNLABELLED
from fewclicks.images.levels import Levels
from fewclicks.images.reading import read_image
from fewclicks.integrations.refine import UNREADABLE
from fewclicks.integrations.shards import WHOLE, Shard, ShardedJob
from fewclicks.predictor import Predictor
from fewclicks.proposals import Everything, Proposal, propose

OBJECT = Label(UNLABELLED, colour_of(0))


@dataclass(frozen=True, slots=True)
class Proposed:
    """Holds what became of one photo. `problem`: why it has no proposals, else ""."""

    photo: str
    objects: int = 0
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PreJob(ShardedJob[Proposed]):
    """Holds which photos are annotated, and where the result goes."""

    KIND: ClassVar = "pre"
    TABLE: ClassVar = "photos"
    ROW: ClassVar = Proposed
    COMMAND: ClassVar = "fewclicks annotate --pre"

    names: Sequence[str]
    """Of all photos, of all shards, in their order."""
    locate: Callable[[str], Path]
    """Finds the file of a photo; InputError where it is gone."""
    out: Path
    shard: Shard = WHOLE
    how: Everything = field(default_factory=Everything)
    levels: Levels | None = None
    """The stored values that become black and white, by hand."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """What else the result depends on, as plain data."""

    def __post_init__(self) -> None:
        require_folder(self.out)
        if self.out.suffix.lower() != ".json" or self.out.is_dir():
            raise InputError(f"'{self.out}' is no name of a COCO file; write it as proposals.json")

    def fingerprint(self) -> str:
        """Name what the result depends on: the same for the same list of photos and the same settings."""
        rest = [list(self.names), asdict(self.how), self.levels, dict(self.settings)]
        return hashlib.sha256(json.dumps(rest, default=str, sort_keys=True).encode()).hexdigest()[:16]


def pre_annotate(
    predictor: Predictor, job: PreJob, progress: Callable[[Proposed], object] = lambda _: None
) -> list[Proposed]:
    """Propose the objects of the photos of a shard and write them; what became of each. One that is done is not again.

    `progress` is told each photo that is done. InputError where the output is there and was made of something else.
    """
    done = job.finished()
    if done is not None:
        return done
    rows: list[Proposed] = []

    def tell(row: Proposed) -> None:
        rows.append(row)
        progress(row)

    own = [name for number, name in enumerate(job.names) if job.shard.holds(number)]
    _write(job, _proposed(predictor, job, own, tell), rows)
    return rows


def join(job: PreJob, count: int) -> list[Proposed]:
    """Put all shards together, as if there had been one, and remove them: beside photos they would be taken in twice.

    InputError where one is not done yet.
    """

    def write(shards: Sequence[PreJob], rows: list[Proposed]) -> list[Proposed]:
        by_name = {row.photo: row for row in rows}
        rows = [by_name[name] for name in job.names]
        _write(job, _photos_of(shards, [row.photo for row in rows if not row.problem]), rows)
        return rows

    return job.join(count, write)


def _write(job: PreJob, photos: Iterator[AnnotatedPhoto], rows: list[Proposed]) -> None:
    """Write the report, then the output, which says that it is done. `rows` may grow while `photos` is read."""
    with staging(job.target) as box:
        coco.write(photos, [OBJECT], box)
        job.write_report(job.fingerprint(), rows)
        move_file(box / coco.FILE, job.target)


def _proposed(
    predictor: Predictor, job: PreJob, names: Sequence[str], tell: Callable[[Proposed], object]
) -> Iterator[AnnotatedPhoto]:
    """The photos with what is proposed; one that cannot be read costs no other."""
    for name in names:
        try:
            image = read_image(job.locate(name), levels=job.levels)
            found = propose(image, predictor, job.how, lambda done, total: check())
        except (OSError, *UNREADABLE) as error:
            tell(Proposed(name, problem=one_line(error)))
            continue
        objects = LazyObjects([partial(_annotation, each) for each in found])
        yield AnnotatedPhoto(name, (image.shape[0], image.shape[1]), objects)
        tell(Proposed(name, len(objects)))


def _annotation(found: Proposal) -> Annotation:
    return Annotation(mask=found.mask, label=OBJECT.name, score=found.stability)


def _photos_of(shards: Sequence[PreJob], names: Sequence[str]) -> Iterator[AnnotatedPhoto]:
    """The photos of all shards, in the order of `names`, as they were written."""
    photos: dict[str, AnnotatedPhoto] = {}
    for shard in shards:
        images = bounded.read_json(shard.target, bounded.JSON_BYTES)["images"]
        known = [AnnotatedPhoto(image["file_name"], (image["height"], image["width"])) for image in images]
        photos |= {photo.file: photo for photo in known}
        if known:  # there may be more shards than photos
            photos |= {photo.file: photo for photo in coco.read(shard.target, known)}
    for name in names:
        yield AnnotatedPhoto(name, photos[name].hw, photos[name].objects)
