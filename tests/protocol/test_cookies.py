"""Every cookie that is given, against the table in docs/sessions.md: its attributes, and no cookie beside them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from creance.provider.testing.relying_party import forms_of

from ..plugins.served import REQUEST, Served, serving
from ..set_cookies import set_cookies

ROOT = Path(__file__).parents[2]
ROW = re.compile(r"^\| `(\w+)` \| `([^`]+)` \|", re.MULTILINE)
GONE = "Thu, 01 Jan 1970 00:00:00 GMT"
HELD = {
    "visit": r"[\w-]{43}",
    "session": r"[0-9a-f]{8}-[\w-]{43}",
    "remember": r"[0-9a-f]{8}-[\w-]{43}",
    "device": r"\d+\.[\w-]{22}\.[\w-]{43}",
}
"""The last column but one, as it is written."""


def table() -> dict[str, str]:
    """The attributes of each cookie, as the documentation has them."""
    _, _, cookies = (ROOT / "docs" / "sessions.md").read_text("utf-8").partition("## Cookies")
    return dict(ROW.findall(cookies))


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with serving(tmp_path, "https://id.example.org") as here:
        yield here


def a_visit(served: Served) -> list[requests.Response]:
    """To an app by way of the login page, remembered from then on; then to the logout."""
    to_login = served.get("/authorize", **REQUEST)
    onward = served.log_in(url=to_login.headers["Location"], remember="yes")
    back = served.get(onward.headers["Location"])
    assert "code=" in back.headers["Location"]
    question = served.get("/auth/logout")
    _, fields = forms_of(question.text)[0]
    return [to_login, onward, back, question, served.send("POST", "/auth/logout", data=fields)]


def test_each_cookie_is_as_the_table_says(served: Served) -> None:
    """Issue 6, Cookies: the real headers are those of the table in docs/sessions.md, to the letter; all were seen."""
    given = [header for answer in a_visit(served) for header in set_cookies(answer).items() if GONE not in header[1]]
    assert {name for name, _ in given} == table().keys()
    for name, header in given:
        held, _, attributes = header.partition("; ")
        assert attributes == table()[name]
        assert re.fullmatch(rf"__Host-creance_[0-9a-f]{{8}}_{name}={HELD[name]}", held)


def test_a_cookie_is_taken_away_as_it_was_given(served: Served) -> None:
    """RFC 6265bis 5.7: a browser removes a `__Host-` cookie only by one with the same attributes."""
    removed = set_cookies(a_visit(served)[-1])
    assert removed.keys() == {"session", "remember"}
    for name, header in removed.items():
        attributes = re.sub(r"Max-Age=\d+; ", "", table()[name])
        assert re.fullmatch(rf'__Host-creance_[0-9a-f]{{8}}_{name}=""; expires={GONE}; {attributes}', header)


def test_on_loopback_there_is_no_secure(tmp_path: Path) -> None:
    """http is for this machine alone; all else is the same."""
    with serving(tmp_path, "http://localhost:8400") as here:
        for answer in a_visit(here):
            for name, header in set_cookies(answer).items():
                assert "Secure" not in header
                assert re.match(rf"creance_[0-9a-f]{{8}}_{name}=", header)


def test_no_cookie_is_missing_in_the_table() -> None:
    """Whatever asks for the name of a cookie has a row."""
    sources = [path for folder in ("provider", "plugins") for path in (ROOT / folder).rglob("*.py")]
    named = {name for path in sources for name in re.findall(r'cookie_names\("(\w+)"\)', path.read_text("utf-8"))}
    assert named == table().keys()
