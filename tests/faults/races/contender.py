"""A process of the provider that races with others: `contender.py CONFIGURATION…`.

It is told what to do on standard input. A round is a line of JSON, a list of tasks: which configuration (the name of
the file), which method of Contender, and its arguments. Each task has a thread of its own. When all of them are ready
`set` is answered; at the next line they begin; and what became of each is answered in one line.
"""

from __future__ import annotations

import json
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from creance.provider import (
    Browser,
    Client,
    ClientSettings,
    ConfigurationError,
    InvalidClient,
    InvalidGrant,
    OAuthError,
    OpenIDProvider,
    Parameters,
)
from creance.provider.store import Collection, StoreUnavailable, increment
from pydantic import SecretStr

MOST_TASKS = 64
COUNTERS = Collection("counters")


class Contender(OpenIDProvider):
    """A provider, and what is raced for: each public method below is a task."""

    def begin(self) -> None:
        """A first start: prepare as the parent of workers does, then start as a worker."""
        self.prepare()
        self.start()
        self.store.open([*self.store.collections.values(), COUNTERS])

    def client(self, client_id: str) -> Client:
        """Raises InvalidClient."""
        client = self.clients.find(client_id)
        if client is None:
            raise InvalidClient("client authentication failed")
        return client

    def ask_for_tokens(self, client_id: str, form: dict[str, str]) -> Any:
        """RFC 6749 3.2, of a client that has proven who it is."""
        return self.token_for(self.client(client_id), Parameters(form))

    def ask_for_a_code(self, parameters: dict[str, str], session_id: str) -> str:
        """RFC 6749 4.1.1, by a browser with a session: where it is sent to."""
        return self.authorization.answer(Parameters(parameters), self.browser(session_id)).location

    def visit(self, parameters: dict[str, str], form: dict[str, str], session_id: str) -> Any:
        """Both, one right after the other: a code, and the tokens that it gives. Raises InvalidGrant without a code."""
        location = self.ask_for_a_code(parameters, session_id)
        answer = dict(parse_qsl(urlsplit(location).query))
        if "code" not in answer:
            raise InvalidGrant("no code")
        return self.ask_for_tokens(parameters["client_id"], form | {"code": answer["code"]})

    def revoke(self, client_id: str, token: str) -> None:
        """RFC 7009."""
        plugin: Any = self.plugins.plugins["revocation"]
        plugin.revoke(self.client(client_id), Parameters({"token": token}))

    def revoke_grant(self, grant_id: str) -> None:
        """End a grant by its name, as an operator or an account page does."""
        self.tokens.revoke_grant(grant_id)

    def log_in(self, username: str, session_id: str | None) -> str:
        """A password was right, at a browser that may have a session: the id of the new one."""
        plugin: Any = self.plugins.plugins["sessions"]
        user, browser = self.users.find(username), self.browser(session_id)
        plugin.logins.log_in(user, None, browser, is_still_right=lambda: True)
        return browser.set_cookies[-1].value

    def log_out(self, session_id: str) -> None:
        """A browser's session ends."""
        plugin: Any = self.plugins.plugins["sessions"]
        plugin.logins.log_out(self.browser(session_id))

    def browser(self, session_id: str | None) -> Browser:
        """A browser with this session in its cookie."""
        return Browser({self.cookie_names("session"): session_id} if session_id else {}, "127.0.0.1")

    def first_start(self, folder: str, uri: str) -> dict[str, Any]:
        """A provider like this one in another folder and store, where nothing may be yet: its keys and a JWS."""
        store = self.settings.store.model_copy(update={"uri": SecretStr(uri)})
        settings = self.settings.model_copy(update={"store": store})
        settings._folder = Path(folder)
        provider = Contender(settings)
        provider.begin()
        try:
            return {"jwks": provider.keyring.jwks.decode(), "token": provider.sign(1)[0]}
        finally:
            provider.stop()

    def sign(self, times: int) -> list[str]:
        """As many JWS, one after the other."""
        return [self.keyring.sign("ES256", {"iss": self.settings.issuer, "n": number}) for number in range(times)]

    def verify(self, tokens: list[str]) -> int:
        """How many of these were signed by a key of this provider. Raises ValueError for any other."""
        return len([self.keyring.verify(token) for token in tokens])

    def rotate_keys(self) -> None:
        """`creance keys rotate --immediately`."""
        self.keyring.rotate(immediately=True)

    def key_states(self) -> list[str]:
        """What each key of the store is, whatever was remembered."""
        return sorted(key.state for key in self.keyring.keys())  # noqa: SIM118

    def add_client(self, registration: dict[str, Any]) -> None:
        """`creance clients add`."""
        self.clients.add(ClientSettings(**registration))

    def remove_client(self, client_id: str) -> None:
        """`creance clients remove`."""
        self.clients.remove(client_id)

    def count(self, key: str, until: float) -> int | None:
        """One more."""
        return self.store.write([increment(COUNTERS, key, valid_until=until)])[0]


def outcome(work: Callable[[], Any]) -> dict[str, Any]:
    """What a task answers or is refused with. Whatever else happens is a defect."""
    try:
        return {"answer": work()}
    except OAuthError as error:
        return {"error": error.error, "hint": error.hint}
    except ConfigurationError as error:
        return {"error": str(error)}
    except StoreUnavailable as error:
        return {"error": "unavailable", "hint": str(error)}
    except Exception:
        return {"defect": traceback.format_exc()}


class Rounds:
    """Reads what to do from standard input, and tells on standard output what became of it."""

    def __init__(self, providers: dict[str, Contender]) -> None:
        self._providers = providers
        self._pool = ThreadPoolExecutor(MOST_TASKS)

    def play(self) -> None:
        """Until nobody asks any more."""
        self._say("ready")
        for line in sys.stdin:
            self._say(list(self._play_one(json.loads(line))))

    def _play_one(self, tasks: list[tuple[str, str, dict[str, Any]]]) -> Iterator[dict[str, Any]]:
        standing, go = threading.Barrier(len(tasks) + 1), threading.Event()

        def run(task: tuple[str, str, dict[str, Any]]) -> dict[str, Any]:
            name, method, arguments = task
            work = getattr(self._providers[name], method)
            standing.wait()
            go.wait()
            return outcome(lambda: work(**arguments))

        running = [self._pool.submit(run, task) for task in tasks]
        standing.wait()
        self._say("set")
        sys.stdin.readline()
        go.set()
        for task in running:
            yield task.result()

    @staticmethod
    def _say(what: Any) -> None:
        sys.stdout.write(json.dumps(what) + "\n")
        sys.stdout.flush()


def main(*configurations: str) -> None:
    """Starts no provider: that is a task too."""
    with ExitStack() as stack:
        providers = {Path(path).stem: Contender.from_config(path) for path in configurations}
        for provider in providers.values():
            stack.callback(provider.stop)
        Rounds(providers).play()


if __name__ == "__main__":
    main(*sys.argv[1:])
