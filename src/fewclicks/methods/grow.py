"""Region growing: every pixel goes to the click from which it is reached over the smallest colour steps.

Adams and Bischof, "Seeded Region Growing", PAMI 1994, by Meyer's flooding (OpenCV's watershed). It needs no weights
and takes milliseconds: the method for tests, tutorials, and to see that everything around a network works.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from fewclicks.clicks import Clicks
from fewclicks.methods.options import from_options
from fewclicks.methods.seeds import draw_discs, enlarge, shrink, working_hw
from fewclicks.predictor import Predictor, State, blank
from fewclicks.refinement import ClickConsistency
from fewclicks.types import Image, Mask

BACKGROUND, OBJECT = 1, 2


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
        seeds = self._seeds(guess, clicks, hw)
        # Flooding needs both sides; OpenCV leaves its one-pixel border and the lines between regions at -1.
        if (seeds == OBJECT).any() and (seeds == BACKGROUND).any():
            framed = cv2.copyMakeBorder(photo, 1, 1, 1, 1, cv2.BORDER_REPLICATE)
            seeds = np.asarray(cv2.watershed(framed, np.pad(seeds, 1)), np.int32)[1:-1, 1:-1]
        is_object = cv2.morphologyEx((seeds == OBJECT).astype(np.uint8), cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8)) > 0
        return replace(state, prob=enlarge(np.asarray(is_object), hw))

    def _seeds(self, guess: Mask, clicks: Clicks, hw: tuple[int, int]) -> NDArray[np.int32]:
        """The working-size map of seeds: 1 background, 2 object, 0 to be decided."""
        seeds = np.zeros(guess.shape, np.int32)
        seeds[[0, -1]] = BACKGROUND
        seeds[:, [0, -1]] = BACKGROUND
        reach_px = self.reach_ratio * float(np.hypot(*guess.shape))
        positive, negative = (self._distance_px(guess.shape, clicks, hw, sign) for sign in (True, False))
        disputed_object = negative < np.minimum(positive, reach_px)
        disputed_background = positive < np.minimum(negative, reach_px)
        if guess.any():
            seeds[_core(~guess, self.margin_px) & ~disputed_background] = BACKGROUND
            seeds[disputed_background & (seeds == BACKGROUND)] = 0
            seeds[_core(guess, self.margin_px) & ~disputed_object] = OBJECT
        draw_discs(seeds, clicks, hw, self.radius_px, (BACKGROUND, OBJECT))
        return seeds

    def _distance_px(
        self, shape: tuple[int, ...], clicks: Clicks, hw: tuple[int, int], positive: bool
    ) -> NDArray[np.float32]:
        """Working-size map of the distance to the nearest click of one sign; infinite where there is none."""
        free = np.ones(shape, np.uint8)
        chosen = Clicks(tuple(click for click in clicks if click.positive == positive))
        if not len(chosen):
            return np.full(shape, np.inf, np.float32)
        draw_discs(free, chosen, hw, 0, (0, 0))
        return np.asarray(cv2.distanceTransform(free, cv2.DIST_L2, 3), np.float32)


def _core(region: Mask, margin_px: int) -> NDArray[np.bool_]:
    """The pixels of a region that lie deeper than the margin."""
    return np.asarray(cv2.distanceTransform(region.astype(np.uint8), cv2.DIST_L2, 3) > margin_px)


def build(**options: Any) -> Predictor:
    """Region growing with the given options (the fields of `Grow`); InputError for one that does not exist."""
    return ClickConsistency(from_options(Grow, options))
