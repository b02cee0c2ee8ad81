"""fewclicks: click on an object, get its mask.

    import fewclicks
    session = fewclicks.open("photo.jpg")
    session.click(310, 190)                      # pixels (x, y) on the object
    session.click(420, 80, positive=False)       # ... and off it
    session.save("mask.png")

Names are imported when they are first used.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fewclicks.api import load, open  # noqa: A004
    from fewclicks.clicks import Click, Clicks
    from fewclicks.errors import (
        CheckpointError,
        Conflict,
        DatasetError,
        FewClicksError,
        InputError,
        MissingExtra,
        StoreError,
        TrainingError,
        UnknownName,
    )
    from fewclicks.integrations.widget import widget
    from fewclicks.plugins import allow
    from fewclicks.predictor import Predictor, State
    from fewclicks.proposals import Everything, Proposal, propose
    from fewclicks.refinement import CFR, Anchor, LocalCorrection
    from fewclicks.session import Session
    from fewclicks.transforms import Denoise, Flip, ZoomIn

    __version__: str

__all__ = [
    "CFR",
    "Anchor",
    "CheckpointError",
    "Click",
    "Clicks",
    "Conflict",
    "DatasetError",
    "Denoise",
    "Everything",
    "FewClicksError",
    "Flip",
    "InputError",
    "LocalCorrection",
    "MissingExtra",
    "Predictor",
    "Proposal",
    "Session",
    "State",
    "StoreError",
    "TrainingError",
    "UnknownName",
    "ZoomIn",
    "__version__",
    "allow",
    "load",
    "open",
    "propose",
    "widget",
]

_HOMES = {
    "api": ["load", "open"],
    "clicks": ["Click", "Clicks"],
    "errors": [
        "CheckpointError",
        "Conflict",
        "DatasetError",
        "FewClicksError",
        "InputError",
        "MissingExtra",
        "StoreError",
        "TrainingError",
        "UnknownName",
    ],
    "plugins": ["allow"],
    "predictor": ["Predictor", "State"],
    "proposals": ["Everything", "Proposal", "propose"],
    "refinement": ["CFR", "Anchor", "LocalCorrection"],
    "session": ["Session"],
    "transforms": ["Denoise", "Flip", "ZoomIn"],
    "integrations.widget": ["widget"],
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return importlib.import_module("importlib.metadata").version("fewclicks")
    for home, held in _HOMES.items():
        if name in held:
            return getattr(importlib.import_module(f"fewclicks.{home}"), name)
    raise AttributeError(f"module 'fewclicks' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted(__all__)
