"""UCP-Net (Dupont et al., 2021): clicks on outlines, a U-Net with an EfficientNet encoder, crops around the object."""

from dataclasses import replace

from fewclicks.recipes.compact import on_compact
from fewclicks.recipes.dios import dios
from fewclicks.training.recipe import Recipe


def ucp_net() -> Recipe:
    """EfficientNet-Lite0, SBD."""
    return replace(
        dios(), name="ucp_net", method="ucp_net", backbone="unet", size="lite0", init="imagenet", starts_from="",
        maps="contour", radius_px=10.0, contour_clicks=True, native=False, crop_hw=(320, 320), pad_counts=False,
        zoom_crop_prob=1.0, zoom_margin=(1.1, 1.8), min_area_px=300, max_clicks=8, click_gamma=0.6,
        objective="last_click", click_weights=(1.0, 1.0, 1.0), random_length=True, gamma=2.0,
        batch=16, lr=1e-3, backbone_lr=0.3, warmup=100, clip_norm=1.0,
    )  # fmt: skip


def compact() -> Recipe:
    """The same on this repository's photos, for two cores."""
    own = ucp_net()
    return replace(on_compact(own), backbone="unet", zoom_crop_prob=1.0, zoom_margin=own.zoom_margin)
