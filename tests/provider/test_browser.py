"""The browser in front of us, the names of cookies, and headers in any case."""

from __future__ import annotations

import pytest
from creance.provider import Browser
from creance.provider.browser import CookieNames


def test_cookie_names_differ_between_providers_of_one_host() -> None:
    """RFC 6265 8.5: cookies do not know ports; DESIGN, A person's visit."""
    names = {CookieNames(f"http://localhost:{port}")("session") for port in range(8000, 8100)}
    assert len(names) == 100


def test_cookie_names_have_the_host_prefix_on_https() -> None:
    """RFC 6265bis 4.1.3.2."""
    names = CookieNames("https://op.example.org")
    assert names.secure
    assert names("session").startswith("__Host-creance_")
    insecure = CookieNames("http://localhost:8400")
    assert not insecure.secure
    assert insecure("session").startswith("creance_")


@pytest.mark.parametrize("issuer", ["https://op.example.org/a b;c", "http://localhost:8400"])
def test_a_cookie_name_is_a_token(issuer: str) -> None:
    """RFC 6265 4.1.1."""
    assert CookieNames(issuer)("visit").replace("-", "").replace("_", "").isalnum()


def test_a_browser_collects_the_cookies_that_it_is_to_be_given() -> None:
    """DESIGN, A person's visit."""
    browser = Browser({"a": "1"}, "127.0.0.1")
    browser.set_cookie("b", "2", 60)
    browser.remove_cookie("a")
    assert [(cookie.name, cookie.value, cookie.max_age) for cookie in browser.set_cookies] == [
        ("b", "2", 60),
        ("a", "", 0),
    ]


def test_a_browser_has_the_headers_and_the_peer_of_its_request() -> None:
    """PEP 3333, RFC 9110 5.1: names in any case; the peer is who connected, whoever the client is said to be."""
    browser = Browser(
        {}, "192.0.2.1", environ={"HTTP_X_NAME": "value", "REMOTE_ADDR": "127.0.0.1", "REMOTE_USER": "alice"}
    )
    assert browser.headers["x-name"] == browser.headers["X-Name"] == "value"
    assert list(browser.headers) == ["X-Name"]
    assert (browser.peer_address, browser.remote_address) == ("127.0.0.1", "192.0.2.1")
    assert "alice" not in repr(browser)
    assert (Browser({}, "127.0.0.1").peer_address, dict(Browser({}, "127.0.0.1").headers)) == ("", {})
