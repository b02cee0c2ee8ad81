"""The objects that a run does not train on: what it holds out, or the validation split."""

from __future__ import annotations

import logging
from dataclasses import dataclass, fields

import numpy as np

from fewclicks.datasets import held_out_photos, open_benchmark
from fewclicks.errors import FewClicksError, InputError, one_line
from fewclicks.training import sets
from fewclicks.training.recipe import Recipe
from fewclicks.types import Dataset, Sample, Scenes

log = logging.getLogger(__name__)


def unseen(recipe: Recipe) -> Dataset | None:
    """Objects of photos that the recipe does not train on; None if it holds none out."""
    standard = next(field.default for field in fields(Recipe) if field.name == "holdout")
    if recipe.holdout == standard:
        try:
            validation = open_benchmark("validation")
            if set(recipe.sets) & set(getattr(validation, "sets", ())):
                return validation
        except FewClicksError:
            pass  # its sets are not here
    found = HeldOut.of([sets.scenes(name) for name in recipe.sets], recipe)
    return found if len(found) else None


def require_unseen(recipe: Recipe) -> None:
    """InputError where a recipe holds out no photo, told by names alone: before the run, not after it."""
    if not any(held_out_photos(sets.scenes(name), recipe.holdout) for name in recipe.sets):
        raise InputError(
            f"no photo is held out of training (holdout is {recipe.holdout}), and nothing else to measure on; set "
            "holdout=20, or --validate-on NAME"
        )


def _has_objects(scenes: Scenes, index: int) -> bool:
    """Tell whether a photo has an object; False and a warning for one that cannot be used."""
    try:
        return bool(scenes[index].roots())
    except FewClicksError as error:
        log.warning("a photo of %s is left out: %s", scenes.name, one_line(error, None))
        return False


@dataclass(frozen=True, slots=True)
class HeldOut:
    """One object of each held-out photo: the first of at least `min_area_px` pixels, else the largest."""

    photos: tuple[tuple[Scenes, int], ...]
    min_area_px: int
    name: str = "held out"

    @classmethod
    def of(cls, scenes: list[Scenes], recipe: Recipe) -> HeldOut:
        """The held-out photos of the sets of a recipe; those without an object, or that cannot be used, are left out
        as they are met, the latter with a warning."""
        photos = ((one, i) for one in scenes for i in sorted(held_out_photos(one, recipe.holdout)))
        return cls(tuple((one, i) for one, i in photos if _has_objects(one, i)), recipe.min_area_px)

    def __len__(self) -> int:
        return len(self.photos)

    def __getitem__(self, index: int) -> Sample:
        one, i = self.photos[index]
        scene = one[i]
        areas = np.bincount(scene.ids.ravel())
        ids = scene.roots()
        chosen = next((k for k in ids if areas[k] >= self.min_area_px), max(ids, key=lambda k: int(areas[k])))
        return Sample(scene.image, scene.truth(chosen), f"{one.name}/{scene.name}#{chosen}")
