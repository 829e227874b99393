"""Dispatch: what happens to drawn goods: they are weighed, and leave with a carrier for their consignee, or come back."""

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Literal

import msgspec

from services.inventory.domain.consignees import evidence_of, fault_of_consignee
from services.inventory.domain.differences import overtaken, settled
from services.inventory.domain.loans import taken_back
from services.inventory.domain.reasons import Reason, Refusal
from services.inventory.domain.state import Draw, Stockpile, held_round, stopping_lot, stopping_partner, until_when
from services.inventory.domain.weighing import counts, fault_of_scale, goes_to_one_side, tolerance_g
from services.inventory.events import (
    AwardForwarded,
    DispatchCorrected,
    DrawDelivered,
    DrawDispatched,
    DrawId,
    DrawReturned,
    DrawWeighed,
    Event,
    GateEvidence,
    ProductId,
)
from shared.journal.decider import Refused
from shared.journal.record import MAX_INTEGER
from shared.journal.texts import TypedText
from shared.terms.authority import Capacity
from shared.terms.conditions import Shown, evaluate
from shared.terms.dating import Dated, undated

LEDGER_RECEIPT = "ledger_receipt"  # the gate that every dispatch has: the draw stands in the ledger, provably
RECEIPT_SHOWN = Shown(kind=LEDGER_RECEIPT)
WITNESSED_RECEIPT = "witnessed_receipt"  # the gate that the dispatch of some products has besides: enough witnesses vouch for that
WITNESSED_SHOWN = Shown(kind=WITNESSED_RECEIPT)

type Gate = Literal["no_hold", "ratified", "ledger_receipt", "witnessed_receipt", "consignee", "weighed", "second_person"]

# What opens a gate, in words.
_HOLD_IS_OFF = "the same once the hold is off: an operator asks for it, and another person signs"
_RATIFIED = "the same once another person has ratified the decision"
_SIGNED = "the same once the ledger has signed a checkpoint that covers the draw, which takes seconds as a rule"
_COSIGNED = "the same once enough witnesses have cosigned a checkpoint that covers the draw"
_WEIGHED = "the same once the goods are weighed, by another person than dispatches them"
_ANOTHER = "another person, or the same once another has weighed them"


