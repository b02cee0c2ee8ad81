"""SimpleClick: a plain ViT that attends within windows, with the clicks and the previous mask embedded patch by patch.

Liu, Xu, Bertasius, Niethammer: "SimpleClick: Interactive Image Segmentation with Simple Vision Transformers", ICCV
2023; rows "SimpleClick" of Table 4, and the network of CFR-ICL. ViT-B, L and H.

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
from fewclicks.transforms import Fit

PRESETS: Presets = {
    "released": preset_options("released"),
    "released/davis": preset_options("released", "davis"),
    "paper": preset_options("paper"),
}
"""Its authors' evaluation, and what the paper of CFR-ICL says."""

SMALL = {"backbone": "vit", "size": "xtiny"}
"""A network to try the method with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options(NetworkOptions):
    """The options of `build`."""

    zoom: int = 448
    fit: Fit = "square"


def chosen(**options: Any) -> Options:
    """The options as they are used."""
    used = chosen_options(Options, options, PRESETS)
    require_own_preset(used, "simpleclick", used.preset)
    return used


def describe(**options: Any) -> dict[str, Any]:
    """Tell what a result names as its settings."""
    return described("simpleclick", chosen(**options))


def build(**options: Any) -> Predictor:
    """SimpleClick on the weights that the options name, with what they put around it."""
    used = chosen(**options)
    net = network(used, "simpleclick")
    forward = TorchForward(net, str(net.mean.device))
    return used.around(Network(forward, used.threshold), net.multiple)
