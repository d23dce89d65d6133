"""Rotation of signing keys (OpenID Connect Core 10.1.1): no client notices, whatever it holds at that moment."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest
from creance.provider import OpenIDProvider
from creance.provider.keyring import SIGNING_KEYS
from creance.provider.store import replace
from creance.provider.testing import Answer, RunningProvider
from joserfc.errors import JoseError

from ..polling import eventually

RunProvider = Callable[..., RunningProvider]

ES256_CLIENT = """
[[clients]]
client_id = "es256"
client_secret = "secret"
redirect_uris = ["http://localhost:8401/callback"]
id_token_signed_response_alg = "ES256"
"""


@pytest.fixture
def provider(run_provider: RunProvider) -> RunningProvider:
    """Its keys were made when the tests began; clients keep the JWKS for a day, and have not all seen the next one."""
    return run_provider(extra=ES256_CLIENT, environment={"CREANCE_LIFETIMES__DISCOVERY": "86400"})


def keys_command(provider: RunningProvider, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "creance.provider.commands", "--config", str(provider.configuration), "keys"]
    environment = {**os.environ, **provider.environment}
    return subprocess.run(
        [*command, *arguments], capture_output=True, text=True, check=False, timeout=60, env=environment
    )


def published(provider: RunningProvider) -> dict[str, str]:
    """The algorithms of the published keys, by kid."""
    return {key["kid"]: key["alg"] for key in provider.get("/jwks").json()["keys"]}


def kid_of(tokens: Answer) -> str:
    """The key that signed the ID token."""
    header: dict[str, Any] = json.loads(base64.urlsafe_b64decode(tokens.id_token.split(".")[0] + "=="))
    return str(header["kid"])


def until_signed_by_another(provider: RunningProvider, kid: str, refresh_token: str) -> Answer:
    """Refresh until another key signs: running workers follow within seconds."""
    app = provider.client("app")

    def signed_by_another() -> Answer | None:
        nonlocal refresh_token
        tokens = app.refresh(refresh_token)
        assert app.verify(tokens.id_token), "every ID token verifies by what is published at that moment"
        refresh_token = tokens.refresh_token
        return tokens if kid_of(tokens) != kid else None

    found: Answer = eventually(signed_by_another)
    return found


def test_a_rotation_with_tokens_in_flight(provider: RunningProvider) -> None:
    """OpenID Connect Core 10.1.1, RFC 7517 4.5: next is known before it signs, and active remains after."""
    app = provider.client("app", scope="openid offline_access")
    browser = provider.browser()
    tokens = app.exchange(app.authorize(browser=browser))
    code = app.answer_at_once(browser)
    before = published(provider)

    assert keys_command(provider, "rotate", "--immediately").returncode == 0
    after_rotation = until_signed_by_another(provider, kid_of(tokens), tokens.refresh_token)
    after = published(provider)

    assert kid_of(after_rotation) in before, "clients had it in their JWKS already"
    assert set(before) < set(after), "nothing was taken away"
    assert sorted(after[kid] for kid in set(after) - set(before)) == ["ES256", "RS256"], "and those that come next"

    old, new = app.verify(tokens.id_token), app.verify(after_rotation.id_token)
    assert (old["sub"], old["auth_time"]) == (new["sub"], new["auth_time"])
    assert app.userinfo(tokens.access_token).sub == old["sub"]
    exchanged = app.exchange(code)
    assert kid_of(exchanged) == kid_of(after_rotation)
    assert app.verify(exchanged.id_token)["nonce"] == code.nonce
    assert app.answer_at_once(browser, prompt="none", id_token_hint=tokens.id_token).code
    es256 = provider.client("es256", secret="secret")
    assert before[kid_of(es256.log_in())] == "ES256"


def test_a_retired_key_is_published_until_its_last_token_has_expired(provider: RunningProvider) -> None:
    """OpenID Connect Core 10.1.1, 3.1.2.1: then it is only kept to know id_token_hints again."""
    app, browser = provider.client("app"), provider.browser()
    tokens = app.exchange(app.authorize(browser=browser))
    assert keys_command(provider, "rotate", "--immediately").returncode == 0

    retired(provider, seconds_ago=3600 - 30)
    assert app.verify(tokens.id_token)
    assert kid_of(tokens) in published(provider)

    retired(provider, seconds_ago=3600 + 120)
    assert kid_of(tokens) not in published(provider)
    with pytest.raises((JoseError, ValueError)):
        app.verify(tokens.id_token)
    assert app.answer_at_once(browser, prompt="none", id_token_hint=tokens.id_token).code


def retired(provider: RunningProvider, *, seconds_ago: float) -> None:
    """Restart with keys that were retired some time ago: to wait would take an hour."""
    provider.stop()
    op = OpenIDProvider.from_config(provider.configuration)
    op.start()
    try:
        document = op.store.get(SIGNING_KEYS, "keyring")
        assert document is not None
        for entry in document.value["keys"]:
            if entry["retired_at"] is not None:
                entry["retired_at"] = time.time() - seconds_ago
                assert entry["sealed"] is None, "its private part is gone"
        op.store.write([replace(SIGNING_KEYS, document, document.value)])
    finally:
        op.stop()
    provider.start()


def test_a_key_that_clients_may_not_have_seen_does_not_sign(provider: RunningProvider) -> None:
    """OpenID Connect Core 10.1.1: they may keep the JWKS for as long as its max-age says."""
    before = published(provider)
    refused = keys_command(provider, "rotate")
    assert refused.returncode != 0
    assert "wait" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert published(provider) == before


def test_the_states_of_the_keys(provider: RunningProvider) -> None:
    """OpenID Connect Core 10.1.1: for each algorithm one that signs and one that is published ahead."""
    listed = keys_command(provider, "list").stdout
    signing = kid_of(provider.client("app").log_in())
    for kid, algorithm in published(provider).items():
        (line,) = [line for line in listed.splitlines() if kid in line]
        assert algorithm in line
        assert ("active" in line) != ("next" in line)
        assert kid != signing or "active" in line
