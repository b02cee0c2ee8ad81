"""The networks of Table 4 that differ from RITM's in more than a head, on this repository's photos, for two cores.

`fewclicks train rivals:fbrs`, and so on: each the smallest of its kind, with one set of photos, crops and steps. What
their authors trained on and for how long is in their papers; their weights convert.
"""

from dataclasses import replace

from fewclicks.recipes.compact import on_compact
from fewclicks.training.recipe import Recipe


def fbrs() -> Recipe:
    """DeepLabV3+ ResNet-34 on tanh maps, without a previous mask; what f-BRS optimizes is not trained."""
    return replace(
        _plain("fbrs"), backbone="resnet", size="34", maps="tanh", radius_px=260.0, with_prev=False, fusion="input",
    )  # fmt: skip


def cdnet() -> Recipe:
    """DeepLabV3+ ResNet-34 with feature diffusion, without a previous mask."""
    return replace(_plain("cdnet"), backbone="resnet", size="34_cdnet", with_prev=False)


def fcanet() -> Recipe:
    """A ResNet of one block a stage with the branch of the first click, which has a loss of its own."""
    return replace(_plain("fcanet"), net="fcanet", size="tiny", aux_weight=1.0)


def ritm() -> Recipe:
    """HRNet18s with the previous mask, and up to three simulated clicks before the one that counts."""
    return replace(_guided("ritm"), backbone="hrnet", size="18s", aux_weight=0.4, eval_clicks=True)


def focalclick() -> Recipe:
    """SegFormer-B0 and the refiner; the coarse mask is the auxiliary one."""
    return replace(
        _guided("focalclick"), backbone="segformer", size="b0", refiner="focalclick_gate", aux_weight=1.0,
    )  # fmt: skip


def emcclick() -> Recipe:
    """SegFormer-B0 and the correction network; the base network's mask is the auxiliary one."""
    return replace(_guided("emcclick"), net="emcclick", backbone="segformer", size="b0", aux_weight=1.0)


def simpleclick() -> Recipe:
    """The smallest plain ViT of SimpleClick."""
    return replace(_guided("simpleclick"), backbone="vit", size="xtiny")


def cfr_icl() -> Recipe:
    """The same with the paper's iterative click loss."""
    return replace(
        simpleclick(), name="rivals_cfr_icl", method="cfr_icl", objective="icl", click_weights=(0.0, 1.0, 2.0, 3.0),
        random_length=False,
    )  # fmt: skip


def sam() -> Recipe:
    """A SAM of four blocks on squares of 256 pixels, taught on its single mask."""
    return replace(_guided("sam"), net="sam", size="tiny")


def hq_sam() -> Recipe:
    """The same with the token of the fine mask."""
    return replace(_guided("hq_sam"), net="hq_sam", size="tiny")


def sam2() -> Recipe:
    """A SAM 2 of five blocks on squares of 256 pixels, taught on its single mask."""
    return replace(_guided("sam2"), net="sam2", size="mini")


def segnext() -> Recipe:
    """A SegNext of four blocks on squares of 256 pixels."""
    return replace(_guided("segnext"), net="segnext", size="tiny")


def _plain(method: str) -> Recipe:
    """One forward a step, after random clicks."""
    shared = replace(
        on_compact(Recipe(name=method)), name=f"rivals_{method}", method=method, init="", objective="last_click",
        click_weights=(1.0,), max_clicks=8, click_gamma=0.8, simple_prob=0.0, union_prob=0.0, exclusion_prob=0.0,
        mixing_prob=0.0, precision="fp32",
    )  # fmt: skip
    return replace(shared, backbone="compact", size="lite0")


def _guided(method: str) -> Recipe:
    """Up to three simulated clicks before the one that counts."""
    return replace(_plain(method), click_weights=(1.0,) * 4, random_length=True)
