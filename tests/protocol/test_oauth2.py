"""The OAuth 2.0 Authorization Framework (RFC 6749), with the redirect URIs of RFC 8252 and the advice of RFC 9700."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from creance.provider.testing import Answer, RelyingParty, RunningProvider

from ..provider_clock import ProviderClock

RunProvider = Callable[..., RunningProvider]

CALLBACK = "http://localhost:8401/callback"
ODD_SECRET = "pass: wörd+%26/=?"

OTHER_CLIENTS = """
[[clients]]
client_id = "native"
application_type = "native"
token_endpoint_auth_method = "none"
redirect_uris = [
    "http://127.0.0.1/callback",
    "http://[::1]:7000/callback?from=creance",
    "http://localhost/callback",
    "https://app.example.org/native",
    "com.example.app:/callback",
]
scope = "openid read"

[[clients]]
client_id = "with-query"
client_secret = "secret"
redirect_uris = ["http://localhost:8401/callback?tenant=7"]
scope = "openid"

[[clients]]
client_id = "two-uris"
client_secret = "secret"
redirect_uris = ["http://localhost:8401/callback", "http://localhost:8401/other"]
scope = "read write"

[[clients]]
client_id = "no-code"
client_secret = "secret"
redirect_uris = ["http://localhost:8401/callback"]
grant_types = ["client_credentials"]
scope = "read"

[[clients]]
client_id = "odd: client+%"
client_secret = "pass: wörd+%26/=?"
redirect_uris = ["http://localhost:8401/callback"]
scope = "read"

[[clients]]
client_id = "expired-secret"
client_secret = "secret"
client_secret_expires_at = 1700000000
redirect_uris = ["http://localhost:8401/callback"]

