"""The clicks are counted right: on predictors whose masks are known beforehand."""

import csv
import json
import sys
from contextlib import closing
from dataclasses import dataclass, replace
from types import SimpleNamespace

import numpy as np
import PIL.Image
import pytest

from fewclicks.clicks import Click, Clicks
from fewclicks.errors import InputError, MissingExtra
from fewclicks.evaluation import rollout as rollout_module
from fewclicks.evaluation.benchmark import completed
from fewclicks.evaluation.metrics import iou
from fewclicks.evaluation.plots import blank_figure, plot
from fewclicks.evaluation.report import gallery, read_json, write_csv, write_json
from fewclicks.evaluation.robot import random_error
from fewclicks.evaluation.rollout import ClickResult, ObjectResult, Report, Result, evaluate, merged, rollout
from fewclicks.evaluation.run_journal import RunJournal
from fewclicks.evaluation.shards import Shard
from fewclicks.predictor import blank
from fewclicks.types import Sample

HW = (20, 30)


def square(side=10):
    truth = np.zeros(HW, np.int8)
    truth[2 : 2 + side, 2 : 2 + side] = 1
    return truth


def sample(name="square", truth=None):
    return Sample(np.full((*HW, 3), 90, np.uint8), square() if truth is None else truth, name)


@dataclass(frozen=True)
class Learner:
    """Its mask is the square, short of one row for every click that is still to come."""

    needs: int

    def start(self, image):
        return blank(image)

    def step(self, state, clicks):
        mask = square() == 1
        mask[: 2 + max(0, self.needs - len(clicks))] = False
        return replace(state, prob=mask.astype(np.float32))


@dataclass(frozen=True)
class Photos:
    """A dataset of the samples it is given."""

    samples: tuple
    name: str = "Squares"

    def __len__(self):
        return len(self.samples)

    def __getitem__(self, index):
        return self.samples[index]


def trace(*ious, name="a", load_s=0.0):
    return ObjectResult(
        name, tuple(ClickResult(Click(1, 2), value, 0.2, 0.05, 0.05) for value in ious), 0.1, load_s=load_s
    )


def result(*traces):
    return Result("Hand", traces, "deepest_error", 20, 0.95)


def test_a_rollout_ends_when_the_mask_is_good():
    found = rollout(Learner(4), sample())
    assert found.ious == pytest.approx((0.7, 0.8, 0.9, 1.0))
    assert len(found.clicks) == 4
    assert found.clicks[0] == Click(6, 6), "the first click is the deepest point of the object"
    assert all(click.positive and click.y < 5 for click in list(found.clicks)[1:]), "then what is missing is clicked"
    assert iou(found.mask, square()) == 1


def test_a_rollout_ends_after_the_last_click():
    assert len(rollout(Learner(100), sample()).turns) == 20
    assert len(rollout(Learner(100), sample(), max_clicks=3).turns) == 3


def test_it_stops_at_the_asked_iou_and_not_before():
    assert len(rollout(Learner(4), sample(), stop_iou=0.8).turns) == 2
    assert len(rollout(Learner(4), sample(), stop_iou=1.01, max_clicks=7).turns) == 7


def test_the_robot_sees_the_last_mask_and_all_clicks():
    seen = []

    def robot(truth, mask, clicks):
        seen.append((int(mask.sum()), len(clicks)))
        return Click(3, 3)

    rollout(Learner(3), sample(), robot)
    assert seen == [(0, 0), (80, 1), (90, 2)]


def test_times_are_kept_apart(monkeypatch):
    clock = iter(range(100))
    monkeypatch.setattr(rollout_module, "perf_counter", lambda: next(clock) ** 2)
    found = rollout(Learner(2), sample())
    assert found.start_s == 1
    # Each turn looks at the clock four times: robot, step, metric.
    assert [(t.robot_s, t.step_s, t.metric_s) for t in found.turns] == [(5, 7, 9), (13, 15, 17)]


def test_an_object_without_pixels_is_refused():
    with pytest.raises(InputError, match="'void' has no object pixel"):
        rollout(Learner(1), sample("void", np.zeros(HW, np.int8)))
    with pytest.raises(InputError, match="at least 1"):
        rollout(Learner(1), sample(), max_clicks=0)


