"""`OpenIDProvider.adopt`: what a pyop provider has is kept, and what it issued goes on."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from creance.provider import ConfigurationError, InvalidGrant, OpenIDProvider
from pyop.exceptions import InvalidAccessToken, InvalidAuthenticationRequest
from pyop.provider import Provider
from pyop.storage import StatelessWrapper

from .conftest import CALLBACK, CLIENTS, ISSUER, Client, claims_of, plain_provider

Adopt = Callable[..., OpenIDProvider]


@pytest.mark.parametrize("client_id", list(CLIENTS))
def test_everybody_stays_who_they_are(plain: Provider, adopt: Adopt, client_id: str) -> None:
    """OpenID Connect Core 8: the same `sub`, public and pairwise, of who was known and of who is new."""
    before = Client(plain, client_id)
    known = claims_of(before.exchange(before.authorize()), plain)["sub"]
    adopted = adopt(plain)
    after = Client(adopted, client_id)
    assert claims_of(after.exchange(after.authorize()), adopted)["sub"] == known
    fresh = claims_of(after.exchange(after.authorize("bob")), adopted)["sub"]
    of_pyop = Client(plain_again(plain), client_id)
    assert claims_of(of_pyop.exchange(of_pyop.authorize("bob")), plain)["sub"] == fresh


@pytest.mark.parametrize("client_id", list(CLIENTS))
def test_a_sub_that_the_host_has_chosen_stays(plain: Provider, adopt: Adopt, client_id: str) -> None:
    """OpenID Connect Core 8: pyop gives a `sub` of a person's claims to each client, also to one with pairwise ones."""
    plain.userinfo._db["alice"]["sub"], plain.userinfo._db["bob"]["sub"] = "alice-0815", "bob-4711"
    before = Client(plain, client_id)
    code, tokens = before.authorize(), before.log_in()
    assert claims_of(tokens, plain)["sub"] == "alice-0815"
    adopted = adopt(plain)
    after = Client(adopted, client_id)
    for told, provider, sub in (
        (before.exchange(code, adopted), before, "alice-0815"),
        (before.refresh(tokens["refresh_token"], adopted), before, "alice-0815"),
        (after.log_in(), after, "alice-0815"),
        (after.log_in("bob"), after, "bob-4711"),
    ):
        assert claims_of(told, adopted)["sub"] == sub
        assert provider.userinfo(told["access_token"], adopted)["sub"] == sub
    assert plain.authz_state.get_user_id_for_subject_identifier("bob-4711") == "bob"
    assert after.authorize(id_token_hint=tokens["id_token"])
    adopted.logout_user("bob-4711")
    with pytest.raises(InvalidAccessToken):
        after.userinfo(told["access_token"])


def plain_again(plain: Provider) -> Provider:
    """A pyop provider of the same deployment that has seen nobody."""
    return plain_provider(plain.signing_key)


def test_the_key_is_the_same(plain: Provider, adopt: Adopt) -> None:
    """RFC 7517: who has the JWKS can verify what is issued after, and we what was issued before."""
    before = Client(plain)
    old = before.exchange(before.authorize())
    adopted = adopt(plain)
    after = Client(adopted)
    assert claims_of(after.exchange(after.authorize()), plain)["iss"] == ISSUER
    hinted = after.authorize(id_token_hint=old["id_token"])
    assert claims_of(after.exchange(hinted), adopted)["nonce"] == "a-nonce"


def test_the_metadata_is_what_clients_know(plain: Provider, adopt: Adopt) -> None:
    """OpenID Connect Discovery 3: URLs and the operator's own members stay; what is switched on is told."""
    adopted = adopt(plain, plugins=["introspection"])
    known = plain.provider_configuration.to_dict()
    now = adopted.provider_configuration.to_dict()
    same = (
        "issuer",
        "authorization_endpoint",
        "token_endpoint",
        "userinfo_endpoint",
        "jwks_uri",
        "service_documentation",
    )
    assert {name: now[name] for name in same} == {name: known[name] for name in same}
    assert now["subject_types_supported"] == ["pairwise", "public"]
    assert now["introspection_endpoint"] == f"{ISSUER}/introspect"
    assert "groups" in now["scopes_supported"]


def test_a_code_that_was_issued_before_works_once(plain: Provider, adopt: Adopt) -> None:
    """RFC 6749 4.1.2: and not at two providers, nor twice at ours."""
    before = Client(plain)
    code = before.authorize()
    adopted = adopt(plain)
    tokens = before.exchange(code, adopted)
    assert before.userinfo(tokens["access_token"], adopted)["email"] == "alice@example.org"
    with pytest.raises(InvalidGrant):
        before.exchange(code, adopted)
    with pytest.raises(InvalidAccessToken):
        before.userinfo(tokens["access_token"], adopted)


