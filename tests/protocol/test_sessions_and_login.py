"""Login, sessions and prompts over HTTP: OpenID Connect Core 3.1.2, RFC 6265bis, RFC 9700 4, Fetch Metadata."""

import html
import json
import re
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests
from creance.provider.testing import Answer, AuthorizationAnswer, Browser, RelyingParty, RunningProvider
from creance.provider.testing.relying_party import DEMO_PASSWORDS, forms_of

from ..provider_clock import ProviderClock

RunProvider = Callable[..., RunningProvider]

LOST = "open for too long or in another browser"
WRONG = "The user name or the password is not right."


@pytest.fixture
def app(op: RunningProvider) -> RelyingParty:
    return op.client("app")


@pytest.fixture
def browser(op: RunningProvider) -> Browser:
    return op.browser()


def fields_of(page: requests.Response) -> dict[str, str]:
    """What the first form of a page would send."""
    return forms_of(page.text)[0][1]


def submit(
    browser: Browser, page: requests.Response, username: str = "alice", *, headers: Any = None, **changes: str | None
) -> requests.Response:
    """Send the form of a page. A change of None leaves a field out. Nothing is followed."""
    action, fields = forms_of(page.text)[0]
    sent = fields | {"username": username, "password": DEMO_PASSWORDS.get(username, "?")} | changes
    return browser.post(action, {name: value for name, value in sent.items() if value is not None}, headers=headers)


def log_in(browser: Browser, op: RunningProvider, username: str = "alice") -> None:
    """A login for its own sake."""
    assert submit(browser, browser.get(op.url("/auth/login")), username).status_code == 303


def log_out(browser: Browser, op: RunningProvider) -> requests.Response:
    page = browser.get(op.url("/auth/logout"))
    return browser.post(forms_of(page.text)[0][0], fields_of(page))


def session_of(browser: Browser, op: RunningProvider) -> Answer:
    return Answer(browser.get(op.url("/auth/session")))


def session_cookie(browser: Browser) -> str:
    return next(str(cookie.value) for cookie in browser.http.cookies if cookie.name.endswith("_session"))


def cookie_named(op: RunningProvider, browser: Browser, name: str) -> str:
    """The full name of a cookie of this provider, taken from the visit cookie that every login page gives."""
    browser.get(op.url("/auth/login"))
    visit = next(cookie.name for cookie in browser.http.cookies if cookie.name.endswith("_visit"))
    return visit.removesuffix("visit") + name


def answer_of(response: requests.Response) -> dict[str, str]:
    """What goes back to the app."""
    location = response.headers["Location"]
    assert location.startswith("http://localhost:8401/callback?")
    return dict(parse_qsl(urlsplit(location).query))


def asks_for_login(response: requests.Response) -> bool:
    return response.status_code == 200 and 'name="password"' in response.text


# ----- The way of a person -----------------------------------------------------------------------------------------


def test_a_login_step_by_step(op: RunningProvider, app: RelyingParty, browser: Browser) -> None:
    """OpenID Connect Core 3.1.2: the app's request, the login page, the way on, and back with a code; every POST is
    answered by 303 (RFC 9700 4.12).
    """
    parameters, verifier = app.request(state="the app's own")
    before = time.time()
    to_login = browser.get(op.url("/authorize"), params=parameters)
    assert to_login.status_code == 303
    assert to_login.headers["Location"].startswith(op.url("/auth/login?request="))
    page = browser.get(to_login.headers["Location"])
    assert page.status_code == 200
    assert "Demo app" in page.text
    assert "localhost:8401" in page.text
    onward = submit(browser, page)
    assert onward.status_code == 303
    assert onward.headers["Location"].startswith(op.url("/auth/resume?request="))
    back = browser.get(onward.headers["Location"])
    assert back.status_code == 303
    answer = AuthorizationAnswer(back.headers["Location"], verifier, parameters["nonce"], app.redirect_uri)
    assert answer["state"] == "the app's own"
    claims = app.verify(app.exchange(answer).id_token)
    assert claims["amr"] == ["pwd"]
    assert int(before) <= claims["auth_time"] <= time.time()


def test_the_next_app_needs_no_login(app: RelyingParty, browser: Browser) -> None:
    """OpenID Connect Core 3.1.2.3: a session is enough; auth_time stays that of the login."""
    first = app.verify(app.exchange(app.authorize(browser=browser)).id_token)
    second = app.verify(app.exchange(AuthorizationAnswer(*direct(app, browser))).id_token)
    assert second["auth_time"] == first["auth_time"]
    assert second["sub"] == first["sub"]


def direct(app: RelyingParty, browser: Browser, **changes: str | None) -> tuple[str, str, str | None, str]:
    """An authorization request that must be answered at once: no page in between."""
    parameters, verifier = app.request(**changes)
    response = browser.get(app.metadata["authorization_endpoint"], params=parameters)
    assert "code=" in response.headers["Location"], response.headers["Location"]
    return response.headers["Location"], verifier, parameters.get("nonce"), app.redirect_uri


