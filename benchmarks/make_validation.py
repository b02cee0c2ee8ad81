"""Write the lists of validation objects, stratified over the training sets, from the photos that no recipe trains on.

    python benchmarks/make_validation.py

Of each held-out photo, in an order and with a choice that hang on nothing but the names, so many objects of at least
half a percent of the photo; of every second photo of garments the person, which is all of its objects together. The
broad list takes smaller ones too (eyes, nuclei, leaves), and of every second face the head; no composites, which are
made of photos of other sets.
"""

from __future__ import annotations

import zlib

import numpy as np

from fewclicks.datasets import held_out, validation, validation_broad
from fewclicks.files.replace import write_text
from fewclicks.recipes.compact import broad, compact
from fewclicks.training import sets
from fewclicks.types import Scene

PLAN = {  # set: objects in all, of a photo
    "coco_instances": (60, 3),
    "voc_components": (80, 1),
    "coco_person": (28, 1),
    "ccp_garments": (40, 1),
    "camvid": (20, 2),
    "bsds_regions": (36, 2),
}
BROAD = {
    "leeds_butterflies": (16, 1),
    "figaro_hair": (10, 1),
    "endangered_animals": (10, 2),
    "dsb2018_nuclei": (10, 2),
    "food_plates": (10, 2),
    "noise_objects": (6, 1),
    "bottles_via": (8, 2),
    "fasseg_faceparts": (16, 6),
    "banknotes": (4, 1),
    "mushrooms": (6, 3),
    "cwfid_plants": (8, 4),
    "food_trays": (8, 4),
}
MIN_SHARE, MIN_SHARE_BROAD = 0.005, 0.001


def mixed(text: str) -> int:
    """An order without meaning, the same everywhere."""
    return zlib.crc32(text.encode()[::-1])


def chosen(name: str, count: int, most: int, held: bool = True) -> list[str]:
    """The lines of one set, from the photos that are held out, or from those that are trained on."""
    recipe, scenes = compact() if name in PLAN else broad(), sets.scenes(name)
    share = MIN_SHARE if name in PLAN else MIN_SHARE_BROAD
    photos = [i for i in range(len(scenes)) if held_out(scenes, i, recipe.holdout) == held]
    photos.sort(key=lambda i: (mixed(scenes[i].name), i))
    lines: list[str] = []
    taken: dict[str, int] = {}
    for k, i in enumerate(photos[: 3 * count]):  # that many are never held out
        photo, scene = scenes.photo(i), scenes[i]
        whole = name in recipe.whole_sets and k % 2 == 0
        for ids in [scene.objects()] if whole else [[one] for one in large(scene, share)]:
            if taken.get(photo, 0) < most:
                taken[photo] = taken.get(photo, 0) + 1
                lines.append(f"{name}/{scene.name}#{'+'.join(map(str, ids))}")
    return sorted(sorted(lines, key=mixed)[:count])


def large(scene: Scene, share: float) -> list[int]:
    """The ids of objects that are large enough, in an order without meaning."""
    areas = np.bincount(scene.ids.ravel(), minlength=256)
    kept = [i for i in scene.objects() if areas[i] >= share * scene.ids.size]
    return sorted(kept, key=lambda i: mixed(f"{scene.name}#{i}"))


def main() -> None:
    """Write the files and say what is in them."""
    for file, plan in ((validation.LIST, PLAN), (validation_broad.LIST, BROAD)):
        lines = [line for name, (count, most) in plan.items() for line in chosen(name, count, most)]
        write_text(file, "\n".join(lines) + "\n")
        photos = {line.partition("#")[0].partition("@")[0] for line in lines}
        print(f"{len(lines)} objects of {len(photos)} photos in {file}")


if __name__ == "__main__":
    main()
