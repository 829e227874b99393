"""Holding: what the state of a stockpile keeps of holds, and who may not put one on again.

Nobody renews their own: neither the same hold, nor another that stops any of the same goods.
"""

from collections.abc import Collection
from datetime import date, datetime, timedelta

from msgspec.structs import replace

from services.inventory.domain.state import SUSPENSION, EndedHold, Hold, Stockpile, stop_key
from services.inventory.events import HoldConfirmed, HoldLifted, HoldPutOn, LotId
from shared.terms.protecting import RENEWED_AFTER_DAYS

_WHOLE = frozenset({"all", "product"})  # of the stockpile


def with_hold(state: Stockpile, event: HoldPutOn | HoldConfirmed | HoldLifted) -> Stockpile:
    match event:
        case HoldPutOn():
            key = stop_key(event.scope, event.target)
            own = not event.authority.startswith(SUSPENSION) or (event.suspended_by is not None and event.put_on_on is not None)
            by = None if event.lapses_at is None else event.put_on_by
            hold = Hold(
                key, event.expires_on, event.put_on_on, own, by, event.lapses_at, event.suspended_by, event.suspended_to, event.takes_on
            )
            stops = state.stops.set(key, (*state.stops.get(key, ()), event.hold))
            return replace(state, holds=state.holds.set(event.hold, hold), stops=stops)
        case HoldConfirmed():
            before = state.holds[event.hold]
            own = before.own and before.suspended_by is None
            confirmed = replace(before, own=own, by=None, lapses_at=None, suspended_by=None, suspended_to=None)
            return replace(state, holds=state.holds.set(event.hold, confirmed))
        case HoldLifted():
            return _lifted(state, event)


def own_before(state: Stockpile, key: str, accounts: Collection[str], on: date) -> str | None:
    """The hold that a person would renew, in words: of theirs, and confirmed by nobody; None: there is none."""
    for name in state.stops.get(key, ()):
        if state.holds[name].by in accounts:
            return f"{name} is theirs already"
    for other, each in sorted(state.ended.items()):
        last = max((ended.on for ended in each if ended.by in accounts), default=None)
        if last is not None and on < last + timedelta(days=RENEWED_AFTER_DAYS) and overlap(state, key, other):
            same = "" if other == key else f" on {other}, which stops some of the same,"
            return f"theirs{same} was to end by {last}, and nobody had confirmed it"
    return None


def ends_with(state: Stockpile, key: str, accounts: Collection[str], at: datetime) -> datetime | None:
    """When the first ends of what the same person stops besides, alone, and which stops any of the same: no other of theirs outlasts it."""
    alone = [each for hold in state.holds.values() if (each := _alone(hold, accounts, at)) is not None and overlap(state, key, hold.stops)]
    return min(alone, default=None)


def overlap(state: Stockpile, one: str, other: str) -> bool:
    """Whether two stops stop any of the same. A depot stops each lot that lies, or lay, in it; a partner what it may draw of, and what it
    has drawn and is here; a lot each draw that is partly of it, and so all that this draw is of."""
    if one == other or one in _WHOLE or other in _WHOLE:
        return True
    (scope, _, target), (other_scope, _, other_target) = one.partition("/"), other.partition("/")
    if "partner" not in (scope, other_scope):
        return not _drawn_with(state, _lots(state, scope, target)).isdisjoint(_lots(state, other_scope, other_target))
    if scope == other_scope:
        return False
    partner, lots = (target, _lots(state, other_scope, other_target)) if scope == "partner" else (other_target, _lots(state, scope, target))
    return _may_have(state, partner, lots)


def _alone(hold: Hold, accounts: Collection[str], at: datetime) -> datetime | None:
    """When it ends, unless another person confirms it; None: it is no such hold of theirs."""
    if hold.by in accounts:
        return hold.lapses_at
    suspended = hold.suspended_by in accounts and hold.suspended_to is not None and hold.suspended_to > at
    return hold.suspended_to if suspended else None


def _lots(state: Stockpile, scope: str, target: str) -> frozenset[LotId]:
    if scope == "lot":
        return frozenset({LotId(target)})
    return frozenset(name for name, lot in state.lots.items() if target == lot.depot or target in lot.lay_in)


def _drawn_with(state: Stockpile, lots: frozenset[LotId]) -> frozenset[LotId]:
    """With those that a draw, which leaves as a whole, is of besides: else who holds one after the other stops it for as long as it has
    lots."""
    draws = ({parcel.lot for parcel in draw.parcels} for draw in state.draws.values())
    return lots.union(*(each for each in draws if not each.isdisjoint(lots)))


def _may_have(state: Stockpile, partner: str, lots: Collection[LotId]) -> bool:
    pinned = [release.pins for release in state.releases.values() if release.partner == partner and release.units]
    if lots and not all(pinned):  # it is met from any
        return True
    parcels = [parcel.lot for draw in state.draws.values() if draw.partner == partner for parcel in draw.parcels]
    return not {*parcels, *(pin.lot for pins in pinned for pin in pins)}.isdisjoint(lots)


def _lifted(state: Stockpile, event: HoldLifted) -> Stockpile:
    hold = state.holds[event.hold]
    key = hold.stops
    others = tuple(each for each in state.stops[key] if each != event.hold)
    stops = state.stops.set(key, others) if others else state.stops.delete(key)
    ended: EndedHold | None = None
    if hold.by is not None:  # nobody has confirmed it: by itself, or two have said the contrary
        last = hold.expires_on or date.max
        ended = EndedHold(hold.by, last if hold.lapses_at is None else min(last, hold.lapses_at.date()))
    elif hold.suspended_by is not None and hold.suspended_to is not None:
        ended = EndedHold(hold.suspended_by, hold.suspended_to.date())
    state = replace(state, holds=state.holds.delete(event.hold), stops=stops)
    if ended is None:
        return state
    of_others = (each for each in state.ended.get(key, ()) if each.by != ended.by)
    return replace(state, ended=state.ended.set(key, (*of_others, ended)))
