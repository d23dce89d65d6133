"""Everything with JavaScript switched off in Chromium's settings."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from selenium.webdriver import Chrome

from .person import Person
from .world import PASSWORD, World


@pytest.fixture(scope="module")
def plain_chromium(new_chromium: Callable[..., Chrome]) -> Iterator[Chrome]:
    chromium = new_chromium(javascript=False)
    yield chromium
    chromium.quit()


@pytest.fixture
def plain_person(plain_chromium: Chrome, world: World) -> Person:
    """Somebody whose browser really runs no script."""
    person = Person(plain_chromium)
    world.wiki.page = "<script>document.title = 'scripts run here'</script>"
    person.open(f"{world.wiki.origin}/page")
    assert person.title == "A page"
    return person


def test_the_whole_way(plain_person: Person, world: World) -> None:
    """Login with a mistake, consent to a part, account page, revoking, logout: without a script."""
    person, user = plain_person, world.new_user()
    person.visit(world.books, scope="openid profile email", note="plain")
    person.log_in(user, "wrong")
    assert "is not right" in person.text
    person.log_in(user, PASSWORD)
    person.named("Your e-mail address").click()
    person.press("Allow")
    assert (person.heading, person.note) == ("Ada Lovelace", "plain")
    person.open(world.url("/account"))
    assert world.books.name in person.text
    person.press("End its access")
    assert "No app has access" in person.text
    person.press("Change password")
    person.press("Back to your account")
    person.press("Log out")
    person.press("Log out")
    assert person.heading == "You are logged out"


def test_logout_by_an_app(plain_person: Person, world: World) -> None:
    """RP-Initiated Logout 1.0, without a script."""
    plain_person.visit(world.wiki)
    plain_person.log_in("alice", "wonderland")
    plain_person.press("Log out")
    assert plain_person.title == "Good bye"
