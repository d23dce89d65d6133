"""Several tabs of one browser, and tabs that were open for long: each ends where its own app expects."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ..provider_clock import ProviderClock
from .person import Person
from .world import PASSWORD, World


def test_two_tabs_of_one_app(person: Person, world: World) -> None:
    """RFC 6749 10.12: each tab comes back with its own state."""
    person.visit(world.wiki, note="first")
    first = person.chromium.current_window_handle
    person.chromium.switch_to.new_window("tab")
    person.visit(world.wiki, note="second")
    person.log_in("alice", "wonderland")
    assert person.note == "second"
    person.chromium.switch_to.window(first)
    person.log_in("alice", "wonderland")
    assert (person.title, person.note) == ("Welcome to Wiki", "first")


def test_two_tabs_of_two_apps(person: Person, world: World) -> None:
    """A login in one tab changes nothing of where the other leads, and of what its app may have."""
    user = world.new_user()
    person.visit(world.books, note="books")
    first = person.chromium.current_window_handle
    person.chromium.switch_to.new_window("tab")
    person.visit(world.wiki, note="wiki")
    person.log_in(user, PASSWORD)
    assert (person.title, person.note) == ("Welcome to Wiki", "wiki")
    person.chromium.switch_to.window(first)
    person.log_in(user, PASSWORD)
    assert person.title == "Allow access? · Creance"
    person.press("Deny")
    assert (person.title, person.note) == ("No login: access_denied", "books")


def test_two_people_in_two_tabs(person: Person, world: World) -> None:
    """A consent page of who was logged in before allows nothing for who is logged in now: they are asked anew."""
    ada, ben = world.new_user(), world.new_user()
    person.visit(world.books)
    person.log_in(ada, PASSWORD)
    first = person.chromium.current_window_handle
    person.chromium.switch_to.new_window("tab")
    person.visit(world.wiki, prompt="login")
    person.log_in(ben, PASSWORD)
    person.chromium.switch_to.window(first)
    person.press("Allow")
    assert person.title == "Allow access? · Creance"
    assert ben in person.text
    assert ada not in person.text
    person.press("Allow")
    assert person.title == "Welcome to Reading Circle"


def test_a_stale_tab(person: Person, make_world: Callable[..., World], tmp_path: Path) -> None:
    """A login page that was open for longer than its request lasts: nothing happens, and the way back is told."""
    clock = ProviderClock(tmp_path / "clock")
    world = make_world(environment={"CREANCE_LIFETIMES__AUTHORIZATION_REQUEST": "600", **clock.environment})
    person.visit(world.wiki, note="stale")
    clock.advance(601)
    person.log_in("alice", "wonderland")
    assert person.heading == "Please start again"
    assert "open for too long" in person.one("[role=alert]").text
    assert "Go back to the app" in person.text
    person.open(world.url("/auth/session"))
    assert "login_required" in person.text
    person.visit(world.wiki, note="again")
    person.log_in("alice", "wonderland")
    assert (person.title, person.note) == ("Welcome to Wiki", "again")
