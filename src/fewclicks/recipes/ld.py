"""LD, latent diversity (Li et al., CVPR 2018): six masks by hindsight, and a selector, on SBD."""

from dataclasses import replace

from fewclicks.recipes.compact import on_compact
from fewclicks.recipes.dios import dios
from fewclicks.training.recipe import Recipe


def ld() -> Recipe:
    """Hypercolumns of VGG-19 under a context aggregation network, SBD."""
    return replace(
        dios(), name="ld", method="ld", backbone="context", size="19", extra="latent",
        starts_from="VGG-19 trained on ImageNet", max_clicks=8, click_gamma=0.8,
    )  # fmt: skip


def compact() -> Recipe:
    """The same on EfficientNet-Lite0 and this repository's photos, for two cores."""
    return on_compact(ld())
