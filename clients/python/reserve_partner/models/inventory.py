"""What inventory answers, and what it is asked. Made from docs/api by generate.py: change it there."""

from datetime import date

from msgspec import Struct


class Pinned(Struct, frozen=True, kw_only=True):
    lot: str
    nominal_unit_g: int
    units: int


class Units(Struct, frozen=True, kw_only=True):
    nominal_unit_g: int
    units: int


class Release(Struct, frozen=True, kw_only=True):
    """`lots`: which it was pinned to by its decision, or is since rights stood in for some of them; None: it is met from any."""

    release: str
    product: str
    partner: str
    round: str
    decision: str
    award: str
    request: str
    units: list[Units]
    rights_g: int
    mass_g: int
    remaining_g: int
    # one of open, drawn, lapsed, cancelled
    status: str
    released_on: date
    expires_on: date
    reason: str | None
    lots: list[Pinned] | None = None


class ReleaseLoan(Struct, frozen=True, kw_only=True):
    """It is drawn once it is committed, and comes back by `return_on`. `committed`: by what, if it is."""

    award: str
    return_on: date
    committed: str | None


class ReleaseDetail(Struct, frozen=True, kw_only=True):
    """`held_since`: the Reserve holds it, and it cannot be drawn; once the hold is off, `expires_on` moves by as long."""

    release: str
    product: str
    partner: str
    round: str
    decision: str
    award: str
    request: str
    units: list[Units]
    rights_g: int
    mass_g: int
    remaining_g: int
    # one of open, drawn, lapsed, cancelled
    status: str
    released_on: date
    expires_on: date
    reason: str | None
    held_since: date | None
    held_until: date | None
    loan: ReleaseLoan | None
    lots: list[Pinned] | None = None


class Assignment(Struct, frozen=True, kw_only=True):
    right: str
    project: str
    mass_g: int


class Parcel(Struct, frozen=True, kw_only=True):
    lot: str
    depot: str
    nominal_unit_g: int
    units: int
    mass_g: int


class Drawn(Struct, frozen=True, kw_only=True):
    """A draw as it was just made."""

    draw: str
    product: str
    release: str
    partner: str
    # one of drawn, assigned, dispatched, delivered, returned
    status: str
    mass_g: int
    assigned_g: int
    parcels: list[Parcel]
    drawn_on: date
    place: str
    assignments: list[Assignment]
    remaining_g: int


class Draw(Struct, frozen=True, kw_only=True):
    """`place` is where the journal has it: its receipt proves this event."""

    draw: str
    product: str
    release: str
    partner: str
    # one of drawn, assigned, dispatched, delivered, returned
    status: str
    mass_g: int
    assigned_g: int
    parcels: list[Parcel]
    drawn_on: date
    place: str


class Correction(Struct, frozen=True, kw_only=True):
    carrier: str | None
    reference: str | None
    reason: str
    corrected_by: str
    corrected_on: date


class Gate(Struct, frozen=True, kw_only=True):
    gate: str
    evidence: str
    by: str
    until: date | None


class DrawDetail(Struct, frozen=True, kw_only=True):
    draw: str
    product: str
    release: str
    partner: str
    # one of drawn, assigned, dispatched, delivered, returned
    status: str
    mass_g: int
    assigned_g: int
    parcels: list[Parcel]
    drawn_on: date
    place: str
    assignments: list[Assignment]
    weighed_g: int | None
    carrier: str | None
    consignee: str | None
    reference: str | None
    corrections: list[Correction]
    gates: list[Gate]
    reason: str | None
    delivered_on: date | None
    received_by: str | None
    receipt: str | None
