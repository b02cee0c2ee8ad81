"""CDNet: what a click says is spread over positions with alike features, then over pixels of alike color.

Chen, Zhao, Yu, Zhang, Duan: "Conditional Diffusion for Interactive Segmentation", ICCV 2021; row "CDNet" of Table 4.
DeepLabV3+ on ResNet-34, without a previous mask; its pixel diffusion runs on the logits of every answer.

CFR, where asked for, changes nothing: the network does not look at the previous mask. ZoomIn, Flip and ClickConsistency
suit it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fewclicks.engines.network import Network
from fewclicks.engines.torch import TorchForward
from fewclicks.methods.networks import NetworkOptions, Presets, chosen_options, described, network
from fewclicks.predictor import Predictor
from fewclicks.transforms import Fit

PRESETS: Presets = {
    "released": {
        "threshold": 0.5, "region_threshold": 0.49, "flip": True, "zoom": 384, "fit": "square", "skip_clicks": -1,
        "min_crop_px": 10, "recompute_iou": 1.0, "outside": "zero", "corners": True, "anchor": False,
        "pixel_diffusion": True,
    },
}  # fmt: skip

SMALL = {"backbone": "resnet", "size": "tiny_cdnet", "with_prev": False}
"""A network to try the method with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options(NetworkOptions):
    """The options of `build`."""

    zoom: int = 384
    fit: Fit = "square"
    pixel_diffusion: bool = True
    """Spread the answer over pixels of alike color."""


def chosen(**options: Any) -> Options:
    """The options as they are used."""
    return chosen_options(Options, options, PRESETS)


def describe(**options: Any) -> dict[str, Any]:
    """Tell what a result names as its settings."""
    return described("cdnet", chosen(**options))


def build(**options: Any) -> Predictor:
    """CDNet on the weights that the options name, with what they put around it."""
    used = chosen(**options)
    net = network(used, "cdnet")
    from fewclicks.models.cdnet import WithPixelDiffusion  # needs torch, whose absence `network` has told by now

    whole = WithPixelDiffusion(net) if used.pixel_diffusion else net
    forward = TorchForward(whole.eval(), str(net.mean.device))
    return used.around(Network(forward, used.threshold), net.multiple)
