"""Read table of holds."""

from datetime import date
from typing import Any, assert_never

from services.inventory.events import HoldConfirmed, HoldLifted, HoldPutOn, RoundFreed, RoundHeld

PUT_ON_HOLD = """
    INSERT INTO holds (id, hold, product, scope, target, reason, authority, put_on_on, expires_on, put_on_by, lapses_at)
    SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::date[], $9::date[],
                         $10::text[], $11::timestamptz[])"""
CONFIRM_HOLD = """
    UPDATE holds SET confirmed_by = new.by, lapses_at = NULL FROM unnest($1::text[], $2::text[]) AS new(id, by) WHERE holds.id = new.id"""
LIFT_HOLD = """
    UPDATE holds SET lifted_on = new.lifted_on, lifted_reason = new.reason
    FROM unnest($1::text[], $2::date[], $3::text[]) AS new(id, lifted_on, reason) WHERE holds.id = new.id"""


def hold_row(event: HoldPutOn | HoldConfirmed | HoldLifted | RoundHeld | RoundFreed, on: date) -> tuple[Any, ...]:
    """The statement, and its values. A round that nobody has ratified is listed among the holds, under an id of its own."""
    hold = f"hld_0{event.decision[:25]}" if isinstance(event, RoundHeld | RoundFreed) else event.hold
    row = f"{hold}/{event.product}"
    match event:
        case RoundHeld():
            return PUT_ON_HOLD, row, hold, event.product, "round", event.round, event.reason, "ratification", on, None, None, None
        case HoldPutOn():
            stop = (event.hold, event.product, event.scope, event.target, event.reason, event.authority)
            return PUT_ON_HOLD, row, *stop, on, event.expires_on, event.put_on_by, event.lapses_at
        case HoldConfirmed():
            return CONFIRM_HOLD, row, event.confirmed_by
        case HoldLifted() | RoundFreed():
            return LIFT_HOLD, row, on, event.reason
        case _:
            assert_never(event)
