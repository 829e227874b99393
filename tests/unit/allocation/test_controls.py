"""No one person moves value in allocation: what an outsider did alone is refused, and done once another has signed it."""

from datetime import date, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.allocation.domain.authority import official
from services.allocation.domain.authority.official import DeclareConflict, WithdrawConflict
from services.allocation.domain.book import decider as book
from services.allocation.domain.book.decider import OpenBook
from services.allocation.domain.book.rounds import CancelRound
from services.allocation.domain.controls import CONTROLS, EVENTS
from services.allocation.domain.decisions import superseding
from services.allocation.domain.decisions.superseding import SupersedeDecision
from services.allocation.domain.partners import agreement, disruption
from services.allocation.domain.partners.agreement import AmendAgreement, EndAgreement, ResumeAgreement, SignAgreement, SuspendAgreement
from services.allocation.domain.partners.disruption import DeclareDisruption, EndDisruption, ReviseDisruption
from services.allocation.domain.policies import policy
from services.allocation.domain.policies.policy import DraftVersion, ReviseVersion, SubmitVersion, WithdrawVersion
from services.allocation.domain.policies.terms import STANDARD_TERMS
from services.allocation.domain.screening import consignee, screening_list
from services.allocation.domain.screening.consignee import DecideConsigneeHit, ScreenConsignee
from services.allocation.domain.screening.screening_list import PutListInForce, WithdrawList
from services.allocation.domain.tenders import decider as tenders
from services.allocation.events import (
    AgreementAmended,
    AgreementId,
    AgreementResumed,
    AgreementSuspended,
    AuthorityCited,
    CommandApproved,
    CommandProposed,
    ConsigneeHit,
    ConsigneeHitDecided,
    ConsigneeId,
    DecisionHash,
    DecisionSuperseded,
    DisruptionDeclared,
    DisruptionId,
    HitId,
    ListName,
    PartnerCode,
    ProductId,
    ProductTerms,
    RoundCancelled,
    RoundId,
    ScreeningHitDecided,
    ScreeningListPutInForce,
    SubjectId,
)
from services.allocation.events.policies import PolicyActivated, PolicyApproved, PolicyWithdrawn
from services.allocation.main import SERVICE
from services.inventory.domain.controls import CONTROLS as INVENTORYS
from shared.journal.decider import Decider, Refused
from shared.terms import erasing
from shared.terms.acting import Approval, ApprovalReason
from shared.terms.authority import Fault, interest_in
from shared.terms.countersigning import Class, ControlReason, Countersigned, WithdrawCommand, countersigned, without_control
from tests.stories.barring import barring
from tests.stories.book import ROUND, a_certified_round, a_proposal, submit
from tests.stories.countersigned import PROPOSER, SIGNER, approve, by_two, propose
from tests.stories.given import Given
from tests.stories.powers import may
from tests.stories.screening import LISTS, decide_hit, hit, screen

TODAY = date(2026, 1, 6)
JP = PartnerCode("JP")
ANTIMONY, GALLIUM = ProductId("antimony-metal"), ProductId("gallium-4n")
OPERATOR, LIST = SubjectId("sub_operator"), ListName("entity-list")
ALREADY: dict[str, Any] = {
    each.DECIDER.kind: each.DECIDER
    for each in (agreement, disruption, book, screening_list, consignee, superseding, official, tenders, policy)
}
CONTROLLED = {kind: countersigned(decider, CONTROLS, EVENTS) for kind, decider in ALREADY.items()}


def terms(quota_g: int = 1_000_000, product: ProductId = ANTIMONY, share: str = "1/4") -> ProductTerms:
    return ProductTerms(product=product, yearly_quota_g=quota_g, share=share)


SIGN = SignAgreement(
    agreement=AgreementId("agr_1"),
    partner=JP,
    products=(terms(),),
    priority_class=3,
    valid_from=date(2025, 7, 1),
    valid_until=date(2030, 6, 30),
    on=TODAY,
)
DOUBLED = AmendAgreement(
    products=(terms(2_000_000),), priority_class=3, valid_until=date(2030, 6, 30), reason="they asked for more", on=TODAY
)
RAISED = msgspec.structs.replace(DOUBLED, products=(terms(),), priority_class=0)
DECLARE = DeclareDisruption(
    disruption=DisruptionId("dis_1"),
    instrument="No. 1/2026",
    products=(ANTIMONY,),
    declared_scope="all",
    observed_scope="all",
    partners=(JP,),
    starts_on=TODAY,
    evidence=("a gazette",),
)
REVISE = ReviseDisruption(
    declared_scope="all", observed_scope="some", partners=(PartnerCode("US"),), starts_on=TODAY, evidence=("a letter",), reason="heard"
)


