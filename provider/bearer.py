"""How an access token is presented (RFC 6750 2): in the header, or in a form; never in a query."""

from __future__ import annotations

import re
from collections.abc import Mapping

from .errors import InvalidRequest, InvalidToken
from .parameters import Parameters

_B64TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")


class TokenMissing(InvalidToken):
    """No access token at all: the answer names the scheme and no error (RFC 6750 3.1)."""


def read_bearer_token(headers: Mapping[str, str], parameters: Parameters | None = None) -> str:
    """The access token that a request presents. Raises InvalidRequest for two of them or a malformed one, TokenMissing
    for none.
    """
    in_form = parameters.get("access_token") if parameters else None
    authorization = headers.get("Authorization")
    if authorization is None:
        if in_form is None:
            raise TokenMissing("an access token is needed")
        return in_form
    if in_form is not None:
        raise InvalidRequest("two access tokens (RFC 6750 2)")
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer":
        raise TokenMissing("an access token is needed")
    token = token.strip(" ")
    if not _B64TOKEN.fullmatch(token):
        raise InvalidRequest("the Authorization header is malformed (RFC 6750 2.1)")
    return token
