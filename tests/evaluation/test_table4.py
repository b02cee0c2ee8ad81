"""Table 4, measured here: what is measured, what is not and why, going on after a stop, the page."""

import json
import re
import time

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from fakes import gradient
from fewclicks.cli import app
from fewclicks.errors import InputError, UnknownName
from fewclicks.evaluation import table4, table4_page
from fewclicks.plugins import find, names
from scripts import ROOT, script

PUBLISHED = [name for name in names("methods") if "Nobody published it" not in find("methods", name).__doc__]


@pytest.fixture(scope="module")
def objects(tmp_path_factory):
    """A folder of three photos with a disc each."""
    folder = tmp_path_factory.mktemp("objects")
    for part in ("images", "masks"):
        (folder / part).mkdir()
    rows, columns = np.mgrid[:60, :80]
    for i in range(3):
        disc = (rows - 30) ** 2 + (columns - 25 - 10 * i) ** 2 < 200
        photo = gradient(60, 80) // 4
        photo[disc] = (220, 140, 30)
        cv2.imwrite(str(folder / "images" / f"{i}.png"), photo)
        cv2.imwrite(str(folder / "masks" / f"{i}.png"), disc.astype(np.uint8))
    return folder


def run(objects, out, *more):
    arguments = ["table4", "--data", "folder", "--data-root", str(objects), "-o", str(out), "--processes", "2", *more]
    return CliRunner().invoke(app, arguments)


@pytest.fixture(scope="module")
def found(objects, tmp_path_factory):
    """What a run of two rows that are there and four that are not wrote: the folder, and its JSON."""
    out = tmp_path_factory.mktemp("results")
    done = run(objects, out, "--methods", "grow,grabcut,ritm")
    assert done.exit_code == 0, done.output
    assert "2 rows measured, 4 without weights here" in done.output
    return out, json.loads((out / "table4.json").read_text())


@pytest.mark.slow
def test_rows_are_measured_or_say_why_not(found):
    states = {row["name"]: row["state"] for row in found[1]["rows"]}
    assert states["region growing"] == states["GrabCut"] == table4.MEASURED
    assert {state for name, state in states.items() if name.startswith("RITM")} <= {table4.NO_WEIGHTS, table4.NO_METHOD}


@pytest.mark.slow
def test_figures_are_those_of_bench(found):
    row = next(row for row in found[1]["rows"] if row["name"] == "region growing")
    (figures,) = row["datasets"].values()
    assert figures["objects"] == 3
    assert figures["noc_interval"]["0.90"][0] <= figures["noc"]["0.90"] <= figures["noc_interval"]["0.90"][1]
    assert "per_object" not in figures
    assert row["command"].startswith("fewclicks bench folder --method grow")


def test_any_two_rows_are_compared(found):
    (pair,) = found[1]["pairs"]
    assert {pair["first"], pair["second"]} == {"GrabCut", "region growing"}
    assert pair["low"] <= pair["change"] <= pair["high"]


def test_a_method_with_its_own_robot_is_compared_too(found, tmp_path):
    first, second = (found[0] / "table4").glob("*.json")
    other = json.loads(second.read_text())
    other["settings"]["robot"] = "outline_click"
    (tmp_path / "other.json").write_text(json.dumps(other))
    (pair,) = table4.pairs({"a": first, "b": tmp_path / "other.json"})
    assert pair["change"] == table4.pairs({"a": first, "b": second})[0]["change"]


@pytest.mark.slow
def test_called_again_nothing_is_measured_again(found, objects, monkeypatch):
    monkeypatch.setattr(table4, "start_module", None)
    before = (found[0] / "table4.md").read_text()
    assert run(objects, found[0], "--methods", "grow,grabcut,ritm").exit_code == 0
    assert (found[0] / "table4.md").read_text() == before


