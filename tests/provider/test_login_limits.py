"""How often a password may be wrong: exactly, for all workers, and not to the harm of people who use their devices."""

from __future__ import annotations

import json
from typing import Any

import pytest
from creance.provider import Browser, OpenIDProvider, TemporarilyUnavailable, TooManyRequests
from creance.provider.attempt_counters import ATTEMPT_COUNTERS, BUCKETS, Limit
from creance.provider.known_devices import A_YEAR, MOST_ACCOUNTS, KnownDevices
from creance.provider.login_limits import A_DAY, plain
from creance.provider.sealing import Sealer
from creance.provider.store import StoreUnavailable

from ..conftest import Clock, MakeProvider, RunInProcesses, shared_table

WINDOW = 900
WINDOWS = (("", WINDOW), ("_a_day", A_DAY))
HERE, ELSEWHERE = "203.0.113.7", "198.51.100.1"


class Person:
    """Somebody at a browser, which keeps its cookies. `hashed` is how many passwords were really looked at."""

    def __init__(self, provider: OpenIDProvider, address: str = HERE) -> None:
        self.provider = provider
        self.address = address
        self.cookies: dict[str, str] = {}

    def browser(self) -> Browser:
        return Browser(dict(self.cookies), self.address)

    def tries(self, password: str, username: str = "alice", typed: str = "") -> str:
        """`in`, `wrong`, `busy` or `limited`."""
        browser = self.browser()
        try:
            user = self.provider.login_limits.authenticate(username, password, browser, typed)
        except TooManyRequests as refusal:
            self.retry_after, self.hint = refusal.retry_after, refusal.hint
            return "limited"
        except TemporarilyUnavailable:
            return "busy"
        self.cookies |= {cookie.name: cookie.value for cookie in browser.set_cookies}
        return "in" if user else "wrong"

    def fails(self, times: int, username: str = "alice") -> None:
        assert [self.tries("wrong", username) for _ in range(times)] == ["wrong"] * times


