"""Runs are compared object by object, and only what can be compared."""

import json
import math
from dataclasses import replace

import numpy as np
import PIL.Image
import pytest
from test_rollout import Learner, Photos, sample, square

from commands import runner
from fewclicks.errors import InputError
from fewclicks.evaluation.comparison import Runs, latex, markdown
from fewclicks.evaluation.report import write_json
from fewclicks.evaluation.rollout import Report, evaluate


def report(path, needs, max_clicks=20, names=4, groups=True, stop_iou=0.95):
    """A run of a predictor that needs so many clicks."""
    samples = (
        replace(sample(f"s_{i}", square(10 - i % 2)), group=f"v{i // 2}" if groups else "") for i in range(names)
    )
    result = evaluate(Learner(needs), Photos(tuple(samples)), max_clicks=max_clicks, stop_iou=stop_iou)
    return write_json(Report({"method": "learner"}, (result,)), path, full=True)


@pytest.fixture
def files(tmp_path):
    return {"slow": report(tmp_path / "a.json", 5), "quick & good": report(tmp_path / "b.json", 3)}


def test_the_change_is_that_of_each_object_with_an_interval_by_group(files):
    runs = Runs.read(files)
    found = {one.measure: one for one in runs.differences("quick & good")}
    one = found["NoC@95"]
    clicks = [np.array(runs.values("Squares", label, "NoC@95")) for label in runs.labels]
    assert one.change == pytest.approx((clicks[1] - clicks[0]).mean())
    assert one.low <= one.change <= one.high
    assert (one.objects, one.groups, one.worse) == (4, 2, 0)
    assert one.better == (clicks[1] < clicks[0]).sum() > 0
    assert found["IoU@1"].change > 0
    assert found["IoU@1"].low > 0
    assert not found["IoU@1"].is_clear, "two videos tell nothing"


def test_few_videos_or_photos_make_nothing_clear(tmp_path):
    for names, groups in ((4, 2), (10, 5), (12, 6)):
        files = {str(needs): report(tmp_path / f"{names}_{needs}.json", needs, names=names) for needs in (5, 3)}
        runs = Runs.read(files)
        (one,) = (one for one in runs.differences("3") if one.measure == "IoU@1")
        assert one.groups == groups
        assert one.is_clear == (groups == 6)
        text = markdown(runs)
        assert ("**+" in text) == (groups == 6)
        assert ("Squares: fewer than 6 videos or photos" in text) == (groups < 6)


def test_the_tables_name_the_runs_and_mark_the_best(files):
    runs = Runs.read(files)
    text = markdown(runs)
    assert "### quick & good against slow" in text
    assert "| Squares (4 in 2) | NoC@90 |" in text
    table = latex(runs)
    assert "quick \\& good" in table
    assert table.count("\\textbf") == 2
    assert table.startswith("\\begin{tabular}{lrr}")
    assert table.count("\\\\") == 4


def test_what_differs_most_comes_first(files):
    runs = Runs.read(files)
    found = runs.most_different("Squares", "quick & good")
    changes = [abs(change) for _, _, change in found]
    assert changes == sorted(changes, reverse=True)
    assert all(changes)
    assert found[0][1] == f"s_{found[0][0]}"


def test_what_cannot_be_compared_is_refused_with_the_cure(files, tmp_path):
    with pytest.raises(InputError, match="two reports or more"):
        Runs.read({"a": files["slow"]})
    other = {
        "rules": (report(tmp_path / "c.json", 5, max_clicks=9), "max_clicks is 9 in 'rules' and 20 in 'slow'"),
        "objects": (report(tmp_path / "d.json", 5, names=3), r"other objects of Squares \(3\)"),
    }
    for label, (file, says) in other.items():
        with pytest.raises(InputError, match=says):
            Runs.read({"slow": files["slow"], label: file}).differences(label)
    figures = json.loads(files["slow"].read_text())
    del figures["datasets"]["Squares"]["per_object"]
    (tmp_path / "means.json").write_text(json.dumps(figures))
    with pytest.raises(InputError, match="--full"):
        Runs.read({"slow": files["slow"], "means": tmp_path / "means.json"})


