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

from fewclicks.bounded import read_json
from fewclicks.engines import onnx, torch
from fewclicks.engines.network import Network
from fewclicks.errors import CheckpointError, InputError
from fewclicks.predictor import Predictor
from fewclicks.presets import Rings, preset_options

MAX_OPTION = 10_000
"""The largest number that a config.json may ask for."""

WEIGHTS = Path(__file__).parents[1] / "weights" / "default.onnx"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options(Rings):
    """The options of `build`: what stands around the network (see `Rings`), and the network itself."""

    weights: str | os.PathLike[str] = WEIGHTS
    """An .onnx file, or a checkpoint folder (config.json, model.safetensors)."""
    preset: str | None = None
    """What other options are where they are not given: one of `presets.PRESETS`."""
    dataset: str | None = None
    """The benchmark dataset, for presets that differ between datasets."""
    threshold: float = 0.5
    """Where prob becomes mask."""
    threads: int | None = None
    """CPU threads; None: one per core."""
    device: str = "auto"
    """For checkpoint folders: "auto", "cpu", "cuda", "mps"."""
    int8: bool = False
    """For checkpoint folders on the CPU: linear layers in 8 bits. A ViT then takes half of the time."""


def chosen(**options: Any) -> Options:
    """The options as they are used: those given, then the preset's, then the checkpoint's own, then the defaults.

    InputError for an option that does not exist.
    """
    known = [f.name for f in fields(Options)]
    for name in options.keys() - known:
        raise InputError(f"the default method has no option '{name}'; there are: {', '.join(known)}")
    own = _own_options(Path(options.get("weights", WEIGHTS)))
    rings = {"threshold", *(f.name for f in fields(Rings))}
    usual = {f.name: f.default for f in fields(Options) if f.name in rings}
    for name, value in own.items():
        if name in usual and not _fits(value, usual[name]):
            raise CheckpointError(f"the config.json of {options['weights']} asks for {name}={str(value)[:40]}; mend it")
    for name in own.keys() - usual.keys():
        raise CheckpointError(
            f"the config.json of {options['weights']} asks for '{name[:80]}', which is no option here"
        )
    preset = preset_options(options["preset"], options.get("dataset")) if options.get("preset") else {}
    return Options(**{**own, **preset, **options})


def build(**options: Any) -> Predictor:
    """The network with the rings that its options ask for; see `Options`."""
    used = chosen(**options)
    forward = _forward(used)
    # Any network pads what does not suit it; a crop that suits it from the start wastes nothing.
    multiple = forward.net.backbone.multiple if isinstance(forward, torch.TorchForward) else 32
    return used.around(Network(forward, used.threshold), multiple)


def _fits(value: Any, usual: Any) -> bool:
    """Whether an option that stands in a file is of the type of the usual one, and no more than anyone needs."""
    if isinstance(usual, bool | str):
        return type(value) is type(usual)
    if usual is None and value is None:
        return True
    whole = type(value) is int
    return (whole or (type(value) is float and not isinstance(usual, int))) and abs(value) <= MAX_OPTION


def _own_options(weights: Path) -> dict[str, Any]:
    """The entry "predictor" in the config.json of a checkpoint folder: what its network was made for."""
    try:
        config = read_json(weights / "config.json", 16 * 2**20)
    except (OSError, ValueError):
        return {}  # a file, or a folder that the loader will find fault with
    own = config.get("predictor", {}) if isinstance(config, dict) else {}
    return own if isinstance(own, dict) else {}


def weights_hash(weights: str | os.PathLike[str] = WEIGHTS) -> str:
    """sha256 of the weight file, so that a result can name what it was made with."""
    path = Path(weights)
    file = path / "model.safetensors" if path.is_dir() else path
    with open(file, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _forward(options: Options) -> onnx.OnnxForward | torch.TorchForward:
    if Path(options.weights).is_dir():
        return torch.load(options.weights, options.device, options.threads, options.int8)
    if options.int8:
        raise InputError(f"int8 is for checkpoint folders, '{options.weights}' is none; leave it out")
    return onnx.load(options.weights, options.threads)
