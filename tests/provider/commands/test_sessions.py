"""`creance sessions`, and what `creance users` ends (issue 6, items 2 and 9)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from creance.provider import Browser, Grant, OpenIDProvider
from creance.provider.tokens import ACCESS_TOKENS, AUTHORIZATION_CODES, REFRESH_TOKENS

PHONE = Browser({}, "203.0.113.9", "Phone/1.0")
LAPTOP = Browser({}, "198.51.100.7", "Laptop/2.0")


@contextmanager
def opened(command: Any) -> Iterator[OpenIDProvider]:
    provider = OpenIDProvider.from_config(command.configuration)
    provider.start()
    try:
        yield provider
    finally:
        provider.stop()


def logins_of(provider: OpenIDProvider) -> Any:
    return provider.browser_sessions


@pytest.fixture
def logged_in(command: Any) -> Any:
    """Carol at a phone, where she is remembered, and at a laptop; alice at the laptop."""
    command.done("users", "add", "carol", typed="a password")
    with opened(command) as provider:
        for username, browser, remember in (("carol", PHONE, True), ("carol", LAPTOP, False), ("alice", LAPTOP, False)):
            user = provider.users.find(username)
            at = Browser({}, browser.remote_address, browser.user_agent)
            logins_of(provider).log_in(user, None, at, remember=remember, is_still_right=lambda: True)
            give(provider, username, at)
    return command


def give(provider: OpenIDProvider, username: str, browser: Browser) -> None:
    """A code and tokens of an app, in the session that has just begun, and some with offline_access."""
    session = logins_of(provider).current(browser)
    for scope in (("openid",), ("openid", "offline_access")):
        grant = Grant(
            client_id="app",
            subject=session.subject,
            scope=scope,
            username=username,
            session_id=session.sid,
            granted_at=session.auth_time,
        )
        tokens = provider.tokens
        code, refresh = tokens.new_code(grant), tokens.new_refresh_token(grant)
        access = tokens.new_access_token(grant, grant.scope)
        provider.store.write([code.operation, refresh.operation, access.operation])


def counted(command: Any) -> dict[str, tuple[int, int]]:
    """How many sessions each has, and how many codes and tokens."""
    with opened(command) as provider:
        answer = {}
        for username in ("carol", "alice"):
            user = provider.users.find(username)
            assert user is not None
            collections = (AUTHORIZATION_CODES, REFRESH_TOKENS, ACCESS_TOKENS)
            given = [len(provider.store.find(each, "subject", user.subject)) for each in collections]
            answer[username] = len(logins_of(provider).of_user(username)), sum(given)
        return answer


def rows(command: Any, *options: str) -> list[list[str]]:
    header, *lines = command.done("sessions", "list", *options).splitlines()
    assert header.split() == ["sid", "user", "login", "last", "used", "ends", "kind", "address", "browser"]
    return [line.split() for line in lines]


def test_sessions_are_listed(logged_in: Any) -> None:
    """sessions list: who, when, from where, with what; of all, or of one user."""
    everybody = rows(logged_in)
    assert sorted((row[1], row[5], row[6], row[7]) for row in everybody) == [
        ("alice", "login", "198.51.100.7", "Laptop/2.0"),
        ("carol", "login", "198.51.100.7", "Laptop/2.0"),
        ("carol", "login", "203.0.113.9", "Phone/1.0"),
    ]
    assert {row[0] for row in rows(logged_in, "--user", "carol")} == {row[0] for row in everybody if row[1] == "carol"}


def test_one_session_is_ended(logged_in: Any) -> None:
    """sessions end SID: with what it gave, and with what the browser is remembered by; offline_access stays."""
    (phone,) = [row[0] for row in rows(logged_in) if row[7] == "Phone/1.0"]
    assert logged_in.done("sessions", "end", phone) == "1 session ended\n"
    assert counted(logged_in) == {"carol": (1, 9), "alice": (1, 6)}
    assert logged_in.refused("sessions", "end", phone) == [f"sid {phone} is that of no session"]


def test_all_sessions_of_a_user_are_ended(logged_in: Any) -> None:
    """sessions end --user: everywhere, and of nobody else."""
    assert logged_in.done("sessions", "end", "--user", "carol") == "2 sessions ended\n"
    assert counted(logged_in) == {"carol": (0, 6), "alice": (1, 6)}
    assert logged_in.done("sessions", "end", "--user", "carol") == "0 sessions ended\n"


def test_disabling_ends_all(logged_in: Any) -> None:
    """users disable: sessions, codes and refresh tokens, with offline_access too; enabling brings nothing back."""
    assert logged_in.done("users", "disable", "carol") == "carol is disabled; 2 of their sessions ended\n"
    assert counted(logged_in) == {"carol": (0, 0), "alice": (1, 6)}
    with opened(logged_in) as provider:
        assert provider.users.authenticate("carol", "a password") is None
    assert logged_in.done("users", "enable", "carol") == "carol is enabled\n"
    assert counted(logged_in) == {"carol": (0, 0), "alice": (1, 6)}
    with opened(logged_in) as provider:
        assert provider.users.authenticate("carol", "a password") is not None


def test_another_password_ends_the_sessions(logged_in: Any) -> None:
    """users passwd: whoever is logged in with the old one is not any more."""
    answer = logged_in.done("users", "passwd", "carol", typed="another")
    assert answer == "carol has another password; 2 of their sessions ended\n"
    assert counted(logged_in)["carol"] == (0, 6)


@pytest.mark.parametrize("how", ["disable", "enable"])
def test_only_users_of_the_store_are_disabled(command: Any, how: str) -> None:
    """Those of the configuration file are changed there."""
    (line,) = command.refused("users", how, "alice")
    assert line == f"username alice is in the configuration file: {how} them there"
    assert command.refused("users", how, "nobody") == ["username nobody does not exist"]


@pytest.mark.parametrize("arguments", [["end"], ["end", "a-sid", "--user", "alice"]])
def test_what_to_end_is_said_once(command: Any, arguments: list[str]) -> None:
    assert command("sessions", *arguments).exit_code == 2


@pytest.mark.parametrize("arguments", [["list", "--user", "nobody"], ["end", "--user", "nobody"]])
def test_nobody_has_no_sessions(command: Any, arguments: list[str]) -> None:
    """A misspelt name is no user without sessions."""
    assert command.refused("sessions", *arguments) == ["username nobody does not exist"]


def test_without_the_plugin_it_is_refused_in_clear_words(command: Any) -> None:
    """[plugins.sessions] is off: there is nothing to list; users are disabled all the same."""
    text = command.configuration.read_text("utf-8")
    kept, *others = text.split("\n[plugins.")
    needless = ("sessions]", "account]", "consent]", "rp_initiated_logout]")
    others = [other for other in others if not other.startswith(needless)]
    command.configuration.write_text("\n[plugins.".join([kept, *others]), "utf-8")
    for arguments in (["list"], ["end", "a-sid"], ["end", "--user", "alice"]):
        assert command.refused("sessions", *arguments) == [
            "nothing keeps sessions here: [plugins.sessions] is not switched on"
        ]
    command.done("users", "add", "carol", typed="a password")
    assert command.done("users", "disable", "carol") == "carol is disabled\n"


def test_users_are_written_anew(command: Any) -> None:
    """users reindex: for documents of a version that did not know addresses."""
    command.done("users", "add", "carol", "--claim", "email=carol@example.org", typed="a password")
    assert command.done("users", "reindex") == "1 users are written anew\n"
    with opened(command) as provider:
        user = provider.users.find_by_email("Carol@example.org")
        assert user is not None
        assert user.username == "carol"