@pytest.mark.slow
def test_show_writes_what_is_measured_and_measures_nothing(found, objects, monkeypatch):
    monkeypatch.setattr(table4, "start_module", None)
    before = (found[0] / "table4.md").read_text()
    shown = run(objects, found[0], "--methods", "grow,grabcut,eiseg", "--show")
    assert "2 rows measured, 0 without weights here, 1 not measured yet" in shown.output
    rows = json.loads((found[0] / "table4.json").read_text())["rows"]
    assert [row["state"] for row in rows if row["name"] == "EISeg"] == [table4.NOT_YET]
    assert run(objects, found[0], "--methods", "grow,grabcut,ritm", "--show").exit_code == 0
    assert (found[0] / "table4.md").read_text() == before


def measured(name, **changes):
    figures = {"Folder": {"objects": 3, "noc": {"0.90": 2.0}, **changes}}
    return {"name": name, "method": "grow", "state": table4.MEASURED, "settings": {}, "datasets": figures}


def pair(first, second):
    return {"first": first, "second": second, "dataset": "Folder", "measure": table4.MEASURE}


BEFORE = {
    "format": 1, "datasets": ["folder"], "options": [],
    "rows": [
        measured("GrabCut"), measured("region growing"), measured("ours, old run"),
        {"name": "DIOS", "method": "dios", "state": table4.NO_WEIGHTS, "published": {}, "source": ""},
    ],
    "pairs": [pair("GrabCut", "region growing"), pair("GrabCut", "ours, old run")],
}  # fmt: skip


def shown(tmp_path, before=BEFORE, datasets=("folder",)):
    entries = table4.planned(["eiseg", "grow", "ritm"], None, tmp_path)
    states = table4.measured_so_far(entries, datasets, tmp_path)
    return table4.summary(entries, states, datasets, tmp_path, (), before)


def test_rows_that_were_measured_before_stay_with_their_comparisons(tmp_path):
    table = shown(tmp_path)
    rows = {row["name"]: row["state"] for row in table["rows"]}
    assert [name for name, state in rows.items() if state == table4.MEASURED] == [
        "GrabCut", "region growing", "ours, old run",
    ]  # fmt: skip
    assert rows["EISeg"] == table4.NOT_YET
    assert list(rows)[:4] == ["GrabCut", "EISeg", "region growing", "DIOS"]  # each in its place
    assert table["pairs"] == BEFORE["pairs"]


def test_rows_of_other_objects_or_of_older_shipped_weights_do_not_stay(tmp_path):
    assert not any(row["state"] == table4.MEASURED for row in shown(tmp_path, datasets=("grabcut",))["rows"])
    old = {**measured("fewclicks, default"), "method": "default", "settings": {"weights_sha256": "0" * 64}}
    table = shown(tmp_path, {**BEFORE, "rows": [*BEFORE["rows"], old]})
    assert "fewclicks, default" not in {row["name"] for row in table["rows"]}


def test_a_file_that_is_no_table_is_not_written_over(objects, tmp_path):
    (tmp_path / "table4.json").write_text('{"format": 1, "rows": [{"name": 3}]}')
    done = run(objects, tmp_path, "--methods", "grow", "--show")
    assert isinstance(done.exception, InputError)
    assert "is no table" in str(done.exception)
    assert (tmp_path / "table4.json").read_text() == '{"format": 1, "rows": [{"name": 3}]}'


@pytest.mark.slow
def test_a_row_measured_later_joins_the_others(objects, found, tmp_path):
    (tmp_path / "table4.json").write_text((found[0] / "table4.json").read_text())
    done = run(objects, tmp_path, "--methods", "eiseg")
    assert "1 row measured, 0 without weights here, 2 kept from before" in done.output
    table = json.loads((tmp_path / "table4.json").read_text())
    states = {row["name"]: row["state"] for row in table["rows"]}
    assert states["EISeg"] == states["GrabCut"] == states["region growing"] == table4.MEASURED


