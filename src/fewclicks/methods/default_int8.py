"""The default model in 8 bits: two thirds of the time of a click on CPUs that multiply bytes, nearly the same masks.

Its weights are those of the default model; `fewclicks quantise` made the file. All options are those of `default`,
and CFR, ZoomIn, Flip and ClickConsistency suit it as that.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fewclicks.methods.default import build as build_default
from fewclicks.methods.default import describe as describe_default
from fewclicks.predictor import Predictor

WEIGHTS = Path(__file__).parents[1] / "weights" / "default-int8.onnx"


def build(**options: Any) -> Predictor:
    """The predictor of `default` on the weights in 8 bits."""
    return build_default(**{"weights": WEIGHTS, **options})


def describe(**options: Any) -> dict[str, Any]:
    """Tell what `default` tells of itself, of these weights."""
    return describe_default(**{"weights": WEIGHTS, **options})
