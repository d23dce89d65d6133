"""The same inputs through every public method of a pyop provider and of ours in its place: the same results.

Where they differ on purpose, the row says which item of docs/security.md ("pyop's defects") it is.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
import structlog
from creance.provider import OpenIDProvider
from oic.oic.message import EndSessionRequest
from pyop.authz_state import AuthorizationState
from pyop.exceptions import InvalidAccessToken, InvalidClientAuthentication
from pyop.provider import Provider

from .conftest import BYE, SECRET, Client, basic, claims_of


def shown(result: Any) -> Any:
    """A result as its host sees it: the type and the members of a message, with nothing that is made anew each time."""
    if not hasattr(result, "to_dict"):
        return result
    members = result.to_dict()
    anew = ("code", "access_token", "refresh_token", "id_token")
    return {name: type(value) if name in anew else value for name, value in members.items()}


def kind_of(result: Any) -> type:
    """The message of oic or pyop that a result is: ours may be of a class beneath it."""
    return next(kind for kind in type(result).__mro__ if kind.__module__.startswith(("oic.", "pyop.", "builtins")))


ADDED = {"authorize": {"iss"}, "exchange": {"scope"}, "refresh": {"scope", "refresh_token", "id_token"}}
"""Members that ours has beside pyop's: RFC 9207; RFC 6749 5.1; Security 6 (rotation), OpenID Connect Core 12.2."""


