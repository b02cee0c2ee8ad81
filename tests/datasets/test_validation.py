"""The validation splits: objects that no run trains on."""

import numpy as np
import pytest

from fakes import shared
from fewclicks.datasets import held_out, open_benchmark, validation, validation_broad
from fewclicks.errors import DatasetError
from fewclicks.recipes.compact import BROAD, SETS, gpu
from fewclicks.training import sets

SPLITS = [(validation, set(SETS)), (validation_broad, set(BROAD) - {"object_composites"})]
both = pytest.mark.parametrize(("split", "names"), SPLITS, ids=["validation", "validation_broad"])


def lines_of(split):
    return split.LIST.read_text("utf-8").split()


@both
def test_every_set_is_in_it_and_nothing_twice(split, names):
    lines = lines_of(split)
    assert {line.partition("/")[0] for line in lines} == names
    photos = {line.partition("#")[0].partition("@")[0] for line in lines}
    assert (len(photos), len(set(lines))) == split.COUNTS[None] == (len(photos), len(lines))


@pytest.mark.slow
@both
def test_no_photo_of_it_is_trained_on(split, names):
    shared("train")
    stems = {name: set() for name in names}
    for line in lines_of(split):
        name, _, rest = line.partition("/")
        stems[name].add(rest.partition("#")[0].partition("@")[0])
    for name, wanted in stems.items():
        scenes = sets.scenes(name)
        out = {scenes.photo(i) for i in range(len(scenes)) if held_out(scenes, i, gpu().holdout)}
        assert wanted <= out


@pytest.mark.parametrize(("split", "least"), [(validation, 0.005), (validation_broad, 0.001)])
def test_samples_are_the_objects_of_the_list(split, least):
    shared("train")
    lines, dataset = lines_of(split), open_benchmark(split.LIST.stem)
    assert len(dataset) == len(lines)
    for i in (0, len(lines) // 4, len(lines) // 2, len(lines) - 1):
        sample = dataset[i]
        assert sample.name == lines[i]
        assert sample.truth.shape == sample.image.shape[:2]
        assert least <= np.mean(sample.truth == 1) < 1


@both
def test_absent_sets_and_splits_are_said(split, names, tmp_path):
    with pytest.raises(DatasetError, match="no split"):
        split.open(tmp_path, "train")
    with pytest.raises(DatasetError, match="does not exist"):
        split.open(tmp_path)
