"""IoU, boundary IoU and NoC, on masks and curves small enough to check by eye."""

import math

import cv2
import numpy as np
import pytest

from fewclicks.errors import InputError
from fewclicks.evaluation.metrics import boundary_iou, click_effect, interval, interval_over_runs, iou, noc, reached

TRUTH = np.array([[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 0, -1], [0, 0, -1, -1]], np.int8)


def test_iou_counts_intersection_over_union():
    mask = np.array([[0, 1, 1, 0], [0, 1, 1, 0], [0, 0, 0, 0], [0, 0, 0, 0]], bool)
    assert iou(mask, TRUTH) == 2 / 6
    assert iou(TRUTH == 1, TRUTH) == 1


def test_iou_leaves_uncounted_pixels_out():
    assert iou((TRUTH == 1) | (TRUTH == -1), TRUTH) == 1


def test_iou_of_an_empty_union_is_nan():
    assert math.isnan(iou(np.zeros((4, 4), bool), np.where(TRUTH == -1, TRUTH, 0).astype(np.int8)))


@pytest.mark.parametrize("metric", [iou, boundary_iou])
def test_masks_of_other_sizes_are_refused(metric):
    with pytest.raises(InputError, match="one size"):
        metric(np.zeros((4, 5), bool), TRUTH)


def test_boundary_iou_is_the_iou_of_the_bands():
    """The formula by rounds of 3x3 erosion, on random blobs."""
    rng = np.random.default_rng(0)
    blobs = [cv2.GaussianBlur(rng.random((60, 90), np.float32), (0, 0), 5) > 0.5 for _ in range(2)]
    width_px = round(0.02 * math.hypot(60, 90))
    bands = []
    for blob in blobs:
        inner = np.pad(blob, 1).astype(np.uint8)
        for _ in range(width_px):
            inner = np.pad(cv2.erode(inner, np.ones((3, 3), np.uint8))[1:-1, 1:-1], 1)
        bands.append(blob & (inner[1:-1, 1:-1] == 0))
    expected = (bands[0] & bands[1]).sum() / (bands[0] | bands[1]).sum()
    assert boundary_iou(blobs[0], blobs[1].astype(np.int8)) == pytest.approx(expected)
    assert 0 < expected < iou(blobs[0], blobs[1].astype(np.int8))


def test_boundary_iou_sees_what_iou_overlooks():
    truth = np.zeros((200, 200), np.int8)
    truth[20:180, 20:180] = 1
    mask = np.zeros((200, 200), bool)
    mask[22:178, 22:178] = True
    assert iou(mask, truth) > 0.95
    assert boundary_iou(mask, truth) < 0.7
    assert boundary_iou(truth == 1, truth) == 1


def test_noc_is_the_first_click_that_reaches_the_threshold():
    curve = [0.5, 0.81, 0.79, 0.9, 0.94]
    assert [noc(curve, t) for t in (0.8, 0.85, 0.9, 0.95)] == [2, 4, 4, 20]
    assert noc(curve, 0.95, max_clicks=5) == 5
    assert noc(curve, 0.9, max_clicks=3) == 3


def test_a_success_at_the_last_click_is_no_failure():
    last = [0.5] * 19 + [0.9]
    assert noc(last, 0.9) == 20
    assert reached(last, 0.9)
    assert noc(last[:-1], 0.9) == 20
    assert not reached(last[:-1], 0.9)
    assert not reached([0.5] * 20 + [0.9], 0.9), "what comes after max_clicks does not count"


def test_the_effect_of_the_clicks_after_the_first():
    found = click_effect([[0.5, 0.75, 0.625], [0.75, 0.6875, 0.75], [0.96], [0.5, 0.4375]])
    assert found.clicks == (3, 2), "a finished object takes no further click"
    assert found.mean_change == pytest.approx((0.125 / 3, -0.0625 / 2))
    assert found.lowered == (2, 1), "those that cost more than 5 points of IoU"
    assert found.worst_mean_change == pytest.approx(-0.03125)
    assert found.share_lowered == 3 / 5


def test_a_small_loss_is_no_drop_and_one_click_has_no_effect():
    assert click_effect([[0.5, 0.46], [0.5, 0.6]]).lowered == (0,)
    for curves in ([], [[0.96], [0.97]]):
        found = click_effect(curves)
        assert (found.clicks, found.worst_mean_change, found.share_lowered) == ((), 0, 0)


def test_the_interval_is_that_of_the_resampled_means():
    values = np.random.default_rng(3).integers(1, 21, 60)
    rng = np.random.default_rng(4)
    drawn = values[rng.integers(0, 60, (10_000, 60))].mean(axis=1)
    assert interval(values) == pytest.approx(np.quantile(drawn, (0.025, 0.975)), abs=0.06)
    assert interval(values) == interval(values[::-1]), "the order of the objects is nothing"
    assert interval(values / 7) == pytest.approx(np.array(interval(values)) / 7)
    assert interval([3, 3, 3]) == (3, 3)
    with pytest.raises(InputError, match="at least one value"):
        interval([])


def test_the_interval_covers_the_mean_as_often_as_it_says():
    rng = np.random.default_rng(0)
    ends = [interval(rng.integers(0, 2, 50), resamples=500) for _ in range(300)]
    assert 0.9 <= np.mean([low <= 0.5 <= high for low, high in ends]) <= 0.98


def test_values_of_a_group_are_drawn_together():
    values = [1, 1, 1, 5, 5, 5, 9]
    assert interval(values, [""] * 7) == interval(values)
    assert interval(values, list("abcdefg")) == interval(values)
    assert interval(values, ["a", "a", "a", "b", "b", "b", ""])[0] == 1, "three values of one group are one draw"
    rng = np.random.default_rng(5)
    sums = np.array([[3, 3], [15, 3], [9, 1]])[rng.integers(0, 3, (10_000, 3))].sum(axis=1)
    wanted = np.quantile(sums[:, 0] / sums[:, 1], (0.025, 0.975))
    assert interval(values, ["a", "a", "a", "b", "b", "b", ""]) == pytest.approx(wanted, abs=0.05)


def test_the_interval_over_runs_takes_runs_and_objects_into_account():
    objects = np.random.default_rng(0).normal(0, 1, 60)
    same = [objects.tolist()] * 3
    assert interval_over_runs(same) == pytest.approx(interval(objects.tolist()), abs=0.02), (
        "runs that agree add nothing"
    )
    apart = [(objects + shift).tolist() for shift in (-1.0, 0.0, 1.0)]
    low, high = interval_over_runs(apart)
    assert low < interval(objects.tolist())[0] - 0.4
    assert high > interval(objects.tolist())[1] + 0.4
    constant = [[shift] * 60 for shift in (0.0, 3.0, 6.0)]
    assert interval_over_runs(constant) == (0, 6), "three draws of three runs: all the first, or all the last"
    groups = [f"video {i // 30}" for i in range(60)]
    assert np.ptp(interval_over_runs([[0.0] * 30 + [1.0] * 30] * 3, groups)) == 1, "two videos are drawn whole"
    for wrong in ([], [[]], [[1.0], [1.0, 2.0]]):
        with pytest.raises(InputError, match="needs at least one"):
            interval_over_runs(wrong)
