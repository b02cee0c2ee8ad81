"""`fewclicks quantise`: an exported network in 8 bits."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fewclicks.errors import MissingExtra


def quantize(
    network: Annotated[Path, typer.Argument(metavar="NET.onnx", help="A file that export-onnx wrote.")],
    out: Annotated[Path, typer.Argument(metavar="OUT.onnx", help="The file to write.")],
    recipe: Annotated[
        str, typer.Option("--recipe", metavar="RECIPE", help="Whose training photos show the ranges of the values.")
    ] = "compact",
    photos: Annotated[int, typer.Option("--photos", min=1, metavar="N", help="So many of them.")] = 40,
) -> None:
    """Write an exported network in 8 bits: a quarter of the size, less time on CPUs that multiply bytes."""
    try:
        from fewclicks.training import quantize as training
    except ModuleNotFoundError as error:
        raise MissingExtra(f"quantising needs {error.name}; run: pip install 'fewclicks[train]'") from None
    from rich.console import Console
    from rich.progress import Progress

    from fewclicks.recipes import recipe_named

    chosen = recipe_named(recipe)
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("calibrating", total=photos)
        training.quantize(network, out, chosen, photos, lambda: progress.advance(task))
    print(f"{out}: {out.stat().st_size / 1e6:.1f} MB; {network.name} has {network.stat().st_size / 1e6:.1f}")
