"""What is asked of whom, for every prompt: OpenID Connect Core 3.1.2.1 as one table, over HTTP."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests
from creance.provider.testing import Browser, RelyingParty, RunningProvider
from creance.provider.testing.relying_party import forms_of

EXTRA = """
[[clients]]
client_id = "strict"
client_secret = "strict-secret"
redirect_uris = ["http://localhost:8404/callback"]
scope = "openid email"
default_max_age = 0
require_auth_time = true
default_acr_values = ["urn:example:gold"]
"""
LOGIN, CONSENT, ACCOUNT, CODE = "login page", "consent page", "choice of account", "code"


@pytest.fixture(scope="module")
def prompt_op(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningProvider]:
    with RunningProvider(tmp_path_factory.mktemp("prompts"), extra=EXTRA) as running:
        yield running


def nobody(op: RunningProvider) -> Browser:
    return op.browser()


def alice(op: RunningProvider) -> Browser:
    browser = op.browser()
    op.client("app").authorize(browser=browser)
    return browser


def remembered_alice(op: RunningProvider) -> Browser:
    """Who has logged in here once, and whose session is over."""
    browser = op.browser()
    page = op.client("app").begin(browser)
    action, fields = forms_of(page.text)[0]
    form = {**fields, "username": "alice", "password": "wonderland", "remember": "yes"}
    browser.follow(browser.post(action, form))
    session = next(cookie for cookie in browser.http.cookies if cookie.name.endswith("_session"))
    browser.http.cookies.clear(session.domain, session.path, session.name)
    return browser


def agreed_bob(op: RunningProvider) -> Browser:
    """Who has logged in, and allowed the partner all that it asks for: which is remembered of the person."""
    browser = op.browser()
    page = browser.log_in(partner(op).begin(browser), "bob")
    if "Location" not in page.headers:
        action, fields = forms_of(page.text)[0]
        browser.post(action, {**fields, "decision": "allow"})
    return browser


def app(op: RunningProvider) -> RelyingParty:
    return op.client("app")


def partner(op: RunningProvider) -> RelyingParty:
    return op.client("partner", scope="openid email")


def strict(op: RunningProvider) -> RelyingParty:
    return op.client("strict", secret="strict-secret", redirect_uri="http://localhost:8404/callback")


def outcome(response: requests.Response) -> str:
    """What the person sees, or what the app is told."""
    if "Location" in response.headers:
        answer = dict(parse_qsl(urlsplit(response.headers["Location"]).query))
        return CODE if "code" in answer else answer["error"]
    path = urlsplit(response.url).path
    if path == "/auth/consent":
        return CONSENT
    assert path == "/auth/login", path
    return ACCOUNT if "Continue as" in response.text else LOGIN


TABLE: list[tuple[Callable[..., Browser], Callable[..., RelyingParty], dict[str, str], str]] = [
    (nobody, app, {}, LOGIN),
    (nobody, app, {"prompt": "none"}, "login_required"),
    (nobody, app, {"prompt": "login"}, LOGIN),
    (nobody, app, {"prompt": "consent"}, LOGIN),
    (nobody, app, {"prompt": "select_account"}, LOGIN),
    (nobody, partner, {"prompt": "none"}, "login_required"),
    (alice, app, {}, CODE),
    (alice, app, {"prompt": "none"}, CODE),
    (alice, app, {"prompt": "none", "max_age": "1000"}, CODE),
    (alice, app, {"prompt": "none", "max_age": "0"}, "login_required"),
    (alice, app, {"max_age": "0"}, LOGIN),
    (alice, app, {"prompt": "login"}, LOGIN),
    (alice, app, {"prompt": "login consent"}, LOGIN),
    (alice, app, {"prompt": "login select_account"}, LOGIN),
    (alice, app, {"prompt": "select_account"}, ACCOUNT),
    (alice, app, {"prompt": "select_account consent"}, ACCOUNT),
    (alice, app, {"prompt": "consent"}, CONSENT),
    (alice, app, {"display": "popup"}, CODE),
    (alice, app, {"display": "anything"}, CODE),
    (alice, app, {"ui_locales": "de"}, CODE),
    (alice, app, {"login_hint": "bob"}, CODE),
    (alice, app, {"acr_values": "urn:example:gold"}, CODE),
    (alice, partner, {}, CONSENT),
    (alice, partner, {"prompt": "none"}, "consent_required"),
    (alice, partner, {"prompt": "login"}, LOGIN),
    (alice, strict, {}, LOGIN),
    (alice, strict, {"prompt": "none"}, "login_required"),
    (alice, strict, {"max_age": "1000"}, CODE),
    (agreed_bob, partner, {}, CODE),
    (agreed_bob, partner, {"prompt": "none"}, CODE),
    (agreed_bob, partner, {"prompt": "consent"}, CONSENT),
    (agreed_bob, partner, {"scope": "openid email profile", "prompt": "none"}, "consent_required"),
    (agreed_bob, partner, {"scope": "openid email profile"}, CONSENT),
    (remembered_alice, app, {}, CODE),
    (remembered_alice, app, {"prompt": "none"}, CODE),
    (remembered_alice, app, {"max_age": "1000"}, LOGIN),
    (remembered_alice, app, {"prompt": "none", "max_age": "1000"}, "login_required"),
    (remembered_alice, app, {"prompt": "login"}, LOGIN),
    (remembered_alice, strict, {}, LOGIN),
    *(
        (person, app, {"prompt": prompt}, "invalid_request")
        for person in (nobody, alice)
        for prompt in ("none login", "none consent", "none select_account", "create", "NONE", "login,consent")
    ),
]


@pytest.mark.parametrize(
    ("person", "client", "changes", "expected"),
    TABLE,
    ids=[
        f"{person.__name__}-{client.__name__}-{' '.join(map('='.join, asked.items()))}"
        for person, client, asked, _ in TABLE
    ],
)
def test_each_prompt_has_its_answer(
    prompt_op: RunningProvider,
    person: Callable[..., Browser],
    client: Callable[..., RelyingParty],
    changes: dict[str, str],
    expected: str,
) -> None:
    """OpenID Connect Core 3.1.2.1, 3.1.2.3, 3.1.2.4, 3.1.2.6: a page, or a redirect with an error, and never both."""
    assert outcome(client(prompt_op).begin(person(prompt_op), **changes)) == expected


@pytest.mark.parametrize(("person", "client", "expected"), [(nobody, app, LOGIN), (alice, partner, CONSENT)])
def test_the_app_says_in_which_language(
    prompt_op: RunningProvider, person: Callable[..., Browser], client: Callable[..., RelyingParty], expected: str
) -> None:
    """OpenID Connect Core 3.1.2.1: ui_locales, also where the browser prefers another language."""
    browser = person(prompt_op)
    browser.http.headers["Accept-Language"] = "en"
    page = client(prompt_op).begin(browser, ui_locales="xx de")
    assert outcome(page) == expected
    assert '<html lang="de"' in page.text


def test_the_id_token_says_when_the_login_was(prompt_op: RunningProvider) -> None:
    """OpenID Connect Registration 2: require_auth_time, default_max_age. A remembered browser tells the true time."""
    client = strict(prompt_op)
    claims = client.verify(client.exchange(client.authorize()).id_token)
    assert claims["iat"] - claims["auth_time"] < 60
    browser = remembered_alice(prompt_op)
    remembered = app(prompt_op)
    claims = remembered.verify(remembered.exchange(remembered.answer_at_once(browser)).id_token)
    assert "auth_time" in claims
    assert "pwd" not in claims.get("amr", [])
