"""LD, latent diversity: six masks of what the clicks may mean, and a network that chooses one.

Li, Chen, Koltun: "Interactive Image Segmentation with Latent Diversity", CVPR 2018; the row "LD" of Table 4, whose
robot user is the one that the field measures with. Kept: candidates that are taught by hindsight, so that one of them
is right, all of them held to the clicks, and a selector; hypercolumns of VGG-19 under a context aggregation network.
Ours: hypercolumns are reduced to 32 channels a layer, the body works at half of the resolution, the selector shares its
features, clicks are truncated distances, and any backbone with a feature takes the body's place (recipe `ld:compact`).

ZoomIn, Flip and ClickConsistency suit it. CFR changes nothing but for the crop: it looks at no previous mask.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from fewclicks.clicks import Clicks
from fewclicks.methods.networks import NetworkOptions, Presets, chosen_options, described, network, sigmoid
from fewclicks.predictor import Predictor, State, blank
from fewclicks.types import Image

if TYPE_CHECKING:
    from fewclicks.models.segmenter import Segmenter

PRESETS: Presets = {"paper": {"zoom": 0, "anchor": False}}
"""The paper knows no zoom-in: the network sees the whole photo."""

SMALL = {
    "backbone": "context", "size": "tiny", "maps": "truncated", "radius_px": 255.0, "with_prev": False,
    "extra": "latent",
}  # fmt: skip
"""A network to try the method with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options(NetworkOptions):
    """The options of `build`."""

    choice: Literal["selector", "clicks"] = "selector"
    """Who chooses: the selector network, or the number of clicks that a mask agrees with, and the selector on a tie."""


@dataclass(frozen=True, slots=True)
class LatentDiversity:
    """A network of several masks as a predictor. All of them lie in `memo["ld"]`, KxHxW bool, the chosen one first."""

    net: Segmenter
    threshold: float = 0.5
    choice: str = "selector"

    def start(self, image: Image) -> State:
        """The empty mask."""
        return blank(image, self.threshold)

    def step(self, state: State, clicks: Clicks) -> State:
        """One forward, and the choice among its masks."""
        import torch

        from fewclicks.models.arrays import clicks_tensor, image_tensor, map_tensor

        device = self.net.mean.device
        with torch.inference_mode():
            out = self.net.outputs(
                image_tensor(state.image, device),
                clicks_tensor(clicks.to_array(), device),
                map_tensor(state.prob, device),
            )
            assert out.maps is not None
            assert out.scores is not None
            probs = sigmoid(out.maps[0].float().cpu().numpy())
            scores = out.scores[0].float().cpu().numpy()
        agreed = np.zeros(len(probs))
        if self.choice == "clicks":
            hw = state.prob.shape[0], state.prob.shape[1]
            for click in clicks:
                agreed += (probs[(slice(None), *click.pixel(hw))] > self.threshold) == click.positive
        order = np.lexsort((-scores, -agreed))
        return replace(state, prob=probs[order[0]], memo={"ld": probs[order] > self.threshold})


def chosen(**options: Any) -> Options:
    """The options as they are used."""
    return chosen_options(Options, options, PRESETS)


def describe(**options: Any) -> dict[str, Any]:
    """Tell what a result names as its settings."""
    return described("ld", chosen(**options))


def build(**options: Any) -> Predictor:
    """Latent diversity on the weights that the options name. InputError for a network without candidates."""
    used = chosen(**options)
    net = network(used, "ld", extra="latent")
    return used.around(LatentDiversity(net, used.threshold, used.choice), net.multiple)
