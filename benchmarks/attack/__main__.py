"""make attack: the parts one after another, each for its share of the time, counted in results/reliability.json."""

from __future__ import annotations

import argparse
import importlib
import signal
import sys
import time
from pathlib import Path

from attack.record import Record, misses

PARTS = {"kills": 30, "inputs": 20, "requests": 15, "load": 6, "connections": 3, "replacing": 6, "disturbances": 4}
"""Each part, and its share of the time."""
QUICK_S = 25.0
"""How long a part may take for a short look, about."""
RESULTS = Path(__file__).resolve().parents[2] / "results" / "reliability.json"


def main() -> None:
    """Attack; the exit code is 1 if anything is not as wanted."""
    parser = argparse.ArgumentParser(prog="make attack", description=__doc__)
    parser.add_argument("--minutes", type=float, default=90, help="how long all parts together may take, about")
    parser.add_argument("--only", default="", help="parts, with commas: " + ", ".join(PARTS))
    parser.add_argument("--seed", type=int, default=None, help="of all that is random; the time if unset")
    parser.add_argument("--quick", action="store_true", help="a look at everything in under four minutes")
    parser.add_argument("--json", type=Path, default=RESULTS, help="where the counts are kept")
    asked = parser.parse_args()
    wanted = [name for name in asked.only.split(",") if name] or list(PARTS)
    if unknown := set(wanted) - set(PARTS):
        parser.error(f"there is no part '{min(unknown)}'; there are: {', '.join(PARTS)}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what was begun is ended
    record, left = Record(asked.json), 60 * asked.minutes
    seed = int(time.time()) if asked.seed is None else asked.seed
    failed = False
    for number, name in enumerate(wanted):
        share = PARTS[name] / sum(PARTS[other] for other in wanted[number:])
        began = time.monotonic()
        seconds = QUICK_S if asked.quick else share * left
        print(f"{name}: at most {seconds / 60:.1f} minutes, seed {seed}", flush=True)
        module = importlib.import_module(f"attack.{name}")
        entry = module.attack(record, seed, began + seconds, asked.quick)
        left -= time.monotonic() - began
        print(f"  {entry.counts}", flush=True)
        for miss in misses(entry.data):
            forgiven = asked.quick and not miss.endswith("wanted at most 0")  # too short to count, or to be timed
            print(f"  {'so far' if forgiven else 'NOT AS WANTED'}: {miss}", flush=True)
            failed |= not forgiven
    sys.exit(failed)


if __name__ == "__main__":
    main()
