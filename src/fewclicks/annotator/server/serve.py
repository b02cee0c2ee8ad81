"""The server process: where it listens, what it prints, how it stops."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import errno
import ipaddress
import os
import secrets
import signal
import socket
import sys
import threading
import webbrowser
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import uvicorn

from fewclicks.annotator.server.accounts import several_people
from fewclicks.annotator.server.app import application
from fewclicks.annotator.server.connection import bounded
from fewclicks.annotator.server.proxies import Proxies
from fewclicks.annotator.server.security import LOOPBACK, SecurityPolicy, is_loopback
from fewclicks.annotator.server.tokens import read_people, require_strong
from fewclicks.annotator.services.annotator import Annotator
from fewclicks.errors import InputError, counted

PORT = 8000
TRIED = 100
"""Ports that are tried after 8000."""
GRACE_S = 10
"""How long requests may go on after Ctrl-C."""
EVERYWHERE = ("0.0.0.0", "::")
"""Hosts that mean all addresses of this machine."""
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8
"""Of glibc's mallopt."""
FILES = 4096
"""Open files and connections."""
TOKEN_VARIABLE = "FEWCLICKS_TOKEN"
"""A token of one's own, so that the address stays the same after a restart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where to listen, and who is let in."""

    host: str = "127.0.0.1"
    port: int | None = None
    """None: 8000, or the next that is free."""
    names: tuple[str, ...] = ()
    """Host names that the server has besides."""
    tokens: Path | None = None
    """A file of people and their tokens (`tokens.read_people`)."""
    proxies: tuple[str, ...] = ()
    """Addresses and networks of proxies, who say where requests come from."""
    no_token: bool = False
    """Let everybody in who can reach the server."""


def serve(annotator: Annotator, place: Place, listening: socket.socket, browser: bool = True) -> None:
    """Serve on a socket of `listen` until Ctrl-C. Prints the address, and opens the browser at it."""
    keep_memory_steady()
    allow_many_files()
    port: int = listening.getsockname()[1]
    policy = policy_for(place, port, members=annotator.people.has_active)
    sessions = policy.sessions()
    config = uvicorn.Config(
        application(annotator, policy, sessions=sessions),
        http=bounded(policy.proxies),
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        ws="none",
        timeout_graceful_shutdown=GRACE_S,
        h11_max_incomplete_event_size=64 * 1024,
    )
    photos = len(annotator.gallery.photos())
    print(f"{counted(photos, 'photo')} in {annotator.folder.root}")
    if port != PORT and place.port is None:
        print(f"Port {PORT} is taken, so it is {port}.")
    if place.no_token:
        said = sys.stdout if is_loopback(place.host) else sys.stderr
        print(f"--no-token: {_whom(place)} can see all photos and change all annotations.", file=said)
    if policy.people:
        print(
            f"{', '.join(policy.people)}: open the address with ?token= and the token of {place.tokens}, or enter it."
        )
    print(f"Annotate at {address_of(place.host, port, policy.token)}  (Ctrl-C ends it; everything is saved at once)")
    for name in place.names if place.proxies else ():
        print(
            f"Through the proxy it is https://{name}/"
            + (", where the token is asked for" if policy.needs_token else "")
        )
    sys.stdout.flush()
    if browser:
        here = "127.0.0.1" if place.host in EVERYWHERE else place.host
        # Others may see in the list of processes what a browser opens: a ticket, which is of use once.
        opened = address_of(here, port, sessions.ticket() if policy.needs_token else None, "ticket")
        threading.Thread(target=webbrowser.open, args=(opened,), daemon=True).start()
    with contextlib.suppress(KeyboardInterrupt):  # uvicorn raises it again after it has ended well
        _Server(config, annotator).run([listening])
    print("Stopped.", file=sys.stderr)


class _Server(uvicorn.Server):
    """Ends the streams of events first: they would keep their connections open for ever."""

    def __init__(self, config: uvicorn.Config, annotator: Annotator) -> None:
        super().__init__(config)
        self._annotator = annotator

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if hasattr(signal, "SIGBUS"):  # a disk failed just while SQLite wrote to memory that is a file on it
            with contextlib.suppress(ValueError, RuntimeError, NotImplementedError):  # not the main thread
                asyncio.get_running_loop().add_signal_handler(signal.SIGBUS, self._disk_failed)
                # The write is tried again, and the signal sent, until the handler runs.
                signal.set_wakeup_fd(signal.set_wakeup_fd(-1), warn_on_full_buffer=False)

    def _disk_failed(self) -> None:
        """Say so, and end: the thread that wrote cannot go on. What was answered is on the disk."""
        cure = "see that it can be written and has room, and start again; everything that was answered is saved"
        print(f"fewclicks: the disk of {self._annotator.store.name} failed during a write; {cure}", file=sys.stderr)
        sys.stderr.flush()
        os._exit(1)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._annotator.hub.close()
        await super().shutdown(sockets)


