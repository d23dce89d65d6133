"""Attacks on logins and sessions (issue 6, How it is shown), each as somebody would try it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from creance.provider.testing.relying_party import forms_of

from ..plugins.served import REQUEST, Served, serving
from ..set_cookies import set_cookies

PROXY = """
[http]
trusted_proxies = ["127.0.0.1/32"]
"""


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with serving(tmp_path, "https://id.example.org") as here:
        yield here


def form_of(page: requests.Response) -> dict[str, str]:
    return next(fields for _, fields in forms_of(page.text) if "password" in fields)


def named(cookies: dict[str, str], *endings: str) -> dict[str, str]:
    return {name: value for name, value in cookies.items() if name.endswith(endings)}


# ----- Fixation ----------------------------------------------------------------------------------------------------


def test_a_session_that_was_there_before_the_login_is_not_the_one_after_it(served: Served) -> None:
    """Fixation: an attacker who logs in as himself and plants his cookie holds nothing of who logs in after that."""
    served.log_in("bob", "builder")
    planted = dict(served.cookies)
    to_login = served.get("/authorize", **REQUEST, prompt="login").headers["Location"]
    served.log_in("alice", "wonderland", to_login)
    assert served.session_id not in planted.values()
    assert served.session()["username"] == "alice"
    served.cookies = planted
    assert served.session() is None


@pytest.mark.parametrize("value", ["A" * 43, "", "x"])
def test_a_planted_id_is_never_adopted(served: Served, value: str) -> None:
    """Fixation: ids are ours, those of remembered browsers too; what was planted is not used, and opens nothing."""
    served.log_in()
    names = [name.rpartition("_")[0] for name in served.cookies if name.endswith("_session")]
    served.cookies = {f"{names[0]}_session": value, f"{names[0]}_remember": value}
    served.log_in(remember="yes")
    assert value not in (served.cookie("session"), served.cookie("remember"))
    served.cookies = {f"{names[0]}_session": value, f"{names[0]}_remember": value}
    assert served.session() is None
    assert "/auth/login?" in served.get("/authorize", **REQUEST).headers["Location"]


def test_an_attackers_remembered_browser_ends_when_somebody_else_logs_in(served: Served) -> None:
    """Fixation by the other cookie: the attacker's token is no way into the victim's session, nor kept beside it."""
    served.log_in("bob", "builder", remember="yes")
    planted = named(served.cookies, "_remember")
    served.cookies = named(served.cookies, "_remember", "_visit")
    to_login = served.get("/authorize", **REQUEST, prompt="login").headers["Location"]
    served.log_in("alice", "wonderland", to_login)
    served.cookies = planted
    assert "/auth/login?" in served.get("/authorize", **REQUEST).headers["Location"]


# ----- Somebody else's login and logout (CSRF) ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example.org"},
        {"Origin": "null"},
    ],
    ids=str,
)
def test_nobody_is_logged_in_or_out_by_another_site(served: Served, headers: dict[str, str]) -> None:
    """Login and logout CSRF: same-site is a stranger too; nothing changes, and no cookie is given."""
    form = form_of(served.get("/auth/login")) | {"username": "bob", "password": "builder", "remember": "yes"}
    refused = served.send("POST", "/auth/login", data=form, headers=headers)
    assert (refused.status_code, set_cookies(refused)) == (403, {})
    served.log_in()
    (_, fields), *_ = forms_of(served.get("/auth/logout").text)
    refused = served.send("POST", "/auth/logout", data=fields, headers=headers)
    assert (refused.status_code, set_cookies(refused)) == (403, {})
    assert served.session()["username"] == "alice"


def test_a_form_that_an_attacker_got_for_himself_is_refused_elsewhere(served: Served) -> None:
    """Login CSRF: the attacker's own form, with its token, is worth nothing in the victim's browser."""
    attackers = form_of(served.get("/auth/login")) | {"username": "bob", "password": "builder"}
    served.cookies = {}
    served.get("/auth/login")
    refused = served.send("POST", "/auth/login", data=attackers)
    assert refused.status_code == 403
    assert served.session() is None


# ----- Another browser ---------------------------------------------------------------------------------------------


def test_a_sealed_request_is_not_replayed_by_another_browser(served: Served) -> None:
    """Replay: the login page's URL and the way on, seen in a log, open in no other browser, logged in or not."""
    to_login = served.get("/authorize", **REQUEST).headers["Location"]
    onward = served.log_in(url=to_login).headers["Location"]
    for cookies in ({}, named(served.cookies, "_session", "_device")):
        served.cookies = dict(cookies)
        for url in (to_login, onward):
            refused = served.get(url)
            assert refused.status_code == 400
            assert "in another browser" in refused.text


