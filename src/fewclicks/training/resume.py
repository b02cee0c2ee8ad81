"""What a run that is there goes on with: its own recipe. Another recipe is another run."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from pathlib import Path

from fewclicks.checkpoints import checkpoint
from fewclicks.errors import InputError, TrainingError
from fewclicks.files.replace import recover, write_text
from fewclicks.training.recipe import Recipe

LAST = "last"
"""The checkpoint of a run, in its folder."""
RECIPE = "recipe.json"


def recipe_of(run: Path) -> Recipe:
    """Read the recipe of a run from its last checkpoint. TrainingError if there is none."""
    last = run / LAST
    recover(last)
    if not last.exists():
        raise TrainingError(f"nothing to resume: there is no checkpoint {last}; start without --resume")
    return Recipe.from_json(json.dumps(checkpoint.read_config(last).get("recipe")))


def require_same(own: Recipe, other: Recipe, run: Path) -> None:
    """InputError that names every field in which `other` differs from the recipe with which a run goes on."""
    if told := differences(own, other):
        raise InputError(
            f"{run} goes on with its own recipe, in which {told}; leave this out, or start a new run from its "
            f"weights: --fork {run} --out ANOTHER"
        )


def differences(own: Recipe, other: Recipe) -> str:
    """The fields in which two recipes differ, each with both values, in words; "" if they are the same."""
    pairs = ((f.name, getattr(own, f.name), getattr(other, f.name)) for f in fields(Recipe))
    return ", ".join(f"{name} is {mine!r}, not {its!r}" for name, mine, its in pairs if mine != its)


def forked(run: Path) -> Recipe:
    """The recipe of a run that begins with the weights of another. TrainingError if that has none yet."""
    recover(run / LAST)
    if not (run / LAST).exists():
        raise TrainingError(f"nothing to start from: there is no checkpoint {run / LAST}; name the folder of a run")
    return replace(recipe_of(run), init=str(run / LAST))


def require_free(out: Path, recipe: Recipe) -> None:
    """TrainingError if `out` has the recipe.json of another run, which would be lost."""
    path = out / RECIPE
    if path.exists() and (told := differences(Recipe.from_json(path.read_text("utf-8")), recipe)):
        raise TrainingError(
            f"{path} is the recipe of another run, in which {told}; pass another --out, or remove the file"
        )


def keep_recipe(recipe: Recipe, out: Path) -> None:
    """Write recipe.json, once in the life of a run."""
    if not (out / RECIPE).exists():
        write_text(out / RECIPE, recipe.to_json())
