"""The scripts that make tables of results, on reports written by hand."""

import importlib.util
import json
import sys
from pathlib import Path

import pytest

from fewclicks.benchmark import Report, Result, Trace, Turn
from fewclicks.clicks import Click
from fewclicks.report import write_json

ROOT = Path(__file__).parents[1]


def script(name):
    """A script of benchmarks/ as a module."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "benchmarks" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


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
