"""SQLite files: what was committed is in them, and those that others made are opened with care."""

import os
import shutil
import sqlite3
import uuid
import zlib
from contextlib import closing

import numpy as np
import pytest

from annotating import client_of, make_folder
from fewclicks.annotator.editing.actions import Replaced
from fewclicks.annotator.editing.history import Entry
from fewclicks.annotator.editing.mask_codec import EncodedMask
from fewclicks.annotator.store import sqlite
from fewclicks.annotator.store.database import PLACE
from fewclicks.annotator.store.objects import Store
from fewclicks.errors import FewClicksError, StoreError

HW = (24, 32)
THING = str(uuid.UUID(int=7))


def act(store):
    mask = EncodedMask.pack(np.random.default_rng(0).random(HW) > 0.5)
    return store.act(THING, str(uuid.uuid4()), Entry(Replaced(mask), mask), store.object(THING).mask_version)


def filled(root):
    """A folder with a photo and an object on it, closed."""
    make_folder(root, ["a.png"])
    with Store(root) as store:
        store.add_photos(["a.png"])
        store.change_photo(1, hw=HW)
        store.create(THING, 1, store.add_class("cat").id)
        act(store)
    return root


def alone(root, tmp_path):
    """The number of actions in a copy of the database's file without its log."""
    shutil.copy(root / PLACE, tmp_path / "copy.sqlite")
    with closing(sqlite3.connect(tmp_path / "copy.sqlite")) as copy:
        return copy.execute("SELECT count(*) FROM fewclicks_action").fetchone()[0]


def test_connections_distrust_the_file_and_write_through(tmp_path):
    with Store(tmp_path) as store, store._db.reading() as session:
        raw = session.connection().connection.driver_connection
        asked = ("trusted_schema", "cell_size_check", "mmap_size", "synchronous", "fullfsync", "checkpoint_fullfsync")
        values = {name: (raw.execute(f"PRAGMA {name}").fetchone() or (0,))[0] for name in asked}
        assert raw.getlimit(sqlite3.SQLITE_LIMIT_LENGTH) == sqlite.VALUE_BYTES
    assert values == {
        "trusted_schema": 0, "cell_size_check": 1, "mmap_size": 0, "synchronous": 2, "fullfsync": 1,
        "checkpoint_fullfsync": 1,
    }  # fmt: skip


def test_the_folder_says_how_to_copy_it(tmp_path):
    Store(tmp_path).close()
    told = tmp_path / ".fewclicks" / "README.txt"
    assert "fewclicks backup" in told.read_text()
    told.write_text("mine")
    Store(tmp_path).close()
    assert told.read_text() == "mine"


def test_a_checkpoint_completes_the_file(tmp_path):
    root = filled(tmp_path / "photos")
    with Store(root) as store:
        act(store)
        assert alone(root, tmp_path) == 1, "the log has it, the file has not"
        store.checkpoint()
        assert alone(root, tmp_path) == 2
        act(store)
        with Store(root) as other, other._db.reading() as session:  # a reader keeps what it sees in place
            session.execute(sqlite.text("SELECT count(*) FROM fewclicks_action"))
            act(store)
            store.checkpoint()
        store.checkpoint()
        assert alone(root, tmp_path) == 4


def test_the_file_is_complete_when_one_of_two_programs_ends(tmp_path):
    root = filled(tmp_path / "photos")
    with Store(root):
        with Store(root) as store:
            act(store)
        assert alone(root, tmp_path) == 2


def test_a_server_completes_the_file_by_itself(tmp_path, monkeypatch):
    from fewclicks.annotator.services import annotator

    monkeypatch.setattr(annotator, "SETTLE_S", 0.01)
    root = filled(tmp_path / "photos")
    with client_of(root) as client:
        act(client.annotator.store)
        for _ in range(500):
            if alone(root, tmp_path) == 2:
                break
            sqlite.time.sleep(0.01)
        assert alone(root, tmp_path) == 2


@pytest.mark.parametrize("link", [".fewclicks", PLACE])
def test_links_are_not_followed(tmp_path, link):
    root = filled(tmp_path / "photos")
    elsewhere = tmp_path / "elsewhere"
    (root / link).rename(elsewhere)
    (root / link).symlink_to(elsewhere)
    with pytest.raises(StoreError, match=r"is a link .*--database sqlite:///"):
        Store(root)


FOREIGN = {
    "trigger": "CREATE TRIGGER t AFTER INSERT ON fewclicks_action BEGIN DELETE FROM fewclicks_class; END",
    "trigger of another table's name": "CREATE TRIGGER fewclicks_t AFTER INSERT ON other BEGIN SELECT 1; END",
    "view": "ALTER TABLE fewclicks_class RENAME TO c; CREATE VIEW fewclicks_class AS SELECT * FROM c",
    "endless view": (
        "ALTER TABLE fewclicks_about RENAME TO c; CREATE VIEW fewclicks_about AS "
        "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x FROM n) SELECT x AS schema_version FROM n"
    ),
    "virtual table": "DROP TABLE fewclicks_action; CREATE VIRTUAL TABLE fewclicks_action USING fts5(uuid)",
    "view in capitals": "ALTER TABLE fewclicks_photo RENAME TO c; CREATE VIEW FEWCLICKS_PHOTO AS SELECT * FROM c",
}


