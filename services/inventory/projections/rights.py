"""Read tables of rights: the claims, their delivery programmes, and what projects owe partners."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import date
from typing import Any, assert_never

from services.inventory.events import (
    AssignmentClosed,
    AssignmentDelivered,
    AssignmentFailed,
    AssignmentGivenBack,
    AssignmentSubstituted,
    DeliveryPostponed,
    ProgrammeAgreed,
    RightAdded,
    RightAssigned,
    RightExercised,
    RightMatured,
    RightTerminated,
    Tranche,
    TrancheClosed,
    TrancheDelivered,
)
from shared.journal.connection import as_json

ADD_RIGHT = """
    INSERT INTO rights ("right", product, project, kind, mass_g, remaining_g, window_from, window_to, terms)
    SELECT "right", product, project, kind, mass_g, mass_g, window_from, window_to, terms
    FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::date[], $7::date[], $8::jsonb[])
        AS new("right", product, project, kind, mass_g, window_from, window_to, terms)"""
REDUCE_RIGHT = """
    UPDATE rights SET remaining_g = new.remaining_g FROM unnest($1::text[], $2::bigint[]) AS new("right", remaining_g)
    WHERE rights."right" = new."right\""""
POSTPONE_RIGHT = """
    UPDATE rights SET window_to = new.window_to FROM unnest($1::text[], $2::date[]) AS new("right", window_to)
    WHERE rights."right" = new."right\""""
EXERCISE_RIGHT = """
    UPDATE rights SET window_from = new.window_from, exercised_on = new.exercised_on
    FROM unnest($1::text[], $2::date[], $3::date[]) AS new("right", window_from, exercised_on) WHERE rights."right" = new."right\""""
TERMINATE_RIGHT = """
    UPDATE rights SET terminated_on = new.terminated_on, termination = new.cause
    FROM unnest($1::text[], $2::date[], $3::text[]) AS new("right", terminated_on, cause) WHERE rights."right" = new."right\""""
OWE = """
    INSERT INTO owed (id, draw, "right", product, project, partner, window_to, grace_days, mass_g, remaining_g, failed_g, short_g,
                      substituted_g, given_back_g)
    SELECT id, draw, "right", product, project, partner, window_to, grace_days, mass_g, mass_g, 0, 0, 0, 0
    FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::date[], $8::integer[], $9::bigint[])
        AS new(id, draw, "right", product, project, partner, window_to, grace_days, mass_g)"""
SETTLE = """
    UPDATE owed SET remaining_g = new.remaining_g, failed_g = owed.failed_g + new.failed_g, short_g = owed.short_g + new.short_g,
                    substituted_g = owed.substituted_g + new.substituted_g, given_back_g = owed.given_back_g + new.given_back_g
    FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[])
        AS new(id, remaining_g, failed_g, short_g, substituted_g, given_back_g) WHERE owed.id = new.id"""
POSTPONE = """
    UPDATE owed SET window_to = new.window_to FROM unnest($1::text[], $2::date[]) AS new("right", window_to)
    WHERE owed."right" = new."right\""""
PLAN = """
    INSERT INTO tranches (id, "right", number, product, window_from, window_to, grace_days, mass_g, delivered_g, late_days, status)
    SELECT *, 0, 0, 'open'
    FROM unnest($1::text[], $2::text[], $3::integer[], $4::text[], $5::date[], $6::date[], $7::integer[], $8::bigint[])"""
DELIVER_TRANCHE = """
    UPDATE tranches SET delivered_g = tranches.mass_g - new.remaining_g, late_days = greatest(tranches.late_days, new.late_days),
                        status = CASE new.remaining_g WHEN 0 THEN 'delivered' ELSE tranches.status END
    FROM unnest($1::text[], $2::bigint[], $3::integer[]) AS new(id, remaining_g, late_days) WHERE tranches.id = new.id"""
CLOSE_TRANCHE = """
    UPDATE tranches SET status = new.outcome FROM unnest($1::text[], $2::text[]) AS new(id, outcome) WHERE tranches.id = new.id"""
POSTPONE_TRANCHE = """
    UPDATE tranches SET window_from = new.window_from, window_to = new.window_to
    FROM unnest($1::text[], $2::date[], $3::date[]) AS new(id, window_from, window_to) WHERE tranches.id = new.id"""
END_TRANCHES = """
    UPDATE tranches SET status = new.status FROM unnest($1::text[], $2::integer[], $3::integer[], $4::text[])
        AS new("right", since, upto, status)
    WHERE tranches."right" = new."right" AND tranches.number BETWEEN new.since AND new.upto AND tranches.status = 'open'"""

ALL = 2**31 - 1  # tranches

OF_RIGHTS = (
    RightAdded
    | RightExercised
    | RightMatured
    | RightTerminated
    | ProgrammeAgreed
    | TrancheDelivered
    | TrancheClosed
    | AssignmentDelivered
    | AssignmentSubstituted
    | AssignmentClosed
    | AssignmentFailed
    | AssignmentGivenBack
    | DeliveryPostponed
)


