"""CFR-ICL as its released code trains it; `cfr_icl` is the paper's text, docs/reproduction.md names the differences.

`fewclicks train cfr_icl_released:vit_huge_cocolvis_icl_suem init=cocolvis_vit_huge.pth`

Batches of 32. Lengths: ViT-B 5 epochs of COCO+LVIS or 20 of SBD; ViT-H one of 3,000 photos of COCO+LVIS, or 5 of SBD.
ICL draws 1 to 3 terms for each step and weights Y^0, Y^1, Y^2 by 1, 2, 3. SUEM has a fifth mode, a local blend. Photos
of COCO+LVIS are not rotated. ViT-H has 12 initial clicks of a polarity at most, ViT-B 24.

The configurations that were released are `vit_base_*_suem` and `vit_huge_*_icl_suem`; the others follow their rules.
There is none for HRNet32.
"""

from dataclasses import replace

from fewclicks.recipes import cfr_icl, ritm
from fewclicks.training.recipe import Recipe

EPOCHS = {"vit_base_cocolvis": 5, "vit_base_sbd": 20, "vit_huge_cocolvis": 1, "vit_huge_sbd": 5}
PHOTOS = {"vit_huge_cocolvis": 3_000}
"""Photos of an epoch where they are not RITM's."""
BATCH = 32
SECOND = 0.5 / 3
"""The chance of each of the three modes of SUEM's second stage."""


def vit_base_cocolvis_baseline() -> Recipe:
    """ViT-B, COCO+LVIS, neither."""
    return _released(cfr_icl.vit_base_cocolvis_baseline())


def vit_base_cocolvis_icl() -> Recipe:
    """ViT-B, COCO+LVIS, ICL alone."""
    return _released(cfr_icl.vit_base_cocolvis_icl())


def vit_base_cocolvis_suem() -> Recipe:
    """ViT-B, COCO+LVIS, SUEM alone."""
    return _released(cfr_icl.vit_base_cocolvis_suem())


def vit_base_cocolvis_icl_suem() -> Recipe:
    """ViT-B, COCO+LVIS, ICL and SUEM."""
    return _released(cfr_icl.vit_base_cocolvis_icl_suem())


def vit_base_sbd_baseline() -> Recipe:
    """ViT-B, SBD, neither."""
    return _released(cfr_icl.vit_base_sbd_baseline())


def vit_base_sbd_icl() -> Recipe:
    """ViT-B, SBD, ICL alone."""
    return _released(cfr_icl.vit_base_sbd_icl())


def vit_base_sbd_suem() -> Recipe:
    """ViT-B, SBD, SUEM alone."""
    return _released(cfr_icl.vit_base_sbd_suem())


def vit_base_sbd_icl_suem() -> Recipe:
    """ViT-B, SBD, ICL and SUEM."""
    return _released(cfr_icl.vit_base_sbd_icl_suem())


def vit_huge_cocolvis_baseline() -> Recipe:
    """ViT-H, COCO+LVIS, neither."""
    return _released(cfr_icl.vit_huge_cocolvis_baseline())


def vit_huge_cocolvis_icl() -> Recipe:
    """ViT-H, COCO+LVIS, ICL alone."""
    return _released(cfr_icl.vit_huge_cocolvis_icl())


def vit_huge_cocolvis_suem() -> Recipe:
    """ViT-H, COCO+LVIS, SUEM alone."""
    return _released(cfr_icl.vit_huge_cocolvis_suem())


def vit_huge_cocolvis_icl_suem() -> Recipe:
    """ViT-H, COCO+LVIS, ICL and SUEM."""
    return _released(cfr_icl.vit_huge_cocolvis_icl_suem())


def vit_huge_sbd_baseline() -> Recipe:
    """ViT-H, SBD, neither."""
    return _released(cfr_icl.vit_huge_sbd_baseline())


def vit_huge_sbd_icl() -> Recipe:
    """ViT-H, SBD, ICL alone."""
    return _released(cfr_icl.vit_huge_sbd_icl())


def vit_huge_sbd_suem() -> Recipe:
    """ViT-H, SBD, SUEM alone."""
    return _released(cfr_icl.vit_huge_sbd_suem())


def vit_huge_sbd_icl_suem() -> Recipe:
    """ViT-H, SBD, ICL and SUEM."""
    return _released(cfr_icl.vit_huge_sbd_icl_suem())


def _released(recipe: Recipe) -> Recipe:
    """A cell of the paper's tables by the rules of the released code."""
    cell = next(cell for cell in EPOCHS if recipe.name.startswith(f"cfr_icl_{cell}_"))
    place = cell.rpartition("_")[2]
    recipe = replace(
        recipe, name=recipe.name.replace("cfr_icl_", "cfr_icl_released_", 1), batch=BATCH,
        steps=EPOCHS[cell] * (PHOTOS.get(cell, ritm.EPOCH[place]) // BATCH),
        max_clicks=12 if "huge" in cell else recipe.max_clicks,
    )  # fmt: skip
    if place == "cocolvis":
        recipe = replace(recipe, rotate_prob=0.0, rotate90_prob=0.0)
    if recipe.objective == "icl":
        recipe = replace(recipe, click_weights=(1.0, 2.0, 3.0), random_length=True)
    else:
        recipe = replace(recipe, click_weights=(0.0, 1.0, 1.0, 1.0))
    if recipe.mixing_prob:
        recipe = replace(recipe, union_prob=SECOND, exclusion_prob=SECOND, blend_prob=SECOND)
    return recipe
