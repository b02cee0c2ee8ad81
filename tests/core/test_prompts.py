"""Boxes, strokes, several meanings of a click, and corrections that stay local."""

import json
import math
import subprocess
import sys
from dataclasses import dataclass, replace

import cv2
import numpy as np
import PIL.Image
import pytest

import fewclicks
from fakes import Discs, Spy, gradient
from fewclicks.cli.segment import parse_box, parse_scribble
from fewclicks.clicks import Click, Clicks
from fewclicks.errors import InputError
from fewclicks.geometry import Box
from fewclicks.predictor import State
from fewclicks.prompts import BoxPrompt, Choice, LookAt, Scribble, meanings
from fewclicks.refinement import CFR, Anchor, LocalCorrection, keep_local
from fewclicks.session import Session

PHOTO = gradient(120, 160)
HW = (120, 160)


def flowers():
    """A bright disc on a dark ground, with a small darker disc in it."""
    rows, columns = np.mgrid[:120, :160]
    image = np.full((120, 160, 3), 20, np.uint8)
    image[(rows - 60) ** 2 + (columns - 80) ** 2 < 40**2] = (230, 200, 40)
    image[(rows - 60) ** 2 + (columns - 80) ** 2 < 12**2] = (90, 40, 20)
    return image


def disc(x, y, radius):
    rows, columns = np.mgrid[:120, :160]
    return (rows - y) ** 2 + (columns - x) ** 2 < radius**2


@pytest.mark.parametrize(
    ("corners", "box"),
    [
        ((10, 20, 60, 70), Box(10, 20, 60, 70)),
        ((60, 70, 10, 20), Box(10, 20, 60, 70)),  # dragged from the lower right
        ((-50, -1e5, 1000, 30.4), Box(0, 0, 160, 30)),  # over the border
        ((9.6, 20.4, 10.6, 21.4), Box(10, 20, 11, 21)),
    ],
)
def test_a_box_is_its_whole_pixels(corners, box):
    assert BoxPrompt(*corners).pixels(HW) == box


@pytest.mark.parametrize(
    ("corners", "says"),
    [
        ((10, 20, 10, 70), "no pixel"),
        ((200, 20, 300, 70), "no pixel"),
        ((float("nan"), 0, 5, 5), "four numbers"),
        ((0, 0, float("inf"), 5), "four numbers"),
        (("a", 0, 5, 5), "four numbers"),
        ((None, 0, 5, 5), "four numbers"),
    ],
)
def test_what_is_no_box_is_refused_and_nothing_changes(corners, says):
    session = Session(PHOTO, Discs())
    before = session.click(30, 40)
    with pytest.raises(InputError, match=says):
        session.box(*corners)
    assert np.array_equal(session.mask, before)
    assert session.undo().sum() == 0


def test_a_box_begins_a_mask_that_clicks_correct_and_undo_takes_back():
    session = fewclicks.open(flowers(), "grow")
    found = session.box(36, 16, 124, 104)
    truth = disc(80, 60, 40)
    assert (found & truth).sum() / (found | truth).sum() > 0.9
    assert not session.clicks
    corrected = session.click(80, 60, positive=False)
    assert not corrected[60, 80]
    assert np.array_equal(session.undo(), found)
    assert session.undo().sum() == 0
    assert np.array_equal(session.redo(), found)


def test_a_box_promises_no_pixel_and_holds_what_was_clicked():
    spy = Spy(Discs(10))
    session = Session(PHOTO, Anchor(spy))
    session.click(20, 20, positive=False)
    mask = session.box(10, 10, 60, 60)
    assert not mask[20, 20]
    assert not mask[11, 11]  # within the box, and not taken for the object
    assert spy.seen[-1][0].image.shape < PHOTO.shape  # it was shown the region alone
    assert session.clicks == Clicks((Click(20, 20, False),))


