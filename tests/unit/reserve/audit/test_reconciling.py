"""The audit of reconciling: another person has found each payment in the bank's statement before anything left; late ones are listed."""

from datetime import UTC, datetime, timedelta
from typing import Any, Self

import pytest

from reserve.audit.approvers import Approvers
from reserve.audit.evidence import Recorded
from reserve.audit.reconciling import Reconciling
from reserve.audit.report import Check, Findings
from services.allocation.events.authority import PersonNamed
from services.loans.events.loan import LoanClosed, PaymentReconciled, PaymentRecorded, PaymentReversed
from services.loans.events.terms import Refund
from tests.stories.audit_loans import CMF, LOAN, BookChange, act_approved, payment

NOON = datetime(2026, 1, 6, 12, tzinfo=UTC)
CLOSED = LoanClosed(facility=CMF, reason="repaid", **LOAN)
REFUNDED = act_approved("act_1", Refund(amount_minor=1, reference="back", on=NOON.date()), "d1" * 32)


class History:
    """`bob-2` is another account of Bob's."""

    def __init__(self) -> None:
        self.findings = Findings()
        self._approvers = Approvers(self.findings, frozenset({"log"}))
        self._reconciling = Reconciling(self.findings, self._approvers)
        self._at = NOON
        for account in ("bob", "bob-2"):
            self.sees("named", PersonNamed(official=account, person="p_bob"))  # type: ignore[arg-type]

    def records(self, place: str = "record", actor: str = "bob", recorded_by: str | None = "bob") -> Self:
        event = payment("pay_1", 5, BookChange())
        told = {name: getattr(event, name) for name in event.__struct_fields__} | {"recorded_by": recorded_by}
        return self.sees(place, PaymentRecorded(**told), actor)

    def reconciles(self, by: str, actor: str | None = None) -> Self:
        found = PaymentReconciled(payment="pay_1", statement="2026/1", reconciled_by=by, **LOAN)  # type: ignore[arg-type]
        return self.sees("reconcile", found, actor or by)

    def reverses(self) -> Self:
        told: dict[str, Any] = dict.fromkeys(PaymentReversed.__struct_fields__) | LOAN | {"payment": "pay_1"}
        return self.sees("reverse", PaymentReversed(**told))

    def sees(self, place: str, event: Any, actor: str = "") -> Self:
        self._at += timedelta(minutes=10)
        record: dict[str, Any] = {"recorded_at": self._at.isoformat(), "actor": actor}
        told = {name: record.get(name, 0 if name in ("shard", "position", "version") else "") for name in Recorded.__struct_fields__}
        if isinstance(event, PersonNamed):
            self._approvers.see(place, Recorded(**told), event)
        self._reconciling.see(place, Recorded(**told), event)
        return self

    def days_pass(self, days: int) -> Self:
        self._at += timedelta(days=days)
        return self.sees("later", None)

    def found(self) -> tuple[list[str], list[str]]:
        """(failures, listed)."""
        self._reconciling.finish()
        [result] = [each for each in self.findings.results() if each.check == Check.CONTROL.name.lower()]
        return [each.place for each in result.failures], [each.place for each in result.listed]


@pytest.mark.parametrize("leaves", [CLOSED, REFUNDED], ids=["closed", "refunded"])
def test_nothing_leaves_over_a_payment_that_nobody_has_reconciled(leaves: Any):
    assert History().records().reconciles("ann").sees("leave", leaves).found() == ([], [])
    assert History().records().reverses().sees("leave", leaves).found() == ([], [])
    assert History().records().sees("leave", leaves).found() == (["leave"], [])


def test_who_has_recorded_it_does_not_reconcile_it_by_whatever_account():
    assert History().records().reconciles("bob-2").found() == (["reconcile"], [])
    assert History().records().reconciles("ann", actor="bob").found() == (["reconcile"], [])
    assert History().reconciles("ann").found() == (["reconcile"], [])


def test_what_nobody_has_reconciled_for_three_business_days_is_listed():
    assert History().records().days_pass(3).found() == ([], [])
    assert History().records().days_pass(6).found() == ([], ["record"])


def test_who_recorded_it_is_said_once_it_is_known():
    assert History().records("before", recorded_by=None).records().reconciles("ann").found() == ([], [])
    assert History().records().reconciles("ann").records("after", recorded_by=None).found()[0] == ["after"]
    assert History().records(recorded_by="ann").reconciles("zoe").found() == (["record"], [])
