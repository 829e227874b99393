"""The decision of a tender: a canonical document, named by its SHA-256, that an auditor recomputes whole and a bidder as far as it goes.

As with a round's, what is hashed and approved is the published part, with a commitment for each bid's line; a file is that part with lines
opened beside it. A line holds the bid and its salt, so whoever sees it sees that it is the bid that was sealed.
"""

from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Literal

import msgspec

from services.allocation.domain.decisions.check import Checked
from services.allocation.domain.decisions.decision import Opened, Sha256
from services.allocation.domain.decisions.difference import Difference
from services.allocation.domain.tenders.clearing import (
    AtCutOff,
    Clearing,
    CutOff,
    Fill,
    PriceStep,
    RevealedBid,
    TenderOffer,
    amount_of,
    clear,
    counted_steps,
    fill,
    minor_a_unit,
    units_at,
)
from services.allocation.domain.tenders.sealed_bid import decimal_text, price_of
from services.allocation.events import BidId, BidStep, PartnerCode, TenderId, TenderTerms
from shared.journal.record import Grams, canonical, name_of

PURPOSE = "tender"  # of the approvals


class _Document(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An unknown field would be hashed by one reader and dropped by another."""


class Revealed(_Document, frozen=True, kw_only=True):
    """A bid that was revealed. `agreement_version`: None, and it does not count, where its partner had no valid agreement on the day."""

    bid: BidId
    partner: PartnerCode
    salt: str
    steps: tuple[BidStep, ...]
    agreement_version: int | None


class BidLine(_Document, frozen=True, kw_only=True):
    """A bid and what it gets."""

    revealed: Revealed
    accepted: tuple[BidStep, ...]
    at_cut_off: AtCutOff | None
    units: int
    mass_g: Grams
    amount_minor: int  # due


class Published(_Document, frozen=True, kw_only=True):
    """`terms`: without the bidders, who are not told of each other. `lines`: the bids' commitments in the order of their digits, which
    tells nothing about who is who."""

    format: Literal["reserve.tender_decision.v1"] = "reserve.tender_decision.v1"
    tender: TenderId
    terms: TenderTerms
    cut_off_price: str | None  # the lowest that was accepted; None: nothing is sold
    wanted_units: int  # at the cut-off, by all
    cut_off_units: int  # that were left for it
    spare_units: int  # of those, what remained to be given one by one
    lot: Sha256
    left_units: int
    lines: tuple[Sha256, ...]


class TenderFile(_Document, frozen=True, kw_only=True):
    """`lines`: by bid; all of them for an auditor, its own for a bidder."""

    decision: Published
    lines: tuple[Opened[BidLine], ...]


class UnreadableTender(ValueError):
    """The bytes are no file of a tender's decision."""


def compose(tender: TenderId, terms: TenderTerms, revealed: Sequence[Opened[Revealed]]) -> TenderFile:
    """Clears a tender. The salts are fresh and random, one a line."""
    offer = _offer(terms)
    cleared = clear(offer, [_bid(each.content) for each in revealed if each.content.agreement_version is not None])
    fills: Mapping[str, Fill] = {fill.bid: fill for fill in cleared.fills}
    lines = tuple(
        Opened(salt=each.salt, content=_line(each.content, terms, cleared.cut_off, fills.get(each.content.bid)))
        for each in sorted(revealed, key=lambda each: each.content.bid)
    )
    return TenderFile(decision=_published(tender, terms, cleared, lines), lines=lines)


def own_lines(file: TenderFile, partner: str) -> TenderFile:
    """The file with only this partner's lines opened. It has the same name."""
    return msgspec.structs.replace(file, lines=tuple(line for line in file.lines if line.content.revealed.partner == partner))


def recompute_tender(file: TenderFile) -> list[Difference]:
    """An auditor's check: clear again from the file's own bids and compare everything. [] means equal."""
    try:
        revealed = [Opened(salt=line.salt, content=line.content.revealed) for line in file.lines]
        again = compose(file.decision.tender, file.decision.terms, revealed)
    except (ValueError, ZeroDivisionError) as error:
        return [Difference("lines", str(error), "bids that can be cleared")]
    stated, computed = {line.content.revealed.bid: line for line in file.lines}, {line.content.revealed.bid: line for line in again.lines}
    return [
        *_differences("", file.decision, again.decision),
        *(found for bid in computed for found in _differences(f"lines/{bid}/", stated[bid].content, computed[bid].content)),
    ]


def recompute_own_bid(view: TenderFile) -> Checked:
    """A bidder's check of its own line, from it and the published part alone."""
    decision, passed, failed = view.decision, [], []
    not_checkable = [
        "cut_off_price, wanted_units, spare_units: come from all bids",
        "lot: comes from the salts of all bids",
        "left_units: needs all awards",
    ]
    if not view.lines:
        not_checkable.append("lines: none is open in this file")
    for line in view.lines:
        name = f"lines/{line.content.revealed.bid}"
        if (found := _commitment(line)) in decision.lines:
            passed.append(f"{name}/commitment")
        else:
            failed.append(Difference(f"{name}/commitment", None, found))
        try:
            differences = list(_differences(f"{name}/", line.content, _again(decision, line.content)))
        except (ValueError, ZeroDivisionError) as error:
            failed.append(Difference(name, str(error), "a bid that can be cleared"))
            continue
        failed += differences
        wrong = {found.where for found in differences}
        passed += [where for part in ("accepted", "units", "mass_g", "amount_minor") if (where := f"{name}/{part}") not in wrong]
        if line.content.at_cut_off is not None:
            not_checkable.append(f"{name}/at_cut_off/place: among all who bid the cut-off price")
    return Checked(passed=tuple(passed), failed=tuple(failed), not_checkable=tuple(not_checkable))


def tender_decision_hash(document: Published | TenderFile) -> str:
    """The name of the decision: of all files of a tender's decision the same."""
    return name_of(document.decision if isinstance(document, TenderFile) else document)


def read_tender_file(data: bytes) -> TenderFile:
    """Any spelling of a file. Raises `UnreadableTender`."""
    try:
        return msgspec.json.decode(data, type=TenderFile)
    except msgspec.DecodeError as error:
        raise UnreadableTender(str(error)) from error


def _offer(terms: TenderTerms) -> TenderOffer:
    return TenderOffer(
        units=terms.units,
        reserve_price=price_of(terms.reserve_price),
        cap_units=terms.cap_units,
        pricing=terms.pricing,
        tie_rule=terms.tie_rule,
    )


def _bid(revealed: Revealed) -> RevealedBid:
    return RevealedBid(revealed.bid, revealed.salt, _steps(revealed))


def _steps(revealed: Revealed) -> tuple[PriceStep, ...]:
    return tuple(PriceStep(price_of(step.price), step.units) for step in revealed.steps)


def _line(revealed: Revealed, terms: TenderTerms, cut_off: CutOff | None, fill: Fill | None) -> BidLine:
    filled = fill or Fill(bid=revealed.bid, accepted=(), at_cut_off=None)
    due = minor_a_unit(amount_of(filled, cut_off, terms.pricing), terms.unit_g)
    if due.denominator != 1:
        raise ValueError(f"{revealed.bid} would owe {due} minor units")
    return BidLine(
        revealed=revealed,
        accepted=tuple(BidStep(price=decimal_text(step.price), units=step.units) for step in filled.accepted),
        at_cut_off=filled.at_cut_off,
        units=filled.units,
        mass_g=filled.units * terms.unit_g,
        amount_minor=int(due),
    )


def _published(tender: TenderId, terms: TenderTerms, cleared: Clearing, lines: Sequence[Opened[BidLine]]) -> Published:
    cut_off = cleared.cut_off
    return Published(
        tender=tender,
        terms=msgspec.structs.replace(terms, bidders=()),
        cut_off_price=None if cut_off is None else decimal_text(cut_off.price),
        wanted_units=0 if cut_off is None else cut_off.wanted_units,
        cut_off_units=0 if cut_off is None else cut_off.units,
        spare_units=0 if cut_off is None else cut_off.spare_units,
        lot=cleared.lot,
        left_units=cleared.left_units,
        lines=tuple(sorted(_commitment(line) for line in lines)),
    )


def _again(decision: Published, line: BidLine) -> BidLine:
    """The line from the bid, the published cut-off, and the place that the line says it had there."""
    terms, revealed = decision.terms, line.revealed
    if revealed.agreement_version is None or decision.cut_off_price is None:
        return _line(revealed, terms, None, None)
    offer = _offer(terms)
    cut_off = CutOff(
        price=price_of(decision.cut_off_price),
        wanted_units=decision.wanted_units,
        units=decision.cut_off_units,
        spare_units=decision.spare_units,
    )
    steps = counted_steps(_steps(revealed), offer)
    wanted, said = units_at(steps, cut_off.price), line.at_cut_off
    at = None if said is None or not wanted else msgspec.structs.replace(said, wanted_units=wanted)
    return _line(revealed, terms, cut_off, fill(offer, cut_off, revealed.bid, steps, at))


def _commitment(opened: Opened[BidLine]) -> str:
    return sha256(bytes.fromhex(opened.salt) + canonical(opened.content)).hexdigest()


def _differences(where: str, stated: msgspec.Struct, computed: msgspec.Struct) -> Iterator[Difference]:
    for name in stated.__struct_fields__:
        if (one := getattr(stated, name)) != (other := getattr(computed, name)):
            yield Difference(f"{where}{name}", _words(one), _words(other))


def _words(value: object) -> str:
    return canonical(value).decode()
