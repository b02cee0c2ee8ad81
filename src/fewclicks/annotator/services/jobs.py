"""Exports and imports run as commands in processes of their own: the clicks of others go on meanwhile, a hostile file
takes down only its own process, and what it needed is free again afterwards."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fewclicks.annotator.services.worker import Busy
from fewclicks.child_process import start_module
from fewclicks.errors import FewClicksError, InputError
from fewclicks.files.scratch import scratch_folder

AT_ONCE = 2
TIMEOUT_S = 3600.0
DATABASE_VARIABLE = "FEWCLICKS_DATABASE"
"""How the commands are told the database: its URL may hold a password, which others could read in the arguments."""


class JobRunner:
    """Runs `fewclicks export` and `fewclicks import` for one folder. Threads may share it."""

    def __init__(self, folder: str, database: str | None) -> None:
        self._folder = folder
        self._environment = {**os.environ, **({DATABASE_VARIABLE: database} if database else {})}
        self._running: set[subprocess.Popen[str]] = set()
        self._lock = threading.Lock()
        self._under_way = 0
        self._closed = False

    def run(self, command: str, *arguments: str, hide: Sequence[Path] = ()) -> dict[str, Any]:
        """What the command says with --json; InputError in its words, without the names of the folders to `hide`.

        Busy if two are under way already.
        """
        with self._lock:
            if self._under_way >= AT_ONCE or self._closed:
                raise Busy("other exports or imports are under way; try again when they are done")
            self._under_way += 1
        try:
            return self._answer(*self._wait([command, self._folder, *arguments, "--json"]), hide)
        finally:
            with self._lock:
                self._under_way -= 1

    def close(self) -> None:
        """End what is under way."""
        with self._lock:
            self._closed = True
            for child in self._running:
                child.kill()

    def _wait(self, arguments: list[str]) -> tuple[int, str, str]:
        """Exit code, stdout and stderr of a command."""
        with (
            scratch_folder() as folder,  # for what the command leaves behind if it is killed
            start_module(
                "fewclicks",
                *arguments,
                environment={**self._environment, **dict.fromkeys(("TMPDIR", "TEMP", "TMP"), os.fspath(folder))},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                encoding="utf-8",
            ) as child,
        ):
            with self._lock:
                self._running.add(child)
                if self._closed:
                    child.kill()
            try:
                out, err = child.communicate(timeout=TIMEOUT_S)
            except subprocess.TimeoutExpired:
                child.kill()
                raise InputError("it takes more than an hour; do it by the command line instead") from None
            finally:
                with self._lock:
                    self._running.discard(child)
        return child.returncode, out, err

    def _answer(self, code: int, out: str, err: str, hide: Sequence[Path]) -> dict[str, Any]:
        if code == 0:
            answer: dict[str, Any] = json.loads(out)
            return {**answer, "notes": [hidden(note, hide) for note in answer["notes"]]}
        if code == 2 and err.startswith("fewclicks: "):
            raise InputError(hidden(err.strip().splitlines()[-1].removeprefix("fewclicks: "), hide))
        if self._closed:
            raise Busy("the annotator is stopping; start it again")
        raise FewClicksError(f"it ended with the code {code}; {err.strip().splitlines()[-1:] or 'it said nothing'}")


def hidden(text: str, places: Sequence[Path]) -> str:
    """The text without the names of temporary folders."""
    for place in places:
        text = text.replace(f"{place}{os.sep}", "").replace(str(place), "the upload")
    return text
