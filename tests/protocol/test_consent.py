"""Consent over HTTP: OpenID Connect Core 3.1.2.1, 3.1.2.4, 5.4, 5.5, 11; RFC 6749 4.1.2.1, 10.13; RFC 9700 4.16."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from creance.provider.testing import Answer, AuthorizationAnswer, Browser, RelyingParty, RunningProvider, forms_of

from ..consent_form import ConsentForm, asks_for_consent

RunProvider = Callable[..., RunningProvider]
MakeParty = Callable[..., RelyingParty]

CALLBACK = "http://localhost:8403/callback"
HOSTILE_NAME = "<script>alert(1)</script>\u202e{{ 7919 * 7907 }}\"'>"
SCOPE = "openid profile email phone groups read offline_access"
HOW_MANY = 60

CLIENT = """
[[clients]]
client_id = "{client_id}"
client_name = {name}
client_secret = "secret"
redirect_uris = ["http://localhost:8403/callback"]
grant_types = ["authorization_code", "refresh_token"]
scope = "{scope}"
first_party = false
"""


def client(client_id: str, name: str = "Somebody's app", scope: str = SCOPE) -> str:
    return CLIENT.format(client_id=client_id, name=json.dumps(name), scope=scope)


@pytest.fixture(scope="module")
def op(run_provider: RunProvider) -> RunningProvider:
    """Many third-party clients: each test has one that nobody has decided about."""
    clients = [client(f"third-{number}") for number in range(HOW_MANY)]
    clients.append(client("hostile", HOSTILE_NAME))
    clients.append(client("needy") + '[clients.plugins.consent]\nrequired_scope = "email read"\n')
    return run_provider(
        extra="".join(clients),
        environment={
            "CREANCE_EXTRA_SCOPES": '{"groups": ["groups"], "read": []}',
            "CREANCE_PLUGINS__CONSENT__DESCRIPTIONS": '{"groups": "The groups that you are in"}',
        },
    )


@pytest.fixture(scope="module")
def numbers() -> Iterator[int]:
    return iter(range(HOW_MANY))


@pytest.fixture
def app(op: RunningProvider, numbers: Iterator[int]) -> RelyingParty:
    return party(op, f"third-{next(numbers)}")


@pytest.fixture
def browser(op: RunningProvider) -> Browser:
    return op.browser()


def party(op: RunningProvider, client_id: str, scope: str = "openid profile email") -> RelyingParty:
    return op.client(client_id, secret="secret", redirect_uri=CALLBACK, scope=scope)


@dataclass
class Visit:
    """A person on the way: where a request of the app has brought them."""

    app: RelyingParty
    browser: Browser
    at: requests.Response
    verifier: str
    nonce: str | None

    @property
    def form(self) -> ConsentForm:
        assert asks_for_consent(self.at), (self.at.status_code, self.at.headers.get("Location"), self.at.text[:500])
        return ConsentForm(self.at)

    def press(self, decision: str = "allow", form: ConsentForm | None = None) -> AuthorizationAnswer:
        """What the app is told when the person presses this button."""
        return self.told((form or self.form).press(self.browser, decision))

    def told(self, response: requests.Response | None = None) -> AuthorizationAnswer:
        """What the app is told by the redirect that leaves the provider."""
        location = (response if response is not None else self.at).headers.get("Location", "")
        assert location.startswith(CALLBACK), location or "a page"
        return AuthorizationAnswer(location, self.verifier, self.nonce, CALLBACK)

    def tokens(self, form: ConsentForm | None = None) -> Answer:
        return self.app.exchange(self.press(form=form))


def visit(app: RelyingParty, browser: Browser, user: str = "alice", **changes: str | None) -> Visit:
    """The app sends a person to the provider; they log in if they are asked to."""
    parameters, verifier = app.request(**changes)
    page = browser.follow(browser.get(app.metadata["authorization_endpoint"], params=parameters))
    if 'name="password"' in page.text:
        page = browser.log_in(page, user)
    return Visit(app, browser, page, verifier, parameters.get("nonce"))


def claims(**asked: Any) -> str:
    return json.dumps({"userinfo": asked})


# ----- What the page says --------------------------------------------------------------------------------------------


def test_the_page_says_who_asks_for_what(app: RelyingParty, browser: Browser) -> None:
    """OpenID Connect Core 3.1.2.4, RFC 9700 4.16: who asks, for what in words, and where the person goes then."""
    asked = visit(app, browser, scope=SCOPE, claims=claims(birthdate={"essential": True}))
    page = asked.at.text
    assert '<bdi class="app">Somebody&#39;s app</bdi> asks for the following.' in page
    assert '<bdi class="place">localhost:8403</bdi>' in page
    assert 'You are logged in as <bdi class="app">alice</bdi>' in page
    for words in ("Know who you are", "Your profile", "Your e-mail address", "Your phone number"):
        assert words in page
    assert "The groups that you are in" in page
    assert "What the app calls <code>read</code>" in page
    assert "Keep this access while you are away" in page
    for value in ("Alice Liddell", "alice@example.org", "+44 20 7946 0001"):
        assert f"<bdi>{value}</bdi>" in page
    assert f'<a href="{app.issuer}/account">your account</a>' in page  # where it is taken back
    assert list(asked.form.boxes) == [f"scope.{word}" for word in SCOPE.split()[1:]]  # birthdate is in profile


def test_single_claims_are_asked_for_by_name(app: RelyingParty, browser: Browser) -> None:
    """OpenID Connect Core 5.5: what no scope of the request gives is an item of its own, with its value; `*_verified`
    goes with what it is about; what is the protocol's own is none.
    """
    names = dict.fromkeys(("name#de", "email", "email_verified", "birthdate", "auth_time"))
    asked = visit(app, browser, scope="openid phone", claims=claims(**names | {"birthdate": {"essential": True}}))
    assert list(asked.form.boxes) == ["scope.phone", "claim.name", "claim.birthdate", "claim.email"]
    page = asked.at.text
    assert "Date of birth" in page
    assert "<bdi>1852-05-04</bdi>" in page
    assert page.count("The app says that it needs this.") == 1


def test_what_is_not_known_of_a_person_is_said_to_be_unknown(app: RelyingParty, browser: Browser) -> None:
    """OpenID Connect Core 3.1.2.4: consent is for what may be known later, too."""
    assert "Nothing of this is known here yet." in visit(app, browser, scope="openid groups").at.text


def test_plain_oauth_says_nothing_of_who_you_are(app: RelyingParty, browser: Browser) -> None:
    """RFC 6749 3.3: only what is asked for is said to be asked for."""
    assert "Know who you are" not in visit(app, browser, scope="read").at.text


@pytest.mark.parametrize("how", ["ui_locales", "Accept-Language"])
def test_the_page_speaks_german(app: RelyingParty, browser: Browser, how: str) -> None:
    """OpenID Connect Core 3.1.2.1: ui_locales; RFC 9110 12.5.4 without them."""
    changes = {"ui_locales": "de"} if how == "ui_locales" else {}
    if not changes:
        browser.http.headers["Accept-Language"] = "de-AT, en;q=0.5"
    page = visit(app, browser, **changes).at
    assert "Zugriff erlauben?" in page.text
    assert "Ablehnen" in page.text
    assert page.headers["Content-Language"] == "de"


def test_what_an_app_calls_itself_is_only_text(op: RunningProvider, browser: Browser) -> None:
    """OWASP XSS, template injection: a client's name is escaped, isolated (bidi), and never rendered."""
    page = visit(party(op, "hostile"), browser).at.text
    assert "<script" not in page
    assert "62615533" not in page
    assert '<bdi class="app">&lt;script&gt;alert(1)&lt;/script&gt;\u202e{{ 7919 * 7907 }}&#34;&#39;&gt;</bdi>' in page


