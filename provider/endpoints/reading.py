"""Reading a request: one function for queries, one for forms, the same limits for all endpoints."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import falcon

from ..admission import BODY_REFUSAL
from ..browser import Browser
from ..errors import InvalidRequest, RequestTooLarge
from ..networks import TrustedProxies
from ..parameters import Parameters, parse_parameters
from ..settings import HTTPSettings

FORM = "application/x-www-form-urlencoded"
JSON = "application/json"
FORM_UNREAD: Final = ("408", "411", "413", "415")
"""OpenAPI: the statuses of a form that was not read; all of it that is wrong otherwise is 400."""


class QueryTooLong(InvalidRequest):
    """The query is over the limit; nothing of it was looked at (RFC 9110 15.5.15)."""

    status = 414


class LengthRequired(InvalidRequest):
    """The body is in chunks (RFC 9112 6.3). The server does not tell one that broke off from one that ended."""

    status = 411


class UnsupportedMediaType(InvalidRequest):
    """The body is not of the type that is read here: a form (RFC 6749 4.1.3), or JSON (RFC 7591 3.1)."""

    status = 415


class Reader:
    """Reads queries, forms and browsers within the operator's limits."""

    def __init__(self, settings: HTTPSettings, repeatable: Collection[str]) -> None:
        self._settings = settings
        self._repeatable = repeatable
        self._proxies = TrustedProxies(settings.trusted_proxies)

    def query(self, req: falcon.Request) -> Parameters:
        """The parameters of the query. Raises QueryTooLong, InvalidRequest."""
        query = req.query_string
        if len(query) > self._settings.query_limit:
            raise QueryTooLong(f"the query is longer than {self._settings.query_limit} bytes")
        return self._parse(_wsgi_bytes(query))

    def form(self, req: falcon.Request) -> Parameters:
        """The parameters of a form body. Raises RequestTooLarge, UnsupportedMediaType, InvalidRequest."""
        _refuse_other_type(req, FORM)
        return self._parse(self._body(req))

    def json(self, req: falcon.Request) -> bytes:
        """A JSON body, not parsed. Raises RequestTooLarge, UnsupportedMediaType, InvalidRequest."""
        _refuse_other_type(req, JSON)
        return self._body(req)

    def form_only(self, req: falcon.Request) -> Parameters:
        """A form to a back-channel endpoint: nothing in the query, nothing repeated (RFC 6749 3.2)."""
        if req.query_string:
            raise InvalidRequest("parameters belong in the body, not in the query")
        parameters = self.form(req)
        parameters.refuse_problems()
        return parameters

    def query_only(self, req: falcon.Request) -> Parameters:
        """The same of a query, for who may send no form."""
        parameters = self.query(req)
        parameters.refuse_problems()
        return parameters

    def browser(self, req: falcon.Request) -> Browser:
        """Who is in front of us."""
        return Browser(
            cookies=_cookies(req.get_header("Cookie")),
            remote_address=self.remote_address(req),
            user_agent=(req.get_header("User-Agent") or "")[:256],
            accept_language=(req.get_header("Accept-Language") or "")[:256],
            environ=req.env,
        )

    def remote_address(self, req: falcon.Request) -> str:
        """The client's address: believed of proxies that the operator trusts."""
        return self._proxies.client_of(req.remote_addr, req.get_header("X-Forwarded-For"))

    def _body(self, req: falcon.Request) -> bytes:
        """Not Falcon's bounded_stream, which takes a body that was cut off for a shorter one."""
        if refusal := req.env.get(BODY_REFUSAL):
            raise refusal
        if "HTTP_TRANSFER_ENCODING" in req.env:
            raise LengthRequired("the body must have a Content-Length")
        length, limit = req.content_length or 0, self._settings.body_limit
        if length > limit:
            raise RequestTooLarge(f"the body is larger than {limit} bytes")
        body: bytes = req.stream.read(length)
        if len(body) < length:
            raise InvalidRequest("the body is shorter than was announced")
        return body

    def _parse(self, encoded: bytes) -> Parameters:
        return parse_parameters(encoded, limit=self._settings.parameter_limit, repeatable=self._repeatable)


def _refuse_other_type(req: falcon.Request, expected: str) -> None:
    media_type, _, charset = (req.content_type or "").partition(";")
    if media_type.strip().lower() != expected:
        raise UnsupportedMediaType(f"the body must be {expected}")
    if charset and charset.replace(" ", "").strip('"').lower() not in ("charset=utf-8", 'charset="utf-8'):
        raise UnsupportedMediaType("the body must be UTF-8")


def _wsgi_bytes(text: str) -> bytes:
    """The bytes behind a WSGI string (PEP 3333); some servers decode them as UTF-8 instead."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogateescape")


def _cookies(header: str | None) -> dict[str, str]:
    """The cookies of a request; of one that is there twice, the first, which has the longer path (RFC 6265 5.4)."""
    cookies: dict[str, str] = {}
    for pair in (header or "").split(";"):
        name, equals, value = pair.strip(" ").partition("=")
        if equals:
            cookies.setdefault(name, value)
    return cookies
