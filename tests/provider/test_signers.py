"""Keys, and what signs with them: in files (`signing_key_files.py`, `signers.py`), elsewhere (`outside_signer.py`)."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from creance.provider import ConfigurationError, ServerError, Signer, TemporarilyUnavailable, read_public_key
from creance.provider.outside_signer import PLACES, OutsideSigner
from creance.provider.signers import LocalSigner, PublicKey, local_signer
from creance.provider.signing_key_files import read_file
from creance.provider.store.baton import baton
from joserfc.jwk import ECKey, KeyParameters, OctKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

from ..polling import eventually, once

PASSWORD = "of-the-keys"


@cache
def openssl(*arguments: str, given: str = "") -> str:
    """What the command prints: keys as operators make them."""
    done = subprocess.run(["openssl", *arguments], input=given, capture_output=True, text=True, check=True, timeout=60)
    return done.stdout


def rsa() -> str:
    return openssl("genrsa", "2048")


def ec() -> str:
    return openssl("ecparam", "-name", "prime256v1", "-genkey")


GOOD: dict[str, tuple[Callable[[], str], str]] = {
    "PKCS#8, RSA": (rsa, "RS256"),
    "PKCS#1": (lambda: openssl("rsa", "-traditional", given=rsa()), "RS256"),
    "SEC1, with its parameters before it": (ec, "ES256"),
    "PKCS#8, EC": (lambda: openssl("pkcs8", "-topk8", "-nocrypt", given=ec()), "ES256"),
    "PKCS#8, encrypted": (
        lambda: openssl("pkcs8", "-topk8", "-passout", f"pass:{PASSWORD}", given=ec()),
        "ES256",
    ),
    "PKCS#1, encrypted": (
        lambda: openssl("rsa", "-traditional", "-aes256", "-passout", f"pass:{PASSWORD}", given=rsa()),
        "RS256",
    ),
    "JWK": (lambda: json.dumps(RSAKey.import_key(rsa()).as_dict(private=True)), "RS256"),
    "JWK Set": (lambda: json.dumps({"keys": [ECKey.import_key(ec()).as_dict(private=True)]}), "ES256"),
}


def in_file(folder: Path, content: str, mode: int = 0o600) -> Path:
    path = folder / "key"
    path.write_text(content)
    path.chmod(mode)
    return path


def verifies(signer: LocalSigner) -> bool:
    """Against the key that is published, as an app has it."""
    jwk = dict(signer.public_jwk)
    key = (RSAKey if jwk["kty"] == "RSA" else ECKey).import_key(jwk)
    algorithm = JWSRegistry(algorithms=[signer.algorithm]).get_alg(signer.algorithm)
    return bool(algorithm.verify(b"content", signer.sign(b"content"), key))


@pytest.mark.parametrize("kind", list(GOOD))
def test_a_file_s_key_signs(tmp_path: Path, kind: str) -> None:
    """RFC 7468, RFC 8017 A.1, RFC 5915, RFC 7517: every form of a key; RFC 7638 names it."""
    make, algorithm = GOOD[kind]
    (signer,) = read_file(in_file(tmp_path, make()), PASSWORD.encode())
    assert isinstance(signer, LocalSigner)
    assert signer.algorithm == algorithm
    assert signer.kid == signer.key.thumbprint()
    assert verifies(signer)


@pytest.mark.parametrize("form", ["PEM", "PKCS#1", "JWK"])
def test_a_public_key_is_published_only(tmp_path: Path, form: str) -> None:
    """RFC 7517 4: a key that is to sign next, or that has signed; no secret, so anybody may read the file."""
    public = {
        "PEM": openssl("rsa", "-pubout", given=rsa()),
        "PKCS#1": openssl("rsa", "-RSAPublicKey_out", given=rsa()),
        "JWK": json.dumps(RSAKey.import_key(rsa()).as_dict(private=False)),
    }[form]
    (key,) = read_file(in_file(tmp_path, public, 0o644))
    assert type(key) is PublicKey
    assert key.public_jwk["n"] == local_signer(rsa()).public_jwk["n"]


def test_a_set_has_several_keys_in_their_order(tmp_path: Path) -> None:
    """RFC 7517 5: with the kid of each; what else is in a JWK is not published."""
    first: dict[str, Any] = {**ECKey.import_key(ec()).as_dict(private=True), "kid": "this year's", "x5u": "https://x"}
    second = RSAKey.import_key(rsa()).as_dict(private=False)
    keys = read_file(in_file(tmp_path, json.dumps({"keys": [first, second]})))
    assert [key.kid for key in keys] == ["this year's", keys[1].key.thumbprint()]
    assert set(keys[0].public_jwk) == {"kty", "crv", "x", "y", "kid", "alg", "use"}


def jwk(key: RSAKey | ECKey | OctKey | OKPKey, **changes: Any) -> str:
    members: KeyParameters = {}
    return json.dumps({**members, **key.as_dict(private=True), **changes})


def another_s_modulus() -> str:
    return jwk(RSAKey.import_key(rsa()), n=RSAKey.generate_key(2048).as_dict()["n"])


def another_s_exponent() -> str:
    """Without primes, which would have to be guessed from the three."""
    members: dict[str, Any] = {**RSAKey.import_key(rsa()).as_dict(private=True)}
    of_another: dict[str, Any] = {**RSAKey.generate_key(2048).as_dict(private=True)}
    return json.dumps({**{name: members[name] for name in ("kty", "n", "e")}, "d": of_another["d"]})


def another_s_scalar() -> str:
    of_another: dict[str, Any] = {**ECKey.generate_key("P-256").as_dict(private=True)}
    return jwk(ECKey.import_key(ec()), d=of_another["d"])


BAD: dict[str, tuple[Callable[[], str], str]] = {
    "weak": (lambda: openssl("genrsa", "1024"), "less than 2048 bits"),
    "small exponent": (lambda: openssl("genrsa", "-3", "2048"), "exponent below 65537"),
    "another curve": (lambda: openssl("ecparam", "-name", "secp384r1", "-genkey"), "another curve than P-256"),
    "the curve of coins": (lambda: openssl("ecparam", "-name", "secp256k1", "-genkey"), "another curve than P-256"),
    "Ed25519": (lambda: openssl("genpkey", "-algorithm", "ed25519"), "neither RSA nor EC"),
    "encrypted": (GOOD["PKCS#8, encrypted"][0], "keys.signing_key_password_file"),
    "encrypted, as before": (GOOD["PKCS#1, encrypted"][0], "keys.signing_key_password_file"),
    "cut off": (lambda: rsa()[:500] + "\n-----END PRIVATE KEY-----\n", "cannot be read as a private key"),
    "two": (lambda: rsa() + ec(), "has several keys"),
    "a certificate": (
        lambda: "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
        "is no key, as PEM or JWK",
    ),
    "text": (lambda: "hunter2", "is no key, as PEM or JWK"),
    "nothing": (lambda: "", "is no key, as PEM or JWK"),
    "no JSON": (lambda: "{hunter2", "is no JSON"),
    "deep": (lambda: "[" * 100_000, "is no JSON"),
    "a list": (lambda: "[1]", "neither a JWK nor a JWK Set"),
    "an empty set": (lambda: '{"keys": []}', "neither a JWK nor a JWK Set"),
    "HMAC": (lambda: jwk(OctKey.generate_key(256)), "neither RSA nor EC"),
    "for encryption": (lambda: jwk(ECKey.import_key(ec()), use="enc"), "for something else"),
    "for another algorithm": (lambda: jwk(RSAKey.import_key(rsa()), alg="PS256"), "for another algorithm"),
    "a kid that is none": (lambda: jwk(ECKey.import_key(ec()), kid=5), "has a kid"),
    "a long kid": (lambda: jwk(ECKey.import_key(ec()), kid="k" * 256), "has a kid"),
    "halves of two keys": (another_s_modulus, "neither RSA nor EC"),
    "the exponent of another": (another_s_exponent, "neither RSA nor EC"),
    "the scalar of another": (another_s_scalar, "neither RSA nor EC"),
    "for wrapping": (lambda: jwk(RSAKey.import_key(rsa()), key_ops=["wrapKey"]), "for something else"),
    "for verifying": (lambda: jwk(ECKey.import_key(ec()), key_ops=["verify"]), "for something else"),
    "for who knows": (lambda: jwk(ECKey.import_key(ec()), key_ops=1), "for something else"),
    "large": (lambda: " " * 300_000, "too large"),
}


@pytest.mark.filterwarnings("error::joserfc.errors.SecurityWarning")
@pytest.mark.parametrize("what", list(BAD))
def test_what_cannot_sign_is_refused(tmp_path: Path, what: str) -> None:
    """RFC 7518 3.3, 3.4, RFC 7517 4.2, 4.4: with what is wrong, and nothing of what is in the file."""
    make, why = BAD[what]
    content = make()
    with pytest.raises(ConfigurationError, match=why) as refusal:
        read_file(in_file(tmp_path, content))
    told = "".join(refusal.value.mistakes)
    assert len(told) < 120
    assert not any(line in told for line in content.split() if len(line) > 6 and line not in ("PRIVATE", "BEGIN"))
    assert refusal.value.__cause__ is None


def test_the_wrong_password_is_told(tmp_path: Path) -> None:
    """docs/keys.md."""
    with pytest.raises(ConfigurationError, match="its password is another") as refusal:
        read_file(in_file(tmp_path, GOOD["PKCS#8, encrypted"][0]()), b"a-guess")
    assert "a-guess" not in str(refusal.value)


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o602])
def test_a_private_key_that_everybody_may_open_is_refused(tmp_path: Path, mode: int) -> None:
    """docs/keys.md; a group may have it, as containers are given secrets."""
    with pytest.raises(ConfigurationError, match="chmod o="):
        read_file(in_file(tmp_path, ec(), mode))
    (tmp_path / "key").chmod(0o640)
    assert read_file(tmp_path / "key")


@pytest.mark.parametrize("where", ["missing", "folder"])
def test_a_file_that_is_none_is_refused(tmp_path: Path, where: str) -> None:
    """docs/keys.md."""
    (tmp_path / "folder").mkdir()
    with pytest.raises(ConfigurationError, match="cannot be read: "):
        read_file(tmp_path / where)


# What signs elsewhere.


class Elsewhere:
    """A key that somebody else has: `sign` is what the test says."""

    def __init__(self, sign: Callable[[bytes], bytes], private: LocalSigner | None = None, **public: Any) -> None:
        self.private = private or local_signer(ec())
        self.algorithm = self.private.algorithm
        self.public_jwk = {**self.private.public_jwk, **public}
        self.sign = sign


def outside(signer: Signer, timeout: float = 60.0) -> OutsideSigner:
    return OutsideSigner(signer, name="plugins.kms", timeout=timeout)


@pytest.fixture
def released() -> Iterator[threading.Event]:
    """Set at the end, so that nothing hangs longer than its test."""
    event = threading.Event()
    yield event
    event.set()


@pytest.mark.parametrize("key", [rsa, ec])
def test_a_signature_from_elsewhere_is_handed_on(key: Callable[[], str]) -> None:
    """RFC 7515 5.1."""
    private = local_signer(key())
    signer = outside(Elsewhere(private.sign, private))
    algorithm = JWSRegistry(algorithms=[signer.algorithm]).get_alg(signer.algorithm)
    assert algorithm.verify(b"content", signer.sign(b"content"), private.key)
    assert signer.public_jwk == private.public_jwk


@pytest.mark.parametrize("kid", [5, "k" * 256, "two\r\nlines"])
def test_a_signer_s_kid_is_a_short_text(kid: Any) -> None:
    """RFC 7517 4.5: it goes into each header, and is compared by clients."""
    with pytest.raises(ConfigurationError, match=r"plugins\.kms: a signer whose kid"):
        outside(Elsewhere(lambda _: b"", kid=kid))


def test_a_signer_that_wants_to_end_the_process_fails_alone() -> None:
    """RFC 6749 4.1.2.1, temporarily_unavailable: what a library calls in its despair is a failure like another."""
    with pytest.raises(TemporarilyUnavailable) as error:
        outside(Elsewhere(lambda _: sys.exit(1))).sign(b"content")
    assert error.value.hint == "signer of plugins.kms: RuntimeError"


def test_a_failure_is_worth_another_try(capfd: pytest.CaptureFixture[str]) -> None:
    """RFC 6749 4.1.2.1, temporarily_unavailable: and the log has where it was, without the service's words."""

    def fail(signing_input: bytes) -> bytes:
        raise OSError("the PIN was 1234")

    with pytest.raises(TemporarilyUnavailable) as error:
        outside(Elsewhere(fail)).sign(b"content")
    assert error.value.hint == "signer of plugins.kms: OSError"
    told = capfd.readouterr().out
    assert "signer of plugins.kms" in told
    assert "1234" not in told


