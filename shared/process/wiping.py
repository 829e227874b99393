"""Wiping: of a text that is erased, PostgreSQL has the bytes in a page still, until it needs the room. This has the table written anew."""

import asyncio
from datetime import UTC

import asyncpg
import structlog

from shared.journal.connection import UNREACHABLE
from shared.journal.postgres_texts import wipe_texts
from shared.process.service import Kernel

log = structlog.get_logger()

LOOKS_EVERY_SECONDS = 5.0


async def wipe(kernel: Kernel) -> None:
    """What an earlier process did not come to is found, too. `wiped_at` of a text says that it is done."""
    while True:
        try:
            async with kernel.pool.acquire() as connection:
                if texts := await wipe_texts(connection, kernel.clock.now().astimezone(UTC)):
                    log.info("texts_wiped", texts=texts)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, *UNREACHABLE) as error:
            log.warning("texts_not_wiped", error=repr(error))
        await asyncio.sleep(LOOKS_EVERY_SECONDS)
