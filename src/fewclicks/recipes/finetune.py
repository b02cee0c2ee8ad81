"""The default model, fitted to photos of your own: `fewclicks train finetune sets=my_photos`.

docs/tutorials/train.md goes from a folder of photos with masks to a comparison with the default.
"""

from dataclasses import replace

from fewclicks.recipes.compact import prompts
from fewclicks.training.recipe import Recipe


def finetune() -> Recipe:
    """From the shipped weights on, at a small rate that falls to nothing; one photo in five is held out.

    `sets=FOLDER` names the photos (images/ and masks/), `steps=` how long: 400 take about an hour on two cores. The
    network is shown regions of 512 pixels, as the shipped one is.
    """
    return replace(
        prompts(), name="finetune", init="default", sets=("my_photos",), set_weights=(1.0,), whole_sets=(), holdout=5,
        zoom=512, batch=8, steps=400, lr=1e-4, warmup=20, decay_from=0.2, ema=0.99, seed=1,
        frozen_norms=True,
    )  # fmt: skip
