"""Signing keys that are given, over HTTP: in a file, or of a service that can be slow, absent or wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from creance.provider.testing import RunningProvider
from joserfc.jwk import RSAKey

from ..installed_plugin import installed

RunProvider = Callable[..., RunningProvider]

SERVICE = '''
"""Signs at a service on a Unix socket, as a key management service is asked: by a process of its own."""

import json
import socket
from creance.provider import Plugin, PluginSettings, hookimpl


class Settings(PluginSettings):
    socket: str
    jwk: str


class Key:
    algorithm = "RS256"

    def __init__(self, settings):
        self.path = settings.socket
        self.public_jwk = json.loads(settings.jwk)

    def sign(self, signing_input):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(self.path)
            connection.sendall(signing_input)
            connection.shutdown(socket.SHUT_WR)
            return connection.makefile("rb").read()


class Service(Plugin[Settings, PluginSettings]):
    @hookimpl
    def signers(self):
        return [Key(self.settings)]
'''

SIGNER = """
import os, socket, sys, time
from creance.provider.signers import local_signer

folder = sys.argv[1]
key = local_signer(open(f"{folder}/key.json").read())
with socket.socket(socket.AF_UNIX) as listener:
    listener.bind(f"{folder}/socket")
    listener.listen(64)
    print("ready", flush=True)
    while True:
        connection, _ = listener.accept()
        with connection:
            signing_input = connection.makefile("rb").read()
            mood = open(f"{folder}/mood").read()
            if mood == "hang":
                open(f"{folder}/hangs", "w").close()
                while open(f"{folder}/mood").read() == "hang":
                    time.sleep(0.01)
            try:
                connection.sendall(b"wrong" if mood == "wrong" else key.sign(signing_input))
            except BrokenPipeError:
                pass
