"""The refresh token grant (RFC 6749 6, RFC 9700 4.14.2): each refresh token is used once.

Its successor is derived from it, so that a client that did not get the answer and asks again within the grace gets the
same successor, as long as nobody has used that. Anything else is reuse: somebody has a copy, and the grant is revoked.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from .clients import Client
from .errors import InvalidGrant, InvalidScope, TemporarilyUnavailable
from .grants import Grant
from .hooks import Event, TokenRequest, TokenResponse
from .scopes import split_scope
from .store import AlreadyExists, AlreadyRedeemed, Conflict, StoreUnavailable, WriteRefused
from .tokens import NewToken, Token

if TYPE_CHECKING:
    from .openid_provider import OpenIDProvider

_ATTEMPTS = 5
"""Another request with the same token may be quicker; then what is there is looked at again."""
_CONFIRMATIONS = 100
"""Requests of one client that spend nothing take turns; none of them has to sign anew for that."""


class TokenRefresh:
    """Exchanges a refresh token for a new access token and its successor."""

    def __init__(self, provider: OpenIDProvider) -> None:
        self._provider = provider
        self._tokens = provider.tokens
        self._settings = provider.settings.grants

    def __call__(self, request: TokenRequest) -> TokenResponse:
        """The token response. Raises InvalidGrant, InvalidScope, TemporarilyUnavailable."""
        presented = request.parameters.required("refresh_token")
        for _ in range(_ATTEMPTS):
            found = self._own_token(presented, request.client)
            try:
                return self._refresh(presented, found, request)
            except (AlreadyRedeemed, AlreadyExists, Conflict):
                continue  # another request with the same token was quicker: look again, and decide by what is there
            except WriteRefused as error:
                raise InvalidGrant("the refresh token is not valid", hint=type(error).__name__) from None
        raise TemporarilyUnavailable("the refresh token is in use by too many requests at once")

    def _own_token(self, presented: str, client: Client) -> Token:
        found = self._tokens.read_refresh_token(presented)
        if found is None or found.grant.client_id != client.client_id:
            raise InvalidGrant(
                "the refresh token is not valid", hint="unknown token" if found is None else "another client's"
            )
        if found.redeemed_at is None and found.expires_at <= time.time():
            raise InvalidGrant("the refresh token is not valid", hint="expired token")
        return found

    def _refresh(self, presented: str, found: Token, request: TokenRequest) -> TokenResponse:
        grant = found.grant
        again = self._same_successor(presented, found) if found.redeemed_at is not None else None
        self._provider.plugins.hook.check_token_refresh(grant=grant, parameters=request.parameters)
        scope = self._scope(request, grant)
        user = self._provider.active_user(grant)
        access = self._provider.new_access_token(grant, request.client, scope)
        response: TokenResponse = self._provider.token_members(access)
        response["refresh_token"], commit = self._next_refresh_token(presented, found, again, request.client, access)
        if "openid" in scope:
            response["id_token"] = self._provider.id_tokens.issue(
                grant, request.client, user, scope, access.value, refreshed=True
            )
        response |= self._provider.plugins.merge("token_response", request=request, grant=grant, response=response)
        commit()
        self._provider.happened(Event("token", grant.client_id, user.username, grant.grant_id))
        return response

    @staticmethod
    def _scope(request: TokenRequest, grant: Grant) -> tuple[str, ...]:
        """RFC 6749 6: all that was granted, or a part of it that is asked for."""
        granted = tuple(word for word in grant.scope if word in request.client.scope)  # it may have lost some since
        scope = split_scope(request.parameters["scope"]) if "scope" in request.parameters else granted
        if not scope or not set(scope) <= set(granted):
            raise InvalidScope("scope is not a part of what was granted")
        return scope

    def _next_refresh_token(
        self, presented: str, found: Token, again: tuple[str, Token] | None, client: Client, access: NewToken
    ) -> tuple[str, Callable[[], None]]:
        """The refresh token to answer with, and what makes the answer true: the commit point."""
        if again is not None:
            value, successor = again
            return value, partial(self._confirm_successor, presented, access, successor)
        if self._settings.refresh_token_rotation == "public" and not client.public:
            return presented, partial(self._confirm, access, found, self._tokens.refresh_token_ends(found.grant))
        new = self._tokens.successor_of(presented, found)
        return new.value, partial(self._rotate, presented, access, new)

    def _rotate(self, presented: str, access: NewToken, successor: NewToken) -> None:
        """Write the access token and the successor, and spend the presented token last."""
        keep_until = max(access.token.expires_at, successor.token.expires_at)
        redemption = self._tokens.redeem_refresh_token(presented, keep_until=keep_until)
        self._provider.store.write([access.operation, successor.operation, redemption])

    def _confirm_successor(self, presented: str, access: NewToken, successor: Token) -> None:
        """The same for a successor, which must not outlive the grant. Raises Conflict, InvalidGrant.

        Where there are no transactions, a rotation that comes too late has a successor there for a moment, until it
        finds that what it wanted to spend was revoked.
        """
        self._confirm(access, successor)
        try:
            still_there = self._tokens.read_refresh_token(presented) is not None
        except StoreUnavailable:
            with suppress(StoreUnavailable):  # nobody has it: the answer is 503
                self._tokens.revoke_access_token(access.value)
            raise
        if not still_there:
            self._tokens.revoke_grant(successor.grant.grant_id)
            raise InvalidGrant("the refresh token is not valid", hint="its grant was revoked meanwhile")

    def _confirm(self, access: NewToken, unspent: Token, ends: float | None = None) -> None:
        """Write the access token, if the refresh token that it comes with is still unspent. Raises Conflict."""
        for _ in range(_CONFIRMATIONS):
            try:
                self._provider.store.write([access.operation, self._tokens.confirm_unused(unspent, ends)])
            except Conflict:
                there = self._tokens.read_unused(unspent)
                if there is None:
                    raise
                unspent = there
            else:
                return
        raise TemporarilyUnavailable("the refresh token is in use by too many requests at once")

    def _same_successor(self, presented: str, found: Token) -> tuple[str, Token]:
        redeemed_at = found.redeemed_at or 0.0
        if abs(time.time() - redeemed_at) <= self._settings.refresh_token_grace:  # a clock set back gives no more grace
            successor = self._tokens.read_unused_successor(presented, found)
            if successor is not None:
                return successor
        grant = found.grant
        self._tokens.revoke_grant(grant.grant_id)
        self._provider.happened(Event("refresh_token_reused", grant.client_id, grant.username, grant.grant_id))
        raise InvalidGrant("the refresh token is not valid", hint="refresh token used twice: its grant is revoked")