def test_a_login_without_an_app(op: RunningProvider, browser: Browser) -> None:
    """Who opens the login page by its address ends at a page of ours that says who they are."""
    page = browser.get(op.url("/auth/login"))
    done = submit(browser, page, "bob")
    assert (done.status_code, done.headers["Location"]) == (303, op.url("/auth/login"))
    assert "You are logged in" in browser.get(done.headers["Location"]).text
    assert session_of(browser, op).username == "bob"


def test_the_session_as_json(op: RunningProvider, app: RelyingParty, browser: Browser) -> None:
    """Who is logged in, for scripts of our own origin only: no CORS, never stored."""
    log_in(browser, op)
    response = browser.get(op.url("/auth/session"), headers={"Origin": "https://app.example"})
    session = response.json()
    assert session["username"] == "alice"
    assert session["amr"] == ["pwd"]
    assert abs(session["auth_time"] - time.time()) < 10
    assert session["expires_at"] - session["auth_time"] == 1800
    assert session["sub"] == app.verify(app.exchange(AuthorizationAnswer(*direct(app, browser))).id_token)["sub"]
    assert response.headers["Cache-Control"] == "no-store"
    assert not [name for name in response.headers if name.lower().startswith("access-control")]


def test_without_a_session_there_is_a_401(op: RunningProvider, browser: Browser) -> None:
    response = browser.get(op.url("/auth/session"))
    assert (response.status_code, response.json()) == (401, {"error": "login_required"})
    assert response.headers["Cache-Control"] == "no-store"
    assert "Set-Cookie" not in response.headers


# ----- A login that fails --------------------------------------------------------------------------------------------


def test_a_failed_login_tells_nothing(op: RunningProvider, app: RelyingParty) -> None:
    """RFC 9700 4 and OWASP ASVS 2.2: a wrong password and an unknown name get the same page; the name is kept in it."""
    pages = {}
    for username in ("alice", "nobody"):
        browser = op.browser()
        page = submit(browser, app.begin(browser), username, password="wrong horse")
        assert page.status_code == 200
        assert fields_of(page)["username"] == username
        assert fields_of(page)["password"] == ""
        assert "wrong horse" not in page.text
        assert f'role="alert" id="problem">{WRONG}' in page.text
        assert "Set-Cookie" not in page.headers
        changing = [username, fields_of(page)["csrf_token"], fields_of(page)["request"]]
        text = page.text
        for value in changing:
            text = text.replace(value, "")
        pages[username] = text
    assert pages["alice"] == pages["nobody"]


def test_after_a_failure_the_login_goes_on_to_the_app(app: RelyingParty, browser: Browser) -> None:
    page = submit(browser, app.begin(browser, state="kept"), password="wrong")
    assert answer_of(browser.follow(submit(browser, page)))["state"] == "kept"


@pytest.mark.parametrize("missing", ["username", "password"])
def test_an_incomplete_form_is_shown_again(app: RelyingParty, browser: Browser, missing: str) -> None:
    page = submit(browser, app.begin(browser), **{missing: None})
    assert page.status_code == 200
    assert "Type your user name and your password." in page.text


def test_a_name_longer_than_any_is_a_wrong_one(app: RelyingParty, browser: Browser) -> None:
    page = submit(browser, app.begin(browser), "x" * 5000)
    assert (page.status_code, len(fields_of(page)["username"])) == (200, 256)


def test_a_failed_login_leaves_the_session_as_it_was(op: RunningProvider, app: RelyingParty, browser: Browser) -> None:
    log_in(browser, op)
    before = session_cookie(browser)
    submit(browser, app.begin(browser, prompt="login"), password="wrong")
    assert session_cookie(browser) == before
    assert session_of(browser, op).username == "alice"


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"username=a&username=b&password=c", "application/x-www-form-urlencoded", 400),
        (b"username=a%00&password=c", "application/x-www-form-urlencoded", 400),
        (b"username=%ff&password=c", "application/x-www-form-urlencoded", 400),
        (b'{"username": "a"}', "application/json", 415),
        (b"username=" + b"a" * 70_000, "application/x-www-form-urlencoded", 413),
        (b"", "application/x-www-form-urlencoded", 403),
    ],
)
@pytest.mark.parametrize("path", ["/auth/login", "/auth/logout"])
def test_bad_forms_are_answered_by_a_page(
    op: RunningProvider, path: str, body: bytes, content_type: str, status: int
) -> None:
    response = op.post(path, body, headers={"Content-Type": content_type})
    assert response.status_code == status
    assert response.headers["Content-Type"].startswith("text/html")


# ----- prompt, max_age, hints ----------------------------------------------------------------------------------------


