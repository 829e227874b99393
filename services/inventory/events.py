"""What happens to a stockpile. Each event says all that the ledger needs to post it: product, grams, depots, statuses, partner.

Grams are net, dry and nominal (units x nominal unit) unless a name says `weighed`. A stored shape never changes: a new one is a new
version.
"""

from datetime import date
from typing import Annotated, Literal, NewType

import msgspec

from shared.journal.record import MAX_INTEGER, Grams
from shared.terms.authority import Cited

ProductId = NewType("ProductId", str)  # "antimony-metal"
LotId = NewType("LotId", str)  # "lot_..."
RightId = NewType("RightId", str)  # "rgt_..."
HoldId = NewType("HoldId", str)  # "hld_..."
ReleaseId = NewType("ReleaseId", str)  # "rel_..."
DrawId = NewType("DrawId", str)  # "drw_..."

type Units = Annotated[int, msgspec.Meta(ge=0, le=MAX_INTEGER)]
type SignedUnits = Annotated[int, msgspec.Meta(ge=-MAX_INTEGER, le=MAX_INTEGER)]
type SignedGrams = Annotated[int, msgspec.Meta(ge=-MAX_INTEGER, le=MAX_INTEGER)]

type Form = Literal["metal", "oxide", "concentrate"]
type CustodyModel = Literal["identity_preserved", "segregated", "mass_balance", "book_and_claim"]  # as UN UNTP declares them
type Status = Literal["available", "quarantined"]
type RightKind = Literal["firm_offtake", "option", "first_refusal"]
type Source = Literal["lots", "rights"]
type HoldScope = Literal["lot", "product", "partner", "depot", "all"]
type AdjustmentCause = Literal["stock_take", "loss", "sample"]


class Assay(msgspec.Struct, frozen=True, kw_only=True):
    """A laboratory's report on a lot. The last one recorded is the ruling one."""

    report: str  # the laboratory's number of the report
    laboratory: str
    assayed_on: date
    contents: dict[str, str]  # element -> share of the mass, a decimal or rational string: {"Sb": "0.9965"}
    in_specification: bool


