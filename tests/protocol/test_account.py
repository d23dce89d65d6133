"""The account page over HTTP (docs/account.md): what it shows, what it ends, and what attacks on it come to."""

from __future__ import annotations

import html
import json
import re
import secrets
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Barrier, Event
from typing import Any
from urllib.parse import parse_qs, urljoin, urlsplit

import pytest
import requests
from creance.provider import ClientSettings, Grant, OpenIDProvider
from creance.provider.consents import Permissions
from creance.provider.store import bearer_key, insert, replace
from creance.provider.testing import Answer, Browser, RelyingParty, RunningProvider
from creance.provider.testing.relying_party import forms_of
from creance.provider.users import USERS

from ..polling import eventually

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
SAFARI = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/18.5 Mobile/15E148 Safari/604.1"
)
PASSWORD = "correct horse battery"
OTHER = "staple of the old kind"

MORE = """
[[clients]]
client_id = "evil"
client_name = "<script>alert(1)</script> {{ 'x' * 7 }}"
client_secret = "evil-secret"
redirect_uris = ["http://localhost:8401/callback"]
grant_types = ["authorization_code", "refresh_token"]
scope = "openid email"
always_issue_refresh_token = true
"""


@dataclass
class World:
    """A provider that is running, and another one on the same store, by which tests look into it."""

    op: RunningProvider
    inside: OpenIDProvider

    def person(self, password: str = PASSWORD, **claims: Any) -> str:
        """A new user of the store."""
        username = f"person-{secrets.token_hex(4)}"
        self.inside.users.create_user(username, password, claims)
        return username

    def log_in(self, username: str, password: str = PASSWORD, *, user_agent: str = FIREFOX, **fields: str) -> Browser:
        """A new browser in which they have logged in."""
        browser = self.op.browser()
        browser.http.headers["User-Agent"] = user_agent
        self.log_in_at(browser, username, password, **fields)
        return browser

    def log_in_at(self, browser: Browser, username: str, password: str = PASSWORD, **fields: str) -> requests.Response:
        page = browser.get(self.op.url("/auth/login?next=account&prompt=login"))
        action, given = forms_of(page.text)[0]
        answer = browser.post(action, {**given, "username": username, "password": password, **fields})
        assert answer.status_code == 303, text_of(answer)
        return answer

    def account(self, browser: Browser, query: str = "") -> requests.Response:
        return browser.get(self.op.url("/account") + query)

    def app(self, browser: Browser, client_id: str = "app", scope: str = "openid email offline_access") -> RelyingParty:
        return self.op.client(client_id, browser=browser, scope=scope)

    def subject(self, username: str) -> str:
        user = self.inside.users.find(username)
        assert user is not None
        return user.subject

    def sids(self, username: str) -> list[str]:
        assert self.inside.browser_sessions is not None
        return [session.sid for session in self.inside.browser_sessions.of_user(username)]


def worlds(run_provider: Callable[..., RunningProvider], **options: Any) -> Iterator[World]:
    op = run_provider(extra=MORE, **options)
    inside = OpenIDProvider.from_config(op.configuration)
    inside.start()
    yield World(op, inside)
    inside.stop()


@pytest.fixture(scope="module")
def world(run_provider: Callable[..., RunningProvider]) -> Iterator[World]:
    yield from worlds(run_provider, environment={"CREANCE_LIMITS__FAILED_LOGINS_PER_ACCOUNT": "10"})


def text_of(page: requests.Response) -> str:
    """What a person reads, in one line."""
    body = page.text.partition("<main>")[2]
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", body)).split())


def fields_of(page: requests.Response, **having: str) -> dict[str, str]:
    """What the first form of a page would send that has these values."""
    return next(fields for _, fields in forms_of(page.text) if having.items() <= fields.items())


def end(world: World, browser: Browser, what: str, sid: str = "", **options: Any) -> requests.Response:
    """Send the form that ends sessions, as the page has it."""
    fields = {"csrf_token": fields_of(world.account(browser))["csrf_token"], "end": what, "sid": sid}
    return browser.post(world.op.url("/account/sessions"), fields, **options)


def revoke(world: World, browser: Browser, client_id: str = "app", **options: Any) -> requests.Response:
    fields = {"csrf_token": fields_of(world.account(browser))["csrf_token"], "client_id": client_id}
    return browser.post(world.op.url("/account/apps"), fields, **options)


def change(world: World, browser: Browser, current: str = PASSWORD, new: str = OTHER, again: str | None = None) -> Any:
    """Fill in the form that changes the password, and send it."""
    page = browser.get(world.op.url("/account/password"))
    action, fields = forms_of(page.text)[0]
    typed = {"current_password": current, "new_password": new, "new_password_again": new if again is None else again}
    return browser.post(action, fields | typed)


def is_logged_in(world: World, browser: Browser) -> bool:
    return Answer(browser.get(world.op.url("/auth/session"))).status == 200


def asks_for_login(answer: requests.Response) -> bool:
    return answer.status_code == 303 and urlsplit(answer.headers["Location"]).path == "/auth/login"


def notice_after(answer: requests.Response, browser: Browser) -> str:
    """What the page says after a form: in a region that screen readers announce."""
    assert answer.status_code == 303
    page = browser.get(answer.headers["Location"])
    return html.unescape(re.findall(r'<p role="status">([^<]*)</p>', page.text)[0])


