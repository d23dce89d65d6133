"""What a pyop provider issued before it was adopted: taken over into our store when it is first presented.

It is written as ours, once, and is from then on what every token of ours is: redeemed by one, rotated, revoked. pyop's
own document stays where it is, so that one can go back, and is not looked at again: a note in our store says so.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from ..claims_request import read_claims_request
from ..grants import Grant, kept_parameters
from ..pyop_messages import texts
from ..request_log import report_defect
from ..scopes import split_scope
from ..store import AlreadyExists, Collection, Conflict, Operation, Store, bearer_key, insert, replace
from ..store.baton import baton
from ..tokens import COLLECTIONS, Token
from ..users import User
from .mapping import Origin

TAKEN_OVER = Collection("adopted_tokens", group="tokens")
"""What was looked at once. Kept as long as pyop's document can be good."""
ENDED = Collection("adopted_endings", group="tokens")
"""Grants and persons whose earlier tokens give nothing any more."""

_PREFIX: Final = "pyop-"
MARGIN: Final = 86400.0
"""Seconds that a note is kept beyond what it is about."""
_PATIENCE: Final = 1.0
"""Seconds in which another worker that takes the same token over is done."""
_LONGEST: Final = 31536000.0
"""Seconds that a refresh token may be good for which pyop gave no end."""


class Issued:
    """Reads pyop's three databases, and writes what is still good in our form."""

    def __init__(
        self,
        state: Any,
        store: Store,
        *,
        user_of: Callable[[str], User | None],
        registered_at: Callable[[str], float | None],
        operation: Callable[[Token, str], Operation],
        revoke_grant: Callable[[str], None],
    ) -> None:
        """`user_of`: who has a `sub`. `registered_at`: when the client of that client_id was registered, None where
        there is none. `operation`: what writes a token of ours, by its value. `revoke_grant`: ends ours.
        """
        self._origins = {
            "authorization_code": Origin("authorization_codes", state.authorization_codes),
            "access_token": Origin("access_tokens", state.access_tokens),
            "refresh_token": Origin("refresh_tokens", state.refresh_tokens),
        }
        self._store = store
        self._user_of = user_of
        self._registered_at = registered_at
        self._operation = operation
        self._revoke_grant = revoke_grant
        self._code_lifetime = state.authorization_code_lifetime

    def take_over(self, kind: str, value: str) -> bool:
        """Whether there may now be a document of ours for a value that we did not know: then it is read again."""
        note = bearer_key(f"{kind} {value}")
        if self._store.get(TAKEN_OVER, note) is not None:
            return False
        found = self.read(kind, value)
        if found is None:
            return False
        token, info = found
        if info.get("used"):  # RFC 6749 4.1.2: what it was exchanged for ends, whoever exchanged it
            self._revoke_grant(token.grant.grant_id)
            return False
        try:
            self._store.write(self.operations(token, value))
        except AlreadyExists:
            return self._somebody_does(kind, value)
        if self._has_ended(token):  # meanwhile
            self._revoke_grant(token.grant.grant_id)
            return False
        return True

    def read(self, kind: str, value: str) -> tuple[Token, Mapping[str, Any]] | None:
        """What pyop has issued under a value, if it is still good: as a token of ours, and as pyop keeps it."""
        info = self._origins[kind].get(value)
        about = (
            self._origins["access_token"].get(info.get("access_token")) if kind == "refresh_token" and info else info
        )
        if not isinstance(info, Mapping) or not isinstance(about, Mapping):
            return None
        try:
            token = self._token(kind, info, about)
        except (KeyError, TypeError, ValueError) as error:
            report_defect(f"adopted {kind}", error)  # not as pyop writes it
            return None
        return None if token is None or self._has_ended(token) else (token, info)

    def operations(self, token: Token, value: str) -> list[Operation]:
        """Writes a token once: the note first, so that one that was ended meanwhile does not come back."""
        note = bearer_key(f"{token.kind} {value}")
        return [insert(TAKEN_OVER, note, {}, token.expires_at + MARGIN), self._operation(token, value)]

    def end(self, field: str, value: str) -> None:
        """Nothing earlier of a grant or a person is taken over from now on."""
        if field == "session_id" or (field == "grant_id" and not value.startswith(_PREFIX)):
            return
        key, ended = bearer_key(f"{field} {value}"), {"ended_at": time.time()}
        while True:
            there = self._store.get(ENDED, key)
            try:
                self._store.write([insert(ENDED, key, ended) if there is None else replace(ENDED, there, ended)])
            except (AlreadyExists, Conflict):
                continue
            return

    def all(self, kind: str) -> Iterator[tuple[Token, str, Mapping[str, Any]]]:
        """All that is still good: for the move."""
        for value, _ in self._origins[kind].items():
            if (found := self.read(kind, value)) is not None:
                yield found[0], value, found[1]

    def _token(self, kind: str, info: Mapping[str, Any], about: Mapping[str, Any]) -> Token | None:
        now = time.time()
        expires_at = float(info.get("exp", now + _LONGEST))
        request, subject = about["auth_req"], str(about["sub"])
        client_id = str(request["client_id"])
        user, registered_at = self._user_of(subject), self._registered_at(client_id)
        if expires_at <= now or user is None or registered_at is None:
            return None
        issued_at = float(about.get("iat", expires_at - self._code_lifetime))
        scope, parameters = split_scope(about["granted_scope"]), texts(request)
        grant = Grant(
            client_id=client_id,
            subject=subject,
            user_subject=user.subject if user.subject != subject else None,
            scope=scope,
            claims=read_claims_request(parameters.get("claims")).to_dict(),
            username=user.username,
            nonce=request.get("nonce"),
            granted_at=issued_at,
            client_registered_at=registered_at,
            grant_id=_grant_id(subject, request),
            parameters=kept_parameters(parameters) if kind == "authorization_code" else {},
            host_claims=about.get("extra_id_token_claims") or {},
        )
        current = split_scope(about["scope"]) if kind == "access_token" and "scope" in about else scope
        return Token(kind, grant, current, issued_at, expires_at)

    def _has_ended(self, token: Token) -> bool:
        grant = token.grant
        keys = [f"grant_id {grant.grant_id}", f"subject {grant.own_subject}"]
        endings = [self._store.get(ENDED, bearer_key(key)) for key in keys]
        return any(ending is not None and token.issued_at <= ending.value["ended_at"] for ending in endings)

    def _somebody_does(self, kind: str, value: str) -> bool:
        """Another worker takes it over at this moment: its note comes a little before its token."""
        collection = COLLECTIONS[kind]
        end = time.monotonic() + _PATIENCE
        while self._store.get_kept(collection, bearer_key(value)) is None and time.monotonic() < end:
            with baton.laid_down():
                time.sleep(0.02)
        return True


def _grant_id(subject: str, request: Mapping[str, Any]) -> str:
    """The same for all that came from one authorization: pyop keeps its request with each of them."""
    text = json.dumps([subject, request], sort_keys=True, default=str)
    return _PREFIX + hashlib.sha256(text.encode()).hexdigest()[:32]
