"""No one person moves a stockpile's value: what an outsider did alone is refused, and done once another has signed it."""

from datetime import date, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.inventory.domain.controls import CONTROLS, EVENTS
from services.inventory.domain.deliveries import DeliverAssignment, PostponeDelivery
from services.inventory.domain.dispatch import WeighDraw
from services.inventory.domain.lots import AdjustStock, RecordAssay
from services.inventory.domain.products import SetProtectedStock, SetReceiptGrade
from services.inventory.domain.state import Stockpile, held_g
from services.inventory.domain.stockpile import DECIDER
from services.inventory.events import (
    AssignmentDelivered,
    AuthorityCited,
    CommandApproved,
    CommandLapsed,
    CommandProposed,
    CommandWithdrawn,
    DeliveryPostponed,
    DrawId,
    DrawWeighed,
    LotId,
    LotTakenIn,
    ProductRegistered,
    ProtectedStockSet,
    RightId,
    StockAdjusted,
)
from shared.journal.decider import Refused
from shared.terms.acting import ApprovalReason
from shared.terms.authority import Fault
from shared.terms.countersigning import (
    WAITS_DAYS,
    Class,
    ControlReason,
    Countersigned,
    LapseCommand,
    WithdrawCommand,
    countersigned,
    without_control,
)
from tests.stories import rights
from tests.stories.countersigned import PROPOSER, SIGNER, approve, by_two, propose
from tests.stories.given import Given
from tests.stories.powers import may
from tests.stories.stockpile import FAILED, PASSED, TODAY, UNIT_G, a_round, award, draw, lot, register, right

CONTROLLED = countersigned(DECIDER, CONTROLS, EVENTS)
LOSS = AdjustStock(lot=LotId("lot_1"), change_units=-5, cause="loss", reason="cannot be found")
HASTE = SetReceiptGrade(grade="signed", reason="the ship waits")
MORE = msgspec.structs.replace(LOSS, change_units=6, cause="stock_take")


def a_store(*more: object) -> Given:
    """A product with a lot of 10 units, taken in by two people."""
    return Given(CONTROLLED, *by_two(CONTROLS, register(), TODAY), *by_two(CONTROLS, lot(units=10), TODAY), *more)


def drawn() -> Given:
    return a_store(a_round(award("a", "JP", 2)), draw())


def test_every_command_of_a_stockpile_has_a_control():
    assert without_control(DECIDER, CONTROLS) == []


@pytest.mark.parametrize("command", [LOSS, MORE, HASTE, lot("lot_2"), RecordAssay(lot=LotId("lot_1"), assay=FAILED)])
def test_what_one_person_did_alone_is_refused_and_done_once_another_has_signed_it(command):
    store = a_store()
    refused = store.when(command).refused(ControlReason.NEEDED)
    assert refused.accepted == "a proposal that another person signs"
    waits = store.when(propose(command, TODAY)).then(CommandProposed)
    assert held_g(waits.state) == held_g(store.state)
    signed = waits.when(approve(TODAY)).events
    assert isinstance(signed[0], CommandApproved) and signed[0].approval.subject == SIGNER and signed[0].proposed_by == PROPOSER
    assert list(signed[1:-1]) == list(Given(DECIDER, register(), lot(units=10)).when(command).events)
    assert isinstance(signed[-1], AuthorityCited) and signed[-1].cited.act == signed[0].act


def test_nobody_signs_what_they_have_proposed():
    a_store(propose(LOSS, TODAY)).when(approve(TODAY, by=PROPOSER)).refused(ApprovalReason.BY_PROPOSER)


def test_who_signs_holds_an_instrument_that_covers_it():
    waits = a_store(propose(LOSS, TODAY))
    waits.when(approve(TODAY, capacity=may(SIGNER, TODAY, acts=frozenset({"lift_hold"})))).refused(Fault.OTHER_ACT)
    waits.when(approve(TODAY, capacity=may(SIGNER, TODAY, limit_g=5 * UNIT_G - 1))).refused(Fault.OVER_LIMIT)
    waits.when(approve(TODAY, capacity=may(SIGNER, TODAY, limit_g=5 * UNIT_G))).then(CommandApproved, StockAdjusted, AuthorityCited)
    interested = may(SIGNER, TODAY, conflicts=frozenset({"product/antimony-metal"}))
    waits.when(approve(TODAY, capacity=interested)).refused(Fault.CONFLICT)


