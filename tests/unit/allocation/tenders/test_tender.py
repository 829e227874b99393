"""A tender and its bids: given events, when a command, then events, or a refusal that changes nothing."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from functools import reduce
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec.structs import replace

from services.allocation.domain.authority.signing import Signing
from services.allocation.domain.tenders import bid as bids
from services.allocation.domain.tenders import decider as tenders
from services.allocation.domain.tenders.bid import Bid, CommitBid, RevealBid, VoidBid
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
from services.allocation.domain.tenders.state import Tender
from services.allocation.events import (
    AuthorityCited,
    BidCommitted,
    BiddingClosed,
    BidStep,
    BidVoided,
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
from shared.journal.decider import CancelTimer, Refused, Timer
from shared.terms.approval import approve
from shared.terms.authority import Capacity, interest_in
from tests.stories.audit_tenders import TERMS, cleared, committed, revealed
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


class Story:
    def __init__(self) -> None:
        self.state = Tender()

    def when(self, command: Any) -> Any:
        """What is decided, and has happened unless it is refused."""
        decided = tenders.decide(command, self.state)
        if not isinstance(decided, Refused):
            self.state = reduce(tenders.evolve, decided, self.state)
        return decided

    def refuses(self, command: Any, code: str) -> None:
        decided = self.when(command)
        assert isinstance(decided, Refused), decided
        assert decided.code == code

    def proposed(self) -> "Story":
        for command in (opening(), CloseBidding(at=AFTER), proposing()):
            assert not isinstance(self.when(command), Refused)
        return self

    def certified(self) -> "Story":
        self.proposed()
        for command in (approving(), certifying()):
            assert not isinstance(self.when(command), Refused)
        return self


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
    assert story.when(opening()) == [TenderOpened(tender=TENDER, terms=TERMS)]
    assert story.when(CloseBidding(at=AFTER)) == [BiddingClosed(tender=TENDER, closed_at=AFTER)]
    assert kinds(story.when(proposing())) == [TenderProposed]
    assert kinds(story.when(approving())) == [TenderApproved, AuthorityCited]
    *granted, certified = story.when(certifying())
    assert kinds(granted) == [TenderAwardGranted, TenderAwardGranted]
    assert isinstance(certified, TenderCertified) and certified.release_order == CLEARED.release_order
    assert [award.expires_on for award in granted] == [ON + timedelta(days=TERMS.release_days)] * 2
    assert story.when(CloseTender(decision=DECISION)) == [TenderReleased(tender=TENDER, decision=DECISION)]


def test_what_inventory_refuses_is_withdrawn_and_may_be_proposed_again():
    story = Story().certified()
    assert kinds(story.when(ReopenTender(decision=DECISION, reason="stock_short"))) == [
        TenderAwardWithdrawn,
        TenderAwardWithdrawn,
        TenderReopened,
    ]
    story.refuses(certifying(), "tender_not_proposed")
    assert kinds(story.when(proposing())) == [TenderProposed]
    story.refuses(certifying(), "approvals_missing")


@pytest.mark.parametrize(
    "command", [CloseBidding(at=AFTER), CloseTender(decision=DECISION), ReopenTender(decision=DECISION, reason="late")]
)
@pytest.mark.parametrize("told", ["nothing", "proposed", "released", "cancelled"])
def test_what_comes_from_timers_and_inventory_is_never_refused(command: Any, told: str):
    story = Story()
    if told == "proposed":
        story.proposed()
    elif told == "released":
        story.certified().when(CloseTender(decision=DECISION))
    elif told == "cancelled":
        story.when(opening())
        story.when(CancelTender(reason="superseded"))
    assert story.when(command) == []


def test_an_answer_about_another_decision_changes_nothing():
    story = Story().certified()
    for other in (CloseTender(decision="ff" * 32), ReopenTender(decision="ff" * 32, reason="late")):  # type: ignore[arg-type]
        assert story.when(other) == []


def test_bidding_is_closed_by_a_timer_at_its_instant_and_not_before():
    [opened] = Story().when(opening())
    assert tenders.timers(opened) == [Timer.at_instant("close", AFTER, CloseBidding(at=AFTER))]
    story = Story()
    story.when(opening())
    assert story.when(CloseBidding(at=BETWEEN)) == []
    [cancelled] = story.when(CancelTender(reason="superseded"))
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
    Story().refuses(opening(**changes), code)


def test_a_tender_is_opened_once():
    story = Story()
    story.when(opening())
    story.refuses(opening(), "tender_already_open")


def test_nothing_is_decided_before_bidding_has_closed_and_every_bid_is_settled():
    story = Story()
    story.refuses(proposing(), "tender_not_found")
    story.when(opening())
    story.refuses(proposing(), "tender_bidding_open")
    story.when(CloseBidding(at=AFTER))
    story.refuses(proposing(cleared=None), "tender_bidding_open")
    story.refuses(proposing(free_g=19), "supply_beyond_stock")
    story.refuses(proposing(cleared=replace(CLEARED, awards=(), left_units=2)), "tender_sells_nothing")


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
    story.when(opening())
    story.when(CloseBidding(at=AFTER))
    story.refuses(proposing(cleared=replace(CLEARED, **changes)), "decision_unsound")


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (approving(approval=approve(DECISION, KEY, approver="sub_approver", purpose="decision")), "approval_of_another_decision"),
        (approving(approval=approve("ff" * 32, KEY, approver="sub_approver", purpose="tender")), "approval_of_another_decision"),
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
    Story().proposed().refuses(command, code)


def test_who_approved_once_does_not_count_twice():
    story = Story().proposed()
    story.when(approving())
    story.refuses(approving(), "approval_duplicate")


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
    story.when(approving())
    story.refuses(certifying(**changes), code)


def test_a_certified_tender_is_not_decided_again():
    story = Story().certified()
    for command in (proposing(), approving(), certifying(), CancelTender(reason="late")):
        story.refuses(command, "tender_already_certified")
    story.when(CloseTender(decision=DECISION))
    story.refuses(CancelTender(reason="late"), "tender_closed")


# Bids


def committing(at: datetime = BEFORE, **changes: Any) -> CommitBid:
    sealed = committed("JP")
    told: dict[str, Any] = {"bid": sealed.bid, "tender": TENDER, "partner": JP, "commitment": sealed.commitment, "terms": TERMS, "at": at}
    return CommitBid(**(told | changes))


def revealing(at: datetime = BETWEEN, **changes: Any) -> RevealBid:
    opened = revealed("JP")
    told: dict[str, Any] = {"tender": TENDER, "partner": JP, "salt": opened.salt, "steps": opened.steps, "terms": TERMS, "at": at}
    return RevealBid(**(told | changes))


def after(*events: Any) -> Bid:
    return reduce(bids.evolve, events, Bid())


VOID = BidVoided(bid=committed("JP").bid, tender=TENDER, partner=JP)


def test_a_bid_is_sealed_then_revealed():
    assert bids.decide(committing(), Bid()) == [committed("JP")]
    assert bids.decide(revealing(), after(committed("JP"))) == [revealed("JP")]


def test_a_later_seal_takes_the_place_of_an_earlier_one_and_the_same_again_is_nothing():
    first = replace(committed("JP"), commitment="00" * 32)
    assert bids.decide(committing(bid="bid_another"), after(first)) == [committed("JP")]
    assert bids.decide(committing(), after(committed("JP"))) == []


def test_a_bid_is_void_at_its_instant_unless_it_was_revealed():
    void = VoidBid(at=TERMS.reveal_until)
    sealed = committed("JP")
    assert bids.timers(sealed) == [Timer.at_instant("void", TERMS.reveal_until, void)]
    assert bids.timers(revealed("JP")) == [CancelTimer("void")]
    assert bids.decide(void, after(sealed)) == [VOID]
    assert bids.decide(VoidBid(at=BETWEEN), after(sealed)) == []
    for state in (Bid(), after(sealed, revealed("JP")), after(sealed, VOID)):
        assert bids.decide(void, state) == []


@pytest.mark.parametrize(
    ("command", "state", "code"),
    [
        (committing(at=TERMS.commit_until), Bid(), "bid_too_late"),
        (committing(commitment="00" * 32), after(committed("JP"), revealed("JP")), "bid_too_late"),  # whatever the clock says
        (committing(partner="AU"), Bid(), "bidder_not_qualified"),
        (revealing(), Bid(), "bid_not_committed"),
        (revealing(at=BEFORE), after(committed("JP")), "reveal_too_early"),
        (revealing(at=TERMS.reveal_until), after(committed("JP")), "reveal_too_late"),
        (revealing(), after(committed("JP"), VOID), "reveal_too_late"),
        (revealing(), after(committed("JP"), revealed("JP")), "bid_already_revealed"),
        (revealing(salt="00" * 16), after(committed("JP")), "bid_differs_from_commitment"),
        (revealing(steps=(BidStep(price="1100", units=2),)), after(committed("JP")), "bid_differs_from_commitment"),
        (revealing(partner="US"), after(committed("JP")), "bid_differs_from_commitment"),
    ],
)
def test_a_bid_that_is_no_good_is_refused(command: Any, state: Bid, code: str):
    decided = bids.decide(command, state)
    assert isinstance(decided, Refused), decided
    assert decided.code == code


def test_a_commitment_says_who_bids_in_which_tender():
    """So that nobody passes another's seal off as their own."""
    assert isinstance(committed("JP"), BidCommitted)
    assert len({committed(partner).commitment for partner in ("JP", "US", "EU")}) == 3
