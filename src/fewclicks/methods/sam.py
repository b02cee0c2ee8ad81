"""SAM: a photo is embedded once, at the start; a click is then answered in milliseconds.

Kirillov et al., "Segment Anything", ICCV 2023; row "SAM" of Table 4. The first click gets the best of the three masks
that may be meant, by the IoU that the network expects; later ones the single mask, with the logits of the one before
fed back. How the paper evaluated SAM is not in its repository: "points and masks are utilized solely as input".

CFR, Flip and ClickConsistency suit it as any mask-guided network. ZoomIn is off: each new crop is embedded anew, which
takes a hundred times as long as a click.
"""

from __future__ import annotations

from typing import Any

from fewclicks.methods.networks import described
from fewclicks.methods.promptable import PRESETS, Options, built, chosen
from fewclicks.predictor import Predictor

__all__ = ["PRESETS", "Options", "build", "chosen", "describe"]

SMALL = {"net": "sam", "size": "tiny"}
"""A network to try the method with."""


def describe(**options: Any) -> dict[str, Any]:
    """Tell what a result names as its settings."""
    return described("sam", chosen(**options))


def build(**options: Any) -> Predictor:
    """SAM on the weights that the options name, with what they put around it."""
    return built("sam", **options)
