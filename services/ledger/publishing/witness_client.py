"""A witness, as the log sees it: it is sent checkpoints, and gives cosignatures. Source: c2sp.org/tlog-witness.

One that is away is asked again after a while, and delays nothing. What it refuses alarms: either it, or the log, is not what it should be.
It is a stranger's program: of its answers so much is read, and for so long, and no more.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence

import httpx
import msgspec
import structlog
from prometheus_client import Counter, Gauge

from shared.proofs.checkpoint import Checkpoint, TreeHead, open_checkpoint
from shared.proofs.encoding import decode_decimal
from shared.proofs.policy import PolicyWitness, cosigned_by
from shared.proofs.signed_note import NoteUnverified, Signature, SignatureWrong, VerifierKey, parse_note
from shared.proofs.submission import SIZE_TYPE, Submission, origin_hash

log = structlog.get_logger()

cosigned_time = Gauge("reserve_ledger_witness_timestamp_seconds", "When a witness last cosigned a checkpoint", ["witness"])
refused = Counter("reserve_ledger_witness_refusals_total", "Checkpoints that a witness refused to cosign", ["witness"])

CONNECTED_WITHIN_S = 2.0
ANSWERS_WITHIN_S = 10.0  # the whole of it, be it sent a byte at a time
MAX_ANSWER_BYTES = 256 * 1024
FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 30.0
_TURNS = 3  # another may submit to the same witness, so that its size has moved on


class Published(Checkpoint, frozen=True):
    """A checkpoint with the log's signatures. `note`: the signed note."""

    note: str = ""


class _Answer(msgspec.Struct, frozen=True):
    status: int
    content_type: str | None
    text: str


class WitnessAhead(Exception):
    """A witness holds a checkpoint that the log's key signed, and that the log of now does not go on from."""


class WitnessClient:
    """`members`: its keys in the policy. `proof_from`: the consistency proof from a size to a checkpoint's; `root_of`: of the log's first
    leaves, None where it has fewer."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        url: str,
        members: Sequence[PolicyWitness],
        log_key: VerifierKey,
        proof_from: Callable[[int, int], Sequence[bytes]],
        root_of: Callable[[int], bytes | None],
    ) -> None:
        self.url = url
        self._http = http
        self._members = members
        self._key = log_key
        self._proof_from = proof_from
        self._root_of = root_of
        self._name = ", ".join(member.name for member in members)
        refused.labels(self._name)  # there from the start, at zero
        cosigned_time.labels(self._name).set_to_current_time()  # one that never answers has been away since now
        self._size = 0  # of what it has cosigned last, as far as is known here
        self._busy = False
        self._failures = 0
        self._again_at = 0.0

    @property
    def ready(self) -> bool:
        return not self._busy and time.monotonic() >= self._again_at

    async def cosign(self, published: Published) -> Mapping[str, Signature]:
        """Its cosignatures by the names of its keys in the policy; none where it is away, or refuses. Raises WitnessAhead."""
        self._busy = True
        try:
            found = await self._submit(published)
        except (httpx.HTTPError, TimeoutError, ValueError, NoteUnverified) as error:
            log.warning("witness_does_not_cosign", witness=self._name, error=repr(error))
            found = {}
        finally:
            self._busy = False
        if found:
            self._failures = 0
            cosigned_time.labels(self._name).set_to_current_time()
        else:
            self._again_at = time.monotonic() + min(LONGEST_WAIT_S, FIRST_WAIT_S * 2**self._failures)
            self._failures = min(self._failures + 1, 16)
        return found

    async def held(self) -> TreeHead | None:
        """What it shows that it has cosigned last; None if nothing. Raises httpx.HTTPError, TimeoutError, ValueError, NoteUnverified: it is
        not the log's."""
        answer = await self._ask("GET", f"{origin_hash(self._key.name)}/checkpoint")
        if answer.status == httpx.codes.NOT_FOUND:
            return None
        if answer.status != httpx.codes.OK:
            raise ValueError(f"it answers {answer.status}")
        return open_checkpoint(answer.text, [self._key]).head

    async def look(self) -> None:
        """Raises WitnessAhead if what it shows is not of the log of now; a witness that is away shows nothing."""
        try:
            held = await self.held()
        except (httpx.HTTPError, TimeoutError, ValueError, NoteUnverified) as error:
            log.warning("witness_shows_nothing", witness=self._name, error=repr(error))
            return
        if held is not None and self._root_of(held.size) != held.root:
            raise WitnessAhead(f"{self._name} has cosigned a log of {held.size} leaves under this key, which this one does not go on from")

    async def _submit(self, published: Published) -> Mapping[str, Signature]:
        for _ in range(_TURNS):
            size = published.head.size
            proof = () if self._size in (0, size) else self._proof_from(self._size, size)
            body = str(Submission(self._size, tuple(proof), published.note))
            answer = await self._ask("POST", "add-checkpoint", body.encode())
            if answer.status == httpx.codes.OK:
                found = self._verified(published, answer)
                self._size = size
                return found
            if answer.status >= httpx.codes.INTERNAL_SERVER_ERROR or answer.status == httpx.codes.TOO_MANY_REQUESTS:
                raise ValueError(f"it answers {answer.status}")
            size_of_its = _size_in(answer)
            if size_of_its is None or size_of_its > size:
                await self._refused(answer)
                return {}
            self._size = size_of_its
        return {}

    async def _ask(self, method: str, path: str, content: bytes = b"") -> _Answer:
        """Raises httpx.HTTPError, TimeoutError, ValueError: it says too much, or what is no text."""
        plain = {"Accept-Encoding": "identity"}  # and whatever it does send is not unpacked: little may be much
        async with (
            asyncio.timeout(ANSWERS_WITHIN_S),
            self._http.stream(method, f"{self.url}/{path}", content=content, headers=plain) as answer,
        ):
            body = bytearray()
            async for piece in answer.aiter_raw():
                if len(body) + len(piece) > MAX_ANSWER_BYTES:
                    raise ValueError(f"an answer of more than {MAX_ANSWER_BYTES} bytes")
                body += piece
        return _Answer(answer.status_code, answer.headers.get("content-type"), body.decode())

    async def _refused(self, answer: _Answer) -> None:
        refused.labels(self._name).inc()
        log.error("witness_refuses", witness=self._name, status=answer.status, says=answer.text[:200])
        await self.look()

    def _verified(self, published: Published, answer: _Answer) -> Mapping[str, Signature]:
        found = cosigned_by(self._members, published, parse_note(f"{published.text}\n{answer.text}").signatures)
        if not found:
            raise SignatureWrong("it gave no cosignature of a key that the policy names")
        return {name: line for name, (line, _) in found.items()}


def _size_in(answer: _Answer) -> int | None:
    """What it has cosigned last, where it says that this is another size than was submitted."""
    if answer.status != httpx.codes.CONFLICT or answer.content_type != SIZE_TYPE:
        return None
    return decode_decimal(answer.text.removesuffix("\n"))
