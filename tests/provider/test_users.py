"""People: those of the file and those of the store, how they log in, and what may be said of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from creance.provider import ClientSettings, ConfigurationError, OpenIDProvider, released_claims
from creance.provider.store import Conflict, StoreUnavailable
from creance.provider.user_claims import UserClaims
from creance.provider.users import USERS, User

from ..conftest import RunInProcesses, shared_table

MakeProvider = Callable[..., OpenIDProvider]
PASSWORD = "marked-password-8f2c"


@pytest.fixture(scope="module")
def shared(make_shared_provider: MakeProvider) -> OpenIDProvider:
    provider = make_shared_provider(
        more_users=[
            {"username": "gone", "password": PASSWORD, "disabled": True},
            {"username": "silent"},
            {"username": "named", "subject": "a-subject"},
        ]
    )
    provider.users.create_user("carol", PASSWORD, {"email": "carol@example.org"}, "carols-subject")
    provider.users.create_user("quiet")
    return provider


@pytest.fixture
def provider(make_provider: MakeProvider) -> OpenIDProvider:
    return make_provider()


# Logging in


@pytest.mark.parametrize(("username", "password"), [("alice", "wonderland"), ("bob", "builder"), ("carol", PASSWORD)])
def test_a_person_logs_in(shared: OpenIDProvider, username: str, password: str) -> None:
    """Issue 3, sessions: username and password."""
    user = shared.users.authenticate(username, password)
    assert user is not None
    assert user.username == username


@pytest.mark.parametrize(
    ("username", "password"),
    [
        ("alice", "builder"),
        ("alice", ""),
        ("Alice", "wonderland"),
        ("alice ", "wonderland"),
        ("alice\0", "wonderland"),
        ("carol", "wrong"),
        ("nobody", "wonderland"),
        ("", ""),
        ("\ud800", "\ud800"),
        ("a" * 100_000, "x"),
        ("gone", PASSWORD),
        ("silent", ""),
        ("silent", "None"),
        ("quiet", ""),
        ("quiet", "None"),
    ],
)
def test_everybody_else_gets_the_same_answer(shared: OpenIDProvider, username: str, password: str) -> None:
    """Issue 3, sessions; nobody learns whether there is such a user, or one that is disabled or has no password."""
    assert shared.users.authenticate(username, password) is None


def test_an_unknown_user_costs_one_hash_as_a_known_one_does(
    shared: OpenIDProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DESIGN, Keys: the same time."""
    counted: list[bool] = []

    def count(password: str, kept: str | None) -> bool:
        counted.append(kept is None)
        return False

    monkeypatch.setattr(shared.users.passwords, "verify", count)
    for username in ("carol", "quiet", "nobody", "gone"):
        assert shared.users.authenticate(username, "wrong") is None
    assert counted == [False, True, True, False]


# Finding


def test_a_subject_is_made_as_pyop_made_it(shared: OpenIDProvider) -> None:
    """DESIGN, Who it is for: teams keep their subject identifiers. pyop: SHA-256 of user name and salt."""
    alice = shared.users.find("alice")
    assert alice is not None
    assert alice.subject == hashlib.sha256(b"alicehttp://localhost:8400").hexdigest()


def test_a_salt_of_ones_own_is_mixed_in(make_provider: MakeProvider) -> None:
    """DESIGN, Configuration: subjects.salt."""
    alice = make_provider(subjects={"salt": "pepper"}).users.find("alice")
    assert alice is not None
    assert alice.subject == hashlib.sha256(b"alicepepper").hexdigest()


@pytest.mark.parametrize("username", ["alice", "gone", "named", "carol", "quiet"])
def test_a_user_is_found_by_name_and_by_subject(shared: OpenIDProvider, username: str) -> None:
    """DESIGN, Performance: an indexed look-up; a disabled user is found too, by who must refuse them."""
    user = shared.users.find(username)
    assert user is not None
    assert user.username == username
    assert user.disabled == (username == "gone")
    assert shared.users.find_by_subject(user.subject) == user


@pytest.mark.parametrize("name", ["nobody", "", "\0", "\ud800", "a" * 100_000])
def test_there_is_nobody_of_that_name(shared: OpenIDProvider, name: str) -> None:
    """Issue 3, bad input."""
    assert shared.users.find(name) is None
    assert shared.users.find_by_subject(name) is None


