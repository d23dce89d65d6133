"""What the tests over HTTP share: a person who is logged in already, and an app that they use."""

from __future__ import annotations

import pytest
from creance.provider.testing import Browser, RelyingParty, RunningProvider

from ..provider_clock import ProviderClock


@pytest.fixture(scope="module")
def provider_clock(tmp_path_factory: pytest.TempPathFactory) -> ProviderClock:
    """The time of day of providers that are run with its `environment`: no test need be quick, or wait."""
    return ProviderClock(tmp_path_factory.mktemp("clock"))


@pytest.fixture(scope="module")
def alice(op: RunningProvider) -> Browser:
    """A browser at which alice is logged in, and stays so."""
    browser = op.browser()
    op.client("app").authorize(user="alice", browser=browser)
    return browser


@pytest.fixture
def app(op: RunningProvider, alice: Browser) -> RelyingParty:
    """The demonstration's app with email and offline_access, used by alice."""
    return op.client("app", scope="openid email offline_access", browser=alice)
