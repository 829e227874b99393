"""News: who waits for what concerns a partner is woken once a checkpoint covers something of it, and only then.

However many wait, a checkpoint costs one look at the partners of the entries that it adds.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from services.ledger.log import Log
from shared.http.problems import Problem
from shared.journal.connection import reachable
from shared.journal.protocol import Unreachable
from shared.process.service import Kernel, Part

log = structlog.get_logger()

LOOK_AGAIN_S = 0.2
# Each holds a connection of the edge, which has 512 to the ledger: the rest is for who asks and goes.
MOST, MOST_OF_ONE = 300, 8

_PARTNERS = "SELECT DISTINCT partner FROM entries WHERE leaf_index >= $1 AND leaf_index < $2 AND partner IS NOT NULL"


class News(Part):
    def __init__(self, kernel: Kernel) -> None:
        super().__init__(kernel)
        self._waiting: defaultdict[str | None, set[asyncio.Event]] = defaultdict(set)  # by partner; None: whoever it is about
        self._readers: Counter[str] = Counter()

    @contextmanager
    def of(self, partner: str | None, reader: str) -> Iterator[asyncio.Event]:
        """An event that is set at whatever is covered from now on. Clear it before looking, so that nothing is missed. `reader`: by
        whom they are counted. Raises Problem `too_many_readers`.
        """
        if self._readers[reader] >= MOST_OF_ONE or self._readers.total() >= MOST:
            accepted = f"{MOST_OF_ONE} streams and waits of a client at once, {MOST} of all"
            raise Problem("too_many_readers", "as many wait already as may", accepted=accepted, headers={"Retry-After": "5"})
        self._readers[reader] += 1
        try:
            with self.waited_for(partner) as news:
                yield news
        finally:
            self._readers[reader] -= 1
            self._readers += Counter()  # forgets who has none

    @contextmanager
    def waited_for(self, partner: str | None) -> Iterator[asyncio.Event]:
        """The same for who is not counted: the service itself."""
        news = asyncio.Event()
        self._waiting[partner].add(news)
        try:
            yield news
        finally:
            self._waiting[partner].discard(news)
            if not self._waiting[partner]:
                del self._waiting[partner]

    async def run(self) -> None:
        told = self.kernel.part(Log).signed.head.size
        while True:
            try:
                told = await self._tell(told)
            except Unreachable as error:
                log.warning("news_wait_for_the_database", error=repr(error))
                await asyncio.sleep(LOOK_AGAIN_S)

    async def _tell(self, told: int) -> int:
        """Of the entries that have been covered since so many were."""
        tree: Log = self.kernel.part(Log)
        async with tree.grown:
            await tree.grown.wait_for(lambda: tree.signed.head.size > told)
        size = tree.signed.head.size
        if not self._waiting:
            return size
        if not told:  # it has just started: whose the entries before are is not worth reading them all
            for news in set().union(*self._waiting.values()):
                news.set()
            return size
        shift = (await tree.logs()).shift
        with reachable():
            partners = await self.kernel.pool.fetch(_PARTNERS, told + shift, size + shift)
        for partner in (None, *(row["partner"] for row in partners)):
            for news in self._waiting.get(partner, ()):
                news.set()
        return size


async def tell_news(kernel: Kernel) -> None:
    """The service's task, in each of its processes."""
    await kernel.part(News).run()
