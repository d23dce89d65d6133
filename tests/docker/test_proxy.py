"""docker/nginx.conf: what SECURITY.md asks of a proxy, shown with nginx itself."""

from __future__ import annotations

import re
import socket
import tomllib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
import requests
from creance.provider.settings import HTTPSettings
from creance.provider.testing import RelyingParty, RunningProvider
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ..polling import eventually
from .nginx import DOCKER, Nginx, Upstream

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    server = Upstream()
    yield server
    server.stop()


@pytest.fixture
def proxy(upstream: Upstream, tmp_path: Path) -> Iterator[Nginx]:
    """In front of one server, under both of the names."""
    nginx = Nginx(tmp_path, [upstream.port, upstream.port])
    nginx.start()
    yield nginx
    nginx.stop()


def url(proxy: Nginx, path: str) -> str:
    return f"http://127.0.0.1:{proxy.port}{path}"


def raw(proxy: Nginx, content: bytes) -> bytes:
    """What is answered to these bytes."""
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=30) as connection:
        connection.sendall(content)
        return connection.recv(65536)


# ----- What is written in it -----------------------------------------------------------------------------------------


def test_its_limits_are_those_of_the_provider() -> None:
    """What a provider would refuse does not reach it, and what it takes does."""
    text = (DOCKER / "nginx.conf").read_text("utf-8")
    sample = tomllib.loads((DOCKER.parent / "config" / "mongodb.toml").read_text("utf-8"))
    limits = HTTPSettings.model_validate(sample["http"])
    assert f"client_max_body_size {limits.body_limit // 1024}k;" in text
    (line,) = re.findall(r"large_client_header_buffers 4 (\d+)k;", text)
    assert int(line) * 1024 > limits.query_limit + 1024
    (idle,) = re.findall(r"(?m)^ +keepalive_timeout (\d+)s; +# sooner than http.idle_timeout", text)
    assert int(idle) < limits.idle_timeout
    assert set(re.findall(r"server creance-\d:(\d+) ", text)) == {limits.bind.rpartition(":")[2]}


@pytest.mark.parametrize("listen", ["listen-http.conf", "listen-https.conf"])
def test_nginx_understands_it_without_a_warning(listen: str, tmp_path: Path) -> None:
    make_certificate(tmp_path)
    said = Nginx(tmp_path, [1, 2], listen).check()
    assert "[warn]" not in said
    assert "creance-" not in (tmp_path / "nginx.conf").read_text().partition("upstream")[2]


# ----- What reaches a provider ---------------------------------------------------------------------------------------


def test_it_says_itself_where_a_request_is_from(proxy: Nginx, upstream: Upstream) -> None:
    """http.trusted_proxies: what a client says of itself is not passed on, nor what only looks like it."""
    said = {"X-Forwarded-For": "203.0.113.7", "X_Forwarded_For": "203.0.113.8", "X-Forwarded_For": "203.0.113.9"}
    assert requests.get(url(proxy, "/userinfo"), headers=said, timeout=30).text == "ok"
    ((_, headers, _),) = upstream.requests
    assert {name: value for name, value in headers.items() if "forwarded" in name.lower()} == {
        "X-Forwarded-For": "127.0.0.1"
    }


def test_a_request_is_passed_on_when_all_of_it_is_there(proxy: Nginx, upstream: Upstream) -> None:
    """SECURITY.md: buffer request bodies."""
    head = b"POST /token HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 11\r\n\r\n"
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=30) as slow:
        slow.sendall(head + b"grant")
        for _ in range(20):
            requests.get(url(proxy, "/jwks"), timeout=30)
        assert set(upstream.begun) == {"GET /jwks"}
        slow.sendall(b"_type=")
        assert slow.recv(1024).startswith(b"HTTP/1.1 200 ")
    assert upstream.requests[-1][2] == b"grant_type="


def test_a_body_in_chunks_gets_a_length(proxy: Nginx, upstream: Upstream) -> None:
    """The provider takes no body without one (RFC 9112 6.3)."""
    answer = requests.post(url(proxy, "/token"), data=iter([b"grant_", b"type=x"]), headers=FORM, timeout=30)
    assert answer.status_code == 200
    ((_, headers, body),) = upstream.requests
    assert (headers["Content-Length"], body) == ("12", b"grant_type=x")
    assert "Transfer-Encoding" not in headers


def test_what_is_too_large_does_not_get_there(proxy: Nginx, upstream: Upstream) -> None:
    assert requests.post(url(proxy, "/token"), data=b"x" * 65537, headers=FORM, timeout=30).status_code == 413
    assert requests.get(url(proxy, f"/authorize?{'x' * 30000}"), timeout=30).status_code == 414
    assert upstream.requests == []


def test_what_is_just_allowed_does(proxy: Nginx, upstream: Upstream) -> None:
    """Both ways: a redirect may carry the whole request in its URL."""
    upstream.answer_headers = {"Location": f"/auth/login?{'x' * 28000}"}
    query = "x" * HTTPSettings().query_limit
    answer = requests.get(url(proxy, f"/authorize?{query}"), timeout=30)
    assert answer.headers["Location"] == upstream.answer_headers["Location"]
    assert requests.post(url(proxy, "/token"), data=b"x" * 65536, headers=FORM, timeout=30).status_code == 200
    assert [len(body) for _, _, body in upstream.requests] == [0, 65536]


