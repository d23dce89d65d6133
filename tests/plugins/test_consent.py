"""The plugin `consent` from inside: whose decision counts, what is remembered, and what only shows with the provider at
hand.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from creance.provider import (
    Browser,
    ClientSettings,
    ConfigurationError,
    Event,
    OpenIDProvider,
    create_app,
)
from creance.provider.authorization import Redirect
from creance.provider.store import StoreUnavailable
from creance.provider.testing import forms_of
from falcon.testing import Result, TestClient

from ..conftest import App, Clock

MakeProvider = Callable[..., OpenIDProvider]
Tables = dict[str, dict[str, Any]]

PARTNER = {
    "client_id": "third",
    "client_secret": "secret",
    "redirect_uris": ["https://third.example.org/callback"],
    "grant_types": ["authorization_code", "refresh_token"],
    "scope": "openid profile email phone offline_access",
    "first_party": False,
}
ISSUER = "http://localhost:8400"


class Person:
    """A person at a browser, whom the plugin of these tests believes by their cookie."""

    def __init__(self, provider: OpenIDProvider, username: str = "alice") -> None:
        self.app = App(provider, "third")
        self.served = TestClient(create_app(provider))
        self.cookies = {"user": username}

    @property
    def browser(self) -> Browser:
        return Browser(self.cookies, "127.0.0.1")

    def ask(self, scope: str = "openid email", **changes: str | None) -> Redirect:
        """Where the app's request leads."""
        browser = self.browser
        answer = self.app.answer(browser, scope=scope, **changes)
        self.cookies |= {cookie.name: cookie.value for cookie in browser.set_cookies}
        return answer

    def page(self, asked: Redirect) -> Result:
        assert asks(asked), asked.location
        place = urlsplit(asked.location)
        return self.served.simulate_get(place.path, query_string=place.query, cookies=self.cookies)

    def press(self, asked: Redirect, decision: str = "allow", *boxes: str) -> Result:
        """The answer to the form, with exactly these boxes ticked."""
        (_, fields), *_ = forms_of(self.page(asked).text)
        return self.send(fields, decision, *boxes)

    def send(self, fields: dict[str, str], decision: str = "allow", *boxes: str) -> Result:
        """Send a form that was shown before."""
        hidden = {name: fields[name] for name in ("csrf_token", "request")}
        form = hidden | {"decision": decision} | dict.fromkeys(boxes, "yes")
        return self.served.simulate_post(
            "/auth/consent",
            body=urlencode(form),
            content_type="application/x-www-form-urlencoded",
            cookies=self.cookies,
        )

    def granted(self, answer: Redirect | Result) -> str:
        """The scope that the code in an answer stands for."""
        location = answer.location if isinstance(answer, Redirect) else answer.headers["Location"]
        token = self.app.provider.tokens.read_code(parse_qs(urlsplit(location).query)["code"][0])
        assert token is not None
        return " ".join(token.grant.scope)


def asks(answer: Redirect) -> bool:
    return answer.location.startswith(f"{ISSUER}/auth/consent?request=")


def error_of(answer: Redirect | Result) -> str:
    location = answer.location if isinstance(answer, Redirect) else answer.headers["Location"]
    return parse_qs(urlsplit(location).query)["error"][0]


Make = Callable[..., Person]


@pytest.fixture
def make_person(make_provider: MakeProvider, login_plugin: Tables) -> Make:
    """Somebody at a provider with these settings of the plugin, and this registration of the app; all on one store."""

    def make(
        username: str = "alice", *, client: dict[str, Any] | None = None, users: Any = None, **settings: Any
    ) -> Person:
        plugins = login_plugin | {"consent": settings}
        clients = [] if client == {} else [PARTNER | (client or {})]
        return Person(make_provider(plugins=plugins, more_clients=clients, more_users=users), username)

    return make


@pytest.fixture
def alice(make_person: Make) -> Person:
    return make_person()


# ----- Whose decision counts -----------------------------------------------------------------------------------------


def test_a_client_that_took_the_client_id_inherits_nothing(
    make_provider: MakeProvider, login_plugin: Tables, clock: Clock
) -> None:
    """Issue, Consent: a client re-registered under the same client_id is another one."""
    provider = make_provider(plugins=login_plugin | {"consent": {}})
    provider.clients.add(ClientSettings.model_validate(PARTNER))
    alice = Person(provider)
    assert alice.granted(alice.press(alice.ask(), "allow", "scope.email")) == "openid email"
    assert alice.granted(alice.ask()) == "openid email"
    provider.clients.remove("third")
    clock.advance(10)
    provider.clients.add(ClientSettings.model_validate(PARTNER))
    assert asks(Person(provider).ask())