def test_a_signer_that_hangs_is_given_up(released: threading.Event) -> None:
    """docs/keys.md, keys.signer_timeout: the request is answered, and others have run meanwhile."""
    ran = threading.Event()

    def hang(signing_input: bytes) -> bytes:
        with baton.held():  # the request that waits has laid it down
            ran.set()
        released.wait(30)
        return b""

    def others_have_run() -> bool:
        """They have not, where the machine stops for all of this time."""
        with baton.held(), pytest.raises(TemporarilyUnavailable) as error:
            outside(Elsewhere(hang), 0.2).sign(b"content")
        assert "no signature within 0.2 s" in error.value.hint
        return ran.is_set()

    assert once(others_have_run)


def test_so_many_wait_and_no_more(released: threading.Event) -> None:
    """docs/keys.md: calls that hang keep their places, so that threads do not pile up; a place that is free is used."""
    asked = []

    def hang(signing_input: bytes) -> bytes:
        asked.append(signing_input)
        released.wait(30)
        return private.sign(signing_input)

    private = local_signer(ec())
    signer = outside(Elsewhere(hang, private), 0.01)
    for _ in range(PLACES):
        with pytest.raises(TemporarilyUnavailable):
            signer.sign(b"content")
    with pytest.raises(TemporarilyUnavailable) as error:
        signer.sign(b"content")
    assert "too many requests wait" in error.value.hint
    eventually(lambda: len(asked) == PLACES)
    released.set()
    until(lambda: signer.sign(b"content"))


