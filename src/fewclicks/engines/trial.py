"""Load an .onnx file and run it once, within bounds of memory and time: `python -m fewclicks.engines.trial FILE`.

A small file can ask for any amount of either, when it is loaded already: ONNX Runtime computes what is constant in it.
So a file that does not come with fewclicks is tried in a process that may die, before this one loads it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from fewclicks.errors import CheckpointError

ROOM_BYTES, FACTOR = 2**30, 8
"""What loading and one run on 64x64 pixels may take: this, and so many times the size of the folder's weights."""

TOO_MUCH = 70
"""The exit code of a file that asks for more memory."""

TIMEOUT_S, BYTES_PER_S = 60.0, 20 * 2**20
"""And how long: this, and a second for so many bytes."""


def require_bounded(file: Path) -> None:
    """CheckpointError unless the file can be loaded and run within the bounds."""
    size = _size(file)
    seconds = TIMEOUT_S + size / BYTES_PER_S
    command = [sys.executable, "-P", "-m", "fewclicks.engines.trial", os.fspath(file.resolve())]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        raise CheckpointError(f"{file} takes more than {seconds:.0f} s to load; do not use it") from None
    if done.returncode < 0 or done.returncode == TOO_MUCH:
        raise CheckpointError(
            f"{file} needs more than {(ROOM_BYTES + FACTOR * size) >> 20:,} MiB to load, {FACTOR} times its size and "
            "some room; do not use it"
        )


def _size(file: Path) -> int:
    """The bytes of a model, with the files of weights that may lie beside it."""
    size = file.stat().st_size
    for beside in (file.with_name(f"{file.name}.data"), file.with_name(f"{file.name}_data")):
        size += beside.stat().st_size if beside.is_file() else 0
    return size


def main(path: str) -> int:
    """The exit code: 0 also for a file that is wrong in another way, which is told where it is loaded again."""
    import numpy as np
    import onnxruntime as ort

    from fewclicks.engines.network import PAD

    _limit(ROOM_BYTES + FACTOR * _size(Path(path)))
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    sides = {"image": (1, 3, 64, 64), "clicks": PAD[None].shape, "prev": (1, 1, 64, 64)}
    try:
        session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        feed = {name: np.zeros(shape, np.float32) for name, shape in sides.items()}
        session.run(None, {**feed, "clicks": PAD[None]})
    except MemoryError:
        return TOO_MUCH
    except Exception as error:  # onnxruntime has no common base class for its errors
        short = ("bad_alloc", "bad alloc", "Failed to allocate", "allocate memory", "AllocateRaw", "length_error")
        return TOO_MUCH if any(word in str(error) for word in short) else 0
    return 0


def _limit(more_bytes: int) -> None:
    """Let this process take so many bytes beyond those that it has, where that can be said."""
    with suppress(ImportError, OSError, ValueError):
        import resource

        pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
        most = pages * resource.getpagesize() + more_bytes
        resource.setrlimit(resource.RLIMIT_AS, (most, most))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
