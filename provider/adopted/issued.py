"""What a pyop provider issued before it was adopted: taken over into our store when it is first presented.

It is written as ours, once, and is from then on what every token of ours is: redeemed by one, rotated, revoked. pyop's
own document stays where it is, so that one can go back, and is not looked at again: a note in our store says so.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from enum import StrEnum
from typing import Any, Final

from ..claims_request import read_claims_request
from ..errors import InvalidRequest
from ..grants import Grant, kept_parameters
from ..pyop_messages import texts
from ..request_log import report_defect
from ..scopes import split_scope
from ..store import (
    FOREVER,
    AlreadyExists,
    BadDocument,
    Collection,
    Conflict,
    Document,
    Insert,
    Store,
    bearer_key,
    encode,
    ensure,
    insert,
    replace,
)
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


class Reason(StrEnum):
    """Why something that pyop keeps is not taken over, in a word for the operator."""

    EXPIRED = "expired"
    ENDED = "ended since"
    USED = "used already"
    CLIENT_UNKNOWN = "client unknown"
    PERSON_UNKNOWN = "person unknown"
    SALT_NEEDED = "needs the salt"
    ANOTHER_SALT = "needs another salt"
    ACCESS_TOKEN_GONE = "access token gone"
    PEOPLES_CLAIMS = "people's claims"
    UNREADABLE = "cannot be read"


class NotTakenOver(Exception):
    """It stays where it is, for a reason."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason = reason


