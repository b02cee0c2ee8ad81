import json

import numpy as np
import pytest

from fakes import Discs, Noise, Spy, gradient, photos, shared
from fewclicks.clicks import Click, Clicks
from fewclicks.errors import InputError
from fewclicks.geometry import Box
from fewclicks.predictor import State, blank
from fewclicks.refinement import CFR, ClickConsistency
from fewclicks.transforms import Flip, ZoomIn


class Still(Discs):
    """Answers with the previous prob; with discs while that is empty."""

    def step(self, state, clicks):
        return state if state.prob.any() else super().step(state, clicks)


def state_with(mask_rows=slice(100, 200), mask_columns=slice(300, 420), hw=(480, 854)):
    """A state without memo whose mask is a rectangle."""
    state = blank(gradient(*hw))
    prob = state.prob.copy()
    prob[mask_rows, mask_columns] = 0.8
    return State(state.image, prob)


def looked_at(zoom, state, *clicks):
    """The region and the clicks that the inner predictor is shown, and the state after."""
    spy = Spy()
    after = type(zoom)(spy, **{f: getattr(zoom, f) for f in zoom.__dataclass_fields__ if f != "inner"}).step(
        state, Clicks(clicks)
    )
    (seen, shown), box = spy.seen[-1], after.memo["zoom"].frame.box
    return box, seen, shown


def golden(key):
    return json.loads(shared("golden", "ops.json").read_text())[key]


def inclusive(box):
    return [box.y0, box.y1 - 1, box.x0, box.x1 - 1]


@pytest.mark.parametrize(
    ("key", "clicks"),
    [
        ("no_click", []),
        ("pos_click_150_500", [Click(500, 150)]),
        ("neg_click_ignored", [Click(500, 150, positive=False)]),
    ],
)
@pytest.mark.parametrize("corners", [True, False])
def test_region_meets_the_golden_numbers(key, clicks, corners):
    box, _, _ = looked_at(ZoomIn(None, corners=corners), state_with(), *clicks)
    assert inclusive(box) == golden("zoom_roi")[key]


@pytest.mark.parametrize(
    ("key", "zoom"),
    [
        ("zoom_ritm_400", ZoomIn(None, size=400, skip_clicks=1, multiple=1, corners=True)),
        ("zoom_sc_448", ZoomIn(None, size=448, fit="square", corners=True)),
        ("zoom_sc_448", ZoomIn(None, size=(448, 448), corners=True)),
    ],
)
def test_clicks_meet_the_golden_numbers(key, zoom):
    want = golden(key)
    box, seen, shown = looked_at(zoom, state_with(), Click(350, 150), Click(10, 10, positive=False))
    assert inclusive(box) == want["roi"]
    assert list(seen.image.shape[:2]) == want["crop"]
    assert [[c.y, c.x] for c in shown] == [pytest.approx(rc, abs=1e-9) for rc in want["clicks"]]


def test_first_click_looks_at_the_whole_image_fitted_to_multiples():
    box, seen, _ = looked_at(ZoomIn(None), blank(gradient(480, 854)), Click(400, 200))
    assert box == Box.whole((480, 854))
    assert seen.image.shape == (256, 448, 3)
    assert seen.prob.shape == (256, 448)


def test_skipped_clicks_see_the_image_as_it_is():
    zoom = ZoomIn(None, skip_clicks=1)
    state = state_with()
    assert looked_at(zoom, state, Click(400, 200))[1].image is state.image
    assert looked_at(zoom, state, Click(350, 150), Click(400, 200))[1].image.shape[:2] == (448, 448)
    empty = blank(state.image)
    assert looked_at(zoom, empty, Click(350, 150), Click(400, 200))[1].image is empty.image


def test_region_is_kept_until_a_click_leaves_it_or_the_object_has_shrunk():
    spy = Spy(Still(radius_px=60, noise=0))
    zoom = ZoomIn(spy, size=448)
    start = zoom.start(gradient(600, 900))
    first = zoom.step(start, Clicks((Click(300, 300),)))
    clicks = Clicks((Click(300, 300), Click(310, 300)))
    second = zoom.step(first, clicks)
    assert second.memo["zoom"].roi != Box.whole((600, 900))
    again = zoom.step(second, clicks)
    assert again.memo["zoom"].roi == second.memo["zoom"].roi
    assert spy.seen[-1][0].image is spy.seen[-2][0].image, "an unchanged region is not resized again"
    assert len(spy.started) == 2
    outside = zoom.step(again, clicks + Click(880, 580))
    assert outside.memo["zoom"].roi.contains(580, 880)
    shrunk = State(again.image, state_with(slice(300, 303), slice(300, 303), (600, 900)).prob, 0.5, outside.memo)
    assert zoom.step(shrunk, Clicks((Click(301, 301),))).memo["zoom"].roi == Box(201, 201, 402, 402)


def test_the_border_rule_of_the_peers():
    """A positive click on the last row of the kept region leaves it, for the peers."""
    for corners in (False, True):
        zoom = ZoomIn(Discs(), corners=corners)
        kept = zoom.step(state_with(), Clicks())
        box = kept.memo["zoom"].roi
        same = State(kept.image, state_with().prob, 0.5, kept.memo)
        moved = zoom.step(same, Clicks((Click(350, box.y1 - 1),))).memo["zoom"].roi != box
        assert moved == corners


