"""`fewclicks check`: what the annotator wrote has no fault, and whatever is changed behind its back is named."""

import json
import random
import shutil
import sqlite3
import uuid
from contextlib import closing

import numpy as np
import PIL.Image
import pytest

from commands import runner
from fakes import gradient
from fewclicks.annotator.editing import apply, windows
from fewclicks.annotator.editing.actions import Brushed, Cleaned, Clicked, Replaced, Thresholded
from fewclicks.annotator.editing.mask_codec import EncodedMask
from fewclicks.annotator.editing.replay import Replayer
from fewclicks.annotator.services.checking import Checked, check
from fewclicks.annotator.services.editing import Editing
from fewclicks.annotator.services.importing import take_in
from fewclicks.annotator.store.backup import backup
from fewclicks.annotator.store.database import PLACE
from fewclicks.annotator.store.objects import Store
from fewclicks.annotator.store.records import Edit
from fewclicks.api import load
from fewclicks.formats.annotations import AnnotatedPhoto, Annotation, Label

HW = (24, 32)
GROW = load("grow")
START = GROW.start(gradient(*HW))


def new_id():
    return str(uuid.uuid4())


def some_mask(seed=0):
    return EncodedMask.pack(np.random.default_rng(seed).random(HW) > 0.5)


def annotate(place, hw=HW, start=START, steps=40, seed=0, by="grow"):
    """Objects with all kinds of actions, in an order that chance makes."""
    rng = random.Random(seed)
    with Store(place) as store:
        store.add_photos(["a.png", "other.png"])
        photo = store.change_photo(store.photo_named("a.png").id, hw=hw)
        classes = [found.id for found in store.classes()] or [store.add_class(name).id for name in ("cat", "dog")]
        editing = Editing(store, GROW, lambda photo_id: start, by)
        things = [store.create(new_id(), photo.id, classes[0]).id for _ in range(3)]
        for _ in range(steps):
            thing, kind = rng.choice(things), rng.randrange(9)
            x, y = rng.uniform(0, hw[1] - 1), rng.uniform(0, hw[0] - 1)
            if kind < 5:
                action = [
                    lambda x=x, y=y: Clicked(
                        x, y, rng.random() < 0.7, cfr=rng.randrange(3), adaptive=rng.random() < 0.2
                    ),
                    lambda x=x, y=y: Brushed(((x, y), (y, x)), rng.uniform(1, 4), rng.random() < 0.5),
                    lambda: Cleaned(rng.randrange(9), rng.randrange(9)),
                    lambda: Thresholded(rng.uniform(0.2, 0.8)),
                    lambda: Replaced(EncodedMask.pack(np.random.default_rng(rng.randrange(9)).random(hw) > 0.5)),
                ][kind]()
                editing.act(thing, new_id(), action)
            elif kind < 7:
                getattr(editing, "undo" if kind == 5 or rng.random() < 0.3 else "redo")(thing, new_id())
            elif kind == 7:
                store.change(
                    thing, Edit(name=f"{x}", z=int(y), class_id=rng.choice(classes), deleted=rng.random() < 0.2)
                )
            else:
                editing = Editing(store, GROW, lambda photo_id: start, by, keep=rng.choice([0, 2**25]))
        masks = [Annotation(mask=some_mask(n).mask(), label="cat", name=f"{n}") for n in (1, 2)]

        class Folder(list):
            labels = (Label("cat", (255, 0, 0)),)

        if hw == HW:
            take_in(store, Folder([AnnotatedPhoto("a.png", HW, masks)]))


def faults(place, **options):
    return [str(fault) for fault in check(place, **options)]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_what_the_annotator_wrote_has_no_fault(tmp_path, seed):
    annotate(tmp_path, seed=seed, steps=80)
    checked = Checked()
    assert faults(tmp_path, checked=checked) == []
    assert checked.exact
    assert checked.by_rule
    assert checked.models == {"grow"}
    again = Checked()
    assert faults(tmp_path, replayer=Replayer(GROW, "grow", lambda photo_id: START), checked=again) == []
    assert (again.exact, again.by_rule) == (checked.exact + checked.by_rule, 0)
    other = Checked()
    assert faults(tmp_path, replayer=Replayer(GROW, "another", lambda photo_id: START), checked=other) == []
    assert (other.exact, other.by_rule, other.models) == (checked.exact, checked.by_rule, {"grow"})


