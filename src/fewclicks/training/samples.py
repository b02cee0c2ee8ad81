"""Training samples: sample i of a recipe is the same whatever the number of workers, and whenever it is made."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np
import torch
from torch.utils.data import Dataset

from fewclicks.arrays import Mask, Truth
from fewclicks.errors import DatasetError
from fewclicks.sample import Scene, Scenes
from fewclicks.training import suem
from fewclicks.training.augment import crop_matrix, recolour, warp
from fewclicks.training.objectives import Batch
from fewclicks.training.recipe import Recipe
from fewclicks.training.sampler import Points, next_click, random_clicks

TRIES = 20


class Samples(Dataset[tuple[np.ndarray, np.ndarray, np.ndarray, str]]):
    """Endless: index i -> (image HxWx3 uint8, truth HxW int8, clicks Nx3 float32, name)."""

    def __init__(self, recipe: Recipe, sets: Sequence[Scenes]) -> None:
        self.recipe, self.sets = recipe, sets
        self.kept = [[i for i in range(len(s)) if not held_out(s, i, recipe.holdout)] for s in sets]
        share = np.array([w * len(kept) for w, kept in zip(recipe.set_weights, self.kept, strict=True)])
        if share.sum() <= 0:
            raise DatasetError(f"the sets {', '.join(recipe.sets)} hold no photo to train on; check set_weights")
        self.share = share / share.sum()

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, str]:
        rng = np.random.default_rng([self.recipe.seed, 0, index])
        scene, truth, others = self.crop(rng)
        image, truth = self.copy_paste(scene, truth, rng)
        return image, truth, self.first_clicks(truth, others, rng), f"sample {index}, {scene.name}"

    def crop(self, rng: np.random.Generator) -> tuple[Scene, Truth, Mask]:
        """An augmented photo, the truth of one target in it, and the mask of the other objects."""
        recipe = self.recipe
        for _ in range(TRIES):
            k = int(rng.choice(len(self.sets), p=self.share))
            scene = self.sets[k][int(rng.choice(self.kept[k]))]
            ids = scene.objects()
            if not ids:
                continue
            target = self.target(ids, recipe.sets[k] in recipe.whole_sets, rng)
            cut = warp(scene, crop_matrix(scene.truth(*target) == 1, recipe, rng), recipe.crop_hw)
            truth = cut.truth(*target)
            if (truth == 1).sum() >= recipe.min_area_px:
                others = (cut.ids > 0) & (truth == 0)
                return Scene(recolour(cut.image, recipe, rng), cut.ids, cut.name), truth, others
        raise DatasetError(f"{TRIES} crops in a row held no object of {recipe.min_area_px} pixels; lower min_area_px")

    def target(self, ids: list[int], whole: bool, rng: np.random.Generator) -> list[int]:
        """The ids that together are the target."""
        if whole and rng.random() < 0.5:
            return ids
        count = 2 if len(ids) > 1 and rng.random() < self.recipe.merge_prob else 1
        return [int(i) for i in rng.choice(ids, count, replace=False)]

    def copy_paste(self, scene: Scene, truth: Truth, rng: np.random.Generator) -> suem.Pair:
        """The stages of SUEM, each with its chance in the recipe."""
        recipe, pair = self.recipe, (scene.image, truth)
        if rng.random() < recipe.simple_prob:
            pair = suem.simple(*pair, self.crop(rng)[0].image, rng.uniform(0.5, 1))
        mode = rng.random() - np.cumsum((recipe.union_prob, recipe.exclusion_prob, recipe.blend_prob))
        if (mode < 0).any():
            extra, extra_truth, _ = self.crop(rng)
            other: suem.Pair = (extra.image, extra_truth)
            if rng.random() < recipe.place_prob:
                other = suem.place(*other, rng)
            visible = (pair[1] == 1) & (other[1] != 1)
            if visible.sum() > max(20, recipe.min_area_px // 2):
                if mode[0] < 0:
                    pair = suem.union(*pair, *other)
                elif mode[1] < 0:
                    pair = suem.exclusion(*pair, *other)
                else:
                    pair = suem.blend(*pair, *other, rng.uniform(0.5, 1))
        if rng.random() < recipe.mixing_prob:
            pair = suem.mixing(*pair, self.crop(rng)[0].image, rng.uniform(0.5, 1))
        return pair

    def first_clicks(self, truth: Truth, others: Mask, rng: np.random.Generator) -> Points:
        """Random clicks, or the first click of a user who sees no mask yet."""
        if rng.random() < self.recipe.single_click_prob:
            return next_click(truth, np.zeros(truth.shape, np.float32), rng)
        return random_clicks(truth, others, self.recipe.max_clicks, self.recipe.click_gamma, rng)


def held_out(scenes: Scenes, index: int, holdout: int) -> bool:
    """Whether photo `index` belongs to the held-out part: one of `holdout`, by a hash of the photo's name,
    so that all partitions of a photo fall on one side.
    """
    return bool(holdout) and zlib.crc32(scenes.photo(index).encode()) % holdout == 0


def collate(items: list[tuple[np.ndarray, np.ndarray, np.ndarray, str]]) -> Batch:
    """Samples -> Batch; clicks padded to the longest with label -1."""
    images, truths, clicks, names = zip(*items, strict=True)
    padded = np.zeros((len(items), max(max(map(len, clicks)), 1), 3), np.float32)
    padded[..., 2] = -1
    for row, points in zip(padded, clicks, strict=True):
        row[: len(points)] = points
    image = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float() / 255
    return Batch(image, torch.from_numpy(np.stack(truths)), torch.from_numpy(padded), names)
