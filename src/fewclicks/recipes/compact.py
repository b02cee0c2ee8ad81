"""The default model: EfficientNet-Lite0 + FPN, trained on a laptop's CPU.

`python benchmarks/train_default.py` runs all of it: `compact` from ImageNet weights, then branches that begin with the
same weights and are averaged (model soups, Wortsman et al., ICML 2022), which also puts two cores to work on one model.
"""

from dataclasses import replace
from typing import Any

from fewclicks.training.recipe import Recipe

SETS = {  # chance of a photo to be drawn; animals and people dominate the sets, so the broad one counts most
    "coco_instances": 6.0,
    "voc_components": 1.0,
    "coco_person": 0.7,
    "ccp_garments": 0.5,
    "camvid": 0.6,
    "bsds_regions": 0.8,
}

BROAD = {  # objects, parts and thin things that the sets above lack: butterflies, plates, faces, hair, seedlings ...
    "object_composites": 1.5,
    "noise_objects": 1.0,
    "food_plates": 1.0,
    "food_trays": 0.8,
    "endangered_animals": 0.8,
    "cwfid_plants": 0.8,
    "leeds_butterflies": 0.7,
    "fasseg_faceparts": 0.7,
    "bottles_via": 0.6,
    "figaro_hair": 0.5,
    "banknotes": 0.5,
    "dsb2018_nuclei": 0.3,
    "mushrooms": 0.2,
}


def compact() -> Recipe:
    """The first phase, and the first default model: about two hours on two cores."""
    return Recipe(
        name="compact", init="imagenet",
        sets=tuple(SETS), set_weights=tuple(SETS.values()), whole_sets=("ccp_garments",),
        crop_hw=(256, 256), zoom=448, min_area_px=300, zoom_crop_prob=0.6, zoom_margin=(1.1, 2.0), resize=(0.8, 1.5),
        simple_prob=0.1, union_prob=0.06, exclusion_prob=0.1, blend_prob=0.04, mixing_prob=0.1, place_prob=0.7,
        one_object_after="never", max_clicks=12, click_gamma=0.6, single_click_prob=0.6, merged_clicks=False,
        click_weights=(1.0, 2.0, 3.0), random_length=True,  # as the released code: 1 to 3 terms, Y^0 counts
        batch=16, steps=3080, lr=1e-3, backbone_lr=0.3, warmup=100, decay_from=0.4545,
        clip_norm=1.0, ema=0.998, precision="bf16",
    )  # fmt: skip


def branch_256() -> Recipe:
    """Second phase, first branch: the last click counts, hardly any copy-paste, constant learning rate."""
    return _later("branch_256", steps=1093, seed=11)


def branch_352() -> Recipe:
    """Second phase, second branch: larger crops, half as many."""
    return _later("branch_352", steps=820, seed=11, crop_hw=(352, 352), batch=8, min_area_px=500)


def branch_foreign() -> Recipe:
    """Goes on with `branch_352`, at 256x256 and with wrong masks to correct."""
    return _later("branch_foreign", steps=350, seed=12, foreign_prob=0.25)


def late() -> Recipe:
    """Third phase, first branch: crops near the size of inference, the learning rate falls to nothing."""
    return replace(
        _later("late", steps=1500, seed=21), crop_hw=(352, 352), batch=10, min_area_px=500,
        warmup=30, decay_from=0.0, ema=0.995,
    )  # fmt: skip


def late_foreign() -> Recipe:
    """Third phase, second branch: the same with wrong masks to correct."""
    return replace(late(), name="compact_late_foreign", seed=22, foreign_prob=0.25)


def foreign_everywhere() -> Recipe:
    """Fourth phase: wrong masks in all of it, twice as long, most of it at a falling learning rate."""
    return replace(late_foreign(), name="compact_foreign_everywhere", seed=31, steps=3000, warmup=50, decay_from=0.3,
                   ema=0.997)  # fmt: skip


def broad() -> Recipe:
    """From the shipped weights on, with thirteen sets more."""
    weights = {**SETS, **BROAD}
    return replace(
        foreign_everywhere(), name="compact_broad", size="plus", init="default", starts_from="", seed=41,
        sets=tuple(weights), set_weights=tuple(weights.values()), whole_sets=("ccp_garments", "fasseg_faceparts"),
    )  # fmt: skip


def prompts() -> Recipe:
    """`broad` with boxes and scribbles to begin with, and with masks of other tools of more kinds."""
    return replace(
        broad(), name="compact_prompts", seed=42, box_prob=0.1, scribble_prob=0.1,
        foreign_faults=(0.15, 0.15, 0.1, 0.15, 0.1, 0.15, 0.1, 0.1),
    )  # fmt: skip


def gpu() -> Recipe:
    """The last phase, for minutes of one GPU (`--for 11m`): the larger network, which begins as the model of 0.1.

    Ten times the batch of `prompts` at 2.8 times the rate, and up to three simulated clicks a sample instead of two. To
    go on from what it came to: init=default.
    """
    return replace(
        prompts(), name="compact_gpu", init="default-0.1", seed=51, click_weights=(1.0, 1.0, 1.0, 1.0),
        batch=96, lr=1.4e-3, backbone_lr=0.4, steps=5000, warmup=150, decay_from=0.3, ema=0.998,
    )  # fmt: skip


def worse_photos() -> Recipe:
    """`gpu` from the shipped weights on, with grey, turned, noisy photos and such of low quality among the others."""
    return replace(
        gpu(), name="compact_worse_photos", init="default", seed=61, grey_prob=0.2, rotate90_prob=0.4, worsen_prob=0.3,
    )  # fmt: skip


def on_compact(recipe: Recipe) -> Recipe:
    """A recipe with the default model's backbone, ImageNet weights, photos and crops, for two cores."""
    return replace(
        recipe, name=f"{recipe.name}_compact", backbone="compact", size="lite0", init="imagenet", starts_from="",
        sets=tuple(SETS), set_weights=tuple(SETS.values()), whole_sets=("ccp_garments",), holdout=20,
        native=False, crop_hw=(256, 256), pad_counts=False, min_area_px=300, keep_background_prob=0.0, stuff_prob=0.0,
        zoom_crop_prob=0.6, resize=(0.8, 1.5), rotate_deg=10.0, rotate_prob=1.0, merge_prob=0.15,
        flip_vertical=False, rotate90_prob=0.0, shift=0.0, eval_clicks=False, aux_weight=0.0,
        batch=16, accumulate=1, steps=3000, lr=1e-3, backbone_lr=0.3, warmup=100, milestones=(), decay_from=0.5,
        clip_norm=1.0, precision="bf16",
    )  # fmt: skip


def _later(name: str, **changes: Any) -> Recipe:
    """Tell what the phases after the first share."""
    shared = replace(
        compact(), name=f"compact_{name}", init="", starts_from="the weights of the phase before it",
        objective="last_click", click_weights=(1.0, 1.0, 1.0),
        simple_prob=0.03, union_prob=0.03, exclusion_prob=0.05, blend_prob=0.0, mixing_prob=0.02,
        lr=5e-4, warmup=50, decay_from=1.0,
    )  # fmt: skip
    return replace(shared, **changes)
