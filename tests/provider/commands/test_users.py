"""`creance users`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from creance.provider import OpenIDProvider


def stored(command: Any, username: str, password: str) -> Any:
    provider = OpenIDProvider.from_config(command.configuration)
    provider.start()
    try:
        return provider.users.authenticate(username, password)
    finally:
        provider.stop()


def test_a_user_is_added_and_can_log_in(command: Any) -> None:
    claims = ["email=carol@example.org", "email_verified=true", "birthdate=1990", 'address={"country": "NL"}']
    output = command.done("users", "add", "carol", *(f"--claim={claim}" for claim in claims), typed="a password")
    user = stored(command, "carol", "a password")
    assert output == f"carol can log in; the sub is {user.subject}\n"
    assert user.claims == {
        "email": "carol@example.org",
        "email_verified": True,
        "birthdate": "1990",
        "address": {"country": "NL"},
    }
    assert stored(command, "carol", "another") is None


@pytest.mark.default_store("a first start makes a file and a secret")
def test_a_first_user_makes_the_database_and_the_secret(command: Any, tmp_path: Path) -> None:
    fresh = tmp_path / "fresh" / "creance.toml"
    fresh.parent.mkdir()
    fresh.write_bytes(command.configuration.read_bytes())
    command.done("--config", fresh, "users", "add", "carol", typed="a password")
    assert (fresh.parent / "var" / "secret").exists()


def test_a_username_that_is_taken_is_refused_before_a_password_is_asked_for(command: Any) -> None:
    command.done("users", "add", "carol", typed="a password")
    assert command.refused("users", "add", "carol") == ["username carol exists already"]
    assert command.refused("users", "add", "alice") == ["username alice exists already"]


def test_a_sub_that_is_taken_is_refused(command: Any) -> None:
    """`sub` is a person's or, with client credentials, a client's: never both."""
    command.done("users", "add", "carol", "--subject", "c-1", typed="a password")
    command.done("clients", "add", "worker", "--redirect-uri", "https://app.example.org/cb")
    for subject in ("c-1", "app", "worker"):
        assert command.refused("users", "add", "dave", "--subject", subject, typed="a password")


def test_a_claim_of_the_protocol_is_refused(command: Any) -> None:
    (line,) = command.refused("users", "add", "carol", "--claim", "sub=1", typed="a password")
    assert line.startswith("user.claims: sub belongs to the protocol")


def test_a_claim_without_a_value_is_a_usage_error(command: Any) -> None:
    assert command("users", "add", "carol", "--claim", "email").exit_code == 2


def test_passwd_changes_the_password(command: Any) -> None:
    command.done("users", "add", "carol", typed="a password")
    assert command.done("users", "passwd", "carol", typed="another") == "carol has another password\n"
    assert stored(command, "carol", "another") is not None
    assert stored(command, "carol", "a password") is None


def test_passwd_is_for_users_of_the_store(command: Any) -> None:
    assert "is in the configuration file" in command.refused("users", "passwd", "alice", typed="another")[0]
    assert command.refused("users", "passwd", "nobody", typed="x") == ["username nobody does not exist"]


def test_the_list_pages_through_all(command: Any) -> None:
    with_store = OpenIDProvider.from_config(command.configuration)
    with_store.start()
    for number in range(120):
        with_store.users.create_user(f"user{number:03}")
    with_store.stop()
    lines = command.done("users", "list").splitlines()
    assert len(lines) == 1 + 2 + 120
    assert lines[0].split() == ["username", "sub", "state", "where"]
    assert lines[1].split()[0] == "alice"
    assert lines[1].split()[2:] == ["enabled", "configuration"]
    assert lines[-1].split()[0] == "user119"
    assert lines[-1].split()[3] == "store"
