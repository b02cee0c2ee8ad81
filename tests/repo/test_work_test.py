"""The work test of benchmarks/annotator.py: what its robot counts, without the page."""

import numpy as np
import pytest

from scripts import script


@pytest.fixture(scope="module")
def annotator():
    return script("annotator")


def test_an_object_that_was_given_up_counts_with_what_it_took(annotator):
    effort = annotator.Effort()
    effort.actions.update({"click": 3, "drag": 1})
    effort.hand_s, effort.waits_s, effort.iou = 6.3, 0.5, 0.95
    given_up = {**effort.told(), "actions": 21, "iou": 0.7}
    rows = [{"kind": "crowd", **effort.told()}, {"kind": "photo", **given_up}]
    found = annotator.summary(rows)
    assert list(found) == ["all", "photo", "crowd"]
    assert (found["all"]["objects"], found["all"]["right"], found["all"]["actions"]) == (2, 1, 12.5)
    assert found["crowd"]["actions"] == 4


def square(*pixels, hw=(60, 60)):
    mask = np.zeros(hw, bool)
    mask[slice(*pixels[:2]), slice(*pixels[2:])] = True
    return mask


def test_lassos_go_round_the_errors_that_bring_most_and_round_nothing_else(annotator):
    truth = square(10, 40, 10, 40)
    mask = truth & ~square(0, 60, 30, 60)  # much is missing
    mask |= square(48, 54, 48, 54)  # and a little is too much
    ((corners, adds),) = annotator.errors(truth, mask)
    assert adds
    assert np.array(corners).min(axis=0).tolist() == [30, 10]
    assert np.array(corners).max(axis=0).tolist() == [39, 39]
    mask |= square(48, 60, 40, 60)
    assert [adds for _, adds in annotator.errors(truth, mask)] == [True, False]
    assert annotator.errors(truth, truth) == []


def test_an_object_is_drawn_anew_with_few_corners(annotator):
    truth = square(10, 40, 10, 40) | square(44, 56, 44, 56)
    assert [len(corners) for corners, _ in annotator.whole(truth, np.zeros_like(truth))] == [4, 4]
    noise = np.random.default_rng(0).random(truth.shape) > 0.5
    lassos = annotator.whole(truth, noise)
    assert [adds for _, adds in lassos] == [False, True, True]
    assert annotator.enough(truth, noise, lassos)
    rows, columns = np.mgrid[:200, :200]
    disc = np.hypot(rows - 100, columns - 100) < 80
    ((corners, _),) = annotator.whole(disc, np.zeros_like(disc))
    assert 6 <= len(corners) <= 16


def test_a_hole_is_drawn_out(annotator):
    truth = square(10, 50, 10, 50) & ~square(20, 40, 20, 40)
    assert [adds for _, adds in annotator.whole(truth, np.zeros_like(truth))] == [True, False]
