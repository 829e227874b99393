"""Partners' signatures: each key of a partner signed its own registration, and is named by an agreement in force, or signed for by another
key that the partner had and had not revoked. A draw of a partner that has had a key is signed by one, over a paper that says what was
drawn, for this command and no other.

What inventory had not heard of yet it could not ask for: for an hour after a key is registered a draw without a signature is fine, and one
by a key for an hour after it was revoked.
"""

from collections.abc import Iterator, Set
from datetime import date, datetime, timedelta
from hashlib import sha256
from typing import Any

import msgspec

from reserve.audit.approvers import AT_ONCE, instant, signed
from reserve.audit.evidence import Recorded
from reserve.audit.report import Check, Findings
from services.allocation.events import AgreementAmended, AgreementEnded, AgreementSigned, LoanRequested, ObjectionRaised, RequestSubmitted
from services.allocation.events.papers import PartnerKeyPaper, key_paper_of
from services.allocation.events.partner import PartnerKeyRegistered, PartnerKeyRevoked
from services.allocation.events.requests import RequestPaper, SignedRequest
from services.allocation.events.screening import ObjectionPaper, SignedObjection
from services.inventory.events import DrawPaper, RightAssigned, SignedDraw, StockDrawn
from shared.journal.record import canonical, name_of
from shared.terms.acting import Approval

KNOWN_WITHIN = timedelta(hours=1)

type Act = StockDrawn | RightAssigned | RequestSubmitted | ObjectionRaised
type ByKey = SignedDraw | SignedRequest | SignedObjection


class _Key(msgspec.Struct):
    place: str
    event: PartnerKeyRegistered
    since: datetime
    revoked: datetime | None = None


class _Named(msgspec.Struct, frozen=True):
    """A fingerprint in an agreement."""

    partner: str
    fingerprint: str
    since: datetime


class _Drawing(msgspec.Struct):
    """A signed draw, as far as its events are seen: they stand one after the other."""

    place: str
    draw: str
    left_g: int  # of what is signed


class _Asking(msgspec.Struct, frozen=True):
    """A signed request, until its next event is seen, which says whether it is for a loan."""

    place: str
    request: str
    return_on: date | None  # as signed


class _Signed(msgspec.Struct, frozen=True):
    place: str
    at: datetime
    partner: str
    signed: ByKey


