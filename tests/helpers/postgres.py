"""A PostgreSQL server for tests: a cluster of its own in a temporary folder, stopped and removed at the end."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

PASSWORD = "open sesame"


def program(name: str) -> str:
    """Where a program of the server lies; the test is skipped where there is none."""
    places = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[-3]))
    found = str(places[-1]) if places else shutil.which(name)
    if found is None:
        pytest.skip("no PostgreSQL server is installed; on Debian and Ubuntu: apt install postgresql")
    return found


@contextmanager
def server() -> Iterator[str]:
    """The URL of an empty database on a running server."""
    initdb, control = program("initdb"), program("pg_ctl")
    folder = Path(tempfile.mkdtemp(prefix="fewclicks-postgres-"))
    who = _unprivileged()
    if who:
        os.chown(folder, pwd.getpwnam(who).pw_uid, pwd.getpwnam(who).pw_gid)
    secret = folder / "password"
    secret.write_text(PASSWORD)
    secret.chmod(0o644)

    def run(*command: str) -> None:
        with open(folder / "log", "ab") as log:
            as_user = {"user": who, "group": pwd.getpwnam(who).pw_gid, "extra_groups": []} if who else {}
            subprocess.run(command, cwd=folder, stdout=log, stderr=log, stdin=subprocess.DEVNULL, check=True, **as_user)

    data = str(folder / "data")
    try:
        run(initdb, "-D", data, "-U", "tester", "-A", "scram-sha-256", f"--pwfile={secret}", "-E", "UTF8", "--no-sync")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        options = f"-p {port} -h 127.0.0.1 -k {folder} -c fsync=off"
        run(control, "-D", data, "-w", "-t", "120", "-l", str(folder / "server-log"), "-o", options, "start")
        try:
            yield f"postgresql://tester:{PASSWORD.replace(' ', '%20')}@127.0.0.1:{port}/postgres"
        finally:
            run(control, "-D", data, "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _unprivileged() -> str | None:
    """Who is to run the server, which refuses to be run by root; None: who runs the tests."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name).pw_name
        except KeyError:
            continue
    pytest.skip("the PostgreSQL server refuses to be run by root, and there is no other user")
