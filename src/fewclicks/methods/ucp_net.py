"""UCP-Net: clicks anywhere on the outline of the object, two to begin with, in any order and of no polarity.

Dupont, Ouakrim, Pham: "UCP-Net: Unstructured Contour Points for Instance Segmentation", SMC 2021; the row "UCP-Net" of
Table 4. Kept: the first two clicks are two points of the outline, the smallest circle around all of them tells the
region, and a U-Net with an EfficientNet encoder reads the photo's region with one map of bumps at the clicks; further
clicks go into the same map. Each click counts, so that two are the least. Its robot clicks on two far points of the
outline, then where the mask's outline is farthest from the true one. Ours: EfficientNet-Lite0, the region's margin, and
that a click's sign is not read.

Flip and ClickConsistency suit it. ZoomIn does not: the clicks tell the region. CFR changes nothing: it looks at no
previous mask.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np

from fewclicks.clicks import Clicks
from fewclicks.engines.network import Network
from fewclicks.engines.torch import TorchForward
from fewclicks.geometry import Box, Frame
from fewclicks.methods.networks import NetworkOptions, Presets, chosen_options, described, network
from fewclicks.methods.outline import outline_click
from fewclicks.predictor import Predictor, State, blank
from fewclicks.types import Image

PRESETS: Presets = {"paper": {"anchor": False}}

SMALL = {"backbone": "unet", "size": "lite0", "maps": "contour", "radius_px": 10.0, "with_prev": False}
"""A network to try the method with."""

MULTIPLE = 32
robot = outline_click
"""Who clicks in the benchmark, where nobody else is named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options(NetworkOptions):
    """The options of `build`."""

    zoom: int = 0
    side_px: int = 320
    """Longest side of what the network sees."""
    margin: float = 1.5
    """Side of the region over the diameter of the smallest circle around the clicks."""


@dataclass(frozen=True, slots=True)
class UCPNet:
    """A network that is shown the region of the clicks. With fewer than two clicks there is none, and no answer."""

    inner: Network
    side_px: int = 320
    margin: float = 1.5

    def start(self, image: Image) -> State:
        """The empty mask."""
        return blank(image, self.inner.threshold)

    def step(self, state: State, clicks: Clicks) -> State:
        """One forward on the region; outside of it there is no object. One click alone leaves the mask as it is."""
        if len(clicks) < 2:
            return state
        box = self.region(clicks, (state.image.shape[0], state.image.shape[1]))
        frame = Frame(box, self._seen(box))
        view = blank(frame.image(state.image), self.inner.threshold)
        found = self.inner.step(view, frame.clicks(clicks))
        return replace(state, prob=frame.paste(found.prob, np.zeros_like(state.prob)))

    def region(self, clicks: Clicks, hw: tuple[int, int]) -> Box:
        """The square around the smallest circle around the clicks, `margin` times as large, within the photo."""
        points = np.ascontiguousarray(clicks.to_array()[:, :2])  # OpenCV reads no views
        (x, y), radius = cv2.minEnclosingCircle(points)
        reach = max(self.margin * radius, MULTIPLE / 2)
        left, top = max(0, int(x - reach)), max(0, int(y - reach))
        right, bottom = min(hw[1], int(np.ceil(x + reach)) + 1), min(hw[0], int(np.ceil(y + reach)) + 1)
        return Box(left, top, right, bottom)

    def _seen(self, box: Box) -> tuple[int, int]:
        """The size at which a region is seen: `side_px` along its longer side."""
        scale = self.side_px / max(box.hw) / MULTIPLE
        height, width = (max(1, round(side * scale)) * MULTIPLE for side in box.hw)
        return height, width


def chosen(**options: Any) -> Options:
    """The options as they are used."""
    return chosen_options(Options, options, PRESETS)


def describe(**options: Any) -> dict[str, Any]:
    """Tell what a result names as its settings."""
    return described("ucp_net", chosen(**options))


def build(**options: Any) -> Predictor:
    """UCP-Net on the weights that the options name."""
    used = chosen(**options)
    net = network(used, "ucp_net")
    inner = Network(TorchForward(net, str(net.mean.device)), used.threshold)
    return used.around(UCPNet(inner, used.side_px, used.margin), net.multiple)
