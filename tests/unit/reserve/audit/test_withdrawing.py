"""The audit of withdrawing: what one person withdrew alone was their own, from the first on that two have withdrawn."""

from datetime import UTC, datetime, timedelta
from typing import Any, Self

import pytest
from msgspec.structs import replace

from reserve.audit.approvers import Approvers
from reserve.audit.evidence import Recorded
from reserve.audit.report import Check, Findings
from reserve.audit.withdrawing import Withdrawing
from services.allocation.events import RoundCancelled, RoundOpened, TenderCancelled, TenderOpened
from services.allocation.events.authority import PersonNamed
from services.allocation.events.policies import PolicyApproved, PolicyDrafted, PolicyRevised, PolicyWithdrawn
from services.loans.events import equity, loan, material
from shared.terms.countersigning import CommandApproved, CommandProposed, CommandWithdrawn

NOON = datetime(2026, 1, 6, 12, tzinfo=UTC)


def told(kind: Any, **known: Any) -> Any:
    return kind(**(dict.fromkeys(kind.__struct_fields__, "") | known))


ASKED: dict[str, tuple[Any, Any]] = {
    "loan": (told(loan.LoanProposed, loan="lon_1", proposed_by="bob"), told(loan.LoanWithdrawn, loan="lon_1")),
    "act": (told(loan.ActProposed, act="act_1", proposed_by="bob"), told(loan.ActWithdrawn, act="act_1")),
    "advance": (told(loan.AdvanceRequested, loan="lon_1", advance="adv_1"), told(loan.AdvanceWithdrawn, loan="lon_1", advance="adv_1")),
    "holding": (told(equity.HoldingProposed, holding="eqh_1", proposed_by="bob"), told(equity.HoldingWithdrawn, holding="eqh_1")),
    "write-down": (told(equity.WriteDownProposed, flow="eqf_1", proposed_by="bob"), told(equity.WriteDownWithdrawn, flow="eqf_1")),
}
OPENED: dict[str, tuple[Any, Any]] = {
    "round": (told(RoundOpened, round="rnd_1", opened_by="bob"), told(RoundCancelled, round="rnd_1")),
    "tender": (told(TenderOpened, tender="tnd_1", opened_by="bob"), told(TenderCancelled, tender="tnd_1")),
}
VERSION: dict[str, Any] = {"policy": "standing", "version": 1}
DRAFTED, GONE = told(PolicyDrafted, drafted_by="bob", **VERSION), told(PolicyWithdrawn, **VERSION)
METAL = told(material.MaterialLoanWithdrawn, loan="mln_1")
SIGNED = told(CommandApproved, proposal="prp_1", approval="by ann")


class History:
    """`bob-2` is another account of Bob's."""

    def __init__(self) -> None:
        self.findings = Findings()
        self._approvers = Approvers(self.findings, frozenset({"log"}))
        self._withdrawing = Withdrawing(self.findings, self._approvers)
        self._at = NOON
        for account in ("bob", "bob-2"):
            self.sees(PersonNamed(official=account, person="p_bob"))  # type: ignore[arg-type]

    def sees(self, *events: Any, by: str = "bob") -> Self:
        """In one command."""
        self._at += timedelta(minutes=10)
        for event in events:
            known: dict[str, Any] = {"recorded_at": self._at.isoformat(), "actor": by, "command_id": self._at.isoformat()}
            record = Recorded(
                **{name: known.get(name, 0 if name in ("shard", "position", "version") else "") for name in Recorded.__struct_fields__}
            )
            if isinstance(event, PersonNamed):
                self._approvers.see(str(self._at), record, event)
            self._withdrawing.see(str(self._at), record, event)
        return self

    def found(self) -> tuple[int, int]:
        """(failures, listed)."""
        self._withdrawing.finish()
        [control] = [each for each in self.findings.results() if each.check == Check.CONTROL.name.lower()]
        return len(control.failures), len(control.listed)