CLEAR = msgspec.structs.replace(decide_hit("cleared"), companies=("Sojitz", "Toyo Logistics"))
CLEAR_CONSIGNEE = DecideConsigneeHit(hit=HitId("hit_1"), outcome="cleared", reason="another", by=OPERATOR)
CONSIGNEE_HIT = ConsigneeHit(hit=HitId("hit_1"), list=LIST, entry="E-1", match="near", cleared_as=None)
HIT_CONSIGNEE = ScreenConsignee(consignee=ConsigneeId("cns_1"), name="Kyushu Warehouse", lists=LISTS, hits=(CONSIGNEE_HIT,))
WITHDRAW = WithdrawList(list=LIST, reason="out of date", by=OPERATOR)


SUPERSEDE = SupersedeDecision(
    round=RoundId("rnd_1"),
    product=ANTIMONY,
    decision=DecisionHash("ab" * 32),
    awarded_g=50,
    by_round=RoundId("rnd_2"),
    other=ANTIMONY,
    partners=(JP,),
    companies=("Sojitz",),
    capacity=None,
    reason="an error",
)
WITHDRAW_CONFLICT = WithdrawConflict(official=SubjectId("sub_official"), about="company", name="Sojitz", reason="sold", by=OPERATOR)


def an_interest() -> Given:
    official = SubjectId("sub_official")
    declared = DeclareConflict(official=official, about="company", name="Sojitz", reason="shares", barring=barring(official))
    return signed("official", declared)


def put(document: str = "ab") -> PutListInForce:
    return PutListInForce(list=LIST, document=document * 32, entries=3, reason="of 6 January", by=OPERATOR)


def a_hit() -> Given:
    return signed("book", OpenBook(product=ANTIMONY), submit(), screen(hit()))


def a_listed_consignee() -> Given:
    return signed("consignee", HIT_CONSIGNEE)


def a_list() -> Given:
    """In force."""
    return signed("screening_list", put())


def signed(kind: str, *commands: Any) -> Given:
    """A stream in which two people did these, one after the other."""
    return Given(CONTROLLED[kind], *(each for command in commands for each in by_two(CONTROLS, command, TODAY)))


def test_every_command_of_allocation_has_a_control_and_each_stream_that_needs_it_is_under_its_controls():
    for decider in SERVICE.deciders:
        assert without_control(decider, SERVICE.controls) == []
    under = {decider.kind for decider in SERVICE.deciders if ControlReason in decider.reasons}
    assert under == {*CONTROLLED, erasing.KIND}


ALONE = {
    "an agreement": (signed("agreement"), SIGN),
    "a quota that doubles": (signed("agreement", SIGN), DOUBLED),
    "a priority class that rises": (signed("agreement", SIGN), RAISED),
    "an agreement that ends": (signed("agreement", SIGN), EndAgreement(reason="no more")),
    "an agreement that goes on": (
        signed("agreement", SIGN, SuspendAgreement(hold="hld_1", reason="arrears")),
        ResumeAgreement(reason="paid"),
    ),
    "a disruption": (signed("disruption"), DECLARE),
    "a disruption that hits others": (signed("disruption", DECLARE), REVISE),
    "a disruption that is over": (signed("disruption", DECLARE), EndDisruption(ends_on=TODAY, reason="over")),
    "a hit of a listed entity": (a_hit(), CLEAR),
    "a hit of a listed consignee": (a_listed_consignee(), CLEAR_CONSIGNEE),
    "the first list": (signed("screening_list"), put()),
    "a list with other names": (a_list(), put("cd")),
    "a list withdrawn": (a_list(), WITHDRAW),
    "a conflict withdrawn": (an_interest(), WITHDRAW_CONFLICT),
}


