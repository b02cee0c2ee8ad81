"""CFR-ICL: fine-tuning with the iterative click loss and SUEM copy-paste (Sun et al., AAAI 2024; Tables 1, 2 and 4).

`fewclicks train cfr_icl:vit_huge_cocolvis_icl_suem init=cocolvis_vit_huge.pth`

Each network starts from the weights of SimpleClick or RITM and is tuned at lr 5e-6 with ICL, with SUEM, with both, or
with neither: the baseline, as much further training. Batches are the paper's, 140 (ViT-B) and 32 (ViT-H); the released
configurations default to 32 for both (ViT-B: batch=32 steps=4685 on COCO+LVIS, batch=32 steps=5300 on SBD). Lengths are
the release's: ViT-B 5 epochs of COCO+LVIS or 20 of SBD; ViT-H one of 3,000 photos of COCO+LVIS, or 5 of SBD. Nothing is
published for HRNet32: it follows ViT-B, with RITM's crop and batch and without the auxiliary loss.

ICL is the release's: 1 to 3 terms, drawn anew for each step. The paper's Eq. 3 always sums all: random_length=false.
The released configurations of ViT-B leave ICL out; the paper's table has it.
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
    return _base(simpleclick.vit_base_cocolvis(), epochs=5)


def _vit_base_sbd() -> Recipe:
    return _base(simpleclick.vit_base_sbd(), epochs=20)


def _vit_huge_cocolvis() -> Recipe:
    return replace(_base(simpleclick.vit_huge_cocolvis(), epochs=1, photos=3000), max_clicks=12)


def _vit_huge_sbd() -> Recipe:
    return replace(_base(simpleclick.vit_huge_sbd(), epochs=5), max_clicks=12)


def _hrnet32_cocolvis() -> Recipe:
    return _base(ritm.hrnet32_cocolvis(), epochs=5)


def _hrnet32_sbd() -> Recipe:
    return _base(ritm.hrnet32_sbd(), epochs=20)


def _base(start: Recipe, epochs: int, photos: int = 0) -> Recipe:
    """Tuning of what `start` trained, over epochs of so many photos (0: those of `start`)."""
    family, _, rest = start.name.partition("_")
    place = rest.rpartition("_")[2]
    return replace(
        start, name=f"cfr_icl_{rest}",
        starts_from=f"the weights of {family}:{rest}, as a checkpoint folder or the published file",
        steps=epochs * ((photos or ritm.EPOCH[place]) // start.batch), lr=5e-6, milestones=(), aux_weight=0.0,
        min_area_px=20 if place == "sbd" else 1000,
    )  # fmt: skip


def _tuned(recipe: Recipe, icl: bool = False, suem: bool = False) -> Recipe:
    """One cell of the tables; the chances are the release's."""
    variant = "_".join(word for word, used in (("icl", icl), ("suem", suem)) if used) or "baseline"
    recipe = replace(recipe, name=f"{recipe.name}_{variant}")
    if icl:
        recipe = replace(recipe, objective="icl", click_weights=(1.0, 2.0, 3.0), random_length=True)
    if suem:
        second = 0.5 / 3
        recipe = replace(
            recipe, simple_prob=0.5, union_prob=second, exclusion_prob=second, blend_prob=second, mixing_prob=0.5,
            paste_tries=5, visible_share=0.0,
        )  # fmt: skip
    return recipe
