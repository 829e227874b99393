"""Acting under authority, as every service that takes it up gets it: a proposal, and signatures over it."""

from datetime import date, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec import structs
from msgspec.structs import replace

from shared.journal.decider import Refused
from shared.terms.acting import (
    Approval,
    ApprovalReason,
    Proposal,
    Signing,
    approved,
    cited_for,
    counting,
    is_complete,
    resting_on,
    sign,
    without,
)
from shared.terms.approval import approve
from shared.terms.authority import Action, Capacity, Fault, interest_in
from tests.stories.powers import may

TODAY = date(2026, 1, 6)
DOCUMENT = "ab" * 32
KEYS = {name: Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32) for number, name in enumerate(("ann", "ben", "eve"))}
PROPOSAL = Proposal(purpose="purchase", document=DOCUMENT, proposed_by=frozenset({"eve"}), needed=2)
ACTION = Action(act="commit_loan", amount_minor=100, currency="AUD", concerns=(interest_in("company", "Hillgrove"),))


def signing(by: str = "ann", document: str = DOCUMENT, purpose: str = "purchase", **changes: Any) -> Signing:
    given: dict[str, Any] = {"approval": approve(document, KEYS[by], approver=by, purpose=purpose), "capacity": may(by, TODAY)}
    return Signing(**({"key": "enrolled", "signature_valid": True} | given | changes))


def signed(proposal: Proposal, sent: Signing, action: Action = ACTION) -> Proposal:
    given = sign(proposal, sent, action)
    assert not isinstance(given, Refused), given
    approval, cited = given
    return cited_for(approved(proposal, approval), cited)


def test_as_many_people_as_it_needs_approve_what_another_proposes():
    once = signed(PROPOSAL, signing("ann"))
    twice = signed(once, signing("ben"))
    assert [is_complete(each, each.approvals.values()) for each in (PROPOSAL, once, twice)] == [False, False, True]
    approval = min(twice.approvals.values(), key=lambda each: each.subject)
    assert approval == Approval(
        subject="ann", key=signing("ann").approval.key_id, signature=signing("ann").approval.signature, approved_on=TODAY
    )


@pytest.mark.parametrize(
    ("sent", "reason", "field"),
    [
        (signing("ann", capacity=may("ben", TODAY)), ApprovalReason.ANOTHER_APPROVER, "/approver"),
        (signing("eve"), ApprovalReason.BY_PROPOSER, None),
        (signing(purpose="loan"), ApprovalReason.ANOTHER_DOCUMENT, "/purpose"),
        (signing(document="cd" * 32), ApprovalReason.ANOTHER_DOCUMENT, "/document"),
        (signing(key="unknown"), ApprovalReason.KEY_NOT_FOUND, "/key_id"),
        (signing(key="revoked"), ApprovalReason.KEY_REVOKED, "/key_id"),
        (signing(signature_valid=False), ApprovalReason.SIGNATURE_INVALID, "/signature"),
        (signing(capacity=Capacity(by="ann", on=TODAY)), Fault.MISSING, "/authority"),
        (signing(capacity=may("ann", TODAY, limit_minor=99, currency="AUD")), Fault.OVER_LIMIT, "/authority"),
        (signing(capacity=may("ann", TODAY, conflicts=frozenset({"company/hillgrove"}))), Fault.CONFLICT, None),
    ],
    ids=lambda each: str(each) if isinstance(each, str) else "",
)
def test_a_signature_that_does_not_approve_it_is_refused(sent: Signing, reason: object, field: str | None):
    refused = sign(PROPOSAL, sent, ACTION)
    assert isinstance(refused, Refused)
    assert (refused.code, refused.field) == (reason, field)


def test_nobody_approves_twice_nor_with_the_key_of_another_who_has():
    once = signed(PROPOSAL, signing("ann"))
    other_key = approve(DOCUMENT, KEYS["ben"], approver="ann", purpose="purchase")
    shared_key = approve(DOCUMENT, KEYS["ann"], approver="ben", purpose="purchase")
    for sent in (signing("ann"), signing("ann", approval=other_key), signing("ben", approval=shared_key)):
        refused = sign(once, sent, ACTION)
        assert isinstance(refused, Refused)
        assert refused.code is ApprovalReason.DUPLICATE


def test_an_approval_counts_while_its_key_and_what_it_cites_do():
    twice = signed(signed(PROPOSAL, signing("ann")), signing("ben"))
    held = {"ann": may("ann", TODAY).held[0], "ben": may("ben", TODAY).held[0]}
    by_ann = {chain[0].id: chain for chain in (held["ann"],)}
    assert [each.subject for each in counting(twice, (), by_ann, TODAY)] == ["ann"]  # ben's authority is not there any more
    [key] = [key for key, approval in twice.approvals.items() if approval.subject == "ann"]
    assert counting(twice, (key,), by_ann, TODAY) == ()
    ended = {id: (replace(chain[0], ended_on=TODAY),) for id, chain in by_ann.items()}
    assert counting(twice, (), ended, TODAY) == ()
    assert [each.subject for each in counting(twice, (), ended, TODAY - timedelta(days=1))] == ["ann"]
    assert [each.subject for each in without(twice, (key,)).approvals.values()] == ["ben"]


def test_approvals_rest_on_what_they_cite_and_on_all_above_it():
    act, *_ = may("eve", TODAY).held[0]
    below = replace(act, id="ins_below", under=act.id, holder="ann", kind="direction")
    once = signed(PROPOSAL, signing("ann", capacity=Capacity(by="ann", on=TODAY, held=((below, act),))))
    assert resting_on(once, act.id) == resting_on(once, "ins_below") == tuple(once.approvals)
    assert resting_on(once, "ins_other") == ()


def test_the_accounts_of_one_person_count_once():
    of_one = Capacity(**(structs.asdict(may("ben", TODAY)) | {"others": frozenset({"ann"})}))
    once = signed(PROPOSAL, signing("ann"))
    assert sign(once, signing("ben", capacity=of_one), ACTION).code is ApprovalReason.DUPLICATE
    [proposer] = PROPOSAL.proposed_by
    also_proposer = Capacity(**(structs.asdict(may("ben", TODAY)) | {"others": frozenset({proposer})}))
    assert sign(PROPOSAL, signing("ben", capacity=also_proposer), ACTION).code is ApprovalReason.BY_PROPOSER
