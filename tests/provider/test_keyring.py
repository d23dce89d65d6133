"""The keys that sign: made once however many start at once, rotated without a client noticing, and hard to fool."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from creance.provider.errors import ConfigurationError
from creance.provider.keyring import MARGIN, REFRESH, SIGNING_KEYS, KeyRing, SigningKey, holds_keys
from creance.provider.sealing import Sealer
from creance.provider.store import StoreUnavailable
from creance.provider.store.sqlite import SQLiteStore
from cryptography.hazmat.primitives import hashes, hmac, serialization
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jws
from joserfc.jwk import ECKey, KeySet, RSAKey

ISSUER = "https://op.example.org"
SECRET = b"a secret of thirty-two characters"
OTHER_SECRET = b"another secret of more characters"
LONGEST_TOKEN, AHEAD = 3600.0, 300.0
BOTH = ("RS256", "ES256")
"""Most tests do with ES256 alone: an RSA key takes a while to make."""


@pytest.fixture
def store(clock: Any, tmp_path: Path) -> Iterator[SQLiteStore]:
    store = SQLiteStore(tmp_path / "creance.db", timeout=20)
    store.open([SIGNING_KEYS])
    yield store
    store.close()


@pytest.fixture(scope="module")
def one_ring(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KeyRing]:
    """One ring for all that leaves it as it is."""
    store = SQLiteStore(tmp_path_factory.mktemp("keys") / "creance.db", timeout=20)
    store.open([SIGNING_KEYS])
    sealer = Sealer([SECRET], ISSUER)
    ring = KeyRing(store, sealer, issuer=ISSUER, algorithms=BOTH, longest_token=60, ahead=60)
    ring.start()
    yield ring
    store.close()


MakeRing = Callable[..., KeyRing]


@pytest.fixture
def make_ring(store: SQLiteStore) -> MakeRing:
    def make(
        *secrets: bytes, issuer: str = ISSUER, algorithms: tuple[str, ...] = ("ES256",), start: bool = True
    ) -> KeyRing:
        sealer = Sealer(secrets or (SECRET,), issuer)
        ring = KeyRing(store, sealer, issuer=issuer, algorithms=algorithms, longest_token=LONGEST_TOKEN, ahead=AHEAD)
        if start:
            ring.start()
        return ring

    return make


def keys_of(ring: KeyRing) -> list[SigningKey]:
    return ring.keys()


def published(ring: KeyRing) -> set[str]:
    return {key["kid"] for key in json.loads(ring.jwks)["keys"]}


def kids(ring: KeyRing, state: str) -> set[str]:
    return {key.kid for key in keys_of(ring) if key.state == state}


def kid_of(token: str) -> str:
    return str(part(token, 0)["kid"])


def part(token: str, which: int) -> dict[str, Any]:
    return dict(json.loads(unencoded(token.split(".")[which])))


def encoded(content: bytes | dict[str, Any]) -> str:
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def unencoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def age(ring: KeyRing, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a ring believe that it read its keys long ago."""
    monkeypatch.setattr(ring, "_read_at", ring._read_at - REFRESH - 1)


# Made


def test_each_algorithm_has_an_active_and_a_next_key(make_ring: MakeRing) -> None:
    """DESIGN, Keys: active, next (published ahead)."""
    keys = make_ring(algorithms=BOTH).keys()
    assert sorted((key.algorithm, key.state) for key in keys) == [
        ("ES256", "active"),
        ("ES256", "next"),
        ("RS256", "active"),
        ("RS256", "next"),
    ]


def test_the_published_keys_are_public_and_complete(make_ring: MakeRing) -> None:
    """RFC 7517 4: kty, use, alg, kid; never a private member (RFC 7518 6.2.2, 6.3.2)."""
    keys = json.loads(make_ring(algorithms=BOTH).jwks)["keys"]
    assert len(keys) == 4
    for key in keys:
        assert key["use"] == "sig"
        assert key["alg"] == {"RSA": "RS256", "EC": "ES256"}[key["kty"]]
        assert not {"d", "p", "q", "dp", "dq", "qi", "k"} & key.keys()
        if key["kty"] == "RSA":
            assert len(unencoded(key["n"])) == 256
    assert len({key["kid"] for key in keys}) == 4


