"""EISeg: every pixel goes to the clicks that it is better connected with (neutro-connectedness); no network.

Xian, Xu, Cheng, Zhang, Ding, "EISeg: Effective interactive segmentation", ICPR 2016: the row "EISeg" of the classical
systems that CFR-ICL cites. The paper's idea is kept: connectedness has a truth, the weakest link of the best path to a
seed, and an indeterminacy, how uncertain the ground is that the path runs over. Ours are the choices of links between
pixels of a photo smoothed by mean shift, of the photo's border as weak background, and of colors where connectedness
does not decide.

CFR suits it, which begins with the previous mask, and ClickConsistency is around it. Flip does not suit it, for a
mirrored photo has the mirrored mask; nor does ZoomIn, for the border of the photo is where the background begins.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fewclicks.clicks import Clicks
from fewclicks.methods.options import from_options
from fewclicks.methods.seeds import OBJECT, disputed_seeds, enlarge, shrink, working_hw
from fewclicks.models.graph_cut import require_scipy
from fewclicks.models.neutro import Forest, colors_and_ground
from fewclicks.predictor import Predictor, State, blank
from fewclicks.refinement import ClickConsistency
from fewclicks.types import Image

MEMO = "eiseg"


@dataclass(frozen=True, slots=True)
class EISeg:
    """Seeds are the clicks, the border of the photo, and the inside of what the previous mask left undisputed."""

    longest_px: int = 240
    """The photo is worked on at this size."""
    radius_px: int = 3
    """Discs of seeds at the clicks, at the working size."""
    margin_px: int = 8
    """How deep in the previous mask, or outside of it, a pixel lies that is a seed, at the working size."""
    reach_ratio: float = 0.2
    """How far a click disputes the previous mask, as a share of the diagonal."""
    doubt: float = 0.3
    """How much less a change of color counts on ground that is uncertain anyway, from 0 to 1."""

    def start(self, image: Image) -> State:
        """The empty mask."""
        return blank(image)

    def step(self, state: State, clicks: Clicks) -> State:
        """Give every pixel to the seeds that the best path through the photo leads to."""
        hw = state.prob.shape[0], state.prob.shape[1]
        small_hw = working_hw(hw, self.longest_px)
        forest: Forest | None = state.memo.get(MEMO)
        if forest is None or forest.ground.shape != small_hw:
            forest = Forest.grown(*colors_and_ground(shrink(state.image, small_hw)), self.doubt)
        guess = shrink(state.mask.astype(np.float32), small_hw) > 0.5
        seeds = disputed_seeds(guess, clicks, hw, self.radius_px, self.margin_px, self.reach_ratio)
        mask = seeds.ravel()[forest.connect(seeds > 0).seed] == OBJECT
        mask &= (seeds == OBJECT).any()
        return replace(state, prob=enlarge(mask, hw), memo={**state.memo, MEMO: forest})


def build(**options: Any) -> Predictor:
    """EISeg with the given options (the fields of `EISeg`); InputError for one that does not exist."""
    method = from_options(EISeg, options)
    require_scipy("eiseg")
    return ClickConsistency(method)
