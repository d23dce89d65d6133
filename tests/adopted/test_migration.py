"""`creance migrate pyop`: all that pyop has issued, taken over at once, and what stays where it is."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from creance.provider import InvalidGrant
from creance.provider.adopted.documents import PyopDocuments
from pyop.exceptions import InvalidAccessToken

from ..mongodb_proxy import CutError, Exchange, MongoDBProxy
from ..pyop_provider import CLIENTS, SALT, SECRET, Client
from .pyop_on_mongodb import TOKENS, Deployment, deployment, rows

__all__ = ["deployment"]


def test_a_dry_run_writes_nothing(deployment: Deployment) -> None:
    """Issue 7: dry run first. No document, no index, no collection; and it says what there is."""
    app = deployment.app()
    app.log_in()
    app.authorize("bob")
    before = deployment.everything()
    counted = deployment.done()
    assert deployment.everything() == before
    assert counted == {
        "subject identifiers": ["2", "0", "2", "0"],
        "refresh tokens": ["1", "0", "1", "0"],
        "authorization codes": ["2", "0", "1", "1 used already"],
        "access tokens": ["1", "0", "1", "0"],
    }


@pytest.mark.parametrize("client_id", list(CLIENTS))
def test_what_was_moved_needs_pyops_documents_no_more(deployment: Deployment, client_id: str) -> None:
    """Issue 7; RFC 6749 4.1.2, RFC 9700 4.14.2: each works as one of ours, with pairwise and with public `sub`."""
    app = deployment.app(client_id)
    tokens, code = app.log_in(), app.authorize()
    subject = app.userinfo(tokens["access_token"])["sub"]
    moved = deployment.done("--apply")
    assert moved["refresh tokens"] == ["1", "0", "1", "0"]
    deployment.drop(*TOKENS)
    adopted = deployment.adopted()
    assert app.userinfo(tokens["access_token"], adopted)["sub"] == subject
    refreshed = app.refresh(tokens["refresh_token"], adopted)
    assert refreshed["refresh_token"] != tokens["refresh_token"]
    exchanged = app.exchange(code, adopted)
    assert app.userinfo(exchanged["access_token"], adopted)["sub"] == subject
    with pytest.raises(InvalidGrant):
        app.exchange(code, adopted)
    with pytest.raises(InvalidAccessToken):
        app.userinfo(exchanged["access_token"], adopted)


def test_a_second_run_moves_nothing_twice(deployment: Deployment) -> None:
    """Issue 7: resumable. What was spent at ours since stays spent."""
    app = deployment.app()
    tokens, code = app.log_in(), app.authorize()
    deployment.done("--apply")
    adopted = deployment.adopted()
    app.exchange(code, adopted)
    newer = app.refresh(tokens["refresh_token"], adopted)
    assert (
        deployment.done("--apply")
        == deployment.done()
        == {
            "subject identifiers": ["1", "1", "0", "0"],
            "refresh tokens": ["1", "1", "0", "0"],
            "authorization codes": ["2", "1", "0", "1 used already"],
            "access tokens": ["1", "1", "0", "0"],
        }
    )
    assert app.userinfo(newer["access_token"], adopted)
    with pytest.raises(InvalidGrant):
        app.refresh(tokens["refresh_token"], adopted)


def test_what_a_worker_took_over_is_moved_already(deployment: Deployment) -> None:
    """Issue 7: old ones are moved when touched, or all at once: by the same notes."""
    app = deployment.app()
    one, two = app.log_in(), app.log_in("bob")
    app.refresh(one["refresh_token"], deployment.adopted())
    assert deployment.done("--apply")["refresh tokens"] == ["2", "1", "1", "0"]
    assert app.userinfo(two["access_token"], deployment.adopted())["email"] == "bob@example.org"


def test_what_was_ended_stays_ended(deployment: Deployment) -> None:
    """RFC 7009 2.1: also what nobody has presented since: the rest of a grant, and of a person."""
    app = deployment.app()
    one, two, three = app.log_in(nonce="one"), app.log_in("bob"), app.log_in(nonce="three")
    adopted = deployment.adopted()
    adopted.tokens.revoke_grant(adopted.tokens.read_access_token(one["access_token"]).grant.grant_id)  # type: ignore[union-attr]
    adopted.logout_user(subject_identifier=app.userinfo(two["access_token"], adopted)["sub"])
    moved = deployment.done("--apply")
    assert moved["refresh tokens"] == ["3", "0", "1", "2 ended since"]
    for tokens in (one, two):
        assert adopted.tokens.find(tokens["access_token"], None) is None
        assert adopted.tokens.find(tokens["refresh_token"], None, spent=True) is None
    assert app.userinfo(three["access_token"], adopted)


def test_a_code_that_pyop_has_seen_ends_its_grant(deployment: Deployment) -> None:
    """RFC 6749 4.1.2: it stays where it is, so that its second use is recognised, after a move too."""
    app = deployment.app()
    code = app.authorize()
    tokens = app.exchange(code)
    assert deployment.done("--apply")["authorization codes"] == ["1", "0", "0", "1 used already"]
    adopted = deployment.adopted()
    assert app.userinfo(tokens["access_token"], adopted)
    with pytest.raises(InvalidGrant):
        app.exchange(code, adopted)
    with pytest.raises(InvalidAccessToken):
        app.userinfo(tokens["access_token"], adopted)


def test_people_need_not_be_read_by_a_worker_that_starts(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Issue 7: subject identifiers too; the first request of a worker reads none of them."""
    app = deployment.app()
    tokens = app.log_in()
    deployment.done("--apply")

    def refuse(documents: PyopDocuments) -> Any:
        raise AssertionError("all were read")

    monkeypatch.setattr(PyopDocuments, "items", refuse)
    assert app.userinfo(tokens["access_token"], deployment.adopted())["email"] == "alice@example.org"


