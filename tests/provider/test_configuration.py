"""The configuration file and the environment over it: every mistake at once, with its place and the nearest name."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from creance.provider import ConfigurationError, OpenIDProvider, PluginSettings, Settings, read_settings
from creance.provider.configuration import explain, no_such
from creance.provider.testing.running import demo_configuration
from pydantic import BaseModel, ValidationError

ISSUER = 'issuer = "http://localhost:8400"\n'
SECRET = "marked-secret-8f2c"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "op" / "creance.toml"


def write(file: Path, text: str | bytes) -> Path:
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def read(file: Path, text: str, environ: Mapping[str, str] | None = None) -> Settings:
    return read_settings(write(file, text), environ or {})


def mistakes(file: Path, text: str, environ: Mapping[str, str] | None = None) -> list[str]:
    """What the operator reads: one line each."""
    with pytest.raises(ConfigurationError) as refusal:
        read(file, text, environ)
    assert not any("\n" in mistake for mistake in refusal.value.mistakes)
    return list(refusal.value.mistakes)


# The file


def test_the_demonstration_is_read(file: Path) -> None:
    """DESIGN, Configuration."""
    settings = read(file, demo_configuration("http://localhost:8400", "127.0.0.1:8400"))
    assert [client.client_id for client in settings.clients] == ["app", "app-post", "spa", "partner", "service"]
    assert list(settings.plugins) == [
        *("client_credentials", "introspection", "revocation"),
        *("sessions", "account", "consent", "rp_initiated_logout"),
    ]


def test_an_issuer_is_all_that_is_needed(file: Path) -> None:
    """DESIGN, Configuration: defaults are safe and stated once."""
    settings = read(file, ISSUER)
    assert settings.http.bind == "127.0.0.1:8400"
    assert settings.lifetimes.authorization_code == 60
    assert settings.keys.algorithms == ["RS256", "ES256"]


def test_a_file_that_is_not_there_is_an_error_of_its_own(file: Path) -> None:
    """DESIGN, Configuration: a missing file is its own error."""
    with pytest.raises(ConfigurationError, match=r"creance\.toml: no such file; `creance init` writes one") as refusal:
        read_settings(file, {})
    assert refusal.value.__cause__ is None


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    """Issue 3, two commands: one clear line."""
    with pytest.raises(ConfigurationError, match="cannot be read: Is a directory"):
        read_settings(tmp_path, {})


def test_a_file_that_is_not_utf_8_is_refused(file: Path) -> None:
    """TOML 1.0: a file is UTF-8."""
    with pytest.raises(ConfigurationError, match="is not UTF-8"):
        read_settings(write(file, b'issuer = "http://localhost"\nwelcome = "\xe9"\n'), {})


@pytest.mark.parametrize(
    "text",
    [
        "issuer = ",
        "issuer = http://localhost",
        ISSUER + ISSUER,
        "[http\n",
        f'clients = "{SECRET}',
        f'{ISSUER}[store]\nuri = "sqlite:{SECRET}\n',
        f"{ISSUER}[subjects]\nsalt = {SECRET}\n",
    ],
)
def test_what_is_not_toml_is_told_by_its_line_and_not_repeated(file: Path, text: str) -> None:
    """Issue 3, two commands: one clear line; secrets are never echoed."""
    (mistake,) = mistakes(file, text)
    assert "is not TOML" in mistake
    assert SECRET not in mistake


def test_relative_paths_are_relative_to_the_file_that_names_them(file: Path) -> None:
    """DESIGN, Configuration."""
    settings = read(file, f'{ISSUER}[keys]\nsecret_file = "keys/secret"\n')
    assert settings.path(settings.keys.secret_file) == file.parent / "keys" / "secret"
    assert settings.path(Path("/etc/secret")) == Path("/etc/secret")


# Mistakes in it


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("[http]\nbind_adress = 'x'", "http.bind_adress: no such setting"),
        ("[htpp]\nbind = 'x'", "htpp: no such setting; did you mean 'http'?"),
        ("[http]\nworkerz = 2", "http.workerz: no such setting; did you mean 'workers'?"),
        ("[lifetimes]\nacces_token = 2", "lifetimes.acces_token: no such setting; did you mean 'access_token'?"),
        ("[lifetimes]\naccess_token = 0", "lifetimes.access_token: input should be greater than 0"),
        ("[lifetimes]\naccess_token = 'long'", "lifetimes.access_token: input should be a valid integer"),
        ("[lifetimes]\nauthorization_code = 601", "lifetimes: authorization_code must be 600 at most"),
        ("[lifetimes]\nrefresh_token_absolute = 60", "lifetimes: refresh_token is longer than refresh_token_absolute"),
        ("[http]\nbind = '8400'", "http.bind: must be HOST:PORT"),
        ("[http]\nbind = 'localhost:http'", "http.bind: must be HOST:PORT"),
        ("[http]\nbind = 'localhost:65536'", "http.bind: must be HOST:PORT"),
        ("[http]\nbind = 'localhost:²'", "http.bind: must be HOST:PORT"),
        ("[http]\ntrusted_proxies = ['10.0.0.1/8']", "http.trusted_proxies[0]:"),
        ("[store]\nuri = 'sqlite:x.db'\nuri_file = 'uri'", "store: give uri or uri_file, not both"),
        (
            "[store.placement]\nkeys = 'sqlite:x.db'\n[store.placement_files]\nkeys = 'uri'",
            "store: keys is in placement and in placement_files: give one of them",
        ),
        ("[keys]\nalgorithms = []", "keys.algorithms: list should have at least 1 item"),
        ("[keys]\nalgorithms = ['RS256', 'HS256']", "keys.algorithms[1]: input should be 'RS256' or 'ES256'"),
        ("[keys]\nalgorithms = ['RS256', 'RS256']", "keys.algorithms: RS256 is there twice"),
        ("[grants]\nrefresh_token_rotation = 'never'", "grants.refresh_token_rotation: input should be 'always'"),
        ("[endpoints]\ntoken = 'token'", "endpoints.token: must be a path"),
        ("[endpoints]\ntoken = '/token/'", "endpoints.token: must be a path"),
        ("[endpoints]\ntoken = '/a//b'", "endpoints.token: must be a path"),
        ("[endpoints]\ntoken = '/{a}'", "endpoints.token: must be a path"),
        ('[endpoints]\ntoken = "/a\\nb"', "endpoints.token: must be a path"),
        ("[endpoints]\ntoken = '/a/../b'", "endpoints.token: must be a path"),
        ("[endpoints]\ntoken = '/tökén'", "endpoints.token: must be a path"),
        ("[extra_scopes]\n'two words' = ['groups']", "extra_scopes: 'two words' is not one word"),
        ("[extra_scopes]\nopenid = ['groups']", "extra_scopes: openid is the protocol's"),
        ("[extra_scopes]\ngroups = ['sub']", "extra_scopes: groups: sub belongs to the protocol"),
        ("[[clients]]\nclient_id = 'a'\nredirect_uri = 'x'", "clients[0].redirect_uri: no such setting; did you mean"),
        ("[[users]]\nusername = 'a'\npasword = 'x'", "users[0].pasword: no such setting; did you mean 'password'?"),
        ("clients = 'app'", "clients: input should be a valid list"),
        ("plugins = 3", "plugins: input should be a valid dictionary"),
    ],
)
def test_a_mistake_is_told_with_its_dotted_path_and_the_nearest_name(file: Path, text: str, mistake: str) -> None:
    """DESIGN, Configuration."""
    lines = mistakes(file, ISSUER + text)
    assert any(line.startswith(mistake) for line in lines), lines


def test_all_mistakes_are_told_at_once(file: Path) -> None:
    """DESIGN, Configuration: all mistakes at once."""
    text = """
    issuer = "http://example.org"
    isuer = "https://example.org"
    [http]
    workers = 0
    threads = "many"
    [[clients]]
    client_id = "app"
    client_secret = "s"
    redirect_uris = ["https://app.example/cb", "javascript:alert(1)"]
    [[clients]]
    client_id = " app "
    """
    lines = mistakes(file, text, {"CREANCE_ISUER": "x", "CREANCE_LOG__FORMAT": "xml"})
    places = [line.partition(":")[0] for line in lines]
    assert sorted(places) == sorted(
        [
            "issuer",
            "isuer",
            "http.workers",
            "http.threads",
            "clients[0].redirect_uris[1]",
            "clients[1].client_id",
            "log.format",
            "CREANCE_ISUER",
        ]
    )


def test_the_same_name_twice_is_told_for_each_kind_of_name(file: Path) -> None:
    """DESIGN, Configuration: all mistakes at once."""
    text = ISSUER + (
        "[[clients]]\nclient_id = 'a'\ntoken_endpoint_auth_method = 'none'\ngrant_types = []\n" * 2
        + "[[users]]\nusername = 'u'\nsubject = 's'\n" * 2
    )
    (line,) = mistakes(file, text)
    for name in ("client_id a", "username u", "subject s"):
        assert f"{name} is there twice" in line


def test_a_subject_cannot_be_the_name_of_a_client(file: Path) -> None:
    """Issue 3, client_credentials: sub is the client_id, which no user can have."""
    client = "[[clients]]\nclient_id = 'a'\ntoken_endpoint_auth_method = 'none'\ngrant_types = []\n"
    (line,) = mistakes(file, f"{ISSUER}{client}[[users]]\nusername = 'u'\nsubject = 'a'\n")
    assert "subject a is the client_id of a client" in line


@pytest.mark.parametrize(
    "text",
    [
        f"[[clients]]\nclient_id = 'a'\nclient_secret = ['{SECRET}']\n",
        f"[[clients]]\nclient_id = 'a'\nclient_secret = '{SECRET}'\nclient_secret_file = 'x'\ngrant_types = []\n",
        f"[[clients]]\nclient_id = 'a'\nclient_secret_hash = '{SECRET}'\ngrant_types = []\n",
        f"[[clients]]\nclient_id = 'a'\nclient_secret = '{SECRET}'\ntoken_endpoint_auth_method = 'none'\n",
        f"[[users]]\nusername = 'a'\npassword = '{SECRET}'\npassword_hash = '$argon2id${SECRET}'\n",
        f"[[users]]\nusername = 'a'\npassword_hash = '{SECRET}'\n",
        f"[subjects]\nsalt = ['{SECRET}']\n",
        f"[store]\nuri = {{ password = '{SECRET}' }}\n",
        f"[store]\nuri = 'mongodb://user:{SECRET}@host/'\ntimeout = 0\n",
    ],
)
def test_a_secret_is_never_repeated_in_a_mistake(file: Path, text: str) -> None:
    """STYLE, errors; issue 3, seen from outside: never a secret in an error."""
    assert not any(SECRET in line for line in mistakes(file, ISSUER + text))


def test_a_secret_is_not_in_the_text_of_the_settings(file: Path) -> None:
    """Issue 3, seen from outside."""
    text = (
        f"{ISSUER}[store]\nuri = 'sqlite:{SECRET}'\n[subjects]\nsalt = '{SECRET}'\n"
        f"[[clients]]\nclient_id = 'a'\nclient_secret = '{SECRET}'\ngrant_types = []\n"
        f"[[users]]\nusername = 'a'\npassword = '{SECRET}'\n"
    )
    settings = read(file, text)
    assert SECRET not in f"{settings!r}{settings}{settings.model_dump_json()}"


def test_a_store_that_is_not_installed_is_named_by_its_scheme_only(file: Path) -> None:
    """Issue 3, seen from outside: a store's URI may hold a password."""
    settings = read(file, f"{ISSUER}[store]\nuri = 'nosuch://user:{SECRET}@host/'\n")
    with pytest.raises(ConfigurationError, match=r"store\.uri: no store for 'nosuch': installed are") as refusal:
        OpenIDProvider(settings)
    assert SECRET not in str(refusal.value)