@pytest.mark.slow
def test_a_stopped_row_goes_on(objects, tmp_path):
    """Its journal keeps the first object, which is not measured again."""
    (entry,) = table4.planned(["grow"], None, tmp_path)
    more = ["--data-root", str(objects)]
    report = table4.report_of(entry, ["folder"], tmp_path, more)
    run_ = table4._start(entry, ["folder"], report, more)
    journal = report.with_name(report.name + ".partial")
    while table4.finished(report) < 1 and run_.poll() is None:
        time.sleep(0.005)
    run_.kill()
    run_.wait()
    kept = journal.read_text().splitlines()[1] if journal.exists() else ""
    assert table4.measure([entry], ["folder"], tmp_path, processes=1, more=more) == {entry.title: table4.MEASURED}
    (figures,) = json.loads(report.read_text())["datasets"].values()
    assert figures["objects"] == 3
    if kept:  # it was not so quick that it had ended
        assert figures["per_object"]["ious"][0] == [turn[3] for turn in json.loads(kept)["turns"]]
    assert table4.finished(report) == 3


@pytest.mark.slow
def test_a_row_that_fails_costs_only_itself(objects, tmp_path):
    weights = tmp_path / "weights"
    (weights / "broken").mkdir(parents=True)
    (weights / "broken" / "config.json").write_text('{"method": "grow"}')
    (weights / "sbd_h18_itermask.pth").write_bytes(b"no weights")
    done = run(objects, tmp_path, "--methods", "grow,ritm", "--weights-dir", str(weights), "--limit", "1")
    assert done.exit_code == 0, done.output
    rows = {row["name"]: row for row in json.loads((tmp_path / "table4.json").read_text())["rows"]}
    assert rows["region growing"]["state"] == table4.MEASURED
    assert rows["grow, broken"]["state"].startswith("failed: ")
    assert "datasets" not in rows["grow, broken"]
    assert rows["RITM, HRNet18 (SBD)"]["state"].startswith("failed: ")
    assert "2 failed" in done.output


def test_wrong_input_is_told_before_anything_is_measured(objects, tmp_path):
    with pytest.raises(UnknownName, match="no method named 'gorw'"):
        table4.planned(["gorw"], None, tmp_path)
    with pytest.raises(InputError, match="there is no folder"):
        table4.planned([], tmp_path / "gone", tmp_path)
    assert isinstance(run(objects, tmp_path, "--data", " , ").exception, InputError)


def test_every_method_has_a_row_and_every_figure_a_source():
    rows = table4.rows()
    assert {*PUBLISHED} - {"default_int8", "default_0_1"} <= {row.method for row in rows}
    assert len({row.title for row in rows}) == len(rows)
    for row in rows:
        assert bool(row.published) == bool(row.source), row.title


def test_the_page_needs_nothing_beside_it_and_escapes_what_it_shows(found):
    text = (found[0] / "table4.html").read_text()
    assert text.count("<svg") == 2
    assert not re.search(r"""(src|href)=["'](?!#)""", text)
    data = json.loads(json.dumps(found[1]).replace("region growing", "<b>|grow"))
    assert "<b>|grow" not in table4_page.page(data)
    assert "<b>\\|grow" in table4_page.markdown(data)


def test_the_same_figures_make_the_same_page(found):
    assert table4_page.page(found[1]) == table4_page.page(found[1])


def test_the_page_of_methods_has_the_numbers_of_the_results(tmp_path, found, monkeypatch):
    tables = script("tables")
    monkeypatch.setattr(tables, "RESULTS", found[0])
    numbers = script("method_tables").numbers
    text = numbers()
    assert "region growing" in text
    assert "4 rows more: no weights here." in text
    monkeypatch.setattr(tables, "RESULTS", tmp_path)
    assert numbers().startswith("Not measured yet")


def test_every_method_is_explained():
    page = (ROOT / "docs" / "methods.md").read_text("utf-8")
    spelled = {"default_int8": "default-int8", "default_0_1": "default-0.1"}
    for name in PUBLISHED:
        assert f"`{spelled.get(name, name)}`" in page, name
