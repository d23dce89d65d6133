"""An app and the browser of its user, as tests need them: the protocol is plain to see, the plumbing is not."""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Mapping
from html.parser import HTMLParser
from typing import Any
from urllib.parse import parse_qsl, quote_plus, urljoin, urlsplit

import requests
from joserfc import jwt
from joserfc.jwk import KeySet

DEMO_PASSWORDS = {"alice": "wonderland", "bob": "builder"}
_LONGEST_WAY = 12


class Answer(dict[str, Any]):
    """The JSON that came, equal to a dict of the same members; each is an attribute too, None where it is not there."""

    def __init__(self, response: requests.Response) -> None:
        is_json = "json" in response.headers.get("Content-Type", "")
        super().__init__(response.json() if is_json and response.content else {})
        self.status = response.status_code
        self.headers = response.headers
        self.text = response.text

    def __getattr__(self, name: str) -> Any:
        return self.get(name)


class AuthorizationAnswer(dict[str, str]):
    """What came back to the redirect URI, in its query or its fragment. `code_verifier`, `nonce` and `redirect_uri` are
    those of the request.
    """

    def __init__(self, location: str, code_verifier: str | None, nonce: str | None, redirect_uri: str) -> None:
        parts = urlsplit(location)
        super().__init__(parse_qsl(parts.fragment or parts.query))
        self.location = location
        self.code_verifier = code_verifier
        self.nonce = nonce
        self.redirect_uri = redirect_uri

    def __getattr__(self, name: str) -> Any:
        return self.get(name)


class _Forms(HTMLParser):
    """The forms of a page: where they go, and the fields that they have."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.forms: list[tuple[str, dict[str, str]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        if tag == "form":
            self.forms.append((attributes.get("action") or "", {}))
        elif attributes.get("type") in ("checkbox", "radio") and "checked" not in attributes:
            return
        elif tag in ("input", "button") and self.forms and attributes.get("name"):
            self.forms[-1][1][str(attributes["name"])] = attributes.get("value") or ""


def forms_of(page: str) -> list[tuple[str, dict[str, str]]]:
    """The forms of a page: each its action and its fields; boxes that are not ticked are none."""
    return _Forms(page).forms


class Browser:
    """A person's browser: it keeps cookies, follows redirects within the provider, and fills in the login form."""

    def __init__(self, issuer: str) -> None:
        self.issuer = issuer
        self.http = requests.Session()
        self.http.trust_env = False

    def get(self, url: str, **options: Any) -> requests.Response:
        """One request; no redirect is followed."""
        return self.http.get(urljoin(self.issuer, url), allow_redirects=False, timeout=30, **options)

    def post(self, url: str, data: Any, **options: Any) -> requests.Response:
        """One request; no redirect is followed."""
        return self.http.post(urljoin(self.issuer, url), data=data, allow_redirects=False, timeout=30, **options)

    def follow(self, response: requests.Response) -> requests.Response:
        """Follow redirects as long as they stay with the provider: the last response is a page, or leads elsewhere."""
        for _ in range(_LONGEST_WAY):
            location = urljoin(response.url, response.headers.get("Location", ""))
            if "Location" not in response.headers or not self._at_provider(location):
                return response
            response = self.get(location)
        raise AssertionError("redirected for ever")

    def log_in(self, page: requests.Response, username: str, password: str | None = None) -> requests.Response:
        """Fill in the login form of a page and go on from there."""
        forms = [form for form in forms_of(page.text) if "password" in form[1]]
        if not forms:
            raise AssertionError(f"no login form on the page ({page.status_code}): {page.text[:500]}")
        action, fields = forms[0]
        fields |= {"username": username, "password": password or DEMO_PASSWORDS.get(username, "")}
        return self.follow(self.post(urljoin(page.url, action), fields))

    def _at_provider(self, url: str) -> bool:
        return urlsplit(url)[:2] == urlsplit(self.issuer)[:2]


