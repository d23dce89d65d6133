"""A provider in the place of a pyop one (`OpenIDProvider.adopt`)."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from tempfile import TemporaryDirectory
from typing import Any, ClassVar
from urllib.parse import urlsplit

from oic.oic.message import AuthorizationResponse
from pydantic import SecretStr
from pyop import request_validator
from pyop.message import AuthorizationRequest as RequestMessage
from pyop.provider import Provider
from pyop.storage import MongoWrapper, RedisWrapper, StatelessWrapper

from ..clients import Client, ClientRegistry
from ..errors import ConfigurationError
from ..given_keys import GivenKeys
from ..grants import Grant
from ..hooks import HostClaims, TokenResponse
from ..openid_provider import CORE_COLLECTIONS
from ..parameters import Parameters
from ..request_log import logger
from ..response_types import grant_types_for, in_order
from ..settings import Settings
from ..signers import LocalSigner, local_signer
from ..signing_key_files import read_signing_keys
from ..store import Collection
from ..tokens import written
from ..users import User
from .clients import AdoptedClients
from .documents import PyopDocuments
from .host_log import log_by_host
from .issued import ENDED, TAKEN_OVER, Issued
from .logged_refusals import LoggedRefusals
from .mapping import Origin
from .redis_uri import redis_uri
from .settings import Plugins, adopted_settings
from .state import AdoptedState
from .subjects import AdoptedSubjects
from .users import SUBJECTS, AdoptedUsers

_DATABASES = ("authorization_codes", "access_tokens", "refresh_tokens", "subject_identifiers")


def adopt(provider: Provider, plugins: Plugins, given: Mapping[str, Any] | None) -> AdoptedProvider:
    """`OpenIDProvider.adopt`."""
    log_by_host()
    adopted = in_place_of(provider, plugins, given)
    if left := adopted.response_types_not_offered():
        logger.warning("response_types_not_offered", types=left)
    return started(adopted)


def started(adopted: AdoptedProvider) -> AdoptedProvider:
    """The same provider, which has let go of everything where it cannot start."""
    try:
        adopted.start()
    except BaseException:
        adopted.stop()
        raise
    return adopted


def in_place_of(provider: Provider, plugins: Plugins, given: Mapping[str, Any] | None) -> AdoptedProvider:
    """The same, not started yet: no connection, no thread. Raises ConfigurationError."""
    _refuse_stateless(provider)
    signer = signer_of(provider.signing_key)
    settings = adopted_settings(provider, plugins, given)
    folder = None
    if "uri" not in (given or {}).get("store", {}):
        settings, folder = _in_its_place(provider, settings)
    try:
        return AdoptedProvider(settings, provider, signer, folder)
    except BaseException:
        if folder is not None:
            folder.cleanup()
        raise


def signer_of(signing_key: Any) -> LocalSigner:
    """The signer of pyop's signing key, which is one of jwkest. Raises ConfigurationError."""
    try:
        serialized = signing_key.serialize(private=True)
    except (AttributeError, TypeError, ValueError):
        raise ConfigurationError("the signing key of the adopted provider cannot be read") from None
    # Of an RSA key jwkest gives the primes without the exponents that belong to them (RFC 7518 6.3.2).
    jwk = {name: serialized[name] for name in ("kty", "n", "e", "d", "crv", "x", "y") if name in serialized}
    return replace(local_signer(jwk, kid=signing_key.kid or None), name="the signing key of the adopted provider")


