"""Whom to believe what stands in X-Forwarded-*: the proxies that the user names by --proxy, and nobody else."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from starlette.datastructures import Headers
from starlette.types import Scope

from fewclicks.errors import InputError

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class Proxies:
    """The addresses and networks whose word counts."""

    networks: tuple[Network, ...] = ()

    @classmethod
    def named(cls, names: Iterable[str]) -> Proxies:
        """Read addresses (127.0.0.1) and networks (10.0.0.0/8); InputError for what is neither."""
        networks = []
        for name in names:
            try:
                networks.append(ipaddress.ip_network(name.strip("[]"), strict=False))
            except ValueError:
                cure = "name an address as 127.0.0.1, or a network as 10.0.0.0/8"
                raise InputError(f"'{name}' is no address of a proxy; {cure}") from None
        return cls(tuple(networks))

    def trust(self, host: str) -> bool:
        """Tell whether this address is that of a named proxy."""
        address = as_address(host)
        return address is not None and any(address in network for network in self.networks)

    def unwrap(self, scope: Scope) -> Scope:
        """Give the request as it reached the outermost proxy: its client, scheme and Host; otherwise as it is.

        Of several names in X-Forwarded-For the last one counts that is no proxy's: those before it, anybody can write.
        """
        client = scope.get("client")
        if not self.networks or client is None or not self.trust(client[0]):
            return scope
        headers, seen = Headers(scope=scope), dict(scope)
        if any(name.startswith("x-forwarded-") for name in headers):
            seen["forwarded"] = True
        for name in reversed(_listed(headers, "x-forwarded-for")):
            address = as_address(name)
            if address is None:  # as unknown as one that was not named
                break
            seen["client"] = (str(address), 0)
            if not self.trust(str(address)):
                break
        scheme = _last(headers, "x-forwarded-proto").lower()
        if scheme in ("http", "https"):
            seen["scheme"] = scheme
            seen["scheme_is_known"] = True
        host = _last(headers, "x-forwarded-host")
        if host:
            seen["headers"] = [*((key, value) for key, value in scope["headers"] if key != b"host"),
                               (b"host", host.encode("latin-1"))]  # fmt: skip
        return seen


def as_address(name: str) -> Address | None:
    """Read an address as it stands in headers: with brackets, a port, a zone, or as IPv4 in IPv6. None for none."""
    name = name.strip().strip('"')
    if name.startswith("["):
        name = name[1:].partition("]")[0]
    elif name.count(":") == 1:
        name = name.partition(":")[0]
    try:
        address = ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _listed(headers: Headers, name: str) -> list[str]:
    return [part.strip() for value in headers.getlist(name) for part in value.split(",")]


def _last(headers: Headers, name: str) -> str:
    """What the nearest proxy has said: it stands at the end."""
    return (_listed(headers, name) or [""])[-1]
