"""`creance store`."""

from __future__ import annotations

import json
import re
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from creance.provider.store import Store, sqlite_layout

pytestmark = pytest.mark.default_store("examines and backs up a file; what is about a server names one")


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "var" / "creance.db"


@pytest.fixture
def backup(tmp_path: Path) -> Path:
    return tmp_path / "backup.db"


@pytest.fixture
def other_store(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A stranger's store, which is no file of ours, in the place of SQLite."""
    methods = {name: lambda *_, **__: None for name in Store.__abstractmethods__}
    other = type("Other", (Store,), {**methods, "describe": lambda _: "a server somewhere"})
    other.from_uri = classmethod(lambda cls, uri, **_: cls())
    monkeypatch.setattr("creance.provider.store.store_class", lambda scheme: other)
    return iter(())


def facts_of(output: str) -> dict[str, str]:
    """The first table of `creance store check`."""
    rows = output.split("\n\n")[1].splitlines()[1:]
    return dict(re.split(r"  +", row, maxsplit=1) for row in rows)


# Backup and restore


def test_a_backup_says_what_it_holds_and_what_it_does_not(command: Any, backup: Path, tmp_path: Path) -> None:
    """Issue 4: keys are sealed in it, and the secret that opens them is not."""
    lines = command.done("store", "backup", backup).splitlines()
    assert lines[0] == f"{backup}: {backup.stat().st_size} bytes, complete and sound"
    assert "hashes of passwords and tokens, and the signing keys, sealed" in lines[1]
    secret = tmp_path / "var" / "secret"
    assert str(secret) in lines[2]
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    assert secret.read_bytes().strip() not in backup.read_bytes()


def test_a_backup_is_overwritten_by_force_only(command: Any, backup: Path) -> None:
    backup.write_text("yesterday's")
    assert command.refused("store", "backup", backup) == [f"{backup} is there already, and stays as it is"]
    assert backup.read_text() == "yesterday's"
    command.done("store", "backup", "--force", backup)
    command.done("store", "check", backup)


def test_a_relative_file_is_relative_to_where_one_is(
    command: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of any command: the folder of the configuration is for what the configuration names."""
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    command.done("store", "backup", "b.db")
    command.done("store", "check", "b.db")
    command.done("store", "restore", "b.db")
    assert [file.name for file in here.iterdir()] == ["b.db"]


def test_a_database_that_is_not_there_is_not_made(command: Any, database: Path, backup: Path) -> None:
    database.unlink()
    missing = f"the database {database} cannot be reached: No such file or directory"
    assert command.refused("store", "backup", backup) == [missing]
    assert command.refused("store", "check") == [missing]
    assert not database.exists()
    assert not backup.exists()


def test_people_clients_and_keys_come_back(command: Any, backup: Path, database: Path) -> None:
    """`creance store restore`: as they were when the backup was made."""
    command.done("users", "add", "carol", typed="a password")
    keys = command.done("keys", "list")
    command.done("store", "backup", backup)
    command.done("users", "add", "dave", typed="a password")
    command.done("keys", "rotate", "--immediately")
    lines = command.done("store", "restore", backup).splitlines()
    assert lines == [f"{backup} is restored", f"What was there before is {database}.before-restore"]
    assert command.done("keys", "list") == keys
    users = command.done("users", "list")
    assert "carol" in users
    assert "dave" not in users


def test_what_was_issued_comes_back_on_demand_only(command: Any, backup: Path, database: Path) -> None:
    """`--keep-issued` says what it does; tests/faults/test_backup_under_load.py shows it over HTTP."""
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("INSERT INTO c_access_tokens VALUES ('k', '{}', 1, 9e9, 9e9, NULL, 1)")
        connection.commit()
    command.done("store", "backup", backup)
    assert documents(command, "access_tokens") == 1
    command.done("store", "restore", backup)
    assert documents(command, "access_tokens") == 0
    (first, _) = command.done("store", "restore", "--keep-issued", backup).splitlines()
    assert first == f"{backup} is restored, with all that was issued"
    assert documents(command, "access_tokens") == 1


def documents(command: Any, collection: str) -> int:
    (examined,) = json.loads(command.done("store", "check", "--json"))["stores"]
    (contents,) = (each for each in examined["contents"] if each["collection"] == collection)
    return int(contents["documents"])


# Check


def test_a_sound_database(command: Any, database: Path, tmp_path: Path) -> None:
    output = command.done("store", "check")
    assert output.startswith(f"SQLite {sqlite3.sqlite_version}, {database}\n\nwhat")
    facts = facts_of(output)
    assert facts["file size"] == str(database.stat().st_size)
    assert facts["integrity"] == "ok"
    assert facts["layout"] == str(sqlite_layout.LAYOUT_VERSION)
    assert facts["keys"] == f"opened by {tmp_path / 'var' / 'secret'}"
    rows = [line.split() for line in output.split("\n\n")[2].splitlines()]
    assert rows[0] == ["collection", "schema", "documents", "only", "kept", "to", "be", "swept"]
    assert ["signing_keys", "1", "1", "0", "0"] in rows
    assert ["users", "-", "0", "0", "0"] in rows


def test_the_same_for_programs(command: Any, database: Path) -> None:
    (examined,) = json.loads(command.done("store", "check", "--json"))["stores"]
    assert set(examined) == {"store", "facts", "contents", "problems"}
    assert examined["store"].endswith(str(database))
    assert examined["facts"]["integrity"] == "ok"
    assert examined["problems"] == []
    keys = {"collection": "signing_keys", "schema": 1, "documents": 1, "kept": 0, "unswept": 0}
    assert keys in examined["contents"]


def test_a_backup_is_checked_before_it_is_needed(command: Any, backup: Path) -> None:
    """Its keys too: a backup that today's secret does not open is none."""
    command.done("store", "backup", backup)
    before = backup.read_bytes()
    assert facts_of(command.done("store", "check", backup))["keys"].startswith("opened by ")
    assert backup.read_bytes() == before


def test_keys_that_the_secret_does_not_open_are_a_problem(command: Any, tmp_path: Path) -> None:
    """Without its secret no database is worth anything."""
    (tmp_path / "var" / "secret").write_text("another secret, of thirty-two characters\n")
    (line,) = problems(command)
    assert "its secret does not open the keys in the store" in line
    (tmp_path / "var" / "secret").unlink()
    (line,) = problems(command)
    assert "is not there" in line


def test_a_database_without_keys_has_none_yet(command: Any, database: Path) -> None:
    """The first start makes them; until then there is nothing that a secret could open."""
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("DELETE FROM c_signing_keys")
        connection.commit()
    assert facts_of(command.done("store", "check"))["keys"] == "none yet"


def test_all_problems_are_said_and_the_rest_is_shown(command: Any, database: Path) -> None:
    """Exit code 1; a line for each problem on standard error; with --json they are in it too."""
    with closing(sqlite3.connect(database)) as connection:
        for name in ("clients", "access_tokens"):
            connection.execute(f"INSERT INTO c_{name} VALUES ('k', '{{}}', 1, 9e9, 9e9, NULL, 7)")
        connection.commit()
    lines = problems(command)
    assert [line.partition(",")[0] for line in lines] == [
        "access_tokens has documents of schema 7 (1 of them)",
        "clients has documents of schema 7 (1 of them)",
    ]
    result = command("store", "check", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["stores"][0]["problems"] == lines


def problems(command: Any) -> list[str]:
    result = command("store", "check")
    assert result.exit_code == 1
    assert result.stdout.startswith("SQLite ")
    return [line.removeprefix("creance: ") for line in result.stderr.splitlines()]


def test_a_damaged_database(command: Any, database: Path) -> None:
    content = database.read_bytes()
    database.write_bytes(content[:8192] + b"\xa5" * (len(content) - 8192))
    assert all("damaged" in line for line in problems(command))


def test_a_file_that_is_no_database(command: Any) -> None:
    result = command("store", "check", command.configuration)
    assert result.exit_code == 1
    assert "is not a database of SQLite" in result.stderr


def test_a_database_that_the_next_start_will_migrate(command: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is sound; its keys are looked at when it has today's layout."""
    monkeypatch.setattr(sqlite_layout, "LAYOUT_VERSION", sqlite_layout.LAYOUT_VERSION + 1)
    facts = facts_of(command.done("store", "check"))
    assert facts["keys"].startswith("not looked at: ")
    assert facts["keys"].endswith(f"the next start makes it layout {sqlite_layout.LAYOUT_VERSION}")


# Stores that are no file


@pytest.mark.usefixtures("other_store")
@pytest.mark.parametrize("arguments", [["backup", "b.db"], ["restore", "b.db"], ["check", "b.db"]])
def test_a_server_has_tools_of_its_own(command: Any, arguments: list[str]) -> None:
    """EmbeddedStore: a server is backed up by its own tools, and says so."""
    assert command.refused("store", *arguments) == [
        "a server somewhere: only a store that is one file is looked after here; use the database's own tools"
    ]


@pytest.mark.usefixtures("other_store")
def test_a_store_that_cannot_be_examined_says_so(command: Any) -> None:
    """ExaminableStore: a stranger's store need not be one."""
    said = "a server somewhere: this store cannot be examined here; use the database's own tools"
    assert command.refused("store", "check") == [said]


@pytest.mark.usefixtures("other_store")
def test_any_store_can_be_made_ready(command: Any) -> None:
    """`creance store init`: what was made is told by stores that can be examined."""
    assert command.done("store", "init").splitlines() == ["a server somewhere", "all is there that the provider needs"]


# Init


def test_a_database_is_made_before_the_first_start(command: Any, database: Path) -> None:
    """Issue 5, 9: `init` makes tables and indexes, says which, and does nothing the second time."""
    database.unlink()
    (first, *made, last) = command.done("store", "init").splitlines()
    assert first == f"SQLite {sqlite3.sqlite_version}, {database}"
    assert made == [f"made: the file {database}"]
    assert last == "all is there that the provider needs"
    assert command.done("store", "init").splitlines() == [first, last]
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("DROP TABLE c_users")
        connection.commit()
    made = command.done("store", "init").splitlines()[1:-1]
    assert made == [
        "made: the table c_users",
        "made: the index i_users",
        "made: the index i_users.subject",
        "made: the index i_users.email",
    ]
    assert facts_of(command.done("store", "check"))["integrity"] == "ok"


# MongoDB


@pytest.fixture
def on_mongodb(monkeypatch: pytest.MonkeyPatch, mongodb_uri: str) -> str:
    """The configuration's store, on a server."""
    monkeypatch.setenv("CREANCE_STORE__URI", mongodb_uri)
    return mongodb_uri


@pytest.mark.usefixtures("on_mongodb")
def test_what_a_database_server_lacks_is_a_problem_until_it_is_made(command: Any) -> None:
    """Issue 5, 9: `check` and `init`, on MongoDB."""
    result = command("store", "check")
    assert result.exit_code == 1
    lines = result.stderr.splitlines()
    assert lines[0] == "creance: the layout's mark is missing: creance store init makes it"
    assert all(line.endswith("is missing: creance store init makes it") for line in lines)
    made = command.done("store", "init").splitlines()
    assert [line.removeprefix("made: ") for line in made[1:-1]] == [
        line.removeprefix("creance: ").partition(" is missing")[0] for line in lines
    ]
    assert len(command.done("store", "init").splitlines()) == 2
    facts = facts_of(command.done("store", "check"))
    assert {"expires_at_1", "fields.grant_id_1"} < set(facts["indexes"].split(", "))
    assert facts["keys"] == "none yet"


@pytest.mark.usefixtures("on_mongodb")
def test_a_database_server_is_examined(command: Any) -> None:
    """Issue 5, 9: server, version, replica set, write concern, documents of each collection, and the keys."""
    command.done("users", "add", "carol", typed="a password")
    output = command.done("store", "check")
    assert output.startswith("MongoDB ")
    facts = facts_of(output)
    assert facts["server"].startswith("MongoDB ")
    assert facts["write concern"] == "w=majority, j=True"
    assert facts["read concern"] == "local, from the primary"
    assert "replica set" in facts["deployment"] or facts["deployment"].startswith("a single server: ")
    assert re.fullmatch(r"\d+\.\d seconds (ahead of|behind) this machine's", facts["clock"])
    assert facts["keys"].startswith("opened by ")
    rows = [line.split() for line in output.split("\n\n")[2].splitlines()]
    assert ["signing_keys", "1", "1", "0", "0"] in rows
    assert ["users", "1", "1", "0", "0"] in rows
    assert ["clients", "-", "0", "0", "0"] in rows


def test_each_place_is_examined_in_turn(
    command: Any, database: Path, mongodb_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DESIGN, Configuration: a group of collections may live elsewhere; each store is asked for its own."""
    monkeypatch.setenv("CREANCE_STORE__PLACEMENT", json.dumps({"tokens": mongodb_uri}))
    command.done("store", "init")
    here, there = json.loads(command.done("store", "check", "--json"))["stores"]
    assert here["store"].endswith(str(database))
    assert there["store"].startswith("MongoDB")
    assert here["facts"]["keys"].startswith("opened by ")
    assert "keys" not in there["facts"]
    assert {each["collection"] for each in there["contents"]} == {
        "access_tokens",
        "authorization_codes",
        "refresh_tokens",
    }


def test_a_server_that_is_not_there_is_said_to_be_so(command: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """StoreUnavailable: the cause in one line, and no password."""
    monkeypatch.setenv("CREANCE_STORE__URI", "mongodb://me:hunter2@127.0.0.1:1/x")
    monkeypatch.setenv("CREANCE_STORE__TIMEOUT", "0.5")
    for what in ("check", "init"):
        (line,) = command.refused("store", what)
        assert line.startswith("the database x at 127.0.0.1:1 cannot be reached: ")
        assert "hunter2" not in line
