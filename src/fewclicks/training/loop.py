"""The one training loop: data -> objective -> Adam -> checkpoint, the same for every recipe."""

from __future__ import annotations

import json
import logging
import math
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from torch import Tensor, nn
from torch.utils.data import DataLoader

from fewclicks import checkpoint
from fewclicks.errors import TrainingError
from fewclicks.images import replace_file
from fewclicks.nets.segmenter import Segmenter, build
from fewclicks.training import objectives, sets
from fewclicks.training.grid import picture_grid
from fewclicks.training.objectives import Batch, Objective, Term
from fewclicks.training.recipe import Recipe
from fewclicks.training.samples import Samples, collate

log = logging.getLogger(__name__)

STATE = "training.safetensors"


class Trainer:
    """A network, its optimiser and the step it is at."""

    def __init__(self, recipe: Recipe, device: torch.device) -> None:
        self.recipe, self.device, self.step = recipe, device, 0
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(recipe.seed)
            self.net = initialised(recipe)
        self.net.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.mean = {k: v.clone() for k, v in self.net.state_dict().items()}  # the running mean of the weights
        self.objective: Objective = objectives.build(recipe)
        backbone = {id(p) for p in self.net.backbone.parameters()}  # type: ignore[attr-defined]
        groups = [[p for p in self.net.parameters() if (id(p) in backbone) == inside] for inside in (True, False)]
        self.optimiser = torch.optim.Adam(
            [{"params": groups[0], "factor": recipe.backbone_lr}, {"params": groups[1], "factor": 1.0}],
            lr=recipe.lr, betas=recipe.betas, weight_decay=recipe.weight_decay,
        )  # fmt: skip

    def train_step(self, batch: Batch) -> tuple[dict[str, float], Term]:
        """One step of Adam on the sum of the objective's terms -> what to log, and the last term."""
        recipe, rng = self.recipe, np.random.default_rng([self.recipe.seed, 1, self.step])
        lr = recipe.lr * schedule(recipe, self.step)
        for group in self.optimiser.param_groups:
            group["lr"] = lr * group["factor"]
        self.net.train()
        self.optimiser.zero_grad(set_to_none=True)
        losses: list[float] = []
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.step + 1_000_003 * recipe.seed)  # dropout, if the network has any
            terms = self.objective(self.net, batch, rng)
            while True:
                with torch.autocast(self.device.type, torch.bfloat16, enabled=recipe.precision == "bf16"):
                    term = next(terms, None)
                if term is None:
                    break
                last = term
                losses.append(term.loss.item())
                if not math.isfinite(losses[-1]):
                    raise TrainingError(
                        f"the loss is {losses[-1]} at step {self.step}, batch of {'; '.join(batch.names)}; "
                        "lower lr, or look at these samples"
                    )
                if term.loss.requires_grad:
                    term.loss.backward()  # type: ignore[no-untyped-call]
        norm = nn.utils.clip_grad_norm_(self.net.parameters(), recipe.clip_norm or math.inf)
        self.optimiser.step()
        self.step += 1
        self.update_mean()
        iou = float(objectives.iou(last.prob, batch.truth).mean())
        return {"loss": sum(losses), "terms": len(losses), "iou": iou, "lr": lr, "gradient": float(norm)}, last

    @torch.no_grad()
    def update_mean(self) -> None:
        """Move the running mean of the weights; it follows faster in the first steps."""
        decay = min(self.recipe.ema, (1 + self.step) / (10 + self.step))
        for key, value in self.net.state_dict().items():
            if value.is_floating_point() and self.recipe.ema:
                self.mean[key].lerp_(value, 1 - decay)
            else:
                self.mean[key].copy_(value)

    def save(self, folder: Path) -> None:
        """Write model.safetensors (the running mean: what is deployed), config.json and the state for a resume."""
        state = {f"net.{k}": v for k, v in self.net.state_dict().items()}
        names: dict[Tensor, str] = {p: n for n, p in self.net.named_parameters()}
        for parameter, moments in self.optimiser.state.items():
            state |= {f"{key}.{names[parameter]}": value for key, value in moments.items()}
        config = {"network": network(self.recipe), "recipe": json.loads(self.recipe.to_json()), "step": self.step}
        checkpoint.save(folder, {checkpoint.WEIGHTS: self.mean, STATE: state}, config)

    def load(self, folder: Path) -> None:
        """Continue from a checkpoint of the same network."""
        config = checkpoint.read_config(folder)
        if config["network"] != network(self.recipe):
            raise TrainingError(
                f"{folder} holds the network {config['network']}, the recipe asks for "
                f"{network(self.recipe)}; pass another --out"
            )
        state = checkpoint.read_tensors(folder, STATE)
        checkpoint.fill(self.net, _under("net.", state), str(folder))
        self.mean = checkpoint.read_tensors(folder)
        for name, parameter in self.net.named_parameters():
            moments = {
                key: state[f"{key}.{name}"] for key in ("step", "exp_avg", "exp_avg_sq") if f"{key}.{name}" in state
            }
            if moments:
                self.optimiser.state[parameter] = moments
        self.step = int(config["step"])


