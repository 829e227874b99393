"""Policy: how rounds are held, as versions. What is decided stays decided under the version that was active when its round was opened."""

import re
from datetime import date
from functools import reduce
from hashlib import sha256
from typing import Literal, assert_never

import immutables
import msgspec

from services.allocation.domain.policies.terms import Reason as TermsReason
from services.allocation.domain.policies.terms import fault_of
from services.allocation.events.authority import AuthorityCited, Power
from services.allocation.events.ids import ProductId, SubjectId
from services.allocation.events.policies import (
    PolicyActivated,
    PolicyApproved,
    PolicyDocument,
    PolicyDrafted,
    PolicyEvent,
    PolicyRevised,
    PolicySubmitted,
    PolicyTerms,
    PolicyUsed,
    PolicyWithdrawn,
)
from shared.journal.decider import CancelTimer, Decider, Reasons, Refused, Timer
from shared.journal.record import canonical
from shared.journal.texts import TypedText
from shared.terms.acting import ApprovalReason, Proposal, Signing, sign
from shared.terms.authority import Action, Fault
from shared.terms.countersigning import ProposedCommand

type _Event = PolicyEvent | AuthorityCited

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


class DraftVersion(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The next version, as it was looked up."""

    policy: str
    version: int
    active_from: date
    terms: PolicyTerms
    by: SubjectId
    on: date


class ReviseVersion(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A draft anew, in full."""

    version: int
    active_from: date
    terms: PolicyTerms
    by: SubjectId
    on: date


class SubmitVersion(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    version: int
    by: SubjectId


class ApproveVersion(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    version: int
    signing: Signing


class WithdrawVersion(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """`accounts`: of who withdraws it, `by` among them; nobody's: it is proposed, and signed by another."""

    version: int
    by: SubjectId
    accounts: frozenset[str] = frozenset()
    reason: TypedText
    on: date


class ActivateVersion(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """From the version's timer."""

    version: int
    on: date


class NoteUse(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A round was opened under this policy."""

    product: ProductId


type Command = DraftVersion | ReviseVersion | SubmitVersion | ApproveVersion | WithdrawVersion | ActivateVersion | NoteUse


class Reason(Reasons):
    """Why a policy stays as it is."""

    NOT_FOUND = "policy_not_found", 404, "There is no such policy"
    VERSION_NOT_FOUND = "policy_version_not_found", 404, "The policy has no such version"
    DRAFT_OPEN = "policy_draft_open", 409, "Another version is not decided yet"
    NOT_DRAFT = "policy_not_draft", 409, "The version is not a draft"
    NOT_SUBMITTED = "policy_not_submitted", 409, "The version is not submitted"
    WITHDRAWN = "policy_withdrawn", 409, "The version is withdrawn"
    DATE_IN_PAST = "date_in_past", 422, "The date is in the past"


type Status = Literal["draft", "submitted", "approved", "superseded", "withdrawn"]
type Refusal = Refused[Reason] | Refused[TermsReason] | Refused[ApprovalReason] | Refused[Fault]


class Version(Proposal, frozen=True, kw_only=True):
    """Proposed by all who wrote it; one who revises it does not make it theirs."""

    drafted_by: str
    status: Status
    active_from: date
    terms: PolicyTerms


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    name: str | None = None  # None: nothing was drafted yet
    versions: immutables.Map[int, Version] = immutables.Map()
    products: frozenset[ProductId] = frozenset()
    activated: int | None = None  # the version that the books were told of last
    proposals: immutables.Map[str, ProposedCommand] = immutables.Map()  # that wait for another person's signature

    @property
    def latest(self) -> int:
        return max(self.versions, default=0)

    def active_on(self, day: date) -> int | None:
        """Of the approved versions whose day has come, the last one."""
        begun = (number for number, version in self.versions.items() if version.status == "approved" and version.active_from <= day)
        return max(begun, default=None)

    def stands(self, version: int, day: date) -> bool:
        """Whether what was opened under this version may still be decided. Earlier builds opened rounds under nothing drafted."""
        return self.name is None or self.active_on(day) == version


def is_policy_name(text: str) -> bool:
    """Earlier builds took any text for one."""
    return _NAME.fullmatch(text) is not None


def document_of(policy: str, version: int, active_from: date, terms: PolicyTerms) -> bytes:
    """The canonical bytes that an approver signs the SHA-256 of."""
    return canonical(PolicyDocument(policy=policy, version=version, active_from=active_from, terms=terms))


def decide(command: Command, policy: Policy) -> list[_Event] | Refusal:
    match command:
        case DraftVersion():
            return _draft(command, policy)
        case ReviseVersion():
            return _revise(command, policy)
        case SubmitVersion():
            found = _version(policy, command.version)
            if isinstance(found, Refused):
                return found
            if found.status != "draft":
                return _not_draft(found)
            return [PolicySubmitted(policy=_name(policy), version=command.version, document=found.document, submitted_by=command.by)]
        case ApproveVersion():
            return _approve(command, policy)
        case WithdrawVersion():
            return _withdraw(command, policy)
        case ActivateVersion():
            return _activated(policy, command.version) if policy.active_on(command.on) == command.version else []
        case NoteUse():
            if policy.name is None or command.product in policy.products:
                return []
            return [PolicyUsed(policy=policy.name, product=command.product)]
        case _:
            assert_never(command)


def evolve(policy: Policy, event: _Event) -> Policy:
    replace = msgspec.structs.replace
    match event:
        case PolicyDrafted():
            drafted = Version(
                purpose=PolicyDocument.purpose,
                document=event.document,
                proposed_by=frozenset({event.drafted_by}),
                drafted_by=event.drafted_by,
                status="draft",
                active_from=event.active_from,
                terms=event.terms,
            )
            return replace(policy, name=event.policy, versions=policy.versions.set(event.version, drafted))
        case PolicyRevised():
            before = policy.versions[event.version]
            revised = replace(
                before,
                active_from=event.active_from,
                terms=event.terms,
                document=event.document,
                proposed_by=before.proposed_by | {event.revised_by},
            )
            return replace(policy, versions=policy.versions.set(event.version, revised))
        case PolicySubmitted():
            return _with_status(policy, event.version, "submitted")
        case PolicyApproved():
            approved = replace(policy.versions[event.version], status="approved", active_from=event.active_from)
            return replace(policy, versions=policy.versions.set(event.version, approved))
        case PolicyActivated():
            return replace(_superseded(policy, event.version), activated=event.version)
        case PolicyWithdrawn():
            withdrawn = replace(_with_status(policy, event.version, "withdrawn"), activated=event.active)
            # One that had been superseded: so earlier builds gave way.
            return withdrawn if event.active is None else _with_status(withdrawn, event.active, "approved")
        case PolicyUsed():
            return replace(policy, products=policy.products | {event.product})
        case AuthorityCited():
            return policy  # an approval counts at once: nobody looks at what it cited again
        case _:
            assert_never(event)


def timers(event: _Event) -> list[Timer | CancelTimer]:
    """A version whose day is still to come; one that has begun is activated by its approval, and its timer then finds nothing to do."""
    match event:
        case PolicyApproved():
            return [Timer(f"activate/{event.version}", event.active_from, ActivateVersion(version=event.version, on=event.active_from))]
        case PolicyWithdrawn():
            return [CancelTimer(f"activate/{event.version}")]
        case _:
            return []


def _draft(command: DraftVersion, policy: Policy) -> list[_Event] | Refusal:
    open_ones = [number for number, version in policy.versions.items() if version.status in ("draft", "submitted")]
    if open_ones:
        return Refused(
            Reason.DRAFT_OPEN, f"version {open_ones[0]} is not decided yet", accepted="that version revised, approved or withdrawn first"
        )
    if command.version != policy.latest + 1:
        return Refused(Reason.DRAFT_OPEN, f"version {policy.latest} was drafted meanwhile", accepted="the same again")
    if fault := _fault(command.terms, command.active_from, command.on):
        return fault
    document = document_of(command.policy, command.version, command.active_from, command.terms)
    return [
        PolicyDrafted(
            policy=command.policy,
            version=command.version,
            active_from=command.active_from,
            terms=command.terms,
            document=sha256(document).hexdigest(),
            drafted_by=command.by,
        )
    ]


def _revise(command: ReviseVersion, policy: Policy) -> list[_Event] | Refusal:
    found = _version(policy, command.version)
    if isinstance(found, Refused):
        return found
    if found.status != "draft":
        return _not_draft(found)
    if fault := _fault(command.terms, command.active_from, command.on):
        return fault
    document = document_of(_name(policy), command.version, command.active_from, command.terms)
    return [
        PolicyRevised(
            policy=_name(policy),
            version=command.version,
            active_from=command.active_from,
            terms=command.terms,
            document=sha256(document).hexdigest(),
            revised_by=command.by,
        )
    ]


def _approve(command: ApproveVersion, policy: Policy) -> list[_Event] | Refusal:
    found = _version(policy, command.version)
    if isinstance(found, Refused):
        return found
    if found.status != "submitted":
        return Refused(Reason.NOT_SUBMITTED, f"version {command.version} is {found.status}", accepted="a version that is submitted")
    if isinstance(signed := sign(found, command.signing, Action(act=Power.APPROVE_POLICY)), Refused):
        return signed
    (approval, cited), on = signed, command.signing.capacity.on
    active_from = max(found.active_from, on)
    approved = PolicyApproved(
        policy=_name(policy),
        version=command.version,
        document=found.document,
        active_from=active_from,
        approval=approval,
    )
    begins = active_from <= on and evolve(policy, approved).active_on(on) == command.version
    return [approved, AuthorityCited(matter=_name(policy), cited=cited), *(_activated(policy, command.version) if begins else [])]


def _withdraw(command: WithdrawVersion, policy: Policy) -> list[_Event] | Refusal:
    found = _version(policy, command.version)
    if isinstance(found, Refused):
        return found
    if found.status == "withdrawn":
        return Refused(Reason.WITHDRAWN, f"version {command.version} is withdrawn already")
    activated: list[_Event] = []
    if (active := policy.active_on(command.on)) is not None:
        activated = _activated(policy, active)  # its timer may be late
        policy = _superseded(policy, active)
    return [
        *activated,
        PolicyWithdrawn(
            policy=_name(policy),
            version=command.version,
            active=_with_status(policy, command.version, "withdrawn").active_on(command.on),
            products=tuple(sorted(policy.products)),
            withdrawn_by=command.by,
            reason=command.reason,
        ),
    ]


def _superseded(policy: Policy, by: int) -> Policy:
    """What was approved before it: that approval does not come back with the later version's withdrawal, which approves nothing."""
    earlier = [number for number, version in policy.versions.items() if number < by and version.status == "approved"]
    return reduce(lambda now, number: _with_status(now, number, "superseded"), earlier, policy)


def _activated(policy: Policy, version: int) -> list[_Event]:
    if policy.activated == version:
        return []
    return [PolicyActivated(policy=_name(policy), version=version, products=tuple(sorted(policy.products)))]


def _fault(terms: PolicyTerms, active_from: date, on: date) -> Refusal | None:
    if active_from < on:
        return Refused(Reason.DATE_IN_PAST, f"{active_from} is in the past", field="/active_from", accepted=f"{on} or later")
    return fault_of(terms)


def _version(policy: Policy, number: int) -> Version | Refused[Reason]:
    if policy.name is None:
        return Refused(Reason.NOT_FOUND, "there is no such policy")
    if (found := policy.versions.get(number)) is None:
        return Refused(Reason.VERSION_NOT_FOUND, f"{policy.name} has no version {number}", accepted=f"1 to {policy.latest}")
    return found


def _not_draft(version: Version) -> Refused[Reason]:
    return Refused(Reason.NOT_DRAFT, f"it is {version.status}", accepted="a draft; what is decided is replaced by a later version")


def _name(policy: Policy) -> str:
    assert policy.name is not None, "only a policy that was drafted gets here"
    return policy.name


def _with_status(policy: Policy, number: int, status: Status) -> Policy:
    changed = msgspec.structs.replace(policy.versions[number], status=status)
    return msgspec.structs.replace(policy, versions=policy.versions.set(number, changed))


DECIDER = Decider(kind="policy", initial=Policy(), commands=Command, decide=decide, evolve=evolve, timers=timers)
