"""What ICL and SUEM are worth at our scale: `compact` four times, with equal compute (the paper's Table 1).

`python benchmarks/ablation.py` trains and measures all four.
"""

from dataclasses import replace

from fewclicks.recipes.compact import compact
from fewclicks.training.recipe import Recipe

STEPS = {"icl": 800, "last_click": 1200}
"""Steps of about equal compute: ICL backpropagates two terms a step on average, last_click one and a third of one."""


def last_click() -> Recipe:
    """Eq. 2, no SUEM: the baseline."""
    return _cell("last_click", suem=False)


def icl() -> Recipe:
    """Eq. 3 alone."""
    return _cell("icl", suem=False)


def last_click_suem() -> Recipe:
    """SUEM alone."""
    return _cell("last_click", suem=True)


def icl_suem() -> Recipe:
    """Both."""
    return _cell("icl", suem=True)


def _cell(objective: str, suem: bool) -> Recipe:
    simple, second, mixing = (0.5, 0.5 / 3, 0.5) if suem else (0.0, 0.0, 0.0)  # the released code's chances
    return replace(
        compact(), name=f"ablation_{objective}{'_suem' if suem else ''}", objective=objective, steps=STEPS[objective],
        simple_prob=simple, union_prob=second, exclusion_prob=second, blend_prob=second, mixing_prob=mixing,
        place_prob=0.0, zoom=0, decay_from=0.4, warmup=50, ema=0.995,
    )  # fmt: skip