"""


class Service:
    """The process that has the key, and its mood: `well`, `hang`, `wrong`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        key = RSAKey.generate_key(2048)
        (folder / "key.json").write_text(json.dumps(key.as_dict(private=True)))
        self.public_jwk = json.dumps(key.as_dict(private=False))
        self.kid = key.thumbprint()
        self.is_("well")
        self.start()

    def start(self) -> None:
        (self.folder / "socket").unlink(missing_ok=True)
        self.process = subprocess.Popen(
            [sys.executable, "-c", SIGNER, str(self.folder)], stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "ready\n"

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()

    def is_(self, mood: str) -> None:
        """From now on."""
        temporary = self.folder / "mood.new"
        temporary.write_text(mood)
        temporary.rename(self.folder / "mood")


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    service = Service(tmp_path_factory.mktemp("service"))
    yield service
    service.stop()


@pytest.fixture(scope="module")
def served(service: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningProvider]:
    folder = tmp_path_factory.mktemp("provider")
    table = f"[plugins.kms]\nsocket = {json.dumps(str(service.folder / 'socket'))}\njwk = '{service.public_jwk}'\n"
    environment = {
        **installed(folder, "kms", SERVICE, "Service"),
        "CREANCE_KEYS__ALGORITHMS": '["RS256"]',
        "CREANCE_KEYS__SIGNER_TIMEOUT": "3",
    }
    with RunningProvider(folder / "op", extra=table, environment=environment) as provider:
        yield provider


def test_a_service_signs(served: RunningProvider, service: Service) -> None:
    """RFC 7515, OpenID Connect Discovery 3: the metadata says RS256, the JWKS has the service's key."""
    app = served.client("app")
    assert app.verify(app.log_in().id_token)["sub"]
    assert [key["kid"] for key in served.get("/jwks").json()["keys"]] == [service.kid]
    assert app.metadata["id_token_signing_alg_values_supported"] == ["RS256"]


def test_a_service_that_hangs_burns_no_code(served: RunningProvider, service: Service) -> None:
    """RFC 6749 4.1.2.1, RFC 9110 15.6.4: 503 with Retry-After, others are served, and then the same code works."""
    app = served.client("app", scope="openid offline_access")
    answer = app.authorize()
    service.is_("hang")
    try:
        refused = app.exchange(answer)
        assert (service.folder / "hangs").exists()
        assert served.get("/health/ready").status_code == 200
    finally:
        service.is_("well")
    assert (refused.status, refused.error) == (503, "temporarily_unavailable")
    assert refused.headers["Retry-After"]
    tokens = app.exchange(answer)
    assert app.verify(tokens.id_token)
    service.is_("hang")
    try:
        assert app.refresh(tokens.refresh_token).status == 503
    finally:
        service.is_("well")
    assert app.refresh(tokens.refresh_token).id_token


def test_a_service_that_is_away_is_worth_another_try(served: RunningProvider, service: Service) -> None:
    """RFC 6749 4.1.2.1: as soon as it is back the same code works."""
    app = served.client("app")
    answer = app.authorize()
    service.stop()
    try:
        assert app.exchange(answer).error == "temporarily_unavailable"
    finally:
        service.start()
    assert app.exchange(answer).id_token


def test_a_wrong_signature_reaches_nobody(served: RunningProvider, service: Service) -> None:
    """RFC 7515 5.2: the app is told that the provider failed, the log whose signature it was; the code is not spent."""
    app = served.client("app")
    answer = app.authorize()
    service.is_("wrong")
    try:
        assert app.exchange(answer).error == "server_error"
    finally:
        service.is_("well")
    assert any("signer of plugins.kms" in str(line.get("hint")) for line in served.log_lines())
    assert app.exchange(answer).id_token


# In files.


def command(provider: RunningProvider, *arguments: str) -> subprocess.CompletedProcess[str]:
    run = [sys.executable, "-m", "creance.provider.commands", "--config", str(provider.configuration), *arguments]
    environment = {**os.environ, **provider.environment}
    return subprocess.run(run, capture_output=True, text=True, check=False, timeout=60, env=environment)


def test_keys_are_changed_and_nobody_notices(tmp_path: Path) -> None:
    """OpenID Connect Core 10.1.1: own keys, then a file's: what was issued before verifies, and is a good hint."""
    key = RSAKey.generate_key(2048)
    (tmp_path / "signing.pem").write_bytes(key.as_pem(private=True))
    (tmp_path / "signing.pem").chmod(0o600)
    with RunningProvider(tmp_path / "op") as op:
        app, browser = op.client("app"), op.browser()
        old = app.log_in()
        op.stop()
        op.environment["CREANCE_KEYS__ALGORITHMS"] = '["RS256"]'
        op.environment["CREANCE_KEYS__SIGNING_KEY_FILES"] = json.dumps([str(tmp_path / "signing.pem")])
        op.start()
        new = app.log_in(browser=browser)
        assert app.verify(old.id_token)["sub"] == app.verify(new.id_token)["sub"]
        assert app.answer_at_once(browser, prompt="none", id_token_hint=old.id_token).code
        listed = command(op, "keys", "list").stdout
        assert [key.thumbprint(), "RS256", "active"] in [line.split()[:3] for line in listed.splitlines()]
        assert "earlier" in listed
        refused = command(op, "keys", "rotate")
        assert refused.returncode != 0
        assert "docs/keys.md" in refused.stderr
        assert op.get("/health/ready").json() == {"status": "ready"}


def test_a_mistake_in_a_key_file_is_one_clear_line(tmp_path: Path) -> None:
    """docs/keys.md: `creance check` finds it, and tells nothing of what is in the file."""
    (tmp_path / "signing.pem").write_bytes(RSAKey.generate_key(2048).as_pem(private=True)[:700])
    provider = RunningProvider(
        tmp_path / "op", environment={"CREANCE_KEYS__SIGNING_KEY_FILES": json.dumps([str(tmp_path / "signing.pem")])}
    )
    checked = command(provider, "check")
    assert checked.returncode != 0
    (line,) = [line for line in checked.stderr.splitlines() if "signing_key_files" in line]
    assert "keys.signing_key_files[0]" in line
    assert "cannot be read as a private key" in line