[[clients]]
client_id = "lasting-secret"
client_secret = "secret"
client_secret_expires_at = 4102444800
redirect_uris = ["http://localhost:8401/callback"]
"""


@pytest.fixture(scope="module")
def others(run_provider: RunProvider) -> RunningProvider:
    """A provider whose clients are less common than those of the demonstration."""
    return run_provider(extra=OTHER_CLIENTS)


@pytest.fixture(scope="module")
def brief(run_provider: RunProvider, provider_clock: ProviderClock) -> RunningProvider:
    """Codes are good for 60 seconds, refresh tokens for 120 when nobody uses them."""
    lifetimes = {
        "AUTHORIZATION_CODE": "60",
        "ACCESS_TOKEN": "60",
        "REFRESH_TOKEN": "120",
        "REFRESH_TOKEN_ABSOLUTE": "3600",
    }
    settings = {f"CREANCE_LIFETIMES__{name}": value for name, value in lifetimes.items()}
    return run_provider(environment=settings | provider_clock.environment)


# ----- The authorization code grant ----------------------------------------------------------------------------------


def test_a_person_logs_in_and_the_app_gets_tokens(op: RunningProvider) -> None:
    """RFC 6749 4.1, 5.1."""
    app = op.client("app", scope="openid profile offline_access")
    answer = app.authorize(user="alice")
    assert answer.location.startswith(f"{CALLBACK}?")
    assert set(answer) == {"code", "state", "iss"}

    tokens = app.exchange(answer)
    assert tokens.status == 200
    assert set(tokens) == {"access_token", "token_type", "expires_in", "scope", "refresh_token", "id_token"}
    assert tokens.token_type == "Bearer"
    assert tokens.expires_in == 3600
    assert tokens.scope == "openid profile offline_access"
    assert app.userinfo(tokens.access_token).name == "Alice Liddell"


@pytest.mark.parametrize("client_id", ["app", "app-post", "spa"])
def test_every_kind_of_client_gets_through(op: RunningProvider, client_id: str) -> None:
    """RFC 6749 2.1, 2.3.1, 4.1: by Basic, by the form, and without a secret."""
    app = op.client(client_id)
    assert app.userinfo(app.log_in("bob").access_token).sub


def test_codes_and_tokens_cannot_be_guessed(op: RunningProvider) -> None:
    """RFC 6749 10.10: 160 bits or more, and never the same twice; nothing but their time can be read in them."""
    app = op.client("app", scope="openid offline_access")
    answers = [app.authorize() for _ in range(3)]
    tokens = [app.exchange(answer) for answer in answers]
    values = [value for answer in answers for value in [answer.code]]
    values += [value for token in tokens for value in (token.access_token, token.refresh_token)]
    assert len(set(values)) == 9
    assert all(re.fullmatch(r"[0-9a-f]{8}-[A-Za-z0-9_-]{43}", value) for value in values)


@pytest.mark.parametrize("state", ["simple", "with space+plus&amp=%20#?/", "ümläut-☃", "x" * 2048, '"><script>'])
def test_the_state_comes_back_as_it_was_sent(op: RunningProvider, state: str) -> None:
    """RFC 6749 4.1.2, 4.1.2.1: with the code and with an error alike."""
    app = op.client("app")
    assert app.authorize(state=state).state == state
    refused = app.answer_at_once(state=state, response_type="token")
    assert refused.state == state
    assert refused.error == "unsupported_response_type"


def test_no_state_is_made_up(op: RunningProvider) -> None:
    """RFC 6749 4.1.2: REQUIRED only if it was in the request."""
    assert "state" not in op.client("app").authorize(state=None)
    assert "state" not in op.client("app").answer_at_once(state=None, response_type="token")


def test_a_code_is_for_the_client_that_it_was_given_to(op: RunningProvider) -> None:
    """RFC 6749 4.1.3, 10.5: another client gets nothing by it, and cannot spend it either."""
    app, other = op.client("app"), op.client("app-post")
    answer = app.authorize()
    refused = other.exchange(answer)
    assert (refused.status, refused.error) == (400, "invalid_grant")
    assert app.exchange(answer).access_token


@pytest.mark.parametrize(
    "redirect_uri",
    [None, "http://localhost:8401/other", "http://localhost:8401/callback/", "HTTP://localhost:8401/callback"],
)
def test_a_code_is_for_the_redirect_uri_that_it_went_to(op: RunningProvider, redirect_uri: str | None) -> None:
    """RFC 6749 4.1.3: identical; who cannot say where the code came to does not get a second guess."""
    app = op.client("app")
    answer = app.authorize()
    assert app.exchange(answer, redirect_uri=redirect_uri).error == "invalid_grant"
    assert app.exchange(answer).error == "invalid_grant"


def test_a_replayed_code_revokes_what_it_issued(op: RunningProvider) -> None:
    """RFC 6749 4.1.2, 10.5, RFC 9700 4.2.4."""
    app = op.client("app", scope="openid offline_access")
    code = app.authorize(user="alice")
    tokens = app.exchange(code)
    assert app.exchange(code).error == "invalid_grant"
    assert app.introspect(tokens.access_token) == {"active": False}
    assert app.introspect(tokens.refresh_token) == {"active": False}
    assert app.refresh(tokens.refresh_token).error == "invalid_grant"
    assert app.userinfo(tokens.access_token).status == 401


def test_a_replayed_code_revokes_what_refreshes_gave_too(op: RunningProvider) -> None:
    """RFC 6749 4.1.2: all tokens that go back to the code."""
    app = op.client("app", scope="openid offline_access")
    code = app.authorize(user="alice")
    tokens = [app.exchange(code)]
    for _ in range(3):
        tokens.append(app.refresh(tokens[-1].refresh_token))
    assert all(app.introspect(token.access_token).active for token in tokens)

    assert app.exchange(code).error == "invalid_grant"
    assert not any(app.introspect(token.access_token).active for token in tokens)
    assert app.refresh(tokens[-1].refresh_token).error == "invalid_grant"


def test_a_replayed_code_harms_no_other_grant(op: RunningProvider) -> None:
    """RFC 6749 4.1.2: the tokens based on that code, and no others of the same person and client."""
    app = op.client("app")
    browser = op.browser()
    first, second = app.authorize(browser=browser), app.authorize(browser=browser)
    app.exchange(first)
    tokens = app.exchange(second)
    assert app.exchange(first).error == "invalid_grant"
    assert app.introspect(tokens.access_token).active


def test_nobody_else_can_revoke_by_replaying(op: RunningProvider) -> None:
    """RFC 6749 4.1.2, 10.5: a spent code in the hands of another client is worth nothing, and does nothing."""
    app, other = op.client("app"), op.client("app-post")
    code = app.authorize()
    tokens = app.exchange(code)
    assert other.exchange(code).error == "invalid_grant"
    assert op.client("app", secret="wrong").exchange(code).error == "invalid_client"
    assert app.introspect(tokens.access_token).active


def test_a_code_that_many_present_at_once_has_one_winner_at_most(op: RunningProvider) -> None:
    """RFC 6749 4.1.2: single use, under real concurrency; the winner's tokens end with the replay."""
    apps = [op.client("app") for _ in range(8)]
    code = apps[0].authorize()
    start = Barrier(len(apps))

    def exchange(app: RelyingParty) -> Answer:
        start.wait()
        return app.exchange(code)

    with ThreadPoolExecutor(len(apps)) as threads:
        answers = list(threads.map(exchange, apps))
    won = [answer for answer in answers if answer.status == 200]
    assert len(won) == 1
    assert all(answer.error == "invalid_grant" for answer in answers if answer.status != 200)
    assert apps[0].introspect(won[0].access_token) == {"active": False}


