"""What is replaced is whole at any instant, and nobody else's files are touched."""

import json
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch

from fewclicks.annotator.services import import_export as annotated_files
from fewclicks.checkpoints import checkpoint
from fewclicks.errors import InputError
from fewclicks.files import replace
from fewclicks.files.replace import beside, recover, replace_file, replace_folder, staging, write_json, write_text

SCRIPT = Path(__file__).with_name("killed_replacing.py")
QUICK = ("exchange:file", "exchange:checkpoint", "exchange:export.json", "aside:checkpoint")
WHOLE = ("aside:file", "exchange:export", "aside:export", "aside:export.json")


def killed(folder, asked):
    """What was found after a kill at each call of the file system."""
    done = subprocess.run([sys.executable, SCRIPT, folder, *asked], capture_output=True, text=True, check=True)
    return json.loads(done.stdout), done.stderr


def check_killed(rows, told):
    assert {row["found"] for row in rows if row["old"]} == {"1", "2"}, "the old version or the new one"
    assert {row["found"] for row in rows if not row["old"]} == {"none", "2"}, "nothing or the whole"
    assert all(row["found"] == row["then"] == "2" for row in rows if not row["killed"])
    assert all(row["then"] == "2" for row in rows), "the next one is not hindered"
    assert all(row["left"] == [".last.tmp"] for row in rows), "what was left is swept, and nothing else"
    assert all(sum(row["killed"] for row in rows if row["operation"] == one["operation"]) > 10 for one in rows)
    missing = [row for row in rows if row["old"] and not row["there"]]
    assert all(row["mode"] == "aside" for row in missing), "an exchange leaves no gap"
    assert told.count("was put back, the new version: a process was killed while it replaced it") == len(missing)


@pytest.mark.slow
def test_killed_at_every_call_one_whole_version_is_there(tmp_path):
    rows, told = killed(tmp_path, QUICK)
    check_killed(rows, told)


@pytest.mark.slow
def test_killed_at_every_call_of_an_export_too(tmp_path):
    rows, told = killed(tmp_path, WHOLE)
    check_killed(rows, told)


@pytest.fixture
def synced(monkeypatch):
    """The inodes that were brought to the disk, in order, and the renames between them."""
    seen = []
    real, renamed, exchanged = os.fsync, os.rename, replace._exchange

    def fsync(descriptor):
        seen.append(os.fstat(descriptor).st_ino)
        real(descriptor)

    def rename(one, other):
        seen.append("rename")
        renamed(one, other)

    def exchange(one, other):
        seen.append("rename")
        return exchanged(one, other)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "rename", rename)
    monkeypatch.setattr(os, "replace", rename)
    monkeypatch.setattr(replace, "_exchange", exchange)
    return seen


@pytest.mark.skipif(os.name != "posix", reason="folders are synced where they can be opened")
def test_file_and_folder_are_on_the_disk_before_and_after_the_rename(synced, tmp_path):
    write_text(tmp_path / "a.txt", "1")
    assert synced == [(tmp_path / "a.txt").stat().st_ino, "rename", tmp_path.stat().st_ino]
    for _ in range(2):
        synced.clear()
        replace_folder(tmp_path / "a", lambda fresh: [(fresh / "in").mkdir(), (fresh / "in" / "b").write_text("1")])
        at = synced.index("rename")
        inner = {path.stat().st_ino for path in (tmp_path / "a", tmp_path / "a" / "in", tmp_path / "a" / "in" / "b")}
        assert inner <= set(synced[:at])
        assert synced[at + 1 :] == [tmp_path.stat().st_ino]


def test_a_folder_of_many_files_is_synced_at_once(synced, tmp_path, monkeypatch):
    monkeypatch.setattr(replace, "EACH_SYNCED", 3)
    monkeypatch.setattr(replace, "_sync_disk", lambda folder: bool(synced.append("disk")) or True)
    replace_folder(tmp_path / "a", lambda fresh: [(fresh / str(i)).touch() for i in range(9)])
    assert synced[0] == "disk"


