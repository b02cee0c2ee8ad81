"""Boxes, scribbles and masks of other tools, as training begins with them."""

from dataclasses import replace

import numpy as np
import pytest

from fewclicks.errors import InputError
from fewclicks.recipes.compact import prompts
from fewclicks.training.corruption import FIRST_FAULTS, corrupt_mask
from fewclicks.training.prompts import LOOSE, loose_box, scribble
from fewclicks.training.samples import Samples, collate
from fewclicks.training.sets import Toy


def disc(side=120, radius=30):
    rows, columns = np.mgrid[:side, :side]
    return (((rows - 60) ** 2 + (columns - 50) ** 2) < radius**2).astype(np.int8)


def box_of(mask):
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return np.array([rows[0], rows[-1] + 1, columns[0], columns[-1] + 1])


def test_a_box_is_off_by_a_quarter_at_most_and_mostly_too_large():
    truth = disc()
    exact, rng, outward = box_of(truth == 1), np.random.default_rng(0), 0
    size = exact[1] - exact[0]
    for _ in range(200):
        box = loose_box(truth, rng)
        assert box.dtype == np.float32
        assert set(np.unique(box)) == {0.0, 1.0}
        found = box_of(box > 0)
        assert box.sum() == (found[1] - found[0]) * (found[3] - found[2])
        assert (np.abs(found - exact) <= LOOSE * size + 1).all()
        outward += int(found[0] < exact[0]) + int(found[3] > exact[3])
    assert 220 < outward < 340
    assert not loose_box(np.zeros((9, 9), np.int8), rng).any()


def test_a_scribble_is_a_run_of_clicks_on_its_mask():
    where, rng, lengths = disc() == 1, np.random.default_rng(0), []
    for _ in range(100):
        points = scribble(where, 1, rng)
        lengths.append(len(points))
        assert all(where[int(y), int(x)] and label == 1 for x, y, label in points)
        steps = np.linalg.norm(np.diff(points[:, :2], axis=0), axis=1)
        assert (steps < 0.2 * np.sqrt(where.sum()) + 2).all()
    assert min(lengths) == 1
    assert max(lengths) > 4
    assert scribble(np.zeros((5, 5), bool), 0, rng).shape == (0, 3)


@pytest.mark.parametrize("fault", range(8))
def test_each_fault_alone_spoils_a_mask_and_leaves_most_of_it(fault):
    truth, others = disc(), np.zeros((120, 120), bool)
    others[45:80, 84:110] = True  # near the disc
    chances = [0.0] * 8
    chances[fault] = 0.999
    chances[fault - 1] = 0.001  # a second fault may be drawn
    ious = []
    for seed in range(40):
        mask = corrupt_mask(truth, others, np.random.default_rng(seed), chances) > 0.5
        ious.append((mask & (truth == 1)).sum() / (mask | (truth == 1)).sum())
    assert min(ious) < 0.97
    assert np.median(ious) > 0.4
    if fault == 6:
        assert mask[60, 100], "the other object came along"


def test_the_first_faults_come_as_they_always_came():
    """Five numbers are what earlier recipes were trained with; their samples must not change."""
    truth, others = disc(), np.zeros((120, 120), bool)
    a = corrupt_mask(truth, others, np.random.default_rng(3))
    b = corrupt_mask(truth, others, np.random.default_rng(3), FIRST_FAULTS)
    assert np.array_equal(a, b)
    assert len(FIRST_FAULTS) == 5


def test_samples_begin_with_boxes_and_scribbles():
    recipe = replace(
        prompts(), sets=("toy",), set_weights=(1.0,), whole_sets=(), crop_hw=(64, 64), min_area_px=50, foreign_prob=0.0,
        box_prob=0.5, scribble_prob=0.5,
    )  # fmt: skip
    samples = Samples(recipe, [Toy()])
    kinds = {"box alone": 0, "box and click": 0, "run of clicks": 0}
    for i in range(60):
        _, truth, clicks, _, prev = samples[i]
        for x, y, label in clicks[clicks[:, 2] >= 0]:
            assert truth[int(y), int(x)] == label
        if prev is not None:
            found = box_of(prev > 0)
            assert prev.sum() == (found[1] - found[0]) * (found[3] - found[2])
            kinds["box and click" if len(clicks) else "box alone"] += 1
        elif (clicks[:, 2] == 1).sum() > 2:
            kinds["run of clicks"] += 1
    assert min(kinds.values()) > 3, kinds
    batch = collate([samples[i] for i in range(12)])
    assert batch.prev.shape == (12, 1, 64, 64)


def test_chances_that_are_none_are_refused():
    with pytest.raises(InputError, match="add up to 1"):
        replace(prompts(), foreign_faults=(0.5, 0.2))
    with pytest.raises(InputError, match="2 to 8"):
        replace(prompts(), foreign_faults=(1.0,))
