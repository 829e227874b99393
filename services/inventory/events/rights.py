"""What happens to a claim on future production."""

from datetime import date
from typing import Literal

from services.inventory.events.ids import DrawId, LotId, ReleaseId, RightId, StockpileEvent, UnitCount
from shared.journal.record import Grams
from shared.journal.texts import TypedText

type RightKind = Literal["firm_offtake", "option", "first_refusal"]
type Source = Literal["lots", "rights"]


class RightAdded(StockpileEvent, frozen=True, kw_only=True, tag="inventory.right_added.v1"):
    right: RightId
    project: str
    kind: RightKind
    mass_g: Grams
    window_from: date
    window_to: date  # inclusive


class RightMatured(StockpileEvent, frozen=True, kw_only=True, tag="inventory.right_matured.v1"):
    """A delivery under a right: `settled_g` of the claim ends, and `delivered_g` came as `lot` (whose own event follows)."""

    right: RightId
    project: str
    lot: LotId
    settled_g: Grams
    delivered_g: Grams
    remaining_g: Grams  # of the right


class RightAssigned(StockpileEvent, frozen=True, kw_only=True, omit_defaults=True, tag="inventory.right_assigned.v1"):
    """Part of a right passes to the partner under a release. What the release had reserved of `source` for it is reserved no longer:
    grams of rights, or `units` of lots that go back to available. `window_to`: by when the project is to have delivered; what it has not
    is failed then. None: by a build that followed no delivery."""

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
    window_to: date | None = None


class AssignmentDelivered(StockpileEvent, frozen=True, kw_only=True, tag="inventory.assignment_delivered.v2"):
    """The project has delivered to the partner, in part or whole, what was assigned to it."""

    draw: DrawId
    right: RightId
    partner: str
    mass_g: Grams
    remaining_g: Grams  # of what the draw was assigned of this right
    delivered_on: date
    evidence: TypedText


class DeliveryPostponed(StockpileEvent, frozen=True, kw_only=True, tag="inventory.delivery_postponed.v2"):
    """The project delivers later than its right says: nothing of it is failed until then."""

    right: RightId
    window_to: date  # from now on
    before: date
    cause: Literal["force_majeure", "agreed"]
    evidence: TypedText


class AssignmentFailed(StockpileEvent, frozen=True, kw_only=True, tag="inventory.assignment_failed.v1"):
    """The window passed without delivery, or with less: what is missing is a claim of the partner no more, and its round is made good."""

    draw: DrawId
    right: RightId
    project: str
    partner: str
    decision: str
    mass_g: Grams
