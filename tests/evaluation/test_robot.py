"""The robot user clicks where the published protocol says, to the pixel."""

import json

import cv2
import numpy as np
import pytest

from fakes import shared
from fewclicks.clicks import Click, Clicks
from fewclicks.errors import InputError, UnknownName
from fewclicks.evaluation.robot import ROBOTS, deepest_error, name_of, noisy_human, robot_named, robot_of
from fewclicks.evaluation.rollout import evaluate
from fewclicks.methods.outline import outline_click
from fewclicks.methods.ucp_net import UCPNet
from fewclicks.predictor import blank
from fewclicks.refinement import CFR, ClickConsistency
from fewclicks.types import Sample


def plain(truth, mask, clicks):
    """The protocol, word by word, on whole images."""
    depths = []
    for region in ((truth == 1) & ~mask, (truth == 0) & mask):
        padded = np.pad(region, 1).astype(np.uint8)
        depth = cv2.distanceTransform(padded, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1]
        depth = np.rint(depth**2)  # exact: squared distances are whole numbers
        for click in clicks:
            depth[int(click.y), int(click.x)] = 0
        depths.append(depth)
    positive = depths[0].max() > depths[1].max()
    row, column = np.unravel_index(np.argmax(depths[0] if positive else depths[1]), truth.shape)
    return Click(float(column), float(row), bool(positive))


def disc(hw, centre, radius_squared):
    rows, columns = np.indices(hw)
    return (rows - centre[0]) ** 2 + (columns - centre[1]) ** 2 < radius_squared


def test_the_golden_clicks_are_met():
    """Inputs by the formula in the file: a disc of radius 30, five masks, an uncounted edge."""
    golden = json.loads(shared("golden", "ops.json").read_text())["clicker"]
    hw = (80, 100)
    truth = disc(hw, (40, 50), 900).astype(np.int8)
    truth[:, :3] = -1
    perfect = truth == 1
    masks = [np.zeros(hw, bool), disc(hw, (40, 40), 900), disc(hw, (36, 50), 1000), perfect, perfect]
    clicks = Clicks()
    for mask, (positive, row, column, _) in zip(masks, golden["clicks"], strict=True):
        clicks = clicks + deepest_error(truth, mask, clicks)
        assert clicks[-1] == Click(column, row, positive)


@pytest.mark.parametrize("seed", range(60))
def test_it_equals_the_plain_protocol(seed):
    """Measuring only the bounding box changes nothing, whatever the masks, the uncounted pixels and the clicks."""
    rng = np.random.default_rng(seed)
    hw = tuple(int(side) for side in rng.integers(1, 180, 2))
    smooth = float(rng.choice([0.3, 1.5, 4]))
    fields = [cv2.GaussianBlur(rng.random(hw, np.float32), (0, 0), smooth).reshape(hw) for _ in range(3)]
    levels = [np.quantile(field, rng.choice([0.1, 0.5, 0.9])) for field in fields]
    truth = (fields[0] > levels[0]).astype(np.int8)
    truth[fields[2] > max(levels[2], 0.6)] = -1
    mask = fields[1] > levels[1]
    clicks = Clicks()
    for _ in range(6):
        click = deepest_error(truth, mask, clicks)
        assert click == plain(truth, mask, clicks)
        clicks = clicks + click


def test_it_finds_the_deepest_pixel_of_a_touching_object():
    """The image border ends a region: the deepest pixel of a full image is in its middle."""
    assert deepest_error(np.ones((5, 9), np.int8), np.zeros((5, 9), bool), Clicks()) == Click(2, 2, True)


def test_equal_depths_give_a_background_click():
    truth = np.zeros((5, 11), np.int8)
    truth[1:4, 1:4] = 1
    mask = np.zeros((5, 11), bool)
    mask[1:4, 7:10] = True
    assert deepest_error(truth, mask, Clicks()) == Click(8, 2, positive=False)


def test_only_the_clicked_pixel_is_out():
    truth = np.ones((3, 7), np.int8)
    mask = np.zeros((3, 7), bool)
    first = deepest_error(truth, mask, Clicks())
    assert first == Click(1, 1)
    assert deepest_error(truth, mask, Clicks((first,))) == Click(2, 1)


def test_no_error_left_gives_a_background_click_on_the_corner():
    truth = np.zeros((4, 4), np.int8)
    truth[1, 1] = 1
    assert deepest_error(truth, truth == 1, Clicks()) == Click(0, 0, positive=False)
    missed = np.zeros((4, 4), bool)
    assert deepest_error(truth, missed, Clicks((Click(1, 1),))) == Click(0, 0, positive=False)


def test_it_changes_nothing_it_is_given():
    truth, mask = np.ones((9, 9), np.int8), np.zeros((9, 9), bool)
    truth.flags.writeable = mask.flags.writeable = False
    assert deepest_error(truth, mask, Clicks((Click(4, 4),))).positive


