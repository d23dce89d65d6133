"""The authorization code grant at the token endpoint (RFC 6749 4.1.3)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from .clients import Client
from .errors import InvalidGrant
from .grants import Grant
from .hooks import Event, TokenRequest, TokenResponse
from .host_claims import with_host_claims
from .store import AlreadyRedeemed, Operation, WriteRefused
from .tokens import Token

if TYPE_CHECKING:
    from .openid_provider import OpenIDProvider


class CodeExchange:
    """Exchanges a code for tokens: check, sign, insert, redeem last."""

    def __init__(self, provider: OpenIDProvider) -> None:
        self._provider = provider
        self._tokens = provider.tokens

    def __call__(self, request: TokenRequest) -> TokenResponse:
        """The token response. Raises InvalidGrant."""
        code = request.parameters.required("code")
        found = self.usable_code(code, request.client)
        self._check_proof(code, found, request)
        grant = with_host_claims(found.grant.without_parameters(), request.extra_id_token_claims)
        user = self._provider.active_user(grant)

        access = self._provider.new_access_token(grant, request.client, grant.scope)
        response: TokenResponse = self._provider.token_members(access)
        operations: list[Operation] = [access.operation]
        keep_until = access.token.expires_at
        if self.refresh_token_wanted(grant, request.client):
            refresh = self._tokens.new_refresh_token(grant)
            response["refresh_token"] = refresh.value
            operations.append(refresh.operation)
            keep_until = max(keep_until, self._tokens.last_refresh_token_ends(grant))
        if grant.openid:
            response["id_token"] = self._provider.id_tokens.issue(
                grant, request.client, user, grant.scope, access.value
            )
        response |= self._provider.plugins.merge("token_response", request=request, grant=grant, response=response)
        self.commit([*operations, self._tokens.redeem_code(code, keep_until=keep_until)], grant)
        self._provider.happened(Event("token", grant.client_id, user.username, grant.grant_id))
        return response

    def usable_code(self, code: str, client: Client | None = None) -> Token:
        """A code that is this client's, unspent and in time. One that is spent revokes what it gave (RFC 6749 4.1.2).

        Somebody else's code is neither spent nor told apart from an unknown one. Without a client it may be anybody's.
        """
        found = self._tokens.read_code(code)
        if found is None or (client is not None and found.grant.client_id != client.client_id):
            raise InvalidGrant("the code is not valid", hint="unknown code" if found is None else "another client's")
        if found.redeemed_at is not None:
            self._revoke_replayed(found.grant)
        if found.expires_at <= time.time():
            raise InvalidGrant("the code is not valid", hint="expired code")
        return found

    def _check_proof(self, code: str, found: Token, request: TokenRequest) -> None:
        """The redirect_uri and what plugins check (PKCE). A client that cannot prove has spent its code."""
        try:
            asked = found.grant.parameters.get("redirect_uri")
            if asked is not None and request.parameters.get("redirect_uri") != asked:
                raise InvalidGrant("redirect_uri is not that of the authorization request (RFC 6749 4.1.3)")
            self._provider.plugins.hook.check_code_exchange(grant=found.grant, parameters=request.parameters)
        except InvalidGrant:
            self.commit([self._tokens.redeem_code(code, keep_until=found.expires_at)], found.grant)
            raise

    @staticmethod
    def refresh_token_wanted(grant: Grant, client: Client) -> bool:
        """With offline_access, or where the client is configured so (OpenID Connect Core 11)."""
        return "refresh_token" in client.grant_types and (grant.offline or client.settings.always_issue_refresh_token)

    def commit(self, operations: list[Operation], grant: Grant) -> None:
        """Do the writes of an exchange, the redemption last. Raises InvalidGrant where another one was quicker."""
        try:
            self._provider.store.write(operations)
        except AlreadyRedeemed:
            self._revoke_replayed(grant)
        except WriteRefused as error:
            raise InvalidGrant("the code is not valid", hint=type(error).__name__) from None

    def _revoke_replayed(self, grant: Grant) -> None:
        self._tokens.revoke_grant(grant.grant_id)
        self._provider.happened(Event("code_replayed", grant.client_id, grant.username, grant.grant_id))
        raise InvalidGrant("the code is not valid", hint="code used twice: its grant is revoked")
