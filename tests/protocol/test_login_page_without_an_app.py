"""The login page for its own sake, and for a page of ours that sends people to it (issue 6, item 1)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from creance.provider.testing import Browser, RunningProvider, forms_of

from ..plugins.served import Served, serving


@pytest.fixture
def browser(op: RunningProvider) -> Browser:
    return op.browser()


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Served]:
    """Sessions, and no account page."""
    with serving(tmp_path, "https://id.example.org") as here:
        yield here


def test_a_page_of_ours_gets_the_person_back(op: RunningProvider, browser: Browser) -> None:
    """?next=account: through the form, also after a failure, and to the page by its name."""
    page = browser.get(op.url("/auth/login?next=account"))
    failed = browser.log_in(page, "alice", "wrong")
    assert "is not right" in failed.text
    action, fields = forms_of(failed.text)[0]
    done = browser.post(action, fields | {"username": "alice", "password": "wonderland"})
    assert (done.status_code, done.headers["Location"]) == (303, op.url("/account"))


def test_who_is_logged_in_goes_straight_on(op: RunningProvider, browser: Browser) -> None:
    """Already logged in: straight on; with prompt=login the form all the same."""
    browser.log_in(browser.get(op.url("/auth/login")), "alice")
    assert browser.get(op.url("/auth/login?next=account")).headers["Location"] == op.url("/account")
    assert 'name="password"' in browser.get(op.url("/auth/login?next=account&prompt=login")).text


@pytest.mark.parametrize("place", ["https://evil.example.org", "//evil.example.org", "/token", "token", "jwks", ""])
def test_no_other_place_can_be_named(op: RunningProvider, browser: Browser, place: str) -> None:
    """Open redirects: `next` is the name of one of few pages, and not a place; anything else counts for nothing."""
    page = browser.get(op.url("/auth/login"), params={"next": place})
    assert "evil" not in page.text
    action, fields = forms_of(page.text)[0]
    assert "next" not in fields
    done = browser.post(action, fields | {"username": "alice", "password": "wonderland", "next": place})
    assert done.headers["Location"] == op.url("/auth/login")


def test_without_the_account_page_there_is_no_way_to_it(alone: Served) -> None:
    """The name of a page that is not switched on is no purpose, and nothing leads there."""
    assert "next" not in forms_of(alone.get("/auth/login", next="account").text)[0][1]
    alone.log_in()
    assert "/account" not in alone.get("/auth/login").text


def test_who_is_logged_in_finds_their_account(op: RunningProvider, browser: Browser) -> None:
    """Logged in with no app: the page links to the account page where that is on."""
    page = browser.log_in(browser.get(op.url("/auth/login")), "alice")
    assert f'href="{op.url("/account")}"' in page.text


def test_a_refused_form_keeps_where_it_was_going(op: RunningProvider, browser: Browser) -> None:
    """Refused forms lose nothing but the password, and offer to try again."""
    action, fields = forms_of(browser.get(op.url("/auth/login?next=account")).text)[0]
    typed = fields | {"username": "alice", "password": "wonderland", "remember": "yes", "csrf_token": "stale"}
    refused = browser.post(action, typed)
    assert refused.status_code == 403
    _, again = forms_of(refused.text)[0]
    assert (again["username"], again["password"], again["remember"], again["next"]) == ("alice", "", "yes", "account")
    foreign = browser.post(action, typed, headers={"Origin": "https://evil.example.org"})
    assert foreign.status_code == 403
    assert f'href="{op.url("/auth/login?next=account")}"' in foreign.text
    done = browser.post(action, again | {"password": "wonderland"})
    assert done.headers["Location"] == op.url("/account")


def test_a_user_who_is_disabled_by_an_operator(run_provider: Callable[..., RunningProvider], tmp_path: Path) -> None:
    """A disabled user's session and remembered browser give nothing, on every worker within seconds."""
    from click.testing import CliRunner
    from creance.provider.commands import creance

    from ..polling import eventually

    op = run_provider(environment={"CREANCE_HTTP__WORKERS": "2"})

    def run(*arguments: str, typed: str = "") -> None:
        result = CliRunner().invoke(creance, ["--config", str(op.configuration), *arguments], input=typed)
        assert result.exit_code == 0, result.output

    run("users", "add", "carol", typed="a password\n")
    browser = op.browser()
    _, fields = forms_of(browser.get(op.url("/auth/login")).text)[0]
    typed = fields | {"username": "carol", "password": "a password", "remember": "yes"}
    browser.post(op.url("/auth/login"), typed)
    assert browser.get(op.url("/auth/session")).ok
    run("users", "disable", "carol")
    eventually(lambda: all(browser.get(op.url("/auth/session")).status_code == 401 for _ in range(10)), 15)
    page = browser.follow(op.client("app").begin(browser))
    assert 'name="password"' in page.text