def test_the_page_cannot_be_framed_or_kept(app: RelyingParty, browser: Browser) -> None:
    """RFC 6749 10.13, RFC 9700 4.16: clickjacking; and what is shown is the person's own."""
    headers = visit(app, browser).at.headers
    policy = headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in policy
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert headers["Cache-Control"] == "no-store"
    assert headers["Referrer-Policy"] == "same-origin"


def test_both_answers_look_the_same(app: RelyingParty, browser: Browser) -> None:
    """GDPR 4 (11), EDPB Guidelines 05/2020: to refuse is as easy as to agree."""
    page = visit(app, browser).at.text
    allow, deny = (f'<button type="submit" name="decision" value="{value}">' for value in ("allow", "deny"))
    assert allow in page
    assert deny in page


# ----- Allow, a part of it, or nothing -------------------------------------------------------------------------------


def test_what_is_allowed_is_granted(app: RelyingParty, browser: Browser) -> None:
    """OpenID Connect Core 3.1.2.4: all that is ticked; the tokens give what the page said."""
    asked = visit(app, browser)
    assert asked.form.boxes == {"scope.profile": True, "scope.email": True}
    tokens = asked.tokens()
    assert tokens.scope == "openid profile email"
    person = app.userinfo(tokens.access_token)
    assert (person["name"], person["email"]) == ("Alice Liddell", "alice@example.org")