class RightRows:
    """The rows of a commit, by statement and key. What several events say of one row is added up, or the last one counts."""

    def __init__(self, rows: defaultdict[str, dict[Any, tuple[Any, ...]]]) -> None:
        self._rows = rows
        self._owed: dict[str, list[Any]] = {}
        self._settled: dict[str, list[Any]] = {}  # remaining, failed, short, substituted, given back
        self._tranches: dict[str, list[Any]] = {}  # remaining, late days
        self._ended: dict[str, int] = {}  # the tranches of a right that this commit has ended, up to

    def sum_up(self) -> None:
        for statement, sums in ((OWE, self._owed), (SETTLE, self._settled), (DELIVER_TRANCHE, self._tranches)):
            self._rows[statement] = {key: (key, *row) for key, row in sums.items()}

    def assign(self, event: RightAssigned) -> None:
        self._put(REDUCE_RIGHT, event.right, event.right_remaining_g)
        about = [event.draw, event.right, event.product, event.project, event.partner, event.window_to, event.grace_days]
        owed = self._owed.setdefault(f"{event.draw}/{event.right}", [*about, 0])
        owed[-1] += event.mass_g

    def add(self, event: OF_RIGHTS, on: date) -> None:
        match event:
            case RightAdded():
                claim = (event.product, event.project, event.kind, event.mass_g, event.window_from, event.window_to)
                self._put(ADD_RIGHT, event.right, *claim, None if event.terms is None else as_json(event.terms))
                if event.terms is not None and event.kind == "firm_offtake":
                    self._plan(event, [_whole(1, event.window_from, event)], event.terms.grace_days)
            case RightExercised():
                self._put(EXERCISE_RIGHT, event.right, event.deliver_from, on)
                self._plan(event, [_whole(event.tranche, event.deliver_from, event)], event.grace_days)
            case RightMatured():
                self._put(REDUCE_RIGHT, event.right, event.remaining_g)
            case RightTerminated():
                self._put(REDUCE_RIGHT, event.right, 0)
                self._put(TERMINATE_RIGHT, event.right, on, event.cause)
                self._end(event.right, ALL, "terminated")
            case ProgrammeAgreed():
                self._plan(event, event.tranches, event.grace_days)
                self._end(event.right, event.tranches[0].number - 1, "replaced")
            case TrancheDelivered():
                row = self._tranches.setdefault(f"{event.right}/{event.tranche}", [0, 0])
                row[:] = [event.remaining_g, max(row[1], event.late_days)]
            case TrancheClosed():
                self._put(CLOSE_TRANCHE, f"{event.right}/{event.tranche}", event.outcome)
            case AssignmentDelivered():
                self._settle(event, event.remaining_g)
            case AssignmentSubstituted():
                self._settle(event, event.remaining_g, substituted_g=event.mass_g)
            case AssignmentClosed():
                self._settle(event, 0, short_g=event.mass_g)
            case AssignmentFailed():
                self._settle(event, 0, failed_g=event.mass_g)
            case AssignmentGivenBack():
                self._settle(event, event.remaining_g, given_back_g=event.mass_g)
                self._put(REDUCE_RIGHT, event.right, event.right_remaining_g)
            case DeliveryPostponed():
                self._put(POSTPONE, event.right, event.window_to)
                self._put(POSTPONE_RIGHT, event.right, event.window_to)
                for tranche in event.tranches:
                    self._put(POSTPONE_TRANCHE, f"{event.right}/{tranche.number}", tranche.window_from, tranche.window_to)
            case _:
                assert_never(event)

    def _put(self, statement: str, key: str, *values: Any) -> None:
        self._rows[statement][key] = (key, *values)

    def _settle(self, event: Any, remaining_g: int, **sums: int) -> None:
        row = self._settled.setdefault(f"{event.draw}/{event.right}", [0, 0, 0, 0, 0])
        row[0] = remaining_g
        for place, name in enumerate(("failed_g", "short_g", "substituted_g", "given_back_g"), start=1):
            row[place] += sums.get(name, 0)

    def _end(self, right: str, upto: int, status: str) -> None:
        since = self._ended.get(right, 0) + 1
        self._ended[right] = upto
        self._rows[END_TRANCHES][right, since] = (right, since, upto, status)

    def _plan(self, event: Any, tranches: Iterable[Tranche], grace_days: int) -> None:
        for tranche in tranches:
            days = (tranche.window_from, tranche.window_to, grace_days)
            self._put(PLAN, f"{event.right}/{tranche.number}", event.right, tranche.number, event.product, *days, tranche.mass_g)


def _whole(number: int, window_from: date, event: RightAdded | RightExercised) -> Tranche:
    return Tranche(number=number, window_from=window_from, window_to=event.window_to, mass_g=event.mass_g)