# ----- Coming here -------------------------------------------------------------------------------------------------


def test_who_is_not_logged_in_comes_back_after_the_login(world: World) -> None:
    """docs/account.md, Coming here."""
    username, browser = world.person(), world.op.browser()
    page = browser.follow(world.account(browser))
    assert 'name="password"' in page.text
    action, fields = forms_of(page.text)[0]
    onward = browser.post(action, fields | {"username": username, "password": PASSWORD})
    assert (onward.status_code, onward.headers["Location"]) == (303, world.op.url("/account"))
    assert username in text_of(browser.get(onward.headers["Location"]))


def test_a_wrong_password_on_the_way_loses_nothing(world: World) -> None:
    """docs/account.md, Coming here: the form that is shown again still leads to the account page."""
    username, browser = world.person(), world.op.browser()
    page = browser.follow(world.account(browser))
    for password in ("wrong", PASSWORD):
        action, fields = forms_of(page.text)[0]
        page = browser.post(action, fields | {"username": username, "password": password})
    assert page.headers["Location"] == world.op.url("/account")


@pytest.mark.parametrize(
    "place",
    [
        "https://evil.example/",
        "//evil.example/",
        "/account",
        "account/../../evil",
        "token",
        "logout",
        "Account",
        "account ",
        "account_apps",
        "javascript:alert(1)",
        "",
    ],
)
def test_the_login_page_leads_to_no_place_but_those_of_a_fixed_list(world: World, place: str) -> None:
    """RFC 9700 4.11: no open redirect, whether before the login or after it."""
    username, browser = world.person(), world.op.browser()
    page = browser.get(world.op.url("/auth/login"), params={"next": place})
    assert page.status_code == 200
    action, fields = forms_of(page.text)[0]
    typed = {"username": username, "password": PASSWORD, "next": place}
    assert browser.post(action, fields | typed).headers["Location"] == world.op.url("/auth/login")
    again = browser.get(world.op.url("/auth/login"), params={"next": place})
    assert again.status_code == 200, again.headers.get("Location")


def test_who_is_logged_in_already_is_sent_on(world: World) -> None:
    """docs/account.md, Coming here: at once, but not where the login is asked for."""
    browser = world.log_in(world.person())
    onward = browser.get(world.op.url("/auth/login?next=account"))
    assert (onward.status_code, onward.headers["Location"]) == (303, world.op.url("/account"))
    page = browser.get(world.op.url("/auth/login?next=account&prompt=login"))
    assert page.status_code == 200
    assert 'name="password"' in page.text


@pytest.mark.parametrize("path", ["/account", "/account/password"])
def test_pages_are_kept_nowhere_and_shown_in_no_frame(world: World, path: str) -> None:
    """RFC 9111 5.2.2.5, CSP 3 6.4.2: nobody else's cache has them, and nobody puts them under a button of theirs."""
    answer = world.log_in(world.person()).get(world.op.url(path))
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    policy = answer.headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in policy
    assert "default-src 'none'" in policy
    assert "form-action 'self'" in policy
    assert not policy.partition("form-action 'self'")[2]


def test_a_disabled_user_sees_nothing_and_changes_nothing(world: World) -> None:
    """docs/account.md, Coming here: disabled a moment ago is disabled."""
    username = world.person()
    browser = world.log_in(username)
    other = world.log_in(username)
    token = fields_of(world.account(browser))["csrf_token"]
    document = world.inside.store.get(USERS, username)
    assert document is not None
    world.inside.store.write([replace(USERS, document, document.value | {"disabled": True})])
    eventually(lambda: asks_for_login(world.account(browser)))  # users are cached for seconds
    for path, fields in (("sessions", {"end": "all"}), ("apps", {"client_id": "app"}), ("password", {})):
        answer = browser.post(world.op.url(f"/account/{path}"), {"csrf_token": token, **fields})
        assert asks_for_login(answer), path
    assert not is_logged_in(world, other)


# ----- Who I am ----------------------------------------------------------------------------------------------------


def test_it_says_who_i_am(world: World) -> None:
    """docs/account.md, Who I am: what apps may learn, in words; and nothing that no scope gives."""
    username = world.person(
        name="Zoë Example", email="zoe@example.org", email_verified=False, badge="blue", address={"country": "Malta"}
    )
    text = text_of(world.account(world.log_in(username)))
    for words in (username, "Zoë Example", "zoe@example.org (not confirmed)", "Postal address Malta"):
        assert words in text
    assert "blue" not in text
    assert "Change password" in text


def test_claims_and_names_are_text(world: World) -> None:
    """OWASP ASVS 5.3.3: what a person, an app or a browser is called is never markup, nor a template."""
    username = world.person(name="<img src=x onerror=alert(1)> {{ 'x' * 7 }}", email='"><script>@example.org')
    browser = world.log_in(username, user_agent="Mozilla/5.0 (<b>Linux</b>) Firefox/1 <script>alert(1)</script>")
    evil = world.op.client("evil", secret="evil-secret", browser=browser, scope="openid email")
    answer = evil.authorize()
    assert answer.code, dict(answer)
    assert evil.exchange(answer).access_token
    page = world.account(browser)
    assert page.status_code == 200
    assert not re.search(r"<script|<img (?!src=\"http)|<b>", page.text)
    assert "xxxxxxx" not in text_of(page)
    assert "<img src=x onerror=alert(1)> {{ 'x' * 7 }}" in text_of(page)
    assert "<script>alert(1)</script> {{ 'x' * 7 }}" in text_of(page)


