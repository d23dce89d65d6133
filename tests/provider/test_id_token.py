"""The ID token: what is the provider's own is the provider's own."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from creance.provider import ClientSettings, Grant
from creance.provider.errors import ServerError

MakeApp = Callable[..., Any]

EVERYTHING = """
class Stranger(Plugin[PluginSettings, PluginSettings]):
    @hookimpl
    def id_token_claims(self):
        return {"iss": "evil", "sub": "evil", "aud": ["evil"], "exp": 9999999999, "iat": 1, "tenant": "a"}
"""


def test_what_is_there_always(make_app: MakeApp) -> None:
    """OpenID Connect Core 2; issue 3: iss, sub, aud, exp, iat always."""
    app = make_app(plugins={"id_token_claims": {"enabled": False}}, lifetimes={"id_token": 600})
    alice = app.provider.users.find("alice")
    now = time.time()
    claims = app.claims(app.log_in())
    assert claims == {
        "iss": "http://localhost:8400",
        "sub": alice.subject,
        "aud": "app",
        "iat": claims["iat"],
        "exp": claims["iat"] + 600,
    }
    assert now - 1 <= claims["iat"] <= now + 5


def test_no_plugin_gives_the_protocols_claims_another_meaning(
    make_app: MakeApp, install_plugin: Callable[..., None]
) -> None:
    """DESIGN, Plugins: protocol claims always win; PYOP 10."""
    install_plugin("everything", EVERYTHING)
    app = make_app(plugins={"everything": {}})
    alice = app.provider.users.find("alice")
    tokens = app.log_in()
    for claims in (app.claims(tokens), app.claims(app.refresh(tokens["refresh_token"]))):
        assert (claims["iss"], claims["sub"], claims["aud"]) == ("http://localhost:8400", alice.subject, "app")
        assert claims["exp"] == claims["iat"] + 3600
        assert claims["tenant"] == "a"


def test_two_plugins_that_set_one_claim_fail_and_spend_nothing(
    make_app: MakeApp, install_plugin: Callable[..., None]
) -> None:
    """DESIGN, Plugins: an error that names both; The store: no code burnt for an answer that could not be given."""
    install_plugin("nonces", EVERYTHING.replace('"iss": "evil"', '"nonce": "evil"'))
    app = make_app(plugins={"nonces": {}})
    code = app.authorize()
    with pytest.raises(ServerError) as refusal:
        app.exchange(code)
    assert refusal.value.hint == "id_token_claims: the plugins id_token_claims and nonces both give nonce"
    assert app.provider.tokens.read_code(code.value).redeemed_at is None


@pytest.mark.parametrize(
    ("registered", "algorithms", "algorithm"),
    [
        (None, ["RS256", "ES256"], "RS256"),
        (None, ["ES256", "RS256"], "ES256"),
        ("ES256", ["RS256", "ES256"], "ES256"),
        ("RS256", ["ES256", "RS256"], "RS256"),
    ],
)
def test_a_client_gets_the_algorithm_that_it_registered(
    make_app: MakeApp, registered: str | None, algorithms: list[str], algorithm: str
) -> None:
    """OpenID Connect Registration 2: id_token_signed_response_alg; RS256 is the default."""
    client = {
        "client_id": "a",
        "client_secret": "s",
        "redirect_uris": ["http://localhost:8401/callback"],
        "id_token_signed_response_alg": registered,
    }
    app = make_app("a", None, more_clients=[client], keys={"algorithms": algorithms})
    token = app.log_in(scope="openid")["id_token"]
    key = next(key for key in app.provider.keyring._parsed.values() if key.kid == header(token)["kid"])
    assert header(token)["alg"] == key.algorithm == algorithm
    assert app.provider.keyring.verify(token)


def header(token: str) -> dict[str, Any]:
    part = token.partition(".")[0]
    return dict(json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))))


def test_a_stored_client_with_an_algorithm_that_is_no_longer_offered_is_a_clear_error(
    make_app: MakeApp, make_provider: Any
) -> None:
    """DESIGN, URLs: metadata says exactly what is switched on; nothing is signed by a key that is not published."""
    make_provider().clients.add(
        ClientSettings(
            client_id="old",
            client_secret="s",
            redirect_uris=["http://localhost:8401/callback"],
            id_token_signed_response_alg="ES256",
        )
    )
    app = make_app("old", make_provider(keys={"algorithms": ["RS256"]}))
    code = app.authorize(scope="openid")
    with pytest.raises(ServerError) as refusal:
        app.exchange(code)
    assert "ES256 is not among keys.algorithms" in refusal.value.hint
    assert app.provider.tokens.read_code(code.value).redeemed_at is None


def test_a_host_may_add_claims_and_none_of_the_protocols(make_app: MakeApp) -> None:
    """PYOP 10, Seams: extra_id_token_claims."""
    app = make_app()
    alice = app.provider.users.find("alice")
    host_claims = {"iss": "evil", "sub": "evil", "tenant": "a"}
    grant = Grant("app", alice.subject, ("openid",), username="alice", host_claims=host_claims)
    token = app.provider.id_tokens.issue(grant, app.client, alice, ("openid",), None)
    claims = app.provider.keyring.verify(token)
    assert (claims["iss"], claims["sub"], claims["tenant"]) == ("http://localhost:8400", alice.subject, "a")
