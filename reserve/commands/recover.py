"""`reserve journal recover`: what a restored journal lacks, from the ledger's copy and from Kafka."""

import asyncio
from pathlib import Path

import asyncpg
import httpx

from reserve.client import Client, ProblemAnswer
from reserve.commands.database import journaled, kafka_for, owner_url
from reserve.commands.failure import CHECK_FAILED, fail, why
from reserve.commands.token import client_of
from reserve.operate.copies import LEDGER, KafkaCopy, LedgerCopy, document_of, taken_by_readers
from reserve.operate.recover import AnotherHistory, HeldByNobody, Recovered
from reserve.operate.recover import recover as run
from reserve.operate.tiles import rebuild_tiles as write_missing_tiles
from services.ledger.tiles import ForkDetected
from services.registry import service
from shared.delivery.broker import BrokerUnreachable
from shared.delivery.kafka_broker import KafkaBroker
from shared.delivery.tokens import TokenUnavailable
from shared.journal.connection import open_pool
from shared.journal.messages import NotAnEvent
from shared.journal.postgres import PostgresJournal
from shared.journal.protocol import Document, Unreachable
from shared.kafka import Kafka

READER = "auditor-1"  # may read journals


def recover(name: str, folder: Path, documents: Path | None) -> Recovered:
    journaled(name)
    try:
        return asyncio.run(_recover(name, owner_url(folder), kafka_for(folder, name), client_of(folder, READER), documents))
    except (HeldByNobody, AnotherHistory, NotAnEvent) as error:
        fail(str(error), CHECK_FAILED)
    except (ProblemAnswer, TokenUnavailable, httpx.TransportError) as error:
        fail(f"a service does not answer: {why(error)}", CHECK_FAILED)
    except BrokerUnreachable as error:
        fail(f"Kafka does not answer: {error}", CHECK_FAILED)
    except (Unreachable, OSError, asyncpg.PostgresError) as error:
        fail(f"the database does not answer: {why(error)}", CHECK_FAILED)


async def _recover(name: str, url: str, kafka: Kafka, client: Client, documents: Path | None) -> Recovered:
    found = service(name)
    async with client, await open_pool(url, name, size=2) as pool:

        async def find(sha256: str) -> Document | None:
            if documents is not None and (file := documents / sha256).exists():
                return Document(file.read_bytes())
            return await document_of(client, sha256)

        journal = PostgresJournal(name, found.codec, pool, found.project)
        ledger = None if name == LEDGER else LedgerCopy(client, name)
        readers = await taken_by_readers(client, name)
        return await run(found, journal, KafkaCopy(KafkaBroker(kafka), name), ledger, readers, find)


def rebuild_tiles(folder: Path) -> dict[str, int]:
    """How many leaves were signed, and how many tiles of them were missing."""

    async def run() -> dict[str, int]:
        async with await open_pool(owner_url(folder), LEDGER, size=1) as pool:
            signed, missing = await write_missing_tiles(pool, folder / "ledger" / "tiles")
        return {"leaves": signed.size, "missing": missing}

    try:
        return asyncio.run(run())
    except ForkDetected as error:
        fail(f"nothing was changed that is held: {error}", CHECK_FAILED)
    except BlockingIOError:
        fail("the ledger is writing tiles: repeat it", CHECK_FAILED)
    except (Unreachable, OSError, asyncpg.PostgresError) as error:
        fail(f"the database does not answer: {why(error)}", CHECK_FAILED)
