"""`make attack`: that it sees the faults it looks for, goes on from its counts, and makes the inputs that it names."""

import json
import random
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT / "benchmarks"))

from attack import inputs, kills, load, mutations, targets  # noqa: E402
from attack.record import Record, misses  # noqa: E402
from attack.servers import Nursery  # noqa: E402

from fewclicks.annotator.store.database import PLACE  # noqa: E402
from fewclicks.errors import InputError  # noqa: E402

WANTED = {"tries": ("at least", 10), "lost": ("at most", 0)}


def test_counts_go_on_where_they_were_and_faults_alike_are_told_once(tmp_path, capsys):
    entry = Record(tmp_path / "r.json").entry("part", {"a": 1}, WANTED)
    entry.add(tries=6)
    for number in (1, 22):
        entry.fault("lost", f"the action {number} of '{number}'", f"seed {number}")
    again = Record(tmp_path / "r.json").entry("part", {"a": 1}, WANTED)
    assert misses(again.data) == ["tries is 6, wanted at least 10", "lost is 2, wanted at most 0"]
    again.add(tries=4)
    kept = json.loads((tmp_path / "r.json").read_text())["part"]
    assert kept["counts"] == {"tries": 10, "lost": 2}
    assert [(fault["times"], fault["how"]) for fault in kept["faults"]] == [(2, "seed 1")]
    assert capsys.readouterr().out.count("FAULT") == 1
    assert Record(tmp_path / "r.json").entry("part", {"a": 2}, WANTED).counts == {"lost": 0}, "other settings"


def test_inputs_are_made_again_from_their_numbers():
    seeds = [b'{"a": [1, 2, {"b": "text"}], "c": null}', b"\x89PNG\r\n\x1a\n" + bytes(100)]
    made = [mutations.changed(seeds, random.Random(n), text=True) for n in range(300)]
    assert made == [mutations.changed(seeds, random.Random(n), text=True) for n in range(300)]
    assert len(set(made)) > 250
    assert sum(data.startswith(b"{") and data.endswith(b"}") for data in made) > 60, "much is still JSON"
    assert max(map(len, made)) > 10_000, "some are nested deeply, or repeated"


def test_what_a_reader_must_not_do_is_seen(tmp_path, monkeypatch):
    def reader(data, place):
        if data == b"refused":
            raise InputError("this is no picture; pass one")
        if data == b"crash":
            raise KeyError("a")
        if data == b"fill":
            raise MemoryError

    monkeypatch.setitem(inputs.TARGETS, "fake", targets.Target(reader, lambda: [b"seed"], share=1))
    monkeypatch.setattr(inputs, "MEMORY_MB", 2**20)  # other tests may have made this process large before
    found = [inputs.tried("fake", data, tmp_path) for data in (b"good", b"refused", b"crash", b"fill")]
    assert found == [None, None, ("crashes", "builtins.KeyError: 'a'"), ("over 1 GB", "MemoryError")]


@pytest.mark.parametrize("name", ["images, common", "import coco", "recipe", ".pth", "session"])
def test_what_inputs_are_made_of_is_valid(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    target = targets.TARGETS[name]
    seeds = list(target.seeds())
    assert len(seeds) >= 3
    refused = 0
    for data in seeds:
        try:
            target.read(data, tmp_path)
        except InputError as error:
            refused += "size" not in str(error) and "pixels but" not in str(error) and "several ids" not in str(error)
    assert refused <= len(seeds) // 2, "most of the inputs to begin with can be read"


def test_the_queue_must_take_what_the_jobs_take():
    at_once = [(0.0, 9.0, 1.0)] * 20  # twenty clicks sent at the same moment, a job of a second each
    assert load.must_take(at_once) == pytest.approx(20, abs=1.1)
    far_apart = [(10.0 * n, 9.0, 1.0) for n in range(20)]
    assert load.must_take(far_apart) == pytest.approx(1)


@pytest.mark.slow
def test_lost_and_changed_actions_are_seen(tmp_path):
    entry = Record(tmp_path / "r.json").entry("kills", {}, {})
    with Nursery() as nursery:
        siege = kills.Siege(nursery, entry, "SQLite", None, seed=1)
        siege.rounds_of_new = 0
        try:
            while len(siege.answered.actions) < 20:
                siege.round()
            assert not entry.data["faults"]
            with closing(sqlite3.connect(siege.folder / PLACE)) as raw:
                (lost,) = random.Random(1).sample(sorted(siege.answered.actions), 1)
                raw.execute("DELETE FROM fewclicks_action WHERE uuid = ?", (lost,))
                raw.commit()
            siege.round(last=True)
        finally:
            siege.close()
    assert {fault["count"] for fault in entry.data["faults"]} >= {"lost", "done twice"}
    assert lost in json.dumps(entry.data["faults"])
