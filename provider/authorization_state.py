"""pyop's `AuthorizationState` on top of grants: what a host asks of the state of a provider."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from pyop.access_token import AccessToken
from pyop.authz_state import AuthorizationState
from pyop.exceptions import InvalidSubjectIdentifier
from pyop.message import AuthorizationRequest

from .authorization_request import read_scope
from .claims_request import read_claims_request
from .clients import Client
from .code_exchange import CodeExchange
from .errors import InvalidGrant, InvalidToken, UnauthorizedClient
from .grants import Grant, kept_parameters
from .hooks import HostClaims
from .host_claims import with_host_claims
from .parameters import Parameters
from .pyop_messages import request_message, texts
from .store import Conflict
from .tokens import NewToken, Token
from .users import User

if TYPE_CHECKING:
    from .openid_provider import OpenIDProvider


class GrantState(AuthorizationState):
    """Every public method of pyop's, with the promises of ours.

    Codes are redeemed by the store, once; a code or refresh token that is used again ends its grant. Values are kept
    only as hashes, and are in no log. A subject is looked up by index. As with pyop, who calls these methods has
    authenticated client and user: what a request must prove is checked by the provider, before.

    pyop's databases (`authorization_codes` and the like) are not there, since values cannot be read back. Claims about
    the person are read when they are asked for, so `user_info` is not kept. Nor is the state of a request.
    """

    stateless = False
    refresh_token_threshold = None
    """pyop gives a new refresh token when the old one is near its end; here each use gives one."""

    def __init__(self, provider: OpenIDProvider) -> None:
        lifetimes = provider.settings.lifetimes
        self.authorization_code_lifetime = lifetimes.authorization_code
        self.access_token_lifetime = lifetimes.access_token
        self.refresh_token_lifetime = lifetimes.refresh_token
        self._provider = provider
        self._tokens = provider.tokens
        self._codes = CodeExchange(provider)
        self._subject_identifier_factory = provider.users.subject_identifiers

    # Codes.

    def create_authorization_code(
        self,
        authorization_request: AuthorizationRequest,
        subject_identifier: str,
        scope: Collection[str] | None = None,
        user_info: Mapping[str, Any] | None = None,
        extra_id_token_claims: HostClaims = None,
    ) -> str:
        """A code for the request and the person. The extra claims will be in the ID token."""
        user = self._user(subject_identifier)
        return issue(self._provider, "code", authorization_request, user, scope, extra_id_token_claims)["code"]

    def exchange_code_for_token(self, authorization_code: str) -> AccessToken:
        """Spend a code. One that was spent before ends all that was given for it (RFC 6749 4.1.2)."""
        grant = self._codes.usable_code(authorization_code).grant.without_parameters()
        self._provider.active_user(grant)
        access = self._provider.new_access_token(grant, self._client_of(grant), grant.scope)
        # create_refresh_token may follow: the code is remembered as long as what that makes.
        keep_until = max(access.token.expires_at, self._tokens.last_refresh_token_ends(grant))
        redemption = self._tokens.redeem_code(authorization_code, keep_until=keep_until)
        self._codes.commit([access.operation, redemption], grant)
        return self._issued(access)

    def get_authorization_request_for_code(self, authorization_code: str) -> AuthorizationRequest:
        """The request that the code was given for."""
        return request_message(self._code(authorization_code).grant.parameters, {})

    def get_subject_identifier_for_code(self, authorization_code: str) -> str:
        """The `sub` of the person who authorized it."""
        return self._code(authorization_code).grant.subject

    def get_extra_id_token_claims_for_code(self, authorization_code: str) -> dict[str, Any]:
        """What the host gave with the code, less what belongs to the protocol."""
        return dict(self._code(authorization_code).grant.host_claims)

    def get_user_info_for_code(self, authorization_code: str) -> None:
        """None, as pyop answers where it keeps state."""
        self._code(authorization_code)

    # Access tokens.

    def create_access_token(
        self,
        authorization_request: AuthorizationRequest,
        subject_identifier: str,
        scope: Collection[str] | None = None,
        user_info: Mapping[str, Any] | None = None,
    ) -> AccessToken:
        """An access token without a code."""
        client = _client_named_by(self._provider, authorization_request)
        grant = _new_grant(self._provider, authorization_request, client, self._user(subject_identifier), scope)
        access = self._provider.new_access_token(grant, client, grant.scope)
        self._provider.store.write([access.operation])
        return self._issued(access)

    def introspect_access_token(self, access_token_value: str) -> dict[str, Any]:
        """RFC 7662 2.2, in pyop's selection. Raises InvalidToken for a token that is not active."""
        token = self._access_token(access_token_value)
        client_id = token.grant.client_id
        return {
            "active": True,
            "iat": int(token.issued_at),
            "exp": int(token.expires_at),
            "sub": token.grant.subject,
            "client_id": client_id,
            "aud": list(token.audience) or [client_id],
            "scope": " ".join(token.scope),
            "token_type": AccessToken.BEARER_TOKEN_TYPE,
        }

    def get_authorization_request_for_access_token(self, access_token_value: str) -> AuthorizationRequest:
        """As much of the request as a token carries: the client and what was granted."""
        grant = self._access_token(access_token_value).grant
        parameters = {"client_id": grant.client_id, "response_type": "code", "scope": " ".join(grant.scope)}
        if grant.nonce is not None:
            parameters["nonce"] = grant.nonce
        return request_message(parameters, {})

    def get_user_info_for_access_token(self, access_token: str) -> None:
        """None, as pyop answers where it keeps state."""
        self._access_token(access_token)

    # Refresh tokens.

    def create_refresh_token(self, access_token_value: str) -> str | None:
        """A refresh token for the grant of an access token; None where the grant and the client are not given one."""
        while True:
            access = self._access_token(access_token_value)
            grant = access.grant
            if grant.username is None or not self._codes.refresh_token_wanted(grant, self._client_of(grant)):
                return None
            refresh = self._tokens.new_refresh_token(grant)
            try:  # last that the access token is still there: nothing new for a grant that was revoked meanwhile
                self._provider.store.write([refresh.operation, self._tokens.confirm_unused(access)])
            except Conflict:
                continue
            return refresh.value

    def use_refresh_token(
        self, refresh_token: str, scope: Collection[str] | None = None
    ) -> tuple[AccessToken, str | None]:
        """A new access token, and the refresh token to use from now on where that is another one (RFC 6749 6)."""
        found = self._tokens.read_refresh_token(refresh_token)
        if found is None:
            raise InvalidGrant("the refresh token is not valid", hint="unknown token")
        parameters = Parameters({"grant_type": "refresh_token", "refresh_token": refresh_token})
        if scope:
            parameters["scope"] = " ".join(scope)
        response = self._provider.token_for(self._client_of(found.grant), parameters)
        successor = response["refresh_token"]
        access_token = AccessToken(response["access_token"], response["expires_in"])
        return access_token, successor if successor != refresh_token else None

    # Subjects.

    def get_subject_identifier(self, subject_type: str, user_id: str, sector_identifier: str | None = None) -> str:
        """The `sub` of a user.

        A pairwise one is computed as pyop does, and is not looked up again: providers that are made from a
        configuration offer `public` alone in this version. Raises InvalidSubjectIdentifier for an unknown user,
        ValueError for another type or a pairwise one without its sector.
        """
        user = self._provider.users.find(user_id)
        if user is None:
            raise InvalidSubjectIdentifier("no such user")
        if subject_type == "public":
            return user.subject
        if subject_type != "pairwise":
            raise ValueError("the subject_type must be public or pairwise")
        if not sector_identifier:
            raise ValueError("a pairwise subject identifier needs a sector_identifier")
        pairwise: str = self._subject_identifier_factory.create_pairwise_identifier(user_id, sector_identifier)
        return pairwise

    def get_user_id_for_subject_identifier(self, subject_identifier: str | None) -> str:
        """The user whose `sub` this is. Raises InvalidSubjectIdentifier."""
        return self._user(subject_identifier).username

    def delete_state_for_subject_identifier(self, subject_identifier: str | None) -> None:
        """End every code and token of a person, those with offline_access too. Raises InvalidSubjectIdentifier."""
        self._tokens.end_subject(self._user(subject_identifier).subject)

    def _user(self, subject_identifier: str | None) -> User:
        known = isinstance(subject_identifier, str) and subject_identifier
        user = self._provider.user_of_subject(known) if known else None
        if user is None:
            raise InvalidSubjectIdentifier("no user has this subject identifier")
        return user

    def _client_of(self, grant: Grant) -> Client:
        client = self._provider.clients.find(grant.client_id)
        if client is None:
            raise InvalidGrant("the grant is no longer valid", hint="the client is gone")
        return client

    def _code(self, value: str) -> Token:
        """A code that can still be exchanged: a look at one that is spent is no use of it."""
        token = self._tokens.read_code(value)
        if token is None or token.redeemed_at is not None or token.expires_at <= time.time():
            raise InvalidGrant("the code is not valid")
        return token

    def _access_token(self, value: str) -> Token:
        token = self._tokens.read_access_token(value)
        if token is None or self._provider.parties(token.grant) is None:
            raise InvalidToken("the access token is unknown, expired or revoked")
        return token

    def _issued(self, access: NewToken) -> AccessToken:
        return AccessToken(access.value, self.access_token_lifetime)