# ----- Sessions ----------------------------------------------------------------------------------------------------


def test_it_says_where_i_am_logged_in(world: World) -> None:
    """docs/account.md, Sessions: the device in words, the network, and which one this is."""
    username = world.person()
    browser = world.log_in(username)
    world.log_in(username, user_agent=SAFARI)
    world.log_in(username, user_agent="curl/8.5.0")
    text = text_of(world.account(browser))
    assert "Firefox on Linux · this browser" in text
    assert re.search(r"Safari on iPhone [\w ]+ just now · last used just now · from 127\.0\.0\.1", text)
    assert "Unknown device" in text
    assert "curl" not in text


def test_one_session_is_ended_with_what_it_gave(world: World) -> None:
    """OpenID Connect Core 11: refresh and access tokens of that session, and of no other."""
    username = world.person()
    here, there = world.log_in(username), world.log_in(username, user_agent=SAFARI)
    app = world.app(there, scope="openid email")
    gone, kept = app.log_in(), app.log_in(browser=here)
    fields = next(fields for _, fields in forms_of(world.account(here).text) if fields.get("end") == "one")
    assert fields["sid"] == next(sid for sid in world.sids(username) if sid != own_sid(world, here, username))
    answer = here.post(world.op.url("/account/sessions"), fields)
    assert notice_after(answer, here) == "That session has ended."
    assert not is_logged_in(world, there)
    assert is_logged_in(world, here)
    assert app.userinfo(gone.access_token).status == 401
    assert app.userinfo(kept.access_token).status == 200


def own_sid(world: World, browser: Browser, username: str) -> str:
    """The `sid` of this browser: the one that its page has no button for."""
    shown = [fields["sid"] for _, fields in forms_of(world.account(browser).text) if "sid" in fields]
    (own,) = set(world.sids(username)) - set(shown)
    return own


def test_ending_a_session_twice_is_as_ending_it_once(world: World) -> None:
    """docs/account.md, Forms: a double submit does no harm, and is told the same."""
    username = world.person()
    here, there = world.log_in(username), world.log_in(username)
    sid = own_sid(world, there, username)
    first, second = (end(world, here, "one", sid) for _ in range(2))
    assert notice_after(first, here) == notice_after(second, here) == "That session has ended."
    assert world.sids(username) == [own_sid(world, here, username)]


def test_all_other_sessions_are_ended(world: World) -> None:
    """docs/account.md, Sessions: and this one goes on."""
    username = world.person()
    here, *others = (world.log_in(username) for _ in range(4))
    assert "You are logged in here only" in notice_after(end(world, here, "others"), here)
    assert is_logged_in(world, here)
    assert not any(is_logged_in(world, other) for other in others)


def test_log_out_everywhere_means_everywhere(world: World) -> None:
    """docs/account.md, Sessions: here too, and browsers that are remembered; what has offline_access stays."""
    username = world.person()
    here, there = world.log_in(username), world.log_in(username, remember="yes")
    tokens = world.app(there).log_in()
    answer = end(world, here, "all")
    assert (answer.status_code, answer.headers["Location"]) == (303, world.op.url("/auth/logout"))
    assert not is_logged_in(world, here)
    assert not is_logged_in(world, there)
    assert 'name="password"' in there.follow(there.get(world.op.url("/auth/login"))).text
    assert world.sids(username) == []
    assert world.app(there).refresh(tokens.refresh_token).status == 200


def test_this_session_can_be_ended_by_its_sid_too(world: World) -> None:
    """docs/account.md, Sessions: as by logging out."""
    username = world.person()
    browser = world.log_in(username)
    answer = end(world, browser, "one", own_sid(world, browser, username))
    assert answer.headers["Location"] == world.op.url("/auth/logout")
    assert not is_logged_in(world, browser)


def test_nobody_ends_the_session_of_somebody_else(world: World) -> None:
    """OWASP ASVS 4.2.1: a `sid` is in ID tokens, so it must open nothing. The answer is that for one that is gone."""
    victim = world.person()
    theirs = world.log_in(victim)
    mine = world.log_in(world.person())
    answer = end(world, mine, "one", own_sid(world, theirs, victim))
    assert notice_after(answer, mine) == "That session has ended."
    assert is_logged_in(world, theirs)


@pytest.mark.parametrize("fields", [{}, {"end": "none"}, {"end": "one"}, {"end": "one", "sid": ""}])
def test_a_form_that_says_nothing_ends_nothing(world: World, fields: dict[str, str]) -> None:
    """docs/account.md, Forms: never a 500, and never more than was asked."""
    username = world.person()
    browser, other = world.log_in(username), world.log_in(username)
    token = fields_of(world.account(browser))["csrf_token"]
    answer = browser.post(world.op.url("/account/sessions"), {"csrf_token": token, **fields})
    assert answer.status_code in (303, 400)
    assert is_logged_in(world, browser)
    assert is_logged_in(world, other)


