"""Holds: stops on a lot, the product, a partner, a depot or everything. A hold never changes a quantity."""

from collections.abc import Sequence
from datetime import date

import msgspec

from services.inventory.domain.authority import lifted
from services.inventory.domain.extending import extended
from services.inventory.domain.reasons import Reason, Refusal
from services.inventory.domain.state import SUSPENSION, Stockpile
from services.inventory.events import Event, HoldId, HoldLifted, HoldPutOn, HoldScope, LotId, RoundFreed, RoundHeld
from shared.journal.decider import Refused
from shared.terms.authority import Capacity

TARGETED: frozenset[HoldScope] = frozenset({"lot", "partner", "depot"})


class PutOnHold(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Stop releases, draws and dispatch of what `scope` covers, until lifted or through the day `expires_on`.

    A hold that spans products (`partner`, `depot`, `all`) is put on each product's stockpile under the same id.
    """

    hold: HoldId
    scope: HoldScope
    target: str | None = None
    reason: str
    authority: str
    expires_on: date | None = None
    on: date


class LiftHold(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    hold: HoldId
    reason: str
    capacity: Capacity | None  # in which somebody lifts it; None: nobody may


class ExpireHold(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """By timer: the hold's last day has passed."""

    hold: HoldId
    on: date


class HoldRound(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Nobody has ratified what was decided in an emergency."""

    round: str
    decision: str
    reason: str
    on: date


class FreeRound(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """It was ratified after all."""

    round: str
    decision: str
    reason: str
    on: date


class HoldPartner(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A partner's agreement on the product is suspended: what is released to it stays here until it is resumed."""

    hold: HoldId
    partner: str
    agreement: str
    reason: str


class FreePartner(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    hold: HoldId
    reason: str


def put_on_hold(command: PutOnHold, state: Stockpile) -> Sequence[Event] | Refusal:
    if (product := state.product) is None:
        return Refused(Reason.PRODUCT_NOT_FOUND, "no such product is registered", "/target")
    if command.hold in state.holds:
        return Refused(Reason.ID_TAKEN, f"{command.hold} was put on already", "/hold")
    if (command.target is not None) != (command.scope in TARGETED):
        wanted = "a target" if command.scope in TARGETED else "no target"
        return Refused(Reason.TARGET_MISMATCH, f"a hold of scope {command.scope} has {wanted}", "/target")
    if command.scope == "lot" and LotId(command.target or "") not in state.lots:
        return Refused(Reason.LOT_NOT_FOUND, f"no lot {command.target} has anything left in this stockpile", "/target")
    if command.expires_on is not None and command.expires_on < command.on:
        return Refused(Reason.DATE_IN_PAST, "the hold would have expired already", "/expires_on", f"{command.on} or later")
    return [
        HoldPutOn(
            product=product,
            hold=command.hold,
            scope=command.scope,
            target=command.target,
            reason=command.reason,
            authority=command.authority,
            expires_on=command.expires_on,
            put_on_on=command.on,
        )
    ]


def lift_hold(command: LiftHold, state: Stockpile) -> Sequence[Event] | Refusal:
    if state.product is None or command.hold not in state.holds:
        return Refused(Reason.HOLD_NOT_FOUND, f"no hold {command.hold} is on this stockpile")
    event = HoldLifted(product=state.product, hold=command.hold, reason=command.reason, authority=None)
    off = lifted(event, state.holds[command.hold].stops, command.capacity)
    if isinstance(off, Refused) or command.capacity is None:
        return off
    return [*off, *extended(state, command.hold, command.capacity.on)]


def hold_partner(command: HoldPartner, state: Stockpile) -> Sequence[Event]:
    if (product := state.product) is None or command.hold in state.holds:
        return []
    return [
        HoldPutOn(
            product=product,
            hold=command.hold,
            scope="partner",
            target=command.partner,
            reason=command.reason,
            authority=f"{SUSPENSION}{command.agreement}",
            expires_on=None,
        )
    ]


def free_partner(command: FreePartner, state: Stockpile) -> Sequence[Event]:
    """Somebody may have lifted it before."""
    if state.product is None or command.hold not in state.holds:
        return []
    return [HoldLifted(product=state.product, hold=command.hold, reason=command.reason, authority=None)]


def expire_hold(command: ExpireHold, state: Stockpile) -> Sequence[Event]:
    hold = state.holds.get(command.hold)
    if state.product is None or hold is None or hold.expires_on is None or command.on <= hold.expires_on:
        return []
    off = HoldLifted(product=state.product, hold=command.hold, reason="expired", authority=None)
    return [off, *extended(state, command.hold, command.on)]


def hold_round(command: HoldRound, state: Stockpile) -> Sequence[Event]:
    if (product := state.product) is None or command.decision in state.held:
        return []
    return [RoundHeld(product=product, round=command.round, decision=command.decision, reason=command.reason, held_on=command.on)]


def free_round(command: FreeRound, state: Stockpile) -> Sequence[Event]:
    if (product := state.product) is None or command.decision not in state.held:
        return []
    freed = RoundFreed(product=product, round=command.round, decision=command.decision, reason=command.reason)
    return [freed, *extended(state, command.round, command.on)]
