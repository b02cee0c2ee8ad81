"""The options that several commands share, and what they make: a predictor, and its description."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fewclicks.errors import InputError, MissingExtra
from fewclicks.files.replace import recover
from fewclicks.predictor import Predictor

if TYPE_CHECKING:
    from fewclicks.config import PredictorConfig

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """A predictor as the command line describes it. None: as the preset, the checkpoint or the method has it."""

    method: str = "default"
    preset: str | None = None
    dataset: str | None = None
    """What is measured, for presets that differ between datasets."""
    cfr: int | None = None
    adaptive: bool = False
    until_click: int | None = None
    """0: refine after every click."""
    flip: bool | None = None
    threads: int | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    def build(self) -> Predictor:
        """The predictor. The default method has an option for each ring; every other method gets them around it."""
        import cv2

        from fewclicks.api import load

        if self.threads:
            cv2.setNumThreads(self.threads)
        if self._weights() is not None:
            return load(self.method, **self._default_options())
        return self._rings().around(load(self.method, **self.options))

    def check(self) -> None:
        """Raise at once for a method or weights that do not exist; `build` finds the rest."""
        from fewclicks.plugins import find

        weights = self._weights()
        if weights is None:
            find("methods", self.method, trusted=True)
        elif not weights.exists():
            raise InputError(f"no weights at '{weights}'; pass a method's name, a .onnx file or a checkpoint folder")

    def module(self) -> ModuleType | None:
        """The module of the method, wherever it lies; None for weights, which `default` runs."""
        from fewclicks.plugins import find, names

        named = self.method.lower().replace("-", "_") in names("methods")
        return find("methods", self.method, trusted=True) if named or self._weights() is None else None

    def describe(self) -> dict[str, Any]:
        """What a result names as its settings, as plain data; weights by file name and sha256."""
        from importlib.metadata import version

        from fewclicks.methods import default

        about: dict[str, Any] = {"fewclicks": version("fewclicks"), "method": self.method, "preset": self.preset}
        weights = self._weights()
        if weights is None:
            rings = self._rings()
            about |= {"cfr": rings.steps, **{key: getattr(rings, key) for key in ("adaptive", "until_click", "flip")}}
            return about | {"threads": self.threads, **self.options}
        used = default.chosen(**{"weights": weights, **self._default_options()})
        weights = Path(used.weights)
        name = weights.stem if weights.parent == default.WEIGHTS.parent else "default"
        about |= {"method": name, **asdict(used), "cfr": used.steps, "weights": weights.name}
        del about["dataset"]
        return about | {"weights_sha256": default.weights_hash(weights), "onnxruntime": version("onnxruntime")}

    def _weights(self) -> Path | None:
        """Of a network, which has an option for each ring; None where the method is none.

        The methods that are networks have WEIGHTS and take the options of `default`.
        """
        from fewclicks.plugins import find, names

        if self.method.lower().replace("-", "_") in names("methods"):
            weights: Path | None = getattr(find("methods", self.method), "WEIGHTS", None)
            return weights
        recover(self.method)
        is_path = self.method.endswith(".onnx") or "/" in self.method or Path(self.method).is_dir()
        return Path(self.method) if is_path else None

    def _rings(self) -> PredictorConfig:
        """Flip and CFR, for a method that is no network of ours."""
        from fewclicks.config import PredictorConfig

        if self.preset:
            raise InputError(
                f"presets are for networks; leave --preset out, or name weights instead of '{self.method}'"
            )
        return PredictorConfig(zoom=0, anchor=False, **self._ring_options())

    def _ring_options(self) -> dict[str, Any]:
        """What was said of the rings."""
        said: dict[str, Any] = {"adaptive": True} if self.adaptive else {}
        if self.until_click is not None:
            said["until_click"] = self.until_click or None
        return said | {key: getattr(self, key) for key in ("cfr", "flip") if getattr(self, key) is not None}

    def _default_options(self) -> dict[str, Any]:
        named = {"preset": self.preset, "dataset": self.dataset}
        return {**named, **self._ring_options(), "threads": self.threads, **self.options}


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
