"""A policy's versions: drafted, revised, submitted, approved by somebody else, active from a day, withdrawn."""

from datetime import date, timedelta
from hashlib import sha256
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.allocation.domain.policies.policy import (
    DECIDER,
    ActivateVersion,
    ApproveVersion,
    DraftVersion,
    NoteUse,
    Reason,
    ReviseVersion,
    SubmitVersion,
    WithdrawVersion,
    document_of,
    timers,
)
from services.allocation.domain.policies.terms import STANDARD_CLOCKS, fault_of
from services.allocation.domain.policies.terms import Reason as TermsReason
from services.allocation.events import AuthorityCited
from services.allocation.events.ids import ProductId, SubjectId
from services.allocation.events.policies import (
    Clocks,
    EmergencyTerms,
    PolicyActivated,
    PolicyApproved,
    PolicyTerms,
    PolicyUsed,
    PolicyWithdrawn,
)
from services.allocation.events.rounds import QuorumStep, RoundMethod
from shared.journal.decider import CancelTimer, Timer
from shared.terms.acting import ApprovalReason
from shared.terms.approval import approve
from tests.stories.book import signing
from tests.stories.given import Given

TODAY = date(2026, 1, 6)
LATER = date(2026, 2, 1)
OPERATOR, APPROVER = SubjectId("sub_operator"), SubjectId("sub_approver")
KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32)


def terms(**changes: Any) -> PolicyTerms:
    told: dict[str, Any] = {
        "method": RoundMethod(rule="pro_rata"),
        "protected_g": {},
        "quorum": (QuorumStep(above_g=0, approvals=1),),
        "emergency": None,
        "clocks": STANDARD_CLOCKS,
        "release_days": 90,
        "carry_years": 2,
        "largest_minimum": "1",
    }
    return PolicyTerms(**(told | changes))


def draft(version: int = 1, active_from: date = TODAY, by: SubjectId = OPERATOR, **changes: Any) -> DraftVersion:
    return DraftVersion(policy="standing", version=version, active_from=active_from, terms=terms(**changes), by=by, on=TODAY)


class Story(Given):
    def __init__(self, *happened: Any) -> None:
        super().__init__(DECIDER, *happened)

    def approve(self, version: int = 1, by: SubjectId = APPROVER, on: date = TODAY, **changes: Any) -> ApproveVersion:
        signed = approve(self.state.versions[version].document, KEY, approver=by, purpose="policy")
        return ApproveVersion(version=version, signing=signing(signed, **({"on": on} | changes)))

    def approved(self, version: int = 1, active_from: date = TODAY, **changes: Any) -> "Story":
        submitted = self.given(draft(version, active_from, **changes), SubmitVersion(version=version, by=OPERATOR))
        return submitted.given(submitted.approve(version))


def test_a_version_is_active_once_another_person_has_approved_it():
    story = Story().given(draft(), SubmitVersion(version=1, by=OPERATOR))
    assert story.state.active_on(TODAY) is None
    story = story.when(story.approve())
    approved, cited, activated = story.events
    assert isinstance(cited, AuthorityCited)
    assert (cited.matter, cited.cited.act, cited.cited.by) == ("standing", "approve_policy", APPROVER)
    assert isinstance(approved, PolicyApproved)
    assert activated == PolicyActivated(policy="standing", version=1, products=())
    assert story.state.active_on(TODAY) == 1


def test_what_is_signed_is_the_canonical_document():
    story = Story().given(draft())
    document = document_of("standing", 1, TODAY, terms())
    assert story.state.versions[1].document == sha256(document).hexdigest()
    assert msgspec.json.decode(document)["format"] == "reserve.policy.v1"


def test_a_version_of_a_later_day_waits_for_it():
    story = Story().approved().given(NoteUse(product=ProductId("antimony-metal")))
    story = story.given(draft(2, LATER), SubmitVersion(version=2, by=OPERATOR))
    story = story.when(story.approve(2))
    approved, _ = story.events
    [timer] = timers(approved)
    assert timer == Timer("activate/2", LATER, ActivateVersion(version=2, on=LATER))
    assert (story.state.active_on(TODAY), story.state.active_on(LATER)) == (1, 2)
    story = story.when(ActivateVersion(version=2, on=LATER)).then(
        PolicyActivated(policy="standing", version=2, products=(ProductId("antimony-metal"),))
    )
    story.when(ActivateVersion(version=2, on=LATER)).then()


