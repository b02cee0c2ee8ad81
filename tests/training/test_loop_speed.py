"""What `benchmarks/speed.py train` reports, and the memory that training keeps."""

import json
import subprocess
import sys

import pytest

from scripts import ROOT

KEPT = """
import resource, sys
from fewclicks.training.memory import keep_memory
if sys.argv[1] == "kept":
    assert keep_memory()
import numpy as np
for _ in range(3):
    np.ones(1 << 25)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(3):
    np.ones(1 << 25)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc is Linux's")
def test_memory_that_is_kept_is_not_mapped_again():
    faults = {
        how: int(subprocess.run([sys.executable, "-c", KEPT, how], capture_output=True, text=True, check=True).stdout)
        for how in ("kept", "given_back")
    }
    assert faults["kept"] < faults["given_back"] / 10


@pytest.mark.slow
def test_the_benchmark_of_training_tells_samples_a_second_and_what_waits(tmp_path):
    changes = [
        "sets=toy",
        "set_weights=1",
        "whole_sets=",
        "crop_hw=64,64",
        "min_area_px=50",
        "batch=2",
        "random_length=false",
    ]
    command = [sys.executable, "benchmarks/speed.py", "train", "--steps", "2", "--json", str(tmp_path / "x.json")]
    subprocess.run([*command, *changes], cwd=ROOT, check=True, capture_output=True)
    found = json.loads((tmp_path / "x.json").read_text())
    for case in ("before", "now"):
        assert found[case]["samples_per_second"] > 0
        assert 0 < found[case]["share_for_clicks"] < 1
        assert 0 < found[case]["share_waiting_for_data"] < 1
    assert found["gain_in_samples_per_cpu_second"] > 0
