"""The audit of persons: who answers, reviews, approves a consignee and withdraws a conflict is nobody who may not, by whatever account."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from reserve.audit.apart import Persons
from reserve.audit.approvers import Approvers
from reserve.audit.evidence import Recorded
from reserve.audit.report import Check, Findings
from services.allocation import events as allocation
from services.allocation.events.authority import PersonNamed
from services.inventory import events as inventory
from shared.terms.acting import Approval
from shared.terms.countersigning import CommandApproved

NOON = datetime(2026, 1, 6, 12, tzinfo=UTC)
OF: dict[str, Any] = {"product": "antimony-metal", "partner": "JP", "request": "req_1"}


class History:
    """`bob-2` is another account of Bob's."""

    def __init__(self, *, in_force: bool = True) -> None:
        self.findings = Findings()
        self._approvers = Approvers(self.findings, frozenset({"log"}))
        self._persons = Persons(self.findings, self._approvers)
        self._minutes = 0
        for account in ("bob", "bob-2"):
            self.sees("named", PersonNamed(official=account, person="p_bob"))  # type: ignore[arg-type]
        if in_force:
            approval = Approval(subject="zoe", key="k", signature="", approved_on=NOON.date(), origin="log")
            self.sees("approved", SimpleNamespace(approval=approval))

    def sees(self, place: str, event: Any, actor: str = "", command: str = "") -> "History":
        self._minutes += 10
        at = NOON + timedelta(minutes=self._minutes)
        record: dict[str, Any] = {"recorded_at": at.isoformat(), "actor": actor, "command_id": command}
        told = {name: record.get(name, 0 if name in ("shard", "position", "version") else "") for name in Recorded.__struct_fields__}
        if isinstance(event, PersonNamed):
            self._approvers.see(place, Recorded(**told), event)
        self._persons.see(place, Recorded(**told), event)
        return self

    def proposes(self) -> "History":
        return self.sees("proposed", any_of(allocation.RoundProposed, round="rnd_1", proposed_by="bob"))

    def found(self) -> tuple[list[str], list[str]]:
        """(failures, listed)."""
        self._persons.finish()
        [result] = [each for each in self.findings.results() if each.check == Check.CONTROL.name.lower()]
        return [each.place for each in result.failures], [each.place for each in result.listed]


def any_of(kind: Any, **told: Any) -> Any:
    """An event of which only this is looked at."""
    return kind(**(dict.fromkeys(kind.__struct_fields__, None) | told))


def answers(by: str) -> Any:
    return any_of(allocation.ObjectionAnswered, **OF, round="rnd_1", answered_by=by)


def reviews(story: History, by: str) -> History:
    story.sees("asked", any_of(allocation.ReviewRequested, review="rev_1", round="rnd_1"))
    return story.sees("concluded", any_of(allocation.ReviewConcluded, review="rev_1", reviewer=by))


def consignee(story: History, by: str) -> History:
    story.sees("asked", any_of(allocation.ConsigneeChangeAsked, change="chg_1", asked_by="bob"))
    return story.sees("changed", any_of(allocation.ConsigneeChangeApproved, change="chg_1", approved_by=by))


def dispatches(story: History, by: str) -> History:
    gate = inventory.GateEvidence(gate="consignee_named", evidence="", by="bob")
    return story.sees("left", any_of(inventory.DrawDispatched, gates=(gate,)), by)


def withdraws(story: History, proposer: str, signer: str) -> History:
    approval = Approval(subject=signer, key="k", signature="", approved_on=NOON.date())
    story.sees("signed", any_of(CommandApproved, proposed_by=proposer, approval=approval), command="c")
    return story.sees("withdrawn", any_of(allocation.ConflictWithdrawn, official="bob"), command="c")


@pytest.mark.parametrize("by", ["bob", "bob-2"])
@pytest.mark.parametrize(
    ("act", "place"),
    [
        (lambda by: History().proposes().sees("answered", answers(by)), "answered"),
        (lambda by: reviews(History().proposes(), by), "concluded"),
        (lambda by: consignee(History(), by), "changed"),
        (lambda by: dispatches(History(), by), "left"),
        (lambda by: withdraws(History(), by, "ann"), "withdrawn"),
        (lambda by: withdraws(History(), "ann", by), "withdrawn"),
    ],
    ids=["answers", "reviews", "approves a consignee", "dispatches to it", "withdraws", "signs for it"],
)
def test_who_may_not_is_found_by_whatever_account(act: Any, place: str, by: str) -> None:
    assert act(by).found() == ([place], [])
    assert act("cid").found() == ([], [])


def test_what_an_old_history_could_not_know_is_listed() -> None:
    assert dispatches(History(in_force=False), "bob-2").found() == ([], ["left"])


def test_what_was_under_way_when_accounts_were_named_one_persons_is_no_fault_for_a_minute() -> None:
    history = History()
    named_at = NOON + timedelta(minutes=20)  # of the second account
    same = history._approvers.same
    assert not same("bob-2", ("bob",), named_at + timedelta(seconds=60))
    assert same("bob-2", ("bob",), named_at + timedelta(seconds=61))
