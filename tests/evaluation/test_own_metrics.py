"""Metrics of the user's own, by dotted name, and objects that begin with a mask: in table, JSON and CSV."""

import csv
import json
import math
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from test_rollout import Learner, Photos, sample, square

from commands import runner
from fewclicks.errors import InputError
from fewclicks.evaluation.metrics import boundary_iou, iou
from fewclicks.evaluation.rollout import evaluate
from fewclicks.evaluation.run_journal import RunJournal

LAB = """
import math

def metric(mask, truth):
    hit = (mask & (truth == 1)).sum()
    return 2 * hit / max(1, mask.sum() + (truth == 1).sum())

def on_large(mask, truth):
    return math.nan if (truth == 1).sum() < 150 else float(mask.sum())

def wrong(mask, truth):
    return "much"

def infinite(mask, truth):
    return math.inf

def broken(mask, truth):
    return mask.sum() / 0 if mask.sum() == 1 else truth[10_000]
"""


@pytest.fixture
def lab(tmp_path, monkeypatch):
    """A folder with the module `my_lab` and a set of two objects of 100 and 400 pixels, which the user is in."""
    monkeypatch.setenv("FEWCLICKS_ALLOW", "")
    monkeypatch.delenv("FEWCLICKS_ALLOW_FROM", raising=False)
    monkeypatch.delitem(sys.modules, "my_lab", raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_lab.py").write_text(LAB)
    for kind in ("images", "masks"):
        (tmp_path / "set" / kind).mkdir(parents=True)
    for name, side in (("a", 10), ("b", 20)):
        ids = np.zeros((40, 50), np.uint8)
        ids[5 : 5 + side, 5 : 5 + side] = 1
        PIL.Image.fromarray(ids).save(tmp_path / "set" / "masks" / f"{name}.png")
        PIL.Image.fromarray(np.repeat(ids[..., None] * 200, 3, axis=2)).save(
            tmp_path / "set" / "images" / f"{name}.png"
        )
    return tmp_path


BENCH = ("bench", "folder", "--data-root", "set", "--method", "grow", "--max-clicks", "3", "--stop-iou", "none")


def test_a_metric_of_ones_own_is_in_table_json_and_csv(lab, capsys):
    fewclicks = runner(capsys)
    files = ("--json", "r.json", "--full", "--csv", "r.csv", "--boundary-iou")
    code, out, err = fewclicks(*BENCH, "--metric", "my_lab:metric", "--metric", "my_lab:on_large", *files)
    assert code == 0, err
    assert "my_lab:metric" in out
    assert "my_lab:on_large" in out
    assert "boundary IoU" in out
    row = json.loads(Path("r.json").read_text())["datasets"]["set"]
    dice = row["metrics_at_click"]["my_lab:metric"]
    assert len(dice) == 3
    each = row["per_object"]
    for curve, ious in zip(each["metrics"]["my_lab:metric"], each["ious"], strict=True):
        assert curve == pytest.approx([2 * value / (1 + value) for value in ious]), "Dice follows from the IoU"
    assert dice == pytest.approx(np.mean(each["metrics"]["my_lab:metric"], axis=0), abs=1e-5)
    assert each["metrics"]["my_lab:on_large"][0] == [None] * 3, "NaN means nothing, and JSON has none"
    assert row["metrics_at_click"]["my_lab:on_large"] == pytest.approx(each["metrics"]["my_lab:on_large"][1])
    heads, first, second = csv.reader(Path("r.csv").read_text().splitlines())
    rows = [dict(zip(heads, cells, strict=True)) for cells in (first, second)]
    assert float(rows[0]["my_lab:metric_1"]) == pytest.approx(each["metrics"]["my_lab:metric"][0][0], abs=1e-5)
    assert rows[0]["my_lab:on_large_3"] == ""
    assert float(rows[1]["my_lab:on_large_3"]) == each["metrics"]["my_lab:on_large"][1][2]


def test_levels_above_the_iou_at_which_clicking_stops_have_no_figure(lab, capsys):
    fewclicks = runner(capsys)
    code, out, err = fewclicks(*BENCH[:-1], "0.85", "--json", "r.json", "--csv", "r.csv", "--gallery", "worst")
    assert code == 0, err
    (row,) = (line.split() for line in out.splitlines() if line.split()[:1] == ["set"])
    assert "80    85  never 85" in out
    assert len(row) == 7, "no column of a level above"
    assert json.loads(Path("r.json").read_text())["datasets"]["set"]["noc"].keys() == {"0.80", "0.85"}


def test_a_method_without_weights_is_one_line_and_no_bar(lab, capsys):
    code, out, err = runner(capsys)("bench", "folder", "--data-root", "set", "--method", "brs")
    assert (code, out) == (2, "")
    assert err.startswith("fewclicks: the method 'brs' has no weights of its own; name a folder of them")
    assert err.count("\n") == 1


def test_several_processes_and_a_resumed_run_measure_the_same(lab, capsys):
    fewclicks = runner(capsys)
    asked = (*BENCH, "--metric", "my_lab:metric", "--full", "--json")
    assert fewclicks(*asked, "one.json")[0] == 0
    assert fewclicks(*asked, "two.json", "--processes", "2")[0] == 0
    one, two = (json.loads(Path(name).read_text())["datasets"]["set"] for name in ("one.json", "two.json"))
    assert one["metrics_at_click"] == two["metrics_at_click"]
    assert one["per_object"] == two["per_object"]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("my_lab:missing", "'my_lab' has no 'missing'"),
        ("no_lab:metric", "no module named 'no_lab'"),
        ("dice", "no metric named 'dice'; name one of your own, my_lab.metrics:dice"),
        ("my_lab:wrong", "the metric my_lab:wrong failed on a square of 24x24 pixels (ValueError"),
        ("my_lab:infinite", "gives inf on"),
        ("my_lab:broken", "IndexError"),
    ],
)
def test_what_is_wrong_with_a_metric_is_one_line_before_the_run(lab, capsys, name, says):
    code, _, err = runner(capsys)(*BENCH, "--metric", name, "--json", "r.json")
    assert code == 2
    assert says in " ".join(err.split())
    assert not Path("r.json").exists()
    assert not Path("r.json.partial").exists()


