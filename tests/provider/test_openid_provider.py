"""The provider as a whole: what a first start makes, what a later one needs, and what the token endpoint decides."""

from __future__ import annotations

import stat
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from creance.provider import (
    ConfigurationError,
    InvalidRequest,
    OpenIDProvider,
    Parameters,
    Settings,
    UnauthorizedClient,
)
from creance.provider.errors import UnsupportedGrantType
from creance.provider.sealing import new_secret

from ..polling import eventually

MakeSettings = Callable[..., Settings]


# Starting


@pytest.mark.default_store("the secret is not given")
def test_making_one_does_no_io(make_settings: MakeSettings, tmp_path: Path) -> None:
    """DESIGN, Plugins: so that `creance check` can build it."""
    before = set(threading.enumerate())
    OpenIDProvider(make_settings())
    assert list(tmp_path.iterdir()) == []
    assert set(threading.enumerate()) <= before


@pytest.mark.default_store("a first start makes a file and a secret")
def test_a_first_start_makes_database_secret_and_keys_for_their_owner_only(
    make_settings: MakeSettings, tmp_path: Path
) -> None:
    """DESIGN, Keys: the secret is made by the parent of the workers (0600)."""
    provider = OpenIDProvider(make_settings())
    provider.prepare()
    assert not provider.started
    assert {path.name for path in (tmp_path / "var").iterdir()} >= {"secret", "creance.db"}
    for name in ("secret", "creance.db"):
        assert stat.S_IMODE((tmp_path / "var" / name).stat().st_mode) == 0o600


def test_a_second_start_changes_nothing(make_settings: MakeSettings, tmp_path: Path) -> None:
    """Issue 3, two commands: a second `make run` keeps the data."""
    OpenIDProvider(make_settings()).prepare()
    provider = OpenIDProvider(make_settings())
    secret = (tmp_path / "var" / "secret").read_bytes()
    provider.start()
    keys = provider.keyring.jwks
    provider.stop()
    again = OpenIDProvider(make_settings())
    again.prepare()
    again.start()
    assert again.keyring.jwks == keys
    assert (tmp_path / "var" / "secret").read_bytes() == secret
    again.stop()


@pytest.mark.default_store("the secret is not given")
def test_a_worker_makes_no_secret(make_settings: MakeSettings, tmp_path: Path) -> None:
    """DESIGN, Keys: made only by the parent of the workers."""
    provider = OpenIDProvider(make_settings())
    with pytest.raises(ConfigurationError, match=r"keys\.secret_file: .*/var/secret is not there"):
        provider.start()
    provider.stop()
    assert not (tmp_path / "var" / "secret").exists()


def test_a_secret_that_is_lost_is_not_replaced(make_settings: MakeSettings, tmp_path: Path) -> None:
    """DESIGN, Keys: only when the store holds no sealed key; a missing secret stops the start and says so."""
    OpenIDProvider(make_settings()).prepare()
    (tmp_path / "var" / "secret").unlink()
    with pytest.raises(ConfigurationError, match="is not there"):
        OpenIDProvider(make_settings()).prepare()
    assert not (tmp_path / "var" / "secret").exists()


def test_a_wrong_secret_stops_the_start_and_says_so(make_settings: MakeSettings, tmp_path: Path) -> None:
    """DESIGN, Keys."""
    OpenIDProvider(make_settings()).prepare()
    (tmp_path / "var" / "secret").write_text(new_secret())
    with pytest.raises(ConfigurationError, match="does not open the keys in the store"):
        OpenIDProvider(make_settings()).prepare()


def test_a_store_belongs_to_one_issuer(make_settings: MakeSettings) -> None:
    """DESIGN, Keys: the subjects, sessions and keys in it are those of one issuer."""
    OpenIDProvider(make_settings()).prepare()
    with pytest.raises(ConfigurationError, match="an issuer cannot be renamed"):
        OpenIDProvider(make_settings(issuer="http://localhost:8500")).prepare()


def test_a_start_that_failed_can_be_tried_again(make_settings: MakeSettings, tmp_path: Path) -> None:
    """Issue 3, faults."""
    OpenIDProvider(make_settings()).prepare()
    provider = OpenIDProvider(make_settings())
    secret = (tmp_path / "var" / "secret").read_bytes()
    (tmp_path / "var" / "secret").write_text("short")
    with pytest.raises(ConfigurationError):
        provider.start()
    (tmp_path / "var" / "secret").write_bytes(secret)
    provider.start()
    assert provider.started
    provider.stop()


