"""A request that SATOSA has read, put to our app; and its answer in SATOSA's form."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from io import BytesIO
from typing import Any
from urllib.parse import urlencode

from satosa.context import Context
from satosa.response import Response

from .admission import WSGI

_FORM = "application/x-www-form-urlencoded"
_JSON = "application/json"


def ask(app: WSGI, context: Context, path: str, *, as_json: bool = False) -> Response:
    """What the app answers at a path. `as_json`: what SATOSA has read was JSON, and no form.

    SATOSA keeps the body as a dict: of a parameter that is there twice we see the last one.
    """
    status: list[Any] = []

    def start_response(line: str, headers: list[tuple[str, str]], exc_info: Any = None) -> None:
        status[:] = [line, headers]

    chunks = app(_environ(context, path, as_json=as_json), start_response)
    try:
        content = b"".join(chunks)
    finally:
        if hasattr(chunks, "close"):
            chunks.close()
    line, headers = status
    return Response([content], status=line, headers=list(headers))


def _environ(context: Context, path: str, *, as_json: bool) -> dict[str, Any]:
    """PEP 3333."""
    content_type, body = _body(context, as_json=as_json)
    query = urlencode(context.qs_params or {}, doseq=True)
    return {
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "",
        **(context.server or {}),
        **(context.http_headers or {}),
        "REQUEST_METHOD": context.request_method or "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "CONTENT_TYPE": content_type,
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",  # ours come from the issuer
        "wsgi.input": BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }


def _body(context: Context, *, as_json: bool) -> tuple[str, bytes]:
    """Nothing, where SATOSA did not read any: the body was neither a form nor JSON."""
    if context.request_method != "POST" or context.request is None:
        return "", b""
    if as_json or not isinstance(context.request, Mapping):
        return _JSON, json.dumps(context.request).encode()
    return _FORM, urlencode(context.request, doseq=True, errors="surrogatepass").encode()
