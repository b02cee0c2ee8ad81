"""CFR-ICL: SimpleClick's network, trained with the iterative click loss and SUEM, refined after each click by itself.

Sun, Xian, Xu, Capriotti, Yao: "CFR-ICL: Cascade-Forward Refinement with Iterative Click Loss for Interactive Image
Segmentation", AAAI 2024: the paper itself. Here CFR-1 after every click; `--cfr N`, `--adaptive` and the preset
"released", whose authors refine the first click only, say it otherwise.

ZoomIn, Flip and ClickConsistency suit it.
"""

from __future__ import annotations

from typing import Any

from fewclicks.methods.simpleclick import build as build_simpleclick
from fewclicks.methods.simpleclick import chosen as chosen_simpleclick
from fewclicks.methods.simpleclick import describe as describe_simpleclick
from fewclicks.predictor import Predictor

SMALL = {"backbone": "vit", "size": "xtiny"}
"""A network to try the method with."""


def chosen(**options: Any) -> Any:
    """The options as they are used: those of SimpleClick, with one refinement."""
    return chosen_simpleclick(**{"cfr": 1, **options})


def describe(**options: Any) -> dict[str, Any]:
    """Tell what a result names as its settings."""
    return {**describe_simpleclick(**{"cfr": 1, **options}), "method": "cfr_icl"}


def build(**options: Any) -> Predictor:
    """CFR-ICL on the weights that the options name, with what they put around it."""
    return build_simpleclick(**{"cfr": 1, **options})
