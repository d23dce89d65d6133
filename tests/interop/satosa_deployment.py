"""A deployment of SATOSA as operators have one: served by gunicorn over HTTP, TLS ended before it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import requests
from authlib.integrations.requests_client import OAuth2Session
from creance.provider.testing.running import free_port
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from requests.adapters import HTTPAdapter

from ..polling import eventually

S = TypeVar("S", bound=requests.Session)

ISSUER = "https://op.example.org"
PLAIN = "satosa.frontends.openid_connect.OpenIDConnectFrontend"
OURS = "creance.provider.satosa.OpenIDConnectFrontend"
CALLBACK = "https://app.example.org/callback"
SECRET = "app-secret"

CLIENTS = {
    client_id: {
        "client_secret": SECRET,
        "redirect_uris": [CALLBACK],
        "response_types": ["code"],
        "subject_type": subject_type,
        "client_name": client_id,
    }
    for client_id, subject_type in (("app", "pairwise"), ("portal", "public"))
}


@dataclass(frozen=True)
class Deployment:
    """The files of a deployment; which frontend it has is one line of them."""

    folder: Path

    def configure(self, module: str, *, databases: str | None = None, **changes: Any) -> Path:
        """The configuration with this frontend. `changes` are members of the frontend's `config`."""
        clients = self.folder / "clients.json"
        clients.write_text(json.dumps(CLIENTS))
        frontend = {
            "module": module,
            "name": "OIDC",
            "config": {
                "signing_key_path": str(self.signing_key()),
                "signing_key_id": "the-key",
                "client_db_path": str(clients),
                "sub_hash_salt": "the salt of this deployment",
                "provider": {
                    "response_types_supported": ["code", "id_token token"],
                    "subject_types_supported": ["pairwise", "public"],
                    "scopes_supported": ["openid", "email", "profile", "affiliation"],
                    "extra_scopes": {"affiliation": ["affiliation"]},
                    "extra_id_token_claims": {"app": ["affiliation"]},
                    "refresh_token_lifetime": 86400,
                },
                **({"db_uri": databases} if databases else {}),
                **changes,
            },
        }
        backend = {"module": "login_backend.LoginBackend", "name": "Login", "config": {}}
        proxy = {
            "BASE": ISSUER,
            "COOKIE_STATE_NAME": "SATOSA_STATE",
            "STATE_ENCRYPTION_KEY": "a key of this deployment",
            "CUSTOM_PLUGIN_MODULE_PATHS": [str(Path(__file__).parent / "satosa")],
            "INTERNAL_ATTRIBUTES": {
                "attributes": {
                    "mail": {"openid": ["email"]},
                    "displayname": {"openid": ["name"]},
                    "affiliation": {"openid": ["affiliation"]},
                }
            },
            "FRONTEND_MODULES": [frontend],
            "BACKEND_MODULES": [backend],
            "LOGGING": {
                "version": 1,
                "handlers": {"stdout": {"class": "logging.StreamHandler", "stream": "ext://sys.stdout"}},
                "root": {"level": "INFO", "handlers": ["stdout"]},
            },
        }
        file = self.folder / "proxy_conf.yaml"
        file.write_text(json.dumps(proxy))  # which is YAML
        return file

    def signing_key(self) -> Path:
        """Made once, as an operator does it."""
        file = self.folder / "signing.pem"
        if not file.exists():
            key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
            form = serialization.PrivateFormat.TraditionalOpenSSL
            file.write_bytes(key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()))
        return file

    @contextmanager
    def serving(self, module: str, *, workers: int = 1, preload: bool = False, **changes: Any) -> Iterator[Site]:
        """SATOSA with this frontend, until the block ends."""
        port, log = free_port(), self.folder / "log"
        options = ["--bind", f"127.0.0.1:{port}", "--workers", str(workers), *(["--preload"] if preload else [])]
        environ = {**os.environ, "HOME": str(self.folder), "SATOSA_CONFIG": str(self.configure(module, **changes))}
        with log.open("w") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "gunicorn", *options, "satosa.wsgi:app"],
                env=environ,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
            )
        try:
            eventually(lambda: process.poll() is not None or _answers(port), seconds=60)
            assert process.poll() is None, log.read_text()
            yield Site(port, log)
        finally:
            process.terminate()
            process.wait(30)


def _answers(port: int) -> bool:
    try:
        requests.get(f"http://127.0.0.1:{port}/", timeout=10)
    except requests.ConnectionError:
        return False
    return True


class _BehindTLS(HTTPAdapter):
    """The place of the proxy that ends TLS: what is asked of the issuer goes to a port of this machine."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self._port = port

    def send(self, request: requests.PreparedRequest, *arguments: Any, **named: Any) -> requests.Response:
        forwarded = request.copy()
        forwarded.url = f"http://127.0.0.1:{self._port}{request.path_url}"
        return super().send(forwarded, *arguments, **named)


@dataclass(frozen=True)
class Site:
    """A deployment that serves."""

    port: int
    log: Path

    def open(self, session: S) -> S:
        """A session that finds the site by its public name."""
        session.mount(ISSUER, _BehindTLS(self.port))
        return session

    def get(self, path: str) -> requests.Response:
        return self.open(requests.Session()).get(f"{ISSUER}{path}")

    def app(self, client_id: str = "app", secret: str = SECRET, **named: Any) -> OAuth2Session:
        """An app with Authlib."""
        return self.open(OAuth2Session(client_id, secret, redirect_uri=CALLBACK, **named))

    def metadata(self) -> dict[str, Any]:
        return dict(self.get("/.well-known/openid-configuration").json())

    def visit(self, url: str, user: str | None = "alice") -> str:
        """What a person's browser does with the URL of an authorization request: where it ends."""
        browser = self.open(requests.Session())
        answer = browser.get(url, allow_redirects=False)
        location = answer.headers["Location"]
        if urlsplit(location).path == "/Login/login":
            params = {"user": user} if user else None
            answer = browser.get(location, params=params, allow_redirects=False)
            location = answer.headers["Location"]
        return location

    def lines(self, event: str) -> list[dict[str, Any]]:
        """What our part has written in SATOSA's log under this name."""
        written = [line for line in self.log.read_text().splitlines() if line.startswith("{")]
        return [line for line in map(json.loads, written) if line.get("event") == event]
