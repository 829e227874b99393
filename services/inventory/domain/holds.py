"""Holds: stops on a lot, the product, a partner, a depot or everything. A hold never changes a quantity."""

from collections.abc import Sequence
from datetime import date, datetime
from itertools import chain

import msgspec

from services.inventory.domain.authority import lifted
from services.inventory.domain.extending import extended
from services.inventory.domain.holding import ends_with, own_before, with_hold
from services.inventory.domain.reasons import Reason, Refusal
from services.inventory.domain.releases import LapseRelease, lapse_release
from services.inventory.domain.state import SUSPENSION, Stockpile, day_after, stop_key
from services.inventory.events import (
    Event,
    HoldConfirmed,
    HoldId,
    HoldLifted,
    HoldPutOn,
    HoldScope,
    LotId,
    RoundFreed,
    RoundHeld,
)
from shared.journal.decider import CancelTimer, Refused, Timer
from shared.journal.texts import TypedText
from shared.terms.authority import Capacity
from shared.terms.protecting import LAPSES_AFTER, RENEWED_AFTER_DAYS, again_from, lapses_at

TARGETED: frozenset[HoldScope] = frozenset({"lot", "partner", "depot"})


class PutOnHold(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Stop releases, draws and dispatch of what `scope` covers, until lifted or through the day `expires_on`.

    A hold that spans products (`partner`, `depot`, `all`) is put on each product's stockpile under the same id. `accounts`: of the person
    who puts it on, as looked up; who is nobody's puts on one that does not lapse. `own_depots`: those that signed intakes have brought
    goods into, as looked up for a hold on a depot; None: by a caller that names none.
    """

    hold: HoldId
    scope: HoldScope
    target: str | None = None
    reason: TypedText
    authority: TypedText
    expires_on: date | None = None
    on: date
    at: datetime | None = None
    by: str | None = None
    accounts: frozenset[str] = frozenset()
    own_depots: tuple[str, ...] | None = None


class ConfirmHold(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """By a second person: it stands until it is lifted, or through its last day, and so does what goes on from it with a moved lot."""

    hold: HoldId
    by: str
    accounts: frozenset[str]  # of theirs, `by` among them


class LapseHold(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """By timer: nobody has confirmed it in time."""

    hold: HoldId
    on: date


class LiftHold(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    hold: HoldId
    reason: TypedText
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
    reason: TypedText
    suspended_by: str | None = None
    suspended_to: datetime | None = None
    on: date | None = None  # None: by an earlier build


class ConfirmPartnerHold(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A second person has confirmed the suspension: what is released lapses from now on."""

    hold: HoldId
    confirmed_by: str
    on: date


class FreePartner(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    hold: HoldId
    reason: TypedText
    on: date | None = None  # None: by an earlier build


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
    if command.scope == "depot" and command.own_depots is not None and command.target not in command.own_depots:
        depots = ", ".join(sorted(command.own_depots))
        return Refused(Reason.DEPOT_UNKNOWN, f"no goods were ever taken in to {command.target}", "/target", depots)
    if command.expires_on is not None and command.expires_on < command.on:
        return Refused(Reason.DATE_IN_PAST, "the hold would have expired already", "/expires_on", f"{command.on} or later")
    key = stop_key(command.scope, command.target)
    if (own := own_before(state, key, command.accounts, command.on)) is not None:
        wanted = f"another person's hold or confirmation, or the same {RENEWED_AFTER_DAYS} days after theirs has ended"
        return Refused(Reason.HOLD_RENEWED, own, accepted=wanted)
    lapses = None if command.by is None or command.at is None else lapses_at(command.at)
    if lapses is not None and command.at is not None:
        lapses = min(lapses, ends_with(state, key, command.accounts, command.at) or lapses)
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
            put_on_by=command.by,
            lapses_at=lapses,
            alone_since=None if lapses is None else lapses - LAPSES_AFTER,
            again_from=None if lapses is None else again_from(lapses),
        )
    ]