def test_prompt_none_never_shows_a_page(op: RunningProvider, app: RelyingParty, browser: Browser) -> None:
    """OpenID Connect Core 3.1.2.1, 3.1.2.6: login_required by redirect, and no cookie for a mere question."""
    parameters, _ = app.request(prompt="none")
    response = browser.get(op.url("/authorize"), params=parameters)
    assert answer_of(response)["error"] == "login_required"
    assert answer_of(response)["state"] == parameters["state"]
    assert "Set-Cookie" not in response.headers


def test_prompt_none_with_a_session_gives_a_code(op: RunningProvider, app: RelyingParty, browser: Browser) -> None:
    log_in(browser, op)
    direct(app, browser, prompt="none")


@pytest.mark.parametrize("changes", [{"max_age": "0"}, {"id_token_hint": "bob"}])
def test_prompt_none_with_a_session_that_is_not_enough(
    op: RunningProvider, app: RelyingParty, browser: Browser, changes: dict[str, str]
) -> None:
    """OpenID Connect Core 3.1.2.1: too old, or of another person than id_token_hint names."""
    if "id_token_hint" in changes:
        changes = {"id_token_hint": app.log_in("bob").id_token}
    log_in(browser, op, "alice")
    answer = answer_of(app.begin(browser, prompt="none", **changes))
    assert answer["error"] == "login_required"


@pytest.mark.parametrize(
    "changes",
    [{"prompt": "login"}, {"max_age": "0"}],
    ids=str,
)
def test_a_fresh_login_is_asked_for_once(
    op: RunningProvider, app: RelyingParty, browser: Browser, changes: dict[str, str]
) -> None:
    """OpenID Connect Core 3.1.2.1: prompt=login and max_age=0 want a login after the request, and that is enough."""
    log_in(browser, op)
    before = session_cookie(browser)
    page = app.begin(browser, **changes)
    assert asks_for_login(page)
    assert fields_of(page)["username"] == "alice"
    assert "code" in answer_of(browser.follow(submit(browser, page)))
    assert session_cookie(browser) != before


def test_auth_time_is_that_of_the_fresh_login(op: RunningProvider, app: RelyingParty, browser: Browser) -> None:
    """OpenID Connect Core 2: by which the app sees that prompt=login was obeyed."""
    log_in(browser, op)
    before = session_of(browser, op).auth_time
    time.sleep(1.01)
    tokens = app.exchange(app.authorize(browser=browser, prompt="login"))
    assert app.verify(tokens.id_token)["auth_time"] > before


def test_max_age_counts_from_the_login(op: RunningProvider, app: RelyingParty, browser: Browser) -> None:
    """OpenID Connect Core 3.1.2.1: seconds since the login, not since the last use."""
    log_in(browser, op)
    direct(app, browser, max_age="60")
    time.sleep(1.1)
    direct(app, browser)
    assert asks_for_login(app.begin(browser, max_age="1"))
    direct(app, browser, max_age="60")


def test_an_id_token_hint_of_the_same_person(op: RunningProvider, app: RelyingParty, browser: Browser) -> None:
    log_in(browser, op)
    direct(app, browser, prompt="none", id_token_hint=app.log_in("alice").id_token)


def test_an_id_token_hint_of_another_person(op: RunningProvider, app: RelyingParty, browser: Browser) -> None:
    """OpenID Connect Core 3.1.2.1: that person is asked to log in; where another does, the app is told."""
    hint = app.log_in("bob").id_token
    log_in(browser, op, "alice")
    page = app.begin(browser, id_token_hint=hint)
    assert asks_for_login(page)
    assert answer_of(browser.follow(submit(browser, page, "alice")))["error"] == "login_required"
    page = app.begin(browser, id_token_hint=hint)
    assert asks_for_login(page)
    assert "code" in answer_of(browser.follow(submit(browser, page, "bob")))


def test_login_hint_is_put_into_the_field(app: RelyingParty, browser: Browser) -> None:
    """OpenID Connect Core 3.1.2.1."""
    assert fields_of(app.begin(browser, login_hint="bob"))["username"] == "bob"


# ----- The session and its cookie ------------------------------------------------------------------------------------


def test_the_cookies_exactly(op: RunningProvider, app: RelyingParty, browser: Browser) -> None:
    """RFC 6265bis 4.1.2: HttpOnly, SameSite=Lax, gone with the browser; on loopback http without Secure."""
    parameters, _ = app.request()
    first = browser.get(op.url("/authorize"), params=parameters)
    assert re.fullmatch(
        r"creance_[0-9a-f]{8}_visit=[\w-]{43}; HttpOnly; Path=/; SameSite=Lax", first.headers["Set-Cookie"]
    )
    done = submit(browser, browser.get(first.headers["Location"]))
    device, _, session = done.headers["Set-Cookie"].partition(", ")
    assert re.fullmatch(r"creance_[0-9a-f]{8}_session=[0-9a-f]{8}-[\w-]{43}; HttpOnly; Path=/; SameSite=Lax", session)
    assert re.fullmatch(
        r"creance_[0-9a-f]{8}_device=\d+\.[\w-]{22}\.[\w-]{43}; HttpOnly; Max-Age=31536000; Path=/; SameSite=Lax",
        device,
    )
    assert session_cookie(browser) not in done.headers["Location"]
    gone = log_out(browser, op)
    removed = r'creance_[0-9a-f]{8}_session=""; expires=Thu, 01 Jan 1970 00:00:00 GMT; HttpOnly; Path=/; SameSite=Lax'
    assert re.fullmatch(removed, gone.headers["Set-Cookie"])


