"""The Falcon application: endpoints bound to resources, and what is done around every request."""

from __future__ import annotations

import time
from collections.abc import Mapping
from importlib.resources import files
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import falcon

from .endpoints.answering import Pages, answer_json, answer_oauth_error
from .endpoints.authorize import AuthorizationResource, ResumeResource
from .endpoints.documents import DocumentResource, discovery_document, jwks_document
from .endpoints.front_page import FrontPageResource
from .endpoints.health import LiveResource, ReadyResource
from .endpoints.openapi import openapi_document
from .endpoints.reading import Reader
from .endpoints.token import TokenResource
from .endpoints.userinfo import UserinfoResource
from .errors import InvalidRequest, OAuthError, ServerError, TemporarilyUnavailable
from .openid_provider import OpenIDProvider
from .request_log import RequestLog, logger, report_defect
from .routes import Resource
from .store import StoreUnavailable

_A_DAY = 86400


def create_app(provider: OpenIDProvider) -> falcon.App:
    """A WSGI app that serves a provider under the path of its issuer. Starts the provider if it is not started.

    Raises ConfigurationError, StoreUnavailable, StoreRefused.
    """
    provider.start()
    reader = Reader(provider.settings.http, provider.repeatable_parameters)
    pages = provider_pages(provider, "creance.provider")
    resources = {endpoint.name: endpoint.resource for endpoint in provider.endpoints if endpoint.resource}
    resources |= _core_resources(provider)
    resources["openapi"] = openapi_document(provider, resources)
    for resource in resources.values():
        resource.provider, resource.reader = provider, reader
        resource.pages = pages if resource.templates == "creance.provider" else provider_pages(provider, resource.templates)
    app = falcon.App(middleware=[Around(provider)], cors_enable=False)
    app.req_options.strip_url_path_trailing_slash = False
    prefix = urlsplit(provider.settings.issuer).path
    for endpoint in provider.endpoints:
        app.add_route(prefix + endpoint.path, resources[endpoint.name])
    if prefix:  # RFC 8414 3.1: the well-known path goes before the issuer's own
        app.add_route("/.well-known/oauth-authorization-server" + prefix, resources["oauth_authorization_server"])
    _answer_errors(app, provider, pages)
    return app


def provider_pages(provider: OpenIDProvider, package: str) -> Pages:
    """Templates of a package, with what every page shows."""
    common = {"name": provider.settings.pages.name, "stylesheet": provider.url("stylesheet")}
    return Pages(package, common)


def _core_resources(provider: OpenIDProvider) -> dict[str, Resource]:
    stylesheet = (files("creance.provider") / "templates" / "style.css").read_bytes()
    return {
        "openid_configuration": discovery_document(provider, "OpenID Connect Discovery 1.0"),
        "oauth_authorization_server": discovery_document(provider, "RFC 8414"),
        "authorization": AuthorizationResource(),
        "resume": ResumeResource(),
        "token": TokenResource(),
        "userinfo": UserinfoResource(),
        "jwks": jwks_document(provider),
        "health_live": LiveResource(),
        "health_ready": ReadyResource(),
        "front_page": FrontPageResource(),
        "stylesheet": DocumentResource(
            lambda: stylesheet, content_type="text/css; charset=utf-8", max_age=_A_DAY, summary="The stylesheet"
        ),
    }


