"""What the ledger makes of a witness's answers: it is a stranger's program, and may say anything, or never end."""

import asyncio
import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from prometheus_client import REGISTRY

from services.ledger.publishing import witness_client
from services.ledger.publishing.witness_client import MAX_ANSWER_BYTES, Published, WitnessAhead, WitnessClient
from services.ledger.signers import create_key_file
from shared.proofs.checkpoint import Checkpoint, TreeHead, sign_checkpoint
from shared.proofs.cosignature import Cosigner
from shared.proofs.merkle import hash_leaf, root_of
from shared.proofs.policy import PolicyWitness
from shared.proofs.signed_note import Note, verifier_key
from shared.proofs.submission import SIZE_TYPE, Submission
from shared.tls import trusted

LEAVES = [hash_leaf(bytes([number])) for number in range(8)]
HEAD = TreeHead(len(LEAVES), root_of(LEAVES))


class _Log:
    """Before a witness whose cosigner is `tokyo`."""

    def __init__(self, folder: Path) -> None:
        self.signer = create_key_file(folder / "log.pem")
        self.key = verifier_key("reserve.localhost/ledger/1", self.signer)
        self.tokyo = Cosigner("witness.example/tokyo", Ed25519PrivateKey.generate())
        self.published = Published(self.key.name, HEAD, note=self.note(HEAD))

    def note(self, head: TreeHead) -> str:
        return sign_checkpoint(Checkpoint(self.key.name, head), self.signer)

    @property
    def cosigned(self) -> bytes:
        return Note("", (self.tokyo.cosign(self.published, 1_790_000_000),)).signature_lines.encode()

    def client(self, http: httpx.AsyncClient, url: str) -> WitnessClient:
        def root(size: int) -> bytes | None:
            return HEAD.root if size == HEAD.size else None

        return WitnessClient(http, url, [PolicyWitness("tokyo", self.tokyo.key)], self.key, lambda old, size: [bytes(32)], root)


@pytest.fixture
def log(tmp_path: Path) -> _Log:
    return _Log(tmp_path)


@asynccontextmanager
async def a_witness(log: _Log, *answers: bytes, then: bytes = b"") -> AsyncIterator[tuple[WitnessClient, list[str]]]:
    """One that gives these answers, each on a connection of its own, and what it was sent. `then`: said without end after the last."""
    bodies: list[str] = []
    coming = iter(answers)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
            bodies.append((await reader.readexactly(int(length or b"0"))).decode())
            writer.write(next(coming, b""))
            while then:
                writer.write(then)
                await writer.drain()
                await asyncio.sleep(0)
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server, httpx.AsyncClient(verify=trusted()) as http:
        yield log.client(http, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"), bodies


def http_answer(status: int, body: bytes = b"", content_type: str = "text/plain", extra: str = "") -> bytes:
    head = f"HTTP/1.1 {status} So\r\ncontent-type: {content_type}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n{extra}\r\n"
    return head.encode() + body


def refusals() -> float:
    return REGISTRY.get_sample_value("reserve_ledger_witness_refusals_total", {"witness": "tokyo"}) or 0.0


async def test_a_cosignature_is_taken_and_a_size_that_is_behind_is_submitted_again_from_there(log: _Log) -> None:
    async with a_witness(log, http_answer(409, b"3\n", SIZE_TYPE), http_answer(200, log.cosigned)) as (witness, bodies):
        assert set(await witness.cosign(log.published)) == {"tokyo"}
    first, second = (Submission.parsed(body.encode()) for body in bodies)
    assert (first.old_size, first.proof, second.old_size, len(second.proof)) == (0, (), 3, 1)


@pytest.mark.parametrize("status", [400, 403, 404, 422])
async def test_what_it_refuses_alarms_and_is_looked_into(log: _Log, status: int) -> None:
    before, other = refusals(), log.note(TreeHead(5, bytes(32))).encode()
    async with a_witness(log, http_answer(status), http_answer(404)) as (witness, bodies):
        assert await witness.cosign(log.published) == {}
        assert not witness.ready, "it is asked again after a while"
    assert (refusals() - before, len(bodies)) == (1, 2)
    async with a_witness(log, http_answer(status), http_answer(200, other)) as (witness, _):
        with pytest.raises(WitnessAhead, match="5 leaves"):
            await witness.cosign(log.published)


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_one_that_cannot_just_now_is_away_and_no_alarm(log: _Log, status: int) -> None:
    before = refusals()
    async with a_witness(log, http_answer(status)) as (witness, _):
        assert await witness.cosign(log.published) == {}
        assert not witness.ready
    assert refusals() == before


async def test_an_answer_without_end_is_cut_at_its_limit(log: _Log) -> None:
    head = b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n"
    async with a_witness(log, head, head, then=b"x" * 4096) as (witness, _):
        assert await witness.cosign(log.published) == {}
        with pytest.raises(ValueError, match=f"more than {MAX_ANSWER_BYTES} bytes"):
            await witness.held()


async def test_one_that_sends_a_byte_now_and_then_is_away(log: _Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each byte comes in time, and the answer never does."""
    monkeypatch.setattr(witness_client, "ANSWERS_WITHIN_S", 0.2)
    monkeypatch.setattr(witness_client, "MAX_ANSWER_BYTES", 2**60)
    for said in (b"x", b"HTTP/1.1 102 Wait\r\n\r\n"):
        head = b"HTTP/1.1 200 OK\r\n\r\n" if said == b"x" else b""
        async with a_witness(log, head, then=said) as (witness, _):
            assert await witness.cosign(log.published) == {}
            assert not witness.ready


async def test_what_is_packed_is_not_unpacked_since_little_may_be_much(log: _Log) -> None:
    async with a_witness(log, http_answer(200, gzip.compress(log.cosigned), extra="content-encoding: gzip\r\n")) as (witness, _):
        assert await witness.cosign(log.published) == {}


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        http_answer(200),
        http_answer(200, b"\xff\xfe"),
        http_answer(200, "— witness.example/tokyo AAAA\n".encode()),
        http_answer(409, b"many\n", SIZE_TYPE),
        http_answer(302, extra="location: http://169.254.169.254/\r\n"),
    ],
    ids=lambda value: repr(value)[:40],
)
async def test_what_is_no_answer_cosigns_nothing_and_breaks_nothing(log: _Log, answer: bytes) -> None:
    async with a_witness(log, answer, answer, answer) as (witness, _):
        assert await witness.cosign(log.published) == {}
        await witness.look()
