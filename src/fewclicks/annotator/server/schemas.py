"""What the API gives, as pydantic models: the OpenAPI document is made of these and of `requests`.

Coordinates are pixels of the photo as it is displayed, x to the right, y down; whole numbers are pixel centres. Boxes
are half-open: [x0, y0, x1, y1]. Masks and patches are 1-bit grey PNGs, white where the object is.
"""

from __future__ import annotations

import base64
from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from fewclicks.annotator.editing.mask_codec import EncodedMask
from fewclicks.annotator.services.editing import Change
from fewclicks.annotator.services.model import Passes
from fewclicks.annotator.services.news import PhotoView
from fewclicks.annotator.services.photos import TILE_PX, TILED_ABOVE_PX, levels
from fewclicks.annotator.store.records import AttributeKind, ClassInfo, Line, ObjectInfo, Role
from fewclicks.formats.annotations import PhotoState
from fewclicks.geometry import Box

BoxOut = tuple[int, int, int, int]
Base64 = Annotated[str, Field(json_schema_extra={"contentEncoding": "base64"})]


class ResponseModel(BaseModel):
    """Base of what the API gives."""

    model_config = ConfigDict(use_attribute_docstrings=True)


class AttributeOut(ResponseModel):
    """Something that can be said of the objects of a class."""

    name: str
    kind: AttributeKind
    choices: list[str]
    """Those of the kind `choice`."""


class ClassOut(ResponseModel):
    """A class of objects."""

    id: int
    name: str
    colour: str
    """#rrggbb"""
    key: str | None
    """What picks it: a digit, or a digit and one more."""
    group: str
    """What it is listed under; empty for none."""
    attributes: list[AttributeOut]
    """What can be said of its objects."""

    @classmethod
    def of(cls, info: ClassInfo) -> Self:
        """As the store tells it."""
        found = [AttributeOut(name=one.name, kind=one.kind, choices=list(one.choices)) for one in info.attributes]
        return cls(id=info.id, name=info.name, colour=info.colour, key=info.key, group=info.group, attributes=found)


class ClassesTakenOut(ResponseModel):
    """What came of a file of classes."""

    added: list[str]
    changed: list[str]
    notes: list[str]
    """What was left out, and why."""


class ClassRemoved(ResponseModel):
    """That a class was removed."""

    id: str
    """Brings it back: POST /classes/removed/{id}/restore."""


class PhotoOut(ResponseModel):
    """A photo."""

    id: int
    name: str
    """Its path in the folder, with forward slashes."""
    width: int | None
    """Null until its file has been looked at."""
    height: int | None
    state: PhotoState
    objects: int
    problem: str | None
    """Why it cannot be shown."""
    notes: list[str]
    """What had to be ignored of its file, one sentence each; known once it has been opened."""
    version: int
    """Grows with every change of the photo, of its objects and of its comments."""
    assignee: str
    """Who is to do it; empty for nobody."""
    note: str
    tags: list[str]
    comments: int
    """Those that are not resolved."""

    @classmethod
    def of(cls, view: PhotoView) -> Self:
        """As the gallery tells it."""
        info = view.info
        height, width = info.hw or (None, None)
        return cls(
            id=info.id, name=info.name, width=width, height=height, state=info.state, objects=info.objects,
            problem=view.problem, notes=list(view.notes), version=info.version, assignee=info.assignee, note=info.note,
            tags=list(info.tags), comments=info.comments,
        )  # fmt: skip


class ClickOut(ResponseModel):
    """A click that counts."""

    x: float
    y: float
    positive: bool


class PassOut(ResponseModel):
    """One pass of the cascade."""

    changed_px: int
    """Pixels that changed side in it."""


