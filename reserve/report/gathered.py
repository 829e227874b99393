"""Gathered: what a report tells of a history, in one walk of its journals up to the audited cut. What is held of each kind has a limit, so
that memory and page do not grow with the history; beyond it things are counted.

Figures are worked out from events by the audit's own table of postings, not taken from the ledger's books.
"""

from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Mapping
from heapq import heappush, heappushpop
from typing import Any

import msgspec

from reserve.audit.evidence import LEDGER, SOURCES, Evidence, PostedLine, Recorded
from reserve.audit.life import events_until, read_event, records_of, texts_in
from reserve.audit.postings import MOVING, first_version, posted_by
from reserve.audit.telling import printable, sentence_of
from shared.journal.codec import without_version
from shared.terms.acting import Approval

MOST_OF_A_FLOW = 100  # events that the appendix names of one kind, the largest; the others are counted
MOST_EXCEPTIONS = 400  # the latest
MOST_AWARDS = 500
AWARDED = "allocation.award_granted"
INSTRUMENT = "allocation.instrument_registered"
# What events are called in which something did not go as it was to: their reasons are told.
_ODD = """
    adjusted cancelled confirmed_alone corrected defaulted difference disputed emergency failed found hold held late lifted missed objection
    overdue parked postponed quarantined refused returned revoked suspended superseded substituted taken_back terminated withdrawn
    written_off written_down weighed_again"""
OUT_OF_THE_ORDINARY = tuple(_ODD.split())

type Account = tuple[str, str]  # asset, account on the title side


