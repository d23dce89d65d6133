"""A backend of SATOSA that believes who somebody says to be. SATOSA imports it by its path."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from satosa.backends.base import BackendModule
from satosa.exception import SATOSAAuthenticationError
from satosa.internal import AuthenticationInformation, InternalData
from satosa.response import SeeOther


class LoginBackend(BackendModule):
    def __init__(
        self, callback: Any, internal_attributes: dict[str, Any], config: dict[str, Any], base_url: str, name: str
    ) -> None:
        super().__init__(callback, internal_attributes, base_url, name)

    def start_auth(self, context: Any, internal_request: InternalData) -> Any:
        """To the login page, as to any identity provider; it is told what was asked for."""
        asked = urlencode({"asked": " ".join(sorted(internal_request.attributes or []))})
        return SeeOther(f"{self.base_url}/{self.name}/login?{asked}")

    def register_endpoints(self) -> list[tuple[str, Any]]:
        return [(f"^{self.name}/login$", self.log_in)]

    def log_in(self, context: Any) -> Any:
        user = context.request.get("user")
        if user is None:
            raise SATOSAAuthenticationError(context.state, "nobody logged in")
        attributes = {"mail": [f"{user}@example.org"], "displayname": [user.title()], "affiliation": ["member"]}
        login = AuthenticationInformation("urn:login", "2026-11-23T00:00:00Z", "https://idp.example.org")
        return self.auth_callback_func(
            context, InternalData(auth_info=login, subject_id=user, subject_type="pairwise", attributes=attributes)
        )