def test_the_command_writes_tables_and_plots(files, tmp_path, capsys):
    fewclicks = runner(capsys)
    code, out, err = fewclicks("compare", f"slow={files['slow']}", files["quick & good"], "-o", tmp_path / "out")
    assert code == 0
    assert "### b against slow" in out
    assert "no pictures of Squares" in err
    assert {file.name for file in (tmp_path / "out").iterdir()} == {
        "comparison.md", "comparison.tex", "curves.png", "scatter_b.png",
    }  # fmt: skip
    assert all(file.stat().st_size > 150 for file in (tmp_path / "out").iterdir())


def test_further_measures_are_compared_where_both_runs_have_them(tmp_path):
    def size(mask, truth):
        return math.nan if (truth == 1).sum() < 100 else int(mask.sum())

    samples = Photos((sample("large"), sample("small", square(4))))
    files = {}
    for label, needs in (("slow", 3), ("quick", 2)):
        result = evaluate(Learner(needs), samples, boundary=True, metrics={"my_lab:size": size})
        files[label] = write_json(Report({"method": "learner"}, (result,)), tmp_path / f"{label}.json", full=True)
    found = {one.measure: one for one in Runs.read(files).differences("quick")}
    assert (found["my_lab:size@1"].change, found["my_lab:size@1"].objects) == (10, 1), "a row more; NaN is left out"
    assert found["boundary IoU@1"].objects == 2
    assert found["boundary IoU@1"].change > 0
    assert "my_lab:size@5" in markdown(Runs.read(files))


def test_objects_of_a_folder_are_drawn_also_of_runs_with_a_limit(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    root = tmp_path / "photos-of_mine"
    for kind in ("images", "masks"):
        (root / kind).mkdir(parents=True)
    for i in range(4):
        ids = np.zeros((40, 50), np.uint8)
        ids[5 : 15 + 5 * i, 5:30] = 1
        PIL.Image.fromarray(ids).save(root / "masks" / f"{i}.png")
        noise = np.random.default_rng(i).integers(0, 90, (40, 50, 3), np.uint8)
        PIL.Image.fromarray(noise + ids[..., None] * 50).save(root / "images" / f"{i}.png")
    fewclicks = runner(capsys)
    for name, clicks in (("a", "deepest_error"), ("b", "random_error")):
        asked = ("--data-root", root, "--method", "grow", "--limit", "2", "--robot", clicks, "--full", "--json", name)
        assert fewclicks("bench", "folder", *asked)[0] == 0
        figures = json.loads((tmp_path / name).read_text())
        figures["settings"]["robot"] = "any"
        (tmp_path / name).write_text(json.dumps(figures))
    assert figures["settings"]["opened_as"] == {"photos-of_mine": "folder"}
    code, _, err = fewclicks("compare", "a", "b", "--data-root", root, "-o", "out")
    assert (code, err) == (0, "")
    drawn = [file.name for file in (tmp_path / "out").glob("photos-of_mine_b_*.png")]
    assert drawn
    assert all("_0_1_" in name or "_2_1_" in name for name in drawn), "of four, the first and the third were measured"


@pytest.mark.parametrize(("stop_iou", "measure", "best"), [(0.85, "NoC@85", "11.00"), (0.5, "NoC@50", "1.00")])
def test_runs_that_stopped_early_are_compared_by_the_level_that_they_reached_for(
    tmp_path, capsys, stop_iou, measure, best
):
    places = [report(tmp_path / f"{needs}.json", needs, stop_iou=stop_iou) for needs in (5, 3)]
    code, out, _ = runner(capsys)("compare", *places, "--out", tmp_path / "out", "--pictures", "0")
    assert code == 0
    assert f"| {measure} |" in out
    assert f"\\textbf{{{best}}}" in (tmp_path / "out" / "comparison.tex").read_text()
    assert (tmp_path / "out" / "scatter_3.png").is_file()


def test_runs_that_reached_for_no_level_are_compared_by_their_iou(tmp_path):
    runs = Runs.read({str(needs): report(tmp_path / f"{needs}.json", needs, stop_iou=0.333) for needs in (5, 3)})
    assert runs.main_measure("Squares") == "IoU@5"
    assert "\\textbf" in latex(runs)
