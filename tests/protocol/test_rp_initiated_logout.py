"""Logout that an app begins: OpenID Connect RP-Initiated Logout 1.0, over HTTP."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from urllib.parse import urlencode

import pytest
import requests
from creance.provider.testing import Browser, RelyingParty, RunningProvider
from creance.provider.testing.relying_party import forms_of

from ..polling import eventually

BACK = "http://localhost:8401/"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
EXTRA = """
[[clients]]
client_id = "other"
client_secret = "other-secret"
client_name = "<b>Other</b> & {{ 7 * 7 }}"
redirect_uris = ["http://localhost:8403/callback"]
post_logout_redirect_uris = ["http://localhost:8403/bye?from=op"]
scope = "openid"

[subjects]
salt = "a long random text that is kept for ever"

[[clients]]
client_id = "pairwise"
client_secret = "secret"
redirect_uris = ["http://localhost:8401/callback"]
post_logout_redirect_uris = ["http://localhost:8401/"]
scope = "openid"
subject_type = "pairwise"
"""


@pytest.fixture(scope="module")
def logout_op(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningProvider]:
    with RunningProvider(tmp_path_factory.mktemp("logout"), extra=EXTRA) as running:
        yield running


@pytest.fixture
def app(logout_op: RunningProvider) -> RelyingParty:
    return logout_op.client("app")


@pytest.fixture
def browser(logout_op: RunningProvider) -> Browser:
    return logout_op.browser()


def is_logged_in(browser: Browser) -> bool:
    return browser.get("/auth/session").status_code == 200


def end_session(browser: Browser, **parameters: str | None) -> requests.Response:
    return browser.get("/logout", params={name: value for name, value in parameters.items() if value is not None})


def asks(page: requests.Response) -> bool:
    """Whether it is our question, with nothing done yet."""
    return page.status_code == 200 and "csrf_token" in page.text


def say_yes(browser: Browser, page: requests.Response, **changes: str) -> requests.Response:
    action, fields = forms_of(page.text)[0]
    return browser.post(action, fields | changes)


def test_discovery_tells_where(app: RelyingParty, logout_op: RunningProvider) -> None:
    """RP-Initiated Logout 2.1."""
    assert app.metadata["end_session_endpoint"] == logout_op.url("/logout")


def test_the_id_token_names_the_session(app: RelyingParty, browser: Browser) -> None:
    """RP-Initiated Logout 2, Front-Channel Logout 3: `sid`, by which the app shows which session it means."""
    one, two = (app.verify(app.log_in(browser=browser).id_token) for _ in range(2))
    assert one["sid"] == two["sid"]
    assert app.verify(app.log_in().id_token)["sid"] != one["sid"]


@pytest.mark.parametrize("method", ["get", "post"])
def test_the_apps_own_session_ends_without_a_question(app: RelyingParty, browser: Browser, method: str) -> None:
    """RP-Initiated Logout 2, 3: the hint is this session's; GET and POST; state comes back."""
    tokens = app.log_in(browser=browser, scope="openid email")
    parameters = {"id_token_hint": tokens.id_token, "post_logout_redirect_uri": BACK, "state": "a&b"}
    response = end_session(browser, **parameters) if method == "get" else browser.post("/logout", parameters)
    assert (response.status_code, response.headers["Location"]) == (303, f"{BACK}?state=a%26b")
    assert not is_logged_in(browser)
    assert app.userinfo(tokens.access_token).error == "invalid_token"


def test_a_pairwise_app_names_the_session_as_it_knows_it(
    app: RelyingParty, browser: Browser, logout_op: RunningProvider
) -> None:
    """RP-Initiated Logout 2, OpenID Connect Core 8.1: by a `sub` and a `sid` that are its own."""
    own = logout_op.client("pairwise", secret="secret")
    theirs, public = own.log_in(browser=browser).id_token, app.log_in(browser=browser).id_token
    assert own.verify(theirs)["sid"] != app.verify(public)["sid"]
    assert asks(end_session(browser, id_token_hint=own.log_in().id_token, post_logout_redirect_uri=BACK))
    assert end_session(browser, id_token_hint=theirs, post_logout_redirect_uri=BACK).headers["Location"] == BACK
    assert not is_logged_in(browser)


def test_a_form_of_another_site_becomes_a_get(app: RelyingParty, browser: Browser, logout_op: RunningProvider) -> None:
    """RP-Initiated Logout 2 (POST), RFC 6265bis 5.6.7: it comes without our cookies, which GET then has."""
    tokens = app.log_in(browser=browser)
    parameters = {"id_token_hint": tokens.id_token, "post_logout_redirect_uri": BACK}
    response = logout_op.post("/logout", parameters, headers={"Origin": "http://localhost:8401"})
    assert response.headers["Location"].startswith(logout_op.url("/logout?"))
    assert browser.get(response.headers["Location"]).headers["Location"] == BACK
    assert not is_logged_in(browser)


