"""Which keys sign: the provider's own, or those that are given; and that the others go on verifying."""

from __future__ import annotations

from .earlier_keys import EarlierKeys
from .given_keys import GivenKeys
from .keyring import KeyRing
from .sealing import Sealer
from .settings import Settings
from .signing_keys import JoinedKeys, SigningKeys
from .store import Store


def signing_keys_in(
    store: Store, sealer: Sealer, settings: Settings, given: GivenKeys, *, given_sign: bool
) -> SigningKeys:
    """The keys of a store, not read yet, and those that are given: one of them signs, the others beside them verify."""
    own = (EarlierKeys if given_sign else KeyRing)(
        store,
        sealer,
        issuer=settings.issuer,
        algorithms=settings.keys.algorithms,
        longest_token=settings.lifetimes.id_token,
        ahead=settings.lifetimes.discovery,
    )
    if given_sign:
        return JoinedKeys(given, own)
    return JoinedKeys(own, given) if given.keys() else own


def with_their_algorithms(settings: Settings, given: GivenKeys) -> Settings:
    """Keys that are given say which algorithms there are, where the configuration does not."""
    if not given.algorithms or "algorithms" in settings.keys.model_fields_set:
        return settings
    return settings.model_copy(update={"keys": settings.keys.model_copy(update={"algorithms": given.algorithms})})
