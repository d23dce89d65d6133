"""Remember me (issue 6, items 2 and 3): a token of its own beside the session, which begins the next one."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests
from creance.plugins.sessions.remembered_logins import GRACE, REMEMBERED
from creance.plugins.sessions.session_store import SESSIONS
from creance.provider import Browser, OpenIDProvider, User
from creance.provider.store import Operation, StoreUnavailable, bearer_key, delete, insert
from creance.provider.testing.relying_party import forms_of

from ..conftest import Clock, RunInProcesses
from ..earlier_values import as_issued_earlier
from ..set_cookies import set_cookies
from .served import REQUEST, Served, serving

A_DAY = 86400
TIMED_OUT = 43201
"""Seconds after which no session is left."""
ISSUER = "https://id.example.org"


@pytest.fixture
def served(clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    with serving(tmp_path, ISSUER) as here:
        here.provider.users.create_user("carol", "a password", {"email": "carol@example.org"})
        monkeypatch.setattr(here.provider, "happened", here.events.append)
        yield here


@pytest.fixture
def remembered(served: Served) -> Served:
    """Carol has logged in, and is remembered."""
    log_in(served)
    served.events.clear()
    return served


def log_in(served: Served, **changes: str) -> requests.Response:
    return served.log_in("carol", "a password", remember="yes", **changes)


def authorize(served: Served, **changes: str) -> dict[str, str]:
    """What the app is told, or `{"page": …}` where the person sees one of ours first."""
    location = served.get("/authorize", **(REQUEST | changes)).headers["Location"]
    if location.startswith(ISSUER):
        return {"page": location.removeprefix(ISSUER)}
    return dict(parse_qsl(urlsplit(location).query))


def exchange(served: Served, code: str) -> dict[str, Any]:
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": REQUEST["redirect_uri"]}
    response = served.send("POST", "/token", data=form, auth=("app", "app-secret"))
    return response.json()  # type: ignore[no-any-return]


def id_token(served: Served, **changes: str) -> dict[str, Any]:
    tokens = exchange(served, authorize(served, **changes)["code"])
    return served.provider.keyring.verify(tokens["id_token"])


def asks_for_login(answer: dict[str, str]) -> bool:
    return answer.get("page", "").startswith("/auth/login?")


def sids(served: Served) -> set[str]:
    return {document.value["sid"] for document in served.provider.store.page(SESSIONS)}


# ----- The next session --------------------------------------------------------------------------------------------


def test_a_remembered_browser_is_let_in_after_its_session(remembered: Served, clock: Clock) -> None:
    """Remember me: the original auth_time, no `pwd` in amr, the login's `sid`, and a session that says so."""
    before, (sid,) = id_token(remembered), sids(remembered)
    clock.advance(TIMED_OUT)
    assert remembered.session() is None
    after = id_token(remembered)
    assert (before["amr"], after.get("amr", [])) == (["pwd"], [])
    assert after["auth_time"] == before["auth_time"]
    session = remembered.session()
    assert session is not None
    assert (session["username"], session["amr"], session["auth_time"]) == ("carol", [], before["auth_time"])
    (current,) = remembered.plugin.logins.of_user("carol")
    assert (current.sid, current.remembered) == (sid, True)


def test_who_did_not_ask_to_be_remembered_is_not(served: Served, clock: Clock) -> None:
    """Remember me is the person's choice."""
    served.log_in("carol", "a password")
    assert served.cookie("remember") is None
    clock.advance(TIMED_OUT)
    assert asks_for_login(authorize(served))


def test_the_login_page_knows_who_is_remembered(remembered: Served, clock: Clock) -> None:
    """Login page: used where the browser has no live session; with its new cookies."""
    clock.advance(TIMED_OUT)
    assert "You are logged in" in remembered.get("/auth/login").text
    assert remembered.session() is not None