def test_noc_and_failures_of_hand_made_curves():
    slow = trace(*[0.5] * 19, 0.91)
    never = trace(*[0.5] * 20)
    hand = result(trace(0.7, 0.86, 0.96), slow, never)
    assert hand.noc(0.8) == pytest.approx((2 + 20 + 20) / 3)
    assert hand.noc(0.95) == pytest.approx((3 + 20 + 20) / 3)
    assert [hand.failures(t) for t in (0.8, 0.9, 0.95)] == [1, 1, 2], "a success at click 20 is no failure"
    assert [hand.spent(t) for t in (0.8, 0.9, 0.95)] == [2, 2, 2], "but it is one for the peers"
    assert hand.clicks_to(0.9) == [3, 20, 20]


def test_finished_objects_keep_their_last_iou():
    hand = result(trace(0.5, 0.97), trace(0.6, 0.7, 0.8, *[0.9] * 17))
    curve = hand.iou_at_click()
    assert len(curve) == 20
    assert curve[:3] == pytest.approx([0.55, (0.97 + 0.7) / 2, (0.97 + 0.8) / 2])
    assert curve[-1] == pytest.approx((0.97 + 0.9) / 2)


def test_seconds_are_those_of_the_predictor():
    hand = result(trace(0.5, 0.97, load_s=0.2))
    assert hand.seconds_per_click() == pytest.approx(0.25), "two steps of 0.2 s and a start of 0.1 s over two clicks"
    assert hand.profile() == pytest.approx({"start": 0.05, "step": 0.2, "robot": 0.05, "metric": 0.05, "load": 0.1})
    assert hand.share_outside_predictor() == pytest.approx(0.2 / 0.45)


def test_the_worst_case_comes_first():
    hand = result(trace(0.92), trace(0.95, 0.89), trace(0.6), trace(0.5, 0.6), trace(0.91, 0.3))
    # Never at 0.9: 0.6 in two clicks, 0.6 in one, 0.89. Then those that were once there: at 0.3, at 0.92.
    assert hand.worst() == [3, 2, 4, 1, 0]
    assert hand.worst(2) == [3, 2]


def test_evaluate_takes_every_object_in_order():
    dataset = Photos(tuple(sample(f"s{i}") for i in range(3)))
    seen = []
    found = evaluate(Learner(2), dataset, on_trace=lambda *one: seen.append(one))
    assert [(i, t.name) for i, t in enumerate(found.traces)] == [(i, t.name) for i, t in seen]
    assert [t.name for t in found.traces] == ["s0", "s1", "s2"]
    assert found.noc(0.95) == 2
    with pytest.raises(InputError, match="empty"):
        evaluate(Learner(2), Photos(()))


def test_only_the_worst_masks_are_kept():
    """Sides 2..17: the smaller the truth, the worse the learner's square fits."""
    dataset = Photos(tuple(sample(str(side), square(side)) for side in range(17, 1, -1)))
    found = evaluate(Learner(0), dataset, max_clicks=1)
    kept = {i for i, t in enumerate(found.traces) if t.mask is not None}
    assert kept == set(found.worst(rollout_module.WORST))
    assert len(kept) == 10


@pytest.fixture
def evaluated():
    dataset = Photos((sample("easy"), sample("a/b hard", square(4))))
    return dataset, evaluate(Learner(3), dataset)


def test_the_report_has_the_agreed_shape(evaluated, tmp_path):
    path = write_json(Report({"method": "learner"}, (evaluated[1],)), tmp_path / "report.json")
    figures = json.loads(path.read_text())
    assert figures == read_json(path)
    assert figures["settings"] == {
        "method": "learner",
        "robot": "deepest_error",
        "max_clicks": 20,
        "stop_iou": 0.95,
    }
    squares = figures["datasets"]["Squares"]
    assert squares["objects"] == 2
    assert squares["noc"] == {"0.80": 10.5, "0.85": 11.0, "0.90": 11.0, "0.95": 11.5}
    assert squares["failures"] == {"0.80": 1, "0.85": 1, "0.90": 1, "0.95": 1}
    assert squares["failures_peers"] == squares["failures"]
    assert squares["noc_interval"]["0.90"] == [2, 20]
    assert len(squares["iou_at_click"]) == 20
    assert squares["iou_at_1_interval"] == pytest.approx([8 / 88, 0.8], abs=1e-5), (
        "hard: 8 of 16 pixels, in a mask of 80"
    )
    effect = squares["click_effect"]
    assert effect["clicks"] == [2, 2, *[1] * 17], "the easy one is done after three clicks"
    assert effect["mean_change"][:2] == pytest.approx(
        [(0.1 + 12 / 94 - 8 / 88) / 2, (0.1 + 0.16 - 12 / 94) / 2], abs=1e-5
    )
    assert (effect["share_lowered"], effect["worst_mean_change"]) == (0, 0)
    assert squares["seconds_per_click"] >= 0
    assert [file.name for file in tmp_path.iterdir()] == ["report.json"], "no temporary file is left"