def test_it_is_signed_by_a_key_that_counts_over_this_very_document():
    waits = a_store(propose(LOSS, TODAY))
    waits.when(approve(TODAY, key="revoked")).refused(ApprovalReason.KEY_REVOKED)
    waits.when(approve(TODAY, signature_valid=False)).refused(ApprovalReason.SIGNATURE_INVALID)
    other = msgspec.structs.replace(approve(TODAY).signing.approval, document="0d" * 32)
    waits.when(approve(TODAY, approval=other)).refused(ApprovalReason.ANOTHER_DOCUMENT)


def test_a_proposal_is_done_once_and_not_after_it_was_withdrawn():
    waits = a_store(propose(LOSS, TODAY))
    waits.given(approve(TODAY)).when(approve(TODAY)).refused(ControlReason.PROPOSAL_NOT_FOUND)
    waits.when(propose(LOSS, TODAY)).refused(ControlReason.PROPOSAL_ID_TAKEN)
    for thief in (SIGNER, "sub_thief"):
        stolen = WithdrawCommand(proposal="prp_1", reason="none", by=thief, accounts=frozenset({thief}))
        waits.when(stolen).refused(ControlReason.PROPOSAL_OF_ANOTHER, "path:proposal")
    own = WithdrawCommand(proposal="prp_1", reason="found", by="another account", accounts=frozenset({PROPOSER, "another account"}))
    assert waits.when(own).events[0].withdrawn_by == "another account"
    withdrawn = waits.when(WithdrawCommand(proposal="prp_1", reason="found")).then(CommandWithdrawn)
    withdrawn.when(approve(TODAY)).refused(ControlReason.PROPOSAL_NOT_FOUND)


def test_nobody_signs_it_after_its_last_day_whether_the_timer_has_fired_or_not():
    waits = a_store(propose(LOSS, TODAY))
    late = TODAY + timedelta(days=WAITS_DAYS)
    waits.when(approve(late)).refused(ControlReason.PROPOSAL_NOT_FOUND)
    assert waits.when(LapseCommand(proposal="prp_1", on=late - timedelta(days=1))).events == []
    lapsed = waits.when(LapseCommand(proposal="prp_1", on=late)).then(CommandLapsed)
    assert lapsed.when(LapseCommand(proposal="prp_1", on=late)).events == []
    [timer] = CONTROLLED.timers(waits.events[-1])
    assert (timer.due, timer.command) == (late, LapseCommand(proposal="prp_1", on=late))


def test_what_could_not_be_done_is_not_put_before_anybody():
    a_store().when(propose(msgspec.structs.replace(LOSS, change_units=-11), TODAY)).refused("stock_not_free", "/change_units")


def test_what_can_be_done_no_more_when_it_is_signed_is_refused_and_waits_on():
    waits = a_store(propose(msgspec.structs.replace(LOSS, change_units=-9), TODAY), a_round(award("a", "JP", 2)))
    refused = waits.when(approve(TODAY))
    refused.refused("stock_not_free")
    assert "prp_1" in refused.state.proposals


def test_a_product_is_registered_by_two():
    Given(CONTROLLED).when(register()).refused(ControlReason.NEEDED)
    Given(CONTROLLED, propose(register(), TODAY)).when(approve(TODAY)).then(CommandApproved, ProductRegistered, AuthorityCited)


