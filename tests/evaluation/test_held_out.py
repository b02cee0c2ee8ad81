"""`bench --held-out N` measures on what `train holdout=N` does not see."""

from dataclasses import replace

import numpy as np
import PIL.Image
import pytest

from fewclicks.datasets import folder, held_out, held_out_of, held_out_photos
from fewclicks.errors import InputError
from fewclicks.recipes.finetune import finetune
from fewclicks.training.samples import Samples


def photos(root, count):
    for kind in ("images", "masks"):
        (root / kind).mkdir(parents=True)
    for i in range(count):
        ids = np.zeros((40, 40), np.uint8)
        ids[5:20, 5:20], ids[25:35, 25:35] = 1, 2
        PIL.Image.fromarray(ids).save(root / "masks" / f"p{i}.png")
        PIL.Image.fromarray(np.repeat(ids[..., None] * 100, 3, axis=2)).save(root / "images" / f"p{i}.png")
    return root


def test_what_is_measured_was_not_trained_on_and_nothing_is_lost(tmp_path):
    objects = folder.open(photos(tmp_path, 20))
    scenes = folder.scenes(tmp_path)
    measured = held_out_of(objects, 5)
    names = {measured[i].group for i in range(len(measured))}
    trained = {scenes.photo(i) for i in Samples(finetune(), [scenes]).kept[0]}
    assert finetune().holdout == 5
    assert not names & trained
    assert names | trained == {f"p{i}" for i in range(20)}
    assert len(measured) == 2 * len(names), "both objects of each"
    assert names == {scenes.photo(i) for i in range(20) if held_out(scenes, i, 5)}


@pytest.mark.parametrize("count", [2, 3, 6])
@pytest.mark.parametrize("holdout", [2, 5, 1000])
def test_of_a_few_photos_one_is_held_out_and_one_trained_on(tmp_path, count, holdout):
    scenes = folder.scenes(photos(tmp_path, count))
    out = held_out_photos(scenes, holdout)
    assert 0 < len(out) < count
    hashed = {i for i in range(count) if held_out(scenes, i, holdout)}
    assert out == hashed or hashed in (set(), set(range(count)))
    assert {*Samples(replace(finetune(), holdout=holdout), [scenes]).kept[0]} == {*range(count)} - out
    assert not held_out_photos(scenes, 0)


def test_what_cannot_be_held_out_is_told(tmp_path):
    objects = folder.open(photos(tmp_path, 1))
    with pytest.raises(InputError, match="a holdout of 1000 keeps out no object of 1 photo here; add photos"):
        held_out_of(objects, 1000)

    class Measured:
        name = "GrabCut"

    with pytest.raises(InputError, match="'GrabCut' is there to measure on only"):
        held_out_of(Measured(), 5)
