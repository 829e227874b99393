"""Working out the decision of a large round in a process of its own, so that nobody else waits for it.

The process is started when a round needs it and ends after a while without work, or with the service: it reads its work from a pipe.
Run as a module, this is that process.
"""

import asyncio
import sys
import threading
from collections.abc import Sequence
from subprocess import PIPE, Popen
from typing import IO
from weakref import WeakKeyDictionary

import immutables
import msgspec

from services.allocation.domain.book_lapses import Surroundings
from services.allocation.domain.book_state import Book, QuotaUsed, Request, Round
from services.allocation.domain.carry import Carry
from services.allocation.domain.proposal import Offer, Prepared, prepare
from services.allocation.events import AgreementId, ProductId, RequestId, RoundId
from shared.service import Kernel

SMALL = 200  # requests: a round of so many is worked out at once
IDLE_S = 30.0


class _Work(msgspec.Struct, frozen=True, kw_only=True):
    """What `prepare` takes, of the book only what the round is about."""

    round_id: RoundId
    product: ProductId
    round: Round
    requests: dict[RequestId, Request]
    quota_used: dict[AgreementId, QuotaUsed]
    carries: dict[AgreementId, Carry]
    surroundings: Surroundings
    offer: Offer
    salts: Sequence[str]


async def work_out(
    kernel: Kernel,
    round_id: RoundId,
    product: ProductId,
    book: Book,
    round: Round,
    surroundings: Surroundings,
    offer: Offer,
    salts: Sequence[str],
) -> Prepared:
    """As `prepare`, elsewhere if the round is large. Raises RuntimeError if the process ends before it answers."""
    if len(round.requests) <= SMALL:
        return prepare(round_id, product, book, round, surroundings, offer, salts)
    work = _Work(
        round_id=round_id,
        product=product,
        round=msgspec.structs.replace(round, proposal=None),
        requests={request: book.requests[request] for request in round.requests},
        quota_used=dict(book.quota_used),
        carries=dict(book.carries),
        surroundings=surroundings,
        offer=offer,
        salts=salts,
    )
    worker = _workers.setdefault(kernel, _Worker())
    answer = await asyncio.to_thread(worker.ask, msgspec.msgpack.encode(work))
    return msgspec.msgpack.decode(answer, type=Prepared)


class _Worker:
    """One process for one service, one round at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: Popen[bytes] | None = None
        self._ending: threading.Timer | None = None

    def ask(self, work: bytes) -> bytes:
        with self._lock:
            if self._ending is not None:
                self._ending.cancel()
            if self._process is None or self._process.poll() is not None:
                self._process = Popen([sys.executable, "-m", "services.allocation.working_out"], stdin=PIPE, stdout=PIPE)
            process = self._process
            assert process.stdin is not None
            assert process.stdout is not None
            try:
                _send(process.stdin, work)
                answer = _receive(process.stdout)
            except BrokenPipeError:
                answer = None
            if answer is None:
                raise RuntimeError(f"the process that works decisions out ended with {process.wait()}")
            self._ending = threading.Timer(IDLE_S, self._end)
            self._ending.daemon = True
            self._ending.start()
            return answer

    def _end(self) -> None:
        with self._lock:
            if self._process is not None and self._process.stdin is not None:
                self._process.stdin.close()
                self._process.wait()
                self._process = None


_workers: WeakKeyDictionary[Kernel, _Worker] = WeakKeyDictionary()


def _send(pipe: IO[bytes], content: bytes) -> None:
    pipe.write(len(content).to_bytes(8) + content)
    pipe.flush()


def _receive(pipe: IO[bytes]) -> bytes | None:
    """None: the other side has ended."""
    size = pipe.read(8)
    return pipe.read(int.from_bytes(size)) if len(size) == 8 else None


def _serve(asked: IO[bytes], answers: IO[bytes]) -> None:
    while (content := _receive(asked)) is not None:
        work = msgspec.msgpack.decode(content, type=_Work)
        book = Book(
            product=work.product,
            requests=immutables.Map(work.requests),
            rounds=immutables.Map({work.round_id: work.round}),
            quota_used=immutables.Map(work.quota_used),
            carries=immutables.Map(work.carries),
        )
        prepared = prepare(work.round_id, work.product, book, work.round, work.surroundings, work.offer, work.salts)
        _send(answers, msgspec.msgpack.encode(prepared))


if __name__ == "__main__":
    _serve(sys.stdin.buffer, sys.stdout.buffer)
