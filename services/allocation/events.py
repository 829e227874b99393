"""What happens in allocation: to partners and their terms, disruptions, approvers' keys, and the book of each product.

A stored shape never changes: a new one is a new version.
"""

from datetime import date
from typing import NewType

import msgspec

from shared.record import Grams

ProductId = NewType("ProductId", str)  # "antimony-metal"
PartnerCode = NewType("PartnerCode", str)  # "JP"
AgreementId = NewType("AgreementId", str)  # "agr_01j..."
DisruptionId = NewType("DisruptionId", str)  # "dis_01j..."
RequestId = NewType("RequestId", str)  # "req_01j..."
RoundId = NewType("RoundId", str)  # "rnd_01j..."
AwardId = NewType("AwardId", str)  # "awd_01j...": a request has at most one that stands
KeyId = NewType("KeyId", str)  # names an approver's public key: 16 hex digits
SubjectId = NewType("SubjectId", str)  # an opaque subject of the identity provider, never a person's name
DecisionHash = NewType("DecisionHash", str)  # SHA-256 of a decision's published part, 64 hex digits


# Partners and their standing terms


class PartnerRegistered(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="allocation.partner_registered.v1"):
    partner: PartnerCode
    name: str


class ProductTerms(msgspec.Struct, frozen=True, kw_only=True):
    """What an agreement says of one product."""

    product: ProductId
    yearly_quota_g: Grams  # the most that rounds award in one year of the agreement
    share: str  # the agreed part of what a round offers, a rational such as "1/4": for the rules that go by shares


class AgreementSigned(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="allocation.agreement_signed.v1"):
    agreement: AgreementId
    partner: PartnerCode
    products: tuple[ProductTerms, ...]
    priority_class: int  # 0 is served first
    valid_from: date
    valid_until: date  # the last day


class AgreementAmended(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="allocation.agreement_amended.v1"):
    """The terms from now on, in full."""

    agreement: AgreementId
    partner: PartnerCode
    products: tuple[ProductTerms, ...]
    dropped: tuple[ProductId, ...]  # products that the terms named before
    priority_class: int
    valid_until: date
    reason: str


class AgreementEnded(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="allocation.agreement_ended.v1"):
    agreement: AgreementId
    partner: PartnerCode
    products: tuple[ProductId, ...]
    reason: str


# Disruptions


class DisruptionDeclared(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="allocation.disruption_declared.v1"):
    """A loss of supply. What its instrument says (declared) and what is seen to happen (observed) may differ."""

    disruption: DisruptionId
    instrument: str  # "MOFCOM No. 1/2026"
    products: tuple[ProductId, ...]
    declared_scope: str
    observed_scope: str
    partners: tuple[PartnerCode, ...]  # the partners hit
    starts_on: date
    evidence: tuple[str, ...]


class DisruptionRevised(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="allocation.disruption_revised.v1"):
    """What is known from now on, in full. The products stay: another product is another disruption."""

    disruption: DisruptionId
    products: tuple[ProductId, ...]
    declared_scope: str
    observed_scope: str
    partners: tuple[PartnerCode, ...]
    starts_on: date
    evidence: tuple[str, ...]
    reason: str


class DisruptionEnded(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="allocation.disruption_ended.v1"):
    disruption: DisruptionId
    products: tuple[ProductId, ...]
    ends_on: date
    reason: str


# Approvers' keys


class ApproverKeyEnrolled(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="allocation.approver_key_enrolled.v1"):
    subject: SubjectId
    key: KeyId
    public_key: str  # Ed25519, 64 hex digits


class ApproverKeyRevoked(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="allocation.approver_key_revoked.v1"):
    subject: SubjectId
    key: KeyId
    products: tuple[ProductId, ...]  # whose books hold an approval by this key that may have to lapse
    reason: str


# The book of a product: its requests


class BookOpened(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="allocation.book_opened.v1"):
    product: ProductId


class RequestSubmitted(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="allocation.request_submitted.v1"):
    request: RequestId
    product: ProductId
    partner: PartnerCode
    mass_g: Grams  # asked for
    minimum_g: Grams  # less than this is of no use to the partner
    daily_consumption_g: Grams  # as stated by the partner, grams a day
    needed_by: date  # the request expires when this day has passed
    nominee: str  # who would contract and pay
    end_use: str


class LoanRequested(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="allocation.loan_requested.v1"):
    """With the request's own event: what is awarded is lent, and comes back in kind by the day that it names."""

    request: RequestId
    product: ProductId
    partner: PartnerCode
    return_on: date


class RequestAccepted(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="allocation.request_accepted.v1"):
    """Screened: this much of it counts in a round. A later acceptance replaces an earlier one."""

    request: RequestId
    product: ProductId
    partner: PartnerCode
    accepted_g: Grams  # at most what was asked for
    reasons: tuple[str, ...]


