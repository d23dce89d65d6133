"""What kind of device a browser says it is on, in words that its owner recognises.

Few rules, for what people use: libraries that know every device carry a megabyte of expressions, and what a browser
says of itself is no proof of anything. What is not recognised is said to be unknown.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_BROWSERS = (
    ("Edge", r"Edg|EdgA|EdgiOS|Edge"),
    ("Opera", r"OPR|OPiOS|Opera"),
    ("Samsung Internet", r"SamsungBrowser"),
    ("Vivaldi", r"Vivaldi"),
    ("Yandex Browser", r"YaBrowser"),
    ("DuckDuckGo", r"Ddg|DuckDuckGo"),
    ("Firefox", r"Firefox|FxiOS"),
    ("Chrome", r"Chrome|CriOS|HeadlessChrome|Chromium"),
    ("Safari", r"Safari"),
)
"""The more special first: nearly all of them claim to be Safari, and many to be Chrome."""

_SYSTEMS = (
    ("iPhone", r"iPhone|iPod"),
    ("iPad", r"iPad"),
    ("Android", r"Android"),
    ("Windows", r"Windows"),
    ("ChromeOS", r"CrOS"),
    ("Mac", r"Macintosh"),
    ("Linux", r"Linux"),
    ("BSD", r"FreeBSD|OpenBSD|NetBSD"),
)

_PLATFORM = re.compile(r"Mozilla/5\.0 \(([^()]*)\)")
"""How every browser in use begins; tools and old browsers do not."""


@dataclass(frozen=True, slots=True)
class Device:
    """A browser and a system, by the names that they are sold under; None where they are unknown."""

    browser: str | None = None
    system: str | None = None


def device_of(user_agent: str) -> Device:
    """The device of a User-Agent header."""
    platform = _PLATFORM.match(user_agent)
    if platform is None:
        return Device()
    products = user_agent[platform.end() :]
    return Device(
        next((name for name, tokens in _BROWSERS if re.search(rf"\b(?:{tokens})/", products)), None),
        next((name for name, words in _SYSTEMS if re.search(rf"\b(?:{words})\b", platform[1])), None),
    )
