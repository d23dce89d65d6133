"""The account page: who I am, where I am logged in, and which apps have access."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import falcon
from creance.provider import BrowserSession, User
from creance.provider.endpoints import PAGE
from creance.provider.protocol_claims import PROTOCOL_CLAIMS
from creance.provider.scope_words import CLAIMS, CONFIRMED_BY, NOT_SHOWN, value_text

from .app_access import apps_with_access
from .device import Device, device_of
from .notices import words_of
from .visitor import AccountPage, Visitor
from .where_kept import where_kept

_SHOWN = 50
"""Sessions, and apps, that the page shows at first."""

_NOT_LISTED = NOT_SHOWN | PROTOCOL_CLAIMS


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that apps may learn about a person."""

    words: str
    text: str
    confirmed: bool | None = None
    """None where there is nothing to confirm, or nobody says so."""


@dataclass(frozen=True, slots=True)
class Place:
    """Somewhere that a person is logged in."""

    session: BrowserSession
    device: Device
    here: bool


class AccountResource(AccountPage):
    """GET shows the page. Its forms go elsewhere, and come back here."""

    openapi = {
        "get": {
            "summary": "The account page",
            "parameters": [
                {
                    "name": "notice",
                    "in": "query",
                    "description": "What has just happened, by name.",
                    "schema": {"type": "string"},
                },
                {
                    "name": "show",
                    "in": "query",
                    "description": "`all`: also where there are many.",
                    "schema": {"type": "string"},
                },
            ],
            "responses": {
                "200": PAGE,
                "303": {"description": "Nobody is logged in: to the login page, and back."},
                "400": PAGE,
                "414": PAGE,
                "503": PAGE,
            },
        }
    }

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Everything on one page, the newest first."""
        query = self.reader.query(req)
        query.refuse_problems()
        visitor = self.visitor(req, resp)
        if visitor is None:
            return
        shown = None if query.get("show") == "all" else _SHOWN
        places = self._places(visitor)
        apps, all_apps = apps_with_access(self.provider, visitor.user)
        self.show(
            req,
            resp,
            visitor.browser,
            "account.html",
            bound_to=visitor.session.sid,
            notice=None if self.forms.is_foreign(req) else words_of(query.get("notice", "")),
            user=visitor.user,
            facts=list(self._facts(visitor.user)),
            may_change=visitor.may_change,
            remembered=visitor.session.remembered,
            where_kept=where_kept(self.provider.users, visitor.user.username),
            places=places[:shown],
            more_places=len(places) - len(places[:shown]),
            apps=apps[:shown],
            more_apps=len(apps) - len(apps[:shown]),
            all_apps=all_apps,
            urls={name: self.provider.url(name) for name in _LINKS} | {"login_anew": self.login_url(anew=True)},
        )

    def _facts(self, user: User) -> Iterator[Fact]:
        return facts_about(user, self.provider.scope_claims.claims_supported, self.provider.scope_words.claims)

    def _places(self, visitor: Visitor) -> list[Place]:
        """The one of this browser first, in any case; then the last used first."""
        own = visitor.session
        others = [each for each in self.sessions.of_user(visitor.user.username) if each.sid != own.sid]
        return [_place(own, here=True), *(_place(each, here=False) for each in others)]


_LINKS = ("account", "account_sessions", "account_apps", "account_password", "logout")


def _place(session: BrowserSession, *, here: bool) -> Place:
    return Place(session, device_of(session.user_agent), here)


def facts_about(user: User, released: list[str], words: Mapping[str, str] = CLAIMS) -> Iterator[Fact]:
    """The claims of a person that a scope gives, those that everybody knows first."""
    known = [*words, *(name for name in released if name not in words)]
    for name in known:
        if name in released and name in user.claims and name not in _NOT_LISTED:
            confirmed = user.claims.get(CONFIRMED_BY.get(name, ""))
            text = value_text(user.claims[name])
            if text:
                yield Fact(words.get(name, name), text, confirmed if isinstance(confirmed, bool) else None)
