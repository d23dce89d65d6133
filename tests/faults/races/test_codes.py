"""Races for an authorization code: one winner, and nothing left alive by a replay (RFC 6749 4.1.2, RFC 9700 4.5)."""

from __future__ import annotations

from typing import Any

CONTENDERS = 64
AT_ONCE = 16
"""Codes that are raced for in one round, where few race for each."""


def test_a_code_has_one_winner_and_its_replays_revoke_what_it_won(arena: Any, referee: Any, rounds: range) -> None:
    """DESIGN, The store: redeem: exactly one caller ever succeeds, across threads and processes."""
    for number in rounds:
        code = referee.app.authorize()
        grant_id = referee.grant_of(code)
        outcomes = arena.race(*[arena.exchange(code)] * CONTENDERS, processes=(4, 1)[number % 2])
        assert outcomes.tally == {"answered": 1, "invalid_grant": CONTENDERS - 1}
        assert referee.alive(grant_id) == {}
        assert referee.app.introspect(outcomes.answers[0]["access_token"]) == {"active": False}
        referee.app.refused(code)


def test_a_wrong_verifier_and_the_right_one_leave_nothing_alive(arena: Any, referee: Any, rounds: range) -> None:
    """RFC 7636 4.6: whoever cannot prove has spent the code, and whoever comes second is a replay."""
    for _ in rounds:
        code = referee.app.authorize()
        grant_id = referee.grant_of(code)
        right, wrong = arena.exchange(code), arena.exchange(code, code_verifier="w" * 43)
        outcomes = arena.race(*[right, wrong] * (AT_ONCE // 2))
        assert outcomes.tally["invalid_grant"] >= AT_ONCE - 1
        assert all("error" in outcome for outcome in outcomes[1::2])
        assert referee.alive(grant_id) == {}


def test_another_client_that_races_with_its_owner_harms_nobody(arena: Any, referee: Any, rounds: range) -> None:
    """RFC 6749 4.1.3: bound to its client. A thief can neither win, nor spend, nor revoke."""
    for _ in rounds:
        code = referee.app.authorize()
        thieves = [arena.exchange(code, client_id="app-post")] * (AT_ONCE - 1)
        outcomes = arena.race(*thieves, arena.exchange(code))
        assert outcomes.tally == {"invalid_grant": AT_ONCE - 1, "answered": 1}
        assert referee.app.introspect(outcomes[-1]["answer"]["access_token"])["active"] is True


def test_a_revocation_and_an_exchange_leave_nothing_alive(arena: Any, referee: Any, rounds: range) -> None:
    """DESIGN, The store: revoking a grant deletes codes and refresh tokens first, access tokens second."""
    for _ in rounds:
        codes = [referee.app.authorize() for _ in range(AT_ONCE)]
        grant_ids = [referee.grant_of(code) for code in codes]
        revocations = [arena.task("revoke_grant", grant_id=grant_id) for grant_id in grant_ids]
        outcomes = arena.race(*map(arena.exchange, codes), *revocations)
        assert outcomes.tally.keys() <= {"answered", "invalid_grant"}
        assert [referee.alive(grant_id) for grant_id in grant_ids] == [{}] * AT_ONCE


def test_a_logout_and_an_exchange_leave_nothing_alive(arena: Any, referee: Any, rounds: range) -> None:
    """DESIGN, Grants: the end of a session ends its tokens; also those of a code that was in somebody's hand."""
    for _ in rounds:
        sessions = [referee.log_in() for _ in range(AT_ONCE)]
        codes = [referee.kiosk.authorize(session_id=sid, scope="openid") for _, sid in sessions]
        grant_ids = [referee.grant_of(code) for code in codes]
        exchanges = [arena.exchange(code, client_id="kiosk") for code in codes]
        logouts = [arena.task("log_out", session_id=session_id) for session_id, _ in sessions]
        outcomes = arena.race(*exchanges, *logouts)
        assert outcomes.tally.keys() <= {"answered", "invalid_grant"}
        assert [referee.alive(grant_id) for grant_id in grant_ids] == [{}] * AT_ONCE
