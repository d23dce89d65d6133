"""Plugins: found by entry point, built from their tables, called in the order of the configuration."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from creance.provider import ConfigurationError, OpenIDProvider, Plugin, PluginSettings, Settings, create_app
from creance.provider.errors import ServerError
from creance.provider.plugin_registry import PluginRegistry, installed_plugins

Install = Callable[..., None]
MakeSettings = Callable[..., Settings]


@pytest.fixture
def mistakes(make_settings: MakeSettings) -> Callable[..., tuple[str, ...]]:
    def refuse(**changes: Any) -> tuple[str, ...]:
        with pytest.raises(ConfigurationError) as refusal:
            OpenIDProvider(make_settings(**changes))
        return refusal.value.mistakes

    return refuse


def source(hook: str, answer: str, arguments: str = "") -> str:
    """A plugin with one hook."""
    return f"""
class Stranger(Plugin[PluginSettings, PluginSettings]):
    @hookimpl
    def {hook}(self{arguments}):
        return {answer}
"""


EMPTY = "class Stranger(Plugin[PluginSettings, PluginSettings]): pass\n"


# Which are on


def test_our_own_are_found_as_a_strangers_are(install_plugin: Install) -> None:
    """DESIGN, Layout: ours and a stranger's are loaded by the same path."""
    install_plugin("stranger", EMPTY)
    found = installed_plugins()
    assert {"pkce", "id_token_claims", "iss", "introspection", "sessions", "stranger"} <= found.keys()
    assert all(issubclass(plugin, Plugin) for plugin in found.values())


def test_what_is_safe_needs_no_line(make_settings: MakeSettings) -> None:
    """DESIGN, Configuration: pkce, id_token_claims and iss are on even when unnamed."""
    settings = Settings(issuer="http://localhost")
    assert list(PluginRegistry(settings).plugins) == ["id_token_claims", "iss", "pkce"]


def test_a_plugin_is_on_when_its_table_is_there(install_plugin: Install, make_settings: MakeSettings) -> None:
    """DESIGN, Configuration: installing alone switches nothing on."""
    install_plugin("stranger", EMPTY)
    assert "stranger" not in PluginRegistry(make_settings()).plugins
    assert "stranger" in PluginRegistry(make_settings(plugins={"stranger": {}})).plugins


@pytest.mark.parametrize("name", ["pkce", "iss", "revocation"])
def test_a_plugin_goes_off_by_enabled_false(make_settings: MakeSettings, name: str) -> None:
    """DESIGN, Configuration: off only by `enabled = false`."""
    assert name not in PluginRegistry(make_settings(plugins={name: {"enabled": False}})).plugins
    assert name in PluginRegistry(make_settings(plugins={name: {"enabled": True}})).plugins


@pytest.mark.parametrize("enabled", [0, 1, "false", "no", "", [], None])
def test_enabled_is_true_or_false(mistakes: Any, enabled: Any) -> None:
    """DESIGN, Configuration: what switches safety off is written plainly."""
    assert mistakes(plugins={"pkce": {"enabled": enabled}}) == ("plugins.pkce.enabled: must be true or false",)


def test_a_plugin_that_is_not_installed_is_named_with_the_nearest(mistakes: Any) -> None:
    """STYLE: did you mean; all mistakes at once."""
    tables = {"pkec": {}, "zzz": {}, "pkce": {"requird": True}, "introspection": {"enabled": 1}}
    assert mistakes(plugins=tables) == (
        "plugins.introspection.enabled: must be true or false",
        "plugins.pkec: no such plugin installed; did you mean 'pkce'?",
        "plugins.zzz: no such plugin installed",
        "plugins.pkce.requird: no such setting",
    )


