"""No sequence of acts by one person takes from others for longer than 72 hours what they have signed, or for good.

The deciders are the services' own, under their controls; what a service looks up for a command is looked up here in the same way.
"""

from datetime import date
from typing import Any

from hypothesis import given, settings
from msgspec.structs import replace

from services.loans.domain import controls as loans
from services.loans.domain.loan import decider as loan
from services.loans.domain.loan.agreement import ApproveLoan, CommitLoan
from services.loans.domain.loan.covenants import ReportRatio
from services.loans.domain.loan.defaults import DeclareDefault
from services.loans.domain.payees import payees
from services.loans.domain.payees.payees import EndPayee, RegisterPayee
from services.loans.domain.projects import project
from services.loans.domain.projects.project import WithdrawFact
from services.loans.events.payees import PayeeId
from services.loans.events.project import ProjectFactId
from services.loans.events.terms import Covenant, CovenantKind, Reinstate
from services.loans.reactions import react_to_own
from shared.journal.texts import TypedText
from shared.terms.countersigning import countersigned
from tests.stories import loan as lent
from tests.stories.project import offtake, output, record
from tests.stories.stockpile import TODAY
from tests.stories.stockpile_facts import fact
from tests.stories.town import BEGINS, STEPS, THIEF, Act, Town, go, never_for_longer

COVENANTS: tuple[CovenantKind, ...] = ("dscr", "llcr")
PAYEES = ("pye_1", "pye_2")


def a_loan() -> Town:
    """A loan in force, of which an advance waits that another person may pay, on a payee that two have registered."""
    deciders = {"loan/lon_1": loan.DECIDER, "payees/hillgrove-mines": payees.DECIDER, "project/hillgrove": project.DECIDER}
    controlled = {name: countersigned(each, loans.CONTROLS, loans.EVENTS) for name, each in deciders.items()}
    covenants = tuple(Covenant(kind=kind, minimum="1.3") for kind in COVENANTS)
    town = Town(BEGINS, deciders, controlled, _told_within_loans)
    town.given("payees/hillgrove-mines", *(_payee(name) for name in PAYEES))
    town.given("project/hillgrove", output("fct_1", 100), offtake("fct_2", 80), record("fct_3"))
    town.given("loan/lon_1", lent.propose(covenants=covenants), ApproveLoan(signing=lent.signing(lent.named("proposal"))))
    town.given("loan/lon_1", CommitLoan(on=town.today), lent.request(amount_minor=60_000, by="sub_asks"))
    town.free = {"the advance": _pays}
    return town


def _told_within_loans(event: Any, on: date) -> list[tuple[str, Any]]:
    told = replace(fact(event), record=replace(fact(event).record, effective_on=on.isoformat()))
    return [(each.stream, each.command) for each in react_to_own(told, {}) if each.stream.partition("/")[0] in ("loan", "project")]


def _payee(name: str) -> RegisterPayee:
    words = {part: TypedText(part) for part in ("holder", "bank", "account", "masked")}
    return RegisterPayee(payee=PayeeId(name), borrower=lent.terms().borrower, currency="AUD", by="sub_asks", on=TODAY, **words)


def _pays(town: Town) -> bool:
    """On either payee, as far as it is in force by now."""
    known = town.states["payees/hillgrove-mines"].payees
    return any(town.can("loan/lon_1", lent.pay_out(paid_on=town.today, payee=known[PayeeId(name)])) for name in PAYEES)


def declared(cause: Any) -> Act:
    def act(town: Town) -> bool:
        by = town.by_one(THIEF, *town.states["payees/hillgrove-mines"].words)
        return town.alone("loan/lon_1", DeclareDefault(reason="I say so", on=town.today, cause=cause, by=by))

    return act


def reported(kind: CovenantKind, ratio: str) -> Act:
    def act(town: Town) -> bool:
        by = town.by_one(THIEF, *town.states["payees/hillgrove-mines"].words)
        command = ReportRatio(kind=kind, ratio=ratio, for_on=town.today, source=TypedText("accounts"), on=town.today, by=by)
        return town.alone("loan/lon_1", command)

    return act


def ended(name: str) -> Act:
    def act(town: Town) -> bool:
        command = EndPayee(payee=PayeeId(name), by=town.by_one(THIEF, *town.states["loan/lon_1"].words), reason="a tip", on=town.today)
        return town.alone("payees/hillgrove-mines", command)

    return act


def shown(make: Any, **changes: Any) -> Act:
    def act(town: Town) -> bool:
        name = f"fct_thief_{next(town.numbers)}"
        return town.alone("project/hillgrove", make(name, 1_000, since=town.today, by=THIEF, subject=name, **changes))

    return act


def withdrawn_by_two(town: Town) -> None:
    for name in sorted(town.states["project/hillgrove"].facts):
        if name.startswith("fct_thief"):
            town.given("project/hillgrove", WithdrawFact(fact=ProjectFactId(name), by="sub_other", reason=TypedText("it is not so")))


def reinstated_by_two(town: Town) -> None:
    name = str(next(town.numbers))
    if town.by_two("loan/lon_1", lent.act(Reinstate(), name, town.today)):
        town.given("loan/lon_1", lent.sign_act(name, town.today))


LENDING: list[Act] = [
    *(declared(cause) for cause in ("other", "payment", "covenant")),
    *(reported(kind, ratio) for kind in COVENANTS for ratio in ("1.0", "1.5")),
    *(ended(name) for name in PAYEES),
    shown(output),
    shown(output, unit="t"),
    shown(offtake, binding=False),
    withdrawn_by_two,
    reinstated_by_two,
]


@settings(max_examples=400, deadline=None)
@given(STEPS)
def test_nobody_keeps_a_borrower_from_an_advance_for_longer(steps: list[tuple[int, int]]) -> None:
    town = a_loan()
    go(town, LENDING, steps)
    never_for_longer(town)