class UnitCount(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """So many trade units of one size."""

    nominal_unit_g: Grams
    units: Units


class Parcel(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Whole units of one lot, in its depot."""

    lot: LotId
    depot: str
    nominal_unit_g: Grams
    units: Units
    mass_g: Grams


class LentParcel(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What is lent of a lot."""

    lot: LotId
    mass_g: Grams
    contained_g: dict[str, Grams]  # by element, rounded half-even


class GateEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """Why a gate of dispatch counts as met."""

    gate: str  # "ledger_receipt"
    evidence: str  # what shows it, for instance "log 1842, root 9f86..., inventory/0/123"
    by: str  # who or what established it
    until: date | None = None  # the last day that it holds; None: for good


class _Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    product: ProductId


class ProductRegistered(_Event, frozen=True, kw_only=True, tag="inventory.product_registered.v1"):
    name: str
    contents: dict[str, str]  # element -> nominal share of the mass, a rational string
    form: Form
    unit: str  # the trade unit's name: "bundle", "drum"
    nominal_unit_g: Grams
    specification: str


class LotTakenIn(_Event, frozen=True, kw_only=True, tag="inventory.lot_taken_in.v1"):
    """From outside the reserve into `status`, in `depot`."""

    lot: LotId
    depot: str
    units: Units
    nominal_unit_g: Grams
    mass_g: Grams
    status: Status
    serials: tuple[str, ...]  # one a unit, or none
    origin: str
    custody_model: CustodyModel
    assay: Assay
    expires_on: date | None  # the last day on which it may be drawn
    right: RightId | None  # the right that it matured from


class AssayRecorded(_Event, frozen=True, kw_only=True, tag="inventory.assay_recorded.v1"):
    """What of the lot is still in stock moves from one status to the other; nothing moves when they are the same."""

    lot: LotId
    depot: str
    assay: Assay
    from_status: Status
    to_status: Status
    units: Units  # that move
    mass_g: Grams  # that moves
    short_g: Grams  # how much less of the product is available, after it, than releases have reserved


class ProtectedStockSet(_Event, frozen=True, kw_only=True, tag="inventory.protected_stock_set.v1"):
    mass_g: Grams
    authority: str
    reason: str


class HoldPutOn(_Event, frozen=True, kw_only=True, tag="inventory.hold_put_on.v1"):
    hold: HoldId
    scope: HoldScope
    target: str | None  # the lot, partner or depot; None for `product` and `all`
    reason: str
    authority: str
    expires_on: date | None  # the last day that it stops anything


class HoldLifted(_Event, frozen=True, kw_only=True, tag="inventory.hold_lifted.v1"):
    hold: HoldId
    reason: str
    authority: str | None  # None: it expired, or the suspension that it was put on for is over


class RoundHeld(_Event, frozen=True, kw_only=True, tag="inventory.round_held.v1"):
    """Nothing more is drawn or dispatched under this decision: nobody has ratified it in time. No operator lifts it."""

    round: str
    decision: str
    reason: str


class RoundFreed(_Event, frozen=True, kw_only=True, tag="inventory.round_freed.v1"):
    round: str
    decision: str
    reason: str


class RightAdded(_Event, frozen=True, kw_only=True, tag="inventory.right_added.v1"):
    right: RightId
    project: str
    kind: RightKind
    mass_g: Grams
    window_from: date
    window_to: date  # inclusive


class RightMatured(_Event, frozen=True, kw_only=True, tag="inventory.right_matured.v1"):
    """A delivery under a right: `settled_g` of the claim ends, and `delivered_g` came as `lot` (whose own event follows)."""

    right: RightId
    project: str
    lot: LotId
    settled_g: Grams
    delivered_g: Grams
    remaining_g: Grams  # of the right


class LoanAnnounced(_Event, frozen=True, kw_only=True, tag="inventory.loan_announced.v1"):
    """The award of a round to come is a loan: its release is drawn once its gate is open, and in goods only."""

    release: ReleaseId
    award: str
    decision: str
    partner: str
    return_on: date


class LoanGateOpened(_Event, frozen=True, kw_only=True, tag="inventory.loan_gate_opened.v1"):
    """Terms are agreed and headroom is reserved for the loan that this decision has awarded."""

    release: ReleaseId
    decision: str
    partner: str
    gate: GateEvidence


class StockReleased(_Event, frozen=True, kw_only=True, tag="inventory.stock_released.v1"):
    """Available -> released, for one award: of lots first, reserved as units by size (which lots is settled when they are drawn), and
    of firm rights for what lots do not cover. `mass_g` is both together."""

    release: ReleaseId
    round: str
    decision: str
    award: str
    request: str
    partner: str
    units: tuple[UnitCount, ...]  # of lots, largest first
    rights_g: Grams  # of rights
    mass_g: Grams
    expires_on: date  # the last day on which it may be drawn


class PinnedUnits(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Whole units of one lot, of one size, that are kept for a release."""

    lot: LotId
    nominal_unit_g: Grams
    units: Units


class StockPinned(_Event, frozen=True, kw_only=True, tag="inventory.stock_pinned.v1"):
    """The lots that a release is met from, all that are left of them: it is drawn from these only, and nobody else draws them. Follows
    `stock_released` where the decision named the lots, and `right_assigned` where rights stand in for some of them. What is drawn of them,
    and the release's end, unpins them without another word."""

    release: ReleaseId
    partner: str
    lots: tuple[PinnedUnits, ...]  # in the order in which they are drawn


class RoundReleased(_Event, frozen=True, kw_only=True, tag="inventory.round_released.v1"):
    round: str
    decision: str
    releases: Units
    mass_g: Grams
    expires_on: date


class RoundReleaseRefused(_Event, frozen=True, kw_only=True, tag="inventory.round_release_refused.v1"):
    round: str
    decision: str
    reason: str  # a code of `domain.reasons.Reason`
    detail: str


class StockDrawn(_Event, frozen=True, kw_only=True, tag="inventory.stock_drawn.v1"):
    """Released -> drawn. The goods are the partner's now, and still in their depots."""

    draw: DrawId
    release: ReleaseId
    partner: str
    parcels: tuple[Parcel, ...]
    mass_g: Grams
    remaining_g: Grams  # of the release


class MaterialLent(_Event, frozen=True, kw_only=True, tag="inventory.material_lent.v1"):
    """What a draw under a loan's release has taken, as it must come back: what the parcels contain by their lots' ruling assays, at their
    nominal mass. What a weighing corrects is no part of the loan."""

    draw: DrawId
    release: ReleaseId
    award: str
    partner: str
    parcels: tuple[LentParcel, ...]
    mass_g: Grams
    contained_g: dict[str, Grams]  # by element, of all parcels
    remaining_g: Grams  # of the release


class LentDrawReturned(_Event, frozen=True, kw_only=True, tag="inventory.lent_draw_returned.v1"):
    """A draw under a loan's release has come back before it left: nothing of it is lent."""

    draw: DrawId
    release: ReleaseId
    award: str
    partner: str
    mass_g: Grams
    contained_g: dict[str, Grams]


class ReturnTakenIn(_Event, frozen=True, kw_only=True, tag="inventory.return_taken_in.v1"):
    """The lot, whose own event stands before this one, repays a loan in kind."""

    loan: str
    returned: str
    partner: str
    lot: LotId
    mass_g: Grams


class ReturnRefused(_Event, frozen=True, kw_only=True, tag="inventory.return_refused.v1"):
    """The lot that was to repay a loan cannot be taken in."""

    loan: str
    returned: str
    partner: str
    reason: str  # a code of `domain.reasons.Reason`
    detail: str


class RightAssigned(_Event, frozen=True, kw_only=True, tag="inventory.right_assigned.v1"):
    """Part of a right passes to the partner under a release. What the release had reserved of `source` for it is reserved no longer:
    grams of rights, or `units` of lots that go back to available."""

    draw: DrawId
    release: ReleaseId
    partner: str
    right: RightId
    project: str
    source: Source  # what this part of the release was on
    units: tuple[UnitCount, ...]  # of lots; none if the source is rights
    mass_g: Grams
    remaining_g: Grams  # of the release
    right_remaining_g: Grams


class ReleaseLapsed(_Event, frozen=True, kw_only=True, tag="inventory.release_lapsed.v1"):
    """Released -> available, because the last day has passed."""

    release: ReleaseId
    partner: str
    units: tuple[UnitCount, ...]  # of lots
    rights_g: Grams  # of rights
    mass_g: Grams  # both together


class ReleaseCancelled(_Event, frozen=True, kw_only=True, tag="inventory.release_cancelled.v1"):
    """Released -> available, because an operator took back what was left."""

    release: ReleaseId
    partner: str
    units: tuple[UnitCount, ...]  # of lots
    rights_g: Grams  # of rights
    mass_g: Grams  # both together
    reason: str


class DrawWeighed(_Event, frozen=True, kw_only=True, tag="inventory.draw_weighed.v1"):
    draw: DrawId
    partner: str
    parcels: tuple[Parcel, ...]
    mass_g: Grams
    weighed_g: Grams
    difference_g: SignedGrams  # weighed, less what the books held before: the nominal mass or an earlier weighing


class DrawDispatched(_Event, frozen=True, kw_only=True, tag="inventory.draw_dispatched.v1"):
    """From the parcels' depots to the carrier."""

    draw: DrawId
    partner: str
    parcels: tuple[Parcel, ...]
    mass_g: Grams
    weighed_g: Grams
    carrier: str
    consignee: str
    gates: tuple[GateEvidence, ...]


class DrawReturned(_Event, frozen=True, kw_only=True, tag="inventory.draw_returned.v1"):
    """Drawn -> available, or quarantined for what came from lots that are so by now. Its release stays drawn."""

    draw: DrawId
    partner: str
    available: tuple[Parcel, ...]
    quarantined: tuple[Parcel, ...]
    mass_g: Grams
    difference_g: SignedGrams  # weighed less nominal, to be taken back; 0 if it was not weighed
    reason: str


class AwardForwarded(_Event, frozen=True, kw_only=True, tag="inventory.award_forwarded.v1"):
    """With a weighing, a dispatch or a return: of which release the draw is, for whoever follows an award to its end."""

    draw: DrawId
    release: ReleaseId
    partner: str
    step: Literal["weighed", "dispatched", "returned"]
    mass_g: Grams  # nominal


class DrawDelivered(_Event, frozen=True, kw_only=True, tag="inventory.draw_delivered.v1"):
    """From the carrier to the consignee, who has signed for it."""

    draw: DrawId
    release: ReleaseId
    partner: str
    mass_g: Grams
    weighed_g: Grams
    carrier: str
    consignee: str
    delivered_on: date
    received_by: str  # the office that signed, never a person's name
    evidence: str  # what shows it: "CMR 4711"


class StockAdjusted(_Event, frozen=True, kw_only=True, tag="inventory.stock_adjusted.v1"):
    """More or less of a lot than the books said, in `status`."""

    lot: LotId
    depot: str
    status: Status
    nominal_unit_g: Grams
    change_units: SignedUnits
    change_g: SignedGrams
    cause: AdjustmentCause
    reason: str


class AuthorityCited(_Event, frozen=True, kw_only=True, tag="inventory.authority_cited.v1"):
    """With what was done under it, in the same commit and after it, for the same command."""

    matter: str  # what was acted on: a hold, a release, the product
    cited: Cited


type Event = (
    ProductRegistered
    | LotTakenIn
    | AssayRecorded
    | ProtectedStockSet
    | HoldPutOn
    | HoldLifted
    | RoundHeld
    | RoundFreed
    | RightAdded
    | RightMatured
    | LoanAnnounced
    | LoanGateOpened
    | StockReleased
    | StockPinned
    | RoundReleased
    | RoundReleaseRefused
    | StockDrawn
    | MaterialLent
    | LentDrawReturned
    | ReturnTakenIn
    | ReturnRefused
    | RightAssigned
    | ReleaseLapsed
    | ReleaseCancelled
    | DrawWeighed
    | DrawDispatched
    | DrawReturned
    | AwardForwarded
    | DrawDelivered
    | StockAdjusted
    | AuthorityCited
)
