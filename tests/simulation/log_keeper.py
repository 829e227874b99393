"""The ledger's signing task on simulated tables: what `services.ledger.log` does, without tiles."""

import asyncio
from collections.abc import Callable
from datetime import date
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.ledger.domain.log import STREAM, RecordCheckpoint
from shared.journal.protocol import Unreachable
from shared.proofs.checkpoint import Checkpoint, TreeHead, sign_checkpoint
from shared.proofs.merkle import hash_leaf, hash_node, root_at
from shared.proofs.signed_note import VerifierKey, verifier_key
from shared.writer.commands import Context, Overloaded, Unavailable
from shared.writer.writer import Writer
from tests.simulation.sim_journal import SimJournal
from tests.simulation.tables import LedgerTables

ORIGIN = "simulation.example/log"
POLL_SECONDS = 0.4


class _Signer:
    def __init__(self) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(sha256(b"the log's key").digest())
        self.public_key = self._key.public_key().public_bytes_raw()

    def sign(self, message: bytes) -> bytes:
        return self._key.sign(message)


SIGNER = _Signer()
LOG_KEY: VerifierKey = verifier_key(ORIGIN, SIGNER)


class LogKeeper:
    def __init__(self, journal: SimJournal, writer: Writer, today: Callable[[], date]) -> None:
        self.journal = journal
        self.tables: LedgerTables = journal.store.tables
        self.writer = writer
        self.today = today
        self._nodes: list[list[bytes]] = [[]]  # the tree's, by height
        self._covers: dict[str, int] = {}

    async def run(self) -> None:
        while True:
            try:
                async with self.journal.lead("log") as lead:
                    if lead is not None:
                        await self._sign_for_ever()
            except (Unreachable, Unavailable, Overloaded) as error:
                self.journal.process.note(f"the log starts again: {error}")
            await asyncio.sleep(POLL_SECONDS)

    async def _sign_for_ever(self) -> None:
        while True:
            await self.journal.heads()  # the look at the tables: a round trip that may fail
            signed = self.tables.checkpoints[-1].size if self.tables.checkpoints else 0
            if signed < len(self.tables.entries) and not await self._sign():
                return
            await asyncio.sleep(POLL_SECONDS)

    async def _sign(self) -> bool:
        """False: another process has signed as much."""
        for entry in self.tables.entries[len(self._nodes[0]) :]:
            self._add(hash_leaf(entry.leaf))
            self._covers[f"{entry.source}/{entry.shard}"] = entry.position
        size, last = len(self._nodes[0]), self.tables.entries[-1]
        head = TreeHead(size, root_at(lambda height, index: self._nodes[height][index], size))
        context = Context(
            command_id=sha256(f"checkpoint/{head.size}".encode()).digest(),
            actor="service:ledger",
            correlation_id=last.correlation_id,
            causation_id=last.place,
            effective_on=self.today().isoformat(),
        )
        note = sign_checkpoint(Checkpoint(ORIGIN, head), SIGNER)
        command = RecordCheckpoint(size=head.size, root=head.root.hex(), note=note, covers=dict(sorted(self._covers.items())))
        answer = await self.writer.submit(STREAM, command, context)
        return bool(answer.facts)  # type: ignore[union-attr]

    def _add(self, node: bytes) -> None:
        for nodes in self._nodes:
            nodes.append(node)
            if len(nodes) % 2:
                return
            node = hash_node(*nodes[-2:])
        self._nodes.append([node])
