"""What must not be read or changed by others while it is away: sealed with keys derived from one secret.

One purpose, one key: HKDF (RFC 5869) with the purpose as its label. Sealing is AES-256-GCM with the issuer and a
context as associated data, so that nothing sealed for one use opens in another.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import secrets
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from .errors import ConfigurationError
from .store.bearer_values import dated

MINIMUM_SECRET_LENGTH = 32
_NONCE = 12


class CannotOpen(Exception):
    """What was given was not sealed by us for this purpose and context, or was changed since."""


class Sealer:
    """Seals, opens and authenticates under the operator's secrets: the first seals, all open."""

    def __init__(self, secrets: Sequence[bytes], issuer: str) -> None:
        self._secrets = tuple(secrets)
        self._issuer = issuer.encode()
        self._key = cache(self._derive)

    def seal(self, purpose: str, content: bytes, context: str = "") -> str:
        """Encrypt for a purpose. `context` must be the same when it is opened. URL-safe text."""
        nonce = os.urandom(_NONCE)
        sealed = AESGCM(self._key(0, purpose)).encrypt(nonce, content, self._associated(context))
        return base64.urlsafe_b64encode(nonce + sealed).rstrip(b"=").decode()

    def open(self, purpose: str, sealed: str, context: str = "") -> bytes:
        """What was sealed. Raises CannotOpen."""
        try:
            raw = base64.b64decode(sealed + "=" * (-len(sealed) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            raise CannotOpen from None
        if len(raw) < _NONCE:
            raise CannotOpen
        for which in range(len(self._secrets)):
            try:
                return AESGCM(self._key(which, purpose)).decrypt(raw[:_NONCE], raw[_NONCE:], self._associated(context))
            except InvalidTag:
                continue
        raise CannotOpen

    def mac(self, purpose: str, content: str) -> str:
        """An HMAC-SHA256 that only we can make, by the first secret. URL-safe text of 43 characters."""
        return self.macs(purpose, content)[0]

    def macs(self, purpose: str, content: str) -> list[str]:
        """The same by each secret, so that what was made before a change of secrets is still known."""
        digests = (
            hmac.digest(self._key(which, purpose), content.encode("utf-8", "surrogatepass"), "sha256")
            for which in range(len(self._secrets))
        )
        return [base64.urlsafe_b64encode(digest).rstrip(b"=").decode() for digest in digests]

    def bearer_value(self, purpose: str, value: str, issued_at: float) -> str:
        """The one that follows another bearer value, and that only we can make. Its time is that at which the other was
        issued, in seconds since the epoch: whoever derives it has read that, and so it is the same in all workers.
        """
        return dated(self.mac(purpose, value), issued_at)

    def bearer_values(self, purpose: str, value: str, issued_at: float) -> list[str]:
        """The same by each secret; then without a time, as an earlier version made it, maybe a moment ago."""
        macs = self.macs(purpose, value)
        return [*(dated(mac, issued_at) for mac in macs), *macs]

    def _derive(self, which: int, purpose: str) -> bytes:
        return HKDF(SHA256(), 32, salt=None, info=b"creance " + purpose.encode()).derive(self._secrets[which])

    def _associated(self, context: str) -> bytes:
        return hashlib.sha256(self._issuer).digest() + context.encode("utf-8", "surrogatepass")


def new_secret() -> str:
    """A fresh secret of 256 bits, as one line of a secret file."""
    return secrets.token_urlsafe(32)


def read_secret_file(path: Path) -> list[bytes]:
    """The secrets of a file, one a line. Raises ConfigurationError."""
    try:
        lines = [line.strip() for line in path.read_text("ascii").splitlines()]
    except FileNotFoundError:
        raise ConfigurationError(f"keys.secret_file: {path} is not there") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"keys.secret_file: {path} cannot be read: {reason(error)}") from None
    found = [line.encode() for line in lines if line]
    if not found or any(len(line) < MINIMUM_SECRET_LENGTH for line in found):
        raise ConfigurationError(
            f"keys.secret_file: {path} must have lines of {MINIMUM_SECRET_LENGTH} characters or more; "
            "`creance secret new` prints one"
        )
    return found


def make_secret_file(path: Path) -> None:
    """Make the file with a fresh secret, readable by its owner only; leave one that is there.

    Raises ConfigurationError.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "w") as file:
                file.write(new_secret() + "\n")
                file.flush()
                os.fsync(file.fileno())
            with suppress(FileExistsError):  # another was quicker; and nobody ever sees a file half written
                os.link(temporary, path)
        finally:
            temporary.unlink()
    except OSError as error:
        raise ConfigurationError(f"keys.secret_file: {path} cannot be made: {reason(error)}") from None


def reason(error: Exception) -> str:
    """Why the system refused, in its own short words."""
    return getattr(error, "strerror", None) or "not ASCII text"
