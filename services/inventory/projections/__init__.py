"""Read tables from inventory's own events, in the journal's transaction.

The facts of a commit are brought together in memory, then written by one statement a kind: 500 draws cost little more than one.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any, assert_never

import msgspec

from services.inventory.domain.weighing import tolerance_of
from services.inventory.events import (
    AssayRecorded,
    AuthorityCited,
    AwardForwarded,
    DecisionTakenBack,
    DifferenceOverdue,
    DifferenceSettled,
    DispatchCorrected,
    DrawDelivered,
    DrawDispatched,
    DrawMoved,
    DrawReturned,
    DrawWeighed,
    DrawWeighedAgain,
    Event,
    HoldConfirmed,
    HoldLifted,
    HoldPutOn,
    LentDrawReturned,
    LoanAnnounced,
    LoanGateOpened,
    LogReachReported,
    LotMoved,
    LotTakenIn,
    MaterialLent,
    MessageParked,
    MessagesUnparked,
    MoveRatificationMissed,
    MoveRatified,
    Parcel,
    ParkingConfirmed,
    ParkingEvent,
    ParkingLapsed,
    ProductRegistered,
    ProtectedStockSet,
    ReceiptGradeSet,
    ReleaseCancelled,
    ReleaseExtended,
    ReleaseLapsed,
    ReturnRefused,
    ReturnTakenIn,
    RightAssigned,
    RoundFreed,
    RoundHeld,
    RoundReleased,
    RoundReleaseRefused,
    StockAdjusted,
    StockDrawn,
    StockPinned,
    StockReleased,
    TextErased,
    WeighingToleranceSet,
)
from services.inventory.projections.dispatch import correct
from services.inventory.projections.holds import CONFIRM_HOLD, LIFT_HOLD, PUT_ON_HOLD, hold_row
from services.inventory.projections.rights import (
    ADD_RIGHT,
    CLOSE_TRANCHE,
    DELIVER_TRANCHE,
    END_TRANCHES,
    EXERCISE_RIGHT,
    OF_RIGHTS,
    OWE,
    PLAN,
    POSTPONE,
    POSTPONE_RIGHT,
    POSTPONE_TRANCHE,
    REDUCE_RIGHT,
    SETTLE,
    TERMINATE_RIGHT,
    RightRows,
)
from services.inventory.projections.unsigned import with_unsigned
from shared.journal.connection import as_json
from shared.journal.record import Fact
from shared.journal.waves import InWaves, Wave, beside, without
from shared.terms.countersigning import EVENTS as COUNTERSIGNING
from shared.terms.countersigning_tables import with_proposals
from shared.terms.uses import with_uses

REGISTER_PRODUCT = """
    INSERT INTO products (product, name, contents, form, unit, nominal_unit_g, specification, protected_g, in_stock_g, released_g,
                          quarantined_g, drawn_g, dispatched_g, released_rights_g, assigned_g, version)
    SELECT *, 0, 0, 0, 0, 0, 0, 0, 0, 0
    FROM unnest($1::text[], $2::text[], $3::jsonb[], $4::text[], $5::text[], $6::bigint[], $7::text[])"""
PROTECT = """
    UPDATE products SET protected_g = new.mass_g FROM unnest($1::text[], $2::bigint[]) AS new(product, mass_g)
    WHERE products.product = new.product"""
GRADE = """
    UPDATE products SET receipt_grade = new.grade FROM unnest($1::text[], $2::text[]) AS new(product, grade)
    WHERE products.product = new.product"""
TOLERATE = """
    UPDATE products SET weighing_tolerances = products.weighing_tolerances || new.tolerances
    FROM (SELECT product, jsonb_object_agg(of, tolerance) AS tolerances
          FROM unnest($1::text[], $2::text[], $3::text[]) AS each(product, of, tolerance) GROUP BY product) AS new
    WHERE products.product = new.product"""
BALANCE = """
    UPDATE products SET
        in_stock_g = products.in_stock_g + new.in_stock_g, released_g = products.released_g + new.released_g,
        quarantined_g = products.quarantined_g + new.quarantined_g, drawn_g = products.drawn_g + new.drawn_g,
        dispatched_g = products.dispatched_g + new.dispatched_g,
        released_rights_g = products.released_rights_g + new.released_rights_g, assigned_g = products.assigned_g + new.assigned_g,
        version = new.version
    FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[])
        AS new(product, in_stock_g, released_g, quarantined_g, drawn_g, dispatched_g, released_rights_g, assigned_g, version)
    WHERE products.product = new.product"""
TAKE_IN_LOT = """
    INSERT INTO lots (lot, product, depot, status, taken_in_units, units, nominal_unit_g, serials, origin, custody_model, assay,
                      expires_on, "right", taken_in_on)
    SELECT lot, product, depot, status, units, 0, nominal_unit_g, serials, origin, custody_model, assay, expires_on, "right", taken_in_on
    FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::jsonb[], $8::text[], $9::text[],
                $10::jsonb[], $11::date[], $12::text[], $13::date[])
        AS new(lot, product, depot, status, units, nominal_unit_g, serials, origin, custody_model, assay, expires_on, "right",
               taken_in_on)"""
ASSAY_LOT = """
    UPDATE lots SET status = new.status, assay = new.assay FROM unnest($1::text[], $2::text[], $3::jsonb[]) AS new(lot, status, assay)
    WHERE lots.lot = new.lot"""
RESTOCK_LOT = """
    UPDATE lots SET units = lots.units + new.units FROM unnest($1::text[], $2::bigint[]) AS new(lot, units) WHERE lots.lot = new.lot"""
RELEASE = """
    INSERT INTO releases (release, product, partner, round, decision, award, request, units, rights_g, mass_g, remaining_g, status,
                          released_on, expires_on, lots)
    SELECT release, product, partner, round, decision, award, request, units, rights_g, mass_g, mass_g, 'open', released_on, expires_on,
           lots
    FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::jsonb[], $9::bigint[],
                $10::bigint[], $11::date[], $12::date[], $13::jsonb[])
        AS new(release, product, partner, round, decision, award, request, units, rights_g, mass_g, released_on, expires_on, lots)"""
ANNOUNCE_LOAN = """
    INSERT INTO awarded_loans (release, award, decision, return_on)
    SELECT release, award, decision, return_on FROM unnest($1::text[], $2::text[], $3::text[], $4::date[])
        AS new(release, award, decision, return_on)
    ON CONFLICT (release) DO UPDATE SET award = excluded.award, decision = excluded.decision, return_on = excluded.return_on"""
OPEN_GATE = """
    INSERT INTO awarded_loans (release, opened_for, gate)
    SELECT release, opened_for, gate FROM unnest($1::text[], $2::text[], $3::jsonb[]) AS new(release, opened_for, gate)
    ON CONFLICT (release) DO UPDATE SET opened_for = excluded.opened_for, gate = excluded.gate"""
REDUCE_RELEASE = """
    UPDATE releases SET remaining_g = new.remaining_g, status = CASE new.remaining_g WHEN 0 THEN 'drawn' ELSE 'open' END
    FROM unnest($1::text[], $2::bigint[]) AS new(release, remaining_g) WHERE releases.release = new.release"""
PIN_RELEASE = """
    UPDATE releases SET lots = new.lots FROM unnest($1::text[], $2::jsonb[]) AS new(release, lots) WHERE releases.release = new.release"""
EXTEND_RELEASE = """
    UPDATE releases SET expires_on = new.expires_on FROM unnest($1::text[], $2::date[]) AS new(release, expires_on)
    WHERE releases.release = new.release"""
END_RELEASE = """
    UPDATE releases SET status = new.status, reason = new.reason
    FROM unnest($1::text[], $2::text[], $3::text[]) AS new(release, status, reason) WHERE releases.release = new.release"""
DRAW = """
    INSERT INTO draws (draw, product, release, partner, status, mass_g, assigned_g, parcels, gates, drawn_on, shard, position)
    SELECT draw, product, release, partner, 'drawn', mass_g, 0, parcels, '[]', drawn_on, shard, position
    FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::jsonb[], $7::date[], $8::integer[], $9::bigint[])
        AS new(draw, product, release, partner, mass_g, parcels, drawn_on, shard, position)"""
DRAW_RIGHTS = """
    INSERT INTO draws AS drawn (draw, product, release, partner, status, mass_g, assigned_g, parcels, gates, drawn_on, shard, position)
    SELECT draw, product, release, partner, 'assigned', 0, assigned_g, '[]', '[]', drawn_on, shard, position
    FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::date[], $7::integer[], $8::bigint[])
        AS new(draw, product, release, partner, assigned_g, drawn_on, shard, position)
    ON CONFLICT (draw) DO UPDATE SET assigned_g = drawn.assigned_g + excluded.assigned_g"""
ASSIGN = """
    INSERT INTO assignments (draw, "right", source, project, mass_g)
    SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[])"""
WEIGH_DRAW = """
    UPDATE draws SET weighed_g = new.weighed_g FROM unnest($1::text[], $2::bigint[]) AS new(draw, weighed_g) WHERE draws.draw = new.draw"""
DISPATCH_DRAW = """
    UPDATE draws SET status = 'dispatched', carrier = new.carrier, consignee = new.consignee, gates = new.gates
    FROM unnest($1::text[], $2::text[], $3::text[], $4::jsonb[]) AS new(draw, carrier, consignee, gates) WHERE draws.draw = new.draw"""
DELIVER_DRAW = """
    UPDATE draws SET status = 'delivered', delivered_on = new.delivered_on, received_by = new.received_by, receipt = new.receipt
    FROM unnest($1::text[], $2::date[], $3::text[], $4::text[]) AS new(draw, delivered_on, received_by, receipt)
    WHERE draws.draw = new.draw"""
RETURN_DRAW = """
    UPDATE draws SET status = 'returned', reason = new.reason FROM unnest($1::text[], $2::text[]) AS new(draw, reason)
    WHERE draws.draw = new.draw"""

# A draw is one wave.
WAVES = (
    (REGISTER_PRODUCT, TAKE_IN_LOT, ADD_RIGHT, RELEASE, PUT_ON_HOLD, ANNOUNCE_LOAN),
    (BALANCE, RESTOCK_LOT, REDUCE_RIGHT, REDUCE_RELEASE, DRAW, ASSIGN, LIFT_HOLD),
    (PROTECT, OPEN_GATE, CONFIRM_HOLD, ASSAY_LOT, END_RELEASE, DRAW_RIGHTS, OWE, POSTPONE_RIGHT, PLAN),
    (SETTLE, EXERCISE_RIGHT, POSTPONE_TRANCHE),
    (POSTPONE, TERMINATE_RIGHT, DELIVER_TRANCHE),
    (WEIGH_DRAW, PIN_RELEASE, CLOSE_TRANCHE),
    (EXTEND_RELEASE, GRADE, END_TRANCHES),
    (DISPATCH_DRAW, RETURN_DRAW, TOLERATE),
    (DELIVER_DRAW,),
)


def _waves(facts: Sequence[Fact]) -> list[Wave]:
    batch = _Batch()
    for fact in facts:
        batch.add(fact, fact.event, date.fromisoformat(fact.record.effective_on))
    batch.sum_up()
    waves = []
    for wave in WAVES:
        statements = tuple(statement for statement in wave if batch.rows.get(statement))
        if statements:
            columns = (column for statement in statements for column in zip(*batch.rows[statement].values(), strict=True))
            waves.append(Wave(statements, list(map(list, columns))))
    return waves


project = without(
    LogReachReported | ParkingEvent,
    with_unsigned(beside(with_uses(with_proposals(InWaves(_waves)), AuthorityCited), DispatchCorrected, correct)),
)


class _Balances(msgspec.Struct):
    """How a commit changes a product's balances, in the order of BALANCE."""

    in_stock_g: int = 0
    released_g: int = 0
    quarantined_g: int = 0
    drawn_g: int = 0
    dispatched_g: int = 0
    released_rights_g: int = 0
    assigned_g: int = 0
    version: int = 0

    def restock(self, status: str, mass_g: int) -> None:
        if status == "available":
            self.in_stock_g += mass_g
        else:
            self.quarantined_g += mass_g