def test_a_code_expires(brief: RunningProvider, provider_clock: ProviderClock) -> None:
    """RFC 6749 4.1.2: short-lived; expired is invalid_grant."""
    app = brief.client("app")
    late = app.authorize()
    provider_clock.advance(61)
    assert app.exchange(late).error == "invalid_grant"


def test_a_spent_code_is_known_as_long_as_anything_lives_that_it_gave(
    brief: RunningProvider, provider_clock: ProviderClock
) -> None:
    """RFC 6749 4.1.2, RFC 9700 4.2.4: the code has expired, and so have the tokens that came with it."""
    app = brief.client("app", scope="openid offline_access")
    code = app.authorize()
    tokens = app.exchange(code)
    for _ in range(2):
        provider_clock.advance(65)
        tokens = app.refresh(tokens.refresh_token)
        assert tokens.refresh_token
    assert app.exchange(code).error == "invalid_grant"
    assert app.introspect(tokens.access_token) == {"active": False}
    assert app.refresh(tokens.refresh_token).error == "invalid_grant"


@pytest.mark.parametrize("code", ["unknown", "x" * 5000, "☃", "' OR 1=1 --", "../../etc/passwd"])
def test_a_code_that_was_never_given_is_refused(op: RunningProvider, code: str) -> None:
    """RFC 6749 5.2: invalid_grant."""
    app = op.client("app")
    answer = app.post("token_endpoint", {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK})
    assert (answer.status, answer.error) == (400, "invalid_grant")


def test_a_token_is_never_taken_for_a_code(op: RunningProvider) -> None:
    """RFC 6749 1.4, 4.1.3: a value is good for what it was made for."""
    app = op.client("app", scope="openid offline_access")
    answer = app.authorize()
    tokens = app.exchange(answer)
    for value in (tokens.access_token, tokens.refresh_token, tokens.id_token):
        assert app.exchange(answer, code=value).error == "invalid_grant"
    assert app.refresh(tokens.access_token).error == "invalid_grant"
    assert app.refresh(app.authorize().code).error == "invalid_grant"
    assert app.introspect(tokens.access_token).active, "a guess is no replay"