def counts(provider: OpenIDProvider) -> dict[str, int]:
    documents = provider.store.page(ATTEMPT_COUNTERS, limit=1000)
    return {document.key: document.value["count"] for document in documents}


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The passwords that were looked at, in the place of argon2: a test needs hundreds."""
    from creance.provider.users import UserRegistry

    seen: list[str] = []

    def authenticate(self: UserRegistry, username: str, password: str) -> Any:
        seen.append(password)
        return self.find(username) if password == "wonderland" else None

    monkeypatch.setattr(UserRegistry, "authenticate", authenticate)
    return seen


# ----- Accounts and networks -----------------------------------------------------------------------------------------


def test_after_so_many_wrong_passwords_none_is_looked_at(make_provider: MakeProvider, hashed: list[str]) -> None:
    """Issue 6, attack limits; NIST SP 800-63B 5.2.2: not even the right one, and from no network."""
    provider = make_provider()
    Person(provider).fails(10)
    for person in (Person(provider), Person(provider, ELSEWHERE)):
        assert person.tries("wonderland") == "limited"
        assert 0 < person.retry_after <= WINDOW
        assert person.hint.startswith("limits.failed_logins_per_account: 10 in 900 s; tried from")
    assert hashed == ["wrong"] * 10


def test_another_worker_and_a_restart_know_the_same(make_provider: MakeProvider, hashed: list[str]) -> None:
    """Issue 6, attack limits: they hold across workers and restarts."""
    first, second = make_provider(), make_provider()
    Person(first).fails(5)
    Person(second).fails(5)
    first.stop()
    second.stop()
    assert Person(make_provider()).tries("wonderland") == "limited"


def test_a_window_ends_when_it_was_said(make_provider: MakeProvider, hashed: list[str], clock: Clock) -> None:
    """RFC 9110 10.2.3: Retry-After is the truth, and within one second of it."""
    person = Person(make_provider())
    person.fails(10)
    assert person.tries("wonderland") == "limited"
    clock.advance(person.retry_after - 1.5)
    assert person.tries("wonderland") == "limited"
    clock.advance(1.6)
    assert person.tries("wonderland") == "in"


def test_of_two_limits_the_later_end_is_said(make_provider: MakeProvider, hashed: list[str]) -> None:
    """RFC 9110 10.2.3: who comes back after Retry-After is not held up by another limit that was known."""
    provider = make_provider(limits={"failed_logins_per_account": 3, "failed_logins_per_account_a_day": 3})
    person = Person(provider)
    person.fails(3)
    limits = [Limit(f"limits.failed_logins_per_account{name}", 3, window) for name, window in WINDOWS]
    ends = [provider.attempt_counters.counter(limit, "account alice").seconds_left for limit in limits]
    assert person.tries("wonderland") == "limited"
    assert max(ends) - 2 <= person.retry_after <= max(ends)


def test_a_day_has_a_limit_of_its_own(make_provider: MakeProvider, hashed: list[str], clock: Clock) -> None:
    """NIST SP 800-63B 5.2.2: no more than 100 in a row, however patient somebody is. A day of many windows."""
    provider = make_provider()
    account = provider.attempt_counters.counter(
        Limit("limits.failed_logins_per_account_a_day", 1, A_DAY), "account alice"
    )
    clock.advance(account.seconds_left + 1)  # the day begins
    let_in = 0
    for _ in range(20):
        person = Person(provider)
        let_in += [person.tries("wrong") for _ in range(11)].count("wrong")
        clock.advance(WINDOW)
    assert let_in == 50
    assert person.tries("wonderland") == "limited"
    assert "failed_logins_per_account_a_day" in person.hint
    assert person.retry_after > A_DAY - 22 * WINDOW


def test_a_right_password_costs_nobody_a_try(make_provider: MakeProvider, hashed: list[str]) -> None:
    """Only failed attempts count; and a login gives an attacker nothing back of what he has spent."""
    provider = make_provider()
    attacker = Person(provider, ELSEWHERE)
    attacker.fails(9)
    for _ in range(20):
        assert Person(provider).tries("wonderland") == "in"
    attacker.fails(1)
    assert attacker.tries("wrong") == "limited"


def test_a_network_has_a_limit_for_all_names_together(make_provider: MakeProvider, hashed: list[str]) -> None:
    """Issue 6, attack limits: one password for many names. Others are not held up."""
    provider = make_provider()
    attacker = Person(provider, "2001:db8::1")
    for number in range(100):
        attacker.fails(1, f"person-{number}")
    for address in ("2001:db8::1", "2001:db8::ffff:2", "2001:DB8:0:0:9::"):
        assert Person(provider, address).tries("wonderland") == "limited"
    assert Person(provider, "2001:db8:0:1::1").tries("wonderland") == "in"
    assert Person(provider, "2001:db8:0:1::1").tries("wonderland", "bob") == "in"


def test_who_is_held_up_by_one_limit_fills_no_other(make_provider: MakeProvider, hashed: list[str]) -> None:
    """Issue 6: a network that is at its limit cannot lock accounts, nor a locked account a network."""
    provider = make_provider(limits={"failed_logins_per_network": 10})
    attacker = Person(provider)
    attacker.fails(10, "bob")
    before = counts(provider)
    assert [attacker.tries("wrong") for _ in range(30)] == ["limited"] * 30
    assert counts(provider) == before
    assert Person(provider, ELSEWHERE).tries("wonderland") == "in"


def test_who_comes_too_late_in_a_race_fills_no_limit(
    make_provider: MakeProvider, hashed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same for who still found a place when they looked, and none when they were counted."""
    provider = make_provider(limits={"failed_logins_per_network": 10})
    attacker = Person(provider)
    attacker.fails(10, "bob")
    before = counts(provider)
    monkeypatch.setattr(provider.attempt_counters, "spent", lambda counters: [])
    assert attacker.tries("wrong") == "limited"
    after = counts(provider)
    assert {key: after[key] for key in before} == before
    assert sum(after.values()) == sum(before.values())