def until(sign: Callable[[], bytes]) -> None:
    """It signs, once the calls that hung have ended."""
    deadline = time.monotonic() + 20
    while True:
        try:
            assert sign()
        except TemporarilyUnavailable:
            assert time.monotonic() < deadline
        else:
            return


def asn1(signing_input: bytes) -> bytes:
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
    from cryptography.hazmat.primitives.hashes import SHA256

    private: Any = ECKey.import_key(ec()).private_key
    return bytes(private.sign(signing_input, ECDSA(SHA256())))


def somebody_else_s(signing_input: bytes) -> bytes:
    return local_signer(jwk(ECKey.generate_key("P-256"))).sign(signing_input)


def of_something_else(signing_input: bytes) -> bytes:
    return local_signer(ec()).sign(b"another " + signing_input)


@pytest.mark.parametrize(
    "wrong",
    [
        *(asn1, somebody_else_s, of_something_else, lambda _: b"", lambda _: b"x" * 64, lambda _: b"\0" * 64),
        *(lambda _: "text", lambda _: None),
    ],
)
def test_a_wrong_signature_reaches_nobody(wrong: Callable[[bytes], Any]) -> None:
    """RFC 7518 3.4: R and S, and not ASN.1 as key management services answer it; the hint says whose it was."""
    with pytest.raises(ServerError) as error:
        outside(Elsewhere(wrong)).sign(b"content")
    assert "signer of plugins.kms" in error.value.hint


@pytest.mark.parametrize(
    "public",
    [
        {"kty": "oct", "k": "c2VjcmV0"},
        {"x": "AA"},
        {"x": None},
    ],
)
def test_a_signer_without_a_public_key_stops_the_start(public: dict[str, Any]) -> None:
    """RFC 7517 9.2: what is not certain to be public is not published."""
    with pytest.raises(ConfigurationError, match=r"plugins\.kms: a signer without a public key"):
        outside(Elsewhere(lambda _: b"", **public))


def test_a_private_key_in_a_public_one_is_not_published() -> None:
    """RFC 7517 9.3: a careless `public_jwk` tells nobody the key."""
    private = local_signer(ec())
    signer = outside(Elsewhere(private.sign, private, d=private.key.as_dict(private=True)["d"]))
    assert "d" not in signer.public_jwk


def test_der_is_read_as_services_give_it() -> None:
    """RFC 5280 4.1: SubjectPublicKeyInfo."""
    private = local_signer(ec())
    assert read_public_key(private.key.as_der(private=False)).public_jwk == private.public_jwk
    with pytest.raises(ConfigurationError, match="private key"):
        read_public_key(ec())
