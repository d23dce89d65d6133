"""The MongoDB server that tests run on, looked for in this order:

1. the one that the environment variable MONGODB_URI names; each test has a database of its own there;
2. `mongod` on PATH, started as a replica set of one node;
3. mongo-java-server, another program that speaks MongoDB's protocol: needs a JDK, and Maven, which fetches it once.

Where there is none of them the tests are skipped; REQUIRE_MONGODB=1 makes that a failure.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NoReturn

import pytest
from creance.provider.testing.running import free_port
from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

JAVA_SERVER = Path(__file__).parent / "mongodb"
LIBRARIES = Path(__file__).parents[1] / "build" / "mongodb"
JAVA_NAME = "mongo-java-server 1.47.0, which is not MongoDB (install mongod, or set MONGODB_URI)"

NONE = (
    "no MongoDB server: set MONGODB_URI, or install mongod, or a JDK and Maven "
    "(on Debian: apt-get install default-jdk-headless maven)"
)


@dataclass
class MongoDBServer:
    """A server that runs. `is_real` is False for mongo-java-server, which lacks what its users must then leave out."""

    uri: str
    is_real: bool
    process: subprocess.Popen[str] | None = None

    def uri_of(self, database: str) -> str:
        """The URI with another database. Credentials stay those of the place where they were looked up before."""
        place, _, options = self.uri.partition("?")
        scheme, _, rest = place.partition("://")
        authority, _, named = rest.partition("/")
        if "@" in authority and "authsource" not in options.lower():
            options = f"authSource={named or 'admin'}&{options}"
        return f"{scheme}://{authority}/{database}?{options}".rstrip("?&")

    def uri_through(self, port: int, database: str, options: str = "") -> str:
        """The URI of a database by way of a proxy on this port."""
        scheme, _, rest = self.uri_of(database).partition("://")
        hosts, _, place = rest.partition("/")
        credentials, at, _ = hosts.rpartition("@")
        joined = "&".join(filter(None, ["directConnection=true", options]))
        return f"{scheme}://{credentials}{at}127.0.0.1:{port}/{place}{'&' if '?' in place else '?'}{joined}"

    def address(self) -> tuple[str, int]:
        """Where a proxy finds it."""
        if self.uri.startswith("mongodb+srv:") or re.search("[?&](tls|ssl)=true", self.uri):
            pytest.skip("a proxy cannot look into TLS")
        with MongoClient[dict[str, object]](self.uri) as client:
            client.admin.command("ping")
            address = client.address
        assert address is not None
        return address

    def stop(self) -> None:
        """An orderly end: mongod is asked by a signal, mongo-java-server ends with its standard input."""
        if self.process is not None:
            if self.is_real:
                self.process.terminate()
            self._wait_for_end(self.process)

    def kill(self) -> None:
        """The most sudden end that loses nothing: mongo-java-server may lose its last moments when it is killed."""
        if self.process is not None:
            if self.is_real:
                self.process.kill()
            self._wait_for_end(self.process)

    @staticmethod
    def _wait_for_end(process: subprocess.Popen[str]) -> None:
        if process.stdin is not None:
            process.stdin.close()
        process.wait(30)
        if process.stdout is not None:
            process.stdout.close()


def kind_of_server() -> str:
    """For the report: which server there is, without starting it."""
    uri = os.environ.get("MONGODB_URI")
    if uri:
        return f"MongoDB {_version_at(uri)} of MONGODB_URI"
    if shutil.which("mongod"):
        said = subprocess.run(["mongod", "--version"], capture_output=True, text=True, check=False).stdout
        return f"mongod {said.partition('db version v')[2].split()[0]}"
    return JAVA_NAME if _has_java() else NONE


def start_server(folder: Path) -> MongoDBServer:
    """Start or find one. Skips the test, or fails it, where there is none."""
    uri = os.environ.get("MONGODB_URI")
    return MongoDBServer(uri, is_real=True) if uri else start_own_server(folder)


def start_own_server(folder: Path, port: int = 0, file: Path | None = None) -> MongoDBServer:
    """One that a test may stop, and start again on the same port with the data in the same folder, and file."""
    if shutil.which("mongod"):
        return start_mongod(folder, port)
    if _has_java():
        return start_java_server(port, file)
    return without_a_server(NONE)


def without_a_server(reason: str) -> NoReturn:
    if os.environ.get("REQUIRE_MONGODB") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


def start_mongod(folder: Path, port: int = 0) -> MongoDBServer:
    """A replica set of one node: with sessions and retryable writes, and a sweeper that does not let tests wait."""
    port = port or free_port()
    options = ["--replSet", "tests", "--bind_ip", "127.0.0.1", "--port", str(port), "--dbpath", str(folder)]
    log = folder / "mongod.log"
    process = subprocess.Popen(
        ["mongod", *options, "--logpath", str(log), "--setParameter", "ttlMonitorSleepSecs=1"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    direct = MongoClient[dict[str, object]](f"mongodb://127.0.0.1:{port}/?directConnection=true")
    with direct as client, suppress(OperationFailure):  # it was one before
        member = {"_id": 0, "host": f"127.0.0.1:{port}"}
        client.admin.command("replSetInitiate", {"_id": "tests", "members": [member]})
    return MongoDBServer(f"mongodb://127.0.0.1:{port}/?replicaSet=tests", is_real=True, process=process)


def start_java_server(port: int = 0, file: Path | None = None) -> MongoDBServer:
    """On a port of its own choice, or on this one; in memory, or in a file."""
    _fetch()
    command = ["java", "-cp", f"{LIBRARIES}/*", str(JAVA_SERVER / "Server.java"), str(port)]
    process = subprocess.Popen(
        [*command, str(file)] if file else command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    said = _of(process.stdout).readline().split()
    assert said[:1] == ["ready"], f"mongo-java-server did not start: {' '.join(command)}"
    return MongoDBServer(f"mongodb://127.0.0.1:{said[1]}/", is_real=False, process=process)


def _version_at(uri: str) -> str:
    try:
        with MongoClient[dict[str, object]](uri, serverSelectionTimeoutMS=5000) as client:
            return str(client.server_info()["version"])
    except PyMongoError as error:
        return f"({type(error).__name__})"


def _has_java() -> bool:
    """Whether mongo-java-server can be compiled, and is here or can be fetched."""
    return shutil.which("javac") is not None and (_fetched() or shutil.which("mvn") is not None)


def _fetched() -> bool:
    return (LIBRARIES / ".fetched").exists()


def _fetch() -> None:
    """Have Maven copy the server into `build`: once, however many processes test at the same time."""
    LIBRARIES.mkdir(parents=True, exist_ok=True)
    with (LIBRARIES / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if _fetched():
            return
        maven = ["mvn", "--batch-mode", "--quiet", "--file", str(JAVA_SERVER / "pom.xml")]
        goal = ["dependency:copy-dependencies", f"-DoutputDirectory={LIBRARIES}"]
        if subprocess.run([*maven, *goal], check=False, timeout=600).returncode:
            without_a_server("no MongoDB server: Maven could not fetch mongo-java-server; set MONGODB_URI")
        (LIBRARIES / ".fetched").touch()


def _of(stream: IO[str] | None) -> IO[str]:
    assert stream is not None
    return stream
