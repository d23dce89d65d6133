"""Races with refresh tokens: one successor, and nothing alive of a grant whose token was reused (RFC 9700 4.14.2)."""

from __future__ import annotations

from typing import Any

CONTENDERS = 64
AT_ONCE = 16
"""Grants that are raced for in one round, where few race for each."""


def successors(outcomes: Any) -> set[str]:
    return {answer["refresh_token"] for answer in outcomes.answers}


def grant_id_of(referee: Any, tokens: dict[str, Any]) -> str:
    return str(referee.provider.tokens.read_refresh_token(tokens["refresh_token"]).grant.grant_id)


def test_within_the_grace_all_get_the_same_successor(arena: Any, referee: Any, rounds: range) -> None:
    """DESIGN, Grants: a retry by the same client gets the same successor while that is unused."""
    for number in rounds:
        tokens = referee.app.log_in()
        tasks = [arena.refresh(tokens["refresh_token"])] * CONTENDERS
        outcomes = arena.race(*tasks, processes=(4, 1)[number % 2])
        assert outcomes.tally == {"answered": CONTENDERS}
        assert len(successors(outcomes)) == 1
        issued = {answer["access_token"] for answer in outcomes.answers}
        assert referee.alive(grant_id_of(referee, tokens)) == {
            "access_tokens": 1 + len(issued),
            "refresh_tokens": 1,
        }
        assert len(issued) == CONTENDERS


def test_without_a_grace_one_wins_and_its_grant_ends(arena: Any, referee: Any, rounds: range) -> None:
    """DESIGN, Grants: anything else is reuse and revokes the grant."""
    for number in rounds:
        tokens = referee.app.log_in()
        grant_id = grant_id_of(referee, tokens)
        tasks = [arena.refresh(tokens["refresh_token"], "strict")] * CONTENDERS
        outcomes = arena.race(*tasks, processes=(4, 1)[number % 2])
        assert outcomes.tally == {"answered": 1, "invalid_grant": CONTENDERS - 1}
        assert referee.alive(grant_id) == {}


def test_a_token_and_its_successor_raced_for_at_once_never_have_two_heirs(
    arena: Any, referee: Any, rounds: range
) -> None:
    """RFC 9700 4.14.2: owner and thief go on with the same token; whoever is late ends the grant, or gets what is
    there: never are there two unspent refresh tokens.
    """
    for _ in rounds:
        first = referee.app.log_in()
        grant_id = grant_id_of(referee, first)
        second = referee.app.refresh(first["refresh_token"])
        both = [arena.refresh(each["refresh_token"]) for each in (first, second)]
        outcomes = arena.race(*both * (AT_ONCE // 2))
        assert outcomes.tally.keys() <= {"answered", "invalid_grant"}
        ended = "invalid_grant" in outcomes.tally
        assert referee.alive(grant_id).get("refresh_tokens", 0) == (0 if ended else 1)
        assert not ended or referee.alive(grant_id) == {}


def test_another_client_that_races_with_its_owner_harms_nobody(arena: Any, referee: Any, rounds: range) -> None:
    """RFC 6749 10.4: bound to its client. A thief gets nothing and ends nothing."""
    for _ in rounds:
        tokens = referee.app.log_in()
        thieves = [arena.refresh(tokens["refresh_token"], "strict", "app-post")] * (AT_ONCE - 1)
        outcomes = arena.race(*thieves, arena.refresh(tokens["refresh_token"], "strict"))
        assert outcomes.tally == {"invalid_grant": AT_ONCE - 1, "answered": 1}
        assert referee.app.introspect(outcomes[-1]["answer"]["refresh_token"])["active"] is True


def test_servers_that_share_a_token_which_does_not_rotate_all_get_an_answer(
    arena: Any, referee: Any, rounds: range
) -> None:
    """FAPI 2.0 Security Profile 5.3.2.1; DESIGN, Grants: `"public"` spares confidential clients."""
    for _ in rounds:
        tokens = referee.app.log_in()
        outcomes = arena.race(*[arena.refresh(tokens["refresh_token"], "sparing")] * CONTENDERS)
        assert outcomes.tally == {"answered": CONTENDERS}
        assert successors(outcomes) == {tokens["refresh_token"]}
        assert referee.alive(grant_id_of(referee, tokens))["refresh_tokens"] == 1


def end_of_the_grant(arena: Any, how: str, code: Any, tokens: dict[str, Any], grant_id: str) -> Any:
    """A task that ends a grant."""
    match how:
        case "revocation":
            return arena.task("revoke", client_id="app", token=tokens["refresh_token"])
        case "replay":
            return arena.exchange(code)
        case _:
            return arena.task("revoke_grant", grant_id=grant_id)


def check_that_nothing_outlives(arena: Any, referee: Any, how: str, configuration: str) -> None:
    """A client refreshes at the moment in which its grant ends, in one way or another."""
    tasks, grant_ids = [], []
    for _ in range(AT_ONCE):
        code = referee.app.authorize()
        grant_ids.append(referee.grant_of(code))
        tokens = referee.app.exchange(code)
        tasks += [
            arena.refresh(tokens["refresh_token"], configuration),
            end_of_the_grant(arena, how, code, tokens, grant_ids[-1]),
        ]
    outcomes = arena.race(*tasks)
    assert outcomes.tally.keys() <= {"answered", "invalid_grant"}
    assert [referee.alive(grant_id) for grant_id in grant_ids] == [{}] * AT_ONCE


def test_a_revocation_and_a_refresh_leave_nothing_alive(arena: Any, referee: Any, rounds: range) -> None:
    """RFC 7009 2.1: the refresh token takes its whole grant with it, also what is being issued."""
    for number in rounds:
        check_that_nothing_outlives(arena, referee, "revocation", ("graceful", "sparing")[number % 2])


def test_a_replayed_code_and_a_refresh_leave_nothing_alive(arena: Any, referee: Any, rounds: range) -> None:
    """RFC 6749 4.1.2: all that was issued from it, also by way of a refresh."""
    for number in rounds:
        check_that_nothing_outlives(arena, referee, "replay", ("graceful", "sparing")[number % 2])


def test_the_end_of_a_grant_and_a_refresh_leave_nothing_alive(arena: Any, referee: Any, rounds: range) -> None:
    """DESIGN, The store: codes and refresh tokens first, access tokens second."""
    for number in rounds:
        check_that_nothing_outlives(arena, referee, "by name", ("graceful", "sparing")[number % 2])


def test_a_logout_and_a_refresh_leave_nothing_alive(arena: Any, referee: Any, rounds: range) -> None:
    """DESIGN, Grants: the end of a session ends its tokens, those with offline_access excepted."""
    for _ in rounds:
        sessions = [referee.log_in() for _ in range(AT_ONCE)]
        tokens = [referee.kiosk.log_in(session_id=sid, scope="openid") for _, sid in sessions]
        grant_ids = [grant_id_of(referee, each) for each in tokens]
        refreshes = [arena.refresh(each["refresh_token"], client_id="kiosk") for each in tokens]
        logouts = [arena.task("log_out", session_id=session_id) for session_id, _ in sessions]
        outcomes = arena.race(*refreshes, *logouts)
        assert outcomes.tally.keys() <= {"answered", "invalid_grant"}
        assert [referee.alive(grant_id) for grant_id in grant_ids] == [{}] * AT_ONCE
