"""The authorization request, read and checked clause by clause (RFC 6749 4.1.1, OpenID Connect Core 3.1.2.1)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from .claims_request import ClaimsRequest
from .clients import Client
from .errors import (
    InvalidRequest,
    InvalidScope,
    RegistrationNotSupported,
    RequestNotSupported,
    RequestURINotSupported,
    UnauthorizedClient,
    UnprovenRedirect,
    UnsupportedResponseType,
)
from .parameters import Parameters
from .response_types import grant_types_for, in_order, response_mode_of
from .scopes import split_scope

PROMPTS = frozenset({"none", "login", "consent", "select_account"})
_LONGEST_MAX_AGE = 10**10


@dataclass(frozen=True, slots=True)
class AuthorizationRequest:
    """A request whose client and redirect URI are proven and whose parameters are well-formed."""

    parameters: Parameters
    client: Client
    redirect_uri: str
    response_type: str
    """Its words in alphabetical order."""
    response_mode: str
    scope: tuple[str, ...]
    """What may be granted of what was asked."""
    prompt: frozenset[str]
    max_age: int | None
    """Seconds; the client's default_max_age where the request has none."""
    hinted_subject: str | None
    """The `sub` of a verified id_token_hint, or the one that `claims` demands."""
    started_at: float
    """When the app sent the person here: seconds since the epoch."""
    claims: ClaimsRequest = field(default_factory=ClaimsRequest)
    """The single claims that are asked for, of those that the client may be given."""
    acr_values: tuple[str, ...] = ()
    """The ways to log in that the app would like, the best first; the client's default_acr_values where the request has
    none.
    """
    decisions: Mapping[str, Any] = field(default_factory=dict)
    """What the person decided on pages of ours for this very request, by the name of what asked. Whoever reads one
    holds it against the person and the session that are there now.
    """

    @property
    def state(self) -> str | None:
        return self.parameters.get("state")

    @property
    def nonce(self) -> str | None:
        return self.parameters.get("nonce")

    @property
    def asks_for(self) -> frozenset[str]:
        """The words of its response_type: `code`, `id_token`, `token`."""
        return frozenset(self.response_type.split(" "))

    def get(self, name: str) -> str | None:
        """A parameter by name."""
        return self.parameters.get(name)

    @property
    def authenticated_after(self) -> float | None:
        """The earliest login that counts (OpenID Connect Core 3.1.2.1: prompt=login, max_age); None where any does."""
        if "login" in self.prompt:
            return self.started_at
        if self.max_age is not None:
            return self.started_at - self.max_age
        return None


def prove_redirect_uri(parameters: Parameters, client: Client | None) -> str:
    """RFC 6749 3.1.2: the redirect URI, once it is certain that it is the client's. Raises UnprovenRedirect.

    Nothing else of the request is looked at before, and nobody is sent anywhere unless this succeeds.
    """
    for name in ("client_id", "redirect_uri"):
        if name in parameters.problems:
            raise UnprovenRedirect(f"{name} {parameters.problems[name]}")
    if "client_id" not in parameters:
        raise UnprovenRedirect("client_id is missing")
    if client is None:
        raise UnprovenRedirect("client_id is not that of a client of this provider")
    uri = parameters.get("redirect_uri")
    if uri is None:
        if len(client.redirect_uris) == 1 and "openid" not in parameters.get("scope", "").split(" "):
            return next(iter(client.redirect_uris))  # RFC 6749 3.1.2.3; OpenID Connect Core 3.1.2.1 requires it
        raise UnprovenRedirect("redirect_uri is missing")
    if not client.accepts_redirect_uri(uri):
        raise UnprovenRedirect("redirect_uri is not registered for this client")
    return uri


def read_response_mode(parameters: Parameters, supported: Collection[str]) -> str:
    """How the response is given: needed before anything else is refused by redirect. Raises InvalidRequest."""
    mode = response_mode_of(parameters, supported)
    if parameters.get("response_mode", mode) != mode:
        raise InvalidRequest("response_mode is not supported")
    return mode


