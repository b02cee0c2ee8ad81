"""What a run shows of itself: metrics.jsonl, TensorBoard, a progress bar and pictures."""

from __future__ import annotations

import json
import math
from pathlib import Path
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from fewclicks.files.replace import write_text
from fewclicks.training.objectives import Batch, Term
from fewclicks.training.recipe import Recipe
from fewclicks.training.step_pictures import picture_grid

COLUMNS = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
           TimeRemainingColumn(), TextColumn("{task.fields[note]}"))  # fmt: skip


class Watch:
    """The record of a run in the folder `out`, and a bar on stderr, of steps or of `seconds`.

    Only the first process keeps one.
    """

    def __init__(self, recipe: Recipe, out: Path, step: int, seconds: float | None = None) -> None:
        self.out, self.seconds = out, seconds
        write_text(out / "recipe.json", recipe.to_json())
        path = out / "metrics.jsonl"
        kept = [line for line in path.read_text().splitlines() if _step_of(line) <= step] if path.exists() else []
        write_text(path, "".join(line + "\n" for line in kept))
        self.file = open(path, "a", buffering=1)  # noqa: SIM115 - open for the whole run
        self.board = _board(out / "tensorboard")
        self.bar = Progress(*COLUMNS, console=Console(stderr=True))
        self.task = self.bar.add_task(
            recipe.name, total=seconds or recipe.steps, completed=0 if seconds else step, note=""
        )

    def __enter__(self) -> Watch:
        self.bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.bar.stop()
        self.file.close()
        if self.board:
            self.board.close()

    def record(self, step: int, values: dict[str, float]) -> None:
        """Note the values of a step; what is no number becomes null."""
        rounded = {k: float(f"{v:.6g}") if math.isfinite(v) else None for k, v in values.items()}
        self.file.write(json.dumps({"step": step, **rounded}) + "\n")
        if self.board:
            for key, value in values.items():
                self.board.add_scalar(key, value, step)
        done, unit = (int(values["elapsed"]), "s, ") if self.seconds else (step, "")
        self.bar.update(self.task, completed=done, note=f"{unit}loss {values['loss']:.3f} IoU {values['iou']:.2f}")

    def picture(self, step: int, batch: Batch, term: Term) -> None:
        """Write the picture of a step."""
        picture_grid(batch, term, self.out / "pictures" / f"{step:07d}.png")


def _board(folder: Path) -> Any:
    """TensorBoard's writer, or None where it is not installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder))


def _step_of(line: str) -> int:
    """The step of a metrics line; beyond every step if the line was cut off."""
    try:
        return int(json.loads(line)["step"])
    except (ValueError, KeyError):
        return 1 << 60
