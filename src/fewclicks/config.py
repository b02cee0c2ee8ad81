"""Which predictor: the method that a name or a path stands for, its options and presets, and what is put around it.

ClickConsistency(CFR(Denoise(ZoomIn(Flip(network)))))     each wrapper where its option asks for it

`resolve` is the one place that tells a name from a path. docs/reproduction.md compares the presets.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import Any

from fewclicks.errors import InputError, UnknownName
from fewclicks.files.bounded import read_object_or_nothing
from fewclicks.files.replace import recover
from fewclicks.plugins import file_name, find, names
from fewclicks.predictor import Predictor
from fewclicks.refinement import CFR, TOL, ClickConsistency
from fewclicks.transforms import Crop, Denoise, Fit, Flip, Outside, ZoomIn

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
    min_crop_px: int = 200
    """The zoom-in crop is at least so wide and high."""
    recompute_iou: float = 0.5
    """The crop is kept while its IoU with a newly found one is at least this; 1: while that is the same."""
    multiple: int | None = None
    """The crop's sides are multiples of this; None: what suits the network."""
    corners: bool = False
    """The pixel conventions of the RITM family (see `ZoomIn`)."""
    denoise: bool = False
    """Smooth noise and JPEG's blocks away before the network sees the photo, where there are such."""
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
                region_threshold=self.region_threshold, min_crop_px=self.min_crop_px, recompute_iou=self.recompute_iou,
            )  # fmt: skip
        if self.denoise:
            inner = Denoise(inner)
        if self.steps:
            inner = CFR(inner, self.steps, self.tol if self.adaptive else None, self.until_click)
        return ClickConsistency(inner) if self.anchor else inner


QUICK_SIDE_PX = 256
"""What a quick look shows the network: a fourth of the pixels of the default, in a fourth of the time."""


def quick(predictor: Predictor) -> Predictor | None:
    """Make the predictor that answers like this one, from fewer pixels and without a cascade; None for no quicker one.

    For masks that are shown for a moment, such as under the pointer. Its states go on from those of `predictor`.
    """
    if isinstance(predictor, ClickConsistency | Denoise):
        inner = quick(predictor.inner)
        return replace(predictor, inner=inner) if inner else None
    if isinstance(predictor, CFR):
        return quick(predictor.inner)
    if isinstance(predictor, ZoomIn) and isinstance(predictor.size, int) and predictor.size > QUICK_SIDE_PX:
        return replace(predictor, size=QUICK_SIDE_PX)
    return None


_AUTHORS: Mapping[str, Any] = {
    "denoise": False,
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
        "denoise": False,
        "threshold": 0.5,
        "region_threshold": None,
        "flip": False,
        "zoom": 448,
        "fit": "square",
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
    "paper": {},
}
"""What a preset does otherwise on one dataset, by its name in datasets/."""


def preset_options(preset: str, dataset: str | None = None) -> dict[str, Any]:
    """The options of a preset, on a dataset; UnknownName if there is no such preset."""
    if preset not in PRESETS:
        raise UnknownName(f"no preset named '{preset}'; there are: {', '.join(PRESETS)}")
    return {**PRESETS[preset], **DATASETS[preset].get((dataset or "").lower(), {})}


NAMED = ("weights", "preset", "dataset", "cfr", "adaptive", "threads", "device")
"""Options that a result names in other words, or that change no number; "set" has all others that were given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedPredictor:
    """A method with its options, and what is put around it; plain values, which another process can be given."""

    method: str = "default"
    options: Mapping[str, Any] = field(default_factory=dict)
    """Those of the method's `build`."""
    wrappers: PredictorConfig | None = None
    """What is put around a method that has no options for it."""
    threads: int | None = None
    """CPU threads of OpenCV; None: one per core."""
    trusted: bool = False
    """The method is the user's own word, not that of a document (see `plugins.find`)."""

    @property
    def module(self) -> ModuleType:
        """The module of the method. UnknownName if there is none."""
        return find("methods", self.method, trusted=self.trusted)

    def build(self) -> Predictor:
        """Make the predictor. InputError if the method does not take these options."""
        module = self.module
        try:
            inspect.signature(module.build).bind(**self.options)
        except TypeError as error:
            raise InputError(f"the method '{self.method}' does not take these options: {error}") from None
        if self.threads:
            import cv2

            cv2.setNumThreads(self.threads)
        predictor: Predictor = module.build(**self.options)
        if not (callable(getattr(predictor, "start", None)) and callable(getattr(predictor, "step", None))):
            raise InputError(
                f"the method '{self.method}' builds {predictor!r:.40}, which is no predictor; return an object with "
                "start(image) and step(state, clicks)"
            )
        return self.wrappers.around(predictor) if self.wrappers else predictor

    def on(self, dataset: str) -> ResolvedPredictor:
        """The same on a benchmark dataset, of which a preset may know more."""
        return replace(self, options={**self.options, "dataset": dataset}) if "preset" in self.options else self

    def describe(self) -> dict[str, Any]:
        """Tell what a result names as its settings, as plain data; a network tells its weights and all options."""
        from importlib.metadata import version

        about: dict[str, Any] = {"fewclicks": version("fewclicks"), "method": self.method, "preset": None}
        if said := {key: value for key, value in self.options.items() if key not in NAMED}:
            about["set"] = said
        if self.wrappers is None and hasattr(self.module, "describe"):
            told: dict[str, Any] = self.module.describe(**self.options)
            return about | told
        around = self.wrappers or PredictorConfig(zoom=0, anchor=False)
        about |= {"cfr": around.steps, **{key: getattr(around, key) for key in ("adaptive", "until_click", "flip")}}
        return about | {"threads": self.threads, **self.options}


