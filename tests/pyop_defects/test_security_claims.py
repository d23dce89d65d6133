"""Security 9, 10, 11 and 16: what ID tokens, userinfo and scopes say, and whose subject identifier it is."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
import structlog
from creance.provider import OpenIDProvider
from creance.provider.settings import SubjectSettings
from creance.provider.subjects import Subjects
from pyop.provider import Provider
from pyop.subject_identifier import HashBasedSubjectIdentifierFactory

from ..pyop_provider import ISSUER, Client, claims_of

Adopt = Callable[..., OpenIDProvider]


def read(part: str) -> dict[str, Any]:
    """A part of a JWS, whoever signed it."""
    return dict(json.loads(base64.urlsafe_b64decode(part + "==")))


def id_token(tokens: dict[str, Any]) -> dict[str, Any]:
    return read(tokens["id_token"].split(".")[1])


def test_an_id_token_is_signed(plain: Provider, adopt: Adopt) -> None:
    """Security 9; OpenID Connect Registration 2, RFC 8725 3.1: `none` of a registration is not honoured."""
    plain.clients["app"]["id_token_signed_response_alg"] = "none"
    header, _, signature = Client(plain).log_in()["id_token"].split(".")
    assert (read(header)["alg"], signature) == ("none", "")

    ours = adopt(plain)
    tokens = Client(ours).log_in()
    assert read(tokens["id_token"].split(".")[0])["alg"] == "RS256"
    assert claims_of(tokens, ours)["iss"] == ISSUER


@pytest.mark.parametrize(
    "setting",
    [
        {"userinfo_signed_response_alg": "RS256"},
        {"userinfo_encrypted_response_alg": "RSA-OAEP"},
        {"id_token_encrypted_response_alg": "RSA-OAEP"},
    ],
    ids=str,
)
def test_what_is_not_done_is_said(plain: Provider, adopt: Adopt, setting: dict[str, str]) -> None:
    """Security 9: a client believes that its answers are signed or encrypted; the operator is told of it."""
    plain.clients["app"].update(setting)
    with structlog.testing.capture_logs() as lines:
        tokens = Client(plain).log_in()
    assert Client(plain).userinfo(tokens["access_token"])["sub"]
    assert len(tokens["id_token"].split(".")) == 3
    assert lines == []

    with structlog.testing.capture_logs() as lines:
        adopt(plain).clients.find("app")
    (name,) = setting
    (line,) = [line for line in lines if line["event"] == "registration_not_honoured"]
    assert (line["client_id"], line["field"]) == ("app", name)


def test_a_person_cannot_speak_for_the_protocol(plain: Provider, adopt: Adopt) -> None:
    """Security 10; OpenID Connect Core 2: what a directory says of somebody, and what the client asks for by name."""
    forged = {"at_hash": "forged", "c_hash": "forged", "auth_time": 4711}
    plain.userinfo._db["alice"].update(forged)
    asked = json.dumps({"id_token": dict.fromkeys(forged)})
    claims = id_token(Client(plain).log_in(claims=asked))
    assert claims.items() >= forged.items()

    claims = id_token(Client(adopt(plain)).log_in(claims=asked))
    assert not claims.items() & forged.items()
    assert claims["at_hash"]


def exchange(app: Client, extra: dict[str, Any]) -> dict[str, Any]:
    """The claims of the ID token, with extra ones that the host gives."""
    given: list[Any] = []
    handle = app.provider.handle_token_request
    app.provider.handle_token_request = lambda body, headers: handle(body, headers, extra)
    try:
        given.append(id_token(app.log_in()))
    finally:
        del app.provider.handle_token_request
    return dict(given[0])


def test_a_hosts_claims_do_not_replace_those_of_the_protocol(plain: Provider, ours: OpenIDProvider) -> None:
    """Security 10; OpenID Connect Core 3.1.3.6."""
    extra = {"at_hash": "forged", "department": "physics"}
    assert exchange(Client(plain), extra)["at_hash"] == "forged"
    claims = exchange(Client(ours), extra)
    assert claims["at_hash"] != "forged"
    assert claims["department"] == "physics"


@pytest.mark.parametrize("name", ["iss", "sub", "aud", "exp", "iat"])
def test_claims_that_collide_are_no_crash(plain: Provider, ours: OpenIDProvider, name: str) -> None:
    """Security 10; OpenID Connect Core 2: pyop hands two of the same name to one call."""
    with pytest.raises(TypeError, match=f"multiple values for keyword argument '{name}'"):
        exchange(Client(plain), {name: "forged"})
    assert exchange(Client(ours), {name: "forged"})[name] != "forged"


def test_claims_are_those_of_registered_scopes(plain: Provider, adopt: Adopt) -> None:
    """Security 11; OpenID Connect Core 5.5: to ask for it by name is no way to all that a directory holds."""
    plain.userinfo._db["alice"].update(employee_number="4711", phone_number="+1")
    asked = json.dumps({"userinfo": {"employee_number": None, "phone_number": None, "name": None}})
    before = Client(plain)
    told = before.userinfo(before.log_in(claims=asked)["access_token"])
    assert told["employee_number"] == "4711"
    assert told["phone_number"] == "+1"

    after = Client(adopt(plain))
    told = after.userinfo(after.log_in(claims=asked)["access_token"])
    assert set(told) == {"sub", "email", "name"}  # of scopes that the provider has


@pytest.mark.parametrize("wanted", [{"value": "Bob"}, {"values": ["Bob", "Carol"]}], ids=str)
def test_a_value_that_is_not_wanted_is_not_given(plain: Provider, ours: OpenIDProvider, wanted: Any) -> None:
    """Security 11; OpenID Connect Core 5.5.1."""
    asked = json.dumps({"userinfo": {"name": wanted}})
    allowed = json.dumps({"userinfo": {"name": {"values": ["Alice", "Bob"]}}})
    for provider, given in ((plain, True), (ours, False)):
        app = Client(provider)
        told = app.userinfo(app.log_in(claims=asked)["access_token"])
        assert ("name" in told) == given
        assert app.userinfo(app.log_in(claims=allowed)["access_token"])["name"] == "Alice"


def test_a_scope_that_nobody_has_heard_of_is_not_granted(plain: Provider, ours: OpenIDProvider) -> None:
    """Security 11; RFC 6749 3.3: a resource server that reads it in an introspection would believe it."""
    for provider, scope in ((plain, "openid email admin"), (ours, "openid email")):
        token = Client(provider).log_in(scope="openid email admin")["access_token"]
        assert provider.authz_state.introspect_access_token(token)["scope"] == scope


def test_two_pairs_of_sector_and_person_are_two_subjects() -> None:
    """Security 16; OpenID Connect Core 8.1: pyop puts them together with nothing between.

    Subject identifiers that exist stay (`pairwise_formula = "pyop"`, as an adopted provider has it).
    """
    pyop = HashBasedSubjectIdentifierFactory("the salt")
    assert pyop.create_pairwise_identifier("bc", "a") == pyop.create_pairwise_identifier("c", "ab")

    subjects = Subjects(SubjectSettings(), "the salt")
    assert subjects.pairwise("a", "bc", "bc") != subjects.pairwise("ab", "c", "c")
    kept = Subjects(SubjectSettings(pairwise_formula="pyop"), "the salt")
    assert kept.pairwise("a", "bc", "bc") == pyop.create_pairwise_identifier("bc", "a")
