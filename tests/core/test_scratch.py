"""Temporary folders do not stay, whichever signal ended their process, and children end with their parents."""

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress

import PIL.Image
import pytest

from annotating import make_folder, photo
from fewclicks.files import scratch
from fewclicks.files.scratch import PREFIX, scratch_folder, sweep

posix = pytest.mark.skipif(os.name == "nt", reason="no POSIX signals")
HOLD = """
import sys, time
from fewclicks import cli
from fewclicks.files.scratch import scratch_folder

def held():
    with scratch_folder() as folder:
        (folder / "sub").mkdir()
        (folder / "sub" / "file").write_text("x")
        print("ready", flush=True)
        time.sleep(60)

cli.app = lambda *args, **kwargs: held()
cli.main([])
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    """The temporary folder, for this process and its children."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr("tempfile.tempdir", None)
    return folder


def started(code, *arguments):
    """A process that has said that it is ready."""
    process = subprocess.Popen([sys.executable, "-c", code, *map(str, arguments)], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline().startswith("ready")
    return process


def ended(process):
    process.stdout.close()
    return process.wait(120)


def test_a_folder_is_there_for_its_maker_and_then_gone(place):
    with suppress(ValueError), scratch_folder() as folder:
        assert folder.parent == place
        assert folder.stat().st_mode & 0o077 == 0 or os.name == "nt"
        (folder / "a").mkdir()
        sweep()
        assert (folder / "a").is_dir(), "our own lock holds against ourselves too"
        raise ValueError
    assert list(place.iterdir()) == []


@posix
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_nothing_stays_after_a_polite_end(place, number):
    process = started(HOLD)
    assert len(list(place.iterdir())) == 1
    process.send_signal(number)
    assert ended(process) == 128 + number
    assert list(place.iterdir()) == []


@posix
def test_what_sigkill_left_is_swept_at_the_next_start_and_nothing_else(place, tmp_path):
    killed, alive = started(HOLD), started(HOLD)
    try:
        names = {entry.name for entry in place.iterdir()}
        killed.kill()
        ended(killed)
        others = ["fewclicks-other", PREFIX + "no", "x" + PREFIX + "abcdefgh", PREFIX + "aaaaaaaa"]
        for name in others[:3]:
            (place / name).mkdir()
        (tmp_path / "precious").mkdir()
        (tmp_path / "precious" / "file").write_text("x")
        (place / others[3]).symlink_to(tmp_path / "precious", target_is_directory=True)
        subprocess.run([sys.executable, "-m", "fewclicks", "--version"], check=True, capture_output=True)
        left = {entry.name for entry in place.iterdir()} - set(others)
        assert len(left) == 1
        assert left < names, "the folder of the living process"
        assert all((place / name).exists() for name in others)
        assert (tmp_path / "precious" / "file").exists()
        assert alive.poll() is None
    finally:
        alive.terminate()
        ended(alive)


def test_without_locks_only_what_is_old_is_swept(place, monkeypatch):
    monkeypatch.setattr(scratch, "fcntl", None)
    for name in ("aaaaaaaa", "bbbbbbbb"):
        (place / (PREFIX + name)).mkdir()
    os.utime(place / (PREFIX + "aaaaaaaa"), (1, 1))
    with scratch_folder() as folder:
        assert {entry.name for entry in place.iterdir()} == {PREFIX + "bbbbbbbb", folder.name}


DECODER = """
import sys, time
from pathlib import Path
from fewclicks.annotator.services.decoder import Decoder
import threading
decoder = Decoder()
thread = threading.Thread(target=decoder.start)  # a thread that ends is no parent that ends
thread.start(); thread.join()
assert decoder.hw(Path(sys.argv[1])) == (80, 120)
time.sleep(0.3)
assert decoder._child.process.poll() is None
print("ready", decoder._child.process.pid, flush=True)
time.sleep(60)
"""
ERRAND = """
import sys, threading, time
from pathlib import Path
from fewclicks import child_process
from fewclicks.annotator.services.jobs import JobRunner
errands = JobRunner(Path(sys.argv[1]), None)
words = ["annotate", sys.argv[1], "--no-browser", "--method", "grow", "--port", sys.argv[2]]  # it goes on for long
threading.Thread(target=errands._wait, args=(words,), daemon=True).start()
while not errands._running: time.sleep(0.01)
(child,) = errands._running
time.sleep(2)
assert child.poll() is None
print("ready", child.pid, flush=True)
time.sleep(60)
"""
SHARDS = """
import functools, os, sys, threading, time
from fewclicks.evaluation.shards import evaluate_in_processes

def prepare(folder):
    open(f"{folder}/{os.getpid()}", "w").close()
    time.sleep(60)

if __name__ == "__main__":
    def tell():
        while len(os.listdir(sys.argv[1])) < 2: time.sleep(0.05)
        print("ready", *os.listdir(sys.argv[1]), flush=True)
    threading.Thread(target=tell, daemon=True).start()
    evaluate_in_processes(functools.partial(prepare, sys.argv[1]), 2)
"""


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def gone(pid):
    """Whether a process ended, or is about to be collected."""
    with suppress(OSError), open(f"/proc/{pid}/stat") as file:
        return file.read().rpartition(")")[2].split()[0] == "Z"
    return True


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize("which", ["decoder", "errand", "shards"])
def test_children_end_with_a_parent_that_is_killed(which, tmp_path, place):
    root = make_folder(tmp_path / "photos", ("a.png",))
    PIL.Image.fromarray(photo()).save(root / "a.png")
    (tmp_path / "pids").mkdir()
    script = tmp_path / "script.py"
    code, arguments = {
        "decoder": (DECODER, [root / "a.png"]),
        "errand": (ERRAND, [root, free_port()]),
        "shards": (SHARDS, [tmp_path / "pids"]),
    }[which]
    script.write_text(code)
    process = subprocess.Popen(
        [sys.executable, script, *map(str, arguments)], stdout=subprocess.PIPE, text=True, cwd=tmp_path
    )
    try:
        pids = [int(word) for word in process.stdout.readline().split()[1:]]
        assert pids
        assert not any(map(gone, pids))
    finally:
        process.kill()
        ended(process)
    end = time.monotonic() + 60
    while not all(map(gone, pids)) and time.monotonic() < end:
        time.sleep(0.02)
    assert all(map(gone, pids))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_fork_starts_children_too():
    code = """
import os, sys
from fewclicks.child_process import start_module
assert start_module("json.tool", "--help", stdout=-3).wait() == 0
child = os.fork()
if child == 0:
    os._exit(start_module("json.tool", "--help", stdout=-3).wait())
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == 0
