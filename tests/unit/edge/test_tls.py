"""The edge with a certificate: TLS 1.3, and nothing less, on the port that callers reach."""

import asyncio
import contextlib
import datetime
import ipaddress
import os
import socket
import ssl
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from reserve.operate.edge.configuration import IDLE_S
from reserve.operate.migrate import ROOT
from tests.kernel.stage import free_port
from tests.waiting import HANGS_AFTER_S, until


def certificate(folder: Path) -> tuple[Path, Path]:
    """Of 127.0.0.1, signed by itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "reserve")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (chain := folder / "edge.crt").write_bytes(made.public_bytes(pem))
    (private := folder / "edge.pem").write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    private.chmod(0o600)
    return chain, private


@pytest.fixture
async def port(tmp_path: Path) -> AsyncIterator[int]:
    chain, private = certificate(tmp_path)
    port = free_port()
    environment = os.environ | {
        "RESERVE_DATA_DIR": str(tmp_path / "data"),
        "RESERVE_SERVICE_URLS": '{"inventory": "http://127.0.0.1:9"}',
        "RESERVE_INTERNAL_PORT": str(free_port()),
        "RESERVE_ISSUER": "https://issuer.example",
        "RESERVE_JWKS_URL": "http://127.0.0.1:9/jwks.json",
        "RESERVE_TLS_CERTIFICATE": str(chain),
        "RESERVE_TLS_KEY": str(private),
    }
    (tmp_path / "data").mkdir()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "reserve", "serve", "edge", "--port", str(port), env=environment, cwd=ROOT
    )

    async def listens() -> bool:
        assert process.returncode is None
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return True
        return False

    try:
        await until(listens)
        yield port
    finally:
        process.terminate()
        await process.wait()


async def test_the_edge_with_a_certificate_speaks_tls_1_3_and_nothing_less(port: int, tmp_path: Path) -> None:
    trusted = ssl.create_default_context(cafile=str(tmp_path / "edge.crt"))
    async with httpx.AsyncClient(base_url=f"https://127.0.0.1:{port}", verify=trusted) as http:
        answer = await http.get("/livez")
    assert answer.status_code == 200
    assert answer.headers["strict-transport-security"].startswith("max-age=")
    trusted.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(ssl.SSLError):
        await asyncio.open_connection("127.0.0.1", port, ssl=trusted)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /livez HTTP/1.1\r\nhost: a\r\n\r\n")
    assert not (await reader.read()).startswith(b"HTTP")
    writer.close()
    # A handshake that never comes, and one that stops after its first bytes: both are given up long before who is merely idle.
    silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
    silent[1][1].write(b"\x16\x03\x01\x02\x00\x01")
    began = time.monotonic()
    for reader, writer in silent:
        assert await asyncio.wait_for(reader.read(), HANGS_AFTER_S) == b""
        writer.close()
    assert time.monotonic() - began < IDLE_S / 2
