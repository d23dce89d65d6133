"""The OpenAPI description (OpenAPI 3.1): of every endpoint that is on, and true to what they really answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from creance.provider.testing import Browser, RunningProvider, forms_of
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from ..consent_form import ConsentForm

RunProvider = Callable[..., RunningProvider]

FAULTS = {"408", "429", "503"}
"""What comes only where a client or the store is too slow, or somebody has tried too often: tests of faults and of
limits are about these.
"""

APP, SERVICE = ("app", "app-secret"), ("service", "service-secret")
LONG = "x" * 17000
LARGE = "x" * 70000
LATIN = "application/x-www-form-urlencoded; charset=latin-1"


@pytest.fixture(scope="module")
def document(op: RunningProvider) -> dict[str, Any]:
    described: dict[str, Any] = op.get("/openapi.json").json()
    return described


@pytest.fixture(scope="module")
def answers(op: RunningProvider) -> list[requests.Response]:
    """What the provider really answered, in what its users do well and in what they do badly."""
    seen: list[requests.Response] = []

    def note(response: requests.Response, *args: object, **named: object) -> None:
        seen.append(response)

    app, browser = op.client("app", scope="openid profile email address phone offline_access"), op.browser()
    for session in (app.http, browser.http):
        session.hooks["response"].append(note)

    log_in_well(op)(app, browser)
    log_in_badly(op)(app, browser)
    decide(op, browser)
    log_out_by_app(op, browser)
    look_after_account(op, browser)
    for method, path, options in BADLY:
        body = {"data": iter([b"x=y"])} if options is CHUNKED else {}
        note(requests.request(method, op.url(path), allow_redirects=False, timeout=30, **options, **body))
    return seen


def log_in_well(op: RunningProvider) -> Callable[..., None]:
    def run(app: Any, browser: Any) -> None:
        for path in ("/", "/auth/style.css", "/auth/logo", "/health/live", "/health/ready", "/openapi.json", "/jwks"):
            browser.get(path)
        for path in ("openid-configuration", "oauth-authorization-server"):
            browser.get(f"/.well-known/{path}")
        browser.get("/auth/session")
        tokens = app.exchange(app.authorize(browser=browser))
        app.userinfo(tokens.access_token)
        app.http.post(op.url("/userinfo"), data={"access_token": tokens.access_token}, timeout=30)
        app.introspect(tokens.access_token)
        app.introspect(tokens.refresh_token)
        app.introspect("unknown")
        tokens = app.refresh(tokens.refresh_token, scope="email")
        app.userinfo(tokens.access_token)
        app.http.post(op.url("/userinfo"), data={"access_token": tokens.access_token}, timeout=30)
        app.http.post(op.url("/token"), data={"grant_type": "client_credentials"}, auth=SERVICE, timeout=30)
        app.revoke(tokens.access_token)
        parameters, _ = app.request()
        browser.post("/authorize", parameters)
        browser.get("/auth/session")
        browser.get("/auth/login")

    return run


def log_in_badly(op: RunningProvider) -> Callable[..., None]:
    def run(app: Any, browser: Any) -> None:
        page = app.begin(browser, prompt="login")
        browser.log_in(page, "alice", "wrong")
        late = app.begin(browser, prompt="login")
        browser.log_in(late, "alice")
        browser.get(page.url)  # logged in meanwhile
        browser.get("/auth/logout")
        page = browser.get("/auth/logout")
        action, token = op.url("/auth/logout"), page.text.partition('name="csrf_token" value="')[2].partition('"')[0]
        browser.post(action, {"csrf_token": token, "x": ["y", "z"]})
        browser.post(action, {"csrf_token": token})
        browser.get("/auth/logout")
        app.http.get(op.url("/userinfo"), headers={"Authorization": "Bearer x"}, timeout=30)

    return run


def decide(op: RunningProvider, browser: Browser) -> None:
    """On the consent page, which is opened once more by somebody who has logged out since."""
    page = browser.log_in(op.client("partner", scope="email").begin(browser), "alice")
    form = ConsentForm(page).untick("scope.email")
    for decision in ("allow", "deny"):
        form.press(browser, decision)
    action, fields = forms_of(browser.get("/auth/logout").text)[0]
    browser.post(action, fields)
    browser.get(page.url)


def log_out_by_app(op: RunningProvider, browser: Browser) -> None:
    """Sent by an app: who is logged in is asked, who is not goes back at once."""
    op.client("app").authorize(browser=browser)
    back = {"client_id": "app", "post_logout_redirect_uri": "http://localhost:8401/"}
    action, fields = forms_of(browser.get("/logout", params=back).text)[0]
    browser.post(action, {**fields, "csrf_token": "x"})
    browser.post("/logout", {"client_id": "app"})
    browser.post(action, fields)
    browser.get("/logout", params=back)
    op.post("/logout", back)


ACCOUNT_FORMS = {"sessions": {"end": "one", "sid": "unknown"}, "apps": {"client_id": "unknown"}, "password": {}}


def look_after_account(op: RunningProvider, browser: Browser) -> None:
    """On the account page, by who logs in for it, and with forms that are not from it."""
    page = browser.log_in(browser.follow(browser.get("/account")), "alice")
    browser.get("/account/password")
    token = forms_of(page.text)[0][1]["csrf_token"]
    for name, fields in ACCOUNT_FORMS.items():
        browser.post(f"/account/{name}", {**fields, "csrf_token": token})
        browser.post(f"/account/{name}", fields)
    browser.http.cookies.clear()
    browser.get("/account/password")
    for name, fields in ACCOUNT_FORMS.items():
        browser.post(f"/account/{name}", fields)


BADLY: list[tuple[str, str, dict[str, Any]]] = [
    ("GET", "/account?notice=a&notice=b", {}),
    ("GET", f"/account?x={LONG}", {}),
    *(("POST", f"/account/{name}", {"data": {"x": ["y", "z"]}}) for name in ACCOUNT_FORMS),
    *(("POST", f"/account/{name}", {"data": {"x": LARGE}}) for name in ACCOUNT_FORMS),
    *(("POST", f"/account/{name}", {"json": {}}) for name in ACCOUNT_FORMS),
    ("GET", "/authorize", {}),
    ("GET", f"/authorize?x={LONG}", {}),
    ("POST", "/authorize", {"data": {"client_id": ["a", "b"]}}),
    ("POST", "/authorize", {"data": {"x": LARGE}}),
    ("POST", "/authorize", {"json": {}}),
    ("GET", "/auth/resume?request=x", {}),
    ("GET", f"/auth/resume?request={LONG}", {}),
    ("GET", "/auth/login?request=x", {}),
    ("GET", f"/auth/login?request={LONG}", {}),
    ("GET", "/auth/consent", {}),
    ("GET", f"/auth/consent?request={LONG}", {}),
    ("POST", "/auth/consent", {"data": {"decision": ["allow", "deny"]}}),
    ("POST", "/auth/consent", {"data": {"decision": "allow"}}),
    ("POST", "/auth/consent", {"data": {"x": LARGE}}),
    ("POST", "/auth/consent", {"json": {}}),
    ("POST", "/auth/login", {"data": {"username": ["a", "b"]}}),
    ("POST", "/auth/login", {"data": {"username": "alice"}}),
    ("POST", "/auth/login", {"data": {"x": LARGE}}),
    ("POST", "/auth/login", {"json": {}}),
    ("POST", "/auth/logout", {"data": {"x": "y"}}),
    ("POST", "/auth/logout", {"data": {"x": LARGE}}),
    ("POST", "/auth/logout", {"json": {}}),
    ("GET", f"/logout?x={LONG}", {}),
    ("GET", "/logout?x=%ff", {}),
    ("POST", "/logout", {"data": {"csrf_token": "x", "state": ["y", "z"]}}),
    ("POST", "/logout", {"data": {"x": LARGE}}),
    ("POST", "/logout", {"json": {}}),
    ("GET", "/userinfo", {}),
    ("GET", "/userinfo", {"headers": {"Authorization": "Bearer a b"}}),
    ("POST", "/userinfo", {}),
    ("POST", "/userinfo", {"data": {"access_token": ["a", "b"]}}),
    ("POST", "/userinfo", {"data": {"access_token": LARGE}}),
    ("POST", "/userinfo", {"data": "x", "headers": {"Content-Type": LATIN}}),
]
CHUNKED = {"headers": {"Content-Type": "application/x-www-form-urlencoded", "Transfer-Encoding": "chunked"}}
BADLY += [
    ("POST", endpoint, CHUNKED)
    for endpoint in (
        *(f"/account/{name}" for name in ACCOUNT_FORMS),
        "/authorize",
        "/auth/consent",
        "/auth/login",
        "/auth/logout",
        "/logout",
        "/userinfo",
        "/token",
        "/introspect",
        "/revoke",
    )
]
for endpoint in ("/token", "/introspect", "/revoke"):
    BADLY += [
        ("POST", endpoint, {"data": {"token": "x"}}),
        ("POST", endpoint, {"data": {"x": "y"}, "auth": APP}),
        ("POST", endpoint, {"data": {"x": "y"}, "auth": APP, "params": {"token": "x"}}),
        ("POST", endpoint, {"data": {"grant_type": "x", "token": "x"}, "auth": APP}),
        ("POST", endpoint, {"data": {"x": LARGE}}),
        ("POST", endpoint, {"json": {}}),
    ]


def described(document: dict[str, Any], answer: requests.Response) -> tuple[str, str, dict[str, Any]]:
    """What the description says of the answers of that operation: its path, its method, its responses."""
    path, method = urlsplit(str(answer.request.url)).path, str(answer.request.method).lower()
    return path, method, document["paths"][path][method]["responses"]


def resolved(document: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    """What a `$ref` within the document stands for."""
    while "$ref" in node:
        found: Any = document
        for part in node["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        node = found
    return node


def test_it_is_valid(document: dict[str, Any]) -> None:
    """OpenAPI 3.1.0, 4: and so is each schema in it (JSON Schema 2020-12)."""
    OpenAPIV31SpecValidator(document).validate()
    assert document["openapi"].startswith("3.1.")
    for schema in document["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


def test_every_endpoint_that_is_on_is_there(op: RunningProvider, document: dict[str, Any]) -> None:
    """OpenAPI 3.1.0, 4.8.8: each with what it is for; and nothing that is not."""
    assert set(document["paths"]) == {
        "/",
        "/.well-known/oauth-authorization-server",
        "/.well-known/openid-configuration",
        "/account",
        "/account/apps",
        "/account/password",
        "/account/sessions",
        "/auth/consent",
        "/auth/login",
        "/auth/logout",
        "/auth/logo",
        "/auth/resume",
        "/auth/session",
        "/auth/style.css",
        "/authorize",
        "/health/live",
        "/health/ready",
        "/introspect",
        "/jwks",
        "/logout",
        "/openapi.json",
        "/revoke",
        "/token",
        "/userinfo",
    }
    for operations in document["paths"].values():
        assert operations
        assert all(operation["summary"] for operation in operations.values())
    for name, url in op.client("app").metadata.items():
        if name.endswith("_endpoint") or name == "jwks_uri":
            assert url.removeprefix(op.issuer) in document["paths"]


def test_every_method_that_is_described_is_taken_and_no_other(op: RunningProvider, document: dict[str, Any]) -> None:
    """OpenAPI 3.1.0, 4.8.9, RFC 9110 15.5.6."""
    for path, operations in document["paths"].items():
        for method in ("get", "post", "put", "patch", "delete"):
            response = requests.request(method, op.url(path), allow_redirects=False, timeout=30)
            assert (response.status_code != 405) == (method in operations), (method, path)


def test_it_says_where_the_endpoints_are(op: RunningProvider, document: dict[str, Any]) -> None:
    """OpenAPI 3.1.0, 4.8.5: under the issuer."""
    assert document["servers"] == [{"url": op.issuer}]
    response = op.get("/openapi.json")
    assert response.headers["Content-Type"] == "application/json"


def test_what_is_moved_or_off_is_described_as_it_is(run_provider: RunProvider) -> None:
    """OpenAPI 3.1.0, 4.8.8: made from what is there, and not from a list of what might be."""
    settings = """
