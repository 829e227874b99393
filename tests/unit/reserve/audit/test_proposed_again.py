"""The audit of proposing again: one person does not undo so what another has signed."""

from datetime import UTC, datetime
from typing import Any, Self

import pytest
from msgspec.structs import replace

from reserve.audit.evidence import Recorded
from reserve.audit.proposed_again import ProposedAgain
from reserve.audit.report import Check, Findings
from services.allocation.events import (
    ApprovalsLapsed,
    ObjectionAnswered,
    RequestAccepted,
    RequestDeclined,
    RoundApproved,
    RoundOpened,
    RoundProposed,
    RoundReopened,
    TenderApproved,
    TenderOpened,
    TenderProposed,
    TenderReopened,
)
from shared.terms.acting import Approval

NOON = datetime(2026, 1, 6, 12, tzinfo=UTC)
SIGNED = Approval(subject="ann", key="a1" * 8, signature="f0" * 64, approved_on=NOON.date())


def told(kind: Any, **known: Any) -> Any:
    return kind(**(dict.fromkeys(kind.__struct_fields__, "") | known))


ROUND = {
    "opened": told(RoundOpened, round="rnd_1", opened_by="bob"),
    "proposed": told(RoundProposed, round="rnd_1", reads="as they were"),
    "approved": told(RoundApproved, round="rnd_1", approval=SIGNED, outlasts_screening=False),
    "fell": told(ApprovalsLapsed, round="rnd_1", keys=(SIGNED.key,), decision_stands=False),
    "reopened": told(RoundReopened, round="rnd_1"),
}
TENDER = {
    "opened": told(TenderOpened, tender="tnd_1", opened_by="bob"),
    "proposed": told(TenderProposed, tender="tnd_1", agreements="as they were"),
    "approved": told(TenderApproved, tender="tnd_1", approval=SIGNED),
    "reopened": told(TenderReopened, tender="tnd_1"),
}


class History:
    def __init__(self, *events: Any) -> None:
        self.findings = Findings()
        self._again = ProposedAgain(self.findings)
        self._commands = 0
        for event in events:
            self.sees(event)

    def sees(self, *events: Any) -> Self:
        """In one command."""
        self._commands += 1
        known = {"command_id": str(self._commands), "shard": 0, "position": 0, "version": 0}
        record = Recorded(**{name: known.get(name, "") for name in Recorded.__struct_fields__})
        for event in events:
            self._again.see("a place", record, event)
        return self

    def found(self) -> tuple[int, int]:
        """(failures, listed)."""
        results = [each for each in self.findings.results() if each.check == Check.CONTROL.name.lower()]
        return sum(len(each.failures) for each in results), sum(len(each.listed) for each in results)


@pytest.mark.parametrize("of", [ROUND, TENDER], ids=["round", "tender"])
def test_over_an_approval_one_proposes_again_only_what_has_changed(of: dict[str, Any]) -> None:
    begun = (of["opened"], of["proposed"], of["approved"])
    again = [of["fell"]] if "fell" in of else []
    assert History(*begun).sees(*again, of["proposed"]).found() == (1, 0)
    assert History(*begun).sees(of["proposed"]).found() == (1, 0), "and does not say that it fell"
    changed = replace(of["proposed"], **{"reads" if of is ROUND else "agreements": "otherwise"})
    assert History(*begun).sees(*again, changed).found() == (0, 0)
    assert History(of["opened"], of["proposed"]).sees(of["proposed"]).found() == (0, 0), "nobody had approved it"
    assert History(*begun, of["reopened"], of["proposed"]).found() == (0, 0), "inventory had refused it"
    old = replace(of["opened"], opened_by=None)
    assert History(old, *begun[1:]).sees(*again, of["proposed"]).found() == (0, 1), "in an older build"


def test_what_fell_by_itself_is_proposed_again_and_an_approval_that_lapsed_is_none() -> None:
    begun = (ROUND["opened"], ROUND["proposed"], ROUND["approved"])
    assert History(*begun).sees(ROUND["fell"]).sees(ROUND["proposed"]).found() == (0, 0)
    revoked = replace(ROUND["fell"], decision_stands=True)
    assert History(*begun).sees(revoked).sees(ROUND["fell"], ROUND["proposed"]).found() == (0, 0)


def test_who_undoes_an_approval_by_screening_a_request_anew_is_found_once_it_outlasts_that() -> None:
    begun = (ROUND["opened"], ROUND["proposed"], replace(ROUND["approved"], outlasts_screening=True))
    declined, answered = told(RequestDeclined, request="req_1"), told(ObjectionAnswered, request="req_1")
    for screened in (told(RequestAccepted, request="req_1"), declined):
        assert History(*begun).sees(screened, ROUND["fell"]).found() == (1, 0)
        assert History(*begun).sees(screened).sees(ROUND["fell"]).found() == (0, 0), "it fell by something else"
    assert History(*begun).sees(answered, told(RequestAccepted, request="req_1"), ROUND["fell"]).found() == (0, 0)
    later = History(*begun, ROUND["fell"], ROUND["proposed"], ROUND["approved"])
    assert later.sees(declined, ROUND["fell"]).found() == (1, 0), "the rule stays in force in its book"


def test_an_approval_that_fell_so_in_an_earlier_build_is_listed() -> None:
    begun = (ROUND["opened"], ROUND["proposed"], ROUND["approved"])
    accepted, answered = told(RequestAccepted, request="req_1"), told(ObjectionAnswered, request="req_1")
    assert History(*begun).sees(accepted, ROUND["fell"]).found() == (0, 1)
    assert History(*begun).sees(answered, accepted, ROUND["fell"]).found() == (0, 0), "its partner had objected, and another answered"
    assert History(*begun).sees(accepted).sees(ROUND["fell"]).found() == (0, 0), "it fell by something else"
    assert History(*begun[:2]).sees(accepted, ROUND["fell"]).found() == (0, 0), "nobody had approved it"