def test_a_weighing_within_tolerance_needs_nobody_and_one_gram_or_fifty_tonnes_for_ten_need_another():
    weighed = drawn()
    near = WeighDraw(draw=DrawId("drw_1"), weighed_g=2 * UNIT_G - 2 * UNIT_G // 200)
    for wrong in (1, 10 * UNIT_G, near.weighed_g - 1):
        far = msgspec.structs.replace(near, weighed_g=wrong)
        weighed.when(far).refused(ControlReason.NEEDED)
        events = weighed.given(propose(far, TODAY)).when(approve(TODAY)).events
        assert any(isinstance(event, DrawWeighed) and event.weighed_g == wrong for event in events)
    assert isinstance(weighed.when(near).events[0], DrawWeighed)


def test_protected_stock_is_raised_and_lowered_by_two():
    def level(mass_g: int) -> SetProtectedStock:
        return SetProtectedStock(mass_g=mass_g, authority="Minister", reason="a floor")

    raised = a_store(*by_two(CONTROLS, level(UNIT_G), TODAY))
    for before, mass_g in ((a_store(), UNIT_G), (raised, 2 * UNIT_G), (raised, UNIT_G), (raised, 0)):
        before.when(level(mass_g)).refused(ControlReason.NEEDED)
        waits = before.given(propose(level(mass_g), TODAY))
        waits.when(approve(TODAY)).then(CommandApproved, ProtectedStockSet, AuthorityCited)
        waits.when(approve(TODAY, capacity=may(SIGNER, TODAY, conflicts=frozenset({"product/antimony-metal"})))).refused(Fault.CONFLICT)


def test_a_delivery_is_postponed_by_two_and_by_nobody_with_an_interest_in_whom_it_is_owed_to():
    window = date(2026, 12, 31)
    later = PostponeDelivery(right=RightId("rgt_1"), window_to=window, cause="force_majeure", evidence="notice", on=TODAY)
    owed = a_store(*by_two(CONTROLS, right(), TODAY), a_round(award("a", "JP", 12)), draw(units=12))
    owed.when(later).refused(ControlReason.NEEDED)
    waits = owed.given(propose(later, TODAY))
    waits.when(approve(TODAY, capacity=may(SIGNER, TODAY, conflicts=frozenset({"partner/jp"})))).refused(Fault.CONFLICT)
    waits.when(approve(TODAY, capacity=may(SIGNER, TODAY, limit_g=2 * UNIT_G - 1))).refused(Fault.OVER_LIMIT)
    waits.when(approve(TODAY)).then(CommandApproved, DeliveryPostponed, AuthorityCited)


def test_one_operator_writes_off_nothing_that_a_project_owes_a_partner_which_itself_may_report_it():
    owed = a_store(*by_two(CONTROLS, right(), TODAY), a_round(award("a", "JP", 12)), draw(units=12))
    days = {"delivered_on": TODAY, "reported_on": TODAY, "on": TODAY}
    told = {"draw": DrawId("drw_1"), "right": RightId("rgt_1"), "mass_g": 2 * UNIT_G, "evidence": "CMR 4711"}
    by_operator = DeliverAssignment(partner=None, **told, **days)
    owed.when(by_operator).refused(ControlReason.NEEDED)
    waits = owed.given(propose(by_operator, TODAY))
    waits.when(approve(TODAY, by=PROPOSER)).refused(ApprovalReason.BY_PROPOSER)
    waits.when(approve(TODAY, capacity=may(SIGNER, TODAY, conflicts=frozenset({"partner/jp"})))).refused(Fault.CONFLICT)
    waits.when(approve(TODAY, capacity=may(SIGNER, TODAY, limit_g=2 * UNIT_G - 1))).refused(Fault.OVER_LIMIT)
    signed = waits.when(approve(TODAY + timedelta(days=1))).then(CommandApproved, AssignmentDelivered, AuthorityCited)
    assert (signed.events[1].reported_by, signed.events[1].delivered_on) == ("reserve", TODAY)
    itself = owed.when(DeliverAssignment(partner="JP", **told, **days)).then(AssignmentDelivered)
    assert itself.events[0].reported_by == "partner"
    owed.when(DeliverAssignment(partner="US", **told, **days)).refused("assignment_not_found")


def test_no_act_in_the_life_of_a_right_is_one_persons_but_to_draw():
    story, alone = Given(CONTROLLED), set[str]()
    for on, command in rights.LIFE:
        if isinstance(CONTROLS[type(command)], Countersigned):
            story.when(command).refused(ControlReason.NEEDED)
        else:
            alone.add(type(command).__name__)
        story = story.given(*by_two(CONTROLS, command, on))
    assert alone == {"ReleaseRound", "DrawStock", "CloseTranches", "FailAssignments"}
    assert not story.state.rights and not story.state.programmes


@pytest.mark.parametrize(
    "act", ["exercise_right", "agree_programme", "accept_delivery", "accept_substitute", "take_back_right", "terminate_right"]
)
def test_who_signs_an_act_of_a_right_is_empowered_for_it_and_has_no_interest_in_who_is_owed(act: str):
    story = Given(CONTROLLED)
    for on, command in rights.LIFE:
        control = CONTROLS[type(command)]
        if isinstance(control, Countersigned) and control.act == act:
            waits = story.given(propose(command, on))
            waits.when(approve(on, capacity=may(SIGNER, on, acts=frozenset({"lift_hold"})))).refused(Fault.OTHER_ACT)
            waits.when(approve(on, capacity=may(SIGNER, on, limit_g=1))).refused(Fault.OVER_LIMIT)
            owed = bool(waits.state.assigned)
            interested = waits.when(approve(on, capacity=may(SIGNER, on, conflicts=frozenset({"partner/jp"}))))
            assert isinstance(interested.answer, Refused) == owed, "an interest bars where Japan is owed something"
        story = story.given(*by_two(CONTROLS, command, on))


def test_a_lot_that_is_signed_the_day_after_counts_from_that_day():
    later = TODAY + timedelta(days=1)
    expiring = lot(units=1, expires_on=TODAY)
    registered = Given(CONTROLLED, *by_two(CONTROLS, register(), TODAY), propose(expiring, TODAY))
    assert any(isinstance(event, LotTakenIn) for event in registered.when(approve(TODAY)).events)
    registered.when(approve(later)).refused("date_in_past")


alone = st.lists(
    st.one_of(
        st.builds(lambda units: msgspec.structs.replace(LOSS, change_units=units), st.integers(-12, 12)),
        st.builds(lambda units: lot("lot_9", units=units), st.integers(1, 9)),
        st.sampled_from([RecordAssay(lot=LotId("lot_1"), assay=FAILED), RecordAssay(lot=LotId("lot_1"), assay=PASSED)]),
        st.builds(lambda grams: WeighDraw(draw=DrawId("drw_1"), weighed_g=grams), st.integers(1, 30 * UNIT_G)),
        st.builds(lambda grams: SetProtectedStock(mass_g=grams, authority="mine", reason="none"), st.integers(0, 9 * UNIT_G)),
    ),
    max_size=8,
)


@given(commands=alone, proposes=st.lists(st.booleans(), min_size=8, max_size=8))
def test_no_sequence_of_acts_by_one_person_moves_value(commands, proposes):
    """They propose, they sign their own, they do it without asking: what the reserve has, and owes, stays."""
    story = drawn()
    before: Stockpile = story.state
    for number, (command, asks) in enumerate(zip(commands, proposes, strict=False)):
        attempts = [propose(command, TODAY, proposal=f"prp_{number}"), approve(TODAY, proposal=f"prp_{number}", by=PROPOSER)]
        for attempt in attempts if asks else [command]:
            tried = story.when(attempt)
            story = story if isinstance(tried.answer, Refused) else tried
    after: Stockpile = story.state
    assert (after.lots, after.shelves, after.rights, after.releases, after.quarantined_g, after.drawn_g) == (
        before.lots,
        before.shelves,
        before.rights,
        before.releases,
        before.quarantined_g,
        before.drawn_g,
    )
    assert after.protected_g >= before.protected_g
    weighed = after.draws[DrawId("drw_1")].weighed_g
    assert weighed is None or abs(weighed - 2 * UNIT_G) <= 2 * UNIT_G // 200


def test_a_control_that_another_must_sign_names_what_their_instrument_is_for():
    acts = {control.act for control in CONTROLS.values() if isinstance(control, Countersigned)}
    assert "adjust_stock" in acts and Class.MOVES_VALUE not in CONTROLS.values()