def issue(
    provider: OpenIDProvider,
    response_type: str,
    request: AuthorizationRequest,
    user: User,
    scope: Collection[str] | None = None,
    extra_id_token_claims: HostClaims = None,
) -> Mapping[str, str]:
    """What a response_type gives for a request of pyop's kind and a person who is known already."""
    client = _client_named_by(provider, request)
    grant = with_host_claims(_new_grant(provider, request, client, user, scope), extra_id_token_claims)
    return provider.authorization.issue(response_type, grant, client, user)


def _client_named_by(provider: OpenIDProvider, request: AuthorizationRequest) -> Client:
    client = provider.clients.find(str(request.get("client_id", "")))
    if client is None:
        raise UnauthorizedClient("the request is not that of a client of this provider")
    return client


def _new_grant(
    provider: OpenIDProvider, request: AuthorizationRequest, client: Client, user: User, scope: Collection[str] | None
) -> Grant:
    if user.disabled:
        raise InvalidSubjectIdentifier("the user is disabled")
    parameters = texts(request)
    granted = read_scope(Parameters({"scope": " ".join(scope)} if scope else parameters), client)
    claims = read_claims_request(parameters.get("claims"))
    subject = provider.subjects.of(
        client, parameters.get("redirect_uri", ""), username=user.username, subject=user.subject
    )
    return Grant(
        client_id=client.client_id,
        subject=subject,
        user_subject=user.subject if subject != user.subject else None,
        scope=granted,
        claims=provider.authorization.allowed_claims(claims, client, granted).to_dict(),
        username=user.username,
        nonce=parameters.get("nonce"),
        granted_at=time.time(),
        client_registered_at=client.registered_at,
        parameters=kept_parameters(parameters),
    )
