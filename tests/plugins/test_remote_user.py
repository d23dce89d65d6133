"""The plugin `remote_user`: what is believed, what a login is enough for, and where people are sent."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest
from creance.plugins.kept_users import REMOTE_USERS
from creance.provider import Browser, ConfigurationError, OpenIDProvider, User, VisitLost
from creance.provider.authorization import Redirect
from creance.provider.settings import Settings

from ..conftest import App, Clock

MakeProvider = Callable[..., OpenIDProvider]
MakeSettings = Callable[..., Settings]

PROXY = {"header": "Remoteuser", "trusted_peers": ["127.0.0.1/32", "fd00::/8"]}
LOGIN = {"login_url": "https://login.example.org/start?app=creance", "force_parameter": "forceAuthn=true"}
TIMED = {"auth_time_from": "Remotetime"}


def at_proxy(user: str | None = "alice", peer: str = "127.0.0.1", **headers: str) -> Browser:
    """What comes through the proxy: `Remotetime="17"` is a header; names in capitals are variables of the environ."""
    environ = {"REMOTE_ADDR": peer} if user is None else {"REMOTE_ADDR": peer, "HTTP_REMOTEUSER": user}
    for name, value in headers.items():
        environ[name if name.isupper() else f"HTTP_{name.upper()}"] = value
    return Browser({}, peer, environ=environ)


@pytest.fixture
def make(make_provider: MakeProvider) -> Callable[..., App]:
    """An app of a provider behind the proxy: `make(login_url="…")`; `plugins` are others, after it."""

    def make(plugins: Any = None, app: str = "app", **settings: Any) -> App:
        provider = make_provider(plugins={"remote_user": PROXY | settings, **(plugins or {})})
        return App(provider, app)

    return make


def error_of(answer: Redirect) -> str | None:
    return answer.error.error if answer.error else None


def id_token(app: App, browser: Browser, **changes: str | None) -> dict[str, Any]:
    """The claims that the app gets at the end; fails where there is no code."""
    parameters, verifier = app.request(**{"scope": "openid profile email", **changes})
    answer = app.provider.authorization.answer(parameters, browser)
    assert answer.error is None, (answer.error.error, str(answer.error))
    assert not answer.interaction, answer.location
    code = dict(parse_qsl(urlsplit(answer.location).query))["code"]
    form = {"grant_type": "authorization_code", "code": code, "code_verifier": verifier}
    return app.claims(app.token({**form, "redirect_uri": parameters["redirect_uri"]}))


def come_back(app: App, answer: Redirect, left: Browser, back: Browser) -> Redirect:
    """From the proxy's login page by the URL that it was given, as /auth/resume does."""
    assert answer.interaction
    (url,) = parse_qs(urlsplit(answer.location).query)["target"]
    assert url.startswith(app.provider.url("resume") + "?request=")
    back.cookies = {cookie.name: cookie.value for cookie in left.set_cookies}
    visit = app.provider.visits.open(parse_qs(urlsplit(url).query)["request"][0], back)
    return app.provider.authorization.answer(
        visit.parameters, back, started_at=visit.started_at, decisions=visit.decisions
    )


# Settings


@pytest.mark.parametrize(
    ("table", "mistake"),
    [
        ({}, "header or environ"),
        ({"header": "Remoteuser"}, "trusted_peers"),
        (PROXY | {"environ": "REMOTE_USER"}, "not both"),
        (PROXY | {"header": "X-Remote-User"}, "X_Remote_User"),
        (PROXY | {"header": "X_Remote_User", "drops_underscores": True}, "letters and digits"),
        (PROXY | {"header": "X--User", "drops_underscores": True}, "letters and digits"),
        (PROXY | {"acr_from": "X-Acr"}, "X_Acr"),
        (PROXY | {"accept": "all", "claims": {"email": "X-Mail"}}, "X_Mail"),
        (PROXY | {"claims": {"email": "Mail"}}, "accept"),
        (PROXY | {"accept": "all", "claims": {"sub": "Mail"}}, "protocol"),
        (PROXY | {"trusted_peers": ["proxy.example.org"]}, "trusted_peers"),
        (PROXY | {"force_parameter": "prompt=login"}, "login_url"),
        (PROXY | {"login_url": "//evil.example.org/"}, "login_url"),
        (PROXY | {"login_url": "javascript:alert(1)"}, "login_url"),
        (PROXY | {"login_url": "/\\evil.example.org"}, "login_url"),
        (PROXY | LOGIN | {"force_parameter": "a=b&target=https://evil.example.org"}, "force_parameter"),
        ({"environ": "HTTP_REMOTE_USER"}, "server in front"),
        ({"environ": "http_x"}, "server in front"),
        ({"environ": "QUERY_STRING"}, "server in front"),
        ({"environ": "REMOTE_ADDR"}, "server in front"),
        ({"environ": "REMOTE_USER", "acr_from": "HTTP_ACR"}, "server in front"),
    ],
)
def test_what_could_be_somebody_else_s_word_is_no_setting(
    make_settings: MakeSettings, table: dict[str, Any], mistake: str
) -> None:
    """Issue 6, item 9: exactly one source, only from trusted peers, in a spelling that nobody else can send."""
    with pytest.raises(ConfigurationError) as refusal:
        OpenIDProvider(make_settings(plugins={"remote_user": table}))
    assert "plugins.remote_user" in str(refusal.value)
    assert mistake in str(refusal.value)