def test_a_box_in_which_nothing_is_found_is_the_mask_to_begin_with():
    class Blind(Discs):
        def step(self, state, clicks):
            return State(state.image, np.zeros_like(state.prob))

    mask = Session(PHOTO, Blind()).box(10, 20, 60, 70)
    assert Box.around(mask) == Box(10, 20, 60, 70)
    assert mask.sum() == 50 * 50


def test_a_stroke_is_clicks_along_it_as_one_action():
    stroke = Scribble(((10, 10), (110, 10), (110, 90)))
    clicks = stroke.clicks(HW)
    assert 2 < len(clicks) <= 8
    assert all(click.y == 10 or click.x == 110 for click in clicks)
    session = Session(PHOTO, Anchor(Discs(5)))
    mask = session.scribble([(10, 10), (110, 10), (110, 90)])
    assert all(mask[click.pixel(HW)] for click in clicks)
    assert session.clicks == clicks
    again = session.scribble([(50, 60), (80, 60)], positive=False)
    assert not again[60, 65]
    assert np.array_equal(session.undo(), mask)
    assert session.undo().sum() == 0
    assert not session.clicks


def test_a_negative_stroke_alone_marks_nothing():
    session = Session(PHOTO, Anchor(Discs()))
    assert not session.scribble([(10, 10), (50, 50)], positive=False).any()
    assert session.click(60, 60)[60, 60]


@pytest.mark.parametrize("points", [[], [(500, 500)], [(1, float("nan"))], [(1,)], [("a", 2)], 7, None])
def test_what_is_no_stroke_is_refused(points):
    with pytest.raises(InputError):
        Session(PHOTO, Discs()).scribble(points)


def test_a_stroke_over_the_border_counts_within():
    assert all(0 <= click.x < 160 for click in Scribble(((-100, 20), (100, 20))).clicks(HW))
    assert len(Scribble(((5, 5),)).clicks(HW)) == 1


def test_a_stroke_that_comes_from_far_and_crosses_the_image_is_clipped_to_it():
    clicks = Scribble(((-2000, 50), (50, 50), (-2000, 50))).clicks(HW)
    assert len(clicks) == 8
    assert {click.y for click in clicks} == {50}
    assert all(0 <= click.x <= 50 for click in clicks)
    assert all(click.x == 40 for click in Scribble(((40, -3000), (40, 9000))).clicks(HW))
    assert len(Scribble(((40, -3000), (40, 9000))).clicks(HW)) >= 1
    for beside in (
        ((-5, -5),),
        ((-9, 0), (-9, 90)),
        ((-90, 50), (-2, 50)),
        ((-10, 5), (5, -10)),
        ((-50, 130), (300, 130)),
    ):
        with pytest.raises(InputError, match="beside the image"):
            Scribble(beside).clicks(HW)


def two_blobs():
    before = np.zeros(HW, np.float32)
    before[20:60, 20:60] = 0.9
    after = np.zeros(HW, np.float32)
    after[20:60, 20:50] = 0.8  # the right edge goes
    after[20:24, 20:60] = 0  # and the upper edge, which touches it
    after[80:100, 100:140] = 0.7  # something far away comes
    return before, after


def test_only_the_part_that_the_click_touches_changes():
    before, after = (State(PHOTO, prob) for prob in two_blobs())
    kept = keep_local(before, after, Clicks((Click(55, 40, False),)))
    assert np.array_equal(kept.mask, before.mask & after.mask)
    kept = keep_local(before, after, Clicks((Click(120, 90),)))
    assert np.array_equal(kept.mask, before.mask | (after.mask & ~before.mask))
    assert np.array_equal(kept.prob[:70], before.prob[:70])


@pytest.mark.parametrize("click", [Click(30, 40, False), Click(30, 40), Click(80, 10), Click(5, 110, False)])
def test_a_click_that_touches_no_change_changes_nothing(click):
    """The release of FocalClick takes the unchanged rest of the photo for the touched part."""
    before, after = (State(PHOTO, prob) for prob in two_blobs())
    assert np.array_equal(keep_local(before, after, Clicks((click,))).prob, before.prob)


