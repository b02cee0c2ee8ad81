"""The model that ships with fewclicks: EfficientNet-Lite0 with clicks, trained with ICL and SUEM; CFR at inference.

Sun, Xian, Xu, Capriotti, Yao: "CFR-ICL", AAAI 2024, on a network of 3.2 million parameters instead of a ViT.
Weights: an .onnx file, run by ONNX Runtime, or a checkpoint folder, run by torch.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from fewclicks.anchor import Anchor
from fewclicks.engines import onnx, torch
from fewclicks.engines.network import Network
from fewclicks.errors import InputError
from fewclicks.flip import Flip
from fewclicks.predictor import Predictor
from fewclicks.refine import CFR, TOL
from fewclicks.zoom import Crop, Fit, Outside, ZoomIn

WEIGHTS = Path(__file__).parents[1] / "weights" / "default.onnx"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of `build`."""

    weights: str | os.PathLike[str] = WEIGHTS
    """An .onnx file, or a checkpoint folder (config.json, model.safetensors)."""
    cfr: int = 0
    """Refinements after each click: CFR-n."""
    adaptive: bool = False
    """A-CFR: stop refining once fewer than 20 pixels change."""
    until_click: int | None = None
    """Refine up to this click only (the released CFR script: 1)."""
    flip: bool = False
    """Average with the mirrored photo: twice the time."""
    zoom: int = 384
    """Longest side of the zoom-in crop in pixels; 0: no zoom-in, the whole photo at its own size."""
    fit: Fit = "longest"
    crop: Crop = "box"
    outside: Outside = "keep"
    expansion: float = 1.4
    """Side of the zoom-in crop over that of the object's box."""
    anchor: bool = True
    """Every click's pixel gets the label the user gave it."""
    threshold: float = 0.5
    threads: int | None = None
    """CPU threads; None: one per core."""
    device: str = "auto"
    """For checkpoint folders: "auto", "cpu", "cuda", "mps"."""


def build(**options: Any) -> Predictor:
    """Anchor(CFR(ZoomIn(Flip(network)))), each ring where its option asks for it; see `Options`."""
    unknown = sorted(options.keys() - {f.name for f in fields(Options)})
    if unknown:
        known = ", ".join(f.name for f in fields(Options))
        raise InputError(f"the default method has no option '{unknown[0]}'; there are: {known}")
    chosen = Options(**options)
    predictor: Predictor = Network(_forward(chosen), chosen.threshold)
    if chosen.flip:
        predictor = Flip(predictor)
    if chosen.zoom:
        predictor = ZoomIn(
            predictor, chosen.zoom, expansion=chosen.expansion, outside=chosen.outside, fit=chosen.fit, crop=chosen.crop
        )
    if chosen.cfr:
        predictor = CFR(predictor, chosen.cfr, TOL if chosen.adaptive else None, chosen.until_click)
    return Anchor(predictor) if chosen.anchor else predictor


def weights_hash(weights: str | os.PathLike[str] = WEIGHTS) -> str:
    """sha256 of the weight file, so that a result can name what it was made with."""
    path = Path(weights)
    file = path / "model.safetensors" if path.is_dir() else path
    with open(file, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _forward(options: Options) -> onnx.OnnxForward | torch.TorchForward:
    if Path(options.weights).is_dir():
        return torch.load(options.weights, options.device, options.threads)
    return onnx.load(options.weights, options.threads)
