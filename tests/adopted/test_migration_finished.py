"""`creance migrate pyop --finish`: the step after which there is no way back."""

from __future__ import annotations

import json
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from creance.provider import InvalidClient, InvalidGrant
from creance.provider.adopted.documents import Kept, PyopDocuments
from creance.provider.adopted.finishing import hash_secrets
from creance.provider.client_secrets import client_secret_matches, hash_client_secret
from creance.provider.commands import creance
from pyop.exceptions import InvalidClientAuthentication

from ..mongodb_proxy import CutError, Exchange, MongoDBProxy
from ..pyop_provider import CLIENTS, SECRET, Client
from .pyop_on_mongodb import TOKENS, Deployment, deployment

__all__ = ["deployment"]


def finish(deployment: Deployment) -> str:
    """What it says when it has finished."""
    result = deployment.run("--finish", "--yes", salt=False)
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.mark.parametrize("client_id", list(CLIENTS))
def test_clients_authenticate_by_a_hash(deployment: Deployment, client_id: str) -> None:
    """RFC 6749 2.3.1: the secret is kept in no form that could be read, and is still the one that counts."""
    app = deployment.app(client_id)
    tokens, code = app.log_in(), app.authorize()
    deployment.done("--apply")
    assert "2 client secrets hashed" in finish(deployment)
    registered = deployment.database.collection("clients")[client_id]
    assert registered == {
        **{name: value for name, value in CLIENTS[client_id].items() if name != "client_secret"},
        "client_secret_hash": hash_client_secret(SECRET),
    }
    adopted = deployment.adopted()
    method = CLIENTS[client_id]["token_endpoint_auth_method"]
    for wrong in (SECRET + "x", registered["client_secret_hash"], "", None):
        with pytest.raises(InvalidClient):
            adopted.clients.authenticate_client(client_id, wrong, method)
    assert app.refresh(tokens["refresh_token"], adopted)["access_token"]
    assert app.exchange(code, adopted)["access_token"]


def test_there_is_no_way_back(deployment: Deployment) -> None:
    """Issue 7: pyop knows neither the secret nor the tokens; whom it knows it still knows."""
    app = deployment.app()
    tokens = app.log_in()
    deployment.done("--apply")
    finish(deployment)
    with pytest.raises(InvalidClientAuthentication):
        Client(deployment.plain()).refresh(tokens["refresh_token"])
    assert deployment.plain().authz_state.subject_identifiers["alice"]["pairwise"]
    for name in TOKENS[1:]:
        assert dict(deployment.database.collection(name).items()) == {}


def test_it_is_refused_while_something_waits(deployment: Deployment) -> None:
    """Issue 7: nothing is changed as long as something good has not been moved; it says how much, and what to do."""
    app = deployment.app()
    app.log_in()
    before = deployment.everything()
    for salt in (True, False):
        result = deployment.run("--finish", "--yes", salt=salt)
        assert result.exit_code == 1
        assert "1 subject identifiers, 1 refresh tokens, 1 access tokens are still to be moved" in result.stderr
        assert "--apply in the place of --finish" in result.stderr
    assert deployment.everything() == before
    deployment.done("--apply")
    later = app.log_in("bob")
    assert deployment.run("--finish", "--yes").exit_code == 1
    deployment.done("--apply")
    finish(deployment)
    assert app.refresh(later["refresh_token"], deployment.adopted())


def test_moving_and_finishing_are_two_steps(deployment: Deployment) -> None:
    """Issue 7: a last step that the operator confirms, when they have seen what was moved."""
    deployment.app().log_in()
    before = deployment.everything()
    result = deployment.run("--apply", "--finish", "--yes")
    assert result.exit_code == 2
    assert "--apply and --finish are two steps" in result.stderr
    assert deployment.everything() == before


@pytest.mark.parametrize("typed", ["", "yes\n", "satosa\n"])
def test_the_operator_says_which_database(deployment: Deployment, typed: str, mongodb_database: str) -> None:
    """Issue 7: a last step that the operator confirms; anything but the name changes nothing."""
    deployment.app().log_in()
    deployment.done("--apply")
    before = deployment.everything()
    result = deployment.run("--finish", typed=typed)
    assert result.exit_code == 1
    assert "there is no way back to pyop" in result.stdout
    assert "2 client secrets are replaced by their hashes" in result.stdout
    assert deployment.everything() == before
    result = deployment.run("--finish", typed=f"{mongodb_database}\n")
    assert result.exit_code == 0
    assert f"Type the name of the database, {mongodb_database}, to go on" in result.stderr
    assert "2 client secrets hashed" in result.stdout


def test_what_was_not_moved_is_not_removed(deployment: Deployment) -> None:
    """Issue 7: people's claims, what cannot be read, and what is read in place: a refresh token with the access token
    that it refers to, whatever has become of that.
    """
    app, other = deployment.app(), deployment.app("public-subject")
    app.log_in()
    waiting = other.log_in("bob")
    used = app.authorize()
    app.exchange(used)
    codes, access, refresh = (deployment.database.collection(name) for name in TOKENS)
    codes["alice"] = claims = {"email": "alice@example.org", "used": "claims", "exp": 5, "sub": "x"}
    access["strange"] = refresh["strange"] = "no object"
    access[waiting["access_token"]] = {**access[waiting["access_token"]], "exp": time.time() - 1}
    codes["expired"] = {**codes[used], "exp": time.time() - 1}
    registration = deployment.database.collection("clients").pop("public-subject")
    deployment.done("--apply")
    finish(deployment)
    assert codes["alice"] == claims
    assert used in codes
    assert "expired" not in codes
    assert dict(access.items()).keys() == {"strange", waiting["access_token"]}
    assert dict(refresh.items()).keys() == {"strange", waiting["refresh_token"]}
    deployment.database.collection("clients")["public-subject"] = registration
    adopted = deployment.adopted()
    with pytest.raises(InvalidGrant):
        app.exchange(used, adopted)
    assert other.refresh(waiting["refresh_token"], adopted)["access_token"]