def test_a_variable_of_the_process_stops_the_start(
    make_provider: MakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PEP 3333, environ: servers put the variables of their process into it, and everybody would be that person."""
    monkeypatch.setenv("REMOTE_USER", "alice")
    with pytest.raises(ConfigurationError, match="REMOTE_USER"):
        make_provider(plugins={"remote_user": {"environ": "REMOTE_USER"}})


def test_the_proxy_s_sessions_and_ours_do_not_go_together(make_provider: MakeProvider) -> None:
    """A session that the plugin `sessions` does not know counts as one that has ended: said at the start."""
    with pytest.raises(ConfigurationError, match="session_from"):
        make_provider(plugins={"remote_user": PROXY | {"session_from": "Remotesession"}, "sessions": {}})


# What is believed


@pytest.mark.parametrize("peer", ["127.0.0.1", "::ffff:127.0.0.1", "fd00::17"])
def test_the_proxy_says_who_it_is(make: Callable[..., App], peer: str) -> None:
    """Issue 6, item 9: the header of a trusted peer. Nobody knows when the login was, so no app is told a time."""
    claims = id_token(make(), at_proxy(peer=peer))
    assert claims["name"] == "Alice Liddell"
    assert not claims.keys() & {"auth_time", "acr", "amr", "sid"}


@pytest.mark.parametrize("peer", ["127.0.0.2", "10.0.0.1", "fc00::1", "", "localhost", "127.0.0.1, 10.0.0.1"])
def test_nobody_else_is_believed(make: Callable[..., App], peer: str, capfd: pytest.CaptureFixture[str]) -> None:
    """Issue 6, item 9: only trusted peers; X-Forwarded-For has no say in who the peer is. The log says it once."""
    app = make()
    for _ in range(3):
        browser = at_proxy(peer=peer, x_forwarded_for="127.0.0.1")
        browser.remote_address = "127.0.0.1"  # as a trusted proxy's X-Forwarded-For would have it
        assert error_of(app.answer(browser)) == "login_required"
    output = capfd.readouterr().out
    assert output.count("remote_user_not_believed") == 1
    assert "alice" not in output


@pytest.mark.parametrize(
    "value",
    ["", " ", "alice,bob", "alice, alice", "al\tice", "alice\x00", "al\x1bice", "al\u00ffice", "x" * 256, "x" * 10_000],
)
def test_a_name_that_is_none_is_nobody(make: Callable[..., App], value: str) -> None:
    """RFC 9110 5.3: two headers are one with a comma; 5.5: no control characters; PEP 3333: bytes that are no UTF-8."""
    assert error_of(make().answer(at_proxy(value))) == "login_required"


def test_names_are_utf_8(make_provider: MakeProvider) -> None:
    """PEP 3333: each character of the environ is a byte; what a server has decoded is taken as it is."""
    people = [
        {"username": "jürgen", "claims": {"name": "Jürgen"}},
        {"username": "\u0142ukasz", "claims": {"name": "Ł"}},
    ]
    app = App(make_provider(plugins={"remote_user": PROXY}, more_users=people), "app")
    assert id_token(app, at_proxy("jürgen".encode().decode("latin-1")))["name"] == "Jürgen"
    assert id_token(app, at_proxy("\u0142ukasz"))["name"] == "Ł"


def test_a_variable_of_the_environ_is_believed_and_a_header_of_its_name_is_not(make_provider: MakeProvider) -> None:
    """PEP 3333: REMOTE_USER is the server's, HTTP_REMOTE_USER the client's."""
    app = App(make_provider(plugins={"remote_user": {"environ": "REMOTE_USER"}}), "app")
    assert error_of(app.answer(at_proxy(None, HTTP_REMOTE_USER="alice", peer="10.0.0.1"))) == "login_required"
    assert id_token(app, at_proxy(None, REMOTE_USER="alice", peer="10.0.0.1"))["name"] == "Alice Liddell"


def test_who_is_unknown_or_disabled_is_refused(make_provider: MakeProvider) -> None:
    """OpenID Connect Core 3.1.2.6: accept = "known" lets in people who are known without the proxy."""
    gone = {"username": "gone", "disabled": True}
    app = App(make_provider(plugins={"remote_user": PROXY}, more_users=[gone]), "app")
    for name in ("nobody", "gone", "Alice"):
        assert error_of(app.answer(at_proxy(name))) == "access_denied"


@pytest.mark.parametrize(
    ("said", "auth_time"),
    [
        ("1700000000", 1700000000),
        ("1700000000.25", 1700000000),
        ("2023-11-14T22:13:20Z", 1700000000),
        ("2023-11-14T22:13:20.123456Z", 1700000000),
        ("2023-11-14T23:13:20+01:00", 1700000000),
        ("2023-11-14T22:13:20", None),
        ("yesterday", None),
        ("-5", None),
        ("0", None),
        ("99999999999", None),
        ("9999-12-31T23:59:59Z", None),
        ("inf", None),
        ("\u0661", None),
        ("", None),
    ],
)
def test_auth_time_is_the_proxy_s(make: Callable[..., App], said: str, auth_time: int | None) -> None:
    """OpenID Connect Core 2, auth_time: the true login; what is no moment of the past is no time."""
    claims = id_token(make(**TIMED), at_proxy(Remotetime=said.encode().decode("latin-1")))
    assert claims.get("auth_time") == auth_time


def test_acr_and_amr_are_mapped(make: Callable[..., App]) -> None:
    """OpenID Connect Core 2: acr as the map says, amr word by word; what the map does not have is not told."""
    app = make(acr_from="Acr", amr_from="Amr", acr_map={"urn:mfa": "2"})
    claims = id_token(app, at_proxy(Acr="urn:mfa", Amr="pwd, otp;mfa"))
    assert (claims["acr"], claims["amr"]) == ("2", ["pwd", "otp", "mfa"])
    assert "acr" not in id_token(app, at_proxy(Acr="urn:other"))
    assert id_token(make(acr_from="Acr"), at_proxy(Acr="urn:other"))["acr"] == "urn:other"


def test_an_essential_acr_is_held_against_the_proxy_s(make: Callable[..., App]) -> None:
    """OpenID Connect Core 5.5.1.1: what was not reached is a failed login."""
    app = make(acr_from="Acr")
    claims = '{"id_token": {"acr": {"essential": true, "values": ["2"]}}}'
    assert id_token(app, at_proxy(Acr="2"), claims=claims)["acr"] == "2"
    assert error_of(app.answer(at_proxy(Acr="1"), claims=claims)) == "unmet_authentication_requirements"


def test_apps_get_a_digest_of_the_proxy_s_session(make: Callable[..., App]) -> None:
    """OpenID Connect Front-Channel Logout 3: `sid` tells logins apart; the proxy's own id may be its cookie."""
    app = make(session_from="Remotesession")
    first, again, other = (id_token(app, at_proxy(Remotesession=value)) for value in ("_1a2b", "_1a2b", "_3c4d"))
    sids = [claims.get("sid") for claims in (first, again, other)]
    assert sids[0]
    assert sids[0] == sids[1] != sids[2]
    assert "_1a2b" not in str(first)


# What a login is enough for


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"prompt": "login"}, "login_required"),
        ({"prompt": "select_account"}, "account_selection_required"),
        ({"prompt": "login select_account"}, "account_selection_required"),
        ({"max_age": "0"}, "login_required"),
        ({"max_age": "100000"}, "login_required"),
    ],
)
@pytest.mark.parametrize("settings", [{}, LOGIN, {"login_url": LOGIN["login_url"], **TIMED}])
def test_a_recent_login_that_cannot_be_shown_is_none(
    make: Callable[..., App], changes: dict[str, str], error: str, settings: dict[str, str]
) -> None:
    """OpenID Connect Core 3.1.2.1: without a time, or without a way to log in anew, nobody is sent for nothing."""
    app = make(**settings)
    browser = at_proxy(Remotetime="1700000000") if "force_parameter" not in settings else at_proxy()
    answer = app.answer(browser, **changes)
    assert error_of(answer) == error
    assert browser.set_cookies == []