class _Batch:
    """The rows of each statement by their keys: of several values for one row, the last counts."""

    def __init__(self) -> None:
        self.rows: defaultdict[str, dict[Any, tuple[Any, ...]]] = defaultdict(dict)
        self.balances: defaultdict[str, _Balances] = defaultdict(_Balances)
        self.units: defaultdict[str, int] = defaultdict(int)  # by lot
        self.assigned: dict[str, list[Any]] = {}  # by draw
        self.rights = RightRows(self.rows)

    def sum_up(self) -> None:
        self.rows[BALANCE] = {product: (product, *msgspec.structs.astuple(sums)) for product, sums in self.balances.items()}
        self.rows[RESTOCK_LOT] = {lot: (lot, units) for lot, units in self.units.items() if units}
        self.rights.sum_up()
        self.rows[DRAW_RIGHTS] = {draw: tuple(row) for draw, row in self.assigned.items()}

    def _tolerate(self, product: str, of: str, tolerance: str) -> None:
        self.rows[TOLERATE][product, of] = (product, of, tolerance)

    def put(self, statement: str, key: Any, *values: Any) -> None:
        self.rows[statement][key] = (key, *values)

    def add(self, fact: Fact, event: Event, on: date) -> None:
        product = fact.record.stream.removeprefix("stockpile/")
        sums = self.balances[product]
        sums.version = fact.record.version
        if isinstance(event, COUNTERSIGNING):
            return  # in a table of their own
        if isinstance(event, OF_RIGHTS):
            self.rights.add(event, on)
            return
        match event:
            case StockDrawn():
                self._drawn(fact, event, sums, on)
            case StockReleased():
                self._released(event, sums, on)
            case RightAssigned():
                self._assigned(fact, event, sums, on)
            case ReleaseExtended():
                self.put(EXTEND_RELEASE, event.release, event.expires_on)
            case ReleaseLapsed() | ReleaseCancelled():
                sums.released_g -= event.mass_g - event.rights_g
                sums.released_rights_g -= event.rights_g
                reason = event.reason if isinstance(event, ReleaseCancelled) else None
                self.put(END_RELEASE, event.release, "lapsed" if reason is None else "cancelled", reason)
            case DrawWeighed():
                self.put(WEIGH_DRAW, event.draw, event.weighed_g)
            case DrawDispatched():
                sums.drawn_g -= event.mass_g
                sums.dispatched_g += event.mass_g
                self.put(DISPATCH_DRAW, event.draw, event.carrier, event.consignee, as_json(event.gates))
            case DrawDelivered():
                self.put(DELIVER_DRAW, event.draw, event.delivered_on, event.received_by, event.evidence)
            case DrawReturned():
                sums.drawn_g -= event.mass_g
                sums.in_stock_g += self._restock(event.available)
                sums.quarantined_g += self._restock(event.quarantined)
                self.put(RETURN_DRAW, event.draw, event.reason)
            case LotTakenIn() | AssayRecorded() | StockAdjusted():
                self._lot(event, sums, on)
            case HoldPutOn() | HoldConfirmed() | HoldLifted() | RoundHeld() | RoundFreed():
                self.put(*hold_row(event, on))
            case ProductRegistered():
                self.put(
                    REGISTER_PRODUCT,
                    event.product,
                    *(event.name, as_json(event.contents), event.form, event.unit, event.nominal_unit_g, event.specification),
                )
            case ProtectedStockSet():
                self.put(PROTECT, event.product, event.mass_g)
            case ReceiptGradeSet():
                self.put(GRADE, event.product, event.grade)
            case WeighingToleranceSet():
                self._tolerate(event.product, tolerance_of(event.partner, event.scale), event.tolerance)
            case LoanAnnounced():
                self.put(ANNOUNCE_LOAN, event.release, event.award, event.decision, event.return_on)
            case LoanGateOpened():
                self.put(OPEN_GATE, event.release, event.decision, as_json(event.gate))
            case StockPinned():
                self._pinned(event)
            case LogReachReported() | TextErased() | MessageParked() | ParkingConfirmed() | ParkingLapsed() | MessagesUnparked():
                pass  # not passed on
            case MaterialLent() | LentDrawReturned() | ReturnTakenIn() | ReturnRefused():
                pass
            case DrawWeighedAgain() | DifferenceSettled() | DifferenceOverdue():
                pass  # in tables of their own, as what is moved is
            case LotMoved() | DrawMoved() | MoveRatified() | MoveRatificationMissed():
                pass
            case RoundReleased() | RoundReleaseRefused() | DecisionTakenBack() | AwardForwarded() | AuthorityCited() | DispatchCorrected():
                pass
            case _:
                assert_never(event)

    def _drawn(self, fact: Fact, event: StockDrawn, sums: _Balances, on: date) -> None:
        sums.in_stock_g -= event.mass_g
        sums.released_g -= event.mass_g
        sums.drawn_g += event.mass_g
        for parcel in event.parcels:
            self.units[parcel.lot] -= parcel.units
        self.put(REDUCE_RELEASE, event.release, event.remaining_g)
        place = (on, fact.record.shard, fact.record.position)
        self.put(DRAW, event.draw, event.product, event.release, event.partner, event.mass_g, as_json(event.parcels), *place)

    def _assigned(self, fact: Fact, event: RightAssigned, sums: _Balances, on: date) -> None:
        if event.source == "rights":
            sums.released_rights_g -= event.mass_g
        else:
            sums.released_g -= event.mass_g
        sums.assigned_g += event.mass_g
        self.put(REDUCE_RELEASE, event.release, event.remaining_g)
        self.rights.assign(event)
        self.rows[ASSIGN][event.draw, event.right, event.source] = (event.draw, event.right, event.source, event.project, event.mass_g)
        place = (on, fact.record.shard, fact.record.position)
        row = self.assigned.setdefault(event.draw, [event.draw, event.product, event.release, event.partner, 0, *place])
        row[4] += event.mass_g

    def _released(self, event: StockReleased, sums: _Balances, on: date) -> None:
        sums.released_g += event.mass_g - event.rights_g
        sums.released_rights_g += event.rights_g
        award = (event.product, event.partner, event.round, event.decision, event.award, event.request)
        self.put(RELEASE, event.release, *award, as_json(event.units), event.rights_g, event.mass_g, on, event.expires_on, None)

    def _pinned(self, event: StockPinned) -> None:
        """A release of this commit has its lots from the first; a round may have thousands."""
        lots = as_json(event.lots)
        if (row := self.rows[RELEASE].get(event.release)) is not None:
            self.rows[RELEASE][event.release] = (*row[:-1], lots)
        else:
            self.put(PIN_RELEASE, event.release, lots)

    def _lot(self, event: LotTakenIn | AssayRecorded | StockAdjusted, sums: _Balances, on: date) -> None:
        match event:
            case LotTakenIn():
                sums.restock(event.status, event.mass_g)
                self.units[event.lot] += event.units
                kept = (event.product, event.depot, event.status, event.units, event.nominal_unit_g, as_json(event.serials))
                told = (event.origin, event.custody_model, as_json(event.assay), event.expires_on, event.right, on)
                self.put(TAKE_IN_LOT, event.lot, *kept, *told)
            case AssayRecorded():
                sums.restock(event.from_status, -event.mass_g)
                sums.restock(event.to_status, event.mass_g)
                self.put(ASSAY_LOT, event.lot, event.to_status, as_json(event.assay))
            case StockAdjusted():
                sums.restock(event.status, event.change_g)
                self.units[event.lot] += event.change_units
            case _:
                assert_never(event)

    def _restock(self, parcels: Iterable[Parcel]) -> int:
        """Units of parcels back into their lots; gives their grams."""
        mass_g = 0
        for parcel in parcels:
            self.units[parcel.lot] += parcel.units
            mass_g += parcel.mass_g
        return mass_g
