"""Region growing: every pixel goes to the click from which it is reached over the smallest colour steps.

Adams and Bischof, "Seeded Region Growing", PAMI 1994, by Meyer's flooding (OpenCV's watershed). It needs no weights
and takes milliseconds: the method for tests, tutorials, and to see that everything around a network works.

CFR suits it, which begins with the previous mask, and ClickConsistency is around it. Flip does not suit it, for a
mirrored photo has the mirrored mask; nor does ZoomIn, for the border of the photo is where the background begins.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np

from fewclicks.clicks import Clicks
from fewclicks.methods.options import from_options
from fewclicks.methods.seeds import BACKGROUND, OBJECT, disputed_seeds, enlarge, shrink, working_hw
from fewclicks.predictor import Predictor, State, blank
from fewclicks.refinement import ClickConsistency
from fewclicks.types import Image


@dataclass(frozen=True, slots=True)
class Grow:
    """Seeds are the clicks, the image border, and the inside of what the previous mask left undisputed."""

    longest_px: int = 320
    """The photo is worked on at this size."""
    radius_px: int = 3
    """Discs of seeds at the clicks, at the working size."""
    reach_ratio: float = 0.2
    """How far a click disputes the previous mask, as a share of the diagonal."""
    margin_px: int = 8
    """The previous mask's edge is grown again within this margin, at the working size."""

    def start(self, image: Image) -> State:
        """The empty mask."""
        return blank(image)

    def step(self, state: State, clicks: Clicks) -> State:
        """Grow all seeds until they meet."""
        hw = state.prob.shape[0], state.prob.shape[1]
        small_hw = working_hw(hw, self.longest_px)
        photo = cv2.bilateralFilter(shrink(state.image, small_hw), 5, 30, 3)
        guess = shrink(state.mask.astype(np.float32), small_hw) > 0.5
        seeds = disputed_seeds(guess, clicks, hw, self.radius_px, self.margin_px, self.reach_ratio)
        # Flooding needs both sides; OpenCV leaves its one-pixel border and the lines between regions at -1.
        if (seeds == OBJECT).any() and (seeds == BACKGROUND).any():
            framed = cv2.copyMakeBorder(photo, 1, 1, 1, 1, cv2.BORDER_REPLICATE)
            seeds = np.asarray(cv2.watershed(framed, np.pad(seeds, 1)), np.int32)[1:-1, 1:-1]
        is_object = cv2.morphologyEx((seeds == OBJECT).astype(np.uint8), cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8)) > 0
        return replace(state, prob=enlarge(np.asarray(is_object), hw))


def build(**options: Any) -> Predictor:
    """Region growing with the given options (the fields of `Grow`); InputError for one that does not exist."""
    return ClickConsistency(from_options(Grow, options))