def test_a_planted_session_id_is_never_adopted(op: RunningProvider, app: RelyingParty, browser: Browser) -> None:
    """Session fixation: what was in the cookie before the login opens nothing after it."""
    name, planted = cookie_named(op, browser, "session"), "A" * 43
    browser.http.cookies.set(name, planted, domain="localhost.local", path="/")
    assert session_of(browser, op).status == 401
    assert "code" in answer_of(browser.follow(submit(browser, app.begin(browser))))
    fresh = [cookie.value for cookie in browser.http.cookies if cookie.name == name and cookie.value != planted]
    assert len(fresh) == 1
    assert op.get("/auth/session", cookies={name: str(fresh[0])}).status_code == 200
    assert op.get("/auth/session", cookies={name: planted}).status_code == 401


def test_every_login_gives_a_new_id(op: RunningProvider, app: RelyingParty, browser: Browser) -> None:
    """The id changes with each login, and the one before is worth nothing from then on."""
    log_in(browser, op)
    name, before = cookie_named(op, browser, "session"), session_cookie(browser)
    browser.follow(submit(browser, app.begin(browser, prompt="login")))
    assert session_cookie(browser) != before
    assert op.get("/auth/session", cookies={name: before}).status_code == 401
    assert session_of(browser, op).username == "alice"


@pytest.mark.parametrize("value", ["", "x", "A" * 43, "%00", "é", "'; DROP TABLE sessions; --"])
def test_no_such_session(op: RunningProvider, browser: Browser, value: str) -> None:
    name = cookie_named(op, browser, "session")
    response = op.get("/auth/session", headers={"Cookie": f"{name}={value}".encode()})
    assert response.status_code == 401


def test_who_logs_in_again_keeps_what_they_have(op: RunningProvider, app: RelyingParty, browser: Browser) -> None:
    """A second login of the same person is the same session to the apps: it ends nothing, and ends with it."""
    tokens = app.exchange(app.authorize(browser=browser))
    again = app.exchange(app.authorize(browser=browser, prompt="login"))
    assert app.userinfo(tokens.access_token).status == 200
    log_out(browser, op)
    assert app.userinfo(tokens.access_token).status == 401
    assert app.userinfo(again.access_token).status == 401


def test_another_person_ends_the_session_before(op: RunningProvider, app: RelyingParty, browser: Browser) -> None:
    """What alice got at this browser ends when bob logs in at it."""
    alices = app.exchange(app.authorize(browser=browser, user="alice"))
    bobs = app.exchange(app.authorize(browser=browser, user="bob", prompt="select_account"))
    assert session_of(browser, op).username == "bob"
    assert app.userinfo(alices.access_token).status == 401
    assert app.userinfo(bobs.access_token).status == 200


def test_timeouts(run_provider: RunProvider, provider_clock: ProviderClock) -> None:
    """A session ends when it is not used, and in the end also when it is; a question about it is no use."""
    settings = {
        "CREANCE_PLUGINS__SESSIONS__IDLE_TIMEOUT": "100",
        "CREANCE_PLUGINS__SESSIONS__ABSOLUTE_TIMEOUT": "200",
        "CREANCE_LIFETIMES__AUTHORIZATION_REQUEST": "100",
    }
    op = run_provider(environment=settings | provider_clock.environment)
    app, busy, idle, stale = op.client("app"), op.browser(), op.browser(), op.browser()
    page = app.begin(stale)
    log_in(idle, op)
    log_in(busy, op)
    for _ in range(4):
        direct(app, busy, prompt="none")
        session_of(idle, op)
        provider_clock.advance(35)
    assert session_of(idle, op).status == 401
    assert session_of(busy, op).status == 200
    assert asks_for_login(app.begin(idle))
    refused = submit(stale, page)
    assert (refused.status_code, LOST in refused.text) == (400, True)
    assert "Location" not in refused.headers
    direct(app, busy, prompt="none")
    provider_clock.advance(61)
    assert session_of(busy, op).status == 401
    assert answer_of(app.begin(busy, prompt="none"))["error"] == "login_required"


# ----- Logout --------------------------------------------------------------------------------------------------------


