"""The same over HTTP: an adopted provider on a real socket, and forged hints at the endpoints of a running one.

Code injection, refresh token swap, mix-up, open redirects, pollution and claims are in tests/protocol and
tests/bad_input, as the table in docs/security.md names them.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest
import requests
from creance.provider import OpenIDProvider, create_app
from creance.provider.testing import Browser, RunningProvider

from ..pyop_provider import CALLBACK, SECRET, Client, basic
from .forgeries import FORGERIES, forged
from .test_exceptions import AUTHORIZE, BASIC
from .test_security_requests import EVIL


class _Quiet(WSGIRequestHandler):
    def log_message(self, *arguments: object) -> None:
        """Tests say themselves what is wrong."""


@pytest.fixture
def place(ours: OpenIDProvider) -> Iterator[str]:
    """Where the adopted provider is served."""
    with make_server("127.0.0.1", 0, create_app(ours), handler_class=_Quiet) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_no_authorization_request_is_a_defect_or_an_open_redirect(ours: OpenIDProvider, place: str) -> None:
    """Security 1, Exceptions, authorize; RFC 6749 4.1.2.1: a page until the place is proven, and then the app."""
    app = Client(ours)
    for more, _ in AUTHORIZE:
        for request in (app.request(), app.request(redirect_uri=EVIL)):
            answer = requests.get(f"{place}/authorization?{request}&{more}", allow_redirects=False, timeout=30)
            is_proven = request == app.request() and not more.startswith(("client_id", "redirect_uri"))
            location = answer.headers.get("Location", "")
            assert (answer.status_code, location.startswith(f"{CALLBACK}?error=")) == (
                (303, True) if is_proven else (400, False)
            ), (more, location)
            assert "evil" not in location


def test_no_header_is_a_defect(ours: OpenIDProvider, place: str) -> None:
    """Exceptions, Basic header and userinfo; RFC 6749 5.2, RFC 6750 3."""
    form = {"grant_type": "authorization_code", "code": "x", "redirect_uri": CALLBACK}
    for authorization in [row for row, _ in BASIC if row.strip()]:  # HTTP has no header of spaces only
        answer = requests.post(f"{place}/token", form, headers={"Authorization": authorization}, timeout=30)
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client"), authorization
        assert answer.headers["WWW-Authenticate"].startswith("Basic")
    token = Client(ours).log_in()["access_token"]
    for authorization, status in ((f"bearer {token}", 200), (f"BearerX{token}", 401), ("Bearer", 400)):
        answer = requests.get(f"{place}/userinfo", headers={"Authorization": authorization}, timeout=30)
        assert answer.status_code == status, authorization
        assert token not in answer.text


def test_a_whole_exchange(ours: OpenIDProvider, place: str) -> None:
    """RFC 6749 4.1.3: the host authorizes by pyop's methods, and the app comes to our endpoints."""
    app = Client(ours)
    code = app.authorize()
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, "code_verifier": app.verifier}
    answer = requests.post(f"{place}/token", form, headers=basic("app", SECRET), timeout=30)
    assert answer.status_code == 200
    headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
    assert requests.get(f"{place}/userinfo", headers=headers, timeout=30).json()["email"] == "alice@example.org"
    repeated = requests.post(f"{place}/token", form, headers=basic("app", SECRET), timeout=30)
    assert (repeated.status_code, repeated.json()["error"]) == (400, "invalid_grant")
    assert requests.get(f"{place}/userinfo", headers=headers, timeout=30).status_code == 401


def is_logged_in(browser: Browser) -> bool:
    return browser.get("/auth/session").status_code == 200


@pytest.mark.parametrize("kind", FORGERIES)
def test_a_forged_hint_is_nobodys(op: RunningProvider, kind: str) -> None:
    """Security 2; RFC 8725 3: it logs nobody out without being asked, leads nowhere, and names nobody."""
    app, browser = op.client("app"), op.browser()
    genuine = app.log_in(browser=browser).id_token
    (published,) = [key for key in op.get("/jwks").json()["keys"] if key["alg"] == "RS256"][:1]
    hint = forged(kind, genuine, published)
    refused = app.answer_at_once(browser, prompt="none", id_token_hint=hint)
    assert (refused.error, "code" in refused) == ("invalid_request", False)

    back = {"id_token_hint": hint, "post_logout_redirect_uri": "http://localhost:8401/"}
    answer = browser.get("/logout", params=back)
    assert (answer.status_code, "Location" in answer.headers) == (200, False)
    assert is_logged_in(browser)

    answer = browser.get("/logout", params={**back, "id_token_hint": genuine})
    assert "Location" in answer.headers
    assert not is_logged_in(browser)