def test_five_hundred_sessions_fit_on_the_page(world: World) -> None:
    """docs/account.md, Many of them: bounded, this one first, the last used next, and it says that there are more."""
    username = world.person()
    assert world.inside.browser_sessions is not None
    writes = []
    from creance.plugins.sessions.session_store import SESSIONS

    now = time.time()
    for number in range(500):
        value = {
            "username": username,
            "subject": world.subject(username),
            "sid": f"sid-{username}-{number}",
            "auth_time": now,
            "amr": ["pwd"],
            "created_at": now,
            "last_seen": now - number,
            "user_agent": FIREFOX,
            "remote_address": f"address-{number}",
        }
        writes.append(insert(SESSIONS, bearer_key(secrets.token_hex()), value, now + 1800))
    world.inside.store.write(writes)
    browser = world.log_in(username, user_agent=SAFARI)
    page = world.account(browser)
    places = re.findall(r'<strong id="session-\d+">([^<]*)<', page.text)
    assert len(places) == 50
    assert places[0] == "Safari on iPhone · this browser"
    assert "address-48" in text_of(page)
    assert "address-49" not in text_of(page)
    assert "And 451 more." in text_of(page)
    everything = world.account(browser, "?show=all")
    assert len(re.findall(r'<strong id="session-\d+">', everything.text)) == 501
    assert notice_after(end(world, browser, "others"), browser)
    assert len(world.sids(username)) == 1


# ----- Apps --------------------------------------------------------------------------------------------------------


def test_it_says_which_apps_have_access(world: World) -> None:
    """docs/account.md, Apps: the name, and what it may in words."""
    browser = world.log_in(world.person())
    assert "No app has access" in text_of(world.account(browser))
    world.app(browser).log_in()
    text = text_of(world.account(browser)).partition("Apps with access")[2]
    for words in ("Demo app", "just now", "Your e-mail address", "Keep this access while you are away"):
        assert words in text


def test_a_remembered_consent_is_access_too(world: World) -> None:
    """docs/account.md, Apps: the app could have it at any moment."""
    username = world.person()
    browser = world.log_in(username)
    consent_to(world, username, "partner", "openid", "phone")
    text = text_of(world.account(browser))
    assert "Partner app" in text
    assert "Your phone number" in text
    assert "No app has access" in notice_and_page(revoke(world, browser, "partner"), browser)


def consent_to(world: World, username: str, client_id: str, *scope: str) -> None:
    user, client = world.inside.users.find(username), world.inside.clients.find(client_id)
    assert user is not None
    assert client is not None
    permissions = Permissions(frozenset(scope), frozenset(world.inside.scope_claims.claims_of(scope)))
    world.inside.consents.remember(user, client, permissions, permissions, 1000)


def notice_and_page(answer: requests.Response, browser: Browser) -> str:
    assert answer.status_code == 303
    return text_of(browser.get(answer.headers["Location"]))


def test_revoking_an_app_ends_all_that_it_has(world: World) -> None:
    """RFC 7009 2.1, docs/account.md, Apps: codes, refresh and access tokens of every grant; nothing of others."""
    username = world.person()
    browser = world.log_in(username)
    app, spa = world.app(browser), world.app(browser, "spa")
    given = [app.log_in() for _ in range(3)]
    refreshed = app.refresh(given[0].refresh_token)
    code = app.authorize()
    others = spa.log_in()
    bob = world.op.client("app", scope="openid email offline_access").log_in("bob")
    answer = revoke(world, browser)
    assert notice_after(answer, browser) == "That app has no access any more."
    for tokens in (*given, refreshed):
        assert app.userinfo(tokens.access_token).status == 401
        assert app.refresh(tokens.refresh_token).error == "invalid_grant"
    assert app.exchange(code).error == "invalid_grant"
    assert spa.userinfo(others.access_token).status == 200
    assert spa.refresh(others.refresh_token).status == 200
    assert app.userinfo(bob.access_token).status == 200
    text = text_of(world.account(browser))
    assert "Demo app" not in text
    assert "Demo single-page app" in text


def test_a_revoked_app_has_to_ask_again(world: World) -> None:
    """docs/account.md, Apps: the consent is forgotten, so that the live session gives it nothing new in silence."""
    username = world.person()
    browser = world.log_in(username)
    consent_to(world, username, "partner", "openid", "email")
    partner = world.op.client(
        "partner",
        secret="partner-secret",
        browser=browser,
        scope="openid email",
        redirect_uri="http://localhost:8403/callback",
    )
    assert partner.answer_at_once(browser, prompt="none").code
    revoke(world, browser, "partner")
    assert partner.answer_at_once(browser, prompt="none").error == "consent_required"


def test_revoking_twice_is_as_revoking_once(world: World) -> None:
    """docs/account.md, Forms: also for an app that was never there."""
    browser = world.log_in(world.person())
    world.app(browser).log_in()
    first, second, unknown = revoke(world, browser), revoke(world, browser), revoke(world, browser, "no-such-app")
    notices = {notice_after(answer, browser) for answer in (first, second, unknown)}
    assert notices == {"That app has no access any more."}


def test_nobody_revokes_an_app_of_somebody_else(world: World) -> None:
    """OWASP ASVS 4.2.1: the same app, used by two people."""
    mine, theirs = world.log_in(world.person()), world.log_in(world.person())
    app = world.app(theirs)
    tokens = app.log_in()
    world.app(mine).log_in()
    revoke(world, mine)
    assert app.userinfo(tokens.access_token).status == 200
    assert app.refresh(tokens.refresh_token).status == 200


