"""`reserve backup`: a running deployment, or one of its services, into a folder."""

import asyncio
from pathlib import Path

import asyncpg

from reserve.commands.database import journaled, owner_url
from reserve.commands.failure import CHECK_FAILED, fail
from reserve.operate.backup import Manifest, back_up, back_up_service
from shared.engines.postgres_tools import ToolFailed


def backup(into: Path, folder: Path, service: str | None) -> Manifest:
    into, folder = into.absolute(), folder.absolute()
    url = owner_url(folder)
    try:
        if service is None:
            return asyncio.run(back_up(folder, url, into))
        return asyncio.run(back_up_service(journaled(service, "--service"), url, into))
    except FileExistsError as error:
        fail(f"DIR: {error} (accepted: a new folder, or an empty one)")
    except (ToolFailed, asyncpg.PostgresError, OSError) as error:
        fail(f"there is no backup in {into}: {error}", CHECK_FAILED)
