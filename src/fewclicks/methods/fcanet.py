"""FCA-Net: the first click says most about the object, and has a branch of the network of its own.

Lin, Zhang, Chen, Cheng, Lu: "Interactive Image Segmentation with First Click Attention", CVPR 2020; row "FCA-Net-SIS"
of Table 4. With the structural integrity strategy (`sis`) only the parts of the mask count that have a positive click.

CFR, where asked for, changes nothing: the network does not look at the previous mask. ZoomIn is off, for the network
was made for whole photos; Flip and ClickConsistency suit it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np

from fewclicks.clicks import Clicks
from fewclicks.engines.torch import TorchForward
from fewclicks.geometry import Box, Frame
from fewclicks.methods.networks import WHOLE, NetworkOptions, Presets, chosen_options, described, network, sigmoid
from fewclicks.predictor import Predictor, State, blank
from fewclicks.types import Image, Mask

PRESETS: Presets = {"released": {**WHOLE, "threshold": 0.5, "sis": True}}

SMALL = {"net": "fcanet", "size": "tiny"}
"""A network to try the method with."""

LONGEST_PX = 2048
"""However narrow a photo is, the network sees no longer side: the memory that it takes grows with the area."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options(NetworkOptions):
    """The options of `build`."""

    zoom: int = 0
    side_px: int = 512
    """The shorter side of what the network sees."""
    sis: bool = True
    """Keep only the parts of the mask that a positive click is on."""


@dataclass(frozen=True, slots=True)
class FirstClick:
    """The network as a predictor."""

    forward: TorchForward
    threshold: float
    side_px: int
    sis: bool

    def start(self, image: Image) -> State:
        """The empty mask."""
        return blank(image, self.threshold)

    def step(self, state: State, clicks: Clicks) -> State:
        """One forward of the clicks; the previous mask is only kept where no click says what the object is."""
        hw = (state.image.shape[0], state.image.shape[1])
        if not clicks.has_positive:
            return state
        scale = min(self.side_px / min(hw), LONGEST_PX / max(hw))
        frame = Frame(Box.whole(hw), (max(1, int(hw[0] * scale)), max(1, int(hw[1] * scale))))
        image = frame.image(state.image).transpose(2, 0, 1)[None].astype(np.float32) / np.float32(255)
        points = clicks.to_array()
        points[:, 0] = np.floor(points[:, 0] * frame.hw[1] / hw[1])
        points[:, 1] = np.floor(points[:, 1] * frame.hw[0] / hw[0])
        logits = self.forward(image, points[None], np.zeros((1, 1, *frame.hw), np.float32))[0, 0]
        prob = frame.paste(sigmoid(logits), state.prob)
        if self.sis:
            mask = np.asarray(prob > self.threshold)
            prob = np.where(mask & ~clicked_parts(mask, clicks), np.float32(0), prob)
        return replace(state, prob=prob)


def clicked_parts(mask: Mask, clicks: Clicks) -> Mask:
    """The connected parts of a mask HxW, by their edges, that have a positive click on them."""
    _, labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=4)
    hw = (mask.shape[0], mask.shape[1])
    chosen = {int(labels[click.pixel(hw)]) for click in clicks if click.positive} - {0}
    return np.isin(labels, list(chosen))


def chosen(**options: Any) -> Options:
    """The options as they are used."""
    return chosen_options(Options, options, PRESETS)


def describe(**options: Any) -> dict[str, Any]:
    """Tell what a result names as its settings."""
    return described("fcanet", chosen(**options))


def build(**options: Any) -> Predictor:
    """FCA-Net on the weights that the options name, with what they put around it."""
    used = chosen(**options)
    net = network(used, "fcanet", "fcanet")
    forward = TorchForward(net, str(next(net.parameters()).device))
    return used.around(FirstClick(forward, used.threshold, used.side_px, used.sis), 1)
