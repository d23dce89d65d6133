"""Subject identifiers, public and pairwise: OpenID Connect Core 8."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from creance.provider import ClientSettings
from pydantic import ValidationError
from pyop.subject_identifier import HashBasedSubjectIdentifierFactory

CALLBACK = "https://one.example.org/callback"
SALT = "a long random text that is kept for ever"
PAIRWISE = {"subjects": {"salt": SALT}}


def client(client_id: str, redirect_uri: str, **changes: Any) -> dict[str, Any]:
    return {
        "client_id": client_id,
        "token_endpoint_auth_method": "none",
        "redirect_uris": [redirect_uri],
        "grant_types": ["authorization_code", "refresh_token"],
        "scope": "openid email offline_access",
        "subject_type": "pairwise",
        **changes,
    }


CLIENTS = [
    client("one", CALLBACK),
    client("same-sector", "https://one.example.org:8443/other"),
    client("two", "https://two.example.org/callback"),
    client("named", "https://three.example.org/callback", sector_identifier_uri="https://one.example.org/sector.json"),
]


@pytest.fixture
def apps(make_provider: Callable[..., Any], make_app: Callable[..., Any]) -> dict[str, Any]:
    provider = make_provider(**PAIRWISE, more_clients=CLIENTS)
    return {name: make_app(name, provider) for name in ("one", "same-sector", "two", "named", "spa")}


def subject(app: Any, user: str = "alice") -> str:
    return str(app.claims(app.log_in(user))["sub"])


def test_each_sector_sees_another_subject(apps: dict[str, Any]) -> None:
    """OpenID Connect Core 8.1: one for the host, whatever its port and path, or that of the sector_identifier_uri."""
    assert subject(apps["one"]) == subject(apps["same-sector"]) == subject(apps["named"])
    assert len({subject(apps["one"]), subject(apps["two"]), subject(apps["spa"]), subject(apps["one"], "bob")}) == 4
    alice = apps["one"].provider.users.find("alice")
    assert subject(apps["spa"]) == alice.subject


def test_a_private_use_scheme_gives_nobody_the_sector_of_a_host(
    make_provider: Callable[..., Any], make_app: Callable[..., Any]
) -> None:
    """OpenID Connect Core 8.1, RFC 8252 7.1: it is a sector of its own, whatever is behind it or it is called like."""
    uris = {
        "one": CALLBACK,
        "host": "org.evil.app://one.example.org/callback",
        "scheme": "one.example.org:/callback",
        "word": "org.evil.app://callback",
        "same-word": "org.other.app://callback",
    }
    clients = [client(name, uri, application_type="web" if name == "one" else "native") for name, uri in uris.items()]
    provider = make_provider(**PAIRWISE, more_clients=clients)
    seen = {name: subject(make_app(name, provider)) for name in uris}
    assert seen["host"] == seen["word"]
    assert len(set(seen.values())) == len(seen) - 1


def test_all_that_a_client_sees_is_its_own_subject(apps: dict[str, Any]) -> None:
    """OpenID Connect Core 5.3.2, 8.1, RFC 7662 2.2: ID token, userinfo, introspection and refresh agree."""
    app = apps["one"]
    tokens = app.log_in()
    seen = app.claims(tokens)["sub"]
    assert app.provider.userinfo_response(tokens["access_token"], {})["sub"] == seen
    assert app.provider.authz_state.introspect_access_token(tokens["access_token"])["sub"] == seen
    assert app.claims(app.refresh(tokens["refresh_token"]))["sub"] == seen


def test_each_client_sees_another_session(apps: dict[str, Any]) -> None:
    """OpenID Connect Core 8.1: by one `sid` for all, two sectors would know that it is one person at one browser."""
    sids = {name: app.claims(app.log_in(session_id="of-alice"))["sid"] for name, app in apps.items()}
    assert len(set(sids.values())) == len(apps)
    assert [name for name, sid in sids.items() if sid == "of-alice"] == ["spa"], "which sees the public subject"
    tokens = apps["one"].log_in(session_id="of-alice")
    assert apps["one"].claims(tokens)["sid"] == sids["one"]
    assert apps["one"].claims(apps["one"].log_in(session_id="another"))["sid"] != sids["one"]
    apps["one"].provider.tokens.end_session("of-alice")
    assert apps["one"].provider.tokens.find(tokens["refresh_token"], None) is not None, "offline_access outlives it"


def test_a_person_is_found_by_the_subject_that_is_public(apps: dict[str, Any]) -> None:
    """OpenID Connect Core 8: ending all that was given for a person ends it in every sector."""
    app = apps["two"]
    tokens = app.log_in()
    app.provider.tokens.end_subject(app.provider.users.find("alice").subject)
    assert app.provider.tokens.read_access_token(tokens["access_token"]) is None


def test_a_hint_speaks_of_the_clients_own_subject(apps: dict[str, Any]) -> None:
    """OpenID Connect Core 3.1.2.1: id_token_hint holds the pairwise `sub` that this client was given."""
    app = apps["one"]
    hint = app.log_in()["id_token"]
    assert app.authorize(id_token_hint=hint).value
    parameters, client, redirect_uri = app.provider.authorization.prove(app.request(id_token_hint=hint)[0])
    request = app.provider.authorization.read(parameters, client, redirect_uri, 1e9)
    with pytest.raises(Exception, match="another person"):
        app.provider.authorization.user_of(request, "bob")
    assert app.provider.authorization.user_of(request, "alice").username == "alice"


def test_pyops_formula_keeps_what_pyop_made(make_app: Callable[..., Any]) -> None:
    """PYOP, Security 16: sector, user, salt, in this order; the sector with its port."""
    subjects = {"salt": SALT, "pairwise_formula": "pyop", "default_type": "pairwise"}
    one = client("one", "https://one.example.org:8443/callback", subject_type=None)
    app = make_app("one", subjects=subjects, more_clients=[one])
    pyop = HashBasedSubjectIdentifierFactory(SALT)
    assert subject(app) == pyop.create_pairwise_identifier("alice", "one.example.org:8443")
    assert app.provider.metadata["subject_types_supported"] == ["pairwise", "public"]


def test_our_formula_has_no_two_pairs_for_one_subject(make_app: Callable[..., Any]) -> None:
    """PYOP, Security 16: pyop gives ('a', 'bc') and ('ab', 'c') one `sub`."""
    subjects = make_app(**PAIRWISE).provider.subjects
    assert subjects.pairwise("a", "bc", "bc") != subjects.pairwise("ab", "c", "c")


def test_without_a_salt_there_is_no_pairwise(make_settings: Callable[..., Any], make_app: Callable[..., Any]) -> None:
    """OpenID Connect Core 8.1: the algorithm MUST NOT be reversible; what everybody knows is no salt."""
    for changes in ({"more_clients": [CLIENTS[0]]}, {"subjects": {"default_type": "pairwise"}}):
        with pytest.raises(ValidationError, match="salt is needed"):
            make_settings(**changes)
    assert make_app().provider.metadata["subject_types_supported"] == ["public"]
    assert make_app(**PAIRWISE).provider.metadata["subject_types_supported"] == ["public", "pairwise"]


def test_several_hosts_need_a_sector_identifier_uri() -> None:
    """OpenID Connect Core 8.1, Registration 5."""
    both = {**client("x", CALLBACK), "redirect_uris": [CALLBACK, "https://two.example.org/callback"]}
    with pytest.raises(ValidationError, match="sector_identifier_uri is needed"):
        ClientSettings.model_validate(both)
    ClientSettings.model_validate({**both, "sector_identifier_uri": "https://one.example.org/sector.json"})
    ClientSettings.model_validate({**both, "subject_type": "public"})
