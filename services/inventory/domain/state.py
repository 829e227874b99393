"""State of a stockpile: what can still change, and totals that are kept, not summed, so that a step costs the same at any size."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta

import immutables
import msgspec

from services.inventory.events import (
    DrawId,
    GateEvidence,
    Grade,
    HoldId,
    LotId,
    MoveId,
    Parcel,
    PinnedUnits,
    ProductId,
    ReleaseId,
    RightId,
    RightKind,
    RightTerms,
    UnitCount,
)
from shared.terms.countersigning import ProposedCommand

type Turn = tuple[date, int, LotId]  # first-expiring, then oldest; the sort key of a shelf's queue

NEVER = date.max
SUSPENSION = "suspension of "  # begins the authority of a hold that follows from an agreement, and is on that agreement's products alone


class Lot(msgspec.Struct, frozen=True, gc=False):
    """What the reserve still holds of a lot. It leaves the state with its last unit."""

    depot: str
    nominal_unit_g: int
    units: int  # in stock: available if in specification, else quarantined
    drawn_units: int  # taken, not yet dispatched
    in_specification: bool
    turn: Turn
    contents: dict[str, str]  # of the ruling assay: element -> share of the mass
    lay_in: tuple[str, ...] = ()  # the depots that it was moved out of


class Shelf(msgspec.Struct, frozen=True, gc=False):
    """The available lots of one unit size."""

    queue: tuple[Turn, ...] = ()  # lots in specification that have units in stock, in the order of their turns
    units: int = 0  # in these lots
    reserved_units: int = 0  # by open releases; more than `units` only after an assay that failed reserved stock
    failed_units: int = 0  # of the reserved: pinned to lots that an assay has failed, so no claim on the lots that are here

    @property
    def free_units(self) -> int:
        return self.units - self.reserved_units + self.failed_units


class Right(msgspec.Struct, frozen=True, gc=False):
    project: str
    kind: RightKind
    mass_g: int  # neither assigned nor delivered yet
    window_from: date
    window_to: date  # inclusive


class Release(msgspec.Struct, frozen=True, gc=False):
    """What is left of a release. It leaves the state when nothing is."""

    partner: str
    units: tuple[UnitCount, ...]  # of lots, largest first
    rights_g: int  # of rights
    mass_g: int  # both together
    expires_on: date  # inclusive
    decision: str = ""  # that it was released under
    pins: tuple[PinnedUnits, ...] = ()  # the lots that it is met from, all of its `units`; none: it is met from any that are not pinned


class Draw(msgspec.Struct, frozen=True, gc=False):
    """Goods that are drawn and still here. They leave the state by dispatch or return."""

    partner: str
    release: ReleaseId
    parcels: tuple[Parcel, ...]
    mass_g: int  # nominal
    decision: str = ""  # that it was drawn under
    weighed_g: int | None = None
    weighed_by: frozenset[str] = frozenset()  # who vouches for that; nobody: by an earlier build
    counted: bool = False  # in the drift: it was within tolerance
    overtaken: frozenset[str] = frozenset()  # proposals of what it weighs that waited when it was weighed otherwise


class Consignment(msgspec.Struct, frozen=True, gc=False):
    """Goods that are under way. They leave the state once the consignee has them."""

    partner: str
    release: ReleaseId
    mass_g: int
    weighed_g: int
    carrier: str
    consignee: str


class Assignment(msgspec.Struct, frozen=True, gc=False):
    """What a draw was assigned of a right, as far as the project has not delivered it. It leaves the state delivered or failed."""

    draw: DrawId
    right: RightId
    project: str
    partner: str
    decision: str
    mass_g: int
    window_to: date | None  # None: of an earlier build, which never fails it
    assigned_g: int = 0  # in all, less what it gave back
    window_from: date = NEVER
    release: ReleaseId | None = None  # that it was drawn under


class OpenTranche(msgspec.Struct, frozen=True, gc=False):
    """A part of a delivery programme that is neither delivered nor closed."""

    number: int
    window_from: date
    window_to: date  # inclusive
    mass_g: int
    left_g: int  # not delivered yet


class Programme(msgspec.Struct, frozen=True, gc=False):
    """What is agreed about deliveries under a right, and how they have gone. It leaves the state when nothing is to come."""

    terms: RightTerms = RightTerms()
    tranches: tuple[OpenTranche, ...] = ()  # the first due first
    numbered: int = 0  # tranches, so far
    failures: int = 0  # tranches that failed
    majeure_days: int = 0  # by which force majeure has postponed it


class AwardedLoan(msgspec.Struct, frozen=True, gc=False):
    """A release that is lent. It may be announced, and its gate opened, in either order: they come from different services."""

    award: str = ""
    decision: str = ""  # that awards it; "": not announced yet
    gate: GateEvidence | None = None
    opened_for: str = ""  # the decision whose loan is committed


class LentDraw(msgspec.Struct, frozen=True, gc=False):
    """Of a draw that is still here: what must come back."""

    release: ReleaseId
    award: str
    contained_g: dict[str, int]


class Hold(msgspec.Struct, frozen=True, gc=False):
    stops: str  # the key of what it stops, as `stop_key` writes it
    expires_on: date | None  # inclusive
    since: date | None = None  # None: of an earlier build, which did not say
    own: bool = True  # the Reserve's; not for an agreement that is suspended
    by: str | None = None  # who put it on, and nobody has confirmed it yet
    lapses_at: datetime | None = None  # None: it does not, without anybody's word
    suspended_by: str | None = None  # who suspended the agreement that it follows from
    suspended_to: datetime | None = None  # past it, a second person has confirmed that suspension, or it is about to be off
    takes_on: HoldId | None = None  # the depot's that it goes on from, with a lot that was moved


class EndedHold(msgspec.Struct, frozen=True, gc=False):
    """That nobody had confirmed."""

    by: str
    on: date


class Suspense(msgspec.Struct, frozen=True, gc=False):
    """What a draw lacks, until it is signed for."""

    partner: str
    mass_g: int
    weighed_by: frozenset[str]  # both of them
    sign_by: date


class Drift(msgspec.Struct, frozen=True, gc=False):
    """What draws have weighed more than they were (below zero, less), together: of this block of draws, and of the block before."""

    draws: int = 0  # in this block
    out_g: int = 0
    squares: int = 0  # of the grams that a scale may be wrong by, summed
    before_out_g: int = 0
    before_squares: int = 0


class Move(msgspec.Struct, frozen=True, gc=False):
    """That nobody has ratified yet."""

    lot: LotId
    moved_by: str
    ratify_by: datetime
    missed: bool = False


class HeldRound(msgspec.Struct, frozen=True, gc=False):
    """Nobody has ratified it."""

    round: str
    since: date | None = None


class Stockpile(msgspec.Struct, frozen=True, gc=False):
    product: ProductId | None = None  # None: not registered
    nominal_unit_g: int = 0
    contents: dict[str, str] = {}  # element -> nominal share of the mass
    protected_g: int = 0
    receipt_grade: Grade = "signed"  # what dispatch needs
    tolerances: immutables.Map[str, str] = immutables.Map()  # of weighing: of the "product", of a "partner/" or a "scale/"
    lots_taken_in: int = 0
    lots: immutables.Map[LotId, Lot] = immutables.Map()
    shelves: immutables.Map[int, Shelf] = immutables.Map()  # by nominal_unit_g
    quarantined_g: int = 0
    drawn_g: int = 0  # not yet dispatched
    rights: immutables.Map[RightId, Right] = immutables.Map()
    reserved_rights_g: int = 0  # by open releases
    assigned: immutables.Map[str, Assignment] = immutables.Map()  # by "draw/right"
    programmes: immutables.Map[RightId, Programme] = immutables.Map()  # of rights of which terms or tranches are agreed
    pinned: immutables.Map[LotId, int] = immutables.Map()  # units of each lot that releases are pinned to, never more than it has
    releases: immutables.Map[ReleaseId, Release] = immutables.Map()
    draws: immutables.Map[DrawId, Draw] = immutables.Map()
    under_way: immutables.Map[DrawId, Consignment] = immutables.Map()
    loans: immutables.Map[ReleaseId, AwardedLoan] = immutables.Map()
    lent: immutables.Map[DrawId, LentDraw] = immutables.Map()
    holds: immutables.Map[HoldId, Hold] = immutables.Map()
    held: immutables.Map[str, HeldRound] = immutables.Map()  # by decision
    stops: immutables.Map[str, tuple[HoldId, ...]] = immutables.Map()  # stop key -> the holds on it
    ended: immutables.Map[str, tuple[EndedHold, ...]] = immutables.Map()  # stop key -> each person's last that nobody had confirmed
    drift: Drift = Drift()
    suspense: immutables.Map[DrawId, Suspense] = immutables.Map()
    moves: immutables.Map[MoveId, Move] = immutables.Map()
    proposals: immutables.Map[str, ProposedCommand] = immutables.Map()  # commands that wait for another person's signature


def in_stock_g(state: Stockpile) -> int:
    """Grams in specification and undrawn: available and released together."""
    return sum(shelf.units * unit_g for unit_g, shelf in state.shelves.items())


def short_g(state: Stockpile) -> int:
    """Grams that releases have reserved and that are not there, since an assay failed them."""
    return sum((max(0, -shelf.free_units) + shelf.failed_units) * unit_g for unit_g, shelf in state.shelves.items())


def held_g(state: Stockpile) -> int:
    """All the grams that the reserve still has in its depots."""
    return in_stock_g(state) + state.quarantined_g + state.drawn_g


def day_after(day: date) -> date:
    return day + timedelta(days=1) if day < NEVER else NEVER


def last_day(window_to: date, grace_days: int) -> date:
    """Of a delivery that is not failed yet."""
    return NEVER if (NEVER - window_to).days < grace_days else window_to + timedelta(days=grace_days)


def stop_key(scope: str, target: str | None) -> str:
    return scope if target is None else f"{scope}/{target}"


def stopping(state: Stockpile, on: date, *keys: str) -> HoldId | None:
    """A hold in force on that day on any of these keys."""
    if not state.stops:
        return None
    for key in keys:
        for hold in state.stops.get(key, ()):
            if (expires_on := state.holds[hold].expires_on) is None or on <= expires_on:
                return hold
    return None


def until_when(state: Stockpile, hold: HoldId) -> str:
    """How long a hold stops anything, for whoever meets it: why it is on may be another's matter."""
    found = state.holds[hold]
    last = "until it is lifted" if found.expires_on is None else f"through {found.expires_on}, or until it is lifted"
    lapses = "" if found.lapses_at is None else f", and past {found.lapses_at:%Y-%m-%d %H:%M} UTC only if a second person confirms it"
    return last + lapses


