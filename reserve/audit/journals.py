"""Journals: each shard followed from its first event, by positions, hashes, times and numbers.

After a fault a line goes on from what it was shown, so that one fault is one failure.
"""

from collections.abc import Iterator, Mapping
from datetime import date, datetime
from typing import Any

import msgspec

from reserve.audit import hashes
from reserve.audit.evidence import Recorded
from reserve.audit.report import Check, Findings
from services.allocation import events as allocation
from services.allocation.events.upcasts import UPCASTERS
from services.inventory import events as inventory
from services.inventory.events.upcasts import UPCASTERS as INVENTORY_UPCASTERS
from services.ledger import events as ledger
from services.loans import events as loans
from services.loans.events.upcasts import UPCASTERS as LOANS_UPCASTERS
from shared.journal.codec import Codec, UnknownType
from shared.journal.places import Histories
from shared.journal.record import canonical, partner_of

CODECS = {
    "inventory": Codec(inventory.Event, INVENTORY_UPCASTERS),
    "allocation": Codec(allocation.Event, UPCASTERS),
    "loans": Codec(loans.Event, LOANS_UPCASTERS),
    "ledger": Codec(ledger.Event),
}


_NO_TIME = "1970-01-01T00:00:00.000000Z"  # of a first record whose own is none


class Journal:
    """One service's journal: its shards, and its `streams`, each of which lives in one shard."""

    def __init__(self, service: str, findings: Findings, histories: Histories) -> None:
        self.service = service
        self._histories = histories
        self._findings = findings
        self.streams: dict[str, tuple[int, int]] = {}  # stream -> (shard, version)
        self._partners: dict[tuple[int, str], int] = {}
        self._ends: dict[int, tuple[int, str, str]] = {}  # shard -> (position, chain hash, recorded at)

    def end(self, shard: int) -> int:
        """The position that has been read up to."""
        return self._ends.get(shard, (0, "", ""))[0]

    def readable(self, shard: int, record: Recorded) -> Recorded:
        """The next record of a shard, as all else can read it: in the place of a time that is none, that of the record before."""
        fine_time, fine_day = is_time(record.recorded_at), is_day(record.effective_on)
        if fine_time and fine_day:
            return record
        place = record.place(self.service)
        for name, fine in (("recorded_at", fine_time), ("effective_on", fine_day)):
            said = getattr(record, name)
            self._findings.look(Check.SHAPES, fine, place, f"{name} is {said!r}, which is no {'time' if name == 'recorded_at' else 'day'}")
        recorded_at = record.recorded_at if fine_time else self._ends.get(shard, (0, "", ""))[2] or _NO_TIME
        return msgspec.structs.replace(record, recorded_at=recorded_at, effective_on=record.effective_on if fine_day else recorded_at[:10])

    def follow(self, shard: int, record: Recorded) -> Any:
        """The event, or None if it does not read as one."""
        return self.read(record, self.check(shard, record))

    def check(self, shard: int, record: Recorded) -> str:
        """All but what the event says. Gives its place."""
        look = self._findings.look
        position, chain, recorded_at = self._ends.get(shard, (0, hashes.BEFORE_THE_FIRST, ""))
        place = record.place(self.service)
        fine = record.position == position + 1 and record.shard == shard
        look(Check.POSITIONS, fine, place, lambda: f"{position + 1} was to come")
        history = self._histories.at(self.service, shard, record.position)
        look(Check.HISTORIES, record.history == history, place, lambda: f"it stands where history {history} goes on")
        look(Check.EVENT_HASHES, _covers(record), place, "the event hash is not the event's")
        look(Check.CHAINS, _follows(record, chain), place, "the chain hash does not follow from the event before")
        look(Check.TIMES, record.recorded_at >= recorded_at, place, lambda: f"recorded {record.recorded_at}, after {recorded_at}")
        self._ends[shard] = (record.position, record.chain_hash, record.recorded_at)
        self._follow_stream(shard, record, place)
        self._follow_partner(shard, record, place)
        return place

    def _follow_stream(self, shard: int, record: Recorded, place: str) -> None:
        home, version = self.streams.get(record.stream, (shard, 0))
        self._findings.look(
            Check.STREAMS,
            record.version == version + 1 and shard == home,
            place,
            lambda: f"version {record.version} of {record.stream} follows version {version} in shard {home}",
        )
        self.streams[record.stream] = (home, record.version)

    def _follow_partner(self, shard: int, record: Recorded, place: str) -> None:
        if record.partner is None:
            if record.partner_seq is not None:
                self._findings.fail(Check.PARTNER_SEQUENCES, place, "a number, and no partner")
            return
        before = self._partners.get((shard, record.partner), 0)
        fine = record.partner_seq == before + 1
        self._findings.look(Check.PARTNER_SEQUENCES, fine, place, lambda: f"{record.partner}'s {record.partner_seq} follows {before}")
        self._partners[shard, record.partner] = record.partner_seq or before

    def read(self, record: Recorded, place: str) -> Any:
        """What the event says, or None."""
        look = self._findings.look
        try:
            event = CODECS[self.service].decode(record.type, record.data)
        except (
            UnknownType,
            msgspec.DecodeError,
            KeyError,
            TypeError,
            AttributeError,
            ValueError,
        ) as error:  # an upcaster raises what it meets
            look(Check.SHAPES, False, place, f"{record.type}: {error}")
            return None
        whose = {partner_of(event), getattr(event, "partner", None)}  # what is not told to a partner now, an earlier build wrote as its own
        plain = msgspec.json.decode(record.data)
        fine = record.partner in whose and hashes.canonical(plain) == record.data
        look(Check.SHAPES, fine, place, "is of another partner than its record, or not in canonical JSON")
        look(Check.SHAPES, bool(record.actor.strip()), place, "nobody is said to have done it")
        as_written = canonical(event) == record.data or CODECS[self.service].upcasts(record.type)
        unknown = () if as_written else sorted(set(_unknown(plain, event)))
        if unknown:
            what = f"{record.type} has no {', '.join(unknown)}: a later build wrote it, or somebody to whom it says something"
            self._findings.list_it(Check.SHAPES, place, what)
        return event


def _unknown(plain: Any, read: Any) -> Iterator[str]:
    """The names of members, at any depth, that the type of what was read has not."""
    if isinstance(read, msgspec.Struct) and isinstance(plain, dict):
        fields = dict(zip(read.__struct_encode_fields__, read.__struct_fields__, strict=True))
        yield from plain.keys() - fields.keys() - {read.__struct_config__.tag_field}
        for name in plain.keys() & fields.keys():
            yield from _unknown(plain[name], getattr(read, fields[name]))
    elif isinstance(read, Mapping) and isinstance(plain, dict):
        for name, part in read.items():
            yield from _unknown(plain.get(name), part)
    elif isinstance(read, list | tuple) and isinstance(plain, list):
        for each, part in zip(plain, read, strict=False):
            yield from _unknown(each, part)


def is_time(text: str) -> bool:
    """Whether it is one as journals write it: "2026-01-06T00:00:00.000000Z"."""
    try:
        return len(text) == len(_NO_TIME) and text[-1] == "Z" and datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


def is_day(text: str) -> bool:
    try:
        return len(text) == len("2026-01-06") and bool(date.fromisoformat(text))
    except ValueError:
        return False


def _covers(record: Recorded) -> bool:
    try:
        return hashes.event_hash(record) == record.event_hash
    except ValueError:
        return False


def _follows(record: Recorded, chain: str) -> bool:
    try:
        return hashes.chain_hash(chain, record.event_hash) == record.chain_hash
    except ValueError:
        return False