def test_many_workers_that_prepare_at_once_agree(tmp_path: Path, run_in_processes: Callable[..., list[str]]) -> None:
    """DESIGN, Keys: one secret, one set of keys."""
    program = """
from pathlib import Path
from creance.provider import OpenIDProvider, Settings
settings = Settings(issuer="http://localhost:8400", keys={"algorithms": ["ES256"]}, store={"timeout": 20})
settings._folder = Path(arguments[0])
provider = OpenIDProvider(settings)
ready()
provider.prepare()
provider.start()
tell(provider.keyring.jwks.decode())
provider.stop()
"""
    assert len(set(run_in_processes(program, str(tmp_path), count=4))) == 1


def test_starting_and_stopping_twice_is_no_error(make_provider: Any) -> None:
    """DESIGN, The host."""
    provider = make_provider()
    provider.start()
    provider.stop()
    provider.stop()
    assert not provider.started


def test_nothing_is_left_running(make_provider: Any) -> None:
    """DESIGN, The host: a worker that ends in order."""
    before = set(threading.enumerate())
    provider = make_provider()
    provider.stop()
    eventually(lambda: set(threading.enumerate()) <= before)


# The token endpoint


@pytest.mark.parametrize(
    ("client_id", "form", "error"),
    [
        ("app", {}, InvalidRequest),
        ("app", {"grant_type": ""}, InvalidRequest),
        ("app", {"grant_type": "password"}, UnsupportedGrantType),
        ("app", {"grant_type": "implicit"}, UnsupportedGrantType),
        ("app", {"grant_type": "Authorization_code"}, UnsupportedGrantType),
        ("app", {"grant_type": "client_credentials"}, UnauthorizedClient),
        ("service", {"grant_type": "authorization_code", "code": "x"}, UnauthorizedClient),
        ("service", {"grant_type": "refresh_token", "refresh_token": "x"}, UnauthorizedClient),
    ],
)
def test_a_grant_that_is_unknown_or_not_the_clients_is_refused(
    make_app: Any, client_id: str, form: dict[str, str], error: type[Exception]
) -> None:
    """RFC 6749 5.2; PYOP 6: registered grant_types were ignored."""
    with pytest.raises(error):
        make_app(client_id).token({name: value for name, value in form.items() if value})


def test_a_grant_of_a_plugin_that_is_off_is_not_there(make_app: Any) -> None:
    """DESIGN, Plugins."""
    app = make_app(
        plugins={"client_credentials": {"enabled": False}},
        clients=[{"client_id": "app", "client_secret": "s", "grant_types": []}],
    )
    with pytest.raises(UnsupportedGrantType):
        app.token({"grant_type": "client_credentials"})


def test_a_plugin_adds_a_grant_and_may_check_every_token_request(
    make_app: Any, install_plugin: Callable[..., None]
) -> None:
    """DESIGN, Plugins: grants, check_token_request."""
    install_plugin(
        "device",
        """
class Stranger(Plugin[PluginSettings, PluginSettings]):
    @hookimpl
    def grants(self):
        return {"device": lambda request: {"access_token": request.client.client_id}}

    @hookimpl
    def check_token_request(self, request):
        if "refuse" in request.parameters:
            raise InvalidRequest("refused")
""",
    )
    client = {"client_id": "tv", "client_secret": "s", "grant_types": ["device"]}
    app = make_app("tv", None, more_clients=[client], plugins={"device": {}})
    assert app.token({"grant_type": "device"}) == {"access_token": "tv"}
    assert "device" in app.provider.metadata["grant_types_supported"]
    with pytest.raises(InvalidRequest, match="refused"):
        app.token({"grant_type": "device", "refuse": "1"})


def test_the_token_endpoint_proves_the_client_first(make_provider: Any) -> None:
    """RFC 6749 3.2.1: nothing is said to somebody who has not proven who they are."""
    provider = make_provider()
    with pytest.raises(Exception, match="client authentication"):
        provider.token(Parameters({"grant_type": "nonsense", "client_id": "app", "client_secret": "wrong"}), {})
    with pytest.raises(UnsupportedGrantType):
        provider.token(Parameters({"grant_type": "nonsense", "client_id": "spa"}), {})


def test_a_plugin_keeps_claims_with_an_access_token(make_app: Any, install_plugin: Callable[..., None]) -> None:
    """DESIGN, Plugins: access_token_claims."""
    install_plugin(
        "tenants",
        """
class Stranger(Plugin[PluginSettings, PluginSettings]):
    @hookimpl
    def access_token_claims(self, grant, client, scope):
        return {"tenant": f"{grant.username} {client.client_id} {' '.join(scope)}"}

    @hookimpl
    def token_response(self, request, grant, response):
        return {"members": sorted(response)}
""",
    )
    app = make_app(plugins={"tenants": {}})
    tokens = app.log_in()
    token = app.provider.tokens.read_access_token(tokens["access_token"])
    assert token.claims == {"tenant": "alice app openid offline_access"}
    members = ["access_token", "expires_in", "id_token", "refresh_token", "scope", "token_type"]
    assert tokens["members"] == members
    assert app.refresh(tokens["refresh_token"])["members"] == members