# ----- Redirect URIs -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "redirect_uri",
    [
        "http://localhost:8401/callback/",
        "http://localhost:8401/Callback",
        "http://localhost:8401/callback?x=1",
        "http://localhost:8401/callback?",
        "http://localhost:8401/callback#fragment",
        "http://localhost:8401/callback/../callback",
        "http://localhost:8401/%63allback",
        "http://localhost:8401//callback",
        "http://localhost:8401/callback ",
        "http://localhost:8401/callback\n",
        "http://LOCALHOST:8401/callback",
        "http://localhost/callback",
        "http://localhost:8402/callback",
        "http://127.0.0.1:8401/callback",
        "https://localhost:8401/callback",
        "http://localhost:8401@evil.example.org/callback",
        "http://user@localhost:8401/callback",
        "http://localhost:8401\\@evil.example.org/callback",
        "//localhost:8401/callback",
        "/callback",
        "javascript:alert(1)",
        "https://evil.example.org/",
        "x",
    ],
)
def test_a_redirect_uri_is_compared_exactly(op: RunningProvider, redirect_uri: str) -> None:
    """RFC 6749 3.1.2.3, 4.1.2.1, RFC 9700 4.1.3: nobody is sent anywhere, the person sees a page."""
    parameters, _ = op.client("app").request(redirect_uri=redirect_uri)
    for response in (op.get("/authorize", params=parameters), op.post("/authorize", parameters)):
        followed = op.browser().follow(response)
        assert followed.status_code == 400
        assert "Location" not in followed.headers
        assert followed.headers["Content-Type"].startswith("text/html")
        assert "evil.example.org" not in followed.text


@pytest.mark.parametrize("changes", [{"client_id": None}, {"client_id": "nobody"}, {"client_id": "☃"}])
def test_an_unknown_client_gets_a_page_and_no_redirect(op: RunningProvider, changes: dict[str, str | None]) -> None:
    """RFC 6749 4.1.2.1: nor is anybody asked to log in."""
    response = op.client("app").begin(op.browser(), **changes)
    assert response.status_code == 400
    assert "Location" not in response.headers
    assert 'name="password"' not in response.text


def test_a_client_without_a_redirect_uri_gets_a_page(op: RunningProvider) -> None:
    """RFC 6749 3.1.2.3: the demonstration's service has none, whatever the request says."""
    assert op.client("service").begin(op.browser()).status_code == 400
    assert op.client("service").begin(op.browser(), redirect_uri=None, scope="read").status_code == 400


def test_the_query_of_a_redirect_uri_is_kept(others: RunningProvider) -> None:
    """RFC 6749 3.1.2, 4.1.2."""
    app = others.client("with-query", secret="secret", redirect_uri=f"{CALLBACK}?tenant=7")
    answer = app.authorize()
    assert answer.location.startswith(f"{CALLBACK}?tenant=7&code=")
    assert app.exchange(answer).access_token
    assert app.answer_at_once(response_type="token").tenant == "7"


@pytest.mark.parametrize(
    "redirect_uri",
    [
        "http://127.0.0.1/callback",
        "http://127.0.0.1:49152/callback",
        "http://127.0.0.1:1/callback",
        "http://localhost:55555/callback",
        "http://[::1]:61000/callback?from=creance",
        "http://[::1]/callback?from=creance",
        "https://app.example.org/native",
        "com.example.app:/callback",
    ],
)
def test_a_native_app_listens_where_it_can(others: RunningProvider, redirect_uri: str) -> None:
    """RFC 8252 7.1, 7.2, 7.3: private-use scheme, claimed https, and any port on loopback."""
    app = others.client("native", redirect_uri=redirect_uri)
    answer = app.authorize()
    assert answer.location.startswith(redirect_uri)
    assert app.exchange(answer).access_token


@pytest.mark.parametrize(
    "redirect_uri",
    [
        "http://127.0.0.1:49152/other",
        "http://127.0.0.1:49152/callback?x=1",
        "http://127.0.0.1:49152/callback#x",
        "http://127.0.0.1:49152/callback/",
        "http://127.0.0.1:x/callback",
        "http://127.0.0.1:99999/callback",
        "http://127.0.0.1:-1/callback",
        "http://127.0.0.2:49152/callback",
        "http://127.1:49152/callback",
        "http://127.0.0.1.evil.example.org/callback",
        "http://127.0.0.1:49152@evil.example.org/callback",
        "http://evil@127.0.0.1:49152/callback",
        "https://127.0.0.1:49152/callback",
        "http://[::1]:61000/callback",
        "https://app.example.org:8443/native",
        "https://app.example.org/native/",
        "com.example.app:/other",
        "com.example.app://callback",
        "com.example.other:/callback",
    ],
)
def test_of_a_native_apps_loopback_only_the_port_is_free(others: RunningProvider, redirect_uri: str) -> None:
    """RFC 8252 7.3, 8.10: everything else is compared exactly."""
    response = others.client("native").begin(others.browser(), redirect_uri=redirect_uri)
    assert response.status_code == 400
    assert "Location" not in response.headers