def test_only_what_is_surely_changed_goes_along_with_a_click_and_its_soft_edge():
    before, after = np.zeros(HW, np.float32), np.zeros(HW, np.float32)
    after[20:40, 20:40] = 0.9
    after[20:40, 40:60] = 0.55  # beside it, and doubtful
    doubtful = State(PHOTO, after)

    def sure(mask):
        assert mask[20:40, 20:41].all(), "what is sure, and one pixel of its edge"
        assert not mask[:, 45:].any()

    sure(keep_local(State(PHOTO, before), doubtful, Clicks((Click(30, 30),))).mask)
    # At the rim of what is sure: the click's own pixels are kept as well.
    kept = keep_local(State(PHOTO, before), doubtful, Clicks((Click(41, 30),))).mask
    assert kept[28:33, 39:44].all()
    sure(kept)
    # Where nothing sure is near, all that is joined to the click changes.
    kept = keep_local(State(PHOTO, before), doubtful, Clicks((Click(55, 30),))).mask
    assert np.array_equal(kept, after > 0.5)
    # Only the first correction is so careful.
    kept = keep_local(State(PHOTO, before), doubtful, Clicks((Click(30, 30),)), first=False).mask
    assert np.array_equal(kept, after > 0.5)
    # Taking away goes the same way.
    full = np.full(HW, 0.95, np.float32)
    sure(~keep_local(State(PHOTO, full), State(PHOTO, 1 - after), Clicks((Click(30, 30, False),))).mask)


@dataclass
class Doubtful:
    """Sees discs around positive clicks, sure in the left half of each."""

    def start(self, image):
        return State(image, np.zeros(image.shape[:2], np.float32))

    def step(self, state, clicks):
        rows, columns = np.mgrid[: state.prob.shape[0], : state.prob.shape[1]]
        prob = state.prob.copy()
        for click in clicks:
            disc = np.hypot(rows - click.y, columns - click.x) < 15
            prob[disc] = np.where(columns[disc] <= click.x, 0.9, 0.55)
        return replace(state, prob=prob)


@pytest.mark.parametrize("local", [True, None])
def test_the_first_correction_of_a_session_is_careful_and_the_second_is_not(local):
    session = Session(PHOTO, Doubtful(), local=local)
    session.load_mask(disc(20, 20, 5))
    first = session.click(60, 60)
    assert first[60, 50]
    assert not first[60, 70]
    second = session.click(110, 60)
    assert second[60, 120]
    assert np.array_equal(session.undo(), first)


@pytest.mark.parametrize("predictor", [Anchor(Discs(12, 0.6)), Anchor(CFR(Discs(12, 0.6), 2)), Discs(12)])
def test_corrections_of_a_loaded_mask_are_local_and_others_are_not(predictor):
    given = disc(50, 60, 30) | disc(120, 60, 20)
    session = Session(PHOTO, predictor)
    session.load_mask(given)
    mask = session.click(50, 60, positive=False)
    assert (mask != given).any()
    assert np.array_equal(mask[:, 95:], given[:, 95:])
    free = Session(PHOTO, predictor, local=False)
    free.load_mask(given)
    assert not np.array_equal(free.click(50, 60, positive=False)[:, 95:], given[:, 95:])


def test_the_switch_makes_every_correction_local():
    session = Session(PHOTO, Anchor(Discs(12, 0)), local=True)
    session.click(30, 30)
    session.click(120, 90)
    first = session.mask
    assert np.array_equal(session.click(80, 30), first | disc(80, 30, 12.01))


def test_the_wrapper_is_a_predictor_that_does_the_same():
    given = disc(50, 60, 30) | disc(120, 60, 20)
    for only_given in (True, False):
        predictor = Anchor(LocalCorrection(Discs(12, 0.6), only_given))
        start = predictor.start(PHOTO)
        state = State(PHOTO, given.astype(np.float32), start.threshold, start.memo)
        clicks = Clicks((Click(50, 60, False),))
        state = predictor.step(state, clicks)
        assert np.array_equal(state.mask[:, 95:], given[:, 95:])
        state = predictor.step(state, clicks + Click(120, 60, False))
        assert not state.mask[60, 120]
        assert np.array_equal(state.mask[:, :15], given[:, :15])


