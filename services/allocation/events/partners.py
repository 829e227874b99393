"""Partners' standing terms, disruptions, and approvers' keys."""

from datetime import date, datetime

import msgspec

from services.allocation.events.ids import AgreementId, DisruptionId, KeyId, PartnerCode, ProductId, SubjectId
from shared.journal.record import Grams
from shared.journal.texts import TypedText
from shared.terms.acting import Approval


class ProductTerms(msgspec.Struct, frozen=True, kw_only=True):
    """What an agreement says of one product."""

    product: ProductId
    yearly_quota_g: Grams  # the most that rounds award in one year of the agreement
    share: str  # the agreed part of what a round offers, a rational such as "1/4": for the rules that go by shares


class AgreementSigned(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="allocation.agreement_signed.v1"
):
    agreement: AgreementId
    partner: PartnerCode
    products: tuple[ProductTerms, ...]
    priority_class: int  # 0 is served first
    valid_from: date
    valid_until: date  # the last day
    key_fingerprint: str | None = None  # SHA-256 (hex) of a public key that the partner may register; None: it names none


class AgreementAmended(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="allocation.agreement_amended.v2"
):
    """The terms from now on, in full."""

    agreement: AgreementId
    partner: PartnerCode
    products: tuple[ProductTerms, ...]
    dropped: tuple[ProductId, ...]  # products that the terms named before
    priority_class: int
    valid_until: date
    reason: TypedText
    key_fingerprint: str | None = None  # as above


class AgreementEnded(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="allocation.agreement_ended.v2"):
    agreement: AgreementId
    partner: PartnerCode
    products: tuple[ProductId, ...]
    reason: TypedText


class AgreementSuspended(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="allocation.agreement_suspended.v2"
):
    """Until it is resumed nothing is asked for, decided or certified under it, and what is released to the partner of its products is
    held."""

    agreement: AgreementId
    partner: PartnerCode
    products: tuple[ProductId, ...]
    hold: str  # "hld_01j...": what inventory puts on the partner, of each product
    reason: TypedText
    suspended_by: SubjectId | None = None  # None: by an earlier build
    lapses_at: datetime | None = None  # unless a second person confirms it; None: it stands by itself
    alone_since: datetime | None = None  # when they first stopped any of it, by a hold or another agreement; None: by an earlier build


class AgreementSuspensionConfirmed(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="allocation.agreement_suspension_confirmed.v1"
):
    """By a second person: it does not lapse any more."""

    agreement: AgreementId
    partner: PartnerCode
    hold: str
    confirmed_by: SubjectId
    products: tuple[ProductId, ...] = ()  # whose stock is held for it; none: by an earlier build


class AgreementResumed(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="allocation.agreement_resumed.v2"):
    agreement: AgreementId
    partner: PartnerCode
    products: tuple[ProductId, ...]
    hold: str  # that is lifted
    reason: TypedText


# Disruptions


class DisruptionDeclared(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="allocation.disruption_declared.v2"):
    """A loss of supply. What its instrument says (declared) and what is seen to happen (observed) may differ."""

    disruption: DisruptionId
    instrument: str  # "MOFCOM No. 1/2026"
    products: tuple[ProductId, ...]
    declared_scope: TypedText
    observed_scope: TypedText
    partners: tuple[PartnerCode, ...]  # the partners hit
    starts_on: date
    evidence: tuple[TypedText, ...]


class DisruptionRevised(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="allocation.disruption_revised.v2"):
    """What is known from now on, in full. The products stay: another product is another disruption."""

    disruption: DisruptionId
    products: tuple[ProductId, ...]
    declared_scope: TypedText
    observed_scope: TypedText
    partners: tuple[PartnerCode, ...]
    starts_on: date
    evidence: tuple[TypedText, ...]
    reason: TypedText


class DisruptionEnded(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="allocation.disruption_ended.v2"):
    disruption: DisruptionId
    products: tuple[ProductId, ...]
    ends_on: date
    reason: TypedText


# Approvers' keys


class ApproverKeyEnrolled(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="allocation.approver_key_enrolled.v1"
):
    subject: SubjectId
    key: KeyId
    public_key: str  # Ed25519, 64 hex digits
    possession: Approval | None = None  # the key's own signature over its paper; None: an earlier build took it without
    endorsement: Approval | None = None  # another approver's; None: in the ceremony, or by an earlier build


class ApproverKeyClaimed(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="allocation.approver_key_claimed.v1"):
    """A key is one person's own, for ever: in a stream of the key's, so that of two who enrol it at once one is refused."""

    subject: SubjectId
    key: KeyId


class ApproverKeyRevoked(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="allocation.approver_key_revoked.v2"
):
    subject: SubjectId
    key: KeyId
    products: tuple[ProductId, ...]  # whose books hold an approval by this key that may have to lapse
    reason: TypedText
    revoked_by: SubjectId | None = None  # None: by an earlier build
    lapses_at: datetime | None = None  # unless a second person confirms it; None: for good, as whose it is says


class ApproverKeyRevocationConfirmed(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="allocation.approver_key_revocation_confirmed.v1"
):
    """By whose key it is, or by a second person: for good."""

    subject: SubjectId
    key: KeyId
    confirmed_by: SubjectId


class ApproverKeyRestored(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="allocation.approver_key_restored.v1"):
    """Nobody has confirmed its revocation in time. The approvals that had lapsed stay lapsed."""

    subject: SubjectId
    key: KeyId
