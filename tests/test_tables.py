"""The scripts that make tables of results, on reports written by hand."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from fewclicks.benchmark import Report, Result, Trace, Turn
from fewclicks.cli.options import Setup
from fewclicks.clicks import Click
from fewclicks.datasets import folder
from fewclicks.report import write_json
from fewclicks.sample import Sample
from scripts import script

ROOT = Path(__file__).parents[1]


def trace(name, *ious):
    return Trace(name, tuple(Turn(Click(1, 2), iou, 0.1, 0.1, 0.1) for iou in ious), 0.1)


def written(path, *traces, dataset="Validation"):
    """A full report of these traces; its path as text."""
    return str(write_json(Report({}, (Result(dataset, traces, "robot", 20, 0.95),)), path, full=True))


def cells(row):
    return [cell.strip() for cell in row.strip("|").split("|")]


@pytest.fixture
def compare(monkeypatch, capsys):
    """Calls validation_table.py with arguments; its rows as dicts, or the message it ends with."""
    module = script("validation_table")

    def called(*arguments):
        monkeypatch.setattr(sys, "argv", ["validation_table.py", *arguments])
        try:
            module.main()
        except SystemExit as stopped:
            return stopped.code
        head, _, *rows = capsys.readouterr().out.splitlines()
        return [dict(zip(cells(head), cells(row), strict=True)) for row in rows]

    return called


def test_runs_are_compared_object_by_object(compare, tmp_path):
    # NoC@90 first 2, 3, 4, then one click less on each; NoC@95 20 on the second object, both times.
    before = written(
        tmp_path / "before.json",
        trace("a/1#1", 0.5, 0.96),
        trace("a/2#1", 0.5, 0.7, 0.92, *[0.93] * 16, 0.92),
        trace("b/1#1", 0.5, 0.3, 0.8, 0.95),
    )
    after = written(
        tmp_path / "after.json",
        trace("a/1#1", 0.96),
        trace("a/2#1", 0.7, 0.92, *[0.93] * 18),
        trace("b/1#1", 0.5, 0.8, 0.95),
    )
    first, second = compare(before, f"new one={after}")
    assert (first["3 objects"], second["3 objects"]) == ("before", "new one")
    assert first["NoC@90"] == "3.00 [2.00, 4.00]"
    assert second["NoC@90"].startswith("2.00 [")
    assert (first["change of 90"], second["change of 90"]) == ("", "**−1.00 [−1.00, −1.00]**")
    assert second["change of 95"].startswith("−0.67 [−1.00, "), "not bold: one object needs as many clicks as before"
    assert (first["a @90 (2)"], first["b @90 (1)"], second["a @90 (2)"]) == ("2.50", "4.00", "1.50")
    assert (first["IoU@1"], second["IoU@1"]) == ("0.500", "0.720")
    assert first["lowered by a click"] == "4.3%", "one of 1 + 19 + 3 clicks"
    assert first["least mean change"] == "−1.0 points (click 20)", "the second object's alone"
    assert "change of 90" not in compare(before)[0]


def test_other_objects_are_not_compared(compare, tmp_path):
    one = written(tmp_path / "one.json", trace("a/1#1", 0.96))
    other = written(tmp_path / "other.json", trace("a/2#1", 0.96))
    assert "other objects" in compare(one, other)
    assert "same label" in compare(one, one)
    assert "not Validation" in compare(written(tmp_path / "davis.json", trace("x", 0.96), dataset="DAVIS"))
    Path(one).write_text(json.dumps({"settings": {}, "datasets": {"Validation": {"objects": 1}}}))
    assert "--full" in compare(one)


@pytest.fixture(scope="module")
def robustness():
    return script("robustness")


@pytest.fixture(scope="module")
def coffee():
    """A photo with a cup, a strip of which is not counted."""
    sample = folder.open(ROOT / "examples")[1]
    truth = sample.truth.copy()
    truth[:, :40] = -1
    return Sample(sample.image, truth, sample.name)


def test_every_change_leaves_photo_and_truth_of_one_size(robustness, coffee):
    for change, (changed, _) in robustness.CHANGES.items():
        found = changed(coffee)
        assert found.image.shape == (*found.truth.shape, 3), change
        assert (found.image.dtype, found.truth.dtype, found.name) == (np.uint8, np.int8, coffee.name)
        assert found.image.flags.c_contiguous, change
        for label in (-1, 0, 1):
            assert (found.truth == label).mean() == pytest.approx((coffee.truth == label).mean(), abs=2e-3), change
        moved = not np.array_equal(found.image, coffee.image)
        assert moved == (change != "none"), change


def test_the_truth_moves_with_the_photo(robustness, coffee):
    height, width = coffee.truth.shape
    assert robustness.half(coffee).truth.shape == (height // 2, width // 2)
    big = robustness.double(coffee)
    assert np.array_equal(big.truth[::2, ::2], coffee.truth)
    assert np.array_equal(big.truth[1::2, 1::2], coffee.truth)
    turned = robustness.rotated(coffee)
    assert np.array_equal(np.rot90(turned.truth, -1), coffee.truth)
    assert np.array_equal(np.rot90(turned.image, -1), coffee.image)
    odd = robustness.half(Sample(coffee.image[:7, :5], coffee.truth[:7, :5], "odd"))
    assert odd.image.shape == (4, 2, 3)


def test_the_noise_hangs_on_the_name_alone(robustness, coffee):
    once, again = robustness.noise(coffee).image, robustness.noise(coffee).image
    assert np.array_equal(once, again)
    assert not np.array_equal(once, robustness.noise(Sample(coffee.image, coffee.truth, "other")).image)
    grey = np.full((100, 100, 3), 128, np.uint8)
    assert robustness.noise(Sample(grey, coffee.truth[:100, :100], "grey")).image.std() == pytest.approx(20, rel=0.02)


def test_grey_and_jpeg_lose_what_they_should(robustness, coffee):
    grey = robustness.grey(coffee).image
    assert (grey[..., 0] == grey[..., 1]).all()
    assert (grey[..., 0] == grey[..., 2]).all()
    error = np.abs(robustness.jpeg(coffee).image.astype(int) - coffee.image).mean()
    assert 1 < error < 15


def test_a_job_opens_the_changed_objects(robustness, coffee):
    opened = robustness.ChangedJob(Setup(), "folder", ROOT / "examples", 2, "rotated").open()
    assert (len(opened), opened.name) == (2, "examples, turned by 90 degrees")
    assert opened[0].image.shape[:2] == folder.open(ROOT / "examples")[0].image.shape[1::-1]


def test_changes_are_compared_object_by_object(robustness):
    def measured(*curves):
        return Result("GrabCut", tuple(trace(str(i), *curve) for i, curve in enumerate(curves)), "robot", 20, 0.95)

    clean = measured([0.8, 0.96], [0.5, 0.6, 0.95])
    noisy = measured([0.7, 0.8, 0.96], [0.4, 0.5, 0.6, 0.95])
    found = robustness.figures({"none": clean, "noise": noisy})
    assert found["none"]["noc_0.90"] == [2.5, 2, 3]
    assert found["noise"]["noc_0.95"] == [3.5, 3, 4]
    assert found["noise"]["difference"]["noc_0.90"] == [1, 1, 1], "each object takes one click more"
    assert found["noise"]["difference"]["iou_at_1"] == pytest.approx([-0.1] * 3)
    rows = robustness.table({"changes": found}).splitlines()[2:]
    assert cells(rows[0]) == ["as it is", "2.50 [2.00, 3.00]", "", "2.50 [2.00, 3.00]", "", "0.650 [0.500, 0.800]"]
    assert cells(rows[1])[1:3] == ["3.50 [3.00, 4.00]", "**+1.00 [+1.00, +1.00]**"]


def test_the_file_of_grabcut_is_not_overwritten_by_a_quick_look(robustness, monkeypatch, capsys):
    for arguments in (["--limit", "3"], ["--dataset", "validation"], ["--limit", "0", "--json", "-"]):
        monkeypatch.setattr(sys, "argv", ["robustness.py", *arguments])
        with pytest.raises(SystemExit) as stopped:
            robustness.main()
        assert stopped.value.code == 2
    assert "--json" in capsys.readouterr().err
