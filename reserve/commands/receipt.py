"""`reserve receipt verify`: whether a receipt proves what it says, with nothing but the log's key; and whether it stands in the log."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import msgspec

from reserve.client import Client, ProblemAnswer
from reserve.commands.caller import nobody_at
from reserve.commands.failure import CHECK_FAILED, fail
from reserve.commands.forks import write_fork
from services.ledger.receipt import ReceiptInvalid, VerifiedReceipt, verify_receipt
from shared.proofs.checkpoint import open_checkpoint, parse_checkpoint
from shared.proofs.encoding import encode_base64
from shared.proofs.fork import Consistency, ForkProof
from shared.proofs.history import Commitment, NoCommitment, read_commitment
from shared.proofs.policy import WitnessPolicy, parse_policy
from shared.proofs.signed_note import NoteMalformed, NoteUnverified, VerifierKey, parse_note, parse_verifier_key


def verified(file: Path, key: str | None, folder: Path, policies: Sequence[Path] = (), against: str | None = None) -> dict[str, Any]:
    """What the receipt proves, as names and values. Ends the command with the check that failed, exit code 1."""
    try:
        text = file.read_bytes()
    except OSError as error:
        fail(f"FILE: {file}: {error.strerror}")
    try:
        receipt = verify_receipt(text, pinned := log_keys([] if key is None else [key], folder), *map(witness_policy, policies))
    except ReceiptInvalid as error:
        fail(f"{file} proves nothing: check {error.check} failed ({error.code}): {error.detail}", CHECK_FAILED)
    proven = _proven(receipt)
    return proven if against is None else proven | asyncio.run(_stands(file, receipt, pinned, against))


async def _stands(file: Path, receipt: VerifiedReceipt, pinned: Sequence[VerifierKey], url: str) -> dict[str, Any]:
    """That the log of today goes on from the one that the receipt is of. It is asked without a token, as anybody."""
    async with nobody_at(url) as client:
        try:
            served = (await client.request("GET", "/ledger/v1/checkpoint")).text
            if (next_one := await _ended(client, served, receipt)) is not None:
                return await _stands_in_ended(file, receipt, pinned, next_one, client)
            now = open_checkpoint(served, pinned).head
            if now.size < receipt.head.size:
                fail(f"{file}: the log had {receipt.head.size} leaves, and has {now.size} now", CHECK_FAILED)
            await _goes_on(file, receipt, served, client, "/ledger/v1")
        except (NoteMalformed, NoteUnverified) as error:
            fail(f"{url} is another log, or a checkpoint of nobody's: {error}", CHECK_FAILED)
        except (ProblemAnswer, httpx.TransportError, msgspec.MsgspecError, NoCommitment) as error:
            fail(f"--against: {url} does not answer as a log does: {error!r}")
    return {"stands in": f"the log of {now.size} leaves at {url}"}


async def _ended(client: Client, served: str, receipt: VerifiedReceipt) -> Commitment | None:
    """What the log after the receipt's begins with, if that one has ended: the deployment serves another one by now."""
    if parse_checkpoint(parse_note(served).text).origin == receipt.checkpoint.origin:
        return None
    told = (await client.get("/ledger/v1/histories"))["data"]
    found = [read_commitment(each["commitment"].encode()) for each in told if each["commitment"] is not None]
    ended = (each for each in found if each.before.key.partition("+")[0] == receipt.checkpoint.origin)
    return next(ended, None)


async def _stands_in_ended(
    file: Path, receipt: VerifiedReceipt, pinned: Sequence[VerifierKey], next_one: Commitment, client: Client
) -> dict[str, Any]:
    """That the event is in a history that has ended, among what the next one has of it."""
    before = next_one.before
    begins = f"history {next_one.history} begins after the first {before.kept} leaves of this log"
    known = 0 if before.checkpoint is None else open_checkpoint(before.checkpoint, pinned).head.size
    if receipt.index >= before.kept:
        fail(
            f"{file}: {begins}, and this is leaf {receipt.index}: it was signed, and is lost. Of that log, {known} leaves are known there. "
            "Show the operator this receipt",
            CHECK_FAILED,
        )
    last = before.kept_checkpoint if receipt.head.size <= before.kept else before.checkpoint
    if last is None or known < receipt.head.size:
        fail(f"{file}: {begins}; the receipt is of {receipt.head.size} leaves, and {known} are known there", CHECK_FAILED)
    open_checkpoint(last, pinned)
    await _goes_on(file, receipt, last, client, f"/ledger/v1/histories/{before.history}")
    return {"stands in": f"the log of history {before.history}, which has ended: {begins}"}


async def _goes_on(file: Path, receipt: VerifiedReceipt, served: str, client: Client, log: str) -> None:
    """Ends the command where the log at this path, whose last checkpoint is `served`, does not go on from the receipt's. Raises
    ProblemAnswer, MsgspecError."""
    now = parse_checkpoint(parse_note(served).text).head
    answer = await client.request("GET", f"{log}/consistency/{receipt.head.size}/{now.size}")
    shown = msgspec.json.decode(answer.content, type=Consistency)
    if shown.old_size != receipt.head.size or not shown.holds(now):
        fail(f"{file}: the log of {now.size} leaves does not show that it goes on from the one of {receipt.head.size}", CHECK_FAILED)
    if shown.old_root != encode_base64(receipt.head.root):
        write_fork(ForkProof(receipt.note, served, shown), file)
        fail(f"{file}: the first {receipt.head.size} leaves of the log are others now", CHECK_FAILED)


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


def log_keys(keys: Sequence[str], folder: Path, option: str = "--key") -> list[VerifierKey]:
    """The pinned keys of the log and of those of histories before: as given, or as the deployment in `folder` gave them out."""
    if keys:
        return [log_key(key, folder, option) for key in keys]
    earlier = sorted((folder / "keys").glob("history-*/ledger.vkey"))
    return [log_key(None, folder), *(log_key(file.read_text(), folder, f"--data: {file}") for file in earlier)]


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
