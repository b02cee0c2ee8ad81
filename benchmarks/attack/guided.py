"""The child of `inputs.py` in which libFuzzer (atheris) makes the inputs, led by the coverage of fewclicks' own code.

python -m attack.guided guided TARGET SEED RUNS, in an empty folder
"""

from __future__ import annotations

import contextlib
import json
import re
import sys
import warnings
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["fewclicks"]):
    from attack.inputs import KEPT, TARGETS, tried


def main(name: str, seed: int, runs: int) -> None:
    """Make and read so many inputs; faults are said on stdout, each kind once, and do not end it."""
    warnings.simplefilter("ignore")
    place, said = Path.cwd(), set[str]()
    with atheris.instrument_imports(include=["fewclicks"]):
        seeds = list(TARGETS[name].seeds())
        for data in seeds:
            with contextlib.suppress(Exception):
                TARGETS[name].read(data, place)  # imports what it needs
    corpus = place / "corpus"
    corpus.mkdir(exist_ok=True)
    for number, data in enumerate(seeds):
        (corpus / f"seed{number}").write_bytes(data)

    def one(data: bytes) -> None:
        found = tried(name, data, place)
        if found is None:
            return
        kind = re.sub("[0-9]+", "", " ".join(found))[:60]
        if kind not in said:
            said.add(kind)
            kept = KEPT / f"{re.sub('[^a-z0-9]+', '-', name)}-{seed}-{len(said)}"
            kept.write_bytes(data)
            print(json.dumps([kept.name, *found]), flush=True)

    options = [
        f"-runs={runs}",
        f"-seed={seed % 2**31}",
        "-timeout=10",
        "-rss_limit_mb=3000",
        "-print_final_stats=1",
        "-max_len=65536",
        "-len_control=0",
        f"-artifact_prefix={KEPT}/",
    ]
    atheris.Setup([sys.argv[0], *options, str(corpus)], one)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
