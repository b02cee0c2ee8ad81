"""What is put around a network, and the two published ways of it: docs/reproduction.md compares them.

Anchor(CFR(ZoomIn(Flip(network))))     each ring where its option asks for it
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fewclicks.errors import UnknownName
from fewclicks.predictor import Predictor
from fewclicks.refinement import CFR, TOL, ClickConsistency
from fewclicks.transforms import Crop, Fit, Flip, Outside, ZoomIn

ADAPTIVE_STEPS = 4
"""What A-CFR refines at most where `cfr` does not say it: the paper's A-CFR-4."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictorConfig:
    """Which rings stand around a predictor. The defaults are those of fewclicks."""

    cfr: int = 0
    """Refinements after each click: CFR-n."""
    adaptive: bool = False
    """A-CFR: stop refining once hardly a pixel changes (`tol`); at most `cfr` times, 4 if that is 0."""
    tol: int = TOL
    """A-CFR stops once fewer pixels than this change."""
    until_click: int | None = None
    """Refine up to this click only; None: after every click."""
    flip: bool = False
    """Average with the mirrored photo: twice the time."""
    zoom: int = 448
    """Longest side of the zoom-in crop in pixels; 0: no zoom-in, the whole photo at its own size."""
    fit: Fit = "longest"
    crop: Crop = "box"
    outside: Outside = "keep"
    expansion: float = 1.4
    """Side of the zoom-in crop over that of the object's box."""
    skip_clicks: int = -1
    """Up to this many clicks the network sees the whole photo at its own size; -1: none (see `ZoomIn`)."""
    region_threshold: float | None = None
    """Where prob becomes the mask that is zoomed in on; None: where it becomes the mask."""
    multiple: int | None = None
    """The crop's sides are multiples of this; None: what suits the network."""
    corners: bool = False
    """The pixel conventions of the RITM family (see `ZoomIn`)."""
    anchor: bool = True
    """Every click's pixel gets the label the user gave it."""

    @property
    def steps(self) -> int:
        """CFR steps."""
        return self.cfr or (ADAPTIVE_STEPS if self.adaptive else 0)

    def around(self, inner: Predictor, multiple: int = 32) -> Predictor:
        """The predictor with its rings. `multiple`: what suits the network, in pixels."""
        if self.flip:
            inner = Flip(inner, self.corners)
        if self.zoom:
            inner = ZoomIn(
                inner, self.zoom, skip_clicks=self.skip_clicks, expansion=self.expansion, outside=self.outside,
                fit=self.fit, crop=self.crop, multiple=self.multiple or multiple, corners=self.corners,
                region_threshold=self.region_threshold,
            )  # fmt: skip
        if self.steps:
            inner = CFR(inner, self.steps, self.tol if self.adaptive else None, self.until_click)
        return ClickConsistency(inner) if self.anchor else inner


_AUTHORS: Mapping[str, Any] = {
    "threshold": 0.49,
    "region_threshold": 0.5,
    "flip": True,
    "outside": "zero",
    "corners": True,
    "until_click": 1,
    "tol": TOL + 1,
    "anchor": False,
}
"""What the evaluation scripts of CFR-ICL do whichever network they run."""

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "released": {**_AUTHORS, "zoom": 448, "fit": "square", "skip_clicks": -1},
    "released-ritm": {**_AUTHORS, "zoom": 400, "fit": "longest", "skip_clicks": 1, "multiple": 1},
    "paper": {
        "threshold": 0.5,
        "region_threshold": None,
        "flip": False,
        "zoom": 448,
        "fit": "longest",
        "skip_clicks": -1,
        "outside": "keep",
        "corners": False,
        "until_click": None,
        "tol": TOL,
        "anchor": False,
    },
}
"""Options of the default method by the name of the preset.

released: the authors' evaluation of CFR-ICL and SimpleClick; released-ritm: their evaluation of RITM's networks; paper:
what the paper says, and where it is silent, which is on most of this, the defaults of fewclicks without Anchor.
"""

DATASETS: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    "released": {"davis": {"zoom": 672}},
    "released-ritm": {"davis": {"zoom": 600}},
    "paper": {"davis": {"zoom": 672}},
}
"""What a preset does otherwise on one dataset, by its name in datasets/."""


def preset_options(preset: str, dataset: str | None = None) -> dict[str, Any]:
    """The options of a preset, on a dataset; UnknownName if there is no such preset."""
    if preset not in PRESETS:
        raise UnknownName(f"no preset named '{preset}'; there are: {', '.join(PRESETS)}")
    return {**PRESETS[preset], **DATASETS[preset].get((dataset or "").lower(), {})}
