"""Where a request comes from: whose word is taken for it, and what is counted as one."""

from __future__ import annotations

import pytest
from creance.provider.networks import UNKNOWN, TrustedProxies, network_of, read_address

PROXIES = TrustedProxies(["10.0.0.0/8", "2001:db8:1::/64"])
CLIENT = "203.0.113.7"


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        # Nobody is believed who is no proxy of ours.
        (CLIENT, None, CLIENT),
        (CLIENT, "198.51.100.1", CLIENT),
        ("2001:db8:2::1", "198.51.100.1", "2001:db8:2::1"),
        # The proxy's own word is the last one.
        ("10.0.0.1", None, "10.0.0.1"),
        ("10.0.0.1", CLIENT, CLIENT),
        ("10.0.0.1", f"198.51.100.1, {CLIENT}", CLIENT),
        ("10.0.0.1", f"127.0.0.1,10.9.9.9 ,{CLIENT}", CLIENT),
        ("2001:db8:1::1", CLIENT, CLIENT),
        # Several proxies of ours: what the first of them has written.
        ("10.0.0.1", f"198.51.100.1, {CLIENT}, 10.0.0.2", CLIENT),
        ("10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"),
        # Other ways to write the same.
        ("10.0.0.1", f"{CLIENT}:40001", CLIENT),
        ("10.0.0.1", f"::ffff:{CLIENT}", CLIENT),
        ("10.0.0.1", f"[::ffff:{CLIENT}]:40001", CLIENT),
        ("::ffff:10.0.0.1", CLIENT, CLIENT),
        (f"::ffff:{CLIENT}", None, CLIENT),
        ("10.0.0.1", "[2001:DB8:2:0::1]:443", "2001:db8:2::1"),
        ("10.0.0.1", "2001:db8:2::1", "2001:db8:2::1"),
        ("10.0.0.1", "fe80::1%eth0", "fe80::1"),
        # What is no address is nobody's: the proxy that wrote it is counted.
        ("10.0.0.1", "unknown", "10.0.0.1"),
        ("10.0.0.1", "_hidden", "10.0.0.1"),
        ("10.0.0.1", f"{CLIENT}, garbage-4711", "10.0.0.1"),
        ("10.0.0.1", f"{CLIENT}, garbage, 10.0.0.2", "10.0.0.2"),
        ("10.0.0.1", f"{CLIENT},,, ", CLIENT),
        ("10.0.0.1", " , ,", "10.0.0.1"),
        ("10.0.0.1", "203.0.113.007", "10.0.0.1"),
        ("10.0.0.1", "0xcb.0.113.7", "10.0.0.1"),
        ("10.0.0.1", "[" * 9000, "10.0.0.1"),
        ("", "198.51.100.1", ""),
    ],
)
def test_a_header_is_believed_as_far_as_proxies_of_ours_wrote_it(peer: str, forwarded: str | None, client: str) -> None:
    """Issue 6, attack limits: the client address is taken from proxy headers only when the proxy is trusted."""
    assert PROXIES.client_of(peer, forwarded) == client


def test_without_a_trusted_proxy_no_header_is_believed() -> None:
    """http.trusted_proxies is empty unless the operator names one, loopback included."""
    for peer in ("127.0.0.1", "::1", "10.0.0.1"):
        assert TrustedProxies([]).client_of(peer, "198.51.100.1") == peer


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:DB8:1:2:ffff:ffff:ffff:ffff", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", UNKNOWN),
        ("unknown", UNKNOWN),
        ("203.0.113.256", UNKNOWN),
    ],
)
def test_what_is_counted_as_one(address: str, network: str) -> None:
    """Issue 6, attack limits: an IPv4 address, or the /64 of an IPv6 address, of which a client has all addresses."""
    assert network_of(address) == network


@pytest.mark.parametrize("text", ["1.2.3.4:5", "[::1]", "[::1]:5", "::1", "::ffff:1.2.3.4", "1.2.3.4"])
def test_an_address_that_was_read_is_read_again_as_the_same(text: str) -> None:
    """One client has one spelling, however often it is handed on."""
    address = read_address(text)
    assert address is not None
    assert read_address(str(address)) == address
