"""Databases of older versions are brought up to this one with all that is in them, or stay as they were."""

import signal
import subprocess
import sys
import threading
import uuid

import numpy as np
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Column, Integer, create_engine, inspect, text

from fewclicks.annotator.editing.actions import Brushed, Clicked
from fewclicks.annotator.editing.history import Entry
from fewclicks.annotator.editing.mask_codec import EncodedMask
from fewclicks.annotator.services.checking import Checked, check
from fewclicks.annotator.store import migrations
from fewclicks.annotator.store.database import PLACE, url_of
from fewclicks.annotator.store.objects import Store
from fewclicks.annotator.store.tables import SCHEMA, Base
from fewclicks.errors import MissingExtra, StoreError

TABLES = """
CREATE TABLE fewclicks_about (
  id {serial} NOT NULL, schema_version INTEGER NOT NULL, uuid VARCHAR(36) NOT NULL, created_at {moment} NOT NULL,
  PRIMARY KEY (id));
CREATE TABLE fewclicks_class (
  id {serial} NOT NULL, name VARCHAR(200) NOT NULL, colour VARCHAR(7) NOT NULL, digit VARCHAR(1),
  PRIMARY KEY (id), UNIQUE (name), UNIQUE (digit));
CREATE TABLE fewclicks_photo (
  id {serial} NOT NULL, name VARCHAR(1000) NOT NULL, width INTEGER, height INTEGER, state VARCHAR(9) NOT NULL,
  version INTEGER NOT NULL, PRIMARY KEY (id), UNIQUE (name));
CREATE INDEX ix_fewclicks_photo_state ON fewclicks_photo (state);
CREATE TABLE fewclicks_object (
  id VARCHAR(36) NOT NULL, photo_id INTEGER NOT NULL, class_id INTEGER NOT NULL, name VARCHAR(200) NOT NULL,
  z INTEGER NOT NULL, state VARCHAR(4) NOT NULL, deleted BOOLEAN NOT NULL, version INTEGER NOT NULL,
  mask_version INTEGER NOT NULL, done INTEGER NOT NULL, created_at {moment} NOT NULL,
  PRIMARY KEY (id), FOREIGN KEY(photo_id) REFERENCES fewclicks_photo (id),
  FOREIGN KEY(class_id) REFERENCES fewclicks_class (id));
CREATE INDEX ix_fewclicks_object_class_id ON fewclicks_object (class_id);
CREATE INDEX ix_fewclicks_object_photo_id ON fewclicks_object (photo_id);
CREATE TABLE fewclicks_action (
  id {serial} NOT NULL, uuid VARCHAR(36) NOT NULL, object_id VARCHAR(36) NOT NULL, version INTEGER NOT NULL,
  number INTEGER, kind VARCHAR(9) NOT NULL, payload JSON NOT NULL, fresh BOOLEAN NOT NULL,
  predictor VARCHAR(200) NOT NULL, clicks JSON NOT NULL, threshold {double} NOT NULL, changed_px JSON NOT NULL,
  box JSON, area_px INTEGER NOT NULL, mask {bytes}, created_at {moment} NOT NULL,
  PRIMARY KEY (id), UNIQUE (object_id, number), UNIQUE (uuid),
  FOREIGN KEY(object_id) REFERENCES fewclicks_object (id));
"""
"""The tables of version 1."""

TYPES = {
    "sqlite": {"serial": "INTEGER", "moment": "DATETIME", "bytes": "BLOB", "double": "DOUBLE"},
    "postgresql": {
        "serial": "SERIAL",
        "moment": "TIMESTAMP WITH TIME ZONE",
        "bytes": "BYTEA",
        "double": "DOUBLE PRECISION",
    },
}
WHEN = "2026-01-02 03:04:05.000006"
ID, THING, CLICK, UNDO = (str(uuid.UUID(int=n)) for n in range(1, 5))
MASK = EncodedMask.pack(np.ones((3, 4), np.bool_))

