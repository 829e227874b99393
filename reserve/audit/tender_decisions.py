"""Tenders' decisions: the document against its name, against the bids that were revealed, and against the clearing worked out again."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from fractions import Fraction
from hashlib import sha256
from typing import Annotated, Any

import msgspec

from reserve.audit.clearing import Bought, Offered, Sealed, UnknownTieRule, buy
from reserve.audit.hashes import canonical
from services.allocation.events import (
    BidCommitted,
    BidRevealed,
    TenderAwardGranted,
    TenderCertified,
    TenderOpened,
    TenderProposed,
)
from shared.journal.record import MAX_INTEGER

IN_FLIGHT = timedelta(seconds=60)  # a bid is in time by the instant that it was sent, and is recorded a little later

type Whole = Annotated[int, msgspec.Meta(ge=0, le=MAX_INTEGER)]


class ToCheck(msgspec.Struct, frozen=True, kw_only=True):
    """A certified tender, with what the journal knows of it."""

    place: str
    opened: TenderOpened
    proposed: TenderProposed
    certified: TenderCertified
    granted: Mapping[str, TenderAwardGranted]  # by award
    revealed: Mapping[str, BidRevealed]  # by bid


class _Step(msgspec.Struct, frozen=True):
    price: str
    units: int


class _Revealed(msgspec.Struct, frozen=True, kw_only=True):
    bid: str
    partner: str
    salt: str
    steps: tuple[_Step, ...]
    agreement_version: int | None


class _Line(msgspec.Struct, frozen=True, kw_only=True):
    revealed: _Revealed
    units: Whole
    mass_g: Whole
    amount_minor: Whole


class _Published(msgspec.Struct, frozen=True, kw_only=True):
    tender: str
    terms: msgspec.Raw
    cut_off_price: str | None
    left_units: Whole
    lines: tuple[str, ...]


class _Opened(msgspec.Struct, frozen=True):
    salt: str
    content: msgspec.Raw


class _File(msgspec.Struct, frozen=True, kw_only=True):
    decision: msgspec.Raw
    lines: tuple[_Opened, ...]


class _Released(msgspec.Struct, frozen=True, kw_only=True):
    award: str
    request: str
    partner: str
    mass_g: Whole


class _Order(msgspec.Struct, frozen=True, kw_only=True):
    round: str
    product: str
    awards: tuple[_Released, ...]


def is_the_sealed_bid(sealed: BidCommitted, revealed: BidRevealed) -> bool:
    """commitment = SHA-256(salt || canonical bid)"""
    steps = [{"price": step.price, "units": step.units} for step in revealed.steps]
    bid = {"bidder": revealed.partner, "format": "reserve.bid.v1", "steps": steps, "tender": revealed.tender}
    return sha256(bytes.fromhex(revealed.salt) + canonical(bid)).hexdigest() == sealed.commitment


def faults_of(tender: ToCheck, published: bytes | None, file: bytes | None, order: bytes | None) -> Iterator[str]:
    """What is wrong with the decision of a certified tender, given its documents."""
    proposed = tender.proposed
    if published is None or file is None or order is None:
        yield "its documents are not kept"
        return
    names = [sha256(document).hexdigest() for document in (published, file, order)]
    if names != [tender.certified.decision, proposed.file, proposed.release_order] or names[2] != tender.certified.release_order:
        yield "the documents are not the ones that were decided"
        return
    try:
        whole = msgspec.json.decode(file, type=_File)
        decision = msgspec.json.decode(published, type=_Published)
        lines = [msgspec.json.decode(opened.content, type=_Line) for opened in whole.lines]
        if bytes(whole.decision) != published or sorted(_commitment(line) for line in whole.lines) != list(decision.lines):
            yield "the file is of another decision, or opens other lines than were committed to"
        yield from _faults_against_the_journal(tender, decision, lines, msgspec.json.decode(order, type=_Order))
        yield from _faults_of_clearing(tender, decision, lines)
    except (ValueError, ZeroDivisionError) as error:  # no JSON, not of this shape, a price that is none
        yield f"the documents do not read as a tender's decision: {error}"
    except UnknownTieRule as error:
        yield f"the tie rule {error} is not known to this auditor"


def _commitment(opened: _Opened) -> str:
    return sha256(bytes.fromhex(opened.salt) + canonical(msgspec.json.decode(opened.content))).hexdigest()


def _faults_against_the_journal(tender: ToCheck, decision: _Published, lines: list[_Line], order: _Order) -> Iterator[str]:
    terms = msgspec.structs.replace(tender.opened.terms, bidders=())  # a decision does not tell its readers of each other
    if decision.tender != tender.opened.tender or bytes(decision.terms) != canonical(msgspec.to_builtins(terms)):
        yield "its terms are not those that the tender was opened with"
    if decision.left_units != tender.proposed.left_units:
        yield "it leaves other units than were proposed"
    known = {bid: (each.partner, each.salt, [(step.price, step.units) for step in each.steps]) for bid, each in tender.revealed.items()}
    said = {
        each.bid: (each.partner, each.salt, [(step.price, step.units) for step in each.steps]) for each in (line.revealed for line in lines)
    }
    if known != said:
        wrong = sorted(bid for bid in known.keys() | said.keys() if known.get(bid) != said.get(bid))
        yield f"{', '.join(wrong)} is not in it as it was revealed"
    counted = {each.partner: each.agreement_version for each in (line.revealed for line in lines) if each.agreement_version is not None}
    if counted != dict(tender.proposed.agreements):
        yield "other agreements count in it than were proposed"
    bought = sorted((line.revealed.bid, line.revealed.partner, line.units, line.mass_g, line.amount_minor) for line in lines if line.units)
    proposed = sorted((each.bid, each.partner, each.units, each.mass_g, each.amount_minor) for each in tender.proposed.awards)
    granted = sorted((each.bid, each.partner, each.units, each.mass_g, each.amount_minor) for each in tender.granted.values())
    if not bought == proposed == granted:
        yield "its lines are not the awards that were proposed and granted"
    ordered = sorted((each.award, each.request, each.partner, each.mass_g) for each in order.awards)
    if ordered != sorted((each.award, each.bid, each.partner, each.mass_g) for each in tender.granted.values()):
        yield "its release order is not of the awards that were granted"
    if (order.round, order.product) != (tender.certified.tender, tender.certified.product):
        yield "its release order is of another tender"


def _faults_of_clearing(tender: ToCheck, decision: _Published, lines: list[_Line]) -> Iterator[str]:
    terms = tender.opened.terms
    offered = Offered(
        units=terms.units,
        reserve_price=Fraction(terms.reserve_price),
        cap_units=terms.cap_units,
        uniform=terms.pricing == "uniform",
        tie_rule=terms.tie_rule,
    )
    counted = [line.revealed for line in lines if line.revealed.agreement_version is not None]
    bids = [Sealed(each.bid, each.salt, [(Fraction(step.price), step.units) for step in each.steps]) for each in counted]
    cut_off, bought = buy(offered, bids)
    stated = None if decision.cut_off_price is None else Fraction(decision.cut_off_price)
    yield from _differ("the tender", "cut_off_price", stated, cut_off)
    for line in lines:
        found = bought.get(line.revealed.bid, Bought(0, Fraction(0)))
        yield from _differ(line.revealed.bid, "units", line.units, found.units)
        yield from _differ(line.revealed.bid, "mass_g", line.mass_g, found.units * terms.unit_g)
        yield from _differ(line.revealed.bid, "amount_minor", line.amount_minor, found.worth * terms.unit_g / 1000)
    yield from _differ("the tender", "left_units", decision.left_units, terms.units - sum(each.units for each in bought.values()))


def _differ(who: str, what: str, stated: Any, computed: Any) -> Iterator[str]:
    if stated != computed:
        yield f"{what} of {who} is {stated}, worked out again {computed}"