def confirm_hold(command: ConfirmHold, state: Stockpile) -> Sequence[Event] | Refusal:
    if state.product is None or (hold := state.holds.get(command.hold)) is None:
        return Refused(Reason.HOLD_NOT_FOUND, f"no hold {command.hold} is on this stockpile")
    if hold.by is None:
        return Refused(Reason.HOLD_CONFIRMED, f"{command.hold} needs nobody's confirmation")
    if hold.by in command.accounts:
        return Refused(Reason.HOLD_OWN, f"{command.hold} is put on by the same person", accepted="a second person")
    moved = (name for name, each in sorted(state.holds.items()) if each.takes_on == command.hold and each.by is not None)
    return [HoldConfirmed(product=state.product, hold=name, confirmed_by=command.by) for name in (command.hold, *moved)]


def lapse_hold(command: LapseHold, state: Stockpile) -> Sequence[Event]:
    hold = state.holds.get(command.hold)
    if state.product is None or hold is None or hold.by is None:
        return []
    off = HoldLifted(product=state.product, hold=command.hold, reason=TypedText("lapsed: nobody has confirmed it"), authority=None)
    return [off, *extended(state, command.hold, command.on)]


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
            authority=TypedText(f"{SUSPENSION}{command.agreement}"),
            expires_on=None,
            put_on_on=command.on if command.suspended_by is not None else None,
            suspended_by=command.suspended_by,
            suspended_to=command.suspended_to,
        )
    ]


def confirm_partner_hold(command: ConfirmPartnerHold, state: Stockpile) -> Sequence[Event]:
    """With what was to lapse while it was one person's word."""
    hold = state.holds.get(command.hold)
    if state.product is None or hold is None or hold.suspended_by is None:
        return []
    confirmed = HoldConfirmed(product=state.product, hold=command.hold, confirmed_by=command.confirmed_by)
    after = with_hold(state, confirmed)
    held = [name for name, release in sorted(state.releases.items()) if hold.stops == stop_key("partner", release.partner)]
    return [confirmed, *chain.from_iterable(lapse_release(LapseRelease(release=name, on=command.on), after) for name in held)]


def free_partner(command: FreePartner, state: Stockpile) -> Sequence[Event]:
    """Somebody may have lifted it before."""
    if state.product is None or command.hold not in state.holds:
        return []
    off = HoldLifted(product=state.product, hold=command.hold, reason=command.reason, authority=None)
    return [off, *(() if command.on is None else extended(state, command.hold, command.on))]


def expire_hold(command: ExpireHold, state: Stockpile) -> Sequence[Event]:
    hold = state.holds.get(command.hold)
    if state.product is None or hold is None or hold.expires_on is None or command.on <= hold.expires_on:
        return []
    off = HoldLifted(product=state.product, hold=command.hold, reason=TypedText("expired"), authority=None)
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


def hold_timers(event: HoldPutOn | HoldConfirmed | HoldLifted) -> Sequence[Timer | CancelTimer]:
    """It expires as the day after its last one begins, and lapses at its instant unless somebody confirms it."""
    expires, lapses = f"hold/{event.hold}", f"unconfirmed/{event.hold}"
    match event:
        case HoldPutOn():
            timers: list[Timer | CancelTimer] = []
            if event.expires_on is not None:
                due = day_after(event.expires_on)
                timers.append(Timer(expires, due, ExpireHold(hold=event.hold, on=due)))
            if event.lapses_at is not None and event.put_on_on is not None:
                last = min(event.put_on_on + LAPSES_AFTER, day_after(event.lapses_at.date()))  # sooner, with another of the same person's
                ends = LapseHold(hold=event.hold, on=last)
                timers.append(Timer.at_instant(lapses, event.lapses_at, ends))
            return timers
        case HoldConfirmed():
            return [CancelTimer(lapses)]
        case HoldLifted():
            return [CancelTimer(expires), CancelTimer(lapses)]
