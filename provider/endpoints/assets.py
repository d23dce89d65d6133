"""What pages are made of beside their text: the stylesheet and the logo, kept by browsers for as long as they are the
same.
"""

from __future__ import annotations

import hashlib

import falcon

from ..routes import Resource

_FIVE_MINUTES = 300
_A_YEAR = 31536000


class AssetResource(Resource):
    """Bytes under a URL that names their digest: other bytes have another URL (RFC 8246)."""

    def __init__(self, content: bytes, content_type: str, summary: str) -> None:
        self._content = content
        self._content_type = content_type
        self._version = hashlib.sha256(content).hexdigest()[:16]
        self.openapi = {
            "get": {
                "summary": summary,
                "parameters": [
                    {
                        "name": "v",
                        "in": "query",
                        "description": "The digest of the content, as the pages have it.",
                        "schema": {"type": "string"},
                    }
                ],
                "responses": {"200": {"description": "The content.", "content": {content_type.partition(";")[0]: {}}}},
            }
        }

    def url(self, path: str) -> str:
        """What pages link to."""
        return f"{path}?v={self._version}"

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """While workers are replaced, an older one may be asked for newer bytes: what it has is not kept for long."""
        is_this = req.query_string == f"v={self._version}"
        resp.data = self._content
        resp.content_type = self._content_type
        resp.set_header(
            "Cache-Control", f"public, max-age={_A_YEAR}, immutable" if is_this else f"public, max-age={_FIVE_MINUTES}"
        )
        if self._content_type == "image/svg+xml":  # opened by itself, it could run scripts as a page of ours
            resp.set_header("Content-Security-Policy", "default-src 'none'; sandbox")

    on_head = on_get