def test_the_store_never_has_a_private_key_in_the_clear(make_ring: MakeRing, store: SQLiteStore) -> None:
    """DESIGN, Keys: private keys are sealed in the store."""
    ring = make_ring(algorithms=BOTH)
    document = store.get(SIGNING_KEYS, "keyring")
    assert document is not None
    text = json.dumps(document.value)
    for entry in document.value["keys"]:
        private = json.loads(ring._open(entry))
        assert str(private["d"]) not in text


def test_many_threads_that_start_at_once_make_one_set_of_keys(make_ring: MakeRing) -> None:
    """DESIGN, Keys: all of them are in one document, changed by compare-and-swap."""
    rings = [make_ring(start=False) for _ in range(12)]
    with ThreadPoolExecutor(12) as pool:
        list(pool.map(lambda ring: ring.start(), rings))
    assert len({frozenset(published(ring)) for ring in rings}) == 1
    assert len(rings[0].keys()) == 2


def test_many_processes_that_start_at_once_make_one_set_of_keys(
    store: SQLiteStore, make_ring: MakeRing, run_in_processes: Callable[..., list[str]]
) -> None:
    """DESIGN, Keys: workers start together."""
    program = """
from pathlib import Path
from creance.provider.keyring import SIGNING_KEYS, KeyRing
from creance.provider.sealing import Sealer
from creance.provider.store.sqlite import SQLiteStore
path, secret, issuer = arguments
store = SQLiteStore(Path(path), timeout=20)
sealer = Sealer([secret.encode()], issuer)
ring = KeyRing(store, sealer, issuer=issuer, algorithms=["ES256"], longest_token=3600, ahead=300)
ready()
store.open([SIGNING_KEYS])
ring.start()
tell(str(sorted(key.kid for key in ring.keys())))
store.close()
"""
    told = run_in_processes(program, str(store.path), SECRET.decode(), ISSUER)
    assert set(told) == {str(sorted(key.kid for key in keys_of(make_ring())))}
    assert len(make_ring().keys()) == 2


def test_a_restart_keeps_the_keys(make_ring: MakeRing) -> None:
    """Issue 3, two commands: a second `make run` keeps the data."""
    assert published(make_ring()) == published(make_ring())


def test_an_algorithm_that_is_added_gets_its_keys(make_ring: MakeRing) -> None:
    """DESIGN, Configuration: keys.algorithms."""
    before = published(make_ring(algorithms=("RS256",)))
    after = published(make_ring(algorithms=BOTH))
    assert before < after
    assert len(after) == 4


def test_an_algorithm_that_is_taken_away_is_no_longer_published(make_ring: MakeRing) -> None:
    """DESIGN, URLs: metadata says exactly what is switched on; the keys wait in the store."""
    both = make_ring(algorithms=BOTH)
    only = make_ring(algorithms=("ES256",))
    assert {key["alg"] for key in json.loads(only.jwks)["keys"]} == {"ES256"}
    assert len(both.keys()) == 4


def test_whether_a_store_has_keys(make_ring: MakeRing, store: SQLiteStore) -> None:
    """DESIGN, Keys: the secret is made only when the store holds no sealed key."""
    assert not holds_keys(store)
    make_ring()
    assert holds_keys(store)


# Secrets and issuers


def test_a_wrong_secret_stops_the_start_and_says_so(make_ring: MakeRing) -> None:
    """DESIGN, Keys: a wrong or missing secret stops the start and says so."""
    make_ring()
    with pytest.raises(ConfigurationError, match=r"^keys\.secret_file: its secret does not open the keys"):
        make_ring(OTHER_SECRET)


def test_a_start_with_a_wrong_secret_leaves_the_keys_as_they_are(make_ring: MakeRing, store: SQLiteStore) -> None:
    """DESIGN, Keys: else the right secret would not open what was added under the wrong one."""
    make_ring()
    before = store.get(SIGNING_KEYS, "keyring")
    with pytest.raises(ConfigurationError):
        make_ring(OTHER_SECRET, algorithms=BOTH)
    assert store.get(SIGNING_KEYS, "keyring") == before
    make_ring().sign("ES256", {})


