"""Signing keys that are given, in the place of the provider's own (`given_keys.py`, `earlier_keys.py`)."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from creance.provider import ConfigurationError, OpenIDProvider
from creance.provider.given_keys import GivenKeys
from creance.provider.keyring import SIGNING_KEYS
from creance.provider.sealing import new_secret
from creance.provider.signers import LocalSigner, PublicKey, local_signer
from joserfc import jws
from joserfc.jwk import ECKey, RSAKey

ISSUER = "http://localhost:8400"
MakeProvider = Callable[..., OpenIDProvider]
MakeApp = Callable[..., Any]


def signer(kid: str) -> LocalSigner:
    return local_signer(ECKey.generate_key("P-256").as_pem(private=True), kid=kid)


def public(private: LocalSigner) -> PublicKey:
    return PublicKey(private.algorithm, private.key.__class__.import_key(dict(private.public_jwk)), private.kid)


def given(*keys: PublicKey) -> GivenKeys:
    return GivenKeys(keys, issuer=ISSUER)


def kid_of(token: str) -> str:
    return str(jws.extract_compact(token.encode()).headers()["kid"])


def kids(provider: OpenIDProvider) -> list[str]:
    return [key["kid"] for key in json.loads(provider.keyring.jwks)["keys"]]


def write(folder: Path, name: str, key: LocalSigner, *, private: bool = True) -> str:
    """A file with the key as a JWK, which has its kid."""
    path = folder / name
    path.write_text(json.dumps({**key.key.as_dict(private=private), "kid": key.kid}))
    path.chmod(0o600)
    return name


# What signs, what verifies.


def test_the_first_of_an_algorithm_signs_and_all_verify() -> None:
    """RFC 7517 5, OpenID Connect Core 10.1.1: a key that has signed before goes on verifying."""
    old, new = signer("old"), signer("new")
    token = given(old).sign("ES256", {"iss": ISSUER, "sub": "alice"})
    keys = given(new, old)
    assert kid_of(keys.sign("ES256", {"iss": ISSUER})) == "new"
    assert keys.verify(token)["sub"] == "alice"
    assert [key["kid"] for key in json.loads(keys.jwks)["keys"]] == ["new", "old"]
    assert [(key.kid, key.state) for key in keys.keys()] == [("new", "active"), ("old", "published")]  # noqa: SIM118


def test_a_public_key_verifies_and_does_not_sign() -> None:
    """RFC 7517 4: given without its private half."""
    old, new = signer("old"), signer("new")
    token = given(old).sign("ES256", {"iss": ISSUER})
    keys = given(public(old), new)
    assert keys.algorithms == ["ES256"]
    assert kid_of(keys.sign("ES256", {"iss": ISSUER})) == "new"
    assert keys.verify(token)


def test_two_keys_of_one_name_are_refused() -> None:
    """RFC 7517 4.5: clients could not tell them apart."""
    with pytest.raises(ConfigurationError, match=r"^two signing keys have the kid same$"):
        given(signer("same"), signer("same"))


def test_two_files_with_one_name_are_named(make_settings: Callable[..., Any], tmp_path: Path) -> None:
    """RFC 7517 4.5, docs/keys.md: so that the operator knows where to look; a set with both is named once."""
    one, two = (f"keys.signing_key_files[{index}]: {tmp_path}/{name}" for index, name in enumerate(("one", "two")))
    files = [write(tmp_path, "one", signer("same")), write(tmp_path, "two", signer("same"), private=False)]
    with pytest.raises(ConfigurationError) as refusal:
        OpenIDProvider(make_settings(keys={"signing_key_files": files}))
    assert refusal.value.mistakes == (f"two signing keys have the kid same: {one} and {two}",)
    both = [json.loads((tmp_path / file).read_text()) for file in files]
    (tmp_path / "one").write_text(json.dumps({"keys": both}))
    with pytest.raises(ConfigurationError) as refusal:
        OpenIDProvider(make_settings(keys={"signing_key_files": files[:1]}))
    assert refusal.value.mistakes == (f"two signing keys have the kid same: {one}",)


def forged(**changes: Any) -> dict[str, Callable[[LocalSigner], str]]:
    other = signer("other")
    rsa = RSAKey.generate_key(2048)

    def serialize(header: dict[str, Any], claims: Any, key: Any, algorithm: str) -> str:
        return jws.serialize_compact({"alg": algorithm, **header}, json.dumps(claims), key, algorithms=[algorithm])

    good = {"iss": ISSUER}
    return {
        "another's key": lambda key: serialize({"kid": key.kid}, good, other.key, "ES256"),
        "another's key, unnamed": lambda key: serialize({}, good, other.key, "ES256"),
        "another's kid": lambda key: serialize({"kid": "other"}, good, other.key, "ES256"),
        "another algorithm": lambda key: serialize({"kid": key.kid}, good, rsa, "RS256"),
        "another issuer": lambda key: serialize({"kid": key.kid}, {"iss": "https://x.example"}, key.key, "ES256"),
        "no claims": lambda key: serialize({"kid": key.kid}, ["iss"], key.key, "ES256"),
        "no JSON": lambda key: jws.serialize_compact({"alg": "ES256"}, "text", key.key, algorithms=["ES256"]),
        "none": lambda key: "eyJhbGciOiJub25lIn0.eyJpc3MiOiJodHRwOi8vbG9jYWxob3N0Ojg0MDAifQ.",
        "a kid that is a list": lambda key: "eyJhbGciOiJFUzI1NiIsImtpZCI6W119.e30.AA",
        "text": lambda key: "text",
        "not ASCII": lambda key: "é.é.é",
    }


@pytest.mark.parametrize("what", list(forged()))
def test_what_these_keys_did_not_sign_is_refused(what: str) -> None:
    """RFC 8725 3.1, 3.2: one algorithm a key, and no other key than one of these."""
    key = signer("a-key")
    with pytest.raises(ValueError):
        given(key).verify(forged()[what](key))


def test_a_token_that_names_no_key_is_held_against_each() -> None:
    """RFC 7515 4.1.4: `kid` is optional, and a pyop provider's key may have none."""
    first, second = signer("first"), signer("second")
    token = jws.serialize_compact({"alg": "ES256"}, json.dumps({"iss": ISSUER}), second.key, algorithms=["ES256"])
    assert given(first, second).verify(token) == {"iss": ISSUER}


