"""The one training loop: data -> objective -> Adam -> checkpoint, the same for every recipe and every machine."""

from __future__ import annotations

import itertools
import logging
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset

from fewclicks.child_process import end_with_parent
from fewclicks.errors import FewClicksError, InputError, TrainingError
from fewclicks.files.replace import recover
from fewclicks.training import callbacks, sets
from fewclicks.training.distributed import Distributed, agree, is_first, launch, machine, on_stop
from fewclicks.training.logging import Watch
from fewclicks.training.memory import keep_memory
from fewclicks.training.objectives import Batch, Term
from fewclicks.training.photo_cache import Decoded
from fewclicks.training.progress import Course
from fewclicks.training.recipe import Recipe
from fewclicks.training.resume import LAST, recipe_of, require_free, require_same
from fewclicks.training.samples import Item, Samples, collate
from fewclicks.training.trainer import Trainer
from fewclicks.training.validation import Validation
from fewclicks.types import Scenes

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Shown:
    """Holds what a run shows while it runs, beside metrics.jsonl and pictures."""

    loggers: tuple[str, ...] | None = None
    """Of `logging.LOGGERS`; None: TensorBoard where it is installed."""
    validation: Validation | None = None


def run(
    recipe: Recipe | None,
    out: Path,
    resume: bool = False,
    *,
    workers: int = 1,
    minutes: float = 5.0,
    devices: int | str = "auto",
    nodes: int | None = None,
    strategy: str = "auto",
    accelerator: str = "auto",
    seconds: float | None = None,
    cache: Path | None = None,
    stop_at: int | None = None,
    shown: Shown = Shown(),
    compiled: bool = False,
    clock: Callable[[], float] = time.monotonic,
) -> Path:
    """Train a recipe into the folder `out` and return the last checkpoint's folder.

    Every `minutes`: a checkpoint in out/last and a picture grid in out/pictures. Each step: a line in
    out/metrics.jsonl. Ctrl-C (or a polite kill) finishes the step and saves; `resume` continues exactly, also on
    another machine, with the recipe of the run: `recipe` is None, or the same.

    devices      processes on this machine, each with its GPU; "auto": one GPU, or the CPU where there is none
    nodes        machines; each is started by torchrun or srun, which then say how many there are
    strategy     "ddp", "fsdp" (shards the weights over the processes) or "auto": ddp where there are several
    accelerator  "cpu", "cuda", "mps" or "auto"
    seconds      train for so long, legs before a resume included, instead of the recipe's steps: its schedule is
                 stretched over that time. A resume without it goes on as the run began
    cache        a folder in which photos are kept decoded, about four bytes a pixel; None: they are decoded each time
    stop_at      stop after so many steps in all, as at Ctrl-C
    shown        the loggers, and how the run is validated while it runs
    compiled     whether torch.compile fuses the network's operations: a minute at the start, faster steps on a GPU

    A step is the same on any machine: the recipe's batch, drawn sample by sample, in equal parts. TrainingError if
    `out` holds a run already, InputError if machine and recipe do not fit, or another recipe shall go on.
    """
    last = out / LAST
    if resume:
        own = recipe_of(out)
        require_same(own, recipe or own, out)
        recipe = own
    elif recipe is None:
        raise InputError("a new run needs a recipe; name one, or resume a run that is there")
    where = machine(devices, nodes, strategy, accelerator)
    where.check(recipe)
    recover(last)
    if last.exists() and not resume:
        raise TrainingError(f"{out} holds a run already; pass --resume to continue it, or another --out")
    if not resume:
        require_free(out, recipe)
    out.mkdir(parents=True, exist_ok=True)
    work = partial(
        _train, recipe, out, resume,
        workers=workers, minutes=minutes, where=where, seconds=seconds, cache=cache, stop_at=stop_at,
        shown=shown, compiled=compiled, clock=clock,
    )  # fmt: skip
    if where.processes == 1 or where.started:
        work()
    else:
        launch(work, where.processes)
    if is_first() and not last.exists():
        raise TrainingError(f"stopped before the first step; nothing is saved in {out}")
    return last


def _train(
    recipe: Recipe, out: Path, resume: bool, *,
    workers: int, minutes: float, where: Distributed, seconds: float | None, cache: Path | None,
    stop_at: int | None, shown: Shown, compiled: bool, clock: Callable[[], float],
) -> None:  # fmt: skip
    """The loop, on each process."""
    fabric = where.fabric(recipe.precision)
    if fabric.device.type == "cpu":
        keep_memory()
    told = callbacks.named(recipe)
    trainer = Trainer(recipe, fabric, fresh=not resume, compiled=compiled)
    if resume:
        trainer.load(out / LAST)
    trainer.seconds = seconds or trainer.seconds
    timed = trainer.seconds is not None
    share = (fabric.global_rank, fabric.world_size)
    steps = batches(recipe, trainer.step, workers, *share, endless=timed, cache=cache, pin=fabric.device.type == "cuda")
    stopping = threading.Event()
    watching: Any = nullcontext()
    if fabric.is_global_zero:
        watching = Watch(recipe, out, trainer.step, trainer.seconds, shown.loggers, told, trainer.net)
    with on_stop(lambda _: stopping.set()), watching as watch:
        course = Course(recipe, trainer.seconds, trainer.elapsed, clock)
        keeper = Keeper(trainer, out, watch, course, minutes, shown.validation)
        while not course.over(trainer.step, trainer.elapsed):
            looked = time.monotonic()
            parts, error = _next(steps)
            waited = time.monotonic() - looked
            asked = stopping.is_set() or trainer.step == stop_at
            stop, trainer.elapsed = agree(fabric, asked, course.elapsed(), error=error)
            if stop or course.over(trainer.step, trainer.elapsed):
                break
            keeper.keep()
            position = course.position(trainer.step, trainer.elapsed)
            began = time.monotonic()
            parts = [part.to(fabric.device) for part in parts]
            values, term = _step(trainer, parts, position)
            keeper.seen = parts[-1], term
            if watch:
                took = time.monotonic() - began
                spent = {"seconds": took, "waited": waited, "elapsed": trainer.elapsed}
                watch.record(trainer.step, {**values, **spent})
        keeper.end()
    if watch and not course.over(trainer.step, trainer.elapsed):
        at = f"{trainer.elapsed:.0f} of {course.seconds:.0f} s" if timed else f"step {trainer.step} of {recipe.steps}"
        log.warning("stopped at %s; --resume continues", at)


