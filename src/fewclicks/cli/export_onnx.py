"""`fewclicks export-onnx`: a network as files that run without torch, here and in other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fewclicks.cli import options
from fewclicks.errors import InputError, MissingExtra


def export_onnx(
    checkpoint: Annotated[
        str,
        typer.Argument(
            metavar="CHECKPOINT",
            help="A folder that training wrote; with --sam also default, or an .onnx file.",
        ),
    ],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The .onnx file to write; with --sam a folder.")],
    half: Annotated[bool, typer.Option("--half", help="Store the weights in 16 bits: half of the file.")] = False,
    sam: Annotated[
        bool, typer.Option("--sam", help="Write SAM's pair, encoder.onnx and decoder.onnx, for programs that run SAM.")
    ] = False,
    settings: options.Settings = None,
) -> None:
    """Write a trained network as ONNX; `--method OUT.onnx` then runs it without torch."""
    if settings and not sam:
        raise InputError("--set is for --sam; what runs an .onnx file is told there: --method OUT.onnx --set zoom=384")
    if not sam and not Path(checkpoint).is_dir():
        raise InputError(f"no checkpoint folder {checkpoint}; name one, with config.json and model.safetensors")
    try:
        if sam:
            from fewclicks.integrations.sam_onnx import write_pair

            written = write_pair(checkpoint, out, half, **options.plain_values(settings))
        else:
            from fewclicks.training import export

            written = [export.export_onnx(checkpoint, out, half)]
    except ModuleNotFoundError as error:
        extra = "export" if sam else "train"
        raise MissingExtra(f"the export needs {error.name}; run: pip install 'fewclicks[{extra}]'") from None
    print(*written, sep="\n")
