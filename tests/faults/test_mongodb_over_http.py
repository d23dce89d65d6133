"""A provider on MongoDB, over HTTP: a database that is not there, goes and comes back, and is shared by several."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import pytest
import requests
from creance.provider.sealing import new_secret
from creance.provider.store.sqlite import SQLiteStore
from creance.provider.testing import Browser, RunningProvider
from creance.provider.testing.relying_party import forms_of
from creance.provider.testing.running import demo_configuration
from creance.provider.tokens import ACCESS_TOKENS
from pymongo import MongoClient

from ..mongodb_proxy import MongoDBProxy
from ..polling import eventually

DEADLINE = "6"
"""Seconds in which the store must answer."""


class Starting(RunningProvider):
    """Is there as soon as its process is alive, whatever it waits for."""

    def wait_until_ready(self) -> None:
        until(lambda: answered(self, "/health/live") == 200)


def answered(op: RunningProvider, path: str) -> int | None:
    try:
        return op.get(path).status_code
    except requests.RequestException:
        return None


def log_out(browser: Browser) -> None:
    page = browser.get("/auth/logout")
    action, fields = forms_of(page.text)[0]
    assert browser.post(urljoin(page.url, action), fields).status_code in (200, 303)


until = partial(eventually, seconds=60)


@pytest.fixture
def on(tmp_path: Path) -> Callable[..., Any]:
    """A provider whose store is at a URI, with the secret that it has to be given."""
    secret = new_secret()

    def make(uri: str, name: str = "op", kind: type[RunningProvider] = RunningProvider, **named: Any) -> Any:
        (tmp_path / name / "var").mkdir(parents=True)
        (tmp_path / name / "var" / "secret").write_text(secret + "\n")
        environment = {"CREANCE_STORE__URI": uri, "CREANCE_STORE__TIMEOUT": DEADLINE}
        return kind(tmp_path / name, environment=environment, **named)

    return make


def test_a_provider_waits_for_its_database_and_then_serves(
    on: Callable[..., Any], mongodb_proxy: MongoDBProxy, mongodb_proxy_uri: str
) -> None:
    """Unreachable at start: the process waits and says so, readiness is false; then it serves without a restart."""
    with mongodb_proxy.unreachable():
        op: RunningProvider = on(mongodb_proxy_uri, kind=Starting)
        op.start()
        try:
            assert op.process is not None
            process = op.process.pid
            assert op.get("/health/ready").status_code == 503
            answer = op.post("/token", {"grant_type": "client_credentials"}, auth=("service", "service-secret"))
            assert (answer.status_code, answer.json()["error"]) == (503, "temporarily_unavailable")
            assert answer.headers["Retry-After"]
            assert "text/html" in op.get("/authorize", headers={"Accept": "text/html"}).headers["Content-Type"]
            awaited = [line for line in op.log_lines() if line["event"] == "store_awaited"]
            assert awaited
            assert "cannot be reached" in awaited[0]["reason"] or "does not answer" in awaited[0]["reason"]
        except BaseException:
            op.stop()
            raise
    try:
        until(lambda: answered(op, "/health/ready") == 200)
        app = op.client("app")
        assert app.exchange(app.authorize()).access_token
        assert op.process.pid == process
        assert "store_reached" in [line["event"] for line in op.log_lines()]
    finally:
        op.stop()


def test_a_database_that_goes_and_comes_back(
    on: Callable[..., Any], mongodb_proxy: MongoDBProxy, mongodb_proxy_uri: str
) -> None:
    """In the middle: 503 or temporarily_unavailable, nothing is spent for it; afterwards all is as before."""
    with on(mongodb_proxy_uri) as op:
        app, browser = op.client("app", scope="openid offline_access"), op.browser()
        tokens = app.exchange(app.authorize(browser=browser))
        code = app.authorize(browser=browser)
        with mongodb_proxy.unreachable():
            for _ in range(3):
                refused = app.exchange(code)
                assert (refused.status, refused.error) == (503, "temporarily_unavailable")
            assert app.refresh(tokens.refresh_token).status == 503
            assert app.authorize(browser=browser).error == "temporarily_unavailable"
            until(lambda: answered(op, "/health/ready") == 503)
            assert op.get("/health/live").status_code == 200
        until(lambda: answered(op, "/health/ready") == 200)
        assert app.exchange(code).access_token
        assert app.refresh(tokens.refresh_token).access_token
        hints = " ".join(str(line.get("hint")) for line in op.log_lines())
        assert "the database" in hints


@pytest.fixture
def pair(on: Callable[..., Any], mongodb_uri: str) -> Iterator[tuple[RunningProvider, RunningProvider]]:
    """Two providers of one issuer that share nothing but the database."""
    first = on(mongodb_uri, "first")
    second = on(mongodb_uri, "second", configuration=demo_configuration(first.issuer, "BIND"))
    with first, second:
        yield first, second


def test_a_session_is_everybodys_and_so_is_its_end(pair: tuple[RunningProvider, RunningProvider]) -> None:
    """A session made by one worker is honoured by all, and survives a restart of each; logout is logout everywhere."""
    first, second = pair
    app, browser = first.client("app"), first.browser()
    app.authorize(browser=browser)
    cookies = browser.http.cookies.get_dict()
    session = second.get("/auth/session", cookies=cookies)
    assert (session.status_code, session.json()["username"]) == (200, "alice")
    for op in pair:
        op.stop()
        op.start()
    assert second.get("/auth/session", cookies=cookies).json() == session.json()
    tokens = app.exchange(app.authorize(browser=browser))
    assert second.get("/userinfo", headers={"Authorization": f"Bearer {tokens.access_token}"}).ok
    log_out(browser)
    assert second.get("/auth/session", cookies=cookies).status_code == 401
    assert second.get("/userinfo", headers={"Authorization": f"Bearer {tokens.access_token}"}).status_code == 401


def test_sessions_may_live_elsewhere(on: Callable[..., Any], mongodb_uri: str) -> None:
    """DESIGN, Configuration: `[store.placement] sessions`, and all else in the embedded store."""
    with on("sqlite:var/x.db", extra=f'[store.placement]\nsessions = "{mongodb_uri}"') as op:
        app, browser = op.client("app"), op.browser()
        tokens = app.exchange(app.authorize(browser=browser))
        with MongoClient[dict[str, Any]](mongodb_uri) as client:
            kept = client.get_default_database()["creance_documents"].distinct("_id")
        assert {str(key).partition("/")[0] for key in kept} == {"sessions"}
        store = SQLiteStore(op.folder / "var" / "x.db", timeout=5)
        store.open([ACCESS_TOKENS])
        assert len(store.page(ACCESS_TOKENS)) == 1
        store.close()
        log_out(browser)
        assert app.userinfo(tokens.access_token).status == 401
