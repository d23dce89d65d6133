"""The issuer in the authorization response (RFC 9207), against mix-up attacks."""

from __future__ import annotations

from collections.abc import Mapping

from creance.provider import Metadata, Plugin, PluginSettings, hookimpl


class Iss(Plugin[PluginSettings, PluginSettings]):
    """Adds `iss` to every authorization response, errors included."""

    default_on = True

    @hookimpl
    def metadata(self) -> Metadata:
        """RFC 9207 3."""
        return {"authorization_response_iss_parameter_supported": True}

    @hookimpl
    def authorization_response(self) -> Mapping[str, str]:
        """RFC 9207 2."""
        return {"iss": self.provider.settings.issuer}
