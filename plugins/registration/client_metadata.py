"""What a client says of itself (RFC 7591 2, OpenID Connect Registration 2), each field checked.

What is not understood is ignored, as RFC 7591 2 has it. What is understood and not offered here is refused by its name:
a client that asked for encryption and did not get it would be worse off than one that knows.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from creance.provider import ClientSettings, InvalidClientMetadata, InvalidRedirectURI
from creance.provider.response_types import grant_types_for, in_order
from pydantic import ValidationError

from .client_keys import check_key_set
from .field_types import KEPT, KINDS, check_kind, is_tagged_text
from .redirect_uris import check_redirect_uris

NOT_OFFERED = (
    *("id_token_encrypted_response_alg", "id_token_encrypted_response_enc", "userinfo_signed_response_alg"),
    *("userinfo_encrypted_response_alg", "userinfo_encrypted_response_enc", "request_object_signing_alg"),
    *("request_object_encryption_alg", "request_object_encryption_enc", "token_endpoint_auth_signing_alg"),
    *("introspection_signed_response_alg", "introspection_encrypted_response_alg"),
    *("introspection_encrypted_response_enc", "authorization_signed_response_alg"),
    *("authorization_encrypted_response_alg", "authorization_encrypted_response_enc"),
    *("require_signed_request_object", "require_pushed_authorization_requests", "dpop_bound_access_tokens"),
    *("tls_client_certificate_bound_access_tokens", "backchannel_token_delivery_mode"),
)
"""What a client would rely on. `false` asks for nothing."""


@dataclass(frozen=True, slots=True)
class Offer:
    """What clients may register here."""

    grant_types: tuple[str, ...]
    response_types: tuple[str, ...]
    authentication_methods: tuple[str, ...]
    algorithms: tuple[str, ...]
    scope: tuple[str, ...]
    pairwise: bool
    """Whether there are pairwise subject identifiers."""
    default_subject_type: str


@dataclass(frozen=True, slots=True)
class ClientMetadata:
    """What was accepted."""

    settings: dict[str, Any]
    """Fields of `ClientSettings`."""
    kept: dict[str, Any]
    """What is only kept, and told when it is asked for."""

    def client_settings(self, client_id: str, secret_hash: str | None, secret_expires_at: int) -> ClientSettings:
        """Raises InvalidClientMetadata, InvalidRedirectURI for what no client can have."""
        fields = {"client_id": client_id, "client_secret_expires_at": secret_expires_at, **self.settings}
        if secret_hash is not None:
            fields["client_secret_hash"] = secret_hash
        try:
            return ClientSettings.model_validate(fields)
        except ValidationError as error:
            raise _refusal(error) from None


def read_client_metadata(sent: Mapping[str, Any], offer: Offer) -> ClientMetadata:
    """Raises InvalidClientMetadata, InvalidRedirectURI: the description names the field. `null` is as good as nothing
    (RFC 7592 2.2).
    """
    given = {name: value for name, value in sent.items() if value is not None}
    _refuse_not_offered(given)
    known = {name: value for name, value in given.items() if name in KINDS or is_tagged_text(name)}
    for name, value in known.items():
        check_kind(name, value)
    kept = {name: value for name, value in known.items() if name in KEPT or is_tagged_text(name)}
    settings = {name: value for name, value in known.items() if name not in kept}
    settings |= _grants(settings, offer)
    settings |= _authentication(settings, offer)
    settings |= _subject(settings, offer)
    settings["scope"] = _scope(settings, offer)
    settings["first_party"] = False
    _check_algorithm(settings, offer)
    _check_keys(kept)
    check_redirect_uris(settings)
    return ClientMetadata(settings, kept)


def _refuse_not_offered(given: Mapping[str, Any]) -> None:
    for name in NOT_OFFERED:
        if given.get(name, False) is not False:
            raise InvalidClientMetadata(f"{name} is not offered here: leave it out")


def _grants(settings: Mapping[str, Any], offer: Offer) -> dict[str, Any]:
    """RFC 7591 2.1: those that are offered, once each."""
    grant_types = settings.get("grant_types", ["authorization_code"])
    for grant_type in grant_types:
        if grant_type not in offer.grant_types:
            raise InvalidClientMetadata(f"grant_types: only {', '.join(offer.grant_types)} may be registered")
    if not set(grant_types) - {"refresh_token"}:
        raise InvalidClientMetadata("grant_types: refresh_token needs another grant that gives one")
    return {
        "grant_types": list(dict.fromkeys(grant_types)),
        "response_types": _response_types(settings, offer, grant_types),
    }


def _response_types(settings: Mapping[str, Any], offer: Offer, grant_types: Collection[str]) -> list[str]:
    """RFC 7591 2.1: `code` and authorization_code belong together, and so do the others and implicit."""
    asked = settings.get("response_types", ["code"] if "authorization_code" in grant_types else [])
    response_types = list(dict.fromkeys(map(in_order, asked)))
    if not set(response_types) <= set(offer.response_types):
        offered = ", ".join(offer.response_types)
        raise InvalidClientMetadata(f"response_types: only {offered} is offered (RFC 9700 2.1.2)")
    needed = {grant_type for response_type in response_types for grant_type in grant_types_for(response_type)}
    if ("authorization_code" in needed) != ("authorization_code" in grant_types):
        raise InvalidClientMetadata("response_types: code and the grant authorization_code need each other (2.1)")
    if ("implicit" in needed) != ("implicit" in grant_types):
        raise InvalidClientMetadata("response_types: what has a token and the grant implicit need each other (2.1)")
    return response_types


def _authentication(settings: Mapping[str, Any], offer: Offer) -> dict[str, Any]:
    method = settings.get("token_endpoint_auth_method", "client_secret_basic")
    if method not in offer.authentication_methods:
        offered = ", ".join(offer.authentication_methods)
        raise InvalidClientMetadata(f"token_endpoint_auth_method: only {offered} may be registered")
    if method == "none" and "client_credentials" in settings.get("grant_types", ()):
        raise InvalidClientMetadata("token_endpoint_auth_method: client_credentials is not for public clients")
    return {"token_endpoint_auth_method": method}


def _subject(settings: Mapping[str, Any], offer: Offer) -> dict[str, Any]:
    """OpenID Connect Core 8: said explicitly, so that another default of the operator's changes nobody's `sub`."""
    subject_type = settings.get("subject_type", offer.default_subject_type)
    if subject_type not in ("public", "pairwise") or (subject_type == "pairwise" and not offer.pairwise):
        raise InvalidClientMetadata("subject_type: only those of subject_types_supported may be registered")
    return {"subject_type": subject_type}


def _scope(settings: Mapping[str, Any], offer: Offer) -> str:
    """RFC 7591 2: as much of what is asked for as clients may have; all of that where nothing is asked for."""
    if "scope" not in settings:
        return " ".join(offer.scope)
    asked = settings["scope"].split(" ")
    allowed = [word for word in offer.scope if word in asked]
    if not allowed:
        raise InvalidClientMetadata("scope: clients cannot register any of this")
    return " ".join(allowed)


def _check_algorithm(settings: Mapping[str, Any], offer: Offer) -> None:
    """OpenID Connect Registration 2: `none` is for clients that get no ID token from here, and there are none."""
    if settings.get("id_token_signed_response_alg", offer.algorithms[0]) not in offer.algorithms:
        raise InvalidClientMetadata(f"id_token_signed_response_alg: only {', '.join(offer.algorithms)} is offered")


def _check_keys(kept: Mapping[str, Any]) -> None:
    """RFC 7591 2: by value or by reference, and public ones (RFC 7517 9.2). What is at a URI is looked at later."""
    if "jwks" not in kept:
        return
    if "jwks_uri" in kept:
        raise InvalidClientMetadata("jwks: not together with jwks_uri (RFC 7591 2)")
    check_key_set("jwks", kept["jwks"])


def _refusal(error: ValidationError) -> InvalidClientMetadata | InvalidRedirectURI:
    """The first mistake. Its text is ours, and repeats nothing."""
    mistake = error.errors(include_url=False, include_input=False)[0]
    field = str(mistake["loc"][0]) if mistake["loc"] else ""
    text = str(mistake["msg"]).removeprefix("Value error, ")
    kind = InvalidRedirectURI if field == "redirect_uris" else InvalidClientMetadata
    return kind(f"{field}: {text}" if field else text)
