"""pyop's `Provider`, every public method, on top of this package: a host written for pyop goes on as it is.

A host parses a request, authenticates the person by its own means, and authorizes; here each of these steps is
checked as our own endpoints check it, and nothing reaches pyop's code or the library that it signs with. What is raised
is always of a kind that pyop raises at that place.
"""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from oic.oic.message import (
    AccessTokenResponse,
    AuthorizationResponse,
    ProviderConfigurationResponse,
    RegistrationResponse,
)
from pyop import exceptions
from pyop.message import AuthorizationRequest as RequestMessage
from pyop.provider import Provider

from .authorization import Authorization, add_query
from .authorization_request import AuthorizationRequest
from .authorization_state import GrantState, issue
from .bearer import read_bearer_token
from .client_authentication import ClientAuthentication
from .clients import Client, ClientRegistry
from .errors import (
    InvalidClientMetadata,
    InvalidRequest,
    OAuthError,
    RequestTooLarge,
    TemporarilyUnavailable,
    UnprovenRedirect,
)
from .headers import any_case
from .hooks import Event, HostClaims, ResponseMode, TokenResponse
from .id_token_hint import audience_of, read_id_token_hint
from .parameters import Parameters, parse_parameters
from .plugin_registry import PluginRegistry
from .pyop_exceptions import (
    RefusedAccessToken,
    RefusedAuthorization,
    RefusedRegistration,
    RefusedRequest,
    RefusedTokenRequest,
    UnknownClient,
    UnprovenRedirectURI,
)
from .pyop_messages import UserinfoResponse, encoded, message, registration_message, request_message, summary
from .response_types import default_response_mode
from .settings import Settings
from .signing_keys import SigningKeys
from .store import StoreUnavailable
from .strict_json import parse_json_object
from .user_claims import UserClaims
from .users import UserRegistry

PRIVATE_METHODS = ("_verify_client_authentication",)
"""What is private to pyop's `Provider` and overridden here all the same, because hosts call it at endpoints of their
own."""

RequestValidator = Callable[[RequestMessage], object]
Body = str | bytes | None

_OF_PYOPS_OWN_KIND = (
    exceptions.InvalidClientAuthentication,
    exceptions.InvalidAuthorizationCode,
    exceptions.InvalidScope,
)


@dataclass(frozen=True, slots=True)
class _Proven:
    """A request whose client and redirect URI are certain: from here on a refusal goes back to the app."""

    parameters: Parameters
    client: Client
    redirect_uri: str