# What stays where it is.


def test_what_cannot_be_moved_is_counted_and_left(deployment: Deployment, clock: Any) -> None:
    """Issue 7: counts, with the reason; it goes on being read there, by who knows what the command does not."""
    app, other = deployment.app(), deployment.app("public-subject")
    good = app.log_in()
    unknown_client, gone = other.log_in("bob"), app.log_in("bob")
    codes, access, refresh = (deployment.database.collection(name) for name in TOKENS)
    codes["alice"] = {"email": "alice@example.org"}  # SATOSA's people
    codes["strange"] = {"auth_req": "no request", "exp": time.time() + 60}
    access["strange"], refresh["strange"] = ["no object"], {"exp": "soon", "access_token": "x"}
    access["nobody"] = {**access[gone["access_token"]], "sub": "nobody's"}
    refresh["expired"] = {"access_token": gone["access_token"], "exp": time.time() - 1}
    access["expired"] = {**access[gone["access_token"]], "exp": time.time() - 1}
    other_sector = {"client_id": "app", "redirect_uri": "https://elsewhere.example.org/"}
    access["other sector"] = {**access[good["access_token"]], "auth_req": other_sector}
    del access[gone["access_token"]]
    deployment.database.collection("subject_identifiers")["strange"] = "no object"
    registration = deployment.database.collection("clients").pop("public-subject")

    before = [deployment.everything()[name] for name in TOKENS]
    assert deployment.done("--apply") == {
        "subject identifiers": ["4", "0", "3", "1 cannot be read"],
        "refresh tokens": ["5", "0", "1", "1 expired, 1 client unknown, 1 access token gone, 1 cannot be read"],
        "authorization codes": ["5", "0", "0", "3 used already, 1 people's claims, 1 cannot be read"],
        "access tokens": [
            "6",
            "0",
            "1",
            "1 expired, 1 client unknown, 1 person unknown, 1 needs another salt, 1 cannot be read",
        ],
    }
    assert [deployment.everything()[name] for name in TOKENS] == before
    deployment.database.collection("clients")["public-subject"] = registration
    assert other.refresh(unknown_client["refresh_token"], deployment.adopted())["access_token"]


STRANGE: list[Any] = [
    None,
    "",
    "x",
    "http://[",
    5,
    -1,
    1e300,
    float("nan"),
    True,
    [],
    [None],
    {},
    {"a": 1},
    "a\0b",
    "é" * 300,
]


