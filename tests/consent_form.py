"""The form of a consent page, as a person uses it: boxes that are ticked or not, and buttons."""

from __future__ import annotations

from collections.abc import Iterable
from html.parser import HTMLParser

import requests
from creance.provider.testing import Browser


class ConsentForm(HTMLParser):
    """Reads the one form of a page."""

    def __init__(self, page: requests.Response) -> None:
        super().__init__()
        self.page = page
        self.action = ""
        self.fields: dict[str, str] = {}
        self.boxes: dict[str, bool] = {}
        """By the name of the box, whether it is ticked."""
        self.buttons: list[str] = []
        self.feed(page.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        name, value = attributes.get("name") or "", attributes.get("value") or ""
        if tag == "form":
            self.action = attributes.get("action") or ""
        elif tag == "input" and attributes.get("type") == "checkbox":
            self.boxes[name] = "checked" in attributes
        elif tag == "input" and name:
            self.fields[name] = value
        elif tag == "button":
            self.buttons.append(value)

    def tick(self, *boxes: str) -> ConsentForm:
        return self._set(boxes, to=True)

    def untick(self, *boxes: str) -> ConsentForm:
        return self._set(boxes, to=False)

    def sent(self, decision: str) -> dict[str, str]:
        """What a browser sends when this button is pressed."""
        assert decision in self.buttons
        ticked = {name: "yes" for name, is_ticked in self.boxes.items() if is_ticked}
        return self.fields | ticked | {"decision": decision}

    def press(self, browser: Browser, decision: str = "allow") -> requests.Response:
        """Press a button; no redirect is followed."""
        return browser.post(self.action, self.sent(decision))

    def _set(self, boxes: Iterable[str], *, to: bool) -> ConsentForm:
        for name in boxes:
            assert name in self.boxes
            self.boxes[name] = to
        return self


def asks_for_consent(page: requests.Response) -> bool:
    """Whether this is a consent page."""
    return page.status_code == 200 and 'value="deny"' in page.text
