"""CFR-ICL by the paper's text: fine-tuning with ICL and SUEM (Sun et al., AAAI 2024; Tables 1, 2 and 4).

`fewclicks train cfr_icl:vit_huge_cocolvis_icl_suem init=cocolvis_vit_huge.pth`

Each network starts from the weights of SimpleClick or RITM and is tuned for one epoch at lr 5e-6, with ICL, with SUEM,
with both, or with neither: the baseline, as much further training. Batches are 140 (ViT-B) and 32 (ViT-H); crops are
448x448 for every network; photos are rotated on COCO+LVIS too. ICL is Eq. 3: three generated clicks, weights 1, 2, 3 on
Y^1..Y^3, and Y^0 not counted. SUEM has the paper's four modes.

Where the paper is silent: an epoch is 30,000 photos of COCO+LVIS or the 8,498 of SBD, as in the configurations that it
builds on; rotation is RITM's of SBD; HRNet32 has the batch of RITM and no auxiliary loss. What the released code does
otherwise is in `cfr_icl_released`.
"""

from dataclasses import replace

from fewclicks.recipes import ritm, simpleclick
from fewclicks.training.recipe import Recipe


def vit_base_cocolvis_baseline() -> Recipe:
    """ViT-B, COCO+LVIS, neither."""
    return _tuned(_vit_base_cocolvis())


def vit_base_cocolvis_icl() -> Recipe:
    """ViT-B, COCO+LVIS, ICL alone."""
    return _tuned(_vit_base_cocolvis(), icl=True)


def vit_base_cocolvis_suem() -> Recipe:
    """ViT-B, COCO+LVIS, SUEM alone."""
    return _tuned(_vit_base_cocolvis(), suem=True)


def vit_base_cocolvis_icl_suem() -> Recipe:
    """ViT-B, COCO+LVIS, ICL and SUEM."""
    return _tuned(_vit_base_cocolvis(), icl=True, suem=True)


def vit_base_sbd_baseline() -> Recipe:
    """ViT-B, SBD, neither."""
    return _tuned(_vit_base_sbd())


def vit_base_sbd_icl() -> Recipe:
    """ViT-B, SBD, ICL alone."""
    return _tuned(_vit_base_sbd(), icl=True)


def vit_base_sbd_suem() -> Recipe:
    """ViT-B, SBD, SUEM alone."""
    return _tuned(_vit_base_sbd(), suem=True)


def vit_base_sbd_icl_suem() -> Recipe:
    """ViT-B, SBD, ICL and SUEM."""
    return _tuned(_vit_base_sbd(), icl=True, suem=True)


def vit_huge_cocolvis_baseline() -> Recipe:
    """ViT-H, COCO+LVIS, neither."""
    return _tuned(_vit_huge_cocolvis())


def vit_huge_cocolvis_icl() -> Recipe:
    """ViT-H, COCO+LVIS, ICL alone."""
    return _tuned(_vit_huge_cocolvis(), icl=True)


def vit_huge_cocolvis_suem() -> Recipe:
    """ViT-H, COCO+LVIS, SUEM alone."""
    return _tuned(_vit_huge_cocolvis(), suem=True)


def vit_huge_cocolvis_icl_suem() -> Recipe:
    """ViT-H, COCO+LVIS, ICL and SUEM."""
    return _tuned(_vit_huge_cocolvis(), icl=True, suem=True)


def vit_huge_sbd_baseline() -> Recipe:
    """ViT-H, SBD, neither."""
    return _tuned(_vit_huge_sbd())


def vit_huge_sbd_icl() -> Recipe:
    """ViT-H, SBD, ICL alone."""
    return _tuned(_vit_huge_sbd(), icl=True)


def vit_huge_sbd_suem() -> Recipe:
    """ViT-H, SBD, SUEM alone."""
    return _tuned(_vit_huge_sbd(), suem=True)


def vit_huge_sbd_icl_suem() -> Recipe:
    """ViT-H, SBD, ICL and SUEM."""
    return _tuned(_vit_huge_sbd(), icl=True, suem=True)


def hrnet32_cocolvis_baseline() -> Recipe:
    """HRNet32, COCO+LVIS, neither."""
    return _tuned(_hrnet32_cocolvis())


def hrnet32_cocolvis_icl() -> Recipe:
    """HRNet32, COCO+LVIS, ICL alone."""
    return _tuned(_hrnet32_cocolvis(), icl=True)


def hrnet32_cocolvis_suem() -> Recipe:
    """HRNet32, COCO+LVIS, SUEM alone."""
    return _tuned(_hrnet32_cocolvis(), suem=True)


def hrnet32_cocolvis_icl_suem() -> Recipe:
    """HRNet32, COCO+LVIS, ICL and SUEM."""
    return _tuned(_hrnet32_cocolvis(), icl=True, suem=True)


def hrnet32_sbd_baseline() -> Recipe:
    """HRNet32, SBD, neither."""
    return _tuned(_hrnet32_sbd())


def hrnet32_sbd_icl() -> Recipe:
    """HRNet32, SBD, ICL alone."""
    return _tuned(_hrnet32_sbd(), icl=True)


def hrnet32_sbd_suem() -> Recipe:
    """HRNet32, SBD, SUEM alone."""
    return _tuned(_hrnet32_sbd(), suem=True)


def hrnet32_sbd_icl_suem() -> Recipe:
    """HRNet32, SBD, ICL and SUEM."""
    return _tuned(_hrnet32_sbd(), icl=True, suem=True)


def _vit_base_cocolvis() -> Recipe:
    return _base(simpleclick.vit_base_cocolvis())


def _vit_base_sbd() -> Recipe:
    return _base(simpleclick.vit_base_sbd())


def _vit_huge_cocolvis() -> Recipe:
    return _base(simpleclick.vit_huge_cocolvis())


def _vit_huge_sbd() -> Recipe:
    return _base(simpleclick.vit_huge_sbd())


def _hrnet32_cocolvis() -> Recipe:
    return _base(ritm.hrnet32_cocolvis())


def _hrnet32_sbd() -> Recipe:
    return _base(ritm.hrnet32_sbd())


def _base(start: Recipe) -> Recipe:
    """One epoch of tuning of what `start` trained."""
    family, _, rest = start.name.partition("_")
    place = rest.rpartition("_")[2]
    return replace(
        start, name=f"cfr_icl_{rest}",
        starts_from=f"the weights of {family}:{rest}, as a checkpoint folder or the published file",
        crop_hw=(448, 448), zoom=0, rotate_prob=0.75, rotate_deg=3.0, rotate90_prob=0.5,
        steps=ritm.EPOCH[place] // start.batch, lr=5e-6, milestones=(), aux_weight=0.0,
        min_area_px=20 if place == "sbd" else 1000,
    )  # fmt: skip


def _tuned(recipe: Recipe, icl: bool = False, suem: bool = False) -> Recipe:
    """One cell of the tables."""
    variant = "_".join(word for word, used in (("icl", icl), ("suem", suem)) if used) or "baseline"
    recipe = replace(recipe, name=f"{recipe.name}_{variant}")
    if icl:
        recipe = replace(recipe, objective="icl", click_weights=(0.0, 1.0, 2.0, 3.0), random_length=False)
    if suem:
        recipe = replace(
            recipe, simple_prob=0.5, union_prob=0.25, exclusion_prob=0.25, mixing_prob=0.5,
            paste_tries=5, visible_share=0.0,
        )  # fmt: skip
    return recipe
