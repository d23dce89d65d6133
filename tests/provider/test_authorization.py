"""The authorization endpoint, from raw parameters to where the browser is sent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from creance.provider import Browser, OpenIDProvider, Parameters, UnprovenRedirect
from creance.provider.authorization import Redirect, add_query
from creance.provider.errors import TemporarilyUnavailable
from creance.provider.tokens import AUTHORIZATION_CODES

MakeApp = Callable[..., Any]


@pytest.fixture
def app(make_app: MakeApp, login_plugin: dict[str, Any]) -> Any:
    return make_app(plugins=login_plugin)


def browser(user: str | None = "alice", at: float | None = None) -> Browser:
    cookies = {} if user is None else {"user": user}
    return Browser(cookies if at is None else cookies | {"at": str(at)}, "127.0.0.1")


def told(answer: Redirect) -> dict[str, str]:
    """What the app learns."""
    assert answer.location.startswith("http://localhost:8401/callback?")
    return dict(parse_qsl(urlsplit(answer.location).query))


def codes(provider: OpenIDProvider) -> list[Any]:
    return provider.store.page(AUTHORIZATION_CODES)


def test_a_person_who_is_logged_in_comes_back_with_a_code(app: Any) -> None:
    """RFC 6749 4.1.2, RFC 9207 2."""
    answer = app.answer(browser())
    response = told(answer)
    assert response.keys() == {"code", "state", "iss"}
    assert response["state"] == "a-state"
    assert answer.error is None
    assert app.provider.tokens.read_code(response["code"]) is not None


def test_a_person_who_is_not_is_sent_to_log_in_and_nothing_is_written(app: Any) -> None:
    """DESIGN, A person's visit: nothing is stored for a request that nobody has authenticated."""
    answer = app.answer(browser(None))
    assert answer.interaction
    assert answer.location == "http://localhost:8400/auth/login"
    assert codes(app.provider) == []


def test_a_code_is_stored_as_a_hash_and_knows_its_request(app: Any) -> None:
    """PYOP 14; DESIGN, The store: bearer values are stored only as SHA-256."""
    code = told(app.answer(browser(), id_token_hint=None))["code"]
    (document,) = codes(app.provider)
    assert code not in str(document)
    grant = app.provider.tokens.read_code(code).grant
    assert (grant.client_id, grant.username, grant.nonce, grant.scope) == (
        "app",
        "alice",
        "a-nonce",
        ("openid", "offline_access"),
    )
    assert grant.parameters["redirect_uri"] == app.request()[0]["redirect_uri"]
    assert "state" not in grant.parameters


def test_a_hint_is_not_kept_with_the_code(app: Any) -> None:
    """Issue 3, seen from outside: no token in the database file, not even a client's old ID token."""
    hint = app.log_in()["id_token"]
    code = told(app.answer(browser(), id_token_hint=hint))["code"]
    assert hint not in str(codes(app.provider))
    assert "id_token_hint" not in app.provider.tokens.read_code(code).grant.parameters


ERRORS: list[tuple[dict[str, str | None], str]] = [
    ({"response_type": None}, "invalid_request"),
    ({"response_type": "token"}, "unsupported_response_type"),
    ({"response_mode": "fragment"}, "invalid_request"),
    ({"scope": "admin"}, "invalid_scope"),
    ({"prompt": "bogus"}, "invalid_request"),
    ({"prompt": "none login"}, "invalid_request"),
    ({"max_age": "abc"}, "invalid_request"),
    ({"claims": "garbage"}, "invalid_request"),
    ({"id_token_hint": "garbage"}, "invalid_request"),
    ({"request": "e30"}, "request_not_supported"),
    ({"request_uri": "https://x.example"}, "request_uri_not_supported"),
    ({"code_challenge": None, "code_challenge_method": None}, "invalid_request"),
    ({"nonce": "n" * 2049}, "invalid_request"),
]