class RequestDeclined(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="allocation.request_declined.v1"):
    request: RequestId
    product: ProductId
    partner: PartnerCode
    reasons: tuple[str, ...]


class RequestWithdrawn(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="allocation.request_withdrawn.v1"):
    request: RequestId
    product: ProductId
    partner: PartnerCode
    reason: str


class RequestExpired(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="allocation.request_expired.v1"):
    request: RequestId
    product: ProductId
    partner: PartnerCode
    needed_by: date


class RequestExpiryPostponed(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="allocation.request_expiry_postponed.v1"):
    """Its day has passed, and it is in a certified round that inventory has not answered yet: looked at again on the day `due`."""

    request: RequestId
    product: ProductId
    partner: PartnerCode
    due: date


# The book of a product: its rounds


class AgreementRead(msgspec.Struct, frozen=True, kw_only=True):
    """What a decision took from a partner's agreement, and from the book about it."""

    agreement: AgreementId
    version: int  # of the agreement's stream
    year_from: date  # the first day of the agreement's year that the awards count in
    quota_g: Grams
    used_g: Grams  # of that year's quota, by earlier rounds


class Reads(msgspec.Struct, frozen=True, kw_only=True):
    """What a decision was made from. The approvals of a decision stand for as long as all of this stands; stock levels are information."""

    requests: dict[RequestId, int]  # revision of each
    agreements: dict[PartnerCode, AgreementRead]
    carries_g: dict[PartnerCode, str]  # rationals; a partner without a carry is not named
    disruption_version: int | None  # None: the round names no disruption
    protected_g: Grams


class Award(msgspec.Struct, frozen=True, kw_only=True):
    """What a decision gives to one request; never nothing."""

    award: AwardId
    request: RequestId
    partner: PartnerCode
    mass_g: Grams


class Approval(msgspec.Struct, frozen=True, kw_only=True):
    """An approver's signature over a decision."""

    subject: SubjectId
    key: KeyId
    signature: str  # Ed25519, 128 hex digits
    approved_on: date


class RoundOpened(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="allocation.round_opened.v1"):
    round: RoundId
    product: ProductId
    requests: tuple[RequestId, ...]
    disruption: DisruptionId | None  # why the round is held; None: in the ordinary course
    rule: str  # "pro_rata"
    policy: str
    policy_version: int
    approvals_needed: int
    release_days: int  # how long the awards may be drawn, from the day the round is certified


class RoundProposed(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="allocation.round_proposed.v1"):
    round: RoundId
    product: ProductId
    decision: DecisionHash  # also the name of the document that is its published part
    file: str  # SHA-256 of the document with every line opened
    proposed_by: SubjectId
    supply_g: Grams  # what was offered, in whole units
    left_g: Grams  # what of it nobody could be given
    awards: tuple[Award, ...]
    carries_g: dict[PartnerCode, str]  # after the round, of its partners
    reads: Reads


class RoundApproved(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="allocation.round_approved.v1"):
    round: RoundId
    product: ProductId
    decision: DecisionHash
    approval: Approval


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


class RoundCertified(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="allocation.round_certified.v1"):
    """The decision is final here. Inventory releases all of its awards at once, or refuses them as one."""

    round: RoundId
    product: ProductId
    decision: DecisionHash
    awards: tuple[Award, ...]
    expires_on: date  # the last day on which the releases may be drawn
    approvals: tuple[Approval, ...]


class RoundCancelled(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="allocation.round_cancelled.v1"):
    round: RoundId
    product: ProductId
    reason: str


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


# Of each kind of stream. Plain unions, so that the members of `Event` are the events themselves.
PartnerEvent = PartnerRegistered
AgreementEvent = AgreementSigned | AgreementAmended | AgreementEnded
DisruptionEvent = DisruptionDeclared | DisruptionRevised | DisruptionEnded
ApproverEvent = ApproverKeyEnrolled | ApproverKeyRevoked
RequestEvent = (
    RequestSubmitted | LoanRequested | RequestAccepted | RequestDeclined | RequestWithdrawn | RequestExpired | RequestExpiryPostponed
)
RoundEvent = (
    RoundOpened
    | RoundProposed
    | RoundApproved
    | ApprovalsLapsed
    | AwardGranted
    | LoanAwarded
    | AwardWithdrawn
    | RoundCertified
    | RoundCancelled
    | RoundReopened
    | RoundReleased
)
BookEvent = BookOpened | RequestEvent | RoundEvent
type Event = PartnerEvent | AgreementEvent | DisruptionEvent | ApproverEvent | BookEvent


def documents_of(event: Event) -> tuple[str, ...]:
    """The documents that an event stands on, by SHA-256."""
    return (event.decision, event.file) if isinstance(event, RoundProposed) else ()
