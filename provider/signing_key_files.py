"""Signing keys in files of the operator's: PEM (PKCS#1, PKCS#8, SEC1), or a JWK or JWK Set as JSON.

No error tells anything of what is in a file but what kind of thing it is.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from .errors import ConfigurationError
from .secret_files import read_first_line
from .settings import Settings
from .signers import PRIVATE_MEMBERS, LocalSigner, PublicKey, is_kid, local_signer, read_public_key

_SETTING = "keys.signing_key_files"
_PRIVATE = b"PRIVATE KEY-----"
_LARGEST = 256 * 1024
"""Bytes of a file."""


def read_signing_keys(settings: Settings) -> list[LocalSigner | PublicKey]:
    """The keys of `keys.signing_key_files`, in their order. Raises ConfigurationError with all that is wrong."""
    password = None
    if settings.keys.signing_key_password_file is not None:
        path = settings.path(settings.keys.signing_key_password_file)
        password = read_first_line(path, "keys.signing_key_password_file").encode()
    keys: list[LocalSigner | PublicKey] = []
    mistakes: list[str] = []
    for index, file in enumerate(settings.keys.signing_key_files):
        path = settings.path(file)
        name = f"{_SETTING}[{index}]: {path}"
        try:
            keys += [replace(key, name=name) for key in read_file(path, password)]
        except ConfigurationError as error:
            mistakes += [f"{name}: {mistake}" for mistake in error.mistakes]
    if mistakes:
        raise ConfigurationError(*mistakes)
    return keys


def read_file(path: Path, password: bytes | None = None) -> Sequence[LocalSigner | PublicKey]:
    """The keys of a file: those that sign, and public ones. Raises ConfigurationError, which does not name the file."""
    content, mode = _content(path)
    keys = list(_jwks(content)) if content.lstrip()[:1] in (b"{", b"[") else [_pem(content, password)]
    if mode & stat.S_IRWXO and any(isinstance(key, LocalSigner) for key in keys):
        raise ConfigurationError("everybody on this machine may open this private key: chmod o= it")
    return keys


def _content(path: Path) -> tuple[bytes, int]:
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST + 1)
            mode = os.fstat(file.fileno()).st_mode
    except OSError as error:
        raise ConfigurationError(f"cannot be read: {error.strerror}") from None
    if len(content) > _LARGEST:
        raise ConfigurationError("is too large to be a key")
    return content, mode


def _pem(content: bytes, password: bytes | None) -> LocalSigner | PublicKey:
    """RFC 7468 10, 11, 13; and PKCS#1 and SEC1, as OpenSSL writes them."""
    blocks = [line for line in content.splitlines() if line.startswith(b"-----BEGIN ") and b" PARAMETERS" not in line]
    if len(blocks) > 1:
        raise ConfigurationError("has several keys: give each a file of its own")
    if not blocks or not blocks[0].rstrip().endswith(b" KEY-----"):
        raise ConfigurationError("is no key, as PEM or JWK")
    if not blocks[0].rstrip().endswith(_PRIVATE):
        return read_public_key(content)
    try:
        private = load_pem_private_key(content, password if _is_encrypted(content) else None)
    except TypeError:
        raise ConfigurationError("is encrypted: name its password in keys.signing_key_password_file") from None
    except Exception as error:  # of many kinds, and their texts are of no use to an operator
        why = "its password is another" if password and _is_encrypted(content) else type(error).__name__
        raise ConfigurationError(f"cannot be read as a private key: {why}") from None
    return local_signer(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def _is_encrypted(content: bytes) -> bool:
    return b"BEGIN ENCRYPTED " in content or b"Proc-Type: 4,ENCRYPTED" in content


def _jwks(content: bytes) -> Iterator[LocalSigner | PublicKey]:
    """RFC 7517 4, 5."""
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        raise ConfigurationError("is no JSON") from None
    found = value.get("keys", [value]) if isinstance(value, dict) else None
    if not isinstance(found, list) or not found or not all(isinstance(jwk, dict) for jwk in found):
        raise ConfigurationError("is neither a JWK nor a JWK Set (RFC 7517)")
    for jwk in found:
        yield _jwk(jwk)


def _jwk(jwk: dict[str, Any]) -> LocalSigner | PublicKey:
    """What else it has than the key is held against what it is for (RFC 7517 4.2 to 4.5)."""
    if jwk.get("use", "sig") != "sig":
        raise ConfigurationError("has a key that is for something else than signatures (use)")
    kid = jwk.get("kid")
    if kid is not None and not is_kid(kid):
        raise ConfigurationError("has a kid that is no text, empty, or too long")
    key = {name: value for name, value in jwk.items() if name not in ("use", "key_ops", "alg", "kid")}
    private = bool(PRIVATE_MEMBERS & key.keys())
    if "key_ops" in jwk and not _is_for_signatures(jwk["key_ops"], private=private):
        raise ConfigurationError("has a key that is for something else than signatures (key_ops)")
    found = local_signer(key, kid=kid) if private else read_public_key(key, kid=kid)
    if jwk.get("alg", found.algorithm) != found.algorithm:
        raise ConfigurationError(f"has a key for another algorithm than {found.algorithm} (alg)")
    return found


def _is_for_signatures(key_ops: Any, *, private: bool) -> bool:
    """RFC 7517 4.3."""
    return isinstance(key_ops, list) and ("sign" in key_ops or (not private and "verify" in key_ops))
