"""What happens to a claim on future production."""

from datetime import date
from typing import Literal

import msgspec

from services.inventory.events.draws import SignedDraw
from services.inventory.events.ids import DrawId, LotId, ProductId, ReleaseId, RightId, StockpileEvent, UnitCount
from services.inventory.events.lots import Assay
from shared.journal.record import Grams
from shared.journal.texts import TypedText
from shared.terms.dating import Dated

type RightKind = Literal["firm_offtake", "option", "first_refusal"]
type Source = Literal["lots", "rights"]
type PostponementCause = Literal["force_majeure", "agreed"]
type TerminationCause = Literal["repeated_failure", "agreed"]


class RightTerms(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is agreed with the project about deliveries. Of a right that says nothing of it, these defaults hold."""

    notice_days: int = 0  # from the notice that exercises an option to the first day of delivery
    tolerance: str = "0"  # the share of a tranche, or of what was assigned, that may be missing: "0.02"
    grace_days: int = 0  # so long after its last day a delivery is late; after that it is failed
    force_majeure_days: int | None = None  # by which force majeure may postpone deliveries, in all; None: no limit is agreed
    failures_to_terminate: int | None = None  # failed tranches that allow the Reserve to end it; None: it ends by agreement only


class Tranche(msgspec.Struct, frozen=True, kw_only=True):
    """A dated part of what the project is to deliver."""

    number: int  # from 1, never given twice under a right
    window_from: date
    window_to: date  # inclusive
    mass_g: Grams


class RightAdded(StockpileEvent, frozen=True, kw_only=True, omit_defaults=True, tag="inventory.right_added.v1"):
    """With `terms`, a firm right is one tranche until a programme is agreed; without, nobody follows the Reserve's own deliveries."""

    right: RightId
    project: str
    kind: RightKind
    mass_g: Grams
    window_from: date
    window_to: date  # inclusive
    terms: RightTerms | None = None


class RightExercised(StockpileEvent, frozen=True, kw_only=True, tag="inventory.right_exercised.v1"):
    """Notice is given to the project, on the day of the event: from `deliver_from` on it delivers all of it, as a firm right."""

    right: RightId
    project: str
    mass_g: Grams
    notice_days: int  # that its terms ask for
    deliver_from: date
    window_to: date
    tranche: int  # it is one until a programme is agreed
    grace_days: int


class ProgrammeAgreed(StockpileEvent, frozen=True, kw_only=True, tag="inventory.programme_agreed.v1"):
    """In which tranches the project delivers what is still to come under the right. They take the place of those that were open."""

    right: RightId
    tranches: tuple[Tranche, ...]  # first due first
    grace_days: int


class TrancheDelivered(StockpileEvent, frozen=True, kw_only=True, tag="inventory.tranche_delivered.v1"):
    """What a delivery, to the Reserve or to a partner, counts of a tranche. The delivery's own event precedes it."""

    right: RightId
    tranche: int
    mass_g: Grams
    remaining_g: Grams  # of the tranche
    delivered_on: date
    late_days: int  # after the tranche's last day


class TrancheClosed(StockpileEvent, frozen=True, kw_only=True, tag="inventory.tranche_closed.v1"):
    """Its last day and the days of grace have passed with less than all of it delivered: within the tolerance it is short, else failed."""

    right: RightId
    tranche: int
    mass_g: Grams  # missing
    outcome: Literal["short", "failed"]


class RightTerminated(StockpileEvent, frozen=True, kw_only=True, tag="inventory.right_terminated.v1"):
    """The Reserve's claim ends; what is owed to partners is failed, by events of their own in the same commit."""

    right: RightId
    project: str
    cause: TerminationCause
    failures: int  # failed tranches
    mass_g: Grams  # neither assigned nor delivered


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
    grace_days: int = 0
    signed: SignedDraw | None = None  # of a draw that begins with this


class AssignmentDelivered(StockpileEvent, frozen=True, kw_only=True, omit_defaults=True, tag="inventory.assignment_delivered.v2"):
    """The project has delivered to the partner, in part or whole, what was assigned to it."""

    draw: DrawId
    right: RightId
    partner: str
    mass_g: Grams
    remaining_g: Grams  # of what the draw was assigned of this right
    delivered_on: date
    evidence: TypedText
    late_days: int = 0  # after its last day, within the days of grace
    dated_because: Dated | None = None  # why it was reported on a later day
    reported_by: Literal["partner", "reserve"] | None = None  # of the Reserve, two people have; None: by a build under which one did


class AssignmentSubstituted(StockpileEvent, frozen=True, kw_only=True, tag="inventory.assignment_substituted.v1"):
    """The project has delivered to the partner other goods, no worse: `mass_g` of what was assigned is settled by `delivered_g` of
    `substitute`, a product, or another lot of the same one."""

    draw: DrawId
    right: RightId
    project: str
    partner: str
    mass_g: Grams
    remaining_g: Grams  # of what the draw was assigned of this right
    substitute: ProductId
    delivered_g: Grams
    assay: Assay
    delivered_on: date


class AssignmentClosed(StockpileEvent, frozen=True, kw_only=True, omit_defaults=True, tag="inventory.assignment_closed.v1"):
    """The window passed, and no more is missing than the right's terms tolerate: it was delivered short, and is failed in nothing."""

    draw: DrawId
    right: RightId
    project: str
    partner: str
    mass_g: Grams  # missing
    of_g: Grams | None = None  # assigned, less what was given back; None: by a build that tolerated a share of that, too


class AssignmentGivenBack(StockpileEvent, frozen=True, kw_only=True, tag="inventory.assignment_given_back.v1"):
    """The partner gives back what it was assigned and what is not delivered: the Reserve may offer it again."""

    draw: DrawId
    right: RightId
    project: str
    partner: str
    mass_g: Grams
    remaining_g: Grams  # of what the draw was assigned of this right
    right_remaining_g: Grams
    window_from: date
    window_to: date


class DeliveryPostponed(StockpileEvent, frozen=True, kw_only=True, omit_defaults=True, tag="inventory.delivery_postponed.v2"):
    """The project delivers later than its right says: nothing of it is failed until then. `tranches`: the open ones, as much later."""

    right: RightId
    window_to: date  # from now on
    before: date
    cause: PostponementCause
    evidence: TypedText
    grace_days: int = 0
    tranches: tuple[Tranche, ...] = ()


class AssignmentFailed(StockpileEvent, frozen=True, kw_only=True, omit_defaults=True, tag="inventory.assignment_failed.v1"):
    """The window passed without delivery, or with less: what is missing is a claim of the partner no more, and its round is made good.
    Or the right itself was terminated."""

    draw: DrawId
    right: RightId
    project: str
    partner: str
    decision: str
    mass_g: Grams
    cause: Literal["window_passed", "terminated"] = "window_passed"
    release: ReleaseId | None = None  # that it was drawn under; None: an earlier build did not say