def test_of_two_that_begin_on_one_day_the_later_is_active():
    story = Story().approved(1, LATER).approved(2, LATER)
    assert story.state.active_on(LATER) == 2
    story.when(ActivateVersion(version=1, on=LATER)).then()


def test_approved_after_its_day_it_is_active_from_the_approval():
    story = Story().given(draft(), SubmitVersion(version=1, by=OPERATOR))
    story = story.when(story.approve(on=LATER))
    [approved, _, _] = story.events
    assert isinstance(approved, PolicyApproved)
    assert approved.active_from == LATER
    assert story.state.active_on(LATER - timedelta(days=1)) is None


def test_a_draft_may_be_revised_and_what_is_submitted_may_not():
    story = Story().given(draft())
    revision = ReviseVersion(version=1, active_from=LATER, terms=terms(release_days=30), by=SubjectId("sub_other"), on=TODAY)
    before = story.state.versions[1].document
    story = story.given(revision)
    assert story.state.versions[1].terms.release_days == 30
    assert story.state.versions[1].document != before
    story = story.given(SubmitVersion(version=1, by=OPERATOR))
    story.when(revision).refused(Reason.NOT_DRAFT)
    story.when(SubmitVersion(version=1, by=OPERATOR)).refused(Reason.NOT_DRAFT)
    story.when(story.approve(by=SubjectId("sub_other"))).refused(ApprovalReason.BY_PROPOSER)  # who revised it wrote it too
    story.when(story.approve(by=OPERATOR)).refused(ApprovalReason.BY_PROPOSER)


def test_an_approval_that_cannot_count_is_refused():
    story = Story().given(draft())
    story.when(story.approve()).refused(Reason.NOT_SUBMITTED)
    story = story.given(SubmitVersion(version=1, by=OPERATOR))
    story.when(story.approve(key="unknown")).refused(ApprovalReason.KEY_NOT_FOUND)
    story.when(story.approve(key="revoked")).refused(ApprovalReason.KEY_REVOKED)
    story.when(story.approve(signature_valid=False)).refused(ApprovalReason.SIGNATURE_INVALID)
    story.when(story.approve(by=APPROVER, capacity=signing(story.approve().signing.approval, by="sub_third").capacity)).refused(
        ApprovalReason.ANOTHER_APPROVER
    )
    decision = approve(story.state.versions[1].document, KEY, approver=APPROVER, purpose="decision")
    story.when(story.approve(approval=decision)).refused(ApprovalReason.ANOTHER_DOCUMENT)
    another = approve("ab" * 32, KEY, approver=APPROVER, purpose="policy")
    story.when(story.approve(approval=another)).refused(ApprovalReason.ANOTHER_DOCUMENT)


def withdraw(version: int, on: date = TODAY) -> WithdrawVersion:
    return WithdrawVersion(version=version, by=OPERATOR, reason="a mistake", on=on)


def test_an_active_version_that_is_withdrawn_leaves_none_until_another_is_approved():
    story = Story().approved().approved(2)
    story = story.when(withdraw(2))
    [withdrawn] = story.events
    assert isinstance(withdrawn, PolicyWithdrawn)
    assert withdrawn.active is story.state.active_on(TODAY) is story.state.active_on(LATER) is None
    assert timers(withdrawn) == [CancelTimer("activate/2")]
    story.when(withdraw(2)).refused(Reason.WITHDRAWN)
    story = story.approved(3)
    assert story.state.active_on(TODAY) == 3


def test_what_is_active_once_supersedes_also_what_was_to_begin_later():
    story = Story().approved(1, LATER).approved(2).given(withdraw(2))
    assert story.state.active_on(LATER) is None


def test_a_version_that_is_withdrawn_before_its_day_leaves_the_active_one():
    story = Story().approved().approved(2, LATER)
    story = story.when(withdraw(2))
    [withdrawn] = story.events
    assert isinstance(withdrawn, PolicyWithdrawn)
    assert withdrawn.active == story.state.active_on(LATER) == 1


