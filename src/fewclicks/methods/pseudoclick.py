"""PseudoClick: after each click the network says where its mask is wrong, and clicks there itself, once.

Liu, Zheng, Planche, Karanam, Chen, Niethammer, Wu: "PseudoClick: Interactive Image Segmentation with Click Imitation",
ECCV 2022; the rows "PseudoClick" of Table 4. Kept: RITM's network with a further head that predicts two maps, missed
and wrong pixels; the stronger one's peak becomes a click, positive on what was missed; a second forward sees it. Only
the clicks of a human count. Ours: the head's width, and that pseudo clicks of earlier rounds are not kept: the previous
mask remembers what they did.

CFR, ZoomIn, Flip and ClickConsistency suit it; each pass of CFR has a pseudo click of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fewclicks.clicks import Click, Clicks
from fewclicks.config import preset_options
from fewclicks.methods.networks import NetworkOptions, Presets, chosen_options, described, network, sigmoid
from fewclicks.predictor import Predictor, State, blank
from fewclicks.types import Image

if TYPE_CHECKING:
    from fewclicks.models.segmenter import Segmenter

PRESETS: Presets = {
    "released": preset_options("released-ritm"),
    "released/davis": preset_options("released-ritm", "davis"),
}
"""Its authors measure as RITM does; their code is not public."""

SMALL = {"backbone": "hrnet", "size": "tiny", "extra": "errors"}
"""A network to try the method with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options(NetworkOptions):
    """The options of `build`."""

    zoom: int = 400
    pseudo_clicks: int = 1
    """So many clicks of its own after each human one; 0: the network alone."""
    sure: float = 0.5
    """It clicks only where it is at least so sure of an error, from 0 to 1."""


@dataclass(frozen=True, slots=True)
class PseudoClick:
    """A network that clicks too. Its own clicks of the last round lie in `memo["pseudoclick"]`."""

    net: Segmenter
    threshold: float = 0.5
    pseudo_clicks: int = 1
    sure: float = 0.5

    def start(self, image: Image) -> State:
        """The empty mask."""
        return blank(image, self.threshold)

    def step(self, state: State, clicks: Clicks) -> State:
        """A forward with the clicks of the human, and one more with each click of the network's own."""
        own: tuple[Click, ...] = ()
        logits, errors = self._forward(state, clicks)
        for _ in range(self.pseudo_clicks):
            click = self._next(errors, Clicks((*clicks, *own)))
            if click is None:
                break
            own = (*own, click)
            prob = sigmoid(logits)  # what it has seen so far is its previous mask now
            logits, errors = self._forward(replace(state, prob=prob), Clicks((*clicks, *own)))
        return replace(state, prob=sigmoid(logits), memo={"pseudoclick": own})

    def _forward(self, state: State, clicks: Clicks) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Logits HxW, and probabilities 2xHxW that a pixel was missed, or is wrong."""
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
            return out.logits[0, 0].float().cpu().numpy(), sigmoid(out.maps[0].float().cpu().numpy())

    def _next(self, errors: NDArray[np.float32], clicks: Clicks) -> Click | None:
        """Choose where to click: the peak of the stronger map, off pixels that were clicked; None if it is unsure."""
        errors = errors.copy()
        hw = errors.shape[1], errors.shape[2]
        for click in clicks:
            if 0 <= click.x < hw[1] and 0 <= click.y < hw[0]:
                errors[(slice(None), *click.pixel(hw))] = 0
        kind, row, column = np.unravel_index(int(errors.argmax()), errors.shape)
        if errors[kind, row, column] < self.sure:
            return None
        return Click(float(column), float(row), positive=bool(kind == 0))


def chosen(**options: Any) -> Options:
    """The options as they are used."""
    return chosen_options(Options, options, PRESETS)


def describe(**options: Any) -> dict[str, Any]:
    """Tell what a result names as its settings."""
    return described("pseudoclick", chosen(**options))


def build(**options: Any) -> Predictor:
    """PseudoClick on the weights that the options name. InputError for a network without maps of errors."""
    used = chosen(**options)
    net = network(used, "pseudoclick", extra="errors")
    made = PseudoClick(net, used.threshold, used.pseudo_clicks, used.sure)
    return used.around(made, net.multiple)
