"""Live evidence: a running system's own, over HTTP with an auditor's token. Pages are read one ahead of what is being checked."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence

import httpx
import msgspec

from reserve.audit.evidence import LEDGER, BalanceLine, LedgerEntry, LogOfHistory, ReadText, Recorded, Unreadable
from reserve.client import Client, ProblemAnswer
from shared.delivery.tokens import TokenUnavailable
from shared.proofs.fork import Consistency

UNANSWERED = (ProblemAnswer, TokenUnavailable, httpx.TransportError)  # what a read raises that did not get what it asked for
_JOURNAL_PAGE = 1000
_PAGE = 200
_BUNDLE = 256  # leaves


class _Feed(msgspec.Struct, frozen=True):
    records: list[Recorded]
    next: int | None


class _Page[T](msgspec.Struct, frozen=True):
    data: list[T]
    next: str | None


class _Position(msgspec.Struct, frozen=True):
    position: int


class _Histories(msgspec.Struct, frozen=True):
    data: list[LogOfHistory]


def _log_at(history: int | None) -> str:
    """Where a log is served: the one that goes on, or the one of a history before."""
    return f"/{LEDGER}/v1" if history is None else f"/{LEDGER}/v1/histories/{history}"


class LiveEvidence:
    """`client`: an auditor's, who may read journals. Once it was asked where they end, they end there: what comes meanwhile is for the next
    audit, which has what caused it as well."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._ends: dict[str, int] = {}  # line -> the last position that it, or the ledger, was said to have

    async def histories(self) -> Sequence[LogOfHistory]:
        return msgspec.json.decode(await self._get(f"/{LEDGER}/v1/histories"), type=_Histories).data

    async def checkpoint(self) -> str | None:
        try:
            return (await self._get(f"/{LEDGER}/v1/checkpoint")).decode()
        except ProblemAnswer as problem:
            if problem.code == "checkpoint_not_found":
                return None
            raise

    async def witnessed(self) -> str | None:
        """The last checkpoint with the cosignatures of enough witnesses; None: there is none."""
        try:
            return (await self._get(f"/{LEDGER}/v1/checkpoint", grade="witnessed")).decode()
        except ProblemAnswer as problem:
            if problem.code == "checkpoint_not_found":
                return None
            raise

    async def consistency(self, old_size: int, size: int, history: int | None = None) -> Consistency | None:
        try:
            return msgspec.json.decode(await self._get(f"{_log_at(history)}/consistency/{old_size}/{size}"), type=Consistency)
        except (*UNANSWERED, msgspec.MsgspecError):
            return None  # what was found so far is not lost because somebody hangs up when they are asked to show why

    async def balances(self) -> Sequence[BalanceLine]:
        return [line async for page, _ in self._pages("/balances", BalanceLine) for line in page]

    async def recorded(self) -> Mapping[str, int]:
        sources = msgspec.json.decode(await self._get(f"/{LEDGER}/v1/sources"), type=dict[str, _Position])
        recorded = {name: source.position for name, source in sources.items()}
        self._end_at(recorded)
        return recorded

    async def heads(self, service: str) -> Mapping[int, int]:
        heads = msgspec.json.decode(await self._get(f"/{service}/v1/journal/heads"), type=dict[int, _Position])
        self._end_at({f"{service}/{shard}": head.position for shard, head in heads.items()})
        return {shard: head.position for shard, head in heads.items()}

    def journal(self, service: str, shard: int) -> AsyncIterator[Sequence[Recorded]]:
        return self.journal_after(service, shard, 0)

    def journal_after(self, service: str, shard: int, after: int) -> AsyncGenerator[Sequence[Recorded]]:
        return _ahead(self._journal(service, shard, after))

    def _end_at(self, ends: Mapping[str, int]) -> None:
        for line, position in ends.items():
            self._ends[line] = max(position, self._ends.get(line, 0))

    def leaves(self, size: int, history: int | None = None) -> AsyncIterator[Sequence[bytes]]:
        return self.leaves_from(0, size, history)

    def leaves_from(self, start: int, size: int, history: int | None) -> AsyncGenerator[Sequence[bytes]]:
        """`start`: at the beginning of a bundle."""
        return _ahead(self._leaves(start, size, history))

    async def entries(self) -> AsyncIterator[Sequence[LedgerEntry]]:
        async for entries, _ in self.entries_from(None):
            yield entries

    def entries_from(self, cursor: str | None) -> AsyncGenerator[tuple[Sequence[LedgerEntry], str | None]]:
        """Pages, each with the cursor of the next one."""
        return _ahead(self._pages("/entries", LedgerEntry, cursor=cursor))

    async def texts(self, service: str) -> Sequence[ReadText]:
        return [text async for page, _ in self._pages("/texts", ReadText, service) for text in page]

    async def document(self, service: str, name: str) -> bytes | None:
        try:
            return await self._get(f"/{service}/v1/documents/{name}")
        except ProblemAnswer as problem:
            if problem.code == "document_not_found":
                return None
            raise

    async def _journal(self, service: str, shard: int, start: int) -> AsyncIterator[Sequence[Recorded]]:
        decode = msgspec.json.Decoder(_Feed).decode
        after: int | None = start
        end = self._ends.get(f"{service}/{shard}")
        while after is not None:
            feed = decode(await self._get(f"/{service}/v1/journal", shard=shard, after=after, limit=_JOURNAL_PAGE))
            records, before, after = feed.records, after, feed.next
            if after is not None and after <= before:
                raise Unreadable(f"the journal of {service}, shard {shard}, does not go on after {before}: its next page is after {after}")
            if end is not None and after is not None and after >= end:
                after = None
            while end is not None and records and records[-1].position > end:  # one in their midst that says so stays, and is found
                records, after = records[:-1], None
            yield records

    async def _leaves(self, first: int, size: int, history: int | None) -> AsyncIterator[Sequence[bytes]]:
        for start in range(first, size, _BUNDLE):
            width = min(_BUNDLE, size - start)
            try:
                bundle = await self._get(f"{_log_at(history)}/tile/entries/{_tile_path(start // _BUNDLE, width)}")
            except ProblemAnswer as problem:
                if problem.code == "tile_not_found":
                    return  # the log ends before what was signed of it, which is for who reads it to say
                raise
            yield _unbundled(bundle)

    async def _pages[T](
        self, path: str, kind: type[T], service: str = LEDGER, cursor: str | None = None
    ) -> AsyncIterator[tuple[Sequence[T], str | None]]:
        decode = msgspec.json.Decoder(_Page[kind]).decode  # type: ignore[valid-type]
        while True:
            page = decode(await self._get(f"/{service}/v1{path}", limit=_PAGE, cursor=cursor))
            if page.next is not None and (not page.data or page.next == cursor):
                raise Unreadable(f"{path} of {service} does not go on after the cursor {cursor}")
            cursor = page.next
            yield page.data, cursor
            if cursor is None:
                return

    async def _get(self, path: str, **query: str | int | None) -> bytes:
        return await self._client.content(path, **query)


def _tile_path(index: int, width: int) -> str:
    """C2SP tlog-tiles: three digits a level, `x` before all but the last, and the width of a tile that is not full."""
    path = f"{index % 1000:03}"
    while index := index // 1000:
        path = f"x{index % 1000:03}/{path}"
    return path if width == _BUNDLE else f"{path}.p/{width}"


def _unbundled(bundle: bytes) -> list[bytes]:
    """Entries, each after its length as a big-endian uint16. One that is cut short stays so, and fits no event."""
    entries, start = [], 0
    while start < len(bundle):
        stop = start + 2 + int.from_bytes(bundle[start : start + 2])
        entries.append(bundle[start + 2 : stop])
        start = stop
    return entries


async def _ahead[T](pages: AsyncIterator[T]) -> AsyncGenerator[T]:
    """The same pages, each asked for while the one before is being worked on."""
    coming = asyncio.ensure_future(anext(pages, None))
    try:
        while (page := await coming) is not None:
            coming = asyncio.ensure_future(anext(pages, None))
            yield page
    finally:
        coming.cancel()