def run(recipe: Recipe, out: Path, resume: bool = False, *, workers: int = 1, minutes: float = 5.0) -> Path:
    """Train a recipe into the folder `out` and return the last checkpoint's folder.

    Every `minutes`: a checkpoint in out/last and a picture grid in out/pictures. Each step: a line in
    out/metrics.jsonl. Ctrl-C (or a polite kill) finishes the step and saves; `resume` continues exactly.
    """
    last = out / "last"
    if last.exists() and not resume:
        raise TrainingError(f"{out} holds a run already; pass --resume to continue it, or another --out")
    if resume and not last.exists():
        raise TrainingError(f"nothing to resume: there is no checkpoint {last}; start without --resume")
    out.mkdir(parents=True, exist_ok=True)
    trainer = Trainer(recipe, torch.device("cuda" if torch.cuda.is_available() else "cpu"))
    if resume:
        trainer.load(last)
    write_text(out / "recipe.json", recipe.to_json())
    saved = time.monotonic()
    with stop_politely() as stopping, _progress() as bar, closing(Metrics(out, trainer.step)) as metrics:
        task = bar.add_task(recipe.name, total=recipe.steps, completed=trainer.step, note="")
        for batch in batches(recipe, trainer.step, workers):
            began = time.monotonic()
            values, term = trainer.train_step(batch)
            metrics.write(trainer.step, {**values, "seconds": time.monotonic() - began})
            bar.update(task, completed=trainer.step, note=f"loss {values['loss']:.3f} IoU {values['iou']:.2f}")
            due = time.monotonic() - saved > 60 * minutes
            if due or stopping.is_set() or trainer.step == recipe.steps:
                trainer.save(last)
                picture_grid(batch, term, out / "pictures" / f"{trainer.step:07d}.png")
                saved = time.monotonic()
            if stopping.is_set():
                log.warning("stopped at step %d of %d; --resume continues", trainer.step, recipe.steps)
                break
    return last


def batches(recipe: Recipe, first: int, workers: int) -> Iterator[Batch]:
    """The batches of steps `first`..recipe.steps-1."""
    samples = Samples(recipe, [sets.scenes(name) for name in recipe.sets])
    indices = range(first * recipe.batch, recipe.steps * recipe.batch)
    loader = DataLoader(
        samples, recipe.batch, sampler=indices, num_workers=workers, collate_fn=collate,
        worker_init_fn=_quiet_worker, prefetch_factor=4 if workers else None,
    )  # fmt: skip
    yield from loader


def schedule(recipe: Recipe, step: int) -> float:
    """Factor on lr: linear warm-up, constant, then a cosine from 1 to 0.01 over the last part."""
    warm = min(1.0, (step + 1) / recipe.warmup) if recipe.warmup else 1.0
    begin = recipe.decay_from * recipe.steps
    past = max(0.0, (step - begin) / max(recipe.steps - begin, 1))
    return warm * (0.505 + 0.495 * math.cos(math.pi * min(past, 1.0)))


def network(recipe: Recipe) -> dict[str, Any]:
    """What `nets.segmenter.build` needs: the part of a recipe that config.json repeats."""
    return {"backbone": recipe.backbone, "size": recipe.size, "radius_px": recipe.radius_px}


def initialised(recipe: Recipe) -> Segmenter:
    """The recipe's network with fresh, ImageNet or earlier weights."""
    net = build(**network(recipe))
    if recipe.init == "imagenet":
        from fewclicks.backbones import compact

        compact.load_imagenet(net.backbone)  # type: ignore[arg-type]
    elif recipe.init:
        checkpoint.fill(net, checkpoint.read_tensors(recipe.init), recipe.init)
    return net


class Metrics:
    """metrics.jsonl, one line a step, and TensorBoard where it is installed."""

    def __init__(self, out: Path, step: int) -> None:
        path = out / "metrics.jsonl"
        kept = [line for line in path.read_text().splitlines() if _step_of(line) <= step] if path.exists() else []
        write_text(path, "".join(line + "\n" for line in kept))
        self.file = open(path, "a", buffering=1)  # noqa: SIM115 - open for the whole run
        try:
            from torch.utils.tensorboard import SummaryWriter

            self.board: Any = SummaryWriter(str(out / "tensorboard"))
        except ImportError:
            self.board = None

    def write(self, step: int, values: dict[str, float]) -> None:
        """Record the values of a step."""
        rounded = {k: float(f"{v:.6g}") for k, v in values.items()}
        self.file.write(json.dumps({"step": step, **rounded}) + "\n")
        if self.board:
            for key, value in values.items():
                self.board.add_scalar(key, value, step)

    def close(self) -> None:
        """Flush to the disk."""
        self.file.close()
        if self.board:
            self.board.close()


@contextmanager
def stop_politely() -> Iterator[threading.Event]:
    """An event that Ctrl-C or SIGTERM sets, so that the step in hand ends and is saved; a second Ctrl-C kills."""
    event = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield event
        return

    def ask(number: int, frame: FrameType | None) -> None:
        event.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield event
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def write_text(path: Path, text: str) -> None:
    """Write a text file, whole or not at all."""
    replace_file(path, lambda file: file.write(text.encode()))


def _progress() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
               TimeRemainingColumn(), TextColumn("{task.fields[note]}"))  # fmt: skip
    return Progress(*columns)


def _quiet_worker(index: int) -> None:
    """Workers leave Ctrl-C to the main process, and keep to one thread each."""
    import cv2

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cv2.setNumThreads(0)


def _step_of(line: str) -> int:
    """The step of a metrics line; beyond every step if the line was cut off."""
    try:
        return int(json.loads(line)["step"])
    except (ValueError, KeyError):
        return 1 << 60


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
