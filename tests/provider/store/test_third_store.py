"""The store of docs/stores.md, installed as a distribution of its own: the kit, what it cannot know, a provider."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from creance.provider.store import (
    Collection,
    Store,
    StoreRefused,
    StoreUnavailable,
    deadline,
    insert,
    make_store,
)
from creance.provider.testing import RunningProvider, StoreConformance

from ...conftest import RunInProcesses
from .racing import check_that_one_redeems

pytestmark = pytest.mark.default_store("is about a backend of others")

PAGE = (Path(__file__).parents[3] / "docs" / "stores.md").read_text("utf-8")
TOKENS = Collection("tokens", indexes=("user",))

CONFIGURATION = """
issuer = "ISSUER"
[http]
bind = "BIND"
workers = 2
[keys]
algorithms = ["ES256"]
[[clients]]
client_id = "app"
client_secret = "app-secret"
redirect_uris = ["http://localhost:8401/callback"]
grant_types = ["authorization_code", "refresh_token"]
scope = "openid offline_access"
[[users]]
username = "alice"
password = "wonderland"
[plugins.sessions]
"""

PROGRAM = """
import sys
from pathlib import Path
from creance.provider.store import Collection, StoreUnavailable, insert, make_store

TOKENS = Collection("tokens", indexes=("user",))


def store_at(path):
    store = make_store(f"lmdb:{path}", folder=Path(), timeout=20)
    store.open([TOKENS])
    return store

"""

WRITE = f"""{PROGRAM}
import itertools, os
store = store_at(sys.argv[1])
for count in itertools.count():
    number = f"{{os.getpid()}}.{{count}}"
    pair = {{"user": number, "filling": "x" * 500}}
    store.write([insert(TOKENS, f"a{{number}}", pair), insert(TOKENS, f"b{{number}}", pair)])
    print(number, flush=True)
"""

HOLD = f"""{PROGRAM}
with store_at(sys.argv[1])._transaction(write=True):
    print("held", flush=True)
    sys.stdin.read()
"""

REFUSE = f"""{PROGRAM}
import resource
store = store_at(sys.argv[1])
store.write([insert(TOKENS, "before", {{}})])
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
for attempt in (lambda: store.write([insert(TOKENS, "refused", {{}})]), store.check_writable):
    try:
        attempt()
    except StoreUnavailable as error:
        print(error)
print([document.key for document in store.page(TOKENS)])
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
store.check_writable()
store.write([insert(TOKENS, "after", {{}})])
print([document.key for document in store.page(TOKENS)])
"""


def block(language: str, beginning: str) -> str:
    """The one block of the page that begins so."""
    blocks = re.findall(rf"```{language}\n({re.escape(beginning)}.*?)```", PAGE, re.DOTALL)
    assert len(blocks) == 1
    return str(blocks[0])


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that pip installed the page's store into."""
    source = tmp_path_factory.mktemp("lmdb")
    (source / "creance_lmdb.py").write_text(block("python", '"""A store in LMDB'), "utf-8")
    (source / "pyproject.toml").write_text(block("toml", "[build-system]"), "utf-8")
    target = tmp_path_factory.mktemp("installed")
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--target", str(target), str(source)], check=True)
    return target


@pytest.fixture(scope="module")
def environment(installed: Path) -> dict[str, str]:
    """What a process needs to find it."""
    return {"PYTHONPATH": os.pathsep.join(filter(None, [str(installed), os.environ.get("PYTHONPATH")]))}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "var" / "creance.lmdb"