def test_a_name_that_nobody_can_have_is_not_looked_up(provider: OpenIDProvider) -> None:
    """Issue 3, bad input: what is asked for without any proof is not remembered, whatever its length."""
    provider.store.close()
    assert provider.users.find("a" * 256) is None
    assert provider.users.find_by_subject("a" * 256) is None
    with pytest.raises(StoreUnavailable):
        provider.users.find("a" * 255)


# Adding


def test_a_user_can_be_added(provider: OpenIDProvider) -> None:
    """Issue 3, command line: users add|passwd|list."""
    assert provider.users.find("carol") is None
    carol = provider.users.create_user("carol", PASSWORD, {"name": "Carol"})
    assert provider.users.find("carol") == carol
    assert carol.subject == hashlib.sha256(b"carolhttp://localhost:8400").hexdigest()
    assert list(provider.users.stored()) == [carol]
    assert [user.username for user in provider.users.configured()] == ["alice", "bob"]


def test_a_password_is_never_in_the_store(provider: OpenIDProvider) -> None:
    """PYOP 14; DESIGN, Keys: argon2id."""
    provider.users.create_user("carol", PASSWORD)
    document = provider.store.get(USERS, "carol")
    assert document is not None
    assert document.value["password_hash"].startswith("$argon2id$")
    assert PASSWORD not in str(document.value)


def test_a_password_can_be_changed_and_is_changed_at_once(provider: OpenIDProvider) -> None:
    """Issue 3, command line: users passwd."""
    provider.users.create_user("carol", PASSWORD)
    assert provider.users.authenticate("carol", PASSWORD)
    provider.users.set_password("carol", "another")
    assert not provider.users.authenticate("carol", PASSWORD)
    assert provider.users.authenticate("carol", "another")


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"username": "alice"}, "username alice is in the configuration file"),
        ({"username": "carol"}, "username carol exists already"),
        ({"username": ""}, "user.username: string should have at least 1 character"),
        ({"username": "a\0b"}, "user.username: string should match pattern"),
        ({"username": "a" * 256}, "user.username: string should have at most 255 characters"),
        ({"username": "dora", "subject": ""}, "user.subject: string should have at least 1 character"),
        ({"username": "dora", "subject": "ä"}, "user.subject: string should match pattern"),
        ({"username": "dora", "password": ""}, "user.password: "),
        ({"username": "dora", "password": PASSWORD * 100}, "user.password: "),
        ({"username": "dora", "claims": {"sub": "x"}}, "user.claims: sub belongs to the protocol"),
        ({"username": "dora", "claims": {"born": object()}}, "user.claims: born is not what JSON can say"),
        ({"username": "dora", "subject": "carols-subject"}, "the subject is taken"),
        ({"username": "dora", "subject": "app"}, "the subject is taken"),
        ({"username": "dora", "subject": "stored-client"}, "the subject is taken"),
    ],
)
def test_a_user_that_cannot_be_added_is_a_clear_error(
    provider: OpenIDProvider, fields: dict[str, Any], why: str
) -> None:
    """Issue 3, command line: one clear line; client_credentials: sub is the client_id, which no user can have."""
    provider.users.create_user("carol", subject="carols-subject")
    provider.clients.add(ClientSettings(client_id="stored-client", client_secret="s", grant_types=[]))
    with pytest.raises(ConfigurationError) as refusal:
        provider.users.create_user(**fields)
    assert refusal.value.mistakes[0].startswith(why)
    assert PASSWORD not in str(refusal.value)
    assert [user.username for user in provider.users.stored()] == ["carol"]


@pytest.mark.parametrize(
    ("username", "password", "why"),
    [
        ("alice", "x", "is in the configuration file"),
        ("nobody", "x", "does not exist"),
        ("carol", "", "user.password"),
        ("carol", "x" * 1025, "user.password"),
    ],
)
def test_a_password_that_cannot_be_set(provider: OpenIDProvider, username: str, password: str, why: str) -> None:
    """Issue 3, command line: one clear line."""
    provider.users.create_user("carol", PASSWORD)
    with pytest.raises(ConfigurationError, match=why):
        provider.users.set_password(username, password)
    assert provider.users.authenticate("carol", PASSWORD)


# Changing one's own password

CHANGES = """
import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from creance.provider import OpenIDProvider, Settings
from creance.provider.store import Conflict

table, folder = json.loads(arguments[0])
settings = Settings.model_validate(table)
settings._folder = Path(folder)
provider = OpenIDProvider(settings)
provider.start()
kept = provider.users.kept_password("carol")
assert provider.users.authenticate("carol", "marked-password-8f2c")

def change(number):
    new = f"{number} of {os.getpid()}"
    try:
        provider.users.change_password("carol", new, proven=kept)
    except Conflict:
        return None
    return new

ready()
with ThreadPoolExecutor(4) as pool:
    tell(json.dumps([new for new in pool.map(change, range(4)) if new]))
provider.stop()
"""


