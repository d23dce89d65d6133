"""The plugin host_login, and the callable that `create_app` is given."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest
from creance.provider import Browser, ConfigurationError, HostLogin, HostLogins, OpenIDProvider, create_app

MakeProvider = Callable[..., OpenIDProvider]
MakeApp = Callable[..., Any]

PLUGIN: dict[str, Any] = {"host_login": {"login_url": "/login", "force_parameter": "again=1"}}


def nobody(environ: Mapping[str, Any]) -> None:
    return None


def alice(environ: Mapping[str, Any]) -> HostLogin:
    return HostLogin("alice", auth_time=time.time() - 100, session="a-session")


@pytest.fixture
def host(make_provider: MakeProvider, make_app: MakeApp) -> Callable[..., Any]:
    """The demonstration's app at a provider in a host whose callable is given."""

    def make(host_login: HostLogins, **settings: Any) -> Any:
        provider = make_provider(plugins=settings or PLUGIN)
        create_app(provider, host_login=host_login)
        return make_app("app", provider)

    return make


def told(location: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(location).query))


def test_the_host_says_who_it_is(host: Callable[..., Any]) -> None:
    """OpenID Connect Core 2, auth_time: of the login at the host; it is shown the environ of the request."""
    seen: list[Mapping[str, Any]] = []

    def who(environ: Mapping[str, Any]) -> HostLogin:
        seen.append(environ)
        return alice(environ)

    app = host(who)
    answer = app.answer(Browser({}, "127.0.0.1", environ={"HTTP_COOKIE": "session=1"}))
    assert "code" in told(answer.location)
    assert seen == [{"HTTP_COOKIE": "session=1"}]


def test_whom_only_the_host_knows_is_kept(host: Callable[..., Any]) -> None:
    """OpenID Connect Core 5.3: claims are asked for when the person is gone."""
    app = host(lambda environ: HostLogin("erin", claims={"name": "Erin", "email": "erin@example.org"}))
    assert "code" in told(app.answer().location)
    user = app.provider.users.find("erin")
    assert user is not None
    assert user.claims == {"name": "Erin", "email": "erin@example.org"}
    assert app.provider.users.find_by_subject(user.subject) == user


def test_a_person_whom_nobody_knows_is_refused(host: Callable[..., Any]) -> None:
    """RFC 6749 4.1.2.1, access_denied: without claims the provider has to know them."""
    assert told(host(lambda environ: HostLogin("erin")).answer().location)["error"] == "access_denied"


def test_the_login_page_is_told_the_way_back(host: Callable[..., Any]) -> None:
    """docs/adopting.md: once for each request, and never away from the issuer."""
    location = host(nobody).answer().location
    assert location.startswith("/login?next=")
    (way_back,) = parse_qs(urlsplit(location).query)["next"]
    assert way_back.startswith("http://localhost:8400/")


def test_a_fresh_login_is_asked_for(host: Callable[..., Any]) -> None:
    """OpenID Connect Core 3.1.2.1, prompt=login."""
    location = host(alice).answer(prompt="login", scope="openid").location
    assert location.startswith("/login?next=")
    assert location.endswith("&again=1")


def test_without_interaction_it_is_an_error(host: Callable[..., Any]) -> None:
    """OpenID Connect Core 3.1.2.6."""
    assert told(host(nobody).answer(prompt="none", scope="openid").location)["error"] == "login_required"


def test_a_host_that_fails_is_worth_another_try(host: Callable[..., Any], capfd: pytest.CaptureFixture[str]) -> None:
    """RFC 6749 4.1.2.1, temporarily_unavailable: the log has the place, and not the text."""

    def fail(environ: Mapping[str, Any]) -> HostLogin:
        raise OSError("the session was s3cret")

    assert told(host(fail).answer().location)["error"] == "temporarily_unavailable"
    logged = capfd.readouterr().out
    assert "host_login" in logged
    assert "s3cret" not in logged


def refusal_of(app: Any, **asked: str) -> str:
    """The hint for the log, of a request that the app hears no more of than that there is a server_error."""
    answer = app.answer(scope="openid", **asked)
    assert told(answer.location)["error"] == "server_error"
    return str(answer.error.hint)


@pytest.mark.parametrize("ahead", [3600, 1e12, math.inf, math.nan])
def test_a_login_that_is_to_come_is_not_recent(host: Callable[..., Any], ahead: float) -> None:
    """OpenID Connect Core 3.1.2.1, prompt=login, max_age: as of a host that gives milliseconds. Nor is it taken where
    nobody asks for a recent one, so that it is noticed.
    """
    app = host(lambda environ: HostLogin("alice", auth_time=time.time() + ahead))
    for asked in ({"prompt": "login"}, {"max_age": "10"}, {}):
        assert "auth_time" in refusal_of(app, **asked)


def test_a_clock_that_is_a_little_ahead_is_no_matter(host: Callable[..., Any]) -> None:
    """OpenID Connect Core 2, auth_time: hosts are several machines."""
    app = host(lambda environ: HostLogin("alice", auth_time=time.time() + 5))
    assert "code" in told(app.answer(scope="openid").location)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        *((answer, "HostLogin") for answer in (True, 0, "alice", ("alice",), {"username": "alice"})),
        *((HostLogin(name), "username") for name in (None, 1, "", "a\0", "a\ud800", ["alice"])),  # type: ignore[arg-type]
        *((HostLogin("alice", moment), "auth_time") for moment in ("5", True, [5], -1, 10**400)),  # type: ignore[arg-type]
        *((HostLogin("alice", amr=amr), "amr") for amr in ("pwd", (1,), None)),  # type: ignore[arg-type]
        *((HostLogin("alice", acr=1), "acr"), (HostLogin("alice", session=b"x"), "session")),  # type: ignore[arg-type]
        *((HostLogin("erin", claims=claims), "claims") for claims in (["a"], {"name": math.nan}, {"name": {1}})),  # type: ignore[arg-type]
    ],
    ids=repr,
)
def test_what_is_no_login_lets_nobody_in(host: Callable[..., Any], answer: Any, why: str) -> None:
    """RFC 6749 4.1.2.1, server_error: before there is a code, and the log says what is wrong with it."""
    assert why in refusal_of(host(lambda environ: answer))


def test_without_a_host_nobody_is_let_in(make_provider: MakeProvider, make_app: MakeApp) -> None:
    """RFC 6749 4.1.2.1, server_error: the plugin is on and create_app was given nothing, as with `creance serve`."""
    app = make_app("app", make_provider(plugins=PLUGIN))
    assert told(app.answer().location)["error"] == "server_error"


def test_a_host_without_the_plugin_is_refused(make_provider: MakeProvider) -> None:
    """docs/adopting.md: what is not asked would look as if it were."""
    with pytest.raises(ConfigurationError, match="switch on host_login"):
        create_app(make_provider(), host_login=alice)


def test_sessions_of_ours_do_not_go_with_it(make_provider: MakeProvider) -> None:
    """docs/adopting.md: a person is logged in at one place."""
    with pytest.raises(ConfigurationError, match="another plugin keeps sessions"):
        make_provider(plugins={**PLUGIN, "sessions": {}})
