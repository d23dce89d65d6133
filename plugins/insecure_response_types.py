"""The implicit and hybrid flows (OpenID Connect Core 3.2, 3.3), for clients that have to be moved away from them.

What the authorization endpoint gives goes through the browser: it stays in histories and logs of front ends, and can be
put into an app by somebody else (RFC 9700 2.1.2, 4.1). Clients can use the code flow instead, with PKCE.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Literal
from urllib.parse import urlencode, urlsplit

from creance.provider import (
    AuthorizationRequest,
    Client,
    ClientNotices,
    ConfigurationError,
    Grant,
    Granted,
    InvalidRequest,
    InvalidScope,
    Metadata,
    OpenIDProvider,
    Plugin,
    PluginSettings,
    ResponseMode,
    ResponseType,
    User,
    hookimpl,
)
from creance.provider.setting_types import LOOPBACK_HOSTS
from creance.provider.store import Operation
from pydantic import Field

InsecureResponseType = Literal["id_token", "code id_token", "id_token token", "code token", "code id_token token"]


class Settings(PluginSettings):
    """Settings of `[plugins.insecure_response_types]`."""

    allowed: list[InsecureResponseType] = Field(default=["id_token", "code id_token"], min_length=1)
    """What clients that are registered for it may ask for beside `code`, while they move. Those with `token` put an
    access token into a URL, and are not among the default ones. Each client is named in the log once an hour
    (`insecure_response_type`)."""


class InsecureResponseTypes(Plugin[Settings, PluginSettings]):
    """Off by default. Without it `code` is all that there is (RFC 9700 2.1.2)."""

    def __init__(self, name: str, settings: Settings) -> None:
        super().__init__(name, settings)
        self._used = {each: ClientNotices("insecure_response_type") for each in settings.allowed}

    def start(self, provider: OpenIDProvider) -> None:
        """OpenID Connect Core 3.2.2.10, 3.3.2.11: nonce, at_hash and c_hash are that plugin's. Raises
        ConfigurationError.
        """
        if "id_token_claims" not in provider.plugins.plugins:
            raise ConfigurationError(f"plugins.{self.name}: ID tokens need the plugin id_token_claims: switch it on")

    @hookimpl
    def metadata(self) -> Metadata:
        """RFC 7591 2.1: the grant that clients register for it."""
        return {"grant_types_supported": ["implicit"]}

    @hookimpl
    def response_types(self) -> Mapping[str, ResponseType]:
        """Those that the settings name."""
        return {each: partial(self.give, each.split(" ")) for each in self.settings.allowed}

    @hookimpl
    def response_modes(self) -> Mapping[str, ResponseMode]:
        """The default of all of them (Multiple Response Types 3, 5)."""
        return {"fragment": add_fragment}

    @hookimpl
    def check_authorization_request(self, request: AuthorizationRequest, client: Client) -> None:
        """OpenID Connect Core 3.2.2.1, 3.3.2.1, 5.5."""
        if request.response_type not in self._used:
            return
        if urlsplit(request.redirect_uri).scheme == "http" and not may_use_http(client, request.redirect_uri):
            raise InvalidRequest("the redirect_uri is http, and the client not native (OpenID Connect Core 3.2.2.1)")
        if "id_token" in request.asks_for:
            if "openid" not in request.scope:
                raise InvalidScope("an id_token needs the scope openid")
            if request.nonce is None:
                raise InvalidRequest("nonce is missing (OpenID Connect Core 3.2.2.1, 3.3.2.11)")
        if request.asks_for == {"id_token"} and request.claims.userinfo:
            raise InvalidRequest("claims asks for userinfo, and there is no access token (OpenID Connect Core 5.5)")
        self._used[request.response_type].about(client.client_id, response_type=request.response_type)

    def give(self, asked: Sequence[str], grant: Grant, client: Client, user: User) -> Granted:
        """OpenID Connect Core 3.2.2.5, 3.3.2.5. A refresh token is never among it (RFC 6749 4.2.2)."""
        members: dict[str, str] = {}
        operations: list[Operation] = []
        if "code" in asked:
            code = self.provider.tokens.new_code(grant)
            members["code"] = code.value
            operations.append(code.operation)
        if "token" in asked:
            access = self.provider.new_access_token(grant, client, grant.scope)
            members |= {name: str(value) for name, value in self.provider.token_members(access).items()}
            operations.append(access.operation)
        if "id_token" in asked:
            access_token = members.get("access_token")
            members["id_token"] = self.provider.id_tokens.issue(
                grant, client, user, grant.scope, access_token, front_channel=dict(members)
            )
        return Granted(members, operations)


def may_use_http(client: Client, redirect_uri: str) -> bool:
    """OpenID Connect Core 3.2.2.1: on loopback, for native clients; elsewhere where the operator said so."""
    on_loopback = urlsplit(redirect_uri).hostname in LOOPBACK_HOSTS
    return client.settings.insecure_http_redirect_uris or (client.native and on_loopback)


def add_fragment(uri: str, members: Mapping[str, str]) -> str:
    """Multiple Response Types 2.1: response_mode=fragment. Redirect URIs have no fragment (RFC 6749 3.1.2)."""
    return f"{uri}#{urlencode(members)}"
