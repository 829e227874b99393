"""Whatever happens to a loan, a holding or a material loan, its books in the ledger are its own figures, at every step."""

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from services.ledger.accounts import Balance, Key, Side, post
from services.ledger.postings import postings
from services.loans.domain.equity import decider as equity
from services.loans.domain.equity.decider import CancelUncalled, CommitHolding
from services.loans.domain.equity.flows import ReverseDividend
from services.loans.domain.equity.state import HoldingStatus
from services.loans.domain.loan.advances import CancelCommitment, EndAvailability
from services.loans.domain.loan.agreement import ApproveLoan, CommitLoan
from services.loans.domain.loan.payments import CreditDelivery, RecordRecovery, ReversePayment
from services.loans.domain.loan.servicing import ChargeFee, ClosePeriod, DeclareDefault, ImportLoan, ResetRate
from services.loans.domain.material.decider import DECIDER as MATERIAL
from services.loans.domain.material.held import CheckDue, DeclareMaterialDefault, RecordReplacement, RecordTakenBack, SettleInCash
from services.loans.domain.material.returns import TurnBackReturn
from services.loans.domain.material.terms import CommitMaterialLoan
from services.loans.events.equity import EquityFlowId
from services.loans.events.loan import BookChange, PaymentId, Restructure, ScheduleTerms, WriteOff
from services.loans.events.material import ContainedChange, MaterialCashSettled, MaterialReplaced, ReturnId
from shared.journal.decider import Decider, Refused
from tests.stories import loan as facility_loan
from tests.stories import material
from tests.stories.equity import COMMITTED_ON, TODAY, approve, divest, dividend, propose, subscribe, value, write_down


class Books:
    """The ledger's, of one owner."""

    def __init__(self, owner: str) -> None:
        self.owner = owner
        self.balances: dict[Key, Balance] = {}

    def take(self, events: Iterable[Any]) -> None:
        """Each event's postings sum to zero, of each asset and status, and overdraw nothing."""
        for event in events:
            sums = Counter[tuple[str, str, str]]()
            lines = postings(event)
            for line in lines:
                sums[line.side, line.asset, line.status] += line.amount
            assert not any(sums.values())
            assert post(self.balances, lines) == []

    def of(self, account: str, asset: str = "AUD") -> Balance:
        return self.balances.get(Key(Side.TITLE, asset, account), Balance())

    def posted(self, *names: str) -> list[int]:
        return [self.of(f"{self.owner}/{name}").posted for name in names]


def told(decider: Decider, commands: Iterable[Any]) -> Iterator[tuple[Any, Any]]:
    """Each command's events, and how things stand after them. What is refused did not happen."""
    state = decider.initial
    for command in commands:
        events = decider.decide(command(state) if callable(command) else command, state)
        if isinstance(events, Refused):
            continue
        for event in events:
            state = decider.evolve(state, event)
        yield events, state


references = st.integers(0, 10**6).map(str)

# Facility loans

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
        lambda pct, on, now: ResetRate(base_pct=pct, source="x", from_on=on, on=now), st.sampled_from(["0", "3.5", "9"]), later, later
    ),
    st.builds(
        lambda name, minor, due, on: ChargeFee(fee=f"fee_{name}", text="x", amount_minor=minor, due_on=due, on=on),
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
    ApproveLoan(signing=facility_loan.signing(facility_loan.named("proposal")), on=facility_loan.START),
    CommitLoan(on=facility_loan.START),
    facility_loan.learn(*facility_loan.SHOWN),
    facility_loan.request("first", 40_000),
    facility_loan.pay_out("first"),
)