def test_logout_ends_the_session_and_its_tokens(op: RunningProvider, app: RelyingParty, browser: Browser) -> None:
    """OpenID Connect Core 11: what was given ends with the session, what has offline_access does not."""
    tokens = app.exchange(app.authorize(browser=browser))
    pending = app.authorize(browser=browser, prompt="login")
    offline = app.exchange(app.authorize(browser=browser, prompt="login", scope="openid offline_access"))
    name, cookie = cookie_named(op, browser, "session"), session_cookie(browser)
    assert browser.get(op.url("/auth/logout")).status_code == 200
    assert session_of(browser, op).status == 200
    done = log_out(browser, op)
    assert (done.status_code, done.headers["Location"]) == (303, op.url("/auth/logout"))
    assert "You are logged out" in browser.get(done.headers["Location"]).text
    assert op.get("/auth/session", cookies={name: cookie}).status_code == 401
    assert app.userinfo(tokens.access_token).status == 401
    assert app.exchange(pending).error == "invalid_grant"
    assert app.userinfo(offline.access_token).status == 200
    assert app.refresh(offline.refresh_token).status == 200
    assert asks_for_login(app.begin(browser))


def test_logout_at_one_browser_leaves_the_others(op: RunningProvider, app: RelyingParty) -> None:
    here, there = op.browser(), op.browser()
    log_in(here, op)
    tokens = app.exchange(app.authorize(browser=there))
    log_out(here, op)
    assert session_of(there, op).username == "alice"
    assert app.userinfo(tokens.access_token).status == 200


def test_logout_twice(op: RunningProvider, browser: Browser) -> None:
    log_in(browser, op)
    page = browser.get(op.url("/auth/logout"))
    for _ in range(2):
        done = browser.post(op.url("/auth/logout"), fields_of(page))
        assert (done.status_code, done.headers["Location"]) == (303, op.url("/auth/logout"))


def test_logout_without_a_session_is_a_page(op: RunningProvider, browser: Browser) -> None:
    page = browser.get(op.url("/auth/logout"))
    assert "You are logged out" in page.text
    assert "Set-Cookie" not in page.headers


# ----- Forged forms --------------------------------------------------------------------------------------------------

FOREIGN = [
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://localhost:8401"},
    {"Origin": "ISSUER.evil.example"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "nonsense"},
    {"Origin": "ISSUER", "Sec-Fetch-Site": "cross-site"},
]
OWN = [{"Origin": "ISSUER"}, {"Sec-Fetch-Site": "none"}, {"Origin": "ISSUER", "Sec-Fetch-Site": "same-origin"}, {}]


def for_issuer(headers: Mapping[str, str], op: RunningProvider) -> dict[str, str]:
    return {name: value.replace("ISSUER", op.issuer) for name, value in headers.items()}


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
def test_a_form_of_another_site_is_refused(
    op: RunningProvider, app: RelyingParty, browser: Browser, headers: dict[str, str]
) -> None:
    """Fetch Metadata 2.3, RFC 6454 7: refused even with the right token; no cookie is given, nobody is logged in."""
    refused = submit(browser, app.begin(browser), headers=for_issuer(headers, op))
    assert refused.status_code == 403
    assert "Set-Cookie" not in refused.headers
    assert "Location" not in refused.headers
    assert session_of(browser, op).status == 401
    again = html.unescape(re.findall(r'<a href="([^"]+)"', refused.text)[0])
    assert again.startswith(op.url("/auth/login?request="))
    assert "code" in answer_of(browser.follow(submit(browser, browser.get(again))))


@pytest.mark.parametrize("headers", OWN, ids=str)
def test_our_own_form_is_taken(
    op: RunningProvider, app: RelyingParty, browser: Browser, headers: dict[str, str]
) -> None:
    assert submit(browser, app.begin(browser), headers=for_issuer(headers, op)).status_code == 303


@pytest.mark.parametrize("token", [None, "", "wrong", "A" * 43, "é", "another browser's"])
def test_a_login_without_its_token_is_refused(
    op: RunningProvider, app: RelyingParty, browser: Browser, token: str | None
) -> None:
    """CSRF: missing, wrong, or made for somebody else's visit. The page lets one try again and keeps the name."""
    if token == "another browser's":
        token = fields_of(op.browser().get(op.url("/auth/login")))["csrf_token"]
    refused = submit(browser, app.begin(browser), csrf_token=token)
    assert refused.status_code == 403
    assert "Set-Cookie" not in refused.headers
    assert session_of(browser, op).status == 401
    assert fields_of(refused)["username"] == "alice"
    assert "wonderland" not in refused.text
    assert "code" in answer_of(browser.follow(submit(browser, refused)))


def test_nobody_is_logged_in_by_a_strangers_form(op: RunningProvider) -> None:
    """Login CSRF: an attacker's own token and name, sent by the browser of somebody else."""
    attacker, victim = op.browser(), op.browser()
    page = attacker.get(op.url("/auth/login"))
    victim.get(op.url("/auth/login"))
    assert submit(victim, page, "bob").status_code == 403
    assert session_of(victim, op).status == 401
    assert submit(op.browser(), page, "bob").status_code == 403


