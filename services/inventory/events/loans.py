"""What is lent, and comes back."""

from datetime import date

import msgspec

from services.inventory.events.draws import GateEvidence
from services.inventory.events.ids import DrawId, LotId, ReleaseId, StockpileEvent
from shared.journal.record import Grams


class LentParcel(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What is lent of a lot."""

    lot: LotId
    mass_g: Grams
    contained_g: dict[str, Grams]  # by element, rounded half-even


class LoanAnnounced(StockpileEvent, frozen=True, kw_only=True, tag="inventory.loan_announced.v1"):
    """The award of a round to come is a loan: its release is drawn once its gate is open, and in goods only."""

    release: ReleaseId
    award: str
    decision: str
    partner: str
    return_on: date


class LoanGateOpened(StockpileEvent, frozen=True, kw_only=True, tag="inventory.loan_gate_opened.v1"):
    """Terms are agreed and headroom is reserved for the loan that this decision has awarded."""

    release: ReleaseId
    decision: str
    partner: str
    gate: GateEvidence


class MaterialLent(StockpileEvent, frozen=True, kw_only=True, tag="inventory.material_lent.v1"):
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


class LentDrawReturned(StockpileEvent, frozen=True, kw_only=True, tag="inventory.lent_draw_returned.v1"):
    """A draw under a loan's release has come back before it left: nothing of it is lent."""

    draw: DrawId
    release: ReleaseId
    award: str
    partner: str
    mass_g: Grams
    contained_g: dict[str, Grams]


class ReturnTakenIn(StockpileEvent, frozen=True, kw_only=True, tag="inventory.return_taken_in.v1"):
    """The lot, whose own event stands before this one, repays a loan in kind."""

    loan: str
    returned: str
    partner: str
    lot: LotId
    mass_g: Grams


class ReturnRefused(StockpileEvent, frozen=True, kw_only=True, tag="inventory.return_refused.v1"):
    """The lot that was to repay a loan cannot be taken in."""

    loan: str
    returned: str
    partner: str
    reason: str  # a code of `domain.reasons.Reason`
    detail: str
