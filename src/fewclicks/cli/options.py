"""The options that several commands share, and what they make: a predictor, and its description."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer

from fewclicks.errors import InputError
from fewclicks.predictor import Predictor

MethodName = Annotated[
    str, typer.Option("--method", metavar="NAME", help="A method's name (`fewclicks list`), or weights by their path.")
]
Cfr = Annotated[int, typer.Option("--cfr", min=0, metavar="N", help="Cascade-forward refinements after each click.")]
Adaptive = Annotated[
    bool, typer.Option("--adaptive", help="A-CFR: stop refining when fewer than 20 pixels change; 4 steps at most.")
]
UntilClick = Annotated[
    int | None,
    typer.Option("--until-click", min=1, metavar="K", help="Refine up to click K only; 1 is the peers' way."),
]
FlipOption = Annotated[bool, typer.Option("--flip", help="Average with the mirrored photo; twice the time.")]
Threads = Annotated[
    int | None, typer.Option("--threads", min=1, metavar="N", help="CPU threads; one per core if unset.")
]
Settings = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="An option of the method, such as zoom=512.")
]

ADAPTIVE_STEPS = 4
"""What --adaptive refines at most where --cfr does not say it: the paper's A-CFR-4."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """A predictor as the command line describes it."""

    method: str = "default"
    cfr: int = 0
    adaptive: bool = False
    until_click: int | None = None
    flip: bool = False
    threads: int | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def steps(self) -> int:
        """CFR steps."""
        return self.cfr or (ADAPTIVE_STEPS if self.adaptive else 0)

    def build(self) -> Predictor:
        """The predictor. The default method has an option for each ring; every other method gets them around it."""
        import cv2

        from fewclicks.api import load
        from fewclicks.flip import Flip
        from fewclicks.refine import CFR, TOL

        if self.threads:
            cv2.setNumThreads(self.threads)
        if self._is_default():
            return load(self.method, **self._default_options())
        predictor = load(self.method, **self.options)
        if self.flip:
            predictor = Flip(predictor)
        if self.steps:
            predictor = CFR(predictor, self.steps, TOL if self.adaptive else None, self.until_click)
        return predictor

    def describe(self) -> dict[str, Any]:
        """What a result names as its settings, as plain data; weights by file name and sha256."""
        from importlib.metadata import version

        from fewclicks.methods import default

        about: dict[str, Any] = {"fewclicks": version("fewclicks"), "method": self.method}
        if not self._is_default():
            about |= {"cfr": self.steps, "adaptive": self.adaptive, "until_click": self.until_click, "flip": self.flip}
            return about | {"threads": self.threads, **self.options}
        weights = default.WEIGHTS if self.method == "default" else Path(self.method)
        chosen = default.Options(**{"weights": weights, **self._default_options()})
        weights = Path(chosen.weights)
        about |= {"method": "default", **asdict(chosen), "weights": weights.name}
        return about | {"weights_sha256": default.weights_hash(weights), "onnxruntime": version("onnxruntime")}

    def _is_default(self) -> bool:
        from fewclicks.find import names

        if self.method in names("methods"):
            return self.method == "default"
        return self.method.endswith(".onnx") or "/" in self.method or Path(self.method).is_dir()

    def _default_options(self) -> dict[str, Any]:
        rings = {"cfr": self.steps, "adaptive": self.adaptive, "until_click": self.until_click, "flip": self.flip}
        return {**rings, "threads": self.threads, **self.options}


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