def check_parameters(parameters: Parameters, *, longest: int) -> None:
    """What concerns the request as a whole: repeats, bytes, lengths, and what is not offered."""
    parameters.refuse_problems()
    if "request" in parameters:
        raise RequestNotSupported("request objects are not supported")
    if "request_uri" in parameters:
        raise RequestURINotSupported("request_uri is not supported")
    if "registration" in parameters:
        raise RegistrationNotSupported("registration by the request is not supported")
    for name in ("state", "nonce"):
        if len(parameters.get(name, "")) > longest:
            raise InvalidRequest(f"{name} is longer than {longest} characters")


def read_response_type(parameters: Parameters, client: Client, supported: Collection[str]) -> str:
    """RFC 6749 3.1.1: one that is there, and registered for the client. Its words in alphabetical order."""
    response_type = in_order(parameters.required("response_type"))
    if response_type not in supported:
        raise UnsupportedResponseType(f"the response_type must be {', or '.join(supported)}")
    if response_type not in client.response_types or not grant_types_for(response_type) <= client.grant_types:
        raise UnauthorizedClient(f"the client is not registered for response_type {response_type}")
    return response_type


def read_scope(parameters: Parameters, client: Client, *, with_code: bool = True) -> tuple[str, ...]:
    """RFC 6749 3.3, OpenID Connect Core 3.1.2.1: the part of the requested scope that the client is registered for.

    Without a scope in the request it is the registered one, less `openid` and `offline_access`, which are only given
    when they are asked for by name. Without a code there is no `offline_access` (OpenID Connect Core 11).
    """
    if "scope" not in parameters:
        scope = tuple(word for word in client.scope if word not in ("openid", "offline_access"))
    else:
        scope = tuple(word for word in split_scope(parameters["scope"]) if word in client.scope)
    if "offline_access" in scope and not (with_code and "refresh_token" in client.grant_types):
        scope = tuple(word for word in scope if word != "offline_access")
    if not scope:
        raise InvalidScope("no scope in it that this client may be granted")
    return scope


def read_prompt(parameters: Parameters) -> frozenset[str]:
    """OpenID Connect Core 3.1.2.1: known values, and none alone."""
    prompt = frozenset(word for word in parameters.get("prompt", "").split(" ") if word)
    if not prompt <= PROMPTS:
        raise InvalidRequest("prompt has a value that is not none, login, consent or select_account")
    if "none" in prompt and len(prompt) > 1:
        raise InvalidRequest("prompt=none cannot be combined with another value")
    return prompt


def read_max_age(parameters: Parameters, client: Client) -> int | None:
    """OpenID Connect Core 3.1.2.1: seconds, not negative."""
    text = parameters.get("max_age")
    if text is None:
        return client.settings.default_max_age
    if not (text.isascii() and text.isdigit()) or len(text) > len(str(_LONGEST_MAX_AGE)):
        raise InvalidRequest("max_age must be a number of seconds")
    return int(text)


def read_acr_values(parameters: Parameters, client: Client, claims: ClaimsRequest) -> tuple[str, ...]:
    """OpenID Connect Core 3.1.2.1, 5.5.1.1: asked for by acr_values, or as the claim `acr` of the ID token."""
    asked = parameters["acr_values"].split(" ") if "acr_values" in parameters else client.settings.default_acr_values
    wanted = claims.id_token["acr"].values if "acr" in claims.id_token else ()
    return tuple(dict.fromkeys(value for value in (*wanted, *asked) if isinstance(value, str) and value))


def one_subject(hinted: str | None, claims: ClaimsRequest) -> str | None:
    """OpenID Connect Core 3.1.2.1, 5.5.1: whom the app expects. Raises InvalidRequest where it names two."""
    demanded = claims.subject
    if hinted is not None and demanded is not None and hinted != demanded:
        raise InvalidRequest("id_token_hint and claims name different persons")
    return hinted if hinted is not None else demanded
