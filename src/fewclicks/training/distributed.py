"""Where a run runs: one process or many, on one machine or many, through Lightning Fabric.

Fabric brings the devices, DDP, FSDP and the environments of torchrun and SLURM, and leaves the loop to us.
"""

from __future__ import annotations

import atexit
import faulthandler
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import torch
import torch.distributed
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments.lightning import LightningEnvironment, find_free_network_port
from lightning_fabric.plugins.environments.slurm import SLURMEnvironment
from lightning_fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from lightning_fabric.plugins.precision import MixedPrecision, Precision
from lightning_fabric.strategies.ddp import DDPStrategy
from lightning_fabric.strategies.model_parallel import ModelParallelStrategy
from lightning_fabric.utilities.rank_zero import rank_zero_only
from torch.multiprocessing.spawn import ProcessException, start_processes

from fewclicks.child_process import end_with_parent
from fewclicks.errors import FewClicksError, InputError, TrainingError, counted
from fewclicks.files.scratch import scratch_folder
from fewclicks.training.layers import shard
from fewclicks.training.recipe import Recipe

STRATEGIES = ("auto", "ddp", "fsdp")
ACCELERATORS = ("auto", "cpu", "cuda", "mps")


@dataclass(frozen=True, slots=True)
class Distributed:
    """`devices` processes on each of `nodes` machines."""

    devices: int = 1
    nodes: int = 1
    strategy: str = "ddp"
    accelerator: str = "cpu"
    started: bool = False
    """By torchrun or SLURM: this process is one of them already."""

    @property
    def processes(self) -> int:
        """How many there are in all."""
        return self.devices * self.nodes

    def check(self, recipe: Recipe) -> None:
        """InputError if the recipe's batch does not fall into equal parts."""
        parts = self.processes * recipe.accumulate
        if recipe.batch % parts:
            raise InputError(
                f"a batch of {recipe.batch} does not split into {counted(self.processes, 'process')} x "
                f"{counted(recipe.accumulate, 'micro-batch')}; take batch={-(-recipe.batch // parts) * parts}"
            )

    def fabric(self, precision: str) -> Fabric:
        """Fabric on this machine, joined with the other processes."""
        logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
        strategy: Any = "auto"
        if self.strategy == "fsdp":
            strategy = ModelParallelStrategy(shard, data_parallel_size=self.processes, tensor_parallel_size=1)
        elif self.processes > 1:
            strategy = DDPStrategy(gradient_as_bucket_view=True)
        plugins: list[Any] = [arithmetic(precision, self.accelerator)]
        if not self.started:  # ours alone, also in a job of SLURM's that has one task
            plugins.append(LightningEnvironment())
        where: dict[str, Any] = {"accelerator": self.accelerator, "devices": self.devices, "num_nodes": self.nodes}
        if self.accelerator == "cuda":
            torch.set_float32_matmul_precision("high")  # TF32 where something is left in float32
        fabric = Fabric(**where, strategy=strategy, plugins=plugins)
        fabric.launch()
        if fabric.world_size > 1:
            atexit.register(_leave)
        return fabric


def machine(devices: int | str, nodes: int | None, strategy: str, accelerator: str) -> Distributed:
    """The machine that the options of a run ask for; "auto" is one GPU, or the CPU where there is none.

    Within torchrun or srun, they say how many processes there are. InputError for what is not there.
    """
    if strategy not in STRATEGIES or accelerator not in ACCELERATORS:
        wrong, there = (strategy, STRATEGIES) if strategy not in STRATEGIES else (accelerator, ACCELERATORS)
        raise InputError(f"training does not know '{wrong}'; there are: {', '.join(there)}")
    if accelerator == "auto":
        accelerator = "cuda" if torch.cuda.is_available() else "cpu"
    around = _around()
    if devices != "auto" and (not str(devices).isdecimal() or int(devices) < 1):
        raise InputError(f"devices is a number of 1 or more, or auto, got '{devices}'")
    asked = (around or (1, 1))[0] if devices == "auto" else int(devices)
    asked_nodes = (around or (1, 1))[1] if nodes is None else nodes
    if around and (asked, asked_nodes) != around:
        started = f"{counted(around[0], 'process')} on {counted(around[1], 'node')}"
        raise InputError(f"the launcher started {started}, not {asked} on {asked_nodes}")
    if asked_nodes > 1 and not around:
        raise InputError(
            f"start several nodes with torchrun, on each: torchrun --nnodes {asked_nodes} --nproc-per-node {asked} "
            "--rdzv-backend c10d --rdzv-endpoint HOST:PORT -m fewclicks train ..."
        )
    found = torch.cuda.device_count()
    if accelerator == "cuda" and asked > found:
        raise InputError(f"there are {found} GPUs, not {asked}; pass --devices {found} or --accelerator cpu")
    if strategy == "fsdp" and asked * asked_nodes == 1:
        raise InputError("fsdp shards a network over several processes; pass --devices 2 or more, or no --strategy")
    return Distributed(asked, asked_nodes, "ddp" if strategy == "auto" else strategy, accelerator, around is not None)


def _around() -> tuple[int, int] | None:
    """(processes a node, nodes) that torchrun or srun started, this one among them; None if this one is alone."""
    env = os.environ
    found = (1, 1)
    if TorchElasticEnvironment.detect():
        found = int(env["LOCAL_WORLD_SIZE"]), int(env["WORLD_SIZE"]) // int(env["LOCAL_WORLD_SIZE"])
    elif SLURMEnvironment.detect():
        nodes = int(env.get("SLURM_NNODES", 1))
        found = int(env["SLURM_NTASKS"]) // nodes, nodes
    return None if found == (1, 1) else found