def test_settings_are_typed_by_the_plugin(install_plugin: Install, make_settings: MakeSettings, mistakes: Any) -> None:
    """DESIGN, Plugins."""
    typed = """
class S(PluginSettings):
    seconds: int = 5

class C(PluginSettings):
    sees: bool = False

class Stranger(Plugin[S, C]): pass
"""
    install_plugin("typed", typed)
    provider = OpenIDProvider(make_settings(plugins={"typed": {"seconds": 7}}))
    plugin = provider.plugins.plugins["typed"]
    client = provider.clients.find("app")
    assert client is not None
    assert plugin.settings.seconds == 7
    assert plugin.client_settings(client).sees is False
    assert mistakes(plugins={"typed": {"seconds": "x", "secnds": 1}}) == (
        "plugins.typed.seconds: input should be a valid integer, unable to parse string as an integer",
        "plugins.typed.secnds: no such setting; did you mean 'seconds'?",
    )
    client_table = {
        "client_id": "a",
        "client_secret": "s",
        "grant_types": [],
        "plugins": {"typed": {"sees": 7, "seez": 1}, "tpyed": {}, "revocation": {"x": 1}},
    }
    assert mistakes(plugins={"typed": {}}, more_clients=[client_table]) == (
        "clients[4].plugins.tpyed: no such plugin switched on; did you mean 'typed'?",
        "clients[4].plugins.revocation.x: no such setting",
        "clients[4].plugins.typed.sees: input should be a valid boolean, unable to interpret input",
        "clients[4].plugins.typed.seez: no such setting; did you mean 'sees'?",
    )


def test_a_client_has_its_own_settings_of_a_plugin(make_settings: MakeSettings) -> None:
    """DESIGN, Configuration: [clients.plugins.introspection]."""
    provider = OpenIDProvider(make_settings())
    plugin = provider.plugins.plugins["introspection"]
    sees = {client.client_id: plugin.client_settings(client).sees for client in provider.clients.configured()}
    assert sees == {"app": "own", "app-post": "own", "spa": "own", "service": "any"}


# In which order


ORDERED = """
class Stranger(Plugin[PluginSettings, PluginSettings]):
    @hookimpl
    def metadata(self):
        return {"order": [self.name]}

    @hookimpl
    def repeatable_parameters(self):
        return [self.name]

    @hookimpl
    def resolve_authorization_request(self, parameters):
        return self.name
"""


@pytest.mark.parametrize("order", [("one", "two", "three"), ("three", "two", "one"), ("two", "three", "one")])
def test_plugins_run_in_the_order_of_the_configuration(
    install_plugin: Install, make_settings: MakeSettings, order: tuple[str, ...]
) -> None:
    """DESIGN, Plugins: pluggy calls the last registered first; the first result wins."""
    for name in ("one", "two", "three"):
        install_plugin(name, ORDERED)
    provider = OpenIDProvider(make_settings(plugins={name: {} for name in order}))
    assert provider.metadata["order"] == list(order)
    assert provider.plugins.listed("repeatable_parameters") == list(order)
    assert provider.plugins.hook.resolve_authorization_request(parameters=None) == order[0]


def test_those_that_are_on_without_a_line_come_first(make_settings: MakeSettings) -> None:
    """DESIGN, Plugins."""
    names = list(PluginRegistry(make_settings(plugins={"iss": {}})).plugins)
    assert names == ["id_token_claims", "pkce", "client_credentials", "introspection", "revocation", "iss"]


# Mistakes of authors


def test_a_misspelt_hook_stops_the_start(install_plugin: Install, mistakes: Any) -> None:
    """DESIGN, Plugins: check_pending() at start."""
    install_plugin("misspelt", source("id_token_clams", "{}"))
    (mistake,) = mistakes(plugins={"misspelt": {}})
    assert mistake.startswith("plugins.misspelt: ")
    assert "id_token_clams" in mistake
    assert "\n" not in mistake


def test_a_misspelt_argument_of_a_hook_stops_the_start(install_plugin: Install, mistakes: Any) -> None:
    """DESIGN, Plugins; issue 3, two commands: one clear line, no traceback."""
    install_plugin("misspelt", source("id_token_claims", "{}", ", grunt, client"))
    (mistake,) = mistakes(plugins={"misspelt": {}})
    assert mistake.startswith("plugins.misspelt: ")
    assert "grunt" in mistake
    assert "\n" not in mistake