@pytest.mark.slow
def test_a_first_click_means_up_to_three_masks_that_differ():
    session = fewclicks.open(flowers(), "default", threads=1)
    assert session.candidates() == []
    first = session.click(80, 60)
    found = session.candidates()
    assert 2 <= len(found) <= 3
    assert np.array_equal(found[0], first)
    for n, one in enumerate(found):
        assert one[60, 80]
        for other in found[:n]:
            assert (one & other).sum() / (one | other).sum() <= 0.85
    assert np.array_equal(session.choose(1), found[1])
    assert [a.tobytes() for a in session.candidates()] == [a.tobytes() for a in found]
    assert np.array_equal(session.choose(0), first)
    assert np.array_equal(session.undo(), found[1])
    replayed = fewclicks.Session.replay(session.to_json(), image=flowers())
    assert np.array_equal(replayed.mask, found[1])
    with pytest.raises(InputError, match="means"):
        session.choose(len(found)) if len(found) < 3 else session.choose(3)
    session.click(10, 10, positive=False)
    assert session.candidates() == []
    with pytest.raises(InputError, match="first click"):
        session.choose(0)


def test_every_meaning_is_one_piece_with_the_click_and_not_cut_by_its_region():
    predictor = Anchor(Discs(30, 0.9))
    states = meanings(predictor, predictor.start(PHOTO), Clicks((Click(80, 60),)))
    assert 1 <= len(states) <= 3
    assert all(state.mask[60, 80] for state in states)


@dataclass
class BySize:
    """Sees a disc around the click, whose edge is sharp in some sizes of photo and vague in the others."""

    radius_px: dict[int, float]
    vague: tuple[int, ...]

    def start(self, image):
        return State(image, np.zeros(image.shape[:2], np.float32))

    def step(self, state, clicks):
        hw = state.image.shape[:2]
        away = np.hypot(*(np.mgrid[: hw[0], : hw[1]] - np.array(clicks[-1].pixel(hw))[:, None, None]))
        wide = 12 if hw[1] in self.vague else 1
        prob = 1 / (1 + np.exp(np.clip((away - self.radius_px[hw[1]]) / wide, -50, 50)))
        return replace(state, prob=prob.astype(np.float32))


def test_a_click_means_what_hangs_least_on_the_threshold():
    photo = np.zeros((120, 200, 3), np.uint8)
    predictor = BySize({200: 50, 140: 34, 100: 20, 64: 10}, vague=(140,))
    states = meanings(predictor, predictor.start(photo), Clicks((Click(100, 60),)))
    radii = [math.sqrt(np.count_nonzero(state.mask) / math.pi) for state in states]
    assert radii == pytest.approx([50, 20, 10], abs=1), "the vague disc of 34 pixels is left out"


def test_a_click_on_a_large_photo_means_as_many_whole_masks():
    """Compared are few of its pixels, and the masks have all."""
    photo = np.zeros((1130, 1800, 3), np.uint8)
    predictor = BySize({1800: 450, 1260: 300, 900: 180, 450: 90}, vague=())
    click = Click(901.5, 567.2)
    states = meanings(predictor, predictor.start(photo), Clicks((click,)))
    radii = [math.sqrt(np.count_nonzero(state.mask) / math.pi) for state in states]
    assert radii == pytest.approx([450, 180, 90], abs=1) or radii == pytest.approx([450, 300, 180], abs=1)
    for state in states:
        assert state.mask[click.pixel(photo.shape[:2])]
        assert cv2.connectedComponents(state.mask.astype(np.uint8))[0] == 2


def test_a_choice_is_any_integer():
    assert Choice(np.int64(1)) == Choice(1)
    assert type(Choice(np.uint8(2)).number) is int


