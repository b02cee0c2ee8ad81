"""What the API takes and gives, as pydantic models: the OpenAPI document is made of these.

Coordinates are pixels of the photo as it is displayed, x to the right, y down; whole numbers are pixel centres. Boxes
are half-open: [x0, y0, x1, y1]. Masks and patches are 1-bit grey PNGs, white where the object is.
"""

from __future__ import annotations

import base64
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from fewclicks.annotate.actions import MAX_CFR, MAX_POINTS, Brushed, Cleaned, Clicked, Thresholded
from fewclicks.annotate.editing import Change
from fewclicks.annotate.packed import PackedMask
from fewclicks.annotate.photos import TILE_PX, TILED_ABOVE_PX, levels
from fewclicks.annotate.records import ClassInfo, Edit, ObjectInfo, PhotoInfo
from fewclicks.annotations import PhotoState
from fewclicks.geometry import Box

BoxOut = tuple[int, int, int, int]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Text = Annotated[str, StringConstraints(max_length=200)]
Uuid = Annotated[str, StringConstraints(pattern=r"^[0-9a-fA-F-]{32,36}$")]
"""Made by the client, so that sending twice does not do twice."""
Base64 = Annotated[str, Field(json_schema_extra={"contentEncoding": "base64"})]

MAX_PREDICT_CLICKS = 100


class Given(BaseModel):
    """Base of what the API gives."""

    model_config = ConfigDict(use_attribute_docstrings=True)


class Taken(BaseModel):
    """Base of what the API takes: what it does not know it refuses."""

    model_config = ConfigDict(use_attribute_docstrings=True, extra="forbid")


# What is given


class ClassOut(Given):
    """A class of objects."""

    id: int
    name: str
    colour: str
    """#rrggbb"""
    key: str | None
    """The digit that picks it."""

    @classmethod
    def of(cls, info: ClassInfo) -> Self:
        """As the store tells it."""
        return cls(id=info.id, name=info.name, colour=info.colour, key=info.key)


class PhotoOut(Given):
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
    version: int
    """Grows with every change of the photo and of its objects."""

    @classmethod
    def of(cls, info: PhotoInfo, problem: str | None) -> Self:
        """As the store tells it."""
        height, width = info.hw or (None, None)
        return cls(
            id=info.id, name=info.name, width=width, height=height, state=info.state, objects=info.objects,
            problem=problem, version=info.version,
        )  # fmt: skip


class ClickOut(Given):
    """A click that counts."""

    x: float
    y: float
    positive: bool


class PassOut(Given):
    """One pass of the cascade."""

    changed_px: int
    """Pixels that changed side in it."""


class ObjectOut(Given):
    """An object without its mask."""

    id: str
    photo_id: int
    class_id: int
    name: str
    z: int
    """The higher lies on top."""
    state: Literal["open", "done"]
    deleted: bool
    version: int
    """Grows with every change."""
    box: BoxOut | None
    area_px: int
    threshold: float | None
    """Null before the first action: that of the method."""
    clicks: list[ClickOut]
    passes: list[PassOut]
    """Those of the last action, if that was a click."""
    can_undo: bool
    can_redo: bool
    undo_kind: str | None
    redo_kind: str | None

    @classmethod
    def of(cls, info: ObjectInfo) -> Self:
        """As the store tells it."""
        return cls(
            id=info.id, photo_id=info.photo_id, class_id=info.class_id, name=info.name, z=info.z, state=info.state,
            deleted=info.deleted, version=info.version, box=as_box(info.box), area_px=info.area_px,
            threshold=info.threshold,
            clicks=[ClickOut(x=click.x, y=click.y, positive=click.positive) for click in info.clicks],
            passes=[PassOut(changed_px=count) for count in info.changed_px],
            can_undo=info.undo_kind is not None, can_redo=info.redo_kind is not None,
            undo_kind=info.undo_kind, redo_kind=info.redo_kind,
        )  # fmt: skip


class Patch(Given):
    """The new mask inside a box; outside of it nothing changed."""

    box: BoxOut
    png: Base64

    @classmethod
    def of(cls, mask: PackedMask | None) -> Self | None:
        """None where nothing changed."""
        if mask is None or mask.box is None:
            return None
        box = mask.box
        return cls(box=(box.x0, box.y0, box.x1, box.y1), png=base64.b64encode(mask.png()).decode())


