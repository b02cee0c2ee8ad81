"""A network as a predictor, whatever executes it: arrays in, arrays out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fewclicks.clicks import Clicks
from fewclicks.predictor import State, blank
from fewclicks.types import Image

Floats = NDArray[np.float32]
PAD = np.array([[0, 0, -1]], np.float32)


class Forward(Protocol):
    """Describes what an engine makes of a weight file."""

    def __call__(self, image: Floats, clicks: Floats, prev: Floats) -> Floats:
        """image 1x3xHxW in [0, 1], clicks 1xNx3 (x, y, label; -1 pads), prev 1x1xHxW -> logits 1x1xHxW."""
        ...


@dataclass(frozen=True, slots=True)
class Network:
    """f(X, P, Y) by one forward at the image's own size. Wrap it in ZoomIn for photos of any size."""

    forward: Forward
    threshold: float = 0.5

    def start(self, image: Image) -> State:
        """The state with an empty mask."""
        return blank(image, self.threshold)

    def step(self, state: State, clicks: Clicks) -> State:
        """One forward of the network; its logits become the new prob."""
        image = state.image.transpose(2, 0, 1)[None].astype(np.float32) / np.float32(255)
        points = (clicks.to_array() if len(clicks) else PAD)[None]
        logits = self.forward(image, points, state.prob[None, None].astype(np.float32, copy=False))[0, 0]
        return replace(state, prob=1 / (1 + np.exp(-logits.clip(-30, 30))))
