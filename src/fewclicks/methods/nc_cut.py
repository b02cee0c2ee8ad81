"""NC-Cut: a graph cut that knows colors, borders, and how each pixel hangs together with the clicks; no network.

Xian, Zhang, Cheng, Xu, Ding, "Neutro-connectedness cut", IEEE TIP 2016: the row "NC-Cut" of the classical systems that
CFR-ICL cites. The paper's idea is kept: the energy of a cut has a term of appearance and one of neutro-connectedness,
which keeps apart what looks alike but does not hang together, and is trusted less the less certain the path is. Ours
are the choices of color histograms in L*a*b*, of the weights, and of clicks instead of a box to begin with.

CFR suits it, which begins with the previous mask, and ClickConsistency is around it. Flip does not suit it, for a
mirrored photo has the mirrored mask; nor does ZoomIn, for the border of the photo is where the background begins.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from fewclicks.clicks import Clicks
from fewclicks.methods.options import from_options
from fewclicks.methods.seeds import BACKGROUND, OBJECT, disputed_seeds, enlarge, shrink, working_hw
from fewclicks.models.graph_cut import CERTAIN, Borders, cut, require_scipy
from fewclicks.models.neutro import Forest, colors_and_ground
from fewclicks.predictor import Predictor, State, blank
from fewclicks.refinement import ClickConsistency
from fewclicks.types import Image

MEMO = "nc_cut"
BINS = 16
"""Of a color histogram, along each of L*, a* and b*."""
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class NCCut:
    """Cuts along the cheapest border, `rounds` times: each result tells the colors of either side anew."""

    longest_px: int = 240
    """The photo is worked on at this size."""
    radius_px: int = 3
    """Discs of certain pixels at the clicks, at the working size."""
    margin_px: int = 8
    """How deep in the previous mask, or outside of it, a pixel lies that is certain, at the working size."""
    reach_ratio: float = 0.2
    """How far a click disputes the previous mask, as a share of the diagonal."""
    doubt: float = 0.3
    """How much less a change of color counts on ground that is uncertain anyway, from 0 to 1."""
    appearance: float = 0.5
    """Weight of the colors."""
    connectedness: float = 2.0
    """Weight of the neutro-connectedness."""
    smoothness: float = 4.0
    """Weight of the border."""
    rounds: int = 2
    """How often colors are told and the graph is cut."""

    def start(self, image: Image) -> State:
        """The empty mask."""
        return blank(image)

    def step(self, state: State, clicks: Clicks) -> State:
        """Connect every pixel with the seeds of either side, then cut."""
        hw = state.prob.shape[0], state.prob.shape[1]
        small_hw = working_hw(hw, self.longest_px)
        memo: tuple[Forest, Floats, Borders] | None = state.memo.get(MEMO)
        if memo is None or memo[1].shape[:2] != small_hw:
            colors, ground = colors_and_ground(shrink(state.image, small_hw))
            memo = Forest.grown(colors, ground, self.doubt), colors, Borders.of(colors)
        forest, colors, borders = memo
        guess = shrink(state.mask.astype(np.float32), small_hw) > 0.5
        seeds = disputed_seeds(guess, clicks, hw, self.radius_px, self.margin_px, self.reach_ratio)
        mask = seeds.ravel()[forest.connect(seeds > 0).seed] == OBJECT
        if (seeds == OBJECT).any() and (seeds == BACKGROUND).any():
            tied = self.connectedness * self._tie(forest, seeds, mask)
            for _ in range(self.rounds):
                cost = tied + self.appearance * appearance(colors, mask)
                cost[seeds == OBJECT], cost[seeds == BACKGROUND] = -CERTAIN, CERTAIN
                mask = cut(cost, borders, self.smoothness)
        return replace(state, prob=enlarge(mask, hw), memo={**state.memo, MEMO: memo})

    def _tie(self, forest: Forest, seeds: NDArray[np.int32], nearer: NDArray[np.bool_]) -> Floats:
        """HxW in [-1, 1]: how much better a pixel hangs together with the background than with the object."""
        background, object_ = (forest.connect(seeds == side) for side in (BACKGROUND, OBJECT))
        certain = 1 - np.where(nearer, object_.indeterminacy, background.indeterminacy)
        margin = (background.truth - object_.truth) / np.maximum(background.truth + object_.truth, 1e-6)
        # Both may have to pass the same weakest link; which of them does so first, the forest of all seeds knows.
        return np.asarray(certain * (0.5 * margin + np.where(nearer, -0.5, 0.5)))


def appearance(colors: Floats, mask: NDArray[np.bool_]) -> Floats:
    """HxW in [-1, 1]: how much more a color is one of the background than one of the object, whose mask is given."""
    low, high = colors.min((0, 1)), colors.max((0, 1))
    cells = np.minimum((colors - low) / np.maximum(high - low, 1e-6) * BINS, BINS - 1).astype(int)
    index = (cells * (BINS * BINS, BINS, 1)).sum(2)
    sides = []
    for side in (~mask, mask):
        counts = np.bincount(index[side], minlength=BINS**3).reshape(BINS, BINS * BINS).astype(np.float64)
        for _ in range(3):  # blurred along one axis, which then comes last: after three times all are
            blurred = cv2.GaussianBlur(counts, (1, 5), 1.0)
            counts = np.moveaxis(np.asarray(blurred, np.float64).reshape(BINS, BINS, BINS), 0, 2).reshape(BINS, -1)
        sides.append(counts.ravel()[index] / max(int(side.sum()), 1))
    background, object_ = sides
    return np.asarray((background - object_) / np.maximum(background + object_, 1e-12))


def build(**options: Any) -> Predictor:
    """NC-Cut with the given options (the fields of `NCCut`); InputError for one that does not exist."""
    method = from_options(NCCut, options)
    require_scipy("nc_cut")
    return ClickConsistency(method)
