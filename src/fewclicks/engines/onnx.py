"""Execution by ONNX Runtime: what runs the default model where torch is not installed."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fewclicks.engines.interruption import current
from fewclicks.engines.network import PAD, Floats
from fewclicks.engines.trial import require_bounded
from fewclicks.errors import CheckpointError

OURS = Path(__file__).resolve().parents[1] / "weights"
"""Files that come with fewclicks are not tried out first."""

INPUTS = ("image", "clicks", "prev")


@dataclass(frozen=True, slots=True)
class OnnxForward:
    """A Forward (see engines/network.py) on the CPU."""

    session: Any

    def __call__(self, image: Floats, clicks: Floats, prev: Floats) -> Floats:
        """image 1x3xHxW in [0, 1], clicks 1xNx3, prev 1x1xHxW -> logits 1x1xHxW."""
        feed = dict(zip(INPUTS, (image, clicks, prev), strict=True))
        interruption = current()
        if interruption is None:
            logits: Floats = self.session.run(None, feed)[0]
            return logits
        import onnxruntime as ort

        options = ort.RunOptions()
        options.log_severity_level = 4  # that it was stopped is no news
        with interruption.stopping(lambda: setattr(options, "terminate", True)):
            logits = self.session.run(None, feed, options)[0]
        return logits


def load(path: str | os.PathLike[str], threads: int | None = None) -> OnnxForward:
    """The network of an .onnx file with inputs image, clicks and prev; CheckpointError if it is not one.

    Weights in other files must lie in its folder. A file that does not come with fewclicks is tried out first, in a
    process with bounds (see `trial`), which takes about a second.

    `threads`: CPU threads, None for one per core.
    """
    import onnxruntime as ort

    file = Path(path)
    if not os.path.isfile(file):
        raise CheckpointError(f"no weight file {file}; pass an .onnx file that `fewclicks export-onnx` wrote")
    if file.resolve().parent != OURS:
        require_bounded(file)
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads or 0
    # Threads that spin while they wait gain nothing alone, and a click takes twice as long beside other work.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # One plan of memory for each size that a photo is shown in keeps 40 MB more, and saves a hundredth of the time.
    options.enable_mem_pattern = False
    options.log_severity_level = 3
    try:
        session = ort.InferenceSession(os.fspath(file), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime has no common base class for its errors
        reason = str(error).splitlines()[0]
        raise CheckpointError(f"{file} is no ONNX network ({reason}); copy the file again") from None
    names = tuple(i.name for i in session.get_inputs())
    if names != INPUTS:
        raise CheckpointError(f"{file} reads {', '.join(names)}; a click network reads {', '.join(INPUTS)}")
    forward = OnnxForward(session)
    forward(np.zeros((1, 3, 64, 64), np.float32), PAD[None], np.zeros((1, 1, 64, 64), np.float32))  # warm up
    return forward
