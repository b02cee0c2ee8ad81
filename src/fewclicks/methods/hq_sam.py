"""HQ-SAM: SAM whose masks are made finer by one token more, for thin parts and sharp edges.

Ke et al., "Segment Anything in High Quality", NeurIPS 2023. Beyond Table 4, for scope. Run as SAM: the first click gets
the best of three masks, later ones the single mask, with the logits of the one before fed back. The fine mask is added
to SAM's, as its authors do by default.

CFR, Flip and ClickConsistency suit it as any mask-guided network. ZoomIn is off: each new crop is embedded anew, which
takes a hundred times as long as a click.
"""

from __future__ import annotations

from typing import Any

from fewclicks.methods.networks import described
from fewclicks.methods.promptable import PRESETS, Options, built, chosen
from fewclicks.predictor import Predictor

__all__ = ["PRESETS", "Options", "build", "chosen", "describe"]

SMALL = {"net": "hq_sam", "size": "tiny"}
"""A network to try the method with."""


def describe(**options: Any) -> dict[str, Any]:
    """Tell what a result names as its settings."""
    return described("hq_sam", chosen(**options))


def build(**options: Any) -> Predictor:
    """HQ-SAM on the weights that the options name, with what they put around it."""
    return built("hq_sam", **options)
