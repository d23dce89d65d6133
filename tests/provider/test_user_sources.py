"""Sources of users: whose name and whose `sub` it is, what a failure is, and who waits for a slow one."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from creance.provider import Browser, OpenIDProvider, TemporarilyUnavailable, User
from creance.provider.store import StoreUnavailable, deadline, time_left
from creance.provider.store.baton import baton

from ..conftest import App

MakeProvider = Callable[..., OpenIDProvider]
PASSWORD = "marked-password-77aa"

SOURCE = """
from creance.provider import User

class Stranger(Plugin[PluginSettings, PluginSettings]):
    people, calls = {}, []

    @hookimpl
    def users(self):
        return self

    def find(self, username):
        return self.ask("find", username)

    def find_by_subject(self, subject):
        self.ask("find_by_subject", subject)
        return next((user for user in self.people.values() if user.subject == subject), None)

    def authenticate(self, username, password):
        user = self.ask("authenticate", username)
        return user if password == self.password else None

    def ask(self, method, name):
        self.calls.append((method, name))
        self.before()
        return self.people.get(name)

    def before(self):
        pass
"""


@pytest.fixture
def one(install_plugin: Callable[..., None], make_provider: MakeProvider) -> OpenIDProvider:
    install_plugin("first", SOURCE + f"    password = {PASSWORD!r}\n")
    return make_provider(plugins={"first": {}})


@pytest.fixture
def two(install_plugin: Callable[..., None], make_provider: MakeProvider) -> OpenIDProvider:
    """Two sources with different passwords for everybody."""
    install_plugin("first", SOURCE + f"    password = {PASSWORD!r}\n")
    install_plugin("second", SOURCE + "    password = 'of-the-second'\n")
    return make_provider(plugins={"first": {}, "second": {}})


def source(provider: OpenIDProvider, name: str = "first") -> Any:
    return provider.plugins.plugins[name]


def add(provider: OpenIDProvider, username: str, subject: str, name: str = "first", **changes: Any) -> User:
    user = User(username, subject, {"name": username.title()}, **changes)
    source(provider, name).people[username] = user
    return user


def subject_of(provider: OpenIDProvider, username: str) -> str:
    """The `sub` that the file and the store give to a name."""
    return str(provider.users.subject_identifiers.create_public_identifier(username))


# Whose name, whose sub


def test_a_person_of_a_source_is_one_of_ours(one: OpenIDProvider) -> None:
    """Hook users: found by name and by subject, and logged in."""
    carol = add(one, "carol", "c-1")
    assert one.users.find("carol") == carol
    assert one.users.find_by_subject("c-1") == carol
    assert one.users.authenticate("carol", PASSWORD) == carol
    assert one.users.authenticate("carol", "wrong") is None
    assert one.users.authenticate("nobody", PASSWORD) is None


def test_a_source_does_not_get_the_passwords_of_our_own_people(one: OpenIDProvider) -> None:
    """Hook users: a name of the file or of the store is asked of no source, by whatever password."""
    one.users.create_user("dave", "builders", {})
    add(one, "alice", "c-1")
    add(one, "dave", "c-2")
    assert one.users.authenticate("alice", PASSWORD) is None
    assert one.users.authenticate("dave", PASSWORD) is None
    assert one.users.authenticate("dave", "builders") is not None
    assert not [call for call in source(one).calls if call[0] == "authenticate"]


@pytest.mark.parametrize("typed", ["ALICE", "alice@example.org"])
@pytest.mark.parametrize("same_subject", [True, False])
def test_another_spelling_is_no_way_into_our_own_people_s_accounts(
    one: OpenIDProvider, typed: str, same_subject: bool
) -> None:
    """Hook users: what a source answers counts for its own names only, whatever was typed and whatever `sub` it has."""
    impostor = User("alice", subject_of(one, "alice") if same_subject else "c-1", {})
    source(one).people |= {typed: impostor, "alice": impostor}
    assert one.users.authenticate(typed, PASSWORD) is None
    assert one.users.find(typed) is None


@pytest.mark.parametrize("same_subject", [True, False])
def test_the_first_source_with_a_name_has_it(two: OpenIDProvider, same_subject: bool) -> None:
    """Hook users: in the order of the configuration; the password of the second opens nothing of the first."""
    first = add(two, "carol", "c-1")
    add(two, "carol", "c-1" if same_subject else "c-2", "second")
    assert two.users.find("carol") == first
    assert two.users.authenticate("carol", PASSWORD) == first
    assert two.users.authenticate("carol", "of-the-second") is None
    assert two.users.find_by_subject("c-2") is None


def test_the_second_source_is_asked_for_whom_the_first_does_not_have(two: OpenIDProvider) -> None:
    """Hook users."""
    carol = add(two, "carol", "c-2", "second")
    assert two.users.authenticate("carol", "of-the-second") == carol
    assert two.users.find_by_subject("c-2") == carol


def test_a_taken_subject_is_refused(two: OpenIDProvider) -> None:
    """OpenID Connect Core 2: a `sub` is never somebody else's: of the file, the store, a client, an earlier source."""
    two.users.create_user("dave", "builders", {}, "daves-subject")
    add(two, "carol", "c-1")
    taken = [subject_of(two, "alice"), "daves-subject", "app", "c-1"]
    for number, subject in enumerate(taken):
        add(two, f"erin{number}", subject, "second")
        assert two.users.find(f"erin{number}") is None
        assert two.users.authenticate(f"erin{number}", "of-the-second") is None
    owners = [two.users.find_by_subject(subject) for subject in taken]
    assert [user and user.username for user in owners] == ["alice", "dave", None, "carol"]


