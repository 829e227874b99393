"""Policies: how rounds are held, as versions that are drafted, submitted, approved by somebody else, and active from a day."""

from datetime import date
from typing import ClassVar

import msgspec

from services.allocation.events.ids import ProductId, SubjectId
from services.allocation.events.rounds import QUORUM_DAYS, QuorumStep, RoundMethod
from shared.journal.record import Grams
from shared.journal.texts import TypedText
from shared.terms.acting import Approval
from shared.terms.papers import Paper


class EmergencyTerms(msgspec.Struct, frozen=True, kw_only=True):
    """A round may be certified on one approval, if it awards no more than this, and another person ratifies it within the hours."""

    ratify_within_hours: int
    max_g: Grams


class Clocks(msgspec.Struct, frozen=True, kw_only=True):
    """By how many days after its submission a request gets so far."""

    screened: int
    decided: int
    secured: int
    cleared: int
    dispatched: int
    delivered: int


class PolicyTerms(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):  # so that what was signed before reads as it did
    method: RoundMethod
    protected_g: dict[ProductId, Grams]  # levels that rounds under this policy never break, where they are above inventory's own
    quorum: tuple[QuorumStep, ...]
    emergency: EmergencyTerms | None  # None: there is no such path
    clocks: dict[str, Clocks]  # by class: "standard", "emergency"
    release_days: int
    carry_years: int  # how long rounding is remembered
    largest_minimum: str  # the most of what was accepted that a request may insist on, a rational: "1", "1/2"
    quorum_days: int = QUORUM_DAYS  # what was decided in so many is summed with a decision, to find the approvals that it needs


class PolicyDocument(Paper, frozen=True, kw_only=True, tag="reserve.policy.v1"):
    """What an approver signs. It is kept under its SHA-256."""

    purpose: ClassVar[str] = "policy"

    policy: str
    version: int
    active_from: date
    terms: PolicyTerms


class PolicyDrafted(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="allocation.policy_drafted.v1"):
    policy: str
    version: int
    active_from: date
    terms: PolicyTerms
    document: str  # SHA-256 of the `PolicyDocument`
    drafted_by: SubjectId


class PolicyRevised(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="allocation.policy_revised.v1"):
    """A draft's terms from now on, in full."""

    policy: str
    version: int
    active_from: date
    terms: PolicyTerms
    document: str
    revised_by: SubjectId


class PolicySubmitted(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="allocation.policy_submitted.v1"):
    """Nothing of it changes any more."""

    policy: str
    version: int
    document: str
    submitted_by: SubjectId


class PolicyApproved(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="allocation.policy_approved.v1"):
    policy: str
    version: int
    document: str
    active_from: date  # the document's day, or that of the approval if it is later
    approval: Approval


class PolicyActivated(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="allocation.policy_activated.v1"):
    """Its day has come, and no later version is active: rounds that are not certified yet are not decided under an earlier one."""

    policy: str
    version: int
    products: tuple[ProductId, ...]  # in whose books rounds were opened under this policy


class PolicyWithdrawn(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="allocation.policy_withdrawn.v2"):
    policy: str
    version: int
    active: int | None  # the version that is active now; None: there is none, and no round can be opened
    products: tuple[ProductId, ...]
    withdrawn_by: SubjectId
    reason: TypedText


class PolicyUsed(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="allocation.policy_used.v1"):
    """The first round under this policy in a product's book: what changes of the policy is told there from now on."""

    policy: str
    product: ProductId


PolicyEvent = PolicyDrafted | PolicyRevised | PolicySubmitted | PolicyApproved | PolicyActivated | PolicyWithdrawn | PolicyUsed
