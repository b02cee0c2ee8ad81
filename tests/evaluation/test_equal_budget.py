"""The comparison at one equal budget: what is measured is told, what is not says so, what is finished is kept."""

import json

import pytest

from fewclicks.clicks import Click
from fewclicks.evaluation.report import write_json
from fewclicks.evaluation.rollout import ClickResult, ObjectResult, Report, Result
from scripts import script


@pytest.fixture
def budget(tmp_path, monkeypatch):
    """The script as a function of its options; what it ran, and what it wrote."""
    module = script("equal_budget")
    ran = []

    def fake(command, *arguments):
        """Stand for `fewclicks train` and `fewclicks bench`."""
        ran.append((command, arguments[0]))
        if command == "train":
            if "dios" in arguments[0]:
                raise module.subprocess.CalledProcessError(2, ["python", "-m", "fewclicks", "train"])
            folder = tmp_path / "out" / arguments[0].partition(":")[2]
            folder.mkdir(exist_ok=True)
            lines = [{"loss": 9, "loss_y1": 1 - i / 10, "loss_y2": 9, "seconds": 2, "waited": 1} for i in range(10)]
            (folder / "metrics.jsonl").write_text("\n".join(map(json.dumps, lines)))
        else:
            cfr = int(arguments[arguments.index("--cfr") + 1])
            traces = [
                ObjectResult(str(i), tuple(ClickResult(Click(1, 2), iou, 0.1, 0, 0) for iou in ious), 0.1)
                for i, ious in enumerate([(0.5, 0.7, 0.92), (0.4,) * (9 - 4 * cfr) + (0.95,), (0.8, 0.9)])
            ]
            report = Report({"cfr": cfr}, (Result("GrabCut", tuple(traces), "deepest_error", 10, 0.9),))
            write_json(report, arguments[arguments.index("--json") + 1], full=True)

    monkeypatch.setattr(module, "fewclicks", fake)
    monkeypatch.setattr(module, "DATASETS", ("grabcut",))

    def called(*options):
        results = tmp_path / "equal.json"
        argv = ["equal_budget.py", "--out", str(tmp_path / "out"), "--results", str(results), *options]
        monkeypatch.setattr("sys.argv", argv)
        ran.clear()
        module.main()
        return json.loads(results.read_text()), list(ran)

    return called


def test_a_method_that_fails_costs_only_itself_and_the_others_wait_to_be_run(budget):
    found, _ = budget("--methods", "dios,fbrs,ritm")
    rows = found["rows"]
    assert rows["dios"]["state"] == "failed: train ended with code 2"
    assert rows["sam"]["state"] == "not run yet"
    assert {"sam, CFR-0, grabcut", "sam, CFR-1, grabcut"} <= {*found["not_run_yet"]}
    assert rows["fbrs"]["training"] == {"steps": 10, "seconds": 30, "loss_first": 1.0, "loss_last": 0.1}
    assert rows["fbrs"]["CFR-0"]["GrabCut"]["noc"]["0.90"] == pytest.approx((3 + 10 + 2) / 3, abs=0.01)
    assert rows["fbrs"]["CFR-1"]["GrabCut"]["noc"]["0.90"] == pytest.approx((3 + 6 + 2) / 3, abs=0.01)
    changes = {(p["first"], p["second"]): p["change"] for p in found["pairs"] if p["measure"] == "NoC@90"}
    assert changes["ritm, CFR-0", "fbrs, CFR-0"] == 0
    assert changes["fbrs, CFR-0", "fbrs, CFR-1"] == pytest.approx(-4 / 3, abs=0.001)


def test_what_is_finished_is_not_run_again(budget):
    before, ran = budget("--methods", "fbrs")
    assert ran == [("train", "rivals:fbrs"), ("bench", "grabcut"), ("bench", "grabcut")]
    after, ran = budget("--methods", "fbrs,ritm")
    assert ran == [("train", "rivals:ritm"), ("bench", "grabcut"), ("bench", "grabcut")]
    assert after["rows"]["fbrs"] == before["rows"]["fbrs"]
    shown, ran = budget("--show")
    assert ran == []
    assert shown == after
    with pytest.raises(SystemExit, match="another budget"):
        budget("--samples", "7")


def test_the_table_has_a_row_a_method_and_names_what_has_not_run(budget, monkeypatch):
    found, _ = budget("--methods", "fbrs,ritm")
    script("tables")
    tables = script("method_tables")
    monkeypatch.setattr(tables, "stored", lambda _: found)
    text = tables.equal_budget()
    assert "| `fbrs` | nothing | 4.67 [" in text
    assert "Not run yet: " in text
    assert "`sam`, `hq_sam`" in text
    assert "`cdnet` on grabcut." in text
    monkeypatch.setattr(tables, "stored", lambda _: None)
    assert tables.equal_budget().startswith("Not measured yet")