def test_who_is_disabled_in_a_source_does_not_log_in(one: OpenIDProvider) -> None:
    """Hook users: found, and nothing more."""
    add(one, "carol", "c-1", disabled=True)
    assert one.users.find("carol") is not None
    assert one.users.authenticate("carol", PASSWORD) is None


@pytest.mark.parametrize(
    ("username", "password"),
    [("", PASSWORD), ("a\0b", PASSWORD), ("a" * 256, PASSWORD), ("carol", ""), ("x", "p" * 1025)],
)
def test_what_can_be_nobody_s_reaches_no_source(one: OpenIDProvider, username: str, password: str) -> None:
    """RFC 4513 5.1.2 for the empty password; the rest is no name and no password."""
    assert one.users.authenticate(username, password) is None
    assert username == "carol" or username == "x" or one.users.find(username) is None
    assert source(one).calls == []


# Failures


def fail(one: OpenIDProvider) -> None:
    def broken() -> None:
        raise RuntimeError(f"cannot bind with {PASSWORD}")

    source(one).before = broken


def test_a_failure_is_told_as_one_and_not_remembered(one: OpenIDProvider) -> None:
    """RFC 6749 4.1.2.1, temporarily_unavailable: no failure is `no such user`, not even for a moment."""
    add(one, "carol", "c-1")
    fail(one)
    asks: list[Callable[[], object]] = [
        lambda: one.users.find("carol"),
        lambda: one.users.find_by_subject("c-1"),
        lambda: one.users.authenticate("carol", PASSWORD),
    ]
    for ask in asks:
        with pytest.raises(TemporarilyUnavailable):
            ask()
    del source(one).before
    assert all(ask() for ask in asks)


def test_a_failure_is_one_line_without_its_text(one: OpenIDProvider, capfd: pytest.CaptureFixture[str]) -> None:
    """Never a password in the log: an exception may have it in its text."""
    fail(one)
    with pytest.raises(TemporarilyUnavailable) as raised:
        one.users.authenticate("carol", PASSWORD)
    output = capfd.readouterr().out
    assert PASSWORD not in output + str(raised.value) + raised.value.hint
    assert output.count("users of plugins.first") == 1
    assert "RuntimeError" in output


def test_a_failure_of_the_first_source_leaves_nobody_to_the_second(two: OpenIDProvider) -> None:
    """Hook users: while the first cannot say whether a name is its own, the second does not get it."""
    add(two, "carol", "c-2", "second")
    fail(two)
    with pytest.raises(TemporarilyUnavailable):
        two.users.authenticate("carol", "of-the-second")
    with pytest.raises(TemporarilyUnavailable):
        two.users.find("carol")


def test_our_own_people_do_not_depend_on_a_source(one: OpenIDProvider) -> None:
    """Hook users: the file answers without it."""
    fail(one)
    assert one.users.authenticate("alice", "wonderland") is not None
    assert one.users.find("alice") is not None


@pytest.mark.parametrize("answer", ["carol", User("carol", "sub\n", {}), User("carol", "ü", {}), User("", "c-1", {})])
def test_an_answer_that_is_no_user_is_a_failure(one: OpenIDProvider, answer: Any) -> None:
    """OpenID Connect Core 2: a `sub` is ASCII."""
    source(one).people["carol"] = answer
    with pytest.raises(TemporarilyUnavailable):
        one.users.find("carol")


