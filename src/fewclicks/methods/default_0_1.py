"""The default model of version 0.1, for results that shall stay comparable: EfficientNet-Lite0, 3.2 million parameters.

Trained on six sets and 139,000 samples; docs/experiments.md, run 12. All options are those of `default`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fewclicks.methods.default import build as build_default
from fewclicks.predictor import Predictor

WEIGHTS = Path(__file__).parents[1] / "weights" / "default-0.1.onnx"


def build(**options: Any) -> Predictor:
    """The predictor of `default` on the weights of version 0.1."""
    return build_default(**{"weights": WEIGHTS, **options})
