"""What a host written for pyop catches, with our errors behind it."""

from __future__ import annotations

from pyop import exceptions
from pyop.message import AuthorizationRequest

from .errors import OAuthError


class RefusedRequest(exceptions.InvalidAuthenticationRequest):
    """An authentication request is refused. Its `__cause__` is the error with the hint for the log.

    `to_error_url` is None until client and redirect URI are proven (RFC 6749 4.1.2.1), whatever stands in the request.
    """

    def __init__(
        self, error: exceptions.OAuthError, request: AuthorizationRequest, error_url: str | None = None
    ) -> None:
        super().__init__(str(error), request, error.oauth_error)
        self._error_url = error_url

    def to_error_url(self) -> str | None:
        """Where to send the browser with the error; None: show the person a page."""
        return self._error_url


class UnknownClient(RefusedRequest, exceptions.UnknownClientId):
    """The request does not name a client of this provider."""


class UnprovenRedirectURI(RefusedRequest, exceptions.InvalidRedirectURI):
    """The redirect URI is not the client's."""


class RefusedAuthorization(RefusedRequest, exceptions.AuthorizationError):
    """The person is logged in, and still the request cannot be granted."""


class RefusedAccessToken(exceptions.InvalidAccessToken, exceptions.BearerTokenError):
    """Userinfo is refused. Hosts catch these two there, and nothing else."""

    def __init__(self, error: OAuthError) -> None:
        super().__init__(str(error))
        self.oauth_error = error.error


class RefusedTokenRequest(exceptions.InvalidTokenRequest):
    """A token request is refused, for what pyop has no narrower exception for. The request, with its secrets, is not
    in it.
    """

    def __init__(self, error: OAuthError) -> None:
        super().__init__(str(error), {}, error.error)


class RefusedRegistration(exceptions.InvalidClientRegistrationRequest):
    """The client is not registered. What it sent is not in it."""

    def __init__(self, description: str, error: str = "invalid_request") -> None:
        super().__init__(description, {}, error)