def test_three_hundred_apps_fit_on_the_page(world: World) -> None:
    """docs/account.md, Many of them: bounded, the newest first, and it says that there are more."""
    username = world.person()
    browser = world.log_in(username)
    names = [f"many-{secrets.token_hex(3)}-{number}" for number in range(300)]
    for name in names:
        world.inside.clients.add(ClientSettings(**client_fields(name)))
    give(world, username, names)
    page = world.account(browser)
    shown = re.findall(r'<strong id="app-\d+"><bdi>([^<]*)</bdi>', page.text)
    assert shown == names[:50]
    assert "And 250 more." in text_of(page)
    everything = world.account(browser, "?show=all")
    assert len(re.findall(r'<strong id="app-\d+">', everything.text)) == 300


PUBLIC = {"token_endpoint_auth_method": "none"}


def client_fields(name: str) -> dict[str, Any]:
    return {"client_id": name, "client_name": name, "redirect_uris": ["http://localhost:8401/callback"], **PUBLIC}


def give(world: World, username: str, client_ids: list[str], each: int = 1) -> list[str]:
    """Access tokens, as many for each of the clients, the first client's the latest. Answers their values."""
    made = []
    for age, client_id in enumerate(client_ids):
        client = world.inside.clients.find(client_id)
        assert client is not None
        for _ in range(each):
            grant = Grant(
                client_id,
                world.subject(username),
                ("openid", "offline_access"),
                username=username,
                granted_at=time.time() - age,
                client_registered_at=client.registered_at,
            )
            made.append(world.inside.tokens.new_access_token(grant, grant.scope))
    for start in range(0, len(made), 500):
        world.inside.store.write([new.operation for new in made[start : start + 500]])
    return [new.value for new in made]


def test_more_tokens_than_are_read_at_once_are_all_revoked(world: World) -> None:
    """docs/account.md, Apps: of 1,300 grants of two apps, all of one, though what the other has fills what is read at
    first, and more than one write ends; and none of the other.
    """
    username = world.person()
    browser = world.log_in(username)
    others = give(world, username, ["spa"], 1050)
    own = give(world, username, ["app"], 250)
    assert "There may be more" in text_of(world.account(browser))
    assert revoke(world, browser).status_code == 303
    assert not any(world.inside.tokens.read_access_token(value) for value in own)
    assert all(world.inside.tokens.read_access_token(value) for value in others)


def test_a_refresh_at_the_same_moment_leaves_nothing_alive(world: World) -> None:
    """DESIGN, The store: revoking deletes codes and refresh tokens first; whoever refreshes meanwhile loses, or what it
    got is ended too.
    """
    username = world.person()
    browser = world.log_in(username)
    for _ in range(5):
        race_once(world, browser)


def race_once(world: World, browser: Browser, apps: int = 6) -> None:
    app = world.app(browser)
    held = [app.log_in() for _ in range(apps)]
    token = fields_of(world.account(browser))["csrf_token"]
    start, over = Barrier(apps + 1), Event()

    def refresh(tokens: Answer) -> list[Answer]:
        own = RelyingParty(world.op.issuer, "app", secret="app-secret")
        got = [tokens]
        start.wait()
        while got[-1].refresh_token and not over.is_set():
            got.append(own.refresh(got[-1].refresh_token))
        return [answer for answer in got if answer.refresh_token]

    def take_back() -> requests.Response:
        start.wait()
        return browser.post(world.op.url("/account/apps"), {"csrf_token": token, "client_id": "app"})

    with ThreadPoolExecutor(apps + 1) as threads:
        racing = [threads.submit(refresh, tokens) for tokens in held]
        taken_back = threads.submit(take_back).result()
        over.set()
        issued = [answer for each in racing for answer in each.result()]
    assert taken_back.status_code == 303
    for answer in issued:
        assert app.userinfo(answer.access_token).status == 401
        assert app.refresh(answer.refresh_token).error == "invalid_grant"


# ----- The password ------------------------------------------------------------------------------------------------


def test_the_password_is_changed(world: World) -> None:
    """NIST SP 800-63B-4 3.1.1.2, docs/account.md, Password: the new one opens, the old one no more."""
    username = world.person()
    browser = world.log_in(username)
    answer = change(world, browser)
    assert "Your password is changed" in notice_after(answer, browser)
    world.log_in(username, OTHER)
    refused = world.op.browser()
    page = refused.get(world.op.url("/auth/login"))
    assert refused.log_in(page, username, PASSWORD).status_code == 200


def test_a_new_password_ends_what_the_old_one_began(world: World) -> None:
    """docs/account.md, Password: other sessions, remembered browsers, and tokens without offline_access."""
    username = world.person()
    here, there, remembered = (world.log_in(username), world.log_in(username), world.log_in(username, remember="yes"))
    app = world.app(there, scope="openid email")
    gone, offline = app.log_in(), app.log_in(scope="openid offline_access")
    drop_session(remembered)
    change(world, here)
    assert is_logged_in(world, here)
    assert not is_logged_in(world, there)
    assert 'name="password"' in remembered.get(world.op.url("/auth/login")).text
    assert app.userinfo(gone.access_token).status == 401
    assert app.refresh(offline.refresh_token).status == 200
    assert len(world.sids(username)) == 1