class WeighDraw(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """What the goods weighed. Weighing again corrects it, until they leave. `by`: who has weighed them; `capacity`: of who signs it, where
    somebody must; `signed`: its proposal; `scale`: which, where scales have tolerances of their own."""

    draw: DrawId
    weighed_g: int
    scale: str | None = None
    by: str | None = None
    capacity: Capacity | None = None
    signed: str | None = None


class DispatchDraw(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    draw: DrawId
    carrier: str
    consignee: str
    gates: tuple[GateEvidence, ...]  # the gates that are met, and by what
    consignees: tuple[str, ...] = ()  # that the goods may go to
    by: str = ""  # who dispatches
    accounts: frozenset[str] = frozenset()  # of theirs, `by` among them
    on: date


class CorrectDispatch(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """How the carrier is written, or a number on the papers, of goods that are under way. None: as it was."""

    draw: DrawId
    carrier: str | None = None
    reference: str | None = None
    reason: TypedText
    by: str


class DeliverDraw(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The consignee has signed for the goods."""

    draw: DrawId
    partner: str | None  # who tells it, if it is a partner: of its own goods only
    delivered_on: date
    received_by: TypedText
    evidence: TypedText
    drawn_on: date | None = None
    dated_because: Dated | None = None  # needed where it was not delivered today
    on: date


class ReturnDraw(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Drawn goods that have not left come back into stock, as a whole. `capacity`: of who signs it."""

    draw: DrawId
    reason: TypedText
    capacity: Capacity | None = None


def weigh_draw(command: WeighDraw, state: Stockpile) -> Sequence[Event] | Refusal:
    if state.product is None or (draw := state.draws.get(command.draw)) is None:
        return _draw_not_found(command.draw)
    if not 0 < command.weighed_g <= MAX_INTEGER:
        return Refused(Reason.QUANTITY_INVALID, "goods weigh at least one gram", "/weighed_g")
    if (fault := fault_of_scale(state, command.scale)) is not None:
        return fault
    closes = settled(state, command.draw, "weighed_again", command.capacity)
    if isinstance(closes, Refused):
        return closes
    before_g = draw.mass_g if draw.weighed_g is None else draw.weighed_g
    allowed_g = tolerance_g(state, draw, command.scale)
    within = counts(draw, allowed_g, command.weighed_g)
    together_g = goes_to_one_side(state.drift, draw, allowed_g, command.weighed_g) if within else None
    return [
        *closes,
        DrawWeighed(
            product=state.product,
            draw=command.draw,
            partner=draw.partner,
            parcels=draw.parcels,
            mass_g=draw.mass_g,
            weighed_g=command.weighed_g,
            difference_g=command.weighed_g - before_g,
            weighed_by=command.by,
            together_g=together_g,
            scale=command.scale,
        ),
        _forwarded(state.product, command.draw, draw, "weighed"),
        *overtaken(state, command.draw, command.signed),
    ]


def dispatch_draw(command: DispatchDraw, state: Stockpile) -> Sequence[Event] | Refusal:
    if state.product is None or (draw := state.draws.get(command.draw)) is None:
        return _draw_not_found(command.draw)
    if (fault := next((fault for _, fault in gates_of(command, draw, state) if fault is not None), None)) is not None:
        return fault
    assert draw.weighed_g is not None, "it is a gate"
    return [
        DrawDispatched(
            product=state.product,
            draw=command.draw,
            partner=draw.partner,
            parcels=draw.parcels,
            mass_g=draw.mass_g,
            weighed_g=draw.weighed_g,
            carrier=command.carrier,
            consignee=command.consignee,
            gates=command.gates,
        ),
        _forwarded(state.product, command.draw, draw, "dispatched"),
    ]


def gates_of(command: DispatchDraw, draw: Draw, state: Stockpile) -> Iterator[tuple[Gate, Refusal | None]]:
    """What dispatch waits for, in the order in which it refuses, each with why it is shut (None: it is open). What opens one is in the
    refusal's `accepted`."""
    hold = stopping_partner(state, command.on, draw.partner)
    for parcel in draw.parcels:
        hold = hold or stopping_lot(state, command.on, parcel.lot, parcel.depot)
    yield "no_hold", None if hold is None else _shut(Reason.ON_HOLD, f"{hold} stops this dispatch {until_when(state, hold)}", _HOLD_IS_OFF)
    held = held_round(state, draw.decision)
    yield "ratified", None if held is None else _shut(Reason.ON_HOLD, f"the decision of {held} is not ratified", _RATIFIED)
    evidence = evidence_of(command.gates)
    is_in_log = evaluate(RECEIPT_SHOWN, evidence, command.on).status == "met"
    missing = _shut(Reason.RECEIPT_MISSING, "no signed checkpoint of the ledger covers this draw yet", _SIGNED)
    yield "ledger_receipt", None if is_in_log else missing
    if state.receipt_grade == "witnessed":
        is_witnessed = evaluate(WITNESSED_SHOWN, evidence, command.on).status == "met"
        detail = "no checkpoint that enough witnesses have cosigned covers this draw yet"
        yield "witnessed_receipt", None if is_witnessed else _shut(Reason.RECEIPT_UNWITNESSED, detail, _COSIGNED)
    yield "consignee", fault_of_consignee(command.consignee, command.consignees, command.gates, command.accounts | {command.by}, command.on)
    yield "weighed", _shut(Reason.NOT_WEIGHED, "the goods must be weighed before they leave", _WEIGHED) if draw.weighed_g is None else None
    if draw.weighed_by:
        detail = f"{command.by} has weighed them, and nobody else"
        yield "second_person", _shut(Reason.DISPATCHED_BY_WEIGHER, detail, _ANOTHER) if draw.weighed_by <= command.accounts else None


def _shut(reason: Reason, detail: str, opens: str) -> Refusal:
    return Refused(reason, detail, accepted=opens)


def correct_dispatch(command: CorrectDispatch, state: Stockpile) -> Sequence[Event] | Refusal:
    sent = state.under_way.get(command.draw)
    if state.product is None or sent is None:
        return Refused(Reason.NOT_DISPATCHED, f"no draw {command.draw} is under way")
    if command.carrier is None and command.reference is None:
        return Refused(Reason.CORRECTS_NOTHING, "nothing is corrected", accepted="a carrier, a reference, or both")
    return [
        DispatchCorrected(
            product=state.product,
            draw=command.draw,
            partner=sent.partner,
            carrier=command.carrier,
            reference=command.reference,
            reason=command.reason,
            corrected_by=command.by,
        )
    ]


def deliver_draw(command: DeliverDraw, state: Stockpile) -> Sequence[Event] | Refusal:
    sent = state.under_way.get(command.draw)
    if state.product is None or sent is None or command.partner not in (None, sent.partner):
        return Refused(Reason.NOT_DISPATCHED, f"no draw {command.draw} is under way")
    if command.delivered_on > command.on:
        return Refused(Reason.DATE_IN_FUTURE, "it has not been delivered yet", "/delivered_on", f"{command.on} or earlier")
    if command.drawn_on is not None and command.delivered_on < command.drawn_on:
        detail = f"the goods were drawn on {command.drawn_on}"
        return Refused(Reason.DELIVERED_BEFORE_DRAWN, detail, "/delivered_on", f"{command.drawn_on} to {command.on}")
    if (fault := undated(command.delivered_on, command.on, command.dated_because)) is not None:
        return fault
    return [
        DrawDelivered(
            product=state.product,
            draw=command.draw,
            release=sent.release,
            partner=sent.partner,
            mass_g=sent.mass_g,
            weighed_g=sent.weighed_g,
            carrier=sent.carrier,
            consignee=sent.consignee,
            delivered_on=command.delivered_on,
            received_by=command.received_by,
            evidence=command.evidence,
            dated_because=command.dated_because,
        )
    ]


def return_draw(command: ReturnDraw, state: Stockpile) -> Sequence[Event] | Refusal:
    if state.product is None or (draw := state.draws.get(command.draw)) is None:
        return _draw_not_found(command.draw)
    closes = settled(state, command.draw, "returned", command.capacity)
    if isinstance(closes, Refused):
        return closes
    returned = DrawReturned(
        product=state.product,
        draw=command.draw,
        partner=draw.partner,
        available=tuple(parcel for parcel in draw.parcels if state.lots[parcel.lot].in_specification),
        quarantined=tuple(parcel for parcel in draw.parcels if not state.lots[parcel.lot].in_specification),
        mass_g=draw.mass_g,
        difference_g=0 if draw.weighed_g is None else draw.weighed_g - draw.mass_g,
        reason=command.reason,
    )
    return [
        *closes,
        returned,
        *taken_back(returned, state),
        _forwarded(state.product, command.draw, draw, "returned"),
    ]


def _forwarded(product: ProductId, draw_id: DrawId, draw: Draw, step: Literal["weighed", "dispatched", "returned"]) -> AwardForwarded:
    return AwardForwarded(product=product, draw=draw_id, release=draw.release, partner=draw.partner, step=step, mass_g=draw.mass_g)


def _draw_not_found(draw: DrawId) -> Refusal:
    return Refused(Reason.DRAW_NOT_FOUND, f"no draw {draw} is waiting here")
