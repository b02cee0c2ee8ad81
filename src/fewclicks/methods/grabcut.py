"""GrabCut: colour mixtures of object and background, cut by graph cuts, seeded by the clicks.

Rother, Kolmogorov, Blake: "GrabCut: Interactive Foreground Extraction using Iterated Graph Cuts", SIGGRAPH 2004;
OpenCV's implementation. Not a row of the paper's Table 4: a weight-free line to compare with.

CFR suits it, which begins with the previous mask, and ClickConsistency is around it. Flip does not suit it, for a
mirrored photo has the mirrored mask; nor does ZoomIn, for the colors of the background are those of the whole photo.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np

from fewclicks.clicks import Clicks
from fewclicks.methods.options import from_options
from fewclicks.methods.seeds import draw_discs, enlarge, shrink, working_hw
from fewclicks.predictor import Predictor, State, blank
from fewclicks.refinement import ClickConsistency
from fewclicks.types import Image

SEEDS = (cv2.GC_BGD, cv2.GC_FGD)
GUESSES = (cv2.GC_PR_BGD, cv2.GC_PR_FGD)


@dataclass(frozen=True, slots=True)
class GrabCut:
    """The previous mask is the first guess, discs at the clicks are certain."""

    longest_px: int = 240
    """The photo is worked on at this size."""
    radius_px: int = 5
    """Discs of certain pixels, at the working size."""
    guess_ratio: float = 0.1
    """Discs of likely pixels at the first click, as a share of the shorter side; at later clicks a quarter of it."""
    rounds: int = 3
    """How often colours are fitted and the graph is cut."""

    def start(self, image: Image) -> State:
        """The empty mask."""
        return blank(image)

    def step(self, state: State, clicks: Clicks) -> State:
        """One GrabCut from the previous mask and the clicks."""
        hw = state.prob.shape[0], state.prob.shape[1]
        small_hw = working_hw(hw, self.longest_px)
        photo = shrink(state.image, small_hw)
        guess = shrink(state.mask.astype(np.float32), small_hw) > 0.5
        labels = np.where(guess, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
        ratio = self.guess_ratio if not guess.any() else self.guess_ratio / 4
        draw_discs(labels, clicks, hw, max(self.radius_px, round(ratio * min(small_hw))), GUESSES)
        draw_discs(labels, clicks, hw, self.radius_px, SEEDS)
        is_object = (labels & 1) == 1
        # The colours of either side are fitted to its pixels, so both sides need some.
        if is_object.any() and not is_object.all():
            cv2.setRNGSeed(0)  # OpenCV starts its clusters at random
            mixtures = np.zeros((1, 65)), np.zeros((1, 65))
            cv2.grabCut(photo, labels, (0, 0, 0, 0), *mixtures, self.rounds, cv2.GC_INIT_WITH_MASK)
            is_object = (labels & 1) == 1
        return replace(state, prob=enlarge(is_object, hw))


def build(**options: Any) -> Predictor:
    """GrabCut with the given options (the fields of `GrabCut`); InputError for one that does not exist."""
    return ClickConsistency(from_options(GrabCut, options))
