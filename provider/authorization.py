"""What the authorization endpoint does: from raw parameters to the URL that the browser is sent to."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from .authorization_request import (
    AuthorizationRequest,
    check_parameters,
    one_subject,
    prove_redirect_uri,
    read_acr_values,
    read_max_age,
    read_prompt,
    read_response_mode,
    read_response_type,
    read_scope,
)
from .browser import Browser
from .claims_request import ClaimsRequest, read_claims_request, untagged
from .clients import Client
from .errors import (
    AccessDenied,
    ConsentRequired,
    InvalidRequest,
    LoginRequired,
    OAuthError,
    ServerError,
    TemporarilyUnavailable,
    UnmetAuthenticationRequirements,
    UnprovenRedirect,
)
from .grants import Grant, kept_parameters
from .hooks import Authenticated, Consented, Event, Granted, Interaction
from .id_token_hint import audience_of, read_id_token_hint
from .parameters import Parameters
from .request_log import report_defect
from .response_types import response_mode_of
from .store import StoreUnavailable
from .users import User

if TYPE_CHECKING:
    from .openid_provider import OpenIDProvider


@dataclass(frozen=True, slots=True)
class Redirect:
    """Where the browser goes: to a page of ours, or back to the app with what it asked for or an error."""

    location: str
    client_id: str
    error: OAuthError | None = None
    interaction: bool = False


def add_query(uri: str, members: Mapping[str, str]) -> str:
    """RFC 6749 4.1.2: response_mode=query; what the redirect URI has already is kept."""
    return f"{uri}{'&' if '?' in uri else '?'}{urlencode(members)}"


class Authorization:
    """Proves client and redirect URI, checks the request, learns who it is, and gives what was asked for."""

    def __init__(self, provider: OpenIDProvider) -> None:
        self._provider = provider
        self._hook = provider.plugins.hook

    def answer(
        self,
        parameters: Parameters,
        browser: Browser,
        *,
        started_at: float | None = None,
        decisions: Mapping[str, Any] | None = None,
    ) -> Redirect:
        """The whole endpoint. `started_at` and `decisions` are given when a request comes back from a page of ours.

        Raises UnprovenRedirect; everything after that is answered by redirect (RFC 6749 4.1.2.1).
        """
        parameters, client, redirect_uri = self.prove(parameters)
        error: OAuthError
        try:
            request = self.read(parameters, client, redirect_uri, started_at or time.time(), decisions)
            return self._proceed(request, browser)
        except OAuthError as raised:
            error = raised
        except StoreUnavailable as raised:
            error = TemporarilyUnavailable(hint=str(raised))
        except Exception as raised:
            report_defect("authorization", raised)
            error = ServerError("the provider failed", hint=type(raised).__name__)
        location = self.respond(parameters, client, redirect_uri, error.to_dict())
        return Redirect(location, client.client_id, error)

    def prove(self, parameters: Parameters) -> tuple[Parameters, Client, str]:
        """The parameters as they are meant, the client, and a redirect URI that is its own. Raises UnprovenRedirect."""
        try:
            parameters = self._hook.resolve_authorization_request(parameters=parameters) or parameters
        except OAuthError as error:
            raise UnprovenRedirect(str(error), hint=error.hint) from error
        client = self._provider.clients.find(parameters.get("client_id", ""))
        return parameters, client, prove_redirect_uri(parameters, client)  # type: ignore[return-value]

    def read(
        self,
        parameters: Parameters,
        client: Client,
        redirect_uri: str,
        started_at: float,
        decisions: Mapping[str, Any] | None = None,
    ) -> AuthorizationRequest:
        """The request, checked: all that can be said about it before anybody is logged in."""
        settings = self._provider.settings
        check_parameters(parameters, longest=settings.http.state_limit)
        response_type = read_response_type(parameters, client, self._provider.response_types)
        claims = read_claims_request(parameters.get("claims"))
        scope = read_scope(parameters, client, with_code="code" in response_type.split(" "))
        request = AuthorizationRequest(
            parameters=parameters,
            client=client,
            redirect_uri=redirect_uri,
            response_type=response_type,
            response_mode=read_response_mode(parameters, self._provider.response_modes),
            scope=scope,
            prompt=read_prompt(parameters),
            max_age=read_max_age(parameters, client),
            hinted_subject=one_subject(self._read_hint(parameters), claims),
            started_at=started_at,
            claims=self.allowed_claims(claims, client, scope),
            acr_values=read_acr_values(parameters, client, claims),
            decisions=decisions or {},
        )
        self._hook.check_authorization_request(request=request, client=client)
        return request

    def grant(
        self, request: AuthorizationRequest, authenticated: Authenticated, user: User, consented: Consented
    ) -> Mapping[str, str]:
        """Record what was authorized, and answer what the app is given for it (RFC 6749 4.1.2)."""
        subject = self.subject_of(request, user)
        allowed = consented.claims
        claims = request.claims if allowed is None else request.claims.only(allowed.__contains__)
        grant = Grant(
            client_id=request.client.client_id,
            subject=subject,
            user_subject=user.subject if subject != user.subject else None,
            scope=consented.scope,
            claims=claims.to_dict(),
            username=user.username,
            session_id=authenticated.session_id,
            nonce=request.nonce,
            auth_time=authenticated.auth_time,
            acr=authenticated.acr,
            amr=authenticated.amr,
            granted_at=time.time(),
            client_registered_at=request.client.registered_at,
            parameters=kept_parameters(request.parameters),
        )
        return self.issue(request.response_type, grant, request.client, user)

    def issue(self, response_type: str, grant: Grant, client: Client, user: User) -> Mapping[str, str]:
        """Make what a response_type gives for a grant, keep it in one write, and answer it."""
        self._provider.granted(grant)
        granted = self._provider.response_types[response_type](grant, client, user)
        if granted.operations:
            self._provider.store.write(granted.operations)
        self._provider.happened(Event("authorization", grant.client_id, grant.username, grant.grant_id))
        return granted.members

    def code(self, grant: Grant, client: Client, user: User) -> Granted:
        """RFC 6749 4.1.2: response_type=code."""
        code = self._provider.tokens.new_code(grant)
        return Granted({"code": code.value}, [code.operation])

    def user_of(self, request: AuthorizationRequest, username: str) -> User:
        """The person, if they may log in and are whom the request names. Raises AccessDenied, LoginRequired."""
        user = self._provider.users.find(username)
        if user is None or user.disabled:
            raise AccessDenied("this account cannot be used")
        subject = self.subject_of(request, user)
        if request.hinted_subject not in (None, subject) or not request.claims.allows_subject(subject):
            raise LoginRequired("another person than the app expects is logged in")
        return user

    def subject_of(self, request: AuthorizationRequest, user: User) -> str:
        """The `sub` that this person has for the client of a request."""
        return self._provider.subjects.of(
            request.client, request.redirect_uri, username=user.username, subject=user.subject
        )

    def respond(self, parameters: Parameters, client: Client, redirect_uri: str, response: Mapping[str, str]) -> str:
        """RFC 6749 4.1.2, 4.1.2.1: the response as the URL to go to."""
        modes = self._provider.response_modes
        mode = modes[response_mode_of(parameters, modes)]
        return mode(redirect_uri, self.complete(parameters, client, response))

    def complete(self, parameters: Parameters, client: Client, response: Mapping[str, str]) -> dict[str, str]:
        """The response with the state that came, and with what plugins add."""
        completed = dict(response)
        state = parameters.get("state")
        if state is not None and len(state) <= self._provider.settings.http.state_limit:
            completed["state"] = state
        for more in self._hook.authorization_response(parameters=parameters, client=client, response=completed):
            completed.update(more)
        return completed

    def _proceed(self, request: AuthorizationRequest, browser: Browser) -> Redirect:
        authenticated = self._authenticate(request, browser)
        if isinstance(authenticated, Interaction):
            return self._interact(request, authenticated)
        user = self.user_of(request, authenticated.username)
        consented = self._consent(request, user, authenticated, browser)
        if isinstance(consented, Interaction):
            return self._interact(request, consented)
        response = self.grant(request, authenticated, user, consented)
        location = self.respond(request.parameters, request.client, request.redirect_uri, response)
        return Redirect(location, request.client.client_id)

    def allowed_claims(self, claims: ClaimsRequest, client: Client, scope: tuple[str, ...]) -> ClaimsRequest:
        """OpenID Connect Core 5.5: for requests of OpenID only, and only claims of the scopes that the client is
        registered for: to ask for another by its own name is no way around that.
        """
        if "openid" not in scope:
            return ClaimsRequest()
        allowed = frozenset(self._provider.scope_claims.claims_of(client.scope))
        return claims.only(lambda name: untagged(name) in allowed)

    def _read_hint(self, parameters: Parameters) -> str | None:
        """OpenID Connect Core 3.1.2.1: an ID token of ours, expired or not, and given to this client."""
        hint = parameters.get("id_token_hint")
        if hint is None:
            return None
        claims = read_id_token_hint(self._provider.keyring, hint)
        if parameters["client_id"] not in audience_of(claims):
            raise InvalidRequest("id_token_hint was issued to another client")
        return str(claims["sub"])

    def _authenticate(self, request: AuthorizationRequest, browser: Browser) -> Authenticated | Interaction:
        answer: Authenticated | Interaction | None = self._hook.authenticate(
            request=request, client=request.client, browser=browser
        )
        if answer is None:
            raise LoginRequired("nobody is logged in", hint="no plugin knows the user: switch on [plugins.sessions]")
        after = request.authenticated_after
        if isinstance(answer, Authenticated):
            if answer.auth_time is None and (after is not None or request.client.settings.require_auth_time):
                raise LoginRequired("it is not known when this person logged in")
            if after is not None and answer.auth_time is not None and answer.auth_time < after:
                raise LoginRequired("the login is too old")
            self._check_acr(request, answer)
        return answer

    @staticmethod
    def _check_acr(request: AuthorizationRequest, authenticated: Authenticated) -> None:
        """OpenID Connect Core 5.5.1.1: an essential acr that was not reached is a failed login."""
        asked = request.claims.id_token.get("acr")
        if asked is not None and asked.essential and asked.values and not asked.allows(authenticated.acr):
            raise UnmetAuthenticationRequirements("the login did not reach the acr that the app demands")

    def _consent(
        self, request: AuthorizationRequest, user: User, authenticated: Authenticated, browser: Browser
    ) -> Consented | Interaction:
        answer: Consented | Interaction | None = self._hook.consent(
            request=request, client=request.client, user=user, authenticated=authenticated, browser=browser
        )
        if isinstance(answer, Interaction):
            return answer
        if answer is not None:
            return replace(answer, scope=tuple(word for word in request.scope if word in answer.scope))
        if not request.client.settings.first_party:
            raise ConsentRequired("this client needs the person's consent", hint="no plugin asks for consent")
        return Consented(request.scope)

    @staticmethod
    def _interact(request: AuthorizationRequest, interaction: Interaction) -> Redirect:
        """OpenID Connect Core 3.1.2.1: with prompt=none no page is ever shown."""
        if "none" in request.prompt:
            raise interaction.error("a page would have to be shown, and prompt=none forbids it")
        return Redirect(interaction.location, request.client.client_id, interaction=True)