def drop_session(browser: Browser) -> None:
    """As a browser does that is closed: its session cookie is gone, and what it is remembered by stays."""
    name = next(cookie.name for cookie in browser.http.cookies if cookie.name.endswith("_session"))
    browser.http.cookies.set(name, None)


def cookie_of(browser: Browser, name: str) -> str:
    return next(str(cookie.value) for cookie in browser.http.cookies if cookie.name.endswith(f"_{name}"))


def test_a_new_password_gives_the_session_another_id(world: World) -> None:
    """OWASP ASVS 3.2.1: who has a copy of the cookies, also of this very browser, is out."""
    username = world.person()
    browser = world.log_in(username, remember="yes")
    app = world.app(browser, scope="openid email")
    tokens = app.log_in()
    sid = own_sid(world, browser, username)
    thief = world.op.browser()
    thief.http.cookies.update(browser.http.cookies)
    change(world, browser)
    assert cookie_of(browser, "session") != cookie_of(thief, "session")
    assert not is_logged_in(world, thief)
    assert 'name="password"' in thief.get(world.op.url("/auth/login")).text
    assert own_sid(world, browser, username) == sid
    assert app.userinfo(tokens.access_token).status == 200


@pytest.mark.parametrize(
    ("current", "new", "again", "problem"),
    [
        ("", OTHER, OTHER, "Type your present password"),
        (PASSWORD, "", "", "Type your present password"),
        (PASSWORD, OTHER, OTHER + "x", "not the same both times"),
        (PASSWORD, PASSWORD, PASSWORD, "is the present one"),
        (PASSWORD, "elevenchars", "elevenchars", "too short"),
        (PASSWORD, "x" * 1025, "x" * 1025, "too long"),
        (PASSWORD, "qwertyuiop123", "qwertyuiop123", "Many people have this password"),
        (PASSWORD, "Rumpelstilzchen!", "Rumpelstilzchen!", "too close to your name"),
        (PASSWORD, "Creance Creance 2026", "Creance Creance 2026", "too close to your name"),
        ("wrong" + PASSWORD, OTHER, OTHER, "present password is not right"),
    ],
)
def test_what_is_wrong_is_said(world: World, current: str, new: str, again: str, problem: str) -> None:
    """docs/account.md, Password: announced, beside the form again; nothing is changed, and nothing typed is shown."""
    username = world.person(given_name="Rumpelstilzchen")
    browser = world.log_in(username)
    page = change(world, browser, current, new, again)
    assert page.status_code == 200
    assert problem in re.findall(r'<p role="alert" id="problem">([^<]*)</p>', page.text)[0]
    assert not new or new not in page.text
    world.log_in(username)


def test_a_double_click_changes_the_password_once(world: World) -> None:
    """docs/account.md, Forms: the second submit is answered, by a page or the login, and the new password holds."""
    username = world.person()
    browser = world.log_in(username)
    _, fields = forms_of(browser.get(world.op.url("/account/password")).text)[0]
    fields |= {"current_password": PASSWORD, "new_password": OTHER, "new_password_again": OTHER}
    cookies = browser.http.cookies.get_dict()
    with ThreadPoolExecutor(2) as threads:
        sent = [threads.submit(world.op.post, "/account/password", fields, cookies=cookies) for _ in range(2)]
        answers = [each.result() for each in sent]
    assert {answer.status_code for answer in answers} <= {200, 303}
    assert any("notice=password-changed" in answer.headers.get("Location", "") for answer in answers)
    world.log_in(username, OTHER)


def test_of_two_changes_at_once_one_is_made(world: World) -> None:
    """NIST SP 800-63B-4 3.1.1.2, docs/account.md, Password: browsers prove the same password, and want another each;
    who is second is told so, or logged out.
    """
    for _ in range(3):
        username = world.person()
        browsers = {f"{OTHER} {number}": world.log_in(username) for number in range(4)}
        start = Barrier(len(browsers))

        def race(new: str, browser: Browser, start: Barrier = start) -> Any:
            action, fields = forms_of(browser.get(world.op.url("/account/password")).text)[0]
            typed = {"current_password": PASSWORD, "new_password": new, "new_password_again": new}
            start.wait()
            return browser.post(action, fields | typed)

        with ThreadPoolExecutor(len(browsers)) as threads:
            answers = dict(zip(browsers, threads.map(race, *zip(*browsers.items(), strict=True)), strict=True))
        assert {answer.status_code for answer in answers.values()} <= {200, 303}
        is_changed = {new for new, each in answers.items() if "password-changed" in each.headers.get("Location", "")}
        (new,) = is_changed
        world.log_in(username, new)


def test_who_is_disabled_while_they_change_their_password_stays_so(world: World) -> None:
    """docs/account.md, Password: `users disable` by another process, at the same moment."""
    for _ in range(3):
        username = world.person()
        browser = world.log_in(username)
        with ThreadPoolExecutor(2) as threads:
            answer = threads.submit(change, world, browser)
            threads.submit(world.inside.users.disable, username).result()
        assert answer.result().status_code < 500
        document = world.inside.store.get(USERS, username)
        assert document is not None
        assert document.value["disabled"] is True


