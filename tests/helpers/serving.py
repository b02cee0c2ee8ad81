"""`fewclicks annotate` as a process, for tests that talk to it by HTTP."""

import contextlib
import os
import re
import signal
import subprocess
import sys

import httpx2

from annotating import Api

PATIENCE_S = 120
"""How long a process may take to start on a busy machine."""


class Running:
    """A server process, and a client of it."""

    def __init__(self, root, *arguments, browser=False, **environment):
        command = ["annotate", str(root), "--method", "grow", *arguments, *([] if browser else ["--no-browser"])]
        if not {"--host", "--host-name", "--tokens"}.intersection(arguments):
            command.append("--no-token")  # the machine of the tests may have several users
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "fewclicks", *command],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **environment},
        )
        self.said, self.address = "", ""
        while not self.address:
            line = self.process.stdout.readline()
            assert line, self.process.communicate()[1]
            self.said += line
            found = re.search(r"http://\S+", line)
            self.address = found.group() if found else ""
        port = int(re.search(r":(\d+)/", self.address).group(1))
        self.client = httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE_S)
        self.api = Api(self.client)

    def end(self, how=signal.SIGINT):
        """Exit code and stderr."""
        self.client.close()
        self.process.send_signal(how)
        _, err = self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode, err


@contextlib.contextmanager
def running(*arguments, **more):
    served = Running(*arguments, **more)
    try:
        yield served
    finally:
        if served.process.poll() is None:
            served.end(signal.SIGKILL)
