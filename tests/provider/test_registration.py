"""What can be registered: clients and their redirect URIs, users and their claims."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from creance.provider import ClientSettings, UserSettings
from pydantic import ValidationError

SECRET = "marked-secret-8f2c"
PUBLIC = {"client_id": "a", "token_endpoint_auth_method": "none"}
CONFIDENTIAL = {"client_id": "a", "client_secret": SECRET, "redirect_uris": ["https://app.example/cb"]}


def refused(model: type[Any], **fields: Any) -> str:
    with pytest.raises(ValidationError) as refusal:
        model(**fields)
    text = str(refusal.value)
    assert SECRET not in text
    return text


# Redirect URIs


@pytest.mark.parametrize(
    ("uri", "application_type"),
    [
        ("https://app.example/cb", "web"),
        ("https://app.example", "web"),
        ("https://app.example:8443/cb?tenant=a&x=%20", "web"),
        ("https://[2001:db8::1]/cb", "web"),
        ("https://app.example/~me/cb;v=1", "web"),
        ("https://xn--bcher-kva.example/cb", "web"),
        ("http://localhost:8401/callback", "web"),
        ("http://127.0.0.1/callback", "native"),
        ("http://[::1]/callback", "native"),
        ("com.example.app:/callback", "native"),
        ("com.example.app://callback", "native"),
        ("https://app.example/app-link", "native"),
    ],
)
def test_a_redirect_uri_that_is_accepted(uri: str, application_type: str) -> None:
    """RFC 6749 3.1.2, RFC 8252 7."""
    client = ClientSettings(**PUBLIC, redirect_uris=[uri], application_type=application_type)
    assert client.redirect_uris == [uri]


@pytest.mark.parametrize(
    ("uri", "why"),
    [
        ("", "an absolute URI"),
        ("/cb", "an absolute URI"),
        ("app.example/cb", "an absolute URI"),
        ("//app.example/cb", "an absolute URI"),
        ("https:", "must name a host"),
        ("https:///cb", "must name a host"),
        ("https:cb", "must name a host"),
        ("https:/app.example/cb", "must name a host"),
        ("javascript:alert(1)", "a private-use scheme is a reversed domain name"),
        ("JavaScript:alert(1)", "a private-use scheme is a reversed domain name"),
        ("javascript://app.example/%0aalert(1)", "a private-use scheme is a reversed domain name"),
        ("data:text/html,hello", "a private-use scheme is a reversed domain name"),
        ("vbscript:x", "a private-use scheme is a reversed domain name"),
        ("file:///etc/passwd", "a private-use scheme is a reversed domain name"),
        ("blob:https://app.example/x", "a private-use scheme is a reversed domain name"),
        ("myapp:/callback", "a private-use scheme is a reversed domain name"),
        ("urn:ietf:wg:oauth:2.0:oob", "a private-use scheme is a reversed domain name"),
        ("https://app.example/cb#", "must have no fragment"),
        ("https://app.example/cb#a", "must have no fragment"),
        ("com.example.app:/cb#a", "must have no fragment"),
        ("https://*.app.example/cb", "host must be a name"),
        ("https://app.example/*", "no wildcards"),
        ("https://app.example/cb?x=*", "no wildcards"),
        ("http://localhost:*/cb", "ort"),
        ("https://user@app.example/cb", "must have no user name"),
        ("https://app.example@evil.example/cb", "must have no user name"),
        ("https://:pw@app.example/cb", "must have no user name"),
        ("https://app.example\\@evil.example/cb", "RFC 3986"),
        ("https://app.example/cb\n", "RFC 3986"),
        ("https://app.example/c\tb", "RFC 3986"),
        ("https://app.example/c\0b", "RFC 3986"),
        ("https://app.example/c\x7fb", "RFC 3986"),
        (" https://app.example/cb", "RFC 3986"),
        ("https://app.example/c b", "RFC 3986"),
        ("https://app.example/<script>", "RFC 3986"),
        ('https://app.example/"', "RFC 3986"),
        ("https://app.example/cäb", "RFC 3986"),
        ("https://äpp.example/cb", "RFC 3986"),
        ("https://app.example\u2044evil/cb", "RFC 3986"),
        ("https://app.example:port/cb", "ort"),
        ("https://app.example:99999/cb", "ort"),
        ("https://[::1/cb", "IPv6"),
        ("https://app.example,evil.example/cb", "host must be a name"),
        ("https://app.example%2eevil/cb", "host must be a name"),
        ("http://app.example/cb", "http only on loopback"),
        ("http://localhost.app.example/cb", "http only on loopback"),
        ("http://127.0.0.2/cb", "http only on loopback"),
        ("http://127.1/cb", "http only on loopback"),
        ("http://2130706433/cb", "http only on loopback"),
        ("http://0.0.0.0/cb", "http only on loopback"),
    ],
)
def test_a_redirect_uri_that_is_refused(uri: str, why: str) -> None:
    """RFC 6749 3.1.2, RFC 9700 4.1.3, RFC 8252 7.1 and 8.4; PYOP 15. Refused for native clients too."""
    for application_type in ("web", "native"):
        assert why in refused(ClientSettings, **PUBLIC, redirect_uris=[uri], application_type=application_type)


def test_a_private_use_scheme_is_for_native_clients() -> None:
    """RFC 8252 7.1."""
    text = refused(ClientSettings, **PUBLIC, redirect_uris=["com.example.app:/cb"])
    assert "private-use schemes are for application_type native" in text


def test_plain_http_can_be_allowed_by_name_and_only_for_http() -> None:
    """RFC 6749 3.1.2.1: codes then cross the network in the clear, so the operator says it."""
    client = ClientSettings(**PUBLIC, redirect_uris=["http://app.example/cb"], insecure_http_redirect_uris=True)
    assert client.redirect_uris == ["http://app.example/cb"]
    refused(ClientSettings, **PUBLIC, redirect_uris=["com.example:/cb"], insecure_http_redirect_uris=True)


@pytest.mark.parametrize("uris", ["https://app.example/cb", {"a": "https://app.example/cb"}, [1], None])
def test_redirect_uris_are_a_list(uris: Any) -> None:
    """PYOP 15: given as a string, matching would become a search for a part of it."""
    refused(ClientSettings, **PUBLIC, redirect_uris=uris)


@pytest.mark.parametrize("uri", ["javascript:alert(1)", "https://app.example/#x", "http://app.example/"])
def test_where_a_logout_leads_is_checked_like_a_redirect_uri(uri: str) -> None:
    """OpenID Connect RP-Initiated Logout 3.1."""
    refused(ClientSettings, **CONFIDENTIAL, post_logout_redirect_uris=[uri])


def test_all_redirect_uris_that_are_wrong_are_named() -> None:
    """DESIGN, Configuration: all mistakes at once."""
    text = refused(ClientSettings, **PUBLIC, redirect_uris=["http://a.example/", "com.example:/"])
    assert "http://a.example/" in text
    assert "com.example:/" in text


# Clients


@pytest.mark.parametrize("client_id", ["a", "app-1", "https://app.example/", "two words", "a" * 255, "~!@#$%^&*()"])
def test_a_client_id_is_printable_ascii(client_id: str) -> None:
    """RFC 6749 A.1."""
    assert ClientSettings(**PUBLIC | {"client_id": client_id}, grant_types=[]).client_id == client_id


@pytest.mark.parametrize("client_id", ["", " a", "a ", "a\n", "\na", "a\0", "ä", "a" * 256, "\ud800", 7, None])
def test_another_client_id_is_refused(client_id: Any) -> None:
    """RFC 6749 A.1."""
    refused(ClientSettings, **PUBLIC | {"client_id": client_id}, grant_types=[])


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        (PUBLIC | {"client_secret": SECRET}, "has no secret"),
        (PUBLIC | {"client_secret_hash": "sha256:" + "0" * 64}, "has no secret"),
        (PUBLIC | {"client_secret_file": "secret"}, "has no secret"),
        ({"client_id": "a"}, "no secret"),
        ({"client_id": "a", "token_endpoint_auth_method": "client_secret_post"}, "no secret"),
        ({"client_id": "a", "client_secret": ""}, "is empty"),
        ({"client_id": "a", "client_secret": SECRET, "client_secret_file": "f"}, "give one of"),
        ({"client_id": "a", "client_secret": SECRET, "client_secret_hash": "sha256:" + "0" * 64}, "give one of"),
        ({"client_id": "a", "client_secret_hash": SECRET}, "client_secret_hash"),
        ({"client_id": "a", "client_secret_hash": "sha256:" + "A" * 64}, "client_secret_hash"),
        ({"client_id": "a", "client_secret_hash": "sha256:" + "0" * 64 + "\n"}, "client_secret_hash"),
        ({"client_id": "a", "client_secret_hash": "md5:" + "0" * 32}, "client_secret_hash"),
        ({"client_id": "a", "client_secret": SECRET, "client_secret_expires_at": -1}, "client_secret_expires_at"),
    ],
)
def test_a_secret_is_there_once_where_the_method_needs_one(fields: dict[str, Any], why: str) -> None:
    """RFC 6749 2.1, 2.3.1; PYOP 8: no empty secrets."""
    assert why in refused(ClientSettings, **fields, grant_types=[])


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("response_types", ["token"]),
        ("response_types", ["code id_token"]),
        ("id_token_signed_response_alg", "none"),
        ("id_token_signed_response_alg", "HS256"),
        ("application_type", "desktop"),
        ("scope", "openid  profile"),
        ("scope", " openid"),
        ("scope", 'open"id'),
        ("scope", "open\\id"),
        ("scope", "öpenid"),
        ("scope", "openid\tprofile"),
        ("scope", ["openid"]),
        ("default_max_age", -1),
        ("request_object_signing_alg", "none"),
        ("id_token_encrypted_response_alg", "RSA-OAEP"),
        ("plugins", ["pkce"]),
    ],
)
def test_what_is_not_offered_is_refused_not_ignored(field: str, value: Any) -> None:
    """PYOP 9: no unsigned ID tokens, and nothing that would silently be without effect; RFC 9700 2.1.2."""
    assert field in refused(ClientSettings, **CONFIDENTIAL, **{field: value})


def test_the_code_grant_needs_a_redirect_uri() -> None:
    """RFC 6749 3.1.2.2."""
    assert "redirect_uris is needed" in refused(ClientSettings, **PUBLIC)
    assert ClientSettings(**PUBLIC, grant_types=["refresh_token"]).redirect_uris == []


def test_all_that_is_wrong_with_a_client_is_told_at_once() -> None:
    """DESIGN, Configuration: all mistakes at once."""
    text = refused(ClientSettings, client_id="a", redirect_uris=["http://a.example/cb"])
    assert "no secret" in text
    assert "http only on loopback" in text


def test_a_client_may_do_little_unless_it_says_so() -> None:
    """STYLE: defaults are safe."""
    client = ClientSettings(**CONFIDENTIAL)
    assert client.grant_types == ["authorization_code"]
    assert client.scope == "openid"
    assert client.token_endpoint_auth_method == "client_secret_basic"
    assert client.always_issue_refresh_token is False


# Users


@pytest.mark.parametrize("username", ["alice", "Älice", "alice@example.org", "a b", "O'Brien", "名"])
def test_a_username_is_what_people_type(username: str) -> None:
    """DESIGN, Configuration."""
    assert UserSettings(username=username).username == username


@pytest.mark.parametrize("username", ["", "a\n", "a\0b", "\x7f", "a" * 256, "\ud800", None, 7])
def test_another_username_is_refused(username: Any) -> None:
    """Issue 3, bad input: NUL and control characters are never kept."""
    refused(UserSettings, username=username)


@pytest.mark.parametrize(
    "claim", ["iss", "sub", "aud", "exp", "iat", "nonce", "auth_time", "acr", "amr", "azp", "at_hash", "sid", "active"]
)
def test_no_claim_of_a_user_is_a_protocol_claim(claim: str) -> None:
    """Issue 3, id_token_claims: no claim of a user can overwrite a protocol claim."""
    assert f"{claim} belongs to the protocol" in refused(UserSettings, username="a", claims={claim: SECRET})


@pytest.mark.parametrize(
    "claims",
    [
        "birthdate = 1852-05-04",
        "updated_at = 2026-11-23T10:00:00Z",
        "address = { since = 1852-05-04 }",
        "groups = [{ joined = 10:00:00 }]",
        "height = nan",
        "height = -inf",
    ],
)
def test_a_claim_is_what_json_can_say(claims: str) -> None:
    """RFC 7519 4: claims are JSON. TOML also has dates and NaN, which would fail at the first login."""
    assert "JSON" in refused(UserSettings, username="a", claims=tomllib.loads(claims))


def test_claims_may_be_nested() -> None:
    """OpenID Connect Core 5.1.1."""
    claims = {"address": {"locality": "Oxford"}, "groups": ["a", "b"], "updated_at": 1, "email_verified": True}
    assert UserSettings(username="a", claims=claims).claims == claims


@pytest.mark.parametrize(
    "fields",
    [
        {"password": SECRET, "password_hash": "$argon2id$" + SECRET},
        {"password": ""},
        {"password": SECRET * 100},
        {"password_hash": SECRET},
        {"password_hash": "$argon2i$" + SECRET},
        {"password_hash": "$argon2id$v=19$m=4194304,t=1,p=1$c29tZXNhbHQ$MTIzNDU2Nzg5MDEyMzQ1Ng"},
        {"password_hash": "$argon2id$v=19$m=65536,t=100,p=1$c29tZXNhbHQ$MTIzNDU2Nzg5MDEyMzQ1Ng"},
        {"password_hash": ""},
    ],
)
def test_a_password_is_there_once_and_can_be_right(fields: dict[str, str]) -> None:
    """DESIGN, Keys, secrets and tokens: argon2id, at a cost that anybody may cause; an empty one lets nobody in."""
    refused(UserSettings, username="a", **fields)


@pytest.mark.parametrize("subject", ["", " a", "ä", "a\n", "s" * 256])
def test_a_subject_is_at_most_255_ascii_characters(subject: str) -> None:
    """OpenID Connect Core 8."""
    refused(UserSettings, username="a", subject=subject)
