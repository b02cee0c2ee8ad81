"""Flip: test-time augmentation by a mirrored copy, as the evaluation of SimpleClick and CFR-ICL does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from fewclicks.arrays import Image, Prob
from fewclicks.clicks import Clicks
from fewclicks.geometry import Box, Frame, settle
from fewclicks.predictor import Predictor, State

EDGE = np.float32(2**-20)
"""Probs are clipped to [EDGE, 1 - EDGE], both exact in float32, so that their logits are finite and symmetric."""


@dataclass(frozen=True, slots=True)
class _Pair:
    """What Flip leaves in `memo["flip"]`: the mirrored image and the inner predictor's memo of each of the two."""

    mirrored: Image
    memos: tuple[Mapping[str, Any], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Flip:
    """A predictor that asks `inner` twice, of the image and of its mirror image, and averages the two in logits."""

    inner: Predictor
    corners: bool = False
    """For reproduction: clicks are mirrored as they are, though half a pixel beyond the border (see ZoomIn.corners)."""

    def start(self, image: Image) -> State:
        """The blank state of both images."""
        plain = self.inner.start(image)
        return State(plain.image, plain.prob, plain.threshold, {"flip": self._pair(image, plain.memo)})

    def step(self, state: State, clicks: Clicks) -> State:
        """Two steps of `inner`, averaged."""
        pair: _Pair = state.memo.get("flip") or self._pair(state.image, self.inner.start(state.image).memo)
        frame = _mirror(state.image)
        plain = self.inner.step(State(state.image, state.prob, state.threshold, pair.memos[0]), clicks)
        mirrored = State(pair.mirrored, frame.prob(state.prob), state.threshold, pair.memos[1])
        if not self.corners:
            clicks = settle(clicks, state.image.shape[:2])
        mirrored = self.inner.step(mirrored, frame.clicks(clicks))
        prob = mean_in_logits(plain.prob, frame.paste(mirrored.prob, state.prob))
        return State(state.image, prob, state.threshold, {"flip": _Pair(pair.mirrored, (plain.memo, mirrored.memo))})

    def _pair(self, image: Image, memo: Mapping[str, Any]) -> _Pair:
        mirrored = self.inner.start(_mirror(image).image(image))
        return _Pair(mirrored.image, (memo, mirrored.memo))


def _mirror(image: Image) -> Frame:
    return Frame(Box.whole(image.shape[:2]), image.shape[:2], mirror=True)


def mean_in_logits(p: Prob, q: Prob) -> Prob:
    """sigmoid((logit p + logit q) / 2) for two HxW probs, written as the ratio of geometric means it is equal to."""
    p, q = np.clip(p, EDGE, 1 - EDGE), np.clip(q, EDGE, 1 - EDGE)
    yes, no = np.sqrt(p * q), np.sqrt((1 - p) * (1 - q))
    return np.asarray(yes / (yes + no), np.float32)
