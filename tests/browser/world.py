"""What is there beside the person: a provider, and apps of three kinds."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

from creance.provider import OpenIDProvider
from creance.provider.testing import RunningProvider

from .app import App

PASSWORD = "correct horse battery"
CLAIMS: Mapping[str, Any] = {
    "name": "Ada Lovelace",
    "given_name": "Ada",
    "family_name": "Lovelace",
    "email": "ada@example.org",
    "email_verified": True,
    "phone_number": "+44 20 7946 0002",
    "birthdate": "1815-12-10",
    "locale": "en-GB",
}


class World:
    """Use it in a `with` statement."""

    def __init__(
        self,
        folder: Path,
        *,
        port: int | None = None,
        app_ports: tuple[int, int, int] = (0, 0, 0),
        environment: Mapping[str, str] | None = None,
        extra: str = "",
    ) -> None:
        """`environment` and `extra` are for the provider, in a `folder` of its own. A port of None or 0 is any."""
        self.wiki = App("wiki", "Wiki", port=app_ports[0])
        """Of the same house: nobody is asked for consent."""
        self.books = App("books", "Reading Circle", host="127.0.0.1", port=app_ports[1], own=False)
        """Of somebody else."""
        self.notes = App("notes", "Notes", port=app_ports[2])
        """Of the same house too."""
        self.apps = (self.wiki, self.books, self.notes)
        extra += "".join(app.configuration for app in self.apps)
        self.provider = RunningProvider(folder, port=port, environment=environment, extra=extra)
        self._to_close = ExitStack()

    def __enter__(self) -> Self:
        for app in self.apps:
            self._to_close.callback(app.close)
        self._to_close.enter_context(self.provider)
        for app in self.apps:
            app.use(self.provider.issuer)
        self._inside = OpenIDProvider.from_config(self.provider.configuration)
        self._inside.start()
        self._to_close.callback(self._inside.stop)
        return self

    def __exit__(self, *_: object) -> None:
        self._to_close.close()

    def url(self, path: str) -> str:
        return self.provider.url(path)

    def new_user(self, username: str = "") -> str:
        """A user of the store, whose password is PASSWORD."""
        username = username or f"ada-{secrets.token_hex(4)}"
        self._inside.users.create_user(username, PASSWORD, dict(CLAIMS))
        return username

    def end_sessions(self, username: str) -> None:
        """Everywhere."""
        assert self._inside.browser_sessions is not None
        self._inside.browser_sessions.end_all(username)