# The environment


@pytest.mark.parametrize(
    ("name", "value", "reads"),
    [
        ("CREANCE_ISSUER", "http://localhost:9000", lambda settings: settings.issuer),
        ("CREANCE_STORE__URI", "sqlite:other.db", lambda settings: settings.store.uri.get_secret_value()),
        ("CREANCE_STORE__URI", "12345", lambda settings: settings.store.uri.get_secret_value()),
        ("CREANCE_SUBJECTS__SALT", "007", lambda settings: settings.subjects.salt.get_secret_value()),
        ("creance_http__bind", "127.0.0.1:9", lambda settings: settings.http.bind),
        ("CREANCE_PAGES__NAME", "[]", lambda settings: settings.pages.name),
        ("CREANCE_ENDPOINTS__TOKEN", "/api/token", lambda settings: settings.endpoints["token"]),
    ],
)
def test_a_variable_overrides_a_setting(file: Path, name: str, value: str, reads: Callable[[Settings], Any]) -> None:
    """DESIGN, Configuration: environment variables override (`CREANCE_STORE__URI`)."""
    assert reads(read(file, f'{ISSUER}[store]\nuri = "sqlite:x.db"\ntimeout = 1\n', {name: value})) == value


def test_a_variable_changes_nothing_beside_its_setting(file: Path) -> None:
    """DESIGN, Configuration."""
    settings = read(file, f"{ISSUER}[lifetimes]\naccess_token = 5\n", {"CREANCE_LIFETIMES__ID_TOKEN": "6"})
    assert (settings.lifetimes.access_token, settings.lifetimes.id_token) == (5, 6)
    assert settings.lifetimes.authorization_code == 60