def test_the_port_of_a_native_app_is_held_to_at_the_exchange(others: RunningProvider) -> None:
    """RFC 6749 4.1.3, RFC 8252 7.3: the code is for the port that it went to."""
    app = others.client("native", redirect_uri="http://127.0.0.1:50001/callback")
    answer = app.authorize()
    assert app.exchange(answer, redirect_uri="http://127.0.0.1:50002/callback").error == "invalid_grant"


def test_plain_oauth_may_leave_the_only_redirect_uri_out(op: RunningProvider) -> None:
    """RFC 6749 3.1.2.3, 4.1.3: then it is not needed at the exchange either."""
    app = op.client("app", scope="profile")
    answer = app.authorize(redirect_uri=None)
    assert answer.location.startswith(f"{CALLBACK}?")
    tokens = app.exchange(answer, redirect_uri=None)
    assert tokens.scope == "profile"


def test_a_redirect_uri_must_be_given_where_openid_asks_for_it_or_there_are_two(
    op: RunningProvider, others: RunningProvider
) -> None:
    """OpenID Connect Core 3.1.2.1, RFC 6749 3.1.2.3."""
    assert op.client("app").begin(op.browser(), redirect_uri=None).status_code == 400
    two = others.client("two-uris", secret="secret", scope="read")
    assert two.begin(others.browser(), redirect_uri=None).status_code == 400


# ----- Scope, and what may be asked ----------------------------------------------------------------------------------


def test_a_client_is_granted_what_it_is_registered_for(op: RunningProvider) -> None:
    """RFC 6749 3.3, 5.1: the rest is ignored, and the response says what was granted."""
    app = op.client("app")
    assert app.log_in(scope="openid email admin write").scope == "openid email"


def test_without_a_scope_the_registered_one_is_granted(op: RunningProvider) -> None:
    """RFC 6749 3.3: less openid and offline_access, which must be asked for by name."""
    app = op.client("app")
    tokens = app.exchange(app.authorize(scope=None))
    assert tokens.scope == "profile email address phone"
    assert "id_token" not in tokens
    assert "refresh_token" not in tokens


def test_a_scope_of_which_nothing_can_be_granted_is_refused(op: RunningProvider) -> None:
    """RFC 6749 3.3, 4.1.2.1."""
    assert op.client("app").answer_at_once(scope="admin").error == "invalid_scope"
    assert op.client("app").answer_at_once(scope='openid "quoted"').error == "invalid_scope"


def test_plain_oauth_gets_no_id_token(op: RunningProvider) -> None:
    """RFC 6749 alone: OpenID Connect Core 3.1.2.1 leaves a request without openid to OAuth."""
    app = op.client("app", scope="email offline_access")
    tokens = app.log_in(nonce=None)
    assert set(tokens) == {"access_token", "token_type", "expires_in", "scope", "refresh_token"}
    assert app.introspect(tokens.access_token).username == "alice"
    assert "id_token" not in app.refresh(tokens.refresh_token)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"response_type": None}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": "id_token"}, "unsupported_response_type"),
        ({"response_type": "code id_token"}, "unsupported_response_type"),
        ({"response_type": "code code"}, "unsupported_response_type"),
        ({"response_mode": "fragment"}, "invalid_request"),
        ({"response_mode": "form_post"}, "invalid_request"),
        ({"state": "x" * 2049}, "invalid_request"),
    ],
)
def test_what_is_not_offered_is_refused_by_redirect(
    op: RunningProvider, changes: dict[str, str | None], error: str
) -> None:
    """RFC 6749 3.1.1, 4.1.2.1: at once; nobody logs in for nothing."""
    refused = op.client("app").answer_at_once(**changes)
    assert refused.location.startswith(f"{CALLBACK}?")
    assert refused.error == error
    assert refused.error_description
    assert "code" not in refused


