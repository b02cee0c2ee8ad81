"""`fewclicks train`: run a recipe, with any of its fields changed."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fewclicks.cli.options import pairs
from fewclicks.errors import InputError, MissingExtra, counted

if TYPE_CHECKING:
    from fewclicks.training.recipe import Recipe


def train(  # one parameter for each option
    recipe: Annotated[
        str | None,
        typer.Argument(
            metavar="RECIPE",
            help="compact, toy ..., or FILE:FUNCTION: simpleclick:vit_base_sbd. With --resume and --fork: the run's.",
            show_default=False,
        ),
    ] = None,
    changes: Annotated[list[str] | None, typer.Argument(metavar="KEY=VALUE...", help="Fields to change.")] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", metavar="DIR", help="runs/RECIPE if unset.")] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue the run in --out exactly, by its own recipe.")
    ] = False,
    fork: Annotated[
        Path | None,
        typer.Option(
            "--fork", metavar="RUN", help="Start a new run in --out from the weights and the recipe of another run."
        ),
    ] = None,
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
    seeds: Annotated[
        int | None,
        typer.Option("--seeds", metavar="N", help="Train N times, each with its seed; mean and interval at the end."),
    ] = None,
    validate: Annotated[
        float | None,
        typer.Option(
            "--validate", min=0, metavar="MINUTES", help="Measure so often, and at the end; keep the best in best/."
        ),
    ] = None,
    validate_on: Annotated[
        str | None,
        typer.Option(
            "--validate-on",
            metavar="NAME",
            help="Where to measure, also at the end: grabcut ..., or a folder; photos that are held out if unset.",
        ),
    ] = None,
    validate_objects: Annotated[
        int, typer.Option("--validate-objects", min=1, metavar="N", help="Objects to validate on, evenly spread.")
    ] = 32,
    loggers: Annotated[
        str | None,
        typer.Option("--log", metavar="NAMES", help="tensorboard,csv,wandb or none; TensorBoard if it is installed."),
    ] = None,
    compiled: Annotated[
        bool, typer.Option("--compile", help="Let torch.compile fuse the network's operations; it pays on a GPU.")
    ] = False,
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

    A run goes on with its own recipe. To change it, start a new run from its weights: --fork RUN --out DIR KEY=VALUE.

    fewclicks train toy steps=20 --out runs/first

    fewclicks train compact:broad --for 9m

    torchrun --nnodes 2 --nproc-per-node 8 --rdzv-backend c10d --rdzv-endpoint HOST:29500 -m fewclicks train RECIPE
    """
    if recipe and "=" in recipe:  # the recipe is left out
        changes, recipe = [recipe, *(changes or [])], None
    find_run = picked_seeds if resume and seeds is not None else picked
    chosen, out = find_run(recipe, pairs(changes), out, resume, fork)
    if dry_run:
        print("\n".join(expected(chosen, devices, nodes or 1, strategy, accelerator, tflops, duration)))
        return
    if chosen.starts_from and not chosen.init:
        typer.echo(f"note: fresh weights; the published run starts from {chosen.starts_from}: init=PATH", err=True)
    try:
        from fewclicks.training import distributed, finish, loop, progress
        from fewclicks.training.validation import Validation
    except ModuleNotFoundError as error:
        raise MissingExtra(f"training needs {error.name}; run: pip install 'fewclicks[train]'") from None
    measured = seeds is not None or bool(objects)
    require_place(chosen, validate_on, measured, validate is not None or (duration is not None and objects is None))
    validation = None if validate is None else Validation(validate, validate_objects, validate_on)
    shown = loop.Shown(logger_names(loggers), validation)

    def trained(one: Recipe, folder: Path, go_on: bool) -> Path:
        return loop.run(
            one, folder, go_on, workers=workers, minutes=minutes,
            devices=devices, nodes=nodes, strategy=strategy, accelerator=accelerator,
            seconds=progress.seconds_of(duration) if duration else None, cache=cache, shown=shown,
            compiled=compiled,
        )  # fmt: skip

    if seeds is not None:
        train_seeds(chosen, out, seeds, resume, objects, validate_on, trained)
        return
    folder = trained(chosen, out, resume)
    if distributed.is_first():
        if found := finish.at_the_end(folder, objects, validate_on):
            print(told(found))
        print(f"{folder} holds the weights; try them: fewclicks segment PHOTO --click X,Y --method {folder}")


def require_place(recipe: Recipe, named: str | None, measured: bool, otherwise: bool) -> None:
    """Find out before a run, not after it, that there is nothing to measure it on.

    `measured`: its end is measured because that was asked for; `otherwise`: it is measured for another reason.
    """
    from fewclicks.training.unseen import require_unseen
    from fewclicks.training.validation import measured_on

    if named and not (measured or otherwise):
        raise InputError(
            f"--validate-on {named} says where to measure; say when too: --validate MINUTES, --evaluate N or --seeds N"
        )
    if named:
        measured_on(named)
    elif measured:
        require_unseen(recipe)


