"""What the API takes, as pydantic models. What it does not know it refuses."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from fewclicks.annotator.editing.actions import (
    MAX_CFR,
    Boxed,
    Brushed,
    Chosen,
    Cleaned,
    Clicked,
    Fitted,
    Outlined,
    Reshaped,
    Scribbled,
    Thresholded,
)
from fewclicks.annotator.server.schemas import Base64
from fewclicks.annotator.store.photos import PhotoEdit
from fewclicks.annotator.store.records import Attribute, AttributeKind, Blank, Edit
from fewclicks.formats.annotations import PhotoState
from fewclicks.geometry import Box
from fewclicks.prompts import MAX_POINTS, MEANINGS

RowId = Annotated[int, Field(ge=1, lt=2**31)]
"""Of a class or a photo."""
VersionNumber = Annotated[int, Field(ge=0, lt=2**31)]
Pixels = Annotated[int, Field(ge=0, lt=2**31)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Passes = Annotated[int | None, Field(ge=0, le=MAX_CFR)]
Text = Annotated[str, StringConstraints(max_length=200, pattern=r"^[^\x00]*$")]
LongText = Annotated[str, StringConstraints(max_length=4000, pattern=r"^[^\x00]*$")]
UUID = r"^[0-9a-fA-F]{8}(-?[0-9a-fA-F]{4}){3}-?[0-9a-fA-F]{12}$"
"""What `uuid.UUID` takes: the digits of a UUID, with hyphens in their places or without."""
Uuid = Annotated[str, StringConstraints(pattern=UUID)]
"""Made by the client, so that sending twice does not do twice."""

MAX_PREDICT_CLICKS = 100


class RequestModel(BaseModel):
    """Base of what the API takes."""

    model_config = ConfigDict(use_attribute_docstrings=True, extra="forbid")


class AttributeIn(RequestModel):
    """Something that can be said of the objects of a class."""

    name: Text
    kind: AttributeKind
    choices: Annotated[list[Text], Field(max_length=200)] = []
    """Those of the kind `choice`."""

    def attribute(self) -> Attribute:
        """As the store takes it."""
        return Attribute(self.name, self.kind, tuple(self.choices))


class ClassNew(RequestModel):
    """A new class. Null: the next colour, the next free key."""

    name: Text
    colour: Text | None = None
    key: Text | None = None
    group: Text = ""
    attributes: Annotated[list[AttributeIn], Field(max_length=50)] = []


class ClassEdit(RequestModel):
    """What changes of a class. A key or a group of "" takes it away."""

    name: Text | None = None
    colour: Text | None = None
    key: Text | None = None
    group: Text | None = None
    attributes: Annotated[list[AttributeIn], Field(max_length=50)] | None = None


class ClassOrder(RequestModel):
    """The classes in the order that they are to have."""

    ids: Annotated[list[RowId], Field(max_length=10_000)]


Tag = Annotated[str, StringConstraints(max_length=60, pattern=r"^[^\x00]*$")]


class PhotoChange(RequestModel):
    """What changes of a photo. Null: it stays as it is."""

    state: PhotoState | None = None
    """done, accepted or returned; any other becomes what its objects say."""
    assignee: Text | None = None
    """Who is to do it; empty for nobody."""
    note: LongText | None = None
    tags: Annotated[list[Tag], Field(max_length=50)] | None = None

    def edit(self) -> PhotoEdit:
        """As the store takes it."""
        return PhotoEdit(state=self.state, assignee=self.assignee, note=self.note, tags=self.tags)


class PhotosChange(PhotoChange):
    """The same change of many photos, all of them or none."""

    ids: Annotated[list[RowId], Field(min_length=1, max_length=100_000)]
    evenly: Annotated[list[Text], Field(max_length=1000)] | None = None
    """Give them to these people in turn: the first photos to the first of them, about as many to each."""
    add_tags: Annotated[list[Tag], Field(max_length=50)] = []


class ObjectNew(RequestModel):
    """A new object, without a mask."""

    photo_id: RowId
    class_id: RowId
    name: Text = ""

    def blank(self) -> Blank:
        """As the store takes it."""
        return Blank(self.photo_id, self.class_id, self.name)


class ObjectEdit(RequestModel):
    """What changes of an object. Null: it stays as it is."""

    class_id: RowId | None = None
    name: Text | None = None
    z: Annotated[int, Field(ge=-(2**31), lt=2**31)] | None = None
    state: Literal["open", "done"] | None = None
    deleted: bool | None = None
    hidden: bool | None = None
    """The page does not draw it. Exports have it all the same."""
    locked: bool | None = None
    """Nothing but unlocking changes it; its place in the stack (`z`) may change."""
    attributes: dict[Text, bool | float | LongText | None] | None = None
    """What is said of it; those that are not named stay, null takes one away."""
    if_version: VersionNumber | None = None

    def edit(self) -> Edit:
        """As the store takes it."""
        return Edit(
            class_id=self.class_id, name=self.name, z=self.z, state=self.state, deleted=self.deleted,
            hidden=self.hidden, locked=self.locked, attributes=self.attributes,
        )  # fmt: skip


class ClickIn(RequestModel):
    """A click on the object, or off it."""

    x: Finite
    y: Finite
    positive: bool = True

    def clicked(self, cfr: int | None = None, adaptive: bool = False) -> Clicked:
        """As an action."""
        return Clicked(self.x, self.y, self.positive, cfr, adaptive)


class Refined(RequestModel):
    """How the mask of a prompt is refined."""

    cfr: Passes = None
    """Passes after the first look. Null: as the model does by itself (`own` of the folder)."""
    adaptive: bool = False


class RefinedClick(ClickIn, Refined):
    """A click, how its mask is refined, and how far it reaches."""

    local: bool | None = None
    """It changes the connected part that it touches, and keeps the rest. Null: if it corrects a mask from elsewhere."""

    def action(self) -> Clicked:
        """As an action."""
        return Clicked(self.x, self.y, self.positive, self.cfr, self.adaptive, self.local)


class Step(RequestModel):
    """What undo and redo take."""

    action_id: Uuid
    if_version: VersionNumber | None = None
    """Set: nothing happens unless the object is at this version (409)."""


class ActionStep(Step):
    """What every action takes."""

    new: ObjectNew | None = None
    """Set: the object is made first, unless it exists. One request for a new object and its first click."""


class ClickAction(ActionStep, RefinedClick):
    """A click."""

    kind: Literal["click"]


class StrokeIn(RequestModel):
    """A stroke of clicks over the object, or off it."""

    points: Annotated[list[tuple[Finite, Finite]], Field(min_length=1, max_length=MAX_POINTS)]
    positive: bool = True


class ScribbleAction(ActionStep, StrokeIn, Refined):
    """A stroke: clicks along it, done and undone as one."""

    kind: Literal["scribble"]
    local: bool | None = None
    """As of a click."""

    def action(self) -> Scribbled:
        """As an action."""
        return Scribbled(tuple(self.points), self.positive, self.cfr, self.adaptive, self.local)


class BoxAction(ActionStep, Refined):
    """A box around the object, to begin with: where to look. It promises no pixel; clicks correct what it gives."""

    kind: Literal["box"]
    x0: Finite
    y0: Finite
    x1: Finite
    y1: Finite

    def action(self) -> Boxed:
        """As an action."""
        return Boxed(self.x0, self.y0, self.x1, self.y1, self.cfr, self.adaptive)


class ChooseAction(ActionStep):
    """Another of the `candidates` of a first click."""

    kind: Literal["choose"]
    number: Annotated[int, Field(ge=0, lt=MEANINGS)]

    def action(self) -> Chosen:
        """As an action."""
        return Chosen(self.number)


class BrushAction(ActionStep):
    """A stroke: pixels within the radius of the line join the object, or leave it."""

    kind: Literal["brush"]
    points: Annotated[list[tuple[Finite, Finite]], Field(min_length=1, max_length=MAX_POINTS)]
    radius_px: Annotated[float, Field(gt=0, le=1e5)]
    erase: bool = False

    def action(self) -> Brushed:
        """As an action."""
        return Brushed(tuple(self.points), self.radius_px, self.erase)


Ring = Annotated[list[tuple[Finite, Finite]], Field(min_length=3, max_length=MAX_POINTS)]


class PolygonAction(ActionStep):
    """A polygon or a lasso: pixels whose centres lie within it join the object, or leave it."""

    kind: Literal["polygon"]
    points: Ring
    erase: bool = False

    def action(self) -> Outlined:
        """As an action."""
        return Outlined(tuple(self.points), self.erase)


class ReshapeAction(ActionStep):
    """A part of the outline drawn anew: what only `after` holds joins the object, what only `before` holds leaves."""

    kind: Literal["reshape"]
    before: Ring
    after: Ring

    def action(self) -> Reshaped:
        """As an action."""
        return Reshaped(tuple(self.before), tuple(self.after))


class FitAction(ActionStep, Refined):
    """The mask that is there, fitted to the photo: the cascade is shown it again."""

    kind: Literal["fit"]

    def action(self) -> Fitted:
        """As an action."""
        return Fitted(self.cfr, self.adaptive)


class CleanAction(ActionStep):
    """Holes of at most so many pixels are filled, specks dropped."""

    kind: Literal["clean"]
    fill_holes_px: Pixels = 0
    drop_specks_px: Pixels = 0

    def action(self) -> Cleaned:
        """As an action."""
        return Cleaned(self.fill_holes_px, self.drop_specks_px)


class ThresholdAction(ActionStep):
    """Where prob becomes mask."""

    kind: Literal["threshold"]
    value: Annotated[float, Field(gt=0, lt=1)]

    def action(self) -> Thresholded:
        """As an action."""
        return Thresholded(self.value)


class MaskAction(ActionStep):
    """Another mask takes the place of the present one: a PNG of the photo's size."""

    kind: Literal["mask"]
    png: Base64


