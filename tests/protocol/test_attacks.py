"""Attacks that no other test makes over HTTP. docs/security.md names those for each."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest
from creance.provider.protocol_claims import PROTOCOL_CLAIMS
from creance.provider.testing import RunningProvider

from ..installed_plugin import installed

DIRECTORY = """
from creance.provider import Plugin, PluginSettings, User, hookimpl
from creance.provider.protocol_claims import PROTOCOL_CLAIMS

MALLORY = User("mallory", "mallory-sub", {"name": "Mallory", **dict.fromkeys(PROTOCOL_CLAIMS, "forged")})

class Directory(Plugin[PluginSettings, PluginSettings]):
    @hookimpl
    def users(self):
        return self

    def find(self, username):
        return MALLORY if username == "mallory" else None

    def find_by_subject(self, subject):
        return MALLORY if subject == "mallory-sub" else None

    def authenticate(self, username, password):
        return self.find(username) if password == "anything" else None
"""


@pytest.fixture(scope="module")
def with_directory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningProvider]:
    folder = tmp_path_factory.mktemp("directory")
    environment = installed(folder, "evil_directory", DIRECTORY, "Directory")
    with RunningProvider(folder / "op", extra="[plugins.evil_directory]", environment=environment) as op:
        yield op


def test_a_directory_cannot_speak_for_the_protocol(with_directory: RunningProvider) -> None:
    """OpenID Connect Core 2, 5.3.2, RFC 7662 2.2, PYOP Security 10: nor an app that asks for such claims by name."""
    app = with_directory.client("app")
    by_name = json.dumps(
        {place: dict.fromkeys([*PROTOCOL_CLAIMS - {"sub"}, "name"]) for place in ("userinfo", "id_token")}
    )
    tokens = app.exchange(app.authorize(user="mallory", password="anything", scope="openid profile", claims=by_name))
    claims = app.verify(tokens.id_token)
    assert (claims["iss"], claims["sub"], claims["aud"]) == (with_directory.issuer, "mallory-sub", "app")
    assert claims["name"] == "Mallory"
    userinfo = app.userinfo(tokens.access_token)
    assert (userinfo["sub"], userinfo["name"]) == ("mallory-sub", "Mallory")
    introspected = app.introspect(tokens.access_token)
    assert introspected["active"] is True
    for given in (claims, userinfo, introspected):
        assert "forged" not in given.values()


def test_what_another_provider_issued_is_nothing_here(
    op: RunningProvider, run_provider: Callable[..., RunningProvider]
) -> None:
    """RFC 9700 4.4: who is led to send what an honest provider issued to another one loses nothing at the honest one;
    and with what that one issued nobody gets in here.
    """
    other = run_provider()
    here, there = op.client("app"), other.client("app")
    tokens = there.log_in(scope="openid offline_access")
    code = there.authorize()
    assert (code.iss, here.metadata["issuer"]) == (other.issuer, op.issuer)
    assert here.exchange(code).error == "invalid_grant"
    assert here.refresh(tokens.refresh_token).error == "invalid_grant"
    assert here.userinfo(tokens.access_token).status == 401
    browser = op.browser()
    here.authorize(browser=browser)
    refused = here.answer_at_once(browser, prompt="none", id_token_hint=tokens.id_token)
    assert (refused.error, "code" in refused) == ("invalid_request", False)
    assert there.exchange(code).access_token