class Keeper:
    """Saves the checkpoints of a run, and has them validated, whenever the time has come. On each process."""

    def __init__(
        self, trainer: Trainer, out: Path, watch: Watch | None, course: Course, minutes: float,
        validation: Validation | None,
    ) -> None:  # fmt: skip
        self.trainer, self.out, self.watch, self.course = trainer, out, watch, course
        self.minutes, self.validation = minutes, validation
        self.dataset = validation.open(trainer.recipe) if validation else None
        self.saved = self.validated = trainer.elapsed
        self.seen: tuple[Batch, Term] | None = None
        """The last micro-batch and its last term; None before the first step."""

    def keep(self) -> None:
        """Save and validate what is due. All processes have agreed on the time."""
        elapsed = self.trainer.elapsed
        if not self.seen:
            return
        if self.validation and elapsed - self.validated > 60 * self.validation.minutes:
            self.save()
            self.validate()
        elif elapsed - self.saved > 60 * self.minutes:
            self.save()

    def end(self) -> None:
        """Save what the last steps have learnt, and validate it where the run is over."""
        over = self.course.over(self.trainer.step, self.trainer.elapsed)
        if self.seen or over:
            self.save()
        if self.seen and over:
            self.validate()

    def save(self) -> None:
        """Write a checkpoint, and a picture of what was seen last."""
        self.trainer.save(self.out / LAST)
        if self.watch and self.seen:
            self.watch.picture(self.trainer.step, *self.seen)
        if self.watch:
            self.watch.tell("checkpoint", self.out / LAST)
        self.saved = self.trainer.elapsed

    def validate(self) -> None:
        """Measure the checkpoint just saved, on the first process; the others wait. It costs no time of the course."""
        if self.validation is None or self.dataset is None:
            return
        with self.course.paused():
            if self.watch:
                found, best = self.validation.measure(self.out, self.dataset, str(self.trainer.fabric.device))
                self.watch.validated(self.trainer.step, found, best)
            self.trainer.fabric.barrier()
        self.validated = self.trainer.elapsed


def _step(trainer: Trainer, parts: list[Batch], position: float) -> tuple[dict[str, float], Term]:
    try:
        return trainer.train_step(parts, position)
    except torch.OutOfMemoryError:
        raise TrainingError(
            "the GPU's memory is full; raise accumulate, set activation_checkpointing=true, "
            "or shard the network with --devices N --strategy fsdp"
        ) from None


def batches(
    recipe: Recipe,
    first: int,
    workers: int,
    rank: int = 0,
    processes: int = 1,
    endless: bool = False,
    cache: Path | None = None,
    pin: bool = False,
) -> Iterator[list[Batch]]:
    """The micro-batches of process `rank` for each of the steps `first`..recipe.steps-1, or for ever.

    A step's samples are numbered on from those of the step before; they fall into `accumulate` parts, and each part
    into those of the processes. So the samples of a part, which share BatchNorm's statistics, are the same for any
    number of processes.
    """
    found: list[Scenes] = [sets.scenes(name, recipe.stuff_prob > 0) for name in recipe.sets]
    samples = _Reporting(Samples(recipe, [Decoded.of(one, cache) for one in found] if cache else found))
    size = recipe.batch // recipe.accumulate // processes
    start, stride = first * recipe.batch + rank * size, size * processes
    starts = itertools.count(start, stride) if endless else range(start, recipe.steps * recipe.batch, stride)
    numbers, asked = itertools.tee(list(range(start, start + size)) for start in starts)
    loader = DataLoader(
        samples, batch_sampler=asked, num_workers=workers, collate_fn=_collate,
        worker_init_fn=_quiet_worker, prefetch_factor=4 if workers else None,
        pin_memory=pin,
    )  # fmt: skip
    step: list[Batch] = []
    for batch, part in zip(loader, numbers, strict=not endless):
        if isinstance(batch, FewClicksError):
            raise batch
        step.append(replace(batch, samples=tuple(part)))
        if len(step) == recipe.accumulate:
            yield step
            step = []


class _Reporting(Dataset[Item | FewClicksError]):
    """Returns errors instead of raising them, which would wrap those of workers in their tracebacks."""

    def __init__(self, samples: Samples) -> None:
        self.samples = samples

    def __getitem__(self, index: int) -> Item | FewClicksError:
        try:
            return self.samples[index]
        except FewClicksError as error:
            return error


def _collate(items: list[Item | FewClicksError]) -> Batch | FewClicksError:
    """A batch, or the first error."""
    good: list[Item] = []
    for item in items:
        if isinstance(item, FewClicksError):
            return item
        good.append(item)
    return collate(good)


def _next(steps: Iterator[list[Batch]]) -> tuple[list[Batch], FewClicksError | None]:
    try:
        return next(steps), None
    except FewClicksError as error:
        return [], error


def _quiet_worker(index: int) -> None:
    """Workers leave Ctrl-C to the main process, end with it, and keep to one thread each."""
    import cv2

    end_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cv2.setNumThreads(0)