def test_one_that_was_interrupted_goes_on(
    deployment: Deployment, mongodb_proxy: MongoDBProxy, mongodb_proxy_uri: str
) -> None:
    """Issue 7: resumable; asked for again it does the rest, and a third time it finds nothing to do."""
    deployment.app().log_in()
    deployment.done("--apply")

    def cut(exchange: Exchange) -> None:
        mongodb_proxy.shut()
        raise CutError

    mongodb_proxy.on("update", strike=cut, skip=1)
    uri, deployment.uri = deployment.uri, mongodb_proxy_uri + "&timeoutMS=3000"
    result = deployment.run("--finish", "--yes")
    assert result.exit_code == 1
    assert result.stderr.startswith("creance: the database ")
    deployment.uri = uri
    assert "1 client secrets hashed" in finish(deployment)
    assert "0 client secrets hashed" in finish(deployment)


def test_secrets_in_a_file_are_the_operator_s_to_hash(deployment: Deployment, tmp_path: Path) -> None:
    """docs/adopting.md, the last step: the last line says how many can still be read, where, and what to do; that
    done, clients authenticate as before.
    """
    app = deployment.app()
    tokens = app.log_in()
    file = tmp_path / "cdb.json"
    file.write_text(json.dumps(CLIENTS))
    deployment.drop("clients")
    deployment.done("--clients", file, "--apply")
    result = deployment.run("--clients", file, "--finish", "--yes")
    last = result.stdout.splitlines()[-1]
    assert last.startswith(
        f"2 client secrets can still be read in {file}: write client_secret_hash in the place of each"
    )
    assert "`creance hash --client-secret`" in last
    assert json.loads(file.read_text()) == CLIENTS

    given = CliRunner().invoke(creance, ["hash", "--client-secret"], input=f"{SECRET}\n").stdout
    hashed = tomllib.loads(given)
    clients = {
        client_id: {name: value for name, value in registered.items() if name != "client_secret"} | hashed
        for client_id, registered in CLIENTS.items()
    }
    file.write_text(json.dumps(clients))
    assert "0 client secrets can still be read" in deployment.run("--clients", file, "--finish", "--yes").stdout
    plain = deployment.plain()
    plain.clients = json.loads(file.read_text())
    assert app.refresh(tokens["refresh_token"], deployment.adopting(plain))["access_token"]


def test_where_no_clients_are_their_file_is_thought_of(deployment: Deployment) -> None:
    """docs/adopting.md, the last step: SATOSA's clients are in a database or in a file, which need not be named."""
    deployment.done("--apply")
    assert "can still be read" not in finish(deployment)
    deployment.drop("clients")
    last = finish(deployment).splitlines()[-1]
    assert last.startswith("No client is in clients of ")
    assert "Secrets in a file, as cdb.json, can still be read: write client_secret_hash" in last


class ChangedMeanwhile(PyopDocuments):
    """An operator's tool registers something else just after the clients were read."""

    def pages(self, size: int) -> Iterator[list[Kept]]:
        for page in super().pages(size):
            for kept in page:
                self[kept.key] = {**kept.value, "client_name": "Renamed", "client_secret": f"new {kept.key}"}
            yield page


def test_a_client_that_is_changed_meanwhile_keeps_the_change(deployment: Deployment) -> None:
    """RFC 7591 3.2.1: compare-and-set. The secret that was set last is the one that is hashed, and nothing else is
    written over.
    """
    assert hash_secrets(ChangedMeanwhile(deployment.database, "clients", None), lambda done: None) == 2
    for client_id, registered in deployment.database.collection("clients").items():
        assert registered["client_name"] == "Renamed"
        assert registered["redirect_uris"] == CLIENTS[client_id]["redirect_uris"]
        assert "client_secret" not in registered
        assert client_secret_matches(f"new {client_id}", registered["client_secret_hash"])


@pytest.mark.parametrize(
    ("kept", "right", "wrong"),
    [
        ({"client_secret_hash": hash_client_secret("one")}, "one", "two"),
        ({"client_secret_hash": hash_client_secret("one"), "client_secret": "two"}, "two", "one"),
        ({"client_secret_hash": hash_client_secret("one"), "client_secret": None}, "one", "two"),
        ({"client_secret_hash": hash_client_secret("one"), "client_secret": ""}, None, "one"),
        ({"client_secret_hash": "one"}, None, "one"),
        ({"client_secret_hash": "sha256:é"}, None, "sha256:é"),
        ({"client_secret_hash": ["one"]}, None, "one"),
        ({"client_secret_hash": None}, None, ""),
    ],
)
def test_the_secret_that_was_set_last_counts(
    deployment: Deployment, kept: dict[str, Any], right: str | None, wrong: str
) -> None:
    """RFC 6749 2.3.1: a tool that knows no hashes writes the new secret beside the old hash. What is no hash is no
    secret, and no error.
    """
    registration = {name: value for name, value in CLIENTS["app"].items() if name != "client_secret"}
    deployment.database.collection("clients")["app"] = {**registration, **kept}
    clients = deployment.adopted().clients
    with pytest.raises(InvalidClient):
        clients.authenticate_client("app", wrong, "client_secret_basic")
    if right is not None:
        assert clients.authenticate_client("app", right, "client_secret_basic").client_id == "app"
