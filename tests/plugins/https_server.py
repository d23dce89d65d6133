"""A web server of somebody else's, with a certificate of an authority of its own: what a provider may be made to fetch
from.
"""

from __future__ import annotations

import datetime
import ipaddress
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

NAMES = ("localhost", "rebound.example")
ADDRESSES = ("127.0.0.1", "127.0.0.2", "127.0.0.3")

Answer = Callable[[BaseHTTPRequestHandler], None]


class HTTPSServer:
    """Answers what a test says; `asked` has the paths that were asked for, and `connections` who came at all."""

    def __init__(self, port: int, certificate: Path) -> None:
        self.port = port
        self.certificate = certificate
        """The authority's, in PEM: for SSL_CERT_FILE."""
        self.answers: dict[str, Answer] = {}
        self.asked: list[str] = []
        self.connections = 0

    def url(self, path: str = "/sector.json", host: str = "localhost") -> str:
        return f"https://{host}:{self.port}{path}"

    def gives(self, content: bytes, path: str = "/sector.json", status: int = 200, **headers: str) -> str:
        """The URL at which this is answered from now on."""

        def answer(handler: BaseHTTPRequestHandler) -> None:
            handler.send_response(status)
            for name, value in {"Content-Length": str(len(content)), **headers}.items():
                handler.send_header(name, value)
            handler.end_headers()
            handler.wfile.write(content)

        self.answers[path] = answer
        return self.url(path)


@contextmanager
def https_server(folder: Path, address: str = "127.0.0.1", port: int = 0) -> Iterator[HTTPSServer]:
    """Its certificate is in `folder`, and the same for all servers there."""
    certificate, key = _certificate(folder)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            running.asked.append(self.path)
            running.answers[self.path](self)

        def log_message(self, *_: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def get_request(self) -> Any:
            connection, peer = super().get_request()
            running.connections += 1
            return context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False), peer

        def handle_error(self, *_: Any) -> None:
            """A client that does not like us is no defect."""

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with Server((address, port), Handler) as server:
        running = HTTPSServer(server.server_port, certificate)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        try:
            yield running
        finally:
            server.shutdown()


def _certificate(folder: Path) -> tuple[Path, Path]:
    certificate_file, key_file = folder / "certificate.pem", folder / "key.pem"
    if certificate_file.exists():
        return certificate_file, key_file
    folder.mkdir(parents=True, exist_ok=True)
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = datetime.datetime.now(datetime.UTC)
    names = [x509.DNSName(each) for each in NAMES] + [x509.IPAddress(ipaddress.ip_address(each)) for each in ADDRESSES]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    key_file.write_bytes(private)
    return certificate_file, key_file
