"""Receipts: that an event is in the ledger's log, by nothing but the text and the log's pinned key. Sources: c2sp.org/tlog-proof, RFC 6962.

`hashed` of an event is in the leaf as SHA-256(0x03 || salt || place || SHA-256(0x01 || salt || hashed)).
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from reserve_partner.proofs.notes import (
    NoteMalformed,
    NoteUnsigned,
    SignatureWrong,
    check_signed,
    decode_base64,
    decode_decimal,
    read_key,
    read_note,
)

MOST_BYTES = 512 * 1024
MOST_HASHES = 63
_HEADER = "c2sp.org/tlog-proof@v1"
_PLACE = re.compile(r"[a-z][a-z_]*(~([2-9]|[1-9][0-9]{1,3}))?/(0|[1-9][0-9]{0,3})/(0|[1-9][0-9]{0,15})")


class ReceiptInvalid(Exception):
    """It proves nothing, not even in part. `code` is stable, and the one that `reserve receipt verify` names."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail


@dataclass(frozen=True)
class Receipt:
    """A verified one: the event at `place` is leaf `index` of the log `origin`, of which `size` leaves were signed."""

    place: str
    index: int
    origin: str
    size: int
    event_hash: bytes
    event: dict[str, Any] | None  # as it was recorded: `type`, `partner`, `recorded_at`, `data` ...; None: the receipt does not show it


def check_receipt(text: str | bytes, *log_keys: str) -> Receipt:
    """`log_keys`: of the log and of those of histories before, as you have pinned them: from elsewhere than with the receipt.

    Raises ReceiptInvalid, and NoteMalformed (a ValueError) for a key that is none."""
    keys = [read_key(key) for key in log_keys]
    try:
        index, hashes, note_text, extra = _read_proof(text if isinstance(text, str) else text.decode())
    except ValueError as error:
        raise ReceiptInvalid("not_a_proof", str(error)) from error
    place, salt, event_hash, hashed, event = _read_opening(extra)
    try:
        note, head = read_note(note_text)
    except NoteMalformed as error:
        raise ReceiptInvalid("not_a_checkpoint", str(error)) from error
    if hashed is not None:
        _check_event(place, salt, event_hash, hashed, event)
    try:
        check_signed(note, head.origin, keys)
    except NoteUnsigned as error:
        raise ReceiptInvalid("signature_wrong" if isinstance(error, SignatureWrong) else "key_unknown", str(error)) from error
    leaf = sha256(b"\x03" + salt + place.encode() + event_hash).digest()
    if not included(leaf, index, head.size, hashes, head.root):
        raise ReceiptInvalid("not_included", f"{place} is not leaf {index} of the signed tree of {head.size}")
    return Receipt(place, index, head.origin, head.size, event_hash, event)


def included(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether `proof` leads from leaf `index` to the root of `size` leaves (RFC 9162 section 2.1.3.2)."""
    if not 0 <= index < size:
        return False
    node = sha256(b"\x00" + leaf).digest()
    at, last = index, size - 1
    for sibling in proof:
        if last == 0:
            return False
        if at & 1 or at == last:
            node = sha256(b"\x01" + sibling + node).digest()
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            node = sha256(b"\x01" + node + sibling).digest()
        at, last = at >> 1, last >> 1
    return last == 0 and node == root


def canonical(value: Any) -> bytes:
    """The one spelling of a JSON value of the Reserve's: sorted members, no spaces, no floats."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def read_json(text: str | bytes) -> Any:
    """Raises ValueError, also for a member that comes twice, and for what the Reserve never writes: a float."""
    try:
        return json.loads(text, object_pairs_hook=_members, parse_float=_no_float, parse_constant=_no_float)
    except RecursionError as error:
        raise ValueError("it nests too deep") from error


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a member comes twice")
    return found


def _no_float(text: str) -> Any:
    raise ValueError(f"{text} is no whole number")


def _read_proof(text: str) -> tuple[int, list[bytes], str, bytes | None]:
    """(index, hashes, the signed note, what `extra` holds)."""
    head, blank, note = text.partition("\n\n")
    header, *lines = head.split("\n")
    if len(text) > MOST_BYTES or header != _HEADER or not blank:
        raise ValueError(f"a proof starts with {_HEADER}, and has an empty line before its checkpoint")
    extra = decode_base64(lines.pop(0).removeprefix("extra ")) if lines and lines[0].startswith("extra ") else None
    if not lines or not lines[0].startswith("index "):
        raise ValueError("it has no index")
    hashes = [decode_base64(line) for line in lines[1:]]
    if len(hashes) > MOST_HASHES or any(len(each) != 32 for each in hashes):
        raise ValueError("it has hashes of 32 bytes, at most 63")
    return decode_decimal(lines[0].removeprefix("index ")), hashes, note, extra


def _read_opening(extra: bytes | None) -> tuple[str, bytes, bytes, bytes | None, Any]:
    """(place, salt, event hash, the bytes that were hashed, the event)."""
    try:
        opening = read_json(extra or b"")
        if not isinstance(opening, dict) or set(opening) - {"event"} != {"event_hash", "place", "salt"} or canonical(opening) != extra:
            raise ValueError("it is not spelt as an opening is")
        place, salt, event_hash = opening["place"], bytes.fromhex(opening["salt"]), bytes.fromhex(opening["event_hash"])
        if (salt.hex(), event_hash.hex(), len(salt), len(event_hash)) != (opening["salt"], opening["event_hash"], 16, 32):
            raise ValueError("a salt has 16 bytes and a hash 32, in hex")
        if not _PLACE.fullmatch(place):
            raise ValueError(f"{place} is not a place")
    except (ValueError, TypeError, RecursionError) as error:
        raise ReceiptInvalid("not_an_opening", f"the extra line does not open a leaf: {error}") from error
    if "event" not in opening:
        return place, salt, event_hash, None, None
    return place, salt, event_hash, canonical(opening["event"]), opening["event"]


def _check_event(place: str, salt: bytes, event_hash: bytes, hashed: bytes, event: Any) -> None:
    if sha256(b"\x01" + salt + hashed).digest() != event_hash:
        raise ReceiptInvalid("event_altered", "the event is not the one whose hash was recorded")
    try:
        service, history = event["type"].partition(".")[0], event.get("history", 1)
        own = f"{service}{'' if history == 1 else f'~{history}'}/{event['shard']}/{event['position']}"
    except (TypeError, KeyError, AttributeError) as error:
        raise ReceiptInvalid("event_elsewhere", f"the event does not say where it is: {error!r}") from error
    if own != place:
        raise ReceiptInvalid("event_elsewhere", f"the event says that it is at {own}, its receipt {place}")