@pytest.mark.parametrize(
    "form",
    [[("csrf_token", "x")], [("state", "a"), ("state", "b")], [("state", "x" * 20_000)]],
    ids=["token", "twice", "long"],
)
def test_a_form_of_another_site_takes_no_cookie_away(logout_op: RunningProvider, form: list[tuple[str, str]]) -> None:
    """RP-Initiated Logout 6, RFC 6265bis 5.6.7: it comes without our cookies, but its answer may remove them."""
    headers = {"Origin": "https://evil.example.org", "Sec-Fetch-Site": "cross-site"}
    answer = requests.post(
        logout_op.url("/logout"), urlencode(form), headers=headers | FORM, allow_redirects=False, timeout=30
    )
    assert answer.status_code == 200
    assert "Set-Cookie" not in answer.headers


def test_an_expired_hint_is_a_hint(app: RelyingParty, tmp_path_factory: pytest.TempPathFactory) -> None:
    """RP-Initiated Logout 4: ID tokens that have expired are accepted."""
    with RunningProvider(tmp_path_factory.mktemp("brief"), environment={"CREANCE_LIFETIMES__ID_TOKEN": "1"}) as op:
        browser, client = op.browser(), op.client("app")
        tokens = client.log_in(browser=browser)
        expires_at = client.verify(tokens.id_token)["exp"]
        eventually(lambda: time.time() > expires_at)
        response = end_session(browser, id_token_hint=tokens.id_token, post_logout_redirect_uri=BACK)
        assert response.headers["Location"] == BACK


@pytest.mark.parametrize("with_uri", [True, False])
def test_without_a_hint_the_person_is_asked(app: RelyingParty, browser: Browser, with_uri: bool) -> None:
    """RP-Initiated Logout 2: anybody can have sent them; and afterwards the app that is named has them back."""
    app.log_in(browser=browser)
    page = end_session(browser, **({"client_id": "app", "post_logout_redirect_uri": BACK} if with_uri else {}))
    assert asks(page)
    assert is_logged_in(browser)
    assert ("Demo app" in page.text) is with_uri
    answer = say_yes(browser, page)
    assert not is_logged_in(browser)
    if with_uri:
        assert (answer.status_code, answer.headers["Location"]) == (303, BACK)
    else:
        assert answer.status_code == 200
        assert "You are logged out" in answer.text


def test_a_hint_of_another_session_is_asked_about(app: RelyingParty, browser: Browser) -> None:
    """RP-Initiated Logout 2: of another browser of the same person, or of another person."""
    app.log_in(browser=browser)
    for hint in (app.log_in().id_token, app.log_in("bob").id_token):
        assert asks(end_session(browser, id_token_hint=hint, post_logout_redirect_uri=BACK))
        assert is_logged_in(browser)


def test_who_is_not_logged_in_goes_straight_back(browser: Browser) -> None:
    """RP-Initiated Logout 3: there is nothing to ask about."""
    response = end_session(browser, client_id="app", post_logout_redirect_uri=BACK, state="x")
    assert response.headers["Location"] == f"{BACK}?state=x"
    assert "You are logged out" in end_session(browser).text


def test_a_registered_query_is_kept(app: RelyingParty, browser: Browser) -> None:
    """RP-Initiated Logout 3: state is added to what the URI has."""
    uri = "http://localhost:8403/bye?from=op"
    response = end_session(browser, client_id="other", post_logout_redirect_uri=uri, state="s")
    assert response.headers["Location"] == f"{uri}&state=s"


