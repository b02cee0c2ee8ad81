"""Who a request is from: a token in a header, a session in a cookie, or an address with a token or ticket in it."""

from __future__ import annotations

import asyncio
import time
import unicodedata
from collections.abc import Callable
from urllib.parse import parse_qs, unquote_to_bytes

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from fewclicks.annotator.server.accounts import is_own_peer
from fewclicks.annotator.server.errors import problem
from fewclicks.annotator.server.sessions import LIFE_S, Sessions
from fewclicks.annotator.server.signin_page import Says, ask
from fewclicks.errors import InputError

PERSON_HEADER = "X-Fewclicks-Person"
"""How someone whom no token names says who they are: percent-encoded UTF-8."""
PERSON_LENGTH = 100
OPEN = ("/api/v1/healthz", "/style.css", "/icon.svg")
"""What needs no token: that the server answers, and the look of the page that asks for one."""
FORM_BYTES = 4096

TRIES, TRIES_IN_ALL, TRIES_S, MANY_TRIED = 10, 60, 60.0, 1000
"""So often a name's password may be tried from one address before it has to wait, and how long it waits."""


class Tries:
    """Counts the passwords that are tried: of each name from each address, and from each address in all."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._since: dict[tuple[str, str], tuple[int, float]] = {}

    def allow(self, name: str, address: str) -> bool:
        """Tell whether one more may be tried now, and count it."""
        now = self._clock()
        if len(self._since) > MANY_TRIED:
            self._since = {key: value for key, value in self._since.items() if now - value[1] < TRIES_S}
        allowed = True
        for key, most in (((name.casefold(), address), TRIES), (("", address), TRIES_IN_ALL)):
            count, began = self._since.get(key, (0, now))
            if now - began >= TRIES_S:
                count, began = 0, now
            self._since[key] = count + 1, began
            allowed &= count < most
        return allowed


class SignIn:
    """Decides who a request is from, for `SecurityMiddleware`. With `sessions` None everybody is welcome."""

    def __init__(self, sessions: Sessions | None, cookie: str) -> None:
        self._sessions = sessions
        self._cookie = cookie
        self._tries = Tries()
        self._one = asyncio.Lock()

    def check(self, request: Request) -> ASGIApp | None:
        """Note who asks in `request.state`; give what answers in place of the application, if they may not.

        `state.person` is a name, or "" where nobody said one. `state.session` is the session of a browser, or None.
        `state.named` tells whether a token gave the name, so that it cannot be chosen; `state.role` what they may do.
        """
        state, sessions = request.state, self._sessions
        state.person, state.session, state.named, state.role = "", None, False, "admin"
        try:
            chosen = chosen_person(request)
        except InputError as error:
            return problem(400, str(error))
        if sessions is not None:
            state.session = sessions.find(request.cookies.get(self._cookie))
            person = state.session.person if state.session else sessions.person_of(_bearer(request))
            if person is None or _is_link(request):
                return self._stranger(request, sessions, known=person is not None)
            state.person, state.named = person, person != ""
            state.role = sessions.role_of(person)
        if not state.named:
            state.person = chosen
        return None

    def sign_out(self, request: Request, response: Response, everywhere: bool = False) -> None:
        """End the session of a request, or all of its person, and take the cookie back."""
        if self._sessions is not None and request.state.session is not None:
            self._sessions.end(request.state.session, everywhere)
        response.delete_cookie(self._cookie, httponly=True, samesite="strict", secure=request.url.scheme == "https")

    def _stranger(self, request: Request, sessions: Sessions, known: bool) -> ASGIApp | None:
        path = request.url.path
        if path in OPEN:
            return None
        if path.startswith("/api/"):
            return problem(401, "the token is missing or wrong; open the address that `fewclicks annotate` printed")
        if request.method == "POST" and path == "/login":
            return self._login
        token, ticket = request.query_params.get("token"), request.query_params.get("ticket")
        if request.method == "GET":
            person = sessions.person_of(token) if token else None
            secret = sessions.open(person) if person is not None else None
            # Others can read the ticket in the list of processes, and be faster: it is for our own user, and not for
            # who comes through a proxy, where nothing tells whose the connection is.
            own = "forwarded" not in request.scope and (request.client is None or is_own_peer(*request.client))
            if secret is None and ticket and own:
                secret = sessions.redeem(ticket)
            if secret or known:
                return self._entered(request, secret, "/" + path.lstrip("/"))
        # A link on another page brings no SameSite cookie, although there may be one: our own page asks once more.
        from_elsewhere = request.headers.get("sec-fetch-site") in ("cross-site", "same-site")
        says: Says = "used" if ticket else "wrong" if token else "address"
        return ask(request, says, again=from_elsewhere and not (token or ticket), by_name=self._by_name)

    def _entered(self, request: Request, secret: str | None, path: str) -> Response:
        """Go on without the secret in the address, and with a session."""
        answer = RedirectResponse(path, 303)
        if secret:
            answer.set_cookie(
                self._cookie,
                secret,
                max_age=int(LIFE_S),
                httponly=True,
                samesite="strict",
                secure=request.url.scheme == "https",
            )
        return answer

    async def _login(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take the token of the form."""
        assert self._sessions is not None
        request = Request(scope, receive)
        if int(request.headers.get("content-length", "0")) > FORM_BYTES:
            await problem(413, "a token is shorter; enter the one that was printed")(scope, receive, send)
            return
        form = parse_qs((await request.body()).decode("utf-8", "replace"), max_num_fields=4)
        name, secret = form.get("name", [""])[0].strip(), form.get("token", [""])[0]
        if not name:
            person = self._sessions.person_of(secret.strip())
        elif self._tries.allow(name, request.client.host if request.client else ""):
            person = await self._by_password(name, secret)
        else:
            await ask(request, "too_many", by_name=True, status=429)(scope, receive, send)
            return
        if person is None:
            answer: Response = ask(request, "wrong_name" if name else "wrong", by_name=self._by_name)
        else:
            answer = self._entered(request, self._sessions.open(person), "/")
        await answer(scope, receive, send)

    @property
    def _by_name(self) -> bool:
        """Whether somebody may sign in by a name and a password."""
        return self._sessions is not None and self._sessions.by_name

    async def _by_password(self, name: str, password: str) -> str | None:
        """The name of who has this password. In a thread, one at a time: it takes memory and time by intent."""
        directory = self._sessions.directory if self._sessions else None
        if directory is None:
            return None
        async with self._one:
            found = await asyncio.to_thread(directory.of_password, name, password)
        return found.name if found else None


def chosen_person(request: Request) -> str:
    """Give the name that the header says, or ""; InputError if it cannot be a name."""
    said = request.headers.get(PERSON_HEADER, "")
    try:
        return as_person(unquote_to_bytes(said.encode("latin-1")).decode("utf-8"))
    except UnicodeDecodeError:
        raise InputError(f"{PERSON_HEADER} is no percent-encoded UTF-8; encode the name as in an address") from None


def as_person(name: str) -> str:
    """Give the name as it is kept: without spaces around it; InputError for what is no line of text."""
    name = name.strip()
    if len(name) > PERSON_LENGTH:
        raise InputError(f"a person's name has at most {PERSON_LENGTH} characters, got {len(name)}; shorten it")
    if any(unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp") for letter in name):
        raise InputError("a person's name is one line of text; leave line breaks and control characters out")
    return name


def _bearer(request: Request) -> str | None:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token if scheme.lower() == "bearer" else None


def _is_link(request: Request) -> bool:
    """Tell whether the address of a page has a secret in it that must leave the address bar."""
    if request.method != "GET" or request.url.path.startswith("/api/"):
        return False
    return "token" in request.query_params or "ticket" in request.query_params
