"""What SAM, HQ-SAM and SAM 2 share as methods: a photo is embedded once, each click is a prompt.

The first click gets the best of the three masks that may be meant, by the IoU that the network expects; later ones the
single mask, with the logits of the one before fed back.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from fewclicks.clicks import Clicks
from fewclicks.methods.networks import WHOLE, NetworkOptions, Presets, chosen_options, is_own, network, sigmoid
from fewclicks.predictor import Predictor, State, blank
from fewclicks.types import Image, Prob

if TYPE_CHECKING:
    from fewclicks.models.sam import SAM

PRESETS: Presets = {"released": {**WHOLE, "threshold": 0.5}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Options(NetworkOptions):
    """The options of `build`."""

    zoom: int = 0
    multimask: Literal["first", "never"] = "first"
    """Whether the first click gets the best of three masks, or the single mask as all others."""
    feedback: bool = True
    """Whether the previous mask is a prompt."""


@dataclass(frozen=True, slots=True)
class _Memo:
    embedding: Any
    low: NDArray[np.float32] | None = None
    """The logits of the last answer, at the network's size."""
    prob: Prob | None = None
    """And the prob that was made of them."""


@dataclass(frozen=True, slots=True)
class Promptable:
    """SAM, HQ-SAM or SAM 2 as a predictor."""

    net: SAM
    threshold: float
    multimask: str
    feedback: bool

    def start(self, image: Image) -> State:
        """The empty mask, and the embedded photo."""
        return replace(blank(image, self.threshold), memo={"sam": _Memo(self.net.embed_photo(image))})

    def step(self, state: State, clicks: Clicks) -> State:
        """One prompt: all the clicks, and the mask so far."""
        memo: _Memo = state.memo.get("sam") or self.start(state.image).memo["sam"]
        hw = (state.image.shape[0], state.image.shape[1])
        prompt = None
        if self.feedback and state.prob.any():
            prompt = memo.low if is_own(state, memo.prob) else self.net.prompt_of(state.prob)
        answer = self.net.answer(memo.embedding, clicks.to_array(), hw, prompt)
        best = 0
        if self.multimask == "first" and len(clicks) == 1 and prompt is None:
            best = 1 + int(answer.expected[1:].argmax())
        low = answer.low[best]
        prob = sigmoid(self.net.logits_of(low, hw))
        return replace(state, prob=prob, memo={"sam": _Memo(memo.embedding, low, prob)})


def chosen(**options: Any) -> Options:
    """The options as they are used."""
    return chosen_options(Options, options, PRESETS)


def built(name: str, **options: Any) -> Predictor:
    """The method of that name, which is its network's too, with what the options put around it."""
    used = chosen(**options)
    return used.around(Promptable(network(used, name, name), used.threshold, used.multimask, used.feedback), 1)