def test_a_password_needs_no_digits_or_signs(world: World) -> None:
    """NIST SP 800-63B-4 3.1.1.2: no composition rules; any character, spaces and others than ASCII too."""
    username = world.person()
    browser = world.log_in(username)
    passwords = ["lower case words only", "пароль из нескольких слов", "🦅 and a glove, thrown far"]
    for current, new in zip([PASSWORD, *passwords], passwords, strict=False):
        assert change(world, browser, current, new).status_code == 303
    world.log_in(username, passwords[-1])


def test_guessing_the_present_password_is_limited_as_logins_are(world: World) -> None:
    """NIST SP 800-63B-4 3.2.2: who sits at a session that was left open does not guess for ever."""
    username = world.person()
    browser = world.log_in(username)
    for _ in range(10):
        assert change(world, browser, "wrong" + PASSWORD).status_code == 200
    answer = change(world, browser)
    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) > 0
    assert "wrong too often" in text_of(answer)
    assert world.inside.users.authenticate(username, PASSWORD) is not None


def test_who_is_in_the_configuration_file_has_no_form(world: World) -> None:
    """docs/account.md, Password: the page says so, and a form that is sent all the same changes nothing."""
    browser = world.log_in("alice", "wonderland")
    page = browser.get(world.op.url("/account/password"))
    assert "in the configuration file" in text_of(page)
    assert "in the configuration file" in text_of(world.account(browser))
    assert forms_of(page.text) == []
    token = fields_of(world.account(browser))["csrf_token"]
    fields = {"current_password": "wonderland", "new_password": OTHER, "new_password_again": OTHER}
    answer = browser.post(world.op.url("/account/password"), {"csrf_token": token, **fields})
    assert answer.status_code == 200
    world.log_in("alice", "wonderland")


# ----- Who was only remembered, or logged in long ago --------------------------------------------------------------


def remembered_browser(world: World, username: str) -> Browser:
    """One in which nobody has typed a password for its session."""
    browser = world.log_in(username, remember="yes")
    drop_session(browser)
    browser.follow(world.account(browser))
    return browser


def test_a_remembered_browser_shows_and_changes_nothing(world: World) -> None:
    """docs/account.md, Coming here: whoever sits in front of it has not proven who they are. The page says why."""
    username = world.person()
    other = world.log_in(username)
    app = world.app(other)
    tokens = app.log_in()
    browser = remembered_browser(world, username)
    page = world.account(browser)
    assert "nobody has typed your password" in text_of(page)
    assert [action for action, _ in forms_of(page.text)] == []
    anew = world.op.url("/auth/login?next=account&prompt=login")
    assert f'href="{anew.replace("&", "&amp;")}"' in page.text
    token = csrf_token_for(world, browser, username)
    for path, fields in (("sessions", {"end": "others"}), ("apps", {"client_id": "app"})):
        answer = browser.post(world.op.url(f"/account/{path}"), {"csrf_token": token, **fields})
        assert answer.headers["Location"] == anew, path
    assert browser.get(world.op.url("/account/password")).headers["Location"] == anew
    assert is_logged_in(world, other)
    assert app.userinfo(tokens.access_token).status == 200


def csrf_token_for(world: World, browser: Browser, username: str) -> str:
    """A token as the page would have it if it had a form: what the provider makes for this visit and session."""
    from creance.provider import Browser as Seen

    assert world.inside.browser_sessions is not None
    seen = Seen({cookie.name: str(cookie.value) for cookie in browser.http.cookies}, "127.0.0.1")
    session = world.inside.browser_sessions.current(seen)
    assert session is not None
    assert session.username == username
    return world.inside.visits.csrf_token(seen, session.sid)


def test_after_a_login_a_remembered_browser_may_change_everything(world: World) -> None:
    """docs/account.md, Coming here: by the link of the page, and back to it."""
    username = world.person()
    browser = remembered_browser(world, username)
    page = browser.get(world.op.url("/auth/login?next=account&prompt=login"))
    action, fields = forms_of(page.text)[0]
    onward = browser.post(action, fields | {"username": username, "password": PASSWORD})
    assert onward.headers["Location"] == world.op.url("/account")
    assert change(world, browser).status_code == 303


def test_a_remembered_browser_without_a_session_is_listed(world: World) -> None:
    """docs/account.md, Sessions: it can begin a session at any time, so it can be ended."""
    username = world.person()
    browser, other = world.log_in(username), world.log_in(username, user_agent=SAFARI, remember="yes")
    (sid,) = set(world.sids(username)) - {own_sid(world, browser, username)}
    from creance.plugins.sessions.session_store import SESSIONS

    world.inside.store.delete_where(SESSIONS, "sid", sid)
    text = text_of(world.account(browser))
    assert "Safari on iPhone" in text
    assert "remembered" in text
    assert end(world, browser, "one", sid).status_code == 303
    assert 'name="password"' in other.get(world.op.url("/auth/login")).text


@pytest.fixture(scope="module")
def strict(run_provider: Callable[..., RunningProvider]) -> Iterator[World]:
    """A provider that wants a recent login."""
    yield from worlds(run_provider, environment={"CREANCE_PLUGINS__ACCOUNT__RECENT_LOGIN": "1"})