def test_a_part_can_be_refused(app: RelyingParty, browser: Browser) -> None:
    """RFC 6749 3.3, 5.1: the token response says the scope that was granted; userinfo and ID token have less."""
    asked = visit(app, browser)
    tokens = asked.tokens(asked.form.untick("scope.email"))
    assert tokens.scope == "openid profile"
    person = app.userinfo(tokens.access_token)
    assert person["name"] == "Alice Liddell"
    assert not {"email", "email_verified"} & set(person)
    assert not {"email", "email_verified"} & set(app.verify(tokens.id_token))


def test_all_that_is_optional_can_be_refused(app: RelyingParty, browser: Browser) -> None:
    """OpenID Connect Core 5.4: what is left is who it is."""
    asked = visit(app, browser)
    tokens = asked.tokens(asked.form.untick("scope.email", "scope.profile"))
    assert tokens.scope == "openid"
    assert set(app.userinfo(tokens.access_token)) == {"sub"}


def test_a_single_claim_can_be_refused(app: RelyingParty, browser: Browser) -> None:
    """OpenID Connect Core 5.5.1: an essential claim that is not allowed is left out; it is no error."""
    single = claims(birthdate={"essential": True}, zoneinfo=None)
    asked = visit(app, browser, scope="openid email", claims=single)
    tokens = asked.tokens(asked.form.untick("claim.birthdate"))
    assert set(app.userinfo(tokens.access_token)) == {"sub", "email", "email_verified", "zoneinfo"}


def test_a_claim_is_not_given_under_another_name(app: RelyingParty, browser: Browser) -> None:
    """OpenID Connect Core 5.5: who refuses a scope refuses its claims, also where they are asked for one by one, and in
    the ID token.
    """
    single = json.dumps({"userinfo": {"email": None}, "id_token": {"email": None, "phone_number": None}})
    asked = visit(app, browser, scope="openid email", claims=single)
    assert asked.form.boxes == {"scope.email": True, "claim.phone_number": True}
    tokens = asked.tokens(asked.form.untick("scope.email"))
    assert "email" not in app.userinfo(tokens.access_token)
    id_token = app.verify(tokens.id_token)
    assert "email" not in id_token
    assert id_token["phone_number"] == "+44 20 7946 0001"


def test_denial(app: RelyingParty, browser: Browser) -> None:
    """RFC 6749 4.1.2.1, OpenID Connect Core 3.1.2.6: access_denied with the state; next time it is asked again."""
    parameters, verifier = app.request(state="the app's own")
    page = browser.log_in(browser.follow(browser.get("/authorize", params=parameters)), "alice")
    answer = Visit(app, browser, page, verifier, None).press("deny")
    assert (answer.error, answer.state) == ("access_denied", "the app's own")
    assert "code" not in answer
    assert asks_for_consent(visit(app, browser).at)
    assert visit(app, browser, prompt="none").told().error == "consent_required"


