"""Races for a name: one client is registered, whoever else tries (RFC 7591 3.2); and no count is lost."""

from __future__ import annotations

import subprocess
import sys
import time
import tomllib
from pathlib import Path
from typing import Any

import pytest
from creance.provider import ClientSettings
from creance.provider.client_secrets import client_secret_matches
from creance.provider.testing.running import DemoStores, demo_configuration

CONTENDERS = 64
PROCESSES = 4


def registration(client_id: str, secret: str) -> dict[str, Any]:
    return {"client_id": client_id, "client_secret": secret, "grant_types": ["client_credentials"], "scope": "read"}


def test_a_client_is_registered_once(arena: Any, referee: Any, rounds: range) -> None:
    """DESIGN, The store: insert refuses an existing key. Its secret is that of the one who was told so."""
    for number in rounds:
        client_id = f"raced-{len(rounds)}-{number}"
        secrets = [f"secret of contender {each}" for each in range(CONTENDERS)]
        tasks = [arena.task("add_client", registration=registration(client_id, secret)) for secret in secrets]
        outcomes = arena.race(*tasks)
        assert outcomes.tally == {"answered": 1, f"client_id {client_id} exists already": CONTENDERS - 1}
        winner = next(secret for secret, outcome in zip(secrets, outcomes, strict=True) if "answer" in outcome)
        client = referee.provider.clients.find(client_id)
        assert [secret for secret in secrets if client_secret_matches(secret, client.secret_hash)] == [winner]


def test_a_client_that_was_removed_is_gone_for_those_who_removed_it(arena: Any, referee: Any, rounds: range) -> None:
    """RFC 6749 2.2: nobody brings back what they had read before."""
    for number in rounds:
        client_id = f"removed-{len(rounds)}-{number}"
        added = arena.race(arena.task("add_client", registration=registration(client_id, "its-secret")))
        assert added.tally == {"answered": 1}
        form = {"grant_type": "client_credentials"}
        requests = [arena.task("ask_for_tokens", client_id=client_id, form=form)] * (CONTENDERS // 4)
        outcomes = arena.race(*requests, *[arena.task("remove_client", client_id=client_id)] * PROCESSES, *requests)
        assert outcomes.tally.keys() <= {"answered", "invalid_client", f"client_id {client_id} does not exist"}
        for answer in outcomes.answers:
            if answer is not None:
                assert referee.service.introspect(answer["access_token"]) == {"active": False}


def test_what_a_worker_gives_to_a_client_that_it_remembers_is_not_its_successor_s(arena: Any, referee: Any) -> None:
    """RFC 6749 2.2: another client comes to have the name, and some seconds pass until every worker has heard of it."""
    form = {"grant_type": "client_credentials"}
    for client_id in ("successor-1", "successor-2", "successor-3"):
        first = arena.task("add_client", registration=registration(client_id, "the first secret"))
        ask = arena.task("ask_for_tokens", client_id=client_id, form=form)
        tokens = [arena.race(first), arena.race(ask)][1].answers[0]
        assert referee.service.introspect(tokens["access_token"])["active"] is True
        referee.provider.clients.remove(client_id)
        referee.provider.clients.add(ClientSettings(**registration(client_id, "the second secret")))
        for late in (tokens, *arena.race(ask).answers):
            assert referee.service.introspect(late["access_token"]) == {"active": False}


@pytest.mark.parametrize("turns", [1, pytest.param(25, marks=pytest.mark.long)])
def test_commands_that_begin_at_once_on_an_empty_store_register_one_client(
    race_stores: DemoStores, tmp_path: Path, turns: int
) -> None:
    """Issue 4: `creance clients add` from several processes, the first that this provider ever ran."""
    for turn in range(turns):
        configuration = tmp_path / str(turn) / "creance.toml"
        configuration.parent.mkdir()
        race_stores.give_secret(configuration.parent)
        text = demo_configuration("http://localhost:8400", "127.0.0.1:8400", race_stores.new_uri())
        configuration.write_text(text, "utf-8")
        command = [sys.executable, "-m", "creance.provider.commands", "--config", str(configuration), "clients"]
        add = [*command, "add", "raced", "--redirect-uri", "http://localhost:8401/callback"]
        running = [
            subprocess.Popen(add, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(PROCESSES)
        ]
        told = [(*process.communicate(timeout=60), process.returncode) for process in running]
        winners = [tomllib.loads(output) for output, _, code in told if code == 0]
        assert [list(winner) for winner in winners] == [["client_id", "client_secret"]]
        losers = [errors for _, errors, code in told if code]
        assert all("client_id raced exists already" in errors for errors in losers)
        listed = subprocess.run([*command, "list"], capture_output=True, text=True, check=True, timeout=60).stdout
        assert len([line for line in listed.splitlines() if line.startswith("raced ")]) == 1


def test_no_count_is_lost(arena: Any, rounds: range) -> None:
    """DESIGN, The store: increment: an atomic counter; each contender is told a number of its own."""
    for number in rounds:
        key = f"{len(rounds)}-{number}"
        outcomes = arena.race(*[arena.task("count", key=key, until=time.time() + 60)] * CONTENDERS)
        assert sorted(outcomes.answers) == list(range(1, CONTENDERS + 1))
