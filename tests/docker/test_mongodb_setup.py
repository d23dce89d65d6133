"""docker/mongodb_setup.py: the replica set, and an account that may do what the provider does and no more."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from creance.provider.store import Collection, delete_where, insert, redeem
from creance.provider.store.mongodb import MongoDBStore
from pymongo import MongoClient
from pymongo.errors import OperationFailure

from ..mongodb_server import free_port
from .container import ROOT

SETUP = ROOT / "docker" / "mongodb_setup.py"
PAGE = (ROOT / "docs" / "mongodb.md").read_text("utf-8")
TOKENS = Collection("tokens", indexes=("grant_id",))


@pytest.fixture(scope="module")
def setup() -> ModuleType:
    specification = importlib.util.spec_from_file_location("mongodb_setup", SETUP)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def test_its_role_is_the_one_that_operators_are_told(setup: ModuleType) -> None:
    """docs/mongodb.md, Accounts."""
    (text,) = re.findall(r"(?s)db\.createRole\((\{.*?\n\})\)", PAGE)
    role = json.loads(text)
    assert (role["role"], role["roles"]) == (setup.ROLE, [])
    assert {each["resource"]["db"] for each in role["privileges"]} == {"creance"}
    assert {each["resource"]["collection"]: each["actions"] for each in role["privileges"]} == setup.PRIVILEGES


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    """The folder that make-secrets makes, with this machine in the place of the container's."""
    shutil.copy(ROOT / "docker" / "make-secrets", tmp_path)
    subprocess.run(["sh", tmp_path / "make-secrets"], check=True, stdout=subprocess.DEVNULL)
    folder = tmp_path / "secrets"
    uri = (folder / "store-uri").read_text().replace("mongodb-1:27017", f"127.0.0.1:{free_port()}")
    (folder / "store-uri").unlink()
    (folder / "store-uri").write_text(uri)
    (folder / "mongodb-key").chmod(0o400)
    return folder


@pytest.fixture
def mongod(secrets: Path, tmp_path: Path) -> Iterator[str]:
    """A member that nobody has initiated, with its key and its first account, as the image makes that. Its address."""
    program = shutil.which("mongod")
    if program is None:
        pytest.skip("only MongoDB itself knows replica sets and roles: install mongod")
    (address,) = re.findall(r"@([^/]*)/", (secrets / "store-uri").read_text())
    port = address.partition(":")[2]
    (tmp_path / "data").mkdir()
    options = ["--dbpath", str(tmp_path / "data"), "--bind_ip", "127.0.0.1", "--port", port]
    log = ["--logpath", str(tmp_path / "mongod.log"), "--logappend"]
    with subprocess.Popen([program, *options, *log], stdout=subprocess.DEVNULL) as alone:
        with MongoClient[Any](f"mongodb://{address}/?directConnection=true") as client:
            password = (secrets / "mongodb-root-password").read_text().strip()
            client.admin.command("createUser", "root", pwd=password, roles=["root"])
        alone.terminate()
    replicated = ["--replSet", "creance", "--keyFile", str(secrets / "mongodb-key")]
    with subprocess.Popen([program, *options, *log, *replicated], stdout=subprocess.DEVNULL) as member:
        yield address
        member.terminate()


def test_the_account_may_do_what_the_provider_does_and_no_more(mongod: str, secrets: Path) -> None:
    """Issue 5, Deployments; docs/mongodb.md, Accounts: the least privilege."""
    for _ in range(2):  # what is there already is no obstacle
        subprocess.run([sys.executable, SETUP], check=True, env={**os.environ, "SECRETS": str(secrets)}, timeout=120)
    uri = (secrets / "store-uri").read_text().strip()
    store = MongoDBStore.from_uri(uri, folder=Path(), timeout=10)
    store.open([TOKENS])
    store.write([insert(TOKENS, "code", {"grant_id": "g"}, time.time() + 60)])
    store.write([insert(TOKENS, "token", {"grant_id": "g"}), redeem(TOKENS, "code", time.time() + 60)])
    assert store.find(TOKENS, "grant_id", "g")
    assert store.claim("sweep", "one", time.time() + 60)
    store.sweep()
    store.check_writable()
    store.write([delete_where(TOKENS, "grant_id", "g")])
    store.close()
    with MongoClient[Any](uri) as client:
        database = client.get_default_database()
        for forbidden in (
            database.creance_documents.drop,
            database.others.find_one,
            client["another"].others.find_one,
            lambda: database.command("usersInfo", "root"),
        ):
            with pytest.raises(OperationFailure, match="not authorized"):
                forbidden()
