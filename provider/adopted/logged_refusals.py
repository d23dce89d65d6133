"""The methods that a pyop host calls, with lines in the log that name whose requests are refused: a host of pyop may
have no log of its requests.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

from oic.oic.message import AccessTokenResponse
from pyop.exceptions import OAuthError as PyopError
from pyop.message import AuthorizationRequest as RequestMessage

from ..bearer import read_bearer_token
from ..claims_request import read_claims_request
from ..client_authentication import claimed_client_id
from ..errors import OAuthError
from ..hooks import HostClaims
from ..openid_provider import OpenIDProvider
from ..pyop_exceptions import RefusedAccessToken, RefusedRequest
from ..pyop_interface import Body, request_headers
from ..pyop_messages import UserinfoResponse, texts
from ..scopes import split_scope
from ..settings import Settings
from ..store import StoreUnavailable
from .stricter_checks import StricterChecks


class LoggedRefusals(OpenIDProvider):
    """A request that the log has a line about is answered as any other: by the exception that pyop raises."""

    def __init__(self, settings: Settings) -> None:
        self._stricter_checks = StricterChecks()
        super().__init__(settings)

    def parse_authentication_request(
        self, request_body: Body, http_headers: Mapping[str, str] | None = None
    ) -> RequestMessage:
        """As `PyopInterface.parse_authentication_request`. The log names clients that ask for what pyop gave them."""
        try:
            request = super().parse_authentication_request(request_body, http_headers)
        except RefusedRequest as refused:
            self._stricter_checks.refused_authorization(refused)
            raise
        with suppress(StoreUnavailable):
            self._note_what_is_not_granted(texts(request))
        return request

    def handle_token_request(
        self,
        request_body: Body,
        http_headers: Mapping[str, str] | None = None,
        extra_id_token_claims: HostClaims = None,
    ) -> AccessTokenResponse:
        """As `PyopInterface.handle_token_request`. The log names clients that are refused."""
        try:
            return super().handle_token_request(request_body, http_headers, extra_id_token_claims)
        except PyopError as refused:
            with suppress(StoreUnavailable):
                if (client_id := self._named_by(request_body, http_headers)) in self.clients:
                    self._stricter_checks.refused_token_request(client_id, refused)
            raise

    def handle_userinfo_request(
        self, request: Body = None, http_headers: Mapping[str, str] | None = None
    ) -> UserinfoResponse:
        """As `PyopInterface.handle_userinfo_request`. The log names clients that are refused."""
        try:
            return super().handle_userinfo_request(request, http_headers)
        except RefusedAccessToken as refused:
            with suppress(StoreUnavailable):
                self._stricter_checks.refused_userinfo_request(self._holder(request, http_headers), refused)
            raise

    def _note_what_is_not_granted(self, parameters: Mapping[str, str]) -> None:
        client = self.clients.find(parameters["client_id"])
        if client is None:  # removed at this moment
            return
        scope, asked = split_scope(parameters.get("scope", "")), read_claims_request(parameters.get("claims"))
        allowed = self.authorization.allowed_claims(asked, client, scope)
        left = set(scope).difference(client.scope)
        self._stricter_checks.not_granted(client.client_id, left, asked.names - allowed.names)

    def _named_by(self, request_body: Body, http_headers: Mapping[str, str] | None) -> str:
        """The client that a token request says it is from."""
        with suppress(OAuthError):  # too large to be read
            return claimed_client_id(self._parse(request_body), request_headers(http_headers)) or ""
        return ""

    def _holder(self, request: Body, http_headers: Mapping[str, str] | None) -> str | None:
        """The client that the access token of a userinfo request was given to; None where the token is not known."""
        with suppress(OAuthError):  # none, two, or one that is none
            value = read_bearer_token(request_headers(http_headers), self._form(request))
            token = self.tokens.read_access_token(value)
            return token.grant.client_id if token else None
        return None