def test_a_name_that_nobody_has_is_limited_as_one_that_somebody_has(
    make_provider: MakeProvider, hashed: list[str]
) -> None:
    """Issue 6: no enumeration, whether by name or by address: what was typed is counted."""
    provider = make_provider()
    for username, typed in (("alice", ""), ("nobody", ""), ("", "other@example.org"), ("bob", "bob@example.org")):
        person = Person(provider, f"203.0.113.{len(typed)}")
        answers = [person.tries("wrong", username, typed) for _ in range(12)]
        assert answers == ["wrong"] * 10 + ["limited"] * 2, (username, typed)
    assert Person(provider, ELSEWHERE).tries("wrong", "", "another@example.org") == "wrong"
    assert Person(provider, ELSEWHERE).tries("wrong", "bob", "bob") == "wrong"


@pytest.mark.parametrize(
    "spelling", ["ALICE", " alice ", "Alice", "al\u00adice", "al\u200bice", "\uff41lice", "álice", "a lice"]
)
def test_another_spelling_of_a_name_has_no_tries_of_its_own(spelling: str) -> None:
    """RFC 4518 2: what a directory may take for the same name, as users come from elsewhere too."""
    assert plain(spelling) == plain("alice") == "alice"


def test_spellings_in_turns_are_one_account(make_provider: MakeProvider, hashed: list[str]) -> None:
    """Issue 6, attack limits: an account has its tries once, however it is written."""
    person = Person(make_provider())
    answers = [person.tries("wrong", spelling) for spelling in ("alice", "Alice", " ALICE ") * 4]
    assert answers == ["wrong"] * 10 + ["limited"] * 2


@pytest.mark.parametrize("name", ["", "\ud800", "\0", "x" * 256, "名前", "😀", "%s {}"])
def test_any_text_can_be_a_name(make_provider: MakeProvider, hashed: list[str], name: str) -> None:
    """Issue 3, bad input: never an exception."""
    person = Person(make_provider())
    assert [person.tries("wrong", name) for _ in range(11)] == ["wrong"] * 10 + ["limited"]


# ----- Races ---------------------------------------------------------------------------------------------------------

RACE = """
import json, threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from creance.provider import Browser, OpenIDProvider, Settings, TooManyRequests
from creance.provider.users import UserRegistry

looked_at = []

def authenticate(self, username, password):
    looked_at.append(password)
    threading.Event().wait(0.05)
    return None

UserRegistry.authenticate = authenticate
table, folder, username = json.loads(arguments[0])
settings = Settings.model_validate(table)
settings._folder = Path(folder)
provider = OpenIDProvider(settings)
provider.start()

def attempt(number):
    try:
        provider.login_limits.authenticate(username, f"guess {number}", Browser({}, f"203.0.113.{number}"))
    except TooManyRequests:
        return "limited"
    return "wrong"

ready()
with ThreadPoolExecutor(16) as pool:
    answers = list(pool.map(attempt, range(16)))
tell(json.dumps([answers, len(looked_at)]))
provider.stop()
"""


def lasting_name(provider: OpenIDProvider) -> str:
    """A user name whose windows do not end while a test lasts."""
    limits = [Limit(f"limits.failed_logins_per_account{name}", 1, window) for name, window in WINDOWS]
    counter, names = provider.attempt_counters.counter, (f"person-{number}" for number in range(100))
    return next(name for name in names if all(counter(limit, f"account {name}").seconds_left > 120 for limit in limits))


def test_however_many_try_at_once_no_more_are_looked_at(
    make_provider: MakeProvider, run_in_processes: RunInProcesses
) -> None:
    """Issue 6, attack limits: 16 threads of 4 processes try 64 passwords, from as many networks: 10 are hashed."""
    provider = make_provider()
    username = lasting_name(provider)
    folder = provider.settings.folder
    race = json.dumps([shared_table(folder), str(folder), username])
    told = run_in_processes(RACE, race, count=4)
    answers = [answer for each in told for answer in json.loads(each)[0]]
    assert sum(json.loads(each)[1] for each in told) == 10
    assert (answers.count("wrong"), answers.count("limited")) == (10, 54)
    assert Person(provider).tries("wonderland", username) == "limited"


# ----- Known devices -------------------------------------------------------------------------------------------------