def test_require_auth_time_needs_a_time(make_provider: MakeProvider) -> None:
    """OpenID Connect Dynamic Client Registration 2, require_auth_time: refused by redirect, and no failure of ours."""
    client = {"client_id": "timely", "client_secret": "s" * 20, "redirect_uris": ["https://timely.example.org/"]}
    provider = make_provider(
        plugins={"remote_user": PROXY | TIMED}, more_clients=[client | {"require_auth_time": True, "scope": "openid"}]
    )
    app = App(provider, "timely")
    assert error_of(app.answer(at_proxy(), scope="openid")) == "login_required"
    assert id_token(app, at_proxy(Remotetime="1700000000"), scope="openid")["auth_time"] == 1700000000


def test_max_age_is_held_against_the_proxy_s_time(make: Callable[..., App]) -> None:
    """OpenID Connect Core 3.1.2.1, max_age."""
    app = make(**TIMED)
    login = str(int(time.time()) - 50)
    assert id_token(app, at_proxy(Remotetime=login), max_age="100")["auth_time"] == int(login)
    assert error_of(app.answer(at_proxy(Remotetime=login), max_age="10")) == "login_required"


@pytest.mark.parametrize("changes", [{"prompt": "login"}, {"prompt": "select_account"}, {"max_age": "10"}])
def test_people_are_sent_to_log_in_anew_once(make: Callable[..., App], clock: Clock, changes: dict[str, str]) -> None:
    """OpenID Connect Core 3.1.2.1: with the force parameter; a new login is enough, the old one is not, and who comes
    back with that is not sent again.
    """
    app = make(**TIMED, **LOGIN)
    old = str(int(time.time()) - 1000)
    left = at_proxy(Remotetime=old)
    answer = app.answer(left, **changes)
    parts = urlsplit(answer.location)
    assert answer.location.startswith("https://login.example.org/start?app=creance&target=")
    assert parse_qs(parts.query)["forceAuthn"] == ["true"]
    refused = come_back(app, answer, left, at_proxy(Remotetime=old))
    assert error_of(refused) == ("account_selection_required" if "select" in str(changes) else "login_required")
    clock.advance(5)
    done = come_back(app, answer, left, at_proxy(Remotetime=str(int(time.time()))))
    assert done.error is None
    assert "code=" in done.location


