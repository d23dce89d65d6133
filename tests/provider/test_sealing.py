"""What was sealed for one purpose, context and issuer opens there and nowhere else; and the file of secrets."""

from __future__ import annotations

import base64
import os
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from creance.provider.errors import ConfigurationError
from creance.provider.sealing import CannotOpen, Sealer, make_secret_file, new_secret, read_secret_file
from hypothesis import given
from hypothesis import strategies as st

OLD, NEW = b"an old secret of 32 characters..", b"a new secret of 32 characters..."
ISSUER = "https://op.example.org"
SEALER = Sealer([NEW], ISSUER)
TEXT = st.text(st.characters(exclude_categories=()))


@given(content=st.binary(), context=TEXT)
def test_what_is_sealed_opens_again(content: bytes, context: str) -> None:
    """DESIGN, Keys, secrets and tokens: authenticated encryption."""
    sealed = SEALER.seal("test", content, context)
    assert SEALER.open("test", sealed, context) == content
    assert set(sealed) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


def test_nothing_of_the_content_shows_and_no_two_seals_are_equal() -> None:
    """NIST SP 800-38D 8.2: a nonce of its own each time."""
    seals = {SEALER.seal("test", b"content") for _ in range(100)}
    assert len(seals) == 100
    assert not any(b"content" in base64.urlsafe_b64decode(sealed + "==") for sealed in seals)


@pytest.mark.parametrize(
    ("sealer", "purpose", "context"),
    [
        (SEALER, "other", "context"),
        (SEALER, "test", "other"),
        (SEALER, "test", ""),
        (Sealer([NEW], "https://other.example.org"), "test", "context"),
        (Sealer([OLD], ISSUER), "test", "context"),
    ],
)
def test_another_purpose_context_issuer_or_secret_does_not_open_it(sealer: Sealer, purpose: str, context: str) -> None:
    """DESIGN, Keys: one HKDF label a purpose (RFC 5869), issuer and context as associated data."""
    sealed = SEALER.seal("test", b"content", "context")
    with pytest.raises(CannotOpen):
        sealer.open(purpose, sealed, context)


def test_context_and_issuer_cannot_be_moved_into_each_other() -> None:
    """PYOP 16 is the mistake: two texts put together without a separator."""
    sealed = Sealer([NEW], "https://op.example.org").seal("test", b"content", "/x")
    with pytest.raises(CannotOpen):
        Sealer([NEW], "https://op.example.org/x").open("test", sealed, "")


def test_a_change_of_any_byte_is_noticed() -> None:
    """NIST SP 800-38D: nonce, content and tag are all covered."""
    raw = bytearray(base64.urlsafe_b64decode(SEALER.seal("test", b"some content") + "=="))
    for place in range(len(raw)):
        changed = bytearray(raw)
        changed[place] ^= 1
        with pytest.raises(CannotOpen):
            SEALER.open("test", base64.urlsafe_b64encode(changed).rstrip(b"=").decode())


def test_a_part_of_it_does_not_open() -> None:
    """Issue 3, bad input."""
    sealed = SEALER.seal("test", b"some content")
    for length in range(len(sealed)):
        with pytest.raises(CannotOpen):
            SEALER.open("test", sealed[:length])


@given(TEXT)
def test_any_text_is_opened_or_refused(sealed: str) -> None:
    """Issue 3, bad input: never another exception."""
    with pytest.raises(CannotOpen):
        SEALER.open("test", sealed)


@given(st.binary(max_size=100))
def test_any_bytes_in_base64_are_refused(raw: bytes) -> None:
    """Issue 3, bad input."""
    with pytest.raises(CannotOpen):
        SEALER.open("test", base64.urlsafe_b64encode(raw).rstrip(b"=").decode())


def test_the_first_of_several_secrets_seals_and_all_open() -> None:
    """DESIGN, Keys: several secrets: the first seals, all open."""
    before, changing, after = Sealer([OLD], ISSUER), Sealer([NEW, OLD], ISSUER), Sealer([NEW], ISSUER)
    assert changing.open("test", before.seal("test", b"old")) == b"old"
    assert after.open("test", changing.seal("test", b"new")) == b"new"
    with pytest.raises(CannotOpen):
        before.open("test", changing.seal("test", b"new"))


@given(content=TEXT)
def test_a_mac_is_the_same_each_time_and_another_for_each_purpose_and_secret(content: str) -> None:
    """DESIGN, Grants: a refresh token's successor is derived from it."""
    mac = SEALER.mac("test", content)
    assert mac == SEALER.mac("test", content)
    assert len(mac) == 43
    assert mac != SEALER.mac("other", content)
    assert mac != Sealer([OLD], ISSUER).mac("test", content)


