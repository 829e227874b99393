"""Holding: what the state of a stockpile keeps of holds, and who may not put one on again."""

from collections.abc import Collection
from datetime import date, timedelta

from msgspec.structs import replace

from services.inventory.domain.state import SUSPENSION, EndedHold, Hold, Stockpile, stop_key
from services.inventory.events import HoldConfirmed, HoldLifted, HoldPutOn
from shared.terms.protecting import RENEWED_AFTER_DAYS


def with_hold(state: Stockpile, event: HoldPutOn | HoldConfirmed | HoldLifted) -> Stockpile:
    match event:
        case HoldPutOn():
            key = stop_key(event.scope, event.target)
            own = not event.authority.startswith(SUSPENSION)
            by = None if event.lapses_at is None else event.put_on_by
            hold = Hold(key, event.expires_on, event.put_on_on, own, by, event.lapses_at)
            stops = state.stops.set(key, (*state.stops.get(key, ()), event.hold))
            return replace(state, holds=state.holds.set(event.hold, hold), stops=stops)
        case HoldConfirmed():
            confirmed = replace(state.holds[event.hold], by=None, lapses_at=None)
            return replace(state, holds=state.holds.set(event.hold, confirmed))
        case HoldLifted():
            return _lifted(state, event)


def own_before(state: Stockpile, key: str, accounts: Collection[str], on: date) -> str | None:
    """The hold that a person would renew, in words: of theirs, and confirmed by nobody; None: there is none."""
    for name in state.stops.get(key, ()):
        if state.holds[name].by in accounts:
            return f"{name} is theirs already"
    ended = state.ended.get(key)
    if ended is None or ended.by not in accounts or on >= ended.on + timedelta(days=RENEWED_AFTER_DAYS):
        return None
    return f"theirs ended on {ended.on}, and nobody had confirmed it"


def _lifted(state: Stockpile, event: HoldLifted) -> Stockpile:
    hold = state.holds[event.hold]
    key = hold.stops
    others = tuple(each for each in state.stops[key] if each != event.hold)
    stops = state.stops.set(key, others) if others else state.stops.delete(key)
    ended = state.ended
    if event.authority is None and hold.by is not None:  # by itself, so nobody else has said a word of it
        last = hold.expires_on or date.max
        ended = ended.set(key, EndedHold(hold.by, last if hold.lapses_at is None else min(last, hold.lapses_at.date())))
    return replace(state, holds=state.holds.delete(event.hold), stops=stops, ended=ended)
