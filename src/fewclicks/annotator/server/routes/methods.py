"""The methods that can answer clicks, and which one does."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from pydantic import StringConstraints

from fewclicks.annotator.server.requests import RequestModel
from fewclicks.annotator.server.roles import only
from fewclicks.annotator.server.routes.common import AnnotatorDep, in_thread
from fewclicks.annotator.server.schemas import ResponseModel
from fewclicks.annotator.server.values import CheckedRoute
from fewclicks.annotator.services.annotator import Annotator

router = APIRouter(route_class=CheckedRoute, tags=["folder"], prefix="/methods")


class MethodIn(RequestModel):
    """Which method shall answer."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=4096)]


class MethodsOut(ResponseModel):
    """The method that answers clicks, and those that it can be changed to."""

    name: str
    choices: list[str]
    """`name` is one of them. `fewclicks annotate --model` adds to them."""

    @classmethod
    def of(cls, given: Annotator) -> MethodsOut:
        """Those of an annotator."""
        return cls(name=given.methods.name, choices=list(given.methods.choices))


@router.get("")
def methods(given: AnnotatorDep) -> MethodsOut:
    """The methods, and which one answers."""
    return MethodsOut.of(given)


@router.put("", dependencies=[only("reviewer", "change the method")])
async def change_method(given: AnnotatorDep, asked: MethodIn) -> MethodsOut:
    """Have another method answer clicks, for everybody, once it is loaded; pages are told by the event `method`.

    Objects keep their masks and clicks: the next click corrects the mask that is there, and undo goes back to the masks
    that were. A method that cannot be used says why, and the one before goes on.
    """
    await in_thread(given.slow_pool, lambda: given.methods.change(asked.name))
    return MethodsOut.of(given)
