"""Dynamic registration at the level of objects: what is kept, what ends by itself, who may, and pyop's hosts."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from creance.plugins.registration.initial_access import read_hashes
from creance.provider import ConfigurationError, InvalidClient, InvalidToken, OpenIDProvider
from creance.provider.client_secrets import hash_client_secret
from creance.provider.clients import CLIENTS
from creance.provider.commands import creance
from pyop.exceptions import InvalidClientRegistrationRequest

MakeProvider = Callable[..., OpenIDProvider]

TOKEN = "an-initial-access-token-of-the-tests"
HASH = hash_client_secret(TOKEN)
MINIMAL = {"redirect_uris": ["https://client.example/callback"]}
HEADERS = {"Authorization": f"Bearer {TOKEN}"}
DAY = 86400


def provider_with(make_provider: MakeProvider, **settings: Any) -> tuple[OpenIDProvider, Any]:
    """A provider, and what registers clients in it."""
    provider = make_provider(plugins={"registration": {"initial_access_token_hashes": [HASH], **settings}})
    plugin: Any = provider.plugins.plugins["registration"]
    return provider, plugin.registrations


def test_secrets_are_kept_as_hashes(make_provider: MakeProvider) -> None:
    """RFC 7591 5: the client secret and the registration access token have 256 bits, and are nowhere."""
    provider, registrations = provider_with(make_provider)
    told = registrations.register(MINIMAL, "somebody")
    document = provider.store.get(CLIENTS, told["client_id"])
    assert document is not None
    kept = json.dumps(document.value)
    for secret in (told["client_secret"], told["registration_access_token"]):
        assert secret not in kept
        assert hash_client_secret(secret) in kept


def test_what_is_registered_is_read_after_a_restart(make_provider: MakeProvider) -> None:
    """RFC 7592 2.1: by another worker too."""
    _, registrations = provider_with(make_provider)
    told = registrations.register({**MINIMAL, "logo_uri": "https://client.example/logo"}, "somebody")
    _, others = provider_with(make_provider)
    read = others.read(told["client_id"], told["registration_access_token"])
    assert read == {name: value for name, value in told.items() if name != "client_secret"}


def test_a_secret_expires_and_is_renewed(make_provider: MakeProvider, clock: Any) -> None:
    """RFC 7591 3.2.1: client_secret_expires_at; RFC 7592 2.2: a change gives another one."""
    provider, registrations = provider_with(make_provider, client_secret_lifetime=60)
    told = registrations.register(MINIMAL, "somebody")
    client_id = told["client_id"]
    assert told["client_secret_expires_at"] == pytest.approx(clock() + 60, abs=2)
    provider.clients.authenticate_client(client_id, told["client_secret"], "client_secret_basic")
    clock.advance(61)
    with pytest.raises(InvalidClient):
        provider.clients.authenticate_client(client_id, told["client_secret"], "client_secret_basic")
    renewed = registrations.update(client_id, told["registration_access_token"], {**MINIMAL, "client_id": client_id})
    assert renewed["client_secret"] != told["client_secret"]
    assert renewed["client_secret_expires_at"] == pytest.approx(clock() + 60, abs=2)
    provider.clients.authenticate_client(client_id, renewed["client_secret"], "client_secret_basic")
    with pytest.raises(InvalidClient):
        provider.clients.authenticate_client(client_id, told["client_secret"], "client_secret_basic")


def test_a_client_that_is_never_used_goes(make_provider: MakeProvider, clock: Any) -> None:
    """RFC 7591 5: what strangers register does not pile up; changing it is not using it."""
    provider, registrations = provider_with(make_provider, unused_lifetime=DAY)
    told = registrations.register(MINIMAL, "somebody")
    client_id = told["client_id"]
    clock.advance(DAY - 10)
    changed = registrations.update(client_id, told["registration_access_token"], {**MINIMAL, "client_id": client_id})
    assert provider.store.get(CLIENTS, client_id) is not None
    clock.advance(20)
    assert provider.store.get(CLIENTS, client_id) is None
    with pytest.raises(InvalidToken):
        registrations.read(client_id, changed["registration_access_token"])


def test_a_client_that_got_a_code_stays(make_app: Callable[..., Any], make_provider: MakeProvider, clock: Any) -> None:
    """RFC 7591 5: a person has used it. Later changes leave it so."""
    provider, registrations = provider_with(make_provider, unused_lifetime=DAY)
    told = registrations.register(MINIMAL, "somebody")
    app = make_app(told["client_id"], provider)
    app.authorize(redirect_uri=MINIMAL["redirect_uris"][0], scope="openid")
    clock.advance(30 * DAY)
    client_id, token = told["client_id"], told["registration_access_token"]
    registrations.update(client_id, token, {**MINIMAL, "client_id": client_id})
    clock.advance(300 * DAY)
    assert provider.clients.find(client_id) is not None


POLICY = """
class Stranger(Plugin[PluginSettings, PluginSettings]):
    events = []

    @hookimpl
    def check_registration(self, metadata):
        if metadata.get("client_name") != "Good" or metadata["first_party"]:
            raise InvalidClientMetadata("client_name: is not on our list")

    @hookimpl
    def event(self, event):
        self.events.append((event.name, event.client_id, event.details.get("what")))
