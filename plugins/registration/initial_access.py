"""Who may register a client: whoever has an initial access token (RFC 7591 3)."""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from creance.provider import ConfigurationError, InvalidToken
from creance.provider.bearer import read_bearer_token
from creance.provider.client_secrets import hash_client_secret

ANYBODY = "anybody"
SHORTEST_TOKEN = 32
"""Characters of a token that stands itself in the file."""

_HASH = re.compile(r"sha256:[0-9a-f]{64}")


class InitialAccess:
    """Keeps hashes of tokens, never tokens."""

    def __init__(self, hashes: Iterable[str], *, open_to_all: bool) -> None:
        self._hashes = tuple(hashes)
        self._open_to_all = open_to_all

    def holder_of(self, headers: Mapping[str, str]) -> str:
        """For whom to count: the hash of the token that a request has. All are compared, each in constant time.

        Raises InvalidToken, and InvalidRequest for a malformed header.
        """
        if self._open_to_all:
            return ANYBODY
        presented = hash_client_secret(read_bearer_token(headers))
        found = [kept for kept in self._hashes if hmac.compare_digest(kept, presented)]
        if not found:
            raise InvalidToken("the initial access token is not valid")
        return found[0]


def read_hashes(path: Path, setting: str) -> list[str]:
    """The tokens of a file as hashes. Raises ConfigurationError, which repeats nothing of the file."""
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "not UTF-8"
        raise ConfigurationError(f"{setting}: {path} cannot be read: {why}") from None
    hashes = list(_hashes(lines, f"{setting}: {path}"))
    if not hashes:
        raise ConfigurationError(f"{setting}: {path} is empty")
    return hashes


def _hashes(lines: Iterable[str], where: str) -> Iterator[str]:
    for number, line in enumerate(lines, 1):
        token = line.strip()
        if not token or token.startswith("#"):
            continue
        if token.startswith("sha256:"):
            if not _HASH.fullmatch(token):
                raise ConfigurationError(f"{where}, line {number}: is not a hash: sha256: and 64 hexadecimal digits")
            yield token
        elif len(token) < SHORTEST_TOKEN:
            raise ConfigurationError(f"{where}, line {number}: a token must have {SHORTEST_TOKEN} characters or more")
        else:
            yield hash_client_secret(token)