@pytest.mark.parametrize(("story", "command"), ALONE.values(), ids=ALONE)
def test_what_one_person_did_alone_is_refused_and_done_once_another_has_signed_it(story: Given, command: Any):
    refused = story.when(command).refused(ControlReason.NEEDED)
    assert refused.accepted == "a proposal that another person signs"
    waits = story.when(propose(command, TODAY)).then(CommandProposed)
    assert msgspec.structs.replace(waits.state, proposals=story.state.proposals) == story.state
    waits.when(approve(TODAY, by=PROPOSER)).refused(ApprovalReason.BY_PROPOSER)
    done = waits.when(approve(TODAY))
    first, *followed, last = done.events
    assert isinstance(first, CommandApproved) and (first.approval.subject, first.proposed_by) == (SIGNER, PROPOSER)
    assert followed == list(_uncontrolled(done.decider).decide(command, story.state))
    assert isinstance(last, AuthorityCited) and last.cited.act == first.act
    assert not done.state.proposals


def _uncontrolled(decider: Decider) -> Decider:
    found: Decider = ALREADY[decider.kind]
    return found


def test_one_person_suspends_an_agreement_at_once_and_two_resume_it():
    story = signed("agreement", SIGN).when(SuspendAgreement(hold="hld_1", reason="arrears")).then(AgreementSuspended)
    story.when(ResumeAgreement(reason="paid")).refused(ControlReason.NEEDED)
    story.given(propose(ResumeAgreement(reason="paid"), TODAY)).when(approve(TODAY)).then(CommandApproved, AgreementResumed, AuthorityCited)


def test_who_signs_an_agreement_holds_an_instrument_that_covers_all_of_it_and_has_no_interest_in_whose_it_is():
    waits = signed("agreement", SIGN).given(propose(DOUBLED, TODAY))
    waits.when(approve(TODAY, capacity=may(SIGNER, TODAY, acts=frozenset({"declare_disruption"})))).refused(Fault.OTHER_ACT)
    waits.when(approve(TODAY, capacity=may(SIGNER, TODAY, limit_g=1_999_999))).refused(Fault.OVER_LIMIT)
    for interest in ("partner/jp", "product/antimony-metal"):
        barred = may(SIGNER, TODAY, conflicts=frozenset({interest}))
        waits.when(approve(TODAY, capacity=barred)).refused(Fault.CONFLICT)
    waits.when(approve(TODAY, capacity=may(SIGNER, TODAY, limit_g=2_000_000))).then(CommandApproved, AgreementAmended, AuthorityCited)
    other = msgspec.structs.replace(DOUBLED, products=(terms(product=GALLIUM),))  # instead of what was agreed
    over_one = may(SIGNER, TODAY, products=frozenset({GALLIUM}))
    signed("agreement", SIGN).given(propose(other, TODAY)).when(approve(TODAY, capacity=over_one)).refused(Fault.OTHER_PRODUCT)


def test_who_signs_a_disruption_has_no_interest_in_whom_it_hits_or_hit():
    over_one = may(SIGNER, TODAY, products=frozenset({GALLIUM}))
    signed("disruption").given(propose(DECLARE, TODAY)).when(approve(TODAY, capacity=over_one)).refused(Fault.OTHER_PRODUCT)
    waits = signed("disruption", DECLARE).given(propose(REVISE, TODAY))
    for interest in ("partner/jp", "partner/us", "product/antimony-metal"):
        barred = may(SIGNER, TODAY, conflicts=frozenset({interest}))
        waits.when(approve(TODAY, capacity=barred)).refused(Fault.CONFLICT)


def test_what_cannot_be_is_put_before_nobody_and_what_cannot_be_any_more_is_not_signed():
    signed("agreement", SIGN).when(propose(SIGN, TODAY)).refused("agreement_already_signed")
    signed("disruption").when(propose(EndDisruption(ends_on=TODAY, reason="over"), TODAY)).refused("disruption_not_found")
    waits = signed("agreement", SIGN).given(propose(DOUBLED, TODAY, proposal="prp_late"))
    ended = waits.given(*by_two(CONTROLS, EndAgreement(reason="no more"), TODAY))
    ended.when(approve(TODAY, proposal="prp_late")).refused("agreement_ended")
    short = msgspec.structs.replace(DOUBLED, valid_until=TODAY)
    waits = signed("agreement", SIGN).given(propose(short, TODAY))
    waits.when(approve(TODAY + timedelta(days=1))).refused("date_in_past")  # its day is the signature's


