"""Logging in with a user name or an e-mail address (issue 6, item 1)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from creance.provider.store import replace
from creance.provider.users import USERS

from .served import Served, serving

ISSUER = "https://id.example.org"
CONFIGURED = """
[[users]]
username = "dora"
password = "dora's"
claims = { email = "Dora@Example.org" }
[[users]]
username = "erik@example.org"
password = "erik's"
"""
PEOPLE = [
    ("carol", "carol's", {"email": "carol@example.org", "email_verified": False}),
    ("mallory", "mallory's", {"email": "ERIK@example.org"}),
    ("frank", "frank's", {"email": "both@example.org", "email_verified": True}),
    ("grace", "grace's", {"email": "BOTH@example.org"}),
    ("heidi", "heidi's", {"email": "dora@example.org"}),
    ("ivan", "ivan's", {"email": "alice"}),
    ("judy", "judy's", {"email": ["judy@example.org"]}),
]


def people_in(served: Served) -> Served:
    for username, password, claims in PEOPLE:
        served.provider.users.create_user(username, password, claims)
    return served


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Limits are for others: here passwords are wrong on purpose."""
    limits = "[limits]\nfailed_logins_per_account = 1000\nfailed_logins_per_network = 1000\n"
    with serving(tmp_path_factory.mktemp("names"), ISSUER, CONFIGURED + limits) as here:
        yield people_in(here)


@pytest.fixture
def served(shared: Served) -> Served:
    shared.cookies = {}
    return shared


def who(served: Served) -> str | None:
    session = served.session()
    return session["username"] if session else None


@pytest.mark.parametrize(
    ("typed", "password", "username"),
    [
        ("carol", "carol's", "carol"),
        ("carol@example.org", "carol's", "carol"),
        ("Carol@EXAMPLE.org", "carol's", "carol"),
        ("erik@example.org", "erik's", "erik@example.org"),
        ("alice", "wonderland", "alice"),
    ],
)
def test_a_user_name_or_an_address(served: Served, typed: str, password: str, username: str) -> None:
    """login_with: an address in whatever case, verified or not, of the file and of the store."""
    assert served.log_in(typed, password).status_code == 303
    assert who(served) == username


@pytest.mark.parametrize(
    ("typed", "password"),
    [
        ("erik@example.org", "mallory's"),  # a user name wins
        ("ERIK@example.org", "mallory's"),  # in whatever case
        ("both@example.org", "frank's"),  # of two users of the store, verified or not
        ("both@example.org", "grace's"),
        ("dora@example.org", "dora's"),  # one of the file, one of the store
        ("dora@example.org", "heidi's"),
        ("alice", "ivan's"),  # no address, and a user name
        ("judy@example.org", "judy's"),  # not what a claim `email` is
        ("nobody@example.org", "wonderland"),
        ("@", "wonderland"),
        ("carol@example.org", "wrong"),
    ],
)
def test_an_address_never_logs_in_somebody_else(served: Served, typed: str, password: str) -> None:
    """Impersonation: somebody's address that is another's user name, or address, logs nobody in; the name is kept."""
    refused = served.log_in(typed, password)
    assert refused.status_code == 200
    assert "is not right" in refused.text
    assert f'value="{typed}"' in refused.text
    assert who(served) is None


@pytest.mark.parametrize("typed", ["carol", "carol@example.org", "nobody", "nobody@example.org", "both@example.org"])
def test_one_hash_whoever_is_meant(served: Served, monkeypatch: pytest.MonkeyPatch, typed: str) -> None:
    """The same time for known and unknown names: one password is verified, and one address looked up if it is one."""
    verified: list[bool] = []
    looked_up: list[str] = []
    users = served.provider.users
    find_by_email = users.find_by_email
    monkeypatch.setattr(users.passwords, "verify", lambda password, kept: verified.append(kept is not None))
    monkeypatch.setattr(users, "find_by_email", lambda email: (looked_up.append(email), find_by_email(email))[1])
    served.log_in(typed, "wrong")
    assert verified == [typed.startswith("carol")]
    assert looked_up == ([typed] if "@" in typed else [])


def test_the_same_page_for_every_name(served: Served) -> None:
    """A failure says nothing about whether there is such a user."""
    pages = set()
    for typed in ("carol@example.org", "nobody@example.org", "both@example.org", "erik@example.org", "carol", "nobody"):
        pages.add(served.log_in(typed, "wrong").text.replace(typed, "X"))
    assert len({page.partition('name="csrf_token"')[0] for page in pages}) == 1


@pytest.mark.parametrize(
    ("login_with", "works", "fails", "label"),
    [
        ('["username"]', "carol", "carol@example.org", "User name<"),
        ('["email"]', "carol@example.org", "carol", "E-mail address<"),
    ],
)
def test_only_one_of_them(tmp_path: Path, login_with: str, works: str, fails: str, label: str) -> None:
    """login_with names what people can type, and the page says it."""
    with serving(tmp_path, ISSUER, f"login_with = {login_with}\n{CONFIGURED}") as here:
        people_in(here)
        assert label in here.get("/auth/login").text
        assert here.log_in(fails, "carol's").status_code == 200
        assert here.log_in("erik@example.org", "mallory's").status_code == 200
        assert here.log_in(works, "carol's").status_code == 303


def test_users_who_were_written_before_are_found_once_they_are_written_anew(served: Served) -> None:
    """Documents without `email`: by user name as ever, by address after `users reindex`, or any change."""
    users, store = served.provider.users, served.provider.store
    users.create_user("karl", "karl's", {"email": "karl@example.org"})
    document = store.get(USERS, "karl")
    assert document is not None
    old: dict[str, Any] = {name: value for name, value in document.value.items() if name != "email"}
    store.write([replace(USERS, document, old)])
    assert users.find_by_email("karl@example.org") is None
    assert served.log_in("karl", "karl's").status_code == 303
    served.cookies = {}
    users.rewrite("karl")
    assert served.log_in("karl@example.org", "karl's").status_code == 303
