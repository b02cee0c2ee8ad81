"""What the methods that are networks share: their options, and where their weights come from."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from fewclicks.config import PredictorConfig
from fewclicks.engines import torch
from fewclicks.errors import CheckpointError, InputError, UnknownName
from fewclicks.files.bounded import read_object_or_nothing
from fewclicks.methods import identity
from fewclicks.methods.options import from_options
from fewclicks.plugins import names
from fewclicks.predictor import State
from fewclicks.types import Prob

Presets = Mapping[str, Mapping[str, Any]]
"""Options by the name of the preset; under "NAME/DATASET" what is otherwise on one dataset."""

SHIPPED = Path(__file__).parents[1] / "weights"
"""The folder of the weights that come with fewclicks, which are named by their method."""

PLAIN = {"default", "default_0_1", "default_int8", "simpleclick", "cfr_icl", "ritm"}
"""Methods that do one forward and nothing else: each runs the networks of the others."""
OTHERS = {"released": {"hrnet", "resnet"}, "released-ritm": {"vit"}}
"""Backbones that the authors' scripts show photos by the other one of the two presets."""

WHOLE = {"zoom": 0, "flip": False, "anchor": False}
"""Of presets whose authors put nothing around their network."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkOptions(PredictorConfig):
    """Holds what stands around a network (see `PredictorConfig`), and the network itself."""

    weights: str | os.PathLike[str] = ""
    """A checkpoint folder, as `fewclicks convert` and `fewclicks train` write it."""
    preset: str | None = None
    """What other options are where they are not given."""
    dataset: str | None = None
    """The benchmark dataset, for presets that differ between datasets."""
    threshold: float = 0.5
    """Where prob becomes mask."""
    threads: int | None = None
    """CPU threads; None: one per core."""
    device: str = "auto"
    """For checkpoint folders: "auto", "cpu", "cuda", "mps"."""


SIDE = "side_px"
"""The option of methods that choose themselves what their network sees of a photo: the size of that."""

Chosen = TypeVar("Chosen", bound=NetworkOptions)


def chosen_options(
    kind: type[Chosen], options: Mapping[str, Any], presets: Presets | Callable[[str, str | None], Mapping[str, Any]]
) -> Chosen:
    """The options as they are used: those given, then the preset's, then the checkpoint's own, then the defaults.

    InputError for an option that does not exist, or a value that it cannot have; CheckpointError where it is the
    checkpoint's own.
    """
    given = from_options(kind, options)
    own = identity.about(given.weights).get("predictor", {}) if given.weights else {}
    own = own if isinstance(own, dict) else {}
    rings = {"threshold", *(f.name for f in fields(PredictorConfig))} | {SIDE} & {f.name for f in fields(kind)}
    try:
        if other := sorted(own.keys() - rings):
            raise InputError(f"there is no option '{other[0]:.80}' for it")
        from_options(kind, own)
    except InputError as error:
        raise CheckpointError(f"the config.json of {given.weights} is not right: {error}; mend it") from None
    preset: Mapping[str, Any] = {}
    if given.preset:
        preset = (
            _preset(presets, given.preset, given.dataset)
            if isinstance(presets, Mapping)
            else presets(given.preset, given.dataset)
        )
    return kind(**{**own, **preset, **options})


def _preset(presets: Presets, name: str, dataset: str | None) -> dict[str, Any]:
    known = [key for key in presets if "/" not in key]
    if name not in known:
        raise UnknownName(f"no preset named '{name}' for this method; there are: {', '.join(known)}")
    return {**presets[name], **presets.get(f"{name}/{(dataset or '').lower()}", {})}


def require_own_preset(options: NetworkOptions, method: str, evaluation: str | None = None) -> None:
    """InputError for a preset that is the authors' evaluation of another network: it would measure another method.

    `evaluation` is what the preset is called in `config.PRESETS`, where it is one of those.
    """
    if not (options.preset and options.weights):
        return
    own = identity.method(options.weights)
    if own not in (None, method, *PLAIN) and own in names("methods"):
        raise InputError(
            f"the preset {options.preset} of '{method}' is not how '{options.weights}' is measured, which is a network "
            f"of the method '{own}'; take --method {own} --set weights={options.weights}"
        )
    backbone = identity.made(options.weights).get("backbone") if evaluation in OTHERS else None
    if backbone in OTHERS.get(evaluation or "", ()):
        (right,) = OTHERS.keys() - {evaluation}
        with_method = "" if method == "default" else f"--method {options.weights} "
        raise InputError(
            f"the preset {options.preset} is not how a network such as '{options.weights}' is measured ({backbone}); "
            f"take {with_method}--preset {right}"
        )


def network(options: NetworkOptions, method: str, net: str | None = None, extra: str = "") -> Any:
    """The network of the weights in eval mode on its device; `net` is its "net" in config.json (None: a Segmenter), and
    `extra` the head that the method cannot do without.

    InputError where no weights are named, or those of another method; CheckpointError where they cannot be read.
    """
    weights = options.weights
    require_own_preset(options, method)
    if not weights:
        raise InputError(
            f"the method '{method}' has no weights of its own; name a folder of them (--set weights=FOLDER, or "
            f"--method FOLDER), which `fewclicks convert FILE.pth FOLDER` writes, or `fewclicks train`"
        )
    if os.path.isfile(weights):
        raise InputError(f"'{weights}' is a file; make a folder of it: fewclicks convert {weights} FOLDER")
    config = read_object_or_nothing(Path(weights) / "config.json")
    made = config.get("network")
    if isinstance(made, dict) and (made.get("net") != net or (extra and made.get("extra") != extra)):
        raise InputError(
            f"'{weights}' holds a network of the method '{config.get('method', 'default')}', not of '{method}'; "
            f"take --method {weights}"
        )
    loaded = torch.load(weights, options.device, options.threads).net
    loaded.requires_grad_(False)
    return loaded


def described(method: str, used: NetworkOptions) -> dict[str, Any]:
    """Tell what a result names as the settings of a method: each option as it is used, weights by name and sha256."""
    weights = Path(used.weights)
    about = {"method": method, **asdict(used), "cfr": used.steps, "weights": weights.name}
    del about["dataset"]
    told: dict[str, Any] = {}
    if used.weights and weights.exists():
        sha256 = weights_hash(weights)
        told = {"weights_sha256": sha256, "network": identity.network(weights, sha256)}
        if weights.parent == SHIPPED:
            told["network"]["name"] = method
        elif (own := identity.method(weights)) not in (None, method) and not {own, method} <= PLAIN:
            told["network"]["name"] += f", run by {method}"  # which is another method than the network's
    return about | told | {"onnxruntime": version("onnxruntime")}


def weights_hash(weights: str | os.PathLike[str]) -> str:
    """sha256 of the weight file, so that a result can name what it was made with."""
    path = Path(weights)
    file = path / "model.safetensors" if os.path.isdir(path) else path
    with open(file, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def sigmoid(logits: NDArray[np.float32]) -> Prob:
    """Logits -> prob, float32."""
    prob: Prob = np.asarray(1 / (1 + np.exp(-logits.clip(-30, 30))), np.float32)
    return prob


def is_own(state: State, prob: Prob | None) -> bool:
    """Tell whether a state still has the prob that a predictor answered with: nobody changed or cropped it since."""
    return prob is not None and (state.prob is prob or np.array_equal(state.prob, prob))