def test_an_approved_successor_begins_on_its_day():
    story = Story().approved().approved(2, LATER).given(withdraw(1))
    assert (story.state.active_on(TODAY), story.state.active_on(LATER)) == (None, 2)


def test_a_version_that_is_withdrawn_on_its_day_was_active_though_its_timer_is_late():
    story = Story().approved().approved(2, LATER)
    story = story.when(withdraw(2, LATER))
    activated, withdrawn = story.events
    assert activated == PolicyActivated(policy="standing", version=2, products=())
    assert isinstance(withdrawn, PolicyWithdrawn)
    assert withdrawn.active is story.state.active_on(LATER) is None


def test_a_version_whose_timer_is_late_is_active_also_when_another_is_withdrawn_and_brings_none_back():
    story = Story().approved().approved(2, LATER).given(draft(3, LATER))
    story = story.when(withdraw(3, LATER))
    activated, withdrawn = story.events
    assert activated == PolicyActivated(policy="standing", version=2, products=())
    assert isinstance(withdrawn, PolicyWithdrawn)
    assert withdrawn.active == story.state.active_on(LATER) == 2
    story.when(ActivateVersion(version=2, on=LATER)).then()
    story = story.when(withdraw(2, LATER))
    [withdrawn] = story.events
    assert isinstance(withdrawn, PolicyWithdrawn)
    assert withdrawn.active is story.state.active_on(LATER) is None


def test_in_an_earlier_journal_a_withdrawn_version_gave_way_to_the_one_before():
    story = Story().approved().approved(2)
    gave_way = PolicyWithdrawn(policy="standing", version=2, active=1, products=(), withdrawn_by=OPERATOR, reason="a mistake")
    assert story.given(gave_way).state.active_on(TODAY) == 1


def test_one_version_at_a_time_is_undecided():
    story = Story().given(draft())
    story.when(draft(2)).refused(Reason.DRAFT_OPEN)
    story = story.given(WithdrawVersion(version=1, by=OPERATOR, reason="anew", on=TODAY))
    story.when(draft(1)).refused(Reason.DRAFT_OPEN)  # looked up before the other was drafted
    story.given(draft(2))


def test_a_product_is_noted_once():
    story = Story()
    story.when(NoteUse(product=ProductId("antimony-metal"))).then()  # no such policy: rounds of earlier builds had none
    story = story.given(draft())
    story = story.when(NoteUse(product=ProductId("antimony-metal"))).then(
        PolicyUsed(policy="standing", product=ProductId("antimony-metal"))
    )
    story.when(NoteUse(product=ProductId("antimony-metal"))).then()


def test_what_there_is_not_is_not_found():
    story = Story()
    story.when(SubmitVersion(version=1, by=OPERATOR)).refused(Reason.NOT_FOUND)
    story = story.given(draft())
    story.when(SubmitVersion(version=2, by=OPERATOR)).refused(Reason.VERSION_NOT_FOUND)
    story.when(draft(active_from=TODAY - timedelta(days=1), version=2)).refused(Reason.DRAFT_OPEN)
    other = Story()
    other.when(draft(active_from=TODAY - timedelta(days=1))).refused(Reason.DATE_IN_PAST)
    other.when(draft(method=RoundMethod(rule="by_lot"))).refused(TermsReason.RULE_UNKNOWN)


STEP = QuorumStep
ORDERED = {name: days for days, name in enumerate(Clocks.__struct_fields__)}


