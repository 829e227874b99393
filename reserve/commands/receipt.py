"""`reserve receipt verify`: whether a receipt proves what it says, with nothing but the log's key; and whether it stands in the log."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import msgspec

from reserve.client import ProblemAnswer
from reserve.commands.caller import nobody_at
from reserve.commands.failure import CHECK_FAILED, fail
from reserve.commands.forks import write_fork
from services.ledger.receipt import ReceiptInvalid, VerifiedReceipt, verify_receipt
from shared.proofs.checkpoint import open_checkpoint
from shared.proofs.encoding import encode_base64
from shared.proofs.fork import Consistency, ForkProof
from shared.proofs.policy import WitnessPolicy, parse_policy
from shared.proofs.signed_note import NoteMalformed, NoteUnverified, VerifierKey, parse_verifier_key


def verified(file: Path, key: str | None, folder: Path, policies: Sequence[Path] = (), against: str | None = None) -> dict[str, Any]:
    """What the receipt proves, as names and values. Ends the command with the check that failed, exit code 1."""
    try:
        text = file.read_bytes()
    except OSError as error:
        fail(f"FILE: {file}: {error.strerror}")
    try:
        receipt = verify_receipt(text, [pinned := log_key(key, folder)], *map(witness_policy, policies))
    except ReceiptInvalid as error:
        fail(f"{file} proves nothing: check {error.check} failed ({error.code}): {error.detail}", CHECK_FAILED)
    proven = _proven(receipt)
    return proven if against is None else proven | asyncio.run(_stands(file, receipt, pinned, against))


async def _stands(file: Path, receipt: VerifiedReceipt, pinned: VerifierKey, url: str) -> dict[str, Any]:
    """That the log of today goes on from the one that the receipt is of. It is asked without a token, as anybody."""
    async with nobody_at(url) as client:
        try:
            served = (await client.request("GET", "/ledger/v1/checkpoint")).text
            now = open_checkpoint(served, [pinned]).head
            if now.size < receipt.head.size:
                fail(f"{file}: the log had {receipt.head.size} leaves, and has {now.size} now", CHECK_FAILED)
            answer = await client.request("GET", f"/ledger/v1/consistency/{receipt.head.size}/{now.size}")
            shown = msgspec.json.decode(answer.content, type=Consistency)
        except (NoteMalformed, NoteUnverified) as error:
            fail(f"{url} is another log, or a checkpoint of nobody's: {error}", CHECK_FAILED)
        except (ProblemAnswer, httpx.TransportError, msgspec.MsgspecError) as error:
            fail(f"--against: {url} does not answer as a log does: {error!r}")
    if shown.old_size != receipt.head.size or not shown.holds(now):
        fail(f"{file}: the log of {now.size} leaves does not show that it goes on from the one of {receipt.head.size}", CHECK_FAILED)
    if shown.old_root != encode_base64(receipt.head.root):
        write_fork(ForkProof(receipt.note, served, shown), file)
        fail(f"{file}: the first {receipt.head.size} leaves of the log are others now", CHECK_FAILED)
    return {"stands in": f"the log of {now.size} leaves at {url}"}


def log_key(key: str | None, folder: Path, option: str = "--key") -> VerifierKey:
    """The log's pinned key: as given, or as the deployment in `folder` gave it out."""
    where = option
    if key is None:
        pinned = folder / "keys" / "ledger.vkey"
        where = f"--data: {pinned}"
        try:
            key = pinned.read_text()
        except OSError as error:
            fail(f"{where}: {error.strerror}")
    try:
        return parse_verifier_key(key.strip())
    except NoteMalformed as error:
        fail(f"{where}: {error} (accepted: name+id+base64, as the ledger gives it out)")


def witness_policy(file: Path) -> WitnessPolicy:
    """Who has to have cosigned, as pinned in a file."""
    try:
        return parse_policy(file.read_text())
    except OSError as error:
        fail(f"--policy: {file}: {error.strerror}")
    except ValueError as error:
        fail(f"--policy: {file}: {error} (accepted: a C2SP tlog-policy)")


def _proven(receipt: VerifiedReceipt) -> dict[str, Any]:
    event = msgspec.json.decode(receipt.opening.event) if receipt.opening.event is not None else {}
    return {
        "place": receipt.opening.place,
        "type": event.get("type"),  # None: the receipt holds only the event's hash
        "event_hash": receipt.opening.event_hash.hex(),
        "position": receipt.index,
        "log": receipt.checkpoint.origin,
        "log_size": receipt.head.size,
        "grade": str(receipt.grade),
    } | _vouched(receipt)


def _vouched(receipt: VerifiedReceipt) -> dict[str, Any]:
    if (witnessed := receipt.witnessed) is None:
        return {}
    return {"witnesses": ", ".join(sorted(witnessed.cosignatures)), "witnessed": datetime.fromtimestamp(witnessed.at, UTC).isoformat()}
