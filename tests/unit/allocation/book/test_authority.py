"""Rounds are approved under an authority that covers the decision: then, and once more when they are certified."""

from datetime import date
from typing import Any

import msgspec
import pytest

from services.allocation.domain.book.lapses import AuthorityEnded, LapseApprovals
from services.allocation.domain.book.state import Reason
from services.allocation.events import ApprovalsLapsed, AuthorityCited, InstrumentId, RoundApproved, RoundCertified
from shared.terms.authority import Acting, Cited, Fault, Link
from tests.stories.book import ANOTHER, ANTIMONY, APPROVER, ROUND, TODAY, UNIT_G, Story, a_proposal, authority

OWN = f"ins_{APPROVER}"


def certified_with(story: Story, *chains: Any, **changes: Any) -> Any:
    return story.certify(authorities={chain[0].id: chain for chain in chains}, **changes)


def test_an_approval_cites_the_authority_that_it_is_under():
    story = a_proposal(10, supply=5)
    approved, cited = story.when(story.approve()).events
    assert isinstance(approved, RoundApproved)
    assert cited == AuthorityCited(
        matter=ROUND,
        cited=Cited(
            authority=OWN,
            version=1,
            under=(Link(authority="ins_act", version=1),),
            act="approve_decision",
            by=APPROVER,
            product=ANTIMONY,
            mass_g=5 * UNIT_G,
            amount_minor=None,
            currency=None,
        ),
    )


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"acts": frozenset({"ratify"})}, Fault.OTHER_ACT),
        ({"products": frozenset({"gallium"})}, Fault.OTHER_PRODUCT),
        ({"valid_until": date(2026, 1, 5)}, Fault.OUT_OF_DATE),
        ({"ended_on": TODAY}, Fault.OUT_OF_DATE),
        ({"limit_g": 5 * UNIT_G - 1}, Fault.OVER_LIMIT),
    ],
    ids=str,
)
def test_an_approval_that_no_authority_covers_is_refused(change: dict[str, Any], reason: Fault):
    story = a_proposal(10, supply=5)
    story.when(story.approve(held=(authority(APPROVER, **change),))).refused(reason)
    story.given(story.approve(held=(authority(APPROVER, **change), authority(APPROVER))))


def test_without_any_authority_or_with_another_persons_nobody_approves():
    story = a_proposal(10, supply=5)
    story.when(story.approve(held=())).refused(Fault.MISSING)
    story.when(story.approve(held=(authority(ANOTHER),))).refused(Fault.MISSING)
    story.when(story.approve(held=(authority(ANOTHER),), named=f"ins_{ANOTHER}")).refused(Fault.OF_ANOTHER)
    acting = Acting(subject=APPROVER, valid_from=TODAY, valid_until=TODAY)
    story.given(story.approve(held=(authority(ANOTHER, acting=(acting,)),)))


@pytest.mark.parametrize("conflict", ["partner/jp", f"product/{ANTIMONY}", "company/sojitz", f"round/{ROUND}"])
def test_a_conflict_of_interest_bars_from_approving(conflict: str):
    story = a_proposal(10, supply=5)
    story.when(story.approve(conflicts=frozenset({conflict}))).refused(Fault.CONFLICT)
    story.given(story.approve(conflicts=frozenset({"partner/eu", "company/another"})))


def test_an_approval_whose_authority_has_ended_by_then_certifies_nothing():
    story = a_proposal(10, supply=5)
    story = story.given(story.approve())
    ended = authority(APPROVER, ended_on=TODAY)
    act, statute = authority(APPROVER)
    for chains in ((), (ended,), ((act, msgspec.structs.replace(statute, ended_on=TODAY)),)):
        story.when(certified_with(story, *chains)).refused(Reason.APPROVALS_MISSING)
    assert any(isinstance(event, RoundCertified) for event in story.when(certified_with(story, authority(APPROVER))).events)


def test_approvals_lapse_with_the_authority_that_they_cite_or_one_above_it():
    for instrument in (OWN, "ins_act"):
        story = a_proposal(10, supply=5, approvals_needed=2)
        story = story.given(story.approve(), story.approve(ANOTHER))
        lapse = LapseApprovals(cause=AuthorityEnded(instrument=InstrumentId(instrument)))
        story = story.when(lapse)
        [event] = story.events
        assert isinstance(event, ApprovalsLapsed)
        both = instrument == "ins_act"
        assert (len(event.keys), event.decision_stands, event.cause) == (2 if both else 1, True, f"instrument {instrument}")
        story.when(lapse).then()
        story = story.given(story.approve(held=(authority(APPROVER, id="ins_new"),)))
