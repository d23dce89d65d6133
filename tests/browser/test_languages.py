"""The language of the pages, as a real browser and real apps ask for it."""

from __future__ import annotations

import pytest

from .pages import PAGES
from .person import Person
from .world import PASSWORD, World

SHORT = ("login-with-a-mistake", "consent", "account-after-a-change", "logout", "error")
"""The pages that are looked at without the long rounds."""


@pytest.mark.parametrize(
    ("preferred", "shown"),
    [("de-AT,de,en", "de"), ("de", "de"), ("en-GB,de", "en"), ("fr,de", "de"), ("fr", "en")],
)
def test_what_the_browser_prefers(person: Person, world: World, preferred: str, shown: str) -> None:
    """RFC 9110 12.5.4, RFC 4647 3.4: Accept-Language, with the weights that Chromium gives them."""
    person.prefer(language=preferred)
    person.visit(world.wiki)
    assert person.one("html").get_dom_attribute("lang") == shown
    assert person.heading == {"de": "Anmelden", "en": "Log in"}[shown]


def test_what_the_app_asks_for(person: Person, world: World) -> None:
    """OpenID Connect Core 3.1.2.1: ui_locales wins, and holds for every page of this request."""
    person.prefer(language="en")
    person.visit(world.books, ui_locales="fr de")
    person.log_in("nobody", "wrong")
    assert "Benutzername" in person.one("[role=alert]").text
    person.log_in(world.new_user(), PASSWORD)
    assert person.heading == "Zugriff erlauben?"
    person.press("Erlauben")
    assert person.title == "Welcome to Reading Circle"


@pytest.mark.parametrize(
    "name", [name if name in SHORT else pytest.param(name, marks=pytest.mark.long) for name in PAGES]
)
def test_nothing_is_left_in_english(person: Person, world: World, name: str) -> None:
    """WCAG 3.1.1: the headings and buttons of every page are in the language that it says."""
    user = world.new_user()
    texts = set()
    for language in ("en", "de"):
        person.forget_everything()
        person.prefer(language=language)
        PAGES[name](person, world, user)
        assert person.one("html").get_dom_attribute("lang") == language
        texts |= {(language, each.text) for each in person.all("h1, h2, button, label, [role=alert], [role=status]")}
    english = {text for language, text in texts if language == "en"}
    german = {text for language, text in texts if language == "de"}
    assert english & german <= {""}
