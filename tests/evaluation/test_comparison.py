"""Runs are compared object by object, and only what can be compared."""

import json
from dataclasses import replace

import numpy as np
import pytest
from test_rollout import Learner, Photos, sample, square

from commands import runner
from fewclicks.errors import InputError
from fewclicks.evaluation.comparison import Runs, latex, markdown
from fewclicks.evaluation.report import write_json
from fewclicks.evaluation.rollout import Report, evaluate


def report(path, needs, max_clicks=20, names=4, groups=True):
    """A run of a predictor that needs so many clicks."""
    samples = (
        replace(sample(f"s_{i}", square(10 - i % 2)), group=f"v{i // 2}" if groups else "") for i in range(names)
    )
    result = evaluate(Learner(needs), Photos(tuple(samples)), max_clicks=max_clicks)
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
    assert found["IoU@1"].is_clear


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