@pytest.mark.parametrize(
    ("changes", "reason", "field"),
    [
        ({"method": RoundMethod(rule="by_lot")}, TermsReason.RULE_UNKNOWN, "/terms/method/rule"),
        ({"method": RoundMethod(rule="pro_rata", inside={"0": "pro_rata"})}, TermsReason.INSIDE_INVALID, "/terms/method/inside"),
        ({"method": RoundMethod(rule="priority", inside={"0": "by_lot"})}, TermsReason.RULE_UNKNOWN, "/terms/method/inside/0"),
        ({"method": RoundMethod(rule="priority", inside={"0": "priority"})}, TermsReason.INSIDE_INVALID, "/terms/method/inside/0"),
        ({"method": RoundMethod(rule="priority", inside={"10": "pro_rata"})}, TermsReason.INSIDE_INVALID, "/terms/method/inside/10"),
        ({"method": RoundMethod(rule="pro_rata", cap="-1/2")}, TermsReason.CAP_INVALID, "/terms/method/cap"),
        ({"method": RoundMethod(rule="pro_rata", cap="3/2")}, TermsReason.CAP_INVALID, "/terms/method/cap"),
        ({"method": RoundMethod(rule="pro_rata", cap="0.5")}, TermsReason.CAP_INVALID, "/terms/method/cap"),
        ({"method": RoundMethod(rule="pro_rata", caps={"JP": "2"})}, TermsReason.CAP_INVALID, "/terms/method/caps/JP"),
        ({"method": RoundMethod(rule="pro_rata", restraint="93/100")}, TermsReason.RESTRAINT_INVALID, "/terms/method/restraint"),
        ({"quorum": ()}, TermsReason.QUORUM_INVALID, "/terms/quorum"),
        ({"quorum": (STEP(above_g=5, approvals=1),)}, TermsReason.QUORUM_INVALID, "/terms/quorum"),
        ({"quorum": (STEP(above_g=0, approvals=0),)}, TermsReason.QUORUM_INVALID, "/terms/quorum/0/approvals"),
        ({"quorum": (STEP(above_g=0, approvals=11),)}, TermsReason.QUORUM_INVALID, "/terms/quorum/0/approvals"),
        (
            {"quorum": (STEP(above_g=0, approvals=2), STEP(above_g=9, approvals=1))},
            TermsReason.QUORUM_INVALID,
            "/terms/quorum/1",
        ),
        (
            {"emergency": EmergencyTerms(ratify_within_hours=0, max_g=1)},
            TermsReason.EMERGENCY_INVALID,
            "/terms/emergency/ratify_within_hours",
        ),
        ({"emergency": EmergencyTerms(ratify_within_hours=1, max_g=0)}, TermsReason.EMERGENCY_INVALID, "/terms/emergency/max_g"),
        ({"clocks": {}}, TermsReason.CLOCKS_INVALID, "/terms/clocks"),
        (
            {"clocks": {"standard": Clocks(**(ORDERED | {"decided": 0, "screened": 1}))}},
            TermsReason.CLOCKS_INVALID,
            "/terms/clocks/standard/decided",
        ),
        ({"clocks": {"standard": Clocks(**(ORDERED | {"screened": -1}))}}, TermsReason.CLOCKS_INVALID, "/terms/clocks/standard/screened"),
        ({"release_days": 0}, TermsReason.RELEASE_DAYS_INVALID, "/terms/release_days"),
        ({"release_days": 367}, TermsReason.RELEASE_DAYS_INVALID, "/terms/release_days"),
        ({"carry_years": 0}, TermsReason.CARRY_YEARS_INVALID, "/terms/carry_years"),
        ({"carry_years": 11}, TermsReason.CARRY_YEARS_INVALID, "/terms/carry_years"),
        ({"largest_minimum": "0"}, TermsReason.MINIMUM_INVALID, "/terms/largest_minimum"),
        ({"largest_minimum": "2"}, TermsReason.MINIMUM_INVALID, "/terms/largest_minimum"),
    ],
)
def test_terms_that_cannot_be_are_refused_with_their_field(changes: dict[str, Any], reason: TermsReason, field: str):
    fault = fault_of(terms(**changes))
    assert fault is not None
    assert (fault.code, fault.field) == (reason, field)
    assert fault.accepted


def test_the_standard_terms_are_sound():
    assert fault_of(terms()) is None
    assert fault_of(terms(emergency=EmergencyTerms(ratify_within_hours=72, max_g=10**7))) is None
    assert (
        fault_of(terms(method=RoundMethod(rule="priority", inside={"0": "pro_rata", "": "pro_rata"}, cap="2/5", caps={"JP": "1"}))) is None
    )