@pytest.fixture
def store(installed: Path, path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """Found by its entry point; not open."""
    monkeypatch.syspath_prepend(installed)
    store = make_store(f"lmdb:{path}", folder=Path(), timeout=20)
    yield store
    store.close()


Start = Callable[[str], "subprocess.Popen[str]"]


@pytest.fixture
def start(environment: dict[str, str], path: Path) -> Iterator[Start]:
    """Starts a program on the same file, in a process of its own."""
    started: list[subprocess.Popen[str]] = []

    def start_one(program: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", program, str(path)]
        pipe = subprocess.PIPE
        process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env={**os.environ, **environment})
        started.append(process)
        return process

    yield start_one
    for process in started:
        process.kill()
        process.communicate()


# The page


def test_the_page_s_store_passes_the_complete_kit(environment: dict[str, str], tmp_path: Path) -> None:
    """docs/stores.md, The kit: the page's own test, run as it stands there; nothing is skipped."""
    (tmp_path / "test_lmdb.py").write_text(block("python", "import pytest"), "utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--basetemp", "kit", "test_lmdb.py"]
    surroundings = {**os.environ, **environment}
    kit = subprocess.run(command, check=False, cwd=tmp_path, env=surroundings, text=True, capture_output=True)
    assert kit.returncode == 0, kit.stdout[-5000:]
    summary = re.fullmatch(r"(\d+) passed in .*", kit.stdout.splitlines()[-1])
    assert summary
    assert int(summary[1]) >= len([name for name in dir(StoreConformance) if name.startswith("test_")]) > 50


def test_the_page_names_tests_of_the_kit() -> None:
    """docs/stores.md, What a store promises: each promise with tests that there are."""
    named = set(re.findall(r"`(test_\w+)`", PAGE))
    assert len(named) > 10
    assert named <= set(dir(StoreConformance))


def test_the_page_s_store_serves_a_provider(environment: dict[str, str], tmp_path: Path) -> None:
    """docs/stores.md, Packaged and named: a code flow on two workers; what was issued outlives them."""
    configuration = CONFIGURATION + block("toml", "[store]")
    with RunningProvider(tmp_path, configuration=configuration, environment=environment) as provider:
        app = provider.client("app")
        answer = app.authorize(scope="openid offline_access")
        spent = app.exchange(answer)
        assert app.userinfo(spent.access_token).sub == app.verify(spent.id_token)["sub"]
        assert app.exchange(answer).error == "invalid_grant"
        assert app.userinfo(spent.access_token).error == "invalid_token"
        tokens = app.log_in(scope="openid offline_access")
        provider.stop()
        provider.start()
        assert app.userinfo(tokens.access_token).sub == app.verify(tokens.id_token)["sub"]
        assert app.refresh(tokens.refresh_token).access_token
        assert app.refresh(spent.refresh_token).error == "invalid_grant"
        assert next(line for line in provider.log_lines() if line["event"] == "start")["store"].startswith("LMDB ")
    assert (tmp_path / "var" / "creance.lmdb").stat().st_mode & 0o777 == 0o600


# What the kit cannot know


def test_of_many_processes_one_redeems(
    installed: Path, path: Path, store: Store, run_in_processes: RunInProcesses
) -> None:
    """redeem: exactly one writer ever succeeds, across processes; nothing of the others remains."""
    check_that_one_redeems(f"lmdb:{path}", store, run_in_processes, str(installed))


def test_what_is_acknowledged_survives_a_kill(store: Store, start: Start) -> None:
    """write: all are done and durable when it returns, or none remains, whenever the process is killed."""
    acknowledged: set[str] = set()
    for _ in range(3):
        writer = start(WRITE)
        assert writer.stdout is not None
        acknowledged |= {writer.stdout.readline().strip() for _ in range(20)}
        writer.send_signal(signal.SIGKILL)
        acknowledged |= set(writer.communicate()[0].split())
        store.open([TOKENS])
        found = [document.key for document in store.page(TOKENS, limit=100_000)]
        assert len(found) == 2 * len({key[1:] for key in found})
        assert {key[1:] for key in found} >= acknowledged
        assert all(len(store.find(TOKENS, "user", number)) == 2 for number in acknowledged)
        store.close()


def test_a_writer_that_does_not_end_holds_nobody_up(store: Store, start: Start) -> None:
    """Store: every method may raise StoreUnavailable, within the time that the request has left."""
    holder = start(HOLD)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    store.open([TOKENS])
    with deadline(0.2), pytest.raises(StoreUnavailable, match="could not be acquired"):
        store.write([insert(TOKENS, "k", {})])
    assert store.get(TOKENS, "k") is None
    holder.communicate("")
    store.write([insert(TOKENS, "k", {})])
    assert store.get(TOKENS, "k") is not None


def test_a_disk_that_takes_nothing_is_said_to_be_unavailable_until_it_does(path: Path, start: Start) -> None:
    """write, check_writable: StoreUnavailable where the backend cannot write; nothing of it remains, all is read."""
    refused, probed, *keys = start(REFUSE).communicate()[0].splitlines()
    assert f"{path} cannot be used: " in refused
    assert f"{path} cannot be used: " in probed
    assert keys == ["['before']", "['after', 'before']"]


def test_data_of_something_else_are_refused(path: Path, store: Store) -> None:
    """open: StoreRefused where the data must not be touched."""
    path.parent.mkdir()
    path.write_bytes(b"SQLite format 3\0" + bytes(8000))
    with pytest.raises(StoreRefused, match=r"creance\.lmdb is no file of LMDB"):
        store.open([TOKENS])
    assert path.read_bytes().startswith(b"SQLite format 3\0")


def test_a_place_that_cannot_be_made_is_unavailable(path: Path, store: Store) -> None:
    """open: StoreUnavailable, which names the cause."""
    path.parent.write_text("a file where a folder should be")
    with pytest.raises(StoreUnavailable, match=r"creance\.lmdb cannot be opened: .*exists"):
        store.open([TOKENS])
    path.parent.unlink()
    store.open([TOKENS])
    store.write([insert(TOKENS, "k", {}, time.time() + 60)])
    assert store.get(TOKENS, "k") is not None