@given(st.lists(events_of_a_loan, max_size=25))
@settings(max_examples=80, deadline=None)
def test_the_books_say_what_a_loan_says(commands):
    books = Books("loan/lon_1")
    for events, loan in told(facility_loan.DECIDER, (*BEGUN, *commands)):
        books.take(events)
        if (figures := loan.figures) is None:
            continue
        names = ("principal", "interest", "default_interest", "fees", "credit")
        owed = [figures.principal_minor, figures.interest_minor, figures.default_interest_minor, figures.fees_minor, -figures.credit_minor]
        assert books.posted(*names) == owed
        shared = {"cash": "facility/cash", "goods": "facility/goods"}
        for field in BookChange.__struct_fields__:
            name = field.removesuffix("_minor")
            assert books.of(shared.get(name, f"loan/lon_1/{name}")).posted == getattr(loan.booked, field)
        assert figures.advanced_minor == loan.advanced_minor
        assert books.of("loan/lon_1/commitment") == Balance(0, loan.undrawn_minor)
        assert books.of("facility/cmf/committed") == Balance(0, -loan.undrawn_minor)


def test_the_books_say_what_an_imported_loan_says():
    books = Books("loan/lon_1")
    terms = facility_loan.terms()
    imported = ImportLoan(
        loan=facility_loan.LOAN,
        terms=terms,
        document=facility_loan.named("a contract"),
        reference="old 7",
        as_of=facility_loan.START,
        advanced_minor=100_000,
        repaid_minor=30_000,
        by="sub_administrator",
        on=facility_loan.months(2),
    )
    for events, _ in told(facility_loan.DECIDER, (imported, CommitLoan(on=facility_loan.months(2)))):
        books.take(events)
    assert books.posted("principal") == [70_000]
    assert books.of("facility/cash").posted == -70_000
    assert books.of("loan/lon_1/commitment") == Balance(0, 20_000)


# Equity


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


@given(st.lists(flows, max_size=25))
@settings(max_examples=60, deadline=None)
def test_the_books_say_what_a_holding_says(commands):
    books = Books("holding/eqh_1")
    for events, holding in told(equity.DECIDER, [propose(), approve(), CommitHolding(on=COMMITTED_ON), *commands]):
        books.take(events)
        figures = holding.figures
        assert books.posted("cost", "written_down", "dividend_income", "divestment_income") == [
            figures.cost_minor,
            figures.written_down_minor,
            -figures.dividends_minor,
            figures.sold_cost_minor - figures.proceeds_minor,
        ]
        assert books.of("facility/cash").posted == figures.dividends_minor + figures.proceeds_minor - figures.subscribed_minor
        pending = figures.uncalled_minor if holding.status is HoldingStatus.COMMITTED else 0
        assert books.of("holding/eqh_1/commitment") == Balance(0, pending)
        assert books.of("facility/cmf/committed") == Balance(0, -pending)


# Material loans

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
    st.builds(lambda on: SettleInCash(price_minor="4.8", source="x", reference="y", on=on), waits),
    st.builds(lambda on: DeclareMaterialDefault(reason="x", on=on), waits),
    st.builds(lambda grams, on: RecordReplacement(bought_g=grams, cost_minor=grams * 70, source="x", on=on), st.integers(1, 10**7), waits),
)


@given(st.lists(turns, max_size=25))
@settings(max_examples=60, deadline=None)
def test_the_books_say_what_a_material_loan_says(commands):
    books = Books(f"partner/JP/loan/{material.LOAN}")
    opening = (material.offer(), material.propose, material.sign, CommitMaterialLoan(), material.draw(5 * material.UNIT_G, undrawn_g=1))
    money_minor = 0
    for events, loan in told(MATERIAL, (*opening, *commands)):
        books.take(events)
        own = loan.books
        for name in ContainedChange.__struct_fields__:
            owner = books.owner if name in ("lent_g", "excess_g") else f"lending/{material.LOAN}"
            assert books.of(f"{owner}/{name.removesuffix('_g')}", "contained/Sb").posted == getattr(own, name)
        assert own.lent_g == loan.out_g
        pending_g = sum(each.pending_g for each in loan.returns.values())
        assert books.of(f"lending/{material.LOAN}/stock", "contained/Sb").pending == pending_g
        assert books.of(f"{books.owner}/returning", "contained/Sb") == Balance(0, -pending_g)
        for event in events:
            match event:
                case MaterialCashSettled():
                    money_minor += event.amount_minor
                case MaterialReplaced():
                    money_minor -= event.cost_minor
        assert books.of("facility/cash").posted == money_minor