def _leave() -> None:
    """Take leave of the other processes while the interpreter is whole: a backend that first hears of their end while
    it is taken down itself may abort.
    """
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def is_first() -> bool:
    """Tell whether this process is the one that speaks and writes."""
    return int(getattr(rank_zero_only, "rank", 0)) == 0


class Autocast(MixedPrecision):
    """Autocast, and for fp16 a scaler of the loss. Unlike Fabric's own it leaves the inputs alone: in bfloat16, the
    coordinates of a click beyond 256 would lose their odd pixels.
    """

    def convert_input(self, data: Any) -> Any:
        """Leave a batch as it is: the loop has moved it already."""
        return data


def arithmetic(precision: str, device: str) -> Precision:
    """Fabric's plugin for a recipe's precision."""
    if precision == "fp32":
        return Precision()
    scaler = torch.amp.GradScaler(device) if precision == "fp16" else None
    return Autocast("16-mixed" if scaler else "bf16-mixed", device, scaler)


def launch(work: Callable[[], object], count: int) -> None:
    """Do `work` in so many processes of this machine; the error that ends one ends all and is raised here.

    SIGINT and SIGTERM reach all of them as SIGTERM; a second Ctrl-C kills.
    """
    with scratch_folder() as crashes:
        _launch(work, count, crashes)


def _launch(work: Callable[[], object], count: int, crashes: Path) -> None:
    errors = get_context("spawn").SimpleQueue()
    port = find_free_network_port()
    logging.getLogger("torch.multiprocessing.spawn").setLevel(logging.ERROR)
    context: Any = start_processes(  # type: ignore[no-untyped-call]
        _process, (work, count, port, errors, crashes), count, join=False
    )
    told: list[int] = []

    def forward(number: int) -> None:
        told.append(number)
        for pid in context.pids():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)

    with on_stop(forward):
        try:
            while not context.join(1.0, grace_period=5.0):
                pass
        except ProcessException as error:
            if told and errors.empty():  # before they could stop politely
                raise KeyboardInterrupt from None
            if errors.empty():
                last = str(error).strip().splitlines()[-1]
                place = _place_of_crash(crashes / str(error.error_index))
                raise TrainingError(f"process {error.error_index} of {count} ended: {last}{place}") from error
            raise errors.get() from None


def _process(rank: int, work: Callable[[], object], count: int, port: int, errors: Any, crashes: Path) -> None:
    """Tell what each process does; its errors go to the first."""
    end_with_parent()
    crash = (crashes / str(rank)).open("w", encoding="utf-8")
    faulthandler.enable(crash)  # a crash outside of Python says where
    os.environ.update(LOCAL_RANK=str(rank), NODE_RANK="0", MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    _stay_on_this_machine()
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(max(1, (os.cpu_count() or 1) // count))
    status = 1

    def end() -> None:
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)

    # The last of the handlers that are registered from here on. The interpreter is not taken down: gloo's threads may
    # hold tensors of Python's for longer than it lives, and then abort (github.com/pytorch/pytorch/pull/179291).
    atexit.register(end)
    try:
        work()
        status = 0
    except FewClicksError as error:
        errors.put(error)
        status = 2
        raise SystemExit(status) from None
    except SystemExit as error:
        status = error.code if isinstance(error.code, int) else int(error.code is not None)
        raise
    except KeyboardInterrupt:
        status = 0
        raise


def _stay_on_this_machine() -> None:
    """Have gloo listen on the loopback interface alone, whatever the name of this machine resolves to."""
    names = [name for _, name in socket.if_nameindex()] if hasattr(socket, "if_nameindex") else []
    for name in ("lo", "lo0"):  # Linux, macOS
        if name in names:
            os.environ.setdefault("GLOO_SOCKET_IFNAME", name)


def _place_of_crash(told: Path) -> str:
    """The innermost line of Python that a crash outside of it was called from, as words to append; '' if none."""
    lines = told.read_text("utf-8", "replace").splitlines() if told.exists() else []
    place = next((line.strip() for line in lines if line.lstrip().startswith("File ")), "no line of Python")
    return f" ({lines[0].strip()}; {place})" if lines else ""


@contextmanager
def on_stop(stop: Callable[[int], None]) -> Iterator[None]:
    """Call `stop` at Ctrl-C or SIGTERM instead of dying; a second Ctrl-C kills."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def ask(number: int, frame: FrameType | None) -> None:
        stop(number)
        if number == signal.SIGINT:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def agree(fabric: Fabric, *wishes: float, error: FewClicksError | None = None) -> list[float]:
    """Each wish at its highest over all processes. If one has an error all end, and the first process raises it."""
    if fabric.world_size > 1:
        kind = torch.float32 if fabric.device.type == "mps" else torch.float64
        flags = torch.tensor([*wishes, error is not None], dtype=kind, device=fabric.device)
        *wished, failed = fabric.all_reduce(flags, reduce_op="max").tolist()  # type: ignore[union-attr]
        if failed:
            fail(fabric, error)
        return list(wished)
    if error:
        raise error
    return list(wishes)


def fail(fabric: Fabric, error: FewClicksError | None) -> NoReturn:
    """End all processes, each of which calls this: the first raises the first error, the others leave quietly."""
    errors = [error]
    if fabric.world_size > 1:
        errors = [None] * fabric.world_size
        torch.distributed.all_gather_object(errors, error)
    if not fabric.is_global_zero:
        raise SystemExit(2)
    raise next(e for e in errors if e)
