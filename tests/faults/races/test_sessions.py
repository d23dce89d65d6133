"""Races for a session: what has ended stays ended, and all that it gave (OpenID Connect Core 11; DESIGN, Grants)."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

AT_ONCE = 8
"""Sessions that are raced for in one round."""
UNUSED = 600.0
"""Seconds after which a session's next use is written down: more than a minute."""


def ending(arena: Any, how: str, session_id: str) -> Any:
    """A task that ends alice's session."""
    if how == "logout":
        return arena.task("log_out", session_id=session_id)
    return arena.task("log_in", username="bob", session_id=session_id)


@pytest.mark.parametrize("how", ["logout", "login of another"])
def test_nothing_is_left_of_what_an_app_gets_at_that_moment(arena: Any, referee: Any, rounds: range, how: str) -> None:
    """OpenID Connect Core 11: the app sends the person through the provider, and exchanges the code, while the session
    ends.
    """
    for _ in rounds:
        sessions = [referee.log_in()[0] for _ in range(AT_ONCE)]
        visits = [arena.visit(referee.kiosk, session_id) for session_id in sessions for _ in range(3)]
        outcomes = arena.race(*visits, *[ending(arena, how, session_id) for session_id in sessions])
        assert outcomes.tally.keys() <= {"answered", "invalid_grant"}
        for outcome in outcomes[: len(visits)]:
            for name in {"access_token", "refresh_token"} & outcome.get("answer", {}).keys():
                assert referee.kiosk.introspect(outcome["answer"][name]) == {"active": False}


def test_a_session_that_is_used_while_it_ends_stays_ended(arena: Any, referee: Any, rounds: range) -> None:
    """DESIGN, The store: compare-and-swap. That a session was used is written down, and brings none back."""
    for _ in rounds:
        sessions = [referee.log_in()[0] for _ in range(AT_ONCE)]
        for session_id in sessions:
            referee.leave_unused(session_id, UNUSED)
        visits = [arena.visit(referee.app, session_id) for session_id in sessions for _ in range(3)]
        outcomes = arena.race(*visits, *[ending(arena, "logout", session_id) for session_id in sessions])
        assert outcomes.tally.keys() <= {"answered", "invalid_grant"}
        assert [referee.session(session_id) for session_id in sessions] == [None] * AT_ONCE


def test_a_session_that_many_use_at_once_is_kept_alive(arena: Any, referee: Any, rounds: range) -> None:
    """DESIGN, A person's visit: whoever is quicker writes that it was used, and nobody is refused for coming second."""
    for _ in rounds:
        session_id, _ = referee.log_in()
        referee.leave_unused(session_id, UNUSED)
        before = referee.session(session_id)
        outcomes = arena.race(*[arena.visit(referee.app, session_id)] * 2 * AT_ONCE)
        assert outcomes.tally == {"answered": 2 * AT_ONCE}
        assert referee.session(session_id).last_seen > before.last_seen + UNUSED / 2


def test_a_code_that_an_app_gets_at_that_moment_gives_nothing_later(arena: Any, referee: Any, rounds: range) -> None:
    """OpenID Connect Core 11: also one that was issued after the logout had removed the others."""
    for _ in rounds:
        sessions = [referee.log_in()[0] for _ in range(AT_ONCE)]
        parameters, verifier = referee.kiosk.request(scope="openid")
        proof = {"verifier": verifier, "redirect_uri": parameters["redirect_uri"]}
        visits = [arena.task("ask_for_a_code", parameters=parameters, session_id=each) for each in sessions]
        outcomes = arena.race(*visits, *[ending(arena, "logout", session_id) for session_id in sessions])
        for location in outcomes.answers[:AT_ONCE]:
            answer = dict(parse_qsl(urlsplit(location).query))
            if "code" in answer:  # and not the login page
                referee.kiosk.refused(SimpleNamespace(value=answer["code"], **proof))


def test_logins_at_one_browser_at_once_end_the_session_that_was(arena: Any, referee: Any, rounds: range) -> None:
    """RFC 9700 4.5, DESIGN, A person's visit: a new id with each login, also of a form that was sent several times."""
    for _ in rounds:
        session_id, _ = referee.log_in()
        outcomes = arena.race(*[arena.task("log_in", username="alice", session_id=session_id)] * 2 * AT_ONCE)
        assert outcomes.tally == {"answered": 2 * AT_ONCE}
        assert len(set(outcomes.answers) | {session_id}) == 2 * AT_ONCE + 1
        assert referee.session(session_id) is None
        assert all(referee.session(each).username == "alice" for each in outcomes.answers)


def test_a_logout_and_a_login_end_the_session_that_was(arena: Any, referee: Any, rounds: range) -> None:
    """The id in the old cookie opens nothing any more, whoever was quicker."""
    for _ in rounds:
        sessions = [referee.log_in()[0] for _ in range(AT_ONCE)]
        logins = [arena.task("log_in", username="alice", session_id=session_id) for session_id in sessions]
        outcomes = arena.race(*logins, *[ending(arena, "logout", session_id) for session_id in sessions])
        assert outcomes.tally == {"answered": 2 * AT_ONCE}
        assert [referee.session(session_id) for session_id in sessions] == [None] * AT_ONCE