class Signatures:
    """`origins`: of the logs whose keys are pinned."""

    def __init__(self, findings: Findings, origins: Set[str]) -> None:
        self._findings = findings
        self._origins = origins
        self._keys: dict[tuple[str, str], _Key] = {}  # by partner and key
        self._named: dict[str, list[_Named]] = {}  # by agreement
        self._ended: dict[str, datetime] = {}
        self._first: dict[str, datetime] = {}  # of a partner's keys
        self._last_draw: dict[str, str] = {}  # by product
        self._drawing: dict[str, _Drawing] = {}  # by product
        self._asking: dict[str, _Asking] = {}  # by product
        self._unsigned: dict[str, tuple[datetime, str, str]] = {}  # by partner without a key yet: its last act, where, and what
        self._waiting: list[_Signed] = []  # for a key that no leaf before has registered

    def see(self, place: str, record: Recorded, event: Any) -> None:
        at = instant(record)
        match event:
            case AgreementSigned() | AgreementAmended():
                if event.key_fingerprint is not None:
                    named = _Named(event.partner, event.key_fingerprint, at)
                    self._named.setdefault(event.agreement, []).append(named)
            case AgreementEnded():
                self._ended[event.agreement] = at
            case PartnerKeyRegistered():
                again = (event.partner, event.key) in self._keys
                what = f"the key {event.key} of {event.partner} was registered before, and a key has one life"
                self._findings.look(Check.PARTNERS_SIGN, not again, place, what)
                self._keys.setdefault((event.partner, event.key), _Key(place, event, at))
                self._first.setdefault(event.partner, at)
                if (last := self._unsigned.pop(event.partner, None)) is not None:
                    self._look_at_unsigned(event.partner, *last)
            case PartnerKeyRevoked():
                if (key := self._keys.get((event.partner, event.key))) is not None:
                    key.revoked = at
            case StockDrawn() | RightAssigned():
                self._see_drawn(place, record, event)
            case RequestSubmitted():
                self._end_asking(event.product, None)
                if event.signed is not None:
                    self._asking[event.product] = _Asking(place, event.request, event.signed.paper.return_on)
                self._see_act(place, record, event)
            case LoanRequested():
                self._end_asking(event.product, event)
            case ObjectionRaised():
                self._see_act(place, record, event)
            case _:
                pass

    def finish(self) -> None:
        """All is seen that there is: agreements have streams in shards of their own."""
        for product in [*self._drawing]:
            self._end_drawing(product)
        for product in [*self._asking]:
            self._end_asking(product, None)
        for each in self._waiting:
            self._look_at_signed(each)
        for key in self._keys.values():
            faults = list(self._faults_of(key))
            self._findings.look(Check.PARTNERS_SIGN, not faults, key.place, "; ".join(faults))

    def _see_drawn(self, place: str, record: Recorded, event: StockDrawn | RightAssigned) -> None:
        mass_g = event.mass_g
        if self._last_draw.get(event.product) == event.draw:
            if (drawing := self._drawing.get(event.product)) is not None:
                drawing.left_g -= mass_g
            return
        self._last_draw[event.product] = event.draw
        self._end_drawing(event.product)
        if event.signed is not None:
            self._drawing[event.product] = _Drawing(place, event.draw, event.signed.paper.mass_g - mass_g)
        self._see_act(place, record, event)

    def _see_act(self, place: str, record: Recorded, event: Act) -> None:
        at = instant(record)
        if event.signed is not None:
            faults = [*_unlike(event.signed.paper, event), *_of_another_command(event.signed.paper, record)]
            self._findings.look(Check.PARTNERS_SIGN, not faults, place, "; ".join(faults))
            by_key = _Signed(place, at, event.partner, event.signed)
            if (event.partner, event.signed.key) in self._keys:
                self._look_at_signed(by_key)
            else:
                self._waiting.append(by_key)
            return
        what = _purpose_of(event)
        if event.partner in self._first:
            self._look_at_unsigned(event.partner, at, place, what)
        else:
            self._unsigned[event.partner] = at, place, what
            self._findings.look(Check.PARTNERS_SIGN, True, place, "")  # unless a key of before is in a leaf that comes later

    def _end_asking(self, product: str, loan: LoanRequested | None) -> None:
        if (asking := self._asking.pop(product, None)) is not None:
            said = loan.return_on if loan is not None and loan.request == asking.request else None
            what = f"{asking.request} is to come back by {said or 'no day'}, and by {asking.return_on or 'no day'} as it was signed"
            self._findings.look(Check.PARTNERS_SIGN, said == asking.return_on, asking.place, what)

    def _end_drawing(self, product: str) -> None:
        if (drawing := self._drawing.pop(product, None)) is not None:
            what = f"{drawing.draw} is {abs(drawing.left_g)} g {'less' if drawing.left_g > 0 else 'more'} than was signed"
            self._findings.look(Check.PARTNERS_SIGN, drawing.left_g == 0, drawing.place, what)

    def _look_at_unsigned(self, partner: str, at: datetime, place: str, what: str) -> None:
        known = self._first[partner] + KNOWN_WITHIN < at
        self._findings.look(Check.PARTNERS_SIGN, not known, place, f"{partner} has keys, and none of them has signed this {what}")

    def _look_at_signed(self, each: _Signed) -> None:
        paper, by = each.signed.paper, each.signed.key
        key, document, what = self._keys.get((each.partner, by)), name_of(paper), paper.purpose
        fault = ""
        if key is None or each.at + AT_ONCE < key.since:
            fault = f"{each.partner} had no key {by} to sign this {what} with"
        elif key.revoked is not None and key.revoked + KNOWN_WITHIN < each.at:
            fault = f"the key {by} of {each.partner} was revoked before"
        elif not any(signed(_said(each, origin), what, document, key.event.public_key) for origin in self._origins):
            fault = f"the key {by} of {each.partner} did not sign this {what}"
        self._findings.look(Check.PARTNERS_SIGN, not fault, each.place, fault)

    def _faults_of(self, key: _Key) -> Iterator[str]:
        event = key.event
        if not self._signs(event.possession, event, event.public_key):
            yield f"the key {event.key} did not sign this registration"
        if event.endorsement is not None:
            by = self._keys.get((event.partner, event.endorsement.key))
            if by is None or by is key or by.since > key.since or (by.revoked is not None and by.revoked < key.since):
                yield f"{event.partner} had no key {event.endorsement.key} to sign for {event.key} with"
            elif not self._signs(event.endorsement, event, by.event.public_key):
                yield f"the key {event.endorsement.key} did not sign for {event.key}"
        elif not self._is_named(key):
            yield f"no agreement with {event.partner} that was in force names the key {event.key}"

    def _is_named(self, key: _Key) -> bool:
        event = key.event
        if event.agreement is None or self._ended.get(event.agreement, key.since) + AT_ONCE < key.since:
            return False
        named = [each for each in self._named.get(event.agreement, ()) if each.since <= key.since + AT_ONCE]
        fingerprint = sha256(bytes.fromhex(event.public_key)).hexdigest()
        return any((each.partner, each.fingerprint) == (event.partner, fingerprint) for each in named)

    def _signs(self, said: Approval, event: PartnerKeyRegistered, public_key: str) -> bool:
        if said.subject != event.partner or said.authority is not None or said.origin not in self._origins:
            return False
        return signed(said, PartnerKeyPaper.purpose, name_of(key_paper_of(event)), public_key)


