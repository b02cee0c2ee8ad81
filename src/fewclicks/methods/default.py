"""The model that ships with fewclicks: EfficientNet-Lite0 with clicks, trained with ICL and SUEM; CFR at inference.

Sun, Xian, Xu, Capriotti, Yao: "CFR-ICL", AAAI 2024, on a network of 3.2 million parameters instead of a ViT.
Weights: an .onnx file, run by ONNX Runtime, or a checkpoint folder, run by torch.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import asdict, dataclass, fields
from importlib.metadata import version
from pathlib import Path
from typing import Any

from fewclicks.config import PredictorConfig, preset_options
from fewclicks.engines import onnx, torch
from fewclicks.engines.network import Network
from fewclicks.errors import CheckpointError, InputError
from fewclicks.files.bounded import read_json
from fewclicks.methods.options import from_options
from fewclicks.predictor import Predictor

WEIGHTS = Path(__file__).parents[1] / "weights" / "default.onnx"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options(PredictorConfig):
    """The options of `build`: what stands around the network (see `PredictorConfig`), and the network itself."""

    weights: str | os.PathLike[str] = WEIGHTS
    """An .onnx file, or a checkpoint folder (config.json, model.safetensors)."""
    preset: str | None = None
    """What other options are where they are not given: one of `config.PRESETS`."""
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

    InputError for an option that does not exist, or a value that it cannot have; CheckpointError where it is the
    checkpoint's own.
    """
    given = from_options(Options, options)
    own = _own_options(Path(given.weights))
    rings = {"threshold", *(f.name for f in fields(PredictorConfig))}
    try:
        if other := sorted(own.keys() - rings):
            raise InputError(f"there is no option '{other[0]:.80}' for it")
        from_options(Options, own)
    except InputError as error:
        raise CheckpointError(f"the config.json of {given.weights} is not right: {error}; mend it") from None
    preset = preset_options(given.preset, given.dataset) if given.preset else {}
    return Options(**{**own, **preset, **options})


def build(**options: Any) -> Predictor:
    """The network with the rings that its options ask for; see `Options`."""
    used = chosen(**options)
    forward = _forward(used)
    # Any network pads what does not suit it; a crop that suits it from the start wastes nothing.
    multiple = forward.net.backbone.multiple if isinstance(forward, torch.TorchForward) else 32
    return used.around(Network(forward, used.threshold), multiple)


def describe(**options: Any) -> dict[str, Any]:
    """What a result names as its settings: each option as it is used, weights by file name and sha256."""
    used = chosen(**options)
    weights = Path(used.weights)
    name = weights.stem if weights.parent == WEIGHTS.parent else "default"
    about = {"method": name, **asdict(used), "cfr": used.steps, "weights": weights.name}
    del about["dataset"]
    return about | {"weights_sha256": weights_hash(weights), "onnxruntime": version("onnxruntime")}


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
    file = path / "model.safetensors" if os.path.isdir(path) else path
    with open(file, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _forward(options: Options) -> onnx.OnnxForward | torch.TorchForward:
    if os.path.isdir(options.weights):
        return torch.load(options.weights, options.device, options.threads, options.int8)
    if options.int8:
        raise InputError(f"int8 is for checkpoint folders, '{options.weights}' is none; leave it out")
    return onnx.load(options.weights, options.threads)
