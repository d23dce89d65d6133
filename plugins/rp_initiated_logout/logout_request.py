"""What an app asks for when it sends a person to log out (RP-Initiated Logout 1.0, 2 and 3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from creance.provider import BrowserSession, Client, InvalidRequest, OpenIDProvider, Parameters, add_query
from creance.provider.id_token_hint import audience_of, read_id_token_hint

_CARRIED = ("id_token_hint", "client_id", "post_logout_redirect_uri", "state", "ui_locales")


@dataclass(frozen=True, slots=True)
class LogoutRequest:
    """The request, as far as it could be proven. What could not be never leads anywhere."""

    parameters: Mapping[str, str]
    """What the question takes along, so that the answer to it is checked from the start again."""
    hint: Mapping[str, Any] = field(default_factory=dict)
    """The claims of the id_token_hint."""
    client: Client | None = None
    redirect_uri: str | None = None
    """Registered by that client, exactly; None where the person stays here."""
    problem: str = ""
    """What was wrong with it, for the log and the app's developer."""

    @property
    def onward(self) -> str | None:
        """RP-Initiated Logout 3: where the browser goes when nobody is logged in any more."""
        if self.redirect_uri is None:
            return None
        state = self.parameters.get("state")
        return self.redirect_uri if state is None else add_query(self.redirect_uri, {"state": state})

    def is_about(self, session: BrowserSession, provider: OpenIDProvider) -> bool:
        """Whether the app has shown that it speaks of this very session, so that nobody need be asked."""
        if self.client is None or not self.hint:
            return False
        redirect_uri = next(iter(self.client.redirect_uris), "")  # of one sector, all of them
        subject = provider.subjects.of(self.client, redirect_uri, username=session.username, subject=session.subject)
        sid = provider.subjects.session_of(self.client, session.sid)
        return (self.hint.get("sub"), self.hint.get("sid")) == (subject, sid)


def read_logout_request(provider: OpenIDProvider, parameters: Parameters) -> LogoutRequest:
    """RP-Initiated Logout 2, step by step. A person who wants to log out can, whatever the app did wrong."""
    carried = {name: parameters[name] for name in _CARRIED if name in parameters}
    if parameters.problems:
        return LogoutRequest({}, problem="a parameter is there more than once, or holds a NUL character")
    hint: Mapping[str, Any] = {}
    if "id_token_hint" in parameters:
        try:
            hint = read_id_token_hint(provider.keyring, parameters["id_token_hint"])
        except InvalidRequest as error:
            return LogoutRequest({}, problem=error.description)
    audience = audience_of(hint)
    client_id = parameters.get("client_id", audience[0] if audience else None)
    if hint and client_id not in audience:
        return LogoutRequest({}, problem="id_token_hint was issued to another client than client_id names")
    client = provider.clients.find(client_id) if client_id is not None else None
    if client is None and client_id is not None:
        return LogoutRequest({}, problem="client_id is not that of a client of this provider")
    uri = parameters.get("post_logout_redirect_uri")
    if uri is not None and client is None:
        return LogoutRequest({}, problem="post_logout_redirect_uri needs id_token_hint or client_id beside it")
    if uri is not None and client is not None and uri not in client.settings.post_logout_redirect_uris:
        problem = "post_logout_redirect_uri is not among the client's post_logout_redirect_uris"
        return LogoutRequest({}, hint, client, problem=problem)
    return LogoutRequest(carried, hint, client, uri)
