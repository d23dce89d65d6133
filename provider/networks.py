"""Where a request comes from: the address of the client, and the network that is counted for it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

Address = IPv4Address | IPv6Address

UNKNOWN = "unknown"
"""The network of whatever is no address: all of that is counted together."""

_IPV6_OF_ONE_CUSTOMER = 64
"""Bits. Who has one address of such a network has all of them (RFC 6177)."""
_WITH_PORT = re.compile(r"\[([^\]]*)\](?::[0-9]*)?|([0-9.]+):[0-9]*")


class TrustedProxies:
    """Believes X-Forwarded-For as far as it was written by proxies that the operator named, and no further.

    Each proxy adds at the end the address that it was called from. So the header is read from its end: what a proxy of
    ours has written is true, and everything before that is what somebody said of themselves.
    """

    def __init__(self, networks: Iterable[str]) -> None:
        self._networks = [ip_network(network) for network in networks]

    def client_of(self, peer: str, forwarded: str | None) -> str:
        """The address of the client: the last hop that is no proxy of ours, in its canonical form.

        Where a hop is no address (`unknown`, or a name for one, RFC 7239 6), it is that of the proxy which wrote it.
        """
        address = read_address(peer)
        if address is None or not forwarded or not self._trusts(address):
            return peer if address is None else str(address)
        for hop in reversed(_hops(forwarded)):
            before = read_address(hop)
            if before is None:
                break
            address = before
            if not self._trusts(address):
                break
        return str(address)

    def _trusts(self, address: Address) -> bool:
        return any(address in network for network in self._networks)


def _hops(forwarded: str) -> Sequence[str]:
    return [hop for part in forwarded.split(",") if (hop := part.strip())]


@lru_cache(4096)
def read_address(text: str) -> Address | None:
    """An address as proxies write it: with or without a port, an IPv6 address with or without brackets.

    An IPv4 address within an IPv6 address (RFC 4291 2.5.5.2) is the IPv4 address; the name of an interface (RFC 4007
    11) says nothing to others, and goes.
    """
    if match := _WITH_PORT.fullmatch(text):
        text = match[1] or match[2] or ""
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


@lru_cache(4096)
def network_of(address: str) -> str:
    """What is counted as one: an IPv4 address, or the /64 of an IPv6 address. `unknown` for what is no address."""
    parsed = read_address(address)
    if parsed is None:
        return UNKNOWN
    if isinstance(parsed, IPv4Address):
        return str(parsed)
    return str(ip_network((int(parsed), _IPV6_OF_ONE_CUSTOMER), strict=False))
