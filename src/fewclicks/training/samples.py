"""Training samples: sample i of a recipe is the same whatever the number of workers, and whenever it is made."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from torch.utils.data import Dataset

from fewclicks.datasets import held_out_photos
from fewclicks.errors import DatasetError, FewClicksError, counted, one_line
from fewclicks.training import suem
from fewclicks.training.augmentation import crop_matrix, native_matrix, recolour, warp, worsen
from fewclicks.training.clicks import Points, next_click, random_clicks
from fewclicks.training.corruption import corrupt_mask
from fewclicks.training.objectives import Batch
from fewclicks.training.outline_clicks import first_outline_clicks
from fewclicks.training.prompts import loose_box, scribble
from fewclicks.training.recipe import Recipe
from fewclicks.types import IGNORE_ID, Image, Mask, Prob, Scene, Scenes, Truth

TRIES = 20
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Cut:
    """An augmented crop and its target."""

    scene: Scene
    truth: Truth
    """HxW; all background where the crop holds no object."""
    others: Mask
    """HxW: the other objects."""
    parts: tuple[Mask, ...] = ()
    """HxW each: the objects that the target merges, if they are several."""


Item = tuple[Image, Truth, Points, str, Prob | None]
"""Image HxWx3, truth HxW, clicks Nx3, name, and the previous mask HxW, None for an empty one."""


class Samples(Dataset[Item]):
    """Endless: index i -> Item."""

    def __init__(self, recipe: Recipe, sets: Sequence[Scenes]) -> None:
        self.recipe, self.sets = recipe, sets
        self.kept = [sorted({*range(len(s))} - held_out_photos(s, recipe.holdout)) for s in sets]
        share = np.array([w * len(kept) for w, kept in zip(recipe.set_weights, self.kept, strict=True)])
        if share.sum() <= 0:
            raise DatasetError(f"the sets {', '.join(recipe.sets)} hold no photo to train on; check set_weights")
        self.share = share / share.sum()
        self.beyond = 0 if recipe.pad_counts else IGNORE_ID
        self.faults: dict[tuple[int, int], str] = {}
        """Of each photo (set, place in it) that could not be used, why."""

    def __getitem__(self, index: int) -> Item:
        rng = np.random.default_rng([self.recipe.seed, 0, index])
        cut = self.crop(rng)
        (image, truth), stage = self.copy_paste(cut.scene, cut.truth, rng)
        if stage and self.recipe.one_object_after in ("any", stage):
            cut = replace(cut, others=np.zeros_like(cut.others), parts=())
        name, prev = f"sample {index}, {cut.scene.name}", None
        if self.recipe.foreign_prob and (truth == 1).any() and rng.random() < self.recipe.foreign_prob:
            prev = corrupt_mask(truth, cut.others, rng, self.recipe.foreign_faults)
            return image, truth, next_click(truth, prev, rng), name, prev
        if self.recipe.box_prob and (truth == 1).any() and rng.random() < self.recipe.box_prob:
            prev = loose_box(truth, rng)
            click = next_click(truth, prev, rng) if rng.random() < 0.5 else np.empty((0, 3), np.float32)
            return image, truth, click, name, prev
        if self.recipe.scribble_prob and (truth == 1).any() and rng.random() < self.recipe.scribble_prob:
            return image, truth, self.scribbles(truth, rng), name, prev
        return image, truth, self.first_clicks(truth, cut.others, rng, cut.parts), name, prev

    def crop(self, rng: np.random.Generator) -> Cut:
        """An augmented photo and one target in it; DatasetError if no crop holds one."""
        for _ in range(TRIES):
            k = int(rng.choice(len(self.sets), p=self.share))
            scene = self.scene(k, int(rng.choice(self.kept[k])))
            if scene is None:
                continue
            if scene.stuff and rng.random() >= self.recipe.stuff_prob:
                scene = scene.without(scene.stuff)
            scene = replace(scene, image=worsen(scene.image, self.recipe, rng))
            if self.recipe.native:
                cut = self.native_crop(scene, rng)
            else:
                cut = self.object_crop(scene, self.recipe.sets[k] in self.recipe.whole_sets, rng)
            if cut:
                return cut
        area = counted(self.recipe.min_area_px, "pixel")
        if len(self.faults) == sum(map(len, self.kept)):
            first = next(iter(self.faults.values()))
            raise DatasetError(f"no photo of the {len(self.faults)} to train on can be used; the first: {first}")
        raise DatasetError(f"the crops of {TRIES} photos in a row held no object of {area}; lower min_area_px")

    def scene(self, k: int, index: int) -> Scene | None:
        """A photo of a set; None for one that cannot be used, which is named in a warning once."""
        try:
            return self.sets[k][index]
        except FewClicksError as error:
            if (k, index) not in self.faults:
                self.faults[k, index] = one_line(error, None)
                log.warning("a photo of %s is left out: %s", self.recipe.sets[k], self.faults[k, index])
            return None

    def object_crop(self, scene: Scene, whole: bool, rng: np.random.Generator) -> Cut | None:
        """Choose the target, then a crop that may hold it; None if it does not."""
        ids = scene.roots()
        if not ids:
            return None
        target = self.target(ids, whole, rng)
        matrix = crop_matrix(scene.truth(*target) == 1, self.recipe, rng)
        crop = warp(scene, matrix, self.recipe.crop_hw, self.beyond)
        truth = crop.truth(*target)
        if (truth == 1).sum() < self.recipe.min_area_px:
            return None
        return self.coloured(crop, truth, rng, self.parts(crop, target))

    def native_crop(self, scene: Scene, rng: np.random.Generator) -> Cut | None:
        """Cut anywhere, then choose among the objects in the crop; None if the photo's crops hold none."""
        for _ in range(TRIES):
            crop = warp(scene, native_matrix(scene.image.shape[:2], self.recipe, rng), self.recipe.crop_hw, self.beyond)
            areas = np.bincount(crop.ids.ravel())  # an object lives in one layer
            ids = [i for i in crop.roots() if areas[i] >= self.recipe.min_area_px]
            if ids or rng.random() < self.recipe.keep_background_prob:
                target = self.target(ids, False, rng) if ids else []
                return self.coloured(crop, crop.truth(*target), rng, self.parts(crop, target))
        return None

    def parts(self, crop: Scene, target: list[int]) -> tuple[Mask, ...]:
        """The two objects that a target merges, each to get a click of its own where the crop left something of it."""
        if len(target) != 2 or not self.recipe.merged_clicks:
            return ()
        return tuple(part for i in target if (part := crop.truth(i) == 1).any())

    def coloured(self, crop: Scene, truth: Truth, rng: np.random.Generator, parts: tuple[Mask, ...] = ()) -> Cut:
        """The crop with its colours changed, the target's truth and the mask of the other objects."""
        some = crop.ids > 0 if crop.ids.ndim == 2 else (crop.ids > 0).any(2)
        scene = replace(crop, image=recolour(crop.image, self.recipe, rng))
        return Cut(scene, truth, some & (truth == 0), parts)

    def target(self, ids: list[int], whole: bool, rng: np.random.Generator) -> list[int]:
        """The ids that together are the target."""
        if whole and rng.random() < 0.5:
            return ids
        count = 2 if len(ids) > 1 and rng.random() < self.recipe.merge_prob else 1
        return [int(i) for i in rng.choice(ids, count, replace=False)]

    def copy_paste(self, scene: Scene, truth: Truth, rng: np.random.Generator) -> tuple[suem.Pair, str]:
        """The stages of SUEM, each with its chance in the recipe; a crop without an object stays as it is.

        And what was done: "paste" if something was pasted, "mixing" if the photo was mixed only, else "".
        """
        recipe, pair, stage = self.recipe, (scene.image, truth), ""
        if not (truth == 1).any():
            return pair, stage
        if rng.random() < recipe.simple_prob:
            pair, stage = suem.simple(*pair, self.crop(rng).scene.image, rng.uniform(*recipe.blend_alpha)), "paste"
        mode = rng.random() - np.cumsum((recipe.union_prob, recipe.exclusion_prob, recipe.blend_prob))
        if (mode < 0).any() and (other := self.other(pair[1], rng)):
            stage = "paste"
            if mode[0] < 0:
                pair = suem.union(*pair, *other)
            elif mode[1] < 0:
                pair = suem.exclusion(*pair, *other)
            else:
                pair = suem.blend(*pair, *other, rng.uniform(*recipe.blend_alpha))
        if rng.random() < recipe.mixing_prob:
            pair = suem.mixing(*pair, self.crop(rng).scene.image, rng.uniform(*recipe.blend_alpha))
            stage = stage or "mixing"
        return pair, stage

    def other(self, truth: Truth, rng: np.random.Generator) -> suem.Pair | None:
        """Another sample whose object leaves enough of the target visible; None after paste_tries of them."""
        recipe = self.recipe
        for _ in range(recipe.paste_tries):
            cut = self.crop(rng)
            extra: suem.Pair = (cut.scene.image, cut.truth)
            if rng.random() < recipe.place_prob:
                extra = suem.place(*extra, rng)
            if ((truth == 1) & (extra[1] != 1)).sum() > max(20, int(recipe.visible_share * recipe.min_area_px)):
                return extra
        return None

    def scribbles(self, truth: Truth, rng: np.random.Generator) -> Points:
        """A run of clicks over the object, and half of the time one over what is beside it."""
        object_ = truth == 1
        over = scribble(object_, 1, rng)
        if rng.random() < 0.5:
            return over
        width = 2 * round(0.15 * float(np.sqrt(object_.sum()))) + 3
        near = cv2.dilate(object_.astype(np.uint8), np.ones((width, width), np.uint8)) > 0
        return np.concatenate((over, scribble(near & (truth == 0), 0, rng)))

    def first_clicks(
        self, truth: Truth, others: Mask, rng: np.random.Generator, parts: tuple[Mask, ...] = ()
    ) -> Points:
        """Random clicks, or the first click of a user who sees no mask yet; or clicks on the outline."""
        if self.recipe.contour_clicks:
            return first_outline_clicks(truth, self.recipe.max_clicks, self.recipe.click_gamma, rng)
        if rng.random() < self.recipe.single_click_prob:
            return next_click(truth, np.zeros(truth.shape, np.float32), rng)
        return random_clicks(truth, others, self.recipe.max_clicks, self.recipe.click_gamma, rng, parts)


def collate(items: list[Item]) -> Batch:
    """Samples -> Batch of bytes; clicks padded to the longest with label -1."""
    images, truths, clicks, names, prevs = zip(*items, strict=True)
    padded = np.zeros((len(items), max(max(map(len, clicks)), 1), 3), np.float32)
    padded[..., 2] = -1
    for row, points in zip(padded, clicks, strict=True):
        row[: len(points)] = points
    image = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)  # channels last, as convolutions like them
    truth, prev = torch.from_numpy(np.stack(truths)), None
    if any(one is not None for one in prevs):
        prev = torch.zeros(len(items), 1, *image.shape[2:])
        for row_, one in zip(prev, prevs, strict=True):
            if one is not None:
                row_[0] = torch.from_numpy(one)
    return Batch(image, truth, torch.from_numpy(padded), names, prev=prev)
