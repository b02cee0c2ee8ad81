"""The people of this machine, between whom loopback is no wall: whether there are several, whose a connection is."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import sys
from collections.abc import Iterator
from pathlib import Path

HUMAN_UIDS = range(1000, 60_000)
"""Accounts of people on Linux; below are those of services."""
DIRECTORY_UIDS = range(65_536, 2**32 - 1)
"""So large are those of a directory service, but also those in containers, which have no name."""
NO_SHELLS = ("nologin", "false", "sync", "shutdown", "halt")
NO_HOMES = ("Shared", "Guest", "Public", "Default", "Default User", "All Users", "WDAGUtilityAccount")
"""Folders beside the homes of people, on macOS and Windows."""


def several_people(passwd: Path = Path("/etc/passwd"), processes: Path = Path("/proc"), own: int | None = None) -> bool:
    """Tell whether more than one person can, or does, use this machine.

    Who runs this counts, who has an account of their own does, and whoever runs a process (accounts of a directory
    service stand in no file). Root and the accounts of services are nobody: a container has one user, and one's own
    laptop too. Where none of this can be known, it is one.
    """
    if sys.platform in ("darwin", "win32"):
        return len(_homes(Path.home().parent)) > 1
    uids = {os.getuid() if own is None else own, *_accounts(passwd), *_running(processes)}
    return sum(uid in HUMAN_UIDS or (uid in DIRECTORY_UIDS and _has_name(uid)) for uid in uids) > 1


def is_own_peer(host: str, port: int, tables: Path = Path("/proc/net")) -> bool:
    """Tell whether a connection of this machine comes from a process of our own user; True where that is not known.

    `host` and `port` are those of the other end. Linux lists the sockets with their owners.
    """
    wanted = {f"{_hexadecimal(form)}:{port:04X}" for form in _forms(host)}
    own = {str(os.getuid()), os.environ.get("SUDO_UID")} if hasattr(os, "getuid") else set()
    for name in ("tcp", "tcp6"):
        with contextlib.suppress(OSError), open(tables / name, encoding="ascii") as table:
            for line in table:
                fields = line.split()
                if len(fields) > 7 and fields[1] in wanted:
                    return fields[7] in own
    return True


def _forms(host: str) -> tuple[str, ...]:
    """An address, and what the other end calls it: who comes to a socket of IPv6 by IPv4 has a socket of IPv4."""
    try:
        inner = getattr(ipaddress.ip_address(host), "ipv4_mapped", None)
    except ValueError:
        inner = None
    return (host, str(inner)) if inner else (host,)


def _hexadecimal(host: str) -> str:
    """An address as the kernel writes it: words of four bytes, each from its end."""
    try:
        packed = ipaddress.ip_address(host).packed
    except ValueError:
        return ""
    words = (packed[at : at + 4] for at in range(0, len(packed), 4))
    return "".join((word[::-1] if sys.byteorder == "little" else word).hex() for word in words).upper()


def _accounts(passwd: Path) -> Iterator[int]:
    """The accounts that one can log in to."""
    with contextlib.suppress(OSError):
        for line in passwd.read_text("utf-8", "replace").splitlines():
            fields = line.split(":")
            if len(fields) == 7 and fields[2].isdecimal() and Path(fields[6]).name not in NO_SHELLS:
                yield int(fields[2])


def _running(processes: Path) -> Iterator[int]:
    """The owners of the processes that run now."""
    with contextlib.suppress(OSError):
        for entry in os.scandir(processes):
            with contextlib.suppress(OSError):  # it has ended meanwhile
                if entry.name.isdecimal():
                    yield entry.stat().st_uid


def _has_name(uid: int) -> bool:
    import pwd

    with contextlib.suppress(KeyError):
        return bool(pwd.getpwuid(uid).pw_name)
    return False


def _homes(place: Path) -> set[str]:
    with contextlib.suppress(OSError):
        return {entry.name for entry in os.scandir(place) if entry.is_dir() and entry.name[0] != "."} - {*NO_HOMES}
    return set()
