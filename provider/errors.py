"""OAuth errors: one class per error code, each a value with three audiences.

`error` and `description` go to the client and never hold a token, a secret or another client's data; `hint` goes to
the log; the cause stays in `__cause__`. What becomes of an error (a redirect, JSON, a page) is decided by the endpoint,
never here.

All are also what pyop would have raised at that place, so that a host written for pyop catches them unchanged.
"""

from __future__ import annotations

import re
from typing import ClassVar

from pyop import exceptions as pyop_exceptions

_NOT_IN_A_DESCRIPTION = re.compile(r"[^\x20-\x21\x23-\x5b\x5d-\x7e]")


class ConfigurationError(Exception):
    """What the operator wrote cannot be used. `mistakes` has one line for each thing to mend."""

    def __init__(self, *mistakes: str) -> None:
        super().__init__("\n".join(mistakes))
        self.mistakes = mistakes


class OAuthError(pyop_exceptions.OAuthError):
    """An error that the specification gives a code to (RFC 6749 4.1.2.1, 5.2 and the registry that they opened)."""

    error: ClassVar[str] = "server_error"
    status: ClassVar[int] = 400
    retry_after: int | None = None
    """Seconds after which trying again is right, where it ever is (RFC 9110 10.2.3)."""

    def __init__(self, description: str = "", *, hint: str = "") -> None:
        ValueError.__init__(self, description)
        self.oauth_error = self.error
        self.hint = hint

    @property
    def description(self) -> str:
        """The text for the client, in the characters that RFC 6749 5.2 allows."""
        return _NOT_IN_A_DESCRIPTION.sub("?", str(self).replace('"', "'"))

    def to_dict(self) -> dict[str, str]:
        """The members of an error response (RFC 6749 5.2)."""
        if not str(self):
            return {"error": self.error}
        return {"error": self.error, "error_description": self.description}


class InvalidRequest(OAuthError):
    """A parameter is missing, repeated, malformed or in conflict with another (RFC 6749 4.1.2.1, 5.2)."""

    error = "invalid_request"


class RequestTooLarge(InvalidRequest):
    """The body is over the limit; nothing of it was looked at."""

    status = 413


class InvalidClient(OAuthError, pyop_exceptions.InvalidClientAuthentication):
    """The client is unknown or did not prove who it is: one answer for both (RFC 6749 5.2)."""

    error = "invalid_client"
    status = 401


class InvalidGrant(OAuthError, pyop_exceptions.InvalidAuthorizationCode, pyop_exceptions.InvalidRefreshToken):
    """A code or refresh token is unknown, expired, spent, or somebody else's (RFC 6749 5.2)."""

    error = "invalid_grant"


class UnauthorizedClient(OAuthError):
    """The client may not use this grant or response type (RFC 6749 4.1.2.1, 5.2)."""

    error = "unauthorized_client"


class UnsupportedGrantType(OAuthError):
    """No such grant here (RFC 6749 5.2)."""

    error = "unsupported_grant_type"


class UnsupportedResponseType(OAuthError):
    """No such response type here (RFC 6749 4.1.2.1)."""

    error = "unsupported_response_type"


class InvalidScope(OAuthError, pyop_exceptions.InvalidScope):
    """The scope is malformed or more than may be granted (RFC 6749 4.1.2.1, 5.2)."""

    error = "invalid_scope"


class AccessDenied(OAuthError):
    """The person, or the provider on their behalf, said no (RFC 6749 4.1.2.1)."""

    error = "access_denied"


class ServerError(OAuthError):
    """Something of ours failed; `hint` says what (RFC 6749 4.1.2.1)."""

    error = "server_error"
    status = 500


class TemporarilyUnavailable(OAuthError):
    """The store does not answer, or all places are taken; trying again later is right (RFC 6749 4.1.2.1)."""

    error = "temporarily_unavailable"
    status = 503
    retry_after = 2

    def __init__(self, description: str = "the provider cannot answer now, try again later", *, hint: str = "") -> None:
        super().__init__(description, hint=hint)


class TooManyRequests(OAuthError):
    """A limit is reached (RFC 6585 4). `retry_after` says in how many seconds it no longer is.

    OAuth has no code of its own for that. `temporarily_unavailable` is what clients know as worth trying again, and
    what others answer with 429; `slow_down` means something else, a longer interval from now on (RFC 8628 3.5).
    """

    error = "temporarily_unavailable"
    status = 429

    retry_after: int

    def __init__(self, description: str = "", *, hint: str = "", retry_after: int = 60) -> None:
        super().__init__(description, hint=hint)
        self.retry_after = retry_after


class InvalidToken(OAuthError, pyop_exceptions.InvalidAccessToken, pyop_exceptions.BearerTokenError):
    """The access token is unknown, expired or revoked (RFC 6750 3.1)."""

    error = "invalid_token"
    status = 401


class InsufficientScope(OAuthError):
    """The access token is good, and not for this (RFC 6750 3.1)."""

    error = "insufficient_scope"
    status = 403


class LoginRequired(OAuthError):
    """Somebody would have to log in, and the request forbids to ask (OpenID Connect Core 3.1.2.6)."""

    error = "login_required"


class ConsentRequired(OAuthError):
    """Somebody would have to consent, and cannot be asked (OpenID Connect Core 3.1.2.6)."""

    error = "consent_required"


class InteractionRequired(OAuthError):
    """Some other page would have to be shown, and the request forbids it (OpenID Connect Core 3.1.2.6)."""

    error = "interaction_required"


class AccountSelectionRequired(OAuthError):
    """An account would have to be chosen, and the request forbids to ask (OpenID Connect Core 3.1.2.6)."""

    error = "account_selection_required"


class UnmetAuthenticationRequirements(OAuthError):
    """The person cannot log in in the way that the app demands (OpenID Connect Core Error Code
    unmet_authentication_requirements 1.0).
    """

    error = "unmet_authentication_requirements"


class RequestNotSupported(OAuthError):
    """Request objects are not offered here (OpenID Connect Core 3.1.2.6)."""

    error = "request_not_supported"


class RequestURINotSupported(OAuthError):
    """Request objects by reference are not offered here (OpenID Connect Core 3.1.2.6)."""

    error = "request_uri_not_supported"


class RegistrationNotSupported(OAuthError):
    """A client cannot describe itself in the request (OpenID Connect Core 3.1.2.6, 7.2.1)."""

    error = "registration_not_supported"


class InvalidClientMetadata(OAuthError):
    """A field of a registration cannot be accepted (RFC 7591 3.2.2)."""

    error = "invalid_client_metadata"


class InvalidRedirectURI(OAuthError):
    """A redirect URI of a registration cannot be accepted (RFC 7591 3.2.2)."""

    error = "invalid_redirect_uri"


class UnprovenRedirect(OAuthError):
    """client_id or redirect_uri is not proven: the person sees a page, and nobody is sent anywhere (RFC 6749 4.1.2.1).

    Not an error code of the specification's: its `error` is what the page and the log name.
    """

    error = "invalid_request"


class StartAgain(UnprovenRedirect):
    """What the app asked for cannot be read any more: the person has to start at the app again."""
