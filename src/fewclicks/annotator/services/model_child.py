"""The child of `ProcessForward`: runs a network on what comes on stdin until there is no more."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fewclicks.annotator.services.child import answer_questions
from fewclicks.annotator.services.model_process import network_of
from fewclicks.config import ResolvedPredictor
from fewclicks.engines.network import Forward
from fewclicks.errors import InputError

CPU_SECONDS = 600
"""For one forward; ends a child that lost its parent in the middle of one."""

_loaded: dict[str, Forward] = {}
"""The network, once it is loaded."""


def main() -> None:
    """Until stdin ends."""
    answer_questions(_answer, CPU_SECONDS)


def _answer(question: dict[str, Any], payload: bytes, notes: list[str]) -> NDArray[Any]:
    """The logits of a forward."""
    arrays, at = [], 0
    for shape in question["shapes"]:
        count = int(np.prod(shape))
        arrays.append(np.frombuffer(payload, np.float32, count, at).reshape(shape))
        at += 4 * count
    if not _loaded:
        resolved = ResolvedPredictor(method=question["method"], options=question["options"], trusted=True)
        network = network_of(resolved.build())
        if network is None:
            raise InputError(f"the method '{question['method']}' has no network")
        _loaded["network"] = network.forward
    return _loaded["network"](*arrays)


if __name__ == "__main__":
    main()
