"""The method that answers clicks, changed while people work. Masks and clicks stay as they are."""

from __future__ import annotations

import contextlib
import logging
import threading

import numpy as np

from fewclicks.annotator.services.events import EventBus
from fewclicks.annotator.services.model_process import close_process
from fewclicks.annotator.services.objects import Objects
from fewclicks.clicks import Click, Clicks
from fewclicks.errors import FewClicksError, InputError, UnknownName
from fewclicks.predictor import Predictor

log = logging.getLogger(__name__)

TRIAL_PX = 64
"""Side of the grey picture that a method must answer a click on before it is taken."""


class Methods:
    """Knows the methods that can answer the clicks on objects. Threads may share it; one change waits for another.

    One method is in memory at a time, but for the moment of a change: the one before is dropped by every lane.
    """

    def __init__(self, objects: Objects, hub: EventBus) -> None:
        self._objects, self._hub = objects, hub
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        """The one that answers."""
        return self._objects.model.name

    @property
    def choices(self) -> tuple[str, ...]:
        """All of them, the present one among them."""
        return self._objects.model.choices or (self.name,)

    def change(self, name: str) -> None:
        """Have another method answer clicks from now on, for everybody; blocks until it does.

        The objects keep their masks and clicks: the next click corrects the mask that is there. UnknownName for one
        that is no choice; FewClicksError where it cannot be loaded, and then the one before goes on.
        """
        with self._lock:
            objects, model = self._objects, self._objects.model
            if name == model.name and objects.ready:
                return
            if name not in self.choices or model.choose is None:
                raise UnknownName(f"no method to change to is named '{name:.80}'; there are: {', '.join(self.choices)}")
            other = model.choose(name)
            try:
                loaded = [other.load()]
                _try(loaded[0][0])
            except Exception as error:
                if isinstance(error, FewClicksError):
                    raise
                log.exception("the method %s cannot be used", name)
                raise InputError(f"the method '{name}' cannot be used; the server's log says why") from error
            dropped: list[Predictor] = []

            def take() -> None:
                predictor, by = loaded.pop() if loaded else other.load()
                with contextlib.suppress(FewClicksError):  # there may be none yet
                    dropped.append(objects.predictor())
                objects.take(predictor, by)

            for done in objects.worker.each("method", take):
                done.result()
            for predictor in dropped:
                close_process(predictor)
            objects.model, objects.failure = other, None
            if objects.own is not None:
                self._hub.publish("model", objects.own)
            self._hub.publish("method", {"name": name})


def _try(predictor: Predictor) -> None:
    """Have it answer a click, so that what cannot answer any is found before it is taken."""
    grey = np.full((TRIAL_PX, TRIAL_PX, 3), 128, np.uint8)
    middle = Click(TRIAL_PX / 2, TRIAL_PX / 2)
    found = predictor.step(predictor.start(grey), Clicks((middle,))).prob
    if found.shape != grey.shape[:2]:
        raise InputError(f"the method answers with a mask of {found.shape} for a photo of {grey.shape[:2]}")