ROWS = f"""
INSERT INTO fewclicks_about (id, schema_version, uuid, created_at) VALUES (1, 1, '{ID}', '{WHEN}');
INSERT INTO fewclicks_class (name, colour, digit) VALUES ('cat', '#e6194b', '1');
INSERT INTO fewclicks_photo (name, width, height, state, version) VALUES ('a.png', 4, 3, 'begun', 4);
INSERT INTO fewclicks_object (id, photo_id, class_id, name, z, state, deleted, version, mask_version, done, created_at)
  VALUES ('{THING}', 1, 1, 'Tom', 0, 'open', false, 3, 3, 0, '{WHEN}');
INSERT INTO fewclicks_action (uuid, object_id, version, number, kind, payload, fresh, predictor, clicks, threshold,
                              changed_px, box, area_px, mask, created_at)
  VALUES ('{CLICK}', '{THING}', 2, 1, 'click', '{{"x": 1, "y": 2}}', false, 'grow', '[[1, 2, 1]]', 0.5,
          '[12]', '[0, 0, 4, 3]', 12, :mask, '{WHEN}');
INSERT INTO fewclicks_action (uuid, object_id, version, kind, payload, fresh, predictor, clicks, threshold,
                              changed_px, area_px, created_at)
  VALUES ('{UNDO}', '{THING}', 3, 'undo', '{{"done": 0}}', false, '', '[]', 0.5, '[]', 0, '{WHEN}');
"""


def engine_of(place):
    return create_engine(url_of(place))


def make_version_1(place):
    """A database as version 0.1 of the program left it: a click that was undone."""
    if not isinstance(place, str):
        (place / PLACE).parent.mkdir()
    engine = engine_of(place)
    with engine.begin() as connection:
        for statement in (TABLES.format(**TYPES[engine.dialect.name]) + ROWS).split(";\n"):
            if statement.strip():
                found = {"mask": MASK.data} if ":mask" in statement else {}
                connection.execute(text(statement.replace('": ', '"\\: ')), found)
    engine.dispose()


def columns(place):
    engine = engine_of(place)
    try:
        found = inspect(engine)
        return {
            table: {
                column["name"]: (str(column["type"]), column["nullable"], column["default"])
                for column in found.get_columns(table)
            }
            for table in found.get_table_names()
            if table.startswith("fewclicks_")
        }
    finally:
        engine.dispose()


def test_version_1_is_brought_up_with_all_that_is_in_it(place):
    make_version_1(place)
    with Store(place) as store:
        assert store.id == ID
        (info,) = store.objects(1)
        assert (info.name, info.version, info.redo_kind, info.person) == ("Tom", 3, "click", "")
        assert [(line.kind, line.person) for line in store.lines(THING)] == [("click", ""), ("undo", "")]
        assert store.redo(THING, str(uuid.uuid4()), person="Ann").area_px == 12
        assert store.mask(THING) == MASK
        entry = store.history(THING)[1][0]
        assert entry.action == Clicked(1, 2)
        assert store.lines(THING)[-1].person == "Ann"
    with Store(place) as store:  # the second time there is nothing to do
        assert len(store.lines(THING)) == 3


def test_a_database_of_any_older_version_is_checked_as_it_is(place):
    make_version_1(place)
    engine = engine_of(place)
    for version in range(1, SCHEMA):
        checked = Checked()
        assert [str(fault) for fault in check(place, checked=checked)] == []
        assert (checked.version, checked.objects, checked.lines) == (version, 1, 2)
        with engine.begin() as connection:
            migrations.STEPS[version](migrations.operations(connection))
            connection.execute(text(f"UPDATE fewclicks_about SET schema_version = {version + 1}"))
    engine.dispose()


def test_what_was_brought_up_has_the_tables_of_a_new_one(place):
    make_version_1(place)
    Store(place).close()
    migrated = columns(place)
    engine = engine_of(place)
    Base.metadata.drop_all(engine)
    engine.dispose()
    Store(place).close()
    assert migrated == columns(place)


def test_alembic_sees_no_difference_between_the_tables_and_what_was_brought_up(place):
    """Also of indexes and keys: who changes `tables` without a step is told what the step is to be."""
    make_version_1(place)
    Store(place).close()
    engine = engine_of(place)
    with engine.connect() as connection:
        told = {"include_name": lambda name, kind, parents: kind != "table" or str(name).startswith("fewclicks_")}
        assert compare_metadata(MigrationContext.configure(connection, opts=told), Base.metadata) == []
    engine.dispose()


