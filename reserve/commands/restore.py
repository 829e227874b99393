"""`reserve restore`: a deployment's folder out of a backup; or one service's journal, back to the past under the others."""

import asyncio
from pathlib import Path

import asyncpg

from reserve.commands.database import journaled, owner_url
from reserve.commands.failure import CHECK_FAILED, fail
from reserve.operate.backup import NoBackup
from reserve.operate.restore import Restored, restore_all, restore_service
from services.ledger.signers import KeyUnsafe
from shared.engines.postgres_tools import ToolFailed
from shared.engines.processes import Died


def restore(backup: Path, folder: Path, service: str | None, secrets: Path | None) -> Restored:
    backup, folder = backup.absolute(), folder.absolute()
    try:
        if service is None:
            return asyncio.run(restore_all(backup, folder, secrets))
        return asyncio.run(restore_service(journaled(service, "--service"), backup, folder, owner_url(folder)))
    except FileExistsError as error:
        fail(f"--data: {error} (accepted: a new folder, or an empty one)")
    except KeyUnsafe as error:
        fail(f"--secrets: {error}")
    except (NoBackup, ToolFailed, Died, asyncpg.PostgresError, OSError) as error:
        fail(f"nothing was restored: {error}", CHECK_FAILED)