@pytest.mark.parametrize("algorithms", [("ES256",), BOTH])
def test_an_issuer_cannot_be_renamed(make_ring: MakeRing, store: SQLiteStore, algorithms: tuple[str, ...]) -> None:
    """DESIGN, Keys: issuer and kid as associated data. The keys of one issuer are never taken over by another."""
    make_ring()
    before = store.get(SIGNING_KEYS, "keyring")
    with pytest.raises(ConfigurationError, match=f"its keys belong to the issuer {ISSUER}"):
        make_ring(issuer="https://other.example.org", algorithms=algorithms)
    assert store.get(SIGNING_KEYS, "keyring") == before


def test_a_secret_is_changed_by_putting_another_before_it(make_ring: MakeRing) -> None:
    """DESIGN, Keys: several secrets: the first seals, all open."""
    before = published(make_ring())
    changing = make_ring(OTHER_SECRET, SECRET)
    assert published(changing) == before
    changing.rotate(immediately=True)
    changing.rotate(immediately=True)
    assert make_ring(OTHER_SECRET).sign("ES256", {})


# Signing and verifying


@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
def test_a_signature_is_verified_by_the_published_keys(one_ring: KeyRing, algorithm: str) -> None:
    """RFC 7515 5; OpenID Connect Core 10.1: kid says which key."""
    token = one_ring.sign(algorithm, {"iss": ISSUER, "sub": "ä"})
    assert part(token, 0) == {"alg": algorithm, "kid": kid_of(token)}
    keys = KeySet.import_key_set(json.loads(one_ring.jwks))
    payload = jws.deserialize_compact(token, keys, algorithms=[algorithm]).payload
    assert json.loads(payload) == {"iss": ISSUER, "sub": "ä"}
    assert one_ring.verify(token) == {"iss": ISSUER, "sub": "ä"}


def test_time_is_not_looked_at(one_ring: KeyRing) -> None:
    """OpenID Connect Core 3.1.2.1: an id_token_hint may have expired."""
    assert one_ring.verify(one_ring.sign("RS256", {"iss": ISSUER, "exp": 1}))["exp"] == 1


def forged(header: dict[str, Any], claims: dict[str, Any], key: Any, algorithm: str) -> str:
    return jws.serialize_compact(header, json.dumps(claims).encode(), key, algorithms=[algorithm])


def with_header(header: bytes) -> str:
    return f"{encoded(header)}.e30.AA"


def hmac_with_the_public_key(ring: KeyRing, token: str) -> str:
    """RFC 8725 2.1: the classic, with the public key as the secret of an HMAC."""
    key = next(key for key in keys_of(ring) if key.kid == kid_of(token))
    pem = key.public.as_pem(private=False)
    assert serialization.load_pem_public_key(pem)
    signed = f"{encoded({'alg': 'HS256', 'kid': key.kid})}.{token.split('.')[1]}"
    mac = hmac.HMAC(pem, hashes.SHA256())
    mac.update(signed.encode())
    return f"{signed}.{encoded(mac.finalize())}"


OWN_RSA, OWN_EC = RSAKey.generate_key(2048), ECKey.generate_key("P-256")
GENUINE = {"iss": ISSUER, "sub": "victim"}