def keep_memory_steady() -> None:
    """Have the C library give large arrays back to the system at once, instead of keeping holes between small things.

    It would otherwise learn from the sizes that are freed to keep ever larger ones, and each thread its own.
    """
    with contextlib.suppress(OSError, AttributeError, TypeError):  # not glibc
        library = ctypes.CDLL(None)
        if hasattr(library, "gnu_get_libc_version"):
            library.mallopt(M_MMAP_THRESHOLD, 2**20)
            library.mallopt(M_TRIM_THRESHOLD, 2**22)
            library.mallopt(M_ARENA_MAX, 2)


def allow_many_files() -> None:
    """Have room for as many connections as `connection` lets in, where the system gives less at first."""
    with contextlib.suppress(ImportError, OSError, ValueError):  # Windows has no such limit
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
        if soft != resource.RLIM_INFINITY and soft < wanted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def listen(place: Place) -> socket.socket:
    """A socket that listens; InputError if the port is taken or the host is not of this machine."""
    wanted = [place.port] if place.port is not None else [*range(PORT, PORT + TRIED), 0]
    for port in wanted:
        try:
            return _listening(place.host, port)
        except OSError as error:
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                cure = "name an address of this machine, as 127.0.0.1 or 0.0.0.0"
                raise InputError(f"cannot listen on '{place.host}' ({error.strerror or error}); {cure}") from None
    raise InputError(f"port {place.port} is taken or not allowed; name another by --port, or none")


def _listening(host: str, port: int) -> socket.socket:
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    listening = socket.socket(family, kind, protocol)
    try:
        if os.name == "posix":  # elsewhere it would let two servers share a port
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(256)  # from here on browsers wait instead of being refused
    except BaseException:
        listening.close()
        raise
    return listening


def policy_for(
    place: Place, port: int, shared: Callable[[], bool] = several_people, members: bool = False
) -> SecurityPolicy:
    """Decide who is let in.

    A token is needed wherever somebody else can reach the server: from other machines, under other names, as another
    user of this machine (`shared` tells whether there are any), where people are to sign in by their names (`members`),
    and where the user sets one.
    """
    hosts = LOOPBACK | {place.host.lower(), *(name.lower() for name in place.names)}
    cookie, reachable = f"fewclicks_{port}", not is_loopback(place.host)
    if reachable:
        name = socket.gethostname().lower()
        hosts |= {name, f"{name}.local"}
    if place.no_token and place.tokens:
        raise InputError("--no-token lets everybody in, --tokens does not; leave one of them out")
    proxies = Proxies.named(place.proxies)
    if place.no_token:
        return SecurityPolicy(hosts=hosts, cookie=cookie, reachable=reachable, proxies=proxies)
    people = read_people(place.tokens) if place.tokens else {}
    token = os.environ.get(TOKEN_VARIABLE) or None
    if token is not None:
        require_strong(token, TOKEN_VARIABLE)
    elif not people and (members or reachable or place.names or place.proxies or shared()):
        token = secrets.token_urlsafe(32)
    return SecurityPolicy(hosts=hosts, token=token, people=people, cookie=cookie, reachable=reachable, proxies=proxies)


def _whom(place: Place) -> str:
    """Whom a server without a token lets in."""
    if not is_loopback(place.host):
        return f"everybody whose machine reaches this one ({place.host})"
    return "everybody who can use this machine" + (
        ", and whoever a proxy lets through," if place.names or place.proxies else ""
    )


def address_of(host: str, port: int, secret: str | None, kind: str = "token") -> str:
    """What to open in the browser."""
    try:
        number = ipaddress.ip_address(host)
    except ValueError:
        name = host
    else:
        name = own_name() if number.is_unspecified else f"[{host}]" if number.version == 6 else host
    return f"http://{name}:{port}/" + (f"?{kind}={secret}" if secret else "")


def own_name() -> str:
    """What other machines may know this one by: its address in the network, else its name."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing; the system says which address it would send from
            address: str = probe.getsockname()[0]
        except OSError:
            return socket.gethostname()
    return address