class AdoptedProvider(LoggedRefusals):
    """Reads what the pyop provider has in place, and writes what is new in our form."""

    core_collections: ClassVar[tuple[Collection, ...]] = (*CORE_COLLECTIONS, SUBJECTS, TAKEN_OVER, ENDED)

    extra_id_token_claims: HostClaims = None
    """What the host gives with each token request, for those that do not come by way of `handle_token_request`."""

    def __init__(
        self, settings: Settings, origin: Provider, signer: LocalSigner, folder: TemporaryDirectory[str] | None
    ) -> None:
        self.origin = origin
        """The pyop provider that was taken over."""
        self._signer = signer
        self._folder = folder
        super().__init__(settings)
        if "secret_file" not in settings.keys.model_fields_set:
            self.secrets = [_secret_from(signer)]

    def make_clients(self) -> ClientRegistry:
        """Ours, and after them those of the pyop provider."""
        refreshes = bool(self.origin.authz_state.refresh_token_lifetime)
        grant_types = {"refresh_token"} if refreshes else set()
        grant_types = grant_types.union(*map(grant_types_for, self.response_types))
        return AdoptedClients(
            self.settings,
            self.plugins.read_client_settings,
            Origin("clients", self.origin.clients),
            defaults={
                "grant_types": sorted(grant_types),
                "always_issue_refresh_token": refreshes,
                "insecure_http_redirect_uris": True,
            },
            every_scope=" ".join(self.origin.configuration_information["scopes_supported"]),
        )

    def make_subjects(self) -> AdoptedSubjects:
        """Ours, but for people whose `sub` their host says."""
        return AdoptedSubjects(self.settings.subjects, self.users.salt, self.users)

    def make_metadata(self) -> dict[str, Any]:
        """Ours, at the URLs that clients know; and what else the pyop provider says of itself."""
        known = self.origin.configuration_information.to_dict()
        ours = super().make_metadata()
        urls = {name: value for name, value in known.items() if name.endswith(("_endpoint", "_uri")) and value}
        return {**{name: value for name, value in known.items() if name not in ours}, **ours, **urls}

    def response_types_not_offered(self) -> list[str]:
        """What the pyop provider says that it supports, and this one does not."""
        known = self.origin.configuration_information["response_types_supported"]
        return [each for each in known if in_order(each) not in self.response_types]

    def make_given_keys(self, settings: Settings) -> GivenKeys:
        """The one key that clients know; those of the configuration's files go before it."""
        keys = [*read_signing_keys(settings), self._signer]
        return GivenKeys(keys, issuer=settings.issuer, timeout=settings.keys.signer_timeout)

    def _open(self, *, may_make_secret: bool = False) -> None:
        super()._open(may_make_secret=may_make_secret)
        state = self.origin.authz_state
        identifiers = Origin("subject_identifiers", state.subject_identifiers)
        self.adopted_users = AdoptedUsers(
            self.origin.userinfo, identifiers, state._subject_identifier_factory, self.store
        )
        self.adopted_users.take_over_subjects()

    def _assemble(self) -> None:
        super()._assemble()
        self.issued = Issued(
            self.origin.authz_state,
            self.store,
            user_of=self.user_of_subject,
            registered_at=lambda client_id: found.registered_at if (found := self.clients.find(client_id)) else None,
            operation=written,
            revoke_grant=self.tokens.revoke_grant,
        )
        self.tokens.earlier = self.issued

    def start(self) -> None:
        """As `OpenIDProvider.start`; the people of the pyop provider come after those of plugins."""
        super().start()
        self.users.sources.add("adopted provider", self.adopted_users)

    def start_pyop_interface(self) -> None:
        """The host's own validators go on; pyop's have their place in ours."""
        super().start_pyop_interface()
        self.authz_state = AdoptedState(self)
        self.authentication_request_validators += [
            validate for validate in self.origin.authentication_request_validators if not _is_pyops_own(validate)
        ]

    def authorize(
        self, authentication_request: RequestMessage, user_id: str, extra_id_token_claims: HostClaims = None
    ) -> AuthorizationResponse:
        """As `PyopInterface.authorize`. The host may have written the person's claims a moment ago."""
        self.users.sources.forget(user_id, "")
        return super().authorize(authentication_request, user_id, extra_id_token_claims)

    def token_for(
        self, client: Client, parameters: Parameters, extra_id_token_claims: HostClaims = None
    ) -> TokenResponse:
        """As `OpenIDProvider.token_for`. With a code of pyop's no claims are kept: the host brings them now."""
        return super().token_for(client, parameters, extra_id_token_claims or self.extra_id_token_claims)

    def user_of_subject(self, subject: str) -> User | None:
        """The person whose `sub` this is, public or, for the people of the pyop provider, pairwise."""
        return super().user_of_subject(subject) or self.adopted_users.find_by_subject(subject)

    def granted(self, grant: Grant) -> None:
        """Whose subject identifier it is, is kept: pyop's way back, and what people are found by."""
        if grant.username is None:
            return
        self.adopted_users.learn(grant.username, grant.own_subject, "public")
        if grant.user_subject is not None:
            self.adopted_users.learn(grant.username, grant.subject, "pairwise")

    def stop(self) -> None:
        """Let go of the store, and of the folder where it lived with a provider whose state was in memory."""
        super().stop()
        if self._folder is not None:
            self._folder.cleanup()


