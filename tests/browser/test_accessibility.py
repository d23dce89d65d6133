"""Every page, in every state, in light and dark: what axe-core finds, and that it fits a phone."""

from __future__ import annotations

import tomllib
from collections.abc import Callable

import pytest
from selenium_axe_python import Axe

from .pages import LIMITS, PAGES
from .person import PHONE, Person
from .world import World

WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
LONG = """
[[clients]]
client_id = "long"
client_name = "A portal with quite a long name, that sends people on to one of its manyApplicationsThatAreElsewhere"
client_secret = "secret"
redirect_uris = ["https://a-host-with.quite-a-long-name.in-a-department.of-some-organization.example.org/callback"]
"""


@pytest.fixture(scope="module")
def limited_world(make_world: Callable[..., World]) -> World:
    """A world in which one can get to every page."""
    return make_world(environment=LIMITS, extra=LONG)


def findings(person: Person) -> list[str]:
    """What axe-core finds on the page that is there."""
    axe = Axe(person.chromium)
    if not person.chromium.execute_script("return typeof axe === 'object'"):
        axe.inject()  # WebDriver's own scripts run in spite of the page's policy
    found = axe.run(options={"runOnly": WCAG, "resultTypes": ["violations"]})
    assert found["passes"], "axe-core has looked at nothing"
    return [
        f"{rule['impact']}: {rule['id']}: {[node['html'] for node in rule['nodes']]}" for rule in found["violations"]
    ]


def is_not_wider_than(pixels: int, person: Person) -> bool:
    width: int = person.chromium.execute_script("return document.documentElement.scrollWidth")
    return width <= pixels


@pytest.mark.parametrize("language", ["en", pytest.param("de", marks=pytest.mark.long)])
@pytest.mark.parametrize("name", PAGES)
def test_every_page(person: Person, limited_world: World, name: str, language: str) -> None:
    """WCAG 2.2 A and AA, and axe's best practices, in both colour schemes and on a narrow phone.

    There also 1.4.10, 320 pixels wide without scrolling sideways, and 2.5.8, what a finger has to hit.
    """
    person.prefer(language=language)
    PAGES[name](person, limited_world, limited_world.new_user())
    for scheme in ("light", "dark"):
        person.prefer(scheme=scheme, language=language)
        assert findings(person) == []
    person.look_through({**PHONE, "width": 320})
    assert findings(person) == []
    assert is_not_wider_than(320, person)
    targets = person.all("button:not(.link), a.button, label:has([type=checkbox]), input:not(label *)")
    assert [each.text for each in targets if each.is_displayed() and each.size["height"] < 24] == []


def test_axe_would_find_something(person: Person, world: World) -> None:
    """That the tests above can fail."""
    world.wiki.page = "<h1 style='color: #bbb; background: #fff'>Pale</h1><input>"
    person.open(f"{world.wiki.origin}/page")
    assert any("color-contrast" in finding for finding in findings(person))
    assert any("label" in finding for finding in findings(person))


def test_long_names_on_a_narrow_phone(person: Person, limited_world: World) -> None:
    """WCAG 2.2 1.4.10: names of apps, of hosts and of people may be as long as they like."""
    person.look_through({**PHONE, "width": 320})
    name = "a-very-long-user-name-that-does-not-end@" + "department." * 8 + "example.org"
    uri = tomllib.loads(LONG)["clients"][0]["redirect_uris"][0]
    person.open(limited_world.wiki.begin(client_id="long", redirect_uri=uri, login_hint=name))
    assert "A portal" in person.text
    assert person.one("#username").get_property("value") == name
    assert is_not_wider_than(320, person)
