"""What a session gave ends with it, however it ends (OpenID Connect Core 11)."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from creance.provider.testing import RelyingParty, RunningProvider, forms_of

from ..provider_clock import ProviderClock

CLIENT = """
[[clients]]
client_id = "kiosk"
client_secret = "kiosk-secret"
redirect_uris = ["http://localhost:8401/callback"]
grant_types = ["authorization_code", "refresh_token"]
scope = "openid offline_access"
always_issue_refresh_token = true
"""


@pytest.fixture(scope="module")
def kiosk(run_provider: Callable[..., RunningProvider], provider_clock: ProviderClock) -> RelyingParty:
    """An app whose refresh tokens need no offline_access, where sessions time out after a minute."""
    settings = {"CREANCE_PLUGINS__SESSIONS__IDLE_TIMEOUT": "60", **provider_clock.environment}
    op = run_provider(extra=CLIENT, environment=settings)
    return op.client("kiosk", secret="kiosk-secret")


def test_a_refresh_token_ends_when_its_session_times_out(kiosk: RelyingParty, provider_clock: ProviderClock) -> None:
    tokens = kiosk.log_in(scope="openid")
    tokens = kiosk.refresh(tokens.refresh_token)
    assert tokens.status == 200
    provider_clock.advance(61)
    assert kiosk.refresh(tokens.refresh_token).error == "invalid_grant"


def test_offline_access_outlives_the_session(kiosk: RelyingParty, provider_clock: ProviderClock) -> None:
    tokens = kiosk.log_in(scope="openid offline_access")
    provider_clock.advance(61)
    assert kiosk.refresh(tokens.refresh_token).status == 200


def test_a_code_gives_nothing_once_its_session_has_ended(op: RunningProvider) -> None:
    """A logout between the authorization and the exchange."""
    browser = op.browser()
    app = op.client("app")
    answer = app.authorize(browser=browser, scope="openid")
    (_, fields), *_ = forms_of(browser.get("/auth/logout").text)
    browser.post("/auth/logout", fields)
    assert app.exchange(answer).error == "invalid_grant"