class PyopInterface(Provider):
    """The methods that a pyop host calls. `OpenIDProvider` brings everything that they need."""

    # What OpenIDProvider has.
    settings: Settings
    plugins: PluginRegistry
    clients: ClientRegistry
    users: UserRegistry
    keyring: SigningKeys
    metadata: Mapping[str, Any]
    authorization: Authorization
    client_authentication: ClientAuthentication
    repeatable_parameters: frozenset[str]
    response_modes: Mapping[str, ResponseMode]
    if TYPE_CHECKING:
        token_for: Callable[[Client, Parameters, HostClaims], TokenResponse]
        userinfo_response: Callable[[str, Mapping[str, str]], dict[str, Any]]
        happened: Callable[[Event], None]

    def start_pyop_interface(self) -> None:
        """Set what a pyop provider has for its host to look at."""
        self.authz_state = GrantState(self)
        self.userinfo = UserClaims(self.users)
        self.configuration_information = message(ProviderConfigurationResponse, self.metadata)
        self.extra_scopes = self.settings.extra_scopes
        self.id_token_lifetime = self.settings.lifetimes.id_token
        self.stateless = False
        self.signing_key = None
        """Several keys sign, none of which leaves the key ring."""
        self.authentication_request_validators: list[RequestValidator] = []
        """The host's own: called when client and redirect URI are proven and every check of ours has passed."""
        self.registration_request_validators: list[Callable[..., object]] = []
        """The host's own: called with what a client sends that registers itself, before it is looked at."""

    @property
    def provider_configuration(self) -> ProviderConfigurationResponse:
        """The host's own copy of the metadata."""
        return copy.deepcopy(self.configuration_information)

    @property
    def jwks(self) -> dict[str, Any]:
        """The published keys (RFC 7517 5)."""
        keys: dict[str, Any] = json.loads(self.keyring.jwks)
        return keys

    # The authorization endpoint.

    def parse_authentication_request(
        self, request_body: Body, http_headers: Mapping[str, str] | None = None
    ) -> RequestMessage:
        """The authentication request, checked in full, before the host asks anybody to log in. Raises RefusedRequest.

        `max_age`, `prompt` and `acr_values` are for the host to act upon, and so is consent.
        """
        proven = self._prove(request_body)
        with self._refusing(proven, RefusedRequest):
            request = self._read(proven)
            authentication_request = self._message(request)
            for validate in self.authentication_request_validators:
                validate(authentication_request)
            return authentication_request

    def authorize(
        self, authentication_request: RequestMessage, user_id: str, extra_id_token_claims: HostClaims = None
    ) -> AuthorizationResponse:
        """What the app asked for, for a person whom the host has authenticated. Raises RefusedRequest.

        The request was in the host's hands, maybe in the browser's: it is checked once more. When and how the person
        logged in comes with the claims (`auth_time`, `acr`, `amr`); what is not said there is not in the ID token.
        """
        proven = self._prove(encoded(authentication_request, self.repeatable_parameters))
        with self._refusing(proven, RefusedAuthorization):
            request = self._read(proven)
            user = self.authorization.user_of(request, user_id)
            pyops = self._message(request)
            issued = issue(self, request.response_type, pyops, user, request.scope, extra_id_token_claims)
            members = self.authorization.complete(proven.parameters, proven.client, issued)
            return message(AuthorizationResponse, members)

    # The token endpoint, and userinfo.

    def handle_token_request(
        self,
        request_body: Body,
        http_headers: Mapping[str, str] | None = None,
        extra_id_token_claims: HostClaims = None,
    ) -> AccessTokenResponse:
        """RFC 6749 3.2. Raises InvalidClientAuthentication, InvalidTokenRequest and the others that pyop raises.

        The extra claims count when a code is exchanged; an ID token that comes with a refresh repeats them.
        """
        try:
            with _store_errors():
                parameters, client = self._authenticate(request_body, http_headers)
                response = self.token_for(client, parameters, extra_id_token_claims)
        except OAuthError as error:
            if isinstance(error, _OF_PYOPS_OWN_KIND) or error.status >= 500:
                raise
            raise RefusedTokenRequest(error) from error
        return message(AccessTokenResponse, response)

    def handle_userinfo_request(
        self, request: Body = None, http_headers: Mapping[str, str] | None = None
    ) -> UserinfoResponse:
        """OpenID Connect Core 5.3. Raises InvalidAccessToken and BearerTokenError, in one exception."""
        headers = request_headers(http_headers)
        try:
            with _store_errors():
                form = self._form(request)
                claims = self.userinfo_response(read_bearer_token(headers, form), headers)
        except OAuthError as error:
            if error.status >= 500:
                raise
            raise RefusedAccessToken(error) from error
        return message(UserinfoResponse, claims)

    # Registration.

    def handle_client_registration_request(
        self, request: Body, http_headers: Mapping[str, str] | None = None
    ) -> RegistrationResponse:
        """RFC 7591 3, where a plugin registers clients. Raises InvalidClientRegistrationRequest.

        The headers have the initial access token. How often a network may ask is for the host to limit.
        """
        if not self.plugins.hook.register_client.get_hookimpls():
            raise RefusedRegistration("this provider does not register clients by request")
        try:
            with _store_errors():
                return self._register(request, request_headers(http_headers))
        except OAuthError as error:
            if error.status >= 500:
                raise
            raise RefusedRegistration(str(error), error.error) from error

    def match_client_preferences_with_provider_capabilities(self, client_preferences: Mapping[str, Any]) -> NoReturn:
        """A part of registration, and nothing by itself. Raises InvalidClientRegistrationRequest."""
        raise RefusedRegistration("preferences are matched when a client registers")

    # Logout.

    def logout_user(
        self, subject_identifier: str | None = None, end_session_request: Mapping[str, Any] | None = None
    ) -> None:
        """End every code and token of a person: the one of the id_token_hint, where there is one.

        The host ends its own session. Raises InvalidSubjectIdentifier for nobody, OAuthError for a hint that is not an
        ID token of this provider.
        """
        with _store_errors():
            hint = (end_session_request or {}).get("id_token_hint")
            if hint is not None:
                subject_identifier = read_id_token_hint(self.keyring, str(hint)).get("sub")
            username = self.authz_state.get_user_id_for_subject_identifier(subject_identifier)
            self.authz_state.delete_state_for_subject_identifier(subject_identifier)
        self.happened(Event("logout", username=username))

    def do_post_logout_redirect(self, end_session_request: Mapping[str, Any]) -> str | None:
        """Where to send the browser after logout: a URI that the hinted client registered, exactly; else None."""
        uri = end_session_request.get("post_logout_redirect_uri")
        hint = end_session_request.get("id_token_hint")
        if uri is None or hint is None:
            return None
        try:
            with _store_errors():
                audience = audience_of(read_id_token_hint(self.keyring, str(hint)))
                client = self.clients.find(audience[0]) if audience else None
        except InvalidRequest:
            return None
        if client is None or uri not in client.settings.post_logout_redirect_uris:
            return None
        state = end_session_request.get("state")
        return add_query(uri, {"state": state}) if state is not None else str(uri)

    # Private to pyop, and called by hosts.

    def _verify_client_authentication(
        self, request_body: Body, http_headers: Mapping[str, str] | None = None
    ) -> dict[str, str]:
        """The parameters, with the client_id that was proven. Raises OAuthError."""
        with _store_errors():
            parameters, client = self._authenticate(request_body, http_headers)
        return {**parameters, "client_id": client.client_id}

    # Steps.

    def _prove(self, request_body: Body) -> _Proven:
        """The client and the redirect URI, before anything else is looked at. Raises RefusedRequest without a URL."""
        parameters = Parameters()
        try:
            with _store_errors():
                parameters = self._parse(request_body)
                resolved, client, redirect_uri = self.authorization.prove(parameters)
                if "redirect_uri" not in resolved:  # the host looks for it in the request
                    raise UnprovenRedirect("redirect_uri is missing")
        except UnprovenRedirect as error:
            known = "client_id" in parameters and parameters["client_id"] in self.clients
            raise (UnprovenRedirectURI if known else UnknownClient)(error, RequestMessage()) from error
        except OAuthError as error:
            raise RefusedRequest(error, RequestMessage()) from error
        return _Proven(resolved, client, redirect_uri)

    def _read(self, proven: _Proven) -> AuthorizationRequest:
        request = self.authorization.read(proven.parameters, proven.client, proven.redirect_uri, time.time())
        # The host makes the URL: by pyop's should_fragment_encode, which knows no other.
        if request.response_mode != default_response_mode(proven.parameters, self.response_modes):
            raise InvalidRequest("response_mode is not supported")
        return request

    @staticmethod
    def _message(request: AuthorizationRequest) -> RequestMessage:
        """As pyop makes it; the scope is there also where the request left it to the client's registration."""
        parameters = request.parameters
        return request_message({"scope": " ".join(request.scope), **parameters}, parameters.multiple)

    @contextmanager
    def _refusing(self, proven: _Proven, refused: type[RefusedRequest]) -> Iterator[None]:
        """Every refusal from here on says by which URL the app learns of it: with error, state and iss."""
        try:
            with _store_errors():
                yield
        except exceptions.OAuthError as error:
            url = None
            if error.oauth_error:
                response = {"error": error.oauth_error, "error_description": OAuthError(str(error)).description}
                url = self.authorization.respond(proven.parameters, proven.client, proven.redirect_uri, response)
            raise refused(error, summary(proven.parameters), url) from error

    def _authenticate(self, body: Body, http_headers: Mapping[str, str] | None) -> tuple[Parameters, Client]:
        parameters = self._form(body)
        return parameters, self.client_authentication.authenticate(parameters, request_headers(http_headers))

    def _form(self, body: Body) -> Parameters:
        """RFC 6749 3.2: nothing repeated. Raises InvalidRequest."""
        parameters = self._parse(body)
        parameters.refuse_problems()
        return parameters

    def _register(self, body: Body, headers: Mapping[str, str]) -> RegistrationResponse:
        """Raises OAuthError, and what the host's validators raise."""
        sent = self._sent(body)
        try:
            metadata = parse_json_object(sent)
        except ValueError as error:
            raise InvalidClientMetadata(f"the request is {error}") from None
        for validate in self.registration_request_validators:
            validate(registration_message(metadata))
        return message(RegistrationResponse, self.plugins.hook.register_client(metadata=metadata, headers=headers))

    def _parse(self, body: Body) -> Parameters:
        """Raises InvalidRequest for what is too large or not UTF-8."""
        limit = self.settings.http.parameter_limit
        return parse_parameters(self._sent(body), limit=limit, repeatable=self.repeatable_parameters)

    def _sent(self, body: Body) -> bytes:
        sent = body if isinstance(body, bytes) else (body or "").encode("utf-8", "surrogatepass")
        limit = self.settings.http.body_limit
        if len(sent) > limit:
            raise RequestTooLarge(f"the request is larger than {limit} bytes")
        return sent


@contextmanager
def _store_errors() -> Iterator[None]:
    """A store that does not answer is an OAuthError too: hosts of pyop know no other kind."""
    try:
        yield
    except StoreUnavailable as error:
        raise TemporarilyUnavailable(hint=str(error)) from error


def request_headers(http_headers: Mapping[str, str] | None) -> Mapping[str, str]:
    """Some hosts pass an empty header where there is none."""
    return any_case({name: value for name, value in (http_headers or {}).items() if value})
