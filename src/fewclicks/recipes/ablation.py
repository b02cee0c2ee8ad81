"""What ICL and SUEM are worth at our scale: one converged network, trained on in four ways with as many samples each.

The paper's question: its networks have converged too before ICL and SUEM fine-tune them.
`python benchmarks/ablation.py` trains each with three seeds, and measures them.
"""

from dataclasses import replace

from fewclicks.recipes.compact import compact
from fewclicks.training.recipe import Recipe

SAMPLES = 1024
"""What each training sees; `steps` changes it."""


def last_click() -> Recipe:
    """Eq. 2, no SUEM: the baseline. Three clicks are simulated, and the loss after the last of them counts."""
    return _cell("last_click", suem=False)


def icl() -> Recipe:
    """Eq. 3 alone: the same three clicks, and the loss after each of them counts, with weights 1, 2, 3."""
    return _cell("icl", suem=False)


def last_click_suem() -> Recipe:
    """SUEM alone."""
    return _cell("last_click", suem=True)


def icl_suem() -> Recipe:
    """Both."""
    return _cell("icl", suem=True)


def _cell(objective: str, suem: bool) -> Recipe:
    """All but the objective and SUEM is the same in the four; the gradient is always scaled to `clip_norm`.

    The norms are frozen and the rate is small, since without that the network first forgets what it can do: statistics
    of batches of 8 alone, at a rate of 0, cost 0.03 of IoU after the first click on DAVIS.
    """
    simple, second, mixing = (0.5, 0.25, 0.5) if suem else (0.0, 0.0, 0.0)  # the paper's chances, as Recipe has them
    batch = 8
    return replace(
        compact(), name=f"ablation_{objective}{'_suem' if suem else ''}", init="default-0.1", objective=objective,
        click_weights=(0.0, 1.0, 2.0, 3.0), random_length=False,
        simple_prob=simple, union_prob=second, exclusion_prob=second, blend_prob=0.0, mixing_prob=mixing,
        place_prob=0.0, crop_hw=(192, 192), min_area_px=170, zoom=0,
        batch=batch, steps=SAMPLES // batch, lr=5e-5, warmup=16, decay_from=0.0, ema=0.0, frozen_norms=True,
    )  # fmt: skip
