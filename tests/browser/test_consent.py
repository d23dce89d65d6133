"""The consent page in a real browser: all, a part, or nothing."""

from __future__ import annotations

import pytest
from selenium.webdriver import ActionChains

from .person import Person
from .world import PASSWORD, World

ASKED = "openid profile email offline_access"


@pytest.fixture
def user(person: Person, world: World) -> str:
    """Somebody who has logged in, and was never asked anything."""
    user = world.new_user()
    person.open(world.url("/auth/login"))
    person.log_in(user, PASSWORD)
    return user


def granted(world: World) -> set[str]:
    """RFC 6749 5.1: what the app was told that it has."""
    tokens = world.books.last.tokens
    assert tokens is not None
    return set(tokens.scope.split())


def test_a_part_of_it(person: Person, world: World, user: str) -> None:
    """RFC 6749 3.3: what is left out is in no token, and the app is told what it has."""
    person.visit(world.books, scope=ASKED, note="a part")
    assert person.title == "Allow access? · Creance"
    assert "ada@example.org" in person.text
    person.named("Your e-mail address").click()
    person.press("Allow")
    assert (person.heading, person.note) == ("Ada Lovelace", "a part")
    assert granted(world) == {"openid", "profile"}
    tokens = world.books.last.tokens
    assert tokens is not None
    assert "refresh_token" not in tokens
    assert "email" not in world.books.party.userinfo(tokens.access_token)
    assert person.violations() == []


def test_what_was_decided_is_remembered(person: Person, world: World, user: str) -> None:
    """OpenID Connect Core 3.1.2.4: not asked again for the same; prompt=consent asks, and more can be allowed then."""
    person.visit(world.books, scope=ASKED)
    person.named("Your e-mail address").click()
    person.press("Allow")
    person.visit(world.books, scope=ASKED, note="again")
    assert (person.title, person.note) == ("Welcome to Reading Circle", "again")
    assert granted(world) == {"openid", "profile"}
    person.visit(world.books, scope=ASKED, prompt="consent")
    assert not person.box("Your e-mail address").is_selected()
    assert person.box("Your profile").is_selected()
    person.named("Your e-mail address").click()
    person.named("Keep this access while you are away").click()
    person.press("Allow")
    assert granted(world) == set(ASKED.split())


def test_more_is_asked_for(person: Person, world: World, user: str) -> None:
    """Asked again when an app wants what it did not ask for before."""
    person.visit(world.books, scope="openid email")
    person.press("Allow")
    person.visit(world.books, scope="openid email phone")
    assert person.title == "Allow access? · Creance"
    assert "+44 20 7946 0002" in person.text


def test_denied(person: Person, world: World, user: str) -> None:
    """RFC 6749 4.1.2.1: access_denied to the app that asked; the next time it is asked again."""
    person.visit(world.books, note="no")
    person.press("Deny")
    assert (person.title, person.note) == ("No login: access_denied", "no")
    person.visit(world.books)
    assert person.title == "Allow access? · Creance"


def test_nothing_is_ticked(person: Person, world: World, user: str) -> None:
    """Allow with no box ticked is a mistake that is announced, where there is nothing else to allow."""
    person.visit(world.books, scope="email")
    person.named("Your e-mail address").click()
    person.press("Allow")
    assert "Nothing is ticked" in person.one("[role=alert]").text
    person.named("Your e-mail address").click()
    person.press("Allow")
    assert granted(world) == {"email"}


def test_back_to_the_consent_page(person: Person, world: World, user: str) -> None:
    """Back from the app: who thinks better of it is asked again, and the app gets the other answer."""
    person.visit(world.books, note="there")
    person.press("Allow")
    assert person.title == "Welcome to Reading Circle"
    person.go_back(steps=1)
    assert person.title == "Allow access? · Creance"
    person.press("Deny")
    assert (person.title, person.note) == ("No login: access_denied", "there")


def test_a_double_click(person: Person, world: World, user: str) -> None:
    """A decision that is sent twice at once is one decision."""
    person.visit(world.books, note="twice")
    ActionChains(person.chromium).double_click(person.named("Allow")).perform()
    person.wait_until(lambda _: person.title == "Welcome to Reading Circle")
    assert person.note == "twice"


def test_not_you(person: Person, world: World, user: str) -> None:
    """Who is asked on behalf of somebody else logs in as who they are, and goes on with the same app."""
    person.visit(world.books, note="mine")
    person.press("Not you? Log in as somebody else")
    assert person.title == "Log in · Creance"
    another = world.new_user()
    person.log_in(another, PASSWORD)
    assert another in person.text
    person.press("Allow")
    assert (person.title, person.note) == ("Welcome to Reading Circle", "mine")
