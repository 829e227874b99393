"""`reserve restore`: a deployment's folder out of a backup; or one service's journal, back to the past under the others."""

import asyncio
from pathlib import Path

import asyncpg

from reserve.commands.audit_state import read_notes
from reserve.commands.database import journaled, owner_url
from reserve.commands.failure import CHECK_FAILED, fail
from reserve.operate.backup import NoBackup
from reserve.operate.histories import NotThisLog
from reserve.operate.restore import Restored, restore_all, restore_service
from services.ledger.signers import KeyUnsafe
from services.ledger.tiles import ForkDetected, TileMissing
from shared.engines.postgres_tools import ToolFailed
from shared.engines.processes import Died


def restore(
    backup: Path, folder: Path, service: str | None, secrets: Path | None, last_checkpoint: Path | None, history: int | None
) -> Restored:
    backup, folder = backup.absolute(), folder.absolute()
    try:
        if service is None:
            return asyncio.run(restore_all(backup, folder, secrets, _last_in(last_checkpoint), history))
        return asyncio.run(restore_service(journaled(service, "--service"), backup, folder, owner_url(folder)))
    except FileExistsError as error:
        fail(f"--data: {error} (accepted: a new folder, or an empty one)")
    except KeyUnsafe as error:
        fail(f"--secrets: {error}")
    except NotThisLog as error:
        fail(f"--last-checkpoint, --history: {error}")
    except (ForkDetected, TileMissing) as error:
        fail(f"nothing was restored: the tiles of the backup, or those in --secrets, are not of its log: {error}", CHECK_FAILED)
    except (NoBackup, ToolFailed, Died, asyncpg.PostgresError, OSError) as error:
        fail(f"nothing was restored: {error}", CHECK_FAILED)


def _last_in(last_checkpoint: Path | None) -> str | None:
    """A witness's answer is one note; what an auditor keeps has one of each audit, the last one at its end."""
    return None if last_checkpoint is None else read_notes(last_checkpoint, "--last-checkpoint")[-1]