def train_seeds(
    recipe: Recipe, out: Path, count: int, resume: bool, objects: int | None, on: str | None,
    trained: Callable[[Recipe, Path, bool], Path],
) -> None:  # fmt: skip
    """Train a recipe with several seeds, measure each run, and tell mean and interval. Runs that are over stay."""
    from fewclicks.training import distributed, finish, seeds
    from fewclicks.training.resume import LAST, recipe_of, require_same

    if objects == 0:
        raise InputError("--seeds measures each run; leave --evaluate 0 out")
    objects = objects or finish.OBJECTS
    runs = [(one, folder, resume and (folder / LAST).is_dir()) for one, folder in seeds.variants(recipe, out, count)]
    for one, folder, there in runs:
        if there:
            require_same(recipe_of(folder), one, folder)
    found = {}
    for one, folder, there in runs:
        last = folder / LAST
        if not (there and finish.is_over(last)):
            last = trained(one, folder, there)
        if not finish.is_over(last):
            return  # it was stopped, and has said so
        if distributed.is_first():
            figures = finish.measured(folder, objects, on) if there else None
            figures = figures or finish.finish(last, objects, on)
            if figures is None:
                raise InputError(f"{last} could not be measured, see above; without that there is nothing to compare")
            found[one.seed] = figures
            print(f"seed {one.seed}: {told(figures)}")
    if distributed.is_first():
        print("\n".join(seeds.lines(seeds.summary(found, out))))


def logger_names(text: str | None) -> tuple[str, ...] | None:
    """The loggers of `--log`, which are there; None where nothing was said."""
    from fewclicks.training import logging

    if text is None:
        return None
    names = tuple(name.strip().lower() for name in text.split(",") if name.strip())
    return () if names == ("none",) else logging.chosen(names)


def picked(
    name: str | None, changes: dict[str, str], out: Path | None, resume: bool, fork: Path | None
) -> tuple[Recipe, Path]:
    """The recipe that is meant, and the folder of its run.

    A run that is resumed has its own recipe, whatever the one of that name has become; so has what is forked from one,
    but for `changes`. InputError for a change of a run that goes on, and for a recipe of another name.
    """
    from fewclicks.recipes import changed, recipe_named

    named = recipe_named(name) if name else None
    if named is None and not (fork or (resume and out)):
        raise InputError("which recipe? Name one (`fewclicks list`), a run's folder: --resume --out DIR, or --fork RUN")
    if not (resume or fork):
        chosen = changed(named, changes)  # type: ignore[arg-type]  # one of the three is there
        return chosen, out or Path("runs") / chosen.name
    try:
        from fewclicks.plugins import find, let_part
        from fewclicks.training import resume as runs
    except ModuleNotFoundError as error:
        raise MissingExtra(f"training needs {error.name}; run: pip install 'fewclicks[train]'") from None
    if resume and fork:
        raise InputError("--resume goes on with a run, --fork starts a new one from it; leave one of the two out")
    for backbone in (named.backbone if named else None, changes.get("backbone")):
        if backbone:
            find("models", backbone, trusted=True)  # the user's own word, which the run may repeat
    for part in own_parts(named, changes):
        let_part(part)
    run = fork or out or Path("runs") / changed(named, changes).name  # type: ignore[arg-type]
    own = runs.recipe_of(run)
    if named and named.name != own.name and changes.get("name") != own.name:
        cure = f"; to start {named.name} from its weights: init={run / runs.LAST}" if fork else ""
        raise InputError(f"{run} is a run of the recipe '{own.name}', not '{named.name}'; leave the recipe out{cure}")
    if fork:
        chosen = changed(runs.forked(run), changes)
        return chosen, out or Path("runs") / chosen.name
    runs.require_same(own, changed(own, changes), run)
    return own, run


def picked_seeds(
    name: str | None, changes: dict[str, str], out: Path | None, resume: bool, fork: Path | None
) -> tuple[Recipe, Path]:
    """The recipe of runs with several seeds that go on, which is that of their first run, and their folder."""
    from fewclicks.recipes import changed, recipe_named

    if out is None and name is None:
        raise InputError("which runs? Name their folder: --resume --seeds N --out DIR")
    try:
        from fewclicks.training.seeds import first_run
    except ModuleNotFoundError as error:
        raise MissingExtra(f"training needs {error.name}; run: pip install 'fewclicks[train]'") from None
    out = out or Path("runs") / changed(recipe_named(name), changes).name  # type: ignore[arg-type]
    chosen, _ = picked(name, changes, first_run(out), resume, fork)
    return chosen, out


def own_parts(named: Recipe | None, changes: dict[str, str]) -> list[str]:
    """The parts of the user's own that a recipe and its changes name: loss, objective, callbacks."""
    from fewclicks.plugins import is_own

    said = [changes.get("loss", ""), changes.get("objective", ""), *changes.get("callbacks", "").split(",")]
    said += [named.loss, named.objective, *named.callbacks] if named else []
    return [name for name in said if is_own(name)]


def told(found: dict[str, Any]) -> str:
    """The figures of the end of a run, in one line."""
    return (
        f"{found['dataset']}, {counted(found['objects'], 'object')}: {found['noc_90']:.2f} clicks to IoU 0.90, "
        f"{found['noc_95']:.2f} to 0.95, IoU {found['iou_at_click'][0]:.3f} after one"
    )


def expected(
    recipe: Recipe, devices: str, nodes: int, strategy: str, accelerator: str, tflops: float | None,
    duration: str | None = None,
) -> list[str]:  # fmt: skip
    """Estimate what `--dry-run` prints. The devices need not be there, unless their speed is to be measured."""
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
