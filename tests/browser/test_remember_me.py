"""Remember me over the end of a browser: the same profile, another process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from selenium.webdriver import Chrome

from .person import Person
from .world import PASSWORD, World


@pytest.mark.parametrize("remember", [True, False])
def test_a_browser_that_was_closed(
    world: World, new_chromium: Callable[..., Chrome], tmp_path: Path, *, remember: bool
) -> None:
    """docs/sessions.md, Remember me: on to the app without a password, but never where an app wants a login.

    OpenID Connect Core 2 and 3.1.2.1: auth_time stays when it was, and there is no amr; max_age and prompt=login ask.
    """
    user = world.new_user()
    before = Person(new_chromium(tmp_path / "profile"))
    before.visit(world.wiki)
    before.log_in(user, PASSWORD, remember=remember)
    first = claims(world)
    assert first["amr"] == ["pwd"]
    before.chromium.quit()

    after = Person(new_chromium(tmp_path / "profile"))
    try:
        assert pid(after) != pid(before)
        after.open(world.url("/auth/session"))
        assert "login_required" in after.text  # the session's own cookie is gone with the browser
        after.visit(world.wiki)
        if not remember:
            assert after.title == "Log in · Creance"
            return
        assert after.title == "Welcome to Wiki"
        assert claims(world)["auth_time"] == first["auth_time"]
        assert "amr" not in claims(world)
        for request in ({"prompt": "login"}, {"max_age": "100000"}):
            after.visit(world.wiki, **request)
            assert after.title == "Log in · Creance"
        after.log_in(user, PASSWORD, remember=True)
        assert claims(world)["amr"] == ["pwd"]
    finally:
        after.chromium.quit()


def claims(world: World) -> dict[str, object]:
    """What the app learned at the last login."""
    tokens = world.wiki.last.tokens
    assert tokens is not None
    return world.wiki.party.verify(tokens.id_token)


def pid(person: Person) -> int:
    return int(person.chromium.capabilities["goog:processID"])
