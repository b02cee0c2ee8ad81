"""`bench --held-out N` measures on what `train holdout=N` does not see."""

import numpy as np
import PIL.Image
import pytest

from fewclicks.datasets import folder, held_out, held_out_of
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


def test_what_cannot_be_held_out_is_told(tmp_path):
    objects = folder.open(photos(tmp_path, 3))
    with pytest.raises(InputError, match="a holdout of 1000 keeps out none of the 3 photos here"):
        held_out_of(objects, 1000)

    class Measured:
        name = "GrabCut"

    with pytest.raises(InputError, match="'GrabCut' is there to measure on only"):
        held_out_of(Measured(), 5)