def proposed_for(state: Stockpile, draw: DrawId, *types: str) -> list[tuple[str, ProposedCommand]]:
    """What waits for a signature about a draw, of these types of commands, by its proposal."""
    if not state.proposals:
        return []
    waiting = sorted(state.proposals.items())
    return [(name, waits) for name, waits in waiting if waits.command["type"] in types and waits.command.get("draw") == draw]


def stopping_partner(state: Stockpile, on: date, partner: str) -> HoldId | None:
    """A hold in force on everything, the product or the partner."""
    return stopping(state, on, "all", "product", f"partner/{partner}") if state.stops else None


def held_round(state: Stockpile, decision: str) -> str | None:
    """The round whose decision is held until it is ratified."""
    held = state.held.get(decision) if state.held else None
    return None if held is None else held.round


def stopping_lot(state: Stockpile, on: date, lot: LotId, depot: str) -> HoldId | None:
    """A hold in force on the lot or its depot."""
    return stopping(state, on, f"lot/{lot}", f"depot/{depot}") if state.stops else None


def unpinned_units(state: Stockpile, lot: LotId) -> int:
    """Units of a lot in stock that no release is pinned to."""
    return state.lots[lot].units - state.pinned.get(lot, 0)


def usable_units(state: Stockpile, on: date) -> dict[int, int]:
    """Units by size, largest first, that a round may release on that day: free, not expired, on no hold of their lot or depot."""
    usable = {}
    for unit_g in sorted(state.shelves, reverse=True):
        shelf = state.shelves[unit_g]
        barred = 0
        for turn in shelf.queue:
            lot = state.lots[turn[2]]
            if turn[0] < on or stopping_lot(state, on, turn[2], lot.depot) is not None:
                barred += unpinned_units(state, turn[2])
            elif not state.stops:
                break  # the queue is sorted by expiry: no later lot is barred
        usable[unit_g] = max(0, shelf.free_units - barred)
    return usable


def open_rights(state: Stockpile, on: date) -> Iterator[tuple[RightId, Right]]:
    """Firm rights that may be assigned on that day, the first to close first."""
    ordered = sorted(state.rights.items(), key=lambda item: (item[1].window_to, item[0]))
    return ((right, claim) for right, claim in ordered if claim.kind == "firm_offtake" and claim.window_to >= on)


def free_rights_g(state: Stockpile, on: date) -> int:
    """Grams of open firm rights that no release has reserved; below zero if windows closed over reserved ones."""
    return sum(claim.mass_g for _, claim in open_rights(state, on)) - state.reserved_rights_g


def programme_of(state: Stockpile, right: RightId) -> Programme:
    return state.programmes.get(right, Programme())


def owed_under(state: Stockpile, right: RightId) -> list[tuple[str, Assignment]]:
    """What the project owes partners of it, by name."""
    return [(name, assigned) for name, assigned in sorted(state.assigned.items()) if assigned.right == right]