def test_nobody_locks_a_person_out_of_a_device_that_they_use(make_provider: MakeProvider, hashed: list[str]) -> None:
    """Issue 6, attack limits: neither by the account nor by the network, which they may share with the attacker."""
    provider = make_provider(limits={"failed_logins_per_network": 30})
    owner, attacker = Person(provider), Person(provider)
    assert owner.tries("wonderland") == "in"
    attacker.fails(10)
    attacker.fails(10, "bob")
    attacker.fails(10, "carol")
    assert attacker.tries("wonderland") == "limited"
    assert Person(provider).tries("wonderland", "dave") == "limited"
    assert owner.tries("wrong") == "wrong"
    assert owner.tries("wonderland") == "in"


def test_what_fails_on_a_known_device_counts_for_it_alone(make_provider: MakeProvider, hashed: list[str]) -> None:
    """Issue 6: a device cookie that was stolen gives as many tries as the limit says, for this account only."""
    provider = make_provider()
    owner = Person(provider)
    assert owner.tries("wonderland") == "in"
    thief = Person(provider, ELSEWHERE)
    thief.cookies = dict(owner.cookies)
    thief.fails(10)
    assert thief.tries("wonderland") == "limited"
    thief.cookies = {}
    assert thief.tries("wonderland") == "in"
    thief.cookies = dict(owner.cookies)
    thief.fails(10, "bob")
    assert thief.tries("wrong", "bob") == "limited"


def test_a_device_has_a_new_id_with_each_login(make_provider: MakeProvider, hashed: list[str]) -> None:
    """So failures of before do not stay with who knows the password; and a copy of the cookie gains nothing by it."""
    provider = make_provider()
    owner = Person(provider)
    owner.tries("wonderland")
    stolen = dict(owner.cookies)
    owner.fails(9)
    assert owner.tries("wonderland") == "in"
    owner.fails(9)
    thief = Person(provider, ELSEWHERE)
    thief.cookies = stolen
    thief.fails(1)
    assert thief.tries("wrong") == "limited"


@pytest.mark.parametrize(
    "forge",
    [
        lambda value: value[:-1] + ("A" if value[-1] != "A" else "B"),
        lambda value: "9" + value[1:],
        lambda value: value.replace(".", "..", 1),
        lambda value: "~".join(["x.y.z"] * MOST_ACCOUNTS + [value]),
        lambda value: "~" * 5000,
        lambda value: "1.x." + "A" * 43,
        lambda value: "٣.x." + "é" * 43,
        lambda value: "1" * 5000 + ".x.y",
        lambda value: "",
    ],
)
def test_a_forged_device_is_unknown(make_provider: MakeProvider, hashed: list[str], forge: Any) -> None:
    """Issue 6: only a successful login makes a device known."""
    provider = make_provider()
    owner = Person(provider)
    assert owner.tries("wonderland") == "in"
    attacker = Person(provider, ELSEWHERE)
    attacker.fails(10)
    ((name, value),) = owner.cookies.items()
    attacker.cookies = {name: forge(value)}
    assert attacker.tries("wonderland") == "limited"


def test_a_device_is_known_for_a_few_accounts_and_for_a_year(clock: Clock) -> None:
    """Bounded in number and in time; known also after the secret of the provider has changed."""
    sealer = Sealer([b"s" * 32], "https://id.example.org")
    devices, browser = KnownDevices(sealer, "device"), Browser({}, HERE)
    for number in range(MOST_ACCOUNTS + 1):
        devices.remember(f"person-{number}", browser)
        cookie = browser.set_cookies[-1]
        browser = Browser({cookie.name: cookie.value}, HERE)
    assert cookie.max_age == A_YEAR
    assert cookie.value.count("~") == MOST_ACCOUNTS - 1
    known = [devices.known(f"person-{number}", browser) is not None for number in range(MOST_ACCOUNTS + 1)]
    assert known == [False] + [True] * MOST_ACCOUNTS
    changed = KnownDevices(Sealer([b"n" * 32, b"s" * 32], "https://id.example.org"), "device")
    assert changed.known("person-5", browser) is not None
    assert KnownDevices(Sealer([b"n" * 32], "https://id.example.org"), "device").known("person-5", browser) is None
    clock.advance(-A_DAY)
    assert devices.known("person-5", browser) is not None
    clock.advance(A_DAY + A_YEAR + 1)
    assert devices.known("person-5", browser) is None


# ----- The store and the clock ---------------------------------------------------------------------------------------


