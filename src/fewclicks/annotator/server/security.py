"""Who may ask what: an ASGI middleware in front of everything.

| danger                                           | what is done                                                     |
|--------------------------------------------------|------------------------------------------------------------------|
| another machine, another user of this one        | a token or a session (`signin.SignIn`)                           |
| a page whose name points at us (DNS rebinding)   | the Host header must be one of ours                              |
| a page that posts to us, or reads our events     | Origin and Sec-Fetch-Site must be our own                        |
| scripts smuggled into our page, framing          | Content-Security-Policy and its kin on every answer              |
| huge or endless bodies, floods                   | lengths must be told and are bounded, slow bodies end, rates too |
| many large bodies at once                        | they wait until there is room for them (`bodies.BodyRoom`)       |
| values that a database or a C library cannot take| refused before a route sees them (`values`)                      |
| connections that never say what they want        | bounded in time and number (`connection.BoundedProtocol`)        |
| errors that tell about the machine               | a line in the log, an id for the client                          |
"""

from __future__ import annotations

import asyncio
import ipaddress
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fewclicks.annotator.server.bodies import FREE_BYTES, BodyLimit, BodyRoom
from fewclicks.annotator.server.errors import internal_problem, problem
from fewclicks.annotator.server.proxies import Proxies
from fewclicks.annotator.server.sessions import Sessions
from fewclicks.annotator.server.signin import SignIn
from fewclicks.annotator.server.values import address_fault

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}

MIB = 2**20
BODY_LIMITS = (
    *(("/api/v1/predict", 128 * MIB), ("/api/v1/import", 128 * MIB), ("/actions", 8 * MIB)),
    *(("/predict", 128 * MIB), ("/webhook", 128 * MIB), ("/v1/predict", 128 * MIB), ("/api/generate", 128 * MIB)),
    ("", MIB),
)
"""Bytes of a body, by the beginning or the end of its path; the first that fits. The second line is that of
`fewclicks serve`: tasks come with all their masks."""
BODY_PAUSE_S = 30.0
"""A body that stops for so long is given up."""
BODY_BYTES_PER_S = 16 * 1024
"""As is one that comes slower than this after the first pause."""
GLANCE_S = 1.0
"""So often a body that does not come is looked at, whether others wait."""
RATE_PER_S, BURST = 200.0, 1000.0
"""Requests of one client."""
IN_FLIGHT = 512
"""Requests of all clients at once, event streams among them."""
CLIENTS = 4096
"""Clients whose rates are remembered."""


@dataclass(frozen=True, slots=True)
class SecurityPolicy:
    """What one server allows. Without a token it should listen on loopback only."""

    hosts: frozenset[str] = LOOPBACK
    """Names that the Host header may have, without port, in small letters."""
    token: str | None = None
    """Set: every request must bring it, or a session that it opened."""
    cookie: str = "fewclicks"
    """Cookies know no ports: servers on one machine need names of their own."""
    people: Mapping[str, str] = field(default_factory=dict)
    """Tokens of people by their names, beside `token` or in place of it."""
    reachable: bool = False
    """Whether other machines may ask, token or not: then addresses in numbers are good hosts, as no name is rebound."""

    proxies: Proxies = field(default_factory=Proxies)
    """Who is believed what X-Forwarded-* says."""

    def knows(self, host: str) -> bool:
        """Whether a Host header names this server."""
        name = _name_of(host)
        return name in self.hosts or ((self.needs_token or self.reachable) and _is_address(name))

    @property
    def needs_token(self) -> bool:
        """Whether only those are answered who know a token."""
        return bool(self.token or self.people)

    def sessions(self) -> Sessions:
        """Begin without anybody signed in."""
        return Sessions({**self.people, **({"": self.token} if self.token else {})})


