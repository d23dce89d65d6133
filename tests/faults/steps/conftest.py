"""A request taken step by step: what happens to it in between, and what must be true after."""

from __future__ import annotations

import copy
import shutil
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import wraps
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

import pytest
from creance.provider import Browser, ClientSettings, LoginRequired, OpenIDProvider, Parameters
from creance.provider.headers import any_case
from creance.provider.store import Store
from creance.provider.testing.running import demo_configuration
from creance.provider.tokens import ACCESS_TOKENS, AUTHORIZATION_CODES, REFRESH_TOKENS

SECRET = "the-secret-of-the-client"
REDIRECT_URI = "http://localhost:8401/callback"
CODE_VERIFIER, CODE_CHALLENGE = "v" * 43, "7w_YNF9DSfIdPf_pRjSq646_kPr-2-o9NAl16JGghdM"

Happenings = Mapping[int, Callable[[], Any]]
"""What happens at which step, counted from 1."""


class Steps:
    """What a thread does with the store and with the keys: each call is two steps, one before it and one after."""

    def __init__(self) -> None:
        self._of = threading.local()

    def watch(self, thing: Any, names: Iterable[str]) -> None:
        """Make steps of these methods of an object."""
        for name in names:
            setattr(thing, name, self._stepwise(name, getattr(thing, name)))

    @contextmanager
    def of_this_thread(self, happenings: Happenings) -> Iterator[list[str]]:
        """The names of the steps that this thread takes meanwhile."""
        self._of.steps, self._of.happenings = [], happenings
        try:
            yield self._of.steps
        finally:
            self._of.steps = None

    def _stepwise(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(call)
        def step_by_step(*arguments: Any, **named: Any) -> Any:
            self._step(f"before {name}")
            answer = call(*arguments, **named)
            self._step(f"after {name}")
            return answer

        return step_by_step

    def _step(self, name: str) -> None:
        steps = getattr(self._of, "steps", None)
        if steps is not None:
            steps.append(name)
            self._of.happenings.get(len(steps), lambda: None)()


class Scene:
    """An app of its own, a person's session, and what the app got in it. Each request is served by one worker."""

    def __init__(self, provider: OpenIDProvider, client_id: str) -> None:
        self.provider = provider
        self.client_id = client_id
        self.register()
        self.session_id = self._sessions.begin(provider.users.find("alice"), ("pwd",))
        self.sid = self._sessions.read(self.session_id).sid
        self.code = self.authorize()
        found = provider.tokens.read_code(self.code["code"])
        assert found is not None
        self.grant = found.grant
        self.tokens: dict[str, Any] = {}
        """What the code gave, as soon as it has."""
        self.successor: dict[str, Any] = {}
        """What the refresh token gave, as soon as it has."""

    def at(self, provider: OpenIDProvider) -> Self:
        """The same, where another worker serves it, that has not heard of this client yet."""
        there = copy.copy(self)
        there.provider = provider
        return there

    # Requests.

    def authorize(self) -> dict[str, str]:
        """RFC 6749 4.1.1, in a browser with the session: a code, and what proves it. Raises LoginRequired."""
        parameters = {
            "client_id": self.client_id,
            "redirect_uri": REDIRECT_URI,
            "response_type": "code",
            "scope": "openid",
            "nonce": "a-nonce",
            "code_challenge": CODE_CHALLENGE,
            "code_challenge_method": "S256",
            "prompt": "none",
        }
        location = self.provider.authorization.answer(Parameters(parameters), self._browser).location
        answer = dict(parse_qsl(urlsplit(location).query))
        if "code" not in answer:
            raise LoginRequired(answer["error"])
        return {"code": answer["code"], "redirect_uri": REDIRECT_URI, "code_verifier": CODE_VERIFIER}

    def exchange(self) -> dict[str, Any]:
        return self._token(grant_type="authorization_code", **self.code)

    def visit(self) -> dict[str, Any]:
        """The whole of it: another code, and the tokens that it gives."""
        return self._token(grant_type="authorization_code", **self.authorize())

    def refresh(self) -> dict[str, Any]:
        return self._refresh(self.tokens)

    def refresh_twice(self) -> dict[str, Any]:
        """With the token, and then with its successor."""
        return self._refresh(self.refresh())

    def refresh_with_the_successor(self) -> dict[str, Any]:
        return self._refresh(self.successor)

    def client_credentials(self) -> dict[str, Any]:
        return self._token(grant_type="client_credentials")

    def revoke(self) -> None:
        """RFC 7009."""
        parameters = Parameters(self._credentials | {"token": self.tokens["refresh_token"]})
        client = self.provider.client_authentication.authenticate(parameters, any_case({}))
        plugin: Any = self.provider.plugins.plugins["revocation"]
        plugin.revoke(client, parameters)

    def log_out(self) -> None:
        plugin: Any = self.provider.plugins.plugins["sessions"]
        plugin.logins.log_out(self._browser)

    # What is done by operators.

    def register(self, secret: str = SECRET) -> None:
        """The app's registration: its refresh tokens end with the session."""
        self.provider.clients.add(
            ClientSettings(
                client_id=self.client_id,
                client_secret=secret,  # type: ignore[arg-type]
                redirect_uris=[REDIRECT_URI],
                grant_types=["authorization_code", "refresh_token", "client_credentials"],
                token_endpoint_auth_method="client_secret_post",
                scope="openid read",
                always_issue_refresh_token=True,
            )
        )

    def end_grant(self) -> None:
        self.provider.tokens.revoke_grant(self.grant.grant_id)

    def remove_client(self) -> None:
        self.provider.clients.remove(self.client_id)

    def replace_client(self) -> None:
        """Another client comes to have the same name."""
        self.remove_client()
        self.register("the-secret-of-another-client")

    def rotate_keys(self) -> None:
        self.provider.keyring.rotate(immediately=True)

    # What became of it.

    @property
    def alive(self) -> dict[str, int]:
        """How many codes and tokens of the session can be used."""
        if self.provider.parties(self.grant) is None:
            return {}
        collections = (AUTHORIZATION_CODES, ACCESS_TOKENS, REFRESH_TOKENS)
        found = {each.name: len(self.provider.store.find(each, "session_id", self.sid)) for each in collections}
        return {name: number for name, number in found.items() if number}

    def is_active(self, token: str) -> bool:
        """RFC 7662 2.2, as a resource server sees it."""
        plugin: Any = self.provider.plugins.plugins["introspection"]
        client = self.provider.clients.find("service")
        return bool(plugin.introspect(client, Parameters({"token": token}))["active"])

    @property
    def _credentials(self) -> dict[str, str]:
        return {"client_id": self.client_id, "client_secret": SECRET}

    @property
    def _browser(self) -> Browser:
        return Browser({self.provider.cookie_names("session"): self.session_id}, "127.0.0.1")

    @property
    def _sessions(self) -> Any:
        return self.provider.plugins.plugins["sessions"].logins.sessions  # type: ignore[attr-defined]

    def _token(self, **form: str) -> dict[str, Any]:
        return self.provider.token(Parameters(self._credentials | form), any_case({}))

    def _refresh(self, tokens: Mapping[str, Any]) -> dict[str, Any]:
        return self._token(grant_type="refresh_token", refresh_token=tokens["refresh_token"])


class Stage:
    """Where scenes are played: a worker whose steps are watched, and another on the same store that prepares them."""

    def __init__(self, configuration: Path) -> None:
        self.configuration = configuration
        self.steps = Steps()
        self._watched, self._other = (OpenIDProvider.from_config(configuration) for _ in range(2))
        self._scenes = 0

    def __enter__(self) -> Self:
        self.steps.watch(self._watched.store, Store.__abstractmethods__)
        self._watched.start()
        self.steps.watch(self._watched.keyring, ["sign"])
        self._other.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._watched.stop()
        self._other.stop()

    def scene(self, state: str) -> Scene:
        """`authorized`: there is a code. `exchanged`: it gave tokens. `refreshed`: their refresh token is spent."""
        self._scenes += 1
        scene = Scene(self._other, f"app-{self._scenes}")
        if state in ("exchanged", "refreshed"):
            scene.tokens = scene.exchange()
        if state == "refreshed":
            scene.successor = scene.refresh()
        return scene.at(self._watched)


@pytest.fixture
def make_stage(
    prepared_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Stage]]:
    """Sets a stage with the demonstration on it: `make_stage("refresh_token_grace = 0")`."""
    shutil.copytree(prepared_folder, tmp_path / "var")
    monkeypatch.setenv("CREANCE_KEYS__ALGORITHMS", '["ES256"]')
    configuration = tmp_path / "creance.toml"
    with ExitStack() as stack:

        def make(grants: str = "") -> Stage:
            text = demo_configuration("http://localhost:8400", "127.0.0.1:8400")
            configuration.write_text(f"{text}\n[grants]\n{grants}\n", "utf-8")
            return stack.enter_context(Stage(configuration))

        yield make
