"""SAM 2.1 on single photos: a photo is encoded once, at three scales; a click is then answered in milliseconds.

Ravi et al., "SAM 2: Segment Anything in Images and Videos", ICLR 2025. Beyond Table 4, for scope. Run as SAM: the first
click gets the best of three masks, later ones the single mask, with the logits of the one before fed back; files of
SAM 2.0 run too. Its memory, which carries masks through videos, is left out.

CFR, Flip and ClickConsistency suit it as any mask-guided network. ZoomIn is off: each new crop is encoded anew, which
takes many times as long as a click.
"""

from __future__ import annotations

from typing import Any

from fewclicks.methods.networks import described
from fewclicks.methods.promptable import PRESETS, Options, built, chosen
from fewclicks.predictor import Predictor

__all__ = ["PRESETS", "Options", "build", "chosen", "describe"]

SMALL = {"net": "sam2", "size": "mini"}
"""A network to try the method with."""


def describe(**options: Any) -> dict[str, Any]:
    """Tell what a result names as its settings."""
    return described("sam2", chosen(**options))


def build(**options: Any) -> Predictor:
    """SAM 2 on the weights that the options name, with what they put around it."""
    return built("sam2", **options)
