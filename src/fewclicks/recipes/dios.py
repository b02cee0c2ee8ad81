"""DIOS (Xu et al., CVPR 2016): random clicks beside truncated distances, no previous mask, no iterations.

PASCAL VOC in the paper, which SBD contains. Of the paper's clicks one to five are on the object, and up to ten beside
it: on the border, on other objects, anywhere. Ours are up to five of each.
"""

from fewclicks.recipes.compact import on_compact
from fewclicks.training.recipe import Recipe


def dios() -> Recipe:
    """FCN-8s on VGG-16, SBD."""
    return Recipe(
        name="dios", method="dios", backbone="vgg", size="16", maps="truncated", radius_px=255.0, with_prev=False,
        starts_from="VGG-16 trained on ImageNet", sets=("sbd/train",), holdout=0,
        native=True, crop_hw=(320, 480), pad_counts=True, min_area_px=80,
        simple_prob=0.0, union_prob=0.0, exclusion_prob=0.0, mixing_prob=0.0, merge_prob=0.0,
        max_clicks=5, click_gamma=1.0, objective="last_click", click_weights=(1.0,), alpha=0.5, gamma=0.0,
        batch=8, steps=60_000, lr=1e-4, decay_from=0.5,
    )  # fmt: skip


def compact() -> Recipe:
    """The same on EfficientNet-Lite0 and this repository's photos, for two cores."""
    return on_compact(dios())