class ObjectOut(ResponseModel):
    """An object without its mask."""

    id: str
    photo_id: int
    class_id: int
    name: str
    z: int
    """The higher lies on top."""
    state: Literal["open", "done"]
    deleted: bool
    hidden: bool
    """The page does not draw it."""
    locked: bool
    """Nothing but unlocking changes it."""
    version: int
    """Grows with every change."""
    box: BoxOut | None
    area_px: int
    threshold: float | None
    """Null before the first action: that of the method."""
    clicks: list[ClickOut]
    passes: list[PassOut]
    """Those of the last action, if that was a click, a stroke of clicks or a box."""
    can_undo: bool
    can_redo: bool
    undo_kind: str | None
    redo_kind: str | None
    person: str
    """Who did the last action that is done; empty where the server knows nobody."""
    attributes: dict[str, Any]
    """What is said of it, by the names that its class has for it."""
    proposal: bool
    """It was made beforehand, and nobody has accepted (`state` done) or corrected it yet."""
    preannotated: bool
    """It began as a proposal."""

    @classmethod
    def of(cls, info: ObjectInfo) -> Self:
        """As the store tells it."""
        return cls(
            id=info.id, photo_id=info.photo_id, class_id=info.class_id, name=info.name, z=info.z, state=info.state,
            deleted=info.deleted, hidden=info.hidden, locked=info.locked, version=info.version, box=as_box(info.box),
            area_px=info.area_px, threshold=info.threshold,
            clicks=[ClickOut(x=click.x, y=click.y, positive=click.positive) for click in info.clicks],
            passes=[PassOut(changed_px=count) for count in info.changed_px],
            can_undo=info.undo_kind is not None, can_redo=info.redo_kind is not None,
            undo_kind=info.undo_kind, redo_kind=info.redo_kind, person=info.person,
            attributes=dict(info.attributes), proposal=info.proposal, preannotated=info.preannotated,
        )  # fmt: skip


class LineOut(ResponseModel):
    """Something that was done to an object."""

    action_id: str
    kind: str
    """click, scribble, box, fit, choose, brush, polygon, reshape, clean, threshold, mask, undo, redo or change."""
    version: int
    """That of the object after it."""
    person: str
    """Who did it; empty where the server knew nobody."""
    predictor: str
    """The model that computed the mask, and its weights; `import` for what came from a file."""
    at: datetime
    change: dict[str, Any] | None
    """Of a change what was `before`, and what is `after` it."""

    @classmethod
    def of(cls, line: Line) -> Self:
        """As the store tells it."""
        return cls(
            action_id=line.action_id, kind=line.kind, version=line.version, person=line.person,
            predictor=line.predictor, at=line.at, change=dict(line.payload) if line.kind == "change" else None,
        )  # fmt: skip


class JournalPage(ResponseModel):
    """A part of the journal of an object. `next` is the `after` of the next part, null at the end."""

    items: list[LineOut]
    next: int | None


class Patch(ResponseModel):
    """The new mask inside a box; outside of it nothing changed."""

    box: BoxOut
    png: Base64

    @classmethod
    def of(cls, mask: EncodedMask | None) -> Self | None:
        """None where nothing changed."""
        if mask is None or mask.box is None:
            return None
        box = mask.box
        return cls(box=(box.x0, box.y0, box.x1, box.y1), png=base64.b64encode(mask.png()).decode())


class Milliseconds(ResponseModel):
    """Where the time went."""

    queue: float
    model: float
    total: float


class ChangeOut(ResponseModel):
    """What an action, undo or redo did."""

    object: ObjectOut
    patch: Patch | None
    """Null: no pixel changed."""
    passes: list[PassOut]
    others: list[ObjectOut]
    """Those that became part of it, or were parts of it, and are deleted now or there again."""
    ms: Milliseconds

    @classmethod
    def of(cls, change: Change, ms: Milliseconds) -> Self:
        """As `Editing` tells it."""
        passes = [PassOut(changed_px=count) for count in change.changed_px]
        others = [ObjectOut.of(other) for other in change.others]
        own = ObjectOut.of(change.object)
        return cls(object=own, patch=Patch.of(change.patch), passes=passes, others=others, ms=ms)


class PreviewOut(ResponseModel):
    """What an action would do."""

    patch: Patch | None
    """Against the object's mask as it is."""
    passes: list[PassOut]
    ms: Milliseconds


class WholeMask(ResponseModel):
    """A whole mask."""

    patch: Patch | None
    """Null: it was empty."""


class Candidates(ResponseModel):
    """The masks that a first click can mean."""

    items: list[WholeMask]


class PassMask(ResponseModel):
    """The whole mask after one pass of the last click."""

    number: int
    count: int
    patch: Patch | None
    """Null: it was empty."""


class FormatOption(ResponseModel):
    """An option of a format."""

    name: str
    title: str
    kind: Literal["choice", "flag", "number"]
    choices: list[str] | None = None
    default: Any = None


class FormatOut(ResponseModel):
    """A format that annotations can be exported in."""

    name: str
    title: str
    loses: list[str]
    options: list[FormatOption]


