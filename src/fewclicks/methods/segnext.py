"""SegNext: a photo is encoded once, at the start; clicks and mask join its features late, so that a click is quick.

Liu, Cho, Bansal, Niethammer: "Rethinking Interactive Image Segmentation with Low Latency, High Quality, and Diverse
Prompts", CVPR 2024. Beyond Table 4, for scope.

CFR, Flip and ClickConsistency suit it as any mask-guided network. ZoomIn is off: each new crop is encoded anew, which
takes several times as long as a click.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from fewclicks.clicks import Clicks
from fewclicks.methods.networks import WHOLE, NetworkOptions, Presets, chosen_options, described, network, sigmoid
from fewclicks.predictor import Predictor, State, blank
from fewclicks.types import Image

if TYPE_CHECKING:
    from fewclicks.models.segnext import SegNext

PRESETS: Presets = {"released": {**WHOLE, "threshold": 0.5}}

SMALL = {"net": "segnext", "size": "tiny"}
"""A network to try the method with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options(NetworkOptions):
    """The options of `build`."""

    zoom: int = 0


@dataclass(frozen=True, slots=True)
class Late:
    """The network as a predictor."""

    net: SegNext
    threshold: float

    def start(self, image: Image) -> State:
        """The empty mask, and the encoded photo."""
        return replace(blank(image, self.threshold), memo={"segnext": self.net.embed_photo(image)})

    def step(self, state: State, clicks: Clicks) -> State:
        """The clicks and the mask so far meet the features of the photo."""
        features = state.memo.get("segnext")
        if features is None:
            features = self.net.embed_photo(state.image)
        logits = self.net.answer(features, clicks.to_array(), state.prob)
        return replace(state, prob=sigmoid(logits), memo={"segnext": features})


def chosen(**options: Any) -> Options:
    """The options as they are used."""
    return chosen_options(Options, options, PRESETS)


def describe(**options: Any) -> dict[str, Any]:
    """Tell what a result names as its settings."""
    return described("segnext", chosen(**options))


def build(**options: Any) -> Predictor:
    """SegNext on the weights that the options name, with what they put around it."""
    used = chosen(**options)
    return used.around(Late(network(used, "segnext", "segnext"), used.threshold), 1)