def test_who_is_not_logged_in_is_sent_to_log_in_once(make: Callable[..., App]) -> None:
    """OpenID Connect Core 3.1.2.3: to the proxy's page, with no force parameter, and back by a URL of ours."""
    app = make(**LOGIN)
    left = at_proxy(None)
    answer = app.answer(left)
    assert answer.location.startswith("https://login.example.org/start?app=creance&target=")
    assert "forceAuthn" not in answer.location
    assert error_of(come_back(app, answer, left, at_proxy(None))) == "login_required"
    assert "code=" in come_back(app, answer, left, at_proxy()).location


def test_the_way_back_is_this_browser_s(make: Callable[..., App]) -> None:
    """RFC 9700 4.7: the request that came back is good in the browser that left with it."""
    app = make(**LOGIN)
    answer = app.answer(at_proxy(None))
    with pytest.raises(VisitLost):
        come_back(app, answer, at_proxy(None), at_proxy())


@pytest.mark.parametrize("user", [None, "alice"])
def test_prompt_none_shows_no_page(make: Callable[..., App], user: str | None) -> None:
    """OpenID Connect Core 3.1.2.1: an error at once, and no cookie; a code for who is logged in."""
    app = make(**TIMED, **LOGIN)
    browser = at_proxy(user, Remotetime="1700000000")
    answer = app.answer(browser, prompt="none", max_age="10")
    assert error_of(answer) == "login_required"
    assert browser.set_cookies == []
    assert id_token(app, at_proxy(Remotetime="1700000000"), prompt="none")["name"] == "Alice Liddell"