def test_the_full_report_has_every_object(evaluated, tmp_path):
    path = write_json(Report({}, (evaluated[1],)), tmp_path / "full.json", full=True)
    each = read_json(path)["datasets"]["Squares"].pop("per_object")
    assert each["name"] == ["easy", "a/b hard"]
    assert each["noc"] == {"0.80": [1, 20], "0.85": [2, 20], "0.90": [2, 20], "0.95": [3, 20]}
    assert each["ious"] == [list(t.ious) for t in evaluated[1].traces], "not rounded: a level is met or it is not"
    assert each["clicks"][0][0] == [6, 6, True]
    assert [len(clicks) for clicks in each["clicks"]] == [3, 20]
    assert "per_object" not in evaluated[1].to_json()


def test_shards_make_the_whole():
    dataset = Photos(tuple(sample(f"s{i}", square(2 + i % 9)) for i in range(14)))
    whole = evaluate(Learner(2), dataset, max_clicks=3)
    for count in (1, 3, 14):
        parts = [evaluate(Learner(2), Shard(dataset, index, count), max_clicks=3) for index in range(count)]
        found = merged(parts)
        assert [(t.name, t.clicks, t.ious) for t in found.traces] == [(t.name, t.clicks, t.ious) for t in whole.traces]
        assert [t.mask is None for t in found.traces] == [t.mask is None for t in whole.traces]
        assert found.dataset == "Squares"


def test_levels_above_the_stop_are_left_out(evaluated):
    assert list(evaluate(Learner(3), evaluated[0], stop_iou=0.85).to_json()["noc"]) == ["0.80", "0.85"]


def test_without_a_stop_all_clicks_are_made_and_nothing_is_carried_on():
    found = evaluate(Learner(2), Photos((sample(),)), max_clicks=4, stop_iou=None, boundary=True)
    assert [len(trace.turns) for trace in found.traces] == [4]
    figures = found.to_json()
    assert list(figures["noc"]) == ["0.80", "0.85", "0.90", "0.95"]
    assert figures["noc"]["0.95"] == 2
    assert figures["iou_at_click"] == [0.9, 1, 1, 1]
    assert figures["boundary_iou_at_click"][1:] == [1, 1, 1]
    assert 0 < figures["boundary_iou_at_click"][0] < 1
    assert "boundary_iou_at_click" not in evaluate(Learner(2), Photos((sample(),))).to_json()


