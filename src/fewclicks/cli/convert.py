"""`fewclicks convert`: a published .pth file as a folder that every command takes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from fewclicks.errors import MissingExtra


def convert(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE.pth", help="Weights as their authors published them: RITM, SimpleClick, CFR-ICL and others."
        ),
    ],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The folder to write.")],
    as_json: Annotated[bool, typer.Option("--json", help="Tell the result as JSON.")] = False,
) -> None:
    """Convert published weights to safetensors and config.json. Nothing in the file is executed."""
    try:
        from fewclicks.checkpoints import checkpoint
        from fewclicks.checkpoints import convert as conversion
    except ModuleNotFoundError as error:
        raise MissingExtra(f"the conversion needs {error.name}; run: pip install 'fewclicks[torch]'") from None
    from rich.console import Console

    from fewclicks.plugins import names

    with Console(stderr=True).status(f"Converting {file.name} ..."):
        config = checkpoint.read_config(conversion.convert(file, out))
    if as_json:
        told = {
            key: config[key] for key in ("family", "title", "method", "preset", "network", "predictor") if key in config
        }
        there = config["method"] in names("methods")
        print(json.dumps({"file": str(file), "out": str(out), **told, "method_is_there": there}, indent=1))
        return
    print(f"{out}: {config['title']}")
    print(f"Use it: fewclicks segment PHOTO --click X,Y --method {out}")
    print(f"As its authors measured it: fewclicks bench grabcut --method {out} --preset {config['preset']}")