def test_a_session_in_a_browser_with_another_visit_sends_no_form_of_the_first(served: Served) -> None:
    """The session cookie of A in browser B: what A's pages have in their forms is refused there."""
    served.log_in()
    first = dict(served.cookies)
    (_, fields), *_ = forms_of(served.get("/auth/logout").text)
    choice = served.get(served.get("/authorize", **REQUEST, prompt="select_account").headers["Location"])
    (_, going_on), *_ = forms_of(choice.text)
    assert "account" in going_on
    served.cookies = {}
    served.get("/auth/login")
    served.cookies |= named(first, "_session")
    assert served.session()["username"] == "alice"
    assert served.send("POST", "/auth/logout", data=fields).status_code == 403
    assert served.send("POST", "/auth/login", data=going_on).status_code == 403
    assert served.session()["username"] == "alice"


# ----- What is recorded of a browser -------------------------------------------------------------------------------


def recorded(served: Served, **headers: str) -> tuple[str, str]:
    """The address and the browser that a login with these headers is shown to have come from."""
    served.cookies = {}
    form = form_of(served.get("/auth/login")) | {"username": "alice", "password": "wonderland"}
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    assert served.send("POST", "/auth/login", data=form, headers=names).status_code == 303
    last, *_ = served.plugin.logins.of_user("alice")
    return last.remote_address, last.user_agent


@pytest.mark.parametrize("header", ["X_Forwarded_For", "Forwarded", "X_Real_IP", "Client_IP"])
def test_nobody_chooses_the_address_that_is_recorded(served: Served, header: str) -> None:
    """Header spoofing: without a trusted proxy the address is that of the connection."""
    value = "for=203.0.113.9" if header == "Forwarded" else "203.0.113.9"
    assert recorded(served, **{header: value})[0] == "127.0.0.1"


def test_behind_a_trusted_proxy_what_it_says_is_recorded_and_nothing_before_that(tmp_path: Path) -> None:
    """http.trusted_proxies: the last address that is not a proxy of ours."""
    with serving(tmp_path, "https://id.example.org", PROXY) as here:
        assert recorded(here, X_Forwarded_For="198.51.100.1, 203.0.113.9")[0] == "203.0.113.9"
        assert recorded(here, X_Forwarded_For="<script>")[0] == "127.0.0.1"
        assert recorded(here)[0] == "127.0.0.1"


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("Mozilla/5.0 (X11) Firefox/128.0", "Mozilla/5.0 (X11) Firefox/128.0"),
        ("x" * 1000, "x" * 256),
        ("a\tb\x7fc", "abc"),
        ("\udc80\x85é".encode("latin-1", "replace").decode("latin-1"), "?é"),
    ],
    ids=["an ordinary one", "a long one", "one with controls", "one with strange bytes"],
)
def test_a_browser_says_what_it_is_in_few_printable_characters(served: Served, sent: str, kept: str) -> None:
    """What a stranger writes is shown to people and kept in a store: 256 characters, none that cannot be printed."""
    assert recorded(served, User_Agent=sent)[1] == kept
