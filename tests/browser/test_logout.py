"""Logout in a real browser: at our own page, and by an app."""

from __future__ import annotations

from .person import Person
from .world import PASSWORD, World


def test_at_our_page(person: Person, world: World) -> None:
    """POST /auth/logout: GET only asks; then every app asks for a login."""
    person.visit(world.wiki)
    person.log_in("bob", "builder")
    person.open(world.url("/auth/logout"))
    assert "bob" in person.text
    person.visit(world.wiki)
    assert person.title == "Welcome to Wiki"
    person.open(world.url("/auth/logout"))
    person.press("Log out")
    assert person.heading == "You are logged out"
    person.visit(world.wiki)
    assert person.title == "Log in · Creance"
    assert person.violations() == []


def test_by_an_app_whose_session_it_is(person: Person, world: World) -> None:
    """RP-Initiated Logout 1.0, 2 and 3: the hint is of this session, so nobody is asked, and the app gets them back."""
    person.visit(world.wiki)
    person.log_in("alice", "wonderland")
    person.press("Log out")
    assert person.title == "Good bye"
    assert person.chromium.current_url == f"{world.wiki.origin}/bye?state=bye"
    person.visit(world.notes)
    assert person.title == "Log in · Creance"


def test_by_an_app_that_does_not_prove_it(person: Person, world: World) -> None:
    """RP-Initiated Logout 1.0, 2: without a hint the person is asked, and may stay."""
    person.visit(world.wiki)
    person.log_in("alice", "wonderland")
    person.open(f"{world.wiki.origin}/logout")
    assert person.heading == "Log out?"
    assert world.wiki.name in person.text
    person.press("Stay logged in")
    person.visit(world.wiki)
    assert person.title == "Welcome to Wiki"
    person.open(f"{world.wiki.origin}/logout")
    person.press("Log out")
    assert person.title == "Good bye"
    assert person.violations() == []
    person.visit(world.wiki)
    assert person.title == "Log in · Creance"


def test_back_after_a_logout(person: Person, world: World) -> None:
    """Clear-Site-Data 3.1: who comes to this computer next and goes back sees nothing of who was here."""
    person.open(world.url("/auth/login?next=account"))
    person.log_in(world.new_user(), PASSWORD)
    assert "ada@example.org" in person.text
    person.press("Log out")
    person.press("Log out")
    assert person.heading == "You are logged out"
    person.go_back(steps=2)
    person.wait_until(lambda _: person.title == "Log in · Creance")


def test_back_after_a_logout_everywhere(person: Person, world: World) -> None:
    """The same for a browser that ends its own session on the account page."""
    person.open(world.url("/auth/login?next=account"))
    person.log_in(world.new_user(), PASSWORD)
    person.open(world.url("/"))
    person.press("Your account")
    person.press("Log out everywhere")
    person.go_back(steps=1)
    person.wait_until(lambda _: person.title == "Log in · Creance")
