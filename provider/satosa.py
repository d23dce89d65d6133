"""SATOSA's OpenID Connect frontend with this provider in it, by another `module` line of its configuration:

    module: creance.provider.satosa.OpenIDConnectFrontend

SATOSA logs people in as before. Its configuration, URLs, clients, subject identifiers and databases stay, and what the
plain frontend has issued goes on. `docs/adopting.md` tells what changes for clients.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from threading import Lock
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from oic.oic.provider import RegistrationEndpoint
from pyop.exceptions import InvalidAuthenticationRequest
from pyop.provider import Provider
from satosa.context import Context
from satosa.frontends import openid_connect
from satosa.internal import InternalData
from satosa.response import BadRequest, Response, SeeOther

from .adopted.host_log import log_by_host
from .adopted.provider import AdoptedProvider, in_place_of, started
from .adopted.settings import adopted_settings
from .app import App, create_app
from .authorization import add_query
from .errors import ConfigurationError
from .request_log import logger
from .routes import CORE_ENDPOINTS
from .satosa_configuration import is_on, read_section, warn_of
from .satosa_databases import bring_databases, without_databases
from .satosa_requests import ask
from .store import StoreError

_ALSO: Final = "oauth_authorization_server"
"""A core endpoint that SATOSA has no method for."""

Handler = Callable[[Context], Response]


@dataclass(frozen=True, slots=True)
class _Serving:
    """What a process has that serves."""

    process: int
    provider: AdoptedProvider
    app: App


class OpenIDConnectFrontend(openid_connect.OpenIDConnectFrontend):
    """Before the first request of a process there are no connections and no threads: servers fork before or after
    SATOSA has been loaded.
    """

    def __init__(
        self,
        auth_req_callback_func: Callable[..., Any],
        internal_attributes: Mapping[str, Any],
        conf: dict[str, Any],
        base_url: str,
        name: str,
    ) -> None:
        """As SATOSA calls it. Raises ConfigurationError, ValueError."""
        self._serving: _Serving | None = None
        self._starting = Lock()
        self._complete = False
        log_by_host()
        super().__init__(auth_req_callback_func, internal_attributes, conf and without_databases(conf), base_url, name)
        self.config = conf
        self._plugins, self._settings = read_section(conf, name)
        warn_of(conf, name)
        settings = adopted_settings(self._origin, self._plugins, self._settings)
        self.user_db = bring_databases(self._origin, conf, settings.lifetimes)

    @property
    def provider(self) -> Provider:
        """pyop's, while SATOSA reads its configuration, and then ours, which is started where it is first asked for."""
        return self._serve().provider if self._complete else self._origin

    @provider.setter
    def provider(self, origin: Provider) -> None:
        self._origin = origin

    # What SATOSA calls once.

    def register_endpoints(self, backend_names: list[str]) -> list[tuple[str, Handler]]:
        """The plain frontend's, and ours. What is wrong with the configuration is told here. Raises
        ConfigurationError.
        """
        self._say_whether_clients_can_register()
        inherited = super().register_endpoints(backend_names)
        candidate = in_place_of(self._origin, self._plugins, self._settings)
        candidate.stop()
        if left := candidate.response_types_not_offered():
            logger.warning("response_types_not_offered", frontend=self.name, types=left)
        theirs = {endpoint.name for endpoint in CORE_ENDPOINTS} | {"registration"}
        ours = [
            (f"^{re.escape(endpoint.path[1:])}/?$", partial(self._answer, endpoint.name))
            for endpoint in candidate.endpoints
            if endpoint.name not in theirs or endpoint.name == _ALSO
        ]
        self._complete = True
        return [*((_anchored(pattern), handler) for pattern, handler in inherited), *ours]

    def _say_whether_clients_can_register(self) -> None:
        """By our plugin alone, whatever `client_registration_supported` says."""
        information = self._origin.configuration_information
        if is_on("registration", self._plugins):
            information["registration_endpoint"] = f"{self.endpoint_baseurl}/{RegistrationEndpoint.url}"
        elif "registration_endpoint" in information:
            del information["registration_endpoint"]
            logger.warning("registration_not_offered", frontend=self.name)

    # A person's visit.

    def handle_authn_request(self, context: Context) -> Response:
        """As in the plain frontend, with our checks, PKCE before anybody logs in among them."""
        return self._or_unavailable(super().handle_authn_request, context)

    def handle_authn_response(self, context: Context, internal_resp: InternalData) -> Response:
        """As in the plain frontend. A request that cannot be granted any more goes back to the app with its error."""
        try:
            return self._or_unavailable(super().handle_authn_response, context, internal_resp)
        except InvalidAuthenticationRequest as error:
            url = error.to_error_url()
            return SeeOther(url) if url else BadRequest("the request cannot be granted")

    def handle_backend_error(self, exception: Any) -> Response:
        """As in the plain frontend, and with `iss` (RFC 9207 2)."""
        response = super().handle_backend_error(exception)
        issuer = {"iss": self._origin.configuration_information["issuer"]}
        return SeeOther(_with(response.message, issuer))

    def _handle_authn_request(self, context: Context) -> InternalData | Response:
        if not isinstance(context.request, Mapping):
            context.request = {}
        return super()._handle_authn_request(context)

    # What clients call by themselves: our own endpoints answer.

    def token_endpoint(self, context: Context) -> Response:
        """RFC 6749 3.2."""
        return self._answer("token", context)

    def userinfo_endpoint(self, context: Context) -> Response:
        """OpenID Connect Core 5.3."""
        return self._answer("userinfo", context)

    def jwks(self, context: Context) -> Response:
        """RFC 7517 5."""
        return self._answer("jwks", context)

    def provider_config(self, context: Context) -> Response:
        """OpenID Connect Discovery 4."""
        return self._answer("openid_configuration", context)

    def client_registration(self, context: Context) -> Response:
        """OpenID Connect Dynamic Client Registration 3.1, where its plugin is on."""
        return self._answer("registration", context, as_json=True)

    def _answer(self, endpoint: str, context: Context, *, as_json: bool = False) -> Response:
        return self._or_unavailable(self._ask, endpoint, context, as_json=as_json)

    def _ask(self, endpoint: str, context: Context, *, as_json: bool) -> Response:
        serving = self._serve()
        return ask(serving.app, context, urlsplit(serving.provider.url(endpoint)).path, as_json=as_json)

    # Starting.

    def _serve(self) -> _Serving:
        """Raises ConfigurationError, StoreError: then the next request tries again."""
        serving = self._serving
        if serving is not None and serving.process == os.getpid():
            return serving
        with self._starting:
            if self._serving is None or self._serving.process != os.getpid():
                self._serving = self._start()
            return self._serving

    def _start(self) -> _Serving:
        provider = started(in_place_of(self._origin, self._plugins, self._settings))
        provider.extra_id_token_claims = self._get_extra_id_token_claims
        logger.info("satosa_frontend_started", frontend=self.name, store=provider.store.describe())
        return _Serving(os.getpid(), provider, create_app(provider))

    def _or_unavailable(self, answer: Callable[..., Response], *arguments: Any, **named: Any) -> Response:
        """503 while our store, or the operator, has to do something first: SATOSA would show what is wrong."""
        try:
            return answer(*arguments, **named)
        except (StoreError, ConfigurationError) as error:
            logger.error("not_available", frontend=self.name, reason=str(error))
        told = {"error": "temporarily_unavailable", "error_description": "the provider cannot answer now"}
        headers = [("Retry-After", "2"), ("Cache-Control", "no-store")]
        return Response(json.dumps(told), "503 Service Unavailable", headers, "application/json")


def _with(location: str, members: Mapping[str, str]) -> str:
    """An authorization response with members beside those that it has, in the fragment or in the query."""
    return f"{location}&{urlencode(members)}" if "#" in location else add_query(location, members)


def _anchored(pattern: str) -> str:
    """SATOSA's `^OIDC/token` catches all that begins so."""
    return pattern if pattern.endswith("$") else f"{pattern}/?$"
