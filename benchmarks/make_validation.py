"""Write the list of validation objects, stratified over the training sets, from the photos that no recipe trains on.

    python benchmarks/make_validation.py

Of each held-out photo, in an order and with a choice that hang on nothing but the names, so many objects of at least
half a percent of the photo; of every second photo of garments the person, which is all of its objects together.
"""

from __future__ import annotations

import zlib

import numpy as np

from fewclicks.datasets.validation import LIST
from fewclicks.recipes.compact import compact
from fewclicks.replace import write_text
from fewclicks.sample import Scene
from fewclicks.training import sets
from fewclicks.training.samples import held_out

PLAN = {  # set: objects in all, of a photo
    "coco_instances": (60, 3),
    "voc_components": (80, 1),
    "coco_person": (28, 1),
    "ccp_garments": (40, 1),
    "camvid": (20, 2),
    "bsds_regions": (36, 2),
}
MIN_SHARE = 0.005


def mixed(text: str) -> int:
    """An order without meaning, the same everywhere."""
    return zlib.crc32(text.encode()[::-1])


def chosen(name: str, count: int, most: int, held: bool = True) -> list[str]:
    """The lines of one set, from the photos that are held out, or from those that are trained on."""
    recipe, scenes = compact(), sets.scenes(name)
    photos = [i for i in range(len(scenes)) if held_out(scenes, i, recipe.holdout) == held]
    photos.sort(key=lambda i: (mixed(scenes[i].name), i))
    lines: list[str] = []
    taken: dict[str, int] = {}
    for k, i in enumerate(photos[: 3 * count]):  # that many are never held out
        photo, scene = scenes.photo(i), scenes[i]
        whole = name in recipe.whole_sets and k % 2 == 0
        for ids in [scene.objects()] if whole else [[one] for one in large(scene)]:
            if taken.get(photo, 0) < most:
                taken[photo] = taken.get(photo, 0) + 1
                lines.append(f"{name}/{scene.name}#{'+'.join(map(str, ids))}")
    return sorted(sorted(lines, key=mixed)[:count])


def large(scene: Scene) -> list[int]:
    """The ids of objects that are large enough, in an order without meaning."""
    areas = np.bincount(scene.ids.ravel(), minlength=256)
    kept = [i for i in scene.objects() if areas[i] >= MIN_SHARE * scene.ids.size]
    return sorted(kept, key=lambda i: mixed(f"{scene.name}#{i}"))


def main() -> None:
    """Write the file and say what is in it."""
    lines = [line for name, (count, most) in PLAN.items() for line in chosen(name, count, most)]
    write_text(LIST, "\n".join(lines) + "\n")
    photos = {line.partition("#")[0].partition("@")[0] for line in lines}
    print(f"{len(lines)} objects of {len(photos)} photos in {LIST}")


if __name__ == "__main__":
    main()