class Item(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """One event in the appendix. `size`: by which the largest are chosen, in the asset's unit."""

    size: int
    place: str
    on: str
    said: str


class Group(msgspec.Struct, kw_only=True):
    """Events of one kind, of one product: `amount` in all, the largest of them in `items`."""

    events: int = 0
    amount: int = 0
    items: list[Item] = []


class Award(msgspec.Struct, frozen=True, kw_only=True):
    """What an award buys: days of supply in tenths, as the decision worked them out."""

    place: str
    on: str
    partner: str
    product: str
    mass_g: int
    days: str
    decision: str


class Signer(msgspec.Struct, frozen=True, kw_only=True):
    subject: str
    authority: str | None
    title: str | None
    office: str | None
    signed: int


class Gathered(msgspec.Struct, frozen=True, kw_only=True):
    """`balances`: of the title side, posted and pending, each beyond zero. `flows`: by (asset, from, to). `promised`: by (asset,
    "released", "drawn" or "lapsed"). `days`: {asset: {day: (released_g, drawn_g)}}, of the day that an event counts for."""

    first: str  # instants as journals write them; "" where there is no event
    last: str
    events: int
    balances: Mapping[Account, tuple[int, int]]
    flows: Mapping[tuple[str, str, str], Group]
    promised: Mapping[tuple[str, str], Group]
    days: Mapping[str, Mapping[str, tuple[int, int]]]
    awards: tuple[Award, ...]
    awards_left_out: int
    exceptions: tuple[Item, ...]
    exceptions_left_out: int
    signers: tuple[Signer, ...]


async def gather(evidence: Evidence, covers: Mapping[str, int]) -> Gathered:
    """`covers`: of each shard ("inventory/0"), as far as the audited checkpoint goes; of the ledger's own journal all."""
    gathering = _Gathering()
    for service in SOURCES:
        async for _, record in events_until(evidence, service, covers):
            gathering.take(service, record)
    async for record in records_of(evidence, LEDGER):
        gathering.take(LEDGER, record)
    return await gathering.gathered(evidence)


class _Largest:
    """Some events of many, the largest by a key; told once all are known."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.kept: list[tuple[Any, int, str, Recorded, Any, int]] = []
        self.seen = 0

    def add(self, key: Any, size: int, service: str, record: Recorded, event: Any) -> None:
        self.seen += 1
        row = (key, -self.seen, service, record, event, size)
        if len(self.kept) < self._most:
            heappush(self.kept, row)
        elif row > self.kept[0]:
            heappushpop(self.kept, row)

    def items(self, texts: Mapping[str, Mapping[str, str]]) -> list[Item]:
        return [
            Item(
                size=size,
                place=record.place(service),
                on=printable(record.effective_on),
                said=sentence_of(event, texts.get(service, {})),
            )
            for _, _, service, record, event, size in sorted(self.kept, key=lambda row: row[:2], reverse=True)
        ]


class _Gathering:
    def __init__(self) -> None:
        self._first = self._last = ""
        self._seen = 0
        self._balances: dict[Account, list[int]] = {}
        self._flows: defaultdict[tuple[str, str, str], Group] = defaultdict(Group)
        self._promised: defaultdict[tuple[str, str], Group] = defaultdict(Group)
        self._events_of: defaultdict[tuple[str, ...], _Largest] = defaultdict(lambda: _Largest(MOST_OF_A_FLOW))
        self._days: defaultdict[str, defaultdict[str, list[int]]] = defaultdict(lambda: defaultdict(lambda: [0, 0]))
        self._awards: list[Award] = []
        self._awarded = 0
        self._exceptions = _Largest(MOST_EXCEPTIONS)
        self._signed = Counter[tuple[str, str | None]]()
        self._instruments: dict[str, tuple[str, str]] = {}

    def take(self, service: str, record: Recorded) -> None:
        self._seen += 1
        self._first, self._last = min(self._first or record.recorded_at, record.recorded_at), max(self._last, record.recorded_at)
        name = without_version(record.type)
        moves = first_version(record.type) in MOVING
        odd = any(word in name for word in OUT_OF_THE_ORDINARY)
        if not (moves or odd or b'"key"' in record.data or name in (AWARDED, INSTRUMENT)):
            return
        if (event := read_event(service, record)) is None:
            return  # the audit says so
        if odd:
            self._exceptions.add(record.recorded_at, 0, service, record, event)
        if moves:
            self._post(service, record, event)
        self._sign(event)
        if name == AWARDED:
            self._award(service, record, event)
        elif name == INSTRUMENT:
            self._instruments[event.instrument] = (event.title, event.office)

    def _post(self, service: str, record: Recorded, event: Any) -> None:
        lines = [line for line in posted_by(event) if line.side == "title"]
        for line in lines:
            balance = self._balances.setdefault((line.asset, line.account), [0, 0])
            balance[line.status != "posted"] += line.amount
        for (asset, source, target), amount in _transfers(lines):
            self._count(self._flows[asset, source, target], ("flow", asset, source, target), amount, service, record, event)
        for line in lines:
            if line.status != "posted" and "/release/" in line.account:
                kind = {"pending": "released", "settled": "drawn", "voided": "lapsed"}[line.status]
                self._count(self._promised[line.asset, kind], ("promised", line.asset, kind), abs(line.amount), service, record, event)
                if kind != "lapsed":
                    self._days[line.asset][record.effective_on][kind == "drawn"] += abs(line.amount)

    def _count(self, group: Group, key: tuple[str, ...], amount: int, service: str, record: Recorded, event: Any) -> None:
        group.events += 1
        group.amount += amount
        self._events_of[key].add(amount, amount, service, record, event)

    def _sign(self, event: Any) -> None:
        for field in event.__struct_fields__:
            value = getattr(event, field)
            for each in value if isinstance(value, tuple) else (value,):
                if isinstance(each, Approval):
                    self._signed[each.subject, each.authority] += 1

    def _award(self, service: str, record: Recorded, event: Any) -> None:
        self._awarded += 1
        if len(self._awards) < MOST_AWARDS:
            said = Award(
                place=record.place(service),
                on=printable(record.effective_on),
                partner=printable(event.partner),
                product=printable(event.product),
                mass_g=event.mass_g,
                days=printable(event.days_of_cover),
                decision=printable(event.decision),
            )
            self._awards.append(said)

    async def gathered(self, evidence: Evidence) -> Gathered:
        kept = [row for largest in (*self._events_of.values(), self._exceptions) for row in largest.kept]
        texts = await texts_in(evidence, [(service, event) for _, _, service, _, event, _ in kept])
        for kind, groups in (("flow", self._flows), ("promised", self._promised)):
            for key, group in groups.items():
                group.items = self._events_of[kind, *key].items(texts)
        signers = [
            Signer(subject=printable(subject), authority=authority, title=title, office=office, signed=signed)
            for (subject, authority), signed in self._signed.most_common()
            for title, office in [self._instruments.get(authority or "", (None, None))]
        ]
        return Gathered(
            first=self._first,
            last=self._last,
            events=self._seen,
            balances={key: (posted, pending) for key, (posted, pending) in sorted(self._balances.items()) if posted or pending},
            flows=dict(sorted(self._flows.items())),
            promised=dict(sorted(self._promised.items())),
            days={asset: {day: (released, drawn) for day, (released, drawn) in sorted(days.items())} for asset, days in self._days.items()},
            awards=tuple(sorted(self._awards, key=lambda award: (award.on, award.place))),
            awards_left_out=self._awarded - len(self._awards),
            exceptions=tuple(_told_once(self._exceptions.items(texts))),
            exceptions_left_out=self._exceptions.seen - len(self._exceptions.kept),
            signers=tuple(signers),
        )


def _told_once(items: Iterable[Item]) -> list[Item]:
    """A hold on a depot is an event of each product there, and one sentence."""
    by_sentence: dict[tuple[str, str], list[Item]] = {}
    for item in items:
        by_sentence.setdefault((item.on, item.said), []).append(item)
    return [msgspec.structs.replace(same[0], place=", ".join(each.place for each in same)) for same in by_sentence.values()]


def holder_of(account: str) -> str:
    """Whose an account is, on the title side, for a page: "JP", "available", "not yet delivered"."""
    head, _, rest = account.partition("/")
    match head:
        case "outside":
            return "taken in"
        case "partner":
            code, _, part = rest.partition("/")
            return f"{code}, claims" if part.startswith("rights") else code
        case "reserve":
            return {"available": "the Reserve, available", "quarantined": "the Reserve, quarantined"}.get(rest, f"the Reserve, {rest}")
        case "right":
            return "rights to future deliveries"
        case "project":
            return f"project {rest}"
        case "difference":
            return "differences of " + {"weighing": "weighing", "stock_take": "stocktake"}.get(rest, rest)
        case "suspense":
            return "missing, not yet signed for"
        case "loss" | "sample":
            return {"loss": "lost", "sample": "used as samples"}[head]
    return head


def _transfers(lines: Iterable[PostedLine]) -> Iterable[tuple[tuple[str, str, str], int]]:
    """Who gave what to whom by an event: what leaves accounts is what comes into others, in their order."""
    posted = [line for line in lines if line.status == "posted"]
    for asset in sorted({line.asset for line in posted}):
        gives = deque((holder_of(line.account), -line.amount) for line in posted if line.asset == asset and line.amount < 0)
        takes = deque((holder_of(line.account), line.amount) for line in posted if line.asset == asset and line.amount > 0)
        while gives and takes:
            (source, given), (target, taken) = gives.popleft(), takes.popleft()
            amount = min(given, taken)
            if source != target:
                yield (asset, source, target), amount
            if given > amount:
                gives.appendleft((source, given - amount))
            if taken > amount:
                takes.appendleft((target, taken - amount))
