"""`reserve receipt verify`: whether a receipt proves what it says, with nothing but the log's key; and whether it stands in the log."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from reserve.audit.live import LiveEvidence
from reserve.commands.against import Held, Shown, shown_by
from reserve.commands.bundle import opened
from reserve.commands.caller import nobody_at
from reserve.commands.failure import CHECK_FAILED, fail
from services.ledger.receipt import ReceiptInvalid, VerifiedReceipt, verify_receipt
from shared.proofs.policy import NONE, WitnessPolicy, parse_policy
from shared.proofs.signed_note import NoteMalformed, VerifierKey, parse_verifier_key


def verified(
    file: Path, keys: Sequence[str], folder: Path, policies: Sequence[Path] = (), against: str | None = None
) -> tuple[dict[str, Any], str | None]:
    """What the receipt proves, as names and values; and what the log that it is held `against` does not show. Ends the command with the
    check that failed, exit code 1."""
    pinned, witnesses = log_keys(keys, folder), list(map(witness_policy, policies))
    receipt = read_receipt(file, pinned, witnesses)
    if against is None:
        return _proven(receipt), None
    shown = asyncio.run(_shown_at(against, Held(file, receipt, pinned, witnesses)))
    return _proven(receipt) | shown.proven, shown.missing


def read_receipt(file: Path, pinned: Sequence[VerifierKey], witnesses: Sequence[WitnessPolicy]) -> VerifiedReceipt:
    """Ends the command with the check that failed, exit code 1."""
    try:
        return verify_receipt(file.read_bytes(), pinned, *witnesses)
    except OSError as error:
        fail(f"FILE: {file}: {error.strerror}")
    except ReceiptInvalid as error:
        fail(f"{file} proves nothing: check {error.check} failed ({error.code}): {error.detail}", CHECK_FAILED)


async def _shown_at(against: str, held: Held) -> Shown:
    """`against`: an address, or the folder of a bundle."""
    if "://" in against:
        async with nobody_at(against) as client:
            return await shown_by(LiveEvidence(client), client.base_url, held)
    bundle = opened(Path(against))
    size = held.receipt.head.size
    if bundle.manifest.origin == held.receipt.checkpoint.origin and bundle.manifest.size < size:
        fail(f"--against: {against} ends with {bundle.manifest.size} leaves, and the receipt is of {size} (accepted: a later bundle)")
    return await shown_by(bundle, against, held)


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
        policy = parse_policy(file.read_text())
    except OSError as error:
        fail(f"--policy: {file}: {error.strerror}")
    except ValueError as error:
        fail(f"--policy: {file}: {error} (accepted: a C2SP tlog-policy)")
    if policy.quorum == NONE:
        fail(f"--policy: {file}: its quorum is {NONE}, which makes a witnessed receipt of every one (accepted: a quorum of witnesses)")
    return policy


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