def test_unknown_parameters_are_ignored(op: RunningProvider) -> None:
    """RFC 6749 3.1, 3.2."""
    app = op.client("app")
    answer = app.authorize(colour="blue", audience="https://api.example.org")
    assert app.exchange(answer, flavour="strawberry").access_token


def test_a_parameter_without_a_value_counts_as_left_out(op: RunningProvider) -> None:
    """RFC 6749 3.1, 3.2."""
    app = op.client("app")
    assert "state" not in app.authorize(state="", prompt="", max_age="")
    assert app.answer_at_once(code_challenge="", code_challenge_method="").error == "invalid_request"
    assert app.post("token_endpoint", {"grant_type": ""}).error == "invalid_request"


def test_a_client_that_is_not_registered_for_codes_gets_none(others: RunningProvider) -> None:
    """RFC 6749 4.1.2.1: unauthorized_client."""
    refused = others.client("no-code", secret="secret", scope="read").answer_at_once()
    assert refused.error == "unauthorized_client"


# ----- The token endpoint --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("client_id", "form", "error"),
    [
        ("app", {"unknown": "x"}, "invalid_request"),
        ("app", {"grant_type": "authorization_code"}, "invalid_request"),
        ("app", {"grant_type": "refresh_token"}, "invalid_request"),
        ("app", {"grant_type": "password", "username": "alice", "password": "wonderland"}, "unsupported_grant_type"),
        ("app", {"grant_type": "implicit"}, "unsupported_grant_type"),
        ("app", {"grant_type": "Authorization_Code", "code": "x"}, "unsupported_grant_type"),
        ("app", {"grant_type": "urn:ietf:params:oauth:grant-type:device_code"}, "unsupported_grant_type"),
        ("app", {"grant_type": "client_credentials"}, "unauthorized_client"),
        ("spa", {"grant_type": "client_credentials"}, "unauthorized_client"),
        ("service", {"grant_type": "authorization_code", "code": "x"}, "unauthorized_client"),
        ("service", {"grant_type": "refresh_token", "refresh_token": "x"}, "unauthorized_client"),
        ("app", {"grant_type": "authorization_code", "code": "unknown"}, "invalid_grant"),
        ("app", {"grant_type": "refresh_token", "refresh_token": "unknown"}, "invalid_grant"),
    ],
)
def test_a_token_request_that_cannot_be_answered(
    op: RunningProvider, client_id: str, form: dict[str, str], error: str
) -> None:
    """RFC 6749 5.2: 400, JSON, an error that says what to mend."""
    answer = op.client(client_id).post("token_endpoint", form)
    assert answer.status == 400
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.error == error
    assert set(answer) == {"error", "error_description"}


def test_whoever_asks_proves_who_they_are_first(op: RunningProvider) -> None:
    """RFC 6749 3.2.1: a wrong secret is the first that is said, whatever else is wrong."""
    for form in ({"unknown": "x"}, {"grant_type": "password"}, {"grant_type": "authorization_code", "code": "x"}):
        assert op.client("app", secret="wrong").post("token_endpoint", form).error == "invalid_client"


def test_token_responses_are_never_stored(op: RunningProvider) -> None:
    """RFC 6749 5.1, 5.2: errors too."""
    app = op.client("app")
    for answer in (app.log_in(), app.refresh("unknown"), op.client("app", secret="wrong").refresh("x")):
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Pragma"] == "no-cache"


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
def test_the_token_endpoint_takes_post_alone(op: RunningProvider, method: str) -> None:
    """RFC 6749 3.2, RFC 9110 15.5.6."""
    query = {"grant_type": "client_credentials"}
    response = requests.request(method, op.url("/token"), params=query, auth=("service", "service-secret"), timeout=30)
    assert response.status_code == 405
    assert "POST" in response.headers["Allow"]
    assert "access_token" not in response.text


def test_nothing_of_a_token_request_may_be_in_the_query(op: RunningProvider) -> None:
    """RFC 6749 2.3.1, 3.2: a query ends up in logs."""
    for query in ({"grant_type": "client_credentials"}, {"client_secret": "service-secret"}, {"unknown": "x"}):
        response = op.post(
            "/token", {"grant_type": "client_credentials"}, params=query, auth=("service", "service-secret")
        )
        assert response.status_code == 400
        assert response.json()["error"] == "invalid_request"