@pytest.mark.parametrize("ticked", [False, True])
def test_offline_access_only_where_it_is_allowed(app: RelyingParty, browser: Browser, ticked: bool) -> None:
    """OpenID Connect Core 11: never without consent; not ticked beforehand (CJEU C-673/17, Planet49)."""
    asked = visit(app, browser, scope="openid offline_access")
    assert asked.form.boxes == {"scope.offline_access": False}
    tokens = asked.tokens(asked.form.tick("scope.offline_access") if ticked else None)
    assert (tokens.scope == "openid offline_access") is ticked
    assert ("refresh_token" in tokens) is ticked


def test_what_an_app_cannot_do_without_has_no_box(op: RunningProvider, browser: Browser) -> None:
    """Issue, Consent: required by the operator's word, never by the app's; it is said all the same."""
    asked = visit(party(op, "needy"), browser, scope="openid profile email read")
    assert asked.form.boxes == {"scope.profile": True}
    assert "Your e-mail address" in asked.at.text
    assert asked.tokens(asked.form.untick("scope.profile")).scope == "openid email read"


def test_nothing_at_all_is_no_consent(app: RelyingParty, browser: Browser) -> None:
    """RFC 6749 3.3: no token without a scope: the page says what to do, and nothing is ticked for them."""
    asked = visit(app, browser, scope="email read")
    again = asked.form.untick("scope.email", "scope.read").press(browser)
    assert again.status_code == 200
    assert 'role="alert" id="problem">Nothing is ticked.' in again.text
    asked.at = again
    assert asked.form.boxes == {"scope.email": False, "scope.read": False}
    assert asked.tokens(asked.form.tick("scope.read")).scope == "read"


@pytest.mark.parametrize("decision", [None, "", "Allow", "yes"])
def test_only_the_buttons_of_the_page_decide(app: RelyingParty, browser: Browser, decision: str | None) -> None:
    """Secure by default: what is not said to be allowed is not."""
    form = visit(app, browser).form
    sent = {**form.sent("allow"), "decision": decision}
    response = browser.post(form.action, {name: value for name, value in sent.items() if value is not None})
    assert response.status_code == 400
    assert asks_for_consent(visit(app, browser).at)


# ----- Remembered, and asked again -----------------------------------------------------------------------------------


def test_the_same_is_asked_once(app: RelyingParty, browser: Browser, op: RunningProvider) -> None:
    """OpenID Connect Core 3.1.2.4: at any browser, for the same or less; prompt=none is answered too."""
    visit(app, browser).tokens()
    assert visit(app, browser).told().code
    assert visit(app, browser, scope="openid email").told().code
    assert visit(app, browser, scope="openid", claims=claims(email=None)).told().code
    assert visit(app, browser, prompt="none").told().code
    assert visit(app, op.browser()).told().code


def test_it_is_remembered_for_one_person_and_one_app(
    app: RelyingParty, op: RunningProvider, numbers: Iterator[int], browser: Browser
) -> None:
    """Issue, Consent: per user and client."""
    visit(app, browser).tokens()
    assert asks_for_consent(visit(app, op.browser(), "bob").at)
    assert asks_for_consent(visit(party(op, f"third-{next(numbers)}"), browser).at)


@pytest.mark.parametrize(
    "more", [{"scope": "openid profile email phone"}, {"claims": claims(phone_number=None)}], ids=["scope", "claim"]
)
def test_more_is_asked_again(app: RelyingParty, browser: Browser, more: dict[str, str]) -> None:
    """Issue, Consent: the page shows all, as the person decided it before; then the more is remembered too."""
    first = visit(app, browser)
    first.tokens(first.form.untick("scope.profile"))
    assert visit(app, browser, prompt="none", **more).told().error == "consent_required"
    asked = visit(app, browser, **more)
    assert asked.form.boxes.pop("scope.profile") is False
    asked.tokens()
    assert visit(app, browser, **more).told().code


def test_what_was_refused_is_not_asked_each_time(app: RelyingParty, browser: Browser) -> None:
    """Issue, Consent: no wearing people down: what was refused stays refused until the app says prompt=consent."""
    first = visit(app, browser)
    first.tokens(first.form.untick("scope.email"))
    assert app.exchange(visit(app, browser).told()).scope == "openid profile"
    asked = visit(app, browser, prompt="consent")
    assert asked.form.boxes == {"scope.profile": True, "scope.email": False}
    assert asked.tokens(asked.form.tick("scope.email")).scope == "openid profile email"
    assert app.exchange(visit(app, browser).told()).scope == "openid profile email"


