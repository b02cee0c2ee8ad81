"""`fewclicks list`: the extensions that are there, by their files."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    import ast

KINDS = {"methods": "methods", "datasets": "datasets", "backbones": "models", "recipes": "recipes"}
"""What is listed, and the folder of it."""


def listing(as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False) -> None:
    """List methods, datasets, backbones and recipes, with the first line of what each says of itself."""
    found = {kind: {name: summary(room, name) for name in _names(room)} for kind, room in KINDS.items()}
    found["recipes"] = {key: line for file in _names("recipes") for key, line in recipes(file).items()}
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
    """The first line of the file's docstring."""
    return _first_line(_tree(kind, name))


def recipes(file: str) -> dict[str, str]:
    """Tell what `fewclicks train` takes of a file in recipes/, each with the first line of its docstring.

    FILE is its function of that name, described by the file; FILE:FUNCTION are the other public ones without arguments.
    """
    import ast

    tree = _tree("recipes", file)
    public = [node for node in tree.body if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")]
    made = [node for node in public if not ast.unparse(node.args)]
    own = {file: _first_line(tree)} if file in (node.name for node in made) else {}
    return own | {f"{file}:{node.name}": _first_line(node) for node in made if node.name != file}


def _first_line(node: ast.Module | ast.FunctionDef) -> str:
    import ast

    return (ast.get_docstring(node) or "").partition("\n")[0]


def _tree(kind: str, name: str) -> ast.Module:
    """A file as syntax. It is read, not run: it may need what is not installed."""
    import ast
    from importlib.util import find_spec
    from pathlib import Path

    spec = find_spec(f"fewclicks.{kind}.{name}")
    assert spec is not None
    assert spec.origin is not None
    return ast.parse(Path(spec.origin).read_text("utf-8"))


def _names(kind: str) -> list[str]:
    from fewclicks.plugins import names

    return names(kind)
