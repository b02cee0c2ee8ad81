"""`fewclicks export-onnx`: a trained checkpoint as a file that runs without torch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fewclicks.errors import MissingExtra


def export_onnx(
    checkpoint: Annotated[Path, typer.Argument(metavar="CHECKPOINT", help="A folder that training wrote.")],
    out: Annotated[Path, typer.Argument(metavar="OUT.onnx", help="The file to write.")],
    half: Annotated[bool, typer.Option("--half", help="Store the weights in 16 bits: half of the file.")] = False,
) -> None:
    """Write a trained network as ONNX; `--method OUT.onnx` then runs it without torch."""
    try:
        from fewclicks.training import export
    except ModuleNotFoundError as error:
        raise MissingExtra(f"the export needs {error.name}; run: pip install 'fewclicks[train]'") from None
    print(export.export_onnx(checkpoint, out, half))