def test_nothing_but_what_was_refused_is_asked_again(app: RelyingParty, browser: Browser) -> None:
    """RFC 6749 3.3: there would be nothing to give."""
    first = visit(app, browser, scope="read email")
    first.tokens(first.form.untick("scope.email"))
    assert asks_for_consent(visit(app, browser, scope="email").at)


# ----- prompt --------------------------------------------------------------------------------------------------------


def test_prompt_none_never_shows_the_page(app: RelyingParty, browser: Browser, op: RunningProvider) -> None:
    """OpenID Connect Core 3.1.2.1, 3.1.2.6: consent_required by redirect; a mere question leaves no cookie."""
    browser.log_in(browser.get("/auth/login"), "alice")
    parameters, _ = app.request(prompt="none")
    response = browser.get(op.url("/authorize"), params=parameters)
    assert response.status_code == 303
    answer = parse_qs(urlsplit(response.headers["Location"]).query)
    assert (answer["error"], answer["state"]) == (["consent_required"], [parameters["state"]])
    assert "Set-Cookie" not in response.headers


def test_prompt_consent_always_asks(app: RelyingParty, browser: Browser) -> None:
    """OpenID Connect Core 3.1.2.1: whatever was allowed before; and once is enough."""
    visit(app, browser).tokens()
    for _ in range(2):
        assert visit(app, browser, prompt="consent").tokens().scope == "openid profile email"


def test_the_operators_own_apps(op: RunningProvider, browser: Browser) -> None:
    """OpenID Connect Core 3.1.2.1: not asked for, save by prompt=consent, and then anew each time."""
    app = op.client("app", redirect_uri="http://localhost:8401/callback", scope="openid email offline_access")
    assert app.authorize(browser=browser).code
    for _ in range(2):
        parameters, verifier = app.request(prompt="consent")
        page = browser.follow(browser.get("/authorize", params=parameters))
        form = ConsentForm(page)
        assert form.boxes == {"scope.email": True, "scope.offline_access": True}
        assert "not asked again" not in page.text
        location = form.untick("scope.email").press(browser).headers["Location"]
        answer = AuthorizationAnswer(location, verifier, parameters["nonce"], app.redirect_uri)
        assert app.exchange(answer).scope == "openid offline_access"
    assert app.exchange(app.authorize(browser=browser)).scope == "openid email offline_access"


def test_login_and_consent_in_one(app: RelyingParty, browser: Browser) -> None:
    """OpenID Connect Core 3.1.2.1: prompt="login consent": each page once, the login first."""
    visit(app, browser).tokens()
    page = app.begin(browser, prompt="login consent")
    assert 'name="password"' in page.text
    asked = browser.log_in(page, "alice")
    assert asks_for_consent(asked)
    assert "code=" in ConsentForm(asked).press(browser).headers["Location"]


def test_discovery_offers_prompt_consent(app: RelyingParty) -> None:
    """Initiating User Registration 1.0, 4.2 (prompt_values_supported): only what is there."""
    assert "consent" in app.metadata["prompt_values_supported"]


# ----- Another person, another session, another browser --------------------------------------------------------------


def log_in_elsewhere(browser: Browser, user: str) -> None:
    """In another tab of the same browser: log out, and somebody logs in."""
    page = browser.get("/auth/logout")
    action, fields = forms_of(page.text)[0]
    assert browser.post(action, fields).status_code == 303
    assert browser.log_in(browser.get("/auth/login"), user).status_code == 200


def test_another_person_between_page_and_answer(app: RelyingParty, browser: Browser, op: RunningProvider) -> None:
    """Issue, Consent: a decision is that of who was asked: the other one is asked anew, and nothing is remembered."""
    asked = visit(app, browser)
    form = asked.form
    log_in_elsewhere(browser, "bob")
    asked.at = browser.follow(form.press(browser))
    assert 'You are logged in as <bdi class="app">bob</bdi>' in asked.at.text
    assert "bob@example.org" in asked.at.text
    assert asks_for_consent(visit(app, op.browser(), "alice").at)
    tokens = asked.tokens()
    assert app.userinfo(tokens.access_token)["email"] == "bob@example.org"


