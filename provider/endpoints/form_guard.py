"""Whether a form comes from a page of ours, in this browser: against forged logins and logouts (CSRF)."""

from __future__ import annotations

from urllib.parse import urlsplit

import falcon

from ..browser import Browser
from ..parameters import Parameters
from ..visits import Visits

_DEFAULT_PORTS = {"https": 443, "http": 80}


class FormGuard:
    """Holds a form's `csrf_token` against the visit, and the headers that browsers add against the issuer."""

    def __init__(self, visits: Visits, issuer: str) -> None:
        self._visits = visits
        self._origin = origin_of(issuer)

    def why_refused(self, req: falcon.Request, form: Parameters, browser: Browser, bound_to: str = "") -> str | None:
        """What is wrong with a form, for the log; None where it is ours. `bound_to` as in `Visits.csrf_token`."""
        if self.is_foreign(req):
            return "sent by another site"
        if not self._visits.csrf_token_matches(form.get("csrf_token", ""), browser, bound_to):
            return "csrf_token does not match"
        return None

    def is_foreign(self, req: falcon.Request) -> bool:
        """Whether the browser says that another site sent this form (Fetch Metadata 2.3, RFC 6454 7).

        `same-site` is foreign too, and so is `Origin: null`. Without the headers nothing is known.
        """
        if req.get_header("Sec-Fetch-Site") not in (None, "same-origin", "none"):
            return True
        return req.get_header("Origin") not in (None, self._origin)


def origin_of(url: str) -> str:
    """The origin of a URL as browsers write it (RFC 6454 6.2): lower case, without a default port."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    port = "" if parts.port in (None, _DEFAULT_PORTS.get(parts.scheme)) else f":{parts.port}"
    return f"{parts.scheme}://{host}{port}"
