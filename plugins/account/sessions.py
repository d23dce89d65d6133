"""Ending sessions: one, all others, or all."""

from __future__ import annotations

import falcon
from creance.provider import InvalidRequest
from creance.provider.endpoints import FORM_REFUSALS, form_body

from .notices import OTHERS_ENDED, SESSION_ENDED
from .visitor import AccountPage, Visitor


class SessionsResource(AccountPage):
    """POST ends sessions, with what they gave to apps."""

    openapi = {
        "post": {
            "summary": "End sessions",
            "requestBody": form_body(
                ["end"],
                {
                    "end": {"type": "string", "enum": ["one", "others", "all"]},
                    "sid": {"type": "string", "description": "With `one`: which."},
                },
            ),
            "responses": {
                "303": {
                    "description": "Ended: to the account page, which says so; where this one is, to the logout page."
                },
                **FORM_REFUSALS,
            },
        }
    }

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Prove that the form is ours, and end what it names. What has ended already is no error."""
        taken = self.form_of(req, resp)
        if taken is None:
            return
        visitor, form = taken
        username, own = visitor.user.username, visitor.session.sid
        match form.get("end"):
            case "all":
                self.sessions.end_all(username)
                self._send_off(resp, visitor)
            case "others":
                self.sessions.end_all(username, but=own)
                self.send_home(resp, visitor.browser, OTHERS_ENDED)
            case "one":
                self._end_one(resp, visitor, form.required("sid"))
            case _:
                raise InvalidRequest("the form does not say what to end")
        req.context.log.outcome = "sessions_ended"

    def _end_one(self, resp: falcon.Response, visitor: Visitor, sid: str) -> None:
        """One of this person's own: that of anybody else is none that is there."""
        if any(session.sid == sid for session in self.sessions.of_user(visitor.user.username)):
            self.sessions.end(sid)
        if sid == visitor.session.sid:
            self._send_off(resp, visitor)
        else:
            self.send_home(resp, visitor.browser, SESSION_ENDED)

    def _send_off(self, resp: falcon.Response, visitor: Visitor) -> None:
        """For who has ended the session of this very browser: its cookies go, and the next page says so."""
        self.sessions.log_out(visitor.browser)
        self.send_on(resp, visitor.browser, self.provider.url("logout"))