def test_a_list_is_given_as_json(file: Path) -> None:
    """DESIGN, Configuration: pydantic-settings reads it."""
    settings = read(file, ISSUER, {"CREANCE_KEYS__ALGORITHMS": '["ES256"]'})
    assert settings.keys.algorithms == ["ES256"]


def test_a_list_that_is_not_json_is_a_mistake_that_does_not_repeat_it(file: Path) -> None:
    """Issue 3, seen from outside."""
    lines = mistakes(file, ISSUER, {"CREANCE_CLIENTS": f'[{{"client_secret": "{SECRET}"'})
    assert "clients" in lines[0]
    assert SECRET not in "".join(lines)


def test_a_variable_can_change_a_setting_of_a_plugin_that_is_on(file: Path) -> None:
    """DESIGN, Configuration."""
    environ = {"CREANCE_PLUGINS__PKCE__ALLOW_PLAIN": "true"}
    settings = read(file, f"{ISSUER}[plugins.pkce]\n", environ)
    assert OpenIDProvider(settings).metadata["code_challenge_methods_supported"] == ["S256", "plain"]


def test_a_list_for_a_plugin_is_given_as_json(file: Path, install_plugin: Callable[..., None]) -> None:
    """DESIGN, Configuration: what a plugin is set to is typed by the plugin."""
    install_plugin(
        "listed",
        """
class S(PluginSettings):
    names: list[str] = []
    number: int = 0
    text: str = ""

class Stranger(Plugin[S, PluginSettings]): pass
""",
    )
    environ = {
        "CREANCE_PLUGINS__LISTED__NAMES": '["a", "b"]',
        "CREANCE_PLUGINS__LISTED__NUMBER": "7",
        "CREANCE_PLUGINS__LISTED__TEXT": "12",
    }
    settings = OpenIDProvider(read(file, f"{ISSUER}[plugins.listed]\n", environ)).plugins.plugins["listed"].settings
    assert (settings.names, settings.number, settings.text) == (["a", "b"], 7, "12")


