"""The example of docs/keys.md, as it stands there: a provider whose keys are on a PKCS#11 token."""

from __future__ import annotations

import base64
import json
import os
import re
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import requests
from creance.provider.testing import RunningProvider

from ..installed_plugin import installed
from ..polling import eventually
from .softhsm import PIN, SoftHSM

PAGE = (Path(__file__).parents[2] / "docs" / "keys.md").read_text("utf-8")
PLUGIN = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)[0]
SETTINGS = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)[1]
ES256_CLIENT = """
[[clients]]
client_id = "es256"
client_secret = "secret"
redirect_uris = ["http://localhost:8401/callback"]
id_token_signed_response_alg = "ES256"
"""


@pytest.fixture(scope="module")
def token(tmp_path_factory: pytest.TempPathFactory) -> SoftHSM:
    return SoftHSM(tmp_path_factory.mktemp("softhsm"))


@pytest.fixture(scope="module")
def provider(token: SoftHSM, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningProvider]:
    """With the settings of the page, and one worker."""
    folder = tmp_path_factory.mktemp("provider")
    environment = {**token.environment, **installed(folder, "pkcs11", PLUGIN, "PKCS11")}
    with RunningProvider(folder / "op", extra=settings_for(token), environment=environment) as op:
        yield op


def settings_for(token: SoftHSM) -> str:
    settings = SETTINGS.replace("/usr/lib/softhsm/libsofthsm2.so", token.driver)
    settings = settings.replace('"pin"', json.dumps(str(token.pin_file))).split("[plugins", 1)[1]
    return f"{ES256_CLIENT}\n[plugins{settings}"


def header(id_token: str) -> dict[str, str]:
    found: dict[str, str] = json.loads(base64.urlsafe_b64decode(id_token.split(".", maxsplit=1)[0] + "=="))
    return found


def test_the_plugin_takes_few_lines() -> None:
    """Issue 7, item 7: a small interface."""
    code = PLUGIN[PLUGIN.index("class TokenKey") :].splitlines()
    assert len([line for line in code if line.strip()]) <= 30


@pytest.mark.parametrize(
    ("client_id", "secret", "algorithm"), [("app", "app-secret", "RS256"), ("es256", "secret", "ES256")]
)
def test_id_tokens_are_signed_on_the_token(
    provider: RunningProvider, client_id: str, secret: str, algorithm: str
) -> None:
    """PKCS#11 3.0, RFC 7518 3.3, 3.4: code exchange and refresh, verified with what is published."""
    app = provider.client(client_id, secret=secret)
    tokens = app.log_in()
    assert app.verify(tokens.id_token)["aud"] == client_id
    published = {key["kid"]: key for key in provider.get("/jwks").json()["keys"]}
    assert header(tokens.id_token)["alg"] == algorithm
    assert set(published) >= {header(tokens.id_token)["kid"]}
    assert sorted(key["alg"] for key in published.values()) == ["ES256", "RS256"]
    assert not any(key.keys() & {"d", "p", "q", "k"} for key in published.values())


def test_many_requests_share_a_session(provider: RunningProvider) -> None:
    """PKCS#11 2.40 2.6.7: a session is for one thread at a time; sixteen requests at once all get their tokens."""
    app = provider.client("app")
    browser = provider.browser()
    answers = [app.authorize(browser=browser) for _ in range(16)]
    verified: list[str] = []
    threads = [
        threading.Thread(target=lambda each=each: verified.append(app.verify(app.exchange(each).id_token)["iss"]))
        for each in answers
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert verified == [provider.issuer] * 16


ONE_BY_ONE = """

import fcntl
import os


class OneByOne(PKCS11):
    def start(self, provider):
        with open(f"{self.settings.pin_file}.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            super().start(provider)

    @hookimpl
    def id_token_claims(self):
        return {"worker": os.getpid()}
"""


def test_each_worker_has_a_session(
    token: SoftHSM, tmp_path: Path, run_provider: Callable[..., RunningProvider]
) -> None:
    """PKCS#11 2.40 2.6: both of two workers sign, with sessions that they opened one after the other (docs/keys.md);
    and so does the one that comes in the place of a killed one.
    """
    plugin = installed(tmp_path, "pkcs11", PLUGIN + ONE_BY_ONE, "OneByOne")
    environment = {**token.environment, **plugin, "CREANCE_HTTP__WORKERS": "2"}
    op = run_provider(extra=settings_for(token), environment=environment)
    seen: set[int] = set()

    def workers_that_sign() -> set[int]:
        with suppress(requests.ConnectionError):  # it went to the one that was killed
            app = op.client("es256", secret="secret")
            seen.add(app.verify(app.log_in().id_token)["worker"])
        return seen

    eventually(lambda: len(workers_that_sign()) == 2, seconds=60)
    os.kill(min(seen), signal.SIGKILL)
    eventually(lambda: len(workers_that_sign()) == 3, seconds=60)


def test_the_pin_is_not_logged(provider: RunningProvider) -> None:
    """docs/keys.md."""
    assert PIN not in provider.log_file.read_text("utf-8")


def test_a_token_that_is_not_there_stops_the_start(
    token: SoftHSM, tmp_path: Path, run_provider: Callable[..., RunningProvider]
) -> None:
    """docs/keys.md: nobody is served without keys."""
    table = f'[plugins.pkcs11]\nmodule = "{token.driver}"\ntoken = "another"\npin_file = "pin"\nkeys = ["signing-rsa"]'
    environment = {**token.environment, **installed(tmp_path, "pkcs11", PLUGIN, "PKCS11")}
    with pytest.raises(RuntimeError, match="did not start"):
        run_provider(extra=table, environment=environment)