class Counts(ResponseModel):
    """How many photos there are of each kind. The unreadable ones are in one of the states too."""

    untouched: int
    begun: int
    done: int
    accepted: int
    returned: int
    unreadable: int


class OwnPasses(ResponseModel):
    """How often a model refines a click by itself."""

    first: int
    """Passes after the first click of an object."""
    later: int
    """Passes after the others."""
    adaptive: bool
    """They stop when hardly a pixel changes."""
    quick: bool
    """Previews can be `quick`."""

    @classmethod
    def of(cls, passes: Passes) -> Self:
        """As the service tells it."""
        return cls(first=passes.first, later=passes.later, adaptive=passes.adaptive, quick=passes.quick)


class FolderOut(ResponseModel):
    """The folder, its classes, and what can be done with it."""

    id: str
    """Of the database of its annotations."""
    name: str
    method: str
    options: dict[str, Any]
    """cfr and adaptive: what the page starts with. A cfr of null: as the model does by itself."""
    own: OwnPasses | None
    """How the model refines by itself; null until it is loaded."""
    ready: bool
    """Whether the model is loaded; until then clicks wait."""
    problem: str | None
    """Why the model cannot be loaded."""
    classes: list[ClassOut]
    counts: Counts
    formats: list[FormatOut]
    examples: int
    """So many example photos can be copied into it; 0 where it has photos."""


class PhotoPage(ResponseModel):
    """A part of the list of photos. `next` is the `after` of the next part, null at the end."""

    items: list[PhotoOut]
    next: int | None


class Tiles(ResponseModel):
    """Level k has ceil(side / 2**k) pixels a side, in tiles of `size`."""

    size: int
    levels: int

    @classmethod
    def of(cls, hw: tuple[int, int]) -> Self | None:
        """None for photos that are shown whole."""
        return cls(size=TILE_PX, levels=levels(hw)) if hw[0] * hw[1] > TILED_ABOVE_PX else None


class OpenedPhoto(ResponseModel):
    """A photo with its objects that are not deleted, bottom to top."""

    photo: PhotoOut
    objects: list[ObjectOut]
    tiles: Tiles | None


class PhotoImported(ResponseModel):
    """What an import would bring to a photo."""

    file: str
    objects: int
    classes: dict[str, int]
    identical: int
    known: int
    replaced: int
    left_out: int
    notes: list[str]


class Imported(ResponseModel):
    """What an import brought. All that the source holds is new, identical, known or left out."""

    id: str
    """Takes the import back: POST /imports/{id}/undo."""
    objects: int
    """New ones."""
    photos: int
    """Those that they are on."""
    identical: int
    """There already, with the same class and pixels."""
    known: int
    """Taken in before, and changed or deleted since."""
    replaced: int
    """Objects that made room."""
    left_out: int
    """What could not be used; the notes say why."""
    notes: list[str]
    dry_run: bool = False
    per_photo: list[PhotoImported] | None = None
    """Of a dry run."""


class ImportUndone(ResponseModel):
    """What undoing or redoing an import did."""

    objects: int
    """Those that were changed."""


class Predicted(ResponseModel):
    """A mask as large as the image, and the box around its object."""

    mask: Base64
    box: BoxOut | None
    area_px: int
    ms: Milliseconds


class Version(ResponseModel):
    """Versions of the program and of the API."""

    fewclicks: str
    api: Literal["v1"] = "v1"


class SessionOut(ResponseModel):
    """Who asks, as the journal of what was done will name them."""

    person: str
    """Empty: nobody said a name."""
    named: bool
    """Whether the token gives the name. Otherwise it is that of the header X-Fewclicks-Person."""
    signed_in: bool
    """Whether there is a session that can be ended."""
    role: Role
    """What they may do: an annotator edits, a reviewer also accepts and assigns, an admin may do all."""


class Health(ResponseModel):
    """That the server answers."""

    status: Literal["ok"] = "ok"


class ProblemOut(ResponseModel):
    """application/problem+json"""

    type: str
    title: str
    status: int
    detail: str
    """One sentence for people."""


class ConflictOut(ProblemOut):
    """The object is no longer at `if_version`. Nothing has happened."""

    current: ObjectOut | None = None


def as_box(box: Box | None) -> BoxOut | None:
    """As it travels."""
    return (box.x0, box.y0, box.x1, box.y1) if box else None