def test_a_variable_can_switch_a_plugin_off(file: Path) -> None:
    """DESIGN, Configuration: environment variables override; only switching on is refused."""
    settings = read(file, f"{ISSUER}[plugins.revocation]\n", {"CREANCE_PLUGINS__REVOCATION__ENABLED": "false"})
    assert "revocation" not in OpenIDProvider(settings).plugins.plugins


@pytest.mark.parametrize(
    ("table", "name", "value"),
    [
        ("", "CREANCE_PLUGINS", '{"introspection": {}}'),
        ("", "CREANCE_PLUGINS", "[]"),
        ("", "CREANCE_PLUGINS", "introspection"),
        ("", "CREANCE_PLUGINS__INTROSPECTION", "{}"),
        ("[plugins.pkce]\n", "CREANCE_PLUGINS__PKCE", "on"),
        ("[plugins.introspection]\nenabled = false\n", "CREANCE_PLUGINS__INTROSPECTION__ENABLED", "0"),
        ("", "CREANCE_PLUGINS__INTROSPECTION__ENABLED", "true"),
        ("", "CREANCE_PLUGINS__PKCE__ALLOW_PLAIN", "true"),
        ("[plugins.introspection]\nenabled = false\n", "CREANCE_PLUGINS__INTROSPECTION__ENABLED", "true"),
        ("[plugins.introspection]\nenabled = false\n", "creance_plugins__introspection__enabled", "TRUE"),
        ("[plugins.introspection]\nenabled = false\n", "CREANCE_PLUGINS", '{"introspection": {"enabled": true}}'),
        ("[plugins.introspection]\nenabled = false\n", "CREANCE_PLUGINS__INTROSPECTION", '{"enabled": true}'),
    ],
)
def test_a_variable_never_switches_a_plugin_on(file: Path, table: str, name: str, value: str) -> None:
    """DESIGN, Configuration: environment variables never switch a plugin on."""
    (line,) = mistakes(file, ISSUER + table, {name: value})
    assert line.startswith(f"{name}: the environment cannot switch a plugin on")


