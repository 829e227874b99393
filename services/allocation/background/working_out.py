"""Working out the decision of a round: a large one's in a process of its own (`decision_process`), so that nobody else waits for it.

The process is started when a round needs it and ends after a while without work, or with the service.
"""

import asyncio
import sys
import threading
from collections.abc import Sequence
from itertools import batched
from subprocess import PIPE, Popen

import msgspec

from services.allocation.background.decision_process import NothingToDecide, NotStored, Work, Worked, receive, send, worked_out
from services.allocation.domain.book.rounds import ProposeRound
from services.allocation.domain.book.state import Book
from services.allocation.domain.decisions.eligibility import Stock
from services.allocation.events import ProductId
from shared.process.service import Kernel, Part
from shared.writer.commands import Unavailable

SMALL = 200  # requests: a round of so many is worked out here
WRITTEN_AT_ONCE = 500  # requests: others are served after each so many
IDLE_S = 30.0


async def work_out(kernel: Kernel, command: ProposeRound, product: ProductId, book: Book, stock: Stock) -> Worked | None:
    """None: the book refuses the proposal, and says why. Raises `Unavailable`, and RuntimeError if the process ends before it answers."""
    if (round := book.rounds.get(command.round)) is None:
        return None
    answer: Worked | NothingToDecide | NotStored
    if len(round.requests) <= SMALL:
        answer = await asyncio.to_thread(worked_out, command, product, book, stock)
    else:
        work = Work(
            database_url=kernel.settings.database_url,
            schema=kernel.service.name,
            command=command,
            product=product,
            round=msgspec.structs.replace(round, requests=frozenset(), proposal=None),
            quota_used=dict(book.quota_used),
            carries=dict(book.carries),
            stock=stock,
        )
        parts = [msgspec.msgpack.encode(work)]
        for some in batched(round.requests, WRITTEN_AT_ONCE):
            parts.append(msgspec.msgpack.encode({request: book.requests[request] for request in some}))
            await asyncio.sleep(0)
        process = kernel.part(DecisionProcess)
        answer = msgspec.msgpack.decode(await asyncio.to_thread(process.ask, parts), type=Worked | NothingToDecide | NotStored)
    if isinstance(answer, NotStored):
        raise Unavailable("the database does not answer")
    return answer if isinstance(answer, Worked) else None


class DecisionProcess(Part):
    """One at most, one round at a time."""

    def __init__(self, kernel: Kernel) -> None:
        super().__init__(kernel)
        self._lock = threading.Lock()
        self.process: Popen[bytes] | None = None
        self._ending: threading.Timer | None = None

    def ask(self, parts: Sequence[bytes]) -> bytes:
        with self._lock:
            if self._ending is not None:
                self._ending.cancel()
            if self.process is None or self.process.poll() is not None:
                program = [sys.executable, "-m", "services.allocation.background.decision_process"]
                self.process = Popen(program, stdin=PIPE, stdout=PIPE, start_new_session=True)
            process = self.process
            assert process.stdin is not None
            assert process.stdout is not None
            try:
                send(process.stdin, parts)
                answer = receive(process.stdout)
            except BrokenPipeError:
                answer = None
            if answer is None:
                raise RuntimeError(f"the process that works decisions out ended with {process.wait()}")
            self._ending = threading.Timer(IDLE_S, self._end)
            self._ending.daemon = True
            self._ending.start()
            return answer[0]

    async def close(self) -> None:
        """A round that is still being worked out is given up: whoever had asked for it is not served any more."""
        if self._ending is not None:
            self._ending.cancel()
        if (process := self.process) is not None:
            process.kill()
            await asyncio.to_thread(process.wait)

    def _end(self) -> None:
        with self._lock:
            if self.process is not None and self.process.stdin is not None:
                self.process.stdin.close()
                self.process.wait()
                self.process = None
