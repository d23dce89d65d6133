"""Settings of `[plugins.remote_user]`, and which names of headers and variables can be believed at all."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Literal, Self

from creance.provider.protocol_claims import PROTOCOL_CLAIMS
from creance.provider.setting_types import Network
from pydantic import Field, model_validator

from ..login_elsewhere import LoginPage, LoginURL, Parameter, ParameterAndValue

_HEADER = re.compile(r"[A-Za-z0-9]+(-[A-Za-z0-9]+)*")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OF_THE_REQUEST = re.compile(
    r"HTTP_.*|REQUEST_.*|SCRIPT_.*|PATH_.*|QUERY_STRING|CONTENT_.*|SERVER_.*|REMOTE_(ADDR|HOST|PORT|IDENT)"
)
"""Variables (PEP 3333, RFC 3875 4.1) that say what the client sent, or who serves it."""


Name = Annotated[str, Field(min_length=1, max_length=100)]


class Settings(LoginPage):
    """Settings of `[plugins.remote_user]`."""

    header: Name | None = None
    """The header in which the proxy says who it is, as `Remoteuser`. The names of all headers that are named here have
    no dash, unless `drops_underscores` is set."""
    environ: Name | None = None
    """In place of `header`: the variable in the WSGI environ, as `REMOTE_USER`, for a server like mod_wsgi that logs
    people in by itself. All other names are those of variables then, too."""
    trusted_peers: list[Network] = []
    """Networks of the proxies, as 10.0.0.5/32, whose `header` is believed: held against the address that the
    connection comes from, and not against what X-Forwarded-For says."""
    drops_underscores: bool = False
    """Set it where the proxy drops headers with an underscore in their name: nginx does, Apache and many others do not.
    Without that, whoever sends `X_Remote_User` themselves is taken for whom they name, since behind WSGI it is the same
    as `X-Remote-User`."""

    auth_time_from: Name | None = None
    """Where it says when the person logged in: seconds since 1970, or a time with its zone (ISO 8601). Without it
    `prompt=login`, `select_account` and `max_age` are answered `login_required`, as nobody could tell."""
    acr_from: Name | None = None
    """Where it says how they logged in, as a class (`acr`)."""
    acr_map: dict[str, str] = {}
    """From what `acr_from` has to the `acr` that apps are told; what is not in it is not told. Without it all is."""
    amr_from: Name | None = None
    """Where it says by which methods (`amr`, RFC 8176), with spaces, commas or semicolons between them."""
    session_from: Name | None = None
    """Where it names the session there. Apps get a digest of it (`sid`). Not together with another plugin that keeps
    sessions."""

    accept: Literal["known", "all"] = "known"
    """`known`: people who are in this file, in the store, or in the source of another plugin. `all`: whoever the proxy
    names; those who are not known are kept in the store."""
    claims: dict[str, Name] = {}
    """With `accept = "all"`: what apps may learn of people whom only the proxy knows, as
    `{ email = "Remoteemail" }`. Renewed at each login."""

    login_url: LoginURL | None = None
    """Where people are sent who are not logged in at the proxy, as `/Shibboleth.sso/Login`. Plugins after this one are
    not asked then."""
    return_parameter: Parameter = "target"
    """The parameter of `login_url` for the URL to come back to: one of this provider, always."""
    force_parameter: ParameterAndValue = ""
    """The parameter of `login_url` that makes people log in anew, as `forceAuthn=true`: for another person than the app
    expects, and for prompt=login, select_account and max_age, which need `auth_time_from` beside it."""

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        if (self.header is None) == (self.environ is None):
            raise ValueError("give header or environ, and not both")
        for name in self.names():
            self._check_name(name)
        if self.header is not None and not self.trusted_peers:
            raise ValueError("trusted_peers is empty: nobody's header would be believed")
        if self.claims and self.accept != "all":
            raise ValueError('claims are for accept = "all": people who are known have theirs')
        if taken := PROTOCOL_CLAIMS.intersection(self.claims):
            raise ValueError(f"claims: {', '.join(sorted(taken))} belongs to the protocol")
        if self.force_parameter and self.login_url is None:
            raise ValueError("force_parameter is one of login_url, which is not there")
        return self

    def names(self) -> Iterator[str]:
        """Every header or variable that is believed."""
        given = (self.header, self.environ, self.auth_time_from, self.acr_from, self.amr_from, self.session_from)
        yield from (name for name in (*given, *self.claims.values()) if name is not None)

    def key(self, name: str) -> str:
        """The key of the WSGI environ (PEP 3333) that has a header or variable."""
        return name if self.header is None else "HTTP_" + name.upper().replace("-", "_")

    def _check_name(self, name: str) -> None:
        if self.header is None:
            if not _VARIABLE.fullmatch(name) or _OF_THE_REQUEST.fullmatch(name.upper()):
                raise ValueError(f"{name} is not a variable that only the server in front sets")
            return
        if not _HEADER.fullmatch(name):
            raise ValueError(f"{name} must be letters and digits, with single dashes between them")
        if "-" in name and not self.drops_underscores:
            raise ValueError(
                f"{name} can be sent by anybody as {name.replace('-', '_')}: give it a name without dashes, or let the"
                " proxy drop headers with underscores and set drops_underscores"
            )