def test_a_stale_login_page_with_an_app_goes_on_to_it(remembered: Served, clock: Clock) -> None:
    """Login page: the request of the app is gone on with, and the cookies come along."""
    cookies, remembered.cookies = remembered.cookies, {}
    to_login = authorize(remembered)["page"]
    remembered.cookies |= {name: value for name, value in cookies.items() if name.endswith("_remember")}
    answer = remembered.get(to_login)
    assert answer.headers["Location"].startswith(f"{ISSUER}/auth/resume?")
    assert {"session", "remember"} <= set_cookies(answer).keys()
    assert "code=" in remembered.get(answer.headers["Location"]).headers["Location"]


def test_prompt_none_is_answered_for_a_remembered_browser(remembered: Served, clock: Clock) -> None:
    """OpenID Connect Core 3.1.2.1: no page is needed."""
    clock.advance(TIMED_OUT)
    assert "code" in authorize(remembered, prompt="none")


@pytest.mark.parametrize("path", ["/auth/session", "/auth/logout"])
def test_who_only_looks_spends_no_token(remembered: Served, clock: Clock, path: str) -> None:
    """Read-only places do not rotate: a script that asks may have its answer thrown away."""
    clock.advance(TIMED_OUT)
    token = remembered.cookie("remember")
    answer = remembered.get(path)
    assert set_cookies(answer).keys() <= {"visit"}
    assert remembered.cookie("remember") == token
    assert remembered.provider.store.get(REMEMBERED, bearer_key(str(token))) is not None


def test_an_id_token_hint_of_the_remembered_person_is_enough(remembered: Served, clock: Clock) -> None:
    """OpenID Connect Core 3.1.2.1: id_token_hint asks who it is, not when they logged in."""
    hint = exchange(remembered, authorize(remembered)["code"])["id_token"]
    clock.advance(TIMED_OUT)
    assert "code" in authorize(remembered, prompt="none", id_token_hint=hint)


# ----- What is never enough ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("asked", [{"prompt": "login"}, {"max_age": "9999999"}, {"max_age": "0"}], ids=str)
def test_where_a_login_is_asked_for_being_remembered_is_not_enough(
    remembered: Served, clock: Clock, asked: dict[str, str]
) -> None:
    """Remember me never satisfies prompt=login or any max_age, however long; a login then does."""
    clock.advance(TIMED_OUT)
    assert "code" in authorize(remembered)
    answer = authorize(remembered, **asked)
    assert asks_for_login(answer)
    onward = remembered.log_in("carol", "a password", answer["page"])
    assert "code=" in remembered.get(onward.headers["Location"]).headers["Location"]
    assert remembered.session() is not None


def test_with_prompt_none_the_app_is_told(remembered: Served, clock: Clock) -> None:
    """OpenID Connect Core 3.1.2.6: login_required."""
    clock.advance(TIMED_OUT)
    assert authorize(remembered, prompt="none", max_age="9999999")["error"] == "login_required"


def test_the_clients_default_max_age_counts_too(clock: Clock, tmp_path: Path) -> None:
    """OpenID Connect Registration 2, default_max_age."""
    client = """
    [[clients]]
    client_id = "strict"
    client_secret = "strict-secret"
    redirect_uris = ["https://app.example.org/callback"]
    default_max_age = 9999999
    [clients.plugins.pkce]
    required = false
    """
    with serving(tmp_path, ISSUER, client) as here:
        here.log_in(remember="yes")
        assert "code" in authorize(here, client_id="strict")
        clock.advance(TIMED_OUT)
        assert "code" in authorize(here)
        assert asks_for_login(authorize(here, client_id="strict"))


# ----- The token ---------------------------------------------------------------------------------------------------


def test_the_token_is_long_used_once_and_kept_as_a_hash(remembered: Served, clock: Clock) -> None:
    """256 bits, SHA-256; its successor too, and the id of the session."""
    tokens = [remembered.cookie("remember")]
    for _ in range(3):
        clock.advance(TIMED_OUT)
        assert "code" in authorize(remembered)
        tokens.append(remembered.cookie("remember"))
    assert len(set(tokens)) == 4
    assert all(re.fullmatch(r"[0-9a-f]{8}-[\w-]{43}", str(token)) for token in tokens)
    documents = remembered.provider.store.page_kept(REMEMBERED)
    assert {document.key for document in documents} == {bearer_key(str(token)) for token in tokens}
    held = json.dumps([[document.key, document.value] for document in documents])
    assert not any(str(secret) in held for secret in (*tokens, remembered.session_id))
    assert [document.redeemed_at is None for document in documents].count(True) == 1


