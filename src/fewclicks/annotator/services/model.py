"""The model of an annotator, before it is loaded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from fewclicks.predictor import Predictor


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """What answers the clicks: how to load it, and what is said about it."""

    load: Callable[[], tuple[Predictor, str]]
    """Gives the predictor, and a text that names it and its weights for the record of each action."""
    name: str
    """The method."""
    cfr: int | None = None
    """Refinements that the page starts with; None: those of the model itself."""
    adaptive: bool = False
    others: Mapping[str, Callable[[], tuple[Predictor, str]]] = field(default_factory=dict)
    """Models that photos can be annotated with beforehand, besides this one: name -> what loads it."""
    choices: tuple[str, ...] = ()
    """Methods that can be changed to while people work, this one among them."""
    choose: Callable[[str], Model] | None = None
    """Gives the model of another of them. FewClicksError where it cannot be had."""
    workers: int = 1
    """Lanes that work side by side, each with what `load` gives it."""