def resolve(
    name_or_path: str | os.PathLike[str] = "default",
    options: Mapping[str, Any] | None = None,
    *,
    preset: str | None = None,
    cfr: int | None = None,
    adaptive: bool = False,
    until_click: int | None = None,
    flip: bool | None = None,
    threads: int | None = None,
) -> ResolvedPredictor:
    """Find the method that the user means by a name ("grow", "my_lab.my_method") or by the path of weights.

    Networks (methods that `describe` themselves, and weights by their path) take all that is said here among the
    `options` of their `build`; around any other method Flip and CFR are put. None, and False for `adaptive`: as the
    method, the preset or the checkpoint has it; `until_click` 0: refine after every click. UnknownName or InputError
    for what is not there.
    """
    said: dict[str, Any] = {"adaptive": True} if adaptive else {}
    said |= {"until_click": until_click or None} if until_click is not None else {}
    said |= {name: value for name, value in (("cfr", cfr), ("flip", flip)) if value is not None}
    given = dict(options or {})
    name, weights = _method_of(name_or_path)
    found = ResolvedPredictor(method=name, threads=threads, trusted=True)
    if not hasattr(found.module, "describe"):
        if preset:
            raise InputError(f"presets are for networks; leave --preset out, or name weights instead of '{name}'")
        return replace(found, options=given, wrappers=PredictorConfig(zoom=0, anchor=False, **said) if said else None)
    said |= {key: value for key, value in (("preset", preset), ("threads", threads)) if value is not None}
    return replace(found, options={**({"weights": weights} if weights else {}), **said, **given})


def needs_no_file() -> list[str]:
    """List the methods that run without a file of weights: those whose weights are installed, and those without any."""
    found = []
    for name in names("methods"):
        module = find("methods", name, trusted=True)
        weights = getattr(module, "WEIGHTS", None)
        if os.path.isfile(weights) if weights else not hasattr(module, "describe"):
            found.append(Path(weights).stem if weights else name)
    return found


def _method_of(name_or_path: str | os.PathLike[str]) -> tuple[str, str | None]:
    """The name of the method, and the path of the weights where that was given."""
    name = os.fspath(name_or_path)
    is_path = not isinstance(name_or_path, str) or "/" in name or os.sep in name or name.endswith(".onnx")
    if not is_path and file_name(name) in names("methods"):
        return name, None
    recover(name)
    if is_path and not os.path.exists(name):
        raise InputError(f"no weights at '{name}'; pass a method's name, a .onnx file or a folder with config.json")
    return (_method_in(name), name) if is_path or os.path.isdir(name) else (name, None)


def _method_in(weights: str) -> str:
    """The method that runs weights: the one that their config.json names, or "default" where it names none.

    UnknownName for one that is not there, or that is the user's own and was not allowed: another method would give
    other masks under the same name. InputError for one that runs no weights.
    """
    method = read_object_or_nothing(os.path.join(weights, "config.json")).get("method")
    if method is None:
        return "default"
    try:
        module = find("methods", method)
    except UnknownName as error:
        raise UnknownName(f"the config.json of {weights} names a method that cannot run it: {error}") from None
    if not hasattr(module, "describe"):
        raise InputError(f"the config.json of {weights} names the method '{method}', which runs no weights; mend it")
    return str(method)
