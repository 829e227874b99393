"""Whatever may happen to a loan, a holding or a material loan, in whatever order."""

from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Any

from hypothesis import strategies as st

from services.loans.domain.equity.decider import CancelUncalled
from services.loans.domain.equity.flows import ReverseDividend
from services.loans.domain.loan.advances import CancelCommitment, EndAvailability
from services.loans.domain.loan.agreement import ApproveLoan, CommitLoan
from services.loans.domain.loan.defaults import DeclareDefault
from services.loans.domain.loan.payments import CreditDelivery, RecordRecovery, ReversePayment
from services.loans.domain.loan.servicing import ChargeFee, ClosePeriod, ResetRate
from services.loans.domain.material.defaults import DeclareMaterialDefault, RecordReplacement
from services.loans.domain.material.held import CheckDue, RecordTakenBack, SettleInCash
from services.loans.domain.material.returns import TurnBackReturn
from services.loans.events.equity import EquityFlowId
from services.loans.events.loan import PaymentId
from services.loans.events.material import ReturnId
from services.loans.events.terms import Restructure, ScheduleTerms, WriteOff
from shared.journal.decider import Decider, Refused
from shared.terms.dating import Dated
from tests.stories import loan as facility_loan
from tests.stories import material
from tests.stories.equity import COMMITTED_ON, TODAY, divest, dividend, subscribe, value, write_down
from tests.stories.given import Given


def told(decider: Decider, commands: Iterable[Any]) -> Iterator[tuple[Any, Any]]:
    """Each command's events, and how things stand after them. What is refused did not happen."""
    story = Given(decider)
    for command in commands:
        story = story.when(command)
        if not isinstance(story.answer, Refused):
            yield story.answer, story.state


references = st.integers(0, 10**6).map(str)
later = st.integers(0, 400).map(lambda ahead: facility_loan.START + timedelta(days=ahead))
few = st.integers(0, 4).map(str)
contents_of_acts = st.one_of(
    st.builds(lambda amount, on: WriteOff(amount_minor=amount, on=on), st.integers(1, 90_000), later),
    st.builds(
        lambda on, periods, capitalise: Restructure(
            schedule=ScheduleTerms(kind="equal", start=on, every="1m", periods=periods, day_count="ACT/365F"),
            rate_pct="7",
            capitalise_overdue=capitalise,
        ),
        later,
        st.integers(1, 20),
        st.booleans(),
    ),
)


def next_act(content: Any, on: Any) -> Any:
    """Whatever is proposed is approved next."""
    return lambda loan: facility_loan.sign_act("a", on) if loan.acts else facility_loan.act(content, "a", on)


