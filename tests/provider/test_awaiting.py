"""A worker that waits for its store: what it answers meanwhile, and that it serves without a restart."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from creance.provider import OpenIDProvider, Settings, awaiting
from creance.provider.awaiting import AwaitingApp
from creance.provider.store import StoreUnavailable
from falcon.testing import Result, TestClient

from ..polling import eventually


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(awaiting, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(awaiting, "LONGEST_PAUSE", 0.01)


class Store:
    """Is not there, until it is."""

    def __init__(self) -> None:
        self.there = threading.Event()
        self.wrong: Exception | None = None
        self.failures: list[Exception] = []
        self.attempts = 0

    def make_app(self) -> Callable[..., Iterable[bytes]]:
        self.attempts += 1
        if self.wrong is not None:
            raise self.wrong
        if not self.there.is_set():
            raise StoreUnavailable("the database x cannot be reached")

        def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
            start_response("200 OK", [("Content-Type", "text/plain")])
            return [b"served"]

        return app


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def app(store: Store, make_settings: Callable[..., Settings]) -> Iterable[AwaitingApp]:
    app = AwaitingApp(OpenIDProvider(make_settings()), store.make_app, store.failures.append)
    app.start()
    yield app
    app.stop()


def get(app: AwaitingApp, path: str, accept: str = "*/*") -> Result:
    return TestClient(app).simulate_get(path, headers={"Accept": accept})


@pytest.mark.parametrize("path", ["/health/ready", "/token", "/jwks", "/no-such-path"])
def test_programs_get_an_error_that_says_to_try_again(app: AwaitingApp, path: str) -> None:
    """DESIGN, the store: 503 with Retry-After at back-channel endpoints; readiness is false."""
    answer = get(app, path)
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "2"
    assert answer.json["error"] == "temporarily_unavailable"


def test_people_get_a_page(app: AwaitingApp) -> None:
    answer = get(app, "/authorize", "text/html,*/*;q=0.8")
    assert answer.status_code == 503
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "try again" in answer.text


def test_the_process_is_alive(app: AwaitingApp) -> None:
    """A supervisor that restarts what is not alive would restart it for nothing."""
    assert get(app, "/health/live").json == {"status": "alive"}


def test_it_serves_as_soon_as_the_store_is_there(app: AwaitingApp, store: Store) -> None:
    """Full service without a restart."""
    eventually(lambda: store.attempts > 2)
    store.there.set()
    eventually(lambda: get(app, "/").text == "served")
    assert store.failures == []


def test_what_does_not_mend_by_itself_ends_the_worker(app: AwaitingApp, store: Store) -> None:
    store.wrong = ValueError("a wrong secret")
    eventually(lambda: bool(store.failures))
    assert store.failures == [store.wrong]
    attempts = store.attempts
    assert get(app, "/token").status_code == 503
    time.sleep(0.05)
    assert store.attempts == attempts
