"""The provider: everything that a request needs, put together once from the configuration and its plugins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, NoReturn, Self

from pyop.provider import Provider

from .attempt_counters import ATTEMPT_COUNTERS, AttemptCounters
from .authorization import Authorization, add_query
from .browser import CookieNames
from .browser_sessions import BrowserSessions
from .catalogues import languages_of
from .choosing_keys import signing_keys_in, with_their_algorithms
from .client_authentication import METHODS, ClientAuthentication
from .clients import CLIENTS, Client, ClientRegistry
from .code_exchange import CodeExchange
from .configuration import no_such, read_settings
from .consents import CONSENTS, Consents
from .discovery import build_metadata
from .errors import ConfigurationError, InvalidGrant, UnauthorizedClient, UnsupportedGrantType
from .first_secret import make_first_secret
from .given_keys import GivenKeys
from .grants import Grant
from .hooks import Event, GrantHandler, HostClaims, ResponseMode, ResponseType, TokenRequest, TokenResponse
from .housekeeping import Housekeeping
from .id_token import IDTokens
from .keyring import SIGNING_KEYS
from .languages import Languages
from .login_limits import LoginLimits
from .page_templates import OUR_PACKAGE, template_names
from .parameters import Parameters
from .placing import make_stores
from .plugin_registry import AnyPlugin, PluginRegistry
from .pyop_interface import PyopInterface
from .rate_limits import ClientLimits
from .registration import ClientSettings
from .request_log import report_defect
from .response_types import in_order
from .routes import CORE_ENDPOINTS, Endpoint
from .scope_words import ScopeWords
from .scopes import ScopeClaims
from .sealing import Sealer, read_secret_file
from .settings import Settings
from .signing_key_files import read_signing_keys
from .signing_keys import SigningKeys
from .store import Collection, Store
from .subjects import Subjects
from .theme import read_theme
from .token_refresh import TokenRefresh
from .tokens import ACCESS_TOKENS, AUTHORIZATION_CODES, REFRESH_TOKENS, NewToken, Tokens
from .userinfo import userinfo
from .users import USERS, User, UserRegistry
from .visits import Visits

CORE_COLLECTIONS = (
    SIGNING_KEYS,
    CLIENTS,
    USERS,
    CONSENTS,
    AUTHORIZATION_CODES,
    ACCESS_TOKENS,
    REFRESH_TOKENS,
    ATTEMPT_COUNTERS,
)


class OpenIDProvider(PyopInterface):
    """A pyop `Provider` whose every public method works as before, on top of this package.

    Making one reads no store and starts no thread, so that `creance check` can do it; `start` does. There is no global
    state: two providers can live in one process.
    """

    def __init__(self, settings: Settings) -> None:
        """Build it from settings. Raises ConfigurationError with all mistakes that can be seen without a store."""
        self.given_keys = self.make_given_keys(settings)
        self.settings = settings = with_their_algorithms(settings, self.given_keys)
        self.plugins = PluginRegistry(settings)
        if not self._plugins_bring_keys() and self.given_keys.algorithms:
            self.given_keys.refuse_missing(settings.keys.algorithms)
        self.response_types: dict[str, ResponseType] = {"code": self._not_started}
        self.response_types |= self.plugins.merge_tables("response_types", own=self.response_types)
        self.clients = self.make_clients()
        self.users = UserRegistry(settings, self.clients.__contains__)
        self.scope_claims = ScopeClaims(settings.extra_scopes)
        self.scope_words = ScopeWords()
        self.subjects = self.make_subjects()
        self.cookie_names = CookieNames(settings.issuer)
        self.client_authentication = ClientAuthentication(
            self.clients, self.plugins.merge_tables("client_authentication_methods", own=METHODS)
        )
        self.response_modes: dict[str, ResponseMode] = {"query": add_query}
        self.response_modes |= self.plugins.merge_tables("response_modes", own=self.response_modes)
        self.repeatable_parameters = frozenset(self.plugins.listed("repeatable_parameters"))
        self.endpoints = self._build_endpoints()
        self._urls = {endpoint.name: settings.issuer + endpoint.path for endpoint in self.endpoints}
        self.token_grants: dict[str, GrantHandler] = {
            "authorization_code": self._not_started,
            "refresh_token": self._not_started,
        }
        self.token_grants |= self.plugins.merge_tables("grants", own=self.token_grants)
        self.collections: list[Collection] = [*self.core_collections, *self.plugins.listed("collections")]
        """What the store is opened with."""
        self._refuse_same_names("collections", [collection.name for collection in self.collections])
        self.store = make_stores(settings, self.collections)
        templates = template_names(endpoint.resource.templates for endpoint in self.endpoints if endpoint.resource)
        self.theme = read_theme(settings.pages.theme and settings.path(settings.pages.theme), templates)
        self.languages = Languages([*languages_of(OUR_PACKAGE), *self.theme.texts], settings.pages.default_locale)
        """Of the pages."""
        self.metadata = self.make_metadata()
        self._refuse_unknown_names()
        self.secrets: list[bytes] | None = None
        """Of `keys.secret_file`, read once: the parent of workers hands them on, so that all have the same."""
        self.housekeeping: Housekeeping | None = None
        self.browser_sessions: BrowserSessions | None = None
        """Of the plugin that keeps them, once it has started."""
        self._running: list[AnyPlugin] = []
        self.started = False

    @classmethod
    def from_config(cls, configuration: str | Path | Settings) -> Self:
        """The provider of a configuration file. Raises ConfigurationError."""
        return cls(configuration if isinstance(configuration, Settings) else read_settings(configuration))

    # What a provider that takes over another one makes in its own way.

    core_collections: ClassVar[tuple[Collection, ...]] = CORE_COLLECTIONS

    def make_clients(self) -> ClientRegistry:
        """The clients of the configuration and of the store."""
        return ClientRegistry(self.settings, self.plugins.read_client_settings)

    def make_subjects(self) -> Subjects:
        """What makes the `sub` of a person for a client."""
        return Subjects(self.settings.subjects, self.users.salt)

    def make_given_keys(self, settings: Settings) -> GivenKeys:
        """The signing keys of the configuration's files. Raises ConfigurationError."""
        keys = read_signing_keys(settings)
        return GivenKeys(keys, issuer=settings.issuer, timeout=settings.keys.signer_timeout)

    def make_metadata(self) -> dict[str, Any]:
        """The members of both discovery documents. Raises ConfigurationError."""
        return build_metadata(self)

    def user_of_subject(self, subject: str) -> User | None:
        """The person whose `sub` this is. Raises StoreUnavailable, TemporarilyUnavailable."""
        return self.users.find_by_subject(subject)

    def granted(self, grant: Grant) -> None:
        """A grant is about to be recorded."""

    @classmethod
    def adopt(
        cls,
        provider: Provider,
        plugins: Sequence[str] | Mapping[str, Mapping[str, Any]] | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> OpenIDProvider:
        """A started provider in the place of a pyop one, which keeps its signing key, issuer, endpoints, metadata,
        clients, users, subject identifiers, validators, and what it has issued.

        `plugins`: names, or names with their settings. `settings`: what differs from what the pyop provider was made
        with, in the names of the configuration file. Raises ConfigurationError, StoreUnavailable, StoreRefused.
        """
        from .adopted.provider import adopt  # which is made of this class

        return adopt(provider, plugins, settings)

    def prepare(self) -> None:
        """Make what a first start needs: the database, the secret, the keys. Once, by the parent of the workers.

        Raises ConfigurationError, StoreUnavailable, StoreRefused.
        """
        try:
            self._open(may_make_secret=True)
        finally:
            self.stop()

    def start(self) -> None:
        """Open the store, read the keys, start the plugins. In the process that serves, never before a fork.

        Raises ConfigurationError, StoreUnavailable, StoreRefused.
        """
        if self.started:
            return
        self._open()
        self._assemble()
        try:
            for plugin in self.plugins.plugins.values():
                plugin.provider = self
                plugin.start(self)
                self._running.append(plugin)
            if self._plugins_bring_keys():
                self.given_keys.bring(self.plugins.each("signers"))
                self.given_keys.refuse_missing(self.settings.keys.algorithms)
        except BaseException:
            self.stop()
            raise
        self.browser_sessions = self.plugins.hook.browser_sessions()
        self.users.sources.start(self.plugins.each("users"))
        self.housekeeping = Housekeeping(self.store)
        self.housekeeping.start()
        self.started = True

    def _open(self, *, may_make_secret: bool = False) -> None:
        """The store, and all that has to agree with it."""
        secret_file = self.settings.path(self.settings.keys.secret_file)
        keys_are_here = self.store.place_of(SIGNING_KEYS).on_this_machine
        makes_secret = may_make_secret and keys_are_here and not secret_file.exists()
        if self.secrets is None and not makes_secret:
            self.secrets = read_secret_file(secret_file)
        self.store.open(self.collections)
        if makes_secret and self.secrets is None:
            make_first_secret(secret_file, self.store, self.collections)
        if self.secrets is None:
            self.secrets = read_secret_file(secret_file)
        self.sealer = Sealer(self.secrets, self.settings.issuer)
        self.keyring = self.keyring_in(self.store, self.sealer)
        self.keyring.start()
        self.clients.start(self.store)
        self.users.start(self.store)

    def keyring_in(self, store: Store, sealer: Sealer) -> SigningKeys:
        """The keys that are given, or else those that a store holds, not read yet; the others beside them."""
        given_sign = bool(self.given_keys.algorithms) or self._plugins_bring_keys()
        return signing_keys_in(store, sealer, self.settings, self.given_keys, given_sign=given_sign)

    def _plugins_bring_keys(self) -> bool:
        return bool(self.plugins.hook.signers.get_hookimpls())

    def _assemble(self) -> None:
        settings = self.settings
        self.consents = Consents(self.store, self.users, self.clients)
        self.attempt_counters = AttemptCounters(self.store, self.sealer)
        self.login_limits = LoginLimits(
            settings.limits, self.attempt_counters, self.users, self.sealer, self.cookie_names("device")
        )
        self.client_limits = ClientLimits(settings, self.attempt_counters, self.clients, self.client_authentication)
        self.tokens = Tokens(settings, self.store, self.sealer)
        self.id_tokens = IDTokens(
            self.plugins,
            self.keyring,
            issuer=settings.issuer,
            lifetime=settings.lifetimes.id_token,
            algorithms=settings.keys.algorithms,
        )
        self.visits = Visits(
            self.sealer,
            self.cookie_names,
            lifetime=settings.lifetimes.authorization_request,
            resume_url=self.url("resume"),
        )
        self.authorization = Authorization(self)
        self.response_types["code"] = self.authorization.code
        self.token_grants |= {"authorization_code": CodeExchange(self), "refresh_token": TokenRefresh(self)}
        self.start_pyop_interface()

    def stop(self) -> None:
        """Stop the plugins and let go of the store."""
        if self.housekeeping is not None:
            self.housekeeping.stop()
            self.housekeeping = None
        while self._running:
            plugin = self._running.pop()
            try:
                plugin.stop()
            except Exception as error:
                report_defect(f"plugins.{plugin.name}.stop", error)
        self.started = False
        self.store.close()

    @property
    def awaits_store(self) -> bool:
        """Whether some of it lives on a server, which may be there later than we are."""
        return not all(self.store.place_of(each).on_this_machine for each in self.collections)

    def url(self, endpoint: str) -> str:
        """The URL of an endpoint by its name: from the issuer, never from what a request says of its host."""
        return self._urls[endpoint]

    def url_if_on(self, endpoint: str) -> str | None:
        """The same; None where the plugin that brings it is off."""
        return self._urls.get(endpoint)

    # What the token endpoint does.

    def token(self, parameters: Parameters, headers: Mapping[str, str]) -> TokenResponse:
        """RFC 6749 3.2: prove the client, ask its grant. Raises OAuthError."""
        client = self.client_authentication.authenticate(parameters, headers)
        return self.token_for(client, parameters)

    def token_for(
        self, client: Client, parameters: Parameters, extra_id_token_claims: HostClaims = None
    ) -> TokenResponse:
        """The token response for a client that has proven who it is. Raises OAuthError."""
        grant_type = parameters.required("grant_type")
        handler = self.token_grants.get(grant_type)
        if handler is None:
            raise UnsupportedGrantType("this grant_type is not supported")
        if grant_type not in client.grant_types:
            raise UnauthorizedClient("the client is not registered for this grant_type")
        request = TokenRequest(client, grant_type, parameters, extra_id_token_claims)
        self.plugins.hook.check_token_request(request=request)
        return handler(request)

    def userinfo_response(self, access_token: str, headers: Mapping[str, str]) -> dict[str, Any]:
        """OpenID Connect Core 5.3. Raises InvalidToken, InsufficientScope."""
        return userinfo(self, access_token, headers)

    # What grants share, those of plugins too.

    def parties(self, grant: Grant) -> tuple[Client, User | None] | None:
        """The client and the person of a grant (None where a client acts for itself), if both are still there, and
        still those that it was made for. Otherwise None: it gives nothing any more.
        """
        client = self.clients.find(grant.client_id)
        if client is None or client.registered_at != grant.client_registered_at:
            return None
        if grant.username is None:
            return client, None
        user = self.users.find(grant.username)
        if user is None or user.disabled or user.subject != grant.own_subject:
            return None
        return client, user

    def active_user(self, grant: Grant) -> User:
        """The person of a grant that still gives something. Raises InvalidGrant for any other."""
        _, user = self.parties(grant) or (None, None)
        if user is None:
            raise InvalidGrant("the grant is no longer valid", hint="its user or client is gone, disabled or another")
        return user

    def new_access_token(self, grant: Grant, client: Client, scope: tuple[str, ...]) -> NewToken:
        """An access token with the claims that plugins keep with it; not yet written."""
        claims = self.plugins.merge("access_token_claims", grant=grant, client=client, scope=scope)
        return self.tokens.new_access_token(grant, scope, claims=claims)

    def token_members(self, access: NewToken) -> TokenResponse:
        """RFC 6749 5.1: what every token response has."""
        return {
            "access_token": access.value,
            "token_type": "Bearer",
            "expires_in": self.settings.lifetimes.access_token,
            "scope": " ".join(access.token.scope),
        }

    def happened(self, event: Event) -> None:
        """Tell the plugins. What one of them raises is logged and changes nothing."""
        try:
            self.plugins.hook.event(event=event)
        except Exception as error:
            report_defect(f"event {event.name}", error)

    def check_client(self, settings: ClientSettings, where: str) -> list[str]:
        """What a client's registration names that is not switched on here, a line each."""
        mistakes = []
        methods = self.client_authentication.methods_supported
        if settings.token_endpoint_auth_method not in methods:
            near = no_such("method", settings.token_endpoint_auth_method, methods)
            mistakes.append(f"{where}.token_endpoint_auth_method: {near}")
        offered = self.metadata["grant_types_supported"]
        for index, grant_type in enumerate(settings.grant_types):
            if grant_type not in offered:
                near = no_such("grant (is its plugin on?)", grant_type, offered)
                mistakes.append(f"{where}.grant_types[{index}]: {near}")
        for index, response_type in enumerate(settings.response_types):
            if in_order(response_type) not in self.response_types:
                near = no_such("response type (is its plugin on?)", response_type, self.response_types)
                mistakes.append(f"{where}.response_types[{index}]: {near}")
        algorithm = settings.id_token_signed_response_alg
        if algorithm is not None and algorithm not in self.settings.keys.algorithms:
            mistakes.append(f"{where}.id_token_signed_response_alg: {algorithm} is not among keys.algorithms")
        return mistakes

    def _build_endpoints(self) -> list[Endpoint]:
        endpoints: list[Endpoint] = [*CORE_ENDPOINTS, *self.plugins.listed("endpoints")]
        names = [endpoint.name for endpoint in endpoints]
        self._refuse_same_names("endpoints", names)
        if unknown := [name for name in self.settings.endpoints if name not in names]:
            raise ConfigurationError(
                *(f"endpoints.{name}: {no_such('endpoint (is its plugin on?)', name, names)}" for name in unknown)
            )
        placed = [endpoint.at(self.settings.endpoints.get(endpoint.name, endpoint.path)) for endpoint in endpoints]
        paths = [endpoint.path for endpoint in placed]
        if twice := sorted({path for path in paths if paths.count(path) > 1}):
            raise ConfigurationError(f"endpoints: two of them are at {', '.join(twice)}")
        return placed

    @staticmethod
    def _refuse_same_names(kind: str, names: Sequence[str]) -> None:
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ConfigurationError(f"{kind}: two of them are called {', '.join(twice)}")

    def _refuse_unknown_names(self) -> None:
        mistakes = []
        for index, settings in enumerate(self.settings.clients):
            mistakes += self.check_client(settings, f"clients[{index}]")
        subjects = {user.subject for user in self.users.configured()}
        for index, settings in enumerate(self.settings.clients):
            if settings.client_id in subjects:
                mistakes.append(f"clients[{index}].client_id: is the sub of a user")
        if mistakes:
            raise ConfigurationError(*mistakes)

    @staticmethod
    def _not_started(*_: object) -> NoReturn:
        raise RuntimeError("the provider was not started")
