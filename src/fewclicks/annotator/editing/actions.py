"""What can be done to an object: clicks, a box, a choice, strokes, polygons, fitting, cleaning, a mask, a threshold."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar, TypeAlias

from fewclicks.annotator.editing.mask_codec import EncodedMask
from fewclicks.clicks import Click, Clicks
from fewclicks.errors import InputError
from fewclicks.prompts import MAX_POINTS, BoxPrompt, Choice, Scribble

MAX_CFR = 8
"""Refinements after a click that can be asked for."""
FAR_PX = 1_000_000
"""What no coordinate and no radius exceeds."""


@dataclass(frozen=True, slots=True)
class Clicked:
    """A click, refined in `cfr` passes or, `adaptive`, until hardly a pixel changes (see `PredictorConfig`).

    Without a number it is refined as the model does by itself; `settled` then says how often that is.
    """

    kind: ClassVar[str] = "click"
    x: float
    y: float
    positive: bool = True
    cfr: int | None = 0
    adaptive: bool = False
    local: bool | None = False
    """It changes the connected part that it touches, and keeps the rest; None: if it corrects a given mask."""

    def __post_init__(self) -> None:
        _ = self.click
        _require_passes(self.cfr)

    @property
    def click(self) -> Click:
        """The click itself."""
        return Click(self.x, self.y, self.positive)

    def clicks(self, hw: tuple[int, int]) -> Clicks:
        """What it says; InputError outside of a photo of size `hw`."""
        clicks = Clicks((self.click,))
        clicks.require_inside(hw)
        return clicks


@dataclass(frozen=True, slots=True)
class Scribbled:
    """Clicks along a stroke, refined as one click is (see `Scribble`)."""

    kind: ClassVar[str] = "scribble"
    points: tuple[tuple[float, float], ...]
    positive: bool = True
    cfr: int | None = 0
    adaptive: bool = False
    local: bool | None = False
    """As of `Clicked`."""

    def __post_init__(self) -> None:
        _ = Scribble(self.points, self.positive)
        _require_passes(self.cfr)

    def clicks(self, hw: tuple[int, int]) -> Clicks:
        """What it says; InputError beside a photo of size `hw`."""
        return Scribble(self.points, self.positive).clicks(hw)


@dataclass(frozen=True, slots=True)
class Boxed:
    """A box around the object, to begin with: where to look (see `BoxPrompt`). Clicks and painted pixels stay."""

    kind: ClassVar[str] = "box"
    x0: float
    y0: float
    x1: float
    y1: float
    cfr: int | None = 0
    adaptive: bool = False

    def __post_init__(self) -> None:
        _ = self.box
        _require_passes(self.cfr)

    @property
    def box(self) -> BoxPrompt:
        """The box itself."""
        return BoxPrompt(self.x0, self.y0, self.x1, self.y1)


@dataclass(frozen=True, slots=True)
class Chosen:
    """Another of the masks that a first click can mean (see `Choice`), which was refined so."""

    kind: ClassVar[str] = "choose"
    number: int
    cfr: int | None = 0
    adaptive: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "number", Choice(self.number).number)
        _require_passes(self.cfr)


def _require_passes(cfr: int | None) -> None:
    if cfr is not None and not 0 <= cfr <= MAX_CFR:
        raise InputError(f"a click is refined 0 to {MAX_CFR} times, got cfr={cfr}")


@dataclass(frozen=True, slots=True)
class Brushed:
    """A stroke: the pixels whose centres lie within `radius_px` of the line through `points` (x, y) join the object.

    With `erase` they leave it. Later clicks respect them, until one of the other meaning lies on them.
    """

    kind: ClassVar[str] = "brush"
    points: tuple[tuple[float, float], ...]
    radius_px: float
    erase: bool = False

    def __post_init__(self) -> None:
        if not 1 <= len(self.points) <= MAX_POINTS:
            raise InputError(f"a stroke has 1 to {MAX_POINTS:,} points, got {len(self.points):,}; draw it in parts")
        if not all(abs(value) <= FAR_PX for point in self.points for value in point):  # false for NaN too
            raise InputError("a stroke has a point far from any photo; pass pixels of the photo")
        if not 0 < self.radius_px <= FAR_PX:
            raise InputError(f"a brush has a radius of more than 0 and at most {FAR_PX:,} px, got {self.radius_px}")


@dataclass(frozen=True, slots=True)
class Outlined:
    """A polygon or a lasso: the pixels whose centres lie within it (by even-odd) join the object, or leave it.

    Later clicks respect them as those of a stroke.
    """

    kind: ClassVar[str] = "polygon"
    points: tuple[tuple[float, float], ...]
    erase: bool = False

    def __post_init__(self) -> None:
        _require_ring(self.points)


@dataclass(frozen=True, slots=True)
class Reshaped:
    """A part of the outline was drawn anew: what only `after` holds joins the object, what only `before` holds leaves.

    Both are polygons as of `Outlined`; elsewhere the mask stays as it is, to the pixel.
    """

    kind: ClassVar[str] = "reshape"
    before: tuple[tuple[float, float], ...]
    after: tuple[tuple[float, float], ...]

    def __post_init__(self) -> None:
        _require_ring(self.before)
        _require_ring(self.after)


def _require_ring(points: tuple[tuple[float, float], ...]) -> None:
    if not 3 <= len(points) <= MAX_POINTS:
        raise InputError(f"a polygon has 3 to {MAX_POINTS:,} points, got {len(points):,}")
    if not all(abs(value) <= FAR_PX for point in points for value in point):  # false for NaN too
        raise InputError("a polygon has a point far from any photo; pass pixels of the photo")


@dataclass(frozen=True, slots=True)
class Fitted:
    """The mask that is there, fitted to what the model sees, which is shown it again (see `propagation.fitted`)."""

    kind: ClassVar[str] = "fit"
    cfr: int | None = 0
    adaptive: bool = False

    def __post_init__(self) -> None:
        _require_passes(self.cfr)


@dataclass(frozen=True, slots=True)
class Cleaned:
    """Holes of at most `fill_holes_px` pixels are filled, pieces of at most `drop_specks_px` dropped.

    What the user clicked or painted stays: a hole with a click on the background is meant.
    """

    kind: ClassVar[str] = "clean"
    fill_holes_px: int = 0
    drop_specks_px: int = 0

    def __post_init__(self) -> None:
        if min(self.fill_holes_px, self.drop_specks_px) < 0:
            raise InputError("the sizes of holes and specks are numbers of pixels, 0 or more")


@dataclass(frozen=True, slots=True)
class Replaced:
    """Another mask takes the place of the present one: imported or pasted. It is corrected by the next clicks.

    Where objects were made one, or one was made several, it names the others: undo and redo are for them too.
    """

    kind: ClassVar[str] = "mask"
    mask: EncodedMask
    joined: tuple[str, ...] = ()
    """Ids of the objects that became a part of this one, and are deleted as long as that is done."""
    parted: tuple[str, ...] = ()
    """Ids of the objects that were parts of this one, and are there only as long as that is done."""

    @property
    def others(self) -> tuple[str, ...]:
        """All of them."""
        return self.joined + self.parted


@dataclass(frozen=True, slots=True)
class Thresholded:
    """Where prob becomes mask, for this object from now on."""

    kind: ClassVar[str] = "threshold"
    value: float

    def __post_init__(self) -> None:
        if not 0 < self.value < 1:
            raise InputError(f"a threshold lies between 0 and 1, got {self.value}")


Prompted: TypeAlias = Clicked | Scribbled | Boxed | Fitted
"""What the predictor answers in passes."""
Painted: TypeAlias = Brushed | Outlined | Reshaped
"""What the user draws by hand: later clicks respect it."""
Action: TypeAlias = Prompted | Chosen | Painted | Cleaned | Replaced | Thresholded
KINDS: dict[str, type[Action]] = {
    action.kind: action
    for action in (Clicked, Scribbled, Boxed, Fitted, Chosen, Brushed, Outlined, Reshaped, Cleaned, Replaced,
                   Thresholded)
}  # fmt: skip
"""All of them by their names in the journal."""
FROM_MASKS: TypeAlias = Replaced | Boxed | Chosen | Fitted
"""What begins anew from a mask, with the clicks and the painted pixels that there are."""
PROMPTS = frozenset(action.kind for action in (Clicked, Scribbled, Boxed, Fitted))


def to_json(action: Action) -> dict[str, Any]:
    """The action as plain data, without its kind. `Replaced` has no mask there: it is kept as the result."""
    if isinstance(action, Replaced):
        return {name: list(ids) for name in ("joined", "parted") if (ids := getattr(action, name))}
    told = {field.name: getattr(action, field.name) for field in fields(action)}
    if not told.get("local"):  # written only where it is so: journals before knew no such thing
        told.pop("local", None)
    return {name: _plain(value) if isinstance(value, tuple) else value for name, value in told.items()}


def _plain(points: tuple[tuple[float, float], ...]) -> list[list[float]]:
    return [list(point) for point in points]


def from_json(kind: str, payload: Mapping[str, Any], mask: EncodedMask | None = None) -> Action:
    """The inverse of `to_json`; `mask` is what `Replaced` put in place. InputError for anything else."""
    if kind == Replaced.kind and mask is not None:
        return Replaced(mask, *(tuple(map(str, payload.get(name, ()))) for name in ("joined", "parted")))
    if kind not in _READERS:
        raise InputError(f"there is no action of the kind '{kind}'; there are: {', '.join(KINDS)}")
    try:
        return _READERS[kind](payload)
    except InputError:
        raise
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise InputError(f"this is no action of the kind '{kind}' ({error!r}); see the API's page") from None


def _points(payload: Mapping[str, Any], name: str = "points") -> tuple[tuple[float, float], ...]:
    return tuple((float(x), float(y)) for x, y in payload[name])


def _refined(payload: Mapping[str, Any]) -> dict[str, Any]:
    cfr = payload.get("cfr", 0)
    return {"cfr": None if cfr is None else int(cfr), "adaptive": bool(payload.get("adaptive", False))}


def _said(payload: Mapping[str, Any]) -> dict[str, Any]:
    how = {"positive": bool(payload.get("positive", True)), "local": bool(payload.get("local", False))}
    return {**how, **_refined(payload)}


_READERS: dict[str, Callable[[Mapping[str, Any]], Action]] = {
    "click": lambda given: Clicked(float(given["x"]), float(given["y"]), **_said(given)),
    "scribble": lambda given: Scribbled(_points(given), **_said(given)),
    "box": lambda given: Boxed(
        float(given["x0"]), float(given["y0"]), float(given["x1"]), float(given["y1"]), **_refined(given)
    ),
    "choose": lambda given: Chosen(given["number"], **_refined(given)),
    "brush": lambda given: Brushed(_points(given), float(given["radius_px"]), bool(given.get("erase", False))),
    "fit": lambda given: Fitted(**_refined(given)),
    "polygon": lambda given: Outlined(_points(given), bool(given.get("erase", False))),
    "reshape": lambda given: Reshaped(_points(given, "before"), _points(given, "after")),
    "clean": lambda given: Cleaned(int(given.get("fill_holes_px", 0)), int(given.get("drop_specks_px", 0))),
    "threshold": lambda given: Thresholded(float(given["value"])),
}