# In a provider.


def test_the_files_say_which_algorithms_there_are(make_settings: Callable[..., Any], tmp_path: Path) -> None:
    """docs/keys.md: keys.algorithms may be left out; the metadata says what there is (OpenID Connect Discovery 3)."""
    table = make_settings(keys={"signing_key_files": [write(tmp_path, "ec.json", signer("a-key"))]})
    keys = table.keys.model_validate({"signing_key_files": table.keys.signing_key_files})
    provider = OpenIDProvider(table.model_copy(update={"keys": keys}))
    assert provider.metadata["id_token_signing_alg_values_supported"] == ["ES256"]


def test_an_algorithm_without_a_key_stops_the_start(make_settings: Callable[..., Any], tmp_path: Path) -> None:
    """docs/keys.md: found by `creance check` already."""
    files = [write(tmp_path, "ec.json", signer("a-key"))]
    with pytest.raises(ConfigurationError, match=r"keys\.algorithms: there is no signing key for RS256"):
        OpenIDProvider(make_settings(keys={"algorithms": ["ES256", "RS256"], "signing_key_files": files}))


def test_all_that_is_wrong_with_files_is_told_at_once(make_settings: Callable[..., Any], tmp_path: Path) -> None:
    """docs/keys.md: with the place of each."""
    (tmp_path / "text").write_text("hunter2")
    with pytest.raises(ConfigurationError) as refusal:
        OpenIDProvider(make_settings(keys={"signing_key_files": ["text", "missing"]}))
    first, second = refusal.value.mistakes
    assert first == f"keys.signing_key_files[0]: {tmp_path}/text: is no key, as PEM or JWK"
    assert second.startswith(f"keys.signing_key_files[1]: {tmp_path}/missing: cannot be read")