def test_strange_documents_stop_nothing(deployment: Deployment) -> None:
    """Issue 7: whatever a field has become is counted as what cannot be read, or moved; the good ones are."""
    app = deployment.app()
    tokens, code = app.log_in(), app.authorize()
    kept = zip(TOKENS, (code, tokens["access_token"], tokens["refresh_token"]), strict=True)
    for name, value in kept:
        collection = deployment.database.collection(name)
        good = collection[value]
        request = good.get("auth_req", {})
        for number, strange in enumerate(STRANGE):
            collection[f"{number}"] = strange
            for member in good:
                collection[f"{member} {number}"] = {**good, member: strange}
            for member in request:
                collection[f"request {member} {number}"] = {**good, "auth_req": {**request, member: strange}}
        for member in good:
            collection[f"without {member}"] = {key: value for key, value in good.items() if key != member}
    for number, strange in enumerate(STRANGE):
        deployment.database.collection("subject_identifiers")[f"{number}"] = strange
        deployment.database.collection("subject_identifiers")[f"pairwise {number}"] = {"pairwise": strange}
        deployment.database.collection("clients")[f"{number}"] = strange
    expected = deployment.done()
    assert deployment.done("--apply") == expected
    assert {kind: cells[2] for kind, cells in deployment.done().items()} == dict.fromkeys(expected, "0")
    finished = deployment.run("--finish", "--yes")
    assert finished.exit_code == 0, finished.output
    assert app.refresh(tokens["refresh_token"], deployment.adopted())["access_token"]


def test_a_pairwise_sub_tells_the_person_by_the_salt(deployment: Deployment, tmp_path: Path) -> None:
    """OpenID Connect Core 8.1: without the salt, or with another one, it stays; with the right one it is theirs."""
    app = deployment.app()
    tokens = app.log_in()
    result = deployment.run("--apply", salt=False)
    assert rows(result.stdout)["refresh tokens"] == ["1", "0", "0", "1 needs the salt"]
    assert "only with the salt that made the sub: --salt-file" in result.stdout
    assert "--salt-file does not give" not in result.stdout
    deployment.salt_file.write_text("another salt")
    result = deployment.run("--apply")
    assert rows(result.stdout)["refresh tokens"] == ["1", "0", "0", "1 needs another salt"]
    assert "The salt of --salt-file does not give the sub that these clients see" in result.stdout
    assert "only with the salt" not in result.stdout
    deployment.salt_file.write_text(SALT)
    assert deployment.done("--apply")["refresh tokens"] == ["1", "0", "1", "0"]
    adopted = deployment.adopted()
    assert app.userinfo(tokens["access_token"], adopted)["email"] == "alice@example.org"
    adopted.logout_user(subject_identifier=app.userinfo(tokens["access_token"], adopted)["sub"])
    assert adopted.tokens.find(tokens["access_token"], None) is None


def test_a_public_sub_may_be_the_user_name(deployment: Deployment) -> None:
    """SATOSA, `sub_mirror_public`: by which a pairwise one needs no salt."""
    app = deployment.app()
    app.log_in()
    assert deployment.done("--apply", "--mirror-public", salt=False)["refresh tokens"] == ["1", "0", "1", "0"]


def test_clients_may_be_elsewhere(deployment: Deployment, tmp_path: Path) -> None:
    """SATOSA, `client_db_path`: a file; what is wrong with it is said."""
    app = deployment.app()
    app.log_in()
    file = tmp_path / "cdb.json"
    file.write_text(json.dumps(CLIENTS))
    deployment.drop("clients")
    assert deployment.done()["refresh tokens"] == ["1", "0", "0", "1 client unknown"]
    assert deployment.done("--clients", file)["refresh tokens"] == ["1", "0", "1", "0"]
    file.write_text("{")
    result = deployment.run("--clients", file)
    assert (result.exit_code, result.stderr) == (1, f"creance: --clients: {file} cannot be read: not JSON\n")


