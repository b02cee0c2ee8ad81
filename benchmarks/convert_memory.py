"""The memory that loading a large published checkpoint takes: SimpleClick ViT-B with random weights, 392 MB.

    python benchmarks/convert_memory.py [--json results/convert_memory.json]

Each way of loading runs in a fresh process; in the end every weight is read once, so that nothing is still to come
from the disk. Its figure is the highest resident memory above that before loading, pages of mapped files included.
Linux only.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from fewclicks.checkpoints import checkpoint
from fewclicks.checkpoints.convert import convert, read_published
from fewclicks.files.replace import write_json
from fewclicks.models.segmenter import Segmenter, build_segmenter
from fewclicks.models.vit import SIZES

CONFIG = {
    "class": "isegm.model.is_plainvit_model.PlainVitModel",
    "params": {"use_disks": {"type": "builtin", "value": True}, "norm_radius": {"type": "builtin", "value": 5}},
}


def plain_torch(path: str) -> Segmenter:
    """As usually done: everything in memory, then copied into a network with fresh weights."""
    state = torch.load(path, weights_only=False)["state_dict"]
    net = build_segmenter(
        "vit", next(name for name, size in SIZES.items() if size.dim == state["backbone.cls_token"].shape[-1])
    )
    net.load_state_dict(state)
    return net


def converted(path: str) -> Segmenter:
    """The conversion, and then the folder that it wrote."""
    return checkpoint.load(convert(path, f"{path}.converted"))


WAYS = {
    "read_published, zip form": (read_published, "zip.pth"),
    "read_published, form of torch < 1.6": (read_published, "legacy.pth"),
    "convert, then load the folder": (converted, "zip.pth"),
    "load a converted folder": (checkpoint.load, "zip.pth.converted"),
    "torch.load and load_state_dict, for comparison": (plain_torch, "zip.pth"),
}


def status(field: str) -> int:
    """A field of this process's memory in bytes: VmRSS now, VmHWM at most."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field))


def measure(way: str, folder: Path) -> dict[str, float]:
    """One way of loading, in this process."""
    load, name = WAYS[way]
    build_segmenter("vit", "xtiny")  # what the libraries allocate once
    Path("/proc/self/clear_refs").write_text("5")  # VmHWM starts anew
    before, began = status("VmRSS"), time.perf_counter()
    net = load(str(folder / name))
    for value in net.state_dict().values():
        value.sum()
    seconds = time.perf_counter() - began
    size = (folder / "zip.pth").stat().st_size
    extra = status("VmHWM") - before
    return {"extra_mb": round(extra / 1e6), "times_the_file": round(extra / size, 3), "seconds": round(seconds, 2)}


def make_files(folder: Path, size: str) -> int:
    """The checkpoint in both forms; its size in bytes."""
    torch.manual_seed(0)
    state = build_segmenter("vit", size).state_dict()
    for name, zipped in (("zip.pth", True), ("legacy.pth", False)):
        held = {"state_dict": state, "config": CONFIG}
        torch.save(held, folder / name, _use_new_zipfile_serialization=zipped)
    return (folder / "zip.pth").stat().st_size


def main() -> None:
    """Measure each way in a process of its own, print, and write if asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--size", default="base", help="Of the ViT: xtiny, base, large or huge.")
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(2)
    if arguments.way:
        print(json.dumps(measure(arguments.way, arguments.folder)))
        return
    with tempfile.TemporaryDirectory() as folder:
        report: dict[str, Any] = {"file_mb": round(make_files(Path(folder), arguments.size) / 1e6)}
        for way in WAYS:
            command = [sys.executable, __file__, "--way", way, "--folder", folder]
            report[way] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    print(json.dumps(report, indent=1))
    if arguments.json:
        write_json(arguments.json, report)


if __name__ == "__main__":
    main()