def test_an_encrypted_file_opens_with_its_password(make_settings: Callable[..., Any], tmp_path: Path) -> None:
    """docs/keys.md, keys.signing_key_password_file."""
    key = ECKey.generate_key("P-256")
    (tmp_path / "key").write_bytes(key.as_pem(private=True, password="a-password"))
    (tmp_path / "key").chmod(0o600)
    (tmp_path / "password").write_text("a-password\n")
    keys = {"signing_key_files": ["key"], "signing_key_password_file": "password"}
    assert OpenIDProvider(make_settings(keys=keys)).given_keys.algorithms == ["ES256"]


def test_what_the_providers_own_keys_signed_goes_on(
    make_app: MakeApp, make_provider: MakeProvider, tmp_path: Path
) -> None:
    """OpenID Connect Core 3.1.2.1, 10.1.1: id_token_hint and published keys, from own keys to given ones."""
    before = make_app()
    old = before.log_in()["id_token"]
    own = kids(before.provider)
    after = make_app("app", make_provider(keys={"signing_key_files": [write(tmp_path, "ec.json", signer("mine"))]}))
    assert kid_of(after.log_in()["id_token"]) == "mine"
    assert after.provider.keyring.verify(old)["iss"] == ISSUER
    assert kids(after.provider) == ["mine", *own]
    states = {key.state for key in after.provider.keyring.keys() if key.kid in own}  # noqa: SIM118
    assert states == {"earlier"}
    assert after.authorize(id_token_hint=old)


def test_and_back(make_app: MakeApp, make_provider: MakeProvider, tmp_path: Path) -> None:
    """docs/keys.md: the keys of the store sign again; the public half of the given one verifies."""
    own = kids(make_provider())
    mine = signer("mine")
    given = make_app("app", make_provider(keys={"signing_key_files": [write(tmp_path, "ec.json", mine)]}))
    old = given.log_in()["id_token"]
    files = [write(tmp_path, "public.json", mine, private=False)]
    back = make_app("app", make_provider(keys={"signing_key_files": files}))
    new = back.log_in()["id_token"]
    assert kid_of(new) in own
    assert kids(back.provider) == [*own, "mine"]
    assert back.provider.keyring.verify(old)
    assert given.provider.keyring.verify(new)  # another worker, which was not started anew yet
    back.provider.keyring.rotate(immediately=True)
    assert kid_of(back.log_in()["id_token"]) != kid_of(new)


def test_a_store_without_keys_gets_none(make_settings: Callable[..., Any], tmp_path: Path) -> None:
    """docs/keys.md: nothing is made that nobody needs."""
    (tmp_path / "var").mkdir()
    provider = OpenIDProvider(make_settings(keys={"signing_key_files": [write(tmp_path, "ec.json", signer("mine"))]}))
    provider.prepare()
    provider.start()
    try:
        assert kids(provider) == ["mine"]
        assert provider.store.get(SIGNING_KEYS, "keyring") is None
        provider.keyring.ping()
    finally:
        provider.stop()