def test_changes_may_need_a_recent_login(strict: World) -> None:
    """docs/account.md, Settings: `recent_login`."""
    username = strict.person()
    browser = strict.log_in(username)
    time.sleep(1.1)  # seconds are what the setting counts
    page = strict.account(browser)
    assert "Your login was a while ago" in text_of(page)
    assert forms_of(page.text) == []
    token = csrf_token_for(strict, browser, username)
    answer = browser.post(strict.op.url("/account/sessions"), {"csrf_token": token, "end": "all"})
    assert asks_for_login(answer)
    assert is_logged_in(strict, browser)


# ----- Forged forms ------------------------------------------------------------------------------------------------

FORMS = [
    ("/account/sessions", {"end": "all"}),
    ("/account/apps", {"client_id": "app"}),
    ("/account/password", {"current_password": PASSWORD, "new_password": OTHER, "new_password_again": OTHER}),
]


@pytest.mark.parametrize(("path", "fields"), FORMS)
def test_a_forged_form_changes_nothing(world: World, path: str, fields: dict[str, str]) -> None:
    """OWASP ASVS 4.2.2: without a token, with that of another session or another visit, or sent by another site."""
    username = world.person()
    browser, twin = world.log_in(username), world.log_in(username)
    app = world.app(browser)
    tokens = app.log_in()
    attacker = world.log_in(world.person())
    token = fields_of(world.account(browser))["csrf_token"]
    forged: list[tuple[dict[str, str], dict[str, str]]] = [
        ({}, {}),
        ({"csrf_token": ""}, {}),
        ({"csrf_token": fields_of(world.account(attacker))["csrf_token"]}, {}),
        ({"csrf_token": fields_of(world.account(twin))["csrf_token"]}, {}),
        ({"csrf_token": login_token(world)}, {}),
        ({"csrf_token": token}, {"Origin": "https://evil.example"}),
        ({"csrf_token": token}, {"Origin": "null"}),
        ({"csrf_token": token}, {"Sec-Fetch-Site": "same-site"}),
        ({"csrf_token": token}, {"Sec-Fetch-Site": "cross-site"}),
    ]
    for more, headers in forged:
        answer = browser.post(world.op.url(path), {**fields, **more}, headers=headers)
        assert answer.status_code == 403, (more, headers)
        assert "Nothing has happened" in answer.text
    assert is_logged_in(world, browser)
    assert app.refresh(tokens.refresh_token).status == 200
    assert world.inside.users.authenticate(username, PASSWORD) is not None


def login_token(world: World) -> str:
    return fields_of(world.op.browser().get(world.op.url("/auth/login")))["csrf_token"]


def test_a_token_dies_with_its_session(world: World) -> None:
    """OWASP ASVS 4.2.2: the visit is the same, the session of another person is not."""
    browser = world.log_in(world.person())
    stale = fields_of(world.account(browser))["csrf_token"]
    world.log_in_at(browser, world.person())
    answer = browser.post(world.op.url("/account/sessions"), {"csrf_token": stale, "end": "all"})
    assert answer.status_code == 403
    assert is_logged_in(world, browser)


def test_a_link_of_another_site_changes_nothing(world: World) -> None:
    """RFC 9110 9.2.1: GET is safe, here too."""
    browser = world.log_in(world.person())
    for path, status in (("/account/sessions?end=all", 405), ("/account/apps?client_id=app", 405)):
        assert browser.get(world.op.url(path)).status_code == status
    assert is_logged_in(world, browser)


def test_nobody_puts_words_into_our_mouth(world: World) -> None:
    """docs/account.md, Forms: a notice is a name out of a list, and another site's link shows none."""
    browser = world.log_in(world.person())
    assert 'role="status"' not in world.account(browser, "?notice=Call+0900+now").text
    assert "0900" not in world.account(browser, "?notice=Call+0900+now").text
    linked = browser.get(world.op.url("/account?notice=password-changed"), headers={"Sec-Fetch-Site": "cross-site"})
    assert "password is changed" not in linked.text


def test_the_log_says_what_was_done_and_never_a_password(world: World) -> None:
    """DESIGN, Tests: no secret in a log."""
    username = world.person()
    browser = world.log_in(username)
    change(world, browser, "a wrong guess at it", OTHER)
    change(world, browser)
    log = world.op.log_file.read_text("utf-8")
    lines = [line for line in world.op.log_lines() if line.get("path") == "/account/password"]
    assert "password_changed" in [line["outcome"] for line in lines]
    for secret in (PASSWORD, OTHER, "a wrong guess at it", cookie_of(browser, "session")):
        assert secret not in log
        assert json.dumps(secret) not in log


def test_notices_come_back_from_our_own_pages_only(world: World) -> None:
    """RFC 9700 4.12, docs/account.md, Forms: every form is answered by 303, with a place of ours."""
    username = world.person()
    browser = world.log_in(username)
    world.log_in(username)
    answers = [
        end(world, browser, "others"),
        revoke(world, browser),
        change(world, browser),
        end(world, browser, "all"),
    ]
    for answer in answers:
        assert answer.status_code == 303
        place = urlsplit(urljoin(world.op.issuer, answer.headers["Location"]))
        assert f"{place.scheme}://{place.netloc}" == world.op.issuer
        assert set(parse_qs(place.query)) <= {"notice"}