def test_another_person_of_that_name_inherits_nothing(make_person: Make) -> None:
    """Issue, Consent: another user under the same name, with another subject, is asked."""
    first = make_person("carol", users=[{"username": "carol", "subject": "the-first"}])
    first.press(first.ask(), "allow", "scope.email")
    assert not asks(first.ask())
    assert asks(make_person("carol", users=[{"username": "carol", "subject": "the-second"}]).ask())


def test_a_scope_that_the_client_lost_is_not_given(make_person: Make, alice: Person) -> None:
    """Issue, Consent: whatever was allowed while the client was registered for it."""
    alice.press(alice.ask(), "allow", "scope.email")
    assert alice.granted(make_person(client={"scope": "openid profile"}).ask()) == "openid"


def test_a_client_that_is_nobodys_own_any_more_asks(make_person: Make) -> None:
    """Issue, Consent: implied consent of a first-party client is none of the person's."""
    own = make_person(client={"first_party": True})
    assert own.granted(own.ask(scope="openid email offline_access")) == "openid email offline_access"
    assert asks(make_person().ask())


def test_a_decision_of_another_person_does_not_count(alice: Person) -> None:
    """Issue, Consent: bound to the user, at the hook too: whatever a sealed request carries."""
    (_, fields), *_ = forms_of(alice.page(alice.ask()).text)
    alice.cookies["user"] = "bob"
    assert alice.send(fields, "allow", "scope.email").headers["Location"].startswith(f"{ISSUER}/auth/consent?request=")
    alice.cookies["user"] = "alice"
    assert alice.granted(alice.send(fields, "allow", "scope.email")) == "openid email"


def test_what_was_not_on_the_page_is_asked_anew(make_person: Make) -> None:
    """Issue, Consent: asked again when more is asked, as when the client is registered for more meanwhile."""
    before = make_person(client={"scope": "openid email"})
    asked = before.ask(scope="openid email phone")
    after = make_person(client={"plugins": {"consent": {"required_scope": "phone"}}})
    after.cookies = before.cookies
    answer = after.press(asked, "allow", "scope.email", "scope.phone")
    assert answer.headers["Location"].startswith(f"{ISSUER}/auth/consent?request=")
    again = Redirect(answer.headers["Location"], "third", interaction=True)
    assert "Your phone number" in after.page(again).text


def test_a_scope_that_gives_more_by_now_is_asked_anew(make_provider: MakeProvider, login_plugin: Tables) -> None:
    """Issue, Consent: what was allowed is what the page said; the operator's scope gives another claim since."""
    client = PARTNER | {"scope": "openid work"}

    def person(*claims: str) -> Person:
        tables: Any = {"plugins": login_plugin | {"consent": {}}, "more_clients": [client]}
        return Person(make_provider(extra_scopes={"work": claims}, **tables))

    before = person("department")
    before.press(before.ask(scope="openid work"), "allow", "scope.work")
    assert not asks(before.ask(scope="openid work"))
    assert asks(person("department", "salary").ask(scope="openid work"))


def test_a_claim_that_was_refused_is_not_given_by_its_scope(alice: Person) -> None:
    """Issue, Consent: the last word counts: a scope that was allowed before would give what was refused since."""
    alice.press(alice.ask(), "allow", "scope.email")
    alice.press(alice.ask(scope="openid", claims='{"userinfo": {"email": null}}', prompt="consent"))
    assert alice.granted(alice.ask()) == "openid"


# ----- Settings ------------------------------------------------------------------------------------------------------


def test_remembered_for_a_time(make_person: Make, alice: Person, clock: Clock) -> None:
    """`remember_for`: seconds; one that was shortened since holds for earlier decisions too."""
    alice.press(alice.ask(), "allow", "scope.email")
    clock.advance(179 * 86400)
    assert not asks(alice.ask())
    assert asks(make_person(remember_for=86400).ask())
    clock.advance(2 * 86400)
    assert asks(alice.ask())