def test_a_wrong_token_is_refused_before_the_password_is_looked_at(op: RunningProvider, browser: Browser) -> None:
    """What cannot be a login costs no password hash: the answer is the same for a right and a wrong password."""
    page = browser.get(op.url("/auth/login"))
    texts = {submit(browser, page, csrf_token="x", password=word).text for word in ("wonderland", "wrong")}
    assert len(texts) == 1


@pytest.mark.parametrize("token", [None, "wrong", "another browser's"])
@pytest.mark.parametrize("headers", [{}, {"Sec-Fetch-Site": "cross-site"}])
def test_a_logout_without_its_token_is_refused(
    op: RunningProvider, browser: Browser, token: str | None, headers: dict[str, str]
) -> None:
    """Logout CSRF."""
    log_in(browser, op)
    if token == "another browser's":
        token = fields_of(op.browser().get(op.url("/auth/login")))["csrf_token"]
    form = {"csrf_token": token} if token else {}
    refused = browser.post(op.url("/auth/logout"), form, headers=headers)
    assert refused.status_code == 403
    assert "Set-Cookie" not in refused.headers
    assert session_of(browser, op).username == "alice"


def test_a_logout_by_another_site_with_the_token_is_refused(op: RunningProvider, browser: Browser) -> None:
    log_in(browser, op)
    form = fields_of(browser.get(op.url("/auth/logout")))
    assert browser.post(op.url("/auth/logout"), form, headers={"Origin": "https://evil.example"}).status_code == 403
    assert session_of(browser, op).username == "alice"


# ----- The sealed request --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cookies", [False, True], ids=["a browser without cookies", "another visit"])
def test_a_sealed_request_opens_in_its_own_browser_only(
    op: RunningProvider, app: RelyingParty, browser: Browser, cookies: bool
) -> None:
    """RFC 9700 4.7: what began in one browser does not end in another."""
    page = app.begin(browser)
    thief = op.browser()
    if cookies:
        log_in(thief, op)
    for path in ("/auth/login", "/auth/resume"):
        stolen = thief.get(op.url(path), params={"request": fields_of(page)["request"]})
        assert stolen.status_code == 400
        assert "Location" not in stolen.headers
    posted = submit(thief, page)
    assert posted.status_code == 403
    assert "Location" not in posted.headers
    if cookies:
        own = fields_of(thief.get(op.url("/auth/logout")))["csrf_token"]
        assert submit(thief, page, csrf_token=own).status_code == 400


def test_a_changed_sealed_request_does_not_open(op: RunningProvider, app: RelyingParty, browser: Browser) -> None:
    page = app.begin(browser)
    sealed = fields_of(page)["request"]
    middle = len(sealed) // 2
    flipped = sealed[:middle] + ("A" if sealed[middle] != "A" else "B") + sealed[middle + 1 :]
    for changed in (flipped, sealed[:-4], sealed + "AAAA", "x", "é", "A" * 13_000, sealed[::-1]):
        shown = browser.get(op.url("/auth/login"), params={"request": changed})
        assert (shown.status_code, "Location" in shown.headers) == (400, False)
        posted = submit(browser, page, request=changed)
        assert (posted.status_code, "Location" in posted.headers) == (400, False)
    assert session_of(browser, op).status == 401
    assert submit(browser, page).status_code == 303


def test_a_sealed_request_of_another_provider_does_not_open(
    op: RunningProvider, run_provider: RunProvider, browser: Browser
) -> None:
    """Sealed requests are bound to the issuer: two providers on one host do not take each other's."""
    other = run_provider()
    visitor = other.browser()
    visitor.http = browser.http
    page = other.client("app").begin(visitor)
    assert asks_for_login(page)
    shown = browser.get(op.url("/auth/login"), params={"request": fields_of(page)["request"]})
    assert shown.status_code == 400


# ----- Never anywhere else -------------------------------------------------------------------------------------------

ELSEWHERE = ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", "http:evil.example"]
NAMES = ["request", "next", "redirect", "redirect_uri", "return_to", "continue", "url", "target", "login_hint", "state"]


@pytest.mark.parametrize("name", NAMES)
def test_no_parameter_leads_anywhere(op: RunningProvider, browser: Browser, name: str) -> None:
    """RFC 9700 4.11: no open redirect, by no parameter, before or after a login."""
    for place in ELSEWHERE:
        for path in ("/auth/login", "/auth/logout", "/auth/resume", "/auth/session"):
            assert "Location" not in browser.get(op.url(path), params={name: place}).headers
        page = op.browser().get(op.url("/auth/login"), params={} if name == "request" else {name: place})
        assert place not in page.text
        visitor = op.browser()
        page = visitor.get(op.url("/auth/login"))
        answer = submit(visitor, page, "alice", **{name: place})
        assert answer.headers.get("Location") in (None, op.url("/auth/login"))


