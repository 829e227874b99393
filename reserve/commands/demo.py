"""`reserve demo`: 6 January 2026, told and then replayed. The last line on standard output is the summary, as JSON."""

import asyncio
import shutil
import sys
import tempfile
from pathlib import Path

import httpx

from reserve.client import ProblemAnswer
from reserve.commands.failure import CHECK_FAILED, fail, why
from reserve.demo.parties import Unexpected
from reserve.demo.play import Summary, play
from reserve.demo.screen import Screen
from reserve.operate.production import Refused
from reserve.operate.serving import Stopped
from services.ledger.receipt import ReceiptInvalid
from shared.delivery.tokens import TokenUnavailable
from shared.engines.processes import Died

INTERRUPTED = 130


def demo(folder: Path | None, *, plain: bool) -> Summary:
    """In `folder`, which must be new and stays; otherwise in a temporary one, which stays only if something went wrong."""
    if folder is not None and (folder / "endpoints.json").exists():
        fail(f"--data: {folder} has a deployment in it already (accepted: a new folder)")
    where = folder or Path(tempfile.mkdtemp(prefix="reserve-demo-"))
    try:
        summary = asyncio.run(play(where, Screen(plain=plain)))
    except Stopped:
        if folder is None:
            shutil.rmtree(where)
        sys.exit(INTERRUPTED)
    except Refused as refused:
        fail(str(refused))
    except Died as died:
        fail(f"{died}\n{where} is kept, with its logs", CHECK_FAILED)
    except (Unexpected, ProblemAnswer, ReceiptInvalid, TokenUnavailable, httpx.TransportError) as error:
        fail(f"the story broke off: {why(error)}; {where} is kept, with its logs", CHECK_FAILED)
    if folder is None and summary.ok:
        shutil.rmtree(where)
    return summary