class Milliseconds(Given):
    """Where the time went."""

    queue: float
    model: float
    total: float


class ChangeOut(Given):
    """What an action, undo or redo did."""

    object: ObjectOut
    patch: Patch | None
    """Null: no pixel changed."""
    passes: list[PassOut]
    ms: Milliseconds

    @classmethod
    def of(cls, change: Change, ms: Milliseconds) -> Self:
        """As `Editing` tells it."""
        passes = [PassOut(changed_px=count) for count in change.changed_px]
        return cls(object=ObjectOut.of(change.object), patch=Patch.of(change.patch), passes=passes, ms=ms)


class PreviewOut(Given):
    """What an action would do."""

    patch: Patch | None
    """Against the object's mask as it is."""
    passes: list[PassOut]
    ms: Milliseconds


class PassMask(Given):
    """The whole mask after one pass of the last click."""

    number: int
    count: int
    patch: Patch | None
    """Null: it was empty."""


class FormatOption(Given):
    """An option of a format."""

    name: str
    title: str
    kind: Literal["choice", "flag", "number"]
    choices: list[str] | None = None
    default: Any = None


class FormatOut(Given):
    """A format that annotations can be exported in."""

    name: str
    title: str
    loses: list[str]
    options: list[FormatOption]


class Counts(Given):
    """How many photos there are of each kind. The unreadable ones are in one of the states too."""

    untouched: int
    begun: int
    done: int
    unreadable: int


class FolderOut(Given):
    """The folder, its classes, and what can be done with it."""

    id: str
    """Of the database of its annotations."""
    name: str
    method: str
    options: dict[str, Any]
    """cfr and adaptive: what the page starts with."""
    ready: bool
    """Whether the model is loaded; until then clicks wait."""
    problem: str | None
    """Why the model cannot be loaded."""
    classes: list[ClassOut]
    counts: Counts
    formats: list[FormatOut]


class PhotoPage(Given):
    """A part of the list of photos. `next` is the `after` of the next part, null at the end."""

    items: list[PhotoOut]
    next: int | None


class Tiles(Given):
    """Level k has ceil(side / 2**k) pixels a side, in tiles of `size`."""

    size: int
    levels: int

    @classmethod
    def of(cls, hw: tuple[int, int]) -> Self | None:
        """None for photos that are shown whole."""
        return cls(size=TILE_PX, levels=levels(hw)) if hw[0] * hw[1] > TILED_ABOVE_PX else None


class OpenedPhoto(Given):
    """A photo with its objects that are not deleted, bottom to top."""

    photo: PhotoOut
    objects: list[ObjectOut]
    tiles: Tiles | None


class Imported(Given):
    """What an import brought."""

    objects: int
    notes: list[str]


class Predicted(Given):
    """A mask as large as the image, and the box around its object."""

    mask: Base64
    box: BoxOut | None
    area_px: int
    ms: Milliseconds


class Version(Given):
    """Versions of the program and of the API."""

    fewclicks: str
    api: Literal["v1"] = "v1"


class Health(Given):
    """That the server answers."""

    status: Literal["ok"] = "ok"


class ProblemOut(Given):
    """application/problem+json"""

    type: str
    title: str
    status: int
    detail: str
    """One sentence for people."""


class ConflictOut(ProblemOut):
    """The object is no longer at `if_version`. Nothing has happened."""

    current: ObjectOut | None = None


# What is taken


class ClassNew(Taken):
    """A new class. Null: the next colour, the next free digit."""

    name: Text
    colour: Text | None = None
    key: Text | None = None


class ClassEdit(Taken):
    """What changes of a class. A key of "" takes its digit away."""

    name: Text | None = None
    colour: Text | None = None
    key: Text | None = None


class PhotoEdit(Taken):
    """What changes of a photo: whether it is done."""

    state: PhotoState


class ObjectNew(Taken):
    """A new object, without a mask."""

    photo_id: int
    class_id: int
    name: Text = ""