def test_a_policy_s_version_is_withdrawn_by_one_person_until_it_is_approved_and_by_two_from_then_on():
    withdraw = WithdrawVersion(version=1, by=OPERATOR, reason="a mistake", on=TODAY)
    draft = DraftVersion(policy="standing", version=1, active_from=TODAY, terms=STANDARD_TERMS, by=OPERATOR, on=TODAY)
    drafted = signed("policy", draft, SubmitVersion(version=1, by=OPERATOR))
    drafted.when(withdraw).refused(ControlReason.NEEDED)
    own = frozenset({OPERATOR, "another account"})
    for by in own:  # a person is one, by whatever account
        drafted.when(msgspec.structs.replace(withdraw, by=SubjectId(by), accounts=own)).then(PolicyWithdrawn)
    thief = frozenset({"sub_thief", "sub_thief_2"})
    by_thief = msgspec.structs.replace(withdraw, by=SubjectId("sub_thief"), accounts=thief)
    drafted.when(by_thief).refused(ControlReason.NEEDED)
    revise = ReviseVersion(version=1, active_from=TODAY, terms=STANDARD_TERMS, by=SubjectId("sub_thief"), on=TODAY)
    signed("policy", draft, revise).when(by_thief).refused(ControlReason.NEEDED)  # who revises it does not make it theirs
    approval = Approval(subject=SIGNER, key="a1" * 8, signature="f0" * 64, approved_on=TODAY)
    document = drafted.state.versions[1].document
    approved = PolicyApproved(policy="standing", version=1, document=document, active_from=TODAY, approval=approval)
    active = drafted.given(approved, PolicyActivated(policy="standing", version=1, products=()))
    active.when(withdraw).refused(ControlReason.NEEDED)
    waits = active.given(propose(withdraw, TODAY))
    assert waits.state.active_on(TODAY) == 1
    waits.when(approve(TODAY, by=PROPOSER)).refused(ApprovalReason.BY_PROPOSER)
    waits.when(approve(TODAY, capacity=may(SIGNER, TODAY, acts=frozenset({"tender"})))).refused(Fault.OTHER_ACT)
    signer = may(SIGNER, TODAY, acts=frozenset({"approve_policy"}))
    gone = waits.when(approve(TODAY, capacity=signer)).then(CommandApproved, PolicyWithdrawn, AuthorityCited)
    assert gone.state.active_on(TODAY) is None


def test_a_disruption_is_declared_by_two():
    signed("disruption").given(propose(DECLARE, TODAY)).when(approve(TODAY)).then(CommandApproved, DisruptionDeclared, AuthorityCited)


def test_one_person_confirms_a_hit_and_two_clear_it_again():
    confirmed = a_hit().when(decide_hit("confirmed")).then(ScreeningHitDecided)
    confirmed.when(CLEAR).refused(ControlReason.NEEDED)
    confirmed.given(propose(CLEAR, TODAY)).when(approve(TODAY)).then(CommandApproved, ScreeningHitDecided, AuthorityCited)
    listed = a_listed_consignee().when(msgspec.structs.replace(CLEAR_CONSIGNEE, outcome="confirmed")).then(ConsigneeHitDecided)
    listed.when(CLEAR_CONSIGNEE).refused(ControlReason.NEEDED)


def test_who_signs_that_a_hit_is_of_another_has_no_interest_in_the_partner_the_product_or_the_companies():
    waits = a_hit().given(propose(CLEAR, TODAY))
    for interest in ("partner/jp", "product/antimony-metal", "company/sojitz"):
        barred = may(SIGNER, TODAY, conflicts=frozenset({interest}))
        waits.when(approve(TODAY, capacity=barred)).refused(Fault.CONFLICT)
    asked_g = waits.state.requests[CLEAR.request].mass_g
    waits.when(approve(TODAY, capacity=may(SIGNER, TODAY, limit_g=asked_g - 1))).refused(Fault.OVER_LIMIT)
    barred = may(SIGNER, TODAY, conflicts=frozenset({"company/kyushu warehouse"}))
    a_listed_consignee().given(propose(CLEAR_CONSIGNEE, TODAY)).when(approve(TODAY, capacity=barred)).refused(Fault.CONFLICT)


def test_a_list_takes_two_the_first_too_and_so_does_what_takes_its_place():
    """What is on it bars somebody; what is on it no more lets somebody go."""
    story = a_list()
    story.when(put("cd")).refused(ControlReason.NEEDED)
    withdrawn = story.given(*by_two(CONTROLS, WITHDRAW, TODAY))
    withdrawn.when(put("cd")).refused(ControlReason.NEEDED)