@pytest.mark.parametrize(
    ("text", "entry", "why"),
    [
        ("raise RuntimeError('a\\nb')", None, "RuntimeError: a b"),
        ("import nosuchmodule", None, "ModuleNotFoundError: No module named 'nosuchmodule'"),
        ("x = ", None, "SyntaxError"),
        ("", None, "AttributeError"),
        ("class Stranger: pass", None, "is not a creance.provider.Plugin"),
        ("Stranger = 7", None, "is not a creance.provider.Plugin"),
        ("", "nosuchmodule:Stranger", "ModuleNotFoundError"),
    ],
)
def test_a_plugin_that_cannot_be_loaded_is_one_clear_line(
    install_plugin: Install, mistakes: Any, text: str, entry: str | None, why: str
) -> None:
    """Issue 3, two commands: one clear line, no traceback."""
    install_plugin("broken", text, entry=entry)
    (mistake,) = mistakes(plugins={"broken": {}})
    assert mistake.startswith("plugins.broken: ")
    assert why in mistake
    assert "\n" not in mistake


def test_two_distributions_with_a_plugin_of_one_name_stop_the_start(install_plugin: Install, mistakes: Any) -> None:
    """DESIGN, Layout: a package that happens to be installed must not take the place of a plugin of ours."""
    install_plugin("pkce", EMPTY)
    (mistake,) = mistakes()
    assert mistake.startswith("plugins.pkce: is in two installed distributions: creance, stranger")


def test_a_plugin_that_fails_when_it_is_built_is_named(install_plugin: Install, mistakes: Any) -> None:
    """Issue 3, two commands: a plugin may refuse its settings by a ConfigurationError."""
    text = """
class Stranger(Plugin[PluginSettings, PluginSettings]):
    def __init__(self, name, settings):
        super().__init__(name, settings)
        raise ConfigurationError(f"plugins.{name}: needs a file")
"""
    install_plugin("picky", text)
    assert mistakes(plugins={"picky": {}, "pkec": {}}) == (
        "plugins.picky: needs a file",
        "plugins.pkec: no such plugin installed; did you mean 'pkce'?",
    )


# Collisions


@pytest.mark.parametrize(
    ("hook", "answer", "mistake"),
    [
        ("metadata", '{"authorization_response_iss_parameter_supported": False}', "the metadata member"),
        ("metadata", '{"issuer": "x"}', "the metadata member issuer is there already"),
        ("metadata", '{"jwks_uri": ["x"]}', "the metadata member jwks_uri is there already"),
        ("metadata", '{"grant_types_supported": "x"}', "the metadata member grant_types_supported"),
        ("grants", '{"client_credentials": print}', "grants client_credentials is another plugin's"),
        ("grants", '{"authorization_code": print}', "grants authorization_code is the provider's own"),
        ("grants", '{"refresh_token": print}', "grants refresh_token is the provider's own"),
        ("response_modes", '{"query": print}', "response_modes query is the provider's own"),
        (
            "client_authentication_methods",
            '{"client_secret_basic": print, "none": print}',
            "client_authentication_methods client_secret_basic, none is the provider's own",
        ),
        ("endpoints", '[Endpoint("token", "/other", Resource())]', "endpoints: two of them are called token"),
        (
            "endpoints",
            '[Endpoint("introspection", "/x", Resource())]',
            "endpoints: two of them are called introspection",
        ),
        ("endpoints", '[Endpoint("other", "/token", Resource())]', "endpoints: two of them are at /token"),
        ("collections", '[Collection("access_tokens")]', "collections: two of them are called access_tokens"),
    ],
)
def test_what_two_would_give_stops_the_start(
    install_plugin: Install, mistakes: Any, hook: str, answer: str, mistake: str
) -> None:
    """DESIGN, Plugins: turned into plain tables at start-up; nothing takes the place of anything silently."""
    install_plugin("colliding", source(hook, answer))
    (line,) = mistakes(plugins={"colliding": {}})
    assert mistake in line


def test_lists_of_metadata_are_joined(install_plugin: Install, make_settings: MakeSettings) -> None:
    """DESIGN, Plugins: metadata."""
    install_plugin("joined", source("metadata", '{"grant_types_supported": ["x", "authorization_code"]}'))
    metadata = OpenIDProvider(make_settings(plugins={"joined": {}})).metadata
    assert metadata["grant_types_supported"] == ["authorization_code", "refresh_token", "client_credentials", "x"]