def test_a_browser_is_remembered_for_so_long_and_no_longer(remembered: Served, clock: Clock) -> None:
    """`remember_me_lifetime`, 30 days from the login, however often it is used; the cookie is gone as soon."""
    for _ in range(29):
        clock.advance(A_DAY)
        answer = remembered.get("/authorize", **REQUEST)
        assert "code=" in answer.headers["Location"]
    left = re.search(r"Max-Age=(\d+)", set_cookies(answer)["remember"])
    assert left is not None
    assert 0 < int(left[1]) <= A_DAY
    clock.advance(A_DAY)
    assert asks_for_login(authorize(remembered))
    assert remembered.cookie("remember") is None


def test_a_lifetime_that_was_shortened_holds_at_once(remembered: Served, clock: Clock) -> None:
    """`remember_me_lifetime`: also for who was promised more."""
    clock.advance(A_DAY)
    remembered.plugin.logins.remembered.lifetime = A_DAY - 1
    assert asks_for_login(authorize(remembered))


def test_remember_me_can_be_switched_off(clock: Clock, tmp_path: Path) -> None:
    """`remember_me = false`: no box, no cookie, and no use of what there is."""
    with serving(tmp_path, ISSUER) as here:
        here.log_in(remember="yes")
        cookies = here.cookies
    with serving(tmp_path, ISSUER, "remember_me = false") as here:
        here.cookies = cookies
        clock.advance(TIMED_OUT)
        assert asks_for_login(authorize(here))
        assert 'name="remember"' not in here.get("/auth/login").text
        assert set_cookies(here.log_in(remember="yes")).keys() == {"session", "device", "remember"}
        assert here.cookie("remember") is None


@pytest.mark.parametrize("token", ["", "A" * 43, "é", "x" * 4000])
def test_no_such_token(remembered: Served, clock: Clock, token: str) -> None:
    """What we never gave is no theft: the login page, and the cookie goes."""
    clock.advance(TIMED_OUT)
    name = next(name for name in remembered.cookies if name.endswith("_remember"))
    cookies = {name: token.encode().decode("latin-1")}
    response = requests.get(
        remembered.base + "/authorize", params=REQUEST, cookies=cookies, allow_redirects=False, timeout=30
    )
    assert "/auth/login?" in response.headers["Location"]
    assert remembered.events == []
    assert "code" in authorize(remembered)


# ----- Theft, and tabs that are none -------------------------------------------------------------------------------


