"""The default model of version 0.1, for results that shall stay comparable: EfficientNet-Lite0, 3.2 million parameters.

Trained on six sets and 139,000 samples; docs/experiments.md, run 12. All options are those of `default`, and CFR,
ZoomIn, Flip and ClickConsistency suit it as that. The file is part of the repository, not of the wheel, which it would
make half as large again.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fewclicks.errors import CheckpointError
from fewclicks.methods.default import build as build_default
from fewclicks.predictor import Predictor

WEIGHTS = Path(__file__).parents[1] / "weights" / "default-0.1.onnx"


def build(**options: Any) -> Predictor:
    """The predictor of `default` on the weights of version 0.1. CheckpointError where they were not installed."""
    if "weights" not in options and not WEIGHTS.is_file():
        raise CheckpointError(
            f"the weights of 0.1 are not in the wheel; copy src/fewclicks/weights/{WEIGHTS.name} from the repository, "
            "and name it: --method default-0.1.onnx"
        )
    return build_default(**{"weights": WEIGHTS, **options})
