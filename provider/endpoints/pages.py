"""Pages for people: rendered from templates, in their language, without scripts or anything from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import falcon

from ..catalogues import chained, package_catalogues
from ..languages import Languages, direction
from ..page_templates import OUR_PACKAGE, make_environment, template_loader
from ..theme import Theme
from .answering import never_store

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; base-uri 'none'; frame-ancestors 'none'; "
    "form-action 'self'"
)


class Pages:
    """Renders the templates of a package. Templates are compiled once, catalogues read once."""

    def __init__(
        self, package: str, common: Mapping[str, Any], *, loopback: bool, languages: Languages, theme: Theme
    ) -> None:
        """Templates of a package's folder `templates` and texts of its folder `locales`: over them those of the theme,
        below them those of the provider (`base.html`). Raises CatalogueError.

        `loopback`: the provider is for this machine alone, and so are its apps.
        """
        catalogues = [theme.texts, *(package_catalogues(place) for place in dict.fromkeys((package, OUR_PACKAGE)))]
        load = template_loader(package, theme.templates)
        self._languages = languages
        self._environments = {
            language: make_environment(load, language, chained(language, catalogues))
            for language in languages.supported
        }
        self._common = {
            language: {**common, "lang": language, "direction": direction(language)} for language in languages.supported
        }
        self._onward = "https: http://localhost:* http://127.0.0.1:*" if loopback else "https:"

    def answer(
        self,
        req: falcon.Request,
        resp: falcon.Response,
        template: str,
        *,
        status: int = 200,
        leads_to: str | None = None,
        ui_locales: str = "",
        **values: Any,
    ) -> None:
        """A page. `leads_to` is the proven redirect URI that a form of it leads to; `ui_locales` the languages that the
        app prefers for it (OpenID Connect Core 3.1.2.1).

        Chromium holds form-action against every redirect after a form, and the app may send people on in turn, as a
        proxy or a portal does: so such a page allows the redirect URI, and every place that is as safe to go to as a
        redirect URI must be.
        """
        language = self._language(req, resp, ui_locales)
        resp.status = status
        resp.content_type = "text/html; charset=utf-8"
        page = self._environments[language].get_template(template)
        resp.text = page.render(**self._common[language], **values)
        never_store(resp)
        resp.set_header("Content-Language", language)
        onward = f" {_source(leads_to)} {self._onward}" if leads_to else ""
        resp.set_header("Content-Security-Policy", CONTENT_SECURITY_POLICY + onward)
        resp.set_header("X-Frame-Options", "DENY")  # for what does not know frame-ancestors (RFC 9700 4.16)
        resp.set_header("Cross-Origin-Resource-Policy", "same-origin")

    def _language(self, req: falcon.Request, resp: falcon.Response, ui_locales: str) -> str:
        """The app's wish goes first; the page depends on the browser's (RFC 9110 12.5.5) where it has none."""
        asked_for = self._languages.asked_for(ui_locales)
        if asked_for is not None:
            return asked_for
        resp.append_header("Vary", "Accept-Language")
        return self._languages.preferred(req.get_header("Accept-Language") or "")


def _source(uri: str) -> str:
    """A CSP source for where a redirect URI leads: its origin, or its scheme where that has none."""
    parts = urlsplit(uri)
    if parts.scheme not in ("http", "https") or ":" in (parts.hostname or ""):
        return f"{parts.scheme}:"  # CSP has no form for an IPv6 address
    return f"{parts.scheme}://{parts.netloc}"
