"""Every state that a service can be in comes back from its snapshot, while the rules that made it are the same."""

import pytest
from hypothesis import given

from services.allocation.domain.book.state import Book
from services.inventory.domain.state import Stockpile
from services.loans.domain.loan.payments import ReversePayment
from services.loans.domain.loan.servicing import ClosePeriod
from services.loans.domain.projects.project import DECIDER as PROJECT
from services.loans.events.loan import PaymentId
from services.loans.events.terms import Restructure, ScheduleTerms
from services.registry import JOURNALED, service
from shared.journal.decider import Decider
from shared.journal.snapshots import decoded, encoded
from tests.stories import equity as equity_story
from tests.stories import facility as facility_story
from tests.stories import loan as loan_story
from tests.stories import material as material_story
from tests.stories import project as project_story
from tests.stories.book import a_certified_round, a_proposal
from tests.stories.given import Given
from tests.stories.stockpile_by_chance import histories, stories

DECIDERS = [decider for name in JOURNALED for decider in service(name).deciders]


@pytest.mark.parametrize("decider", DECIDERS, ids=lambda decider: decider.kind)
def test_a_stream_without_events(decider: Decider) -> None:
    assert decoded(encoded(decider.initial), type(decider.initial)) == decider.initial


@given(stories)
def test_a_stockpile(story) -> None:
    for _, _, _, state in histories(story)[-5:]:
        assert decoded(encoded(state), Stockpile) == state


@pytest.mark.parametrize("story", [a_proposal(7, 4), a_certified_round(7, 4)])
def test_a_book(story) -> None:
    assert decoded(encoded(story.state), Book) == story.state


LATER = loan_story.months(4)
ANOTHER_SCHEDULE = Restructure(
    schedule=ScheduleTerms(kind="balloon", start=LATER, every="3m", periods=6, day_count="ACT/365F", balloon_minor=1_000),
    rate_pct="8.25",
    capitalise_overdue=True,
)
HISTORIES = {
    "a facility": facility_story.opened(facility_story.rate("1.52"), facility_story.reserve("a", 300, "element/Sb", asset="USD")),
    "a project": Given(PROJECT, project_story.output("fct_1", 900), project_story.a_right(), project_story.watch()),
    "a loan with its conditions": loan_story.committed(loan_story.learn(*loan_story.SHOWN[:1]), loan_story.request()),
    "a loan in another schedule": loan_story.lent(
        ClosePeriod(on=loan_story.months(2)),
        loan_story.payment("late", 10_662, loan_story.months(1), on=loan_story.months(2)),
        loan_story.payment("wrong", 5_000, loan_story.months(2)),
        ReversePayment(payment=PaymentId("pay_wrong"), reason="another's", on=loan_story.months(2)),
        loan_story.act(ANOTHER_SCHEDULE, on=LATER),
        loan_story.sign_act(on=LATER),
        loan_story.act(ANOTHER_SCHEDULE, name="b", on=LATER),
    ),
    "a holding": equity_story.committed(
        equity_story.subscribe(400, 200_000), equity_story.value(210_000), equity_story.dividend(9_000), equity_story.divest(100, 60_000)
    ),
    "a material loan": material_story.lent().given(
        material_story.bring(3, material_story.days(60)), material_story.check("0.9931", material_story.days(61))
    ),
}


@pytest.mark.parametrize("story", HISTORIES.values(), ids=HISTORIES)
def test_a_state_of_loans(story: Given) -> None:
    state = story.state
    assert state != type(state)()
    assert decoded(encoded(state), type(state)) == state
