"""`creance users import` (issue 6, item 9): all of a file, or nothing of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from creance.provider import OpenIDProvider
from creance.provider.passwords import Passwords
from creance.provider.users import USERS

HASH = Passwords().hash("a password")
PEOPLE: list[dict[str, Any]] = [
    {"username": "carol", "password_hash": HASH, "claims": {"email": "Carol@example.org", "email_verified": True}},
    {"username": "dave", "subject": "d-1", "disabled": True},
    {"username": "eve", "password_hash": HASH},
]


def written(tmp_path: Path, *people: Any) -> Path:
    path = tmp_path / "people.jsonl"
    path.write_text("".join(f"{each if isinstance(each, str) else json.dumps(each)}\n" for each in people), "utf-8")
    return path


def stored(command: Any) -> dict[str, dict[str, Any]]:
    provider = OpenIDProvider.from_config(command.configuration)
    provider.start()
    try:
        return {document.key: document.value for document in provider.store.page(USERS)}
    finally:
        provider.stop()


def authenticates(command: Any, username: str, password: str) -> bool:
    provider = OpenIDProvider.from_config(command.configuration)
    provider.start()
    try:
        return provider.users.authenticate(username, password) is not None
    finally:
        provider.stop()


def test_json_lines_are_taken_over(command: Any, tmp_path: Path) -> None:
    """JSON lines with the names of [[users]]; hashes as they are, so that people keep their passwords."""
    assert command.done("users", "import", written(tmp_path, *PEOPLE)) == "3 users are added\n"
    users = stored(command)
    assert users["carol"]["password_hash"] == HASH
    assert users["carol"]["claims"] == PEOPLE[0]["claims"]
    assert users["carol"]["email"] == "carol@example.org"
    assert (users["dave"]["subject"], users["dave"]["disabled"], users["dave"]["password_hash"]) == ("d-1", True, None)
    assert authenticates(command, "carol", "a password")
    assert not authenticates(command, "dave", "a password")


def test_csv_is_taken_over(command: Any, tmp_path: Path) -> None:
    """CSV (RFC 4180): columns by the names of [[users]], and all others are claims; an empty cell is none."""
    path = tmp_path / "people.csv"
    header, *rows = [
        ["username", "password_hash", "subject", "disabled", "email", "email_verified", "address", "name"],
        [
            "carol",
            f'"{HASH}"',
            "",
            "",
            "Carol@example.org",
            "true",
            '"{""country"": ""NL""}"',
            '"Carol,\nof the North"',
        ],
        ["dave", "", "d-1", "true", "", "", "", ""],
    ]
    path.write_bytes(b"\xef\xbb\xbf" + "\r\n".join(",".join(row) for row in (header, *rows)).encode())
    assert command.done("users", "import", path) == "2 users are added\n"
    users = stored(command)
    assert users["carol"]["password_hash"] == HASH
    assert users["carol"]["claims"] == {
        "email": "Carol@example.org",
        "email_verified": True,
        "address": {"country": "NL"},
        "name": "Carol,\nof the North",
    }
    assert (users["dave"]["subject"], users["dave"]["disabled"], users["dave"]["claims"]) == ("d-1", True, {})


def test_all_mistakes_are_said_with_their_lines_and_nothing_is_done(command: Any, tmp_path: Path) -> None:
    """All mistakes at once; nothing half done where a line is wrong."""
    command.done("users", "add", "zoe", "--subject", "z-1", typed="x")
    people = written(
        tmp_path,
        PEOPLE[0],
        {"username": "dora", "passwort": "x"},
        "",
        {"username": "frank", "claims": {"sub": "1"}, "password_hash": "md5"},
        {"username": "alice"},
        {"username": "zoe"},
        {"username": "grace", "subject": "z-1"},
        {"username": "heidi", "subject": "app"},
        {"username": "carol"},
        {"username": "ivan", "subject": "twice"},
        {"username": "judy", "subject": "twice"},
        {"username": "karl", "password": "secret-in-the-clear"},
        {"claims": {}},
    )
    lines = command.refused("users", "import", people)
    assert lines == [
        "line 2: passwort: no such setting; did you mean 'password'?",
        "line 4: password_hash: string should match pattern '^\\$argon2id\\$'",
        "line 4: claims: sub belongs to the protocol and cannot be set by a user",
        "line 5: username alice exists already, and is another",
        "line 6: username zoe exists already, and is another",
        "line 7: the subject is taken, by another user or as a client_id",
        "line 8: the subject is taken, by another user or as a client_id",
        "line 9: the username is that of line 1",
        "line 9: the subject is that of line 1",
        "line 11: the subject is that of line 10",
        "line 12: password: is not hashed; give password_hash, as creance hash prints it, or say --plain-passwords",
        "line 13: username: field required",
    ]
    assert list(stored(command)) == ["zoe"]


@pytest.mark.parametrize(
    ("name", "content", "mistakes"),
    [
        ("a.jsonl", "{\n[1]\n{}\n", ["line 1: is not JSON", "line 2: is not a JSON object"]),
        (
            "a.jsonl",
            '{"username": "a", "claims": {"x": NaN}}',
            ["line 1: claims: x is not what JSON can say: write a date or time as text"],
        ),
        ("a.csv", "name,email\nx,y\n", ["line 1: no column username: the first line names the columns"]),
        ("a.csv", "", ["line 1: no column username: the first line names the columns"]),
        ("a.csv", "username,email,email\nx,y,z\n", ["line 1: two columns are called email"]),
        ("a.csv", 'username,name\na,"x\ny"\nb,c,d\n', ["line 4: has more cells than the first line"]),
        ("a.csv", 'username\n"a" b\n', ["line 2: ',' expected after '\"'"]),
        (
            "a.csv",
            "username,disabled\na,perhaps\n",
            ["line 2: disabled: input should be a valid boolean"],
        ),
    ],
)
def test_files_that_cannot_be_read(command: Any, tmp_path: Path, name: str, content: str, mistakes: list[str]) -> None:
    """Issue 3, command line: clear lines, never a traceback, and never what was written."""
    path = tmp_path / name
    path.write_text(content, "utf-8")
    said = command.refused("users", "import", path)
    assert len(said) == len(mistakes)
    assert all(line.startswith(mistake) for line, mistake in zip(said, mistakes, strict=True)), said
    assert stored(command) == {}


def test_a_file_that_is_not_utf_8(command: Any, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"username\n\xff\n")
    assert command.refused("users", "import", path) == [f"{path} is not UTF-8"]


def test_a_file_whose_kind_is_not_known(command: Any, tmp_path: Path) -> None:
    """--format says it where the name does not."""
    path = tmp_path / "people"
    path.write_text("username\ncarol\n", "utf-8")
    assert command("users", "import", path).exit_code == 2
    assert command.done("users", "import", path, "--format", "csv") == "1 users are added\n"


def test_a_dry_run_writes_nothing(command: Any, tmp_path: Path) -> None:
    """--dry-run says what would be done, and finds the same mistakes."""
    people = written(tmp_path, *PEOPLE)
    assert command.done("users", "import", people, "--dry-run") == "3 users would be added\n"
    assert stored(command) == {}
    assert command.refused("users", "import", written(tmp_path, {"username": "alice"}), "--dry-run")


def test_an_import_can_be_done_again(command: Any, tmp_path: Path) -> None:
    """Interrupted: who is there just so is passed over; who is there otherwise is a mistake."""
    command.done("users", "import", written(tmp_path, *PEOPLE[:2]))
    assert command.done("users", "import", written(tmp_path, *PEOPLE)) == "1 users are added; 2 were there already\n"
    (mistake,) = command.refused("users", "import", written(tmp_path, {**PEOPLE[0], "claims": {}}))
    assert mistake == "line 1: username carol exists already, and is another"


def test_plain_passwords_are_hashed_where_that_is_asked_for(command: Any, tmp_path: Path) -> None:
    """--plain-passwords: argon2id in the store, never the password; and again it is the same user."""
    people = written(tmp_path, {"username": "karl", "password": "in the clear"})
    command.done("users", "import", people, "--plain-passwords")
    assert stored(command)["karl"]["password_hash"].startswith("$argon2id$")
    assert "in the clear" not in json.dumps(stored(command))
    assert authenticates(command, "karl", "in the clear")
    again = command.done("users", "import", people, "--plain-passwords")
    assert again == "0 users are added; 1 were there already\n"
    other = written(tmp_path, {"username": "karl", "password": "another"})
    assert command.refused("users", "import", other, "--plain-passwords")


def test_many_users_are_written_some_at_a_time(command: Any, tmp_path: Path) -> None:
    """More than one write holds."""
    people = [{"username": f"user-{number}", "password_hash": HASH} for number in range(250)]
    assert command.done("users", "import", written(tmp_path, *people)) == "250 users are added\n"
    lines = command.done("users", "list").splitlines()
    assert sum(line.startswith("user-") for line in lines) == 250
