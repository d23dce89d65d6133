"""Proof Key for Code Exchange (RFC 7636), checked before anyone is asked to log in."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re

from creance.provider import (
    AuthorizationRequest,
    Client,
    ClientNotices,
    Grant,
    InvalidGrant,
    InvalidRequest,
    Metadata,
    Parameters,
    Plugin,
    PluginSettings,
    hookimpl,
)

_UNRESERVED = re.compile(r"[A-Za-z0-9._~-]{43,128}")
_SHA256 = re.compile(r"[A-Za-z0-9_-]{43}")
"""A SHA-256 in base64url (RFC 7636 4.2, A)."""


class Settings(PluginSettings):
    """Settings of `[plugins.pkce]`."""

    allow_plain: bool = False
    """Accept code_challenge_method=plain. Only for clients that cannot do S256: each is named in the log once an hour
    (`pkce_plain`)."""
    insecure_optional: bool = False
    """Let clients go on that send no code_challenge, while they move from a provider that did not ask for one: whoever
    gets hold of a code of theirs may be able to use it. Each is named in the log once an hour (`pkce_missing`)."""


class ClientSettings(PluginSettings):
    """Settings of `[clients.plugins.pkce]`."""

    required: bool = True
    """False exempts a confidential client that sends a nonce (RFC 9700 2.1.1)."""


class PKCE(Plugin[Settings, ClientSettings]):
    """Required of every client, S256 only, unless settings say otherwise."""

    default_on = True

    def __init__(self, name: str, settings: Settings) -> None:
        super().__init__(name, settings)
        self._missing = ClientNotices("pkce_missing")
        self._plain = ClientNotices("pkce_plain")

    @property
    def methods(self) -> list[str]:
        """The code_challenge_methods that are accepted."""
        return ["S256", "plain"] if self.settings.allow_plain else ["S256"]

    @hookimpl
    def metadata(self) -> Metadata:
        """RFC 8414 2."""
        return {"code_challenge_methods_supported": self.methods}

    @hookimpl
    def check_authorization_request(self, request: AuthorizationRequest, client: Client) -> None:
        """RFC 7636 4.4.1: the client learns at once, by redirect, not after its user has typed a password."""
        if "code" not in request.asks_for:
            return
        challenge = request.get("code_challenge")
        method = request.get("code_challenge_method")
        if challenge is None:
            if method is not None:
                raise InvalidRequest("code_challenge_method without code_challenge (RFC 7636 4.3)")
            if not self.exempt(client, request):
                self.without_challenge(client)
            return
        if (method or "plain") not in self.methods:  # RFC 7636 4.3: plain where it is absent
            raise InvalidRequest(f"code_challenge_method must be {' or '.join(self.methods)} (RFC 7636 4.3)")
        if not (_SHA256 if method == "S256" else _UNRESERVED).fullmatch(challenge):
            raise InvalidRequest("code_challenge is malformed (RFC 7636 4.2)")
        if method != "S256":
            self._plain.about(client.client_id)

    @hookimpl
    def check_code_exchange(self, grant: Grant, parameters: Parameters) -> None:
        """RFC 7636 4.6: any mismatch is invalid_grant, in constant time, and the code is spent."""
        challenge = grant.parameters.get("code_challenge")
        verifier = parameters.get("code_verifier")
        if challenge is None:
            if verifier is not None:  # RFC 9700 2.1.1: a downgrade, or a code of another request
                raise InvalidGrant("code_verifier, and the authorization request had no code_challenge")
            return
        if verifier is None:
            raise InvalidGrant("code_verifier is missing")
        if not _UNRESERVED.fullmatch(verifier):
            raise InvalidGrant("code_verifier is malformed (RFC 7636 4.1)")
        if not hmac.compare_digest(self.challenge_of(verifier, grant), challenge):
            raise InvalidGrant("code_verifier does not match")

    def without_challenge(self, client: Client) -> None:
        """Raises InvalidRequest, unless the operator lets such clients go on for a while."""
        if not self.settings.insecure_optional:
            raise InvalidRequest("code_challenge is missing: this provider requires PKCE (RFC 7636)")
        self._missing.about(client.client_id, public=client.public)

    def exempt(self, client: Client, request: AuthorizationRequest) -> bool:
        """RFC 9700 2.1.1: confidential, named as exempt, and an OpenID request with a nonce."""
        named = not self.client_settings(client).required
        return named and not client.public and "openid" in request.scope and request.nonce is not None

    @staticmethod
    def challenge_of(verifier: str, grant: Grant) -> str:
        """RFC 7636 4.2, by the method of the authorization request."""
        if grant.parameters.get("code_challenge_method") != "S256":
            return verifier
        return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
