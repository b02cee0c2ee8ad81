"""The default model: EfficientNet-Lite0 + FPN, trained with ICL and SUEM on a laptop's CPU."""

from fewclicks.training.recipe import Recipe

SETS = {  # chance of a photo to be drawn; animals and people dominate the sets, so the broad one counts most
    "coco_instances": 6.0,
    "voc_components": 1.0,
    "coco_person": 0.7,
    "ccp_garments": 0.5,
    "camvid": 0.6,
    "bsds_regions": 0.8,
}


def compact() -> Recipe:
    """The first default model: about two and a half hours on two cores."""
    return Recipe(
        name="compact", init="imagenet",
        sets=tuple(SETS), set_weights=tuple(SETS.values()), whole_sets=("ccp_garments",),
        crop_hw=(256, 256), min_area_px=300, zoom_crop_prob=0.6, zoom_margin=(1.1, 2.0), resize=(0.8, 1.5),
        simple_prob=0.1, union_prob=0.06, exclusion_prob=0.1, blend_prob=0.04, mixing_prob=0.1, place_prob=0.7,
        max_clicks=12, click_gamma=0.6, single_click_prob=0.6,
        batch=16, steps=3080, lr=1e-3, backbone_lr=0.3, warmup=100, decay_from=0.4545,
        clip_norm=1.0, ema=0.998, precision="bf16",
    )  # fmt: skip
