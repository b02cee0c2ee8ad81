"""What a sample costs in training the compact network: forward and backward, and a forward alone, one thread, batch 8.

    python benchmarks/train_speed.py [--json results/train_speed.json]

Channels last; the best of several turns, and the cases take turns, so that a slow minute hits them all; no data loading
in it. The cases: float32; bfloat16 with depthwise convolutions in float32, as the first default was trained; bfloat16
as it is now; and that with memory in huge pages (GLIBC_TUNABLES below), which is how the second default was trained.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import torch
from torch import Tensor, nn

from fewclicks.files.replace import write_json
from fewclicks.models import compact
from fewclicks.models.segmenter import build_segmenter

BATCH = 8
CROPS = (192, 256, 352)
CASES = ("float32", "bfloat16, first default", "bfloat16", "bfloat16, huge pages")
HUGE_PAGES = (
    "glibc.malloc.hugetlb=1:glibc.malloc.mmap_max=0:glibc.malloc.trim_threshold=100000000000:"
    "glibc.malloc.top_pad=268435456"
)


def earlier_forward(self: compact.SameConv, x: Tensor) -> Tensor:
    """`SameConv.forward` as it was: depthwise forward and backward both in float32."""
    if self.same:
        x = nn.functional.pad(x, self.same)
    if self.groups == 1:
        return nn.Conv2d.forward(self, x)
    with torch.autocast("cpu", enabled=False):
        return nn.Conv2d.forward(self, x.float())


def measure(case: str, crop_px: int) -> tuple[float, float]:
    """Milliseconds an image of forward and backward, and of a forward without gradient."""
    torch.set_num_threads(1)
    if case.endswith("first default"):
        compact.SameConv.forward = earlier_forward  # type: ignore[method-assign]
    net = build_segmenter("compact").to(memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    image = torch.rand(BATCH, 3, crop_px, crop_px).to(memory_format=torch.channels_last)
    clicks = torch.rand(BATCH, 6, 3) * crop_px
    clicks[..., 2] = 1
    prev = torch.rand(BATCH, 1, crop_px, crop_px)
    both, alone = [], []
    for _ in range(5):
        with torch.autocast("cpu", torch.bfloat16, enabled=case != "float32"):
            began = time.perf_counter()
            logits = net(image, clicks, prev)
            logits.abs().mean().backward()
            both.append(time.perf_counter() - began)
            began = time.perf_counter()
            with torch.no_grad():
                net(image, clicks, prev)
            alone.append(time.perf_counter() - began)
    return 1000 * min(both[1:]) / BATCH, 1000 * min(alone[1:]) / BATCH


def in_process(case: str, crop_px: int) -> tuple[float, float]:
    """The same in a process of its own, since the case changes code and memory."""
    environment = {**os.environ, "GLIBC_TUNABLES": HUGE_PAGES} if case.endswith("huge pages") else dict(os.environ)
    command = [sys.executable, __file__, "--case", case, "--crop", str(crop_px)]
    found = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    return tuple(json.loads(found))


def figures(turns: int) -> dict[str, dict[str, dict[str, float]]]:
    """Case -> crop -> milliseconds, and samples a second of the last-click objective with one to three predictions."""
    found: dict[tuple[str, int], list[tuple[float, float]]] = {}
    for _ in range(turns):
        for crop_px in CROPS:
            for case in CASES:
                found.setdefault((case, crop_px), []).append(in_process(case, crop_px))
    table: dict[str, dict[str, dict[str, float]]] = {case: {} for case in CASES}
    for (case, crop_px), times in found.items():
        both, alone = (min(column) for column in zip(*times, strict=True))
        table[case][str(crop_px)] = {
            "forward_backward_ms": round(both, 1),
            "forward_ms": round(alone, 1),
            "samples_per_second": round(1000 / (both + alone), 1),  # one simulated click on average
        }
    return table


def main() -> None:
    """Measure, print, and write if asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--case", choices=CASES, help=argparse.SUPPRESS)
    parser.add_argument("--crop", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.case:
        print(json.dumps(measure(arguments.case, arguments.crop)))
        return
    table = {"batch": BATCH, "threads": 1, "cases": figures(arguments.turns)}
    print(json.dumps(table, indent=1))
    if arguments.json:
        write_json(arguments.json, table)


if __name__ == "__main__":
    main()
