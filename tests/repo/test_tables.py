"""The scripts that make tables of results, on reports written by hand."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from fewclicks.clicks import Click
from fewclicks.config import resolve
from fewclicks.datasets import folder
from fewclicks.evaluation.report import write_json
from fewclicks.evaluation.rollout import ClickResult, ObjectResult, Report, Result
from fewclicks.types import Sample
from scripts import script

ROOT = Path(__file__).parents[2]


def trace(name, *ious):
    return ObjectResult(name, tuple(ClickResult(Click(1, 2), iou, 0.1, 0.1, 0.1) for iou in ious), 0.1)


def written(path, *traces, dataset="Validation"):
    """A full report of these traces; its path as text."""
    return str(write_json(Report({}, (Result(dataset, traces, "robot", 20, 0.95),)), path, full=True))


def cells(row):
    return [cell.strip() for cell in row.strip("|").split("|")]


@pytest.fixture
def compare(monkeypatch, capsys):
    """Calls tables.py compare with arguments; its rows as dicts, or the message it ends with."""
    module = script("tables")

    def called(*arguments):
        monkeypatch.setattr(sys, "argv", ["tables.py", "compare", *arguments])
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
    opened = robustness.ChangedJob(resolve(), "folder", ROOT / "examples", 2, change="rotated").open()
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
    rows = script("tables").robustness({"changes": found}).splitlines()[2:]
    assert cells(rows[0]) == ["as it is", "2.50 [2.00, 3.00]", "", "2.50 [2.00, 3.00]", "", "0.650 [0.500, 0.800]"]
    assert cells(rows[1])[1:3] == ["3.50 [3.00, 4.00]", "**+1.00 [+1.00, +1.00]**"]


def test_the_file_of_grabcut_is_not_overwritten_by_a_quick_look(robustness, monkeypatch, capsys):
    for arguments in (["--limit", "3"], ["--dataset", "validation"], ["--limit", "0", "--json", "-"]):
        monkeypatch.setattr(sys, "argv", ["robustness.py", *arguments])
        with pytest.raises(SystemExit) as stopped:
            robustness.main()
        assert stopped.value.code == 2
    assert "--json" in capsys.readouterr().err


@pytest.fixture
def page_of(monkeypatch, tmp_path):
    """tables.py on results that are given, of weights whose hash is "these"."""
    module = script("tables")
    monkeypatch.setattr(module, "RESULTS", tmp_path)
    monkeypatch.setattr(module, "weights_hash", lambda *_: "these")
    return module


def validation_report(path, *traces, weights="these", **settings):
    report = Report({"weights_sha256": weights, **settings}, (Result("Validation", traces, "robot", 20, 0.95),))
    return write_json(report, path / "validation.json", full=True)


def test_what_other_weights_did_is_not_shown(page_of, tmp_path):
    texts = (page_of.validation, page_of.more_clicks, page_of.each_click, page_of.changed_photos)
    assert all("make robust" in text() for text in texts), "nothing is measured yet"
    course = trace("a/1#1", 0.5, 0.44, 0.96)
    validation_report(tmp_path, course, weights="others")
    (tmp_path / "failures.json").write_text('{"weights_sha256": "others", "panels": []}')
    assert all("make robust" in text() for text in texts)
    assert "make robust" in page_of.failures(page_of.CARD)
    validation_report(tmp_path, course)
    assert page_of.more_clicks().startswith("50.0% of the 2 clicks after the first")
    assert "| a | 1 | 3.00 [3.00, 3.00] | 3.00 [3.00, 3.00] | 0.500 | 0 |" in page_of.validation()
    validation_report(tmp_path, course, limit=1)
    with pytest.raises(SystemExit, match="--limit 1"):
        page_of.validation()


def test_the_card_says_whether_more_clicks_help(page_of, tmp_path):
    good = trace("a/1#1", 0.5, 0.44, 0.7, 0.96)
    validation_report(tmp_path, good, trace("b/1#1", 0.5, 0.6, 0.69, 0.95))
    text = page_of.more_clicks()
    assert "16.7% of the 6 clicks" in text
    assert "no click lowers it by more than 2 points" in text
    assert "+2.00 points, of click 2, over the 2 objects" in text
    rows = page_of.each_click().splitlines()[2:]
    assert [cells(one)[0] for one in rows] == ["2", "3", "4"]
    assert cells(rows[0])[1:] == ["2", "+2.00", "50.0%"]
    validation_report(tmp_path, good)
    assert "**a click lowers it by more than the allowed** 2 points" in page_of.more_clicks()
    assert "\u22126.00 points, of click 2, over the 1 object" in page_of.more_clicks()


def test_the_table_of_methods_has_intervals_where_they_were_measured(page_of, tmp_path):
    settings = {"method": "default", "cfr": 1, "zoom": 448, "adaptive": False, "weights_sha256": "these"}
    results = tuple(
        Result(name, (trace("x", 0.8, 0.96), trace("y", 0.7, 0.8, 0.8, 0.95)), "robot", 20, 0.95)
        for name in ("DAVIS", "GrabCut")
    )
    write_json(Report(settings, results), tmp_path / "one.json")
    validation_report(tmp_path, trace("a/1#1", 0.96), method="default", cfr=1)
    text = page_of.results()
    assert text.splitlines()[0] == "| method | GrabCut, 2 objects | DAVIS, 2 objects | ms, first / later click |"
    assert len(text.splitlines()) == 3, "the validation split is no benchmark"
    assert cells(text.splitlines()[2])[:2] == ["`default`, CFR-1", "3.00 / 3.00"]
    write_json(Report({**settings, **page_of.OWN}, results), tmp_path / "one.json")
    assert cells(page_of.results().splitlines()[2])[0] == "`default`", "as it ships"
    assert "3.00 / 3.00<br>[2.00, 4.00] / [2.00, 4.00]" in page_of.results(intervals=True)
    assert "earlier weights" not in text
    write_json(Report({**settings, "weights_sha256": "others"}, results), tmp_path / "one.json")
    assert "earlier weights" in page_of.results()


def test_the_failures_are_shown_with_what_became_of_them(page_of, tmp_path):
    panels = [
        {"kind": "small", "name": "a/1#1", "iou": 0.512, "clicks_to_90": 9},
        {"kind": "thin parts", "name": "a/2#1", "iou": 0.3, "clicks_to_90": None},
    ]
    found = {"weights_sha256": "these", "after_clicks": 5, "panels": panels}
    (tmp_path / "failures.json").write_text(json.dumps(found))
    lines = page_of.failures(page_of.CARD).splitlines()
    assert lines[0] == "![Objects that the model fails on, after 5 clicks](../../../docs/images/failures.jpg)"
    assert lines[2:] == [
        "- **Small** (`a/1#1`): IoU 0.51, reaches 0.90 at click 9.",
        "- **Thin parts** (`a/2#1`): IoU 0.30, never reaches 0.90.",
    ]


def test_the_card_names_every_set_that_was_trained_on(page_of):
    import onnxruntime

    from fewclicks.methods.default import WEIGHTS

    about = onnxruntime.InferenceSession(WEIGHTS).get_modelmeta().custom_metadata_map
    recipe = json.loads(about["recipe"])
    card = page_of.CARD.read_text("utf-8")
    assert all(f"`{name}`" in card for name in recipe["sets"])
    assert f"`{recipe['name']}`" in card


def test_phases_of_a_training_are_added_up(page_of, tmp_path):
    summary = script("training_summary").summary
    runs = [tmp_path / "first", tmp_path / "second"]
    for run, crop in zip(runs, ({"crop_px": 256}, {"crop_hw": [320, 384]}), strict=True):
        run.mkdir()
        recipe = {"name": "compact", "batch": 4, "lr": 1e-3, "objective": "icl", "click_weights": [1.0, 2.0]}
        chances = {"simple_prob": 0.5, "union_prob": 0.1, "exclusion_prob": 0.1, "blend_prob": 0.0, "mixing_prob": 0.5}
        (run / "recipe.json").write_text(json.dumps({**recipe, **crop, **chances}))
        line = {"loss": 0.6, "terms": 2.0, "iou": 0.5, "seconds": 3.6}
        (run / "metrics.jsonl").write_text("".join(json.dumps({"step": i + 1, **line}) + "\n" for i in range(250)))
    found = summary(runs)
    assert (found["steps"], found["samples"], found["forwards"], found["hours"]) == (500, 2000, 4000, 0.5)
    assert [one["crop_hw"] for one in found["phases"]] == [[256, 256], [320, 384]]
    assert [one["to_step"] for one in found["phases"][0]["windows"]] == [200, 250]
    assert found["phases"][0]["windows"][0]["loss"] == pytest.approx(0.2)
    assert found["phases"][0]["suem_prob"] == pytest.approx(0.8), "the share of samples that any of the stages changed"
    (tmp_path / "training.json").write_text(json.dumps(found))
    text = page_of.training()
    assert "| 2 | 320x384 | 4 | 250 | 0.001 | ICL (1, 2) | 80% | 0% | 0.2 |" in text
    assert "500 steps, 2,000 samples" in text


def test_a_page_without_the_marks_or_with_other_figures_is_told(page_of, tmp_path, monkeypatch):
    page = tmp_path / "page.md"
    page.write_text("<!-- n:begin -->\nold\n<!-- n:end -->\n")
    monkeypatch.setattr(page_of, "ROOT", tmp_path)
    monkeypatch.setattr(page_of, "PAGES", {"page.md": {"n": lambda: "new"}})
    with pytest.raises(SystemExit, match=r"page\.md is not what the results say; run: make table"):
        page_of.renew(check=True)
    assert "old" in page.read_text()
    page_of.renew("page.md")
    assert page.read_text() == "<!-- n:begin -->\nnew\n<!-- n:end -->\n"
    page_of.renew(check=True)
    page.write_text("<!-- n:begin -->")
    with pytest.raises(SystemExit, match="n:begin"):
        page_of.renew()
