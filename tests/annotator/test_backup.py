"""Backups: all that was acknowledged is in them, they go into any database, and nothing is replaced by halves."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import uuid
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from annotating import journal, make_folder
from fakes import gradient
from fewclicks.annotator.editing.actions import Brushed, Clicked
from fewclicks.annotator.editing.history import Entry
from fewclicks.annotator.editing.mask_codec import EncodedMask
from fewclicks.annotator.services.editing import Editing
from fewclicks.annotator.store import backup as backup_module
from fewclicks.annotator.store.backup import backup, restore
from fewclicks.annotator.store.database import PLACE
from fewclicks.annotator.store.objects import Store
from fewclicks.annotator.store.records import Edit
from fewclicks.api import load
from fewclicks.errors import InputError, StoreError

HW = (24, 32)
GROW = load("grow")
START = GROW.start(gradient(*HW))


def new_id():
    return str(uuid.uuid4())


def annotate(place, objects=2):
    """Some objects with clicks, strokes, what was undone, and changes."""
    with Store(place) as store:
        store.add_photos(["b.png", "a.png"])
        photo = store.change_photo(store.photo_named("a.png").id, hw=HW)
        cat = store.add_class("cat").id if not store.classes() else store.classes()[0].id
        editing = Editing(store, GROW, lambda photo_id: START, "grow")
        for n in range(objects):
            thing = store.create(new_id(), photo.id, cat).id
            editing.act(thing, new_id(), Clicked(10 + n, 8, cfr=1), person="Ann")
            editing.act(thing, new_id(), Brushed(((3.25, 3), (9, 9)), 2), person="Bo")
            editing.undo(thing, new_id(), person="Ann")
            store.change(thing, Edit(name=f"the {n}th", z=-n))
            if n % 2:
                editing.act(thing, new_id(), Clicked(20, 8, False), person="Cy")


def content(place):
    """All that a store tells."""
    with Store(place) as store:
        photos, classes = store.photos(), store.classes()
        objects = [store.masks(photo.id) for photo in photos]
        histories = [store.history(info.id)[1] for found in objects for info, _ in found]
        plain = [[(entry.action, entry.mask, entry.clicks, entry.threshold) for entry in one] for one in histories]
        return store.id, photos, classes, objects, plain, [journal(store, photo.id) for photo in photos]


@pytest.fixture
def other(request, place, tmp_path):
    """A database of the other kind."""
    if isinstance(place, Path):
        return request.getfixturevalue("emptied")
    folder = tmp_path / "other"
    folder.mkdir()
    return folder


@pytest.mark.slow
def test_everything_comes_back_also_in_another_kind_of_database(place, other, tmp_path):
    annotate(place)
    before = content(place)
    file = tmp_path / "a.backup"
    found = backup(place, file)
    assert str(found) == "1 class, 2 photos, 2 objects, 9 actions"
    assert restore(file, other) == (found, None)
    assert content(other) == before
    annotate(other, 1)  # the numbers of new rows go on after the old ones
    assert len(content(other)[3][0]) == 3
    backup(other, tmp_path / "b.backup")
    counted, kept = restore(tmp_path / "b.backup", place, overwrite=True, keep_in=tmp_path)
    assert counted.objects == 3
    assert content(place) == content(other)
    assert restore(kept, place, overwrite=True, keep_in=tmp_path)[0] == found
    assert content(place) == before, "what was replaced was kept"


def test_a_backup_is_one_sound_file(place, tmp_path):
    annotate(place)
    file = tmp_path / "out" / "a.backup"
    file.parent.mkdir()
    with Store(place):
        backup(place, file)
    assert [path.name for path in file.parent.iterdir()] == ["a.backup"]
    assert os.access(file, os.R_OK)
    with closing(sqlite3.connect(f"file:{file}?immutable=1", uri=True)) as raw:
        assert raw.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert raw.execute("PRAGMA journal_mode").fetchone() == ("delete",)
        assert raw.execute("SELECT count(*) FROM fewclicks_action WHERE mask IS NOT NULL").fetchone()[0] == 4


@pytest.mark.slow
def test_backups_while_others_write_have_all_that_was_acknowledged(place, tmp_path):
    annotate(place, 3)
    acknowledged, stop = [], threading.Event()

    def write():
        mask = EncodedMask.pack(np.random.default_rng(0).random(HW) > 0.5)
        with Store(place) as store:
            thing = store.objects(store.photo_named("a.png").id)[0].id
            while not stop.is_set():
                action_id = new_id()
                store.act(thing, action_id, Entry(Brushed(((1.0, 1.0),), 1.0), mask), store.object(thing).mask_version)
                acknowledged.append(action_id)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        for n in range(5):
            wanted = set(acknowledged)
            backup(place, tmp_path / f"{n}.backup")
            with closing(sqlite3.connect(tmp_path / f"{n}.backup")) as raw:
                assert raw.execute("PRAGMA integrity_check").fetchone() == ("ok",)
                assert wanted <= {row[0] for row in raw.execute("SELECT uuid FROM fewclicks_action")}
                counted = "SELECT count(*) FROM fewclicks_action WHERE object_id = o.id"
                versions = raw.execute(f"SELECT version, ({counted}) FROM fewclicks_object o").fetchall()
                assert all(version == 1 + count for version, count in versions), "no half of an action"
    finally:
        stop.set()
        thread.join()
    assert acknowledged


def test_nothing_is_replaced_unasked(place, tmp_path):
    annotate(place)
    file = tmp_path / "a.backup"
    backup(place, file)
    data = file.read_bytes()
    with pytest.raises(InputError, match="--overwrite"):
        backup(place, file)
    assert file.read_bytes() == data
    backup(place, file, overwrite=True)
    with pytest.raises(
        InputError, match=r"annotations already \(1 class, 2 photos, 2 objects, 9 actions\).*--overwrite"
    ):
        restore(file, place)


def test_a_database_in_use_is_not_replaced(place, tmp_path):
    annotate(place)
    file = tmp_path / "a.backup"
    backup(place, file)
    with Store(place) as store:
        store.photos()
        with pytest.raises(StoreError, match="in use; stop"):
            restore(file, place, overwrite=True)
        annotate(place, 1)
    assert len(content(place)[3][0]) == 3
    assert not list(tmp_path.rglob("before-restore-*"))
    restore(file, place, overwrite=True)


def test_a_restore_that_fails_half_way_has_not_happened(place, tmp_path, monkeypatch):
    annotate(place)
    file = tmp_path / "a.backup"
    backup(place, file)
    annotate(place, 1)
    before = content(place)

    def failing(connection, table, whole=backup_module._chunks):
        yield from whole(connection, table)
        if table.name == "fewclicks_action":
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(backup_module, "_chunks", failing)
    with pytest.raises(StoreError, match="No space left"):
        restore(file, place, overwrite=True)
    assert content(place) == before


def test_a_backup_that_fails_leaves_the_old_one(place, tmp_path, monkeypatch):
    annotate(place)
    (tmp_path / "out").mkdir()
    file = tmp_path / "out" / "a.backup"
    backup(place, file)
    data = file.read_bytes()

    def damaged(connection):
        raise sqlite3.DatabaseError("it is damaged: page 3")

    monkeypatch.setattr(backup_module.sqlite, "seal", damaged)
    with pytest.raises(StoreError, match="page 3"):
        backup(place, file, overwrite=True)
    assert file.read_bytes() == data
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a.backup"]


@pytest.mark.slow
@pytest.mark.parametrize("after", [1, 2, 3])
def test_a_restore_that_is_killed_is_all_or_nothing(tmp_path, after):
    old, new = tmp_path / "old", tmp_path / "new"
    for folder, objects in ((old, 2), (new, 4)):
        folder.mkdir()
        annotate(folder, objects)
    backup(new, tmp_path / "a.backup")
    before, wanted = content(old), content(new)
    code = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from fewclicks.annotator.store import backup\n"
        "whole, left = backup._chunks, [int(sys.argv[3])]\n"
        "def chunks(connection, table):\n"
        "    yield from whole(connection, table)\n"
        "    left[0] -= 1\n"
        "    if not left[0]: os.kill(os.getpid(), signal.SIGKILL)\n"
        "backup._chunks = chunks\n"
        "backup.restore(Path(sys.argv[1]), Path(sys.argv[2]), overwrite=True)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path / "a.backup", old, str(after)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert content(old) == before
    restore(tmp_path / "a.backup", old, overwrite=True)
    assert content(old) == wanted


def test_what_is_no_backup_is_said(tmp_path):
    folder = make_folder(tmp_path / "photos")
    (tmp_path / "text").write_text("this is no database" * 100)
    (tmp_path / "empty").write_text("")
    with closing(sqlite3.connect(tmp_path / "foreign")) as raw:
        raw.execute("CREATE TABLE t (x)")
    for name, says in (
        ("text", "not a database"),
        ("empty", "nothing was"),
        ("foreign", "nothing was"),
        ("no", "no backup"),
    ):
        with pytest.raises((InputError, StoreError), match=says):
            restore(tmp_path / name, folder)
    assert not (folder / PLACE).exists(), "what fails changes nothing"
    with pytest.raises(StoreError, match="no database at"):
        backup(folder, tmp_path / "a.backup")
    annotate(folder)
    for file, says in (
        (folder, "is a folder"),
        (tmp_path / "gone" / "a", "does not exist"),
        (folder / PLACE, "exists"),
    ):
        with pytest.raises(InputError, match=says):
            backup(folder, file)
    with pytest.raises(InputError, match="the database itself"):
        backup(folder, folder / PLACE, overwrite=True)
    with pytest.raises((InputError, StoreError), match=r"itself|in use"):
        restore(folder / PLACE, folder, overwrite=True)
    assert content(folder)[3]
