"""RITM: the previous mask is an input, and training plays the user: the network that most others descend from.

Sofiiuk, Petrov, Konushin: "Reviving Iterative Training with Mask Guidance for Interactive Segmentation", ICIP 2022;
rows "RITM" of Table 4. HRNet18s, 18 and 32, and its baseline on DeepLabV3+.

CFR, ZoomIn, Flip and ClickConsistency suit it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fewclicks.config import preset_options
from fewclicks.engines.network import Network
from fewclicks.engines.torch import TorchForward
from fewclicks.methods.networks import NetworkOptions, Presets, chosen_options, described, network, require_own_preset
from fewclicks.predictor import Predictor

PRESETS: Presets = {
    "released": preset_options("released-ritm"),
    "released/davis": preset_options("released-ritm", "davis"),
    "released-ritm": preset_options("released-ritm"),
    "released-ritm/davis": preset_options("released-ritm", "davis"),
    "paper": preset_options("paper"),
}
"""Its authors' evaluation under both names that it has here, and what the paper of CFR-ICL says."""

SMALL = {"backbone": "hrnet", "size": "tiny"}
"""A network to try the method with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options(NetworkOptions):
    """The options of `build`."""

    zoom: int = 400


def chosen(**options: Any) -> Options:
    """The options as they are used."""
    used = chosen_options(Options, options, PRESETS)
    require_own_preset(used, "ritm", None if used.preset == "paper" else "released-ritm")
    return used


def describe(**options: Any) -> dict[str, Any]:
    """Tell what a result names as its settings."""
    return described("ritm", chosen(**options))


def build(**options: Any) -> Predictor:
    """RITM on the weights that the options name, with what they put around it."""
    used = chosen(**options)
    net = network(used, "ritm")
    forward = TorchForward(net, str(net.mean.device))
    return used.around(Network(forward, used.threshold), net.multiple)