def test_masks_of_other_sizes_are_refused():
    with pytest.raises(InputError, match="one size"):
        deepest_error(np.zeros((4, 4), np.int8), np.zeros((4, 5), bool), Clicks())


def two_errors():
    """A missed disc, a wrong square that is larger, an uncounted corner."""
    truth = disc((60, 90), (15, 15), 100).astype(np.int8)
    mask = np.zeros((60, 90), bool)
    mask[20:56, 40:80] = True
    truth[:5, 80:] = -1
    mask[:5, 80:] = True
    return truth, mask


@pytest.mark.parametrize("name", ROBOTS)
def test_every_robot_clicks_errors_with_their_label_and_the_same_each_time(name):
    truth, mask = two_errors()
    clicks, seen = Clicks(), []
    for _ in range(30):
        click = robot_named(name)(truth, mask, clicks)
        assert click == robot_named(name)(truth.copy(), mask.copy(), clicks)
        clicks = clicks + click
        y, x = click.pixel(truth.shape)
        seen.append(((truth[y, x] == 1) == click.positive) and (truth[y, x] == 1) != mask[y, x] and truth[y, x] != -1)
    assert sum(seen) >= (20 if name == "noisy_human" else 30)
    nothing_left = robot_named(name)(truth, truth == 1, Clicks())
    assert isinstance(nothing_left, Click)


def test_the_robot_of_the_outline_stays_at_the_border_of_the_largest_error():
    truth, mask = two_errors()
    for count in range(20):
        click = robot_named("boundary_error")(truth, mask, Clicks((Click(1, 1, False),) * count))
        assert click.x in (40, 79) or click.y in (20, 55)
        assert not click.positive


def test_the_hurried_robot_mistakes_the_button_one_time_in_twenty():
    truth = disc((60, 90), (45, 30), 400).astype(np.int8)
    mask = np.zeros((60, 90), bool)
    found = [noisy_human(truth, mask, Clicks((Click(1, 1, False),) * count)) for count in range(400)]
    assert 0.02 <= np.mean([not click.positive for click in found]) <= 0.09
    assert 3 < np.std([click.x for click in found]) < 17


def test_a_robot_of_ones_own_has_a_dotted_name(tmp_path, monkeypatch):
    monkeypatch.setenv("FEWCLICKS_ALLOW", "")
    (tmp_path / "lab").mkdir()
    (tmp_path / "lab" / "clumsy.py").write_text(
        "def robot(*a): return 1\ndef other(*a): return 2\ndef one(truth): return 3\nword = 4\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert robot_named("lab.clumsy:robot")() == 1
    assert robot_named("lab.clumsy:other")() == 2
    for name, says in (
        ("deepest", "did you mean 'deepest_error'"),
        ("lab.clumsy:no", "has no 'no'"),
        ("a.b", "Python path"),
    ):
        with pytest.raises(UnknownName, match=says):
            robot_named(name)
    for name, says in (("lab.clumsy:one", r"must take \(truth, mask, clicks\), and takes \(truth\)"),
                       ("lab.clumsy:word", "is no function")):  # fmt: skip
        with pytest.raises(InputError, match=says):
            robot_named(name)
    assert name_of(robot_named("lab.clumsy:other")) == "lab.clumsy:other"


class Still:
    """A predictor that finds nothing."""

    def start(self, image):
        return blank(image)

    def step(self, state, clicks):
        return state


class Left(Still):
    """One with a robot of its own."""

    @staticmethod
    def robot(truth, mask, clicks):
        return Click(0, len(clicks), False)


def test_a_predictors_own_robot_clicks_whatever_is_around_it():
    assert robot_of(Still()) is deepest_error
    for predictor in (UCPNet(None), CFR(UCPNet(None), 1), ClickConsistency(CFR(UCPNet(None), 1))):
        assert robot_of(predictor) is outline_click
    assert name_of(outline_click) == "outline_click"
    truth = disc((12, 12), (6, 6), 9).astype(np.int8)
    sample = Sample(np.zeros((12, 12, 3), np.uint8), truth, "a")

    class One:
        name = "one"

        def __len__(self):
            return 1

        def __getitem__(self, index):
            return sample

    found = evaluate(CFR(Left(), 1), One(), max_clicks=3)
    assert [(click.x, click.y) for click in found.traces[0].clicks] == [(0, 0), (0, 1), (0, 2)]
    assert found.robot == f"{__name__}:Left.robot"
    assert evaluate(CFR(Left(), 1), One(), deepest_error, max_clicks=1).robot == "deepest_error"
    with pytest.raises(InputError, match=r"gives None; return a fewclicks\.Click"):
        evaluate(Still(), One(), lambda truth, mask, clicks: None)
