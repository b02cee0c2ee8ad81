"""DIOS, deep interactive object selection: an FCN-8s on two distance maps, and a graph cut on what it says.

Xu, Price, Cohen, Yang, Huang: "Deep Interactive Object Selection", CVPR 2016; the row "DIOS" of Table 4, the first deep
system, which founded the maps of clicks and their simulation. Kept: distances to the nearest positive and negative
click, truncated at 255, beside the photo, no previous mask, and a last cut whose costs are the network's -log prob and
the contrast of the photo. Ours: VGG-16's two last layers are as published, and any backbone takes their place (recipe
`dios:compact`); the cut works on at most `longest_px` pixels, and its border is softened when it is enlarged.

ZoomIn, Flip and ClickConsistency suit it. CFR changes nothing but for the crop: it looks at no previous mask.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fewclicks.clicks import Clicks
from fewclicks.engines.network import Network
from fewclicks.engines.torch import TorchForward
from fewclicks.methods.networks import NetworkOptions, Presets, chosen_options, described, network
from fewclicks.methods.seeds import draw_discs, enlarge, shrink, working_hw
from fewclicks.models.graph_cut import CERTAIN, Borders, cut, require_scipy
from fewclicks.predictor import Predictor, State
from fewclicks.types import Image

PRESETS: Presets = {"paper": {"zoom": 0, "anchor": False}}
"""The paper knows no zoom-in: the network sees the whole photo."""

SMALL = {"backbone": "vgg", "size": "tiny", "maps": "truncated", "radius_px": 255.0, "with_prev": False}
"""A network to try the method with."""

UNSURE = 1e-3
"""Probabilities are kept this far from 0 and 1 for the costs of the cut."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options(NetworkOptions):
    """The options of `build`."""

    graph_cut: bool = True
    """Whether the network's answer is cut along the edges of the photo."""
    smoothness: float = 2.0
    """Weight of the cut's border."""
    longest_px: int = 240
    """The cut is made at this size."""


@dataclass(frozen=True, slots=True)
class DIOS:
    """A network, and the cut behind it."""

    inner: Network
    smoothness: float = 2.0
    longest_px: int = 240
    radius_px: int = 2
    """Discs at the clicks that the cut cannot take away, at its size."""

    def start(self, image: Image) -> State:
        """The empty mask."""
        return self.inner.start(image)

    def step(self, state: State, clicks: Clicks) -> State:
        """One forward, one cut."""
        state = self.inner.step(state, clicks)
        hw = state.prob.shape[0], state.prob.shape[1]
        small_hw = working_hw(hw, self.longest_px)
        prob = np.clip(shrink(state.prob, small_hw).astype(np.float64), UNSURE, 1 - UNSURE)
        cost = np.log(1 - prob) - np.log(prob)
        draw_discs(cost, clicks, hw, self.radius_px, (int(CERTAIN), -int(CERTAIN)))
        mask = cut(cost, Borders.of(shrink(state.image, small_hw).astype(np.float64)), self.smoothness)
        return replace(state, prob=enlarge(mask, hw))


def chosen(**options: Any) -> Options:
    """The options as they are used."""
    return chosen_options(Options, options, PRESETS)


def describe(**options: Any) -> dict[str, Any]:
    """Tell what a result names as its settings."""
    return described("dios", chosen(**options))


def build(**options: Any) -> Predictor:
    """DIOS on the weights that the options name."""
    used = chosen(**options)
    net = network(used, "dios")
    plain = Network(TorchForward(net, str(net.mean.device)), used.threshold)
    if not used.graph_cut:
        return used.around(plain, net.multiple)
    require_scipy("the graph cut of dios")
    return used.around(DIOS(plain, used.smoothness, used.longest_px), net.multiple)
