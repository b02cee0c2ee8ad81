"""The validation split: objects that no run trains on."""

import numpy as np
import pytest

from fakes import shared
from fewclicks.datasets import open_benchmark, validation
from fewclicks.errors import DatasetError
from fewclicks.recipes.compact import SETS, compact
from fewclicks.training import sets
from fewclicks.training.samples import held_out

LINES = validation.LIST.read_text("utf-8").split()


def test_every_set_is_in_it_and_nothing_twice():
    assert {line.partition("/")[0] for line in LINES} == set(SETS)
    photos = {line.partition("#")[0].partition("@")[0] for line in LINES}
    assert (len(photos), len(set(LINES))) == validation.COUNTS[None] == (len(photos), len(LINES))


def test_no_photo_of_it_is_trained_on():
    shared("train")
    stems = {name: set() for name in SETS}
    for line in LINES:
        name, _, rest = line.partition("/")
        stems[name].add(rest.partition("#")[0].partition("@")[0])
    for name, wanted in stems.items():
        scenes = sets.scenes(name)
        out = {scenes.photo(i) for i in range(len(scenes)) if held_out(scenes, i, compact().holdout)}
        assert wanted <= out


def test_samples_are_the_objects_of_the_list():
    shared("train")
    dataset = open_benchmark("validation")
    assert len(dataset) == 256
    for i in (0, 60, 150, 255):
        sample = dataset[i]
        assert sample.name == LINES[i]
        assert sample.truth.shape == sample.image.shape[:2]
        assert 0.005 <= np.mean(sample.truth == 1) < 1


def test_absent_sets_and_splits_are_said(tmp_path):
    with pytest.raises(DatasetError, match="no split"):
        validation.open(tmp_path, "train")
    with pytest.raises(DatasetError, match="does not exist"):
        validation.open(tmp_path)
