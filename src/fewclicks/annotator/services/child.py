"""What the children have in common that read the files of others: questions on stdin, answers on stdout, limits."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fewclicks.child_process import end_with_parent, limit
from fewclicks.errors import FewClicksError

Answer: TypeAlias = Callable[[dict[str, Any], bytes, list[str]], NDArray[Any]]
"""Gives the array for a question and the bytes behind it; what had to be ignored is appended to the list."""


def answer_questions(answer: Answer, cpu_s: float) -> None:
    """Until stdin ends. A question takes at most so many seconds of computing, and then the process dies."""
    questions, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)  # what a library prints must not get between the answers
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which then ends this one
    end_with_parent()
    while line := questions.readline():
        question = json.loads(line)
        payload = questions.read(question["bytes"])
        limit("CPU", cpu_s + sum(os.times()[:2]))
        try:
            notes: list[str] = []
            array = np.ascontiguousarray(answer(question, payload, notes))
        except Exception as error:
            answers.write(json.dumps({"error": _words(error)}).encode() + b"\n")
        else:
            head = {"shape": array.shape, "dtype": str(array.dtype), "notes": notes}
            answers.write(json.dumps(head).encode() + b"\n")
            answers.write(array.data)
            del array
        answers.flush()


def as_array(value: Any) -> NDArray[np.uint8]:
    """A value as JSON, as bytes."""
    return np.frombuffer(json.dumps(value).encode(), np.uint8)


def _words(error: Exception) -> str:
    if isinstance(error, FewClicksError):
        return str(error).replace("the image", "the file", 1).replace(", or allow more by max_pixels", "")
    if isinstance(error, OSError):
        return f"the file cannot be read ({error.strerror or error}); check that it is there, and its permissions"
    if isinstance(error, MemoryError):
        return "the file needs too much memory; make it smaller"
    return f"the file is damaged in a way that was not foreseen ({error!r:.200}); save or export it again"