class ObjectEdit(Taken):
    """What changes of an object. Null: it stays as it is."""

    class_id: int | None = None
    name: Text | None = None
    z: Annotated[int, Field(ge=-(2**31), lt=2**31)] | None = None
    state: Literal["open", "done"] | None = None
    deleted: bool | None = None
    if_version: int | None = None

    def edit(self) -> Edit:
        """As the store takes it."""
        return Edit(class_id=self.class_id, name=self.name, z=self.z, state=self.state, deleted=self.deleted)


class ClickIn(Taken):
    """A click on the object, or off it."""

    x: Finite
    y: Finite
    positive: bool = True

    def clicked(self, cfr: int = 0, adaptive: bool = False) -> Clicked:
        """As an action."""
        return Clicked(self.x, self.y, self.positive, cfr, adaptive)


class RefinedClick(ClickIn):
    """A click, and how its mask is refined."""

    cfr: Annotated[int, Field(ge=0, le=MAX_CFR)] = 0
    adaptive: bool = False


class Step(Taken):
    """What undo and redo take."""

    action_id: Uuid
    if_version: int | None = None
    """Set: nothing happens unless the object is at this version (409)."""


class ClickAction(Step, RefinedClick):
    """A click."""

    kind: Literal["click"]


class BrushAction(Step):
    """A stroke: pixels within the radius of the line join the object, or leave it."""

    kind: Literal["brush"]
    points: Annotated[list[tuple[Finite, Finite]], Field(min_length=1, max_length=MAX_POINTS)]
    radius_px: Annotated[float, Field(gt=0, le=1e5)]
    erase: bool = False

    def brushed(self) -> Brushed:
        """As an action."""
        return Brushed(tuple(self.points), self.radius_px, self.erase)


class CleanAction(Step):
    """Holes of at most so many pixels are filled, specks dropped."""

    kind: Literal["clean"]
    fill_holes_px: Annotated[int, Field(ge=0)] = 0
    drop_specks_px: Annotated[int, Field(ge=0)] = 0

    def cleaned(self) -> Cleaned:
        """As an action."""
        return Cleaned(self.fill_holes_px, self.drop_specks_px)


class ThresholdAction(Step):
    """Where prob becomes mask."""

    kind: Literal["threshold"]
    value: Annotated[float, Field(gt=0, lt=1)]

    def thresholded(self) -> Thresholded:
        """As an action."""
        return Thresholded(self.value)


class MaskAction(Step):
    """Another mask takes the place of the present one: a PNG of the photo's size."""

    kind: Literal["mask"]
    png: Base64


ActionIn = Annotated[
    ClickAction | BrushAction | CleanAction | ThresholdAction | MaskAction, Field(discriminator="kind")
]


class PreviewIn(RefinedClick):
    """A click that is not made yet."""

    photo_id: int | None = None
    """Where the object does not exist yet."""


class Region(Taken):
    """A box of the photo (null: up to its border), and the longest side that its picture may have."""

    x0: Annotated[int, Field(ge=0)] = 0
    y0: Annotated[int, Field(ge=0)] = 0
    x1: Annotated[int, Field(ge=0)] | None = None
    y1: Annotated[int, Field(ge=0)] | None = None
    side: Annotated[int, Field(ge=1, le=8192)] | None = None

    def box(self, height: int, width: int) -> Box:
        """Within a photo of this size, and never empty."""
        left, top = min(self.x0, width - 1), min(self.y0, height - 1)
        right = width if self.x1 is None else min(max(self.x1, left + 1), width)
        bottom = height if self.y1 is None else min(max(self.y1, top + 1), height)
        return Box(left, top, right, bottom)


class ExportIn(Taken):
    """What to export."""

    format: Text
    options: dict[str, Any] = {}


class PredictIn(Taken):
    """An image and the clicks on it, oldest first; an existing mask of its size, to be corrected."""

    image: Base64
    clicks: Annotated[list[ClickIn], Field(max_length=MAX_PREDICT_CLICKS)] = []
    mask: Base64 | None = None
    cfr: Annotated[int, Field(ge=0, le=MAX_CFR)] = 0
    adaptive: bool = False
    threshold: Annotated[float, Field(gt=0, lt=1)] | None = None


def as_box(box: Box | None) -> BoxOut | None:
    """As it travels."""
    return (box.x0, box.y0, box.x1, box.y1) if box else None
