"""`reserve receipt verify`: whether a receipt proves what it says, with nothing but the log's key. No network."""

from pathlib import Path
from typing import Any

import msgspec

from reserve.commands.failure import CHECK_FAILED, fail
from services.ledger.receipt import ReceiptInvalid, VerifiedReceipt, verify_receipt
from shared.proofs.signed_note import NoteMalformed, VerifierKey, parse_verifier_key


def verified(file: Path, key: str | None, folder: Path) -> dict[str, Any]:
    """What the receipt proves, as names and values. Ends the command with the check that failed, exit code 1."""
    try:
        text = file.read_bytes()
    except OSError as error:
        fail(f"FILE: {file}: {error.strerror}")
    try:
        return _proven(verify_receipt(text, [log_key(key, folder)]))
    except ReceiptInvalid as error:
        fail(f"{file} proves nothing: check {error.check} failed ({error.code}): {error.detail}", CHECK_FAILED)


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
    }
