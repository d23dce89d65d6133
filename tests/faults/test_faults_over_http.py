"""What apps and people see when the embedded store is locked, gone or full: the right answer within the deadline,
nothing lost, no code burnt, and the next request works when it is over (DESIGN, The store).
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from ..polling import once

pytestmark = pytest.mark.default_store("locks, moves and fills a file; test_mongodb_over_http has a server's")

NOTHING_READ = ["gone", "replaced"]
NOTHING_WRITTEN = ["locked", "full", *NOTHING_READ]
CAUSES = {
    "locked": "is locked by another process (SQLITE_BUSY)",
    "full": "cannot be read or written (SQLITE_IOERR_WRITE)",
    "gone": "cannot be reached: No such file or directory",
    "replaced": "was replaced while in use: stop, remove its -wal and -shm files, and start again",
}
UNAVAILABLE = {
    "error": "temporarily_unavailable",
    "error_description": "the provider cannot answer now, try again later",
}


@pytest.mark.parametrize("trouble", NOTHING_WRITTEN)
def test_a_token_request_is_answered_503_within_the_deadline(scene: Any, trouble: str) -> None:
    """RFC 6749 5.2, DESIGN: an unreachable backend is one typed error; the log names the cause, without data."""
    with scene.trouble(trouble):
        scene.check_unavailable(scene.in_time(scene.token))
        line = scene.last_request()
    assert (line["status"], line["error"], line["outcome"]) == (503, "temporarily_unavailable", "failed")
    assert (line["client_id"], line["grant"]) == ("service", "client_credentials")
    assert line["hint"] == f"the database {scene.database} {CAUSES[trouble]}"
    assert scene.token().status == 200


@pytest.mark.parametrize("trouble", NOTHING_WRITTEN)
def test_no_code_and_no_refresh_token_is_burnt_for_an_answer_that_could_not_be_given(scene: Any, trouble: str) -> None:
    """RFC 6749 4.1.2, DESIGN, The order of a token request: the exchange works afterwards, and once."""
    with scene.trouble(trouble):
        scene.check_unavailable(scene.in_time(scene.app.exchange, scene.code))
        scene.check_unavailable(scene.in_time(scene.app.refresh, scene.tokens.refresh_token))
    exchanged = scene.app.exchange(scene.code)
    refreshed = scene.app.refresh(scene.tokens.refresh_token)
    assert (exchanged.status, refreshed.status) == (200, 200)
    assert scene.service.introspect(exchanged.access_token).active
    assert scene.service.introspect(refreshed.access_token).active
    assert scene.app.exchange(scene.code).error == "invalid_grant"


@pytest.mark.parametrize("trouble", NOTHING_WRITTEN)
def test_nothing_is_alive_from_a_request_that_was_answered_503(scene: Any, trouble: str) -> None:
    """DESIGN, The store: a write is there as a whole or not at all; nobody holds a token that nobody was given."""
    before = scene.documents()
    with scene.trouble(trouble):
        scene.check_unavailable(scene.token())
        scene.check_unavailable(scene.app.exchange(scene.code))
        scene.check_unavailable(scene.app.refresh(scene.tokens.refresh_token))
        assert scene.redirected().error == "temporarily_unavailable"
    assert scene.documents() == before


@pytest.mark.parametrize("trouble", NOTHING_WRITTEN)
def test_a_revocation_that_could_not_be_done_is_not_said_to_be(scene: Any, trouble: str) -> None:
    """RFC 7009 2.2.1: with a 503 the client must assume that the token still exists."""
    with scene.trouble(trouble):
        scene.check_unavailable(scene.in_time(scene.app.revoke, scene.tokens.access_token))
    assert scene.service.introspect(scene.tokens.access_token).active
    assert scene.app.revoke(scene.tokens.access_token).status == 200
    assert scene.service.introspect(scene.tokens.access_token) == {"active": False}


@pytest.mark.parametrize("trouble", NOTHING_READ)
def test_who_presents_a_token_is_answered_503_and_not_that_it_is_wrong(scene: Any, trouble: str) -> None:
    """RFC 6750 3.1, RFC 7662 2.2: a token that cannot be looked up is not an invalid one."""
    with scene.trouble(trouble):
        scene.check_unavailable(scene.in_time(scene.app.userinfo, scene.tokens.access_token))
        assert scene.last_request()["hint"] == f"the database {scene.database} {CAUSES[trouble]}"
        scene.check_unavailable(scene.in_time(scene.service.introspect, scene.tokens.access_token))
    assert scene.app.userinfo(scene.tokens.access_token).status == 200
    assert scene.service.introspect(scene.tokens.access_token).active


@pytest.mark.parametrize("trouble", ["locked", "full"])
def test_what_only_reads_goes_on_while_nothing_can_be_written(scene: Any, trouble: str) -> None:
    """DESIGN, SQLite: readers never wait for a writer."""
    with scene.trouble(trouble):
        assert scene.in_time(scene.app.userinfo, scene.tokens.access_token).status == 200
        assert scene.in_time(scene.service.introspect, scene.tokens.access_token).active
        assert scene.in_time(scene.browser.get, "/auth/session").status_code == 200


@pytest.mark.parametrize("trouble", NOTHING_WRITTEN)
def test_at_the_authorization_endpoint_the_app_is_told_by_redirect(scene: Any, trouble: str) -> None:
    """RFC 6749 4.1.2.1: temporarily_unavailable, with state and iss, once client and redirect URI are proven."""
    with scene.trouble(trouble):
        for prompt in (None, "none"):
            answer = scene.in_time(scene.redirected, state="the-state", prompt=prompt)
            assert answer == {**UNAVAILABLE, "state": "the-state", "iss": scene.op.issuer}
        line = scene.last_request()
        assert (line["status"], line["error"], line["client_id"]) == (303, "temporarily_unavailable", "app")
        assert line["hint"] == f"the database {scene.database} {CAUSES[trouble]}"
    assert scene.redirected().code


@pytest.mark.parametrize("trouble", NOTHING_READ)
def test_before_the_redirect_uri_is_proven_it_is_a_page(scene: Any, trouble: str) -> None:
    """RFC 6749 4.1.2.1: a client that is not in the configuration cannot be looked up: nobody is sent anywhere."""
    with scene.trouble(trouble):
        for redirect_uri in (scene.app.redirect_uri, "https://evil.example/"):
            answer = scene.in_time(scene.begin, client_id=f"of-the-store-{trouble}", redirect_uri=redirect_uri)
            assert answer.status_code == 503
            assert "Location" not in answer.headers
            assert answer.headers["Retry-After"] == "2"
            assert answer.headers["Content-Type"].startswith("text/html")
            assert "temporarily_unavailable" in answer.text
            assert str(scene.database) not in answer.text
    assert scene.begin(client_id=f"of-the-store-{trouble}").status_code == 400


@pytest.mark.parametrize("trouble", NOTHING_WRITTEN)
def test_a_login_that_cannot_be_kept_is_a_page_and_works_afterwards(scene: Any, trouble: str) -> None:
    """DESIGN, A person's visit: nothing is stored before, so that the same form can be sent again."""
    browser = scene.op.browser()
    page = scene.app.begin(browser)
    with scene.trouble(trouble):
        answer = scene.in_time(browser.log_in, page, "alice")
        assert answer.status_code == 503
        assert answer.headers["Retry-After"] == "2"
        assert "wonderland" not in answer.text
        assert browser.get("/auth/session").status_code in (401, 503)
    back = browser.log_in(page, "alice")
    assert "code=" in back.headers["Location"]