@pytest.mark.parametrize(("changes", "error"), ERRORS)
@pytest.mark.parametrize("user", ["alice", None])
def test_an_error_goes_to_the_app_before_anybody_logs_in(
    app: Any, changes: dict[str, str | None], error: str, user: str | None
) -> None:
    """RFC 6749 4.1.2.1, OpenID Connect Core 3.1.2.6, RFC 9207 2."""
    answer = app.answer(browser(user), **changes)
    response = told(answer)
    assert response["error"] == error
    assert response["state"] == "a-state"
    assert response["iss"] == "http://localhost:8400"
    assert response.keys() == {"error", "error_description", "state", "iss"}
    assert answer.error is not None
    assert codes(app.provider) == []


@pytest.mark.parametrize("prompt", [None, "none"])
def test_an_error_is_the_same_with_prompt_none(app: Any, prompt: str | None) -> None:
    """OpenID Connect Core 3.1.2.6: the request is checked before the person is looked for."""
    response = told(app.answer(browser(None), prompt=prompt, scope="admin"))
    assert response["error"] == "invalid_scope"


def test_a_state_that_is_too_long_is_not_sent_back(app: Any) -> None:
    """Issue 3, bad input: the app would otherwise be sent a URL that its server refuses."""
    response = told(app.answer(browser(), state="s" * 2049))
    assert response["error"] == "invalid_request"
    assert "state" not in response


@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": "nobody"},
        {"client_id": None},
        {"redirect_uri": "https://evil.example/"},
        {"redirect_uri": None},
        {"redirect_uri": "https://evil.example/", "prompt": "bogus"},
        {"redirect_uri": "https://evil.example/", "scope": "email", "response_type": None},
    ],
)
def test_without_a_proven_redirect_uri_nobody_is_sent_anywhere(app: Any, changes: dict[str, str | None]) -> None:
    """RFC 6749 4.1.2.1; PYOP 1."""
    with pytest.raises(UnprovenRedirect):
        app.answer(browser(), **changes)
    assert codes(app.provider) == []


def test_a_problem_with_another_parameter_goes_by_redirect(app: Any) -> None:
    """RFC 6749 3.1, 4.1.2.1."""
    parameters, _ = app.request()
    parameters.problems["state"] = "is there more than once"
    del parameters["state"]
    response = told(app.provider.authorization.answer(parameters, browser()))
    assert response["error"] == "invalid_request"
    assert "state" not in response


# Who it is


def test_prompt_none_shows_no_page(app: Any) -> None:
    """OpenID Connect Core 3.1.2.1, 3.1.2.6."""
    assert told(app.answer(browser(None), prompt="none"))["error"] == "login_required"
    assert "code" in told(app.answer(browser(), prompt="none"))


@pytest.mark.parametrize("changes", [{"prompt": "login"}, {"max_age": "60"}])
def test_a_login_that_is_too_old_does_not_count(app: Any, clock: Any, changes: dict[str, str]) -> None:
    """OpenID Connect Core 3.1.2.1; DESIGN: the provider holds a plugin's answer against it."""
    assert told(app.answer(browser(at=clock() - 61), **changes))["error"] == "login_required"


def test_a_login_that_is_new_enough_counts(app: Any, clock: Any) -> None:
    """OpenID Connect Core 3.1.2.1: max_age; and prompt=login once the person has logged in after the start."""
    assert "code" in told(app.answer(browser(at=clock() - 50), max_age="60"))
    parameters, _ = app.request(prompt="login")
    started_at = clock() - 30
    answer = app.provider.authorization.answer(parameters, browser(at=clock() - 10), started_at=started_at)
    assert "code" in told(answer)
    answer = app.provider.authorization.answer(parameters, browser(at=clock() - 40), started_at=started_at)
    assert told(answer)["error"] == "login_required"


def test_the_time_of_the_login_is_the_true_one(app: Any, clock: Any) -> None:
    """OpenID Connect Core 2: auth_time."""
    at = clock() - 500
    code = told(app.answer(browser(at=at)))["code"]
    assert app.provider.tokens.read_code(code).grant.auth_time == at


@pytest.mark.parametrize("user", ["nobody", "gone"])
def test_a_user_who_is_gone_or_disabled_is_denied(make_app: MakeApp, login_plugin: dict[str, Any], user: str) -> None:
    """Issue 3; RFC 6749 4.1.2.1: access_denied."""
    app = make_app(plugins=login_plugin, more_users=[{"username": "gone", "disabled": True}])
    assert told(app.answer(browser(user)))["error"] == "access_denied"