class RelyingParty:
    """An app that is registered with the provider."""

    def __init__(
        self,
        issuer: str,
        client_id: str,
        *,
        secret: str | None = None,
        method: str = "client_secret_basic",
        redirect_uri: str = "http://localhost:8401/callback",
        scope: str = "openid",
        browser: Browser | None = None,
    ) -> None:
        """`browser` is the one in front of it where none is named; without it, each login is in a new one."""
        self.issuer = issuer
        self.client_id = client_id
        self.secret = secret
        self.method = method if secret is not None else "none"
        self.redirect_uri = redirect_uri
        self.scope = scope
        self.browser = browser
        self.http = requests.Session()
        self.http.trust_env = False
        self.metadata = self.http.get(f"{issuer}/.well-known/openid-configuration", timeout=30).json()

    def request(self, **changes: str | None) -> tuple[dict[str, str], str]:
        """The parameters of an authorization request, and its code_verifier. A change of None leaves one out."""
        verifier = secrets.token_urlsafe(48)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        parameters = {
            "client_id": self.client_id,
            "redirect_uri": self.redirect_uri,
            "response_type": "code",
            "scope": self.scope,
            "state": secrets.token_urlsafe(16),
            "nonce": secrets.token_urlsafe(16),
            "code_challenge": challenge,
            "code_challenge_method": "S256",
            **changes,
        }
        return {name: value for name, value in parameters.items() if value is not None}, verifier

    def begin(self, browser: Browser, **changes: str | None) -> requests.Response:
        """Send the person to the provider: the page that they see, or the redirect that leaves the provider."""
        parameters, _ = self.request(**changes)
        return browser.follow(browser.get(self.metadata["authorization_endpoint"], params=parameters))

    def answer_at_once(self, browser: Browser | None = None, **changes: str | None) -> AuthorizationAnswer:
        """What the app is told without anybody logging in: fails where a page is shown."""
        parameters, verifier = self.request(**changes)
        browser = browser or Browser(self.issuer)
        response = browser.get(self.metadata["authorization_endpoint"], params=parameters)
        location = response.headers.get("Location", "")
        if response.status_code != 303 or location.startswith(f"{self.issuer}/"):
            raise AssertionError(f"not answered at once ({response.status_code}): {location or response.text[:800]}")
        return AuthorizationAnswer(
            location, verifier, parameters.get("nonce"), parameters.get("redirect_uri", self.redirect_uri)
        )

    def authorize(
        self, *, user: str = "alice", password: str | None = None, browser: Browser | None = None, **changes: str | None
    ) -> AuthorizationAnswer:
        """The whole way of a person: to the provider, through its login page if it shows one, and back to the app."""
        browser = browser or self.browser or Browser(self.issuer)
        parameters, verifier = self.request(**changes)
        response = browser.follow(browser.get(self.metadata["authorization_endpoint"], params=parameters))
        if "Location" not in response.headers:
            response = browser.log_in(response, user, password)
        if "Location" not in response.headers:
            raise AssertionError(f"not sent back to the app ({response.status_code}): {response.text[:800]}")
        return AuthorizationAnswer(
            response.headers["Location"],
            verifier,
            parameters.get("nonce"),
            parameters.get("redirect_uri", self.redirect_uri),
        )

    def exchange(self, answer: AuthorizationAnswer, **changes: str | None) -> Answer:
        """Exchange the code of an authorization answer (RFC 6749 4.1.3)."""
        form: dict[str, str | None] = {
            "grant_type": "authorization_code",
            "code": answer.code,
            "redirect_uri": answer.redirect_uri,
            "code_verifier": answer.code_verifier,
            **changes,
        }
        return self.post("token_endpoint", form)

    def log_in(
        self, user: str = "alice", scope: str | None = None, browser: Browser | None = None, **changes: str | None
    ) -> Answer:
        """Authorize and exchange in one: the tokens."""
        return self.exchange(self.authorize(user=user, browser=browser, scope=scope or self.scope, **changes))

    def refresh(self, refresh_token: str, **changes: str | None) -> Answer:
        """RFC 6749 6."""
        return self.post("token_endpoint", {"grant_type": "refresh_token", "refresh_token": refresh_token, **changes})

    def client_credentials(self, **changes: str | None) -> Answer:
        """RFC 6749 4.4."""
        return self.post("token_endpoint", {"grant_type": "client_credentials", **changes})

    def introspect(self, token: str, **changes: str | None) -> Answer:
        """RFC 7662, by this client's own authority."""
        return self.post("introspection_endpoint", {"token": token, **changes})

    def revoke(self, token: str, **changes: str | None) -> Answer:
        """RFC 7009."""
        return self.post("revocation_endpoint", {"token": token, **changes})

    def userinfo(self, access_token: str) -> Answer:
        """OpenID Connect Core 5.3."""
        headers = {"Authorization": f"Bearer {access_token}"}
        return Answer(self.http.get(self.metadata["userinfo_endpoint"], headers=headers, timeout=30))

    def verify(self, id_token: str) -> dict[str, Any]:
        """The claims of an ID token, its signature verified by the published keys."""
        keys = KeySet.import_key_set(self.http.get(self.metadata["jwks_uri"], timeout=30).json())
        return dict(jwt.decode(id_token, keys, algorithms=["RS256", "ES256"]).claims)

    def post(self, endpoint: str, form: Mapping[str, str | None]) -> Answer:
        """A form to an endpoint of the metadata, with this client's authentication. None leaves a parameter out."""
        fields = {name: value for name, value in form.items() if value is not None}
        headers = {}
        if self.method == "client_secret_basic":
            credentials = f"{quote_plus(self.client_id)}:{quote_plus(self.secret or '')}"
            headers["Authorization"] = "Basic " + base64.b64encode(credentials.encode()).decode()
        else:
            fields.setdefault("client_id", self.client_id)
            if self.method == "client_secret_post":
                fields.setdefault("client_secret", self.secret or "")
        return Answer(self.http.post(self.metadata[endpoint], data=fields, headers=headers, timeout=30))
