"""What pages with forms have in common: forms that only a page of ours can send, and cookies on the way out."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import falcon

from ..browser import Browser
from ..parameters import Parameters
from ..routes import Resource
from .answering import redirect, set_cookies
from .asked import Asked, open_asked
from .form_guard import FormGuard


class PageResource(Resource):
    """Base of the resource of a page with forms."""

    for_people = True

    @cached_property
    def forms(self) -> FormGuard:
        """Tells forms of ours from forged ones."""
        return FormGuard(self.provider.visits, self.provider.settings.issuer)

    def read_form(self, req: falcon.Request) -> Parameters:
        """The form that was sent; nothing at all is a form without a token. Raises InvalidRequest."""
        form = self.reader.form(req) if req.content_type else Parameters()
        form.refuse_problems()
        return form

    def open_asked(self, req: falcon.Request, sealed: str, browser: Browser) -> Asked:
        """What the page is shown for. Raises UnprovenRedirect."""
        asked = open_asked(self.provider, sealed, browser)
        req.context.log.client_id = asked.client.client_id
        return asked

    def show(
        self,
        req: falcon.Request,
        resp: falcon.Response,
        browser: Browser,
        template: str,
        *,
        bound_to: str = "",
        **values: Any,
    ) -> None:
        """A page with a `csrf_token` for its forms, bound to a session where one is named (its `sid`), and with the
        cookies that the browser is to be given.
        """
        csrf_token = self.provider.visits.csrf_token(browser, bound_to)
        self.pages.answer(req, resp, template, csrf_token=csrf_token, **values)
        set_cookies(resp, browser, secure=self.provider.cookie_names.secure)

    def refuse_forged(
        self,
        req: falcon.Request,
        resp: falcon.Response,
        form: Parameters,
        browser: Browser,
        *,
        again: str,
        bound_to: str = "",
    ) -> bool:
        """Whether the form does not come from a page of ours: then it is answered, by a page with the link `again`."""
        refusal = self.forms.why_refused(req, form, browser, bound_to)
        if refusal is None:
            return False
        self.show_refusal(req, resp, refusal, again=again)
        return True

    def show_refusal(self, req: falcon.Request, resp: falcon.Response, refusal: str, *, again: str) -> None:
        """403, a page that says that nothing has happened, and no cookie."""
        req.context.log.error, req.context.log.hint = "invalid_request", refusal
        self.pages.answer(req, resp, "refused.html", status=403, again=again)

    def send_on(self, resp: falcon.Response, browser: Browser, location: str) -> None:
        """After a form always 303, with the cookies that the browser is to be given."""
        redirect(resp, location)
        set_cookies(resp, browser, secure=self.provider.cookie_names.secure)
