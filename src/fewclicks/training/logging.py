"""What a run shows of itself: metrics.jsonl, loggers, a progress bar, pictures, and events for callbacks.

The loggers are Lightning Fabric's, or behind its interface: TensorBoard, CSV, and Weights & Biases (W&B).
"""

from __future__ import annotations

import json
import math
import shutil
from argparse import Namespace
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from lightning_fabric.loggers.csv_logs import CSVLogger
from lightning_fabric.loggers.logger import Logger
from lightning_fabric.loggers.tensorboard import TensorBoardLogger
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from torch import nn

from fewclicks import visualization
from fewclicks.errors import InputError, MissingExtra, counted
from fewclicks.files.replace import write_text
from fewclicks.training.callbacks import Callback, Event
from fewclicks.training.objectives import Batch, Term
from fewclicks.training.recipe import Recipe
from fewclicks.training.resume import keep_recipe
from fewclicks.training.step_pictures import picture_grid
from fewclicks.types import Image

COLUMNS = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
           TimeRemainingColumn(), TextColumn("{task.fields[note]}"))  # fmt: skip
LOGGERS = {"tensorboard": "tensorboard", "csv": "", "wandb": "wandb"}
"""Logger -> the package that it needs."""


class Watch:
    """The record of a run in the folder `out`, and a bar on stderr, of steps or of `seconds`.

    Only the first process keeps one.
    """

    def __init__(
        self,
        recipe: Recipe,
        out: Path,
        step: int,
        seconds: float | None = None,
        loggers: tuple[str, ...] | None = None,
        callbacks: list[Callback] | None = None,
        net: nn.Module | None = None,
    ) -> None:
        self.recipe, self.out, self.step, self.seconds = recipe, out, step, seconds
        self.callbacks, self.net = callbacks or [], net or nn.Identity()
        self.file = _continued(out / "metrics.jsonl", step)
        self.validations = _continued(out / "validation.jsonl", step)
        self.loggers = [_logger(name, recipe, out, step) for name in chosen(loggers)]
        self.bar = Progress(*COLUMNS, console=Console(stderr=True))
        self.task = self.bar.add_task(
            recipe.name, total=seconds or recipe.steps, completed=0 if seconds else step, note=""
        )

    def __enter__(self) -> Watch:
        self.bar.start()
        self.tell("start")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.bar.stop()
        self.file.close()
        self.validations.close()
        for logger in self.loggers:
            logger.finalize("failed" if error else "success")
        if not error:
            self.tell("end")

    def record(self, step: int, values: Mapping[str, float]) -> None:
        """Note the values of a step; what is no number becomes null."""
        self.step = step
        keep_recipe(self.recipe, self.out)
        self.file.write(json.dumps({"step": step, **_rounded(values)}) + "\n")
        for logger in self.loggers:
            logger.log_metrics(dict(values), step)
        done, unit = (int(values["elapsed"]), f"s, step {step}, ") if self.seconds else (step, "")
        self.bar.update(self.task, completed=done, note=f"{unit}loss {values['loss']:.3f} IoU {values['iou']:.2f}")
        self.tell("step", values=values)

    def validated(self, step: int, figures: Mapping[str, Any], best: bool) -> None:
        """Note what a validation found: a line of validation.jsonl, and curves of the loggers."""
        self.validations.write(json.dumps({"step": step, "best": best, **figures}) + "\n")
        curve = figures["iou_at_click"]
        values = {f"validation/{name}": float(figures[name]) for name in ("noc_90", "noc_95", "failures_90")}
        values |= {f"validation/iou_{k}": float(curve[k - 1]) for k in (1, 3, 5, 10) if k <= len(curve)}
        for logger in self.loggers:
            logger.log_metrics(values, step)
        self.bar.console.print(
            f"step {step}: {figures['noc_90']:.2f} clicks to IoU 0.90 on {counted(figures['objects'], 'object')}, "
            f"IoU {curve[0]:.3f} after one{', the best so far' if best else ''}"
        )
        self.tell("validation", values=values)

    def picture(self, step: int, batch: Batch, term: Term) -> None:
        """Write the picture of a step, and show it to the loggers that take pictures."""
        picture = picture_grid(batch, term)
        path = self.out / "pictures" / f"{step:07d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        visualization.save(picture, path)
        for logger in self.loggers:
            if isinstance(logger, TensorBoardLogger):
                logger.experiment.add_image("samples", np.ascontiguousarray(picture), step, dataformats="HWC")
            elif isinstance(logger, WandbLogger):
                logger.log_picture("samples", picture, step)

    def tell(self, name: str, folder: Path | None = None, values: Mapping[str, float] | None = None) -> None:
        """Have the callbacks know of an event."""
        for callback in self.callbacks:
            callback(Event(name, self.step, self.recipe, folder or self.out, self.net, values or {}))


