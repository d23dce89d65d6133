"""What people allowed apps, remembered: whose it is, what another decision changes, and how it ends."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from creance.provider import Client, ClientSettings, OpenIDProvider, User
from creance.provider.consents import CONSENTS, Permissions

from ..conftest import Clock

MakeProvider = Callable[..., OpenIDProvider]

DAY = 86400.0
PARTNER = {
    "client_id": "stored-partner",
    "client_secret": "secret",
    "redirect_uris": ["https://partner.example.org/callback"],
    "scope": "openid email phone",
    "first_party": False,
}


def permissions(scope: str, claims: str = "") -> Permissions:
    return Permissions(frozenset(scope.split()), frozenset(claims.split()))


@pytest.fixture
def provider(make_provider: MakeProvider) -> OpenIDProvider:
    return make_provider()


@pytest.fixture
def alice(provider: OpenIDProvider) -> User:
    user = provider.users.find("alice")
    assert user is not None
    return user


@pytest.fixture
def partner(provider: OpenIDProvider) -> Client:
    return provider.clients.add(ClientSettings.model_validate(PARTNER))


def test_a_decision_is_remembered(provider: OpenIDProvider, alice: User, partner: Client, clock: Clock) -> None:
    """OpenID Connect Core 3.1.2.4: consent may be that of an earlier request; what was refused is remembered too."""
    asked, allowed = permissions("openid email phone", "email phone_number"), permissions("openid email", "email")
    provider.consents.remember(alice, partner, asked, allowed, 10 * DAY)
    consent = provider.consents.of(alice, partner)
    assert consent is not None
    assert (consent.username, consent.client_id) == ("alice", "stored-partner")
    assert (consent.asked, consent.allowed) == (asked, allowed)
    assert abs(consent.given_at - clock()) < 60
    assert consent.expires_at == consent.given_at + 10 * DAY


def test_it_is_seen_by_all_workers(make_provider: MakeProvider, alice: User, partner: Client) -> None:
    """DESIGN, The store: what one worker has written, all others read."""
    one, other = make_provider(), make_provider()
    one.consents.remember(alice, partner, permissions("openid"), permissions("openid"), DAY)
    found = other.consents.of(alice, partner)
    assert found is not None
    assert found.allowed == permissions("openid")


def test_it_ends(provider: OpenIDProvider, alice: User, partner: Client, clock: Clock) -> None:
    """Issue, Consent: remembered for a time; then the same is asked and remembered anew."""
    for _ in range(2):
        provider.consents.remember(alice, partner, permissions("openid"), permissions("openid"), DAY)
        clock.advance(DAY - 60)
        assert provider.consents.of(alice, partner)
        clock.advance(120)
        assert provider.consents.of(alice, partner) is None
        assert provider.consents.of_user("alice") == []


def test_nobody_inherits(provider: OpenIDProvider, alice: User, partner: Client, clock: Clock) -> None:
    """Issue, Consent: per user and client: not another person of that name, not a client that took the client_id, not
    one client for another.
    """
    provider.consents.remember(alice, partner, permissions("openid"), permissions("openid"), DAY)
    assert provider.consents.of(replace(alice, subject="another"), partner) is None
    assert provider.consents.of(replace(alice, username="bob"), partner) is None
    app = provider.clients.find("app")
    assert app is not None
    assert provider.consents.of(alice, app) is None
    provider.clients.remove(partner.client_id)
    assert provider.consents.of_user("alice") == []
    clock.advance(1)
    again = provider.clients.add(ClientSettings.model_validate(PARTNER))
    assert provider.consents.of(alice, again) is None
    assert provider.consents.of_user("alice") == []


def test_what_nobody_inherits_is_replaced(provider: OpenIDProvider, alice: User, partner: Client, clock: Clock) -> None:
    """Issue, Consent: the decision of the new one stands alone, with nothing of the old one in it."""
    provider.consents.remember(alice, partner, permissions("openid email"), permissions("openid email"), DAY)
    provider.clients.remove(partner.client_id)
    clock.advance(1)
    again = provider.clients.add(ClientSettings.model_validate(PARTNER))
    provider.consents.remember(alice, again, permissions("openid"), permissions("openid"), DAY)
    consent = provider.consents.of(alice, again)
    assert consent is not None
    assert consent.asked == consent.allowed == permissions("openid")
    assert provider.consents.of(alice, partner) is None


def test_a_later_decision_adds_to_an_earlier_one(provider: OpenIDProvider, alice: User, partner: Client) -> None:
    """Issue, Consent: remembered per scopes: who asks for little by little is not allowed less for it; of what is asked
    again the last word counts.
    """
    first = permissions("openid email", "email")
    provider.consents.remember(alice, partner, first, first, DAY)
    second = permissions("openid phone", "phone_number")
    provider.consents.remember(alice, partner, second, second, DAY)
    consent = provider.consents.of(alice, partner)
    assert consent is not None
    assert consent.asked == consent.allowed == first | second
    provider.consents.remember(alice, partner, first, permissions("openid"), DAY)
    consent = provider.consents.of(alice, partner)
    assert consent is not None
    assert (consent.asked, consent.allowed) == (first | second, second)


def test_a_scope_that_the_client_lost_is_forgotten(provider: OpenIDProvider, alice: User, partner: Client) -> None:
    """Issue, Consent: with the next decision; until then the authorization endpoint does not give it."""
    both = permissions("openid email")
    provider.consents.remember(alice, partner, both, both, DAY)
    less = replace(partner, scope=("openid", "phone"))
    provider.consents.remember(alice, less, permissions("phone"), permissions("phone"), DAY)
    consent = provider.consents.of(alice, partner)
    assert consent is not None
    assert consent.asked == consent.allowed == permissions("openid phone")


def test_never_more_is_allowed_than_was_asked(provider: OpenIDProvider, alice: User, partner: Client) -> None:
    """Issue, Consent: whatever a caller hands in."""
    provider.consents.remember(
        alice, partner, permissions("openid", "email"), permissions("openid phone", "email name"), DAY
    )
    consent = provider.consents.of(alice, partner)
    assert consent is not None
    assert consent.allowed == permissions("openid", "email")


def test_a_persons_consents(provider: OpenIDProvider, alice: User, partner: Client, clock: Clock) -> None:
    """Issue, Account page: apps with access, the latest first; one or all can be taken back."""
    app, bob = provider.clients.find("app"), provider.users.find("bob")
    assert app is not None
    assert bob is not None
    for user, client in ((alice, app), (alice, partner), (bob, app)):
        clock.advance(1)
        provider.consents.remember(user, client, permissions("openid"), permissions("openid"), DAY)

    def listed(username: str) -> list[str]:
        return [consent.client_id for consent in provider.consents.of_user(username)]

    assert (listed("alice"), listed("bob"), listed("nobody")) == (["stored-partner", "app"], ["app"], [])
    provider.consents.forget("alice", "stored-partner")
    provider.consents.forget("alice", "never-there")
    assert listed("alice") == ["app"]
    provider.consents.forget_user("alice")
    assert (listed("alice"), listed("bob")) == ([], ["app"])


def test_names_cannot_be_shifted_into_each_other(provider: OpenIDProvider, alice: User, partner: Client) -> None:
    """Issue, Consent: the two names are told apart, wherever one ends."""
    one, other = replace(alice, username="a b"), replace(alice, username="b")
    provider.consents.remember(one, replace(partner, client_id="x"), permissions("openid"), permissions("openid"), DAY)
    assert provider.consents.of(other, replace(partner, client_id="x a")) is None


def test_two_decisions_at_once_are_both_kept(
    provider: OpenIDProvider, make_provider: MakeProvider, alice: User, partner: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DESIGN, The store: compare-and-swap: who was slower reads again, and adds to what the quicker one wrote."""
    other = make_provider()
    quicker = iter(["email", "phone"])  # the first time there is nothing yet, the second time there is
    read = provider.store.get

    def overtaken(collection, key):  # type: ignore[no-untyped-def]
        found = read(collection, key)
        if collection == CONSENTS and (scope := next(quicker, None)):
            other.consents.remember(alice, partner, permissions(scope), permissions(scope), DAY)
        return found

    monkeypatch.setattr(provider.store, "get", overtaken)
    provider.consents.remember(alice, partner, permissions("openid"), permissions("openid"), DAY)
    consent = provider.consents.of(alice, partner)
    assert consent is not None
    assert consent.allowed == permissions("openid email phone")
