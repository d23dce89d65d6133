"""`creance hash` and `creance secret new`: what is typed is not shown, and what is printed can be pasted."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from typing import Any

import pytest
from creance.provider.client_secrets import client_secret_matches
from creance.provider.passwords import Passwords
from creance.provider.registration import ClientSettings, UserSettings
from creance.provider.sealing import MINIMUM_SECRET_LENGTH

ON_A_TERMINAL = """
import os, pty, sys
sys.exit(os.waitstatus_to_exitcode(pty.spawn([sys.executable, "-m", "creance.provider.commands", *sys.argv[1:]])))
"""


def on_a_terminal(arguments: list[str], answers: list[tuple[str, str]]) -> tuple[int, str]:
    """What a person sees who answers prompts: each answer is typed when its prompt is there."""
    with subprocess.Popen(
        [sys.executable, "-c", ON_A_TERMINAL, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        seen, position = "", 0
        for prompt, answer in answers:
            while prompt not in seen[position:]:
                piece = os.read(process.stdout.fileno(), 4096)
                assert piece, seen
                seen += piece.decode()
            position = len(seen)
            process.stdin.write(f"{answer}\n".encode())
            process.stdin.flush()
        while piece := os.read(process.stdout.fileno(), 4096):
            seen += piece.decode()
        return process.wait(60), seen


def test_a_password_from_standard_input(command: Any) -> None:
    line = command.done("hash", typed="correct horse — ĉiuj")
    user = UserSettings(username="alice", **tomllib.loads(line))
    assert Passwords().verify("correct horse — ĉiuj", user.password_hash)


def test_a_client_secret_from_standard_input(command: Any) -> None:
    line = command.done("hash", "--client-secret", typed="a secret")
    client = ClientSettings(client_id="app", redirect_uris=["https://a.example/cb"], **tomllib.loads(line))
    assert client_secret_matches("a secret", client.client_secret_hash)


@pytest.mark.parametrize("arguments", [["hash"], ["hash", "--client-secret"], ["users", "add", "carol"]])
def test_nothing_typed_is_refused(arguments: list[str], command: Any) -> None:
    assert "nothing was given on standard input" in command.refused(*arguments)[0]


def test_what_is_no_text_is_refused() -> None:
    program = [sys.executable, "-m", "creance.provider.commands", "hash"]
    result = subprocess.run(program, input=b"\xff\xfe\n", capture_output=True, check=False)
    assert result.returncode == 1
    assert result.stderr == b"creance: Password: what was given on standard input is not UTF-8\n"


def test_a_password_on_a_terminal_is_typed_twice_and_never_shown() -> None:
    code, seen = on_a_terminal(["hash"], [("Password: ", "wonder-1"), ("Password again: ", "wonder-1")])
    assert code == 0
    assert "wonder-1" not in seen
    (line,) = (line for line in seen.splitlines() if line.startswith("password_hash"))
    assert Passwords().verify("wonder-1", tomllib.loads(line)["password_hash"])


def test_two_different_passwords_are_asked_for_again() -> None:
    first = [("Password: ", "wonder-1"), ("Password again: ", "wonder-2")]
    code, seen = on_a_terminal(["hash"], [*first, ("Password: ", "wonder-3"), ("Password again: ", "wonder-3")])
    assert code == 0
    assert "wonder" not in seen


def test_a_secret_is_fresh_and_long_enough(command: Any) -> None:
    first, second = command.done("secret", "new").strip(), command.done("secret", "new").strip()
    assert first != second
    assert len(first) >= MINIMUM_SECRET_LENGTH
