"""What the tests with a browser share: one Chromium and one provider for all of them.

Without Chromium they are skipped, or fail where REQUIRE_BROWSER=1 says that there must be one.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from selenium.webdriver import Chrome

from .chromium import NoBrowser, start_chromium
from .person import Person
from .world import World

MakeWorld = Callable[..., World]


@pytest.fixture(scope="session")
def new_chromium() -> Iterator[Callable[..., Chrome]]:
    """Starts browsers, and ends them."""
    running = ExitStack()

    def start(*arguments: Any, **named: Any) -> Chrome:
        try:
            chromium = start_chromium(*arguments, **named)
        except NoBrowser as reason:
            if os.environ.get("REQUIRE_BROWSER") == "1":
                pytest.fail(str(reason))
            pytest.skip(str(reason))
        running.callback(chromium.quit)
        return chromium

    with running:
        yield start


@pytest.fixture(scope="session")
def chromium(new_chromium: Callable[..., Chrome]) -> Chrome:
    return new_chromium()


@pytest.fixture(scope="session")
def world(chromium: Chrome, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The provider and the apps; tests that change what a user has make a user of their own."""
    with World(tmp_path_factory.mktemp("world")) as world:
        yield world


@pytest.fixture(scope="module")
def make_world(chromium: Chrome, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MakeWorld]:
    """Another provider with apps of its own, for what needs other settings."""
    running = ExitStack()

    def make(**options: Any) -> World:
        return running.enter_context(World(tmp_path_factory.mktemp("world"), **options))

    with running:
        yield make


@pytest.fixture
def person(chromium: Chrome) -> Iterator[Person]:
    """Somebody whose browser has no cookies yet, and one tab."""
    person = Person(chromium)
    person.forget_everything()
    first = chromium.current_window_handle
    yield person
    for tab in chromium.window_handles:
        if tab != first:
            chromium.switch_to.window(tab)
            chromium.close()
    chromium.switch_to.window(first)
