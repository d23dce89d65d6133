"""Clients of the file and of the store: how they prove who they are, and where their users may be sent."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from creance.provider import ClientSettings, ConfigurationError, InvalidClient, OpenIDProvider, Settings, cache
from creance.provider.client_secrets import hash_client_secret
from creance.provider.clients import CLIENTS, Client
from creance.provider.store import StoreUnavailable
from hypothesis import example, given
from hypothesis import strategies as st

MakeProvider = Callable[..., OpenIDProvider]
SECRET = "marked-secret-8f2c"
CALLBACK = "https://app.example/cb"


@pytest.fixture(scope="module")
def shared(make_shared_provider: MakeProvider) -> OpenIDProvider:
    registered = {"client_secret": SECRET, "redirect_uris": [CALLBACK]}
    provider = make_shared_provider(
        more_clients=[
            {"client_id": "hashed", "client_secret_hash": hash_client_secret(SECRET), "redirect_uris": [CALLBACK]},
            {"client_id": "empty", "client_secret_hash": hash_client_secret(""), "redirect_uris": [CALLBACK]},
            {"client_id": "expired", "client_secret_expires_at": int(time.time()) - 1, **registered},
            {"client_id": "expires", "client_secret_expires_at": int(time.time()) + 60, **registered},
        ]
    )
    provider.clients.add(stored())
    return provider


@pytest.fixture
def provider(make_provider: MakeProvider) -> OpenIDProvider:
    return make_provider()


def stored(client_id: str = "stored", **changes: Any) -> ClientSettings:
    return ClientSettings.model_validate(
        {"client_id": client_id, "client_secret": SECRET, "redirect_uris": [CALLBACK], **changes}
    )


# authenticate_client


@pytest.mark.parametrize(
    ("client_id", "secret", "method"),
    [
        ("app", "app-secret", "client_secret_basic"),
        ("app-post", "app-post-secret", "client_secret_post"),
        ("spa", None, "none"),
        ("hashed", SECRET, "client_secret_basic"),
        ("expires", SECRET, "client_secret_basic"),
        ("stored", SECRET, "client_secret_basic"),
    ],
)
def test_a_client_proves_who_it_is(shared: OpenIDProvider, client_id: str, secret: str | None, method: str) -> None:
    """RFC 6749 2.3; issue 3, client authentication."""
    assert shared.clients.authenticate_client(client_id, secret, method).client_id == client_id


@pytest.mark.parametrize(
    ("client_id", "secret", "method", "hint"),
    [
        ("app", "wrong", "client_secret_basic", "wrong client_secret"),
        ("app", "", "client_secret_basic", "wrong client_secret"),
        ("app", None, "client_secret_basic", "wrong client_secret"),
        ("app", "app-secret ", "client_secret_basic", "wrong client_secret"),
        ("app", hash_client_secret("app-secret"), "client_secret_basic", "wrong client_secret"),
        ("app", "app-secret", "client_secret_post", "used client_secret_post, registered client_secret_basic"),
        ("app", None, "none", "used none, registered client_secret_basic"),
        ("app", "app-secret", "none", "used none, registered client_secret_basic"),
        ("app", "app-secret", "private_key_jwt", "used private_key_jwt, registered client_secret_basic"),
        ("app-post", "app-post-secret", "client_secret_basic", "used client_secret_basic"),
        ("spa", "", "client_secret_basic", "used client_secret_basic, registered none"),
        ("spa", "anything", "client_secret_post", "used client_secret_post, registered none"),
        ("nobody", "x", "client_secret_basic", "unknown client_id"),
        ("nobody", None, "none", "unknown client_id"),
        ("", "", "client_secret_basic", "unknown client_id"),
        ("App", "app-secret", "client_secret_basic", "unknown client_id"),
        ("app\0", "app-secret", "client_secret_basic", "unknown client_id"),
        ("\ud800", "x", "client_secret_basic", "unknown client_id"),
        ("a" * 100_000, "x", "client_secret_basic", "unknown client_id"),
        ("hashed", hash_client_secret(SECRET), "client_secret_basic", "wrong client_secret"),
        ("hashed", "\ud800", "client_secret_basic", "wrong client_secret"),
        ("empty", "", "client_secret_basic", "wrong client_secret"),
        ("expired", SECRET, "client_secret_basic", "client_secret_expires_at has passed"),
        ("stored", "wrong", "client_secret_basic", "wrong client_secret"),
    ],
)
def test_every_failure_has_one_answer_and_only_the_operator_learns_more(
    shared: OpenIDProvider, client_id: str, secret: str | None, method: str, hint: str
) -> None:
    """RFC 6749 5.2; PYOP 8: unknown client and bad secret were distinguishable. Issue 3: the same answer."""
    with pytest.raises(InvalidClient) as refusal:
        shared.clients.authenticate_client(client_id, secret, method)
    assert refusal.value.to_dict() == {"error": "invalid_client", "error_description": "client authentication failed"}
    assert refusal.value.status == 401
    assert refusal.value.hint.startswith(hint)


def test_an_unknown_client_costs_as_many_hashes_as_a_wrong_secret(
    shared: OpenIDProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Issue 3, client authentication: the same time."""
    counted: list[str] = []

    def count(secret: str, kept: str | None) -> bool:
        counted.append(secret)
        return False

    monkeypatch.setattr("creance.provider.clients.client_secret_matches", count)
    for client_id in ("app", "nobody", "spa", "expired"):
        with pytest.raises(InvalidClient):
            shared.clients.authenticate_client(client_id, "wrong", "client_secret_basic")
    assert counted == ["wrong"] * 4