def test_a_token_that_is_used_again_later_is_theft(
    remembered: Served, clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    """A spent token ends all of its login: what is remembered, the sessions, and what they gave. One event and line."""
    stolen = dict(remembered.cookies)
    clock.advance(TIMED_OUT)
    tokens = exchange(remembered, authorize(remembered)["code"])
    userinfo = {"Authorization": f"Bearer {tokens['access_token']}"}
    assert remembered.send("GET", "/userinfo", headers=userinfo).ok
    clock.advance(GRACE + 1)
    remembered.events.clear()
    capsys.readouterr()
    person, remembered.cookies = remembered.cookies, stolen
    assert asks_for_login(authorize(remembered))
    assert remembered.cookie("remember") is None
    assert [(event.name, event.username) for event in remembered.events] == [("remembered_token_reused", "carol")]
    lines = [line for line in capsys.readouterr().out.splitlines() if "remembered_token_reused" in line]
    assert len(lines) == 1
    remembered.cookies = person
    assert remembered.session() is None
    assert asks_for_login(authorize(remembered))
    assert remembered.send("GET", "/userinfo", headers=userinfo).status_code == 401
    assert remembered.provider.store.page_kept(REMEMBERED) == []


def test_an_ordinary_login_elsewhere_is_not_ended_by_theft(remembered: Served, clock: Clock) -> None:
    """All of *that login*: another browser of the same person has nothing to do with it."""
    stolen, remembered.cookies = dict(remembered.cookies), {}
    log_in(remembered)
    other, remembered.cookies = remembered.cookies, dict(stolen)
    clock.advance(TIMED_OUT)
    assert "code" in authorize(remembered)
    clock.advance(GRACE + 1)
    remembered.cookies = stolen
    assert asks_for_login(authorize(remembered))
    remembered.cookies = other
    assert "code" in authorize(remembered)


@pytest.mark.parametrize("seconds", [0, GRACE - 1])
def test_the_same_token_gives_the_same_within_the_grace(remembered: Served, clock: Clock, seconds: float) -> None:
    """Same-successor grace, as for refresh tokens: an answer that was lost, or a tab that was slower."""
    first = dict(remembered.cookies)
    clock.advance(TIMED_OUT)
    assert "code" in authorize(remembered)
    second, remembered.cookies = dict(remembered.cookies), first
    clock.advance(seconds)
    assert "code" in authorize(remembered)
    assert remembered.cookies == second
    assert "remembered_token_reused" not in {event.name for event in remembered.events}
    assert len(remembered.provider.store.page(SESSIONS)) == 1


def test_a_login_that_an_earlier_version_remembered_goes_on(remembered: Served, clock: Clock) -> None:
    """performance.md, Growth: its token has no time in front, and is used once; the next one has."""
    (name,) = (name for name in remembered.cookies if name.endswith("_remember"))
    remembered.cookies[name] = as_issued_earlier(remembered.provider.store, REMEMBERED, remembered.cookies[name])
    first = dict(remembered.cookies)
    clock.advance(TIMED_OUT)
    assert "code" in authorize(remembered)
    second, remembered.cookies = dict(remembered.cookies), dict(first)
    assert len(second[name]) == 52
    assert "code" in authorize(remembered)
    assert remembered.cookies == second
    clock.advance(TIMED_OUT)
    assert "code" in authorize(remembered)
    remembered.cookies = first
    assert asks_for_login(authorize(remembered))


def test_a_login_that_an_earlier_version_resumed_a_moment_ago_is_the_same(remembered: Served, clock: Clock) -> None:
    """Same-successor grace, over an update: what it derived has no time in front."""
    first = dict(remembered.cookies)
    (session, token) = (next(name for name in first if name.endswith(end)) for end in ("_session", "_remember"))
    clock.advance(TIMED_OUT)
    assert "code" in authorize(remembered)
    store, sealer = remembered.provider.store, remembered.provider.sealer
    earlier = {}
    for collection, name, purpose in (
        (SESSIONS, session, "session of a remembered login"),
        (REMEMBERED, token, "remembered login"),
    ):
        document = store.get(collection, bearer_key(remembered.cookies[name]))
        assert document is not None
        earlier[name] = sealer.mac(purpose, first[token])
        kept = insert(collection, bearer_key(earlier[name]), document.value, document.valid_until)
        store.write([kept, delete(collection, document.key)])
    remembered.cookies = first
    assert "code" in authorize(remembered)
    assert {name: remembered.cookies[name] for name in earlier} == earlier


def test_a_clock_that_was_set_back_gives_no_more_grace(remembered: Served, clock: Clock) -> None:
    """The grace is 10 seconds on either side."""
    stolen = dict(remembered.cookies)
    clock.advance(TIMED_OUT)
    assert "code" in authorize(remembered)
    clock.advance(-GRACE - 1)
    remembered.cookies = stolen
    assert asks_for_login(authorize(remembered))


@pytest.mark.parametrize("tabs", [2, 16])
def test_tabs_that_are_opened_together(remembered: Served, clock: Clock, tabs: int) -> None:
    """Two tabs opened at once are no theft, nor are sixteen: one session, one successor, and every app has its code."""
    for _ in range(5):
        clock.advance(TIMED_OUT)
        cookies = dict(remembered.cookies)

        def tab(_: int, cookies: dict[str, str] = cookies) -> tuple[str, ...]:
            response = requests.get(
                remembered.base + "/authorize", params=REQUEST, cookies=cookies, allow_redirects=False, timeout=60
            )
            given = set_cookies(response)
            return "code=" in response.headers["Location"], given["session"], given["remember"].partition(";")[0]

        with ThreadPoolExecutor(tabs) as pool:
            answers = list(pool.map(tab, range(tabs)))
        assert len(set(answers)) == 1
        assert answers[0][0]
        assert {event.name for event in remembered.events} == {"authorization"}
        for header in answers[0][1:]:
            name, _, value = header.partition(";")[0].partition("=")
            remembered.cookies[name] = value
        assert remembered.session() is not None


RESUME = """
from creance.provider import Browser, OpenIDProvider
provider = OpenIDProvider.from_config(arguments[0])
provider.start()
logins, names = provider.plugins.plugins["sessions"].logins, provider.cookie_names
browser = Browser({names("remember"): arguments[1]}, "127.0.0.1")
ready()
session = logins.recognise(browser)
tell(" ".join([session.sid, *(cookie.value for cookie in browser.set_cookies)]))
provider.stop()
"""


def race_in_processes(here: Served, configuration: Path, run_in_processes: RunInProcesses) -> None:
    for _ in range(3):
        here.cookies = {}
        here.log_in(remember="yes")
        told = run_in_processes(RESUME, str(configuration), str(here.cookie("remember")))
        assert len(set(told)) == 1
        sid, successor, session_id = told[0].split()
        session = here.plugin.logins.sessions.read(session_id)
        assert (session.sid, session.remembered) == (sid, True)
        assert here.plugin.logins.remembered.read(successor).spent_at is None


def test_tabs_that_are_served_by_several_processes(tmp_path: Path, run_in_processes: RunInProcesses) -> None:
    """The same, with six workers: exactly one spends the token, and all give the same."""
    with serving(tmp_path, ISSUER) as here:
        race_in_processes(here, tmp_path / "creance.toml", run_in_processes)


def test_tabs_that_are_served_by_several_machines(
    tmp_path: Path, run_in_processes: RunInProcesses, mongodb_uri: str
) -> None:
    """The same on MongoDB, where there are no transactions."""
    (tmp_path / "secret").write_text("a-secret-of-more-than-thirty-two-characters")
    with serving(tmp_path, ISSUER, store=mongodb_uri) as here:
        race_in_processes(here, tmp_path / "creance.toml", run_in_processes)
        here.cookies = {}
        here.log_in(remember="yes")
        stolen = dict(here.cookies)
        name = next(name for name in stolen if name.endswith("_session"))
        del here.cookies[name]
        assert "code" in authorize(here)
        assert here.plugin.logins.end_all("alice") >= 1
        assert here.session() is None
        here.cookies = {name: value for name, value in stolen.items() if name.endswith("_remember")}
        assert asks_for_login(authorize(here))


def test_a_change_of_secrets_within_the_grace(remembered: Served, clock: Clock, tmp_path: Path) -> None:
    """DESIGN, Keys: the first secret makes, all are known."""
    first = dict(remembered.cookies)
    clock.advance(TIMED_OUT)
    assert "code" in authorize(remembered)
    secret = tmp_path / "secret"
    secret.write_text("a-new-secret-of-more-than-thirty-two-characters\n" + secret.read_text())
    again = OpenIDProvider.from_config(tmp_path / "creance.toml")
    again.start()
    try:
        browser = Browser(first, "127.0.0.1")
        plugin: Any = again.plugins.plugins["sessions"]
        assert plugin.logins.recognise(browser).username == "carol"
        assert {cookie.name: cookie.value for cookie in browser.set_cookies}.items() <= remembered.cookies.items()
    finally:
        again.stop()


# ----- What the store does -----------------------------------------------------------------------------------------


def test_the_token_is_spent_last_and_in_one_write(
    remembered: Served, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DESIGN, The store: insert what nobody holds yet, redeem last."""
    clock.advance(TIMED_OUT)
    write = remembered.provider.store.write
    writes: list[list[str]] = []

    def watched(operations: Sequence[Operation]) -> list[int | None]:
        writes.append([f"{type(each).__name__} {each.collection.name}" for each in operations])
        return write(operations)

    monkeypatch.setattr(remembered.provider.store, "write", watched)
    assert "code" in authorize(remembered)
    assert writes == [["Ensure sessions", "Ensure remembered", "Redeem remembered"], ["Insert authorization_codes"]]


def test_when_the_store_fails_nobody_is_forgotten(
    remembered: Served, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A token that could not be spent is as good as before, and the cookie stays."""
    clock.advance(TIMED_OUT)
    before = dict(remembered.cookies)

    def fails(operations: Sequence[Operation]) -> list[int | None]:
        raise StoreUnavailable("gone")

    with monkeypatch.context() as patch:
        patch.setattr(remembered.provider.store, "write", fails)
        assert authorize(remembered)["error"] == "temporarily_unavailable"
    assert remembered.cookies == before
    assert "code" in authorize(remembered)


def test_a_logout_is_quicker_than_the_tab(remembered: Served, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """What has ended stays ended: a token that was removed between the look and the write begins nothing."""
    clock.advance(TIMED_OUT)
    write = remembered.provider.store.write

    def log_out_first(operations: Sequence[Operation]) -> list[int | None]:
        monkeypatch.setattr(remembered.provider.store, "write", write)
        remembered.plugin.logins.end_all("carol")
        return write(operations)

    monkeypatch.setattr(remembered.provider.store, "write", log_out_first)
    assert asks_for_login(authorize(remembered))
    assert remembered.documents() == []
    assert remembered.provider.store.page_kept(REMEMBERED) == []


def test_sessions_of_before_are_still_read(served: Served) -> None:
    """Documents without user_agent, remote_address and remembered."""
    served.log_in("carol", "a password")
    (document,) = served.provider.store.page(SESSIONS)
    old = {name: value for name, value in document.value.items() if name not in ("user_agent", "remote_address")}
    served.provider.store.put(SESSIONS, [dataclasses.replace(document, value=old)], overwrite=True)
    assert served.session() is not None
    (session,) = served.plugin.logins.of_user("carol")
    assert (session.user_agent, session.remote_address, session.remembered) == ("", "", False)


# ----- What ends it ------------------------------------------------------------------------------------------------


def by_logout(served: Served) -> None:
    served.log_out()


def by_logout_after_the_session(served: Served) -> None:
    served.send("POST", "/auth/logout", data=forms_of(served.get("/auth/login").text)[0][1])


def everywhere(served: Served) -> None:
    assert served.plugin.logins.end_all("carol") == 1


def by_its_sid(served: Served) -> None:
    (session,) = served.plugin.logins.of_user("carol")
    served.plugin.logins.end(session.sid)


def by_disabling(served: Served) -> None:
    served.provider.users.disable("carol")


def by_login_of_another(served: Served) -> None:
    served.log_in("bob", "builder", authorize(served, prompt="login")["page"])


def by_login_without_the_box(served: Served) -> None:
    page = served.get(authorize(served, prompt="login")["page"])
    (_, fields), *_ = forms_of(page.text)
    assert fields.pop("remember") == "yes"
    served.send("POST", "/auth/login", data=fields | {"username": "carol", "password": "a password"})


@pytest.mark.parametrize(
    "end", [by_logout, everywhere, by_its_sid, by_disabling, by_login_of_another, by_login_without_the_box]
)
def test_what_ends_it_for_good(remembered: Served, clock: Clock, end: Callable[[Served], None]) -> None:
    """Ended by logout, log out everywhere, the end of the session, disabling, and the next login at this browser."""
    cookies = {name: value for name, value in remembered.cookies.items() if name.endswith("_remember")}
    end(remembered)
    clock.advance(TIMED_OUT)
    remembered.cookies = cookies
    remembered.events.clear()
    assert asks_for_login(authorize(remembered))
    assert remembered.cookie("remember") is None
    assert remembered.events == []


@pytest.mark.parametrize("who", ["gone", "somebody else"])
def test_a_user_who_is_no_more(remembered: Served, clock: Clock, monkeypatch: pytest.MonkeyPatch, who: str) -> None:
    """Ended by the removal of the user, also where somebody else got the name since."""
    find = remembered.provider.users.find

    def found(username: str) -> User | None:
        user = find(username)
        return dataclasses.replace(user, subject="another") if user and who == "somebody else" else None

    clock.advance(TIMED_OUT)
    monkeypatch.setattr(remembered.provider.users, "find", found)
    assert asks_for_login(authorize(remembered))


def test_log_out_everywhere_but_here(remembered: Served, clock: Clock) -> None:
    """A password change ends the other sessions, and what makes other browsers remember."""
    here, remembered.cookies = remembered.cookies, {}
    log_in(remembered)
    other, remembered.cookies = remembered.cookies, here
    own = remembered.plugin.logins.current(Browser(here, "127.0.0.1"))
    assert remembered.plugin.logins.end_all("carol", but=own.sid) == 1
    assert remembered.session() is not None
    clock.advance(TIMED_OUT)
    assert "code" in authorize(remembered)
    remembered.cookies = other
    assert asks_for_login(authorize(remembered))


def test_a_change_of_privilege_gives_another_id_and_forgets_the_browser(remembered: Served, clock: Clock) -> None:
    """A new id at privilege change: what was copied before opens nothing; the person stays logged in."""
    before = dict(remembered.cookies)
    browser = Browser(before, "127.0.0.1")
    logins = remembered.plugin.logins
    old = logins.current(browser)
    logins.renew(browser)
    new = logins.current(browser)
    assert (new.sid, new.auth_time, new.expires_at) == (old.sid, old.auth_time, old.expires_at)
    assert logins.current(Browser(before, "127.0.0.1")) is None
    clock.advance(TIMED_OUT)
    assert asks_for_login(authorize(remembered))


def test_a_logout_ends_what_was_given_before_the_session_timed_out(remembered: Served, clock: Clock) -> None:
    """One login, one `sid`: what its first session gave ends with the second."""
    clock.advance(TIMED_OUT - 3000)
    tokens = exchange(remembered, authorize(remembered)["code"])
    userinfo = {"Authorization": f"Bearer {tokens['access_token']}"}
    clock.advance(3000)
    assert remembered.session() is None
    assert remembered.send("GET", "/userinfo", headers=userinfo).ok
    assert "code" in authorize(remembered)
    remembered.log_out()
    assert remembered.send("GET", "/userinfo", headers=userinfo).status_code == 401


def test_a_logout_after_the_session_has_ended_forgets_the_browser(remembered: Served, clock: Clock) -> None:
    """Logout: who is only remembered can be forgotten too."""
    clock.advance(TIMED_OUT)
    by_logout_after_the_session(remembered)
    assert remembered.cookie("remember") is None
    assert remembered.provider.store.page_kept(REMEMBERED) == []


# ----- What is seen of it ------------------------------------------------------------------------------------------


def test_what_browsers_are_remembered_by_is_listed(remembered: Served, clock: Clock) -> None:
    """Sessions of a user: also who can get in without a password; each login once; none of a disabled user."""
    logins = remembered.plugin.logins
    (live,) = logins.of_user("carol")
    assert not live.remembered
    clock.advance(TIMED_OUT)
    (waiting,) = logins.of_user("carol")
    assert (waiting.sid, waiting.remembered, waiting.auth_time) == (live.sid, True, live.auth_time)
    assert (waiting.user_agent, waiting.remote_address) == (live.user_agent, "127.0.0.1")
    assert [each.sid for each in logins.all()] == [live.sid]
    remembered.provider.users.disable("carol")
    assert logins.of_user("carol") == []
    assert logins.all() == []


def test_the_box_says_whether_the_browser_is_remembered(remembered: Served) -> None:
    """Refused forms lose nothing that was typed, the box included."""
    page = remembered.get(authorize(remembered, prompt="login")["page"])
    assert forms_of(page.text)[0][1]["remember"] == "yes"
    remembered.cookies = {}
    assert "remember" not in forms_of(remembered.get("/auth/login").text)[0][1]
    failed = remembered.log_in("carol", "wrong", remember="yes")
    assert forms_of(failed.text)[0][1]["remember"] == "yes"
