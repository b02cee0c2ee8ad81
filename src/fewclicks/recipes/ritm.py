"""RITM: HRNet + OCR with mask guidance, on COCO+LVIS and on SBD (Sofiiuk et al., ICIP 2022; rows "RITM" of Table 4).

`fewclicks train ritm:hrnet18_cocolvis init=hrnetv2_w18_imagenet_pretrained.pth`

The values are those of the released configurations. An epoch is 30,000 photos of COCO+LVIS or the 8,498 of SBD; a last
batch that is not full is dropped. Not reproduced: photos are drawn with replacement, where the release goes through all
in each epoch; and photos of SBD are drawn alike, where the release prefers those that an earlier network found hard, by
a list that it ships as a pickle.
"""

from dataclasses import replace

from fewclicks.training.recipe import Recipe

EPOCH = {"cocolvis": 30_000, "sbd": 8_498}
"""Photos of an epoch."""


def hrnet18_cocolvis() -> Recipe:
    """HRNet18, COCO+LVIS: 230 epochs of 28 photos a step."""
    return Recipe(
        name="ritm_hrnet18_cocolvis",
        backbone="hrnet", size="18", starts_from="HRNetV2-W18 trained on ImageNet",
        sets=("coco_lvis/train",), holdout=0,
        native=True, crop_hw=(320, 480), zoom=400, resize=(0.75, 1.4), rotate_prob=0.0, pad_counts=True,
        min_area_px=1000, keep_background_prob=0.05, stuff_prob=0.3,
        simple_prob=0.0, union_prob=0.0, exclusion_prob=0.0, blend_prob=0.0, mixing_prob=0.0,
        objective="last_click", click_weights=(1.0,) * 4, random_length=True,  # 0 to 3 before the loss
        eval_clicks=True, aux_weight=0.4,
        steps=230 * (EPOCH["cocolvis"] // 28), batch=28, lr=5e-4, milestones=(200 / 230, 220 / 230),
    )  # fmt: skip


def hrnet18s_cocolvis() -> Recipe:
    """HRNet18s, COCO+LVIS: 230 epochs of 32 photos a step."""
    return replace(
        hrnet18_cocolvis(), name="ritm_hrnet18s_cocolvis",
        size="18s", starts_from="HRNetV2-W18-Small-v2 trained on ImageNet",
        steps=230 * (EPOCH["cocolvis"] // 32), batch=32,
    )  # fmt: skip


def hrnet32_cocolvis() -> Recipe:
    """HRNet32, COCO+LVIS: 230 epochs of 32 photos a step."""
    return replace(
        hrnet18_cocolvis(), name="ritm_hrnet32_cocolvis", size="32", starts_from="HRNetV2-W32 trained on ImageNet",
        steps=230 * (EPOCH["cocolvis"] // 32), batch=32,
    )  # fmt: skip


def hrnet18_sbd() -> Recipe:
    """HRNet18, SBD: 220 epochs of 28 photos a step."""
    return _on_sbd(hrnet18_cocolvis())


def hrnet18s_sbd() -> Recipe:
    """HRNet18s, SBD: 220 epochs of 32 photos a step; no such weights are published."""
    return _on_sbd(hrnet18s_cocolvis())


def hrnet32_sbd() -> Recipe:
    """HRNet32, SBD: 220 epochs of 32 photos a step; no such weights are published."""
    return _on_sbd(hrnet32_cocolvis())


def _on_sbd(recipe: Recipe) -> Recipe:
    return replace(
        recipe, name=recipe.name.replace("cocolvis", "sbd"), sets=("sbd/train",),
        resize=(0.75, 1.25), flip_vertical=True, rotate90_prob=0.5, rotate_prob=0.75, rotate_deg=3.0, shift=0.03,
        min_area_px=80, keep_background_prob=0.01, stuff_prob=0.0,
        steps=220 * (EPOCH["sbd"] // recipe.batch), milestones=(200 / 220, 215 / 220),
    )  # fmt: skip
