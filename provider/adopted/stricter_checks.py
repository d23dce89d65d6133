"""Lines in the log that name the clients which meet with checks that pyop does not make (docs/adopting.md)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from functools import partial
from typing import Final

from pyop.exceptions import OAuthError as PyopError

from ..client_notices import ClientNotices
from ..errors import OAuthError
from ..pyop_exceptions import RefusedAccessToken, RefusedRequest

_LONGEST: Final = 200
"""Characters of what a client has made up."""


class StricterChecks:
    """Each line once an hour for a client. Safe for many threads."""

    def __init__(self) -> None:
        self._authorization = ClientNotices("authorization_refused")
        self._scope = ClientNotices("scope_not_granted")
        self._claims = ClientNotices("claims_not_granted")
        self._token_requests: defaultdict[str, ClientNotices] = defaultdict(
            partial(ClientNotices, "token_request_refused")
        )
        self._userinfo_requests: defaultdict[str, ClientNotices] = defaultdict(
            partial(ClientNotices, "userinfo_request_refused")
        )

    def refused_authorization(self, refused: RefusedRequest) -> None:
        """Of a client that has proven its redirect URI: of others nothing is certain."""
        if refused.to_error_url() is not None and not _is_ours(refused.__cause__):
            told = OAuthError(str(refused)).description
            client_id = refused.request["client_id"]
            self._authorization.about(client_id, error=refused.oauth_error, error_description=told)

    def not_granted(self, client_id: str, scope: Iterable[str], claims: Iterable[str]) -> None:
        """What an app asks for, and does not get. No line where there is nothing."""
        if left := " ".join(sorted(scope)):
            self._scope.about(client_id, scope=left[:_LONGEST])
        if left := " ".join(sorted(claims)):
            self._claims.about(client_id, claims=left[:_LONGEST])

    def refused_token_request(self, client_id: str, refused: PyopError) -> None:
        """`client_id`: whom the request says that it is from. Each error has a line of its own."""
        cause = refused if isinstance(refused, OAuthError) else refused.__cause__
        if not _is_ours(cause):
            self._token_requests[refused.oauth_error].about(
                client_id, error=refused.oauth_error, hint=_hint(refused, cause)
            )

    def refused_userinfo_request(self, client_id: str | None, refused: RefusedAccessToken) -> None:
        """`client_id`: whose access token it is, None where that is not known. Each error has a line of its own."""
        notices, hint = self._userinfo_requests[refused.oauth_error], _hint(refused, refused.__cause__)
        if client_id is None:
            notices.about_nobody(error=refused.oauth_error, hint=hint)
        else:
            notices.about(client_id, error=refused.oauth_error, hint=hint)


def _hint(refused: Exception, cause: BaseException | None) -> str:
    """What the log has of a refusal: more than the client is told, where there is more."""
    return getattr(cause, "hint", None) or OAuthError(str(refused)).description


def _is_ours(cause: BaseException | None) -> bool:
    """Whether it is nothing that the client could do otherwise."""
    return isinstance(cause, OAuthError) and cause.status >= 500
