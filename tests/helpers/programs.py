"""Programs of others, each in an environment of its own that `make test-integrations` made."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ENVIRONMENTS = Path(os.environ.get("FEWCLICKS_ENVIRONMENTS") or ROOT / "out" / "environments")


def program(environment, name="python"):
    """The path of a program in the environment of a tool; the test is skipped where there is none."""
    found = ENVIRONMENTS / environment / "bin" / name
    if not found.exists():
        pytest.skip(f"{environment} is not installed; run: make test-integrations ONLY={environment}")
    return str(found)


def installed(name, package):
    """The path of a program of this machine; the test is skipped where there is none."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed; on Debian and Ubuntu: apt install {package}")
    return found


def free_port():
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def running(command, url, log, seconds=600, **options):
    """A server, from when its address answers until the end of the test; its output goes to the file `log`."""
    with open(log, "wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, **options)
    try:
        ends = time.monotonic() + seconds
        while True:
            if process.poll() is not None or time.monotonic() > ends:
                pytest.fail(f"{command[0]} did not come up: {Path(log).read_text(errors='replace')[-2000:]}")
            try:
                urllib.request.urlopen(url, timeout=5)
                break
            except urllib.error.HTTPError:
                break
            except (urllib.error.URLError, OSError):
                time.sleep(0.5)
        yield process
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


SERVED = {}
"""The processes of `served`, by their addresses."""


@contextmanager
def served(*arguments, folder, token=None):
    """`fewclicks serve` on a free port, open to all if there is no `token` to be sent; its address."""
    port = free_port()
    command = [sys.executable, "-m", "fewclicks", "serve", *arguments, "--port", str(port), "--threads", "1"]
    environment = {**os.environ, "FEWCLICKS_TOKEN": token} if token else None
    command += [] if token else ["--no-token"]
    address = f"http://127.0.0.1:{port}"
    with running(command, f"{address}/health", folder / "serve.log", 60, env=environment) as SERVED[address]:
        yield address
