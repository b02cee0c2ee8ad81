"""What an image costs in training the compact network: forward and backward at several crops, float32 and bfloat16.

    python benchmarks/train_speed.py [--json results/train_speed.json]

Batch 16, channels last, two threads, best of three; data loading is not in it.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import torch

from fewclicks.nets.segmenter import build

BATCH = 16


def milliseconds(crop_px: int, bf16: bool) -> float:
    """Forward and backward of one image."""
    net = build("compact").to(memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    image = torch.rand(BATCH, 3, crop_px, crop_px).to(memory_format=torch.channels_last)
    clicks = torch.rand(BATCH, 6, 3) * crop_px
    clicks[..., 2] = 1
    prev = torch.rand(BATCH, 1, crop_px, crop_px)
    times = []
    for _ in range(4):
        began = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            logits = net(image, clicks, prev)
        logits.abs().mean().backward()
        times.append(time.perf_counter() - began)
    return round(1000 * min(times[1:]) / BATCH, 1)


def main() -> None:
    """Measure, print, and write if asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(2)
    figures = {
        name: {str(crop): milliseconds(crop, bf16) for crop in (192, 256)}
        for name, bf16 in (("float32", False), ("bfloat16", True))
    }
    print(json.dumps(figures, indent=1))
    if arguments.json:
        arguments.json.write_text(json.dumps({"ms_per_image": figures}, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
