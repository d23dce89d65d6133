"""The documents name files that are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "SECURITY.md", ROOT / "docker" / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)", page.read_text("utf-8"))
    assert [link for link in links if "://" not in link and not (page.parent / link).exists()] == []


@pytest.mark.parametrize(("page", "at_least"), [("requirements.md", 80), ("security.md", 40)])
def test_what_shows_a_promise_is_there(page: str, at_least: int) -> None:
    """Where it lives, and which tests show it."""
    named = re.findall(r"`([\w./-]*/[\w./-]*|\.ci/run)`", (ROOT / "docs" / page).read_text("utf-8"))
    paths = [name for name in named if re.match(r"(provider|plugins|tests|config|docs|\.ci)/", name)]
    assert len(paths) > at_least
    assert sorted({path for path in paths if not (ROOT / path).exists()}) == []