@pytest.mark.parametrize("name", ['a"b', "back\\slash", "ünïcödé", "new\nline", "tab\t", "<b>", "x" * 200])
def test_a_description_keeps_to_the_characters_that_are_allowed(op: RunningProvider, name: str) -> None:
    """RFC 6749 4.1.2.1, 5.2: %x20-21 / %x23-5B / %x5D-7E, whatever the client sent."""
    answer = op.client("app").http.post(
        op.url("/token"), data=[(name, "1"), (name, "2")], auth=("app", "app-secret"), timeout=30
    )
    assert answer.json()["error"] == "invalid_request"
    parameters, _ = op.client("app").request()
    location = op.get("/authorize", params=[*parameters.items(), (name, "1"), (name, "2")]).headers["Location"]
    redirected = parse_qs(urlsplit(location).query)["error_description"][0]
    for description in (answer.json()["error_description"], redirected):
        assert re.fullmatch(r"[\x20-\x21\x23-\x5b\x5d-\x7e]+", description)
        assert len(description) < 150


# ----- Client authentication -----------------------------------------------------------------------------------------


def basic(client_id: str, secret: str, scheme: str = "Basic") -> dict[str, str]:
    return {"Authorization": f"{scheme} {base64.b64encode(f'{client_id}:{secret}'.encode()).decode()}"}


PROVEN = (400, "invalid_grant")
NOT_PROVEN = (401, "invalid_client")
CONFUSED = (400, "invalid_request")


@pytest.mark.parametrize(
    ("headers", "form", "expected"),
    [
        (basic("app", "app-secret"), {}, PROVEN),
        (basic("app", "app-secret", "basic"), {}, PROVEN),
        (basic("app", "app-secret", "bAsIc"), {}, PROVEN),
        (basic("app", "app-secret", "BASIC "), {}, PROVEN),
        (basic("%61pp", "app%2Dsecret"), {}, PROVEN),
        (basic("app", "app-secret"), {"client_id": "app"}, PROVEN),
        ({}, {"client_id": "app-post", "client_secret": "app-post-secret"}, PROVEN),
        ({}, {"client_id": "spa"}, PROVEN),
        # The wrong secret, or none.
        (basic("app", "wrong"), {}, NOT_PROVEN),
        (basic("app", ""), {}, NOT_PROVEN),
        (basic("app", "app-secret "), {}, NOT_PROVEN),
        (basic("app", "APP-SECRET"), {}, NOT_PROVEN),
        (basic("app", "app-post-secret"), {}, NOT_PROVEN),
        ({}, {"client_id": "app-post", "client_secret": "wrong"}, NOT_PROVEN),
        ({}, {"client_id": "app-post", "client_secret": ""}, NOT_PROVEN),
        # Nobody that is known, or nobody at all.
        (basic("nobody", "app-secret"), {}, NOT_PROVEN),
        (basic("", ""), {}, NOT_PROVEN),
        ({}, {"client_id": "nobody"}, NOT_PROVEN),
        ({}, {"client_id": "nobody", "client_secret": "x"}, NOT_PROVEN),
        ({}, {"client_secret": "app-post-secret"}, NOT_PROVEN),
        ({}, {}, NOT_PROVEN),
        # Another method than the registered one.
        ({}, {"client_id": "app", "client_secret": "app-secret"}, NOT_PROVEN),
        ({}, {"client_id": "app"}, NOT_PROVEN),
        (basic("app-post", "app-post-secret"), {}, NOT_PROVEN),
        ({}, {"client_id": "app-post"}, NOT_PROVEN),
        (basic("spa", ""), {}, NOT_PROVEN),
        ({}, {"client_id": "spa", "client_secret": "anything"}, NOT_PROVEN),
        # Two at once.
        (basic("app", "app-secret"), {"client_secret": "app-secret"}, CONFUSED),
        (basic("app", "app-secret"), {"client_id": "app", "client_secret": "app-secret"}, CONFUSED),
        (basic("app", "app-secret"), {"client_id": "app-post", "client_secret": "app-post-secret"}, CONFUSED),
        (basic("app", "app-secret"), {"client_id": "spa"}, CONFUSED),
        # Headers that say nothing.
        ({"Authorization": "Bearer app-secret"}, {}, NOT_PROVEN),
        ({"Authorization": "Basic"}, {}, NOT_PROVEN),
        ({"Authorization": "Basic !!!"}, {}, NOT_PROVEN),
        ({"Authorization": "Basic YXBw"}, {}, NOT_PROVEN),
        ({"Authorization": "Basic /////w=="}, {}, NOT_PROVEN),
        (basic("app", "%FF"), {}, NOT_PROVEN),
        (basic("app", "app-secret%00"), {}, NOT_PROVEN),
        (basic("app\0", "app-secret"), {}, NOT_PROVEN),
        ({"Authorization": "Digest username=app"}, {"client_id": "spa"}, NOT_PROVEN),
    ],
)
def test_a_client_proves_itself_by_its_registered_method_alone(
    op: RunningProvider, headers: dict[str, str], form: dict[str, str], expected: tuple[int, str]
) -> None:
    """RFC 6749 2.3, 2.3.1, 5.2, RFC 9110 11.1. Who is proven here learns that there is no such refresh token."""
    response = op.post("/token", {"grant_type": "refresh_token", "refresh_token": "x", **form}, headers=headers)
    assert (response.status_code, response.json()["error"]) == expected
    challenge = response.headers.get("WWW-Authenticate")
    assert challenge == (f'Basic realm="{op.issuer}", charset="UTF-8"' if expected == NOT_PROVEN else None)


