"""The process in which decisions of large rounds are worked out: it reads work from a pipe and answers on another, until the first ends.

It stores the documents itself, before it answers. So they are there before any event names them, and the service neither carries megabytes
nor holds a shard's lock for them; those of a decision that the book then refuses nobody names, which is no harm.
"""

import asyncio
import gc
import secrets
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import IO

import immutables
import msgspec

from services.allocation.domain.book.carry import Carry
from services.allocation.domain.book.rounds import Proposed, ProposeRound, lacks_decision
from services.allocation.domain.book.state import Book, QuotaUsed, Request, Round
from services.allocation.domain.decisions.eligibility import Stock
from services.allocation.domain.decisions.proposal import Prepared, prepare
from services.allocation.domain.decisions.supply import asked_in, offer_from
from services.allocation.domain.decisions.written_lines import WrittenLine, first_lines
from services.allocation.events import AgreementId, ProductId, RequestId
from shared.journal.connection import open_pool, reachable
from shared.journal.postgres import keep_documents
from shared.journal.protocol import Document, Unreachable
from shared.process.niceness import stand_back

SHOWN = 500  # lines of a decision, or awards, in an answer
BEHIND_BY = 3  # who waits for a decision waits longer anyway than all who ask for something else meanwhile


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be worked out, of the book only what the round is about. Its requests come after it, some at a time."""

    database_url: str
    schema: str
    command: ProposeRound
    product: ProductId
    round: Round  # without requests
    quota_used: dict[AgreementId, QuotaUsed]
    carries: dict[AgreementId, Carry]
    stock: Stock


type Requests = dict[RequestId, Request]


class Worked(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """`documents`: those that are still to be stored, with the event that names them. `lines`: the first of the decision file's."""

    proposed: Proposed
    documents: tuple[Document, ...]
    lines: list[WrittenLine]


class NothingToDecide(msgspec.Struct, frozen=True, tag=True):
    """The book refuses the proposal, whatever might be worked out."""


class NotStored(msgspec.Struct, frozen=True, tag=True):
    """The database does not answer."""


def worked_out(command: ProposeRound, product: ProductId, book: Book, stock: Stock) -> Worked | NothingToDecide:
    """Nothing is stored yet. The round is in the book."""
    prepared = _prepared(command, product, book, stock)
    return NothingToDecide() if prepared is None else _worked(prepared, _documents(prepared))


def _prepared(command: ProposeRound, product: ProductId, book: Book, stock: Stock) -> Prepared | None:
    if not lacks_decision(command, product, book):
        return None
    round = book.rounds[command.round]
    offer = offer_from(stock, asked_in(book, round), command.supply_g, command.on)
    salts = [secrets.token_hex(16) for _ in range(len(round.requests) + 1)]
    return prepare(command.round, product, book, round, command.surroundings, offer, salts)


def _documents(prepared: Prepared) -> tuple[Document, ...]:
    return Document(prepared.published), Document(prepared.file), Document(prepared.release_order)


def _worked(prepared: Prepared, documents: tuple[Document, ...]) -> Worked:
    return Worked(proposed=prepared.proposed, documents=documents, lines=first_lines(prepared.file, SHOWN))


def send(pipe: IO[bytes], parts: Sequence[bytes]) -> None:
    pipe.write(len(parts).to_bytes(8))
    for part in parts:
        pipe.write(len(part).to_bytes(8))
        pipe.write(part)
    pipe.flush()


def receive(pipe: IO[bytes]) -> list[bytes] | None:
    """None: the other side has ended."""
    parts = []
    if len(count := pipe.read(8)) < 8:
        return None
    for _ in range(int.from_bytes(count)):
        size = int.from_bytes(pipe.read(8))
        parts.append(pipe.read(size))
        if len(parts[-1]) < size:
            return None
    return parts


def _serve(asked: IO[bytes], answers: IO[bytes]) -> None:
    while (parts := receive(asked)) is not None:
        send(answers, [msgspec.msgpack.encode(_answer(parts))])
        gc.collect()


def _answer(parts: Sequence[bytes]) -> Worked | NothingToDecide | NotStored:
    work = msgspec.msgpack.decode(parts[0], type=Work)
    requests = {name: request for part in parts[1:] for name, request in msgspec.msgpack.decode(part, type=Requests).items()}
    book = Book(
        product=work.product,
        requests=immutables.Map(requests),
        rounds=immutables.Map({work.command.round: msgspec.structs.replace(work.round, requests=frozenset(requests))}),
        quota_used=immutables.Map(work.quota_used),
        carries=immutables.Map(work.carries),
    )
    prepared = _prepared(work.command, work.product, book, work.stock)
    if prepared is None:
        return NothingToDecide()
    try:
        asyncio.run(_store(work.database_url, work.schema, _documents(prepared)))
    except Unreachable:
        return NotStored()
    return _worked(prepared, ())


async def _store(database_url: str, schema: str, documents: Sequence[Document]) -> None:
    """Raises `Unreachable`."""
    with reachable():
        pool = await open_pool(database_url, schema, size=1)
        async with pool, pool.acquire() as connection:
            await keep_documents(connection, documents)


def main() -> None:
    stand_back(BEHIND_BY)
    gc.disable()  # garbage is looked for between rounds: nearly all that a round makes is in use until its end
    with suppress(BrokenPipeError):  # nobody waits for the answer any more
        _serve(sys.stdin.buffer, sys.stdout.buffer)


if __name__ == "__main__":
    main()