def test_ours_may_be_elsewhere(deployment: Deployment, tmp_path: Path) -> None:
    """Issue 7: `--to`, where the provider has its settings.store.uri; looked at without being made."""
    app = deployment.app()
    tokens = app.log_in()
    uri = f"sqlite:{tmp_path}/ours.db"
    assert deployment.done("--to", uri)["access tokens"] == ["1", "0", "1", "0"]
    assert not (tmp_path / "ours.db").exists()
    assert deployment.done("--to", uri, "--apply")["access tokens"] == ["1", "0", "1", "0"]
    assert deployment.done("--to", uri)["access tokens"] == ["1", "1", "0", "0"]
    assert deployment.done()["access tokens"] == ["1", "0", "1", "0"]
    deployment.drop(*TOKENS)
    adopted = deployment.adopted(settings={"store": {"uri": uri}})
    assert app.userinfo(tokens["access_token"], adopted)["email"] == "alice@example.org"


def test_groups_of_ours_may_be_elsewhere(deployment: Deployment, tmp_path: Path) -> None:
    """docs/adopting.md: `--placement`, where the provider has its settings.store.placement; a place that is not there
    yet is looked at without being made.
    """
    app = deployment.app()
    tokens, code = app.log_in(), app.authorize()
    uri = f"sqlite:{tmp_path}/tokens.db"
    (tmp_path / "uri").write_text(f"{uri}\n")
    placement = ("--placement", f"tokens=@{tmp_path}/uri")
    assert deployment.done(*placement)["access tokens"] == ["1", "0", "1", "0"]
    assert not (tmp_path / "tokens.db").exists()
    assert deployment.done(*placement, "--apply")["access tokens"] == ["1", "0", "1", "0"]
    assert deployment.done(*placement)["access tokens"] == ["1", "1", "0", "0"]
    assert deployment.done()["access tokens"] == ["1", "0", "1", "0"]  # nothing of them is in the rest
    finished = deployment.run(*placement, "--finish", "--yes")
    assert finished.exit_code == 0, finished.output
    adopted = deployment.adopted(settings={"store": {"placement": {"tokens": uri}}})
    assert app.userinfo(tokens["access_token"], adopted)["email"] == "alice@example.org"
    assert app.exchange(code, adopted)["access_token"]


# Going back.


def test_one_can_go_back(deployment: Deployment) -> None:
    """Issue 7: nothing is deleted until told; plain pyop finds its own documents as they were."""
    app = deployment.app()
    tokens, code = app.log_in(), app.authorize()
    before = deployment.everything()
    deployment.done("--apply")
    after = deployment.everything()
    assert {name: after[name] for name in before} == before
    again = Client(deployment.plain())
    again.verifier = app.verifier
    assert again.userinfo(tokens["access_token"])["email"] == "alice@example.org"
    assert again.refresh(tokens["refresh_token"])["access_token"]
    assert again.exchange(code)["id_token"]


# What is said.


def test_nothing_secret_is_said(deployment: Deployment) -> None:
    """DESIGN, rules: no token, code, secret, salt or password of the database in any output."""
    app = deployment.app()
    tokens, code = app.log_in(), app.authorize()
    deployment.database.collection("access_tokens")["strange-token"] = {"auth_req": 5}
    said = [deployment.run(*step).output for step in ([], ["--apply"], [], ["--finish", "--yes"])]
    secrets = [tokens["access_token"], tokens["refresh_token"], code, SECRET, SALT, "strange-token", "sha256:", "alice"]
    assert not [secret for secret in secrets if secret in "".join(said)]


def test_a_password_of_the_database_is_not_said(deployment: Deployment, tmp_path: Path) -> None:
    """DESIGN, rules: not even where nobody answers; and it need not be on the command line."""
    file = tmp_path / "uri"
    file.write_text("mongodb://satosa:pass%2Fword@127.0.0.1:9/op?timeoutMS=200\n")
    deployment.uri = f"@{file}"
    for step in ([], ["--apply"], ["--finish", "--yes"]):
        result = deployment.run(*step)
        assert result.exit_code == 1
        assert "pass" not in result.output
        (line,) = result.stderr.splitlines()
        assert line.startswith("creance: the database op at 127.0.0.1:9 cannot be reached")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["redis://localhost/0"], "URI: not a usable URI of MongoDB: it begins with mongodb:// or mongodb+srv://"),
        (["mongodb://h", "--to", "nowhere:x"], "--to: no store for 'nowhere'"),
        (["mongodb://h", "--clients", "redis://h"], "--clients: not a usable URI of MongoDB"),
        (["mongodb://h", "--clients", "none.json"], "--clients: none.json cannot be read: No such file or directory"),
        (["mongodb://h", "--salt-file", "none"], "--salt-file: none cannot be read: No such file or directory"),
        (["@none"], "URI: "),
        (["mongodb://h", "--placement", "tokens=nowhere:x"], "--placement tokens: no store for 'nowhere'"),
        (
            ["mongodb://h", "--placement", "sessions=sqlite:x"],
            "--placement: 'sessions' is no group that anything is moved to: those are clients, tokens, users",
        ),
    ],
)
def test_what_is_wrong_is_said(deployment: Deployment, arguments: list[str], told: str) -> None:
    """DESIGN, rules: what was wrong, where, and what to do."""
    deployment.uri, *rest = arguments
    result = deployment.run(*rest, salt=False)
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.startswith(f"creance: {told}")


