"""A real registry (Debian's docker-registry) on loopback, for tests."""

import base64
import datetime
import ipaddress
import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from tests.support.ports import free_port
from tests.support.waiting import PATIENCE, eventually
from tools.images.debian import ensure_programs

USER, PASSWORD = "pusher", "secret"
# The registry reads bcrypt only (cost 4: quick), which no library of ours makes.
HTPASSWD = f"{USER}:$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW\n"

_ENVIRONMENT = {"OTEL_TRACES_EXPORTER": "none", "PATH": "/usr/bin"}


@dataclass(frozen=True)
class Registry:
    """A running registry."""

    host: str
    certificates: Path | None = None
    configuration: Path | None = None

    def collect_garbage(self) -> None:
        """Remove blobs that no manifest uses, as its keeper does now and then."""
        command = ["docker-registry", "garbage-collect", str(self.configuration)]
        subprocess.run(command, check=True, capture_output=True, env=_ENVIRONMENT)

    def docker_config(self, user: str = USER, password: str = PASSWORD) -> bytes:
        """A config.json with credentials for it."""
        auth = base64.b64encode(f"{user}:{password}".encode()).decode()
        return json.dumps({"auths": {f"https://{self.host}": {"auth": auth}}}).encode()


@contextmanager
def docker_registry(
    folder: Path, *, secured: bool = False, deletes: bool = False, read_only: bool = False
) -> Iterator[Registry]:
    """Run a registry whose state is in `folder`.

    secured: with TLS and a password; deletes: what is asked to be; read_only: while its keeper works on it.
    """
    ensure_programs({"docker-registry": "docker-registry"})
    port = free_port()
    http: dict[str, object] = {"addr": f"127.0.0.1:{port}"}
    configuration: dict[str, object] = {
        "version": "0.1",
        "log": {"level": "warn", "accesslog": {"disabled": True}},
        "storage": {
            "filesystem": {"rootdirectory": str(folder / "data")},
            "delete": {"enabled": deletes},
            "maintenance": {"readonly": {"enabled": read_only}},
        },
        "http": http,
    }
    certificates = None
    if secured:
        certificates, key = make_certificate(folder)
        http["tls"] = {"certificate": str(certificates), "key": str(key)}
        (folder / "htpasswd").write_text(HTPASSWD)
        configuration["auth"] = {"htpasswd": {"realm": "test", "path": str(folder / "htpasswd")}}
    (folder / "registry.yml").write_text(json.dumps(configuration))  # JSON is YAML
    with (folder / "registry.log").open("wb") as log:
        command = ["docker-registry", "serve", str(folder / "registry.yml")]
        process = subprocess.Popen(command, stdout=log, stderr=log, env=_ENVIRONMENT)
    try:
        address = f"{'https' if secured else 'http'}://127.0.0.1:{port}/v2/"
        session = requests.Session()
        session.trust_env = False

        def answers() -> bool:
            if process.poll() is not None:
                raise RuntimeError(f"the registry ended: {(folder / 'registry.log').read_text()}")
            try:
                return session.get(address, timeout=10, verify=str(certificates or True)).status_code in (200, 401)
            except requests.RequestException:
                return False

        eventually(answers, PATIENCE, "the registry answers", interval=0.02)
        yield Registry(f"127.0.0.1:{port}", certificates, folder / "registry.yml")
    finally:
        process.kill()
        process.wait()


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """A self-signed certificate for 127.0.0.1 and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "registry")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "registry.crt", folder / "registry.key"
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        )
    )
    return paths