def _said(each: _Signed, origin: str) -> Approval:
    day = each.at.date()
    return Approval(subject=each.partner, key=each.signed.key, signature=each.signed.signature, approved_on=day, origin=origin)


def _purpose_of(event: Act) -> str:
    match event:
        case RequestSubmitted():
            return RequestPaper.purpose
        case ObjectionRaised():
            return ObjectionPaper.purpose
        case _:
            return DrawPaper.purpose


def _unlike(paper: DrawPaper | RequestPaper | ObjectionPaper, event: Act) -> Iterator[str]:
    """What the paper says otherwise than the event."""
    match paper:
        case DrawPaper():
            if (paper.partner, paper.release) != (event.partner, getattr(event, "release", None)):
                yield f"what {paper.partner} has signed is of {paper.release}"
            if isinstance(event, StockDrawn) and paper.lots and not {parcel.lot for parcel in event.parcels} <= set(paper.lots):
                yield "it is of other lots than were signed"
            if isinstance(event, RightAssigned) and event.source == "lots" and not paper.assign_rights:
                yield "nobody has asked for rights in the place of goods"
        case _:
            for name in paper.__struct_fields__:
                if hasattr(event, name) and getattr(event, name) != (said := getattr(paper, name)):
                    yield f"{name} was signed as {said}"


def _of_another_command(paper: DrawPaper | RequestPaper | ObjectionPaper, record: Recorded) -> Iterator[str]:
    """The command's id is of client, subject, route and Idempotency-Key."""
    route: tuple[str, str, list[tuple[str, str]]]
    match paper:
        case DrawPaper():
            route = "inventory", "/v1/releases/{release}/draws", [("release", paper.release)]
        case RequestPaper():
            route = "allocation", "/v1/requests", []
        case ObjectionPaper():
            route = "allocation", "/v1/requests/{request}/objections", [("request", paper.request)]
    command = [paper.client, paper.subject, "POST", *route, paper.idempotency_key]
    if paper.subject != record.actor or sha256(canonical(command)).hexdigest() != record.command_id:
        yield "it was signed for another command"