class WandbLogger(Logger):
    """Weights & Biases behind Fabric's interface. WANDB_MODE=offline keeps a run in out/wandb, for `wandb sync`."""

    def __init__(self, recipe: Recipe, out: Path, step: int) -> None:
        import wandb

        note = out / "wandb" / "id.txt"
        known = note.read_text("utf-8").strip() if step and note.is_file() else None
        self.run = wandb.init(
            project="fewclicks", name=recipe.name, dir=str(out), id=known, resume="allow" if known else None,
            config=json.loads(recipe.to_json()), settings=wandb.Settings(silent=True, console="off"),
        )  # fmt: skip
        write_text(note, self.run.id)

    @property
    def name(self) -> str:
        """The name of the run."""
        return str(self.run.name)

    @property
    def version(self) -> str:
        """Its id at W&B."""
        return str(self.run.id)

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        """Log the values of a step."""
        self.run.log(metrics, step=step)

    def log_hyperparams(self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any) -> None:
        """Log further parameters; those of the recipe are logged at the start."""
        values = vars(params) if isinstance(params, Namespace) else params
        self.run.config.update(values)  # type: ignore[no-untyped-call]

    def log_picture(self, name: str, picture: Image, step: int) -> None:
        """Log a picture, HxWx3 uint8."""
        import wandb

        self.run.log({name: wandb.Image(picture)}, step=step)

    def finalize(self, status: str) -> None:
        """End the run at W&B; what was logged is on the disk then."""
        import wandb

        self.run.finish(exit_code=0 if status == "success" else 1)
        wandb.teardown()


def chosen(names: tuple[str, ...] | None) -> tuple[str, ...]:
    """The loggers of a run; None: TensorBoard where it is installed. InputError for an unknown one, MissingExtra."""
    if names is None:
        return ("tensorboard",) if find_spec("tensorboard") else ()
    for name in names:
        if name not in LOGGERS:
            raise InputError(f"no logger named '{name}'; there are: {', '.join(LOGGERS)}, or none")
        if LOGGERS[name] and not find_spec(LOGGERS[name]):
            raise MissingExtra(f"--log {name} needs {name}; run: pip install 'fewclicks[{name}]'")
    return names


def _logger(name: str, recipe: Recipe, out: Path, step: int) -> Logger:
    if name == "wandb":
        return WandbLogger(recipe, out, step)
    if name == "csv":  # it begins a file anew: each leg of a run has its own
        shutil.rmtree(out / "csv" / f"from_{step:07d}", ignore_errors=True)
        return CSVLogger(out, name="csv", version=f"from_{step:07d}")
    return TensorBoardLogger(out, name="tensorboard", version="")


def _continued(path: Path, step: int) -> Any:
    """A file of JSON lines, open to be written on, without what lies beyond a step."""
    kept = [line for line in path.read_text().splitlines() if _step_of(line) <= step] if path.exists() else []
    if kept or path.exists():
        write_text(path, "".join(line + "\n" for line in kept))
    return open(path, "a", buffering=1)


def _rounded(values: Mapping[str, float]) -> dict[str, float | None]:
    return {k: float(f"{v:.6g}") if math.isfinite(v) else None for k, v in values.items()}


def _step_of(line: str) -> int:
    """The step of a metrics line; beyond every step if the line was cut off."""
    try:
        return int(json.loads(line)["step"])
    except (ValueError, KeyError):
        return 1 << 60
