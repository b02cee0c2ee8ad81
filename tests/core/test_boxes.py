"""What a box alone gives: virtual clicks that nobody sees, and answers that are not taken."""

from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from fewclicks.boxes import agreement, look_in_box
from fewclicks.clicks import Click, Clicks
from fewclicks.geometry import Box
from fewclicks.predictor import blank
from fewclicks.refinement import ClickConsistency
from fewclicks.session import Session

BOX = Box(40, 30, 100, 90)


@dataclass
class Painted:
    """Gives the same picture of prob again and again, by the size of the region that it is shown; notes the clicks."""

    near: np.ndarray
    """Of the whole photo; a region is cut out of it."""
    after: np.ndarray | None = None
    """What it gives from the fourth look on."""
    said: list[Clicks] = field(default_factory=list)

    def start(self, image):
        return blank(image)

    def step(self, state, clicks):
        self.said.append(clicks)
        picture = self.after if self.after is not None and len(self.said) > 3 else self.near
        (row, column) = (int(value) for value in state.image[0, 0, :2])  # of the region, which the photo itself tells
        height, width = state.prob.shape
        return replace(state, prob=picture[row : row + height, column : column + width].copy())


def photo():
    """Each pixel tells its row and its column."""
    rows, columns = np.mgrid[:120, :160]
    return np.dstack([rows, columns, rows]).astype(np.uint8)


def part(*boxes):
    found = np.full((120, 160), 0.01, np.float32)
    for value, box in boxes:
        found[box.slices] = value
    return found


def last(predictor, **how):
    start = predictor.start(photo())
    return list(look_in_box(predictor, start, BOX, Clicks(), **how))


def shifted(clicks, box=BOX, ratio=0.35):
    """Clicks on the near region in pixels of the photo."""
    left, top = box.x0 - int(np.ceil(ratio * 60)), box.y0 - int(np.ceil(ratio * 60))
    return {(click.x + left, click.y + top, click.positive) for click in clicks}


def test_sides_that_the_mask_does_not_reach_are_clicked_where_the_object_is_likeliest():
    likely = Box(41, 60, 43, 62)  # faint, at the left side
    painted = Painted(part((0.9, Box(60, 30, 100, 90)), (0.3, likely)))
    last(painted)
    assert [len(clicks) for clicks in painted.said[1:3]] == [0, 1]  # without any, and from nearer
    assert len(painted.said) == 5
    said = shifted(painted.said[3])
    assert (41.0, 60.0, True) in said
    assert sum(positive for *_, positive in said) == 2  # and the middle of what was found


def test_a_side_where_surely_nothing_is_gets_no_click():
    painted = Painted(part((0.9, Box(60, 30, 100, 90))))
    last(painted)
    assert all(len(clicks) == 1 for clicks in painted.said[3:])


def test_what_runs_out_of_the_box_is_clicked_off():
    painted = Painted(part((0.9, Box(40, 30, 100, 90)), (0.9, Box(100, 50, 118, 70))))
    last(painted)
    off = [click for click in shifted(painted.said[4]) if not click[2]]
    assert len(off) == 1
    assert off[0][0] >= 100
    assert 50 <= off[0][1] < 70


def test_an_answer_that_fits_the_box_far_worse_is_not_taken():
    good, flooded = part((0.9, Box(42, 32, 98, 88))), part((0.999, Box(0, 0, 160, 120)))
    states = last(Painted(good, flooded))
    assert agreement(states[-1].mask, BOX) == agreement(states[0].mask, BOX) > 0.8


def test_a_box_that_was_drawn_closely_bounds_the_mask_and_its_threshold_makes_the_mask_reach_it():
    faint, sure = Box(40, 30, 44, 90), Box(44, 30, 102, 90)  # at the left side; over the right one
    picture = part((0.9, sure), (0.47, faint))
    first = last(Painted(picture))[0]
    assert Box.around(first.mask) == BOX
    assert not first.prob[:, 100:].any()
    for other in (Box(60, 40, 103, 90), Box(40, 30, 107, 90)):  # it was drawn loosely, or too small at one side
        assert Box.around(last(Painted(part((0.9, other))))[0].mask) == other


def test_clicks_and_what_is_held_are_kept_beyond_a_box_that_was_drawn_closely():
    painted = Painted(part((0.9, Box(41, 31, 102, 90))))

    def hold(state):
        prob = state.prob.copy()
        prob[0, 0] = 1
        return replace(state, prob=prob)

    assert all(state.mask[0, 0] for state in last(painted, hold=hold))
    anchored = ClickConsistency(painted)
    beyond = Clicks((Click(101, 60),))
    state = list(look_in_box(anchored, anchored.start(photo()), BOX, beyond))[-1]
    assert state.mask[60, 101]
    assert state.mask[40, 101]  # the user says that the object goes on


def test_what_gives_nothing_without_a_click_is_asked_for_no_more():
    class Clicked(Painted):
        def step(self, state, clicks):
            after = super().step(state, clicks)
            return after if len(clicks) else replace(after, prob=np.zeros_like(after.prob))

    found = part((0.9, Box(42, 32, 98, 88)))
    assert np.array_equal(last(Clicked(found))[-1].mask, last(Painted(found))[-1].mask)


@pytest.mark.parametrize("steps", [None, 0, 1, 4])
def test_there_are_two_passes_at_least(steps):
    found = part((0.9, Box(42, 32, 98, 88)))
    assert len(last(Painted(found), steps=steps)) == 1 + max(2, steps or 0)
    assert len(last(Painted(found), steps=4, tol=1)) == 2  # nothing changes


def test_virtual_clicks_are_no_clicks_of_the_user():
    painted = Painted(part((0.9, Box(60, 30, 100, 90)), (0.3, Box(41, 60, 43, 62))))
    session = Session(photo(), painted)
    found = session.box(BOX.x0, BOX.y0, BOX.x1, BOX.y1)
    assert found.any()
    assert not session.clicks
    session.click(80, 60, positive=False)
    assert session.clicks == Clicks((Click(80, 60, False),))
    assert painted.said[-1] == session.clicks
    assert np.array_equal(session.undo(), found)
    assert not session.undo().any()


@pytest.mark.parametrize("box", [Box(0, 0, 160, 120), Box(0, 0, 1, 1), Box(159, 0, 160, 120), Box(3, 4, 5, 6)])
def test_boxes_of_any_size_are_answered(box):
    empty = Painted(part())
    states = list(look_in_box(empty, empty.start(photo()), box, Clicks()))
    assert Box.around(states[-1].mask) == box  # nothing was found: the box itself


def test_agreement_is_that_of_boxes():
    mask = np.zeros((120, 160), bool)
    assert agreement(mask, BOX) == 0
    mask[BOX.slices] = True
    assert agreement(mask, BOX) == 1
    mask[60:, :] = False
    assert agreement(mask, BOX) == 0.5