@pytest.mark.slow
def test_also_of_large_photos_that_are_worked_on_in_windows(tmp_path, monkeypatch):
    for module in (windows, apply):
        if hasattr(module, "LARGE_PX"):
            monkeypatch.setattr(module, "LARGE_PX", 100)
    monkeypatch.setattr(windows, "LEAST_PX", 8)
    hw = (60, 80)
    start = windows.first_state(GROW, gradient(*hw))
    annotate(tmp_path, hw, start, steps=60)
    checked = Checked()
    assert faults(tmp_path, checked=checked) == []
    assert faults(tmp_path, replayer=Replayer(GROW, "grow", lambda photo_id: start), checked=Checked()) == []
    assert checked.exact


@pytest.mark.slow
def test_other_databases_are_checked_too(place, tmp_path):
    annotate(place)
    assert faults(place) == []
    backup(place, tmp_path / "a.backup")
    assert faults(f"sqlite:///{tmp_path / 'a.backup'}") == []


def small(folder):
    """Two clicks, a stroke that was undone, a change; the second click redone."""
    with Store(folder) as store:
        store.add_photos(["a.png"])
        photo = store.change_photo(1, hw=HW)
        editing = Editing(store, GROW, lambda photo_id: START, "grow")
        thing = store.create(str(uuid.UUID(int=1)), photo.id, store.add_class("cat").id).id
        editing.act(thing, new_id(), Clicked(10, 8))
        editing.act(thing, new_id(), Brushed(((3.25, 3), (9, 9)), 2))
        editing.act(thing, new_id(), Cleaned(9, 9))
        editing.undo(thing, new_id())
        editing.act(thing, new_id(), Clicked(20, 8, False, cfr=1))
        editing.undo(thing, new_id())
        editing.redo(thing, new_id())
        store.change(thing, Edit(name="Tom"))
        store.change(thing, Edit(name="Tim", z=3))


