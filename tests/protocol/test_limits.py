"""What limits look like from outside: 429, how long to wait, and whose network is in the log."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
import requests
from creance.provider.attempt_counters import AttemptCounters, Limit
from creance.provider.rate_limits import MINUTE
from creance.provider.sealing import Sealer, read_secret_file
from creance.provider.testing import Browser, RunningProvider, forms_of

SERVICE, APP = ("service", "service-secret"), ("app", "app-secret")
FORM = {"grant_type": "client_credentials"}

LIMITS = {
    "CREANCE_LIMITS__FAILED_LOGINS_PER_ACCOUNT": "3",
    "CREANCE_LIMITS__FAILED_LOGINS_PER_NETWORK": "8",
    "CREANCE_LIMITS__FAILED_LOGIN_WINDOW": "86400",
    "CREANCE_LIMITS__FAILED_CLIENT_AUTHENTICATIONS": "4",
    "CREANCE_LIMITS__TOKEN_REQUESTS": "5",
    "CREANCE_HTTP__TRUSTED_PROXIES": '["127.0.0.0/8"]',
}


@pytest.fixture
def limited(run_provider: Callable[..., RunningProvider]) -> RunningProvider:
    """A provider with narrow limits behind a proxy that it trusts: this machine."""
    return run_provider(environment=LIMITS)


@pytest.fixture
def limited_workers(run_provider: Callable[..., RunningProvider]) -> RunningProvider:
    """The same with several workers: a request goes to any of them."""
    return run_provider(environment={**LIMITS, "CREANCE_HTTP__WORKERS": "3"})


def try_to_log_in(
    op: RunningProvider, browser: Browser, password: str, username: str = "alice", **headers: str
) -> requests.Response:
    page = browser.get(op.url("/auth/login"), headers=headers)
    (_, fields), *_ = forms_of(page.text)
    form = fields | {"username": username, "password": password}
    return browser.http.post(op.url("/auth/login"), form, headers=headers, allow_redirects=False, timeout=30)


def place_in_time(op: RunningProvider, limit: str, client_id: str) -> dict[str, str]:
    """The header for a network whose minute does not end while a test counts."""
    sealer = Sealer(read_secret_file(op.folder / "var" / "secret"), op.issuer)
    counters = AttemptCounters(None, sealer)  # type: ignore[arg-type]
    networks = (f"203.0.113.{number}" for number in range(1, 255))
    minute = Limit(f"limits.{limit}", 1, MINUTE)
    network = next(each for each in networks if counters.counter(minute, f"{client_id} {each}").seconds_left > 30)
    return {"X-Forwarded-For": network}


def lines_of(op: RunningProvider, event: str) -> list[dict[str, Any]]:
    return [line for line in op.log_lines() if line["event"] == event]


# ----- Logins --------------------------------------------------------------------------------------------------------


def test_too_many_failed_logins_are_answered_by_the_page_and_a_time(limited_workers: RunningProvider) -> None:
    """RFC 6585 4; issue 6, attack limits: the form again, with the name, and how long to wait; by any worker."""
    limited = limited_workers
    for _ in range(3):
        wrong = try_to_log_in(limited, limited.browser(), "wrong")
        assert (wrong.status_code, "Retry-After" in wrong.headers) == (200, False)
    refused = try_to_log_in(limited, limited.browser(), "wonderland")
    assert refused.status_code == 429
    seconds = int(refused.headers["Retry-After"])
    assert 0 < seconds <= 86400
    assert refused.headers["Cache-Control"] == "no-store"
    ((_, fields),) = forms_of(refused.text)
    assert fields["username"] == "alice"
    assert "wonderland" not in refused.text
    (said,) = re.findall(r'role="alert"[^>]*>([^<]*)<', refused.text)
    minutes = -(-seconds // 60)
    assert (f"Wait {minutes} minutes" if minutes > 1 else "Wait a minute") in said
    (reached,) = lines_of(limited, "limit_reached")
    assert (reached["limit"], reached["network"]) == ("limits.failed_logins_per_account", "127.0.0.1")
    (logged,) = [line for line in lines_of(limited, "request") if line["status"] == 429]
    assert logged["hint"] == "limits.failed_logins_per_account: 3 in 86400 s; tried from 127.0.0.1"
    assert "alice" not in str([reached, logged])


def test_a_device_that_was_used_before_is_let_in(limited: RunningProvider) -> None:
    """Issue 6, attack limits: not usable to lock a victim out, over the cookie that it is given."""
    owner = limited.browser()
    done = try_to_log_in(limited, owner, "wonderland")
    assert done.status_code == 303
    (cookie,) = [each for each in owner.http.cookies if each.name.endswith("_device")]
    assert "alice" not in str(cookie.value)
    assert re.search(
        r"_device=[^;]+; [^,]*Max-Age=31536000; HttpOnly|_device=[^;]+; HttpOnly; Max-Age=31536000",
        done.headers["Set-Cookie"],
    )
    for _ in range(3):
        try_to_log_in(limited, limited.browser(), "wrong")
    assert try_to_log_in(limited, limited.browser(), "wonderland").status_code == 429
    owner.http.cookies.clear(
        domain=cookie.domain,
        path="/",
        name=next(each.name for each in owner.http.cookies if each.name.endswith("_session")),
    )
    assert try_to_log_in(limited, owner, "wonderland").status_code == 303


def test_no_header_gives_a_fresh_counter(limited: RunningProvider) -> None:
    """Issue 6, attack limits: what a client says of itself stands before what the proxy has written."""
    spoofed = [
        {"X-Forwarded-For": f"198.51.100.{number}, 203.0.113.7"} for number in range(4)
    ] + [
        {"X-Forwarded-For": "203.0.113.7:4711"},
        {"X-Forwarded-For": "::ffff:203.0.113.7"},
        {"X-Forwarded-For": "203.0.113.7", "Forwarded": "for=198.51.100.9", "X-Real-IP": "198.51.100.9"},
        {"X-Forwarded-For": "unknown, 203.0.113.7"},
    ]  # fmt: skip
    for number, headers in enumerate(spoofed):
        assert try_to_log_in(limited, limited.browser(), "wrong", f"nobody-{number}", **headers).status_code == 200
    for value in ("203.0.113.7", "198.51.100.77, 203.0.113.7", "198.51.100.77,203.0.113.7,127.0.0.1"):
        header = {"X-Forwarded-For": value}
        assert try_to_log_in(limited, limited.browser(), "builder", "bob", **header).status_code == 429, value
    other = try_to_log_in(limited, limited.browser(), "wrong", "nobody", **{"X-Forwarded-For": "198.51.100.77"})
    assert other.status_code == 200
    (reached,) = lines_of(limited, "limit_reached")
    assert (reached["limit"], reached["network"]) == ("limits.failed_logins_per_network", "203.0.113.7")


# ----- Clients -------------------------------------------------------------------------------------------------------


def test_too_many_token_requests_are_answered_429(limited: RunningProvider) -> None:
    """RFC 6585 4: JSON, Retry-After, and CORS so that a script can read both; another client goes on."""
    here = place_in_time(limited, "token_requests", "service")
    answers = [
        limited.post("/token", FORM, auth=SERVICE, headers={**here, "Origin": "https://a.example"}) for _ in range(12)
    ]
    statuses = [answer.status_code for answer in answers]
    assert statuses == [200] * 5 + [429] * 7
    refused = answers[statuses.index(429)]
    assert refused.json() == {
        "error": "temporarily_unavailable",
        "error_description": "too many requests, try again later",
    }
    assert 0 < int(refused.headers["Retry-After"]) <= 60
    assert refused.headers["Cache-Control"] == "no-store"
    assert refused.headers["Access-Control-Allow-Origin"] == "*"
    assert "Retry-After" in refused.headers["Access-Control-Expose-Headers"]
    assert limited.post("/token", FORM, auth=APP, headers=here).status_code == 400
    there = {"X-Forwarded-For": "198.51.100.7"}
    assert limited.post("/token", FORM, auth=SERVICE, headers=there).status_code == 200
    (logged, *_) = [line for line in lines_of(limited, "request") if line["status"] == 429]
    assert (logged["client_id"], logged["hint"]) == (
        "service",
        f"limits.token_requests: more than 5 from {here['X-Forwarded-For']}",
    )


@pytest.mark.parametrize("path", ["/token", "/introspect", "/revoke"])
def test_guessing_a_client_secret_is_answered_429(limited: RunningProvider, path: str) -> None:
    """RFC 6749 2.3.1: brute force is limited wherever a client proves who it is, and for who guesses alone."""
    form = {**FORM, "token": "x"}
    here = place_in_time(limited, "failed_client_authentications", "service")
    guesses = [
        limited.post(path, form, auth=("service", f"guess-{number}"), headers=here).status_code for number in range(8)
    ]
    assert guesses == [401] * 4 + [429] * 4
    for _ in range(2):
        right = limited.post(path, form, auth=SERVICE, headers=here)
        assert (right.status_code, right.json()["error"]) == (429, "temporarily_unavailable")
        assert 0 < int(right.headers["Retry-After"]) <= 60
    there = {"X-Forwarded-For": "198.51.100.7"}
    assert limited.post(path, form, auth=SERVICE, headers=there).status_code == 200