def test_metrics_survive_in_the_journal_of_a_run(tmp_path):
    dataset = Photos((sample("a"),))
    metrics = {"lab:nothing": lambda mask, truth: math.nan, "lab:count": lambda mask, truth: int(mask.sum())}
    (trace,) = evaluate(Learner(2), dataset, metrics=metrics).traces
    journal = RunJournal(tmp_path / "r.json", {}, resume=False)
    journal.add("squares", 0, trace)
    journal.close()
    again = RunJournal(tmp_path / "r.json", {}, resume=True)
    again.close()
    found = again.done["squares"][0]
    assert [turn.own["lab:count"] for turn in found.turns] == [90, 100]
    assert all(math.isnan(turn.own["lab:nothing"]) for turn in found.turns)


def test_a_metric_that_fails_in_the_middle_names_the_object():
    def picky(mask, truth):
        return 1 / (mask.sum() - 90)

    with (
        pytest.raises(InputError, match=r"the metric lab:picky failed on square \((Zero|Runtime|Float)"),
        np.errstate(divide="raise"),
    ):
        evaluate(Learner(2), Photos((sample(),)), metrics={"lab:picky": picky})


class Corrector:
    """Adds what a click touches: its answer shows what it was given to begin with."""

    def start(self, image):
        return Learner(1).start(image)

    def step(self, state, clicks):
        prob = state.prob.copy()
        for click in clicks:
            prob[round(click.y), round(click.x)] = click.positive
        return replace(state, prob=prob)


def test_an_object_begins_with_its_mask_and_the_first_click_is_on_its_error():
    truth = square()
    initial = truth == 1
    initial[2:5, 2:5] = False  # a corner is missing
    given = replace(sample(), initial=initial)
    found = evaluate(Corrector(), Photos((given, sample("other"))), max_clicks=2, stop_iou=None)
    first, other = found.traces
    assert first.initial_iou == pytest.approx(91 / 100)
    click = first.turns[0].click
    assert (click.x, click.y, click.positive) == (3, 3, True), "the middle of what is missing"
    assert first.ious == pytest.approx((0.92, 0.93))
    assert other.initial_iou is None
    assert other.ious[0] == pytest.approx(0.01)
    figures = found.to_json(full=True)
    assert figures["initial_iou"] == pytest.approx(0.91)
    assert figures["per_object"]["initial_iou"] == [pytest.approx(0.91), None]
    assert "initial_iou" not in evaluate(Corrector(), Photos((sample(),)), max_clicks=1).to_json(full=True)


def test_a_perfect_mask_to_begin_with_still_takes_a_click():
    given = replace(sample(), initial=square() == 1)
    (trace,) = evaluate(Learner(1), Photos((given,))).traces
    assert len(trace.turns) == 1
    assert trace.initial_iou == 1


def test_boundary_iou_of_every_object_is_in_the_full_report():
    found = evaluate(Learner(2), Photos((sample(),)), boundary=True).to_json(full=True)["per_object"]
    mask = square() == 1
    mask[2] = False
    assert found["boundary_ious"] == [[boundary_iou(mask, square()), 1.0]]
    assert found["ious"][0][0] == iou(mask, square())
