"""What is done around every request: its id, its headers, its line in the log."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import falcon

from ..request_log import RequestLog, logger

if TYPE_CHECKING:
    from ..openid_provider import OpenIDProvider


def new_request_id() -> str:
    """A name for the log, and no secret: asking the system for randomness would let another thread in between."""
    return f"{random.getrandbits(128):032x}"


class Context(falcon.Context):
    """What is known of every request, also of one that Falcon refuses before any middleware."""

    def __init__(self) -> None:
        self.log = RequestLog(new_request_id(), time.perf_counter())
        self.resource: Any = None


class Request(falcon.Request):
    """A Falcon request with our context."""

    context_type = Context


class Around:
    """Falcon's middleware."""

    def __init__(self, provider: OpenIDProvider) -> None:
        self._log_requests = provider.settings.log.requests
        self._secure = provider.cookie_names.secure

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
            resp.set_header("Access-Control-Expose-Headers", "Retry-After, WWW-Authenticate, X-Request-Id")
        if self._log_requests:
            self._write(req, resp, log)

    @staticmethod
    def _write(req: falcon.Request, resp: falcon.Response, log: RequestLog) -> None:
        status = resp.status_code
        members: dict[str, Any] = {
            "request_id": log.request_id,
            "method": req.method if req.method in falcon.HTTP_METHODS else "unknown",
            "path": req.path if req.context.resource is not None else "unknown",
            "status": status,
            "outcome": log.outcome or ("ok" if status < 400 else "refused" if status < 500 else "failed"),
            "ms": round((time.perf_counter() - log.started) * 1000, 2),
        }
        for name in ("client_id", "grant", "error", "hint"):
            if value := getattr(log, name):
                members[name] = value
        logger.info("request", **members)