@pytest.mark.parametrize("trouble", NOTHING_WRITTEN)
def test_a_logout_that_could_not_be_done_is_not_said_to_be(scene: Any, trouble: str) -> None:
    """The session is still there, and can be ended afterwards."""
    page = scene.browser.get("/auth/logout")
    csrf_token = page.text.partition('name="csrf_token" value="')[2].partition('"')[0]
    with scene.trouble(trouble):
        answer = scene.in_time(scene.browser.post, "/auth/logout", {"csrf_token": csrf_token})
        assert answer.status_code == 503
    assert scene.browser.get("/auth/session").status_code == 200
    assert scene.browser.post("/auth/logout", {"csrf_token": csrf_token}).status_code == 303
    assert scene.browser.get("/auth/session").status_code == 401


@pytest.mark.parametrize("trouble", NOTHING_READ)
def test_it_is_alive_and_not_ready(scene: Any, trouble: str) -> None:
    """Issue 3, seen from outside: liveness asks nothing of the store; keys that are in memory are still good."""
    with scene.trouble(trouble):
        ready = scene.in_time(scene.op.get, "/health/ready")
        assert (ready.status_code, ready.json()) == (503, {"status": "unavailable"})
        assert scene.last_request()["hint"] == f"the database {scene.database} {CAUSES[trouble]}"
        live = scene.op.get("/health/live")
        assert (live.status_code, live.json()) == (200, {"status": "alive"})
        for path in ("/jwks", "/.well-known/openid-configuration", "/", "/auth/login", "/openapi.json"):
            assert scene.op.get(path).status_code == 200
        assert scene.app.begin(scene.op.browser()).status_code == 200  # who has no session sees the login page
    ready = scene.op.get("/health/ready")
    assert (ready.status_code, ready.json()) == (200, {"status": "ready"})


def test_many_who_wait_for_a_lock_wait_together(scene: Any) -> None:
    """One deadline a request, however many wait: as many as there are threads, and a few who do not need the lock."""

    def all_wait() -> list[Any]:
        with ThreadPoolExecutor(12) as pool:
            waiting = [pool.submit(scene.op.client("service").client_credentials) for _ in range(12)]
            assert scene.in_time(scene.app.userinfo, scene.tokens.access_token).status == 200
            return [request.result() for request in waiting]

    with scene.locked():
        for answer in scene.in_time(all_wait):
            scene.check_unavailable(answer)


def test_a_short_lock_is_waited_for(scene: Any) -> None:
    """Whoever takes a backup or runs a command holds it for a moment: nobody notices."""

    def exchanged() -> bool:
        """It is not, where the machine stops for so long that the moment is longer than the deadline."""
        with ThreadPoolExecutor(1) as pool:
            with scene.locked():
                request = pool.submit(scene.app.exchange, scene.code)
                time.sleep(scene.deadline / 10)
            return bool(request.result().status == 200)

    assert once(exchanged)
