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
            help="A folder that training wrote; with --sam and --darktable also default, or an .onnx file.",
        ),
    ],
    out: Annotated[
        Path,
        typer.Argument(
            metavar="OUT", help="The .onnx file to write; with --sam a folder, with --darktable a .dtmodel file."
        ),
    ],
    half: Annotated[bool, typer.Option("--half", help="Store the weights in 16 bits: half of the file.")] = False,
    sam: Annotated[
        bool, typer.Option("--sam", help="Write SAM's pair, encoder.onnx and decoder.onnx, for programs that run SAM.")
    ] = False,
    darktable: Annotated[bool, typer.Option("--darktable", help="Write a model that darktable installs.")] = False,
    settings: options.Settings = None,
) -> None:
    """Write a trained network as ONNX; `--method OUT.onnx` then runs it without torch."""
    if sam and darktable:
        raise InputError("--sam and --darktable write different files; pass one of them")
    is_graph = sam or darktable
    if settings and not is_graph:
        raise InputError("--set is for --sam and --darktable; say it where the .onnx file is run: --set zoom=384")
    if not is_graph and not Path(checkpoint).is_dir():
        raise InputError(f"no checkpoint folder {checkpoint}; name one, with config.json and model.safetensors")
    chosen = options.plain_values(settings)
    try:
        if sam:
            from fewclicks.integrations.sam_onnx import write_pair

            written = write_pair(checkpoint, out, half, **chosen)
        elif darktable:
            from fewclicks.integrations.darktable import write_model_file

            written = write_model_file(checkpoint, out, half, **chosen)
        else:
            from fewclicks.training import export

            written = [export.export_onnx(checkpoint, out, half)]
    except ModuleNotFoundError as error:
        extra = "export" if is_graph else "train"
        raise MissingExtra(f"the export needs {error.name}; run: pip install 'fewclicks[{extra}]'") from None
    print(*written, sep="\n")
