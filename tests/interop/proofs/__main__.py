"""`python -m tests.interop.proofs PROOFS LITEWITNESS`: what Reserve's log says of itself, before other people's code: all of it holds, and
nothing that was tampered with does. The two programs are built from the Go sources here."""

import asyncio
import sys
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path

from shared.engines.engines import engines
from shared.engines.private_files import private_folder
from tests.contract.ledger_stage import a_ledger_stage
from tests.interop.proofs.logs import write_logs
from tests.interop.proofs.programs import Proofs
from tests.interop.proofs.receipts import write_receipts
from tests.interop.proofs.witnesses import our_log, their_log


async def main(program: str, litewitness: str) -> None:
    proofs = Proofs(program)
    with tempfile.TemporaryDirectory(prefix="reserve-") as temporary:
        folders = [private_folder(Path(temporary) / name) for name in ("receipts", "written", "theirs", "ours", "stage", "engines")]
        receipts, written, theirs, ours, stage, servers = folders
        write_receipts(receipts)
        for policy in ("policy", "policy-ml-dsa-44"):
            await both_ways(proofs, "receipts", receipts / policy, receipts)
        write_logs(written)
        for what in ("checkpoints", "logs"):
            await both_ways(proofs, what, written / "key", written / what)
        await their_log(proofs, theirs)
        async with AsyncExitStack() as stack:
            running = engines(servers)
            for engine in running.programs:
                await engine.start()
                stack.push_async_callback(engine.stop)
            await our_log(proofs, litewitness, await stack.enter_async_context(a_ledger_stage(running, stage)), ours)


async def both_ways(proofs: Proofs, what: str, pinned: Path, folder: Path) -> None:
    sound, tampered = (sorted((folder / name).iterdir()) for name in ("sound", "tampered"))
    await proofs(what, pinned, *sound)
    await proofs(what, "-rejects", pinned, *tampered)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
