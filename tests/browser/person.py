"""Somebody at a browser."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode

from selenium.common.exceptions import WebDriverException
from selenium.webdriver import ActionChains, Chrome
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.expected_conditions import staleness_of
from selenium.webdriver.support.wait import WebDriverWait

from .app import App

PATIENCE = 30.0
"""Seconds until what must come to pass has not."""

PHONE = {"width": 360, "height": 740, "deviceScaleFactor": 1, "mobile": True}


class Person:
    """What somebody does at a browser, and what they see."""

    def __init__(self, chromium: Chrome) -> None:
        self.chromium = chromium

    # Going somewhere

    def open(self, url: str) -> None:
        self.chromium.get(url)

    def visit(self, app: App, **request: str) -> None:
        """Go to an app to log in there. `note` is what the app remembers; all else goes to the provider."""
        self.open(f"{app.origin}/login?{urlencode(request)}")

    def leave(self, act: Callable[[], None]) -> None:
        """Do what leads to another page, and wait until it is there."""
        page = self.one("html")
        act()
        self.wait_until(staleness_of(page))

    def go_back(self, *, steps: int) -> None:
        """As many pages at once, as from the list that the back button has."""
        history = self.chromium.execute_cdp_cmd("Page.getNavigationHistory", {})
        entry = history["entries"][history["currentIndex"] - steps]
        self.leave(lambda: self._tell("Page.navigateToHistoryEntry", {"entryId": entry["id"]}))

    def press(self, label: str) -> None:
        """Click the button or link of this text, and wait for the page that comes then."""
        self.leave(self.named(label).click)

    def log_in(self, username: str, password: str, *, remember: bool = False) -> None:
        """Fill in the login form that is there, and send it."""
        name = self.one("#username")
        name.clear()
        name.send_keys(username)
        self.one("#password").send_keys(password)
        if remember:
            self.one("[name=remember]").click()
        self.leave(self.one("#password").submit)

    # Seeing

    def one(self, selector: str) -> WebElement:
        return self.chromium.find_element("css selector", selector)

    def all(self, selector: str) -> list[WebElement]:
        return self.chromium.find_elements("css selector", selector)

    def named(self, label: str, within: WebElement | None = None) -> WebElement:
        """The button, link or box of this text."""
        place = within or self.one("body")
        found = [each for each in place.find_elements("css selector", "button, a, label") if each.text == label]
        assert found, f"no {label!r} in {place.text!r}"
        return found[0]

    def box(self, label: str) -> WebElement:
        """The checkbox of this label."""
        return self.named(label).find_element("css selector", "input")

    @property
    def title(self) -> str:
        return self.chromium.title

    @property
    def heading(self) -> str:
        return self.one("h1").text

    @property
    def text(self) -> str:
        return self.one("body").text

    @property
    def note(self) -> str:
        """At an app: what it had remembered."""
        return self.one("#note").text

    def described(self, element: WebElement) -> str:
        """What a screen reader says of a field beside its name."""
        ids = (element.get_dom_attribute("aria-describedby") or "").split()
        return " ".join(self.one(f"#{each}").text for each in ids)

    def wait_until(self, condition: Callable[[Any], Any]) -> None:
        # While one page gives way to another Chromium answers with errors of its own: ask again.
        waiting = WebDriverWait(self.chromium, PATIENCE, poll_frequency=0.02, ignored_exceptions=[WebDriverException])
        waiting.until(condition)

    def violations(self) -> list[str]:
        """What the browser refused by the page's policy since it was last asked."""
        return [entry["message"] for entry in self.chromium.get_log("browser") if entry["source"] == "security"]

    # By keyboard

    @property
    def focused(self) -> WebElement:
        return self.chromium.switch_to.active_element

    def type(self, *keys: str) -> None:
        """Into whatever has the focus."""
        ActionChains(self.chromium).send_keys(*keys).perform()

    def tab_to(self, label: str) -> None:
        """Go on with the Tab key until the focus is on what has this name."""
        for _ in range(40):
            if self.focused.accessible_name == label:
                return
            self.type(Keys.TAB)
        raise AssertionError(f"Tab never comes to {label!r}: {self.text}")

    # The browser's own settings, as long as this lasts

    def prefer(self, *, scheme: str = "light", language: str = "") -> None:
        """A colour scheme, and the language that the browser asks pages for."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self._tell("Emulation.setEmulatedMedia", {"features": features})
        agent = self.chromium.execute_cdp_cmd("Browser.getVersion", {})["userAgent"]
        self._tell("Emulation.setUserAgentOverride", {"userAgent": agent, "acceptLanguage": language})

    def look_through(self, metrics: Mapping[str, Any] | None) -> None:
        """A screen of another size; None is the browser's own."""
        if metrics is None:
            self._tell("Emulation.clearDeviceMetricsOverride", {})
        else:
            self._tell("Emulation.setDeviceMetricsOverride", dict(metrics))

    def forget_everything(self) -> None:
        """As a browser that was never used."""
        self._tell("Network.clearBrowserCookies", {})
        self.prefer()
        self.look_through(None)
        self.chromium.get_log("browser")

    def _tell(self, command: str, parameters: dict[str, Any]) -> None:
        self.chromium.execute_cdp_cmd(command, parameters)
