"""A worker whose store cannot be reached yet: it says so to who asks, tries again, and then serves.

For stores on a server: it may be started after us, and nobody has to start us again for that. What is wrong with an
embedded store does not mend by itself.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from .admission import WSGI
from .request_log import logger
from .store import StoreUnavailable

if TYPE_CHECKING:
    from .openid_provider import OpenIDProvider

FIRST_PAUSE: Final = 0.25
LONGEST_PAUSE: Final = 5.0
"""Seconds between two attempts."""

_PAGE = b"""<!doctype html>
<html lang="en"><title>Not ready yet</title><h1>Not ready yet</h1>
<p>This login service is starting. Please try again in a moment.</p></html>
"""


class AwaitingApp:
    """Answers 503 to all but `/health/live`, until the app can be made; from then on it is that app."""

    def __init__(self, provider: OpenIDProvider, make_app: Callable[[], WSGI], failed: Callable[[Exception], None]):
        """`make_app` raises StoreUnavailable as long as that is to be tried again; whatever else it raises goes to
        `failed`, in the thread that tries.
        """
        self._live = urlsplit(provider.url("health_live")).path
        self._make_app = make_app
        self._failed = failed
        self._app: WSGI | None = None
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._await, name="creance-awaits-store", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """For good. Returns when the attempt that was begun has ended."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if self._app is not None:
            return self._app(environ, start_response)
        if environ["PATH_INFO"] == self._live:
            return _answer(start_response, "200 OK", "application/json", b'{"status": "alive"}')
        if "text/html" in environ.get("HTTP_ACCEPT", ""):
            return _answer(start_response, "503 Service Unavailable", "text/html; charset=utf-8", _PAGE)
        error = {"error": "temporarily_unavailable", "error_description": "the provider waits for its store"}
        return _answer(start_response, "503 Service Unavailable", "application/json", json.dumps(error).encode())

    def _await(self) -> None:
        pause, said = FIRST_PAUSE, ""
        while not self._stopped.wait(pause):
            pause = min(2 * pause, LONGEST_PAUSE)
            try:
                app = self._make_app()
            except StoreUnavailable as error:
                if str(error) != said:
                    said = str(error)
                    logger.warning("store_awaited", reason=said)
            except Exception as error:
                self._failed(error)
                return
            else:
                self._app = app
                logger.info("store_reached")
                return


def _answer(start_response: Any, status: str, content_type: str, content: bytes) -> Iterable[bytes]:
    headers = [("Content-Type", content_type), ("Content-Length", str(len(content))), ("Cache-Control", "no-store")]
    if status.startswith("503"):
        headers.append(("Retry-After", "2"))
    start_response(status, headers)
    return [content]
