"""What may be offered of each product, from the events of its stockpile: by unit size, lot by lot, and of rights.

A certified round may bring thousands of releases, and draws come by the hundred: runs of these are summed up and written at once.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import date

from services.inventory import events as inventory
from shared.journal.connection import Connection, as_json
from shared.journal.record import Fact

_Run = inventory.StockReleased | inventory.StockPinned | inventory.StockDrawn


async def take_stock(connection: Connection, facts: Sequence[Fact]) -> None:
    run: list[_Run] = []
    for fact in facts:
        if isinstance(fact.event, _Run):
            run.append(fact.event)
            continue
        await _take_run(connection, run)
        run = []
        await _take_one(connection, fact)
    await _take_run(connection, run)


async def _take_run(connection: Connection, run: Sequence[_Run]) -> None:
    """Of one release, pins come before draws: where they come after, another event stands between."""
    if released := [event for event in run if isinstance(event, inventory.StockReleased)]:
        await _reserve(connection, released)
    if pinned := {event.release: event for event in run if isinstance(event, inventory.StockPinned)}:
        await _unpin(connection, list(pinned))
        await _pin(connection, list(pinned.values()))
    if drawn := [event for event in run if isinstance(event, inventory.StockDrawn)]:
        await _draw(connection, drawn)


async def _take_one(connection: Connection, fact: Fact) -> None:
    execute = connection.execute
    match fact.event:
        case inventory.ProductRegistered() as event:
            await execute(
                "INSERT INTO stock (product, nominal_unit_g, protected_g, reserved_rights_g) VALUES ($1, $2, 0, 0)",
                event.product,
                event.nominal_unit_g,
            )
        case inventory.ProtectedStockSet() as event:
            await execute(
                """INSERT INTO protected_levels (place, product, before_g, mass_g, set_on, authority, reason)
                   SELECT $1, product, protected_g, $3, $4, $5, $6 FROM stock WHERE product = $2""",
                fact.place,
                event.product,
                event.mass_g,
                date.fromisoformat(fact.record.effective_on),
                event.authority,
                event.reason,
            )
            await execute("UPDATE stock SET protected_g = $2 WHERE product = $1", event.product, event.mass_g)
        case inventory.HoldPutOn() as event:
            await execute(
                "INSERT INTO stops (product, hold, scope, target, expires_on) VALUES ($1, $2, $3, $4, $5)",
                *(event.product, event.hold, event.scope, event.target, event.expires_on),
            )
            if event.lapses_at is not None:
                await execute(
                    "INSERT INTO hold_words (product, hold, partner, put_on_by, lapses_at) VALUES ($1, $2, $3, $4, $5)",
                    *(event.product, event.hold, event.target if event.scope == "partner" else None, event.put_on_by, event.lapses_at),
                )
        case inventory.HoldConfirmed() as event:
            await execute("DELETE FROM hold_words WHERE product = $1 AND hold = $2", event.product, event.hold)
        case inventory.HoldLifted() as event:
            await execute("DELETE FROM stops WHERE product = $1 AND hold = $2", event.product, event.hold)
        case inventory.ReleaseLapsed() | inventory.ReleaseCancelled() as event:
            await _give_back(connection, event.product, event.units, event.rights_g)
            await _unpin(connection, [event.release])
        case inventory.RightAdded() as event:
            await execute(
                'INSERT INTO rights ("right", product, kind, window_from, window_to, mass_g) VALUES ($1, $2, $3, $4, $5, $6)',
                *(event.right, event.product, event.kind, event.window_from, event.window_to, event.mass_g),
            )
        case inventory.RightMatured() as event:
            await execute('UPDATE rights SET mass_g = $2 WHERE "right" = $1', event.right, event.remaining_g)
        case inventory.RightExercised() as event:
            await execute(
                """UPDATE rights SET kind = 'firm_offtake', window_from = $2 WHERE "right" = $1""", event.right, event.deliver_from
            )
        case inventory.AssignmentGivenBack() as event:
            await execute('UPDATE rights SET mass_g = $2 WHERE "right" = $1', event.right, event.right_remaining_g)
        case inventory.RightTerminated() as event:
            await execute('UPDATE rights SET mass_g = 0 WHERE "right" = $1', event.right)
        case inventory.DeliveryPostponed() as event:
            await execute('UPDATE rights SET window_to = $2 WHERE "right" = $1', event.right, event.window_to)
        case inventory.RightAssigned() as event:
            await execute('UPDATE rights SET mass_g = $2 WHERE "right" = $1', event.right, event.right_remaining_g)
            await _give_back(connection, event.product, event.units, event.mass_g if event.source == "rights" else 0)
            if not event.remaining_g:
                await _unpin(connection, [event.release])
        case inventory.LotMoved() as event:
            await execute("UPDATE lots SET depot = $2 WHERE lot = $1", event.lot, event.to_depot)
        case inventory.LotTakenIn() | inventory.AssayRecorded() | inventory.StockAdjusted() | inventory.DrawReturned() as event:
            await _take_lot(connection, event)
        case _:
            pass  # changes nothing that may be offered


type _OfLots = inventory.LotTakenIn | inventory.AssayRecorded | inventory.StockAdjusted | inventory.DrawReturned


async def _take_lot(connection: Connection, event: _OfLots) -> None:
    execute = connection.execute
    match event:
        case inventory.LotTakenIn():
            await execute(
                """INSERT INTO lots (lot, product, depot, unit_g, units, pinned_units, in_specification, origin, contents, expires_on)
                   VALUES ($1, $2, $3, $4, $5, 0, $6, $7, $8, $9)""",
                *(event.lot, event.product, event.depot, event.nominal_unit_g, event.units, event.status == "available"),
                *(event.origin, as_json(event.assay.contents), event.expires_on),
            )
            if event.status == "available":
                await _move_units(connection, event.product, event.nominal_unit_g, event.units)
        case inventory.AssayRecorded():
            pinned = await connection.fetchval("SELECT pinned_units FROM lots WHERE lot = $1", event.lot) or 0
            await execute(
                "UPDATE lots SET in_specification = $2, contents = $3 WHERE lot = $1",
                *(event.lot, event.to_status == "available", as_json(event.assay.contents)),
            )
            if event.units:  # what is pinned was never on offer: its release has it, or is short
                free = event.units - pinned
                change = free if event.to_status == "available" else -free
                await _move_units(connection, event.product, event.mass_g // event.units, change)
        case inventory.StockAdjusted():
            await execute("UPDATE lots SET units = units + $2 WHERE lot = $1", event.lot, event.change_units)
            if event.status == "available":
                await _move_units(connection, event.product, event.nominal_unit_g, event.change_units)
        case inventory.DrawReturned():
            for parcel in (*event.available, *event.quarantined):
                await execute("UPDATE lots SET units = units + $2 WHERE lot = $1", parcel.lot, parcel.units)
            for parcel in event.available:
                await _move_units(connection, event.product, parcel.nominal_unit_g, parcel.units)


async def _reserve(connection: Connection, released: Sequence[inventory.StockReleased]) -> None:
    units: defaultdict[tuple[str, int], int] = defaultdict(int)
    rights_g: defaultdict[str, int] = defaultdict(int)
    for event in released:
        rights_g[event.product] += event.rights_g
        for count in event.units:
            units[event.product, count.nominal_unit_g] += count.units
    for (product, unit_g), taken in units.items():
        await _move_units(connection, product, unit_g, -taken)
    for product, mass_g in rights_g.items():
        await _move_rights(connection, product, mass_g)


async def _pin(connection: Connection, pinned: Sequence[inventory.StockPinned]) -> None:
    pins = [(event.release, pin.lot, pin.units) for event in pinned for pin in event.lots]
    if not pins:
        return
    releases, lots, units = map(list, zip(*pins, strict=True))
    await connection.execute(
        """WITH new AS (SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[]) AS new(release, lot, units)),
                kept AS (INSERT INTO pins (release, lot, units) SELECT release, lot, units FROM new),
                sums AS (SELECT lot, sum(units)::bigint AS units FROM new GROUP BY lot),
                moved AS (UPDATE lots SET pinned_units = pinned_units + sums.units FROM sums WHERE lots.lot = sums.lot
                          RETURNING lots.product, lots.unit_g, sums.units, lots.in_specification),
                failed AS (SELECT product, unit_g, sum(units)::bigint AS units FROM moved WHERE NOT in_specification GROUP BY 1, 2)
           UPDATE stock_units SET units = stock_units.units + failed.units FROM failed
           WHERE stock_units.product = failed.product AND stock_units.unit_g = failed.unit_g""",
        *(releases, lots, units),
    )


async def _unpin(connection: Connection, releases: list[str]) -> None:
    """What a release gives back of lots that an assay has failed since is not on offer."""
    await connection.execute(
        """WITH gone AS (DELETE FROM pins WHERE release = ANY($1::text[]) RETURNING lot, units),
                sums AS (SELECT lot, sum(units)::bigint AS units FROM gone GROUP BY lot),
                moved AS (UPDATE lots SET pinned_units = pinned_units - sums.units FROM sums WHERE lots.lot = sums.lot
                          RETURNING lots.product, lots.unit_g, sums.units, lots.in_specification),
                failed AS (SELECT product, unit_g, sum(units)::bigint AS units FROM moved WHERE NOT in_specification GROUP BY 1, 2)
           UPDATE stock_units SET units = stock_units.units - failed.units FROM failed
           WHERE stock_units.product = failed.product AND stock_units.unit_g = failed.unit_g""",
        releases,
    )


async def _draw(connection: Connection, drawn: Sequence[inventory.StockDrawn]) -> None:
    taken: defaultdict[tuple[str, str], int] = defaultdict(int)
    for event in drawn:
        for parcel in event.parcels:
            taken[event.release, parcel.lot] += parcel.units
    releases, lots = map(list, zip(*taken, strict=True))
    await connection.execute(
        """WITH new AS (SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[]) AS new(release, lot, units)),
                own AS (UPDATE pins SET units = pins.units - new.units FROM new
                        WHERE pins.release = new.release AND pins.lot = new.lot RETURNING pins.lot, new.units),
                sums AS (SELECT lot, sum(units)::bigint AS units FROM new GROUP BY lot),
                unpinned AS (SELECT lot, sum(units)::bigint AS units FROM own GROUP BY lot)
           UPDATE lots SET units = lots.units - sums.units, pinned_units = pinned_units - coalesce(unpinned.units, 0)
           FROM sums LEFT JOIN unpinned USING (lot) WHERE lots.lot = sums.lot""",
        *(releases, lots, list(taken.values())),
    )
    await connection.execute("DELETE FROM pins WHERE release = ANY($1::text[]) AND units = 0", releases)


async def _give_back(connection: Connection, product: str, units: Sequence[inventory.UnitCount], rights_g: int) -> None:
    for count in units:
        await _move_units(connection, product, count.nominal_unit_g, count.units)
    await _move_rights(connection, product, -rights_g)


async def _move_rights(connection: Connection, product: str, change_g: int) -> None:
    if change_g:
        await connection.execute("UPDATE stock SET reserved_rights_g = reserved_rights_g + $2 WHERE product = $1", product, change_g)


async def _move_units(connection: Connection, product: str, unit_g: int, change: int) -> None:
    await connection.execute(
        """INSERT INTO stock_units (product, unit_g, units) VALUES ($1, $2, $3)
           ON CONFLICT (product, unit_g) DO UPDATE SET units = stock_units.units + $3""",
        product,
        unit_g,
        change,
    )
