"""Who asks, and the end of their session."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from fewclicks.annotator.server.schemas import SessionOut
from fewclicks.annotator.server.signin import SignIn
from fewclicks.annotator.server.values import CheckedRoute

router = APIRouter(route_class=CheckedRoute, tags=["session"], prefix="/session")


@router.get("")
async def session(request: Request) -> SessionOut:
    """Tell who asks: the person of the token, or whoever the header X-Fewclicks-Person names."""
    state = request.state
    return SessionOut(person=state.person, named=state.named, signed_in=state.session is not None, role=state.role)


@router.delete("", status_code=204)
async def sign_out(
    request: Request,
    everywhere: Annotated[bool, Query(description="All sessions that were opened with the same token.")] = False,
) -> Response:
    """End the session of this browser. Open streams of events end too; the token opens another session."""
    answer = Response(status_code=204)
    sign_in: SignIn = request.app.state.sign_in
    sign_in.sign_out(request, answer, everywhere)
    return answer