def is_loopback(host: str) -> bool:
    """Whether nobody but this machine can reach a server on this host."""
    if host.lower() == "localhost":
        return True
    return _is_address(host) and ipaddress.ip_address(host).is_loopback


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _name_of(host: str) -> str:
    """The name in a Host header, without port and brackets; "" for what is none."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


@dataclass(slots=True)
class RateLimiter:
    """A bucket per client that refills steadily; a request takes a drop out of it."""

    per_s: float = RATE_PER_S
    burst: float = BURST
    _buckets: OrderedDict[str, tuple[float, float]] = field(default_factory=OrderedDict)

    def allow(self, client: str, now: float | None = None) -> bool:
        """Whether a request of the client may go on."""
        now = time.monotonic() if now is None else now
        level, since = self._buckets.pop(client, (self.burst, now))
        level = min(self.burst, level + (now - since) * self.per_s)
        self._buckets[client] = (level - 1 if level >= 1 else level, now)
        while len(self._buckets) > CLIENTS:
            self._buckets.popitem(last=False)
        return level >= 1


class SecurityMiddleware:
    """Refuse by `SecurityPolicy`, limit, add the headers, and turn errors of our own into answers."""

    def __init__(
        self,
        app: ASGIApp,
        policy: SecurityPolicy,
        rates: RateLimiter | None = None,
        sign_in: SignIn | None = None,
        room: BodyRoom | None = None,
    ) -> None:
        self._app = app
        self._policy = policy
        self._rates = rates or RateLimiter()
        self._sign_in = sign_in or SignIn(policy.sessions() if policy.needs_token else None, policy.cookie)
        self._room = room or BodyRoom()
        self._in_flight = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request; other things than HTTP (the lifespan) pass."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        asked, scope = scope, self._policy.proxies.unwrap(scope)
        request, begun = Request(scope), False

        async def guarded(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        self._in_flight += 1
        try:
            await self._answer(request, receive, guarded, self._refusal(request, asked))
        except (Exception, asyncio.CancelledError) as error:
            answer = _answer_to(error)
            if not begun:
                await answer(scope, receive, guarded)
        finally:
            self._in_flight -= 1

    async def _answer(self, request: Request, receive: Receive, send: Send, refusal: ASGIApp | None) -> None:
        """Let the application answer, once there is room for the body."""
        if refusal is not None:
            await refusal(request.scope, _hurried(receive), send)
            return
        size, hold = int(request.headers.get("content-length", "0")), None
        if size > FREE_BYTES:
            hold = await self._room.take(_client(request), size)
            if hold is None:
                detail = "the server holds as much as it can of what others send; try again"
                await problem(503, detail, {"Retry-After": "5"})(request.scope, receive, send)
                return
        try:
            await self._app(request.scope, _hurried(receive, self._room, hold), send)
        finally:
            if hold is not None:
                self._room.give_back(hold)

    def _refusal(self, request: Request, asked: Scope) -> ASGIApp | None:
        """Why the request is not answered; None if it is."""
        headers = request.headers
        hosts = {*headers.getlist("host"), *Headers(scope=asked).getlist("host")}  # a proxy need not pass on the one
        if not hosts or not all(map(self._policy.knows, hosts)) or len(Headers(scope=asked).getlist("host")) != 1:
            names = ", ".join(sorted(self._policy.hosts))
            return problem(403, f"this server is known as {names}; open it under one of these names")
        if self._in_flight > IN_FLIGHT:
            return problem(503, "too many requests at once; try again", {"Retry-After": "1"})
        if not self._rates.allow(_client(request)):
            return problem(429, "too many requests in a short time; slow down", {"Retry-After": "1"})
        if fault := address_fault(request.scope):
            return problem(400, fault)
        if _is_foreign(request):
            return problem(403, "another page may not use this server; open the annotator itself")
        return _ill_bodied(request.url.path, headers) or self._sign_in.check(request)


def _answer_to(error: BaseException) -> Response:
    """What is said where the application did not answer."""
    if isinstance(error, ClientDisconnect):
        return problem(408, "the body did not come; send it again")
    if isinstance(error, asyncio.CancelledError):  # the server stops, and has waited for long enough
        return problem(503, "the annotator is stopping; send it again when it runs")
    return internal_problem(error)


def _client(request: Request) -> str:
    """Who shares a rate and room: an address, or the network of a home or office, which has many in IPv6."""
    host = request.client.host if request.client else ""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    return str(ipaddress.ip_network((address, 64), strict=False)) if address.version == 6 else host


def _is_foreign(request: Request) -> bool:
    """Whether a browser sent this for a page that is not ours. What is no browser sends none of these headers."""
    origin, host = request.headers.get("origin"), request.headers["host"]
    scheme = request.url.scheme if "scheme_is_known" in request.scope else None
    if origin is not None and not _is_own(origin, host, scheme):
        return True
    guarded = request.method not in ("GET", "HEAD") or request.url.path.startswith("/api/")
    return guarded and request.headers.get("sec-fetch-site", "none") not in ("none", "same-origin")


def _is_own(origin: str, host: str, scheme: str | None) -> bool:
    """Whether an Origin is that of a page that we served under this Host and port, and scheme where it is known."""
    try:
        theirs = urlsplit(origin)
        own = urlsplit(f"{theirs.scheme}://{host}")
        usual = {"http": 80, "https": 443}.get(theirs.scheme)
        same_port = (theirs.port or usual) == (own.port or usual)
    except ValueError:
        return False
    if scheme is not None and theirs.scheme != scheme:
        return False
    return usual is not None and theirs.hostname == own.hostname and same_port


def _ill_bodied(path: str, headers: Headers) -> Response | None:
    """Why a body is not read: its length is not told, or it is too long."""
    if "transfer-encoding" in headers:
        return problem(411, "the length of the body must be told; send it with a Content-Length")
    length = headers.get("content-length", "0")
    limit = next(size for place, size in BODY_LIMITS if path.startswith(place) or (place and path.endswith(place)))
    if not length.isdecimal() or int(length) > limit:
        return problem(413, f"the body may have {limit // MIB} MiB here; send less", limit_bytes=limit)
    return None


def _hurried(receive: Receive, room: BodyRoom | None = None, hold: BodyLimit | None = None) -> Receive:
    """`receive` that gives up a body which does not come, comes too slowly, or keeps others waiting for its room."""
    complete, until = False, time.monotonic() + BODY_PAUSE_S

    async def hurried() -> Message:
        nonlocal complete, until
        if complete:  # what comes now is the end of the connection, however late
            return await receive()
        pause = min(BODY_PAUSE_S, until - time.monotonic())
        ends = time.monotonic() + pause
        while True:
            try:
                async with asyncio.timeout(min(pause, GLANCE_S)):
                    message = await receive()
                break
            except TimeoutError:
                pause = ends - time.monotonic()
            if pause <= 0 or (room and hold and room.must_end(hold)):
                return {"type": "http.disconnect"}
        size = len(message.get("body", b""))
        until += size / BODY_BYTES_PER_S
        complete = not message.get("more_body", False)
        if hold:
            hold.note(size)
            if room and room.must_end(hold):
                return {"type": "http.disconnect"}
        return message

    return hurried
