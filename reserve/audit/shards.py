"""Shards: each is followed by itself, so that several are at the same time. What comes of a page is the leaves that its events open."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager
from multiprocessing import get_context
from multiprocessing.connection import Connection

import msgspec

from reserve.audit import hashes
from reserve.audit.evidence import Evidence, Recorded, Unreadable
from reserve.audit.journals import Journal
from reserve.audit.live import UNANSWERED
from reserve.audit.report import Findings
from shared.journal.places import Histories
from shared.terms.reach import KIND, LogReachReported

type OpenEvidence = Callable[[], AbstractAsyncContextManager[Evidence]]  # another process opens it anew


class Shard(msgspec.Struct, frozen=True):
    """`upto`: the last position that is looked at. `histories`: of the deployment."""

    service: str
    number: int
    upto: int
    histories: Histories

    @property
    def name(self) -> str:
        return f"{self.service}/{self.number}"


class Page(msgspec.Struct, frozen=True):
    """Of each of its events, in order: the leaf that it opens, its position, and when it says that it was recorded. `said`, by position:
    what the service says there of the log's reach, by which others may have come late."""

    leaves: list[bytes]
    positions: list[int]
    recorded_at: list[str]
    said: dict[int, LogReachReported]


class Followed(msgspec.Struct, frozen=True):
    """After the last page. `streams`: that live in the shard."""

    events: int
    end: int  # the position that was read up to
    streams: set[str]
    findings: Findings


class ShardFailed(Exception):
    """A shard could not be followed to its end."""


type Follow = Callable[[Shard], AsyncIterator[Page | Followed]]


async def follow(evidence: Evidence, shard: Shard) -> AsyncIterator[Page | Followed]:
    findings = Findings()
    journal = Journal(shard.service, findings, shard.histories)
    events = 0
    async for page in evidence.journal(shard.service, shard.number):
        records = [journal.readable(shard.number, record) for record in page]
        covered = next((index for index, record in enumerate(records) if record.position > shard.upto), len(records))
        if covered:
            yield _page(journal, shard, records[:covered])
            events += covered
        if covered < len(records):
            break
    yield Followed(events, journal.end(shard.number), set(journal.streams), findings)


def _page(journal: Journal, shard: Shard, records: Sequence[Recorded]) -> Page:
    leaves, said, says = [], {}, f"{shard.service}.{KIND}_reported."
    for record in records:
        place = journal.check(shard.number, record)
        leaves.append(hashes.leaf_of(place, record))
        if record.type.startswith(says) and isinstance(event := journal.read(record, place), LogReachReported):
            said[record.position] = event
    return Page(leaves, [record.position for record in records], [record.recorded_at for record in records], said)


class Processes:
    """Follows shards in processes, as many as the machine has processors. Each shard waits where its reader does."""

    def __init__(self, open_evidence: OpenEvidence, shards: Sequence[Shard], count: int | None = None) -> None:
        context = get_context("spawn")
        count = max(1, min(count or os.cpu_count() or 1, len(shards)))
        pipes = {shard.name: context.Pipe(duplex=False) for shard in shards}
        self._readers = {name: reader for name, (reader, _) in pipes.items()}
        self._writers = [writer for _, writer in pipes.values()]
        longest = sorted(shards, key=lambda shard: -shard.upto)
        self._processes = [
            context.Process(
                target=_follow_some, args=(open_evidence, [(shard, pipes[shard.name][1]) for shard in longest[n::count]]), daemon=True
            )
            for n in range(count)
        ]
        self._waiting = ThreadPoolExecutor(max(1, len(shards)))

    def __enter__(self) -> Follow:
        for process in self._processes:
            process.start()
        for writer in self._writers:
            writer.close()  # a process that dies is then the end of what it writes
        return self._follow

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            process.kill()
            process.join()
        for reader in self._readers.values():
            reader.close()
        self._waiting.shutdown(wait=False)

    async def _follow(self, shard: Shard) -> AsyncIterator[Page | Followed]:
        """Raises ShardFailed."""
        reader, loop = self._readers[shard.name], asyncio.get_running_loop()
        while True:
            try:
                found = await loop.run_in_executor(self._waiting, reader.recv)
            except EOFError as error:
                raise ShardFailed(f"{shard.name}: its process has ended") from error
            if isinstance(found, str):
                raise ShardFailed(f"{shard.name}: {found}")
            yield found
            if isinstance(found, Followed):
                return


def _follow_some(open_evidence: OpenEvidence, shards: Sequence[tuple[Shard, Connection]]) -> None:
    asyncio.run(_follow_all(open_evidence, shards))


async def _follow_all(open_evidence: OpenEvidence, shards: Sequence[tuple[Shard, Connection]]) -> None:
    sending = ThreadPoolExecutor(len(shards))  # a thread each, since each may have to wait until it is read

    async def one(evidence: Evidence, shard: Shard, writer: Connection) -> None:
        loop = asyncio.get_running_loop()
        try:
            async for found in follow(evidence, shard):
                await loop.run_in_executor(sending, writer.send, found)
        except UNANSWERED as error:
            await loop.run_in_executor(sending, writer.send, repr(error))
        except Unreadable as error:
            await loop.run_in_executor(sending, writer.send, str(error))
        finally:
            writer.close()

    async with open_evidence() as evidence:
        await asyncio.gather(*(one(evidence, shard, writer) for shard, writer in shards))
