"""The executor of the training pod, against real sockets on loopback."""

import gzip
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from labelloop.label_studio import (
    AnswerTooLarge,
    Credentials,
    NotLabelStudio,
    Operation,
    Request,
    Response,
    Unreachable,
)
from labelloop.label_studio.client import LabelStudioClient
from labelloop.label_studio.responses import read_object

Answer = Callable[["Handler"], None]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "Server"

    def handle_any(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        self.body = self.rfile.read(length)
        self.server.seen.append(self)
        self.server.answer(self)

    do_GET = do_POST = do_PATCH = do_DELETE = handle_any  # noqa: N815

    def reply(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def hang_up(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        return


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, answer: Answer) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answer = answer
        self.seen: list[Handler] = []
        self.url = f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request: object, client_address: object) -> None:
        return  # clients that hang up are part of these tests


@pytest.fixture
def serve() -> Iterator[Callable[[Answer], Server]]:
    servers: list[Server] = []

    def start(answer: Answer) -> Server:
        servers.append(Server(answer))
        threading.Thread(target=servers[-1].serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return servers[-1]

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def ask(method: str = "GET", timeout: float = 10.0, limit: int = 1000, **more: object) -> Operation[Response]:
    return (yield Request(method, "/api/x", timeout=timeout, limit=limit, **more))  # type: ignore[arg-type]


def client(url: str, ca: bytes | None = None) -> LabelStudioClient:
    return LabelStudioClient(Credentials(url, "secret-token", ca))


def test_requests_arrive_as_they_were_made(serve: Callable[[Answer], Server]) -> None:
    server = serve(lambda handler: handler.reply(201, b'{"a": 1}', Content_Type="application/json", X_More="yes"))
    with client(server.url) as opened:
        found = opened.run(ask("POST", query=(("q", 'a&b="ü"'), ("q", "2")), json={"text": "ü", "n": None}))
    (seen,) = server.seen
    assert (seen.command, urlsplit(seen.path).path) == ("POST", "/api/x")
    assert parse_qsl(urlsplit(seen.path).query) == [("q", 'a&b="ü"'), ("q", "2")]
    assert json.loads(seen.body) == {"text": "ü", "n": None}
    assert (seen.headers["Authorization"], seen.headers["Content-Type"]) == ("Token secret-token", "application/json")
    assert (found.status, found.body, found.headers["x-more"], found.url) == (
        201,
        b'{"a": 1}',
        "yes",
        f"{server.url}/api/x",
    )


def test_the_environment_does_not_redirect_or_authenticate(
    serve: Callable[[Answer], Server], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login other password other\n")
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    server = serve(lambda handler: handler.reply(200, b"{}"))
    assert client(server.url).run(ask()).status == 200
    assert server.seen[0].headers["Authorization"] == "Token secret-token"


def test_redirects_are_not_followed_and_the_token_goes_nowhere_else(serve: Callable[[Answer], Server]) -> None:
    other = serve(lambda handler: handler.reply(200, b"{}"))
    server = serve(lambda handler: handler.reply(302, Location=f"{other.url}/api/x"))

    def read() -> Operation[object]:
        return read_object((yield Request("GET", "/api/x")), "project 7")

    with pytest.raises(NotLabelStudio, match="redirects to"):
        client(server.url).run(read())
    assert other.seen == []


@pytest.mark.parametrize("compressed", [False, True])
def test_answers_are_read_up_to_the_limit(serve: Callable[[Answer], Server], compressed: bool) -> None:
    body = b'{"a": "' + b"x" * 10_000_000 + b'"}'
    headers = {"Content_Encoding": "gzip"} if compressed else {}
    server = serve(lambda handler: handler.reply(200, gzip.compress(body) if compressed else body, **headers))
    found = client(server.url).run(ask())
    assert (len(found.body), found.complete) == (1000, False)
    with pytest.raises(AnswerTooLarge):
        read_object(found, "it")
    exact = serve(lambda handler: handler.reply(200, b"x" * 1000))
    assert client(exact.url).run(ask()).complete


def test_no_answer_in_time(serve: Callable[[Answer], Server]) -> None:
    release = threading.Event()
    server = serve(lambda handler: release.wait(30) and None)
    try:
        with pytest.raises(Unreachable, match="no answer in time"):
            client(server.url).run(ask(timeout=0.2))
    finally:
        release.set()


def test_an_answer_in_drops_is_cut_off(serve: Callable[[Answer], Server]) -> None:
    stop = threading.Event()

    def drip(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000000")
        handler.end_headers()
        while not stop.wait(0.02):
            handler.wfile.write(b"x" * 100)

    server = serve(drip)
    try:
        with pytest.raises(Unreachable, match="no answer in time"):  # each drop comes in time, all would take minutes
            client(server.url).run(ask(timeout=0.5, limit=1_000_000))
    finally:
        stop.set()


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def test_nobody_listens() -> None:
    with pytest.raises(Unreachable, match="refused"):
        client(f"http://127.0.0.1:{closed_port()}").run(ask())


def test_a_name_that_does_not_resolve(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*args: object, **more: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(Unreachable, match=r"http://label-studio\.nowhere/api/x.*does not resolve"):
        client("http://label-studio.nowhere").run(ask())


def test_a_name_that_cannot_be_one() -> None:
    with pytest.raises(Unreachable, match="does not resolve"):
        client(f"http://{'a' * 70}.example").run(ask())


def test_tls_to_a_server_without(serve: Callable[[Answer], Server]) -> None:
    server = serve(lambda handler: handler.reply(200))
    with pytest.raises(Unreachable, match="TLS"):
        client(server.url.replace("http:", "https:")).run(ask())


def test_a_connection_that_breaks(serve: Callable[[Answer], Server]) -> None:
    server = serve(lambda handler: handler.hang_up())
    with pytest.raises(Unreachable, match="the connection broke"):
        client(server.url).run(ask("POST", json={}))
    assert len(server.seen) == 1  # a POST that may have done its work is not repeated


@pytest.mark.parametrize("chunked", [False, True])
def test_an_answer_that_ends_too_early(serve: Callable[[Answer], Server], chunked: bool) -> None:
    def cut(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header(*(("Transfer-Encoding", "chunked") if chunked else ("Content-Length", "100")))
        handler.end_headers()
        handler.wfile.write(b'5\r\n{"a":\r\n' if chunked else b'{"a":')
        handler.hang_up()

    with pytest.raises(Unreachable, match="the connection broke"):
        client(serve(cut).url).run(ask())


def test_chunked_answers_are_read(serve: Callable[[Answer], Server]) -> None:
    def chunks(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        handler.wfile.write(b'3\r\n{"a\r\n4\r\n": 1\r\n1\r\n}\r\n0\r\n\r\n')

    assert client(serve(chunks).url).run(ask()).body == b'{"a": 1}'


def test_a_get_on_a_connection_closed_while_idle_is_asked_again(serve: Callable[[Answer], Server]) -> None:
    def close_first(handler: Handler) -> None:
        if len(server.seen) == 1:
            handler.hang_up()
        else:
            handler.reply(200, b"{}")

    server = serve(close_first)
    assert client(server.url).run(ask()).status == 200


def self_signed() -> tuple[bytes, bytes]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return certificate.public_bytes(serialization.Encoding.PEM), private


def test_a_private_certificate_needs_its_ca(serve: Callable[[Answer], Server], tmp_path: Path) -> None:
    certificate, private = self_signed()
    (tmp_path / "tls.pem").write_bytes(certificate + private)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "tls.pem")
    server = serve(lambda handler: handler.reply(200, b"{}"))
    server.socket = context.wrap_socket(server.socket, server_side=True)
    url = f"https://localhost:{server.server_port}"
    assert client(url, certificate).run(ask()).status == 200
    with pytest.raises(Unreachable, match=r"TLS connection failed.*ca\.crt"):
        client(url).run(ask())
