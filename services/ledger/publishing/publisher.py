"""Publisher: the checkpoints that others vouch for, beside those that only the log's key signs.

At most one a second, and one a minute where nothing happens, is signed with both keys and sent to the witnesses that the policy names
(`keys/witnesses.policy`, C2SP tlog-policy). Once enough of them have cosigned it, the ledger records it: whoever pins the policy knows then
that the same log is shown to everyone. Nothing else waits for that. A witness that proves that the key signed another history stops the
log.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from hashlib import sha256
from time import monotonic

import httpx
import structlog
from prometheus_client import Gauge

from services.ledger.domain.log import RecordWitnessed, stream_of
from services.ledger.keys import open_publishing_key
from services.ledger.log import ACTOR, Log, Signed
from services.ledger.publishing.witness_client import ANSWERS_WITHIN_S, CONNECTED_WITHIN_S, Published, WitnessAhead, WitnessClient
from services.ledger.tiles import ForkDetected, TileMissing
from shared.clock import day_of
from shared.journal.connection import reachable
from shared.journal.protocol import Unreachable
from shared.process.service import Kernel, Part
from shared.proofs.checkpoint import Checkpoint
from shared.proofs.cosignature import Cosigner
from shared.proofs.merkle import EMPTY_TREE, consistency_proof, root_at
from shared.proofs.policy import PolicyWitness, WitnessPolicy, pinned_policy
from shared.proofs.signed_note import Note, Signature
from shared.tls import trusted
from shared.writer.commands import CommandFailed, Context, Overloaded, Unavailable

log = structlog.get_logger()

witnessed_size = Gauge("reserve_ledger_witnessed_leaves", "Leaves that the last checkpoint covers that enough witnesses have cosigned")
witnessed_time = Gauge("reserve_ledger_witnessed_timestamp_seconds", "When enough witnesses last cosigned a checkpoint")

EVERY_S = 1.0
HEARTBEAT_S = 50.0  # so that at least one a minute is out
LOOK_AGAIN_S = 0.2
AT_START_S = 3.0
_LAST = "SELECT size FROM witnessed ORDER BY position DESC LIMIT 1"


class Publisher(Part):
    """Publishes in the process whose log signs. `size`: of the last witnessed checkpoint that this process knows of."""

    def __init__(self, kernel: Kernel) -> None:
        """Raises PolicyMalformed, KeyUnsafe, FileNotFoundError."""
        super().__init__(kernel)
        self.policy = pinned_policy(kernel.settings.data_dir)
        self.size = 0
        self.grown = asyncio.Condition()  # notified when a larger one is recorded
        self._second_key: Cosigner | None = None
        self._http: httpx.AsyncClient | None = None
        self._witnesses: Sequence[WitnessClient] = ()
        self._asked: set[asyncio.Task[dict[str, Signature]]] = set()
        if self.policy is not None:
            self._second_key = open_publishing_key(kernel.settings.data_dir)
            self._http = httpx.AsyncClient(timeout=httpx.Timeout(ANSWERS_WITHIN_S, connect=CONNECTED_WITHIN_S), verify=trusted())
            self._witnesses = self._clients(self.policy, self._http)
            witnessed_time.set_to_current_time()
            self.log.before_signing = self.ask_what_is_held

    @property
    def log(self) -> Log:
        return self.kernel.part(Log)

    async def close(self) -> None:
        for task in self._asked:
            task.cancel()
        await asyncio.gather(*self._asked, return_exceptions=True)
        if self._http is not None:
            await self._http.aclose()

    async def run(self) -> None:
        if self.policy is None:
            return
        while True:
            try:
                await self._learn()
                if self.log.leads:
                    await self._publish()
            except (CommandFailed, Unavailable, Overloaded, Unreachable, TileMissing) as error:
                log.warning("publishing_starts_again", error=repr(error))
            await asyncio.sleep(LOOK_AGAIN_S)

    async def covered(self, size: int) -> None:
        """Waits until so many leaves are witnessed."""
        async with self.grown:
            await self.grown.wait_for(lambda: self.size >= size)

    async def ask_what_is_held(self) -> None:
        """Of all witnesses, before the log signs its first, and before it tells a source that it lacks nothing: restored to the past
        together, they must not go on as another history. Who does not answer at once is asked with the first checkpoint.

        Raises ForkDetected."""
        looks = asyncio.gather(*(witness.look() for witness in self._witnesses))
        try:
            async with asyncio.timeout(AT_START_S):
                await looks
        except TimeoutError:
            log.warning("a_witness_is_not_waited_for")
        except WitnessAhead as error:
            raise ForkDetected(str(error)) from error

    def _clients(self, policy: WitnessPolicy, http: httpx.AsyncClient) -> Sequence[WitnessClient]:
        by_url: dict[str, list[PolicyWitness]] = {}
        for member in policy.witnesses.values():
            assert member.url is not None, "pinned_policy takes no witness without one"
            by_url.setdefault(member.url.rstrip("/"), []).append(member)
        return [WitnessClient(http, url, members, self.log.key, self._proof_from, self._root_of) for url, members in by_url.items()]

    async def _publish(self) -> None:
        """As long as this process's log signs."""
        since = -HEARTBEAT_S
        while self.log.leads:
            signed = await self._next(since)
            if signed.head.size == 0 or not self.log.leads:
                continue
            since = monotonic()
            if (note := await self._cosigned(self._published(signed))) is None:
                since = monotonic() - HEARTBEAT_S  # until enough of them answer
                await asyncio.sleep(EVERY_S)
            else:
                await self._record(signed, note)

    async def _next(self, since: float) -> Signed:
        """What the log has signed, a second after the last one at the earliest; also what has not grown, when a heartbeat is due."""
        await asyncio.sleep(max(0.0, since + EVERY_S - monotonic()))
        with suppress(TimeoutError):
            async with asyncio.timeout(max(LOOK_AGAIN_S, since + HEARTBEAT_S - monotonic())), self.log.grown:
                await self.log.grown.wait_for(lambda: self.log.signed.head.size > self.size)
        return self.log.signed

    def _published(self, signed: Signed) -> Published:
        """With the log's second signature below its first."""
        assert self._second_key is not None, "it publishes only where witnesses are named"
        checkpoint = Checkpoint(self.log.key.name, signed.head)
        second = self._second_key.cosign(checkpoint, int(self.kernel.clock.now().timestamp()))
        return Published(checkpoint.origin, signed.head, note=signed.note + Note("", (second,)).signature_lines)

    async def _cosigned(self, published: Published) -> str | None:
        """The note with the cosignatures, as soon as they are enough. The witnesses that have not answered then go on by themselves."""
        assert self.policy is not None, "it publishes only where witnesses are named"
        asked = {asyncio.create_task(self._ask(witness, published)) for witness in self._witnesses if witness.ready}
        self._asked |= asked
        found: dict[str, Signature] = {}
        while asked:
            done, asked = await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                found |= task.result()
            if self.policy.is_met(found):
                return published.note + Note("", tuple(found.values())).signature_lines
        return None

    async def _ask(self, witness: WitnessClient, published: Published) -> dict[str, Signature]:
        try:
            return dict(await witness.cosign(published))
        except WitnessAhead as error:
            self.log.dispute(str(error))  # also when nobody waits for its answer any more
            return {}
        finally:
            if (task := asyncio.current_task()) is not None:
                self._asked.discard(task)

    async def _record(self, signed: Signed, note: str) -> None:
        context = Context(
            command_id=(of_note := sha256(note.encode())).digest(),
            actor=ACTOR,
            correlation_id=of_note.hexdigest()[:32],
            causation_id=f"checkpoint/{signed.head.size}",
            effective_on=day_of(self.kernel.clock.now(), self.kernel.settings.zone).isoformat(),
        )
        head = signed.head
        command = RecordWitnessed(size=head.size, root=head.root.hex(), note=note, covers=signed.covers)
        await self.kernel.writer.submit(stream_of(self.kernel.journal.histories.current), command, context)
        witnessed_time.set_to_current_time()
        await self._grow(head.size)

    async def _learn(self) -> None:
        """What another process has published."""
        with reachable():
            last = await self.kernel.pool.fetchval(_LAST) or 0
        await self._grow(last - (await self.log.logs()).shift)

    async def _grow(self, size: int) -> None:
        if size <= self.size:
            return
        async with self.grown:
            self.size = size
            self.grown.notify_all()
        witnessed_size.set(size)

    def _proof_from(self, old_size: int, size: int) -> Sequence[bytes]:
        return consistency_proof(self.log.store.node_reader(size), old_size, size)

    def _root_of(self, size: int) -> bytes | None:
        """Of the log's first leaves, as signed, or as its tiles hold them; None where they are fewer."""
        held = signed if size <= (signed := self.log.signed.head.size) else self.log.store.held_size()
        if size > held:
            return None
        try:
            return root_at(self.log.store.node_reader(held), size) if size else EMPTY_TREE.root
        except TileMissing:
            return None  # beyond what was signed, a crash may have cut off the tiles of a level


async def keep_published(kernel: Kernel) -> None:
    """The service's task: publishes for as long as it serves."""
    await kernel.part(Publisher).run()