def test_intervals_know_the_videos():
    hard, easy = (replace(sample(), truth=square(side)) for side in (4, 10))
    alone = Photos(tuple(replace(hard if i < 4 else easy, name=str(i)) for i in range(8)))
    videos = Photos(tuple(replace(one, group="ab"[i // 4]) for i, one in enumerate(alone.samples)))
    one, other = (evaluate(Learner(3), dataset).to_json() for dataset in (alone, videos))
    assert (one["groups"], other["groups"]) == (8, 2)
    assert one["noc"] == other["noc"]
    assert other["noc_interval"]["0.90"] == [2, 20], "two videos: each draw may be of one of them alone"
    assert one["noc_interval"]["0.90"][0] > 2


def test_a_row_per_object_in_csv(tmp_path):
    dataset = Photos((sample("easy"), sample("hard, very", square(4))))
    file = write_csv(Report({}, (evaluate(Learner(2), dataset, max_clicks=3),)), tmp_path / "rows.csv")
    heads, easy, hard = csv.reader(file.read_text().splitlines())
    row = dict(zip(heads, easy, strict=True))
    assert (row["dataset"], row["object"], row["clicks"]) == ("Squares", "easy", "2")
    assert (row["noc_90"], row["reached_90"], row["noc_95"], row["iou_1"], row["iou_3"]) == (
        "1", "1", "2", "0.90000", "",
    )  # fmt: skip
    row = dict(zip(heads, hard, strict=True))
    assert (row["object"], row["noc_95"], row["reached_95"]) == ("hard, very", "3", "0")
    assert row["iou_3"]


def test_a_run_goes_on_where_it_stopped(tmp_path):
    dataset = Photos(tuple(replace(sample(f"s{i}", square(2 + i)), group="g") for i in range(4)))
    whole, report = evaluate(Learner(2), dataset), tmp_path / "report.json"
    first = RunJournal(report, {"cfr": 1}, resume=False)
    for position in (2, 0):
        first.add("squares", position, whole.traces[position])
    first.close()
    with first.path.open("a") as file:
        file.write('{"dataset": "squares", "posi')  # killed while it wrote
    again = RunJournal(report, {"cfr": 1}, resume=True)
    again.add("squares", 1, whole.traces[1])
    again.close()
    third = RunJournal(report, {"cfr": 1}, resume=True)
    assert list(third.done["squares"]) == [2, 0, 1]
    for position, found in third.done["squares"].items():
        wanted = whole.traces[position]
        assert replace(found, mask=None) == replace(wanted, mask=None)
        assert (found.mask == wanted.mask).all()
    with pytest.raises(InputError, match="cfr was 1 and is 2"):
        RunJournal(report, {"cfr": 2}, resume=True)
    third.close(finished=True)
    assert not list(tmp_path.iterdir())
    RunJournal(report, {"cfr": 1}, resume=False).close()
    empty = RunJournal(report, {"cfr": 1}, resume=True)
    empty.close()
    assert empty.done == {}


def test_a_run_that_lacks_only_its_report_needs_no_model(tmp_path):
    dataset = Photos((sample(),))
    whole = evaluate(Learner(2), dataset, random_error)
    with closing(RunJournal(tmp_path / "r.json", {}, resume=False)) as first:
        first.add("squares", 0, whole.traces[0])
    with closing(RunJournal(tmp_path / "r.json", {}, resume=True)) as again:
        rules = {"max_clicks": 20, "stop_iou": 0.95}
        found = completed(SimpleNamespace(rules=rules), dataset, again.done["squares"], None)
    assert (found.robot, found.to_json()) == ("random_error", whole.to_json())


@pytest.mark.parametrize("text", ["", "[1]", '{"settings": {}}'])
def test_a_file_that_is_no_report_is_refused(text, tmp_path):
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(InputError, match=r"x\.json"):
        read_json(tmp_path / "x.json")


def test_the_gallery_shows_the_worst_first(evaluated, tmp_path):
    dataset, found = evaluated
    files = gallery(found, dataset, tmp_path / "worst")
    assert [file.name for file in files] == [
        "Squares_01_a_b_hard_iou16_clicks20.png",
        "Squares_02_easy_iou100_clicks3.png",
    ]
    with PIL.Image.open(files[0]) as picture:
        pixels = np.asarray(picture)
    height, width = pixels.shape[:2]
    assert height == 600, "small photos are enlarged"
    assert width > 2 * 900
    assert (pixels[:, :900] != pixels[:, -900:]).any(), "the last mask on the left, the truth on the right"
    assert len(gallery(found, dataset, tmp_path / "one", count=1)) == 1


def test_the_plot_has_a_line_per_report(evaluated, tmp_path):
    pytest.importorskip("matplotlib")
    figures = Report({}, (evaluated[1],)).to_json()
    path = plot({"first try": figures, "second & last": figures}, tmp_path / "curves.svg")
    assert path.read_text().count('<g id="axes_') == 1
    assert plot({"one": figures}, tmp_path / "curves.png").read_bytes()[:4] == b"\x89PNG"
    assert len(list(tmp_path.iterdir())) == 2
    with pytest.raises(InputError, match=r"\.svg"):
        plot({"one": figures}, tmp_path / "curves.txt")
    with pytest.raises(InputError, match="nothing to plot"):
        plot({}, tmp_path / "none.png")


def test_the_legend_of_a_plot_is_whole_however_long_the_names(tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    figure = blank_figure()
    monkeypatch.setattr("fewclicks.evaluation.plots.blank_figure", lambda: figure)
    figures = {"datasets": {"Squares": {"iou_at_click": [0.5, 0.7, 0.9]}}}
    name = "focalclick b0 4263668f, released, no CFR, refine=false, zoom=448"
    plot({f"{name}, run {i}": figures for i in range(4)}, tmp_path / "a.png")
    (legend,) = figure.legends
    box = legend.get_window_extent()
    assert box.x0 >= 0
    assert box.x1 <= figure.bbox.x1
    assert box.y1 <= figure.axes[0].get_window_extent().y0, "beneath the curves, not on them"


def test_without_matplotlib_the_cure_is_named(monkeypatch, tmp_path):
    for module in ("matplotlib", "matplotlib.figure", "matplotlib.backends.backend_agg"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtra, match=r"fewclicks\[plot\]"):
        plot({"one": {"datasets": {}}}, tmp_path / "curves.png")


def test_clicks_of_a_trace_are_in_order():
    assert rollout(Learner(2), sample()).clicks == Clicks(
        tuple(turn.click for turn in rollout(Learner(2), sample()).turns)
    )
