"""`fewclicks doctor`: what is installed and how fast a click is."""

from __future__ import annotations

import json
from typing import Annotated

import typer


def doctor(as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False) -> None:
    """Show versions, device, extras, and time a click of the default model. Exit code 1 if it does not run."""
    from fewclicks import doctor as examination

    found = examination.examine()
    print(json.dumps(found, indent=1)) if as_json else examination.show(found)
    if "error" in found["default_model"]:
        raise typer.Exit(1)