MASK = some_mask(3).data
CHANGED = {
    "a stroke": (
        "UPDATE fewclicks_action SET payload = json_set(payload, '$.radius_px', 3) WHERE kind = 'brush'",
        "again",
    ),
    "a stroke erases": ("UPDATE fewclicks_action SET payload = json_set(payload, '$.erase', json('true')) "
                        "WHERE kind = 'brush'", "other clicks count"),
    "an area": ("UPDATE fewclicks_action SET area_px = area_px + 1 WHERE number = 2", "as it is told"),
    "a count": ("UPDATE fewclicks_action SET changed_px = '[5]' WHERE number = 1", "pixels changed"),
    "a mask": ("UPDATE fewclicks_action SET mask = x'00' WHERE number = 1", "damaged"),
    "a mask is lost": ("UPDATE fewclicks_action SET mask = NULL, box = NULL WHERE number = 1", "mask is not kept"),
    "a box": ("UPDATE fewclicks_action SET box = '[0, 0, 99, 99]' WHERE number = 1", "in the box"),
    "clicks": ("UPDATE fewclicks_action SET clicks = '[[1, 1, 1]]' WHERE number = 1", "other clicks count"),
    "a threshold": ("UPDATE fewclicks_action SET threshold = 0.4 WHERE number = 2", "the threshold after it"),
    "a click's place": (
        "UPDATE fewclicks_action SET payload = json_set(payload, '$.x', 900) WHERE number = 1",
        "outside",
    ),
    "an action is lost": ("DELETE FROM fewclicks_action WHERE kind = 'brush'", "the journal gives"),
    "the last line is lost": (
        "DELETE FROM fewclicks_action WHERE id = (SELECT max(id) FROM fewclicks_action)",
        "version",
    ),
    "an undo is lost": ("DELETE FROM fewclicks_action WHERE kind = 'undo' AND id < 5", "version"),
    "an undo is one more": ("UPDATE fewclicks_action SET kind = 'undo' WHERE kind = 'redo'", "does not follow"),
    "another number": ("UPDATE fewclicks_action SET number = 7 WHERE number = 2", "number 7"),
    "a number is lost": ("UPDATE fewclicks_action SET number = NULL WHERE number = 2", "number None"),
    "taken back, and kept": ("UPDATE fewclicks_action SET number = 9 WHERE kind = 'clean'", "journal has taken back"),
    "a kind": ("UPDATE fewclicks_action SET kind = 'dance' WHERE number = 1", "a kind that there is not"),
    "a payload": ("UPDATE fewclicks_action SET payload = '[]' WHERE number = 1", "fields are to be"),
    "a payload that is no JSON": ("UPDATE fewclicks_action SET payload = '{' WHERE number = 1", "line 1"),
    "how many are done": ("UPDATE fewclicks_object SET done = 1", "actions done"),
    "an object's version": ("UPDATE fewclicks_object SET version = 99", "version 99"),
    "an object's name": ("UPDATE fewclicks_object SET name = 'Eve'", "its name is 'Eve'"),
    "an object's photo": ("UPDATE fewclicks_object SET photo_id = 77", "a photo that there is not: 77"),
    "an object's class": ("UPDATE fewclicks_object SET class_id = 77", "a class that there is not: 77"),
    "a line's object": (f"UPDATE fewclicks_action SET object_id = '{uuid.UUID(int=9)}' WHERE id = 1", "an object that"),
    "a photo's version": ("UPDATE fewclicks_photo SET version = 1", "changes are known"),
    "a photo's state": ("UPDATE fewclicks_photo SET state = 'untouched'", "untouched with 1 object"),
    "a photo's size": ("UPDATE fewclicks_photo SET width = 9", "box"),
    "a photo's name": ("UPDATE fewclicks_photo SET name = '../a.png'", "out of the folder"),
    "a photo's width": ("UPDATE fewclicks_photo SET width = 'wide'", "whole number"),
    "a class's colour": ("UPDATE fewclicks_class SET colour = 'red'", "not #rrggbb"),
    "an object's state": ("UPDATE fewclicks_object SET state = 'odd'", "'odd'"),
    "text that is none": ("UPDATE fewclicks_object SET name = CAST(x'ff' AS TEXT)", "UTF-8"),
    "a table is lost": ("DROP TABLE fewclicks_action", "the table is missing"),
    "a column is lost": ("ALTER TABLE fewclicks_action DROP COLUMN person", "columns are missing: person"),
}  # fmt: skip


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """A folder with what `small` does, in which nothing is wrong; to be copied."""
    folder = tmp_path_factory.mktemp("sound")
    small(folder)
    assert faults(folder) == []
    return folder


def changed(sound, folder, sql):
    """A copy of the folder, changed behind the annotator's back."""
    shutil.copytree(sound, folder)
    with closing(sqlite3.connect(folder / PLACE, isolation_level=None)) as raw:
        raw.execute(sql)
    return folder


@pytest.mark.parametrize(("sql", "says"), CHANGED.values(), ids=CHANGED)
def test_what_was_changed_behind_its_back_is_named(sound, tmp_path, sql, says):
    found = faults(changed(sound, tmp_path / "copy", sql))
    assert any(says in fault for fault in found), found
    assert len(found) < 15, "one change is not told as a hundred"


@pytest.mark.parametrize("what", ["an area", "a payload that is no JSON", "a table is lost"])
def test_the_command_tells_the_faults(sound, tmp_path, capsys, what):
    folder = changed(sound, tmp_path / "copy", CHANGED[what][0])
    code, out, err = runner(capsys)("check", folder)
    assert (code, err) == (1, "")
    assert faults(folder)[0] in out


def test_a_click_is_checked_by_its_model_only(tmp_path):
    small(tmp_path)
    with closing(sqlite3.connect(tmp_path / PLACE, isolation_level=None)) as raw:
        shifted = "json_array(json_extract(box, '$[0]') + 1, json_extract(box, '$[1]'), json_extract(box, '$[2]') + 1,"
        raw.execute(f"UPDATE fewclicks_action SET box = {shifted} json_extract(box, '$[3]')) WHERE number = 3")
    assert [fault for fault in faults(tmp_path) if "painted" not in fault] == []
    replayer = Replayer(GROW, "grow", lambda photo_id: START)
    assert any("(click): done again it gives another mask" in fault for fault in faults(tmp_path, replayer=replayer))