@pytest.mark.parametrize(
    "parameters",
    [
        {"post_logout_redirect_uri": BACK},
        {"client_id": "app", "post_logout_redirect_uri": BACK + "x"},
        {"client_id": "app", "post_logout_redirect_uri": "http://localhost:8401"},
        {"client_id": "app", "post_logout_redirect_uri": "http://localhost:8402/"},
        {"client_id": "app", "post_logout_redirect_uri": "https://evil.example.org/"},
        {"client_id": "app", "post_logout_redirect_uri": "//evil.example.org"},
        {"client_id": "app", "post_logout_redirect_uri": "javascript:alert(1)"},
        {"client_id": "other", "post_logout_redirect_uri": BACK},
        {"client_id": "nobody", "post_logout_redirect_uri": BACK},
        {"id_token_hint": "garbage", "client_id": "app", "post_logout_redirect_uri": BACK},
        {
            "id_token_hint": "theirs",
            "client_id": "other",
            "post_logout_redirect_uri": "http://localhost:8403/bye?from=op",
        },
    ],
    ids=str,
)
def test_nobody_is_sent_where_it_is_not_registered(
    app: RelyingParty, browser: Browser, parameters: dict[str, str]
) -> None:
    """RP-Initiated Logout 2, 3: a page, never a redirect; and the person can log out all the same."""
    tokens = app.log_in(browser=browser)
    if parameters.get("id_token_hint") == "theirs":
        parameters = {**parameters, "id_token_hint": tokens.id_token}
    page = end_session(browser, **parameters)
    assert asks(page)
    assert "evil" not in re.sub(r'content="[^"]*"', "", page.text)
    assert "request was not in order" in page.text
    answer = say_yes(browser, page)
    assert (answer.status_code, "Location" in answer.headers) == (200, False)
    assert not is_logged_in(browser)
    later = end_session(browser, **parameters)
    assert (later.status_code, "Location" in later.headers) == (200, False)


def test_a_repeated_parameter_leads_nowhere(app: RelyingParty, browser: Browser) -> None:
    """RFC 6749 3.1: parameter pollution."""
    app.log_in(browser=browser)
    query = f"client_id=app&post_logout_redirect_uri={BACK}&post_logout_redirect_uri=https://evil.example.org/"
    assert asks(browser.get(f"/logout?{query}"))
    assert is_logged_in(browser)


@pytest.mark.parametrize("forgery", ["no token", "another visit", "another session", "another site"])
def test_nobody_else_can_say_yes(app: RelyingParty, browser: Browser, logout_op: RunningProvider, forgery: str) -> None:
    """RP-Initiated Logout 6: the answer is bound to this browser's visit and to the session that was asked about."""
    app.log_in(browser=browser)
    page = end_session(browser, client_id="app", post_logout_redirect_uri=BACK)
    headers, changes = {}, {}
    if forgery == "no token":
        changes = {"csrf_token": "x"}
    elif forgery == "another visit":
        stranger = logout_op.browser()
        app.log_in(browser=stranger)
        changes = {"csrf_token": forms_of(end_session(stranger).text)[0][1]["csrf_token"]}
    elif forgery == "another session":
        app.log_in("bob", browser=browser, prompt="login")
    else:
        headers = {"Origin": "http://localhost:8401", "Sec-Fetch-Site": "same-site"}
    action, fields = forms_of(page.text)[0]
    refused = browser.post(action, {**fields, **changes}, headers=headers)
    assert refused.status_code == 403
    assert "Location" not in refused.headers
    assert is_logged_in(browser)


def test_the_page_shows_names_and_runs_none(app: RelyingParty, browser: Browser) -> None:
    """DESIGN, HTTP: autoescape; frame-ancestors 'none'; the form may lead on to the proven place."""
    app.log_in(browser=browser)
    uri = "http://localhost:8403/bye?from=op"
    page = end_session(browser, client_id="other", post_logout_redirect_uri=uri, state='"><script>')
    assert "&lt;b&gt;Other&lt;/b&gt; &amp; {{ 7 * 7 }}" in page.text
    assert "<script>" not in page.text
    policy = page.headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in policy
    assert "form-action 'self' http://localhost:8403" in policy


def test_a_remembered_browser_is_asked_too(app: RelyingParty, browser: Browser) -> None:
    """RP-Initiated Logout 2: a session could begin there without a login; nobody's link ends that unasked."""
    page = app.begin(browser)
    action, fields = forms_of(page.text)[0]
    browser.follow(browser.post(action, {**fields, "username": "alice", "password": "wonderland", "remember": "yes"}))
    session = next(cookie for cookie in browser.http.cookies if cookie.name.endswith("_session"))
    browser.http.cookies.clear(session.domain, session.path, session.name)
    page = end_session(browser)
    assert asks(page)
    assert "You are logged out" in say_yes(browser, page).text
    assert app.answer_at_once(browser, prompt="none").error == "login_required"


def test_without_sessions_it_cannot_be_switched_on(tmp_path_factory: pytest.TempPathFactory) -> None:
    """DESIGN, Configuration: a setting that cannot be meant stops the start."""
    configuration = 'issuer = "ISSUER"\n[http]\nbind = "BIND"\n[plugins.rp_initiated_logout]\n'
    with pytest.raises(RuntimeError, match="no plugin keeps sessions"):
        RunningProvider(tmp_path_factory.mktemp("none"), configuration=configuration).start()