@pytest.mark.parametrize("decision", ["allow", "deny"])
def test_another_session_of_the_same_person(app: RelyingParty, browser: Browser, decision: str) -> None:
    """Issue, Consent: a decision is bound to the session that it was made in."""
    form = visit(app, browser).form
    log_in_elsewhere(browser, "alice")
    assert asks_for_consent(browser.follow(form.press(browser, decision)))


def test_another_person_is_not_shown_what_is_somebody_elses(app: RelyingParty, browser: Browser) -> None:
    """Issue, Consent: the page from the history shows whoever is there now what is theirs, after a login."""
    first = visit(app, browser).at
    log_in_elsewhere(browser, "bob")
    moved = browser.get(first.url)
    assert moved.status_code == 303
    assert "alice" not in moved.text
    page = browser.follow(moved).text
    assert "bob@example.org" in page
    assert "alice" not in page
    action, fields = forms_of(browser.get("/auth/logout").text)[0]
    browser.post(action, fields)
    assert 'name="password"' in browser.follow(browser.get(first.url)).text


def test_the_session_ends_between_page_and_answer(app: RelyingParty, browser: Browser) -> None:
    """OpenID Connect Core 3.1.2.3: login first; what was decided in the session before is asked again."""
    form = visit(app, browser).form
    action, fields = forms_of(browser.get("/auth/logout").text)[0]
    browser.post(action, fields)
    page = browser.follow(form.press(browser))
    assert 'name="password"' in page.text
    assert asks_for_consent(browser.log_in(page, "alice"))


def test_a_login_after_the_answer_keeps_no_decision(app: RelyingParty, browser: Browser) -> None:
    """docs/consent.md, What it withstands: a remembered browser whose login is not enough is asked anew after it. The
    decision would be in the URLs of the login, and could be had again from there when it was taken back.
    """
    parameters, _ = app.request(max_age="1000")
    page = browser.follow(browser.get(app.metadata["authorization_endpoint"], params=parameters))
    action, fields = forms_of(page.text)[0]
    typed = {"username": "alice", "password": "wonderland", "remember": "yes"}
    form = ConsentForm(browser.follow(browser.post(action, fields | typed)))
    session = next(cookie for cookie in browser.http.cookies if cookie.name.endswith("_session"))
    browser.http.cookies.clear(session.domain, session.path, session.name)
    login = browser.follow(form.press(browser))
    assert 'name="password"' in login.text
    assert asks_for_consent(browser.log_in(login, "alice"))


def test_a_page_of_another_browser(app: RelyingParty, browser: Browser, op: RunningProvider) -> None:
    """Issue, Attack tests: a sealed request is replayed by another browser, where the same person is logged in."""
    asked = visit(app, browser)
    other = op.browser()
    visit(app, other)
    assert other.get(asked.at.url).status_code == 400
    mine = ConsentForm(visit(app, other).at)
    mixed = mine.sent("allow") | {"request": asked.form.fields["request"]}
    assert other.post(mine.action, mixed).status_code == 403
    assert other.post(asked.form.action, asked.form.sent("allow")).status_code == 403
    assert asks_for_consent(visit(app, browser).at)


def test_the_sealed_request_holds_no_decision(app: RelyingParty, browser: Browser) -> None:
    """Issue, Consent: going on without an answer is no answer: the page is shown again."""
    sealed = visit(app, browser).form.fields["request"]
    assert asks_for_consent(browser.follow(browser.get("/auth/resume", params={"request": sealed})))


