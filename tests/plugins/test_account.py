"""The account plugin without HTTP: devices in words, what a new password must be, and which apps have access."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Barrier
from typing import Any

import pytest
from creance.plugins.account.account_page import Fact, facts_about
from creance.plugins.account.app_access import apps_with_access
from creance.plugins.account.device import Device, device_of
from creance.plugins.account.notices import words_of
from creance.plugins.account.password_rules import COMMON, PERSONAL, TOO_LONG, TOO_SHORT, is_common, why_unfit
from creance.plugins.account.where_kept import where_kept
from creance.provider import (
    ClientSettings,
    ConfigurationError,
    InvalidGrant,
    OpenIDProvider,
    User,
)
from creance.provider.consents import Permissions

MakeProvider = Callable[..., OpenIDProvider]

WEBKIT = "AppleWebKit/537.36 (KHTML, like Gecko)"


# ----- Devices -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("user_agent", "browser", "system"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox", "Linux"),
        (f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {WEBKIT} Chrome/139.0.0.0 Safari/537.36", "Chrome", "Windows"),
        (
            f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {WEBKIT} Chrome/139.0.0.0 Safari/537.36 Edg/139.0.0.0",
            "Edge",
            "Windows",
        ),
        (f"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) {WEBKIT} Chrome/139.0.0.0 Safari/537.36", "Chrome", "ChromeOS"),
        (
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) "
            "Version/18.5 Safari/605.1.15",
            "Safari",
            "Mac",
        ),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
            "CriOS/139.0.7258.76 Mobile/15E148 Safari/604.1",
            "Chrome",
            "iPhone",
        ),
        (
            "Mozilla/5.0 (iPad; CPU OS 16_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
            "FxiOS/142.0 Mobile/15E148 Safari/605.1.15",
            "Firefox",
            "iPad",
        ),
        (
            "Mozilla/5.0 (Linux; Android 14; SAMSUNG SM-S921B) AppleWebKit/537.36 (KHTML, like Gecko) "
            "SamsungBrowser/28.0 Chrome/130.0.0.0 Mobile Safari/537.36",
            "Samsung Internet",
            "Android",
        ),
        (f"Mozilla/5.0 (X11; Linux x86_64) {WEBKIT} Chrome/138.0.0.0 Safari/537.36 OPR/122.0.0.0", "Opera", "Linux"),
        ("Mozilla/5.0 (X11; FreeBSD amd64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox", "BSD"),
        (
            "Mozilla/5.0 (PlayStation 5/SmartTV) AppleWebKit/605.1.15 (KHTML, like Gecko) Safari/605.1.15",
            "Safari",
            None,
        ),
        ("Mozilla/5.0 (X11; Linux x86_64) Something/1.0", None, "Linux"),
        ("Mozilla/5.0 (Linux) Firefoxes", None, "Linux"),
        ("Firefox/140.0 (Windows)", None, None),
        ("curl/8.5.0", None, None),
        ("python-requests/2.32", None, None),
        ("Mozilla/5.0 (", None, None),
        ("", None, None),
    ],
)
def test_a_device_is_known_by_what_people_call_it(user_agent: str, browser: str | None, system: str | None) -> None:
    """docs/account.md, Sessions: what is not recognised is unknown, and never guessed."""
    assert device_of(user_agent) == Device(browser, system)


# ----- New passwords -----------------------------------------------------------------------------------------------

ALICE = User(
    "alice.liddell",
    "a-subject",
    {"name": "Alice Liddell", "given_name": "Alice", "email": "rabbit.hole@wonderland.example", "nickname": None},
)


@pytest.mark.parametrize(
    ("password", "problem"),
    [
        ("correct horse battery staple", None),
        ("vier Wörter ohne Sinn", None),
        ("alicebrave-rabbit", None),
        ("x7#kQ2!vLm9p", None),
        ("elevenchars", TOO_SHORT),
        ("", TOO_SHORT),
        ("ab" * 512 + "c", TOO_LONG),
        ("123456789012", COMMON),
        ("987654321098", COMMON),
        ("abcdefghijklmno", COMMON),
        ("qwertyuiopasdf", COMMON),
        ("aaaaaaaaaaaaaaaa", COMMON),
        ("abababababab", COMMON),
        ("PasswordPassword", COMMON),
        ("password2026!", COMMON),
        ("Sunshine!!!!1", COMMON),
        ("alice.liddell", PERSONAL),
        ("ALICELIDDELL", PERSONAL),
        ("Alice Liddell 1865", PERSONAL),
        ("alicealicealice", PERSONAL),
        ("rabbit.hole@wonderland.example", PERSONAL),
        ("Rabbit-Hole-2026", PERSONAL),
        ("The Falconry 2026!", PERSONAL),
    ],
)
def test_a_new_password_is_long_and_not_what_is_tried_first(password: str, problem: str | None) -> None:
    """NIST SP 800-63B-4 3.1.1.2: length, a list of common ones, and what has to do with the person or the site."""
    assert why_unfit(password, ALICE, site="The Falconry", minimum_length=12) == problem


def test_the_list_of_common_passwords_is_there() -> None:
    """NIST SP 800-63B-4 3.1.1.2: also the shortest that can be allowed; its first lines are no passwords."""
    assert is_common("baseball")
    assert is_common("BASEBALL")
    assert not is_common("# Passwords of eight characters and more that many people have, the most common first")


def test_claims_that_are_no_text_stop_nobody() -> None:
    """OpenID Connect Core 5.1: claims can be anything; a password is still looked at."""
    user = User("u", "s", {"email": ["a"], "name": 7, "given_name": None})
    assert why_unfit("correct horse battery", user, site="", minimum_length=8) is None


# ----- Who I am ----------------------------------------------------------------------------------------------------


def test_facts_are_what_scopes_give() -> None:
    """OpenID Connect Core 5.4: in words, and whether they are confirmed; nothing else, and no protocol claim."""
    user = User(
        "u",
        "s",
        {
            "email": "u@example.org",
            "email_verified": False,
            "phone_number": "1",
            "iss": "x",
            "badge": "7",
            "roles": ["a"],
        },
    )
    facts = list(facts_about(user, ["email", "email_verified", "phone_number", "iss", "roles"]))
    assert facts == [
        Fact("E-mail address", "u@example.org", False),
        Fact("Phone number", "1", None),
        Fact("roles", "a", None),
    ]


def test_where_an_account_is_kept(make_provider: MakeProvider) -> None:
    """docs/account.md, Who I am: what is not in our store cannot be changed here."""
    provider = make_provider()
    provider.users.create_user("stored", "correct horse battery")

    class Directory:
        """Users that somebody else keeps."""

        def find(self, username: str) -> User | None:
            return None

        find_by_subject = find

        def authenticate(self, username: str, password: str) -> User | None:
            return None

    assert where_kept(provider.users, "stored") == "here"
    assert where_kept(provider.users, "alice") == "configuration"
    assert where_kept(Directory(), "stored") == "elsewhere"


SOURCE = """
class Stranger(Plugin[PluginSettings, PluginSettings]):
    @hookimpl
    def users(self):
        return self

    def find(self, username):
        return User("dora", "sub-of-dora", {}) if username == "dora" else None

    def find_by_subject(self, subject):
        return self.find("dora") if subject == "sub-of-dora" else None

    def authenticate(self, username, password):
        return self.find(username)