AWAY = "mongodb://127.0.0.1:9/away"


@pytest.mark.parametrize("option", [None, "--clients", "--to", "--placement"])
def test_what_is_waited_for_is_said(deployment: Deployment, option: str | None) -> None:
    """docs/adopting.md: a database that is away is waited for, and the operator knows for which; its password is not
    told.
    """
    away = AWAY.replace("127", "satosa:password@127")
    arguments = [] if option is None else [option, f"tokens={away}" if option == "--placement" else away]
    process = deployment.start(away if option is None else deployment.uri, *arguments)
    try:
        assert process.stderr is not None
        line = process.stderr.readline()
    finally:
        process.kill()
        process.communicate()
    assert line.startswith("creance: waiting for ")
    assert line.endswith("away at 127.0.0.1:9, 60 s at most\n")
    assert "password" not in line


# Interrupted.


def test_a_move_that_was_killed_goes_on(
    deployment: Deployment, mongodb_proxy: MongoDBProxy, mongodb_proxy_uri: str
) -> None:
    """Issue 7: resumable. Killed while it writes, nothing is lost and nothing is there twice."""
    app = deployment.app()
    logins = [app.log_in(nonce=str(number)) for number in range(40)]
    reached, over = threading.Event(), threading.Event()

    def hold(exchange: Exchange) -> None:
        reached.set()
        over.wait(120)
        raise CutError

    mongodb_proxy.on("insert", strike=hold, skip=20, times=1000, where=_writes_tokens)
    process = deployment.start(mongodb_proxy_uri)
    try:
        assert reached.wait(60)
    finally:
        process.kill()
        process.communicate()
        over.set()
    found, before, waiting, _ = deployment.done()["refresh tokens"]
    assert (found, int(before) + int(waiting)) == ("40", 40)
    assert 0 < int(before) < 40
    assert deployment.done("--apply")["refresh tokens"] == ["40", before, waiting, "0"]
    deployment.drop(*TOKENS)
    adopted = deployment.adopted()
    for tokens in logins:
        assert app.userinfo(tokens["access_token"], adopted)
        assert app.refresh(tokens["refresh_token"], adopted)


def _writes_tokens(command: dict[str, Any]) -> bool:
    return command["insert"] == "creance_documents"


def test_a_database_that_goes_away_is_said(
    deployment: Deployment, mongodb_proxy: MongoDBProxy, mongodb_proxy_uri: str
) -> None:
    """StoreUnavailable: one line, exit code 1; and the next run goes on."""
    app = deployment.app()
    logins = [app.log_in(nonce=str(number)) for number in range(10)]

    def leave(exchange: Exchange) -> None:
        mongodb_proxy.shut()
        raise CutError

    mongodb_proxy.on("insert", strike=leave, skip=4, where=_writes_tokens)
    process = deployment.start(mongodb_proxy_uri + "&timeoutMS=3000")
    _, said = process.communicate(timeout=120)
    assert process.returncode == 1
    assert said.count("\n") == 1
    assert said.startswith("creance: the database ")
    deployment.done("--apply")
    deployment.drop(*TOKENS)
    adopted = deployment.adopted()
    for tokens in logins:
        assert app.userinfo(tokens["access_token"], adopted)
        assert app.refresh(tokens["refresh_token"], adopted)