@pytest.mark.parametrize("sql", FOREIGN.values(), ids=FOREIGN)
def test_sql_in_a_file_is_not_run(tmp_path, sql):
    root = filled(tmp_path / "photos")
    with closing(sqlite3.connect(root / PLACE)) as raw:
        raw.execute("CREATE TABLE other (x)")
        raw.executescript(sql)
    with pytest.raises(StoreError, match="restore a backup"):
        Store(root)


def test_tables_of_others_are_let_alone(tmp_path):
    root = filled(tmp_path / "photos")
    with closing(sqlite3.connect(root / PLACE)) as raw:
        raw.executescript("CREATE TABLE mine (x); CREATE VIEW v AS SELECT 1; CREATE INDEX i ON mine (x)")
    with Store(root) as store:
        assert act(store).version == 3


BOMB = zlib.compress(bytes(2**26), 1)
DAMAGE = {
    "a mask that unpacks to 64 MiB": ("action", "mask", BOMB),
    "a mask that is text": ("action", "mask", "text"),
    "a mask that is none": ("action", "mask", b"\0" * 50),
    "a box beside the photo": ("action", "box", "[0, 0, 1000000000, 1000000000]"),
    "a box of negative numbers": ("action", "box", "[-5, -5, 3, 3]"),
    "a box of two numbers": ("action", "box", "[1, 2]"),
    "a box of texts": ("action", "box", '["a", "b", "c", "d"]'),
    "a payload that is a list": ("action", "payload", "[1]"),
    "JSON that is none": ("action", "payload", "{"),
    "deep JSON": ("action", "payload", "[" * 100_000),
    "long JSON": ("action", "clicks", f"[{'[1,1,1],' * 1_000_000}[1,1,1]]"),
    "clicks of another shape": ("action", "clicks", "[[1]]"),
    "a click that is no number": ("action", "clicks", "[[NaN, 1, 1]]"),
    "changes that are texts": ("action", "changed_px", '["a"]'),
    "an unknown kind": ("action", "kind", "x" * 300),
    "a threshold that is text": ("action", "threshold", "high"),
    "a moment that is none": ("action", "created_at", "yesterday"),
    "a name that is a number": ("object", "name", b"\xff"),
    "a state that there is not": ("object", "state", "asleep"),
    "a version that is text": ("object", "version", "two"),
    "a size that is text": ("photo", "width", "wide"),
    "a huge size": ("photo", "width", 10**12),
    "a photo's state": ("photo", "state", "x"),
    "a photo's name": ("photo", "name", b"\xff\xfe"),
    "a colour": ("class", "colour", "red;x"),
    "no text": ("class", "name", b"\xff"),
}


@pytest.mark.slow
@pytest.mark.parametrize(("table", "column", "value"), DAMAGE.values(), ids=DAMAGE)
def test_what_fewclicks_did_not_write_is_an_error_of_ours(tmp_path, table, column, value):
    root = filled(tmp_path / "photos")
    with closing(sqlite3.connect(root / PLACE, isolation_level=None)) as raw:
        raw.execute(f"UPDATE fewclicks_{table} SET {column} = ?", [value])
    with Store(root) as store:
        said = []
        for look in (
            store.photos,
            store.classes,
            lambda: store.objects(1),
            lambda: store.masks(1)[0][1].mask(),
            lambda: store.mask(THING).mask(),
            lambda: store.history(THING),
            lambda: store.lines(THING),
            lambda: act(store),
        ):
            try:
                look()
            except FewClicksError as error:
                said.append(str(error))
        assert said
        assert not [line for line in said if "\n" in line or len(line) > 1000]


def test_a_huge_value_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(sqlite, "VALUE_BYTES", 2**20)
    root = filled(tmp_path / "photos")
    with closing(sqlite3.connect(root / PLACE, isolation_level=None)) as raw:
        raw.execute("UPDATE fewclicks_action SET mask = zeroblob(2000000)")
    with Store(root) as store, pytest.raises(StoreError, match="too big"):
        store.mask(THING)


@pytest.mark.parametrize("where", [20, 200, 4096, 9000])
def test_files_that_are_cut_short_or_damaged_are_errors_of_ours(tmp_path, where):
    root = filled(tmp_path / "photos")
    data, said = bytearray((root / PLACE).read_bytes()), []
    for damaged in (data[:where], data[:where] + bytes(50) + data[where:][50:], data[:where] + b"\xff" * 300):
        (root / PLACE).write_bytes(damaged)
        try:
            with Store(root) as store:
                store.photos()
                store.history(THING)
                act(store)
        except FewClicksError as error:
            said.append(str(error))
    assert said
    assert not [line for line in said if "\n" in line]


def test_a_disk_that_becomes_read_only_is_said_before_anything_is_written(tmp_path, monkeypatch):
    """A write to the mapped file beside the database would end the process."""
    with Store(tmp_path) as store:
        store.add_class("cat")
        monkeypatch.setattr(sqlite.os, "utime", lambda file: os.listdir(f"{file}-gone"))
        with pytest.raises(StoreError, match=r"does not do as asked .*check that it can be reached and written"):
            store.add_class("dog")
        assert [found.name for found in store.classes()] == ["cat"], "what is there can be looked at"
        monkeypatch.undo()
        store.add_class("dog")
        assert [found.name for found in store.classes()] == ["cat", "dog"]