@pytest.mark.parametrize("number", [-1, 3, 1.0, "1", None, True, np.True_, np.array([1])])
def test_what_is_no_choice_is_refused(number):
    with pytest.raises(InputError):
        Choice(number)


def test_a_region_is_seen_as_if_it_were_the_photo():
    region = Box(30, 20, 110, 90)
    look = LookAt(Discs(10, 0), region)
    state = look.step(look.start(PHOTO), Clicks((Click(60, 50), Click(5, 5))))
    inside = Discs(10, 0)
    expected = inside.step(inside.start(PHOTO[region.slices]), Clicks((Click(30, 30),)))
    assert np.array_equal(state.prob[region.slices], expected.prob)
    assert state.prob[:20].sum() == 0


def test_a_session_with_all_of_it_is_written_and_replayed(tmp_path):
    path = tmp_path / "photo.png"
    PIL.Image.fromarray(flowers()).save(path)
    session = fewclicks.open(path, "grow", local=True)
    session.box(36, 16, 124, 104)
    session.scribble([(70, 50), (90, 50)], positive=False)
    session.scribble([(60, 30), (95, 30)])
    session.click(5, 5, positive=False)
    text = session.to_json()
    assert json.loads(text)["fewclicks_session"] == 2
    again = fewclicks.Session.replay(text)
    assert np.array_equal(again.prob, session.prob)
    assert again.clicks == session.clicks
    while session.mask.any():
        assert np.array_equal(again.undo(), session.undo())
    assert json.loads(again.to_json())["local"] is True


def test_documents_of_format_1_are_replayed_as_they_were_made():
    session = Session(PHOTO, Anchor(Discs(12, 0.6)), local=False)
    session.load_mask(disc(50, 60, 30))
    session.click(50, 60, positive=False)
    document = json.loads(session.to_json())
    document["fewclicks_session"] = 1
    del document["local"]
    again = Session.replay(json.dumps(document), image=PHOTO, predictor=Anchor(Discs(12, 0.6)))
    assert np.array_equal(again.mask, session.mask)
    plain = Session(PHOTO, Discs())
    plain.click(30, 30)
    assert json.loads(plain.to_json())["fewclicks_session"] == 1


@pytest.mark.parametrize(
    "action",
    [{"box": [1, 2, 3]}, {"box": [1, 2, 1, 2]}, {"box": "abcd"}, {"scribble": [], "positive": True},
     {"scribble": [[1, 2, 3]], "positive": True}, {"scribble": [[1, 2]]}, {"choose": 0}, {"choose": "x"}],
)  # fmt: skip
def test_damaged_prompts_in_a_document_are_refused(action):
    document = json.loads(Session(PHOTO, Discs(), local=True).to_json())
    document["actions"] = [action]
    with pytest.raises(InputError):
        Session.replay(json.dumps(document), image=PHOTO, predictor=Discs())


@pytest.mark.slow
def test_the_command_line_takes_boxes_and_strokes(tmp_path):
    PIL.Image.fromarray(flowers()).save(tmp_path / "photo.png")

    def segment(*arguments):
        asked = [sys.executable, "-m", "fewclicks", "segment", "photo.png", "--method", "grow", "--json", *arguments]
        return subprocess.run(asked, capture_output=True, text=True, cwd=tmp_path)

    done = segment("--box", "36,16,124,104", "--scribble", "-3,3,30,3", "-o", "m.png")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["area_px"] > 1000
    assert told["clicks"]
    assert not any(click["positive"] for click in told["clicks"])
    for wrong in (["--box", "1,2,3"], ["--box", "500,500,600,600"], ["--scribble", "1,2,3"], ["--choose", "1"]):
        done = segment(*wrong)
        assert done.returncode == 2
        assert done.stderr.count("\n") <= 3
        assert "Traceback" not in done.stderr


def test_the_words_of_the_command_line():
    assert parse_box("1,2,3,4.5") == (1, 2, 3, 4.5)
    assert parse_scribble("-1,2,3,4") == ([(1, 2), (3, 4)], False)
    assert parse_scribble("1,2") == ([(1, 2)], True)
