"""How often a client may ask, and fail: for all workers together up to a stated error, and nearly for free."""

from __future__ import annotations

import base64
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from creance.provider import EnvironHeaders, InvalidClient, OpenIDProvider, Parameters, TooManyRequests
from creance.provider import rate_limits as rate_limits_module
from creance.provider.attempt_counters import ATTEMPT_COUNTERS, Limit
from creance.provider.rate_limits import MINUTE, RateLimit
from creance.provider.store import StoreUnavailable

from ..conftest import Clock, MakeProvider

HERE, ELSEWHERE = "203.0.113.7", "2001:db8::/64"


def limit_of(provider: OpenIDProvider, most: int, workers: int = 1) -> RateLimit:
    return RateLimit(Limit("limits.token_requests", most, MINUTE), provider.attempt_counters, workers)


def admitted(limit: RateLimit, times: int, client_id: str = "app", network: str = HERE) -> int:
    """How many of so many requests are let through."""
    through = 0
    for _ in range(times):
        try:
            limit.count(client_id, network)
            through += 1
        except TooManyRequests:
            continue
    return through


@pytest.fixture
def provider(make_provider: MakeProvider, clock: Clock) -> OpenIDProvider:
    """Its clock is stopped, at the beginning of a window of `app`: none ends while requests are counted."""
    clock.stop()
    provider = make_provider()
    counter = provider.attempt_counters.counter(Limit("limits.token_requests", 1, MINUTE), f"app {HERE}")
    clock.advance(counter.ends - clock() + 1)
    return provider


