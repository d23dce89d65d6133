"""Changing the password: the present one, and a new one twice."""

from __future__ import annotations

import falcon
from creance.provider import (
    AccessDenied,
    ConfigurationError,
    Event,
    Parameters,
    TemporarilyUnavailable,
    TooManyRequests,
    translatable,
)
from creance.provider.endpoints import FORM_REFUSALS, PAGE, form_body
from creance.provider.registration import LONGEST_PASSWORD
from creance.provider.store import Conflict

from .notices import PASSWORD_CHANGED
from .password_rules import why_unfit
from .visitor import AccountPage, Visitor
from .where_kept import WhereKept, where_kept

INCOMPLETE = translatable("Type your present password, and the new one twice.")
DIFFERENT = translatable("The new password is not the same both times.")
UNCHANGED = translatable("The new password is the present one. Choose another one.")
WRONG = translatable("The present password is not right.")
CHANGED_MEANWHILE = translatable("Your account was changed at this very moment, somewhere else. Try again.")
BUSY = translatable("Too many people are logging in at this moment. Wait a little, then try again.")
TOO_OFTEN = translatable("The password was wrong too often. Wait a while, then try again.")

_PASSWORD = {"type": "string", "format": "password", "maxLength": LONGEST_PASSWORD}


class PasswordResource(AccountPage):
    """GET shows the form, POST takes it. The present password is asked for in any case: a session alone is not enough
    to take an account over.
    """

    openapi = {
        "get": {
            "summary": "The form to change the password",
            "responses": {
                "200": PAGE,
                "303": {"description": "Nobody is logged in, or not recently enough: to the login page."},
                "503": PAGE,
            },
        },
        "post": {
            "summary": "Change the password",
            "requestBody": form_body(
                ["current_password", "new_password", "new_password_again"],
                {"current_password": _PASSWORD, "new_password": _PASSWORD, "new_password_again": _PASSWORD},
            ),
            "responses": {
                "200": {**PAGE, "description": "The form again: something typed was wrong or missing."},
                "303": {
                    "description": "Changed, and all other sessions ended: to the account page. Or to the login page."
                },
                "429": {**PAGE, "description": "The present password was wrong too often."},
                **FORM_REFUSALS,
            },
        },
    }

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """The form, or why there is none."""
        visitor = self.visitor(req, resp)
        if visitor is None:
            return
        if visitor.may_change:
            self._show(req, resp, visitor)
        else:
            self.send_on(resp, visitor.browser, self.login_url(anew=True))

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Look at the new password, then at the present one; change it, and end what the old one has begun."""
        taken = self.form_of(req, resp)
        if taken is None:
            return
        visitor, form = taken
        if self._where_kept(visitor) != "here":
            self._show(req, resp, visitor)
            return
        present = self.provider.users.kept_password(visitor.user.username)
        problem = (
            self._problem_of(form, visitor)
            or self._prove(req, resp, visitor, form["current_password"])
            or self._change(visitor, form["new_password"], present)
        )
        if problem is not None:
            req.context.log.outcome = "refused"
            self._show(req, resp, visitor, problem)
            return
        req.context.log.outcome = "password_changed"
        self.send_home(resp, visitor.browser, PASSWORD_CHANGED)

    def _problem_of(self, form: Parameters, visitor: Visitor) -> str | None:
        """What is wrong with what was typed, as far as it can be seen without a look at the present password."""
        current, new = form.get("current_password"), form.get("new_password")
        if not current or not new or "new_password_again" not in form:
            return INCOMPLETE
        if form["new_password_again"] != new:
            return DIFFERENT
        if new == current:
            return UNCHANGED
        site = self.provider.settings.pages.name
        return why_unfit(new, visitor.user, site=site, minimum_length=self._plugin.settings.minimum_password_length)

    def _prove(self, req: falcon.Request, resp: falcon.Response, visitor: Visitor, password: str) -> str | None:
        """What is wrong with the present password: None where it is right. A wrong one counts as a failed login."""
        log = req.context.log
        try:
            user = self.provider.login_limits.authenticate(visitor.user.username, password, visitor.browser)
        except (TooManyRequests, TemporarilyUnavailable) as error:
            log.error, log.hint = error.error, error.hint
            resp.status = error.status
            resp.set_header("Retry-After", str(getattr(error, "retry_after", 2)))
            return TOO_OFTEN if isinstance(error, TooManyRequests) else BUSY
        if user is not None and user.subject == visitor.user.subject:
            return None
        log.error = "login_failed"
        self.provider.happened(Event("login_failed", username=visitor.user.username))
        return WRONG

    def _change(self, visitor: Visitor, password: str, present: str | None) -> str | None:
        """The password first, so that nobody logs in by the old one any more; then all that it has begun elsewhere. The
        session goes on here under another id: who has a copy of the old one is out too.

        `present` is the hash of before the present password was looked at. Where it is no more what is kept, somebody
        was quicker, who knew that password too, or an operator: then nothing is changed, and the answer says so.
        """
        username = visitor.user.username
        try:
            self.provider.users.change_password(username, password, proven=present)
        except Conflict:
            return CHANGED_MEANWHILE
        except ConfigurationError as error:  # removed at this moment
            raise AccessDenied("this account cannot be used", hint=str(error)) from None
        self.sessions.end_all(username, but=visitor.session.sid)
        self.sessions.renew(visitor.browser)
        self.provider.happened(Event("password_changed", username=username))
        return None

    def _where_kept(self, visitor: Visitor) -> WhereKept:
        return where_kept(self.provider.users, visitor.user.username)

    def _show(self, req: falcon.Request, resp: falcon.Response, visitor: Visitor, problem: str | None = None) -> None:
        """Nothing typed is shown again: it is passwords only."""
        self.show(
            req,
            resp,
            visitor.browser,
            "password.html",
            bound_to=visitor.session.sid,
            status=resp.status_code,
            problem=problem,
            user=visitor.user,
            where_kept=self._where_kept(visitor),
            minimum_length=self._plugin.settings.minimum_password_length,
            account=self.home,
            action=self.provider.url("account_password"),
        )