def test_an_app_is_told_that_it_is_worth_trying_again(
    one: OpenIDProvider, install_plugin: Callable[..., None], make_provider: MakeProvider, login_plugin: dict[str, Any]
) -> None:
    """RFC 6749 4.1.2.1, 5.2: by redirect at the authorization endpoint, 503 at the token endpoint; no code is burnt."""
    provider = make_provider(plugins={"first": {}, **login_plugin})
    app = App(provider, "app")
    add(provider, "carol", "c-1")
    code = app.authorize("carol")
    provider.users.sources.forget("carol", "c-1")
    fail(provider)
    answer = app.answer(Browser({"user": "carol"}, "127.0.0.1"))
    assert answer.error is not None
    assert answer.error.error == "temporarily_unavailable"
    assert answer.location.startswith(code.redirect_uri)
    with pytest.raises(TemporarilyUnavailable) as refusal:
        app.exchange(code)
    assert refusal.value.status == 503
    del source(provider).before
    assert app.claims(app.exchange(code))["sub"] == "c-1"


# Who waits


def test_what_a_source_said_is_remembered(one: OpenIDProvider) -> None:
    """docs/users.md: for a moment, that there is nobody included; `forget` ends it."""
    for _ in range(3):
        assert one.users.find("carol") is None
    assert source(one).calls == [("find", "carol")]
    add(one, "carol", "c-1")
    one.users.sources.forget("carol", "c-1")
    assert one.users.find("carol") is not None


def test_others_run_while_a_source_is_waited_for(one: OpenIDProvider) -> None:
    """docs/architecture.md, the baton: it is laid down for the call, and taken again."""
    has_it: list[bool] = []
    source(one).before = lambda: has_it.append(baton._has_it())
    with baton.held():
        one.users.find("carol")
        has_it.append(baton._has_it())
    assert has_it == [False, True]


def test_no_more_than_half_of_the_threads_wait_for_a_source(
    install_plugin: Callable[..., None], make_provider: MakeProvider
) -> None:
    """docs/users.md: the next is refused, and our own people go on."""
    install_plugin("first", SOURCE + f"    password = {PASSWORD!r}\n")
    provider = make_provider(plugins={"first": {}}, http={"threads": 4})
    waiting, go_on = threading.Semaphore(0), threading.Event()

    def wait() -> None:
        waiting.release()
        assert go_on.wait(30)

    source(provider).before = wait
    threads = [threading.Thread(target=provider.users.find, args=(f"name-{number}",)) for number in range(2)]
    for thread in threads:
        thread.start()
    assert waiting.acquire(timeout=30)
    assert waiting.acquire(timeout=30)
    with pytest.raises(TemporarilyUnavailable):
        provider.users.find("name-2")
    assert provider.users.find("alice") is not None
    go_on.set()
    for thread in threads:
        thread.join(30)
    assert provider.users.find("name-2") is None


def test_what_a_source_takes_is_not_the_store_s_time(one: OpenIDProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    """DESIGN, the store: one deadline a request, of what is asked of the store."""
    ahead = [0.0]
    true = time.monotonic
    monkeypatch.setattr(time, "monotonic", lambda: true() + ahead[0])
    source(one).before = lambda: ahead.__setitem__(0, ahead[0] + 100)
    with deadline(2):
        one.store.get(one.collections[0], "nothing")  # the time begins to run
        one.users.find("carol")
        one.store.write([])
        assert time_left(2) > 0
        ahead[0] += 100
        assert time_left(2) == 0


def test_a_store_that_does_not_answer_is_no_defect_of_a_source(
    one: OpenIDProvider, capfd: pytest.CaptureFixture[str]
) -> None:
    """A source may keep its people in our store: then its failure is the store's."""

    def broken() -> None:
        raise StoreUnavailable("down")

    source(one).before = broken
    with pytest.raises(StoreUnavailable):
        one.users.find("carol")
    lines = [json.loads(line) for line in capfd.readouterr().out.splitlines() if line.startswith("{")]
    assert not any(line["event"] == "defect" for line in lines)


def test_sources_are_there_once_after_a_second_start(one: OpenIDProvider) -> None:
    """OpenIDProvider.stop, start: nobody is asked twice."""
    one.stop()
    one.start()
    one.users.find("nobody-yet")
    assert source(one).calls == [("find", "nobody-yet")]


def test_a_name_that_nobody_can_have_costs_a_hash(one: OpenIDProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    """Issue 6, login: the login page asks for such a name where what was typed means nobody, to take the same time."""
    verified: list[str | None] = []
    monkeypatch.setattr(one.users.passwords, "verify", lambda password, kept: verified.append(kept))
    assert one.users.authenticate("\0alice", "wonderland") is None
    assert verified == [None]


def test_find_is_exact(one: OpenIDProvider) -> None:
    """UserSource.find: a source that does not care about case makes no second name of one person."""
    carol = add(one, "carol", "c-1")
    source(one).people["CAROL"] = carol
    assert one.users.find("CAROL") is None
    assert one.users.authenticate("CAROL", PASSWORD) == carol