FORGERIES: dict[str, Callable[[KeyRing, str], str]] = {
    "alg none, no signature": lambda ring, token: f"{encoded({'alg': 'none'})}.{token.split('.')[1]}.",
    "alg none with our kid": lambda ring, token: (
        f"{encoded({'alg': 'none', 'kid': kid_of(token)})}.{token.split('.')[1]}."
    ),
    "alg None in other letters": lambda ring, token: (
        f"{encoded({'alg': 'NONE', 'kid': kid_of(token)})}.{token.split('.')[1]}.{token.split('.')[2]}"
    ),
    "no signature": lambda ring, token: token.rpartition(".")[0] + ".",
    "two parts": lambda ring, token: token.rpartition(".")[0],
    "four parts": lambda ring, token: token + ".x",
    "another payload": lambda ring, token: (
        f"{token.split('.')[0]}.{encoded(GENUINE | {'sub': 'x'})}.{token.split('.')[2]}"
    ),
    "another header": lambda ring, token: (
        f"{encoded(part(token, 0) | {'typ': 'JWT'})}.{token.split('.')[1]}.{token.split('.')[2]}"
    ),
    "HS256 with the public key": hmac_with_the_public_key,
    "own key, no kid": lambda ring, token: forged({"alg": "RS256"}, GENUINE, OWN_RSA, "RS256"),
    "own key, our kid": lambda ring, token: forged({"alg": "RS256", "kid": kid_of(token)}, GENUINE, OWN_RSA, "RS256"),
    "own key, own kid": lambda ring, token: forged({"alg": "RS256", "kid": "mine"}, GENUINE, OWN_RSA, "RS256"),
    "embedded jwk": lambda ring, token: forged(
        {"alg": "RS256", "kid": kid_of(token), "jwk": OWN_RSA.as_dict(private=False)}, GENUINE, OWN_RSA, "RS256"
    ),
    "jku": lambda ring, token: forged(
        {"alg": "RS256", "kid": kid_of(token), "jku": "https://evil.example/jwks"}, GENUINE, OWN_RSA, "RS256"
    ),
    "ES256 by own key under the kid of an RSA key": lambda ring, token: forged(
        {"alg": "ES256", "kid": kid_of(token)}, GENUINE, OWN_EC, "ES256"
    ),
    "alg of another key of ours": lambda ring, token: (
        f"{encoded({'alg': 'ES256', 'kid': kid_of(token)})}.{token.split('.')[1]}.{token.split('.')[2]}"
    ),
    "kid of another key of ours": lambda ring, token: (
        f"{encoded({'alg': 'RS256', 'kid': next(iter(kids(ring, 'next') - {kid_of(token)}))})}"
        f".{token.split('.')[1]}.{token.split('.')[2]}"
    ),
    "kid is a list": lambda ring, token: f"{encoded({'alg': 'RS256', 'kid': [kid_of(token)]})}.e30.AA",
    "kid is null": lambda ring, token: f"{encoded({'alg': 'RS256', 'kid': None})}.e30.AA",
    "header is a list": lambda ring, token: with_header(b"[]"),
    "header is text": lambda ring, token: with_header(b"chr"),
    "header is a string": lambda ring, token: with_header(b'"alg"'),
    "header is null": lambda ring, token: with_header(b"null"),
    "header is a number": lambda ring, token: with_header(b"1e999"),
    "header is not UTF-8": lambda ring, token: with_header(b"\xff\xfe"),
    "header is nested deeply": lambda ring, token: with_header(b"[" * 100_000),
    "header nests objects deeply": lambda ring, token: with_header(b'{"a":' * 100_000),
    "a critical header that nobody knows": lambda ring, token: (
        f"{encoded(part(token, 0) | {'crit': ['x'], 'x': 1})}.{token.split('.')[1]}.{token.split('.')[2]}"
    ),
    "an unencoded payload": lambda ring, token: (
        f"{encoded(part(token, 0) | {'crit': ['b64'], 'b64': False})}.{token.split('.')[1]}.{token.split('.')[2]}"
    ),
    "crit is a number": lambda ring, token: f"{encoded(part(token, 0) | {'crit': 1})}.e30.AA",
    "five parts": lambda ring, token: "a.b.c.d.e",
    "empty": lambda ring, token: "",
    "dots": lambda ring, token: "..",
    "not base64": lambda ring, token: "ä.ö.ü",
    "half a surrogate pair": lambda ring, token: "\ud800.e30.AA",
    "NUL": lambda ring, token: token + "\0",
    "a line break": lambda ring, token: token + "\n",
    "JSON serialization": lambda ring, token: json.dumps(
        dict(zip(("protected", "payload", "signature"), token.split("."), strict=True))
    ),
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_forged_token_is_a_value_error_and_nothing_else(one_ring: KeyRing, forgery: str) -> None:
    """RFC 8725 2.1, 3.1; RFC 7515 10; PYOP 2: alg none was accepted, and garbage raised whatever it liked."""
    token = FORGERIES[forgery](one_ring, one_ring.sign("RS256", GENUINE))
    with pytest.raises(ValueError):
        one_ring.verify(token)


@pytest.mark.parametrize("payload", ["[]", "null", "1", '"x"', "{", "", "NaN", "[" * 100_000, "é"])
def test_a_payload_that_is_no_object_is_refused_though_we_signed_it(one_ring: KeyRing, payload: str) -> None:
    """RFC 7519 7.2."""
    key = one_ring._active["RS256"]
    token = jws.serialize_compact(
        {"alg": "RS256", "kid": key.kid}, payload.encode("latin-1"), key.private, algorithms=["RS256"]
    )
    with pytest.raises(ValueError):
        one_ring.verify(token)


@pytest.mark.parametrize("claims", [{}, {"iss": "https://other.example.org"}, {"iss": None}, {"iss": [ISSUER]}])
def test_a_token_of_another_issuer_is_refused_though_we_signed_it(one_ring: KeyRing, claims: dict[str, Any]) -> None:
    """RFC 8725 3.8."""
    with pytest.raises(ValueError, match="not issued by this provider"):
        one_ring.verify(one_ring.sign("ES256", claims))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
HEADER_NAMES = st.sampled_from(["alg", "kid", "crit", "b64", "jwk", "jku", "x5c", "typ", "cty", "zip"])


@given(st.dictionaries(HEADER_NAMES, JSON | st.just("ES256"), max_size=6), st.booleans())
def test_any_header_is_verified_or_a_value_error(one_ring: KeyRing, header: dict[str, Any], ours: bool) -> None:
    """Issue 3, bad input: garbage in id_token_hint."""
    genuine = one_ring.sign("ES256", GENUINE)
    if ours:
        header |= {"kid": kid_of(genuine), "alg": "ES256"}
    _, payload, signature = genuine.split(".")
    with pytest.raises(ValueError):
        one_ring.verify(f"{encoded(header)}.{payload}.{signature}")


@given(st.text(st.characters(exclude_categories=())))
def test_any_text_is_a_value_error(one_ring: KeyRing, token: str) -> None:
    """Issue 3, bad input: garbage in id_token_hint."""
    with pytest.raises(ValueError):
        one_ring.verify(token)


# Rotation


def test_next_becomes_active_and_was_published_before(make_ring: MakeRing, clock: Any) -> None:
    """DESIGN, Keys: next (published ahead, at least the JWKS max-age)."""
    ring = make_ring(algorithms=BOTH)
    known_to_clients, coming = published(ring), kids(ring, "next")
    clock.advance(AHEAD + MARGIN + 1)
    ring.rotate()
    assert kids(ring, "active") == coming
    for algorithm in ("RS256", "ES256"):
        assert kid_of(ring.sign(algorithm, {})) in known_to_clients


def test_a_rotation_before_clients_can_know_the_next_key_is_refused(make_ring: MakeRing, clock: Any) -> None:
    """DESIGN, Keys: published ahead, at least the JWKS max-age; and again after each rotation."""
    ring = make_ring()
    for _ in range(2):
        before = ring.keys()
        clock.advance(AHEAD)
        with pytest.raises(ConfigurationError, match=r"wait \d+ seconds, until clients have seen it"):
            ring.rotate()
        assert ring.keys() == before
        clock.advance(MARGIN + 1)
        ring.rotate()


def test_a_retired_key_is_published_until_its_last_token_has_expired(make_ring: MakeRing, clock: Any) -> None:
    """DESIGN, Keys: retired (published until the last token signed with it expires)."""
    ring = make_ring()
    old = kids(ring, "active")
    ring.rotate(immediately=True)
    assert kids(ring, "retired") == old
    assert old <= published(make_ring())
    clock.advance(LONGEST_TOKEN)
    assert old <= published(make_ring())
    clock.advance(MARGIN + 1)
    assert not old & published(make_ring())


def test_a_hint_of_long_ago_is_still_verified(make_ring: MakeRing, clock: Any) -> None:
    """DESIGN, Keys: then kept unpublished for id_token_hints."""
    ring = make_ring()
    hints = [ring.sign("ES256", GENUINE | {"n": n}) for n in range(2)]
    ring.rotate(immediately=True)
    clock.advance(400 * 86400)
    later = make_ring()
    assert [later.verify(hint) for hint in hints] == [GENUINE | {"n": 0}, GENUINE | {"n": 1}]


def test_a_retired_key_can_sign_no_more(make_ring: MakeRing, store: SQLiteStore) -> None:
    """DESIGN, Keys: what is not needed is not kept."""
    ring = make_ring()
    ring.rotate(immediately=True)
    document = store.get(SIGNING_KEYS, "keyring")
    assert document is not None
    assert [entry["sealed"] for entry in document.value["keys"] if entry["state"] == "retired"] == [None]
    assert all(key.private is None for key in keys_of(ring) if key.state == "retired")


def test_another_process_follows_within_seconds(make_ring: MakeRing, monkeypatch: pytest.MonkeyPatch) -> None:
    """Issue 3, command line: changes are seen by running workers within 10 seconds."""
    assert REFRESH <= 10
    rotating, signing, publishing, verifying = (make_ring() for _ in range(4))
    rotating.rotate(immediately=True)
    for ring in (signing, publishing, verifying):
        age(ring, monkeypatch)
    assert kid_of(signing.sign("ES256", {})) in kids(rotating, "active")
    assert published(publishing) == published(rotating)
    rotating.rotate(immediately=True)
    age(verifying, monkeypatch)
    assert verifying.verify(rotating.sign("ES256", GENUINE)) == GENUINE


def test_tokens_are_signed_while_the_store_is_away(
    make_ring: MakeRing, store: SQLiteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DESIGN, The store: what is cached goes on; the keys are good."""
    ring = make_ring()
    token = ring.sign("ES256", GENUINE)
    store.close()
    age(ring, monkeypatch)
    assert ring.verify(ring.sign("ES256", GENUINE)) == ring.verify(token)
    assert ring.jwks
    with pytest.raises(StoreUnavailable):
        ring.ping()


def test_two_who_rotate_at_once_rotate_once(make_ring: MakeRing) -> None:
    """DESIGN, Keys: by compare-and-swap; a key that nobody has seen never becomes active by accident."""
    rings = [make_ring() for _ in range(4)]

    def rotate(ring: KeyRing) -> str:
        try:
            ring.rotate(immediately=True)
        except ConfigurationError as error:
            return str(error)
        return ""

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(rotate, rings))
    retired = [key for key in keys_of(rings[0]) if key.state == "retired"]
    assert len(retired) == answers.count("")
    assert all("try again" in answer for answer in answers if answer)


def test_a_store_without_keys_cannot_rotate(make_ring: MakeRing) -> None:
    """Issue 3, command line: one clear line."""
    with pytest.raises(ConfigurationError, match="start the provider first"):
        make_ring(start=False).rotate()


def test_signing_takes_turns_with_nobody(make_ring: MakeRing) -> None:
    """DESIGN, The host: many threads."""
    ring = make_ring()
    with ThreadPoolExecutor(8) as pool:
        tokens = list(pool.map(lambda number: ring.sign("ES256", GENUINE | {"n": number}), range(200)))
    assert [ring.verify(token)["n"] for token in tokens] == list(range(200))


def test_a_withdrawn_key_is_gone(make_ring: MakeRing) -> None:
    """A key that is no longer secret: not published, and nothing that it signed verifies, whoever signed it."""
    ring = make_ring()
    signed = ring.sign("ES256", {"iss": ISSUER})
    assert ring.verify(signed)["iss"] == ISSUER
    active = kids(ring, "active")
    ring.rotate(withdraw=True)
    assert active.isdisjoint(published(ring))
    with pytest.raises(ValueError, match="not signed by a key of this provider"):
        ring.verify(signed)
    assert ring.verify(ring.sign("ES256", {"iss": ISSUER}))["iss"] == ISSUER
