"""Time and memory of a click, each method in a process of its own, on one photo of 480x854, two threads.

    python benchmarks/speed.py [--json results/speed.json]
    python benchmarks/speed.py train [--json FILE] [--help]        what a second of training is spent on, before and now

Run it on a machine that does nothing else. Times are medians over rounds of six clicks; `first` is the first click on a
photo, after a warm-up on another size, as a user meets it.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

from fewclicks.files.replace import write_json

CASES = {
    "default": {"threads": 2},
    "default, no CFR": {"threads": 2, "cfr": 0},
    "default-int8": {"threads": 2},
    "default-0.1, CFR-1": {"threads": 2, "cfr": 1},
    "grabcut": {},
    "grow": {},
}
CLICKS = (
    (0.5, 0.5, True),
    (0.4, 0.6, True),
    (0.1, 0.1, False),
    (0.6, 0.45, True),
    (0.5, 0.75, True),
    (0.9, 0.9, False),
)
ROUNDS = 7


def timed(name: str) -> dict[str, float]:
    """Milliseconds of the first and of a later click, and the peak memory, of one case in this process."""
    import cv2
    import numpy as np

    import fewclicks
    from fewclicks.images.reading import read_image

    cv2.setNumThreads(2)
    began = time.perf_counter()
    predictor = fewclicks.load(name.split(",")[0], **CASES[name])
    load_ms = 1000 * (time.perf_counter() - began)
    photo = read_image(Path(__file__).parents[1] / "examples" / "images" / "astronaut.png")
    photo = np.ascontiguousarray(cv2.resize(photo, (854, 480), interpolation=cv2.INTER_AREA))
    fewclicks.open(photo[:300, :300], predictor).click(150, 150)
    first, later = [], []
    for _ in range(ROUNDS):
        session = fewclicks.open(photo, predictor)
        for i, (x, y, positive) in enumerate(CLICKS):
            began = time.perf_counter()
            session.click(854 * x, 480 * y, positive)
            (later if i else first).append(1000 * (time.perf_counter() - began))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "load_ms": round(load_ms, 1),
        "very_first_click_ms": round(first[0], 1),
        "first_click_ms": round(median(first), 1),
        "later_click_ms": round(median(later), 1),
        "peak_memory_mb": round(peak),
    }


def main() -> None:
    """Run each case in a fresh process and print or write what it measured."""
    if sys.argv[1:2] == ["train"]:
        import loop_speed

        loop_speed.main(sys.argv[2:])
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--case")
    arguments = parser.parse_args()
    if arguments.case:
        print(json.dumps(timed(arguments.case)))
        return
    figures = {}
    for name in CASES:
        command = [sys.executable, __file__, "--case", name]
        figures[name] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        print(f"{name:16} {figures[name]}")
    if arguments.json:
        write_json(arguments.json, figures)


if __name__ == "__main__":
    main()
