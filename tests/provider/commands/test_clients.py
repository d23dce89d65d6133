"""`creance clients`."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from typing import Any

from creance.provider import Client, InvalidClient, OpenIDProvider
from creance.provider.registration import ClientSettings

ADD = ["clients", "add", "portal", "--redirect-uri", "https://portal.example.org/cb"]

POLICY = """
class Stranger(Plugin[PluginSettings, PluginSettings]):
    @hookimpl
    def check_registration(self, metadata):
        assert metadata["client_id"] == "portal"
        assert not any("secret" in name for name in metadata if name != "client_secret_expires_at")
        raise InvalidClientMetadata("no portals here")
"""


def proven(command: Any, client_id: str, secret: str | None, method: str = "client_secret_basic") -> Client | None:
    """The client, if it can prove who it is by a secret."""
    provider = OpenIDProvider.from_config(command.configuration)
    provider.start()
    try:
        return provider.clients.authenticate_client(client_id, secret, method)
    except InvalidClient:
        return None
    finally:
        provider.stop()


def test_a_client_is_added_with_a_fresh_secret_that_is_printed_once(command: Any) -> None:
    printed = tomllib.loads(command.done(*ADD))
    assert printed.keys() == {"client_id", "client_secret"}
    assert len(printed["client_secret"]) == 43
    assert proven(command, "portal", printed["client_secret"]) is not None
    assert proven(command, "portal", "another") is None
    assert printed["client_secret"] not in command.done("clients", "list")


def test_a_secret_may_come_from_standard_input(command: Any) -> None:
    assert command.done(*ADD, "--secret-from-stdin", typed="a secret") == 'client_id = "portal"\n'
    assert proven(command, "portal", "a secret") is not None


def test_a_public_client_has_no_secret(command: Any) -> None:
    assert command.done(*ADD, "--token-endpoint-auth-method", "none") == 'client_id = "portal"\n'
    assert proven(command, "portal", None, "none") is not None
    assert (
        "has no secret"
        in command.refused(
            "clients", "add", "p", "--token-endpoint-auth-method", "none", "--secret-from-stdin", typed="a secret"
        )[0]
    )


def test_every_field_of_a_registration_is_an_option(command: Any) -> None:
    """RFC 7591 2, and no secret among them."""
    options = command.done("clients", "add", "--help")
    for name in ClientSettings.model_fields:
        flag = f"--{name.replace('_', '-')}"
        assert (flag in options.split() or f"{flag}," in options) == (
            name not in ("client_id", "client_secret", "client_secret_file", "client_secret_hash", "plugins")
        ), name


def test_the_options_are_kept(command: Any) -> None:
    command.done(
        *ADD,
        *("--redirect-uri", "http://127.0.0.1/cb"),
        *("--client-name", "The portal"),
        *("--grant-type", "authorization_code", "--grant-types", "refresh_token"),
        *("--scope", "openid email"),
        *("--application-type", "native"),
        *("--id-token-signed-response-alg", "ES256"),
        *("--default-max-age", "60"),
        "--no-first-party",
        *("--plugin", "introspection.sees=audience", "--plugin", "pkce.required=false"),
    )
    provider = OpenIDProvider.from_config(command.configuration)
    provider.start()
    client = provider.clients.find("portal")
    provider.stop()
    assert client is not None
    assert client.name == "The portal"
    assert client.redirect_uris == {"https://portal.example.org/cb", "http://127.0.0.1/cb"}
    assert client.grant_types == {"authorization_code", "refresh_token"}
    assert client.scope == ("openid", "email")
    assert client.native
    assert client.settings.id_token_signed_response_alg == "ES256"
    assert client.settings.default_max_age == 60
    assert client.settings.first_party is False
    assert client.settings.plugins == {"introspection": {"sees": "audience"}, "pkce": {"required": False}}


def test_what_a_client_cannot_be_is_refused_with_its_place(command: Any) -> None:
    def lines(*options: str) -> list[str]:
        return command.refused("clients", "add", "portal", *options)  # type: ignore[no-any-return]

    uri = ("--redirect-uri", "https://portal.example.org/cb")
    assert lines() == ["client: redirect_uris is needed for the authorization_code grant"]
    assert lines("--redirect-uri", "https://*.example.org")[0].startswith("client.redirect_uris[0]: ")
    assert lines(*uri, "--grant-type", "fly")[0].startswith("client.grant_types[0]: no such grant")
    assert lines(*uri, "--plugin", "pkce.requird=1")[0].startswith("client.plugins.pkce.requird: no such setting")
    assert lines(*uri, "--plugin", "nothing.at=all")[0].startswith("client.plugins.nothing: no such plugin")
    assert lines(*uri, "--plugin", "pkce=1")[0].startswith("--plugin pkce: must be PLUGIN.SETTING=VALUE")
    assert lines(*uri, "--token-endpoint-auth-method", "telepathy")[0].startswith("client.token_endpoint_auth_method")


def test_a_client_id_that_is_taken_is_refused(command: Any) -> None:
    command.done(*ADD)
    assert command.refused(*ADD) == ["client_id portal exists already"]
    assert "configuration file" in command.refused("clients", "add", "app", "--redirect-uri", "https://a.example/cb")[0]


def test_a_client_id_is_nobodys_sub(command: Any) -> None:
    """RFC 9068 5: a client cannot be taken for a person."""
    command.done("users", "add", "carol", "--subject", "portal", typed="a password")
    assert command.refused(*ADD) == ["client_id portal is the sub of a user"]


def test_a_plugin_may_refuse_a_registration(command: Any, install_plugin: Callable[..., None]) -> None:
    install_plugin("policy", POLICY)
    command.configuration.write_text(command.configuration.read_text() + "\n[plugins.policy]\n")
    assert command.refused(*ADD) == ["no portals here"]
    assert "portal" not in command.done("clients", "list")


def test_a_client_is_removed(command: Any) -> None:
    command.done(*ADD)
    assert command.done("clients", "remove", "portal") == "portal is removed\n"
    assert command.refused("clients", "remove", "portal") == ["client_id portal does not exist"]
    assert "remove it there" in command.refused("clients", "remove", "app")[0]


def test_the_list_pages_through_all(command: Any) -> None:
    provider = OpenIDProvider.from_config(command.configuration)
    provider.start()
    for number in range(120):
        fields: dict[str, Any] = {"token_endpoint_auth_method": "none", "redirect_uris": ["https://a.example/cb"]}
        provider.clients.add(ClientSettings(client_id=f"client{number:03}", **fields))
    provider.stop()
    lines = command.done("clients", "list").splitlines()
    assert lines[0].split() == ["client_id", "authentication", "grants", "where", "name"]
    assert len(lines) == 1 + 5 + 120
    assert lines[1].split()[:4] == [
        "app",
        "client_secret_basic",
        "authorization_code,refresh_token",
        "configuration",
    ]
    assert lines[-1].split()[0] == "client119"
