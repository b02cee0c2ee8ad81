"""What the choices that SUEM leaves open do to the samples: whose clicks they change, and how often.

    python benchmarks/sampling.py

Draws the same samples of the first set of `compact` (FEWCLICKS_DATA) under each choice, and writes
results/sampling.json and the table of docs/training.md. A minute on one core.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import tables

from fewclicks.files.replace import write_json
from fewclicks.recipes.compact import compact
from fewclicks.training.recipe import Recipe
from fewclicks.training.samples import Samples
from fewclicks.training.sets import scenes
from fewclicks.types import Mask, Truth

RESULT = Path(__file__).resolve().parents[1] / "results" / "sampling.json"
COUNT = 400
"""Samples of each choice."""
BASE = replace(
    compact(), name="sampling", sets=("coco_instances",), set_weights=(1.0,), whole_sets=(), place_prob=0.0,
    simple_prob=0.5, union_prob=0.25, exclusion_prob=0.25, blend_prob=0.0, mixing_prob=0.5, single_click_prob=0.0,
    max_clicks=24, click_gamma=0.8, one_object_after="paste", merged_clicks=True,
)  # fmt: skip
CHOICES: dict[str, dict[str, Any]] = {
    "as the release": {},
    "one_object_after=any": {"one_object_after": "any"},
    "one_object_after=never": {"one_object_after": "never"},
    "merged_clicks=false": {"merged_clicks": False},
    "blend_alpha=0.8,1": {"blend_alpha": (0.8, 1.0)},
}


class Watched(Samples):
    """Samples that note what each one's clicks were drawn from."""

    def __init__(self, recipe: Recipe) -> None:
        super().__init__(recipe, [scenes(name) for name in recipe.sets])
        self.seen: list[tuple[bool, bool, float]] = []

    def first_clicks(
        self, truth: Truth, others: Mask, rng: np.random.Generator, parts: tuple[Mask, ...] = ()
    ) -> np.ndarray[Any, np.dtype[np.float32]]:
        """Note whether there are other objects, how many negatives lie on them, and whether each part has a click."""
        points = super().first_clicks(truth, others, rng, parts)
        columns, rows = points[:, 0].astype(int), points[:, 1].astype(int)
        on_others = float((others[rows, columns] & (points[:, 2] == 0)).sum())
        self.seen.append((bool(others.any()), len(parts) == 2, on_others))
        return points


def measure(recipe: Recipe) -> dict[str, float]:
    """What is true of the samples of a recipe."""
    samples = Watched(recipe)
    contrast = []
    for i in range(COUNT):
        image, truth, *_ = samples[i]
        inside, outside = image[truth == 1], image[truth == 0]
        if len(inside) and len(outside):
            contrast.append(float(np.abs(inside.mean(0) - outside.mean(0)).mean()))
    seen = np.array(samples.seen, float)
    return {
        "share_with_others": round(float(seen[:, 0].mean()), 4),
        "negatives_on_others": round(float(seen[:, 2].mean()), 4),
        "share_with_a_click_on_each_part": round(float(seen[:, 1].mean()), 4),
        "contrast": round(float(np.mean(contrast)), 2),
    }


def main() -> None:
    """Measure each choice, write the result and the page."""
    rows = {name: measure(replace(BASE, **changes)) for name, changes in CHOICES.items()}
    about = {"command": "python benchmarks/sampling.py", "samples": COUNT, "sets": list(BASE.sets)}
    write_json(RESULT, {"about": about, "rows": rows})
    tables.renew("docs/training.md")


if __name__ == "__main__":
    main()