def test_a_list_that_was_proposed_is_signed_as_it_is_once_another_one_is_in_force():
    waits = Given(CONTROLLED["screening_list"]).given(propose(put("cd"), TODAY), *by_two(CONTROLS, put(), TODAY))
    waits.when(approve(TODAY)).then(CommandApproved, ScreeningListPutInForce, AuthorityCited)
    waits.given(propose(put("cd"), TODAY, proposal="prp_2"), approve(TODAY, proposal="prp_2")).when(approve(TODAY)).refused(
        "list_already_in_force"
    )


def test_a_decision_is_superseded_by_two_in_the_capacity_of_who_signs_it():
    story = signed("superseded")
    story.when(SUPERSEDE).refused(ControlReason.NEEDED)
    own = msgspec.structs.replace(SUPERSEDE, capacity=may(PROPOSER, TODAY))
    story.when(own).refused(ControlReason.NEEDED)
    waits = story.given(propose(own, TODAY))
    waits.when(approve(TODAY, by=PROPOSER)).refused(ApprovalReason.BY_PROPOSER)
    done = waits.when(approve(TODAY)).then(CommandApproved, DecisionSuperseded, AuthorityCited)
    assert (done.events[1].superseded_by, done.events[2].cited.by, done.events[2].cited.mass_g) == (SIGNER, SIGNER, 50)
    waits.when(approve(TODAY, capacity=may(SIGNER, TODAY, limit_g=49))).refused(Fault.OVER_LIMIT)
    for interest in ("partner/jp", "company/sojitz", "product/antimony-metal", "round/rnd_1"):
        waits.when(approve(TODAY, capacity=may(SIGNER, TODAY, conflicts=frozenset({interest})))).refused(Fault.CONFLICT)


def test_nobody_signs_that_a_conflict_is_withdrawn_which_they_have():
    """Whose it is has it by every account."""
    waits = an_interest().given(propose(WITHDRAW_CONFLICT, TODAY))
    barred = may(SIGNER, TODAY, conflicts=frozenset({"company/sojitz"}))
    waits.when(approve(TODAY, capacity=barred)).refused(Fault.CONFLICT)


def test_no_command_of_allocation_or_inventory_moves_value_by_one_person():
    fine = {Class.PREPARES, Class.PROTECTS, Class.EXERCISES, Class.MOVES_VALUE, Class.CORRECTS, Class.FOLLOWS}
    for controls in (CONTROLS, INVENTORYS):
        assert {control for control in controls.values() if isinstance(control, Class)} <= fine


SIGNED = {
    "agreement": signed("agreement", SIGN),
    "disruption": signed("disruption", DECLARE),
    "book": a_hit(),
    "consignee": a_listed_consignee(),
    "screening_list": a_list(),
    "superseded": signed("superseded"),
    "official": an_interest(),
}
alone = st.one_of(
    st.tuples(
        st.just("agreement"),
        st.one_of(
            st.builds(
                lambda quota_g, tier: msgspec.structs.replace(DOUBLED, products=(terms(quota_g),), priority_class=tier),
                st.integers(1, 10**9),
                st.integers(0, 9),
            ),
            st.sampled_from([SIGN, EndAgreement(reason="x"), ResumeAgreement(reason="x"), SuspendAgreement(hold="hld_1", reason="x")]),
        ),
    ),
    st.tuples(st.just("disruption"), st.sampled_from([DECLARE, REVISE, EndDisruption(ends_on=TODAY, reason="x")])),
    st.tuples(st.just("book"), st.just(CLEAR)),
    st.tuples(st.just("consignee"), st.just(CLEAR_CONSIGNEE)),
    st.tuples(st.just("superseded"), st.just(SUPERSEDE)),
    st.tuples(st.just("official"), st.just(WITHDRAW_CONFLICT)),
    st.tuples(st.just("screening_list"), st.one_of(st.just(WITHDRAW), st.sampled_from(["ab", "cd", "ef"]).map(put))),
)