"""


def test_plugins_have_their_say_and_hear_of_it(make_provider: MakeProvider, install_plugin: Any) -> None:
    """Hooks: check_registration, and the event registration."""
    install_plugin("policy", POLICY)
    provider = make_provider(plugins={"registration": {"initial_access_token_hashes": [HASH]}, "policy": {}})
    plugins: Any = provider.plugins.plugins
    registrations, policy = plugins["registration"].registrations, plugins["policy"]
    for name in ("Bad", None):
        with pytest.raises(Exception, match="not on our list"):
            registrations.register({**MINIMAL, "client_name": name}, "somebody")
    told = registrations.register({**MINIMAL, "client_name": "Good"}, "somebody")
    client_id, token = told["client_id"], told["registration_access_token"]
    good = {**MINIMAL, "client_id": client_id, "client_name": "Good"}
    with pytest.raises(Exception, match="not on our list"):
        registrations.update(client_id, token, good | {"client_name": "Bad"})
    token = registrations.update(client_id, token, good)["registration_access_token"]
    registrations.remove(client_id, token)
    happened = ("registered", "updated", "removed")
    assert policy.events == [("registration", client_id, what) for what in happened]


def test_a_pyop_host_registers_clients(make_provider: MakeProvider) -> None:
    """pyop 3.5: handle_client_registration_request, with the host's own validators; RFC 7591 3."""
    provider, _ = provider_with(make_provider)
    seen: list[Any] = []
    provider.registration_request_validators.append(seen.append)
    answer = provider.handle_client_registration_request(json.dumps(MINIMAL), HEADERS)
    assert provider.clients.authenticate_client(
        answer["client_id"], answer["client_secret"], "client_secret_basic"
    ).redirect_uris == set(MINIMAL["redirect_uris"])
    assert json.loads(answer.to_json())["redirect_uris"] == MINIMAL["redirect_uris"]
    assert [request["redirect_uris"] for request in seen] == [MINIMAL["redirect_uris"]]


@pytest.mark.parametrize(
    ("body", "headers", "error"),
    [
        (json.dumps(MINIMAL), {}, "invalid_token"),
        (json.dumps(MINIMAL), {"Authorization": "Bearer x"}, "invalid_token"),
        ("not JSON", HEADERS, "invalid_client_metadata"),
        ("[]", HEADERS, "invalid_client_metadata"),
        ("null", HEADERS, "invalid_client_metadata"),
        (None, HEADERS, "invalid_client_metadata"),
        ("x" * 70000, HEADERS, "invalid_request"),
        ('{"redirect_uris": "https://a.example/"}', HEADERS, "invalid_redirect_uri"),
        ('{"redirect_uris": ["javascript:alert(1)"]}', HEADERS, "invalid_redirect_uri"),
        ('{"redirect_uris": {"a": 1}, "default_max_age": "x"}', HEADERS, None),
    ],
)
def test_a_pyop_host_is_told_in_its_own_exceptions(
    make_provider: MakeProvider, body: str | None, headers: dict[str, str], error: str | None
) -> None:
    """pyop 3.5, Exceptions that escape, registration; Security 15: nothing else comes, with a validator or without."""
    provider, _ = provider_with(make_provider)
    for _ in range(2):
        with pytest.raises(InvalidClientRegistrationRequest) as refused:
            provider.handle_client_registration_request(body, headers)
        told = json.loads(refused.value.to_json())
        assert told["error"] == error or (error is None and told["error"].startswith("invalid_"))
        provider.registration_request_validators.append(lambda request: None)