events_of_a_loan = st.one_of(
    st.builds(lambda name, minor, on: facility_loan.request(name, minor, on), few, st.integers(1, 60_000), later),
    st.builds(lambda name, paid_on, on: facility_loan.pay_out(name, min(paid_on, on), on), few, later, later),
    st.builds(lambda name, paid_on, on: facility_loan.pay_out(name, min(paid_on, on), on), few, later, later),
    st.builds(
        lambda name, minor, received_on, on, prepays: facility_loan.payment(name, minor, min(received_on, on), on, prepays),
        st.integers(0, 9).map(str),
        st.one_of(st.integers(1, 12_000), st.integers(1, 200_000)),
        later,
        later,
        st.sampled_from(["nothing", "instalment", "term"]),
    ),
    st.builds(lambda name, on: ReversePayment(payment=PaymentId(f"pay_{name}"), reason="x", on=on), st.integers(0, 9).map(str), later),
    st.builds(
        lambda name, minor, on: CreditDelivery(
            payment=PaymentId(f"pay_d{name}"), right="rgt_1", lot=f"lot_{name}", amount_minor=minor, received_on=on, on=on
        ),
        few,
        st.integers(1, 50_000),
        later,
    ),
    st.builds(lambda on: ClosePeriod(on=on), later),
    st.builds(lambda on: ClosePeriod(on=on), later),
    st.builds(
        lambda pct, on, now: ResetRate(base_pct=pct, source="x", from_on=on, dated_because=Dated.PAPER_LATE, on=now),
        st.sampled_from(["0", "3.5", "9"]),
        later,
        later,
    ),
    st.builds(
        lambda name, minor, due, on: ChargeFee(
            fee=f"fee_{name}", text="x", amount_minor=minor, due_on=due, dated_because=Dated.PAPER_LATE, on=on
        ),
        references,
        st.integers(1, 900),
        later,
        later,
    ),
    st.builds(next_act, contents_of_acts, later),
    st.builds(next_act, contents_of_acts, later),
    st.builds(lambda minor, on: CancelCommitment(amount_minor=minor, reason="x", on=on), st.one_of(st.none(), st.integers(1, 900)), later),
    st.builds(lambda cause, on: EndAvailability(cause=cause, on=on), st.sampled_from(["sunset", "availability"]), later),
    st.builds(lambda on: DeclareDefault(reason="x", on=on), later),
    st.builds(
        lambda name, minor, on: RecordRecovery(
            payment=PaymentId(f"pay_r{name}"), reference=f"r{name}", amount_minor=minor, received_on=on, on=on
        ),
        few,
        st.integers(1, 90_000),
        later,
    ),
)
BEGUN = (
    facility_loan.propose(establishment_fee_minor=500, commitment_fee_pct="1", default_margin_pct="3"),
    ApproveLoan(signing=facility_loan.signing(facility_loan.named("proposal"))),
    CommitLoan(on=facility_loan.START),
    facility_loan.learn(*facility_loan.SHOWN),
    facility_loan.request("first", 40_000),
    facility_loan.pay_out("first"),
)
numbers = st.integers(1, 900)
days = st.integers(0, 300).map(lambda ahead: min(COMMITTED_ON + timedelta(days=ahead), TODAY))
flows = st.one_of(
    st.builds(lambda units, each, on, name: subscribe(units, units * each, on, f"s{name}"), numbers, numbers, days, references),
    st.builds(lambda amount, on, name: dividend(amount, on, f"d{name}"), numbers, days, st.integers(0, 5)),
    st.builds(lambda name: ReverseDividend(flow=EquityFlowId(f"eqf_d{name}"), reason="another's"), st.integers(0, 5)),
    st.builds(lambda units, amount, on, name: divest(units, amount, on, f"v{name}"), numbers, numbers, days, references),
    st.builds(lambda amount, on: write_down(amount, on), st.one_of(numbers, numbers, numbers, st.none()), days),
    st.builds(value, numbers, days),
    st.builds(lambda: CancelUncalled(reason="enough")),
)
amounts = st.integers(1, 12)
waits = st.integers(0, 300).map(material.days)
names = st.integers(0, 3).map(lambda number: ReturnId(f"mrt_{number}"))
draws = st.integers(0, 9).map(lambda number: f"drw_{number}")
contents = st.sampled_from(["0.9965", "0.996", "0.98", "0.9966"])


def grant(on: Any) -> Any:
    return lambda loan: material.grant(loan, on) if loan.deferrals else material.ask(loan, due_on=material.days(30, max(loan.due_on, on)))


turns = st.one_of(
    st.builds(lambda units, on, name: material.draw(units * material.UNIT_G, on, 2 * material.UNIT_G, name), amounts, waits, draws),
    st.builds(lambda units, on, name, content: material.bring(units, on, content, name), amounts, waits, names, contents),
    st.builds(
        lambda content, on, by, fit, name: material.check(content, on, by, fit, name),
        contents,
        waits,
        st.sampled_from(["independent", "independent", "umpire"]),
        st.sampled_from([True, True, True, False]),
        names,
    ),
    st.builds(material.take_in, names),
    st.builds(material.take_in, names),
    st.builds(lambda name: TurnBackReturn(returned=name, reason="full", detail="no room"), names),
    st.builds(lambda name: RecordTakenBack(draw=name), draws),
    st.builds(grant, waits),
    st.builds(lambda on: CheckDue(on=on), waits),
    st.builds(lambda on: SettleInCash(price_minor="4.8", source=material.TERMS.cash_basis, reference="y", on=on), waits),
    st.builds(lambda on: DeclareMaterialDefault(reason="x", on=on), waits),
    st.builds(lambda grams, on: RecordReplacement(bought_g=grams, cost_minor=grams * 70, source="x", on=on), st.integers(1, 10**7), waits),
)