def test_a_whole_login(pair: tuple[Provider, OpenIDProvider]) -> None:
    """OpenID Connect Core 3.1: request, code, tokens, userinfo, refresh; the ID token too."""
    seen: dict[str, list[Any]] = {}
    for provider in pair:
        app = Client(provider)
        app.verifier = "v" * 43
        request = provider.parse_authentication_request(app.request(), {"Host": "op.example.org"})
        response = provider.authorize(request, "alice")
        tokens = provider.handle_token_request(urlencode(app.code_form(response["code"])), basic("app", SECRET))
        refresh = urlencode({"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]})
        seen.setdefault("parse", []).append(request)
        seen.setdefault("authorize", []).append(response)
        seen.setdefault("exchange", []).append(tokens)
        seen.setdefault("userinfo", []).append(
            provider.handle_userinfo_request(None, {"Authorization": f"Bearer {tokens['access_token']}"})
        )
        seen.setdefault("refresh", []).append(provider.handle_token_request(refresh, basic("app", SECRET)))
        seen.setdefault("id_token", []).append(claims_of(tokens.to_dict(), provider))

    plain_claims, our_claims = seen.pop("id_token")
    passing = ("iat", "exp", "at_hash")
    assert {**our_claims, "aud": [our_claims["aud"]]}.items() >= {
        name: value for name, value in plain_claims.items() if name not in passing
    }.items()
    assert set(our_claims) - set(plain_claims) == {"azp"}
    for step, (one, two) in seen.items():
        assert kind_of(one) is kind_of(two), step
        assert {name: value for name, value in shown(two).items() if name not in ADDED.get(step, ())} == shown(one)
        assert set(shown(two)) - set(shown(one)) <= ADDED.get(step, set()), step


def test_the_response_makes_the_same_url(pair: tuple[Provider, OpenIDProvider]) -> None:
    """RFC 6749 4.1.2: as hosts make it, of the response and the request."""
    urls = []
    for provider in pair:
        request = provider.parse_authentication_request(Client(provider).request())
        urls.append(urlsplit(provider.authorize(request, "alice").request(request["redirect_uri"], False)))
    one, two = urls
    assert one[:3] == two[:3]
    assert set(dict(parse_qsl(two.query))) - set(dict(parse_qsl(one.query))) == {"iss"}


@pytest.mark.parametrize("extra", [{"department": "physics"}, lambda user, client: {"department": f"{user} {client}"}])
def test_a_hosts_claims_are_in_the_id_token(pair: tuple[Provider, OpenIDProvider], extra: Any) -> None:
    """Seams: `extra_id_token_claims`, as a mapping and as a function."""
    told = []
    for provider in pair:
        app = Client(provider)
        tokens = provider.handle_token_request(urlencode(app.code_form(app.authorize())), basic("app", SECRET), extra)
        told.append(claims_of(tokens.to_dict(), provider)["department"])
    assert told[0] == told[1]


def test_a_secret_with_a_plus(pair: tuple[Provider, OpenIDProvider]) -> None:
    """RFC 6749 2.3.1: many apps do not encode it, and pyop takes it so; ours does, and tells the operator."""
    plain, ours = pair
    for origin in (plain, ours.origin):  # type: ignore[attr-defined]
        origin.clients["app"]["client_secret"] = "one+two"

    def exchange(provider: Provider, secret: str) -> Any:
        app = Client(provider)
        return provider.handle_token_request(urlencode(app.code_form(app.authorize())), basic("app", secret))

    for provider in pair:
        assert exchange(provider, "one%2Btwo")["access_token"]
        with pytest.raises(InvalidClientAuthentication):
            exchange(provider, "one two three")
        with structlog.testing.capture_logs() as lines:
            assert exchange(provider, "one+two")["access_token"]
        told = [line["client_id"] for line in lines if line["event"] == "secret_not_form_encoded"]
        assert told == (["app"] if provider is ours else [])


def test_claims_that_are_asked_for_by_name(pair: tuple[Provider, OpenIDProvider]) -> None:
    """OpenID Connect Core 5.5: the parameter goes through the host's hands, and arrives."""
    asked = '{"userinfo": {"name": null}, "id_token": {"given_name": {"essential": true}}}'
    told = []
    for provider in pair:
        app = Client(provider)
        tokens = app.log_in(claims=asked)
        told.append((app.userinfo(tokens["access_token"]), claims_of(tokens, provider)["given_name"]))
    assert told[0] == told[1]
    assert told[0][0]["name"] == "Alice"


def test_claims_that_were_asked_for_before_the_switch(plain: Provider, adopt: Callable[..., OpenIDProvider]) -> None:
    """OpenID Connect Core 5.5: of a code and of an access token that pyop has issued."""
    before = Client(plain)
    asked = '{"userinfo": {"name": null}}'
    code, token = before.authorize(claims=asked), before.log_in(claims=asked)["access_token"]
    ours = adopt(plain)
    assert before.userinfo(token, ours)["name"] == "Alice"
    assert before.userinfo(before.exchange(code, ours)["access_token"], ours)["name"] == "Alice"


def test_logout_and_the_way_back(pair: tuple[Provider, OpenIDProvider]) -> None:
    """RP-Initiated Logout 2, 3: by a genuine hint, with state."""
    places = []
    for provider in pair:
        app = Client(provider)
        tokens = app.log_in()
        request = EndSessionRequest(id_token_hint=tokens["id_token"], post_logout_redirect_uri=BYE, state="s")
        assert provider.logout_user(end_session_request=request) is None
        places.append(provider.do_post_logout_redirect(request))
        with pytest.raises(InvalidAccessToken):
            app.userinfo(tokens["access_token"])
    assert places == [f"{BYE}?state=s"] * 2
    for provider in pair:
        assert provider.do_post_logout_redirect(EndSessionRequest()) is None
        assert provider.do_post_logout_redirect(EndSessionRequest(post_logout_redirect_uri=BYE)) is None


def test_what_a_provider_says_of_itself(pair: tuple[Provider, OpenIDProvider]) -> None:
    """OpenID Connect Discovery 3, RFC 7517: types, and members that clients go by."""
    one, two = pair
    assert kind_of(one.provider_configuration) is kind_of(two.provider_configuration)
    before, after = one.provider_configuration.to_dict(), two.provider_configuration.to_dict()
    for name in ("issuer", "authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri"):
        assert before[name] == after[name]
    assert set(before) <= set(after) | {"version"}
    assert set(before["scopes_supported"]) <= set(after["scopes_supported"])
    assert one.jwks == two.jwks
    for name in ("stateless", "id_token_lifetime", "extra_scopes"):
        assert getattr(one, name) == getattr(two, name), name
    assert ("alice" in one.userinfo, "nobody" in one.userinfo) == ("alice" in two.userinfo, "nobody" in two.userinfo)
    assert ("app" in one.clients, "nobody" in one.clients) == ("app" in two.clients, "nobody" in two.clients)


def test_the_state_of_a_request(pair: tuple[Provider, OpenIDProvider]) -> None:
    """Seams: `AuthorizationState`, as hosts call it: codes, tokens, subjects."""
    answers = []
    for provider in pair:
        state, app = provider.authz_state, Client(provider)
        public = state.get_subject_identifier("public", "alice")
        subject = state.get_subject_identifier("pairwise", "alice", "app.example.org")
        users = [state.get_user_id_for_subject_identifier(each) for each in (public, subject)]
        code = app.authorize()
        asked = state.get_authorization_request_for_code(code)
        access = state.exchange_code_for_token(app.authorize())
        refresh = state.create_refresh_token(access.value)
        new, _ = state.use_refresh_token(refresh, scope=["openid"])
        introspection = {**state.introspect_access_token(new.value)}
        answers.append(
            {
                "state": isinstance(state, AuthorizationState),
                "subjects": [subject, public],
                "users": users,
                "code": state.get_subject_identifier_for_code(code) == subject,
                "request": {name: asked[name] for name in ("client_id", "redirect_uri", "scope", "nonce")},
                "token": (type(access), access.type, access.expires_in),
                "introspection": {**introspection, "iat": int, "exp": int},
                "user_info": state.get_user_info_for_code(code),
                "deleted": state.delete_state_for_subject_identifier(subject),
            }
        )
    assert answers[0] == answers[1]


def test_methods_are_called_in_the_same_way(pair: tuple[Provider, OpenIDProvider]) -> None:
    """Seams: no public method has another parameter, in another place or of another name."""
    one, two = pair
    for theirs, ours in ((one, two), (one.authz_state, two.authz_state), (one.userinfo, two.userinfo)):
        for name, method in inspect.getmembers(theirs, inspect.ismethod):
            if not name.startswith("_"):
                expected = list(inspect.signature(method).parameters)
                assert list(inspect.signature(getattr(ours, name)).parameters) == expected, name
