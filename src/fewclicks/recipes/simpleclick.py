"""SimpleClick: plain ViT-B, L and H on COCO+LVIS and on SBD (Liu et al., ICCV 2023; rows "SimpleClick" of Table 4).

`fewclicks train simpleclick:vit_base_cocolvis init=mae_pretrain_vit_base.pth`

Data, clicks and objective are RITM's; network, crop, batch and learning rate differ, and there is no auxiliary loss.
Batches are the paper's, 140 (B), 72 (L) and 32 (H) photos a step over 55 epochs. The released configurations default to
32 for all three: batch=32 steps=51535 on COCO+LVIS, batch=32 steps=14575 on SBD.
"""

from dataclasses import replace

from fewclicks.recipes import ritm
from fewclicks.training.recipe import Recipe

EPOCHS = 55


def vit_base_cocolvis() -> Recipe:
    """ViT-B, COCO+LVIS: 55 epochs of 140 photos a step (release: 32)."""
    return _vit(ritm.hrnet18_cocolvis(), "base", 140)


def vit_base_cocolvis_layer_decay() -> Recipe:
    """ViT-B, COCO+LVIS, with the release's option --layerwise-decay: lr x 0.75 a layer, weight decay 0.02."""
    return replace(
        vit_base_cocolvis(), name="simpleclick_vit_base_cocolvis_layer_decay", layer_decay=0.75, weight_decay=0.02
    )


def vit_large_cocolvis() -> Recipe:
    """ViT-L, COCO+LVIS: 55 epochs of 72 photos a step (release: 32)."""
    return _vit(ritm.hrnet18_cocolvis(), "large", 72)


def vit_huge_cocolvis() -> Recipe:
    """ViT-H, COCO+LVIS: 55 epochs of 32 photos a step."""
    return _vit(ritm.hrnet18_cocolvis(), "huge", 32)


def vit_base_sbd() -> Recipe:
    """ViT-B, SBD: 55 epochs of 140 photos a step (release: 32)."""
    return _vit(ritm.hrnet18_sbd(), "base", 140)


def vit_large_sbd() -> Recipe:
    """ViT-L, SBD: 55 epochs of 72 photos a step (release: 32)."""
    return _vit(ritm.hrnet18_sbd(), "large", 72)


def vit_huge_sbd() -> Recipe:
    """ViT-H, SBD: 55 epochs of 32 photos a step."""
    return _vit(ritm.hrnet18_sbd(), "huge", 32)


def _vit(data: Recipe, size: str, batch: int) -> Recipe:
    """The data of a RITM recipe for a ViT."""
    place = data.name.rpartition("_")[2]
    return replace(
        data, name=f"simpleclick_vit_{size}_{place}",
        backbone="vit", size=size, starts_from=f"ViT-{size[0].upper()} trained by MAE (mae_pretrain_vit_{size}.pth)",
        crop_hw=(448, 448), zoom=0, fit="square", aux_weight=0.0,
        steps=EPOCHS * (ritm.EPOCH[place] // batch), batch=batch, lr=5e-5, milestones=(50 / EPOCHS, 1.0),
    )  # fmt: skip
