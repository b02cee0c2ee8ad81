"""The servers that are attacked: `fewclicks annotate` as a user starts it, and PostgreSQL for it to write to.

`started` runs the command. `Nursery` runs the same command line in forks of a process that has the imports made, so
that a thousand restarts take minutes; each fork is the leader of a group of its own, as a command in a shell is.
"""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import PIL.Image

from attack.clients import GONE, TOKEN, Client

EXAMPLES = Path(__file__).parents[2] / "examples" / "images"
START_S = 60.0
"""A server that does not answer after so long has not come up."""


class NoServer(Exception):
    """It did not come up."""


def free_port() -> int:
    """A port of loopback that nobody listens at, and that the system gives to no connection that goes out."""
    while True:
        port = random.randrange(20_000, 32_000)
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port


def command(folder: Path, port: int, *options: str, method: str = "grow") -> list[str]:
    """The arguments of a server."""
    return ["annotate", str(folder), "--no-browser", "--port", str(port), "--method", method, *options]


def environment(**more: str) -> dict[str, str]:
    """What servers are started with."""
    return {**os.environ, "FEWCLICKS_TOKEN": TOKEN, "PYTHONUNBUFFERED": "1", "PYTHONFAULTHANDLER": "1", **more}


def make_photos(folder: Path, names: Sequence[str], width: int, height: int) -> None:
    """Photos of a size, cut from an example."""
    folder.mkdir(parents=True, exist_ok=True)
    with PIL.Image.open(EXAMPLES / "astronaut.png") as example:
        small = example.convert("RGB").resize((width, height), PIL.Image.Resampling.BICUBIC)
    for number, name in enumerate(names):
        PIL.Image.fromarray(np.roll(np.asarray(small), 17 * number, axis=1)).save(folder / name)


def wait_for(port: int, alive: Mapping[str, int] | None = None, seconds: float = START_S) -> None:
    """Return when a server answers; NoServer if it does not, or the process `alive["pid"]` has ended."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if alive and not is_alive(alive["pid"]):
            break
        try:
            client = Client(port, timeout_s=max(1, end - time.monotonic()))
            client.raw("GET", "/healthz")
            client.close()
            return
        except GONE:
            time.sleep(0.01)
    raise NoServer(f"nothing answers at port {port}")


def is_alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


class Started:
    """A server that runs as a process of its own."""

    def __init__(
        self,
        folder: Path,
        *options: str,
        method: str = "grow",
        variables: Mapping[str, str] | None = None,
        before: Sequence[str] = (),
    ) -> None:
        self.port = free_port()
        self.log = Path(tempfile.mkstemp(prefix="attack-", suffix=".log")[1])
        arguments = command(folder, self.port, *options, method=method)
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [*before, sys.executable, "-m", "fewclicks", *arguments],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                env=environment(**(variables or {})),
                start_new_session=True,
            )
        try:
            wait_for(self.port, {"pid": self.process.pid})
        except NoServer:
            said = self.said()
            self.end()
            raise NoServer(said or "it said nothing") from None

    def said(self) -> str:
        """What it printed."""
        return self.log.read_text("utf-8", "replace") if self.log.exists() else ""

    def end(self, how: signal.Signals = signal.SIGINT) -> int:
        """Stop it; its exit code."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.process.pid, how)
        try:
            code = self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        self.log.unlink(missing_ok=True)
        return code


@contextmanager
def started(folder: Path, *options: str, method: str = "grow") -> Iterator[Started]:
    """A server while the block runs."""
    serve = Started(folder, *options, method=method)
    try:
        yield serve
    finally:
        serve.end()


class Nursery:
    """Starts servers as forks of one process that has imported what they need."""

    def __init__(self) -> None:
        variables = environment(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "attack.servers"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=variables,
            cwd=Path(__file__).parents[1],
        )

    def start(self, arguments: Sequence[str], log: Path) -> int:
        """The process of a new server; it need not answer yet."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps([list(arguments), str(log)]) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def close(self) -> None:
        """End the process; servers that run go on."""
        assert self._process.stdin
        self._process.communicate()

    def __enter__(self) -> Nursery:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def kill(pid: int, group: bool = False) -> None:
    """kill -9 of a server, or of it and its children; returns when it is gone."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL) if group else os.kill(pid, signal.SIGKILL)
    end = time.monotonic() + 10
    while is_alive(pid) and time.monotonic() < end:
        time.sleep(0.002)


@contextmanager
def postgres() -> Iterator[str | None]:
    """The URL of an empty database on a PostgreSQL server of our own; None where none is installed."""
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    names = [entry.pw_name for entry in pwd.getpwall() if entry.pw_name in ("postgres", "nobody")]
    if not places or (os.geteuid() == 0 and not names):
        yield None
        return
    folder = Path(tempfile.mkdtemp(prefix="attack-postgres-"))
    who = {"user": names[-1], "group": pwd.getpwnam(names[-1]).pw_gid, "extra_groups": []} if os.geteuid() == 0 else {}
    if who:
        os.chown(folder, pwd.getpwnam(names[-1]).pw_uid, pwd.getpwnam(names[-1]).pw_gid)
    data, port = folder / "data", free_port()

    def run(*arguments: str) -> None:
        with open(os.devnull, "wb") as nowhere:
            subprocess.run(
                arguments, cwd=folder, stdout=nowhere, stderr=nowhere, stdin=subprocess.DEVNULL, check=True, **who
            )  # type: ignore[call-overload]

    control = str(places[-1] / "pg_ctl")
    try:
        run(str(places[-1] / "initdb"), "-D", str(data), "-U", "attack", "-A", "trust", "-E", "UTF8", "--no-sync")
        listens = f"-p {port} -h 127.0.0.1 -k {folder} -c max_connections=400"
        run(control, "-D", str(data), "-w", "-t", "120", "-l", str(folder / "log"), "-o", listens, "start")
        try:
            yield f"postgresql://attack@127.0.0.1:{port}/postgres"
        finally:
            run(control, "-D", str(data), "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def nursery() -> None:
    """The process of `Nursery`: a line of JSON, [arguments, log], gives a server; its process id is printed."""
    import cv2

    from fewclicks.annotator.store import objects  # noqa: F401
    from fewclicks.cli import annotate as _command  # noqa: F401
    from fewclicks.cli import main
    from fewclicks.methods import grow  # noqa: F401

    with contextlib.suppress(ImportError):
        import pg8000.dbapi  # noqa: F401
    cv2.setNumThreads(1)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        arguments, log = json.loads(line)
        child = os.fork()
        if child == 0:
            os.setsid()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            for stream in (1, 2):
                os.dup2(file, stream)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            main(arguments)
        print(child, flush=True)


if __name__ == "__main__":
    nursery()
