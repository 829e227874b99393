"""A tender and its bids: given events, when a command, then events, or a refusal that changes nothing."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec.structs import replace

from services.allocation.domain.controls import CONTROLS, EVENTS
from services.allocation.domain.tenders import bid as bids
from services.allocation.domain.tenders import decider as tenders
from services.allocation.domain.tenders.bid import CommitBid, RevealBid, VoidBid
from services.allocation.domain.tenders.decider import (
    ApproveTender,
    CancelTender,
    CertifyTender,
    CloseBidding,
    CloseTender,
    OpenTender,
    ProposeTender,
    ReopenTender,
)
from services.allocation.events import (
    AuthorityCited,
    BidCommitted,
    BiddingClosed,
    BidStep,
    BidVoided,
    CommandApproved,
    TenderApproved,
    TenderAwardGranted,
    TenderAwardWithdrawn,
    TenderCancelled,
    TenderCertified,
    TenderOpened,
    TenderProposed,
    TenderReleased,
    TenderReopened,
)
from shared.journal.decider import CancelTimer, Timer
from shared.terms.acting import Signing
from shared.terms.approval import approve
from shared.terms.authority import Capacity, Fault, interest_in
from shared.terms.countersigning import ControlReason, countersigned
from tests.stories.audit_tenders import TERMS, cleared, committed, revealed
from tests.stories.countersigned import SIGNER, propose
from tests.stories.countersigned import approve as approve_command
from tests.stories.given import Given
from tests.stories.powers import may

TENDER: Any = "tnd_1"
ON = date(2026, 1, 23)
BEFORE = TERMS.commit_until - timedelta(hours=1)
BETWEEN = TERMS.commit_until + timedelta(hours=1)
AFTER = TERMS.reveal_until
KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
CLEARED = cleared("JP", "US").cleared
DECISION: Any = CLEARED.decision
JP: Any = "JP"


class Story(Given):
    def __init__(self, *happened: Any) -> None:
        super().__init__(tenders.DECIDER, *happened)

    def proposed(self) -> "Story":
        return self.given(opening(), CloseBidding(at=AFTER), proposing())

    def certified(self) -> "Story":
        return self.proposed().given(approving(), certifying())


def opening(**terms: Any) -> OpenTender:
    return OpenTender(tender=TENDER, terms=replace(TERMS, **terms), sizes_g=(TERMS.unit_g,), free_g=100, qualified=TERMS.bidders, at=BEFORE)


def proposing(by: str = "sub_operator", **changes: Any) -> ProposeTender:
    told: dict[str, Any] = {"by": by, "free_g": 100, "cleared": CLEARED} | changes
    return ProposeTender(**told)


def approving(by: str = "sub_approver", **changes: Any) -> ApproveTender:
    signed = approve(DECISION, KEY, approver=by, purpose="tender")
    told: dict[str, Any] = {"approval": signed, "key": "enrolled", "signature_valid": True, "capacity": may(by, ON)}
    return ApproveTender(signing=Signing(**(told | changes)))


def certifying(**changes: Any) -> CertifyTender:
    chain = may("sub_approver", ON).held[0]
    told: dict[str, Any] = {"agreements": {"JP": 1, "US": 1}, "authorities": {chain[0].id: chain}, "revoked": (), "on": ON}
    return CertifyTender(**(told | changes))


def kinds(events: Sequence[Any]) -> list[type]:
    return [type(event) for event in events]


def test_from_the_offer_to_what_is_released():
    story = Story()
    story = story.when(opening()).then(TenderOpened(tender=TENDER, terms=TERMS, signed_stays=True))
    story = story.when(CloseBidding(at=AFTER)).then(BiddingClosed(tender=TENDER, closed_at=AFTER))
    story = story.when(proposing()).then(TenderProposed)
    story = story.when(approving()).then(TenderApproved, AuthorityCited)
    story = story.when(certifying())
    *granted, certified = story.events
    assert kinds(granted) == [TenderAwardGranted, TenderAwardGranted]
    assert isinstance(certified, TenderCertified) and certified.release_order == CLEARED.release_order
    assert [award.expires_on for award in granted] == [ON + timedelta(days=TERMS.release_days)] * 2
    story.when(CloseTender(decision=DECISION)).then(TenderReleased(tender=TENDER, decision=DECISION))


def test_what_inventory_refuses_is_withdrawn_and_may_be_proposed_again():
    story = Story().certified()
    story = story.when(ReopenTender(decision=DECISION, reason="stock_short")).then(
        TenderAwardWithdrawn, TenderAwardWithdrawn, TenderReopened
    )
    story.when(certifying()).refused("tender_not_proposed")
    story = story.when(proposing()).then(TenderProposed)
    story.when(certifying()).refused("approvals_missing")


def test_nobody_undoes_an_approval_by_proposing_again_unless_an_agreement_has_changed():
    story = Story().proposed()
    other = replace(CLEARED, decision="ef" * 32)
    story.when(proposing(cleared=other)).then(TenderProposed)
    story = story.given(approving())
    story.when(proposing(cleared=other)).refused("decision_already_approved")
    changed = story.when(proposing(cleared=replace(other, agreements={"JP": 2, "US": 1}))).then(TenderProposed)
    changed.when(certifying()).refused("decision_stale")
    story.when(certifying()).then(TenderAwardGranted, TenderAwardGranted, TenderCertified)


@pytest.mark.parametrize(
    "command", [CloseBidding(at=AFTER), CloseTender(decision=DECISION), ReopenTender(decision=DECISION, reason="late")]
)
@pytest.mark.parametrize("told", ["nothing", "proposed", "released", "cancelled"])
def test_what_comes_from_timers_and_inventory_is_never_refused(command: Any, told: str):
    story = Story()
    if told == "proposed":
        story = story.proposed()
    elif told == "released":
        story = story.certified().given(CloseTender(decision=DECISION))
    elif told == "cancelled":
        story = story.given(opening())
        story = story.given(CancelTender(reason="superseded"))
    story.when(command).then()


def test_an_answer_about_another_decision_changes_nothing():
    story = Story().certified()
    for other in (CloseTender(decision="ff" * 32), ReopenTender(decision="ff" * 32, reason="late")):  # type: ignore[arg-type]
        story.when(other).then()


def test_bidding_is_closed_by_a_timer_at_its_instant_and_not_before():
    [opened] = Story().when(opening()).events
    assert tenders.timers(opened) == [Timer.at_instant("close", AFTER, CloseBidding(at=AFTER))]
    story = Story()
    story = story.given(opening())
    story.when(CloseBidding(at=BETWEEN)).then()
    [cancelled] = story.when(CancelTender(reason="superseded")).events
    assert isinstance(cancelled, TenderCancelled) and tenders.timers(cancelled) == [CancelTimer("close")]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"units": 0}, "tender_units_invalid"),
        ({"reserve_price": "0"}, "reserve_price_invalid"),
        ({"reserve_price": "1e3"}, "reserve_price_invalid"),
        ({"reserve_price": "950"}, "price_not_whole"),
        ({"cap_units": 3}, "tender_cap_invalid"),
        ({"bidders": ()}, "tender_bidders_invalid"),
        ({"bidders": ("JP", "JP")}, "tender_bidders_invalid"),
        ({"bidders": ("JP", "AU")}, "agreement_missing"),
        ({"approvals_needed": 0}, "approvals_needed_invalid"),
        ({"release_days": 0}, "release_days_invalid"),
        ({"commit_until": BEFORE}, "tender_times_invalid"),
        ({"reveal_until": TERMS.commit_until}, "tender_times_invalid"),
        ({"unit_g": 20}, "tender_unit_unknown"),
        ({"units": 11, "cap_units": 2}, "supply_beyond_stock"),
    ],
)
def test_an_offer_that_cannot_be_is_refused(changes: dict[str, Any], code: str):
    Story().when(opening(**changes)).refused(code)


def test_a_tender_is_opened_once():
    story = Story()
    story = story.given(opening())
    story.when(opening()).refused("tender_already_open")


def test_nothing_is_decided_before_bidding_has_closed_and_every_bid_is_settled():
    story = Story()
    story.when(proposing()).refused("tender_not_found")
    story = story.given(opening())
    story.when(proposing()).refused("tender_bidding_open")
    story = story.given(CloseBidding(at=AFTER))
    story.when(proposing(cleared=None)).refused("tender_bidding_open")
    story.when(proposing(free_g=19)).refused("supply_beyond_stock")
    story.when(proposing(cleared=replace(CLEARED, awards=(), left_units=2))).refused("tender_sells_nothing")


@pytest.mark.parametrize(
    "changes",
    [
        {"left_units": 1},
        {"agreements": {"JP": 1}},
        {"awards": (replace(CLEARED.awards[0], amount_minor=8), CLEARED.awards[1])},
        {"awards": (CLEARED.awards[0], CLEARED.awards[0])},
        {"awards": (replace(CLEARED.awards[0], mass_g=11), CLEARED.awards[1])},
        {"awards": (replace(CLEARED.awards[0], units=3, mass_g=30),), "left_units": -1},
    ],
)
def test_a_decision_that_no_clearing_makes_is_refused(changes: dict[str, Any]):
    story = Story()
    story = story.given(opening())
    story = story.given(CloseBidding(at=AFTER))
    story.when(proposing(cleared=replace(CLEARED, **changes))).refused("decision_unsound")


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (approving(approval=approve(DECISION, KEY, approver="sub_approver", purpose="decision")), "approval_of_another_document"),
        (approving(approval=approve("ff" * 32, KEY, approver="sub_approver", purpose="tender")), "approval_of_another_document"),
        (approving(by="sub_operator"), "approval_by_proposer"),
        (approving(approval=approve(DECISION, KEY, approver="sub_else", purpose="tender")), "approval_of_another_approver"),
        (approving(key="unknown"), "approver_key_not_found"),
        (approving(key="revoked"), "approver_key_revoked"),
        (approving(signature_valid=False), "approval_signature_invalid"),
        (approving(capacity=Capacity(by="sub_approver", on=ON)), "authority_missing"),
        (
            approving(capacity=replace(may("sub_approver", ON), conflicts=frozenset({interest_in("partner", "JP")}))),
            "conflict_of_interest",
        ),
    ],
)
def test_an_approval_that_cannot_count_is_refused(command: ApproveTender, code: str):
    Story().proposed().when(command).refused(code)


def test_who_approved_once_does_not_count_twice():
    story = Story().proposed()
    story = story.given(approving())
    story.when(approving()).refused("approval_duplicate")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"agreements": {"JP": 1}}, "decision_stale"),
        ({"agreements": {"JP": 1, "US": 2}}, "decision_stale"),
        ({"revoked": (approving().signing.approval.key_id,)}, "approvals_missing"),
        ({"authorities": {}}, "approvals_missing"),
    ],
)
def test_what_has_changed_since_keeps_a_tender_from_being_certified(changes: dict[str, Any], code: str):
    story = Story().proposed()
    story = story.given(approving())
    story.when(certifying(**changes)).refused(code)


def test_a_tender_is_cancelled_by_one_until_somebody_has_approved_its_decision_and_by_two_from_then_on():
    def under(story: Given) -> Given:
        controlled = Given(countersigned(tenders.DECIDER, CONTROLS, EVENTS))
        controlled.state = story.state
        return controlled

    cancel = CancelTender(reason="not wanted")
    under(Story().given(opening())).when(cancel).then(TenderCancelled)
    under(Story().proposed()).when(cancel).then(TenderCancelled)
    mine = under(Story().given(replace(opening(), by="sub_operator")))
    for by in (frozenset({"sub_thief"}), frozenset[str]()):
        mine.when(CancelTender(reason="not wanted", by=by)).refused(ControlReason.NEEDED)
    mine.when(CancelTender(reason="not wanted", by=frozenset({"sub_operator"}))).then(TenderCancelled)
    approved = under(Story().proposed().given(approving()))
    approved.when(cancel).refused(ControlReason.NEEDED)
    waits = approved.given(propose(cancel, ON))
    done = waits.when(approve_command(ON))
    assert kinds(done.events) == [CommandApproved, TenderCancelled, AuthorityCited]
    assert done.events[-1].cited.act == "cancel_release"
    assert done.state.ended and done.state.proposal == approved.state.proposal, "it is no approval of the decision"
    interested = may(SIGNER, ON, conflicts=frozenset({interest_in("partner", "JP")}))
    waits.when(approve_command(ON, capacity=interested)).refused(Fault.CONFLICT)
    under(Story().certified()).when(cancel).refused("tender_already_certified")
    reopened = Story().certified().given(ReopenTender(decision=DECISION, reason="release_without_stock"))
    under(reopened).when(cancel).refused(ControlReason.NEEDED)  # it may be one person's hold that inventory refused it for


def test_a_certified_tender_is_not_decided_again():
    story = Story().certified()
    for command in (proposing(), approving(), certifying(), CancelTender(reason="late")):
        story.when(command).refused("tender_already_certified")
    story = story.given(CloseTender(decision=DECISION))
    story.when(CancelTender(reason="late")).refused("tender_closed")


# Bids


def committing(at: datetime = BEFORE, **changes: Any) -> CommitBid:
    sealed = committed("JP")
    told: dict[str, Any] = {"bid": sealed.bid, "tender": TENDER, "partner": JP, "commitment": sealed.commitment, "terms": TERMS, "at": at}
    return CommitBid(**(told | changes))


def revealing(at: datetime = BETWEEN, **changes: Any) -> RevealBid:
    opened = revealed("JP")
    told: dict[str, Any] = {"tender": TENDER, "partner": JP, "salt": opened.salt, "steps": opened.steps, "terms": TERMS, "at": at}
    return RevealBid(**(told | changes))


SEALED = Given(bids.DECIDER, committed("JP"))
VOID = BidVoided(bid=committed("JP").bid, tender=TENDER, partner=JP)


def test_a_bid_is_sealed_then_revealed():
    Given(bids.DECIDER).when(committing()).then(committed("JP"))
    SEALED.when(revealing()).then(revealed("JP"))


def test_a_later_seal_takes_the_place_of_an_earlier_one_and_the_same_again_is_nothing():
    first = replace(committed("JP"), commitment="00" * 32)
    Given(bids.DECIDER, first).when(committing(bid="bid_another")).then(committed("JP"))
    SEALED.when(committing()).then()


def test_a_bid_is_void_at_its_instant_unless_it_was_revealed():
    void = VoidBid(at=TERMS.reveal_until)
    assert bids.timers(committed("JP")) == [Timer.at_instant("void", TERMS.reveal_until, void)]
    assert bids.timers(revealed("JP")) == [CancelTimer("void")]
    SEALED.when(void).then(VOID)
    SEALED.when(VoidBid(at=BETWEEN)).then()
    for bid in (Given(bids.DECIDER), SEALED.given(revealed("JP")), SEALED.given(VOID)):
        bid.when(void).then()


@pytest.mark.parametrize(
    ("command", "bid", "code"),
    [
        (committing(at=TERMS.commit_until), Given(bids.DECIDER), "bid_too_late"),
        (committing(commitment="00" * 32), SEALED.given(revealed("JP")), "bid_too_late"),  # whatever the clock says
        (committing(partner="AU"), Given(bids.DECIDER), "bidder_not_qualified"),
        (revealing(), Given(bids.DECIDER), "bid_not_committed"),
        (revealing(at=BEFORE), SEALED, "reveal_too_early"),
        (revealing(at=TERMS.reveal_until), SEALED, "reveal_too_late"),
        (revealing(), SEALED.given(VOID), "reveal_too_late"),
        (revealing(), SEALED.given(revealed("JP")), "bid_already_revealed"),
        (revealing(salt="00" * 16), SEALED, "bid_differs_from_commitment"),
        (revealing(steps=(BidStep(price="1100", units=2),)), SEALED, "bid_differs_from_commitment"),
        (revealing(partner="US"), SEALED, "bid_differs_from_commitment"),
    ],
)
def test_a_bid_that_is_no_good_is_refused(command: Any, bid: Given, code: str):
    bid.when(command).refused(code)


def test_a_commitment_says_who_bids_in_which_tender():
    """So that nobody passes another's seal off as their own."""
    assert isinstance(committed("JP"), BidCommitted)
    assert len({committed(partner).commitment for partner in ("JP", "US", "EU")}) == 3
