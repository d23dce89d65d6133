"""Everything by keyboard: WCAG 2.2 2.1.1, 2.4.3 (order), 2.4.7 (the focus is seen), 3.2 (nothing happens by itself)."""

from __future__ import annotations

from selenium.webdriver.common.keys import Keys

from .person import Person
from .world import PASSWORD, World


def stops(person: Person) -> list[str]:
    """What the Tab key comes by, from the top of the page, by the names that a screen reader says. The focus is seen at
    each of them.
    """
    while person.focused.tag_name != "body":
        person.type(Keys.TAB)
    names: list[str] = []
    while True:
        person.type(Keys.TAB)
        if person.focused.tag_name == "body":
            return names
        names.append(person.focused.accessible_name)
        outline = person.chromium.execute_script(
            "const style = getComputedStyle(document.activeElement); return [style.outlineStyle, style.outlineWidth]"
        )
        assert outline == ["solid", "3px"], f"the focus on {names[-1]!r} is not seen"
        assert len(names) < 40, "the focus is held"


def press(person: Person, label: str) -> None:
    """Tab to it, and press Enter."""
    person.tab_to(label)
    person.leave(lambda: person.type(Keys.ENTER))


def test_the_whole_way(person: Person, world: World) -> None:
    """From the app to the login, through consent, to the account page, and out: no mouse."""
    user = world.new_user()
    person.visit(world.books, scope="openid profile email", note="keys")
    person.type(user, Keys.TAB, "wrong")
    person.leave(lambda: person.type(Keys.ENTER))
    assert person.focused.accessible_name == "Password"
    person.type(PASSWORD, Keys.TAB, Keys.SPACE)
    assert person.box("Remember me in this browser").is_selected()
    press(person, "Log in")
    person.tab_to("Your e-mail address")
    person.type(Keys.SPACE)
    press(person, "Allow")
    assert (person.title, person.note) == ("Welcome to Reading Circle", "keys")
    tokens = world.books.last.tokens
    assert tokens is not None
    assert tokens.scope == "openid profile"
    person.open(world.url("/"))
    press(person, "Your account")
    press(person, "End its access")
    assert "No app has access" in person.text
    press(person, "Change password")
    assert person.focused.accessible_name == "Present password"
    person.type(PASSWORD, Keys.TAB, "another of my passwords", Keys.TAB, "another of my passwords")
    person.leave(lambda: person.type(Keys.ENTER))
    assert person.one("[role=status]").is_displayed()
    press(person, "Log out")
    assert person.focused.accessible_name == "Log out"
    person.leave(lambda: person.type(Keys.ENTER))
    assert person.heading == "You are logged out"


def test_the_order_of_the_login_page(person: Person, world: World) -> None:
    """As it is read; and the field that is to be filled in first has the focus from the start."""
    person.visit(world.wiki)
    assert person.focused.accessible_name == "User name or e-mail address"
    assert stops(person) == ["User name or e-mail address", "Password", "Remember me in this browser", "Log in"]
    person.visit(world.wiki, login_hint="alice")
    assert person.focused.accessible_name == "Password"


def test_the_order_of_the_consent_page(person: Person, world: World) -> None:
    """Boxes, then both buttons, then the ways out; nothing has the focus before that is read."""
    person.visit(world.books, scope="openid profile email")
    person.log_in(world.new_user(), PASSWORD)
    assert person.focused.tag_name == "body"
    assert stops(person) == [
        "Your profile",
        "Your e-mail address",
        "Allow",
        "Deny",
        "Not you? Log in as somebody else",
        "your account",
    ]


def test_the_order_of_the_account_page(person: Person, world: World) -> None:
    """As it is read."""
    user = world.new_user()
    person.open(world.url("/auth/login?next=account"))
    person.log_in(user, PASSWORD)
    person.visit(world.wiki)
    person.open(world.url("/account"))
    assert stops(person) == ["Change password", "Log out", "Log out everywhere", "End its access"]
