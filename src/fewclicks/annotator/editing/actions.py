"""What can be done to an object: a click, a stroke of the brush, cleaning, another mask, another threshold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias

from fewclicks.annotator.editing.mask_codec import EncodedMask
from fewclicks.clicks import Click
from fewclicks.errors import InputError

MAX_CFR = 8
"""Refinements after a click that can be asked for."""
MAX_POINTS = 20_000
"""Points of one stroke."""
FAR_PX = 1_000_000
"""What no coordinate and no radius exceeds."""


@dataclass(frozen=True, slots=True)
class Clicked:
    """A click, refined in `cfr` passes or, `adaptive`, until hardly a pixel changes (see `PredictorConfig`)."""

    kind: ClassVar[str] = "click"
    x: float
    y: float
    positive: bool = True
    cfr: int = 0
    adaptive: bool = False

    def __post_init__(self) -> None:
        _ = self.click
        if not 0 <= self.cfr <= MAX_CFR:
            raise InputError(f"a click is refined 0 to {MAX_CFR} times, got cfr={self.cfr}")

    @property
    def click(self) -> Click:
        """The click itself."""
        return Click(self.x, self.y, self.positive)


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
    """Another mask takes the place of the present one: imported or pasted. It is corrected by the next clicks."""

    kind: ClassVar[str] = "mask"
    mask: EncodedMask


@dataclass(frozen=True, slots=True)
class Thresholded:
    """Where prob becomes mask, for this object from now on."""

    kind: ClassVar[str] = "threshold"
    value: float

    def __post_init__(self) -> None:
        if not 0 < self.value < 1:
            raise InputError(f"a threshold lies between 0 and 1, got {self.value}")


Action: TypeAlias = Clicked | Brushed | Cleaned | Replaced | Thresholded


def to_json(action: Action) -> dict[str, Any]:
    """The action as plain data, without its kind. That of `Replaced` is empty: its mask is kept as the result."""
    match action:
        case Clicked():
            how = {"cfr": action.cfr, "adaptive": action.adaptive}
            return {"x": action.x, "y": action.y, "positive": action.positive, **how}
        case Brushed():
            points = [list(point) for point in action.points]
            return {"points": points, "radius_px": action.radius_px, "erase": action.erase}
        case Cleaned():
            return {"fill_holes_px": action.fill_holes_px, "drop_specks_px": action.drop_specks_px}
        case Thresholded():
            return {"value": action.value}
        case Replaced():
            return {}


def from_json(kind: str, payload: Mapping[str, Any], mask: EncodedMask | None = None) -> Action:
    """The inverse of `to_json`; `mask` is what `Replaced` put in place. InputError for anything else."""
    try:
        match kind:
            case "click":
                how = int(payload.get("cfr", 0)), bool(payload.get("adaptive", False))
                return Clicked(float(payload["x"]), float(payload["y"]), bool(payload.get("positive", True)), *how)
            case "brush":
                points = tuple((float(x), float(y)) for x, y in payload["points"])
                return Brushed(points, float(payload["radius_px"]), bool(payload.get("erase", False)))
            case "clean":
                return Cleaned(int(payload.get("fill_holes_px", 0)), int(payload.get("drop_specks_px", 0)))
            case "threshold":
                return Thresholded(float(payload["value"]))
            case "mask" if mask is not None:
                return Replaced(mask)
    except InputError:
        raise
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise InputError(f"this is no action of the kind '{kind}' ({error!r}); see the API's page") from None
    raise InputError(f"there is no action of the kind '{kind}'; there are: click, brush, clean, mask, threshold")