def test_nothing_is_remembered_where_the_operator_says_so(make_person: Make) -> None:
    """`remember = false`: each request is asked for, and answered once."""
    alice = make_person(remember=False)
    for _ in range(2):
        asked = alice.ask()
        assert "not asked again" not in alice.page(asked).text
        assert alice.granted(alice.press(asked, "allow", "scope.email")) == "openid email"
    assert make_person().app.provider.consents.of_user("alice") == []


def test_nothing_is_ticked_where_the_operator_says_so(make_person: Make, alice: Person) -> None:
    """`preselected = false`: CJEU C-673/17 (Planet49)."""
    assert " checked" in alice.page(alice.ask()).text
    careful = make_person(preselected=False)
    assert " checked" not in careful.page(careful.ask()).text


def test_what_the_client_needs_by_now_is_asked_anew(make_person: Make, alice: Person) -> None:
    """`required_scope`: refused before it was required, it is asked for again."""
    assert alice.granted(alice.press(alice.ask())) == "openid"
    assert alice.granted(alice.ask()) == "openid"
    needy = make_person(client={"plugins": {"consent": {"required_scope": "email"}}})
    assert needy.granted(needy.press(needy.ask())) == "openid email"


def test_a_wrong_setting_stops_the_start(make_person: Make) -> None:
    """STYLE, A setting has one home: with its place, and the nearest name."""
    with pytest.raises(ConfigurationError) as refusal:
        make_person(rember=True)
    assert refusal.value.mistakes == ("plugins.consent.rember: no such setting; did you mean 'remember'?",)
    with pytest.raises(ConfigurationError) as refusal:
        make_person(client={"plugins": {"consent": {"required_scope": "two  blanks"}}})
    assert refusal.value.mistakes[0].startswith("clients[4].plugins.consent.required_scope: ")


POLICY = """
class Stranger(Plugin[PluginSettings, PluginSettings]):
    @hookimpl
    def consent(self, user):
        if user.username == "bob":
            raise AccessDenied("not for bob")
"""


def test_policies_of_other_plugins_come_first(
    make_provider: MakeProvider, login_plugin: Tables, install_plugin: Callable[..., None]
) -> None:
    """docs/plugins.md: an access policy is a consent hook: who may not use an app is not asked, whatever the order."""
    install_plugin("policy", POLICY)
    provider = make_provider(plugins=login_plugin | {"consent": {}, "policy": {}}, more_clients=[PARTNER])
    assert error_of(Person(provider, "bob").ask()) == "access_denied"
    assert asks(Person(provider, "alice").ask())


# ----- What else happens ---------------------------------------------------------------------------------------------


def test_decisions_are_events(alice: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    """DESIGN, Plugins: event: consent, for audit logs; the scope, and nothing of the person's data."""
    events: list[Event] = []
    monkeypatch.setattr(alice.app.provider, "happened", events.append)
    asked = alice.ask()
    alice.press(asked, "allow", "scope.email")
    alice.press(asked, "deny")
    told = [(each.name, each.client_id, each.username, dict(each.details)) for each in events]
    assert ("consent", "third", "alice", {"scope": "email openid"}) in told
    assert told[-1] == ("consent_denied", "third", "alice", {})


@pytest.mark.parametrize("decision", ["allow", "deny"])
def test_a_store_that_cannot_be_written(alice: Person, decision: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """RFC 6749 4.1.2.1: temporarily_unavailable by redirect: no code for what could not be kept."""
    asked = alice.ask()
    alice.page(asked)

    def fail(operations: Any) -> Any:
        raise StoreUnavailable("the disk is full")

    monkeypatch.setattr(alice.app.provider.store, "write", fail)
    assert error_of(alice.press(asked, decision, "scope.email")) == "temporarily_unavailable"


def test_prompt_none_seals_nothing(alice: Person) -> None:
    """OpenID Connect Core 3.1.2.6: consent_required, and the browser gets no cookie."""
    browser = alice.browser
    answer = alice.app.answer(browser, scope="openid", prompt="none")
    assert error_of(answer) == "consent_required"
    assert browser.set_cookies == []


def test_a_request_that_is_too_long_for_a_url(alice: Person) -> None:
    """A sealed request travels in a URL: the app is told, and there is no 500."""
    answer = alice.ask(**{f"unknown_{number}": secrets.token_urlsafe(400) for number in range(40)})
    assert answer.error is not None
    assert (answer.error.error, answer.error.description) == (
        "invalid_request",
        "the authorization request is too long",
    )
