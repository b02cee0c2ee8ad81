"""Fixtures that several files of tests share."""

import os
import shutil
import signal
import sys
import tempfile

import pytest
from sqlalchemy import create_engine

import postgres
from fewclicks.annotator.store.database import url_of
from fewclicks.annotator.store.tables import Base
from quick import quick

MEMORY = "/dev/shm"
"""A folder in memory, on Linux."""
MEMORY_BYTES = 4 * 2**30


def has_room(folder):
    """Whether files can be written there, many of them, and programs run."""
    if not os.access(folder, os.W_OK):
        return False
    return shutil.disk_usage(folder).free > MEMORY_BYTES and not os.statvfs(folder).f_flag & os.ST_NOEXEC


def pytest_configure():
    # A shell that runs the tests in the background ignores Ctrl-C for them, and nohup the end of the terminal; the
    # programs that they start must not.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
    # Several tests run at once. One thread each for arithmetic: more would wait for a core, and spin while they wait.
    # numpy and torch read it when they are loaded, also in the processes that the tests start.
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    # What tests write is short-lived, and much of it is synced: in memory it waits for no disk.
    if "TMPDIR" not in os.environ and has_room(MEMORY):
        os.environ["TMPDIR"] = tempfile.tempdir = MEMORY
    # Compiled once, not by each of the processes that the tests start (many containers set this variable).
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False


@pytest.fixture(autouse=True)
def _no_module_of_the_user_stays():
    """What a test calls `my_lab` is not what the next one does."""
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] == "my_lab"]:
        del sys.modules[name]


@pytest.fixture(scope="session")
def server():
    """The URL of a database on a PostgreSQL server."""
    with postgres.server() as url:
        yield url


@pytest.fixture
def emptied(server):
    """The same, without any of our tables."""
    engine = create_engine(url_of(server))
    Base.metadata.drop_all(engine)
    engine.dispose()
    return server


@pytest.fixture(params=quick(["sqlite"], ["sqlite", "postgresql"]))
def place(request, tmp_path):
    """Where a store is to be: a folder, or the URL of an empty database."""
    return tmp_path if request.param == "sqlite" else request.getfixturevalue("emptied")
