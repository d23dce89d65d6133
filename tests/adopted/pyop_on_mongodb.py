"""A pyop provider whose state and clients are in MongoDB, and the command that moves them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from creance.provider import OpenIDProvider
from creance.provider.adopted.documents import PyopDatabase
from creance.provider.commands import creance
from jwkest.jwk import RSAKey
from pymongo import MongoClient
from pyop.provider import Provider

from ..pyop_provider import CLIENTS, SALT, Client, plain_provider

NAMES = {
    "authorization_code_db": "authz_codes",
    "access_token_db": "access_tokens",
    "refresh_token_db": "refresh_tokens",
    "subject_identifier_db": "subject_identifiers",
}
TOKENS = ("authz_codes", "access_tokens", "refresh_tokens")


class Deployment:
    """One database, and providers on it."""

    def __init__(self, signing_key: RSAKey, uri: str, adopt: Callable[..., OpenIDProvider], salt_file: Path) -> None:
        self.uri = uri
        self.salt_file = salt_file
        salt_file.write_text(SALT)
        self._signing_key = signing_key
        self._adopt = adopt
        self.database = PyopDatabase(uri, default_name="satosa")
        for client_id, registration in CLIENTS.items():
            self.database.collection("clients")[client_id] = registration

    def plain(self) -> Provider:
        """A worker of pyop's."""
        collections = {parameter: self.database.collection(name) for parameter, name in NAMES.items()}
        provider = plain_provider(self._signing_key, **collections)
        provider.clients = self.database.collection("clients")
        return provider

    def adopted(self, **named: Any) -> OpenIDProvider:
        """A worker of ours; an old refresh token gets no second chance."""
        return self.adopting(self.plain(), **named)

    def adopting(self, plain: Provider, **named: Any) -> OpenIDProvider:
        """The same in the place of a worker of pyop's that was made otherwise."""
        settings = {"grants": {"refresh_token_grace": 0}, **named.pop("settings", {})}
        return self._adopt(plain, settings=settings, **named)

    def app(self, client_id: str = "app") -> Client:
        """An app at a worker of pyop's."""
        return Client(self.plain(), client_id)

    def run(self, *arguments: object, typed: str = "", salt: bool = True) -> Result:
        """`creance migrate pyop URI …`, with no configuration anywhere."""
        options = [*(["--salt-file", str(self.salt_file)] if salt else []), *map(str, arguments)]
        result = CliRunner().invoke(creance, ["migrate", "pyop", self.uri, *options], input=typed)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
        return result

    def done(self, *arguments: object, typed: str = "", salt: bool = True) -> dict[str, list[str]]:
        """The rows of its table, when it succeeds."""
        result = self.run(*arguments, typed=typed, salt=salt)
        assert result.exit_code == 0, result.output
        return rows(result.stdout)

    def start(self, uri: str, *arguments: str) -> subprocess.Popen[str]:
        """`creance migrate pyop URI --apply …` in a process of its own."""
        program = [sys.executable, "-m", "creance.provider.commands", "migrate", "pyop", uri, "--apply"]
        program += ["--salt-file", str(self.salt_file), *arguments]
        return subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def everything(self) -> dict[str, Any]:
        """All documents and indexes, as somebody with a shell finds them."""
        with MongoClient[dict[str, Any]](self.uri) as client:
            held = client.get_default_database()
            names = sorted(held.list_collection_names())
            return {name: (list(held[name].find().sort("_id", 1)), held[name].index_information()) for name in names}

    def drop(self, *names: str) -> None:
        """Remove collections."""
        with MongoClient[dict[str, Any]](self.uri) as client:
            for name in names:
                client.get_default_database().drop_collection(name)


def rows(output: str) -> dict[str, list[str]]:
    """Of each kind: found, moved already, to move or moved now, and what is left in place."""
    lines = output.partition("\nkind ")[2].splitlines()[1:]
    kinds = ("subject identifiers", "refresh tokens", "authorization codes", "access tokens")
    return {
        kind: line.removeprefix(kind).split(maxsplit=3) for line in lines for kind in kinds if line.startswith(kind)
    }


@pytest.fixture
def deployment(
    signing_key: RSAKey, mongodb_uri: str, adopt: Callable[..., OpenIDProvider], tmp_path: Path
) -> Iterator[Deployment]:
    deployment = Deployment(signing_key, mongodb_uri, adopt, tmp_path / "salt")
    yield deployment
    deployment.database.close()
