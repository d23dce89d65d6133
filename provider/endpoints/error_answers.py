"""Every error in one of two forms: JSON for programs, a page for people; never a stack trace."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import falcon

from ..errors import InvalidRequest, OAuthError, ServerError, TemporarilyUnavailable
from ..request_log import RequestLog, report_defect
from ..store import StoreUnavailable
from .answering import answer_json, answer_oauth_error
from .explanations import BY_STATUS, FOR_DEVELOPERS, OTHER, Explanation, explain
from .pages import Pages

if TYPE_CHECKING:
    from ..openid_provider import OpenIDProvider

_DESCRIPTIONS = {404: "there is nothing at this address", 405: "this method is not allowed here"}


def answer_errors(app: Any, provider: OpenIDProvider, pages: Pages) -> None:
    """Register a handler for each kind of exception with the Falcon app; the last one registered is asked first."""
    answers = ErrorAnswers(provider, pages)
    app.add_error_handler(Exception, answers.defect)
    app.add_error_handler(falcon.HTTPError, answers.http)
    app.add_error_handler(StoreUnavailable, answers.unavailable)
    app.add_error_handler(OAuthError, answers.oauth)


class ErrorAnswers:
    """Handlers as Falcon calls them."""

    def __init__(self, provider: OpenIDProvider, pages: Pages) -> None:
        self._issuer = provider.settings.issuer
        self._pages = pages

    def oauth(self, req: falcon.Request, resp: falcon.Response, error: OAuthError, params: object) -> None:
        """An error that the specification names."""
        log: RequestLog = req.context.log
        log.error, log.hint = error.error, error.hint or log.hint or str(error)
        if not getattr(req.context.resource, "for_people", False):
            takes_access_token = getattr(req.context.resource, "takes_access_token", False)
            answer_oauth_error(resp, error, self._issuer, takes_access_token=takes_access_token)
            return
        self._page(req, resp, error.status, explain(error), error.error, str(error))
        if error.retry_after is not None:
            resp.set_header("Retry-After", str(error.retry_after))

    def unavailable(self, req: falcon.Request, resp: falcon.Response, error: StoreUnavailable, params: object) -> None:
        """The store does not answer: 503, and worth trying again."""
        self.oauth(req, resp, TemporarilyUnavailable(hint=str(error)), params)

    def http(self, req: falcon.Request, resp: falcon.Response, error: falcon.HTTPError, params: object) -> None:
        """No such address, no such method, and what Falcon itself refuses."""
        for name, value in dict(error.headers or {}).items():
            resp.set_header(name, value)
        status = falcon.http_status_to_code(error.status)
        description = _DESCRIPTIONS.get(status, "this request cannot be answered")
        if getattr(req.context.resource, "for_people", req.context.resource is None and _wants_page(req)):
            self._page(req, resp, status, BY_STATUS.get(status, OTHER), str(status), description)
        else:
            answer_json(resp, InvalidRequest(description).to_dict(), status)

    def defect(self, req: falcon.Request, resp: falcon.Response, error: Exception, params: object) -> None:
        """What nobody expected: the log says where, the client only that it was not its fault."""
        report_defect(type(req.context.resource).__name__, error)
        self.oauth(req, resp, ServerError("the provider failed", hint=type(error).__name__), params)

    def _page(
        self,
        req: falcon.Request,
        resp: falcon.Response,
        status: int,
        explanation: Explanation,
        error: str,
        description: str,
    ) -> None:
        self._pages.answer(
            req,
            resp,
            "error.html",
            status=status,
            ui_locales=req.get_param("ui_locales", default="") if req.method == "GET" else "",
            title=explanation.title,
            what=explanation.what,
            advice=explanation.advice,
            for_developers=FOR_DEVELOPERS.get(description, ""),
            error=error,
            description=description,
            issuer=self._issuer,
            request_id=req.context.log.request_id,
        )


def _wants_page(req: falcon.Request) -> bool:
    return "text/html" in (req.get_header("Accept") or "")
