"""The audit of withdrawing: what one person withdrew alone was their own, from the first on that two have withdrawn."""

from datetime import UTC, datetime, timedelta
from typing import Any, Self

import pytest

from reserve.audit.approvers import Approvers
from reserve.audit.evidence import Recorded
from reserve.audit.report import Check, Findings
from reserve.audit.withdrawing import Withdrawing
from services.allocation.events.authority import PersonNamed
from services.loans.events import equity, loan, material
from shared.terms.countersigning import CommandApproved

NOON = datetime(2026, 1, 6, 12, tzinfo=UTC)


def told(kind: type, **known: Any) -> Any:
    return kind(**(dict.fromkeys(kind.__struct_fields__, "") | known))


ASKED: dict[str, tuple[Any, Any]] = {
    "loan": (told(loan.LoanProposed, loan="lon_1", proposed_by="bob"), told(loan.LoanWithdrawn, loan="lon_1")),
    "act": (told(loan.ActProposed, act="act_1", proposed_by="bob"), told(loan.ActWithdrawn, act="act_1")),
    "advance": (told(loan.AdvanceRequested, loan="lon_1", advance="adv_1"), told(loan.AdvanceWithdrawn, loan="lon_1", advance="adv_1")),
    "holding": (told(equity.HoldingProposed, holding="eqh_1", proposed_by="bob"), told(equity.HoldingWithdrawn, holding="eqh_1")),
    "write-down": (told(equity.WriteDownProposed, flow="eqf_1", proposed_by="bob"), told(equity.WriteDownWithdrawn, flow="eqf_1")),
}
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
def test_what_somebody_asked_for_is_withdrawn_by_them_or_by_two(what: str):
    asked, gone = ASKED[what]
    two = History().sees(asked).sees(SIGNED, gone, by="ann")
    assert two.found() == (0, 0)
    for account in ("bob", "bob-2"):
        assert History().sees(asked).sees(SIGNED, gone, by="ann").sees(asked).sees(gone, by=account).found() == (0, 0)
    assert History().sees(asked).sees(gone, by="thief").found() == (0, 1), "in an older build"
    assert History().sees(asked).sees(SIGNED, gone, by="ann").sees(asked).sees(gone, by="thief").found() == (1, 0)
    assert History().sees(asked).sees(SIGNED, gone, by="ann").sees(asked).sees(gone, by="service:loans").found() == (0, 0)


def test_an_award_of_metal_is_nobody_s_own():
    assert History().sees(METAL).found() == (0, 1)
    assert History().sees(SIGNED, METAL).sees(METAL).found() == (1, 0)
    assert History().sees(SIGNED, METAL).sees(METAL, by="service:inventory").found() == (0, 0)