@given(acts=st.lists(st.tuples(alone, st.booleans()), max_size=8))
def test_no_sequence_of_acts_by_one_person_changes_what_anybody_is_entitled_to(acts: list[Any]):
    """They propose, they sign their own, they do it without asking."""
    stories = dict(SIGNED)
    for number, ((kind, command), asks) in enumerate(acts):
        own = [propose(command, TODAY, proposal=f"prp_{number}"), approve(TODAY, proposal=f"prp_{number}", by=PROPOSER)]
        for attempt in own if asks and isinstance(CONTROLS[type(command)], Countersigned) else [command]:
            tried = stories[kind].when(attempt)
            if isinstance(tried.answer, Refused):
                continue
            for event in tried.events:  # a suspension stops at once, and takes nothing
                assert isinstance(event, CommandProposed | AgreementSuspended), event
            stories[kind] = tried
    for kind, story in stories.items():
        kept = {"proposals": SIGNED[kind].state.proposals} | ({"hold": None} if kind == "agreement" else {})
        assert msgspec.structs.replace(story.state, **kept) == SIGNED[kind].state


THIEF = frozenset({"sub_thief", "sub_thief_2"})
TAKE_BACK = WithdrawVersion(version=1, by=SubjectId("sub_thief"), accounts=THIEF, reason="x", on=TODAY)
WRITE = {"active_from": TODAY, "terms": STANDARD_TERMS, "by": SubjectId("sub_thief"), "on": TODAY}
taking = st.sampled_from(
    [
        ReviseVersion(version=1, **WRITE),
        SubmitVersion(version=1, by=SubjectId("sub_thief")),
        DraftVersion(policy="standing", version=2, **WRITE),
        TAKE_BACK,
        propose(TAKE_BACK, TODAY, proposal="prp_own", by="sub_thief"),
        approve(TODAY, proposal="prp_own", by="sub_thief"),
        WithdrawCommand(proposal="prp_others", reason="x", by="sub_thief", accounts=THIEF),
        WithdrawCommand(proposal="prp_own", reason="x", by="sub_thief", accounts=THIEF),
    ]
)


@given(acts=st.lists(taking, max_size=8), submitted=st.booleans())
def test_no_sequence_of_acts_by_one_person_takes_away_what_another_has_written_or_proposed(acts: list[Any], submitted: bool):
    draft = DraftVersion(policy="standing", version=1, active_from=TODAY, terms=STANDARD_TERMS, by=OPERATOR, on=TODAY)
    story = signed("policy", draft, *([SubmitVersion(version=1, by=OPERATOR)] if submitted else []))
    story = story.given(propose(msgspec.structs.replace(TAKE_BACK, by=OPERATOR), TODAY, proposal="prp_others"))
    for act in acts:
        tried = story.when(act)
        story = story if isinstance(tried.answer, Refused) else tried
    assert story.state.versions[1].status in ("draft", "submitted") and "prp_others" in story.state.proposals


def controlled(story: Given) -> Given:
    """The book of a story, under its controls."""
    book = Given(CONTROLLED["book"])
    book.state = story.state
    return book


def test_a_round_that_another_has_opened_is_cancelled_by_two():
    proposed = a_proposal(5, 5, by=OPERATOR)
    for by in (frozenset({"sub_thief"}), frozenset[str]()):
        controlled(proposed).when(CancelRound(round=ROUND, reason="none", by=by)).refused(ControlReason.NEEDED)
    cancel = CancelRound(round=ROUND, reason="none")
    signed = controlled(proposed).given(propose(cancel, TODAY)).when(approve(TODAY))
    assert [type(event) for event in signed.events] == [CommandApproved, RoundCancelled, AuthorityCited]
    own = CancelRound(round=ROUND, reason="none", by=frozenset({OPERATOR, "another account"}))
    controlled(proposed).when(own).then(RoundCancelled)
    controlled(proposed.given(proposed.approve())).when(own).refused(ControlReason.NEEDED)


def test_a_round_is_cancelled_by_one_until_somebody_has_approved_its_decision_and_by_two_from_then_on():
    proposed, cancel = a_proposal(5, 5), CancelRound(round=ROUND, reason="not wanted")
    controlled(proposed).when(cancel).then(RoundCancelled)
    approved = controlled(proposed.given(proposed.approve()))
    approved.when(cancel).refused(ControlReason.NEEDED)
    done = approved.given(propose(cancel, TODAY)).when(approve(TODAY))
    assert [type(event) for event in done.events] == [CommandApproved, RoundCancelled, AuthorityCited]
    assert done.events[-1].cited.act == "cancel_release"
    interested = may(SIGNER, TODAY, conflicts=frozenset({interest_in("partner", "JP")}))
    approved.given(propose(cancel, TODAY)).when(approve(TODAY, capacity=interested)).refused(Fault.CONFLICT)
    controlled(a_certified_round(5, 5)).when(cancel).refused("round_already_certified")
