"""What SATOSA's operators configure: what is refused at the start, and what is done before a fork."""

from __future__ import annotations

import json
import re
import socket
import threading
from pathlib import Path
from typing import Any

import pytest
import structlog.testing
import yaml
from creance.provider import ConfigurationError
from creance.provider.satosa import OpenIDConnectFrontend

from .satosa_deployment import ISSUER, OURS, PLAIN, Deployment

REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"db_uri": "stateless://user:key@host?alg=aes256"}, "db_uri is stateless"),
    ({"client_db_uri": "stateless://user:key@host"}, "client_db_uri is stateless"),
    ({"db_uri": "mongodb://host/?tsl=true"}, "not a usable URI of MongoDB"),
    ({"provider": {}}, "code flow alone"),
    ({"provider": {"response_types_supported": ["id_token token"]}}, "code flow alone"),
    ({"creance": {"plugin": {}}}, "creance.plugin: no such setting; did you mean 'plugins'"),
    ({"creance": {"plugins": {"introspektion": {}}}}, "did you mean 'introspection'"),
    ({"creance": {"plugins": {"pkce": {"optional": True}}}}, "plugins.pkce.optional"),
    ({"creance": {"settings": {"lifetimez": {}}}}, "lifetimez"),
]


def frontend_of(folder: Path, **changes: Any) -> OpenIDConnectFrontend:
    """As SATOSA makes it."""
    proxy = json.loads(Deployment(folder).configure(OURS, **changes).read_text())
    config = proxy["FRONTEND_MODULES"][0]["config"]
    return OpenIDConnectFrontend(lambda *_: None, proxy["INTERNAL_ATTRIBUTES"], config, ISSUER, "OIDC")


@pytest.mark.parametrize(("changes", "told"), REFUSED)
def test_what_cannot_be_stops_the_start(tmp_path: Path, changes: dict[str, Any], told: str) -> None:
    """DESIGN, Configuration: before anything is served, and it says what to do."""
    with pytest.raises(ConfigurationError) as raised:
        frontend_of(tmp_path, **changes).register_endpoints(["Login"])
    assert told in str(raised.value)
    assert "key@" not in str(raised.value)


def test_nothing_is_begun_before_a_fork(tmp_path: Path) -> None:
    """gunicorn --preload loads SATOSA before it forks: no connection and no thread is there to be copied."""
    threads = set(threading.enumerate())
    with socket.create_server(("127.0.0.1", 0)) as database:
        database.setblocking(False)
        uri = f"mongodb://127.0.0.1:{database.getsockname()[1]}/satosa"
        frontend = frontend_of(tmp_path, db_uri=uri, client_db_uri=uri)
        frontend.register_endpoints(["Login"])
        with pytest.raises(BlockingIOError):
            database.accept()
    assert not set(threading.enumerate()) - threads


def test_what_is_not_offered_any_more_is_said(tmp_path: Path) -> None:
    """DESIGN, metadata: what is not there is not claimed; the operator learns of it in the log."""
    provider = {"response_types_supported": ["code", "id_token"], "client_registration_supported": True}
    with structlog.testing.capture_logs() as lines:
        frontend = frontend_of(tmp_path, provider=provider)
        patterns = [pattern for pattern, _ in frontend.register_endpoints(["Login"])]
    said = {line["event"]: line for line in lines}
    assert said["response_types_not_offered"]["types"] == ["id_token"]
    assert "registration_not_offered" in said
    assert not [pattern for pattern in patterns if "registration" in pattern]


def test_clients_register_by_our_plugin(tmp_path: Path) -> None:
    """OpenID Connect Dynamic Client Registration 3: at the URL that SATOSA has for it."""
    hashes = {"initial_access_token_hashes": ["sha256:" + "0" * 64]}
    frontend = frontend_of(tmp_path, creance={"plugins": {"registration": hashes}})
    assert "^OIDC/registration/?$" in [pattern for pattern, _ in frontend.register_endpoints(["Login"])]


def test_salt_of_a_start(tmp_path: Path) -> None:
    """OpenID Connect Core 8: SATOSA draws a salt where none is configured; that is said."""
    proxy = json.loads(Deployment(tmp_path).configure(OURS).read_text())
    config = proxy["FRONTEND_MODULES"][0]["config"]
    del config["sub_hash_salt"]
    with structlog.testing.capture_logs() as lines:
        OpenIDConnectFrontend(lambda *_: None, proxy["INTERNAL_ATTRIBUTES"], config, ISSUER, "OIDC")
    assert "sub_hash_salt_missing" in [line["event"] for line in lines]


def test_patterns_catch_one_path_each(tmp_path: Path) -> None:
    """RFC 8414 2: SATOSA takes the first pattern that is found; each of ours has a beginning and an end."""
    patterns = [pattern for pattern, _ in frontend_of(tmp_path).register_endpoints(["Login"])]
    assert all(pattern.startswith("^") and pattern.endswith("$") for pattern in patterns)
    assert "^OIDC/introspect/?$" in patterns
    assert "^OIDC/revoke/?$" in patterns


PAGE = Path(__file__).parents[2] / "docs" / "adopting.md"


def test_what_the_documents_show_can_be_used(tmp_path: Path) -> None:
    """docs/adopting.md: the configuration before, with the line after and each section that may be added."""
    before, after, *sections = [
        yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    ]
    assert after == {"module": OURS}
    assert before["module"] == PLAIN
    secret = tmp_path / "resource-server.secret"
    secret.write_text("a long random text")
    config = {**before["config"], "signing_key_path": str(Deployment(tmp_path).signing_key())}
    assert len(sections) == 2
    for section in [{}, *sections]:
        for client in section.get("creance", {}).get("settings", {}).get("clients", []):
            client["client_secret_file"] = str(secret)
        frontend = OpenIDConnectFrontend(lambda *_: None, {"attributes": {}}, {**config, **section}, ISSUER, "OIDC")
        assert frontend.register_endpoints(["Login"])
