"""The documents name files that are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)", page.read_text("utf-8"))
    assert [link for link in links if "://" not in link and not (page.parent / link).exists()] == []


def test_every_requirement_names_what_is_there() -> None:
    """docs/requirements.md: where it lives, and which tests show it."""
    named = re.findall(r"`([\w./-]*/[\w./-]*|\.ci/run)`", (ROOT / "docs" / "requirements.md").read_text("utf-8"))
    paths = [name for name in named if re.match(r"(provider|plugins|tests|config|docs|\.ci)/", name)]
    assert len(paths) > 80
    assert sorted({path for path in paths if not (ROOT / path).exists()}) == []
