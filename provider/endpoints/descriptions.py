"""What OpenAPI says of our pages and their forms."""

from __future__ import annotations

from typing import Any, Final

from .reading import FORM_UNREAD

PAGE: Final[Any] = {"$ref": "#/components/responses/Page"}
FORM_REFUSALS: Final[Any] = {
    "400": PAGE,
    "403": {**PAGE, "description": "The form does not come from a page of ours in this browser."},
    **dict.fromkeys(FORM_UNREAD, PAGE),
    "503": PAGE,
}
"""OpenAPI: how a form of ours is answered that cannot be taken."""


def form_body(required: list[str], properties: dict[str, Any]) -> dict[str, Any]:
    """OpenAPI: a form of ours, which has a `csrf_token` beside its own fields."""
    fields = {**properties, "csrf_token": {"type": "string", "description": "From the page."}}
    schema = {"type": "object", "required": [*required, "csrf_token"], "properties": fields}
    return {"required": True, "content": {"application/x-www-form-urlencoded": {"schema": schema}}}