@pytest.mark.parametrize("endpoint", ["/token", "/introspect", "/revoke"])
def test_an_unknown_client_is_answered_as_one_with_a_wrong_secret(op: RunningProvider, endpoint: str) -> None:
    """RFC 6749 5.2, 10.1: nobody learns which clients there are, or how they authenticate."""
    form = {"grant_type": "refresh_token", "refresh_token": "x", "token": "x"}
    ways: list[tuple[dict[str, str], dict[str, str]]] = [
        (basic("nobody", "wrong"), {}),
        (basic("app", "wrong"), {}),
        (basic("app-post", "app-post-secret"), {}),
        (basic("spa", "wrong"), {}),
        ({}, {"client_id": "nobody", "client_secret": "wrong"}),
        ({}, {"client_id": "app-post", "client_secret": "wrong"}),
        ({}, {"client_id": "app", "client_secret": "app-secret"}),
        ({}, {"client_id": "nobody"}),
        ({}, {"client_id": "app"}),
    ]
    answers = []
    for headers, more in ways:
        response = op.post(endpoint, {**form, **more}, headers=headers)
        fixed = {name: value for name, value in response.headers.items() if name not in ("x-request-id", "date")}
        answers.append((response.status_code, response.text, fixed))
    assert answers[0][0] == 401
    assert all(answer == answers[0] for answer in answers)


def test_an_id_and_a_secret_of_any_characters(others: RunningProvider) -> None:
    """RFC 6749 2.3.1, B: both are form-encoded before they go into the header."""
    app = others.client("odd: client+%", secret=ODD_SECRET)
    assert app.refresh("x").error == "unauthorized_client", "authenticated, and not registered for refresh"
    raw = others.post(
        "/token",
        {"grant_type": "refresh_token", "refresh_token": "x"},
        headers=basic("odd: client+%", ODD_SECRET),
    )
    assert raw.status_code == 401, "not form-encoded: the colon of the client_id ends it"
    answer = app.authorize(scope="read")
    assert app.exchange(answer).scope == "read"


def test_a_secret_expires(others: RunningProvider) -> None:
    """RFC 7591 3.2.1: client_secret_expires_at."""
    assert others.client("expired-secret", secret="secret").refresh("x").error == "invalid_client"
    assert others.client("expired-secret", secret="wrong").refresh("x").error == "invalid_client"
    assert others.client("lasting-secret", secret="secret").refresh("x").error == "unauthorized_client"
