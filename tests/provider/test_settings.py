"""What the settings take and refuse: issuers above all, since every URL is made from them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from creance.provider import Settings
from creance.provider.settings import HTTPSettings
from pydantic import ValidationError

SECRET = "marked-secret-8f2c"


@pytest.mark.parametrize(
    "issuer",
    [
        "https://op.example.org",
        "https://op.example.org:8443",
        "https://op.example.org/tenant/a",
        "https://192.0.2.1",
        "https://[2001:db8::1]:8443/op",
        "http://localhost:8400",
        "http://127.0.0.1",
        "http://[::1]:8400/op",
    ],
)
def test_an_issuer_is_https_or_http_on_loopback(issuer: str) -> None:
    """OpenID Connect Discovery 3; DESIGN, The host: http is fine on loopback."""
    settings = Settings(issuer=issuer)
    assert settings.issuer == issuer
    assert settings.loopback == issuer.startswith("http:")


@pytest.mark.parametrize(
    "issuer",
    [
        "",
        "op.example.org",
        "//op.example.org",
        "https:",
        "https://",
        "https:///path",
        "https:op.example.org",
        "http://op.example.org",
        "http://localhost.example.org",
        "http://localhost@op.example.org",
        "http://127.0.0.2:8400",
        "http://0.0.0.0:8400",
        "ftp://op.example.org",
        "javascript:alert(1)",
        "https://op.example.org/",
        "https://op.example.org/op/",
        "https://op.example.org?tenant=a",
        "https://op.example.org?",
        "https://op.example.org#",
        "https://op.example.org/#a",
        "https://user@op.example.org",
        "https://user:pw@op.example.org",
        "https://@op.example.org",
        "https://op.example.org:port",
        "https://op.example.org:70000",
        "https://op.example.org:",
        "https://op.example.org:8443:1",
        "https://op example.org",
        " https://op.example.org",
        "https://op.example.org\n",
        "https://op.example.org/a\tb",
        "https://op.example.org\\evil",
        "https://op.example.org/{tenant}",
        "https://öp.example.org",
        "https://op.example.org/ö",
        "https://[2001:db8::1",
        "https://op.example.org/a//b",
        "https://op.example.org/a/../b",
        "https://op.example.org/./b",
        "https://op.example.org/a%20b",
        "HTTPS://op.example.org",
        "Http://localhost:8400",
        "https://OP.example.org",
    ],
)
def test_another_issuer_is_refused(issuer: str) -> None:
    """OpenID Connect Discovery 3: https, no query, no fragment. It is compared character by character (RFC 8414 3.3,
    RFC 9207 2.4) and prefixes every URL and cookie name, so nothing in it may be read in two ways.
    """
    with pytest.raises(ValidationError):
        Settings(issuer=issuer)


def test_only_https_makes_cookies_secure() -> None:
    """RFC 6265bis 4.1.3.2: what decides is the scheme that was written, so it is only taken in lower case."""
    with pytest.raises(ValidationError):
        Settings(issuer="HTTPS://op.example.org")


@pytest.mark.parametrize("path", ["/token", "/api/v1/oauth/token", "/a.b/~c/d-e_f", "/auth/oidc:token"])
def test_an_endpoint_can_be_moved_to_any_plain_path(path: str) -> None:
    """DESIGN, URLs: each a setting."""
    assert Settings(issuer="http://localhost", endpoints={"token": path}).endpoints == {"token": path}


@pytest.mark.parametrize(
    "path",
    ["", "/", "token", "/token/", "//token", "/a//b", "/t?x", "/t#x", "/{x}", "/%74", "/a b", "/a\\b", "/a\nb", "/."],
)
def test_another_path_is_refused(path: str) -> None:
    """RFC 3986 3.3."""
    with pytest.raises(ValidationError):
        Settings(issuer="http://localhost", endpoints={"token": path})


@pytest.mark.parametrize("bind", ["127.0.0.1:8400", "localhost:1", "[::1]:8400", "0.0.0.0:65535"])
def test_an_address_to_listen_on(bind: str) -> None:
    """DESIGN, Configuration."""
    assert HTTPSettings(bind=bind).bind == bind


@pytest.mark.parametrize("bind", ["", ":8400", "127.0.0.1", "127.0.0.1:", "127.0.0.1:-1", "127.0.0.1:65536", "h:٣"])
def test_what_is_no_address_to_listen_on(bind: str) -> None:
    """DESIGN, Configuration."""
    with pytest.raises(ValidationError, match="must be HOST:PORT"):
        HTTPSettings(bind=bind)


def test_defaults_are_checked_as_what_is_written_is() -> None:
    """STYLE, a setting has one home: defaults are safe."""
    settings = Settings(issuer="https://op.example.org")
    assert settings.grants.refresh_token_rotation == "always"
    assert settings.http.bind.startswith("127.0.0.1:")
    assert settings.lifetimes.authorization_code <= 600
    assert not settings.loopback


def test_settings_cannot_be_changed_later() -> None:
    """DESIGN, The host: no global state."""
    settings = Settings(issuer="https://op.example.org")
    with pytest.raises(ValidationError):
        settings.issuer = "https://evil.example"


def test_paths_are_relative_to_a_folder(make_settings: Callable[..., Settings], tmp_path: Path) -> None:
    """DESIGN, Configuration."""
    assert make_settings().path(Path("var/secret")) == tmp_path / "var" / "secret"
