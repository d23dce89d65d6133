"""The code of docs/adopting.md: by its section and language, and what a diff of the page makes of it."""

from __future__ import annotations

import re
from pathlib import Path

_PAGE = (Path(__file__).parents[2] / "docs" / "adopting.md").read_text("utf-8")


def code(section: str, language: str, begins: str = "") -> str:
    """The one block of a section in a language that begins so."""
    (rest,) = _PAGE.split(f"\n## {section}\n")[1:]
    blocks = re.findall(rf"```{language}\n(.*?)```", rest.split("\n## ")[0], re.DOTALL)
    (found,) = (block for block in blocks if block.startswith(begins))
    return str(found)


def patched(before: str, diff: str) -> str:
    """A text with a diff in the form of the page: hunks by their context."""
    for hunk in diff.split("@@\n")[1:]:
        lines = hunk.splitlines(keepends=True)
        old = "".join(line[1:] for line in lines if line[0] in " -")
        new = "".join(line[1:] for line in lines if line[0] in " +")
        assert before.count(old) == 1, old
        before = before.replace(old, new)
    return before