def test_what_an_old_secret_authenticated_is_still_known() -> None:
    """DESIGN, Keys: several secrets."""
    assert Sealer([NEW, OLD], ISSUER).macs("test", "x") == [
        Sealer([NEW], ISSUER).mac("test", "x"),
        Sealer([OLD], ISSUER).mac("test", "x"),
    ]


def test_a_bearer_value_is_derived_with_the_time_that_is_given() -> None:
    """DESIGN, Grants: the same in every worker, by each secret; and as earlier versions derived it, without a time."""
    sealer, old = Sealer([NEW, OLD], ISSUER), Sealer([OLD], ISSUER)
    values = sealer.bearer_values("test", "x", 1_800_000_000.9)
    assert values[0] == sealer.bearer_value("test", "x", 1_800_000_000.1) == "6b49d200-" + sealer.mac("test", "x")
    assert values == [values[0], old.bearer_value("test", "x", 1_800_000_000), *sealer.macs("test", "x")]


# The file


def test_the_file_is_made_for_its_owner_only(tmp_path: Path) -> None:
    """DESIGN, Keys: 0600, O_EXCL."""
    path = tmp_path / "a" / "b" / "secret"
    before = os.umask(0)
    try:
        make_secret_file(path)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    (secret,) = read_secret_file(path)
    assert len(secret) >= 43
    assert list(path.parent.iterdir()) == [path]


def test_a_file_that_is_there_is_left_as_it_is(tmp_path: Path) -> None:
    """DESIGN, Keys: never overwritten."""
    path = tmp_path / "secret"
    path.write_bytes(OLD)
    make_secret_file(path)
    assert read_secret_file(path) == [OLD]
    assert list(tmp_path.iterdir()) == [path]


def test_many_threads_make_one_secret(tmp_path: Path) -> None:
    """DESIGN, Keys: O_EXCL."""
    path = tmp_path / "var" / "secret"

    def make(_: int) -> list[bytes]:
        make_secret_file(path)
        return read_secret_file(path)

    with ThreadPoolExecutor(16) as pool:
        secrets = list(pool.map(make, range(64)))
    assert all(secret == secrets[0] for secret in secrets)
    assert list(path.parent.iterdir()) == [path]


def test_many_processes_make_one_secret(tmp_path: Path, run_in_processes: Callable[..., list[str]]) -> None:
    """DESIGN, Keys: no reader ever sees a file half written."""
    path = tmp_path / "var" / "secret"
    program = """
from pathlib import Path
from creance.provider.sealing import make_secret_file, read_secret_file
path = Path(arguments[0])
ready()
make_secret_file(path)
tell(str(read_secret_file(path)))
"""
    assert set(run_in_processes(program, str(path))) == {str(read_secret_file(path))}
    assert list(path.parent.iterdir()) == [path]


def test_a_new_secret_has_256_bits() -> None:
    """DESIGN, Keys, secrets and tokens."""
    assert len({new_secret() for _ in range(100)}) == 100
    assert len(base64.urlsafe_b64decode(new_secret() + "=")) == 32


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "is not there"),
        (b"", "must have lines of 32 characters or more"),
        (b"\n \n", "must have lines of 32 characters or more"),
        (b"short\n", "must have lines of 32 characters or more"),
        (NEW + b"\nshort\n", "must have lines of 32 characters or more"),
        (b"\xff" * 40, "cannot be read: not ASCII text"),
    ],
)
def test_a_file_without_good_secrets_stops_the_start_and_says_so(
    tmp_path: Path, content: bytes | None, why: str
) -> None:
    """DESIGN, Keys: a wrong or missing secret stops the start and says so, without repeating it."""
    path = tmp_path / "secret"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=f"^keys.secret_file: {path} {why}") as refusal:
        read_secret_file(path)
    assert "short" not in str(refusal.value)


def test_a_folder_is_no_file_of_secrets(tmp_path: Path) -> None:
    """Issue 3, two commands: one clear line."""
    with pytest.raises(ConfigurationError, match="cannot be read: Is a directory"):
        read_secret_file(tmp_path)


def test_a_file_where_a_folder_is_needed_is_a_clear_error(tmp_path: Path) -> None:
    """Issue 3, two commands: one clear line."""
    (tmp_path / "var").write_text("")
    with pytest.raises(ConfigurationError, match=r"^keys\.secret_file: .*/var/secret cannot be made: "):
        make_secret_file(tmp_path / "var" / "secret")


def test_lines_may_end_as_on_any_system(tmp_path: Path) -> None:
    """DESIGN, Configuration: secrets from files."""
    path = tmp_path / "secret"
    path.write_bytes(NEW + b"\r\n\r\n  " + OLD + b"  ")
    assert read_secret_file(path) == [NEW, OLD]