@pytest.mark.parametrize(
    ("settings", "mistake"),
    [
        ({}, "unsafe_open_registration"),
        ({"initial_access_token_hashes": []}, "unsafe_open_registration"),
        ({"initial_access_token_hashes": [TOKEN]}, "initial_access_token_hashes"),
        ({"initial_access_token_hashes": [HASH], "unsafe_open_registration": True}, "without a meaning"),
        ({"initial_access_token_hashes": [HASH], "scope": "a  b"}, "scope"),
        ({"initial_access_token_hashes": [HASH], "grant_types": ["implicit"]}, "implicit"),
        ({"initial_access_tokens_file": "nowhere"}, "cannot be read"),
        ({"initial_acess_token_hashes": [HASH]}, "did you mean"),
    ],
)
def test_settings_that_cannot_be_stop_the_start(
    make_provider: MakeProvider, settings: dict[str, Any], mistake: str
) -> None:
    """RFC 7591 3: registration is never open by accident."""
    with pytest.raises(ConfigurationError, match=mistake):
        make_provider(plugins={"registration": settings})


def test_tokens_of_a_file(make_provider: MakeProvider, tmp_path: Path) -> None:
    """RFC 7591 3: tokens or their hashes, one a line."""
    other = "another-initial-access-token-of-the-tests"
    (tmp_path / "tokens").write_text(f"# for the team of the portal\n{HASH}\n\n{other}\n")
    provider = make_provider(plugins={"registration": {"initial_access_tokens_file": "tokens"}})
    access: Any = provider.plugins.plugins["registration"]
    holders = {access.initial_access.holder_of({"Authorization": f"Bearer {token}"}) for token in (TOKEN, other)}
    assert holders == {HASH, hash_client_secret(other)}
    for wrong in (other[:-1], "#", HASH.removeprefix("sha256:"), "for"):
        with pytest.raises(Exception, match=r"not valid|malformed"):
            access.initial_access.holder_of({"Authorization": f"Bearer {wrong}"})


@pytest.mark.parametrize("content", ["", "# nothing\n", "short-token", "sha256:abc", "sha256:" + "G" * 64, "\ud800"])
def test_a_file_that_cannot_be_used_is_named_and_not_repeated(tmp_path: Path, content: str) -> None:
    """RFC 7591 5: a token that can be guessed is none."""
    path = tmp_path / "tokens"
    path.write_bytes(content.encode("utf-8", "surrogatepass"))
    with pytest.raises(ConfigurationError, match="initial_access_tokens_file") as refused:
        read_hashes(path, "initial_access_tokens_file")
    assert not content or content not in str(refused.value)


def test_a_token_is_made_by_command(tmp_path: Path) -> None:
    """RFC 7591 3: 256 bits, printed once, with the hash that the settings take."""
    configuration = tmp_path / "creance.toml"
    configuration.write_text(
        f'issuer = "http://localhost:8400"\n[plugins.registration]\ninitial_access_token_hashes = ["{HASH}"]\n'
    )
    environment = {"CREANCE_CONFIG": str(configuration)}
    result = CliRunner().invoke(creance, ["registration-token"], prog_name="creance", env=environment)
    assert result.exit_code == 0, result.output
    token, hashed = (line.partition(" = ")[2].strip('[]"') for line in result.output.splitlines())
    assert (len(token), hash_client_secret(token)) == (43, hashed)