@pytest.mark.parametrize("header", ["X-Forwarded-Host", "X-Forwarded-Proto", "Forwarded", "X-Original-URL", "Host"])
def test_no_header_leads_anywhere(op: RunningProvider, app: RelyingParty, browser: Browser, header: str) -> None:
    """URLs come from the issuer, never from what a request says of its host."""
    headers = {header: "evil.example"}
    parameters, _ = app.request()
    to_login = browser.get(op.url("/authorize"), params=parameters, headers=headers)
    assert to_login.headers["Location"].startswith(op.url("/auth/login?"))
    page = browser.get(to_login.headers["Location"], headers=headers)
    assert "evil.example" not in page.text
    assert "evil.example" not in page.headers["Content-Security-Policy"]
    onward = submit(browser, page, headers=headers)
    assert onward.headers["Location"].startswith(op.url("/auth/resume?"))


# ----- What is shown -------------------------------------------------------------------------------------------------

INJECTION = "\"><script>alert(1)</script>{{7*7}}{% raw %}'`<b>"


def test_what_others_wrote_stays_text(run_provider: RunProvider) -> None:
    """Injection: by a client's name, by login_hint and by what was typed; in the page and in its attributes."""
    extra = f"""
[[clients]]
client_id = "odd"
client_secret = "odd-secret"
client_name = {json.dumps(INJECTION)}
redirect_uris = ["http://localhost:8401/callback"]
"""
    op = run_provider(extra=extra)
    browser, app = op.browser(), op.client("odd", secret="odd-secret")
    page = app.begin(browser, login_hint=INJECTION)
    failed = submit(browser, page, INJECTION, password=INJECTION)
    for shown in (page, failed):
        assert shown.status_code == 200
        assert fields_of(shown)["username"] == INJECTION
        assert "<script>" not in shown.text
        assert "<b>" not in shown.text
        assert "{{7*7}}" in shown.text
        assert html.escape(INJECTION, quote=False).partition("{{")[0] in shown.text.replace("&#34;", '"')


def test_every_page_has_its_headers(op: RunningProvider, app: RelyingParty, browser: Browser) -> None:
    """No frames, no scripts, nothing from elsewhere, nothing kept; forms lead to us, and for a login on to the app."""
    own = (
        "default-src 'none'; style-src 'self'; img-src 'self' data:; base-uri 'none'; frame-ancestors 'none'; "
        "form-action 'self'"
    )
    onward = "http://localhost:8401 https: http://localhost:* http://127.0.0.1:*"
    login = app.begin(browser)
    pages = {
        "login": (login, f"{own} {onward}"),
        "failed": (submit(browser, login, password="x"), f"{own} {onward}"),
        "refused": (submit(browser, login, csrf_token="x"), f"{own} {onward}"),
        "foreign": (submit(browser, login, headers={"Origin": "null"}), own),
        "lost": (browser.get(op.url("/auth/login?request=x")), own),
        "plain": (browser.get(op.url("/auth/login")), own),
        "logged out": (browser.get(op.url("/auth/logout")), own),
    }
    log_in(browser, op)
    pages["logged in"] = (browser.get(op.url("/auth/login")), own)
    pages["logout"] = (browser.get(op.url("/auth/logout")), own)
    for name, (page, policy) in pages.items():
        assert page.headers["Content-Security-Policy"] == policy, name
        assert page.headers["Cache-Control"] == "no-store", name
        assert page.headers["Referrer-Policy"] == "same-origin", name
        assert page.headers["X-Content-Type-Options"] == "nosniff", name
        assert page.headers["Content-Type"] == "text/html; charset=utf-8", name


def test_the_login_page_for_everybody(app: RelyingParty, browser: Browser) -> None:
    """WCAG 2.2 1.3.5, 3.3.2, 3.3.8: labels, and fields that password managers know."""
    text = app.begin(browser).text
    for name, purpose in (("username", "username"), ("password", "current-password")):
        assert f'<label for="{name}">' in text
        assert re.search(rf'<input id="{name}" name="{name}"[^>]* autocomplete="{purpose}"', text)
    assert text.count("autofocus") == 1
    assert '<html lang="en">' in text
    assert "<script" not in text


def test_a_private_use_scheme_is_named(run_provider: RunProvider) -> None:
    """RFC 8252 7.1: an app on the device has no host; its scheme is shown and may be led to."""
    extra = """
[[clients]]
client_id = "phone"
application_type = "native"
token_endpoint_auth_method = "none"
redirect_uris = ["com.example.phone:/callback", "http://127.0.0.1/callback"]
"""
    op = run_provider(extra=extra)
    browser, app = op.browser(), op.client("phone", redirect_uri="com.example.phone:/callback")
    page = app.begin(browser)
    assert '<bdi class="place">com.example.phone</bdi>' in page.text
    onward = "https: http://localhost:* http://127.0.0.1:*"
    assert page.headers["Content-Security-Policy"].endswith(f"form-action 'self' com.example.phone: {onward}")
    back = browser.follow(submit(browser, page))
    assert back.headers["Location"].startswith("com.example.phone:/callback?code=")
    loopback = op.client("phone", redirect_uri="http://127.0.0.1:51423/callback").begin(op.browser())
    assert '<bdi class="place">127.0.0.1:51423</bdi>' in loopback.text