issuer = "ISSUER"
[http]
bind = "BIND"
[keys]
algorithms = ["ES256"]
[endpoints]
token = "/api/v1/oauth/token"
"""
    provider = run_provider(configuration=settings, path="/idp")
    described = provider.get("/openapi.json").json()
    OpenAPIV31SpecValidator(described).validate()
    assert described["servers"] == [{"url": provider.issuer}]
    assert "post" in described["paths"]["/api/v1/oauth/token"]
    assert not {"/token", "/introspect", "/revoke", "/auth/login", "/auth/session"} & set(described["paths"])


def test_real_answers_are_as_described(document: dict[str, Any], answers: list[requests.Response]) -> None:
    """OpenAPI 3.1.0, 4.8.16, 4.8.17: status, content type and schema of each."""
    assert len(answers) > 70
    for answer in answers:
        path, method, responses = described(document, answer)
        where = f"{method} {path}: {answer.status_code}"
        assert str(answer.status_code) in responses, where
        content = resolved(document, responses[str(answer.status_code)]).get("content", {})
        if not content:
            assert not answer.content, where
            continue
        media_type = answer.headers["Content-Type"].partition(";")[0]
        assert media_type in content, f"{where}: {media_type}"
        schema = content[media_type].get("schema")
        if media_type == "application/json" and schema is not None:
            Draft202012Validator({**schema, "components": document["components"]}).validate(answer.json())


def test_what_is_described_really_comes(document: dict[str, Any], answers: list[requests.Response]) -> None:
    """OpenAPI 3.1.0, 4.8.16: no status is described that nobody ever sees."""
    seen = set()
    for answer in answers:
        path, method, _ = described(document, answer)
        seen.add((method, path, str(answer.status_code)))
    promised = {
        (method, path, status)
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        for status in operation["responses"]
        if status not in FAULTS
    }
    assert promised - seen == set()


def test_every_redirect_says_where(answers: list[requests.Response]) -> None:
    """RFC 9110 15.4.4: 303 after a POST and after a GET, never 302 or 307 (RFC 9700 4.12)."""
    redirects = [answer for answer in answers if 300 <= answer.status_code < 400]
    assert redirects
    for answer in redirects:
        assert answer.status_code == 303
        assert answer.headers["Location"].startswith("http://localhost:")


def test_no_answer_is_a_defect(answers: list[requests.Response]) -> None:
    """RFC 9110 15.6.1."""
    assert all(answer.status_code < 500 for answer in answers)
