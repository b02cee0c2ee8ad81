"""f-BRS: a few numbers within the network are optimised at each click, until its mask agrees with all of them.

Sofiiuk, Petrov, Barinova, Konushin: "f-BRS: Rethinking Backpropagating Refinement for Interactive Segmentation", CVPR
2020; rows "f-BRS" of Table 4. Variants a, b and c scale and shift the channels of one layer; rgb and distmap add to the
photo and to the maps of clicks, as BRS (Jang & Kim, CVPR 2019) does. On DeepLabV3+ and HRNet.

ZoomIn and ClickConsistency suit it. Flip is within it, for both images share what is optimised. CFR optimises again
from where it stopped: the networks that f-BRS was published with do not look at the previous mask.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from fewclicks.clicks import Clicks
from fewclicks.methods.networks import NetworkOptions, Presets, chosen_options, described, network, sigmoid
from fewclicks.predictor import Predictor, State, blank
from fewclicks.transforms import CARRIED
from fewclicks.types import Image

if TYPE_CHECKING:
    from fewclicks.models.brs import Refinement, Rest

SEEN_CLICKS = {"a": 8, "b": 8, "c": 8, "rgb": 5, "distmap": 5}
"""The network sees so many clicks; later ones act through the optimisation alone."""

PRESETS: Presets = {
    "released": {
        "threshold": 0.49, "region_threshold": 0.5, "flip": True, "zoom": 400, "fit": "longest", "skip_clicks": 1,
        "multiple": 1, "outside": "zero", "corners": True, "anchor": False,
    },
    "released/davis": {"zoom": 600},
}  # fmt: skip

SMALL = {
    "backbone": "resnet", "size": "tiny", "maps": "tanh", "radius_px": 260.0, "with_prev": False, "fusion": "input",
}  # fmt: skip
"""A network to try the method with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options(NetworkOptions):
    """The options of `build`."""

    zoom: int = 400
    variant: Literal["a", "b", "c", "rgb", "distmap"] = "b"
    """What is optimised."""
    seen_clicks: int | None = None
    """So many clicks the network sees; None: 8, or 5 with rgb and distmap."""


@dataclass(frozen=True, slots=True)
class _Memo:
    rest: Rest | None
    image: Image
    """That `rest` was computed of."""


@dataclass(frozen=True, slots=True)
class FBRS:
    """The network with its refinement as a predictor."""

    how: Refinement

    def start(self, image: Image) -> State:
        """The empty mask."""
        return blank(image, self.how.threshold)

    def step(self, state: State, clicks: Clicks) -> State:
        """One forward, and from the second click on an optimisation that begins where the last one stopped."""
        memo: _Memo | None = state.memo.get("fbrs")
        rest = memo.rest if memo is not None and memo.image is state.image else None
        points = clicks.to_array()
        found = self.how.answer(state.image, points, state.prob, state.memo.get(CARRIED), rest)
        kept = {"fbrs": _Memo(found.rest, state.image), CARRIED: found.variables}
        return replace(state, prob=sigmoid(found.logits), memo=kept)


def chosen(**options: Any) -> Options:
    """The options as they are used."""
    return chosen_options(Options, options, PRESETS)


def describe(**options: Any) -> dict[str, Any]:
    """Tell what a result names as its settings."""
    return described("fbrs", chosen(**options))


def build(**options: Any) -> Predictor:
    """f-BRS on the weights that the options name, with what they put around it."""
    used = chosen(**options)
    net = network(used, "fbrs")
    from fewclicks.models.brs import Refinement  # needs torch, whose absence `network` has told by now

    seen = used.seen_clicks or SEEN_CLICKS[used.variant]
    how = Refinement(net, used.variant, used.flip, seen, used.threshold)
    return replace(used, flip=False).around(FBRS(how), net.multiple)
