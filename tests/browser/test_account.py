"""The account page in a real browser: what is ended there is over."""

from __future__ import annotations

from creance.provider.testing import Browser

from .person import Person
from .world import PASSWORD, World

NEW_PASSWORD = "battery of the horse staple"


def log_in_elsewhere(world: World, user: str) -> Browser:
    """At another device, by HTTP alone."""
    browser = world.provider.browser()
    browser.http.headers["User-Agent"] = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
    browser.log_in(browser.get("/auth/login?next=account"), user, PASSWORD)
    assert is_logged_in(browser)
    return browser


def is_logged_in(browser: Browser) -> bool:
    return browser.get("/auth/session").status_code == 200


def open_account(person: Person, world: World, user: str) -> None:
    """By the front page, through the login."""
    person.open(world.url("/"))
    person.press("Your account")
    person.log_in(user, PASSWORD)
    assert person.title == "Your account · Creance"


def test_end_another_session(person: Person, world: World) -> None:
    """docs/account.md, Sessions: the other device is logged out, this one is not."""
    user = world.new_user()
    other = log_in_elsewhere(world, user)
    open_account(person, world, user)
    assert "Firefox on Linux" in person.text
    person.press("End this session")
    assert "has ended" in person.one("[role=status]").text
    assert "Firefox on Linux" not in person.text
    assert not is_logged_in(other)
    person.chromium.refresh()
    assert person.title == "Your account · Creance"


def test_log_out_everywhere(person: Person, world: World) -> None:
    """docs/account.md, Sessions: this browser included."""
    user = world.new_user()
    other = log_in_elsewhere(world, user)
    open_account(person, world, user)
    person.press("Log out everywhere")
    assert not is_logged_in(other)
    person.open(world.url("/account"))
    assert person.title == "Log in · Creance"


def test_end_the_access_of_an_app(person: Person, world: World) -> None:
    """RFC 7009 2.1: its tokens are over, and it has to ask again; another app's are not."""
    user = world.new_user()
    open_account(person, world, user)
    person.visit(world.wiki)
    person.visit(world.books, scope="openid email offline_access")
    person.named("Keep this access while you are away").click()
    person.press("Allow")
    tokens, others = world.books.last.tokens, world.wiki.last.tokens
    assert tokens is not None
    assert others is not None
    person.open(world.url("/account"))
    row = next(row for row in person.all("[aria-labelledby=apps] li") if world.books.name in row.text)
    person.leave(person.named("End its access", row).click)
    assert world.books.name not in person.one("[aria-labelledby=apps]").text
    assert world.books.party.userinfo(tokens.access_token).status == 401
    assert world.books.party.refresh(tokens.refresh_token).error == "invalid_grant"
    assert world.wiki.party.userinfo(others.access_token).status == 200
    person.visit(world.books, scope="openid email offline_access")
    assert person.title == "Allow access? · Creance"


def test_change_the_password(person: Person, world: World) -> None:
    """docs/account.md, Password: mistakes are announced; then other sessions are over, and the new one counts."""
    user = world.new_user()
    other = log_in_elsewhere(world, user)
    open_account(person, world, user)
    person.press("Change password")
    for current, new in (("wrong", NEW_PASSWORD), (PASSWORD, "password1234")):
        fill_in(person, current, new)
        assert person.one("[role=alert]").is_displayed()
        assert person.focused.get_property("id") == "current_password"
        assert {each.get_property("value") for each in person.all("[type=password]")} == {""}
    assert is_logged_in(other)
    fill_in(person, PASSWORD, NEW_PASSWORD)
    assert "assword" in person.one("[role=status]").text
    assert person.title == "Your account · Creance"
    assert not is_logged_in(other)
    person.visit(world.wiki, prompt="login")
    person.log_in(user, PASSWORD)
    assert "is not right" in person.text
    person.log_in(user, NEW_PASSWORD)
    assert person.title == "Welcome to Wiki"


def fill_in(person: Person, current: str, new: str) -> None:
    person.one("#current_password").send_keys(current)
    person.one("#new_password").send_keys(new)
    person.one("#new_password_again").send_keys(new)
    person.press("Change password")


def test_a_user_of_the_configuration(person: Person, world: World) -> None:
    """docs/account.md, Password: where it is changed is said, and no form is there that could not do it."""
    person.open(world.url("/auth/login?next=account"))
    person.log_in("alice", "wonderland")
    assert "configuration file" in person.text
    assert person.all("a[href$='/account/password']") == []
