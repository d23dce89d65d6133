"""What is the same for everybody and prepared as bytes: discovery and keys."""

from __future__ import annotations

import json
from collections.abc import Callable

import falcon

from ..openid_provider import OpenIDProvider
from ..routes import Resource


class DocumentResource(Resource):
    """Bytes that clients may keep for a while."""

    def __init__(
        self,
        content: Callable[[], bytes],
        *,
        content_type: str,
        max_age: int,
        summary: str,
        cross_origin: bool = False,
    ) -> None:
        self.cross_origin = cross_origin
        self._content = content
        self._content_type = content_type
        self._cache_control = f"public, max-age={max_age}"
        self.openapi = {
            "get": {
                "summary": summary,
                "responses": {"200": {"description": "The document.", "content": {content_type.partition(";")[0]: {}}}},
            }
        }

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        resp.data = self._content()
        resp.content_type = self._content_type
        resp.set_header("Cache-Control", self._cache_control)

    on_head = on_get


def discovery_document(provider: OpenIDProvider, summary: str) -> DocumentResource:
    """OpenID Connect Discovery 1.0, 4; RFC 8414 3."""
    prepared = json.dumps(provider.metadata).encode()
    return DocumentResource(
        lambda: prepared,
        content_type="application/json",
        max_age=provider.settings.lifetimes.discovery,
        cross_origin=True,
        summary=summary,
    )


def jwks_document(provider: OpenIDProvider) -> DocumentResource:
    """RFC 7517 5."""
    return DocumentResource(
        lambda: provider.keyring.jwks,
        content_type="application/jwk-set+json",
        max_age=provider.settings.lifetimes.discovery,
        cross_origin=True,
        summary="The keys that verify ID tokens (RFC 7517)",
    )