class Issued:
    """Reads pyop's three databases, and writes what is still good in our form."""

    def __init__(
        self,
        state: Any,
        store: Store,
        *,
        user_of: Callable[[str], User | None],
        registered_at: Callable[[str], float | None],
        operation: Callable[[Token, str], Insert],
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
        if self.was_taken_over(kind, value):
            return self._is_there(kind, value)  # since a moment ago, perhaps
        found = self._read(kind, value)
        if found is None:
            return False
        token, info = found
        try:
            return self._keep_spent(token, value) if info.get("used") else self._keep_whoever_does(token, value)
        except BadDocument as error:
            report_defect(f"adopted {kind}", error)
            return False

    def was_taken_over(self, kind: str, value: str) -> bool:
        """Whether it was looked at once: by us it is read as ours alone, and may have been spent or revoked."""
        return self._store.get(TAKEN_OVER, _note_of(kind, value)) is not None

    def examine(self, kind: str, info: Any, about: Any) -> Token:
        """What pyop keeps, as a token of ours. `about` is what its access token says for a refresh token, and `info`
        itself for others. Raises NotTakenOver.
        """
        try:
            token = self._token(kind, info, about)
            encode({"grant": token.grant.to_dict(), "scope": token.scope})
        except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, InvalidRequest) as error:
            raise NotTakenOver(Reason.UNREADABLE) from error  # not as pyop writes it
        if self._has_ended(token):
            raise NotTakenOver(Reason.ENDED)
        return token

    def keep(self, token: Token, value: str) -> bool:
        """Write a token of pyop's as ours, once. The note goes with it, so that one that was revoked does not come
        back. Answers whether it is good: not where it was ended meanwhile. Raises AlreadyExists, BadDocument.
        """
        note = insert(TAKEN_OVER, _note_of(token.kind, value), {}, token.expires_at + MARGIN)
        self._store.write([note, self._operation(token, value)])
        if self._has_ended(token):
            self._revoke_grant(token.grant.grant_id)
            return False
        return True

    def _keep_spent(self, token: Token, value: str) -> bool:
        """A code that pyop has exchanged is spent here too, at no moment unspent: that its own client sends it again
        ends what it gave (RFC 6749 4.1.2), and that somebody else does ends nothing.
        """
        new, until = self._operation(token, value), token.expires_at + MARGIN
        spent = Document(new.key, dict(new.value), 0, token.expires_at, until, redeemed_at=time.time())
        self._store.put(new.collection, [spent])
        self._store.write([ensure(TAKEN_OVER, _note_of(token.kind, value), {}, until)])
        return True

    def move(self, token: Token, value: str) -> bool | None:
        """As `keep`, beside others who do the same; None where one of them has done it. Raises BadDocument."""
        end = time.monotonic() + _PATIENCE
        while True:
            try:
                return self.keep(token, value)
            except AlreadyExists:
                if self.was_taken_over(token.kind, value):
                    return None
                if time.monotonic() > end:  # it is there as ours, and its note was lost with the process that wrote it
                    self._store.write([ensure(TAKEN_OVER, _note_of(token.kind, value), {}, token.expires_at + MARGIN)])
            time.sleep(0.02)

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

    def _read(self, kind: str, value: str) -> tuple[Token, Mapping[str, Any]] | None:
        """What pyop has issued under a value, if it is still good: as a token of ours, and as pyop keeps it."""
        info = self._origins[kind].get(value)
        if not isinstance(info, Mapping):
            return None
        about = self._origins["access_token"].get(str(info.get("access_token"))) if kind == "refresh_token" else info
        try:
            return self.examine(kind, info, about), info
        except NotTakenOver as refusal:
            if refusal.__cause__ is not None:
                report_defect(f"adopted {kind}", refusal.__cause__)
            return None

    def _token(self, kind: str, info: Any, about: Any) -> Token:
        now = time.time()
        if kind == "authorization_code" and "auth_req" not in info:
            raise NotTakenOver(Reason.PEOPLES_CLAIMS)  # SATOSA has both in one collection
        expires_at = min(float(info.get("exp", now + _LONGEST)), FOREVER)
        if math.isnan(expires_at):
            raise NotTakenOver(Reason.UNREADABLE)
        if expires_at <= now:
            raise NotTakenOver(Reason.EXPIRED)
        if about is None:
            raise NotTakenOver(Reason.ACCESS_TOKEN_GONE)
        request, subject = about["auth_req"], str(about["sub"])
        client_id = str(request["client_id"])
        if (registered_at := self._registered_at(client_id)) is None:
            raise NotTakenOver(Reason.CLIENT_UNKNOWN)
        if (user := self._user_of(subject)) is None:
            raise NotTakenOver(Reason.PERSON_UNKNOWN)
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
            host_claims=dict(about.get("extra_id_token_claims") or {}),
        )
        current = split_scope(about["scope"]) if kind == "access_token" and "scope" in about else scope
        return Token(kind, grant, current, issued_at, expires_at)

    def _has_ended(self, token: Token) -> bool:
        grant = token.grant
        keys = [f"grant_id {grant.grant_id}", f"subject {grant.own_subject}"]
        endings = [self._store.get(ENDED, bearer_key(key)) for key in keys]
        return any(ending is not None and token.issued_at <= ending.value["ended_at"] for ending in endings)

    def _keep_whoever_does(self, token: Token, value: str) -> bool:
        """Where somebody else takes it over at this moment, its note comes a little before its token. Two that meet in
        between both take back what they have written: then it is done again.
        """
        end = time.monotonic() + _PATIENCE
        while time.monotonic() < end:
            with suppress(AlreadyExists):
                if not self.was_taken_over(token.kind, value):
                    return self.keep(token, value)
            if self._is_there(token.kind, value):
                break
            with baton.laid_down():
                time.sleep(0.02)
        return True

    def _is_there(self, kind: str, value: str) -> bool:
        return self._store.get_kept(COLLECTIONS[kind], bearer_key(value)) is not None


def _note_of(kind: str, value: str) -> str:
    return bearer_key(f"{kind} {value}")


def _grant_id(subject: str, request: Mapping[str, Any]) -> str:
    """The same for all that came from one authorization: pyop keeps its request with each of them."""
    text = json.dumps([subject, request], sort_keys=True, default=str)
    return _PREFIX + hashlib.sha256(text.encode()).hexdigest()[:32]