def test_every_answer_is_described(op: RunningProvider, app: RelyingParty, browser: Browser) -> None:
    """/openapi.json knows the statuses that the tests above have seen."""
    paths = op.get("/openapi.json").json()["paths"]
    expected = {
        ("/auth/login", "get"): {200, 303, 400, 414},
        ("/auth/login", "post"): {200, 303, 400, 403, 408, 411, 413, 415, 503},
        ("/auth/logout", "get"): {200},
        ("/auth/logout", "post"): {303, 400, 403, 408, 411, 413, 415},
        ("/auth/session", "get"): {200, 401},
    }
    for (path, method), statuses in expected.items():
        assert statuses <= {int(status) for status in paths[path][method]["responses"]}
    assert browser.get(op.url("/auth/login?" + "a" * 17_000)).status_code == 414


# ----- Tabs, buttons, and impatience ---------------------------------------------------------------------------------


def test_two_tabs_each_end_at_their_own_app(op: RunningProvider, browser: Browser) -> None:
    """RFC 9700 4.7: what one tab asked is not answered in the other; the second needs no password any more."""
    app, spa = op.client("app"), op.client("spa")
    first, second = app.begin(browser, state="first"), spa.begin(browser, state="second")
    back = browser.follow(submit(browser, second))
    assert back.headers["Location"].startswith("http://localhost:8402/callback?")
    assert dict(parse_qsl(urlsplit(back.headers["Location"]).query))["state"] == "second"
    assert answer_of(browser.follow(submit(browser, first)))["state"] == "first"
    third = app.begin(browser, state="third")
    assert answer_of(third)["state"] == "third"


def test_a_stale_tab_goes_straight_on(op: RunningProvider, app: RelyingParty, browser: Browser) -> None:
    """A login page that is loaded again, or reached by the back button, after the login: on to the app."""
    page = app.begin(browser, state="again")
    browser.follow(submit(browser, page))
    stale = browser.get(page.url)
    assert stale.status_code == 303
    assert stale.headers["Location"].startswith(op.url("/auth/resume?request="))
    assert answer_of(browser.follow(stale))["state"] == "again"


def test_back_to_a_fresh_login_goes_straight_on_too(app: RelyingParty, browser: Browser) -> None:
    """prompt=login is fulfilled by the login that it led to; it is not asked for a second time."""
    page = app.begin(browser, prompt="login")
    browser.follow(submit(browser, page))
    assert "code" in answer_of(browser.follow(browser.get(page.url)))


def test_a_second_submit_ends_like_the_first(op: RunningProvider, app: RelyingParty, browser: Browser) -> None:
    page = app.begin(browser, state="twice")
    for _ in range(2):
        assert answer_of(browser.follow(submit(browser, page)))["state"] == "twice"
    assert session_of(browser, op).username == "alice"


def test_submits_at_the_same_moment(op: RunningProvider, app: RelyingParty, browser: Browser) -> None:
    """An impatient person: each click is a login, or told to wait; the browser ends with one that works."""
    page = app.begin(browser)
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: submit(browser, page).status_code, range(4)))
    assert set(answers) <= {303, 503}
    assert 303 in answers
    assert session_of(browser, op).username == "alice"


def test_another_tab_logged_out_meanwhile(op: RunningProvider, app: RelyingParty, browser: Browser) -> None:
    """Between login and the way on the session ended: the person is asked again, and nobody gets a code."""
    onward = submit(browser, app.begin(browser))
    log_out(browser, op)
    assert asks_for_login(browser.follow(onward))


# ----- Nothing said --------------------------------------------------------------------------------------------------


def test_nothing_typed_is_logged(run_provider: RunProvider) -> None:
    """Neither what was typed as a name (it may be a password), nor passwords, session ids or tokens."""
    op = run_provider()
    browser, app = op.browser(), op.client("app")
    page = app.begin(browser, login_hint="hinted-7f3a")
    submit(browser, page, "typed-7f3a", password="secret-7f3a")
    browser.follow(submit(browser, page))
    log = json.dumps(op.log_lines())
    assert "/auth/login" in log
    for said in ("7f3a", "wonderland", session_cookie(browser), *fields_of(page).values()):
        if said:
            assert said not in log
    failed = [line for line in op.log_lines() if line.get("error") == "login_failed"]
    assert [(line["outcome"], line["client_id"]) for line in failed] == [("refused", "app")]
