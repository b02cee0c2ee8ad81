"""Photos with objects, made for the tests of exports."""

from dataclasses import replace

import cv2
import numpy as np
import PIL.Image

from fewclicks.formats.annotations import AnnotatedPhoto, Annotation, Label

LABELS = [Label("cat", (200, 10, 10)), Label("dog: big", (10, 200, 10)), Label("naïve, 'quoted' \"猫\"", (9, 9, 200))]
FILES = ["a.jpg", "sub/b.png", "c d.webp"]


def disc(hw, x, y, radius):
    yy, xx = np.ogrid[: hw[0], : hw[1]]
    return (xx - x) ** 2 + (yy - y) ** 2 <= radius**2


def ring(hw, x, y, radius, hole):
    return disc(hw, x, y, radius) & ~disc(hw, x, y, hole)


def blotch(rng, hw, share=0.4):
    """Several parts with holes."""
    noise = cv2.GaussianBlur(rng.random(hw, np.float32), (0, 0), 3)
    return noise > np.quantile(noise, 1 - share)


def annotation(mask, label="cat", **more):
    return Annotation(mask=np.asarray(mask, bool), label=label, **more)


def apart(hw=(60, 80)):
    """Objects that do not touch: one simple, one with a hole, one of two parts, one pixel."""
    return (
        annotation(disc(hw, 12, 12, 8)),
        annotation(ring(hw, 60, 20, 15, 6), LABELS[1].name, name="the ring", score=0.5),
        annotation(disc(hw, 10, 45, 7) | disc(hw, 35, 48, 5), LABELS[2].name),
        annotation(disc(hw, 70, 55, 0), ""),
    )


def overlapping(rng, hw):
    return tuple(annotation(blotch(rng, hw), LABELS[i % 3].name) for i in range(4))


def photo(file="a.jpg", objects=None, hw=(60, 80), **more):
    objects = apart(hw) if objects is None else tuple(objects)
    return AnnotatedPhoto(file, hw, objects, more.pop("state", "done"), **more)


def bare(photos):
    """The list of photos that a reader is given."""
    return [replace(p, objects=(), state="untouched") for p in photos]


def folder_of_photos(root, photos, seed=0):
    """The photos with files of random pixels in `root`."""
    rng = np.random.default_rng(seed)
    made = []
    for item in photos:
        path = root / item.file
        path.parent.mkdir(parents=True, exist_ok=True)
        PIL.Image.fromarray(rng.integers(0, 255, (*item.hw, 3), np.uint8)).save(path)
        made.append(replace(item, path=path))
    return made


def facts(item):
    """What is compared of a photo: the bytes of each mask, and the words."""
    return [(o.mask.tobytes(), o.mask.shape, o.label or "object", o.name, o.score) for o in item.objects]