@pytest.mark.slow
def test_the_command_tells_what_was_checked_and_what_not(tmp_path, capsys):
    fewclicks = runner(capsys)
    folder = tmp_path / "photos"
    folder.mkdir()
    PIL.Image.fromarray(gradient(*HW)).save(folder / "a.png")
    small(folder)
    code, out, _ = fewclicks("check", folder)
    assert code == 0
    assert "1 mask computed again" in out
    assert "2 masks that only a model could compute again" in out
    assert "--replay-model" in out
    assert "no fault" in out
    code, out, _ = fewclicks("check", folder, "--replay-model", "--method", "grow")
    assert (code, "3 masks computed again" in out, "only a model" in out) == (0, True, False)
    code, out, _ = fewclicks("check", folder, "--replay-model", "--method", "grabcut")
    assert (code, "made with: grow; here is: grabcut" in out) == (0, True)
    code, out, _ = fewclicks("check", folder, "--json")
    assert json.loads(out)["faults"] == 0
    assert fewclicks("backup", folder, tmp_path / "a.backup")[0] == 0
    assert fewclicks("check", tmp_path / "a.backup")[0] == 0
    code, _, err = fewclicks("check", tmp_path / "a.backup", "--replay-model")
    assert (code, "restore it" in err) == (2, True)
    (folder / "a.png").unlink()
    code, out, _ = fewclicks("check", folder, "--replay-model", "--method", "grow")
    assert (code, "not there any more" in out) == (1, True)
    code, _, err = fewclicks("check", tmp_path)
    assert (code, "nothing was annotated" in err) == (2, True)


def test_checking_changes_nothing_and_works_where_nothing_can_be_written(tmp_path):
    small(tmp_path)
    before = (tmp_path / PLACE).read_bytes()
    with closing(sqlite3.connect(tmp_path / PLACE)) as raw:
        assert raw.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert faults(tmp_path) == []
    assert (tmp_path / PLACE).read_bytes() == before


def test_a_damaged_file_is_named(tmp_path):
    small(tmp_path)
    data = bytearray((tmp_path / PLACE).read_bytes())
    for page in range(2, len(data) // 4096, 3):
        data[page * 4096 : page * 4096 + 64] = b"\xff" * 64
    (tmp_path / PLACE).write_bytes(data)
    assert faults(tmp_path)


def test_backup_and_restore_as_commands(tmp_path, capsys):
    fewclicks = runner(capsys)
    folder, other = tmp_path / "photos", tmp_path / "other"
    for place in (folder, other):
        place.mkdir()
    small(folder)
    file = tmp_path / "a.backup"
    code, out, _ = fewclicks("backup", folder, file)
    assert (code, "1 class, 1 photo, 1 object, 9 actions" in out, "photos are not in it" in out) == (0, True, True)
    assert fewclicks("backup", folder, file)[0] == 2
    assert fewclicks("restore", file, other)[0] == 0
    code, _, err = fewclicks("restore", file, other)
    assert (code, "--overwrite" in err) == (2, True)
    code, out, _ = fewclicks("restore", file, other, "--overwrite", "--json")
    assert json.loads(out)["kept"]
    with closing(sqlite3.connect(file, isolation_level=None)) as raw:
        raw.execute("UPDATE fewclicks_object SET done = 1")
    code, _, err = fewclicks("restore", file, other, "--overwrite")
    assert (code, "--with-faults" in err) == (2, True)
    assert fewclicks("restore", file, other, "--overwrite", "--with-faults")[0] == 0
    assert fewclicks("check", other)[0] == 1
    assert fewclicks("backup", tmp_path, file, "--overwrite")[0] == 2
    assert fewclicks("restore", tmp_path / "gone", other)[0] == 2
    assert fewclicks("restore", file, tmp_path / "gone")[0] == 2
