"""The model that ships with fewclicks: an EfficientNet-Lite with clicks, trained with ICL and SUEM; CFR at inference.

Sun, Xian, Xu, Capriotti, Yao: "CFR-ICL", AAAI 2024, on a network of 5.2 million parameters instead of a ViT.
Weights: an .onnx file, run by ONNX Runtime, or a checkpoint folder, run by torch.

CFR, ZoomIn, Flip, Denoise and ClickConsistency suit it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fewclicks.config import preset_options
from fewclicks.engines import onnx, torch
from fewclicks.engines.network import Network
from fewclicks.engines.onnx_metadata import read_metadata
from fewclicks.errors import InputError
from fewclicks.methods import networks
from fewclicks.methods.networks import NetworkOptions, chosen_options, require_own_preset
from fewclicks.predictor import Predictor

WEIGHTS = Path(__file__).parents[1] / "weights" / "default.onnx"

OWN = {"zoom": 512, "cfr": 1, "until_click": 1, "denoise": True}
"""How the shipped network is shown photos: chosen on the validation split at the milliseconds that a click may cost. A
second pass gives the first click three points of IoU and the later ones nothing (docs/experiments.md)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options(NetworkOptions):
    """The options of `build`: what stands around the network, and the network itself."""

    weights: str | os.PathLike[str] = WEIGHTS
    """An .onnx file, or a checkpoint folder (config.json, model.safetensors)."""
    int8: bool = False
    """For checkpoint folders on the CPU: linear layers in 8 bits. A ViT then takes half of the time."""


def chosen(**options: Any) -> Options:
    """The options as they are used: see `networks.chosen_options`. Those of the shipped network are OWN,
    also for a copy of its file.

    A preset says all that there is to say, and a number of refinements that is given is meant for each click.
    InputError for a preset that is the authors' evaluation of another network: it would measure another method.
    """
    own = dict(OWN) if _is_shipped(options.get("weights", WEIGHTS)) and not options.get("preset") else {}
    if "cfr" in options:
        own.pop("until_click", None)
    used = chosen_options(Options, {**own, **options}, preset_options)
    require_own_preset(used, "default", used.preset)
    return used


def build(**options: Any) -> Predictor:
    """The network with the rings that its options ask for; see `Options`."""
    used = chosen(**options)
    forward = _forward(used)
    # Any network pads what does not suit it; a crop that suits it from the start wastes nothing.
    multiple = forward.net.multiple if isinstance(forward, torch.TorchForward) else 32
    return used.around(Network(forward, used.threshold), multiple)


def describe(**options: Any) -> dict[str, Any]:
    """Tell what a result names as its settings: each option as it is used, weights by file name and sha256."""
    used = chosen(**options)
    weights = Path(used.weights)
    return networks.described(weights.stem if weights.parent == WEIGHTS.parent else "default", used)


def weights_hash(weights: str | os.PathLike[str] = WEIGHTS) -> str:
    """sha256 of the weight file, the shipped one if none is named: see `networks.weights_hash`."""
    return networks.weights_hash(weights)


def _is_shipped(weights: object) -> bool:
    """Tell whether a file holds the shipped network, wherever it lies: it names the checkpoint it was exported from.

    A file that itself says how it is shown photos is taken at its word.
    """
    if not isinstance(weights, str | os.PathLike) or not os.path.isfile(weights):
        return False
    told = read_metadata(weights)
    checkpoint = told.get("checkpoint_sha256")
    return "predictor" not in told and bool(checkpoint) and checkpoint == read_metadata(WEIGHTS)["checkpoint_sha256"]


def _forward(options: Options) -> onnx.OnnxForward | torch.TorchForward:
    if os.path.isdir(options.weights):
        return torch.load(options.weights, options.device, options.threads, options.int8)
    if options.int8:
        raise InputError(f"int8 is for checkpoint folders, '{options.weights}' is none; leave it out")
    return onnx.load(options.weights, options.threads)