@pytest.fixture
def writes(provider: OpenIDProvider, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """What was brought to the store, write by write."""
    brought: list[int] = []
    write = provider.store.write

    def noting(operations: Any) -> Any:
        brought.extend(each.by for each in operations if each.collection is ATTEMPT_COUNTERS)
        return write(operations)

    monkeypatch.setattr(provider.store, "write", noting)
    return brought


def test_one_worker_lets_through_what_the_limit_says(provider: OpenIDProvider) -> None:
    """Issue 6, attack limits: rate limit for the token endpoint per client and network."""
    limit = limit_of(provider, 100)
    assert admitted(limit, 250) == 100
    assert admitted(limit, 100, network=ELSEWHERE) == 100
    assert admitted(limit, 100, client_id="spa") == 100


@pytest.mark.parametrize(("most", "workers"), [(100, 4), (1000, 2), (7, 3), (1, 4), (6000, 8)])
def test_all_workers_together_up_to_a_twentieth(provider: OpenIDProvider, most: int, workers: int) -> None:
    """The stated error: a twentieth on a machine, at least a request a worker; and never fewer than the limit."""
    limits = [limit_of(provider, most, workers) for _ in range(workers)]
    through = 0
    for _ in range(2 * most // workers + 2):
        through += sum(admitted(limit, 1) for limit in limits)
    assert most <= through <= most + max(most // 20, workers)


def test_few_requests_cost_no_write_and_refused_ones_none(provider: OpenIDProvider, writes: list[int]) -> None:
    """A write a request would cost more than the request: what is counted is brought in portions."""
    limit = limit_of(provider, 2000)
    admitted(limit, 99)
    assert writes == []
    admitted(limit, 1901)
    assert writes == [100] * 20
    assert admitted(limit, 500) == 0
    assert len(writes) == 20


def test_a_restart_forgets_no_more_than_a_portion(provider: OpenIDProvider) -> None:
    """Issue 6: limits hold across restarts."""
    assert admitted(limit_of(provider, 100), 78) == 78
    assert admitted(limit_of(provider, 100), 100) == 25


def test_threads_of_a_worker_do_not_get_more(provider: OpenIDProvider) -> None:
    """Issue 6, attack limits: exact within a worker, however many ask at once."""
    limit = limit_of(provider, 200)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(16) as pool:
            through = sum(pool.map(lambda _: admitted(limit, 30), range(16)))
    finally:
        sys.setswitchinterval(interval)
    assert through == 200


def test_the_next_minute_begins_anew(provider: OpenIDProvider, clock: Clock) -> None:
    """RFC 9110 10.2.3: Retry-After is the truth."""
    limit = limit_of(provider, 20)
    admitted(limit, 20)
    with pytest.raises(TooManyRequests) as refused:
        limit.count("app", HERE)
    assert 0 < refused.value.retry_after <= MINUTE
    clock.advance(refused.value.retry_after - 1.5)
    assert admitted(limit, 1) == 0
    clock.advance(1.6)
    assert admitted(limit, 30) == 20


@pytest.mark.parametrize("seconds", [-86400 * 365, -61, 61, 86400 * 365])
def test_a_clock_that_is_set_begins_another_window(provider: OpenIDProvider, clock: Clock, seconds: float) -> None:
    """Nobody is held up for longer than a minute by a clock that was set."""
    limit = limit_of(provider, 20)
    admitted(limit, 20)
    clock.advance(seconds)
    assert admitted(limit, 30) == 20


def test_memory_is_bounded_and_limits_go_on(provider: OpenIDProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    """Issue 6: beyond so many, the networks of a client are counted as one; it costs no more memory, and holds."""
    monkeypatch.setattr(rate_limits_module, "MOST_TALLIES", 50)
    limit = limit_of(provider, 20)
    through = sum(admitted(limit, 1, network=f"198.51.{number // 256}.{number % 256}") for number in range(500))
    assert through == 50 + 20
    assert len(limit._tallies) == 51
    assert admitted(limit, 30, network="198.51.0.1") == 19


def test_what_is_over_is_forgotten(provider: OpenIDProvider, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bounded memory: windows that are over go, once in a window."""
    now = rate_limits_module.time.monotonic()
    limit = limit_of(provider, 20)
    for number in range(300):
        admitted(limit, 1, network=f"198.51.0.{number}")
    clock.advance(2 * MINUTE)
    monkeypatch.setattr(rate_limits_module.time, "monotonic", lambda: now + 2 * MINUTE)
    admitted(limit, 1, network="another")
    assert list(limit._tallies) == [("app", "another")]


@pytest.mark.default_store("moves a file away")
def test_without_a_store_a_portion_is_no_free_one(provider: OpenIDProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    """Issue 6, faults: what cannot be brought is not let through; and what was counted stays counted here."""
    limit = limit_of(provider, 100)
    database = provider.settings.folder / "var" / "creance.db"
    database.rename(database.with_suffix(".away"))
    assert admitted(limit, 4) == 4
    with pytest.raises(StoreUnavailable):
        limit.count("app", HERE)
    database.with_suffix(".away").rename(database)
    assert admitted(limit, 200) == 95


# ----- Who fails to prove who it is ----------------------------------------------------------------------------------


def guess(provider: OpenIDProvider, secret: str, client_id: str = "app", network: str = HERE) -> str:
    """`proven`, `invalid` or `limited`."""
    credentials = base64.b64encode(f"{client_id}:{secret}".encode()).decode()
    headers = EnvironHeaders({"HTTP_AUTHORIZATION": f"Basic {credentials}"})
    try:
        provider.client_limits.authenticate(Parameters(), headers, network)
    except InvalidClient:
        return "invalid"
    except TooManyRequests:
        return "limited"
    return "proven"


def test_guessing_a_secret_ends_even_with_the_right_one(make_provider: MakeProvider, clock: Clock) -> None:
    """RFC 6749 2.3.1, 10.2: against brute force. No other client and no other network is held up."""
    provider = make_provider(limits={"failed_client_authentications": 5})
    answers = [guess(provider, f"guess {number}") for number in range(8)]
    assert answers == ["invalid"] * 5 + ["limited"] * 3
    assert guess(provider, "app-secret") == "limited"
    assert guess(provider, "app-secret", network=ELSEWHERE) == "proven"
    assert guess(provider, "service-secret", "service") == "proven"
    clock.advance(MINUTE)
    assert guess(provider, "app-secret") == "proven"


def test_made_up_clients_are_one(make_provider: MakeProvider) -> None:
    """Issue 6: another client_id is no fresh counter where nobody has it, and takes no memory."""
    provider = make_provider(limits={"failed_client_authentications": 5})
    answers = [guess(provider, "x", f"made-up-{number}") for number in range(40)]
    assert answers == ["invalid"] * 5 + ["limited"] * 35
    assert len(provider.client_limits._failures._tallies) == 1
    assert guess(provider, "app-secret") == "proven"


def test_who_proves_itself_is_not_counted_as_failing(make_provider: MakeProvider) -> None:
    """A client that makes many requests beside one that guesses."""
    provider = make_provider(limits={"failed_client_authentications": 5})
    guess(provider, "wrong")
    assert [guess(provider, "app-secret") for _ in range(20)] == ["proven"] * 20
    assert [guess(provider, "wrong") for _ in range(5)] == ["invalid"] * 4 + ["limited"]


def test_workers_together_hold_the_limit_of_failures(make_provider: MakeProvider) -> None:
    """Issue 6, attack limits: across workers, by one guess a worker more at most."""
    workers = [make_provider(limits={"failed_client_authentications": 20}) for _ in range(3)]
    answers = [guess(workers[number % 3], "wrong") for number in range(60)]
    assert 20 <= answers.count("invalid") <= 23


@pytest.mark.parametrize(
    "header", ["Basic", "Basic !", "Bearer x", "", "Basic " + base64.b64encode(b"\xff\xfe:x").decode(), "Basic Og=="]
)
def test_credentials_that_cannot_be_read_are_counted(make_provider: MakeProvider, header: str) -> None:
    """Issue 3, bad input: never an exception, and no way around the limit."""
    provider = make_provider(limits={"failed_client_authentications": 3})
    seen = []
    for _ in range(5):
        try:
            provider.client_limits.authenticate(Parameters(), EnvironHeaders({"HTTP_AUTHORIZATION": header}), HERE)
        except (InvalidClient, TooManyRequests) as refusal:
            seen.append(refusal.status)
    assert seen == [401] * 3 + [429] * 2


@pytest.mark.default_store("moves a file away")
def test_without_a_store_no_guess_is_free(make_provider: MakeProvider) -> None:
    """Issue 6, faults: a client of the file needs no store to be known; a guess that cannot be counted is 503."""
    provider = make_provider(limits={"failed_client_authentications": 5})
    database = provider.settings.folder / "var" / "creance.db"
    database.rename(database.with_suffix(".away"))
    with pytest.raises(StoreUnavailable):
        guess(provider, "wrong")
    database.with_suffix(".away").rename(database)


def test_no_limit_where_the_operator_wants_none(make_provider: MakeProvider) -> None:
    """limits.token_requests = 0."""
    provider = make_provider(limits={"token_requests": 0})
    client = provider.clients.find("app")
    assert client is not None
    for _ in range(7000):
        provider.client_limits.count_token_request(client, HERE)


def test_a_limit_that_is_reached_is_one_line(provider: OpenIDProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    """Operators see which client's network it was, once, whichever worker was asked last."""
    lines: list[dict[str, Any]] = []

    class Log:
        def warning(self, event: str, **members: Any) -> None:
            lines.append({"event": event, **members})

    monkeypatch.setattr(rate_limits_module, "logger", Log())
    first, second = limit_of(provider, 113), limit_of(provider, 113)
    for _ in range(150):
        admitted(first, 1)
        admitted(second, 1)
    (line,) = lines
    assert 0 < line.pop("seconds") <= MINUTE
    assert line == {"event": "limit_reached", "limit": "limits.token_requests", "network": HERE}