def test_a_secret_expires_at_its_second(make_provider: MakeProvider, clock: Any) -> None:
    """RFC 7591 3.2.1; PYOP 8: client_secret_expires_at was ignored."""
    provider = make_provider()
    provider.clients.add(stored(client_secret_expires_at=int(clock()) + 60))
    provider.clients.authenticate_client("stored", SECRET, "client_secret_basic")
    clock.advance(61)
    with pytest.raises(InvalidClient):
        provider.clients.authenticate_client("stored", SECRET, "client_secret_basic")


# The file


def test_the_secret_of_a_file_is_its_first_line(make_settings: Callable[..., Settings], tmp_path: Path) -> None:
    """DESIGN, Configuration: secrets from files, relative to the file that names them."""
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "a").write_text(f"{SECRET}\r\nanother line\n")
    client = {"client_id": "a", "client_secret_file": "secrets/a", "redirect_uris": [CALLBACK]}
    provider = OpenIDProvider(make_settings(more_clients=[client]))
    assert provider.clients.authenticate_client("a", SECRET, "client_secret_basic")


def test_all_files_of_secrets_that_cannot_be_used_are_named(
    make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    """DESIGN, Configuration: all mistakes at once, each with its dotted path."""
    (tmp_path / "empty").write_text("\nsecond line\n")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    clients = [
        {"client_id": name, "client_secret_file": name, "redirect_uris": [CALLBACK]}
        for name in ("missing", "empty", "binary")
    ]
    with pytest.raises(ConfigurationError) as refusal:
        OpenIDProvider(make_settings(more_clients=clients))
    assert refusal.value.mistakes == (
        f"clients[4].client_secret_file: {tmp_path}/missing cannot be read: No such file or directory",
        f"clients[5].client_secret_file: {tmp_path}/empty is empty",
        f"clients[6].client_secret_file: {tmp_path}/binary cannot be read: not UTF-8",
    )


def test_what_a_client_names_that_is_not_switched_on_stops_the_start(make_settings: Callable[..., Settings]) -> None:
    """STYLE, a setting has one home: with its place and the nearest name."""
    clients = [
        {
            "client_id": "a",
            "token_endpoint_auth_method": "client_secret_jwt",
            "client_secret": SECRET,
            "grant_types": ["authorisation_code", "urn:ietf:params:oauth:grant-type:device_code"],
            "id_token_signed_response_alg": "ES256",
        }
    ]
    with pytest.raises(ConfigurationError) as refusal:
        OpenIDProvider(make_settings(more_clients=clients, keys={"algorithms": ["RS256"]}))
    assert refusal.value.mistakes == (
        "clients[4].token_endpoint_auth_method: no such method; did you mean 'client_secret_post'?",
        "clients[4].grant_types[0]: no such grant (is its plugin on?); did you mean 'authorization_code'?",
        "clients[4].grant_types[1]: no such grant (is its plugin on?)",
        "clients[4].id_token_signed_response_alg: ES256 is not among keys.algorithms",
    )


# The store


def test_a_client_can_be_added_and_removed(provider: OpenIDProvider) -> None:
    """Issue 3, command line: clients add|list|remove."""
    provider.clients.add(stored(client_name="Stored"))
    assert [client.name for client in provider.clients.stored()] == ["Stored"]
    assert provider.clients.find("stored") is not None
    provider.clients.remove("stored")
    assert provider.clients.find("stored") is None
    assert list(provider.clients.stored()) == []


def test_the_secret_of_a_stored_client_is_never_in_the_store(provider: OpenIDProvider) -> None:
    """PYOP 14: tokens and client secrets were stored in plaintext."""
    provider.clients.add(stored())
    document = provider.store.get(CLIENTS, "stored")
    assert document is not None
    assert document.value["client_secret_hash"] == hash_client_secret(SECRET)
    assert SECRET not in str(document.value)


def test_a_stored_client_is_what_was_registered(provider: OpenIDProvider) -> None:
    """DESIGN, Configuration: client fields have the names of RFC 7591."""
    settings = stored(
        grant_types=["authorization_code", "refresh_token"],
        scope="openid email",
        application_type="native",
        redirect_uris=["com.example.app:/cb", "http://127.0.0.1/cb"],
        default_max_age=0,
        first_party=False,
        plugins={"introspection": {"sees": "any"}},
    )
    added = provider.clients.add(settings)
    (read,) = provider.clients.stored()
    for client in (added, read):
        assert client.scope == ("openid", "email")
        assert client.native
        assert client.settings.default_max_age == 0
        assert not client.settings.first_party
        assert provider.plugins.plugins["introspection"].client_settings(client).sees == "any"


@pytest.mark.parametrize(
    ("client_id", "why"),
    [("app", "is in the configuration file"), ("stored", "exists already")],
)
def test_a_client_id_is_taken_once(provider: OpenIDProvider, client_id: str, why: str) -> None:
    """DESIGN, Configuration: clients of the file are read-only."""
    provider.clients.add(stored())
    with pytest.raises(ConfigurationError, match=f"client_id {client_id} {why}"):
        provider.clients.add(stored(client_id))


@pytest.mark.parametrize(
    ("client_id", "why"), [("app", "is in the configuration file: remove it there"), ("nobody", "does not exist")]
)
def test_what_cannot_be_removed(provider: OpenIDProvider, client_id: str, why: str) -> None:
    """Issue 3, command line: one clear line."""
    with pytest.raises(ConfigurationError, match=f"client_id {client_id} {why}"):
        provider.clients.remove(client_id)


def test_the_same_client_in_file_and_store_stops_the_start(make_provider: MakeProvider) -> None:
    """DESIGN, Configuration: the same id in both stops the start."""
    provider = make_provider()
    provider.clients.add(stored("late"))
    provider.clients.add(stored("later"))
    new = [
        {"client_id": client_id, "client_secret": SECRET, "redirect_uris": [CALLBACK]}
        for client_id in ("late", "later")
    ]
    with pytest.raises(ConfigurationError) as refusal:
        make_provider(more_clients=new)
    assert refusal.value.mistakes == (
        "client_id late is in the configuration and in the store",
        "client_id later is in the configuration and in the store",
    )


def test_a_client_id_that_nobody_can_have_is_not_looked_up(provider: OpenIDProvider) -> None:
    """Issue 3, bad input: what is asked for without any proof is not remembered either, whatever its length."""
    provider.store.close()
    assert provider.clients.find("a" * 256) is None
    with pytest.raises(StoreUnavailable):
        provider.clients.find("a" * 255)


def test_a_client_that_another_process_adds_is_seen_within_seconds(make_provider: MakeProvider) -> None:
    """Issue 3, command line: changes are seen by running workers within 10 seconds."""
    assert cache.SECONDS <= 10
    here, there = make_provider(), make_provider()
    assert here.clients.find("stored") is None
    there.clients.add(stored())
    here.clients._stored.forget("stored")  # what the passing of the seconds does
    assert here.clients.find("stored") is not None


def test_a_stored_client_outlives_the_plugin_that_it_had_settings_for(make_provider: MakeProvider) -> None:
    """DESIGN, Plugins: a client that was stored before gets the safe defaults of what is on."""
    make_provider().clients.add(stored(plugins={"introspection": {"sees": "any"}}))
    without = make_provider(
        plugins={"introspection": {"enabled": False}},
        clients=[{"client_id": "a", "token_endpoint_auth_method": "none", "grant_types": []}],
    )
    client = without.clients.find("stored")
    assert client is not None
    assert "introspection" not in client.plugin_settings


def test_settings_of_a_plugin_for_a_new_client_are_checked(provider: OpenIDProvider) -> None:
    """DESIGN, Configuration: typed by the plugin."""
    with pytest.raises(ConfigurationError) as refusal:
        provider.clients.add(stored(plugins={"introspection": {"seez": "any"}, "pcke": {}}))
    assert refusal.value.mistakes == (
        "client.plugins.pcke: no such plugin switched on; did you mean 'pkce'?",
        "client.plugins.introspection.seez: no such setting; did you mean 'sees'?",
    )


# What pyop calls `clients`


def test_the_registry_is_a_mapping_of_metadata(provider: OpenIDProvider) -> None:
    """PYOP, Seams: `clients` is a mapping from client_id to metadata in the names of RFC 7591."""
    provider.clients.add(stored())
    assert list(provider.clients)[:4] == ["app", "app-post", "spa", "service"]
    assert len(provider.clients) == len(list(provider.clients)) == 5
    assert "app" in provider.clients
    assert "stored" in provider.clients
    assert "nobody" not in provider.clients
    assert 7 not in provider.clients
    assert provider.clients["stored"]["redirect_uris"] == [CALLBACK]
    assert provider.clients["app"]["response_types"] == ["code"]
    assert provider.clients.get("nobody") is None
    with pytest.raises(KeyError):
        provider.clients["nobody"]


def test_no_secret_is_in_the_metadata(provider: OpenIDProvider) -> None:
    """PYOP 14; issue 3, seen from outside."""
    provider.clients.add(stored())
    for client_id in provider.clients:
        assert not any("secret" in name for name in provider.clients[client_id] if name != "client_secret_expires_at")
    assert "app-secret" not in str(dict(provider.clients))


# Redirect URIs

NATIVE = [
    "http://localhost/callback",
    "http://127.0.0.1/cb?x=1",
    "http://[::1]:1/cb",
    "com.example.app:/cb",
    CALLBACK,
    "http://localhost",
]


def client_with(uris: list[str], application_type: str) -> Client:
    settings = ClientSettings(
        client_id="a", token_endpoint_auth_method="none", redirect_uris=uris, application_type=application_type
    )
    return Client("a", "a", None, 0, frozenset(uris), frozenset(), (), "none", settings=settings, plugin_settings={})


@pytest.mark.parametrize(
    "uri",
    [
        *NATIVE,
        "http://localhost:1/callback",
        "http://localhost:65535/callback",
        "http://127.0.0.1:52000/cb?x=1",
        "http://[::1]/cb",
        "http://[::1]:52000/cb",
        "http://localhost:52000",
    ],
)
def test_a_native_client_may_listen_on_any_loopback_port(uri: str) -> None:
    """RFC 8252 7.3."""
    assert client_with(NATIVE, "native").accepts_redirect_uri(uri)


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "http://localhost:52000/",
        "http://localhost:52000/callback/",
        "http://localhost:52000/Callback",
        "http://localhost:52000/callback?x=1",
        "http://localhost:52000/callback?",
        "http://localhost:52000/callback#",
        "http://localhost:52000/callback#x",
        "http://localhost:52000/callback;x",
        "http://localhost:52000/other/../callback",
        "http://localhost:52000//callback",
        "http://localhost:52000/%63allback",
        "http://127.0.0.1:52000/callback",
        "http://127.0.0.1:52000/cb",
        "http://127.0.0.1:52000/cb?x=2",
        "http://127.0.0.1:52000/cb?x=1&y=2",
        "http://127.0.0.2:52000/cb?x=1",
        "https://localhost:52000/callback",
        "HTTP://localhost:52000/callback",
        "http://LOCALHOST:52000/callback",
        "http://LocalHost/callback",
        "http://localhost.:52000/callback",
        "http://localhost:/callback",
        "http://localhost:0052000/callback",
        "http://localhost:65536/callback",
        "http://localhost:-1/callback",
        "http://localhost:+80/callback",
        "http://localhost:8_0/callback",
        "http://localhost:٣/callback",
        "http://localhost:80:80/callback",
        "http://localhost:80@evil.example/callback",
        "http://localhost@evil.example:80/callback",
        "http://evil.example@localhost:80/callback",
        "http://@localhost:80/callback",
        "http://localhost.evil.example/callback",
        "http://localhost.evil.example:80/callback",
        "http://evil.example/callback",
        "http://localhost\\@evil.example/callback",
        "http://localhost:80\\@evil.example/callback",
        "http://localhost:80/\\evil.example/callback",
        "http:localhost:80/callback",
        "http:/localhost:80/callback",
        "http:///localhost:80/callback",
        "//localhost:80/callback",
        "localhost:80/callback",
        "http://0:80/cb?x=1",
        "http://2130706433:80/cb?x=1",
        "http://127.1:80/cb?x=1",
        "http://::1:80/cb",
        "http://[::1]:80",
        "http://[::1/cb",
        "http://[0:0:0:0:0:0:0:1]:80/cb",
        "http://[::1%25eth0]:80/cb",
        "http://[::ffff:127.0.0.1]:80/cb?x=1",
        " http://localhost:80/callback",
        "\nhttp://localhost:80/callback",
        "http://localhost:80/callback ",
        "http://localhost:80/callback\n",
        "http://localhost:80/call\nback",
        "http://localhost:80/call\r\nback",
        "http://localhost:80/call\tback",
        "http://local\thost:80/callback",
        "ht\ntp://localhost:80/callback",
        "http://localhost:8\n0/callback",
        "http://localhost:80/callback\r\nSet-Cookie: a=b",
        "http://localhost\0:80/callback",
        "http://localhost:80/callback\0",
        "http://ⓛocalhost:80/callback",
        "http://localhost:80/callback\ud800",
        "com.example.app:/cb2",
        "com.example.app:80/cb",
        "https://app.example:443/cb",
        "https://app.example:52000/cb",
        CALLBACK + "/",
    ],
)
def test_nothing_but_the_port_may_differ(uri: str) -> None:
    """RFC 8252 7.3, RFC 9700 4.1.3, 4.11: no trick of any URL parser leads elsewhere, or a header into the response."""
    assert not client_with(NATIVE, "native").accepts_redirect_uri(uri)


@pytest.mark.parametrize("uri", ["http://localhost:1/callback", "http://localhost/callback/", "http://localhost"])
def test_for_a_web_client_the_port_may_not_differ_either(uri: str) -> None:
    """RFC 9700 4.1.3: exact."""
    client = client_with(["http://localhost/callback"], "web")
    assert client.accepts_redirect_uri("http://localhost/callback")
    assert not client.accepts_redirect_uri(uri)


@given(st.text(st.characters(exclude_categories=()), max_size=12), st.integers(0, 25))
@example("\n", 20)
@example(":80", 16)
def test_whatever_is_put_into_a_loopback_uri_only_a_port_is_accepted(insertion: str, place: int) -> None:
    """RFC 8252 7.3."""
    registered = "http://localhost/callback"
    uri = registered[:place] + insertion + registered[place:]
    accepted = client_with([registered], "native").accepts_redirect_uri(uri)
    port = insertion.removeprefix(":")
    is_port = place == 16 and insertion.startswith(":") and port.isascii() and port.isdigit() and port[0] != "0"
    assert accepted == (uri == registered or (is_port and int(port) < 65536))
