"""The keys that sign: several per algorithm, rotated without a client noticing, sealed in the store.

*next* is published ahead, so that clients know it before it signs; *active* signs; *retired* stays published until the
last token that it signed has expired, and is then kept unpublished, to verify id_token_hints. All of them are in one
document, changed by compare-and-swap: many workers that start at once make one set of first keys.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Lock
from typing import Any

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

from .errors import ConfigurationError
from .request_log import logger
from .sealing import CannotOpen, Sealer
from .store import AlreadyExists, Collection, Conflict, Document, Store, StoreUnavailable, insert, replace

SIGNING_KEYS = Collection("signing_keys", group="keys")

DOCUMENT = "keyring"
_PURPOSE = "signing key"
REFRESH = 5.0
"""Seconds after which a rotation made by another process is looked for."""
MARGIN = 60.0
"""Seconds that a retired key stays published beyond its last token, for clocks that differ."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key, parsed once. `private` is there while it is active: reading that of an RSA key takes 30 ms."""

    kid: str
    algorithm: str
    state: str
    created_at: float
    retired_at: float | None
    public: RSAKey | ECKey
    private: RSAKey | ECKey | None
    public_jwk: Mapping[str, Any]


class KeyRing:
    """Signs with the active key and publishes all that clients may need."""

    def __init__(
        self,
        store: Store,
        sealer: Sealer,
        *,
        issuer: str,
        algorithms: Sequence[str],
        longest_token: float,
        ahead: float,
    ) -> None:
        """`longest_token`: seconds that a signed token may live. `ahead`: seconds that clients may keep the JWKS, and
        thus a next key must have been published before it signs.
        """
        self._store = store
        self._sealer = sealer
        self._issuer = issuer
        self._algorithms = algorithms
        self._longest_token = longest_token
        self._ahead = ahead
        self._parsed: dict[str, SigningKey] = {}
        self._active: dict[str, SigningKey] = {}
        self._jwks = b""
        self._read_at = 0.0
        self._reading = Lock()

    def start(self) -> None:
        """Read the keys; make those that are missing. Raises ConfigurationError where the secret does not open them."""
        while True:
            document = self._store.get(SIGNING_KEYS, DOCUMENT)
            if document:
                self._take(document)  # nothing is added to keys that are not ours, or under a secret that is not theirs
            entries = document.value["keys"] if document else []
            missing = [
                (algorithm, state)
                for algorithm in self._algorithms
                for state in ("active", "next")
                if not any(entry["alg"] == algorithm and entry["state"] == state for entry in entries)
            ]
            if not missing:
                break
            value = {"issuer": self._issuer, "keys": [*entries, *self._generate_all(missing)]}
            try:
                self._store.write(
                    [replace(SIGNING_KEYS, document, value) if document else insert(SIGNING_KEYS, DOCUMENT, value)]
                )
            except (AlreadyExists, Conflict):
                continue  # another worker was quicker: use its keys
        self._read()

    def sign(self, algorithm: str, claims: Mapping[str, Any]) -> str:
        """The claims as a JWS (RFC 7515) by the active key of an algorithm."""
        self._refresh()
        key = self._active[algorithm]
        header = {"alg": algorithm, "kid": key.kid}
        payload = json.dumps(claims, separators=(",", ":")).encode()
        return jws.serialize_compact(header, payload, key.private, algorithms=[algorithm])

    def verify(self, token: str) -> dict[str, Any]:
        """The claims of a JWS that a key of ours signed, with that key's own algorithm; time is not looked at.

        Raises ValueError for all else: another's key, `none`, an HMAC, a key in the header, what is not a JWS.
        """
        self._refresh()
        try:
            header = jws.extract_compact(token.encode()).headers()
            key = self._parsed.get(header.get("kid", ""))
            if key is None or header.get("alg") != key.algorithm:
                raise ValueError("not signed by a key of this provider")
            claims = json.loads(jws.deserialize_compact(token, key.public, algorithms=[key.algorithm]).payload)
        except (JoseError, UnicodeError, TypeError, AttributeError, RecursionError) as error:
            raise ValueError(f"not a valid JWS: {type(error).__name__}") from None
        if not isinstance(claims, dict) or claims.get("iss") != self._issuer:
            raise ValueError("not issued by this provider")
        return claims

    @property
    def jwks(self) -> bytes:
        """The published keys as a JWK Set (RFC 7517 5), prepared."""
        self._refresh()
        return self._jwks

    def keys(self) -> list[SigningKey]:
        """All keys, retired ones included, as the store has them now."""
        self._read()
        return sorted(self._parsed.values(), key=lambda key: (key.algorithm, key.created_at))

    def ping(self) -> None:
        """Ask the store for the keys. Raises StoreUnavailable."""
        self._read()

    def rotate(self, *, immediately: bool = False, withdraw: bool = False) -> None:
        """Next becomes active, active becomes retired, a fresh next is published.

        Raises ConfigurationError where a next key was not published for as long as clients may keep the JWKS, unless
        `immediately`. `withdraw` is for keys that are no longer secret: active and next are removed at once for fresh
        ones, and nothing that they signed verifies any more.
        """
        document = self._store.get(SIGNING_KEYS, DOCUMENT)
        if document is None:
            raise ConfigurationError("the store holds no keys yet: start the provider first")
        entries = [dict(entry) for entry in document.value["keys"]]
        if not (immediately or withdraw):
            self._refuse_unseen(entries)
        if withdraw:
            entries = [entry for entry in entries if entry["state"] == "retired"]
            entries += self._generate_all([(algorithm, "next") for algorithm in self._algorithms])
        for entry in entries:
            if entry["state"] == "active":
                entry.update(state="retired", retired_at=time.time(), sealed=None)
            elif entry["state"] == "next":
                entry.update(state="active")
        entries += self._generate_all([(algorithm, "next") for algorithm in self._algorithms])
        try:
            self._store.write([replace(SIGNING_KEYS, document, {"issuer": self._issuer, "keys": entries})])
        except Conflict:
            raise ConfigurationError("another process changed the keys at this moment: try again") from None
        self._read()

    def _refuse_unseen(self, entries: Sequence[Mapping[str, Any]]) -> None:
        for entry in entries:
            wait = entry["created_at"] + self._ahead + MARGIN - time.time()
            if entry["state"] == "next" and wait > 0:
                raise ConfigurationError(
                    f"the next key was published only now: wait {int(wait) + 1} seconds, until clients have seen it, "
                    "or use --immediately"
                )

    def _generate_all(self, which: Sequence[tuple[str, str]]) -> list[dict[str, Any]]:
        """Keys of these algorithms and states, made side by side: somebody waits for the first start."""
        with ThreadPoolExecutor() as pool:
            return list(pool.map(lambda each: self._generate(*each), which))

    def _generate(self, algorithm: str, state: str) -> dict[str, Any]:
        key: RSAKey | ECKey = RSAKey.generate_key(2048) if algorithm == "RS256" else ECKey.generate_key("P-256")
        kid = key.thumbprint()
        private = json.dumps(key.as_dict(private=True)).encode()
        return {
            "kid": kid,
            "alg": algorithm,
            "state": state,
            "created_at": time.time(),
            "retired_at": None,
            "public": key.as_dict(private=False),
            "sealed": self._sealer.seal(_PURPOSE, private, context=kid),
        }

    def _refresh(self) -> None:
        if time.monotonic() - self._read_at < REFRESH or not self._reading.acquire(blocking=False):
            return
        try:
            self._read()
        except (StoreUnavailable, ConfigurationError) as error:
            self._read_at = time.monotonic()  # the keys that we hold are good; ask again later
            logger.error("keys_not_read", reason=str(error))
        finally:
            self._reading.release()

    def _read(self) -> None:
        document = self._store.get(SIGNING_KEYS, DOCUMENT)
        if document is None:
            raise StoreUnavailable("the store holds no signing keys")
        self._take(document)

    def _take(self, document: Document) -> None:
        if document.value["issuer"] != self._issuer:
            raise ConfigurationError(
                f"store: its keys belong to the issuer {document.value['issuer']}; an issuer cannot be renamed. Put it "
                "back, or move the database away to begin anew, without its users and clients: "
                f"{self._store.describe()}"
            )
        parsed = {entry["kid"]: self._parse(entry) for entry in document.value["keys"]}
        published = [dict(key.public_jwk) for key in parsed.values() if self._published(key)]
        self._jwks = json.dumps({"keys": published}).encode()
        self._active = {key.algorithm: key for key in parsed.values() if key.state == "active"}
        self._parsed = parsed
        self._read_at = time.monotonic()

    def _published(self, key: SigningKey) -> bool:
        if key.algorithm not in self._algorithms:
            return False
        return key.retired_at is None or time.time() < key.retired_at + self._longest_token + MARGIN

    def _parse(self, entry: Mapping[str, Any]) -> SigningKey:
        known = self._parsed.get(entry["kid"])
        if known is not None and known.state == entry["state"]:
            return known
        cls = RSAKey if entry["alg"] == "RS256" else ECKey
        private = self._open(entry) if entry["sealed"] else None
        return SigningKey(
            kid=entry["kid"],
            algorithm=entry["alg"],
            state=entry["state"],
            created_at=entry["created_at"],
            retired_at=entry["retired_at"],
            public=cls.import_key(entry["public"]),
            private=cls.import_key(json.loads(private)) if private and entry["state"] == "active" else None,
            public_jwk={**entry["public"], "kid": entry["kid"], "alg": entry["alg"], "use": "sig"},
        )

    def _open(self, entry: Mapping[str, Any]) -> bytes:
        try:
            return self._sealer.open(_PURPOSE, entry["sealed"], context=entry["kid"])
        except CannotOpen:
            raise ConfigurationError(
                "keys.secret_file: its secret does not open the keys in the store; put back the secret that "
                "sealed them (as another line, if you want a new one)"
            ) from None


def holds_keys(store: Store) -> bool:
    """Whether a store has sealed keys, so that a new secret would be a wrong one."""
    return store.get(SIGNING_KEYS, DOCUMENT) is not None


def refuse_other_keys(source: Store, target: Store, issuer: str, *, copied: bool) -> None:
    """Raise ConfigurationError where a store has the keys of another issuer, or the target keys that are not the
    source's: it is another provider's. Where they are not copied, the source may have none: they live elsewhere.
    """
    found = [store.get(SIGNING_KEYS, DOCUMENT) for store in (source, target)]
    for store, document in zip((source, target), found, strict=True):
        if document is not None and document.value["issuer"] != issuer:
            raise ConfigurationError(f"{store.describe()} belongs to the issuer {document.value['issuer']}")
    here, there = ({entry["kid"] for entry in document.value["keys"]} if document else set() for document in found)
    if there and not here & there and (here or copied):
        raise ConfigurationError(f"{target.describe()} has keys of its own: another provider was started on it")