@pytest.mark.parametrize("what", ASKED)
def test_what_somebody_asked_for_is_withdrawn_by_them_or_by_two(what: str) -> None:
    asked, gone = ASKED[what]
    two = History().sees(asked).sees(SIGNED, gone, by="ann")
    assert two.found() == (0, 0)
    for account in ("bob", "bob-2"):
        assert History().sees(asked).sees(SIGNED, gone, by="ann").sees(asked).sees(gone, by=account).found() == (0, 0)
    assert History().sees(asked).sees(gone, by="thief").found() == (0, 1), "in an older build"
    assert History().sees(asked).sees(SIGNED, gone, by="ann").sees(asked).sees(gone, by="thief").found() == (1, 0)
    assert History().sees(asked).sees(SIGNED, gone, by="ann").sees(asked).sees(gone, by="service:loans").found() == (0, 0)


def test_an_advance_that_an_older_build_had_recorded_says_of_nobody_that_it_is_theirs() -> None:
    asked, gone = ASKED["advance"]
    old = replace(asked, requested_by=None)
    assert History().sees(asked).sees(SIGNED, gone, by="ann").sees(old).sees(gone, by="thief").found() == (0, 1)


def test_an_award_of_metal_is_nobody_s_own() -> None:
    assert History().sees(METAL).found() == (0, 1)
    assert History().sees(SIGNED, METAL).sees(METAL).found() == (1, 0)
    assert History().sees(SIGNED, METAL).sees(METAL, by="service:inventory").found() == (0, 0)


@pytest.mark.parametrize("what", OPENED)
def test_what_somebody_has_opened_is_cancelled_by_them_or_by_two_once_it_says_who(what: str) -> None:
    opened, gone = OPENED[what]
    old = replace(opened, opened_by=None)
    assert History().sees(opened).sees(gone, by="bob-2").found() == (0, 0)
    assert History().sees(opened).sees(SIGNED, gone, by="ann").found() == (0, 0)
    assert History().sees(opened).sees(gone, by="thief").found() == (1, 0)
    assert History().sees(old).sees(gone, by="thief").found() == (0, 1), "in an older build"
    two = History().sees(old).sees(SIGNED, gone, by="ann").sees(old).sees(gone, by="thief")
    assert two.found() == (0, 1), "which let two cancel, too"
    other = replace(opened, **{what: "another"})
    assert History().sees(old).sees(other).sees(gone, by="thief").found() == (0, 1), "opened in an older build"


def test_a_version_that_waits_is_withdrawn_by_who_drafted_it_or_by_two() -> None:
    for account, found in (("bob", (0, 0)), ("ann", (1, 0))):  # who revises it does not make it theirs
        story = History().sees(DRAFTED).sees(SIGNED, GONE, by="eve").sees(DRAFTED).sees(told(PolicyRevised, revised_by="ann", **VERSION))
        assert story.sees(GONE, by=account).found() == found
    assert History().sees(DRAFTED).sees(SIGNED, GONE, by="eve").sees(DRAFTED).sees(GONE, by="thief").found() == (1, 0)
    approved = told(PolicyApproved, **VERSION, approval=None)
    assert History().sees(DRAFTED).sees(approved).sees(GONE, by="thief").found() == (0, 0), "another check's"


def test_a_proposal_that_waits_is_withdrawn_by_who_made_it() -> None:
    waits = told(CommandProposed, proposal="prp_1", proposed_by="bob")
    for who, found in (("bob", (0, 0)), ("bob-2", (0, 0)), ("approver", (1, 0))):
        assert History().sees(waits).sees(told(CommandWithdrawn, proposal="prp_1", withdrawn_by=who), by=who).found() == found
    by_the_service = told(CommandWithdrawn, proposal="prp_1", withdrawn_by=None)
    assert History().sees(waits).sees(by_the_service, by="approver").found() == (0, 0)
