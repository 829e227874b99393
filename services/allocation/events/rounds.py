"""Rounds of a book."""

from datetime import date
from typing import Literal

import msgspec

from services.allocation.events.ids import (
    AgreementId,
    AwardId,
    DecisionHash,
    DisruptionId,
    KeyId,
    PartnerCode,
    ProductId,
    RequestId,
    RoundId,
    SubjectId,
)
from shared.journal.record import Grams
from shared.journal.texts import TypedText
from shared.terms.acting import Approval

QUORUM_DAYS = 30  # unless its policy says otherwise


class RoundMethod(msgspec.Struct, frozen=True, kw_only=True):
    """How a round shares, as its policy says."""

    rule: str  # "pro_rata"
    inside: dict[str, str] = {}  # the rule inside each priority class, by class ("0"), for rules that go by class; "" is for all others
    cap: str | None = None  # the largest part of what is offered that one partner may get, a rational such as "2/5"; None: no cap
    caps: dict[PartnerCode, str] = {}  # those that differ, by partner
    restraint: str | None = None  # of `iep`: permissible consumption as a part of the base, "93/100"


class IepPosition(msgspec.Struct, frozen=True, kw_only=True):
    """A partner's supply over the time that a round is for, which the rule `iep` goes by."""

    partner: PartnerCode
    base_g: Grams  # consumption before the disruption
    commitment_g: Grams  # of its own reserve
    production_g: Grams  # normal, domestic
    imports_g: Grams  # actual, net of exports
    source: str


class QuorumStep(msgspec.Struct, frozen=True, kw_only=True):
    """Approvals that a decision needs which, with what was decided of late, awards more than `above_g`, until the next step."""

    above_g: Grams  # of the first step: 0
    approvals: int


class EmergencyPath(msgspec.Struct, frozen=True, kw_only=True):
    """One approval certifies; another person ratifies within the hours, or what is released is held."""

    ratify_within_hours: int
    max_g: Grams | None = None  # the most that such a decision may award


class AgreementRead(msgspec.Struct, frozen=True, kw_only=True):
    """What a decision took from a partner's agreement, and from the book about it."""

    agreement: AgreementId
    version: int  # of the agreement's stream
    year_from: date  # the first day of the agreement's year that the awards count in
    quota_g: Grams
    used_g: Grams  # of that year's quota, by earlier rounds


class Reads(msgspec.Struct, frozen=True, kw_only=True):
    """What a decision was made from, beside its requests. The approvals of a decision stand for as long as all of this stands, and its
    requests; stock levels are information."""

    agreements: dict[PartnerCode, AgreementRead]
    carries_g: dict[PartnerCode, str]  # rationals; a partner without a carry is not named
    disruption_version: int | None  # None: the round names no disruption
    protected_g: Grams


class AwardTake(msgspec.Struct, frozen=True, kw_only=True):
    """Whole units of a pool, of one size."""

    pool: str
    unit_g: Grams
    units: int


class Award(msgspec.Struct, frozen=True, kw_only=True):
    """What a decision gives to one request; never nothing. `takes`: by pool; none: from whatever there is."""

    award: AwardId
    request: RequestId
    partner: PartnerCode
    mass_g: Grams
    takes: tuple[AwardTake, ...] = ()


class PoolStock(msgspec.Struct, frozen=True, kw_only=True):
    """What a pool is made of. Its lots, and nothing else, meet what is taken of it, if it names any; a pool of lots that names none is of
    all that the other pools do not name. Rights stand in for each other, so a pool of rights names none."""

    pool: str
    kind: Literal["lots", "rights"]
    lots: tuple[str, ...] = ()