def test_another_person_than_the_hint_names_is_refused(app: Any) -> None:
    """OpenID Connect Core 3.1.2.1: id_token_hint."""
    hint = app.log_in("alice")["id_token"]
    assert "code" in told(app.answer(browser("alice"), id_token_hint=hint, prompt="none"))
    assert told(app.answer(browser("bob"), id_token_hint=hint))["error"] == "login_required"


def test_a_hint_may_have_expired_but_not_be_another_clients(app: Any, make_app: MakeApp, clock: Any) -> None:
    """OpenID Connect Core 3.1.2.1."""
    hint = app.log_in()["id_token"]
    other = make_app("app-post", app.provider).log_in()["id_token"]
    clock.advance(7200)
    assert "code" in told(app.answer(browser(), id_token_hint=hint))
    refused = told(app.answer(browser(), id_token_hint=other))
    assert refused["error"] == "invalid_request"


def test_without_a_plugin_that_knows_people_nobody_is_logged_in(make_app: MakeApp) -> None:
    """DESIGN, Plugins: authenticate."""
    answer = make_app().answer(browser())
    assert told(answer)["error"] == "login_required"
    assert answer.error is not None
    assert "switch on [plugins.sessions]" in answer.error.hint


# What they agreed to


CONSENT = """
class Stranger(Plugin[PluginSettings, PluginSettings]):
    @hookimpl
    def consent(self, request, client, user, authenticated, browser):
        if "consent" not in browser.cookies:
            return Interaction("http://localhost:8400/auth/consent", ConsentRequired)
        return Consented(tuple(browser.cookies["consent"].split()))
"""


def test_consent_gives_a_part_of_what_was_asked(
    make_app: MakeApp, login_plugin: dict[str, Any], install_plugin: Callable[..., None]
) -> None:
    """DESIGN, Plugins: consent; never more than was asked, and never what the client is not registered for."""
    install_plugin("asks", CONSENT)
    app = make_app(plugins=login_plugin | {"asks": {}})
    assert app.answer(browser()).location == "http://localhost:8400/auth/consent"
    assert told(app.answer(browser(), prompt="none"))["error"] == "consent_required"
    agreed = Browser({"user": "alice", "consent": "openid email admin"}, "127.0.0.1")
    code = told(app.answer(agreed, scope="openid email profile"))["code"]
    assert app.provider.tokens.read_code(code).grant.scope == ("openid", "email")


def test_a_client_of_a_third_party_needs_consent(make_app: MakeApp, login_plugin: dict[str, Any]) -> None:
    """STYLE: defaults are safe; implied consent is for first-party clients only."""
    third = {
        "client_id": "third",
        "client_secret": "s",
        "redirect_uris": ["http://localhost:8401/callback"],
        "first_party": False,
    }
    app = make_app("third", None, plugins=login_plugin, more_clients=[third])
    assert told(app.answer(browser(), scope="openid"))["error"] == "consent_required"


# What plugins can do


