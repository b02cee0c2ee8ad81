"""The model of an annotator: before it is loaded, and how it refines once it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from fewclicks.annotator.editing.actions import MAX_CFR
from fewclicks.clicks import Click, Clicks
from fewclicks.config import quick
from fewclicks.predictor import Predictor
from fewclicks.refinement import own_passes


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


@dataclass(frozen=True, slots=True)
class Passes:
    """How often a model refines a click by itself."""

    first: int
    """Passes after the first click of an object."""
    later: int
    """Passes after the others."""
    adaptive: bool
    """They stop when hardly a pixel changes."""
    quick: bool
    """There is a quicker predictor for previews."""

    @classmethod
    def of(cls, predictor: Predictor) -> Passes:
        """Those of a predictor."""
        click = Click(0, 0)
        (first, tol), (later, _) = (own_passes(predictor, Clicks((click,) * n)) for n in (1, 2))
        at_once = quick(predictor) is not None
        return cls(min(first, MAX_CFR), min(later, MAX_CFR), tol is not None, at_once)