class ReleaseOrder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The document that inventory releases a round by. It is kept under its SHA-256, since 10,000 awards fit in no event."""

    format: Literal["reserve.release_order.v1"] = "reserve.release_order.v1"
    round: str  # or a tender
    product: ProductId
    awards: tuple[Award, ...]
    pools: tuple[PoolStock, ...] = ()


class RoundOpened(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="allocation.round_opened.v2"):
    round: RoundId
    product: ProductId
    requests: tuple[RequestId, ...]  # the first of them; `round_extended` events beside it name more
    disruption: DisruptionId | None  # why the round is held; None: in the ordinary course
    method: RoundMethod
    positions: tuple[IepPosition, ...]  # none, unless the rule goes by them
    policy: str
    policy_version: int
    quorum: tuple[QuorumStep, ...]
    emergency: EmergencyPath | None
    release_days: int  # how long the awards may be drawn, from the day the round is certified
    protected_g: Grams = 0  # by the policy: inventory's own level may be higher
    carry_years: int | None = None  # how long its rounding is remembered; None: for as long as the agreement
    quorum_days: int = QUORUM_DAYS
    opened_by: SubjectId | None = None  # who cancels it alone; None: an earlier build did not say


class RoundExtended(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="allocation.round_extended.v1"):
    """More requests of a round that is opened: an event has room for some hundreds."""

    round: RoundId
    product: ProductId
    requests: tuple[RequestId, ...]


class RoundProposed(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="allocation.round_proposed.v2"):
    """What it awards stands in its documents, and, once it is certified, in an event an award."""

    round: RoundId
    product: ProductId
    decision: DecisionHash  # also the name of the document that is its published part
    file: str  # SHA-256 of the document with every line opened
    release_order: str | None  # SHA-256 of the `ReleaseOrder`; None: by a build that knew none, and must be proposed again
    proposed_by: SubjectId
    supply_g: Grams  # what was offered, in whole units
    left_g: Grams  # what of it nobody could be given
    awards: int  # how many
    awarded_g: dict[PartnerCode, Grams]
    carries_g: dict[PartnerCode, str]  # after the round, of its partners
    reads: Reads
    approvals_needed: int | None = None  # by `summed_g`; None: by what it awards alone, of an earlier build
    summed_g: Grams | None = None  # what it awards, with what was decided, or is proposed, of late


class RoundApproved(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="allocation.round_approved.v1"):
    """`outlasts_screening`: nobody undoes it alone by screening a request of its round anew; False: by a build that let them."""

    round: RoundId
    product: ProductId
    decision: DecisionHash
    approval: Approval
    outlasts_screening: bool = False


class ApprovalsLapsed(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="allocation.approvals_lapsed.v1"):
    """Approvals count no longer. Unless `decision_stands`, the decision was made from what has changed, and another must be proposed."""

    round: RoundId
    product: ProductId
    decision: DecisionHash
    keys: tuple[KeyId, ...]  # whose approvals lapse; may be none when a decision falls before its first approval
    decision_stands: bool
    cause: str  # "request req_01j...", "agreement agr_01j...", "carry JP", ...


class AwardGranted(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="allocation.award_granted.v1"):
    award: AwardId
    round: RoundId
    request: RequestId
    product: ProductId
    partner: PartnerCode
    mass_g: Grams
    daily_consumption_g: Grams  # as stated in the request
    days_of_cover: str  # what the award buys at that consumption: tenths of days, rounded down, "12.5"
    decision: DecisionHash
    expires_on: date


class LoanAwarded(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="allocation.loan_awarded.v1"):
    """With an award on a request for a loan, and before its round is certified: it counts against the quota as others do, and its release
    waits until loans have committed it."""

    award: AwardId
    round: RoundId
    request: RequestId
    product: ProductId
    partner: PartnerCode
    mass_g: Grams
    return_on: date
    decision: DecisionHash
    expires_on: date  # the last day on which it may be drawn


class AwardWithdrawn(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="allocation.award_withdrawn.v1"):
    """The round came back from inventory: nothing was released under this award."""

    award: AwardId
    round: RoundId
    request: RequestId
    product: ProductId
    partner: PartnerCode
    reason: str


class RoundCertified(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="allocation.round_certified.v2"):
    """The decision is final here. Inventory releases all of its awards at once, or refuses them as one."""

    round: RoundId
    product: ProductId
    decision: DecisionHash
    release_order: str | None  # SHA-256 of the `ReleaseOrder`; None: the awards stand here, as they did in v1
    awards: tuple[Award, ...]
    expires_on: date  # the last day on which the releases may be drawn
    approvals: tuple[Approval, ...]
    attestation: Approval | None = None  # by who certified it; None: an earlier build certified it, and they signed none
    attestation_required: bool = False  # by the build that certified it; with earlier ones it was the certifier's choice


class RoundCancelled(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="allocation.round_cancelled.v2"):
    round: RoundId
    product: ProductId
    reason: TypedText


class RoundReopened(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="allocation.round_reopened.v1"):
    """Inventory refused the releases: the round is open again, and quota and carries are as before it was certified."""

    round: RoundId
    product: ProductId
    decision: DecisionHash
    reason: str


class RoundReleased(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="allocation.round_released.v1"):
    """Inventory has released every award: the round is closed."""

    round: RoundId
    product: ProductId
    decision: DecisionHash
