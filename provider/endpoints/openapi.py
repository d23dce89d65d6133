"""The OpenAPI description (3.1), made from the endpoints that are on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from ..openid_provider import OpenIDProvider
from ..routes import Resource
from .documents import DocumentResource

_COMPONENTS: dict[str, Any] = {
    "securitySchemes": {
        "client_secret_basic": {"type": "http", "scheme": "basic", "description": "RFC 6749 2.3.1"},
        "bearer": {"type": "http", "scheme": "bearer", "description": "RFC 6750 2.1"},
    },
    "requestBodies": {
        "Form": {
            "required": True,
            "content": {
                "application/x-www-form-urlencoded": {
                    "schema": {"type": "object", "additionalProperties": {"type": "string"}}
                }
            },
        }
    },
    "responses": {
        "OAuthError": {
            "description": "RFC 6749 5.2",
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/OAuthError"}}},
        },
        "Page": {"description": "A page for a person.", "content": {"text/html": {"schema": {"type": "string"}}}},
    },
    "schemas": {
        "OAuthError": {
            "type": "object",
            "required": ["error"],
            "properties": {"error": {"type": "string"}, "error_description": {"type": "string"}},
            "additionalProperties": False,
        },
        "Tokens": {
            "type": "object",
            "required": ["access_token", "token_type", "expires_in", "scope"],
            "properties": {
                "access_token": {"type": "string"},
                "token_type": {"const": "Bearer"},
                "expires_in": {"type": "integer", "description": "Seconds."},
                "scope": {"type": "string"},
                "refresh_token": {"type": "string"},
                "id_token": {"type": "string"},
            },
        },
        "Userinfo": {"type": "object", "required": ["sub"], "properties": {"sub": {"type": "string"}}},
    },
}


def openapi_document(provider: OpenIDProvider, resources: Mapping[str, Resource]) -> DocumentResource:
    """The description of the endpoints that are on, itself included; `resources` are those of the others by name."""
    document = DocumentResource(
        lambda: content, content_type="application/json", max_age=86400, summary="This description"
    )
    content = json.dumps(_describe(provider, {**resources, "openapi": document})).encode()
    return document


def _describe(provider: OpenIDProvider, resources: Mapping[str, Resource]) -> dict[str, Any]:
    return {
        "openapi": "3.1.0",
        "info": {"title": provider.settings.pages.name, "version": version("creance")},
        "servers": [{"url": provider.settings.issuer}],
        "paths": {
            endpoint.path: dict(described)
            for endpoint in provider.endpoints
            if (described := resources[endpoint.name].openapi)
        },
        "components": _COMPONENTS,
    }
