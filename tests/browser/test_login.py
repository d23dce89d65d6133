"""The login page in a real browser: from the app and back, mistakes, and all that people do with a page."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from selenium.webdriver import ActionChains

from .person import Person
from .world import PASSWORD, World


def test_the_whole_way(person: Person, world: World) -> None:
    """OpenID Connect Core 3.1: from the app to the login page and back to another origin; the app knows who it is."""
    person.visit(world.wiki, note="page 7")
    assert person.title == "Log in · Creance"
    assert world.wiki.name in person.one(".asks").text
    assert person.one(".place").text == world.wiki.origin.removeprefix("http://")
    person.log_in("alice", "wonderland")
    assert person.title == "Welcome to Wiki"
    assert (person.heading, person.note) == ("Alice Liddell", "page 7")
    assert person.violations() == []


def test_a_mistake_is_announced_and_mended(person: Person, world: World) -> None:
    """WCAG 3.3.1: the name is kept, the password is not, and the focus is where one goes on."""
    person.visit(world.wiki)
    person.log_in("alice", "wrong")
    assert "is not right" in person.one("[role=alert]").text
    assert person.title.startswith("Not logged in")
    assert person.one("#username").get_property("value") == "alice"
    assert person.one("#password").get_property("value") == ""
    assert person.focused.get_property("id") == "password"
    assert person.one("[role=alert]").text in person.described(person.focused)
    person.type("wonderland")
    person.press("Log in")
    assert person.title == "Welcome to Wiki"


def test_the_second_visit_shows_no_page(person: Person, world: World) -> None:
    """OpenID Connect Core 3.1.2.3: who is logged in is not asked again, by another app neither."""
    person.visit(world.wiki)
    person.log_in("alice", "wonderland")
    person.visit(world.notes, note="second")
    assert person.title == "Welcome to Notes"
    assert person.note == "second"


def test_back_to_the_login_page(person: Person, world: World) -> None:
    """Back from the app to the login page, which has nothing to ask any more: on to the app, never a dead end."""
    person.visit(world.wiki, note="there")
    person.log_in("alice", "wonderland")
    code = person.chromium.current_url
    person.chromium.back()
    person.wait_until(lambda _: person.title == "Welcome to Wiki" and person.chromium.current_url != code)
    assert person.note == "there"


def test_a_double_click(person: Person, world: World) -> None:
    """A form that is sent twice at once ends where one ends that is sent once."""
    person.visit(world.wiki, note="twice")
    person.one("#username").send_keys("alice")
    person.one("#password").send_keys("wonderland")
    ActionChains(person.chromium).double_click(person.named("Log in")).perform()
    person.wait_until(lambda _: person.title == "Welcome to Wiki")
    assert person.note == "twice"


def test_another_user_over_a_living_session(person: Person, world: World) -> None:
    """OpenID Connect Core 3.1.2.1, prompt=login: who logs in then is who every app gets from now on."""
    person.visit(world.wiki)
    person.log_in("alice", "wonderland")
    person.visit(world.notes, prompt="login")
    assert person.one("#username").get_property("value") == "alice"
    person.log_in("bob", "builder")
    assert person.heading == "Bob Builder"
    person.visit(world.wiki)
    assert person.heading == "Bob Builder"
    person.open(world.url("/account"))
    assert "alice" not in person.text


def test_select_account(person: Person, world: World) -> None:
    """OpenID Connect Core 3.1.2.1, prompt=select_account: go on as who one is, or as somebody else."""
    person.visit(world.wiki)
    person.log_in("alice", "wonderland")
    person.visit(world.wiki, prompt="select_account", note="the same")
    person.press("Continue as alice")
    assert (person.heading, person.note) == ("Alice Liddell", "the same")
    person.visit(world.wiki, prompt="select_account", note="another")
    person.log_in("bob", "builder")
    assert (person.heading, person.note) == ("Bob Builder", "another")


def test_an_app_that_sends_people_on(person: Person, world: World) -> None:
    """CSP form-action holds for the redirects after the form too, those of the app included."""
    world.notes.onward = f"{world.books.origin}/done"
    try:
        person.visit(world.notes)
        person.log_in("alice", "wonderland")
        assert person.chromium.current_url.startswith(f"{world.books.origin}/done?")
    finally:
        world.notes.onward = ""
    assert person.violations() == []


def test_too_many_failures(person: Person, make_world: Callable[..., World]) -> None:
    """RFC 6585 4: the page says how long to wait, keeps the name, and does not look at the password."""
    world = make_world(environment={"CREANCE_LIMITS__FAILED_LOGINS_PER_ACCOUNT": "1"})
    user = world.new_user()
    person.open(world.url("/auth/login"))
    for _ in range(2):
        person.log_in(user, "wrong")
    assert "Too many logins failed" in person.one("[role=alert]").text
    person.log_in(user, PASSWORD)
    assert "Too many logins failed" in person.one("[role=alert]").text
    assert person.one("#username").get_property("value") == user


@pytest.mark.parametrize("path", ["/auth/login", "/auth/logout"])
def test_a_form_of_another_site(person: Person, world: World, path: str) -> None:
    """RFC 9700 4.7: login and logout CSRF as it is really done: a page elsewhere that sends a form by itself."""
    if path == "/auth/logout":
        person.open(world.url("/auth/login"))
        person.log_in("alice", "wonderland")
    world.books.page = f"""<form method="post" action="{world.url(path)}"><input name="username" value="bob">
        <input name="password" value="builder"></form><script>document.forms[0].submit()</script>"""
    person.open(f"{world.books.origin}/page")
    person.wait_until(lambda _: person.title.startswith("Nothing has happened"))
    person.open(world.url("/auth/session"))
    assert ('"alice"' if path == "/auth/logout" else "login_required") in person.text


def test_the_login_page_is_in_no_frame(person: Person, world: World) -> None:
    """RFC 9700 4.16, clickjacking: CSP frame-ancestors 'none'."""
    world.wiki.page = f'<iframe src="{world.url("/auth/login")}"></iframe>'
    person.open(f"{world.wiki.origin}/page")
    person.chromium.switch_to.frame(person.one("iframe"))
    assert person.all("input") == []
    person.chromium.switch_to.default_content()
    assert any("frame-ancestors" in violation for violation in person.violations())
