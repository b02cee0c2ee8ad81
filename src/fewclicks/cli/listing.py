"""`fewclicks list`: the extensions that are there, by their files."""

from __future__ import annotations

import json
from typing import Annotated

import typer

KINDS = ("methods", "datasets", "backbones", "recipes")


def listing(as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False) -> None:
    """List methods, datasets, backbones and recipes, with the first line of what each says of itself."""
    found = {kind: {name: summary(kind, name) for name in _names(kind)} for kind in KINDS}
    if as_json:
        print(json.dumps(found, indent=1))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("name", "what it is", box=None, pad_edge=False)
    for kind, lines in found.items():
        table.add_row(f"[bold]{kind}[/bold]", "")
        for name, line in lines.items():
            table.add_row(f"  {name}", line)
    Console().print(table)


def summary(kind: str, name: str) -> str:
    """The first line of the file's docstring. The file is read, not run: it may need what is not installed."""
    import ast
    from importlib.util import find_spec
    from pathlib import Path

    spec = find_spec(f"fewclicks.{kind}.{name}")
    assert spec is not None
    assert spec.origin is not None
    docstring = ast.get_docstring(ast.parse(Path(spec.origin).read_text("utf-8"))) or ""
    return docstring.partition("\n")[0]


def _names(kind: str) -> list[str]:
    from fewclicks.find import names

    return names(kind)
