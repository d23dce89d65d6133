"""prompt=select_account (OpenID Connect Core 3.1.2.1): the person chooses, the account that is logged in or another."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

import pytest
import requests
from creance.provider.testing import Browser, RelyingParty, RunningProvider, forms_of


@pytest.fixture
def app(op: RunningProvider) -> RelyingParty:
    return op.client("app")


@pytest.fixture
def browser(op: RunningProvider, app: RelyingParty) -> Browser:
    """Alice is logged in here."""
    browser = op.browser()
    app.authorize(user="alice", browser=browser)
    return browser


def choice_on(page: requests.Response) -> dict[str, str] | None:
    """The form that goes on with the account that is logged in."""
    return next((fields for _, fields in forms_of(page.text) if "account" in fields), None)


def choose(op: RunningProvider, browser: Browser, fields: dict[str, str]) -> requests.Response:
    return browser.follow(browser.post(op.url("/auth/login"), fields))


def answer_of(response: requests.Response) -> dict[str, str]:
    assert response.headers["Location"].startswith("http://localhost:8401/callback?")
    return dict(parse_qsl(urlsplit(response.headers["Location"]).query))


def test_the_person_goes_on_with_the_account_that_is_logged_in(
    op: RunningProvider, app: RelyingParty, browser: Browser
) -> None:
    """A button names the account; no password is asked for, and auth_time stays that of the login."""
    before = browser.get(op.url("/auth/session")).json()
    page = app.begin(browser, prompt="select_account")
    assert "Continue as <bdi>alice</bdi>" in page.text
    fields = choice_on(page)
    assert fields is not None
    assert "code" in answer_of(choose(op, browser, fields))
    assert browser.get(op.url("/auth/session")).json()["auth_time"] == before["auth_time"]


def test_another_account_is_one_form_away(op: RunningProvider, app: RelyingParty, browser: Browser) -> None:
    """The other form is there too, and empty: it is for somebody else."""
    page = app.begin(browser, prompt="select_account")
    (fields,) = [fields for _, fields in forms_of(page.text) if "password" in fields]
    assert fields["username"] == ""
    browser.log_in(page, "bob")
    assert browser.get(op.url("/auth/session")).json()["username"] == "bob"


def test_the_choice_is_asked_for_each_time(op: RunningProvider, app: RelyingParty, browser: Browser) -> None:
    """A choice is for one request, and no other."""
    fields = choice_on(app.begin(browser, prompt="select_account"))
    assert fields is not None
    assert "code" in answer_of(choose(op, browser, fields))
    assert choice_on(app.begin(browser, prompt="select_account")) is not None


def test_a_session_alone_is_no_choice(app: RelyingParty, browser: Browser) -> None:
    """prompt=none beside it is refused (OpenID Connect Core 3.1.2.1); alone it shows a page."""
    assert app.answer_at_once(browser, prompt="none select_account").error == "invalid_request"
    assert choice_on(app.begin(browser, prompt="select_account")) is not None


def test_who_has_just_logged_in_has_chosen(op: RunningProvider, app: RelyingParty) -> None:
    """Nobody was logged in: the login is the choice, and there is no button."""
    browser = op.browser()
    page = app.begin(browser, prompt="select_account")
    assert choice_on(page) is None
    assert "code" in answer_of(browser.log_in(page, "alice"))


@pytest.mark.parametrize("changes", [{"prompt": "login select_account"}, {"prompt": "select_account", "max_age": "0"}])
def test_where_a_fresh_login_is_asked_for_there_is_no_button(
    op: RunningProvider, app: RelyingParty, browser: Browser, changes: dict[str, str]
) -> None:
    """prompt=login and max_age hold beside select_account, also against a choice that is sent all the same."""
    page = app.begin(browser, **changes)
    assert choice_on(page) is None
    (_, fields) = forms_of(page.text)[0]
    sid = (choice_on(app.begin(browser, prompt="select_account")) or {})["account"]
    forced = choose(op, browser, fields | {"account": sid})
    assert 'name="password"' in forced.text


def test_a_choice_counts_for_the_session_that_it_was_made_in(
    op: RunningProvider, app: RelyingParty, browser: Browser
) -> None:
    """Another tab logged in as bob meanwhile: alice's button does not let bob's session through."""
    fields = choice_on(app.begin(browser, prompt="select_account"))
    assert fields is not None
    browser.log_in(app.begin(browser, prompt="login"), "bob")
    page = choose(op, browser, fields)
    assert page.status_code == 200
    assert "Nobody is logged in with that account any more" in page.text
    assert 'name="password"' in page.text


def test_a_choice_does_not_count_for_another_session(op: RunningProvider, app: RelyingParty, browser: Browser) -> None:
    """The decision in the sealed request is held against the session that is there when it comes back."""
    other = op.browser()
    app.authorize(user="bob", browser=other)
    fields = choice_on(app.begin(browser, prompt="select_account"))
    assert fields is not None
    onward = browser.post(op.url("/auth/login"), fields).headers["Location"]
    (bobs,) = [cookie for cookie in other.http.cookies if cookie.name.endswith("_session")]
    browser.http.cookies.set_cookie(bobs)
    page = browser.follow(browser.get(onward))
    assert choice_on(page) is not None
    assert "Continue as <bdi>bob</bdi>" in page.text


@pytest.mark.parametrize("token", [None, "wrong"])
def test_the_button_is_protected(op: RunningProvider, app: RelyingParty, browser: Browser, token: str | None) -> None:
    """CSRF: a choice is made by a person, and not by another site."""
    fields = choice_on(app.begin(browser, prompt="select_account"))
    assert fields is not None
    forged = {name: value for name, value in (fields | {"csrf_token": token}).items() if value is not None}
    assert browser.post(op.url("/auth/login"), forged).status_code == 403
    foreign = browser.post(op.url("/auth/login"), fields, headers={"Sec-Fetch-Site": "cross-site"})
    assert foreign.status_code == 403


def test_of_another_person_than_the_app_names_there_is_no_button(
    op: RunningProvider, app: RelyingParty, browser: Browser
) -> None:
    """OpenID Connect Core 3.1.2.1: id_token_hint names bob."""
    hint = app.log_in("bob").id_token
    page = app.begin(browser, prompt="select_account", id_token_hint=hint)
    assert choice_on(page) is None
    assert 'name="password"' in page.text
