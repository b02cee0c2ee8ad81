"""The options that several commands share, and what they make: a predictor, and its description."""

from __future__ import annotations

import importlib.util
import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fewclicks.errors import InputError, MissingExtra

if TYPE_CHECKING:
    pass

MethodName = Annotated[
    str, typer.Option("--method", metavar="NAME", help="A method's name (`fewclicks list`), or weights by their path.")
]
Preset = Annotated[
    str | None,
    typer.Option(
        "--preset", metavar="NAME", help="released, released-ritm: the authors' evaluation; paper: the paper's text."
    ),
]
Cfr = Annotated[
    int | None, typer.Option("--cfr", min=0, metavar="N", help="Cascade-forward refinements after each click.")
]
Adaptive = Annotated[
    bool,
    typer.Option(
        "--adaptive", help="A-CFR: stop refining when fewer than 20 pixels change; 4 steps at most, or --cfr."
    ),
]
UntilClick = Annotated[
    int | None,
    typer.Option("--until-click", min=0, metavar="K", help="Refine up to click K only (the peers: 1); 0: every click."),
]
FlipOption = Annotated[
    bool | None, typer.Option("--flip/--no-flip", help="Average with the mirrored photo; twice the time.")
]
Threads = Annotated[
    int | None, typer.Option("--threads", min=1, metavar="N", help="CPU threads; one per core if unset.")
]
Settings = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="An option of the method, such as zoom=512.")
]
MaskIsText = Annotated[
    str | None,
    typer.Option("--mask-is", metavar="WHAT", help="What mask pictures hold: ids, levels or probability."),
]
LevelsText = Annotated[
    str | None,
    typer.Option("--levels", metavar="LOW,HIGH", help="Stored values that become black and white, as 0,4095."),
]


def require_extra(extra: str, *modules: str) -> None:
    """MissingExtra, which names the pip command, unless the modules of an extra can be imported."""
    for module in modules:
        if importlib.util.find_spec(module) is None:
            raise MissingExtra(f"this needs {module}, which is not installed; run: pip install 'fewclicks[{extra}]'")


def pairs(settings: list[str] | None) -> dict[str, str]:
    """`["zoom=512"]` as {"zoom": "512"}; InputError for what is no KEY=VALUE."""
    found: dict[str, str] = {}
    for setting in settings or []:
        key, equals, value = setting.partition("=")
        if not (key and equals):
            raise InputError(f"'{setting}' is no setting; write KEY=VALUE without spaces")
        found[key.strip()] = value.strip()
    return found


def plain_values(settings: list[str] | None) -> dict[str, Any]:
    """`pairs`, each value as the JSON it is (numbers, true, false, null), else as text."""
    values: dict[str, Any] = {}
    for key, text in pairs(settings).items():
        try:
            values[key] = json.loads(text)
        except json.JSONDecodeError:
            values[key] = text
    return values