def _refuse_stateless(provider: Provider) -> None:
    state = provider.authz_state
    if any(isinstance(getattr(state, name, None), StatelessWrapper) for name in _DATABASES[:3]):
        raise ConfigurationError(
            "the adopted provider keeps no state: its codes can be used again and again, and nothing can be revoked. "
            "Give its AuthorizationState databases"
        )


def _in_its_place(provider: Provider, settings: Settings) -> tuple[Settings, TemporaryDirectory[str] | None]:
    """Where our documents go if nobody says it: beside pyop's in MongoDB or Redis, or away with the process as its
    dicts are.

    What another mapping cannot do at once, as spending a code, cannot be done over it: raises ConfigurationError.
    """
    databases = [getattr(provider.authz_state, name) for name in _DATABASES]
    if all(type(database) is dict for database in databases):
        folder = TemporaryDirectory(prefix="creance-")
        store = settings.store.model_copy(update={"uri": SecretStr(f"sqlite:{folder.name}/adopted.db")})
        return settings.model_copy(update={"store": store}), folder
    uri = _uri_beside(databases)
    if uri is not None:
        store = settings.store.model_copy(update={"uri": SecretStr(uri)})
        return settings.model_copy(update={"store": store}), None
    kinds = ", ".join(sorted({type(database).__name__ for database in databases}))
    raise ConfigurationError(
        f"store.uri is needed: the adopted provider keeps its state in {kinds}, which cannot spend a code once and for "
        "all. What it has issued is read there and goes on; what is new needs settings={'store': {'uri': …}}"
    )


def _uri_beside(databases: Sequence[Any]) -> str | None:
    """Of the database that all of these mappings are in, if it is one that can do what they cannot."""
    if all(isinstance(database, MongoWrapper | PyopDocuments) for database in databases):
        return _mongodb_uri(databases[0])
    if all(isinstance(database, RedisWrapper) for database in databases):
        return redis_uri(databases[0])
    return None


def _mongodb_uri(wrapper: MongoWrapper | PyopDocuments) -> str:
    """The URI of a MongoDB wrapper with the name of its database, which may have been given beside it."""
    if isinstance(wrapper, PyopDocuments):
        return wrapper.database.uri
    parts = urlsplit(wrapper._db_uri)
    return str(parts._replace(path=f"/{wrapper._db._database_name}").geturl())


def _is_pyops_own(validate: Any) -> bool:
    function = validate.func if isinstance(validate, functools.partial) else validate
    module: object = getattr(function, "__module__", None)
    return bool(module == request_validator.__name__)


def _secret_from(signer: LocalSigner) -> bytes:
    """All workers of a provider have its signing key: what is sealed for a browser is sealed under a digest of it."""
    private = signer.key.as_pem(private=True)
    return hashlib.sha256(b"creance adopted" + private).hexdigest().encode()
