"""BRS (Jang & Kim, CVPR 2019): an encoder-decoder on maps of proximity, on SBD. Its refinement is no part of it."""

from dataclasses import replace

from fewclicks.recipes.compact import on_compact
from fewclicks.recipes.dios import dios
from fewclicks.training.recipe import Recipe


def brs() -> Recipe:
    """DenseNet-121 with a coarse and a fine decoder, SBD."""
    return replace(
        dios(), name="brs", method="brs", backbone="densenet", size="121", maps="proximity",
        starts_from="DenseNet-121 trained on ImageNet", max_clicks=8, click_gamma=0.8,
    )  # fmt: skip


def compact() -> Recipe:
    """The same on EfficientNet-Lite0 and this repository's photos, for two cores."""
    return on_compact(brs())