@pytest.mark.default_store("the secret is not given")
def test_a_lost_secret_is_not_replaced(make_settings: Callable[..., Any], make_app: MakeApp, tmp_path: Path) -> None:
    """DESIGN, Keys: a secret that others were sealed with is missed by more than keys; a start says what to do."""
    secret = tmp_path / "var" / "own-secret"
    keys = {"signing_key_files": [write(tmp_path, "ec.json", signer("mine"))], "secret_file": "var/own-secret"}
    settings = make_settings(keys=keys, store={"uri": "sqlite:var/own.db"})

    def log_in() -> None:
        provider = OpenIDProvider(settings)
        provider.prepare()
        provider.start()
        try:
            make_app("app", provider).log_in()
        finally:
            provider.stop()

    log_in()
    kept = secret.read_bytes()
    secret.unlink()
    with pytest.raises(ConfigurationError, match=r"keys\.secret_file: .*put it back.*`creance secret new`"):
        log_in()
    assert not secret.exists()
    secret.write_bytes(kept)
    log_in()
    secret.write_text(new_secret())  # as the message says, where it is lost for good
    log_in()


def test_given_keys_are_not_rotated_here(make_provider: MakeProvider, tmp_path: Path) -> None:
    """docs/keys.md: they are the operator's."""
    provider = make_provider(keys={"signing_key_files": [write(tmp_path, "ec.json", signer("mine"))]})
    with pytest.raises(ConfigurationError, match="change them there, and restart"):
        provider.keyring.rotate(withdraw=True)


# Of a plugin.

KMS = """
from creance.provider.signers import local_signer
from joserfc.jwk import ECKey

PRIVATE = local_signer(ECKey.generate_key("P-256").as_pem(private=True), kid="of the service")
asked = []

class Elsewhere:
    algorithm, public_jwk = PRIVATE.algorithm, PRIVATE.public_jwk

    def sign(self, signing_input):
        asked.append(signing_input)
        if len(asked) == 1:
            raise OSError("not there")
        return PRIVATE.sign(signing_input)

class Stranger(Plugin[PluginSettings, PluginSettings]):
    def start(self, provider):
        self.connected = True

    @hookimpl
    def signers(self):
        assert self.connected
        return [Elsewhere()]
"""


def test_a_signature_that_could_not_be_had_burns_no_code(
    install_plugin: Callable[..., None], make_provider: MakeProvider, make_app: MakeApp
) -> None:
    """RFC 6749 4.1.2.1, temporarily_unavailable: the same code and refresh token work when the service is back."""
    from creance.provider import TemporarilyUnavailable

    install_plugin("kms", KMS)
    provider = make_provider(plugins={"kms": {}})
    app = make_app("app", provider)
    code = app.authorize()
    with pytest.raises(TemporarilyUnavailable):
        app.exchange(code)
    tokens = app.exchange(code)
    assert kid_of(tokens["id_token"]) == "of the service"
    assert app.claims(app.refresh(tokens["refresh_token"]))["iss"] == ISSUER


def test_a_plugin_whose_key_has_the_name_of_a_file_s_is_named(
    install_plugin: Callable[..., None], make_provider: MakeProvider, tmp_path: Path
) -> None:
    """RFC 7517 4.5, docs/keys.md."""
    install_plugin("kms", KMS)
    files = [write(tmp_path, "mine", signer("of the service"))]
    with pytest.raises(ConfigurationError, match=r"kid of the service: keys\..*/mine and plugins\.kms$"):
        make_provider(plugins={"kms": {}}, keys={"signing_key_files": files})


def test_a_plugin_without_the_key_for_an_algorithm_stops_the_start(
    install_plugin: Callable[..., None], make_provider: MakeProvider
) -> None:
    """docs/keys.md."""
    install_plugin("kms", KMS)
    with pytest.raises(ConfigurationError, match=r"keys\.algorithms: there is no signing key for RS256"):
        make_provider(plugins={"kms": {}}, keys={"algorithms": ["ES256", "RS256"]})


def test_a_provider_starts_again_with_a_plugin_s_keys(
    install_plugin: Callable[..., None], make_provider: MakeProvider
) -> None:
    """docs/keys.md: they are asked for at each start."""
    install_plugin("kms", KMS)
    provider = make_provider(plugins={"kms": {}})
    provider.stop()
    provider.start()
    assert kids(provider)[0] == "of the service"
