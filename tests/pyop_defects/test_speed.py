"""Speed, counted and never timed: what each request looks through, and which library signs."""

from __future__ import annotations

import copy
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from typing import Any

import jwkest.jws
import pyop.provider
import pytest
from creance.provider import OpenIDProvider
from joserfc.jws import JWSRegistry
from jwkest.jwk import RSAKey
from pyop.provider import Provider

from ..pyop_provider import Client, plain_provider

Adopt = Callable[..., OpenIDProvider]


class Counting(dict[str, Any]):
    """A database that counts how it is used. `items` is a look through all of it."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: Counter[str] = Counter()

    def __getitem__(self, key: str) -> Any:
        self.calls["read"] += 1
        return super().__getitem__(key)

    def __contains__(self, key: object) -> bool:
        self.calls["read"] += 1
        return super().__contains__(key)

    def items(self) -> Any:
        self.calls["scan"] += 1
        return super().items()


NAMES = ("authorization_code_db", "access_token_db", "refresh_token_db", "subject_identifier_db")


class Deployment:
    """A plain provider and ours over the same databases."""

    def __init__(self, signing_key: RSAKey, adopt: Adopt, store: str) -> None:
        self.databases = {name: Counting() for name in NAMES}
        self.plain = plain_provider(signing_key, **self.databases)
        before = Client(self.plain)
        self.earlier_code = before.authorize()
        self.earlier = before
        self.earlier_tokens = before.log_in()
        self.ours = adopt(self.plain, settings={"store": {"uri": store}})

    def scans(self, call: Callable[[], Any]) -> tuple[Any, int]:
        """What a call answers, and how many looks through all of a database it took."""
        before = self._count("scan")
        answer = call()
        return answer, self._count("scan") - before

    def code_reads(self, call: Callable[[], Any]) -> tuple[Any, int]:
        """What a call answers, and how often it read the record of a code in pyop's database."""
        codes = self.databases["authorization_code_db"].calls
        before = codes["read"]
        answer = call()
        return answer, codes["read"] - before

    def _count(self, kind: str) -> int:
        return sum(database.calls[kind] for database in self.databases.values())


@pytest.fixture
def deployment(signing_key: RSAKey, adopt: Adopt, tmp_path: Any) -> Deployment:
    return Deployment(signing_key, adopt, f"sqlite:{tmp_path}/adopted.db")


def test_no_request_looks_through_all_users(deployment: Deployment) -> None:
    """Speed: pyop does at each authorization, exchange and userinfo, and more than once."""
    for provider, scans in ((deployment.plain, True), (deployment.ours, False)):
        app = Client(provider)
        code, authorizing = deployment.scans(app.authorize)
        tokens, exchanging = deployment.scans(lambda app=app, code=code: app.exchange(code))
        _, asking = deployment.scans(lambda app=app, tokens=tokens: app.userinfo(tokens["access_token"]))
        assert [count > 0 for count in (authorizing, exchanging, asking)] == [scans] * 3


def test_nor_does_what_pyop_issued(deployment: Deployment) -> None:
    """Speed: a code and tokens from before the switch are found by the indexes of ours too."""
    app, ours = deployment.earlier, deployment.ours
    access_token, refresh_token = (deployment.earlier_tokens[f"{kind}_token"] for kind in ("access", "refresh"))
    for call in (
        lambda: app.exchange(deployment.earlier_code, ours),
        lambda: app.userinfo(access_token, ours),
        lambda: app.refresh(refresh_token, ours),
    ):
        assert deployment.scans(call)[1] == 0


def test_a_logout_looks_through_nothing(deployment: Deployment) -> None:
    """Speed: pyop through subjects, codes and tokens."""
    for provider, scans in ((deployment.plain, 3), (deployment.ours, 0)):
        app = Client(provider)
        subject = app.userinfo(app.log_in()["access_token"])["sub"]
        _, count = deployment.scans(lambda provider=provider, subject=subject: provider.logout_user(subject))
        assert count == scans


def test_a_code_is_read_a_few_times(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    """Speed: pyop reads its record for each thing that it wants to know of it."""
    app = Client(deployment.plain)
    code = app.authorize()
    _, reads = deployment.code_reads(lambda: app.exchange(code))
    assert reads >= 6

    ours, own = Client(deployment.ours), Counter[str]()
    for name in ("get", "get_kept"):
        monkeypatch.setattr(deployment.ours.store, name, counted(own, getattr(deployment.ours.store, name)))
    code = ours.authorize()
    own.clear()
    _, reads = deployment.code_reads(lambda: ours.exchange(code))
    assert reads == 0
    assert own["authorization_codes"] == 1
    _, reads = deployment.code_reads(lambda: deployment.earlier.exchange(deployment.earlier_code, deployment.ours))
    assert reads == 1


def counted(counter: Counter[str], call: Callable[..., Any]) -> Callable[..., Any]:
    def counting(collection: Any, key: str) -> Any:
        counter[collection.name] += 1
        return call(collection, key)

    return counting


@pytest.fixture
def signatures(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Where the key of each signature comes from that jwkest or joserfc makes."""
    made: list[str] = []
    for kind in (jwkest.jws.RSASigner, type(JWSRegistry.algorithms["RS256"])):
        monkeypatch.setattr(kind, "sign", noted(made, kind.sign))
    return made


def noted(made: list[str], sign: Callable[..., Any]) -> Callable[..., Any]:
    def signing(self: Any, message: bytes, key: Any) -> Any:
        made.append(type(getattr(key, "raw_value", key)).__module__.partition(".")[0])
        return sign(self, message, key)

    return signing


def test_openssl_signs(plain: Provider, ours: OpenIDProvider, signatures: list[str]) -> None:
    """Speed: one RS256 signature takes pycryptodome 2.6 ms, and `cryptography` 0.5 ms."""
    assert Client(plain).log_in()["id_token"]
    assert signatures == ["Cryptodome"]
    signatures.clear()
    assert Client(ours).log_in()["id_token"]
    assert signatures == ["cryptography"]


def test_an_authorization_request_copies_no_metadata(
    plain: Provider, ours: OpenIDProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Speed: pyop copies all of it to look at the scopes."""
    copies: list[Any] = []
    deepcopy = copy.deepcopy

    def copying(thing: Any, *rest: Any) -> Any:
        copies.append(thing)
        return deepcopy(thing, *rest)

    monkeypatch.setattr(pyop.provider.copy, "deepcopy", copying)
    for provider, count in ((plain, 1), (ours, 0)):
        copies.clear()
        provider.parse_authentication_request(Client(provider).request())
        assert sum(thing is provider.configuration_information for thing in copies) == count


def test_pyop_is_imported_once_and_before_anybody_waits() -> None:
    """Speed: `import pyop.provider` takes time and memory. What subclasses it has to; no request does it."""
    program = "import sys, creance.provider; print('pyop.provider' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stdout == b"True\n"