"""


def test_the_account_of_who_is_in_a_directory_is_kept_elsewhere(
    make_provider: MakeProvider, install_plugin: Callable[..., None]
) -> None:
    """docs/account.md, Who I am; docs/users.md: a plugin brings people whose password only their directory changes."""
    install_plugin("directory", SOURCE)
    provider = make_provider(plugins={"directory": {}})
    assert provider.users.find("dora") is not None
    assert where_kept(provider.users, "dora") == "elsewhere"
    assert where_kept(provider.users, "alice") == "configuration"


# ----- Apps with access --------------------------------------------------------------------------------------------


def listed(provider: OpenIDProvider, username: str = "alice") -> dict[str, list[str]]:
    """The names of the apps, with what they may."""
    user = provider.users.find(username)
    assert user is not None
    apps, complete = apps_with_access(provider, user)
    assert complete
    return {app.client.client_id: list(app.permissions) for app in apps}


def test_an_app_is_listed_while_it_holds_something(make_app: Callable[..., Any]) -> None:
    """docs/account.md, Apps: a code that was not exchanged is nothing yet; a token is, until it is revoked."""
    app = make_app()
    code = app.authorize(scope="openid email groups-of-nobody offline_access")
    assert listed(app.provider) == {}
    tokens = app.exchange(code)
    assert listed(app.provider) == {"app": ["Your e-mail address", "Keep this access while you are away"]}
    assert listed(app.provider, "bob") == {}
    app.revoke(tokens["refresh_token"])
    assert listed(app.provider) == {}


def test_what_was_granted_several_times_is_listed_once(make_app: Callable[..., Any], clock: Any) -> None:
    """docs/account.md, Apps: with all that it may, since the first of them; the newest app first."""
    app = make_app()
    first = time.time()
    app.log_in(scope="openid email")
    clock.advance(60)
    app.log_in(scope="openid phone")
    spa = make_app("spa", app.provider)
    spa.log_in(scope="openid")
    assert listed(app.provider) == {"spa": [], "app": ["Your e-mail address", "Your phone number"]}
    user = app.provider.users.find("alice")
    (_, oldest), _ = apps_with_access(app.provider, user)
    assert oldest.since == pytest.approx(first, abs=30)


def test_consent_counts_with_single_claims(make_provider: MakeProvider) -> None:
    """OpenID Connect Core 5.5: claims that a scope gives are said by the scope."""
    provider = make_provider()
    user, client = provider.users.find("alice"), provider.clients.find("app")
    assert user is not None
    assert client is not None
    allowed = Permissions(frozenset({"openid", "email"}), frozenset({"email", "email_verified", "birthdate", "badge"}))
    provider.consents.remember(user, client, allowed, allowed, 1000)
    assert listed(provider) == {"app": ["Your e-mail address", "Date of birth", "badge"]}


def test_scopes_have_the_words_of_the_consent_page(make_provider: MakeProvider, make_app: Any) -> None:
    """docs/consent.md: words that the operator gave are the same wherever a person reads them."""
    words = {"reports": "Your yearly reports", "email": "Where we write to you", "badge": "The number on your badge"}
    provider = make_provider(
        extra_scopes={"reports": ["badge"]}, plugins={"sessions": {}, "consent": {"descriptions": words}}
    )
    user, client = provider.users.find("alice"), provider.clients.find("app")
    assert user is not None
    assert client is not None
    allowed = Permissions(frozenset({"openid", "email", "reports"}), frozenset({"email", "birthdate", "badge"}))
    provider.consents.remember(user, client, allowed, allowed, 1000)
    assert listed(provider) == {"app": ["Where we write to you", "Your yearly reports", "Date of birth"]}
    plugin: Any = provider.plugins.plugins["consent"]
    parameters, _ = make_app("app", provider).request(scope="openid email")
    request = provider.authorization.read(*provider.authorization.prove(parameters), time.time())
    items = plugin.wording.items(request, allowed, user=user)
    assert [item.words for item in items] == ["Where we write to you", "Date of birth", "The number on your badge"]
    facts = facts_about(User("dora", "dora-sub", {"badge": 7}), ["badge"], provider.scope_words.claims)
    assert list(facts) == [Fact("The number on your badge", "7", None)]


def test_what_another_client_of_that_name_had_is_not_listed(make_provider: MakeProvider, make_app: Any) -> None:
    """docs/architecture.md, Choices: a grant names the registration of its client."""
    provider = make_provider()
    fields: dict[str, Any] = {
        "client_id": "short-lived",
        "redirect_uris": ["http://localhost:1/"],
        "token_endpoint_auth_method": "none",
        "scope": "openid email",
    }
    provider.clients.add(ClientSettings(**fields))
    make_app("short-lived", provider).log_in(scope="openid email")
    assert list(listed(provider)) == ["short-lived"]
    provider.clients.remove("short-lived")
    assert listed(provider) == {}
    provider.clients.add(ClientSettings(**fields))
    assert listed(provider) == {}


# ----- Revoking, as the page does it -------------------------------------------------------------------------------


def test_revoking_a_client_ends_every_grant_and_no_other(make_app: Callable[..., Any]) -> None:
    """RFC 7009 2.1: a grant that has only a code, only a refresh token or only an access token left is found too."""
    app = make_app()
    tokens, subject = app.provider.tokens, app.provider.users.find("alice").subject
    code, both, rotated = app.authorize(), app.log_in(), app.refresh(app.log_in()["refresh_token"])
    only_refresh = app.log_in()
    tokens.revoke_access_token(only_refresh["access_token"])
    only_access = app.log_in(scope="openid")
    bob, other = app.log_in("bob"), make_app("spa", app.provider).log_in()
    tokens.revoke_client(subject, "app")
    assert tokens.read_code(code.value) is None
    for given in (both, rotated, only_refresh, only_access):
        assert tokens.read_access_token(given["access_token"]) is None
        assert "refresh_token" not in given or tokens.read_refresh_token(given["refresh_token"]) is None
    for given in (bob, other):
        assert tokens.read_access_token(given["access_token"]) is not None
    tokens.revoke_client(subject, "app")  # nothing is left: no error


@pytest.fixture(params=["sqlite", "mongodb"])
def contended(request: pytest.FixtureRequest, make_provider: MakeProvider) -> OpenIDProvider:
    """A provider on each kind of store: with transactions, and without."""
    if request.param == "sqlite":
        return make_provider()
    return make_provider(store={"uri": request.getfixturevalue("mongodb_uri"), "timeout": 60})


def test_who_refreshes_while_an_app_is_revoked_is_left_with_nothing(contended: OpenIDProvider, make_app: Any) -> None:
    """DESIGN, The store: codes and refresh tokens go first, so whoever redeems meanwhile loses or is found."""
    app, user = make_app("app", contended), contended.users.find("alice")
    assert user is not None

    def refresh_for_ever(issued: list[dict[str, Any]], start: Barrier) -> None:
        start.wait()
        with suppress(InvalidGrant):
            while True:
                issued.append(app.refresh(issued[-1]["refresh_token"]))

    for _ in range(5):
        held = [[app.log_in()] for _ in range(4)]
        start = Barrier(len(held) + 1)
        with ThreadPoolExecutor(len(held)) as threads:
            racing = [threads.submit(refresh_for_ever, issued, start) for issued in held]
            start.wait()
            contended.tokens.revoke_client(user.subject, "app")
            for each in racing:
                each.result(60)
        for tokens in (tokens for issued in held for tokens in issued):
            assert contended.tokens.read_access_token(tokens["access_token"]) is None
            assert contended.tokens.read_refresh_token(tokens["refresh_token"]) is None
        assert contended.tokens.grants_of(user.subject) == ([], True)


# ----- Settings ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong", [{"minimum_password_length": 7}, {"minimum_password_length": 1025}, {"recent_login": -1}]
)
def test_settings_are_checked(make_settings: Callable[..., Any], wrong: dict[str, int]) -> None:
    """NIST SP 800-63B-4 3.1.1.2: never less than eight characters."""
    settings = make_settings(plugins={"sessions": {}, "account": wrong})
    with pytest.raises(ConfigurationError, match=f"plugins.account.{next(iter(wrong))}"):
        OpenIDProvider(settings)


def test_without_sessions_it_does_not_start(make_provider: MakeProvider) -> None:
    """docs/account.md: in one clear line."""
    with pytest.raises(ConfigurationError, match=r"switch on \[plugins.sessions\] too"):
        make_provider(plugins={"account": {}})


def test_a_notice_is_a_name_out_of_a_list() -> None:
    """docs/account.md, Forms."""
    assert words_of("app-revoked") == "That app has no access any more."
    assert words_of("Your account was stolen, call us") is None
    assert words_of("") is None