def test_a_loaded_mask_is_zoomed_in_on_at_the_first_click():
    zoom = ZoomIn(Discs())
    start = zoom.start(gradient(480, 854))
    loaded = State(start.image, state_with().prob, start.threshold, start.memo)
    after = zoom.step(loaded, Clicks((Click(310, 110, positive=False),)))
    assert inclusive(after.memo["zoom"].roi) == [50, 250, 260, 460]


def test_square_regions_stay_inside_the_image():
    zoom = ZoomIn(None, crop="square")
    box, seen, _ = looked_at(zoom, state_with(slice(0, 40), slice(500, 854)))
    assert box.hw[0] == box.hw[1]
    assert box.x1 == 854
    assert box.y0 == 0
    assert seen.image.shape[:2] == (448, 448)
    box, _, _ = looked_at(zoom, state_with(slice(200, 240), slice(100, 800)))
    assert box == Box(0, 0, 854, 480), "as far as the image reaches"


def test_clicks_of_the_region_only_and_on_its_pixels():
    clicks = [Click(x, y, positive=False) for x, y in ((260, 50), (0, 0), (460, 250), (259, 150))]
    box, seen, shown = looked_at(ZoomIn(None, size=96), state_with(), *clicks)
    assert box == Box(260, 50, 461, 251)
    assert len(shown) == 2
    shown.require_inside(seen.image.shape[:2])
    assert len(looked_at(ZoomIn(None, corners=True), state_with(), Click(0, 0, False))[2]) == 1


def test_the_threshold_is_that_of_the_inner_predictor():
    zoom = ZoomIn(Noise(threshold=0.3))
    state = zoom.start(gradient(100, 100))
    assert state.threshold == 0.3
    assert zoom.step(state, Clicks((Click(1, 1),))).threshold == 0.3


def test_the_inner_memo_survives_while_the_region_does():
    class Counter(Still):
        def step(self, state, clicks):
            after = super().step(state, clicks)
            return State(after.image, after.prob, after.threshold, {"n": state.memo.get("n", 0) + 1})

    zoom = ZoomIn(Counter(noise=0))
    state = zoom.start(gradient(480, 854))
    counts = []
    for _ in range(4):
        state = zoom.step(state, Clicks((Click(400, 200),)))
        counts.append(state.memo["zoom"].memo["n"])
    assert counts == [1, 1, 2, 3]


def test_nothing_given_is_changed_and_undo_is_exact():
    zoom = ClickConsistency(CFR(ZoomIn(Flip(Discs()))))
    state = zoom.start(gradient(300, 400))
    clicks, states = Clicks(), [state]
    for n in range(4):
        clicks += Click(150 + 20 * n, 120, positive=n != 2)
        states.append(zoom.step(states[-1], clicks))
    before = [s.prob.copy() for s in states]
    again = zoom.step(states[2], Clicks(clicks.items[:3]))
    assert np.array_equal(again.prob, states[3].prob)
    assert all(np.array_equal(s.prob, p) for s, p in zip(states, before, strict=True))


@pytest.mark.parametrize(
    "wrong", [{"size": 0}, {"outside": "blur"}, {"fit": "tall"}, {"crop": "round"}, {"expansion": 0.5}]
)
def test_options_that_cannot_be_used(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        ZoomIn(Discs(), **wrong)


def test_on_photos_what_lies_outside_the_region_is_kept():
    for number, image in enumerate(photos(8)):
        rng = np.random.default_rng(number)
        hw = image.shape[:2]
        prob = rng.random(hw, np.float32) * np.float32(0.45)
        prob[hw[0] // 3 : hw[0] // 2, hw[1] // 4 : hw[1] // 2] = 0.9
        clicks = Clicks((Click(hw[1] // 3, hw[0] // 2 - 1), Click(hw[1] - 1, 0, positive=False)))
        for outside in ("keep", "zero"):
            zoom = ZoomIn(Noise(), size=256, outside=outside)
            start = zoom.start(image)
            after = zoom.step(State(image, prob, start.threshold, start.memo), clicks)
            beyond = np.ones(hw, bool)
            beyond[after.memo["zoom"].roi.slices] = False
            assert beyond.any()
            assert np.array_equal(after.prob[beyond], prob[beyond] if outside == "keep" else np.zeros(beyond.sum()))
            assert not np.array_equal(after.prob[~beyond], prob[~beyond])


def test_on_photos_a_method_works_inside_the_zoom():
    """Real region growing: after the first click the photo outside the zoomed region keeps its prob, bit for bit."""
    grow = pytest.importorskip("fewclicks.methods.grow")
    zoom = ZoomIn(grow.build())
    for image in photos(6):
        hw = image.shape[:2]
        state, clicks = zoom.start(image), Clicks()
        for x, y, positive in ((0.5, 0.5, True), (0.02, 0.02, False), (0.45, 0.55, True), (0.98, 0.6, False)):
            clicks += Click(x * hw[1], y * hw[0], positive)
            after = zoom.step(state, clicks)
            beyond = np.ones(hw, bool)
            beyond[after.memo["zoom"].frame.box.slices] = False
            assert np.array_equal(after.prob[beyond], state.prob[beyond])
            state = after
        assert state.mask.any()