def test_another_person_than_the_hint_s(make: Callable[..., App]) -> None:
    """OpenID Connect Core 3.1.2.1, id_token_hint: sent to log in as that one, once; else login_required."""
    app = make(**LOGIN)
    hint = app.log_in("bob")["id_token"]
    assert error_of(make().answer(at_proxy(), id_token_hint=hint)) == "login_required"
    assert error_of(app.answer(at_proxy(), id_token_hint=hint, prompt="none")) == "login_required"
    left = at_proxy()
    answer = app.answer(left, id_token_hint=hint)
    assert "forceAuthn=true" in answer.location
    assert error_of(come_back(app, answer, left, at_proxy())) == "login_required"
    assert "code=" in come_back(app, answer, left, at_proxy("bob")).location


def test_the_hint_of_a_pairwise_client_speaks_of_its_own_subject(make_provider: MakeProvider) -> None:
    """OpenID Connect Core 3.1.2.1, 8.1: the right person is not sent away, with prompt=none neither."""
    provider = make_provider(
        plugins={"remote_user": PROXY | LOGIN},
        subjects={"salt": "a long random text that is kept for ever", "default_type": "pairwise"},
    )
    app = App(provider, "app")
    hint = app.log_in()["id_token"]
    assert id_token(app, at_proxy(), id_token_hint=hint, prompt="none")["name"] == "Alice Liddell"
    assert error_of(app.answer(at_proxy("bob"), id_token_hint=hint, prompt="none")) == "login_required"


# Beside other plugins


def test_the_plugin_that_is_named_first_is_asked_first(
    make: Callable[..., App], login_plugin: dict[str, Any], make_provider: MakeProvider
) -> None:
    """Hook authenticate, first result: the proxy's word, and the other plugin for who is nobody there."""
    app = make(plugins=login_plugin)
    both = at_proxy()
    both.cookies = {"user": "bob"}
    assert id_token(app, both)["name"] == "Alice Liddell"
    nobody = at_proxy(None)
    nobody.cookies = {"user": "bob"}
    assert id_token(app, nobody)["name"].startswith("Bob")
    other = App(make_provider(plugins={**login_plugin, "remote_user": PROXY}), "app")
    assert id_token(other, both)["name"].startswith("Bob")


# accept = "all"

ALL = {"accept": "all", "claims": {"email": "Mail", "email_verified": "Mailverified", "name": "Fullname"}}


def test_people_whom_only_the_proxy_knows_are_kept(make: Callable[..., App]) -> None:
    """Issue 6, item 9: their claims are there for userinfo and refreshed tokens, renewed at each login, and so is the
    `sub`: made as for everybody.
    """
    app = make(**ALL)
    claims = id_token(app, at_proxy("erin", Mail="erin@example.org", Mailverified="true"))
    assert (claims["email"], claims["email_verified"]) == ("erin@example.org", True)
    users = app.provider.users
    kept = users.find("erin")
    assert kept == User("erin", claims["sub"], {"email": "erin@example.org", "email_verified": True})
    assert kept == users.find_by_subject(claims["sub"])
    assert claims["sub"] == users.subject_identifiers.create_public_identifier("erin")
    assert id_token(app, at_proxy("erin", Mail="new@example.org"))["email"] == "new@example.org"
    assert users.authenticate("erin", "anything") is None


def test_people_who_are_known_otherwise_keep_what_they_are(make: Callable[..., App]) -> None:
    """docs/users.md: the file and the store first; nothing is kept of people who are there."""
    app = make(**ALL)
    assert id_token(app, at_proxy("alice", Fullname="Mallory"))["name"] == "Alice Liddell"
    assert app.provider.store.get(REMOTE_USERS, "alice") is None
    id_token(app, at_proxy("erin"))
    app.provider.users.create_user("erin", None, {"name": "Erin"}, "another-subject")
    assert id_token(app, at_proxy("erin", Fullname="Mallory"))["name"] == "Erin"


def test_an_unchanged_person_is_not_written_again(make: Callable[..., App]) -> None:
    """docs/users.md: a login writes where something has changed."""
    app = make(**ALL)
    versions = []
    for mail in ("a@example.org", "a@example.org", "b@example.org"):
        id_token(app, at_proxy("erin", Mail=mail))
        document = app.provider.store.get(REMOTE_USERS, "erin")
        assert document is not None
        versions.append(document.version)
    assert versions[0] == versions[1] != versions[2]


def test_a_claim_that_cannot_be_believed_is_nobody_s(make: Callable[..., App]) -> None:
    """RFC 9110 5.5: control characters, and what is too long, in any header that is believed."""
    app = make(**ALL)
    for value in ("a\x00b", "x" * 1025):
        assert error_of(app.answer(at_proxy("erin", Mail=value))) == "login_required"
