"""What a process does first that another one of ours started: end with its parent, and keep within limits.

A parent that is killed by SIGKILL cannot end its children. On Linux the kernel does; elsewhere the child looks every
second whether it still has that parent (Windows tells no child of it: there those that read a pipe end with the pipe).
"""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

PARENT = "FEWCLICKS_PARENT"
"""The variable that tells a child the process id of its parent."""
_PR_SET_PDEATHSIG = 1
LOOK_S = 1.0

_starter = ThreadPoolExecutor(1, "fewclicks-starter")
"""Starts all children: to the kernel the parent is the thread that started one, and this one lives as long as we do."""


def _begin_anew() -> None:
    """A fork of this process has none of its threads."""
    global _starter
    _starter = ThreadPoolExecutor(1, "fewclicks-starter")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_anew)


def start_module(
    module: str, *arguments: str, environment: Mapping[str, str] | None = None, **more: Any
) -> subprocess.Popen[Any]:
    """Start `python -m MODULE ARGUMENTS`, which is to call `end_with_parent`. `more` is for `subprocess.Popen`.

    -P: modules are not looked for in the folder that one stands in, which holds other people's files.
    """
    command = [sys.executable, "-P", "-m", module, *arguments]
    own = {**(os.environ if environment is None else environment), PARENT: str(os.getpid())}
    return _starter.submit(lambda: subprocess.Popen(command, env=own, **more)).result()


def end_with_parent() -> None:
    """Have this process killed when the one ends that started it, as told by `start_module` or multiprocessing."""
    around = multiprocessing.parent_process()
    told = os.environ.pop(PARENT, None)
    parent = around.pid if around is not None else int(told) if told and told.isdecimal() else None
    if parent is None or os.name == "nt":
        return
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    else:
        threading.Thread(target=_look, args=(parent,), daemon=True).start()
    if os.getppid() != parent:  # it ended before this was asked for
        os._exit(1)


def _look(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(LOOK_S)
    os._exit(1)


def limit(what: str, amount: float) -> None:
    """Limit a resource of this process, as "AS" (bytes of address space) or "CPU" (seconds), where the system can.

    On Windows nothing is limited: there the parent's clock remains. macOS does not keep to "AS".
    """
    try:
        import resource
    except ImportError:
        return
    kind = getattr(resource, f"RLIMIT_{what}")
    _, most = resource.getrlimit(kind)
    soft = int(amount) if most == resource.RLIM_INFINITY else min(int(amount), most)
    with suppress(ValueError, OSError):
        resource.setrlimit(kind, (soft, most))


def address_space() -> int:
    """Bytes of address space that this process has by now; 0 where the system does not tell."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return 0
