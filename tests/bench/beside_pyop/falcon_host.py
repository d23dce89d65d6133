"""A host of pyop as one writes it with Falcon: pyop's own example, endpoint by endpoint."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import falcon
from oic.oic.message import TokenErrorResponse, UserInfoErrorResponse
from pyop.access_token import AccessToken, BearerTokenError
from pyop.exceptions import (
    InvalidAccessToken,
    InvalidAuthenticationRequest,
    InvalidClientAuthentication,
    OAuthError,
)
from pyop.provider import Provider
from pyop.util import should_fragment_encode

from ..server import DISCOVERY

_COOKIE = "user"


def login_cookie(username: str) -> str:
    """The Cookie header of a browser at which somebody is logged in. A real host would seal it."""
    return f"{_COOKIE}={username}"


def logged_in(environ: Mapping[str, Any]) -> str:
    """Who is logged in at the browser of a request: the login of the host, the same in front of every provider."""
    username: str = environ["HTTP_COOKIE"].partition(f"{_COOKIE}=")[2]
    return username


def falcon_host(provider: Provider) -> falcon.App[falcon.Request, falcon.Response]:
    """The app."""
    app = falcon.App()
    app.add_route("/authorize", _Authorization(provider))
    app.add_route("/token", _Token(provider))
    app.add_route("/userinfo", _Userinfo(provider))
    app.add_route("/jwks", _Keys(provider))
    app.add_route(DISCOVERY, _Discovery(provider))
    return app


class _Endpoint:
    def __init__(self, provider: Provider) -> None:
        self.provider = provider


class _Authorization(_Endpoint):
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        try:
            request = self.provider.parse_authentication_request(req.query_string, _headers(req))
        except InvalidAuthenticationRequest as error:
            url = error.to_error_url()
            if url is None:
                raise falcon.HTTPBadRequest(description=str(error)) from None
            raise falcon.HTTPSeeOther(url) from None
        response = self.provider.authorize(request, logged_in(req.env))
        resp.status = falcon.HTTP_303
        resp.location = response.request(request["redirect_uri"], should_fragment_encode(request))


class _Token(_Endpoint):
    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        try:
            response = self.provider.handle_token_request(_body(req), _headers(req))
            resp.media = response.to_dict()
        except InvalidClientAuthentication as error:
            resp.media = TokenErrorResponse(error="invalid_client", error_description=str(error)).to_dict()
            resp.status = falcon.HTTP_401
            resp.set_header("WWW-Authenticate", "Basic")
        except OAuthError as error:
            resp.media = TokenErrorResponse(error=error.oauth_error, error_description=str(error)).to_dict()
            resp.status = falcon.HTTP_400


class _Userinfo(_Endpoint):
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        try:
            response = self.provider.handle_userinfo_request(_body(req), _headers(req))
            resp.media = response.to_dict()
        except (BearerTokenError, InvalidAccessToken) as error:
            resp.media = UserInfoErrorResponse(error="invalid_token", error_description=str(error)).to_dict()
            resp.status = falcon.HTTP_401
            resp.set_header("WWW-Authenticate", AccessToken.BEARER_TOKEN_TYPE)


class _Keys(_Endpoint):
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        resp.media = self.provider.jwks


class _Discovery(_Endpoint):
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        resp.media = self.provider.provider_configuration.to_dict()


def _body(req: falcon.Request) -> str:
    return req.bounded_stream.read().decode()


def _headers(req: falcon.Request) -> dict[str, str]:
    """The one that pyop looks for, under the name under which it does."""
    return {"Authorization": req.auth} if req.auth else {}
