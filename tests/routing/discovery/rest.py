"""A REST API that answers as Patroni's, or as a test wants it to."""

from __future__ import annotations

import datetime
import http.server
import ipaddress
import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

__all__ = ["Certificates", "Rest", "certificates", "rest"]


@dataclass
class Rest:
    """One member's REST API.

    Args:
        answer: what it says; text is sent as it is.
        status: with which status.
    """

    answer: Any = None
    status: int = 200
    address: str = ""
    requests: list[dict[str, str]] = field(default_factory=list)


@dataclass(frozen=True)
class Certificates:
    """A certificate for 127.0.0.1, signed by itself, with its key.

    Args:
        certificate: its file.
        key: the key's.
    """

    certificate: Path
    key: Path


@contextmanager
def rest(answer: Any, tls: Certificates | None = None) -> Iterator[Rest]:
    """A REST API on loopback.

    Args:
        answer: what it says.
        tls: its certificate; it then wants one of its clients, signed by the same.
    """
    api = Rest(answer)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            api.requests.append({"path": self.path, **{key.lower(): value for key, value in self.headers.items()}})
            text = api.answer if isinstance(api.answer, str) else json.dumps(api.answer)
            self.send_response(api.status)
            self.send_header("Location", "/elsewhere")
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: object) -> None:
            pass

    class Server(http.server.ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            pass  # a client that went away, or was not let in

    server = Server(("127.0.0.1", 0), Handler)
    if tls is not None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(tls.certificate))
        context.load_cert_chain(str(tls.certificate), str(tls.key))
        context.verify_mode = ssl.CERT_REQUIRED
        server.socket = context.wrap_socket(server.socket, server_side=True)
    api.address = f"{'http' if tls is None else 'https'}://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=lambda: server.serve_forever(0.01), daemon=True)
    thread.start()
    try:
        yield api
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def certificates(folder: Path) -> Certificates:
    """Make a certificate that is good for an hour."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "patroni")])
    now = datetime.datetime.now(datetime.UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    files = Certificates(folder / "patroni.crt", folder / "patroni.key")
    files.certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    files.key.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain))
    return files
