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


def test_the_lasso_goes_round_the_error_that_brings_most_and_round_nothing_else(annotator):
    truth = np.zeros((60, 60), bool)
    truth[10:40, 10:40] = True
    mask = truth.copy()
    mask[10:40, 30:40] = False  # much is missing
    mask[50:54, 50:54] = True  # and a little is too much
    drawn = []

    class Tab:
        effort = annotator.Effort()

        def press(self, selector):
            drawn.append(selector)

        def drag(self, points, button, hand_s):
            drawn.append((np.array(points), button, hand_s))

    robot = annotator.Prompts(Tab())
    assert robot.lasso(truth, mask)
    tool, (points, button, hand_s) = drawn
    assert (tool, button) == ("#tool-lasso", "left")
    assert points.min(axis=0).tolist() == [30, 10]
    assert points.max(axis=0).tolist() == [39, 39]
    assert hand_s == pytest.approx(4 * 1.1 + 0.2)
    mask[10:40, 30:40] = True
    assert robot.lasso(truth, mask)
    assert drawn[-1][1] == "right"
    assert not robot.lasso(truth, truth)