@pytest.mark.parametrize("last", range(2, SCHEMA))
def test_a_database_that_an_older_fewclicks_had_brought_up_is_brought_up(place, last):
    make_version_1(place)
    engine = engine_of(place)
    with engine.begin() as connection:
        for version in range(1, last):
            migrations.STEPS[version](migrations.operations(connection))
        connection.execute(text(f"UPDATE fewclicks_about SET schema_version = {last}"))
    engine.dispose()
    with Store(place) as store:
        assert (store.id, store.object(THING).name) == (ID, "Tom")


def test_a_server_of_the_older_version_may_keep_running(place):
    """It writes rows without the new column, which has a default."""
    make_version_1(place)
    Store(place).close()
    engine = engine_of(place)
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO fewclicks_action (uuid, object_id, version, kind, payload, fresh, predictor, clicks, "
                "threshold, changed_px, area_px, created_at) SELECT :new, object_id, 4, kind, payload, fresh, "
                "predictor, clicks, threshold, changed_px, area_px, created_at FROM fewclicks_action WHERE kind='undo'"
            ),
            {"new": ID},
        )
    engine.dispose()
    with Store(place) as store:
        assert [line.person for line in store.lines(THING)] == ["", "", ""]


def test_a_step_that_fails_leaves_all_as_it_was(place, monkeypatch):
    make_version_1(place)
    before = columns(place)
    last = migrations.STEPS[3]

    def failing(to):
        last(to)
        to.add_column("nothing", Column("person", Integer))

    monkeypatch.setattr(migrations, "STEPS", {**migrations.STEPS, 3: failing})
    with pytest.raises(StoreError, match="nothing"):
        Store(place)
    assert columns(place) == before
    monkeypatch.undo()
    with Store(place) as store:
        assert store.object(THING).name == "Tom"


@pytest.mark.slow
def test_a_kill_in_the_middle_leaves_all_as_it_was(tmp_path):
    make_version_1(tmp_path)
    before = columns(tmp_path)
    code = (
        "import os, signal, sys; from fewclicks.annotator.store import migrations, database; "
        "last = migrations.STEPS[3]; "
        "migrations.STEPS[3] = lambda to: (last(to), os.kill(os.getpid(), signal.SIGKILL)); "
        "database.Database(sys.argv[1])"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert columns(tmp_path) == before
    with Store(tmp_path) as store:
        assert store.object(THING).name == "Tom"


def test_without_alembic_the_error_names_the_extra_and_nothing_is_changed(place, monkeypatch):
    make_version_1(place)
    before = columns(place)
    monkeypatch.setitem(sys.modules, "alembic.migration", None)
    with pytest.raises(MissingExtra, match=r"fewclicks\[annotate\]"):
        Store(place)
    assert columns(place) == before


def test_many_that_start_at_once_bring_it_up_once(place):
    make_version_1(place)
    barrier, results = threading.Barrier(4), []

    def start():
        barrier.wait()
        try:
            with Store(place) as store:
                results.append(store.object(THING).name)
        except Exception as error:
            results.append(error)

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == ["Tom"] * 4


@pytest.mark.parametrize(
    ("version", "says"),
    [(SCHEMA + 1, "update fewclicks"), (0, "there never was"), (-1, "there never was"), (None, "or none")],
)
def test_versions_that_this_code_does_not_know_are_refused(tmp_path, version, says):
    make_version_1(tmp_path)
    engine = engine_of(tmp_path)
    with engine.begin() as connection:
        if version is None:
            connection.execute(text("DELETE FROM fewclicks_about"))
        else:
            connection.execute(text(f"UPDATE fewclicks_about SET schema_version = {version}"))
    engine.dispose()
    before = columns(tmp_path)
    with pytest.raises(StoreError, match=says) as caught:
        Store(tmp_path)
    assert "\n" not in str(caught.value)
    assert columns(tmp_path) == before


def test_there_is_a_way_from_every_version():
    assert sorted(migrations.STEPS) == list(range(1, SCHEMA))


def test_a_stroke_is_written_by_a_database_that_was_brought_up(place):
    make_version_1(place)
    with Store(place) as store:
        mask = EncodedMask.pack(np.eye(3, 4, dtype=np.bool_))
        stroke = Entry(Brushed(((1.0, 1.0),), 1.0), mask)
        assert store.act(THING, str(uuid.uuid4()), stroke, 3, person="Bo").person == "Bo"
        assert store.mask(THING) == mask
