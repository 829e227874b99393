"""Reports: a certified round's report goes out once as it is, and again when it says something else."""

from datetime import date, timedelta

import msgspec
import pytest

from services.allocation.domain.decisions.report import DECIDER, Reason, SendReport
from services.allocation.events import DecisionHash, ProductId, ReportSent, RoundId, SubjectId
from tests.stories.given import Given

CERTIFIED = date(2026, 1, 6)
TODAY = CERTIFIED + timedelta(days=3)
SEND = SendReport(
    round=RoundId("rnd_1"),
    product=ProductId("antimony-metal"),
    decision=DecisionHash("ab" * 32),
    report="cd" * 32,
    addressee="Minister for Resources",
    reference=None,
    sent_on=TODAY,
    by=SubjectId("operator-1"),
    certified_on=CERTIFIED,
    on=TODAY,
)


def test_a_report_that_has_gone_out_names_its_document_and_who_says_so():
    [event] = Given(DECIDER).when(SEND).then(ReportSent).events
    assert (event.report, event.sent_by, event.sent_on) == ("cd" * 32, "operator-1", TODAY)


def test_the_same_report_is_not_sent_twice_and_one_that_says_more_is():
    report = Given(DECIDER, SEND)
    report.when(SEND).refused(Reason.ALREADY_SENT)
    supplemented = report.given(msgspec.structs.replace(SEND, report="ef" * 32))
    assert supplemented.state.sent == ("cd" * 32, "ef" * 32)
    supplemented.when(SEND).refused(Reason.ALREADY_SENT)


@pytest.mark.parametrize("day", [CERTIFIED - timedelta(days=1), TODAY + timedelta(days=1)])
def test_a_report_is_sent_neither_before_its_decision_nor_in_the_future(day: date):
    Given(DECIDER).when(msgspec.structs.replace(SEND, sent_on=day)).refused(Reason.DAY_INVALID)
