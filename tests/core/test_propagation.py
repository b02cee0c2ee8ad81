"""Masks taken over to the next photo, and where a mask is in doubt."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

import fewclicks
from fakes import Discs, gradient
from fewclicks.clicks import Click, Clicks
from fewclicks.evaluation.metrics import iou
from fewclicks.images.reading import read_image, read_mask
from fewclicks.propagation import LEAST_AGREEMENT, carry, deepest, doubt, fitted, moved, sure_inside
from fewclicks.refinement import CFR, ClickConsistency

EXAMPLES = Path(__file__).parents[2] / "examples"
HW = (120, 160)


def frame(dx=0, dy=0, grow=1.0):
    """A textured square on a textured ground, and its mask."""
    rng = np.random.default_rng(0)
    noise = (rng.integers(low, low + 120, (24, 32, 3)).astype(np.uint8) for low in (0, 130))
    ground, spots = (cv2.resize(one, HW[::-1], interpolation=cv2.INTER_CUBIC) for one in noise)
    mask = np.zeros(HW, bool)
    mask[40:80, 50:100] = True
    there = np.float32([[grow, 0, dx + 75 * (1 - grow)], [0, grow, dy + 60 * (1 - grow)]])
    mask, spots = (
        cv2.warpAffine(array, there, HW[::-1], flags=cv2.INTER_NEAREST) for array in (mask.astype(np.uint8), spots)
    )
    return np.where(mask[..., None] > 0, spots, ground), mask > 0


def test_a_mask_moves_as_its_pixels_do():
    (before, mask), (after, truth) = frame(), frame(9, 5)
    assert iou(moved(before, mask, after), truth) > 0.9 > iou(mask, truth)
    assert np.array_equal(moved(before, mask, before), mask)
    assert not moved(before, np.zeros(HW, bool), after).any()
    # Photos of another size, also of odd ones.
    large = cv2.resize(after, (333, 247))
    assert iou(moved(before, mask, large), cv2.resize(truth.astype(np.uint8), (333, 247)) > 0) > 0.85
    assert moved(before[:1, :1], mask[:1, :1], after[:3, :5]).shape == (3, 5)


def test_the_surest_point_lies_deepest():
    mask = np.zeros((20, 30), bool)
    mask[4:15, 6:21] = True
    row, column = deepest(mask)
    assert (row, 11 <= column <= 15) == (9, True)
    assert len(sure_inside(np.zeros((5, 5), bool))) == 0


def test_a_fit_holds_clicks_steps_as_often_as_it_is_told_and_changes_nothing_that_it_is_given():
    predictor = ClickConsistency(CFR(Discs(), steps=2, until_click=1))
    start = predictor.start(gradient(60, 80))
    mask = np.zeros((60, 80), bool)
    mask[20:40, 20:50] = True
    state = replace(start, prob=mask.astype(np.float32))
    states = list(fitted(predictor, state, Clicks((Click(25, 25, False),))))
    assert len(states) == 3
    assert not any(one.mask[25, 25] for one in states)
    assert len(list(fitted(predictor, state, Clicks(), 0))) == 1
    assert np.array_equal(state.prob, mask)


def test_doubt_tells_what_one_more_pass_changes_and_where():
    predictor = ClickConsistency(Discs())
    state, clicks = predictor.start(gradient(60, 80)), Clicks((Click(30, 30),))
    state = predictor.step(state, clicks)
    prob = state.prob.copy()
    prob[45:, 60:], prob[5:10, 5:15] = 1, 0.6
    state = replace(state, prob=prob)
    found = doubt(predictor, state, clicks)
    again = predictor.step(state, clicks).mask
    changed = again != state.mask
    assert found.changed_px == changed.sum() > 0
    assert found.share == pytest.approx(changed.sum() / (again | state.mask).sum())
    assert all(changed[place.y, place.x] for place in found.places)
    sizes = [place.changed_px for place in found.places]
    assert sizes == sorted(sizes, reverse=True)
    assert doubt(predictor, predictor.start(gradient(60, 80)), Clicks()).places == ()


def test_the_shipped_model_follows_an_object_and_is_not_sure_where_it_is_gone():
    predictor = fewclicks.load("default", threads=1)
    (before, mask), (after, truth) = frame(), frame(9, 5, 1.1)
    found = carry(predictor, before, mask, predictor.start(after))
    assert iou(found.mask, truth) > 0.95
    assert found.agreement > 0.8
    empty = np.random.default_rng(3).integers(0, 255, (*HW, 3)).astype(np.uint8)
    gone = carry(predictor, after, found.mask, predictor.start(empty))
    assert gone.agreement < LEAST_AGREEMENT or not gone.mask.any()


def test_a_mask_with_a_mistake_is_in_more_doubt_and_there():
    predictor = fewclicks.load("default", threads=1)
    start = predictor.start(read_image(EXAMPLES / "images" / "coffee.png"))
    good = read_mask(EXAMPLES / "masks" / "coffee.png", (400, 600)) > 0
    bad = good.copy()
    bad[:60, :120] = True
    states = [replace(start, prob=mask.astype(np.float32)) for mask in (good, bad)]
    sure, unsure = (doubt(predictor, state, Clicks()) for state in states)
    assert unsure.share > 2 * sure.share
    assert unsure.places[0].x < 140
    assert unsure.places[0].y < 90