def test_a_defect_in_a_plugin_is_server_error_by_redirect(
    make_app: MakeApp, install_plugin: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    """RFC 6749 4.1.2.1: server_error, since a 500 cannot be given by redirect; the log says where, and no value."""
    source = """
class Stranger(Plugin[PluginSettings, PluginSettings]):
    @hookimpl
    def authenticate(self, request):
        raise KeyError("marked-secret-8f2c")
"""
    install_plugin("broken", source)
    response = told(make_app(plugins={"broken": {}}).answer(browser()))
    assert response["error"] == "server_error"
    assert "marked-secret" not in str(response) + "".join(capsys.readouterr())


def test_a_plugin_can_refuse_by_redirect_before_the_login(
    make_app: MakeApp, login_plugin: dict[str, Any], install_plugin: Callable[..., None]
) -> None:
    """DESIGN, Plugins: check_authorization_request."""
    source = """
class Stranger(Plugin[PluginSettings, PluginSettings]):
    @hookimpl
    def check_authorization_request(self, request, client):
        if request.nonce is None:
            raise InvalidRequest("nonce is missing")
"""
    install_plugin("need_nonce", source)
    app = make_app(plugins={"need_nonce": {}} | login_plugin)
    assert told(app.answer(browser(None), nonce=None))["error_description"] == "nonce is missing"
    assert app.answer(browser(None)).interaction


def test_a_plugin_can_replace_the_parameters_and_what_it_refuses_is_a_page(
    make_app: MakeApp, login_plugin: dict[str, Any], install_plugin: Callable[..., None]
) -> None:
    """DESIGN, Plugins: resolve_authorization_request: nothing is proven yet, so nobody is sent anywhere."""
    source = """
class Stranger(Plugin[PluginSettings, PluginSettings]):
    @hookimpl
    def resolve_authorization_request(self, parameters):
        if "pushed" not in parameters:
            return None
        if parameters["pushed"] == "unknown":
            raise InvalidRequest("no such request")
        return Parameters({"client_id": parameters["client_id"], "redirect_uri": parameters["pushed"]})
"""
    install_plugin("pushed", source)
    app = make_app(plugins={"pushed": {}} | login_plugin)
    assert "code" in told(app.answer(browser()))
    with pytest.raises(UnprovenRedirect, match="no such request"):
        app.answer(browser(), pushed="unknown")
    with pytest.raises(UnprovenRedirect, match="redirect_uri is not registered"):
        app.answer(browser(), pushed="https://evil.example/")


def test_a_plugin_adds_a_response_mode(
    make_app: MakeApp, login_plugin: dict[str, Any], install_plugin: Callable[..., None]
) -> None:
    """DESIGN, Plugins: response_modes; errors are given by it too."""
    source = """
class Stranger(Plugin[PluginSettings, PluginSettings]):
    @hookimpl
    def response_modes(self):
        return {"reversed": lambda uri, response: uri + "?r=" + ",".join(sorted(response))[::-1]}
"""
    install_plugin("reversed", source)
    app = make_app(plugins={"reversed": {}} | login_plugin)
    assert app.provider.metadata["response_modes_supported"] == ["query", "reversed"]
    assert app.answer(browser(), response_mode="reversed").location.endswith("?r=etats,ssi,edoc")
    assert "rorre" in app.answer(browser(), response_mode="reversed", scope="admin").location


def test_a_store_that_is_away_is_temporarily_unavailable_by_redirect(app: Any) -> None:
    """DESIGN, The store; RFC 6749 4.1.2.1."""
    parameters, _ = app.request()
    app.provider.store.close()
    answer = app.provider.authorization.answer(parameters, browser())
    assert told(answer)["error"] == "temporarily_unavailable"
    assert isinstance(answer.error, TemporarilyUnavailable)


@pytest.mark.parametrize(
    ("uri", "url"),
    [
        ("https://app.example/cb", "https://app.example/cb?code=a%26b&state=%C3%A9+%22"),
        ("https://app.example/cb?x=1", "https://app.example/cb?x=1&code=a%26b&state=%C3%A9+%22"),
        ("com.example.app:/cb", "com.example.app:/cb?code=a%26b&state=%C3%A9+%22"),
    ],
)
def test_a_response_is_added_to_what_the_redirect_uri_has(uri: str, url: str) -> None:
    """RFC 6749 3.1.2, 4.1.2, B."""
    assert add_query(uri, {"code": "a&b", "state": 'é "'}) == url


def test_an_event_is_told_when_a_code_is_durable(
    make_app: MakeApp, login_plugin: dict[str, Any], install_plugin: Callable[..., None]
) -> None:
    """DESIGN, Plugins: event; what it raises is logged and changes nothing."""
    source = """
events = []

class Stranger(Plugin[PluginSettings, PluginSettings]):
    @hookimpl
    def event(self, event):
        self.provider.heard = event
        raise RuntimeError
"""
    install_plugin("hears", source)
    app = make_app(plugins={"hears": {}} | login_plugin)
    assert "code" in told(app.answer(browser()))
    event = app.provider.heard
    assert (event.name, event.client_id, event.username) == ("authorization", "app", "alice")


def test_parameters_are_left_as_they_came(app: Any) -> None:
    """DESIGN, A person's visit: two tabs, a stale tab or a second submit each end where their own app expects."""
    parameters, _ = app.request()
    before = Parameters(parameters)
    app.provider.authorization.answer(parameters, browser())
    assert parameters == before