ARGUMENTS = {
    "id_token_claims": "grant client user scope access_token algorithm refreshed front_channel",
    "access_token_claims": "grant client scope",
    "userinfo_claims": "token client user",
    "introspection_claims": "token client",
    "token_response": "request grant response",
}


@pytest.mark.parametrize("hook", ARGUMENTS)
def test_two_plugins_that_set_one_claim_are_an_error_that_names_both(
    install_plugin: Install, make_settings: MakeSettings, hook: str
) -> None:
    """DESIGN, Plugins: the hint is for the operator, and the client learns nothing of it."""
    install_plugin("first", source(hook, '{"a": 1, "tenant": 1}'))
    install_plugin("second", source(hook, '{"tenant": 2, "b": 2}'))
    tables = {"first": {}, "second": {}, "id_token_claims": {"enabled": False}}
    registry = PluginRegistry(make_settings(plugins=tables))
    with pytest.raises(ServerError) as refusal:
        registry.merge(hook, **dict.fromkeys(ARGUMENTS[hook].split()))
    assert refusal.value.hint == f"{hook}: the plugins first and second both give tenant"
    assert refusal.value.description == "the provider is misconfigured"


def test_what_plugins_give_is_merged(install_plugin: Install, make_settings: MakeSettings) -> None:
    """DESIGN, Plugins; one that gives None gives nothing."""
    install_plugin("first", source("userinfo_claims", '{"a": 1}'))
    install_plugin("nothing", source("userinfo_claims", "None"))
    install_plugin("second", source("userinfo_claims", '{"b": 2}'))
    registry = PluginRegistry(make_settings(plugins={"first": {}, "nothing": {}, "second": {}}))
    assert registry.merge("userinfo_claims", token=None, client=None, user=None) == {"a": 1, "b": 2}


# Their life


LIFE = """
class Stranger(Plugin[PluginSettings, PluginSettings]):
    def __init__(self, name, settings):
        super().__init__(name, settings)
        self.lived = ["made"]

    def start(self, provider):
        assert provider is self.provider
        provider.store.page(Collection("users"))
        self.lived.append("started")

    def stop(self):
        self.lived.append("stopped")
"""


def test_a_plugin_is_made_without_io_started_with_the_store_and_stopped(
    install_plugin: Install, make_provider: Any
) -> None:
    """DESIGN, Plugins: start(provider) runs once in each worker; stop() at its end."""
    install_plugin("living", LIFE)
    provider = make_provider(plugins={"living": {}})
    plugin = provider.plugins.plugins["living"]
    assert plugin.lived == ["made", "started"]
    provider.start()
    create_app(provider)
    assert plugin.lived == ["made", "started"]
    provider.stop()
    provider.stop()
    assert plugin.lived == ["made", "started", "stopped"]


def test_a_plugin_that_fails_to_stop_does_not_keep_the_others_and_the_store(
    install_plugin: Install, make_provider: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """DESIGN, The host: a worker that ends in order lets go of everything."""
    failing = LIFE.replace('self.lived.append("stopped")', "raise RuntimeError('marked-secret-8f2c')")
    install_plugin("failing", failing)
    install_plugin("living", LIFE)
    provider = make_provider(plugins={"failing": {}, "living": {}})
    provider.stop()
    assert provider.plugins.plugins["living"].lived[-1] == "stopped"
    assert not provider.started
    assert "marked-secret" not in "".join(capsys.readouterr())


def test_two_providers_live_in_one_process(make_provider: Any) -> None:
    """DESIGN, The host: no global state."""
    one, two = make_provider(), make_provider(plugins={"iss": {"enabled": False}})
    assert "iss" in one.plugins.plugins
    assert "iss" not in two.plugins.plugins
    assert one.plugins.plugins["pkce"] is not two.plugins.plugins["pkce"]


def test_a_plugin_reads_its_two_types_of_settings_out_of_its_bases() -> None:
    """STYLE: a plugin is a page; `class PKCE(Plugin[Settings, ClientSettings])`."""

    class Mine(PluginSettings):
        pass

    class Clients(PluginSettings):
        pass

    class One(Plugin[Mine, Clients]):
        pass

    class Two(One):
        pass

    for plugin in (One, Two):
        assert (plugin.settings_type, plugin.client_settings_type) == (Mine, Clients)