def test_somebody_else_can_log_in(app: RelyingParty, browser: Browser) -> None:
    """Issue, Consent: "Not you?" leads to the login, and the request goes on with who logs in there."""
    asked = visit(app, browser, login_hint="carol", prompt="consent")
    page = browser.follow(asked.form.press(browser, "somebody_else"))
    assert 'name="password"' in page.text
    assert "carol" not in page.text  # whom the app expects is not who wants to log in
    asked.at = browser.log_in(page, "bob")
    assert 'You are logged in as <bdi class="app">bob</bdi>' in asked.at.text
    assert app.userinfo(asked.tokens().access_token)["email"] == "bob@example.org"


# ----- Forged, tampered, repeated ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://attacker.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
    ids=str,
)
def test_a_form_of_another_site(app: RelyingParty, browser: Browser, headers: dict[str, str]) -> None:
    """RFC 6749 10.12, Fetch Metadata: nobody consents by visiting another page; the way to ours is offered."""
    form = visit(app, browser).form
    for data in (form.sent("allow"), {"decision": "allow"}):
        refused = browser.post(form.action, data, headers=headers)
        assert refused.status_code == 403
        assert "Location" not in refused.headers
    assert asks_for_consent(visit(app, browser).at)


@pytest.mark.parametrize("token", [None, "", "x" * 43, "of another tab"])
def test_a_forged_token(app: RelyingParty, browser: Browser, token: str | None) -> None:
    """RFC 6749 10.12: the token of a form is for its own request only."""
    form = visit(app, browser).form
    if token == "of another tab":
        token = visit(app, browser, scope="openid phone").form.fields["csrf_token"]
    sent = {**form.sent("allow"), "csrf_token": token}
    refused = browser.post(form.action, {name: value for name, value in sent.items() if value is not None})
    assert refused.status_code == 403
    again = browser.get(forms_or_links(refused))
    assert asks_for_consent(again)


def forms_or_links(page: requests.Response) -> str:
    """The way that a page of refusal offers."""
    return page.text.split('<a href="')[1].split('"')[0].replace("&amp;", "&")


@pytest.mark.parametrize(
    "box", ["scope.phone", "scope.admin", "scope.openid", "claim.birthdate", "claim.sub", "scope."]
)
def test_boxes_that_were_not_there(app: RelyingParty, browser: Browser, box: str) -> None:
    """RFC 6749 3.3: nothing that the form says grants more than was asked."""
    asked = visit(app, browser, scope="openid email")
    sent = {**asked.form.sent("allow"), box: "yes", "scope": "openid phone", "claims": claims(birthdate=None)}
    tokens = app.exchange(asked.told(browser.post(asked.form.action, sent)))
    assert tokens.scope == "openid email"
    assert set(app.userinfo(tokens.access_token)) == {"sub", "email", "email_verified"}
    assert asks_for_consent(visit(app, browser, scope="openid email phone").at)


def test_a_double_submit(app: RelyingParty, browser: Browser) -> None:
    """How it is shown, double submit: each is answered, and either code is good."""
    asked = visit(app, browser)
    form = asked.form
    answers = [asked.press(form=form) for _ in range(2)]
    assert answers[0].code != answers[1].code
    assert all(app.exchange(answer).status == 200 for answer in answers)


def test_the_back_button(app: RelyingParty, browser: Browser) -> None:
    """How it is shown, back button: who comes back and changes their mind is not taken by their first word."""
    asked = visit(app, browser)
    assert asked.press().code
    assert asks_for_consent(browser.get(asked.at.url))
    assert asked.press("deny").error == "access_denied"
    assert asks_for_consent(visit(app, browser).at)


def test_two_tabs(app: RelyingParty, browser: Browser) -> None:
    """How it is shown, two tabs: each page answers its own request."""
    one, other = visit(app, browser, scope="openid email"), visit(app, browser, scope="openid profile")
    assert other.tokens().scope == "openid profile"
    assert one.tokens().scope == "openid email"
    assert visit(app, browser).told().code


@pytest.mark.parametrize("request_", [None, "", "x", "x" * 15_000])
def test_a_page_without_a_request(browser: Browser, request_: str | None) -> None:
    """Never a 500 for what a client sends: a page that says what to do."""
    page = browser.get("/auth/consent", params={"request": request_} if request_ is not None else {})
    assert page.status_code == 400
    assert "Go back to the app" in page.text
