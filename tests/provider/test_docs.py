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


SECURITY = (ROOT / "docs" / "security.md").read_text("utf-8")
DEFECTS = {
    *(f"Security {number}" for number in range(1, 17)),
    *(
        f"Persistence: {what}"
        for what in ("refresh", "pymongo 4", "stored shape", "signing fails", "NUL, 17 MB of state")
    ),
    *(f"Exceptions: {what}" for what in ("authorize", "Basic", "userinfo", "registration, logout", "token")),
    "Exceptions: 500,000 parameters",
    *(f"Speed: {what}" for what in ("users", "code", "signing", "metadata", "import")),
}
"""Of pyop 3.5.0, as far as we know them."""


def rows_below(heading: str) -> list[list[str]]:
    """The cells of the table of a section, without its head."""
    section = SECURITY.split(f"## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


def test_each_defect_of_pyop_has_a_row() -> None:
    """docs/security.md: none is left out."""
    items = [row[0] for row in rows_below("pyop's defects")]
    numbered = [item.partition(":")[0] if item.startswith("Security") else item for item in items]
    assert sorted(numbered) == sorted([*DEFECTS, "beside the list"])


@pytest.mark.parametrize("row", rows_below("pyop's defects"), ids=lambda row: row[0])
def test_what_a_row_names_speaks_of_it(row: list[str]) -> None:
    """docs/security.md: the files are there, and in those that it names first a test's docstring names the item."""
    item, *_, shown_by = row
    files = [name if "/" in name else f"tests/pyop_defects/{name}" for name in re.findall(r"`([\w./]+)`", shown_by)]
    assert [name for name in files if not (ROOT / name).exists()] == []
    text = "".join((ROOT / name).read_text("utf-8") for name in files if name.startswith("tests/pyop_defects/"))
    group = item.partition(":")[0]
    assert item == "beside the list" or re.search(rf'^    """.*\b{group}(?!\d)', text, re.MULTILINE)


@pytest.mark.parametrize("row", rows_below("Attacks by name"), ids=lambda row: row[0])
def test_an_attack_is_made(row: list[str]) -> None:
    """docs/security.md: each test that is named is in the file that is named before it."""
    file, found = "", 0
    for name in re.findall(r"`([\w./]+)`", row[1]):
        if name.startswith("tests/"):
            file = (ROOT / name).read_text("utf-8")
        else:
            found += 1
            assert f"\ndef {name}(" in file, name
    assert found
