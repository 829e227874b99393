"""A project, and what is known of it, told in commands."""

from datetime import date
from typing import Any

from services.loans.domain.projects.project import RecordFact, RecordRight, Watch, WithdrawFact
from services.loans.events.loan import LoanId
from services.loans.events.project import ProjectFact, ProjectFactId
from services.loans.events.terms import ProjectCode

HILLGROVE = ProjectCode("hillgrove")
TODAY = date(2026, 1, 6)
LOAN, OTHER_LOAN = LoanId("lon_1"), LoanId("lon_2")


def a_fact(name: str = "fct_1", **changes: Any) -> ProjectFact:
    told: dict[str, Any] = {
        "fact": ProjectFactId(name),
        "kind": "permit",
        "subject": "mining lease 1332",
        "product": None,
        "quantity": None,
        "unit": None,
        "binding": None,
        "by": "usr_1",
        "since": TODAY,
        "until": None,
    }
    return ProjectFact(**(told | changes))


def record(name: str = "fct_1", evidence: tuple[str, ...] = ("NSW register",), **changes: Any) -> RecordFact:
    return RecordFact(project=HILLGROVE, known=a_fact(name, **changes), evidence=evidence)


def output(name: str, quantity: int, **changes: Any) -> RecordFact:
    return record(name, **({"kind": "output", "subject": None, "quantity": quantity, "unit": "g"} | changes))


def offtake(name: str, quantity: int, **changes: Any) -> RecordFact:
    return record(name, **({"kind": "offtake", "subject": name, "quantity": quantity, "unit": "g", "binding": True} | changes))


def a_right(name: str = "rgt_9", mass_g: int = 900, product: str = "antimony-metal") -> RecordRight:
    return RecordRight(
        project=HILLGROVE, right=name, product=product, mass_g=mass_g, since=TODAY, until=date(2026, 9, 30), place="inventory/0/7"
    )


def withdraw(name: str = "fct_1") -> WithdrawFact:
    return WithdrawFact(fact=ProjectFactId(name), by="usr_2", reason="the lease was surrendered")


def watch(loan: LoanId = LOAN) -> Watch:
    return Watch(project=HILLGROVE, loan=loan)