ActionIn = Annotated[
    ClickAction
    | ScribbleAction
    | BoxAction
    | ChooseAction
    | BrushAction
    | PolygonAction
    | ReshapeAction
    | FitAction
    | CleanAction
    | ThresholdAction
    | MaskAction,
    Field(discriminator="kind"),
]


class MergeIn(Step):
    """Other objects of the photo, which become a part of this one."""

    others: Annotated[list[Uuid], Field(min_length=1, max_length=1000)]


class PreviewIn(RefinedClick):
    """A click that is not made yet."""

    photo_id: RowId | None = None
    """Where the object does not exist yet."""
    quick: bool = False
    """At once: from fewer pixels and without a cascade, where `own` of the folder says that the model can."""


class Region(RequestModel):
    """A box of the photo (null: up to its border), and the longest side that its picture may have."""

    x0: Pixels = 0
    y0: Pixels = 0
    x1: Pixels | None = None
    y1: Pixels | None = None
    side: Annotated[int, Field(ge=1, le=8192)] | None = None

    def box(self, height: int, width: int) -> Box:
        """Within a photo of this size, and never empty."""
        left, top = min(self.x0, width - 1), min(self.y0, height - 1)
        right = width if self.x1 is None else min(max(self.x1, left + 1), width)
        bottom = height if self.y1 is None else min(max(self.y1, top + 1), height)
        return Box(left, top, right, bottom)


class ScopeIn(RequestModel):
    """Some photos, and objects on them."""

    where: LongText = ""
    """Only the photos that this query finds, as of GET /photos/find."""
    classes: Annotated[list[Text], Field(max_length=1000)] = []
    """Only objects of these; of all if empty."""


class ExportIn(ScopeIn):
    """What to export."""

    format: Text
    options: dict[str, Any] = {}


class PredictIn(RequestModel):
    """An image and what is said of it: a mask of its size, or a box, to begin with; clicks, oldest first; strokes."""

    image: Base64
    box: tuple[Finite, Finite, Finite, Finite] | None = None
    """x0, y0, x1, y1 around the object."""
    scribbles: Annotated[list[StrokeIn], Field(max_length=MAX_PREDICT_CLICKS)] = []
    local: bool | None = None
    """Corrections change the connected part that they touch. Null: those of a mask do."""
    clicks: Annotated[list[ClickIn], Field(max_length=MAX_PREDICT_CLICKS)] = []
    mask: Base64 | None = None
    cfr: Passes = None
    """As of a click."""
    adaptive: bool = False
    threshold: Annotated[float, Field(gt=0, lt=1)] | None = None
