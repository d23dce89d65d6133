"""The refresh token grant (RFC 6749 6, RFC 9700 4.14.2): each refresh token is used once.

Its successor is derived from it, so that a client that did not get the answer and asks again within the grace gets the
same successor, as long as nobody has used that. Anything else is reuse: somebody has a copy, and the grant is revoked.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from .clients import Client
from .errors import InvalidGrant, InvalidScope
from .grants import Grant
from .hooks import Event, TokenRequest, TokenResponse
from .scopes import split_scope
from .store import AlreadyExists, AlreadyRedeemed, Conflict, Operation, WriteRefused
from .tokens import NewToken, Token

if TYPE_CHECKING:
    from .openid_provider import OpenIDProvider

_ATTEMPTS = 5
"""A refresh that spends nothing can meet another one of the same client; then it reads again."""


class TokenRefresh:
    """Exchanges a refresh token for a new access token and its successor."""

    def __init__(self, provider: OpenIDProvider) -> None:
        self._provider = provider
        self._tokens = provider.tokens
        self._settings = provider.settings.grants

    def __call__(self, request: TokenRequest) -> TokenResponse:
        """The token response. Raises InvalidGrant, InvalidScope."""
        presented = request.parameters.required("refresh_token")
        for _ in range(_ATTEMPTS):
            found = self._own_token(presented, request.client)
            try:
                return self._refresh(presented, found, request)
            except (AlreadyRedeemed, AlreadyExists, Conflict):
                continue  # another request with the same token was quicker: look again, and decide by what is there
            except WriteRefused as error:
                raise InvalidGrant("the refresh token is not valid", hint=type(error).__name__) from None
        raise InvalidGrant("the refresh token is in use by too many requests at once")

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
        self._provider.plugins.hook.check_token_refresh(grant=grant, parameters=request.parameters)
        scope = self._scope(request, grant)
        user = self._provider.active_user(grant)
        access = self._provider.new_access_token(grant, request.client, scope)
        next_value, operations = self._next_refresh_token(presented, found, request.client, access)

        response: TokenResponse = self._provider.token_members(access)
        response["refresh_token"] = next_value
        if "openid" in scope:
            response["id_token"] = self._provider.id_tokens.issue(
                grant, request.client, user, scope, access.value, refreshed=True
            )
        response |= self._provider.plugins.merge("token_response", request=request, grant=grant, response=response)
        self._provider.store.write(operations)
        self._provider.happened(Event("token", grant.client_id, user.username, grant.grant_id))
        return response

    @staticmethod
    def _scope(request: TokenRequest, grant: Grant) -> tuple[str, ...]:
        """RFC 6749 6: all that was granted, or a part of it that is asked for."""
        if "scope" not in request.parameters:
            return grant.scope
        scope = split_scope(request.parameters["scope"])
        if not set(scope) <= set(grant.scope):
            raise InvalidScope("scope has more than was granted")
        return scope

    def _next_refresh_token(
        self, presented: str, found: Token, client: Client, access: NewToken
    ) -> tuple[str, list[Operation]]:
        """The refresh token to answer with, and all that is written: the last operation is the commit point."""
        if found.redeemed_at is not None:
            value, successor = self._same_successor(presented, found)
            return value, [access.operation, self._tokens.confirm_unused(successor)]
        if self._settings.refresh_token_rotation == "public" and not client.public:
            ends = self._tokens.refresh_token_ends(found.grant)
            return presented, [access.operation, self._tokens.confirm_unused(found, ends)]
        successor_token = self._tokens.successor_of(presented, found.grant)
        keep_until = max(access.token.expires_at, successor_token.token.expires_at)
        redemption = self._tokens.redeem_refresh_token(presented, keep_until=keep_until)
        return successor_token.value, [access.operation, successor_token.operation, redemption]

    def _same_successor(self, presented: str, found: Token) -> tuple[str, Token]:
        redeemed_at = found.redeemed_at or 0.0
        if time.time() <= redeemed_at + self._settings.refresh_token_grace:
            successor = self._tokens.read_unused_successor(presented)
            if successor is not None:
                return successor
        grant = found.grant
        self._tokens.revoke_grant(grant.grant_id)
        self._provider.happened(Event("refresh_token_reused", grant.client_id, grant.username, grant.grant_id))
        raise InvalidGrant("the refresh token is not valid", hint="refresh token used twice: its grant is revoked")
