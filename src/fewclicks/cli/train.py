"""`fewclicks train`: run a recipe, with any of its fields changed."""

from __future__ import annotations

import dataclasses
import difflib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_origin, get_type_hints

import typer

from fewclicks.cli.options import pairs
from fewclicks.errors import InputError, MissingExtra, UnknownName

if TYPE_CHECKING:
    from fewclicks.training.recipe import Recipe


def train(  # one parameter for each option
    recipe: Annotated[
        str, typer.Argument(metavar="RECIPE", help="compact, toy ..., or FILE:FUNCTION: simpleclick:vit_base_sbd.")
    ],
    changes: Annotated[list[str] | None, typer.Argument(metavar="KEY=VALUE...", help="Fields to change.")] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", metavar="DIR", help="runs/RECIPE if unset.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue the run in --out exactly.")] = False,
    workers: Annotated[int, typer.Option("--workers", min=0, help="Processes that prepare samples.")] = 1,
    minutes: Annotated[float, typer.Option("--minutes", min=0, help="A checkpoint every so often.")] = 5.0,
    devices: Annotated[
        str,
        typer.Option("--devices", metavar="N", help="GPUs, or processes of the CPU; auto: one GPU if there is one."),
    ] = "auto",
    nodes: Annotated[
        int | None, typer.Option("--nodes", min=1, help="Machines; torchrun and srun say it themselves.")
    ] = None,
    strategy: Annotated[
        str, typer.Option("--strategy", metavar="NAME", help="ddp, or fsdp: shard the weights over the processes.")
    ] = "auto",
    accelerator: Annotated[
        str, typer.Option("--accelerator", metavar="NAME", help="cpu, cuda or mps; auto: cuda if there is one.")
    ] = "auto",
    duration: Annotated[
        str | None,
        typer.Option("--for", metavar="TIME", help="Train for so long (9m, 1h30m) instead of the recipe's steps."),
    ] = None,
    objects: Annotated[
        int | None,
        typer.Option(
            "--evaluate",
            min=0,
            metavar="N",
            help="At the end export, and measure on N objects of photos not trained on; 64 with --for, else 0.",
        ),
    ] = None,
    cache: Annotated[
        Path | None,
        typer.Option("--cache", metavar="DIR", help="Keep photos decoded there; about four bytes a pixel."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only tell the data, steps, memory and time to expect; write nothing.")
    ] = False,
    tflops: Annotated[
        float | None,
        typer.Option(
            "--tflops", metavar="N", help="For --dry-run: TFLOP/s of a device; this one's is measured if unset."
        ),
    ] = None,
) -> None:
    """Train a network by a recipe; Ctrl-C saves, --resume continues, also on another number of devices.

    fewclicks train toy steps=20 --out runs/first

    fewclicks train compact:broad --for 9m

    torchrun --nnodes 2 --nproc-per-node 8 --rdzv-backend c10d --rdzv-endpoint HOST:29500 -m fewclicks train RECIPE
    """
    chosen = changed(recipe_named(recipe), pairs(changes))
    out = out or Path("runs") / chosen.name
    if dry_run:
        print("\n".join(expected(chosen, devices, nodes or 1, strategy, accelerator, tflops, duration)))
        return
    if chosen.starts_from and not chosen.init:
        typer.echo(f"note: fresh weights; the published run starts from {chosen.starts_from}: init=PATH", err=True)
    try:
        from fewclicks.training import distributed, finish, loop, progress
    except ModuleNotFoundError as error:
        raise MissingExtra(f"training needs {error.name}; run: pip install 'fewclicks[train]'") from None
    folder = loop.run(
        chosen, out, resume, workers=workers, minutes=minutes,
        devices=devices, nodes=nodes, strategy=strategy, accelerator=accelerator,
        seconds=progress.seconds_of(duration) if duration else None, cache=cache,
    )  # fmt: skip
    if distributed.is_first():
        if found := finish.at_the_end(folder, objects):
            print(told(found))
        print(f"{folder} holds the weights; try them: fewclicks segment PHOTO --click X,Y --method {folder}")


def told(found: dict[str, Any]) -> str:
    """The figures of the end of a run, in one line."""
    return (
        f"{found['dataset']}, {found['objects']} objects: {found['noc_90']:.2f} clicks to IoU 0.90, "
        f"{found['noc_95']:.2f} to 0.95, IoU {found['iou_at_click'][0]:.3f} after one"
    )


def expected(
    recipe: Recipe, devices: str, nodes: int, strategy: str, accelerator: str, tflops: float | None,
    duration: str | None = None,
) -> list[str]:  # fmt: skip
    """What `--dry-run` prints. The devices need not be there, unless their speed is to be measured."""
    if devices != "auto" and not (devices.isdecimal() and int(devices)):
        raise InputError(f"devices is a number of 1 or more, or auto, got '{devices}'")
    try:
        import torch

        from fewclicks.training.estimate import estimate
        from fewclicks.training.progress import seconds_of
    except ModuleNotFoundError as error:
        raise MissingExtra(f"training needs {error.name}; run: pip install 'fewclicks[train]'") from None
    if accelerator == "auto":
        accelerator = "cuda" if torch.cuda.is_available() else "cpu"
    distributed = (1 if devices == "auto" else int(devices)) * nodes
    found = estimate(recipe, processes=distributed, fsdp=strategy == "fsdp", device=accelerator, tflops=tflops)
    if duration:
        steps = max(1, round(seconds_of(duration) / found.step_seconds))
        found = dataclasses.replace(found, recipe=dataclasses.replace(recipe, steps=steps))
    return found.lines()


def recipe_named(name: str) -> Recipe:
    """The recipe of `FILE` (its function of that name) or `FILE:FUNCTION`; UnknownName with the nearest names."""
    from fewclicks.plugins import find
    from fewclicks.recipes import functions

    file, _, function = name.partition(":")
    module = find("recipes", file, trusted=True)
    own = functions(module)
    function = function or module.__name__.rpartition(".")[2]
    if function not in own:
        raise UnknownName(f"no recipe '{function}' in {file}; there are: {', '.join(f'{file}:{one}' for one in own)}")
    return own[function]()


def changed(recipe: Recipe, changes: dict[str, str]) -> Recipe:
    """The recipe with fields replaced, each text read as the field's type; InputError for a foreign field."""
    types = get_type_hints(type(recipe))
    for key in changes:
        if key not in types:
            near = difflib.get_close_matches(key, types, n=1)
            hint = f"did you mean '{near[0]}'?" if near else f"there are: {', '.join(types)}"
            raise InputError(f"a recipe has no field '{key}'; {hint}")
    return dataclasses.replace(recipe, **{key: parse(key, text, types[key]) for key, text in changes.items()})


def parse(key: str, text: str, kind: Any) -> Any:
    """`text` as `kind`: str, bool, int, float, or a tuple of one of them, written with commas."""
    if get_origin(kind) is tuple:
        inner = get_args(kind)
        parts = [part for part in text.split(",") if part]
        if inner[-1] is not Ellipsis and len(parts) != len(inner):
            raise InputError(f"{key} has {len(inner)} values, got '{text}'; write them as {key}=A,B")
        return tuple(parse(key, part, inner[0]) for part in parts)
    try:
        return {"true": True, "false": False}[text.lower()] if kind is bool else kind(text)
    except (KeyError, ValueError):
        wanted = {bool: "true or false", int: "a whole number", float: "a number"}[kind]
        raise InputError(f"{key} is {wanted}, got '{text}'; write it as {key}=VALUE") from None
