"""Lines: each shard of a source's journal, read one record ahead."""

from collections.abc import AsyncIterator, Sequence

from reserve.audit import hashes
from reserve.audit.evidence import Recorded
from reserve.audit.journals import Journal


class Line:
    """A shard of a source's journal, read as far as the next record."""

    def __init__(self, service: str, shard: int, pages: AsyncIterator[Sequence[Recorded]], journal: Journal) -> None:
        self._journal = journal
        self.service = service
        self.shard = shard
        self.name = f"{service}/{shard}"
        self.next: Recorded | None = None
        self.leaf = b""  # of the next record
        self._records = one_by_one(pages)

    async def advance(self) -> None:
        record = await anext(self._records, None)
        self.next = None if record is None else self._journal.readable(self.shard, record)
        self.leaf = b"" if self.next is None else hashes.leaf_of(self.next.place(self.service), self.next)


async def one_by_one[T](pages: AsyncIterator[Sequence[T]]) -> AsyncIterator[T]:
    async for page in pages:
        for item in page:
            yield item