def test_of_many_who_change_a_password_one_does(make_provider: MakeProvider, run_in_processes: RunInProcesses) -> None:
    """NIST SP 800-63B-4 3.1.1.2: two processes have proven the same password, and four threads of each change it: it
    is good for one change, whichever comes first.
    """
    provider = make_provider()
    provider.users.create_user("carol", PASSWORD)
    folder = provider.settings.folder
    told = run_in_processes(CHANGES, json.dumps([shared_table(folder), str(folder)]), count=2)
    (new,) = [new for each in told for new in json.loads(each)]
    assert provider.users.authenticate("carol", new)
    assert not provider.users.authenticate("carol", PASSWORD)


def test_who_is_disabled_meanwhile_changes_nothing(provider: OpenIDProvider) -> None:
    """docs/account.md, Password: and a change of theirs does not undo what the operator did."""
    provider.users.create_user("carol", PASSWORD, {"email": "carol@example.org"})
    proven = provider.users.kept_password("carol")
    provider.users.disable("carol")
    with pytest.raises(Conflict):
        provider.users.change_password("carol", "another", proven=proven)
    assert not provider.users.authenticate("carol", "another")
    provider.users.enable("carol")
    assert provider.users.authenticate("carol", PASSWORD)
    provider.users.change_password("carol", "another", proven=proven)
    user = provider.users.authenticate("carol", "another")
    assert user is not None
    assert user.claims["email"] == "carol@example.org"


# The file and the store


def test_the_same_user_in_file_and_store_stops_the_start(make_provider: MakeProvider) -> None:
    """DESIGN, Configuration: the same id in both stops the start."""
    provider = make_provider()
    provider.users.create_user("carol")
    provider.users.create_user("dora", subject="doras-subject")
    with pytest.raises(ConfigurationError) as refusal:
        make_provider(more_users=[{"username": "carol"}, {"username": "eve", "subject": "doras-subject"}])
    assert refusal.value.mistakes == (
        "username carol is in the configuration and in the store",
        "the subject of eve is that of a user in the store",
    )


def test_a_user_whose_subject_is_a_client_stops_the_start(make_provider: MakeProvider) -> None:
    """Issue 3, client_credentials: sub is the client_id, which no user can have; however they came to be."""
    provider = make_provider()
    provider.users.create_user("carol", subject="late-client")
    provider.clients.add(ClientSettings(client_id="stored-client", client_secret="s", grant_types=[]))
    with pytest.raises(ConfigurationError) as refusal:
        make_provider(
            more_clients=[{"client_id": "late-client", "client_secret": "s", "grant_types": []}],
            more_users=[{"username": "dora", "subject": "stored-client"}],
        )
    assert refusal.value.mistakes == (
        "the subject of dora is the client_id of a client",
        "client_id late-client is the subject of a user in the store",
    )


def test_two_users_of_the_file_with_one_subject_stop_the_start(make_settings: Callable[..., Any]) -> None:
    """OpenID Connect Core 8: `sub` is never reassigned; one that is chosen may not be one that is made."""
    alices = hashlib.sha256(b"alicehttp://localhost:8400").hexdigest()
    with pytest.raises(ConfigurationError, match=r"^users: the subject of eve is that of alice$"):
        OpenIDProvider(make_settings(more_users=[{"username": "eve", "subject": alices}]))


# Claims


def test_only_the_named_claims_are_given_and_never_one_of_the_protocol() -> None:
    """Issue 3, id_token_claims: no claim of a user can overwrite a protocol claim."""
    user = User("a", "s", {"name": "A", "email": "a@example.org", "sub": "evil", "iss": "evil", "nonce": "evil"})
    assert released_claims(user, ["name", "phone_number", "sub", "iss", "nonce"]) == {"name": "A"}


def test_users_are_what_pyop_calls_userinfo(shared: OpenIDProvider) -> None:
    """PYOP, Seams: `userinfo` answers claims by local user name."""
    claims = UserClaims(shared.users)
    assert claims["carol"] == {"email": "carol@example.org", "sub": "carols-subject"}
    assert claims.get_claims_for("carol", {"email": None, "name": None}) == {"email": "carol@example.org"}
    assert "carol" in claims
    assert "nobody" not in claims
    assert 7 not in claims
    with pytest.raises(KeyError):
        claims["nobody"]