def test_one_address_has_only_so_many_requests_at_a_time(proxy: Nginx, upstream: Upstream) -> None:
    """SECURITY.md: limit connections per address."""
    upstream.go_on.clear()
    with ThreadPoolExecutor(50) as clients:
        answers = [clients.submit(requests.get, url(proxy, "/jwks"), timeout=60) for _ in range(50)]
        eventually(lambda: len(upstream.requests) == 50)
        assert requests.get(url(proxy, "/jwks"), timeout=30).status_code == 429
        upstream.go_on.set()
        assert {answer.result().status_code for answer in answers} == {200}
    assert requests.get(url(proxy, "/jwks"), timeout=30).status_code == 200


def test_a_token_request_is_never_sent_twice(proxy: Nginx, upstream: Upstream) -> None:
    """RFC 9110 9.2.2: who sends it again to another provider spends a code twice, and its tokens are revoked."""
    upstream.breaks_off = True
    assert requests.post(url(proxy, "/token"), data="code=x", headers=FORM, timeout=30).status_code == 502
    assert len(upstream.requests) == 1


def test_no_query_is_written_to_a_log(proxy: Nginx, upstream: Upstream) -> None:
    """What is in a URL may be a secret, and is somebody's: state, login_hint, id_token_hint."""
    requests.get(url(proxy, "/authorize?state=a-secret"), headers={"Referer": "http://x/?a-secret"}, timeout=30)
    upstream.breaks_off = True
    requests.get(url(proxy, "/authorize?state=a-secret"), timeout=30)
    raw(proxy, b"GET /authorize?state=a-secret HTTP/1.1\r\n\r\n")
    eventually(lambda: proxy.log().count("/authorize") == 3)
    assert '"GET /authorize" 200' in proxy.log()
    assert "a-secret" not in proxy.log()


# ----- With providers behind it --------------------------------------------------------------------------------------


@pytest.fixture
def deployment(tmp_path: Path) -> Iterator[tuple[Nginx, list[RunningProvider]]]:
    """Two providers on one store, behind the proxy."""
    folder = tmp_path / "proxy"
    folder.mkdir()
    one = RunningProvider(tmp_path / "one")
    two = RunningProvider(tmp_path / "two")
    store = tomllib.loads(one.configuration.read_text("utf-8"))["store"]["uri"]
    nginx = Nginx(folder, [one.port, two.port])
    for provider in (one, two):
        provider.environment |= {
            "CREANCE_ISSUER": f"http://localhost:{nginx.port}",
            "CREANCE_STORE__URI": store.replace("sqlite:", f"sqlite:{one.folder}/"),
            "CREANCE_HTTP__TRUSTED_PROXIES": '["127.0.0.1/32"]',
            "CREANCE_KEYS__SECRET_FILE": f"{tmp_path}/one/var/secret",
        }
    with one, two:
        nginx.start()
        yield nginx, [one, two]
        nginx.stop()


def test_people_log_in_and_out_through_it_whichever_provider_answers(
    deployment: tuple[Nginx, list[RunningProvider]],
) -> None:
    """Issue 5, outcome: a session made by one is honoured by all at once, whatever the size of a request."""
    proxy, providers = deployment
    app = RelyingParty(f"http://localhost:{proxy.port}", "app", secret="app-secret", scope="openid offline_access")
    for number in range(4):
        code = app.authorize(user="alice", state=f"{number}" * 2048)
        tokens = app.exchange(code)
        assert app.userinfo(tokens.access_token)["sub"]
        assert app.refresh(tokens.refresh_token).access_token
    asked = [{line["path"] for line in provider.log_lines() if line["event"] == "request"} for provider in providers]
    assert all({"/authorize", "/token"} <= paths for paths in asked)


def test_one_provider_is_enough(deployment: tuple[Nginx, list[RunningProvider]]) -> None:
    """One that is restarted is not missed, and soon used again."""
    proxy, (one, two) = deployment
    ask = {"data": {"grant_type": "client_credentials"}, "auth": ("service", "service-secret"), "timeout": 30}
    for gone in (one, two):
        gone.stop()
        answers = [requests.post(url(proxy, "/token"), **ask).status_code for _ in range(12)]
        assert answers == [200] * 12
        gone.start()
        eventually(partial(is_asked, gone, proxy))


def is_asked(provider: RunningProvider, proxy: Nginx) -> bool:
    """Whether the proxy sends requests there."""
    before = len(provider.log_lines())
    for _ in range(2):
        assert requests.get(url(proxy, "/openapi.json"), timeout=30).ok
    return len(provider.log_lines()) > before


def test_with_a_certificate_it_speaks_tls(upstream: Upstream, tmp_path: Path) -> None:
    make_certificate(tmp_path)
    proxy = Nginx(tmp_path, [upstream.port, upstream.port], "listen-https.conf")
    proxy.start()
    try:
        answer = requests.get(f"https://localhost:{proxy.port}/jwks", verify=tmp_path / "tls-certificate", timeout=30)
        assert answer.text == "ok"
    finally:
        proxy.stop()


def make_certificate(folder: Path) -> None:
    """For localhost, signed by itself, where compose.tls.yaml has the real one."""
    key, name = (
        ec.generate_private_key(ec.SECP256R1()),
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")]),
    )
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / "tls-certificate").write_bytes(certificate.public_bytes(pem))
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "tls-key").write_bytes(private)