def test_an_error_leaves_the_old_and_nothing_beside_it(tmp_path):
    target = tmp_path / "a.json"
    write_json(target, {"old": True})

    def broken(file):
        file.write(b"half")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        replace_file(target, broken)
    folder = tmp_path / "folder"
    replace_folder(folder, lambda fresh: (fresh / "a").touch())

    def failed(fresh):
        (fresh / "b").touch()
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        replace_folder(folder, failed)

    def refuse(old):
        raise InputError("it is somebody's")

    with pytest.raises(InputError):
        replace_folder(folder, lambda fresh: (fresh / "b").touch(), refuse)
    assert json.loads(target.read_text()) == {"old": True}
    assert [path.name for path in folder.iterdir()] == ["a"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.json", "folder"]


def test_names_as_long_as_the_disk_allows(tmp_path):
    name = "ä" * 127
    write_text(tmp_path / name, "1")
    replace_folder(tmp_path / name[1:], lambda fresh: None)
    assert sorted(path.name for path in tmp_path.iterdir()) == [name[1:], name]
    with pytest.raises(InputError, match="too long"):
        write_text(tmp_path / ("a" * 256), "1")


def test_a_link_to_a_folder_stays_one(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    replace_folder(tmp_path / "link", lambda fresh: (fresh / "a").touch())
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real" / "a").exists()


def test_what_is_not_ours_is_never_deleted(tmp_path):
    target = tmp_path / "last"
    box = beside(target)
    box.mkdir()
    (box / "new").mkdir()
    (box / "new" / "theirs").write_text("work")
    assert recover(target) is None, "it has no lock: we did not make it"
    with pytest.raises(InputError, match="being written by another process"):
        replace_folder(target, lambda fresh: None)
    assert (box / "new" / "theirs").read_text() == "work"
    for kind in ("link", "folder"):
        file = tmp_path / f"{kind}.txt"
        part = beside(file)
        part.symlink_to(box / "new" / "theirs") if kind == "link" else part.mkdir()
        write_text(file, "mine")
        assert os.path.lexists(part)
        assert file.read_text() == "mine"
    assert (box / "new" / "theirs").read_text() == "work"


def test_files_that_others_put_into_a_checkpoint_stay_in_it(tmp_path):
    last = tmp_path / "last"
    checkpoint.save(last, {checkpoint.WEIGHTS: {"w": torch.zeros(1)}, "training.safetensors": {}}, {"step": 1})
    (last / "notes.txt").write_text("my notes")
    (last / "plots").mkdir()
    (last / "plots" / "a").write_text("a plot")
    checkpoint.save(last, {checkpoint.WEIGHTS: {"w": torch.ones(1)}}, {"step": 2})
    assert sorted(path.name for path in last.iterdir()) == ["config.json", "model.safetensors", "notes.txt", "plots"]
    assert (last / "notes.txt").read_text() == "my notes"
    assert (last / "plots" / "a").read_text() == "a plot"
    assert float(checkpoint.read_tensors(last)["w"]) == 1


@pytest.mark.skipif(replace.fcntl is None, reason="there are no locks of files here")
def test_two_writers_do_not_disturb_one_another(tmp_path):
    file, folder = tmp_path / "a.txt", tmp_path / "a"
    inside, go_on = threading.Event(), threading.Event()

    def slow(what):
        inside.set()
        assert go_on.wait(120)
        what.write(b"slow") if hasattr(what, "write") else (what / "slow").touch()

    for replaced in (lambda: replace_file(file, slow), lambda: replace_folder(folder, slow)):
        inside.clear()
        go_on.clear()
        thread = threading.Thread(target=replaced)
        thread.start()
        assert inside.wait(120)
        write_text(file, "quick")
        assert file.read_text() == "quick"
        assert recover(folder) is None
        if replaced is not None and beside(folder).exists():
            with pytest.raises(InputError, match="another process"):
                replace_folder(folder, lambda fresh: None)
        go_on.set()
        thread.join()
    assert [path.name for path in folder.iterdir()] == ["slow"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "a.txt"]


def test_an_old_version_that_was_set_aside_comes_back(tmp_path, caplog):
    target = tmp_path / "last"
    box = beside(target)
    box.mkdir()
    (box / "lock").touch()
    (box / "old").mkdir()
    (box / "old" / "a").touch()
    assert "was put back, the old version" in recover(target)
    assert "was put back, the old version" in caplog.text
    assert (target / "a").exists()
    assert recover(target) is None
    assert [path.name for path in tmp_path.iterdir()] == ["last"]


def test_a_folder_for_parts_is_gone_afterwards(tmp_path):
    with staging(tmp_path / "a.zip") as folder:
        assert stat.S_ISDIR(folder.stat().st_mode)
        (folder / "x").write_text("1")
    assert list(tmp_path.iterdir()) == []
    assert annotated_files.staging is staging, "an export to a .zip is made there"