class Around:
    """What is done around every request: its id, its headers, its line in the log."""

    def __init__(self, provider: OpenIDProvider) -> None:
        self._log_requests = provider.settings.log.requests
        self._secure = provider.cookie_names.secure

    def process_request(self, req: falcon.Request, resp: falcon.Response) -> None:
        req.context.log = RequestLog(uuid4().hex, time.perf_counter())
        req.context.resource = None

    def process_resource(
        self, req: falcon.Request, resp: falcon.Response, resource: Any, params: Mapping[str, str]
    ) -> None:
        req.context.resource = resource
        if req.method == "OPTIONS" and getattr(resource, "cross_origin", False):
            resp.set_header("Access-Control-Allow-Methods", "GET, POST, OPTIONS")
            resp.set_header("Access-Control-Allow-Headers", "Authorization, Content-Type, DPoP")
            resp.set_header("Access-Control-Max-Age", "86400")
            resp.status = 204
            resp.complete = True

    def process_response(self, req: falcon.Request, resp: falcon.Response, resource: Any, succeeded: bool) -> None:
        log: RequestLog = req.context.log
        resp.set_header("X-Request-Id", log.request_id)
        resp.set_header("X-Content-Type-Options", "nosniff")
        resp.set_header("Referrer-Policy", "same-origin")
        if self._secure:
            resp.set_header("Strict-Transport-Security", "max-age=31536000")
        if getattr(resource, "cross_origin", False):
            resp.set_header("Access-Control-Allow-Origin", "*")
            resp.set_header("Access-Control-Expose-Headers", "WWW-Authenticate, X-Request-Id")
        if self._log_requests:
            self._write(req, resp, log)

    @staticmethod
    def _write(req: falcon.Request, resp: falcon.Response, log: RequestLog) -> None:
        status = resp.status_code
        members: dict[str, Any] = {
            "request_id": log.request_id,
            "method": req.method,
            "path": req.path if req.context.resource is not None else "unknown",
            "status": status,
            "outcome": log.outcome or ("ok" if status < 400 else "refused" if status < 500 else "failed"),
            "ms": round((time.perf_counter() - log.started) * 1000, 2),
        }
        for name in ("client_id", "grant", "error", "hint"):
            if value := getattr(log, name):
                members[name] = value
        logger.info("request", **members)


def _answer_errors(app: falcon.App, provider: OpenIDProvider, pages: Pages) -> None:
    """Every error in one of two forms: JSON for programs, a page for people; never a stack trace."""

    def answer(req: falcon.Request, resp: falcon.Response, error: OAuthError) -> None:
        log: RequestLog = req.context.log
        log.error, log.hint = error.error, error.hint or (str(error) if not log.hint else log.hint)
        if getattr(req.context.resource, "for_people", False):
            pages.answer(
                resp, "error.html", status=error.status, description=str(error), error=error.error, request_id=log.request_id
            )
            if error.status == 503:
                resp.set_header("Retry-After", "2")
        else:
            answer_oauth_error(resp, error, provider.settings.issuer)

    def oauth(req: falcon.Request, resp: falcon.Response, error: OAuthError, params: object) -> None:
        answer(req, resp, error)

    def unavailable(req: falcon.Request, resp: falcon.Response, error: StoreUnavailable, params: object) -> None:
        answer(req, resp, TemporarilyUnavailable("the provider cannot answer now, try again later", hint=str(error)))

    def http(req: falcon.Request, resp: falcon.Response, error: falcon.HTTPError, params: object) -> None:
        for name, value in dict(error.headers or {}).items():
            resp.set_header(name, value)
        status = falcon.http_status_to_code(error.status)
        if getattr(req.context.resource, "for_people", req.context.resource is None and _wants_page(req)):
            pages.answer(
                resp,
                "error.html",
                status=status,
                description=_HTTP_ERRORS.get(status, "this request cannot be answered"),
                error=str(status),
                request_id=req.context.log.request_id,
            )
            return
        answer_json(resp, {"error": InvalidRequest.error, "error_description": _HTTP_ERRORS.get(status, "bad request")})
        resp.status = status

    def defect(req: falcon.Request, resp: falcon.Response, error: Exception, params: object) -> None:
        report_defect(req.path, error)
        answer(req, resp, ServerError("the provider failed", hint=type(error).__name__))

    app.add_error_handler(Exception, defect)
    app.add_error_handler(falcon.HTTPError, http)
    app.add_error_handler(StoreUnavailable, unavailable)
    app.add_error_handler(OAuthError, oauth)


_HTTP_ERRORS = {404: "there is nothing at this address", 405: "this method is not allowed here"}


def _wants_page(req: falcon.Request) -> bool:
    return "text/html" in (req.get_header("Accept") or "")