def test_what_is_counted_names_nobody(make_provider: MakeProvider, hashed: list[str]) -> None:
    """Issue 6, attack limits: hashed with a key; neither names nor addresses are to be read in the store."""
    provider = make_provider()
    Person(provider).fails(1, "a-very-special-name")
    written = json.dumps([[each.key, each.value] for each in provider.store.page_kept(ATTEMPT_COUNTERS)])
    assert "special" not in written
    assert HERE not in written
    other = OpenIDProvider(provider.settings)
    other.secrets = [b"x" * 32]
    limit = Limit("limits.failed_logins_per_account", 10, WINDOW)
    theirs = type(provider.attempt_counters)(provider.store, Sealer(other.secrets, provider.settings.issuer))
    assert provider.attempt_counters.counter(limit, "account alice").key != theirs.counter(limit, "account alice").key


def test_counters_are_bounded_in_number_and_end(make_provider: MakeProvider, hashed: list[str], clock: Clock) -> None:
    """Issue 6, attack limits: however many names somebody tries; and what is over is swept."""
    provider = make_provider()
    limit = Limit("a", 10, WINDOW)
    keys = {provider.attempt_counters.counter(limit, f"account {number}").key for number in range(2000)}
    assert all(int(key.split(" ")[1], 16) < BUCKETS for key in keys)
    assert len({key.split(" ")[2] for key in keys}) <= 2
    for number in range(20):
        Person(provider).fails(1, f"person-{number}")
    assert len(counts(provider)) == 41
    clock.advance(A_DAY + 1)
    provider.store.sweep()
    assert provider.store.page_kept(ATTEMPT_COUNTERS) == []


@pytest.mark.parametrize("days", [-400, -1, 1, 400])
def test_a_clock_that_is_set_holds_nobody_up_for_longer_than_a_window(
    make_provider: MakeProvider, hashed: list[str], clock: Clock, days: int
) -> None:
    """Set back or forward: another window, with a limit of its own, which ends as it says."""
    person = Person(make_provider())
    person.fails(10)
    clock.advance(days * A_DAY)
    person.fails(10)
    assert person.tries("wonderland") == "limited"
    assert person.retry_after <= WINDOW
    clock.advance(person.retry_after + 0.1)
    assert person.tries("wonderland") == "in"


@pytest.mark.default_store("moves a file away")
def test_without_a_store_nothing_is_looked_at(make_provider: MakeProvider, hashed: list[str]) -> None:
    """Issue 6, faults: 503, and never a guess that is not counted."""
    provider = make_provider()
    database = provider.settings.folder / "var" / "creance.db"
    database.rename(database.with_suffix(".away"))
    with pytest.raises(StoreUnavailable):
        provider.login_limits.authenticate("alice", "wonderland", Browser({}, HERE))
    assert hashed == []
    database.with_suffix(".away").rename(database)
    assert Person(provider).tries("wonderland") == "in"


def test_who_found_no_place_to_hash_has_not_tried(make_provider: MakeProvider) -> None:
    """What was counted beforehand is given back where the password was not looked at."""
    provider = make_provider(limits={"password_hashing_places": 1})
    room, taken = provider.users.passwords._room, 0
    while room.acquire(blocking=False):
        taken += 1
    person = Person(provider)
    assert [person.tries("wrong") for _ in range(12)] == ["busy"] * 12
    assert set(counts(provider).values()) == {0}
    for _ in range(taken):
        room.release()
    assert person.tries("wonderland") == "in"


def test_the_last_try_is_in_the_log_with_its_network(
    make_provider: MakeProvider, hashed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Operators block networks: one line when a limit is reached, with the network and never a name."""
    from creance.provider import login_limits

    lines: list[dict[str, Any]] = []

    class Log:
        def warning(self, event: str, **members: Any) -> None:
            lines.append({"event": event, **members})

    monkeypatch.setattr(login_limits, "logger", Log())
    person = Person(make_provider(), "2001:db8::1")
    person.fails(10)
    person.tries("wrong")
    (line,) = lines
    seconds = line.pop("seconds")
    assert 0 < seconds <= WINDOW
    assert line == {
        "event": "limit_reached",
        "limit": "limits.failed_logins_per_account",
        "network": "2001:db8::/64",
    }
