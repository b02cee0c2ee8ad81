"""A run of a minute on drawn shapes: to see the machinery work."""

from fewclicks.training.recipe import Recipe


def toy() -> Recipe:
    """The compact network from scratch on coloured discs and boxes, 64x64."""
    return Recipe(name="toy", crop_hw=(64, 64), min_area_px=40, batch=4, steps=60, lr=1e-3, max_clicks=3,
                  single_click_prob=0.5, resize=(0.9, 1.4))  # fmt: skip
