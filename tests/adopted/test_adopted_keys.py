"""The signing key of a pyop provider, and other keys beside it (`OpenIDProvider.adopt`, docs/keys.md)."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from creance.provider import ConfigurationError, OpenIDProvider
from joserfc.jwk import ECKey
from joserfc.jwk import RSAKey as OurRSAKey
from jwkest.jwk import ECKey as JwkestECKey
from jwkest.jwk import RSAKey
from pyop.provider import Provider

from .conftest import Client, claims_of, plain_provider

Adopt = Callable[..., OpenIDProvider]


def key_file(folder: Path, key: OurRSAKey | ECKey) -> str:
    path = folder / "signing.pem"
    path.write_bytes(key.as_pem(private=True))
    path.chmod(0o600)
    return str(path)


def test_a_file_s_key_signs_and_pyop_s_goes_on_verifying(plain: Provider, adopt: Adopt, tmp_path: Path) -> None:
    """OpenID Connect Core 10.1.1: the way from pyop's key to another; what pyop has signed is a good hint."""
    before = Client(plain)
    old = before.exchange(before.authorize())
    key = OurRSAKey.generate_key(2048)
    adopted = adopt(plain, settings={"keys": {"signing_key_files": [key_file(tmp_path, key)]}})
    assert [each["kid"] for each in adopted.jwks["keys"]] == [key.thumbprint(), "the-key"]
    after = Client(adopted)
    tokens = after.exchange(after.authorize(id_token_hint=old["id_token"]))
    assert claims_of(tokens, adopted)["sub"] == claims_of(old, adopted)["sub"]


def test_a_key_for_another_algorithm_is_added(plain: Provider, adopt: Adopt, tmp_path: Path) -> None:
    """OpenID Connect Discovery 3, id_token_signing_alg_values_supported: what there are keys for, in their order."""
    files = [key_file(tmp_path, ECKey.generate_key("P-256"))]
    keys = {"signing_key_files": files, "algorithms": ["RS256", "ES256"]}
    adopted = adopt(plain, settings={"keys": keys})
    assert adopted.provider_configuration["id_token_signing_alg_values_supported"] == ["RS256", "ES256"]
    client = Client(adopted)
    assert claims_of(client.exchange(client.authorize()), plain)["nonce"] == "a-nonce"


def test_a_file_with_the_name_of_pyop_s_key_is_named(plain: Provider, adopt: Adopt, tmp_path: Path) -> None:
    """RFC 7517 4.5, docs/keys.md: also where an operator has put pyop's own key there."""
    file = tmp_path / "key.json"
    file.write_text(json.dumps({**ECKey.generate_key("P-256").as_dict(private=True), "kid": "the-key"}))
    file.chmod(0o600)
    told = f"the kid the-key: keys.signing_key_files[0]: {file} and the signing key of the adopted provider"
    with pytest.raises(ConfigurationError, match=re.escape(told)):
        adopt(plain, settings={"keys": {"signing_key_files": [str(file)]}})


def test_a_key_without_a_name_gets_its_thumbprint(adopt: Adopt, signing_key: RSAKey) -> None:
    """RFC 7638; pyop's example makes its key so."""
    nameless = RSAKey(key=signing_key.key, alg="RS256")
    adopted = adopt(plain_provider(nameless))
    (published,) = adopted.jwks["keys"]
    assert published["kid"] == OurRSAKey.import_key({name: published[name] for name in ("kty", "n", "e")}).thumbprint()
    before = Client(plain_provider(nameless))
    old = before.exchange(before.authorize())
    assert adopted.keyring.verify(old["id_token"])["nonce"] == "a-nonce"


def test_an_elliptic_key_is_taken_over(adopt: Adopt) -> None:
    """RFC 7518 3.4: pyop's key may be one of P-256."""
    key = ECKey.generate_key("P-256")
    theirs = JwkestECKey(**key.as_dict(private=True), kid="elliptic", alg="ES256")
    theirs.deserialize()
    adopted = adopt(plain_provider(theirs))
    client = Client(adopted)
    tokens = client.exchange(client.authorize())
    assert adopted.keyring.verify(tokens["id_token"])["nonce"] == "a-nonce"
    assert json.loads(adopted.keyring.jwks)["keys"][0]["x"] == key.as_dict(private=False)["x"]


def test_the_key_is_the_hosts_to_rotate(plain: Provider, adopt: Adopt) -> None:
    """docs/keys.md."""
    with pytest.raises(ConfigurationError, match="change them there"):
        adopt(plain).keyring.rotate()