def test_sixteen_threads_share_one_earlier_code(plain: Provider, adopt: Adopt) -> None:
    """RFC 6749 4.1.2, PYOP Security 4: a dict knows no atomic step; there is one winner all the same."""
    before = Client(plain)
    adopted = adopt(plain)
    for _ in range(5):
        code, results, barrier = before.authorize(), [], threading.Barrier(16)

        def redeem(code: str = code, results: list[str] = results, barrier: threading.Barrier = barrier) -> None:
            barrier.wait()
            try:
                results.append(before.exchange(code, adopted)["access_token"])
            except InvalidGrant:
                results.append("")

        threads = [threading.Thread(target=redeem) for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sum(bool(result) for result in results) <= 1
        assert len(results) == 16


def test_an_access_token_that_was_issued_before_works(plain: Provider, adopt: Adopt) -> None:
    """RFC 6750: at userinfo, and for introspection by its client."""
    before = Client(plain)
    tokens = before.exchange(before.authorize())
    adopted = adopt(plain)
    assert before.userinfo(tokens["access_token"], adopted) == before.userinfo(tokens["access_token"], plain)
    assert adopted.authz_state.introspect_access_token(tokens["access_token"])["client_id"] == "app"


def test_a_refresh_token_that_was_issued_before_rotates(plain: Provider, adopt: Adopt) -> None:
    """RFC 9700 4.14.2, PYOP Security 6: from its first use on it is like one of ours."""
    before = Client(plain)
    tokens = before.exchange(before.authorize())
    adopted = adopt(plain, settings={"grants": {"refresh_token_grace": 0}})
    new = before.refresh(tokens["refresh_token"], adopted)
    assert new["refresh_token"] != tokens["refresh_token"]
    assert before.userinfo(new["access_token"], adopted)["sub"] == before.userinfo(tokens["access_token"], plain)["sub"]
    with pytest.raises(InvalidGrant):
        before.refresh(tokens["refresh_token"], adopted)
    with pytest.raises(InvalidGrant):
        before.refresh(new["refresh_token"], adopted)


def test_an_earlier_refresh_token_is_its_own_clients(plain: Provider, adopt: Adopt) -> None:
    """RFC 6749 6, PYOP Security 3."""
    before = Client(plain)
    tokens = before.exchange(before.authorize())
    adopted = adopt(plain)
    with pytest.raises(InvalidGrant):
        Client(adopted, "public-subject").refresh(tokens["refresh_token"])
    assert before.refresh(tokens["refresh_token"], adopted)["access_token"]


def test_what_was_ended_does_not_come_back(plain: Provider, adopt: Adopt) -> None:
    """RFC 7009 2.1: also what nobody has presented since the switch: tokens of the grant, and of the person."""
    before = Client(plain)
    one, two = (before.exchange(before.authorize(nonce=nonce)) for nonce in ("one", "two"))
    adopted = adopt(plain)
    grant = adopted.tokens.read_access_token(one["access_token"]).grant  # type: ignore[union-attr]
    adopted.tokens.revoke_grant(grant.grant_id)
    for token in (one["access_token"], one["refresh_token"]):
        assert adopted.tokens.find(token, None, spent=True) is None
    assert before.userinfo(two["access_token"], adopted)
    adopted.logout_user(subject_identifier=before.userinfo(two["access_token"], adopted)["sub"])
    for token in (two["access_token"], two["refresh_token"]):
        assert adopted.tokens.find(token, None, spent=True) is None
    later = Client(adopted)
    assert later.userinfo(later.exchange(later.authorize())["access_token"])


def test_a_code_that_pyop_has_seen_twice_ends_its_grant(plain: Provider, adopt: Adopt) -> None:
    """RFC 6749 4.1.2, PYOP Security 5: replayed after the switch, what it gave before ends."""
    before = Client(plain)
    code = before.authorize()
    tokens = before.exchange(code)
    adopted = adopt(plain)
    with pytest.raises(InvalidGrant):
        before.exchange(code, adopted)
    with pytest.raises(InvalidAccessToken):
        before.userinfo(tokens["access_token"], adopted)


def test_a_code_that_pyop_has_seen_is_nobody_elses_to_replay(plain: Provider, adopt: Adopt) -> None:
    """RFC 6749 4.1.2: a client that got hold of another's spent code ends nobody's login."""
    before = Client(plain)
    code = before.authorize()
    tokens = before.exchange(code)
    adopted = adopt(plain)
    with pytest.raises(InvalidGrant):
        Client(plain, "public-subject").exchange(code, adopted)
    assert before.userinfo(tokens["access_token"], adopted)
    with pytest.raises(InvalidGrant):
        before.exchange(code, adopted)
    with pytest.raises(InvalidAccessToken):
        before.userinfo(tokens["access_token"], adopted)


def test_who_logs_in_after_the_switch_is_known_when_one_goes_back(plain: Provider, adopt: Adopt) -> None:
    """OpenID Connect Core 8: subject identifiers are written where pyop keeps them."""
    adopted = adopt(plain)
    after = Client(adopted)
    subject = claims_of(after.exchange(after.authorize("bob")), adopted)["sub"]
    assert plain.authz_state.get_user_id_for_subject_identifier(subject) == "bob"


def test_the_hosts_validators_go_on(plain: Provider, adopt: Adopt) -> None:
    """PYOP, Seams: the mutable list of a provider; pyop's own validators have their place in ours."""

    def only_with_state(request: Any) -> None:
        if "state" not in request:
            raise InvalidAuthenticationRequest("state is needed here", request, oauth_error="invalid_request")

    plain.authentication_request_validators.append(only_with_state)
    adopted = adopt(plain)
    assert adopted.authentication_request_validators == [only_with_state]
    with pytest.raises(InvalidAuthenticationRequest, match="state is needed here"):
        adopted.parse_authentication_request(Client(adopted).request(state=None))


def test_a_client_that_is_added_later_is_there(plain: Provider, adopt: Adopt) -> None:
    """PYOP, Seams: `clients` is the host's mapping, and read in place."""
    adopted = adopt(plain)
    plain.clients["later"] = {**CLIENTS["app"], "redirect_uris": CALLBACK}
    found = adopted.clients.find("later")
    assert found is not None
    assert found.redirect_uris == {CALLBACK}  # PYOP Security 15: not a test for a part of a string


def test_what_is_not_safe_to_take_over_is_not(plain: Provider, adopt: Adopt) -> None:
    """PYOP Security 9: `id_token_signed_response_alg: none` in a stored client gets signed ID tokens."""
    plain.clients["app"]["id_token_signed_response_alg"] = "none"
    adopted = adopt(plain)
    app = Client(adopted)
    assert claims_of(app.exchange(app.authorize()), adopted)["iss"] == ISSUER


def test_a_provider_without_state_is_refused(signing_key: Any, adopt: Adopt) -> None:
    """PYOP Security 12."""
    stateless = StatelessWrapper("codes", "a key")
    with pytest.raises(ConfigurationError, match="keeps no state"):
        adopt(plain_provider(signing_key, authorization_code_db=stateless))


def test_a_mapping_that_we_do_not_know_needs_a_store(signing_key: Any, adopt: Adopt, tmp_path: Any) -> None:
    """PYOP Security 4: what it cannot do at once cannot be done over it; what it holds is read all the same."""

    class Shelf(dict[str, Any]):
        pass

    databases = {"authorization_code_db": Shelf(), "access_token_db": Shelf()}
    plain = plain_provider(signing_key, **databases)
    with pytest.raises(ConfigurationError, match="Shelf"):
        adopt(plain)
    before = Client(plain)
    code = before.authorize()
    adopted = adopt(plain, settings={"store": {"uri": f"sqlite:{tmp_path}/adopted.db"}})
    assert before.exchange(code, adopted)["access_token"]


def test_two_workers_share_what_they_take_over(plain: Provider, adopt: Adopt, tmp_path: Any) -> None:
    """RFC 6749 4.1.2: two processes of one host on one store: an earlier code is spent for both."""
    store = {"store": {"uri": f"sqlite:{tmp_path}/adopted.db"}}
    before = Client(plain)
    code = before.authorize()
    one, two = adopt(plain, settings=store), adopt(plain, settings=store)
    assert before.exchange(code, one)["access_token"]
    with pytest.raises(InvalidGrant):
        before.exchange(code, two)


def test_a_setting_that_is_not_understood_stops_it(plain: Provider, adopt: Adopt) -> None:
    """DESIGN, Configuration."""
    with pytest.raises(ConfigurationError, match="lifetimez"):
        adopt(plain, settings={"lifetimez": {}})
    with pytest.raises(ConfigurationError, match="introspektion"):
        adopt(plain, plugins=["introspektion"])
