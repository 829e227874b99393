"""`reserve receipt complete`: whether a partner has all of its events, by its own copy of the feed and the receipt of a day's tally.

Nobody is asked. The receipt says, under a pinned key of the log's, the last number of each shard and the chain hash of all up to it; the
saved items give the same, or what is missing is named.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import msgspec

from reserve.commands.failure import CHECK_FAILED, fail
from reserve.commands.receipt import log_keys, read_receipt, witness_policy
from services.allocation.events.reach import LineTally, PartnerTallied
from services.ledger.receipt import VerifiedReceipt
from shared.journal.record import GENESIS, chain_hash, columns_of, event_hash

_NAMED = 20  # gaps of a line that are written out
_ACCEPTED = "(accepted: pages of the feed, or its items, as JSON, a line each)"


class Item(msgspec.Struct, frozen=True):
    """What is read of an item of the feed: all else of it can be worked out."""

    hashed: str
    salt: str  # hex


class Kept(msgspec.Struct, frozen=True):
    """An event that the partner holds, of a line: its number among the partner's, and the history in which it was recorded."""

    line: str  # "inventory/0"
    number: int
    history: int
    event_hash: bytes


def completeness(
    receipt: Path, feed: Sequence[Path], keys: Sequence[str], folder: Path, policies: Sequence[Path] = ()
) -> tuple[dict[str, Any], list[str]]:
    """What the tally says, as names and values; and what is missing of it, a sentence a line. Ends the command where a receipt proves
    nothing (exit code 1) or what is given cannot be read (2)."""
    verified = read_receipt(receipt, log_keys(keys, folder), list(map(witness_policy, policies)))
    tally = _tally_of(receipt, verified)
    kept = [each for file in feed for each in _kept(file, tally.partner)]
    proven = {
        "partner": tally.partner,
        "day": tally.day.isoformat(),
        "events": sum(line.last for line in tally.lines.values()),
        "log": verified.checkpoint.origin,
        "leaves": tally.size,
        "grade": str(verified.grade),
    }
    return proven, list(missing(tally, kept))


def missing(tally: PartnerTallied, kept: Iterable[Kept]) -> Iterator[str]:
    """By service and shard. A number that a restore has given again counts as it was given last."""
    held: dict[str, dict[int, Kept]] = {}
    for each in sorted(kept, key=lambda each: each.history):
        held.setdefault(each.line, {})[each.number] = each
    for line, told in sorted(tally.lines.items()):
        yield from _missing(line, told, held.get(line, {}))


def _missing(line: str, told: LineTally, held: dict[int, Kept]) -> Iterator[str]:
    gaps = [number for number in range(1, told.last + 1) if number not in held]
    if gaps:
        yield f"{line}: {_ranges(gaps)} of {told.last}"
        return
    chain = GENESIS
    for number in range(1, told.last + 1):
        chain = chain_hash(chain, held[number].event_hash)
    if chain.hex() != told.chain:
        yield f"{line}: all numbers up to {told.last} are there, and at least one is not the event that was recorded"


def _ranges(numbers: Sequence[int]) -> str:
    """1, 4-7"""
    runs = [[number for _, number in run] for _, run in groupby(enumerate(numbers), key=lambda each: each[1] - each[0])]
    named = [f"{run[0]}" if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs[:_NAMED]]
    return ", ".join([*named, *([f"and {len(runs) - _NAMED} gaps more"] if len(runs) > _NAMED else [])])


def _tally_of(file: Path, receipt: VerifiedReceipt) -> PartnerTallied:
    event = receipt.opening.event
    try:
        return msgspec.json.decode(columns_of(event or b"")["data"], type=PartnerTallied)
    except (msgspec.DecodeError, RecursionError):
        of = "nothing that it opens" if event is None else f"the event at {receipt.opening.place}"
        fail(f"{file}: it is of {of} (accepted: the receipt of an allocation.partner_tallied)", CHECK_FAILED)


def _kept(file: Path, partner: str) -> Iterator[Kept]:
    try:
        content = file.read_bytes()
    except OSError as error:
        fail(f"FEED: {file}: {error.strerror}")
    for item in _items(file, content):
        hashed = item.hashed.encode()
        try:
            columns, salt = columns_of(hashed), bytes.fromhex(item.salt)
        except ValueError as error:
            fail(f"FEED: {file}: an item that is none: {error}")
        if columns["partner"] != partner:
            fail(f"{file} has an event of {columns['partner']}, and the tally is of {partner}", CHECK_FAILED)
        line = f"{columns['type'].partition('.')[0]}/{columns['shard']}"
        yield Kept(line, columns["partner_seq"] or 0, columns["history"], event_hash(salt, hashed))


def _items(file: Path, content: bytes) -> Iterator[Item]:
    """Pages of the feed as they were answered, or items; a value, or one a line."""
    decoder = msgspec.json.Decoder()
    try:
        try:
            found = [decoder.decode(content)]
        except msgspec.DecodeError:
            found = decoder.decode_lines(content)
    except (msgspec.DecodeError, RecursionError) as error:
        fail(f"FEED: {file}: {error} {_ACCEPTED}")
    for value in found:
        items = value["data"] if isinstance(value, dict) and "hashed" not in value and "data" in value else value
        try:
            yield from msgspec.convert(items if isinstance(items, list) else [items], list[Item])
        except msgspec.ValidationError as error:
            fail(f"FEED: {file}: {error} {_ACCEPTED}")