@pytest.mark.parametrize(
    ("name", "mistake"),
    [
        ("CREANCE_ISUER", "no such setting; did you mean 'issuer'?"),
        ("CREANCE_STORE__URL", "no such setting; did you mean 'uri'?"),
        ("CREANCE_STORE_URI", "no such setting"),
        ("CREANCE_", "no such setting"),
        ("CREANCE__ISSUER", "no such setting"),
        ("CREANCE_HTTP__BIND__PORT", "no such setting"),
        ("CREANCE_ISSUER__X", "no such setting"),
        ("CREANCE_STORE__URI__PASSWORD", "no such setting"),
        ("CREANCE_CLIENTS__0__CLIENT_SECRET", "no such setting"),
    ],
)
def test_a_variable_that_is_no_setting_stops_the_start(file: Path, name: str, mistake: str) -> None:
    """DESIGN, Configuration: unknown `CREANCE_*` is an error."""
    (line,) = mistakes(file, ISSUER, {name: SECRET})
    assert line.startswith(f"{name}: {mistake}")


def test_variables_of_others_and_the_path_of_the_file_are_no_settings(file: Path) -> None:
    """DESIGN, Configuration."""
    read(file, ISSUER, {"PATH": "/bin", "ISSUER": "x", "CREANCE_CONFIG": str(file), "XCREANCE_X": ""})


# What plugins use too


def test_a_mistake_deep_in_the_settings_of_a_plugin_has_its_place() -> None:
    """DESIGN, Plugins: settings typed by the plugin, nested ones too."""

    class Upstream(PluginSettings):
        issuer: str
        scopes: list[str] = []

    class Federation(PluginSettings):
        upstreams: dict[str, Upstream] = {}
        fallback: Upstream | None = None
        several: list[Upstream] = []

    table = tomllib.loads(
        """
        upstreams.google = { issuer = "x", scopez = [] }
        fallback = { isuer = "x" }
        several = [{ issuer = "x" }, { issuer = "x", scopess = [] }]
        """
    )
    with pytest.raises(ValidationError) as refusal:
        Federation.model_validate(table)
    assert explain(refusal.value, Federation, "plugins.federation") == [
        "plugins.federation.upstreams.google.scopez: no such setting; did you mean 'scopes'?",
        "plugins.federation.fallback.issuer: field required",
        "plugins.federation.fallback.isuer: no such setting; did you mean 'issuer'?",
        "plugins.federation.several[1].scopess: no such setting; did you mean 'scopes'?",
    ]


def test_a_name_that_is_like_nothing_has_no_suggestion() -> None:
    """STYLE, a setting has one home."""
    assert no_such("setting", "zzz", ["issuer", "http"]) == "no such setting"
    assert no_such("setting", "requird", ["required"]) == "no such setting; did you mean 'required'?"


def test_every_setting_says_what_it_means() -> None:
    """STYLE: a setting has a docstring that becomes its documentation."""

    def fields(model: type[BaseModel]) -> list[tuple[str, str | None]]:
        found: list[tuple[str, str | None]] = []
        for name, field in model.model_fields.items():
            inner = field.annotation
            if isinstance(inner, type) and issubclass(inner, BaseModel):
                assert inner.__doc__, inner
                found += [(f"{name}.{deeper}", text) for deeper, text in fields(inner)]
            else:
                found.append((name, field.description))
        return found

    assert [name for name, description in fields(Settings) if not description] == []
