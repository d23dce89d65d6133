"""Security 12, 13 and 14: a provider without state, what is in logs, and what is in the database."""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
import structlog
from creance.provider import ClientSettings, ConfigurationError, OpenIDProvider
from jwkest.jwk import RSAKey
from pyop.exceptions import OAuthError
from pyop.provider import Provider
from pyop.storage import StatelessWrapper

from ..pyop_provider import SECRET, Client, plain_provider

Adopt = Callable[..., OpenIDProvider]


def stateless(signing_key: RSAKey) -> Provider:
    databases = {
        f"{kind}_db": StatelessWrapper(kind, "one key")
        for kind in ("authorization_code", "access_token", "refresh_token")
    }
    return plain_provider(signing_key, **databases)


def test_without_state_a_code_is_good_for_ever(signing_key: RSAKey, adopt: Adopt) -> None:
    """Security 12; RFC 6749 4.1.2: nothing remembers that it was used. Creance does not offer this."""
    plain = stateless(signing_key)
    app = Client(plain)
    code = app.authorize()
    assert len({app.exchange(code)["access_token"] for _ in range(3)}) == 3
    with pytest.raises(ConfigurationError, match="keeps no state"):
        adopt(plain)


def test_without_state_whoever_holds_a_code_can_change_it(signing_key: RSAKey) -> None:
    """Security 12: AES-CBC hides, and proves nothing: a bit of the first block is turned by one of the vector."""
    codes = StatelessWrapper("authorization_code", "one key")
    sealed = bytearray(base64.urlsafe_b64decode(codes.pack({"used": False, "exp": 1})))
    for place, (is_, becomes) in enumerate(zip(b"false", b"true ", strict=True), len('{"used": ')):
        sealed[place] ^= is_ ^ becomes
    assert codes[base64.urlsafe_b64encode(sealed).decode()] == {"used": True, "exp": 1}


def test_without_state_a_token_is_taken_for_another(signing_key: RSAKey) -> None:
    """Security 12; RFC 6749 1.4: one key for all kinds: a code is an access token."""
    plain = stateless(signing_key)
    app = Client(plain)
    code = app.authorize()
    assert code in plain.authz_state.access_tokens
    assert code in plain.authz_state.refresh_tokens


def test_a_token_is_what_it_was_made_for(ours: OpenIDProvider) -> None:
    """Security 12; RFC 6749 1.4: the same with us."""
    app = Client(ours)
    code = app.authorize()
    assert ours.tokens.read_access_token(code) is None
    assert ours.tokens.read_refresh_token(code) is None


def visit(provider: Provider) -> dict[str, str]:
    """What an app does, right and wrong; answers all that must be in no log, by its name."""
    app = Client(provider)
    code = app.authorize()
    with suppress(OAuthError):  # a live code, in the hands of another client
        Client(provider, "public-subject").exchange(code)
    tokens = app.exchange(code)
    app.userinfo(tokens["access_token"])
    refreshed = app.refresh(tokens["refresh_token"])
    with suppress(OAuthError):
        app.exchange(code)
    return {
        "secret": SECRET,
        "basic": base64.b64encode(f"app:{SECRET}".encode()).decode(),
        "code": code,
        **{name: tokens[name] for name in ("access_token", "refresh_token", "id_token")},
        "refreshed": refreshed["access_token"],
    }


def test_no_secret_is_in_a_log(plain: Provider, ours: OpenIDProvider, caplog: pytest.LogCaptureFixture) -> None:
    """Security 13; RFC 6819 5.1.4.1.3: at DEBUG all of them, and at INFO a code that can still be used."""
    with caplog.at_level(logging.DEBUG):
        values = visit(plain)
    assert [name for name, value in values.items() if value not in caplog.text] == []
    at_info = [record.getMessage() for record in caplog.records if record.levelno == logging.INFO]
    assert any(values["code"] in message for message in at_info)

    caplog.clear()
    with caplog.at_level(logging.DEBUG), structlog.testing.capture_logs() as lines:
        values = visit(ours)
    logged = caplog.text + json.dumps(lines, default=str)
    assert [name for name, value in values.items() if value in logged] == []


def test_no_token_is_in_an_error(plain: Provider, ours: OpenIDProvider) -> None:
    """Security 13; RFC 6749 5.2: a description goes through logs, and into pages."""
    for provider, told in ((plain, True), (ours, False)):
        app = Client(provider)
        for refused in (app.exchange, app.refresh, app.userinfo):
            with pytest.raises(OAuthError) as error:
                refused("somebodys-token")
            assert ("somebodys-token" in str(error.value)) == told


def kept_by(ours: OpenIDProvider) -> bytes:
    folder = Path(ours.settings.store.uri.get_secret_value().removeprefix("sqlite:")).parent
    return b"".join(path.read_bytes() for path in folder.iterdir())


def test_nothing_that_opens_is_kept(plain: Provider, ours: OpenIDProvider) -> None:
    """Security 14; RFC 6819 5.1.4.1.3, RFC 9700 4.14: a copy of the database lets nobody in."""
    values = visit(plain)
    state = plain.authz_state
    assert values["code"] in state.authorization_codes
    assert values["access_token"] in state.access_tokens
    assert values["refresh_token"] in state.refresh_tokens
    assert plain.clients["app"]["client_secret"] == SECRET

    values = visit(ours)
    ours.clients.add(
        ClientSettings(client_id="new", client_secret="a new secret", redirect_uris=["https://n.example/"])
    )
    kept = kept_by(ours)
    assert b"authorization_codes" in kept
    for value in (*values.values(), "a new secret"):
        assert value.encode() not in kept


def test_a_new_client_of_ours_has_its_secret_hashed(ours: OpenIDProvider) -> None:
    """Security 14: the metadata of a client, which its host may show, never has it."""
    assert all(SECRET not in str(dict(ours.clients[name])) for name in ("app", "public-subject"))
