"""`creance keys`."""

from __future__ import annotations

from typing import Any

import pytest


def states(command: Any) -> dict[str, str]:
    """The state of each RS256 key, by kid."""
    rows = [line.split() for line in command.done("keys", "list").splitlines()[1:]]
    return {row[0]: row[2] for row in rows if row[1] == "RS256"}


def test_the_list(command: Any) -> None:
    lines = command.done("keys", "list").splitlines()
    assert lines[0].split() == ["kid", "algorithm", "state", "created", "retired"]
    assert sorted(states(command).values()) == ["active", "next"]
    assert len(lines) == 5


def test_a_rotation_takes_the_key_that_was_published_ahead(command: Any) -> None:
    before = states(command)
    command.done("keys", "rotate", "--immediately")
    after = states(command)
    assert sorted(after.values()) == ["active", "next", "retired"]
    changes = {kid: (state, after[kid]) for kid, state in before.items()}
    assert set(changes.values()) == {("active", "retired"), ("next", "active")}


def test_a_rotation_waits_until_clients_have_seen_the_next_key(command: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CREANCE_LIFETIMES__DISCOVERY", "86400")  # the keys are as old as the whole run
    before = states(command)
    (line,) = command.refused("keys", "rotate")
    assert "or use --immediately" in line
    assert states(command) == before
