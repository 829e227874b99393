"""Writer: the one way to append to a service's journal. Each command goes to the shard of its stream, which decides it."""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from typing import Any

import structlog

from shared.clock import Clock
from shared.journal.codec import UnknownType
from shared.journal.decider import Decider, Refused
from shared.journal.protocol import Journal, Unreachable
from shared.journal.record import new_salts
from shared.journal.snapshots import EVERY, Snapshots
from shared.writer.batch import Pending
from shared.writer.commands import Accepted, AllOrNothing, BulkKey, Context, Refusal, Unavailable
from shared.writer.shard import Shard, left_to_a_newer_build

log = structlog.get_logger()

PLACES_KEPT = 1_000_000  # streams whose shard is remembered


class Writer:
    """The one way to append to a service's journal."""

    def __init__(
        self,
        journal: Journal,
        deciders: Sequence[Decider],
        clock: Clock,
        *,
        epoch: int = 1,
        queue_limit: int = 4096,
        batch_limit: int = 256,
        salts: Callable[[int], list[bytes]] = new_salts,
        snapshots: Snapshots | None = None,
        snapshot_every: int = EVERY,
    ) -> None:
        """`snapshots` None: states are always replayed from their first events. `snapshot_every`: events of a stream. `queue_limit`:
        commands that may wait for a shard, `batch_limit`: for how many another turn goes into a commit."""
        self.journal = journal
        self.deciders = {decider.kind: decider for decider in deciders}
        self.clock = clock
        self.epoch = epoch
        self.queue_limit = queue_limit
        self.batch_limit = batch_limit
        self.salts = salts
        self.snapshots = snapshots
        self.snapshot_every = snapshot_every
        self.refusals: dict[Refusal, str] = {}  # why no write is taken now, in words; empty: writes are taken
        self._shards: dict[int, Shard] = {}
        self._places: dict[str, int] = {}  # stream -> shard
        self._tasks: list[asyncio.Task[None]] = []
        self._snapshotting: asyncio.Task[None] | None = None

    async def start(self) -> None:
        for number, (head, partner_seq) in (await self.journal.heads()).items():
            self._shards[number] = Shard(self, number, head, dict(partner_seq))
        self._tasks = [asyncio.create_task(shard.run(), name=f"writer-{number}") for number, shard in self._shards.items()]

    async def stop(self) -> None:
        """Ends the tasks; commands that still wait are not decided, and their callers hear `Unavailable`."""
        tasks = [*self._tasks, *([self._snapshotting] if self._snapshotting else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for shard in self._shards.values():
            shard.fail_waiting(Unavailable("the service is stopping"))

    def refuse(self, reason: Refusal, words: str, for_s: float | None = None) -> str:
        """Takes no more writes until `accept` of the same reason, or for some seconds. Gives the words back."""
        if reason not in self.refusals:
            log.critical("writes_refused", service=self.journal.service, reason=reason, words=words)
        self.refusals[reason] = words
        if for_s is not None:
            asyncio.get_running_loop().call_later(for_s, self.accept, reason)
        return words

    def accept(self, *reasons: Refusal) -> None:
        """These do not hold any more; others may."""
        for reason in reasons:
            self.refusals.pop(reason, None)

    @property
    def refusing(self) -> str | None:
        """Why no write is taken; None: writes are taken."""
        return "; ".join(self.refusals.values()) or None

    def waiting(self) -> dict[int, tuple[int, float]]:
        """Of each shard: how many commands wait or are being decided, and for how many seconds the oldest has."""
        return {number: shard.waiting() for number, shard in self._shards.items()}

    async def submit(self, stream: str, command: Any, context: Context) -> Accepted | Refused[Any]:
        """Decides `command` once. A `Refused` in its place is the answer, unless the command was decided before.

        Raises `Overloaded` (`TooManyWaiting`), `Unavailable`, `CommandFailed`, `FingerprintMismatch`, `VersionMismatch`.
        """
        shard = await self._open_shard(stream)
        loop = asyncio.get_running_loop()
        pending = Pending(stream, command, context, loop.create_future(), loop.time())
        shard.turns.put(context.client, (pending,))
        answer: Accepted | Refused[Any] = await pending.answer
        return answer

    async def ask(self, client: str, commands: Mapping[str, int]) -> None:
        """Whether there is room now for so many commands to each stream, before any is put there.

        Raises `Overloaded` (`TooManyWaiting`), `Unavailable`.
        """
        wanted: Counter[Shard] = Counter()
        for stream, count in commands.items():
            wanted[await self._open_shard(stream)] += count
        for shard, count in wanted.items():
            shard.turns.ask(client, count)

    async def submit_all(
        self, stream: str, commands: Sequence[tuple[Any, Context]], key: Context | None
    ) -> list[Accepted | Refused[Any] | BaseException]:
        """Decides each command as `submit` does, in one turn and in their order. In place of what that raises for one, the exception.

        `key`: under whose command id they are known together; None: they are part of a bulk that is known by now. Raises `Overloaded`,
        `Unavailable`; `FingerprintMismatch` where that id was used for something else: then none is decided.
        """
        shard = await self._open_shard(stream)
        loop = asyncio.get_running_loop()
        now = loop.time()
        bulk = None if key is None else Pending(stream, BulkKey(), key, loop.create_future(), now)
        turn = [Pending(stream, command, context, loop.create_future(), now, bulk) for command, context in commands]
        shard.turns.put(commands[0][1].client, turn if bulk is None else [bulk, *turn], len(turn))
        waiting = asyncio.gather(*(pending.answer for pending in turn), return_exceptions=True)
        if bulk is not None:
            await asyncio.gather(bulk.answer, waiting)
        return await waiting

    async def submit_whole(self, stream: str, commands: Sequence[tuple[Any, Context]], key: Context) -> tuple[Accepted, ...] | Refused[Any]:
        """Decides all commands, or none and tells the refusal of the first that was refused, in one turn. Once, as `submit`.

        Raises as `submit`, and `ItemKeyReused`.
        """
        shard = await self._open_shard(stream)
        loop = asyncio.get_running_loop()
        pending = Pending(stream, AllOrNothing(tuple(commands)), key, loop.create_future(), loop.time())
        shard.turns.put(key.client, (pending,), len(commands))
        answer: tuple[Accepted, ...] | Refused[Any] = await pending.answer
        return answer

    async def _open_shard(self, stream: str) -> Shard:
        """Raises `Unavailable`."""
        if self.refusing is not None:
            raise Unavailable(self.refusing)
        return self._shards[await self._place(stream)]

    async def state(self, stream: str) -> tuple[Any, int]:
        """(state, version) of a stream as of now, for preparing a command; its `decide` looks again under the lock."""
        shard = self._shards[await self._place(stream)]
        try:
            state = await shard.catch_up_stream(stream)
        except UnknownType as error:
            raise left_to_a_newer_build(stream) from error
        return state.value, state.version

    async def _place(self, stream: str) -> int:
        if (known := self._places.get(stream)) is not None:
            return known
        try:
            stored = await self.journal.shard_of(stream)
        except Unreachable as error:
            raise Unavailable("the database does not answer") from error
        if len(self._places) >= PLACES_KEPT:
            self._places.clear()
        shard = stored if stored is not None else int.from_bytes(sha256(stream.encode()).digest()[:4]) % len(self._shards)
        self._places[stream] = shard
        return shard

    def snapshot(self, stream: str, version: int, chain_hash: bytes, state: Any) -> None:
        """In the background, one at a time: it is no harm if one is missed."""
        if self.snapshots is not None and (self._snapshotting is None or self._snapshotting.done()):
            self._snapshotting = asyncio.create_task(self.snapshots.keep(stream, version, chain_hash, state))
            self._snapshotting.add_done_callback(_told)

    def decider_of(self, stream: str) -> Decider:
        return self.deciders[stream.partition("/")[0]]


def _told(snapshotting: asyncio.Task[None]) -> None:
    if not snapshotting.cancelled() and (error := snapshotting.exception()) is not None:
        log.warning("snapshot_not_kept", error=repr(error))
