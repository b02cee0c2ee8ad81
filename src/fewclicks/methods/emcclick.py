"""EMC-Click: a base network looks at the photo and the first click once; later clicks are answered by a small network.

Du, Yuan, Wang, Wu: "Efficient Mask Correction for Click-Based Interactive Image Segmentation", CVPR 2023; compared with
in Table 2 of CFR-ICL. The photo is squashed into a square. A mask to begin with takes the place of the base network's.

CFR, Flip and ClickConsistency suit it as any mask-guided network. ZoomIn is off: in each new crop the base network runs
anew, which is what the method saves.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from fewclicks.clicks import Click, Clicks
from fewclicks.geometry import Box, Frame
from fewclicks.methods.networks import (
    WHOLE,
    NetworkOptions,
    Presets,
    chosen_options,
    described,
    is_own,
    network,
    sigmoid,
)
from fewclicks.predictor import Predictor, State, blank
from fewclicks.types import Image, Prob

if TYPE_CHECKING:
    from fewclicks.models.emcclick import EMCClick

PRESETS: Presets = {
    "released": {**WHOLE, "threshold": 0.5, "flip": True, "corners": True, "side_px": 384},
    "released/davis": {"side_px": 576},
}

SMALL = {"net": "emcclick", "backbone": "segformer", "size": "b0"}
"""A network to try the method with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options(NetworkOptions):
    """The options of `build`."""

    zoom: int = 0
    side_px: int = 384
    """Of the square that the networks see."""


@dataclass(frozen=True, slots=True)
class _Memo:
    first: Click | None
    """What the base network was shown."""
    found: Any
    """What it has found, and the photo that it saw."""
    seen: Prob
    """The last answer in the square, and, next, in the photo."""
    prob: Prob


@dataclass(frozen=True, slots=True)
class Correcting:
    """The two networks as a predictor."""

    net: EMCClick
    threshold: float
    side_px: int
    corners: bool

    def start(self, image: Image) -> State:
        """The empty mask. The base network waits for the first click."""
        return blank(image, self.threshold)

    def step(self, state: State, clicks: Clicks) -> State:
        """One correction of the mask so far; before the first one, the base network."""
        hw = (state.image.shape[0], state.image.shape[1])
        frame = Frame(Box.whole(hw), (self.side_px, self.side_px), corners=self.corners)
        points = frame.clicks(clicks).to_array()
        first = next((click for click in clicks if click.positive), None)
        memo: _Memo | None = state.memo.get("emcclick")
        found = memo.found if memo is not None and memo.first == first else None
        if found is None:
            found = self.net.look(frame.image(state.image), points)
        prev = None
        if state.prob.any():
            own = memo is not None and is_own(state, memo.prob)
            prev = memo.seen if own and memo is not None else frame.prob(state.prob)
        seen = sigmoid(self.net.answer(found, points, prev))
        prob = frame.paste(seen, state.prob)
        return replace(state, prob=prob, memo={"emcclick": _Memo(first, found, seen, prob)})


def chosen(**options: Any) -> Options:
    """The options as they are used."""
    return chosen_options(Options, options, PRESETS)


def describe(**options: Any) -> dict[str, Any]:
    """Tell what a result names as its settings."""
    return described("emcclick", chosen(**options))


def build(**options: Any) -> Predictor:
    """EMC-Click on the weights that the options name, with what they put around it."""
    used = chosen(**options)
    net = network(used, "emcclick", "emcclick")
    return used.around(Correcting(net, used.threshold, used.side_px, used.corners), 1)
